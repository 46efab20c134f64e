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
    let recorded =
        Recorded { events: &events, topology, tuning, rules: Policy::default_files(), heeded: Default::default() };
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
    // Every hour a disk fills up, and its database stops a little later; somewhere else a fan stops and a server gets too
    // hot; in between somebody signs in.
    for hour in 0..24i64 {
        let at = |secs: i64| headwater::domain::time::Timestamp(begin + (hour * 3600 + secs) * 1000).to_string();
        let alert = |object: &str, name: &str, secs: i64| {
            let (id, object) = (format!("{name}-{hour}"), json!({"name": object}));
            json!({"id": id, "name": name, "severity": "major", "object": object, "starts_at": at(secs)})
        };
        let jitter = hour * 7 % 5;
        let story = json!([
            alert("db-7", "disk-full", 10 + jitter),
            alert("db-7", "database-stopped", 25 + 2 * jitter),
            alert("db-7", "signed-in", 1800 + 97 * jitter),
            alert("srv-9", "fan-stopped", 2300 + 150 * (hour * 3 % 7)),
            alert("srv-9", "too-hot", 2315 + 150 * (hour * 3 % 7) + jitter),
        ]);
        hand.store(begin + (hour + 1) * 3_600_000, Ordering::SeqCst);
        service.send(reqwest::Method::POST, "source", "/api/v1/events", story, 202).await;
    }
    let found = suggested(&service, 120).await;
    let pair = |item: &Value| (item["cause"]["name"].clone(), item["effect"]["name"].clone());
    let pairs: Vec<_> = found["pairs"].as_array().unwrap().iter().map(pair).collect();
    let caused = [("disk-full", "database-stopped"), ("fan-stopped", "too-hot")];
    assert_eq!(pairs.len(), caused.len(), "{found}");
    assert!(caused.iter().all(|(a, b)| pairs.contains(&(json!(a), json!(b)))), "{found}");
    let drafts = found["drafts"].as_array().unwrap();
    assert!(
        drafts.iter().any(|draft| draft["reason"] == "causes" && draft["trial"]["hits"].as_u64() > Some(20)),
        "{found}"
    );
    // Whoever takes one draft is told of the others afterwards, and can take those, too.
    let mut taken: Vec<Value> = Vec::new();
    let mut waiting = drafts.clone();
    while let Some(draft) = waiting.first().filter(|_| taken.len() < 2) {
        accept(&service, draft).await;
        taken.push(draft["id"].clone());
        let found = suggested(&service, 120).await;
        waiting = found["drafts"].as_array().unwrap().clone();
        assert!(waiting.iter().all(|draft| !taken.contains(&draft["id"])), "{taken:?} {waiting:?}");
    }
    assert_eq!(taken.len(), 2, "{drafts:?}");
    assert_eq!(service.ask(reqwest::Method::GET, "viewer", "/api/v1/suggestions", None).await.0, 403);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_keeps_coming_and_going_is_suggested_to_be_quiet() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, hand) = standing();
    let service = Service::start(folder.path(), &clock).await;
    let begin = clock().0;
    for round in 0..12i64 {
        let at = |mins: i64| headwater::domain::time::Timestamp(begin + (round * 180 + mins) * 60_000).to_string();
        let event = |n: i64, status: &str| {
            let id = format!("f-{round}-{n}-{status}");
            let starts_at = at(2 * n + i64::from(status == "resolved"));
            json!({"id": id, "name": "link-flaps", "severity": "major", "object": {"name": "sw-1"}, "status": status,
                "starts_at": starts_at})
        };
        // What tells every two minutes that it still fires has not come and gone.
        let still = |n: i64| {
            json!({"id": format!("s-{round}-{n}"), "name": "disk-full", "severity": "major", "object": {"name": "db-1"},
                "starts_at": at(0)})
        };
        let story: Vec<Value> = (0..10).flat_map(|n| [event(n, "firing"), event(n, "resolved"), still(n)]).collect();
        hand.store(begin + (round * 180 + 30) * 60_000, Ordering::SeqCst);
        service.send(reqwest::Method::POST, "source", "/api/v1/events", json!(story), 202).await;
    }
    let found = suggested(&service, 360).await;
    let drafts = found["drafts"].as_array().unwrap();
    let flapping: Vec<&Value> = drafts.iter().filter(|draft| draft["reason"] == "flapping").collect();
    assert!(matches!(flapping[..], [one] if one["because"]["en"].as_str().unwrap().contains("link-flaps")), "{found}");
    service.stop().await;
}

/// What is suggested once so many events are in the history.
async fn suggested(service: &Service, events: u64) -> Value {
    let started = Instant::now();
    loop {
        let found = service.get("analyst", "/api/v1/suggestions").await;
        if found["events"] == events {
            return found;
        }
        assert!(started.elapsed() < PATIENCE, "not all events are in the history: {}", found["events"]);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Puts a draft in force, in its own file as the console does.
async fn accept(service: &Service, draft: &Value) {
    let rules = service.get("analyst", "/api/v1/rules").await;
    let mut files = rules["files"].clone();
    let file = draft["file"].as_str().unwrap();
    assert!(files.get(file).is_none(), "{file} is another draft's");
    files[file] = draft["yaml"].clone();
    let body = json!({ "files": files, "reason": "suggested" });
    service.send(reqwest::Method::PUT, "analyst", "/api/v1/rules", body, 202).await;
}
