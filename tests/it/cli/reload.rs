//! Rules, topology and mappings are taken from disk while the program runs.

use super::served::{Served, token};
use super::write;
use crate::storms::project;

const FALLBACK: &str = "routes:\n  - { id: fallback, receivers: [default] }\n";

fn event(name: &str) -> String {
    format!(
        r#"{{"name":"{name}","severity":"major","starts_at":"2026-01-05T00:00:00Z","object":{{"name":"host-of-{name}"}}}}"#
    )
}

#[test]
fn a_bad_set_of_rules_is_refused_and_a_good_one_takes_effect() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (source, reader) = (token(&data, "source", "zabbix"), token(&data, "operator", "li"));
    let rules = folder.path().join("rules");
    write(&rules, "routes.yaml", FALLBACK);
    write(&rules, "promote.yaml", "promote:\n  - { id: never, after: never }\n");
    let (data, folder_of_rules) = (data.display().to_string(), rules.display().to_string());
    let served = Served::start(&["--data", &data, "--rules", &folder_of_rules]);
    served.wait_for("rules taken");
    served.send(&source, &reader, &event("first"));

    write(&rules, "promote.yaml", "promote:\n  - { id: soon, after: soonish }\n");
    served.wait_for("rules refused, the old ones stay in force");
    served.wait_for(&format!("{folder_of_rules}/promote.yaml:2:"));
    served.wait_for("write now, never or a length such as 5m");
    served.send(&source, &reader, &event("second"));
    let incidents = served.ask("GET", "/api/v1/incidents", &reader, "").1;
    assert!(!incidents.contains("second"), "the old rules hold it: {incidents}");

    write(&rules, "promote.yaml", "adjust:\n  - { id: all-critical, severity: critical }\n");
    served.wait_for("rules.version=2");
    served.send(&source, &reader, &event("third"));
    served.wait("an incident by the rules of now", || {
        served.ask("GET", "/api/v1/incidents", &reader, "").1.contains("third").then_some(())
    });
    served.stop();

    // The same set again appends nothing.
    let served = Served::start(&["--data", &data, "--rules", &folder_of_rules]);
    assert_eq!(served.count("rules taken"), 0);
    served.stop();
    // A slip in a file does not keep it away.
    write(&rules, "promote.yaml", "promote: [");
    let served = Served::start(&["--data", &data, "--rules", &folder_of_rules]);
    served.wait_for("rules refused, the old ones stay in force");
    served.stop();
}

#[test]
fn a_source_is_taken_on_by_a_mapping_file_alone() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (source, reader) = (token(&data, "source", "own"), token(&data, "operator", "li"));
    let mappings = folder.path().join("mappings");
    std::fs::create_dir_all(&mappings).unwrap();
    let served = Served::start(&["--data", &data.display().to_string(), "--mappings", &mappings.display().to_string()]);
    let body = r#"{"what":"fan","where":"db-1","how":"bad"}"#;
    assert_eq!(served.ask("POST", "/api/v1/ingest/own", &source, body).0, 404);

    write(&mappings, "own.yaml", "mapping: own\nevent: { name: what, object: { nam: where } }\n");
    served.wait_for("mappings refused, the old ones stay in force");
    served.wait_for("own.yaml:2:");

    let good = "mapping: own\nevent:\n  name: what\n  object: { name: where }\n  severity: { from: how, map: { bad: major } }\n";
    write(&mappings, "own.yaml", good);
    served.wait("the mapping", || (served.ask("POST", "/api/v1/ingest/own", &source, body).0 == 202).then_some(()));
    served.wait("the decision", || (served.accounted(&reader) == 1).then_some(()));
    served.stop();
}

#[test]
fn a_topology_is_replaced_while_it_runs_and_a_bad_one_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data").display().to_string();
    let estate = |more: &str| format!("cis:\n- {{ id: db-1, class: server, name: db-1 }}\n{more}");
    let file = write(folder.path(), "cmdb/estate.yaml", &estate(""));
    let served = Served::start(&["--data", &data, "--topology", &file]);
    served.wait_for("topology.version=1");
    write(folder.path(), "cmdb/estate.yaml", &estate("- { id: db-2, klass: server, name: db-2 }\n"));
    served.wait_for("topology refused, the old ones stay in force");
    served.wait_for(&format!("{file}:3:"));
    write(folder.path(), "cmdb/estate.yaml", &estate("- { id: db-2, class: server, name: db-2 }\n"));
    served.wait_for("topology.version=2");
    let before = served.count("told to read");
    served.signal("HUP");
    served.wait("the signal", || (served.count("told to read") > before).then_some(()));
    served.stop();
}

