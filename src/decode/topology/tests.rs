//! The loader on our own format, on foreign ones, and on wrong input.

use super::*;
use crate::domain::ci::Area;
use crate::domain::topology::quality::Quality;
use crate::domain::topology::reach::{Limits, ReachState};
use crate::domain::topology::schema::Mode;
use crate::domain::topology::{CiState, Resolution};

const CLASSES: &[u8] = include_bytes!("../../../topology/classes.yaml");
const RELATIONS: &[u8] = include_bytes!("../../../topology/relations.yaml");
const SMALL: &[u8] = include_bytes!("../../../topology/sample/small.yaml");
const STORMGEN: &[u8] = include_bytes!("../../../topology/mappings/stormgen.yaml");
const BLUEKING: &[u8] = include_bytes!("../../../topology/mappings/bk-cmdb.yaml");

fn shipped() -> Arc<Schema> {
    Arc::new(
        Schema::parse(("classes.yaml", CLASSES), ("relations.yaml", RELATIONS)).expect("the shipped schema is valid"),
    )
}

fn native(text: &str) -> Result<Topology, Vec<LoadError>> {
    load(&[("cmdb", text.as_bytes())], shipped(), None, 7)
}

fn errors(text: &str) -> Vec<String> {
    native(text).expect_err("refused").iter().map(ToString::to_string).collect()
}

#[track_caller]
fn check_error(text: &str, want: &str) {
    let errors = errors(text);
    assert!(errors.len() == 1 && errors[0].starts_with(want), "{text}\n{errors:#?}\nwanted {want}");
}

#[test]
fn the_shipped_schema_has_the_whole_taxonomy() {
    let schema = shipped();
    let classes = schema.classes();
    assert_eq!((classes.len(), classes.iter().filter(|c| !c.optional).count()), (59, 45));
    for area in Area::ALL {
        assert!(classes.iter().any(|c| c.area == Some(area)), "{area:?}");
    }
    assert!(classes.iter().all(|c| c.area.is_some() && c.owner.is_some() && !c.keys.is_empty()));
    let wanted = "powers cools contains hosts runs_on connects depends_on stores_on load_balances replicates protects \
                  monitors authenticates resolves syncs_time part_of owned_by";
    assert!(wanted.split_whitespace().all(|id| schema.relation(id).is_some()));
}

#[test]
fn every_field_of_the_small_sample_is_read() {
    let made = load(&[("small.yaml", SMALL)], shipped(), None, 3).expect("valid");
    assert_eq!((made.version(), made.len()), (3, 11));
    let server = made.find("srv-1").expect("there");
    let attributes = made.attributes(server);
    assert_eq!((attributes.criticality, attributes.db_level, attributes.state), (Some(1), Some(3), CiState::Running));
    assert_eq!(attributes.org.as_ref().map(|o| o.as_str()), Some("hrss"));
    assert_eq!(attributes.labels.get("en").map(AsRef::as_ref), Some("social security host 1"));
    assert!(!made.attributes(made.find("pdu-1a").expect("there")).monitored);
    for key in ["srv-1", "社保主机1", "10.8.0.1", "10.0.0.1:9100", "SRV-1.gov.example", "sn-0001"] {
        assert_eq!(made.resolve(key), Resolution::One(server), "{key}");
    }
    assert_eq!(made.resolve("hrss/pod-1"), Resolution::One(made.find("pod-1").expect("there")));
    let app = made.find("app-1").expect("there");
    assert_eq!(made.kind(made.causes(app)[0].kind).mode, Mode::Soft);
    let quality = Quality::of(&made);
    assert!(quality.unused_fields.is_empty() && quality.dangling.count == 0, "{quality:?}");
    let state = |from: &str| {
        let reach = made.impact(made.find(from).expect("there"), &Limits::default());
        reach.reached.iter().find(|r| r.ci == server).map(|r| r.state)
    };
    assert_eq!((state("ups-a"), state("ats-1")), (Some(ReachState::Redundant), Some(ReachState::Hard)));
}

#[test]
fn json_and_yaml_give_the_same_topology() {
    let yaml = "cis:\n- {id: a, class: server, keys: ['007', 10.0.0.1], criticality: 2}\n- {id: b, class: vm}\nrelations:\n- {from: a, to: b, type: hosts}\n";
    let json = r#"{"relations":[{"from":"a","to":"b","type":"hosts"}],
        "cis":[{"id":"a","class":"server","keys":["007","10.0.0.1"],"criticality":2},{"id":"b","class":"vm"}]}"#;
    let (yaml, json) = (native(yaml).expect("valid"), native(json).expect("valid"));
    for made in [&yaml, &json] {
        let a = made.find("a").expect("there");
        assert_eq!(made.resolve("007"), Resolution::One(a));
        assert_eq!(made.attributes(a).criticality, Some(2));
        assert_eq!(made.effects(a).len(), 1);
    }
    assert_eq!(Quality::of(&yaml), Quality::of(&json));
}

