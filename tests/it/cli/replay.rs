//! `headwater replay`, `backup` and `restore` on the data folder of the real program.

use std::path::Path;

use headwater::domain::time::Timestamp;
use headwater::engine::input::Input;
use headwater::journal::sqlite::{OpenOptions, Store};
use headwater::outbox::Decided;
use headwater::outbox::sqlite::SqliteOutbox;

use super::served::{Served, token};
use super::{headwater, write};

fn event(name: &str, ci: &str) -> String {
    format!(r#"{{"name":"{name}","severity":"major","starts_at":"2026-01-05T00:00:00Z","object":{{"name":"{ci}"}}}}"#)
}

/// Serves, takes some events, and gives the tokens of a source and a reader.
fn served(data: &Path, more: &[&str]) -> (Served, String, String) {
    let (source, reader) = (token(data, "source", "zabbix"), token(data, "operator", "li"));
    let served = Served::start(&[&["--data", data.to_str().unwrap()], more].concat());
    for n in 0..5 {
        served.send(&source, &reader, &event("disk-full", &format!("db-{n}")));
        served.send(&source, &reader, &event("disk-full", &format!("db-{n}")));
    }
    (served, source, reader)
}

#[test]
fn every_decision_comes_out_as_it_was_committed_also_while_it_is_served() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (served, ..) = served(&data, &[]);
    let name = data.display().to_string();
    headwater(&["replay", &name]).does(&["decisions up to record", "0 differ"]);
    served.stop();
    headwater(&["replay", &name]).does(&["0 differ"]);
    let json = headwater(&["replay", &name, "--json"]);
    let value: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert!(value["decided"].as_u64().unwrap() >= 10, "{value}");
    let nowhere = folder.path().join("nowhere").display().to_string();
    headwater(&["replay", &nowhere]).refuses(&["nowhere", "name the data folder"]);
}

#[test]
fn a_decision_that_comes_out_otherwise_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let options = OpenOptions::new(std::sync::Arc::new(|| Timestamp(1_767_571_200_000)));
    let store = Store::open(folder.path(), options).unwrap();
    let outbox = SqliteOutbox::new(store.clone());
    let record = store.append_blocking(3, Input::Tick).unwrap();
    let effects =
        vec![headwater::engine::effect::Effect::CommandDone { tenant: "t".into(), refused: None, again: false }];
    outbox.commit_blocking(3, 0, vec![Decided { journal_seq: record.seq, effects: effects.into() }]).unwrap();
    drop((outbox, store));
    headwater(&["replay", &folder.path().display().to_string()])
        .refuses(&["record 1 (2026-01-05T00:00:00.000Z, partition 3): stored", "1 differ"]);
}

#[test]
fn other_rules_on_the_recorded_stream_are_compared() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (served, ..) = served(&data, &[]);
    let rules = folder.path().join("rules");
    write(
        &rules,
        "a.yaml",
        "adjust:\n  - { id: up, severity: critical }\nroutes:\n  - { id: all, receivers: [noc] }\n",
    );
    let (data, rules) = (data.display().to_string(), rules.display().to_string());
    let out = folder.path().join("out");
    let to = out.display().to_string();
    let run = |rules: &str| {
        headwater(&["backtest", "--data", &data, "--rules", rules, "--against", "live", "--out", &to, "--lang", "en"])
    };
    run(&rules).does(&[
        "incidents: 0 same, 0 changed, 0 only in a, 5 only in b",
        "verdict held: 5 -> 0",
        "verdict opened: 0 -> 5",
        "messages to noc: 0 -> 5",
        "a: live (rules as recorded, model as recorded)",
    ]);
    let json = std::fs::read_to_string(out.join("report.json")).unwrap();
    let value: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(value["fresh"].as_array().unwrap().len(), 5, "{value}");
    assert_eq!(value["figures"][1]["messages"], 5, "{value}");
    let why = value["fresh"][0]["why"].as_str().unwrap().split(' ').next_back().unwrap().to_owned();
    headwater(&["why", "--data", &data, "--lang", "en", &why]).does(&["Held"]);
    let page = std::fs::read_to_string(out.join("report.html")).unwrap();
    assert!(page.contains("<svg") && !page.contains("src=") && !page.contains("http://"), "{page}");
    let bad = folder.path().join("bad");
    write(&bad, "a.yaml", "routes: [{ id: x }]\n");
    run(&bad.display().to_string()).refuses(&["a.yaml:1:", "receivers"]);
    headwater(&["backtest", "--data", &data, "--against", "live", "--out", &to])
        .refuses(&["both would be as recorded"]);
    served.stop();
}

#[test]
fn a_backup_of_a_running_server_comes_back_complete() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (running, source, reader) = served(&data, &[]);
    let to = folder.path().join("monday").display().to_string();
    let name = data.display().to_string();
    headwater(&["backup", &name, "--to", &to]).does(&["checked", "tokens.json"]);
    headwater(&["backup", &name, "--to", &to]).refuses(&["is there already: choose another place"]);
    headwater(&["restore", &to, "--data", &name]).refuses(&["held by a running process"]);
    // What comes after the backup is not in it.
    running.send(&source, &reader, &event("late", "db-9"));
    let counted = running.accounted(&reader);
    running.stop();
    headwater(&["restore", &to, "--data", &name]).refuses(&["is there already"]);

    let elsewhere = folder.path().join("elsewhere").display().to_string();
    headwater(&["restore", &to, "--data", &elsewhere]).does(&["checked", "headwater serve --data"]);
    headwater(&["replay", &elsewhere]).does(&["0 differ"]);
    let back = Served::start(&["--data", &elsewhere]);
    assert_eq!(back.accounted(&reader), counted - 1, "the same tokens, the same events");
    back.send(&source, &reader, &event("late", "db-9"));
    back.stop();

    let database = Path::new(&to).join("headwater.db");
    let mut bytes = std::fs::read(&database).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&database, bytes).unwrap();
    let third = folder.path().join("third").display().to_string();
    headwater(&["restore", &to, "--data", &third]).refuses(&["does not match its digest; use another backup"]);
}
