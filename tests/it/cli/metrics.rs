//! The metrics that the program gives are those that its manual lists.

use std::collections::BTreeSet;

use super::served::{POWER_LOST, Served, token};
use crate::storms::project;

/// Names of metrics in a text, without what the format adds to counters.
fn named(text: &str) -> BTreeSet<String> {
    let is_part = |c: char| c.is_ascii_lowercase() || c == '_' || c.is_ascii_digit();
    let names = text.split(|c: char| !is_part(c)).filter(|word| word.starts_with("headwater_"));
    names.map(|name| name.trim_end_matches("_total").to_owned()).collect()
}

#[test]
fn the_manual_lists_the_metrics_that_there_are() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (source, reader) = (token(&data, "source", "zabbix"), token(&data, "operator", "li"));
    let settings = "vitals: { every: 1s, disk_free_mib_min: 1000000000 }\nredis: { urls: ['redis://127.0.0.1:9'] }\n";
    let served = Served::telling(folder.path(), "127.0.0.1:9", settings);
    served.send(&source, &reader, POWER_LOST);
    served.wait_for("sign=\"disk-low\"");
    let given = served.wait("an open incident, a notice and a sign", || {
        let (status, text) = served.ask("GET", "/metrics", &reader, "");
        assert_eq!(status, 200, "{text}");
        let has = |part: &str| text.contains(part);
        let all = has("headwater_incidents_open{")
            && has("headwater_vitals_wrong{sign=\"disk-low\"} 1\n")
            && has("headwater_vitals_told_total{sign=\"disk-low\"} 1\n")
            && has("headwater_notices{");
        all.then_some(text)
    });
    let given: String = given.lines().filter(|line| !line.starts_with("# HELP")).collect::<Vec<_>>().join("\n");
    let manual = std::fs::read_to_string(project().join("docs/operations.md")).unwrap();
    let (given, listed) = (named(&given), named(&manual));
    let missing: Vec<_> = given.difference(&listed).collect();
    let gone: Vec<_> = listed.difference(&given).collect();
    assert!(missing.is_empty() && gone.is_empty(), "not in docs/operations.md: {missing:?}; only there: {gone:?}");
    served.stop();
}