#[test]
fn errors_name_file_and_line() {
    check_error("{\"cis\":[\n{\"id\":\"a\",\"class\":\"vm\"},\n{\"class\":\"vm\"}]}", "cmdb:3: a CI without an id");
    check_error(
        "{\"cis\":[\n{\"id\":\"a\",\"class\":\"vm\"},\n\n{\"id\":\"a\",\"class\":\"vm\"}]}",
        "cmdb:4: CI \"a\" is defined twice",
    );
    check_error(
        "cis:\n- {id: a, class: vm}\n- id: a\n  class: vm\n",
        "cmdb:3: CI \"a\" is defined twice; remove one of the two; the other one is at cmdb:2",
    );
    check_error("cis:\n- {id: a, class: vm, criticality: 6}\n", "cmdb:2: CI \"a\": criticality is \"6\"");
    check_error("cis:\n- {id: a, class: vm, state: off}\n", "cmdb:2: CI \"a\": state is");
    check_error("cis:\n- {id: a, class: vm, monitored: maybe}\n", "cmdb:2: CI \"a\": monitored is");
    check_error("cis:\n- {id: a, class: vm, redundancy: {powers: many}}\n", "cmdb:2: CI \"a\": redundancy");
    check_error("cis:\n- {id: a}\n", "cmdb:2: CI \"a\" has no class");
    check_error("cis:\n- {id: a, class: vm}\n- just text\n", "cmdb:3: a CI must be an object");
    check_error("cis:\n- {id: a, class: vm}\nrelations:\n- {from: a, type: hosts}\n", "cmdb:4: a relation needs");
    check_error(
        "cis:\n- {id: a, class: vm}\nrelations:\n- {from: a, to: b, type: loves}\n",
        "cmdb:4: unknown relation type \"loves\"",
    );
    check_error("{\"cis\":[\n{\"id\":\"a\",\"class\":\"vm\"},\n{\"id\":}]}", "cmdb:3: ");
    check_error("{\"cis\":[{\"id\":\"a\",\"class\":\"vm\"}],\n\"relations\":[", "cmdb:2: ");
    check_error("cis:\n- {id: a, class: vm\n- x", "cmdb:");
    check_error("[1,2]", "cmdb:");
    check_error("cis: []", "cmdb:0: no CI in it");
    check_error("{}", "cmdb:0: no CI in it");
}

