//! Trying rules and models beside what is valid, and what people's corrections teach, on the real program.

use serde_json::{Value, json};

use super::headwater;
use super::served::{Served, token};

fn event(name: &str, ci: &str) -> String {
    format!(r#"{{"name":"{name}","severity":"major","starts_at":"2026-01-05T00:00:00Z","object":{{"name":"{ci}"}}}}"#)
}

/// Asks and reads JSON.
fn ask(served: &Served, method: &str, path: &str, token: &str, body: &Value) -> (u16, Value) {
    let (status, text) = served.ask(method, path, token, &body.to_string());
    (status, serde_json::from_str(&text).unwrap_or_else(|_| panic!("{path}: {status} {text}")))
}

const LOUD: &str = "promote:\n  - { id: at-once, after: now }\nroutes:\n  - { id: all, receivers: [noc] }\n";

#[test]
fn what_is_tried_beside_differs_without_effects_is_activated_and_taken_back() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (source, li, wang) =
        (token(&data, "source", "zabbix"), token(&data, "analyst", "li"), token(&data, "analyst", "wang"));
    let served = Served::start(&["--data", data.to_str().unwrap()]);
    let (status, none) = ask(&served, "GET", "/api/v1/shadow", &li, &json!({}));
    assert_eq!((status, &none["running"]), (200, &json!(false)));
    let bad = json!({ "files": { "a.yaml": "routes: [{ id: x }]\n" } });
    let (status, why) = ask(&served, "PUT", "/api/v1/shadow", &li, &bad);
    assert!(status == 422 && why.to_string().contains("a.yaml:1:"), "{status} {why}");
    let tried = json!({ "files": { "a.yaml": LOUD }, "reason": "page at once" });
    assert_eq!(ask(&served, "PUT", "/api/v1/shadow", &li, &tried).0, 202);
    served.wait("the trial to be known", || {
        let (_, shadow) = ask(&served, "GET", "/api/v1/shadow", &li, &json!({}));
        (shadow["running"] == true && shadow["lag"] == 0 && shadow["seq"].as_u64() >= shadow["since_seq"].as_u64())
            .then_some(())
    });
    for n in 0..4 {
        served.send(&source, &li, &event("disk-full", &format!("db-{n}")));
    }
    let report = served.wait("a report with what differs", || {
        let (_, shadow) = ask(&served, "GET", "/api/v1/shadow", &li, &json!({}));
        (shadow["report"]["fresh"].as_array().is_some_and(|fresh| fresh.len() == 4)).then(|| shadow["report"].clone())
    });
    assert_eq!(report["figures"][0]["incidents"], 0, "{report}");
    assert_eq!(report["figures"][1]["messages"], 4, "{report}");
    let (_, incidents) = ask(&served, "GET", "/api/v1/incidents", &li, &json!({}));
    assert_eq!(incidents["items"], json!([]), "a trial has effects");
    let why = report["fresh"][0]["why"].as_str().unwrap();
    assert!(why.starts_with("/why/e"), "{why}");

    // What it would cost, before it is put in force.
    let cost = json!({ "files": { "a.yaml": LOUD } });
    let (status, cost) = ask(&served, "POST", "/api/v1/rules/cost", &li, &cost);
    assert_eq!((status, &cost["report"]["messages"]["noc"]), (200, &json!([0, 4])), "{cost}");

    let (status, put) = ask(&served, "POST", "/api/v1/shadow/activate", &wang, &json!({ "reason": "better" }));
    assert!(status == 202 && put["rules"].is_u64() && put["model"].is_null(), "{put}");
    let (_, rules) = ask(&served, "GET", "/api/v1/rules", &li, &json!({}));
    assert_eq!((&rules["version"], &rules["author"]), (&json!(1), &json!("wang")), "{rules}");
    assert!(rules["reason"].as_str().unwrap().ends_with(": better"), "{rules}");
    let (_, shadow) = ask(&served, "GET", "/api/v1/shadow", &li, &json!({}));
    assert_eq!(shadow["running"], false, "{shadow}");
    let (status, put) = ask(&served, "POST", "/api/v1/shadow/rollback", &wang, &json!({}));
    assert!(status == 202 && put["rules"].is_u64(), "{put}");
    let (_, rules) = ask(&served, "GET", "/api/v1/rules", &li, &json!({}));
    assert!(rules["files"].as_object().unwrap().keys().all(|name| name != "a.yaml"), "{rules}");
    // The history is a moment behind the rules.
    served.wait("everything in the audit", || {
        let (_, audit) = ask(&served, "GET", "/api/v1/audit", &li, &json!({}));
        let items = audit["items"].as_array().unwrap();
        let did = items.iter().filter_map(|one| one["action"].as_str());
        let did: Vec<&str> = did.filter(|action| *action != "token_made").collect();
        (did == ["rules", "shadow_ended", "rules", "shadow"]).then_some(())
    });
    served.stop();
    headwater(&["replay", data.to_str().unwrap()]).does(&["0 differ"]);
}

