//! On-call rules out of other systems' exports: what is carried over as kept files, what is not is listed.

use super::headwater;
use crate::storms::project;

fn path(name: &str) -> String {
    project().join("tests/oncall/import").join(name).display().to_string()
}

/// Compares with a kept file; `UPDATE_EXPECT=1` writes it anew.
fn same_as(name: &str, got: &str) {
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(path(name), got).unwrap();
    }
    let kept = std::fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert!(kept == got, "{name} is otherwise now:\n{got}");
}

#[test]
fn exports_become_rules_that_are_checked_and_what_is_left_is_listed() {
    for (format, file) in [
        ("grafana-oncall", "grafana.json"),
        ("pagerduty", "pagerduty.json"),
        ("opsgenie", "opsgenie.json"),
        ("ical", "duty.ics"),
    ] {
        let ran = headwater(&["oncall", "import", format, &path(file)]);
        assert_eq!(ran.code, 0, "{file}: {}", ran.err);
        same_as(&format!("{}.yaml", file.split('.').next().unwrap()), &ran.out);
        assert!(ran.err.contains("not carried over: "), "{file}: {}", ran.err);
        // What it says of who has duty can be asked at once.
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("imported.yaml"), &ran.out).unwrap();
        std::fs::write(folder.path().join("routes.yaml"), "routes: [{ id: all, receivers: [default] }]").unwrap();
        let rules = folder.path().to_str().unwrap();
        let who = headwater(&["oncall", "who", "--rules", rules, "--at", "2026-01-12T02:00:00Z"]);
        assert_eq!(who.code, 0, "{file}: {}", who.err);
        assert!(!who.out.trim().is_empty(), "{file}");
    }
}

#[test]
fn addresses_go_into_a_file_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let contacts = folder.path().join("contacts.yaml");
    let ran = headwater(&[
        "oncall",
        "import",
        "pagerduty",
        &path("pagerduty.json"),
        "--contacts",
        contacts.to_str().unwrap(),
    ]);
    assert!(ran.code == 0 && !ran.out.contains("13800000000") && !ran.out.contains("@example"), "{}", ran.out);
    let text = std::fs::read_to_string(contacts).unwrap();
    assert_eq!(
        text,
        "\"li\": { mail: \"li@example.org\", mobile: \"+8613800000000\" }\n\"han\": { mail: \"han@example.org\" }\n"
    );
}

#[test]
fn what_is_no_export_is_refused_with_a_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x");
    let check = |format: &str, text: &str, said: &str| {
        std::fs::write(&file, text).unwrap();
        headwater(&["oncall", "import", format, file.to_str().unwrap()]).refuses(&[said]);
    };
    check("pagerduty", "not json", "it is no JSON");
    check("opsgenie", "[]", "write the lists of the API into one");
    check("grafana-oncall", "{\"users\": 3}", "is it of the format GrafanaOncall?");
    check("ical", "BEGIN:VCALENDAR", "it is no calendar that can be read");
}