#[test]
fn many_errors_are_bounded_and_counted() {
    let rows: Vec<String> = (0..250).map(|_| r#"{"class":"vm"}"#.to_owned()).collect();
    let errors = errors(&format!("{{\"cis\":[\n{}]}}", rows.join(",\n")));
    assert_eq!(errors.len(), ERRORS_MAX);
    assert!(errors[99].starts_with("cmdb:101: ") && errors[99].ends_with("(and 150 more errors)"), "{}", errors[99]);
}

#[test]
fn what_is_only_doubtful_is_noted() {
    let made = native(
        "cis:\n- {id: a, class: vm, nmae: x}\n- {id: b, class: toaster, keys: [k]}\n- {id: c, class: vm, keys: [k]}\nrelations:\n\
         - {from: a, to: gone, type: hosts}\n- {from: a, to: a, type: hosts}\n- {from: a, to: b, type: hosts}\n- {from: b, to: a, type: runs_on}\n- {from: a, to: b, type: hosts}\nversion: 4\n",
    )
    .expect("valid");
    let quality = Quality::of(&made);
    assert_eq!(quality.dangling.first[0].place, Place { file: 0, line: 6 });
    assert_eq!((quality.to_itself.count, quality.repeated), (1, 1));
    assert_eq!(quality.unused_fields.keys().map(AsRef::as_ref).collect::<Vec<_>>(), ["nmae", "version"]);
    assert_eq!(quality.unknown_classes["toaster"].count, 1);
    let warnings = quality.warnings();
    assert!(warnings.iter().any(|line| line.contains("class \"toaster\" is not known (1 CIs)")), "{warnings:?}");
    assert!(warnings.iter().any(|line| line.contains("field \"nmae\"")), "{warnings:?}");
    assert_eq!(made.class(made.find("b").expect("there")).id.as_ref(), "toaster");
    assert_eq!(quality.shared_keys.first[0].key.as_ref(), "k");
    assert!(matches!(made.resolve("k"), Resolution::Ambiguous(cis) if cis.len() == 2));
}

#[test]
fn an_emptied_topology_must_be_meant() {
    assert!(native("empty: true\n").expect("meant").is_empty());
    assert!(native("{\"empty\":true,\"cis\":[]}").expect("meant").is_empty());
}

#[test]
fn files_are_read_as_one() {
    let (one, two): (&[u8], &[u8]) =
        (b"relations:\n- {from: a, to: b, type: hosts}\n", b"cis:\n- {id: a, class: server}\n- {id: b, class: vm}\n");
    let made = load(&[("one.yaml", one), ("two.yaml", two)], shipped(), None, 1).expect("valid");
    assert_eq!(made.edges(), 1);
    let wrong =
        load(&[("one.yaml", one), ("two.yaml", two), ("three.yaml", two)], shipped(), None, 1).expect_err("twice");
    assert_eq!(
        wrong[0].to_string(),
        "three.yaml:2: CI \"a\" is defined twice; remove one of the two; the other one is at two.yaml:2"
    );
}

#[test]
fn other_encodings_are_read_or_refused_with_their_line() {
    let (bytes, _, _) = encoding_rs::GB18030.encode("cis:\n- {id: a, class: vm, name: 政务云主机一号机房}\n");
    let made = load(&[("gb.yaml", &bytes)], shipped(), None, 1).expect("valid");
    assert_eq!(made.name(crate::domain::topology::CiIx(0)), "政务云主机一号机房");
    let wrong = load(
        &[("bad.yaml", b"cis:\n- {id: a, class: vm, name: \xE4\xB8\xAD\xE6\x96\x87\xE5\xAD\x97 \xFF\xFF}\n")],
        shipped(),
        None,
        1,
    );
    assert_eq!(wrong.expect_err("bad")[0].line, 2);
}

/// One CI of every type and one relation of every type that the storms' CMDBs have, all four alike.
const STORM: &str = r#"{"version":1,"relation_semantics":"from depends on to: a fault of to may hit from",
"cis":[
{"id":"site-00000","type":"site","name":"site-00000","aliases":[],"site":"site-00000"},
{"id":"room-00000","type":"room","name":"room-00000","aliases":[],"site":"site-00000"},
{"id":"ups-00000","type":"ups","name":"ups-00000","aliases":["10.0.0.5"],"site":"site-00000"},
{"id":"ups-00001","type":"ups","name":"ups-00001","aliases":["10.0.0.6"],"site":"site-00000"},
{"id":"crac-00000","type":"crac","name":"crac-00000","aliases":["10.0.0.7"],"site":"site-00000"},
{"id":"csw-00000","type":"core_switch","name":"csw-00000","aliases":["10.0.0.1"],"site":"site-00000"},
{"id":"csw-00001","type":"core_switch","name":"csw-00001","aliases":["10.0.0.2"],"site":"site-00000"},
{"id":"agg-00000","type":"agg_switch","name":"agg-00000","aliases":["10.0.0.9"],"site":"site-00000"},
{"id":"stor-00000","type":"storage","name":"stor-00000","aliases":["10.0.0.11"],"site":"site-00000"},
{"id":"rack-00000","type":"rack","name":"rack-00000","aliases":[],"site":"site-00000"},
{"id":"pdu-00000","type":"pdu","name":"pdu-00000","aliases":["10.0.0.13"],"site":"site-00000"},
{"id":"pdu-00001","type":"pdu","name":"pdu-00001","aliases":["10.0.0.14"],"site":"site-00000"},
{"id":"tor-00000","type":"tor_switch","name":"tor-00000","aliases":["10.0.0.15"],"site":"site-00000"},
{"id":"host-00000","type":"host","name":"host-00000","aliases":["10.0.0.16","host-00000.dc00.gov.example"],"site":"site-00000"},
{"id":"vm-00000","type":"vm","name":"vm-00000","aliases":["10.0.0.17","vm-00000.dc00.gov.example"],"site":"site-00000"},
{"id":"node-00000","type":"k8s_node","name":"node-00000","aliases":["10.0.0.18"],"site":"site-00000"},
{"id":"pod-00000","type":"pod","name":"pod-00000","aliases":["10.0.0.19"],"site":"site-00000"},
{"id":"pod-00001","type":"pod","name":"pod-00001","aliases":["10.0.0.20"],"site":"site-00000"},
{"id":"db-00000","type":"database","name":"mysql-0000","aliases":["mysql-0000","10.0.0.21"],"site":"site-00000"},
{"id":"db-00001","type":"database","name":"mysql-0001","aliases":["mysql-0001","10.0.0.22"],"site":"site-00000"},
{"id":"mw-00000","type":"middleware","name":"redis-0000","aliases":["redis-0000","10.0.0.23"],"site":"site-00000"},
{"id":"app-00000","type":"application","name":"tax-svc-0000","aliases":["tax-svc-0000"],"display_name":"税务应用0","domain":"tax"},
{"id":"app-00001","type":"application","name":"tax-svc-0001","aliases":["tax-svc-0001"],"display_name":"税务应用1","domain":"tax"},
{"id":"biz-00000","type":"business_service","name":"tax-biz-0000","aliases":["tax-biz-0000"],"display_name":"税务业务0","domain":"tax"}
],
"relations":[
{"from":"room-00000","to":"site-00000","type":"located_in"},
{"from":"rack-00000","to":"room-00000","type":"located_in"},
{"from":"rack-00000","to":"crac-00000","type":"cooled_by"},
{"from":"pdu-00000","to":"ups-00000","type":"powered_by"},
{"from":"pdu-00001","to":"ups-00001","type":"powered_by"},
{"from":"tor-00000","to":"agg-00000","type":"uplink"},
{"from":"agg-00000","to":"csw-00000","type":"uplink"},
{"from":"agg-00000","to":"csw-00001","type":"uplink"},
{"from":"stor-00000","to":"agg-00000","type":"connected_to"},
{"from":"host-00000","to":"rack-00000","type":"located_in"},
{"from":"host-00000","to":"pdu-00000","type":"powered_by"},
{"from":"host-00000","to":"pdu-00001","type":"powered_by"},
{"from":"host-00000","to":"tor-00000","type":"connected_to"},
{"from":"vm-00000","to":"host-00000","type":"runs_on"},
{"from":"vm-00000","to":"stor-00000","type":"stores_on"},
{"from":"node-00000","to":"vm-00000","type":"runs_on"},
{"from":"pod-00000","to":"node-00000","type":"runs_on"},
{"from":"pod-00001","to":"node-00000","type":"runs_on"},
{"from":"db-00000","to":"vm-00000","type":"runs_on"},
{"from":"db-00001","to":"db-00000","type":"replicates"},
{"from":"mw-00000","to":"vm-00000","type":"runs_on"},
{"from":"app-00000","to":"pod-00000","type":"served_by"},
{"from":"app-00000","to":"pod-00001","type":"served_by"},
{"from":"app-00000","to":"db-00000","type":"uses"},
{"from":"app-00000","to":"mw-00000","type":"uses"},
{"from":"app-00001","to":"app-00000","type":"calls"},
{"from":"biz-00000","to":"app-00001","type":"relies_on"}
]}"#;