#[test]
fn a_model_is_put_in_force_by_a_record_survives_a_restart_and_is_replayed() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (source, li) = (token(&data, "source", "zabbix"), token(&data, "analyst", "li"));
    let text = headwater::engine::tuning::BUILT_IN.1.replacen("minor_cis: ", "minor_cis: 1", 1);
    let served = Served::start(&["--data", data.to_str().unwrap()]);
    let (status, why) = ask(&served, "PUT", "/api/v1/models", &li, &json!({ "text": "model: correlation\n" }));
    assert_eq!(status, 422, "{why}");
    let (status, put) = ask(&served, "PUT", "/api/v1/models", &li, &json!({ "text": text, "reason": "fewer" }));
    assert_eq!((status, &put["version"]), (202, &json!(1)), "{put}");
    served.send(&source, &li, &event("disk-full", "db-1"));
    served.stop();
    let served = Served::start(&["--data", data.to_str().unwrap()]);
    let (_, models) = ask(&served, "GET", "/api/v1/models", &li, &json!({}));
    let items = models["items"].as_array().unwrap();
    assert_eq!(
        (items.len(), &items[0]["current"], &items[0]["reason"]),
        (2, &json!(true), &json!("fewer")),
        "{models}"
    );
    served.send(&source, &li, &event("disk-full", "db-2"));
    let (status, put) = ask(&served, "POST", "/api/v1/models/rollback", &li, &json!({}));
    assert_eq!((status, &put["version"]), (202, &json!(2)), "{put}");
    served.stop();
    headwater(&["replay", data.to_str().unwrap()]).does(&["0 differ"]);
}

#[test]
fn where_the_rules_ask_for_a_second_person_nobody_changes_them_alone() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (li, wang) = (token(&data, "analyst", "li"), token(&data, "analyst", "wang"));
    let served = Served::start(&["--data", data.to_str().unwrap()]);
    let careful = format!("{LOUD}settings: {{ changes: {{ reason: true, second: true }} }}\n");
    let files = |text: &str| json!({ "files": { "a.yaml": text }, "reason": "careful" });
    assert_eq!(ask(&served, "PUT", "/api/v1/rules", &li, &files(&careful)).0, 202);
    served.wait("the rules to hold", || {
        (ask(&served, "GET", "/api/v1/rules", &li, &json!({})).1["version"] == 1).then_some(())
    });
    let (status, why) = ask(&served, "PUT", "/api/v1/rules", &li, &files(LOUD));
    assert!(status == 403 && why.to_string().contains("second person"), "{status} {why}");
    assert_eq!(ask(&served, "PUT", "/api/v1/shadow", &li, &files(LOUD)).0, 202);
    served.wait("the trial to be known", || {
        let (_, shadow) = ask(&served, "GET", "/api/v1/shadow", &li, &json!({}));
        (shadow["running"] == true).then_some(())
    });
    let (_, shadow) = ask(&served, "GET", "/api/v1/shadow", &li, &json!({}));
    let because = json!({ "reason": "seen", "since_seq": shadow["since_seq"] });
    assert_eq!(ask(&served, "POST", "/api/v1/shadow/activate", &li, &because).0, 403);
    assert_eq!(ask(&served, "POST", "/api/v1/shadow/activate", &wang, &json!({})).0, 400);
    assert_eq!(ask(&served, "POST", "/api/v1/shadow/activate", &wang, &because).0, 202);
    served.stop();
}