/// What BlueKing's CMDB answers: a host in a rack, a switch above it, a module on it.
const BLUEKING: &str = r#"{"hosts":[{"bk_host_id":1,"bk_host_name":"web-1","bk_host_innerip":"10.1.0.1"}],
"modules":[{"bk_module_id":5,"bk_module_name":"gateway"}],
"instances":[{"bk_obj_id":"bk_switch","bk_inst_id":1,"bk_inst_name":"sw-1"}],
"associations":[
{"bk_obj_id":"host","bk_inst_id":1,"bk_asst_obj_id":"bk_switch","bk_asst_inst_id":1,"bk_asst_id":"connect"},
{"bk_obj_id":"module","bk_inst_id":5,"bk_asst_obj_id":"host","bk_asst_inst_id":1,"bk_asst_id":"run"}]}"#;

#[test]
fn a_foreign_cmdb_is_used_live_and_needs_its_mapping_only_once() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let viewer = token(&data, "viewer", "wall");
    let data = data.display().to_string();
    let shipped = std::fs::read_to_string(project().join("topology/mappings/bk-cmdb.yaml")).unwrap();
    let mapping = write(folder.path(), "cmdb/bk.yaml", &shipped);
    let file = write(folder.path(), "cmdb/bk.json", BLUEKING);
    let given = ["--topology-mapping", mapping.as_str()];
    let looked = |command: &str, more: &[&str]| {
        super::headwater(&[&["topology", command, file.as_str()][..], more, &given].concat())
    };
    looked("check", &[]).does(&["3 CIs, 2 edges"]);
    looked("report", &[]).does(&["\"cis\": 3"]);
    looked("impact", &["bk_switch/1"]).does(&["host/1", "module/5"]);
    looked("causes", &["module/5"]).does(&["host/1", "bk_switch/1"]);
    super::headwater(&["check", "--topology", &file, given[0], given[1]]).does(&["3 CIs, 2 edges"]);

    let config = write(folder.path(), "hw.yaml", "topology: cmdb/bk.json\ntopology_mapping: cmdb/bk.yaml\n");
    let served = Served::start(&["--data", &data, "--config", &config]);
    served.wait_for("topology.version=1");
    let impact = |served: &Served| {
        let (status, body) = served.ask("GET", "/api/v1/topology/cis/bk_switch%2F1/impact", &viewer, "");
        (status == 200 && body.contains("module/5")).then_some(())
    };
    served.wait("the impact", || impact(&served));
    write(folder.path(), "cmdb/bk.yaml", &shipped.replace("cis_from:", "cis_form:"));
    served.wait_for("topology refused, the old ones stay in force");
    served.wait_for(&format!("{mapping}:"));
    served.stop();

    // Neither file is needed again: what the journal keeps says all.
    std::fs::remove_dir_all(folder.path().join("cmdb")).unwrap();
    let served = Served::start(&["--data", &data]);
    served.wait("the impact after a restart", || impact(&served));
    served.stop();
    super::headwater(&["replay", &data]).does(&["0 differ"]);
}

#[test]
fn a_first_start_with_bad_files_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data").display().to_string();
    let serve =
        |more: [&str; 2]| super::headwater(&["serve", "--listen", "127.0.0.1:0", "--data", &data, more[0], more[1]]);
    let rules = folder.path().join("rules").display().to_string();
    write(folder.path(), "rules/a.yaml", "promote:\n  - { id: p }\n");
    serve(["--rules", &rules]).refuses(&[&format!("{rules}/a.yaml:2:"), "missing field"]);
    let mappings = folder.path().join("mappings").display().to_string();
    write(folder.path(), "mappings/m.yaml", "mapping: m\nevent: { name: n, object: {} }\n");
    serve(["--mappings", &mappings]).refuses(&["m.yaml:2:1: event.object: give at least one of"]);
    let file = write(folder.path(), "t.yaml", "cis:\n- { id: a, klass: server, name: a }\n");
    serve(["--topology", &file]).refuses(&[&format!("{file}:2"), "has no class"]);
}