#[test]
fn the_storms_cmdb_is_read_by_its_mapping_alone() {
    let mapping = Mapping::parse("stormgen.yaml", STORMGEN).expect("valid");
    let made = load(&[("cmdb.json", STORM.as_bytes())], shipped(), Some(&mapping), 1).expect("valid");
    let quality = Quality::of(&made);
    assert!(quality.unknown_classes.is_empty() && quality.unused_fields.is_empty(), "{quality:?}");
    assert_eq!((made.edges(), quality.cycles.count, quality.orphans.count), (27, 0, 0));
    let class = |id: &str| made.class(made.find(id).expect("there")).id.to_string();
    assert_eq!((class("host-00000"), class("agg-00000")), ("server".into(), "agg_switch".into()));
    let app = made.find("app-00000").expect("there");
    assert_eq!(made.name(app), "税务应用0");
    for key in ["tax-svc-0000", "税务应用0", "app-00000"] {
        assert_eq!(made.resolve(key), Resolution::One(app), "{key}");
    }
    assert_eq!(made.resolve("10.0.0.16:9100"), Resolution::One(made.find("host-00000").expect("there")));
    let state = |from: &str, to: &str| {
        let reach =
            made.impact(made.find(from).expect("there"), &Limits { attenuation_min_pm: 1, ..Limits::default() });
        let to = made.find(to).expect("there");
        reach.reached.iter().find(|r| r.ci == to).map(|r| r.state)
    };
    assert_eq!(state("ups-00000", "host-00000"), Some(ReachState::Redundant));
    assert_eq!(state("host-00000", "biz-00000"), Some(ReachState::Soft));
    assert_eq!(state("db-00001", "app-00000"), None);
}