#[test]
fn corrections_are_shown_revoked_and_exported_as_a_labelled_set() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (source, li) = (token(&data, "source", "zabbix"), token(&data, "analyst", "li"));
    let served = Served::start(&["--data", data.to_str().unwrap()]);
    let files = json!({ "files": { "a.yaml": LOUD } });
    assert_eq!(ask(&served, "PUT", "/api/v1/rules", &li, &files).0, 202);
    for n in 0..3 {
        served.send(&source, &li, &event("disk-full", &format!("db-{n}")));
    }
    let open = served.wait("three incidents", || {
        let (_, found) = ask(&served, "GET", "/api/v1/incidents", &li, &json!({}));
        let ids = found["items"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned());
        let ids: Vec<String> = ids.collect();
        (ids.len() == 3).then_some(ids)
    });
    for from in &open[1..] {
        let path = format!("/api/v1/incidents/{from}/merge");
        assert_eq!(ask(&served, "POST", &path, &li, &json!({ "into": open[0] })).0, 202);
    }
    let said = served.wait("both merges in the list", || {
        let (_, found) = ask(&served, "GET", "/api/v1/feedback", &li, &json!({}));
        let items = found["items"].as_array().unwrap().clone();
        (items.len() == 2).then_some(items)
    });
    assert_eq!(
        (&said[0]["says"], &said[0]["weight"], &said[0]["revoked"]),
        (&json!("merge"), &json!(500), &json!(false))
    );
    let name = data.display().to_string();
    let out = folder.path().join("corrected");
    let to = out.display().to_string();
    let export = || headwater(&["feedback", "export", "--data", &name, "--reviewed", "--out", &to]);
    export().does(&["\"reviewed\": 1", "\"corrections\": 2", "\"events\": 3", "\"pairs\": 3"]);
    let pairs = std::fs::read_to_string(out.join("pairs.jsonl")).unwrap();
    assert_eq!(pairs.lines().filter(|line| line.contains("\"together\":true")).count(), 3, "{pairs}");
    let truth = headwater::lab::truth::Truth::read(&out).unwrap().incidents();
    assert_eq!(truth.iter().map(|one| one.events.len()).collect::<Vec<_>>(), [3]);

    let path = format!("/api/v1/feedback/{}/revoke", said[0]["seq"]);
    assert_eq!(ask(&served, "POST", &path, &li, &json!({})).0, 202);
    assert_eq!(ask(&served, "POST", "/api/v1/feedback/1/revoke", &li, &json!({})).0, 404);
    served.wait("the correction to be revoked", || {
        let (_, found) = ask(&served, "GET", "/api/v1/feedback", &li, &json!({}));
        (found["items"][0]["revoked"] == true).then_some(())
    });
    export().does(&["\"corrections\": 1"]);
    let mapping = out.join("mapping.yaml").display().to_string();
    let (events, cmdb) = (out.join("alerts.jsonl"), out.join("cmdb.json"));
    let rules = super::write(folder.path(), "quiet/a.yaml", "routes:\n  - { id: all, receivers: [noc] }\n");
    let quiet = std::path::Path::new(&rules).parent().unwrap().display().to_string();
    let result = folder.path().join("result").display().to_string();
    headwater(&[
        "backtest",
        "--events",
        events.to_str().unwrap(),
        "--topology",
        cmdb.to_str().unwrap(),
        "--mapping",
        &mapping,
        "--against",
        &quiet,
        "--truth",
        &to,
        "--out",
        &result,
        "--quiet",
        "--lang",
        "en",
    ])
    .does(&["precision", "recall", "report.html"]);
    served.stop();
}
