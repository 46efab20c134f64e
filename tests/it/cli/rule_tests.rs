//! `headwater test`: tests of rules.

use super::{headwater, shipped, write};

#[test]
fn the_shipped_rules_pass_their_tests() {
    headwater(&["test", &shipped("rules"), "--verbose"]).does(&["ok ", "0 failed"]);
}

#[test]
fn what_comes_out_otherwise_is_told_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let rules = folder.path().display().to_string();
    write(
        folder.path(),
        "a.yaml",
        "adjust:\n  - { id: up, severity: critical }\nroutes:\n  - { id: all, receivers: [noc] }\n",
    );
    let file = write(
        folder.path(),
        "tests/a.test.yaml",
        "tests:
  - name: held
    steps:
      - at: 0s
        events:
          - { name: fan, severity: minor, object: { name: db-1 } }
        verdicts: [held]
        incidents: [{ severity: major }]
        messages: []
    never:
      verdicts: [opened]
  - name: opened
    topology: estate.yaml
    steps:
      - at: 1m
        events:
          - { name: fan, severity: minor, object: { ci_id: db-1 } }
        verdicts: [opened]
        incidents: [{ severity: critical, root: db-1, alerts: 1 }]
        messages: [{ receiver: noc, kind: opened }]
",
    );
    write(folder.path(), "tests/estate.yaml", "cis:\n- { id: db-1, class: server, name: db-1 }\n");
    let told = headwater(&["test", &rules]);
    told.refuses(&[
        &format!("FAILED {file}: held"),
        &format!("{file}:7:20: held: event 1: the verdict is opened"),
        &format!("{file}:8:21: held: at 0s: there is no such incident; there is {{ title:"),
        &format!("{file}:8:20: held: at 0s: also incident"),
        &format!("{file}:9:19: held: at 0s: also message {{ receiver: noc, kind: opened"),
        &format!("{file}:11:18: held: at 2026-01-05T00:00:00.000Z: opened"),
        "2 rule tests, 1 failed",
    ]);
    assert!(!told.out.contains("FAILED opened") && !told.out.contains(": opened: "), "{}", told.out);
}

#[test]
fn a_test_that_cannot_be_played_names_the_place() {
    let folder = tempfile::tempdir().unwrap();
    let rules = folder.path().display().to_string();
    write(folder.path(), "a.yaml", "routes:\n  - { id: all, receivers: [noc] }\n");
    headwater(&["test", &rules]).refuses(&["no test in it", "tests/first.test.yaml"]);
    let check = |steps: &str, told: &[&str]| {
        write(folder.path(), "tests/a.test.yaml", &format!("tests:\n  - name: t\n    steps:\n{steps}"));
        headwater(&["test", &rules]).refuses(told);
    };
    check("      - { at: soon }\n", &["a.test.yaml:2: t: line 4: at: \"soon\"", "write for example 0s"]);
    check("      - { at: 5m }\n      - { at: 1m }\n", &["line 5", "put the steps in order"]);
    check("      - { at: 0s, events: [{ name: x }] }\n", &["line 4", "rejected", "object has no key"]);
    check("      - { at: 0s, events: [{ mapping: nope, body: {} }] }\n", &["there is no mapping \"nope\""]);
    check(
        "      - { at: 0s, verdict: held }\n",
        &["a.test.yaml:4:", "unknown field `verdict`", "rules/tests/README.md"],
    );
    write(folder.path(), "a.yaml", "routes: []\n");
    headwater(&["test", &rules]).refuses(&[&format!("{rules}/a.yaml"), "no fallback route"]);
}
