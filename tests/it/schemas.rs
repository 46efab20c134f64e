//! The published JSON Schemas: they are those of the types, every shipped file fits its own, and what is broken is refused by
//! schema and program alike.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use headwater::config::{self, Flags};
use headwater::decode::formats::Formats;
use headwater::decode::mapping::{Mapping, Shape};
use headwater::decode::severity::SeverityMap;
use headwater::decode::topology;
use headwater::domain::topology::schema::Schema;
use headwater::engine::policy::Policy;
use headwater::engine::policy::place::RuleFile;
use headwater::engine::tuning::Tuning;
use headwater::folders::metric::MetricModel;
use headwater::lab::built_in::read_topology;
use headwater::lab::rule_tests::file::TestFile;
use headwater::schemas::published;
use jsonschema::Validator;
use serde_json::{Value, json};

use crate::decode::decode;
use crate::storms::project;

/// One of each published schema, ready to check with.
fn validators() -> BTreeMap<&'static str, Validator> {
    let ready = |text: &str| jsonschema::draft202012::new(&serde_json::from_str(text).unwrap()).unwrap();
    published().iter().map(|schema| (schema.name, ready(&schema.text))).collect()
}

/// YAML as an editor reads it.
fn read(text: &str) -> Value {
    let options = serde_saphyr::options! { strict_booleans: true };
    let read = serde_saphyr::from_str_with_options::<Option<Value>>(text, options);
    read.unwrap_or_else(|error| panic!("{error}\n{text}")).unwrap_or_else(|| serde_json::json!({}))
}

fn faults(validator: &Validator, text: &str) -> Vec<String> {
    let value = read(text);
    validator.iter_errors(&value).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

#[test]
fn published_schemas_are_those_of_the_types() {
    let folder = project().join("docs/schema");
    let mut names: Vec<String> = Vec::new();
    for schema in published() {
        let file = format!("{}.json", schema.name);
        let path = folder.join(&file);
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            std::fs::write(&path, &schema.text).unwrap();
        }
        let stands = std::fs::read_to_string(&path).unwrap_or_default();
        let remedy = "UPDATE_EXPECT=1 writes it; what a message means never changes";
        assert!(stands == schema.text, "{}: differs from the types; {remedy}", path.display());
        names.push(file);
    }
    let stands = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let strangers: Vec<String> = stands.filter(|name| !names.contains(name)).collect();
    assert_eq!(strangers, Vec::<String>::new(), "nothing makes these");
    assert!(validators().len() >= 20);
}

/// The schema that a file of the project is for.
fn schema_of(path: &str) -> Option<&'static str> {
    let name = path.rsplit('/').next().unwrap_or_default();
    Some(match path {
        "config/default.yaml" | "deploy/headwater/cluster.yaml" => "config",
        "rules/alertmanager.yaml" => "alertmanager",
        "topology/classes.yaml" => "classes",
        "topology/relations.yaml" => "relations",
        _ if path.starts_with("rules/mappings/") => "mapping",
        _ if path.starts_with("rules/severity/") => "severity",
        _ if path.starts_with("rules/tests/") => "rule-tests",
        _ if path.starts_with("rules/") || name == "rules.yaml" || path.starts_with("tests/oncall/") => "rules",
        _ if path.starts_with("topology/mappings/") => "topology-mapping",
        _ if path.starts_with("topology/sample/") => "topology",
        _ if path.starts_with("models/correlation/") => "model",
        _ if path.starts_with("models/metric/") => "metric-model",
        _ => return None,
    })
}

fn yaml_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            yaml_files(&path, found);
        } else if path.extension().is_some_and(|end| end == "yaml") {
            found.push(path);
        }
    }
}