#[test]
fn a_topology_that_is_not_understood_says_where_and_who_put_it_is_on_record() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let analyst = token(&data, "analyst", "chen.jie");
    let estate = "cis:\n- { id: db-1, class: server, name: db-1 }\n- { id: r-1, class: robot, nmae: r }\n\
                  - { id: r-2, class: robot }\nrelations:\n- { from: db-1, to: r-9, type: hosts }\n";
    let said = [
        ":3: class \"robot\" is not known (2 CIs)",
        ":3: field \"nmae\"",
        ":6: db-1 hosts r-9: one of the two is no CI",
    ];
    let file = write(folder.path(), "estate.yaml", estate);
    let warned: Vec<String> = said.iter().map(|line| format!("warning: {file}{line}")).collect();
    super::headwater(&["topology", "check", &file]).does(&warned.iter().map(String::as_str).collect::<Vec<_>>());
    super::headwater(&["check", "--topology", &file, "--strict"])
        .refuses(&warned.iter().map(String::as_str).collect::<Vec<_>>());

    let served = Served::start(&["--data", &data.display().to_string()]);
    let (status, body) = served.ask("PUT", "/api/v1/topology", &analyst, estate);
    let taken: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &taken["unknown_classes"], &taken["dangling"]), (202, &2.into(), &1.into()), "{body}");
    let warnings: Vec<&str> = taken["warnings"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect();
    assert_eq!(warnings.len(), said.len(), "{warnings:?}");
    for (line, said) in warnings.iter().zip(said) {
        assert!(line.starts_with(&format!("topology{said}")), "{line}");
    }
    let quality = served.wait("the topology to be in force", || {
        let quality = served.ask("GET", "/api/v1/topology/quality", &analyst, "").1;
        (!quality.contains(r#""version":0"#)).then_some(quality)
    });
    assert!(quality.contains(r#""robot":{"count":2,"first":{"file":0,"line":3}}"#), "{quality}");
    let audit = served.wait("the audit", || {
        let audit = served.ask("GET", "/api/v1/audit", &analyst, "").1;
        audit.contains("topology").then_some(audit)
    });
    assert!(audit.contains(r#""actor":"chen.jie","action":"topology""#), "{audit}");
    let unknown = estate.replace("type: hosts", "type: hugs");
    let (status, body) = served.ask("PUT", "/api/v1/topology", &analyst, &unknown);
    assert!(status == 422 && body.contains("topology:6: unknown relation type \\\"hugs\\\""), "{status} {body}");
    served.stop();
}

#[test]
fn a_window_made_while_the_folder_is_read_again_stays() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let operator = token(&data, "operator", "li");
    let rules = folder.path().join("rules");
    write(&rules, "routes.yaml", FALLBACK);
    let served = Served::start(&["--data", &data.display().to_string(), "--rules", &rules.display().to_string()]);
    served.wait_for("rules taken");
    const COUNT: usize = 12;
    for n in 0..COUNT {
        write(&rules, "mute.yaml", &format!("mute:\n- {{ id: m-{n}, match: {{ name: n-{n} }} }}\n"));
        served.signal("HUP");
        let window = format!(
            r#"{{"id":"w-{n}","match":{{"site":"s-{n}"}},"schedule":{{"once":{{"from":"2026-03-01 22:00","to":"2026-03-02 06:00"}}}}}}"#
        );
        let (status, body) = served.ask("POST", "/api/v1/windows", &operator, &window);
        assert_eq!(status, 202, "{body}");
    }
    let files = served.wait("the last rules of the folder", || {
        let rules = served.ask("GET", "/api/v1/rules", &operator, "").1;
        rules.contains(&format!("m-{}", COUNT - 1)).then_some(rules)
    });
    for n in 0..COUNT {
        assert!(files.contains(&format!("w-{n}\\\"")), "window {n} was overwritten: {files}");
    }
    served.stop();
}
