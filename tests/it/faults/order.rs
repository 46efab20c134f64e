//! Events that come a hundred times or in any order (rows 41 and 42).

use std::sync::Arc;

use headwater::domain::alert::AlertState;
use headwater::domain::event::{Event, ObjectRef, Status};
use headwater::domain::severity::Severity;
use headwater::domain::time::{Span, Timestamp};
use headwater::engine::effect::Effect;
use headwater::engine::input::{Batch, Input};
use headwater::engine::tuning::Tuning;
use headwater::engine::{Engine, Loaded};
use serde_json::json;

use crate::program::{Setup, client};
use crate::receiver::{Receiver, SECRET};
use crate::storms::tenant;

/// 2026-06-01T00:00:00Z.
const BEGIN: Timestamp = Timestamp(1_780_272_000_000);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alert_that_is_sent_a_hundred_times_is_one_incident_and_one_notice() {
    let root = tempfile::tempdir().unwrap();
    let receiver = Receiver::willing().await;
    let config = json!({
        "receivers": [{ "id": "default", "url": receiver.url(), "secret": SECRET, "allow_private": true }],
    });
    let setup = Setup::new(root.path(), &config.to_string());
    let client = client();
    let mut program = setup.start(&["--durability", "process"]);
    program.answers(&client).await;
    // A hundred times under one id, and a hundred times with ids of their own.
    for n in 0..200 {
        let id = if n % 2 == 0 { "same".to_owned() } else { format!("own-{n}") };
        let event = json!({ "id": id, "name": "CoreDown", "severity": "critical", "title": "the core is down",
                            "object": { "name": "core-1" }, "starts_at": "2026-05-04T10:00:00Z" });
        assert_eq!(setup.post(&client, "/api/v1/events", &event).await.0, 202);
    }
    let account = setup.all_decided(&client, 200).await;
    assert_eq!(account["accepted"], 200, "{account}");
    assert_eq!((&account["duplicate"], &account["balanced"]), (&json!(199), &json!(true)), "{account}");
    let alerts = setup.get(&client, "/api/v1/alerts").await.unwrap();
    assert_eq!(alerts["items"].as_array().unwrap().len(), 1, "{alerts}");
    assert_eq!(alerts["items"][0]["count"], 200, "{alerts}");
    let incidents = setup.get(&client, "/api/v1/incidents").await.unwrap();
    assert_eq!(incidents["items"].as_array().unwrap().len(), 1, "{incidents}");
    receiver.wait_for("the notice", |seen| !seen.is_empty()).await;
    program.stop();
    assert_eq!(receiver.seen().len(), 1, "{:?}", receiver.seen());
}

/// All orders of so many things.
fn orders(count: usize) -> Vec<Vec<usize>> {
    if count == 0 {
        return vec![Vec::new()];
    }
    let shorter = orders(count - 1);
    let put = |order: &Vec<usize>, at: usize| {
        let mut longer = order.clone();
        longer.insert(at, count - 1);
        longer
    };
    shorter.iter().flat_map(|order| (0..count).map(move |at| put(order, at))).collect()
}

/// The alert's state when the last event was taken in; none when it never began.
fn last_state(engine: &mut Engine, history: &[Status], order: &[usize], restarts: bool) -> Option<AlertState> {
    let mut last = None;
    for (place, number) in order.iter().enumerate() {
        let at = BEGIN.plus(Span::secs(60 + 2 * place as i64));
        let mut event = Event::new(tenant(), "zabbix".into(), "LinkDown", BEGIN.plus(Span::secs(10 * *number as i64)));
        event.id = format!("e{number}").into();
        event.severity = Severity::Major;
        event.status = history[*number];
        event.observed_at = at;
        event.object = ObjectRef { name: Some("sw-1".into()), ..ObjectRef::default() };
        let batch = Batch { tenant: tenant(), events: vec![event], rejected: Vec::new(), replay_of: None };
        for effect in engine.step(at, &Input::Batch(batch), Loaded::Nothing) {
            if let Effect::Alert { alert } = effect {
                last = Some(alert.state);
            }
        }
        if restarts {
            *engine = Engine::thaw(&engine.freeze(), Arc::new(Tuning::default()), |_, _| None, |_, _| None).unwrap();
        }
    }
    last
}

#[test]
fn however_six_events_of_an_alert_are_shuffled_it_ends_as_its_newest_event_says() {
    use Status::{Firing, Resolved};
    let histories = [
        ([Firing, Resolved, Firing, Resolved, Firing, Resolved], AlertState::Resolved),
        ([Resolved, Firing, Resolved, Firing, Resolved, Firing], AlertState::Firing),
        ([Firing, Firing, Resolved, Firing, Firing, Resolved], AlertState::Resolved),
    ];
    let orders = orders(6);
    assert_eq!(orders.len(), 720);
    let mut wrong = Vec::new();
    for (history, expected) in &histories {
        for order in &orders {
            let mut engine = Engine::empty(0, Arc::new(Tuning::default()));
            let ended = last_state(&mut engine, history, order, order[0] == 3);
            // Where every start came behind its end there was never anything to tell.
            if ended != Some(*expected) && (ended.is_some() || *expected == AlertState::Firing) {
                wrong.push(format!("{history:?} as {order:?}: {ended:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), 3 * orders.len(), wrong.join("\n"));
}