#[test]
fn every_shipped_file_fits_its_schema() {
    let (validators, mut files, mut wrong) = (validators(), Vec::new(), Vec::new());
    for folder in
        ["config", "deploy/headwater", "rules", "topology", "models", "tests/scenarios", "tests/oncall", "tests/golden"]
    {
        yaml_files(&project().join(folder), &mut files);
    }
    let mut checked: BTreeMap<&str, usize> = BTreeMap::new();
    for file in &files {
        let path = file.strip_prefix(project()).unwrap().display().to_string();
        let Some(schema) = schema_of(&path) else { continue };
        *checked.entry(schema).or_default() += 1;
        let text = std::fs::read_to_string(file).unwrap();
        wrong.extend(faults(&validators[schema], &text).iter().map(|fault| format!("{path} ({schema}): {fault}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(checked.len(), 12, "{checked:?}");
    assert!(checked["mapping"] > 50 && checked["severity"] > 40 && checked["rules"] > 10, "{checked:?}");
    let contacts = "li: { mobile: \"13800000000\", mail: li@example.org, feishu: ou_1, language: en }";
    assert_eq!(faults(&validators["contacts"], contacts), Vec::<String>::new());
}

/// Both the decoder and the schema take an event, or both refuse it.
#[test]
fn an_event_fits_its_schema_when_the_decoder_takes_it() {
    let validator = &validators()["event.v1"];
    let text = std::fs::read_to_string(project().join("tests/golden/decode/native/all_fields.json")).unwrap();
    let whole: Value = serde_json::from_str(&text).unwrap();
    let whole = whole.get("events").map_or(whole.clone(), |events| events[0].clone());
    let fields: Vec<String> = whole.as_object().unwrap().keys().cloned().collect();
    assert!(fields.len() > 20, "{fields:?}");
    let formats = Formats::built_in();
    let is_taken = |event: &Value| {
        let decoded = decode(&formats, "native", Shape::Json, event.to_string().as_bytes());
        decoded.is_ok_and(|decoded| decoded.rejected.is_empty())
    };
    assert!(is_taken(&whole) && validator.is_valid(&whole), "{whole}");
    for field in [String::new()].iter().chain(&fields) {
        for value in
            [json!(null), json!(7), json!("2026-01-05T00:00:00Z"), json!(["x"]), json!({ "x": "y" }), json!(true)]
        {
            // An array is taken for the members of an object in their order, which nobody should rely on.
            if value.is_array() && whole[field.as_str()].is_object() {
                continue;
            }
            let mut event = whole.clone();
            event[field.as_str()] = value;
            let fits = validator.is_valid(&event);
            assert!(fits || !is_taken(&event), "the schema refuses what is taken: {field} in {event}");
        }
    }
}

/// What the program says to a file of this kind; none: it takes it.
fn told(schema: &str, text: &str) -> Option<String> {
    fn said<T>(read: Result<T, impl std::fmt::Debug>) -> Option<String> {
        read.err().map(|error| format!("{error:?}"))
    }
    match schema {
        "config" => {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("headwater.yaml");
            std::fs::write(&file, text).unwrap();
            said(config::load(Some(&file), Flags::default()))
        }
        "rules" => said(Policy::compile(1, &[RuleFile { name: "own.yaml".into(), text: text.into() }])),
        "rule-tests" => said(TestFile::parse("own.yaml", text)),
        "mapping" => said(Mapping::parse("own.yaml", text)),
        "severity" => said(SeverityMap::parse("own.yaml", text)),
        "topology" => said(read_topology("own.yaml", text.as_bytes(), None, 1)),
        "topology-mapping" => said(topology::Mapping::parse("own.yaml", text.as_bytes())),
        "classes" => said(Schema::parse(("own.yaml", text.as_bytes()), ("none", b"[]"))),
        "relations" => said(Schema::parse(("none", b"[]"), ("own.yaml", text.as_bytes()))),
        "model" => said(Tuning::parse("own.yaml", text)),
        "metric-model" => said(MetricModel::parse("own.yaml", text)),
        other => panic!("no reader for {other}"),
    }
}

/// A kind, a good file of it, and what makes it bad: a part of it and what stands there instead.
type Broken = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

const BROKEN: &[Broken] = &[
    (
        "config",
        "listen: 127.0.0.1:8080\ndrain: 10s\nintake: { events_max: 10 }\nlisteners: [{ kind: syslog, address: 0.0.0.0:5514 }]\n\
         receivers: [{ id: noc, kind: slack, url_file: /dev/null, timeout: 5s }]\n",
        &[
            ("drain: 10s", "drain: ten"),
            ("events_max: 10", "events_max: many"),
            ("events_max: 10", "event_max: 10"),
            ("kind: syslog, ", ""),
            ("kind: syslog", "kind: telex"),
            ("id: noc, ", ""),
            ("kind: slack", "kind: pigeon"),
            ("url_file: /dev/null, ", ""),
            ("timeout: 5s", "chanel: ops"),
            ("listen: 127.0.0.1:8080", "observe_only: perhaps"),
        ],
    ),
    (
        "rules",
        "mute:\n- { id: a, match: { source: x, severity: '>= major' }, effect: keep, during: { daily: 22:00-06:00 } }\n\
         routes:\n- { id: r, receivers: [noc], delay: 5m }\nsettings: { storm: [10, 20] }\n",
        &[
            ("id: a, ", ""),
            ("source: x", "hostname: x"),
            ("effect: keep", "effect: hide"),
            ("daily: 22:00-06:00", "daily: at night"),
            ("daily: 22:00-06:00", "daily: 22:00-06:00, once: { from: 2026-01-01, to: 2026-01-02 }"),
            ("receivers: [noc], ", ""),
            ("delay: 5m", "delay: 5 minutes"),
            ("storm: [10, 20]", "storm: [1, 20]"),
            ("settings", "setting"),
        ],
    ),
    (
        "rule-tests",
        "tests:\n- name: a\n  steps:\n  - { at: 10:00, events: [{ source: x, name: y }], verdicts: [opened] }\n",
        &[("  steps:", "  step:"), ("verdicts: [opened]", "verdict: [opened]"), ("- name: a\n  s", "- s")],
    ),
    (
        "mapping",
        "mapping: own\nevents: alerts\nevent:\n  name: { path: rule, default: none }\n  severity: { from: level, map: { high: major } }\n  object: { name: host }\n",
        &[
            ("path: rule", "path: rule, value: x"),
            ("high: major", "high: terrible"),
            ("object: { name: host }", "object: { hostname: host }"),
            ("mapping: own\n", ""),
        ],
    ),
    ("severity", "name: own\nwords: { high: major }\n", &[("major", "severe"), ("words: { high: major }", "about: x")]),
    (
        "topology",
        "cis:\n- { id: a, class: server, criticality: 1, monitored: true }\n- { id: b, class: vm }\nrelations:\n- { from: a, to: b, type: hosts }\n",
        &[
            ("class: server, ", ""),
            ("criticality: 1", "criticality: 9"),
            ("monitored: true", "monitored: sometimes"),
            ("monitored: true", "state: asleep"),
            (", type: hosts", ""),
        ],
    ),
    (
        "topology-mapping",
        "cis_from: [{ list: hosts, id: uuid }]\nclasses: { Host: server }\n",
        &[("id: uuid", "ident: uuid"), ("classes:", "class:")],
    ),
    (
        "classes",
        "- { id: a, zh: 甲, en: a, layer: 1 }\n",
        &[("layer: 1", "layer: top"), ("id: a, ", ""), ("layer: 1", "layer: 1, area: garden")],
    ),
    ("relations", "- { id: a, zh: 甲, en: a, flows: forward }\n", &[("forward", "upward"), ("flows", "flow")]),
];

#[test]
fn what_is_broken_is_refused_by_schema_and_program() {
    let validators = validators();
    let mut cases = 0;
    for (schema, good, changes) in BROKEN {
        assert_eq!((faults(&validators[schema], good), told(schema, good)), (vec![], None), "{schema}\n{good}");
        for (part, instead) in *changes {
            assert!(good.contains(part), "{schema}: {part:?}");
            let bad = good.replacen(part, instead, 1);
            assert_ne!(faults(&validators[schema], &bad), Vec::<String>::new(), "the schema takes {schema}:\n{bad}");
            assert_ne!(told(schema, &bad), None, "the program takes {schema}:\n{bad}");
            cases += 1;
        }
    }
    for (schema, folder) in [("model", "models/correlation/4"), ("metric-model", "models/metric/1")] {
        let good = std::fs::read_to_string(project().join(folder).join("model.yaml")).unwrap();
        let (key, _) =
            good.lines().find_map(|line| line.split_once(": ").filter(|_| line.starts_with("version"))).unwrap();
        for bad in [good.replacen(key, "edition", 1), good.replacen("version: ", "version: -", 1)] {
            assert_ne!(faults(&validators[schema], &bad), Vec::<String>::new(), "{schema}");
            assert_ne!(told(schema, &bad), None, "{schema}");
            cases += 1;
        }
    }
    assert!(cases >= 40, "{cases}");
}

#[test]
fn the_program_prints_its_schemas() {
    let run = |arguments: &[&str]| {
        let done = Command::new(env!("CARGO_BIN_EXE_headwater")).arg("schema").args(arguments).output().unwrap();
        (done.status.success(), String::from_utf8(done.stdout).unwrap(), String::from_utf8(done.stderr).unwrap())
    };
    let (listed, list, _) = run(&[]);
    assert!(listed && published().iter().all(|schema| list.contains(&format!("  {} ", schema.name))), "{list}");
    let text = std::fs::read_to_string(project().join("docs/schema/rules.json")).unwrap();
    assert_eq!(run(&["rules"]), (true, text, String::new()));
    let (known, out, error) = run(&["rule"]);
    assert!(!known && out.is_empty() && error.contains("write one of: config, rules"), "{error}");
}
