//! Suggestions: from a recorded stream, and from what a running program has seen.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use headwater::engine::policy::Policy;
use headwater::engine::policy::place::RuleFile;
use headwater::engine::tuning::Tuning;
use headwater::lab::suggest::{Recorded, suggest};
use serde_json::{Value, json};

use crate::data_service::{PATIENCE, Service, standing};
use crate::storms::{events, topology};

#[test]
fn every_draft_is_a_rule_and_says_what_it_would_have_done() {
    let (topology, events) = (topology("hard"), events("hard", 6000));
    let tuning = std::sync::Arc::new(Tuning::default());
    let recorded = Recorded { events: &events, topology, tuning, rules: Policy::default_files() };
    let found = suggest(recorded).unwrap();
    assert_eq!(found.events, events.len());
    assert!(!found.pairs.is_empty(), "a storm has alert types that cause others");
    for pair in &found.pairs {
        assert!(pair.proof.gain() > 0.0 && pair.proof.share <= 1.0 && pair.proof.share_back < pair.proof.share);
        assert!((pair.cause_source.clone(), pair.cause.clone()) != (pair.effect_source.clone(), pair.effect.clone()));
    }
    for draft in &found.drafts {
        let mut files = Policy::default_files();
        files.push(RuleFile { name: "draft.yaml".into(), text: draft.yaml.clone() });
        Policy::compile(1, &files).unwrap_or_else(|errors| panic!("{}: {errors:?}", draft.yaml));
        assert!(draft.trial.is_some_and(|trial| trial.helps()), "{draft:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_seen_becomes_a_draft_that_can_be_put_into_the_rules() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, hand) = standing();
    let service = Service::start(folder.path(), &clock).await;
    let begin = clock().0;
    // Every hour a disk fills up, and its database stops a little later; in between somebody signs in.
    for hour in 0..24i64 {
        let at = |secs: i64| headwater::domain::time::Timestamp(begin + (hour * 3600 + secs) * 1000).to_string();
        let alert = |id: &str, name: &str, secs: i64| {
            let (id, object) = (format!("{id}-{hour}"), json!({"name": "db-7"}));
            json!({"id": id, "name": name, "severity": "major", "object": object, "starts_at": at(secs)})
        };
        let jitter = hour * 7 % 5;
        let story = json!([
            alert("d", "disk-full", 10 + jitter),
            alert("b", "database-stopped", 25 + 2 * jitter),
            alert("s", "signed-in", 1800 + 97 * jitter),
        ]);
        hand.store(begin + (hour + 1) * 3_600_000, Ordering::SeqCst);
        service.send(reqwest::Method::POST, "source", "/api/v1/events", story, 202).await;
    }
    let started = Instant::now();
    let found = loop {
        let found = service.get("analyst", "/api/v1/suggestions").await;
        if found["alerts"] == 72 {
            break found;
        }
        assert!(started.elapsed() < PATIENCE, "not all alerts are in the history: {}", found["alerts"]);
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let pair = |item: &Value| (item["cause"]["name"].clone(), item["effect"]["name"].clone());
    let pairs: Vec<_> = found["pairs"].as_array().unwrap().iter().map(pair).collect();
    assert_eq!(pairs, [(json!("disk-full"), json!("database-stopped"))], "{found}");
    let drafts = found["drafts"].as_array().unwrap();
    assert!(
        drafts.iter().any(|draft| draft["reason"] == "causes" && draft["trial"]["hits"].as_u64() > Some(20)),
        "{found}"
    );
    let rules = service.get("analyst", "/api/v1/rules").await;
    let mut files = rules["files"].clone();
    files["suggested.yaml"] = drafts[0]["yaml"].clone();
    service.send(reqwest::Method::POST, "analyst", "/api/v1/rules/check", json!({"files": files}), 200).await;
    assert_eq!(service.ask(reqwest::Method::GET, "viewer", "/api/v1/suggestions", None).await.0, 403);
    service.stop().await;
}