#[test]
fn a_blueking_export_is_read_by_its_mapping_alone() {
    let text = r#"{"hosts":[{"bk_host_id":1,"bk_host_name":"web-1","bk_host_innerip":"10.1.0.1","bk_os_name":"linux"}],
"businesses":[{"bk_biz_id":2,"bk_biz_name":"社保"}],"modules":[{"bk_module_id":5,"bk_module_name":"网关"}],
"sets":[{"bk_set_id":9,"bk_set_name":"生产"}],
"instances":[{"bk_obj_id":"bk_switch","bk_inst_id":1,"bk_inst_name":"sw-1"},{"bk_obj_id":"rack","bk_inst_id":1,"bk_inst_name":"A01"}],
"associations":[
{"id":1,"bk_obj_id":"host","bk_inst_id":1,"bk_asst_obj_id":"bk_switch","bk_asst_inst_id":1,"bk_asst_id":"connect"},
{"id":2,"bk_obj_id":"host","bk_inst_id":1,"bk_asst_obj_id":"rack","bk_asst_inst_id":1,"bk_asst_id":"belong"},
{"id":3,"bk_obj_id":"module","bk_inst_id":5,"bk_asst_obj_id":"host","bk_asst_inst_id":1,"bk_asst_id":"run"},
{"id":4,"bk_obj_id":"module","bk_inst_id":5,"bk_asst_obj_id":"set","bk_asst_inst_id":9,"bk_asst_id":"bk_mainline"},
{"id":5,"bk_obj_id":"set","bk_inst_id":9,"bk_asst_obj_id":"biz","bk_asst_inst_id":2,"bk_asst_id":"group"},
{"id":6,"bk_obj_id":"host","bk_inst_id":1,"bk_asst_obj_id":"biz","bk_asst_inst_id":2,"bk_asst_id":"default"}]}"#;
    let mapping = Mapping::parse("bk-cmdb.yaml", BLUEKING).expect("valid");
    let made = load(&[("bk.json", text.as_bytes())], shipped(), Some(&mapping), 1).expect("valid");
    let switch = made.find("bk_switch/1").expect("there");
    let hit: Vec<String> =
        made.impact(switch, &Limits::default()).reached.iter().map(|r| made.id(r.ci).to_string()).collect();
    assert_eq!(hit, ["host/1", "module/5", "set/9", "biz/2"]);
    assert_eq!(made.causes(made.find("host/1").expect("there")).len(), 2);
    assert_eq!(made.resolve("WEB-1"), Resolution::One(made.find("host/1").expect("there")));
    assert_eq!(made.notes().ignored["default"].count, 1);
    assert!(made.notes().unused_fields.is_empty(), "{:?}", made.notes());
}

#[test]
fn a_wrong_schema_names_its_lines() {
    let wrong = |classes: &str, relations: &str| {
        let read = Schema::parse(("c", classes.as_bytes()), ("r", relations.as_bytes()));
        read.expect_err("wrong").iter().map(|e| format!("{}:{}", e.file, e.line)).collect::<Vec<_>>()
    };
    let a = "- {id: a, zh: a, en: a, layer: 0}\n";
    assert_eq!(wrong(&format!("{a}{a}"), "[]"), ["c:2"]);
    assert_eq!(wrong(&format!("{a}- {{id: b, zh: b, en: b, layer: 9, like: c}}\n"), "[]"), ["c:2", "c:2"]);
    assert_eq!(wrong(a, "- {id: r, touch: 1, pass: 2}\n"), ["r:1"]);
    assert_eq!(wrong(a, "- id: r\n  touch: 900\n  overrides:\n  - {cause: [zz]}\n"), ["r:4"]);
    assert_eq!(wrong(a, "- {id: r, tuch: 1}\n"), ["r:1"]);
}

#[test]
fn overrides_fit_by_class_and_by_what_a_class_is_like() {
    let made = native(
        "cis:\n- {id: u, class: ups}\n- {id: p, class: pdu}\n- {id: s, class: server}\n- {id: n, class: k8s_node}\n- {id: d, class: k8s_pod}\n- {id: i, class: ids}\n\
         relations:\n- {from: u, to: p, type: powers}\n- {from: p, to: s, type: powers}\n- {from: d, to: n, type: runs_on}\n- {from: i, to: s, type: protects}\n",
    )
    .expect("valid");
    let cause = |id: &str| {
        let edge = made.causes(made.find(id).expect("there"))[0];
        (made.id(edge.ci).to_string(), made.kind(edge.kind).delay_typ.as_secs())
    };
    assert_eq!(cause("p"), ("u".into(), 1));
    assert_eq!(cause("s"), ("p".into(), 3));
    assert_eq!(cause("d"), ("n".into(), 30));
    assert!(made.effects(made.find("i").expect("there")).is_empty());
}
