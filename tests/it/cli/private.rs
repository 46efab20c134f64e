//! Who may look into what the program keeps, and what it counts of a body that holds whole stories.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::headwater;
use super::served::{Served, token};

fn below(folder: &Path) -> Vec<PathBuf> {
    let mut found = vec![folder.to_owned()];
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(below(&path)) } else { found.push(path) }
    }
    found
}

/// What others than the owner may do with anything there.
fn open_to_others(folder: &Path) -> Vec<String> {
    let mode = |path: &PathBuf| std::fs::metadata(path).unwrap().permissions().mode() & 0o077;
    below(folder).iter().filter(|path| mode(path) != 0).map(|path| path.display().to_string()).collect()
}

#[test]
fn nobody_else_reads_what_the_program_keeps() {
    let outer = tempfile::tempdir().unwrap();
    let data = outer.path().join("data");
    let (source, reader) = (token(&data, "source", "noc"), token(&data, "operator", "li"));
    let event = json!({
        "name": "disk-full", "severity": "critical", "starts_at": "2026-01-05T00:00:00Z", "object": { "name": "db-1" },
    });
    let named = |name: &str| below(&data).iter().any(|path| path.ends_with(name));
    let served = Served::start(&["--data", data.to_str().unwrap()]);
    served.send(&source, &reader, &event.to_string());
    served.wait("the history", || named("history.db-wal").then_some(()));
    assert_eq!(open_to_others(&data), Vec::<String>::new(), "while it serves");
    served.stop();
    served_twice(&data, &reader);
    let views = below(&data.join("views"));
    assert!(views.len() > 1, "the views were not kept: {views:?}");
    assert_eq!(open_to_others(&data), Vec::<String>::new(), "after it has served");
    let copy = outer.path().join("copy");
    headwater(&["backup", data.to_str().unwrap(), "--to", copy.to_str().unwrap()]).does(&["checked"]);
    let there = std::fs::metadata(&copy).unwrap().permissions().mode() & 0o777;
    assert_eq!(there, 0o700, "the backup's folder");
}

/// A history that an older version left open is closed.
fn served_twice(data: &Path, reader: &str) {
    let history = data.join("history.db");
    std::fs::set_permissions(&history, std::fs::Permissions::from_mode(0o644)).unwrap();
    let served = Served::start(&["--data", data.to_str().unwrap()]);
    assert_eq!(served.ask("GET", "/api/v1/overview", reader, "").0, 200);
    served.stop();
}

#[test]
fn an_alert_that_begins_repeats_and_ends_in_one_body_is_an_alert() {
    let outer = tempfile::tempdir().unwrap();
    let data = outer.path().join("data");
    let (source, reader) = (token(&data, "source", "noc"), token(&data, "operator", "li"));
    let told = |n: usize, status: &str| {
        json!({
            "id": format!("{n}-{status}"), "name": "link-down", "severity": "minor", "status": status,
            "starts_at": "2026-01-05T00:00:00Z", "object": { "name": format!("port-{n}") },
        })
    };
    let mut events: Vec<Value> = Vec::new();
    for n in 0..60 {
        events.push(told(n, "firing"));
        if n % 3 == 1 {
            events.push(json!({ "repeat": n }));
        } else if n % 3 == 2 {
            events.push(told(n, "resolved"));
        }
    }
    for event in &mut events {
        if let Some(n) = event["repeat"].as_u64() {
            *event = told(n as usize, "firing");
            event["id"] = format!("{n}-again").into();
        }
    }
    let body = Value::from(events.clone()).to_string();
    let served = Served::start(&["--data", data.to_str().unwrap()]);
    let (status, answer) = served.ask("POST", "/api/v1/events", &source, &body);
    assert_eq!(status, 202, "{answer}");
    let funnel = served.wait("that all is counted", || {
        // The law first: what is read after it is at least as far on.
        let (_, law) = served.ask("GET", "/api/v1/conservation", &reader, "");
        let law: Value = serde_json::from_str(&law).unwrap();
        let (_, overview) = served.ask("GET", "/api/v1/overview", &reader, "");
        let funnel = serde_json::from_str::<Value>(&overview).unwrap()["funnel"].take();
        (law["pending"] == 0 && law["accepted"] == events.len() as u64).then_some(funnel)
    });
    assert_eq!((&funnel["events"], &funnel["alerts"]), (&100.into(), &60.into()), "{funnel}");
    served.stop();
}
