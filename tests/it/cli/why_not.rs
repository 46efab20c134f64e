//! `headwater why-not` and its route, on the data of the real program.

use super::headwater;
use super::served::{Served, token};

fn event(id: &str, name: &str, ci: &str, severity: &str) -> String {
    format!(
        r#"{{"id":"{id}","name":"{name}","severity":"{severity}","starts_at":"2026-01-05T00:00:00Z","object":{{"name":"{ci}"}}}}"#
    )
}

#[test]
fn a_held_alert_says_why_nobody_was_told_in_both_languages_and_over_both_ways() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (source, reader) = (token(&data, "source", "zabbix"), token(&data, "operator", "li"));
    let served = Served::start(&["--data", data.to_str().unwrap()]);
    served.send(&source, &reader, &event("z-1", "disk-full", "db-1", "major"));
    served.send(&source, &reader, &event("z-2", "link-down", "sw-1", "major"));
    let asked = |query: &str| {
        let (status, body) = served.ask("GET", &format!("/api/v1/why-not?{query}"), &reader, "");
        (status, serde_json::from_str::<serde_json::Value>(&body).unwrap_or_else(|_| panic!("{body}")))
    };
    let (status, told) = asked("event=z-1");
    assert_eq!(status, 200, "{told}");
    assert!(told["reasons"][0]["en"].as_str().unwrap().starts_with("alone"), "{told}");
    assert!(told["reasons"][0]["zh"].as_str().unwrap().starts_with("孤立告警"), "{told}");
    assert_eq!(told["what_if"][0]["enough"], true, "{told}");
    let (status, told) = asked("ci=db-1");
    assert_eq!(status, 400, "{told}");
    let (status, told) = asked("alert=seven");
    assert_eq!((status, told["detail"].as_str().is_some_and(|why| why.contains("alert: not an id"))), (400, true));
    let (status, _) = asked("event=no-such");
    assert_eq!(status, 404);

    let name = data.display().to_string();
    headwater(&["why-not", "--data", &name, "--lang", "en", "z-1"]).does(&[
        "as of",
        "alone: ",
        "* if it goes on until",
    ]);
    headwater(&["why-not", "--data", &name, "z-1"]).does(&["截至", "孤立告警", "怎样结果会不同"]);
    headwater(&["why-not", "--data", &name, "z-9"]).refuses(&["no event is called \"z-9\""]);
    headwater(&["why-not", "--data", &name]).refuses(&["name an alert or event, --incident"]);
    headwater(&["why-not", "--data", &name, "--incident", "i0-7"]).refuses(&["neither is in the history"]);
    headwater(&["why-not", "--data", &name, "z-1", "--at", "noon"]).refuses(&["invalid value 'noon'", "write a time"]);
    served.stop();
}
