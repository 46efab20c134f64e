//! What two instances write to the same keys: the newer value stays, whoever comes last.

use std::sync::Arc;

use headwater::clock::machine;
use headwater::domain::ids::IncidentId;
use headwater::domain::incident::{IncidentState, IncidentView};
use headwater::engine::effect::Effect;
use headwater::projection::Committed;
use headwater::projection::live::Live;
use headwater::serve::view::{Others, View};
use headwater::shared::Shared;
use headwater::shared::settings::Settings;
use headwater::shared::values::{Least, Listed, META, Older, Row, Values};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::server::Redis;
use crate::nats::front::until;

const PREFIX: &str = "headwater:v1:{t}:";

fn settings(redis: &Redis) -> Settings {
    let urls = vec![redis.url()];
    let limits = Settings { answer_ms_max: 2_000, connect_ms_max: 2_000, view_closed_hours: 24, ..Settings::default() };
    Settings { urls, prefix: "headwater".into(), ..limits }
}

/// A connection as an instance has it, in use.
fn instance(redis: &Redis, runtime: &Runtime) -> Arc<Shared> {
    let shared = Shared::new(settings(redis)).unwrap();
    let keeper = shared.clone();
    runtime.spawn(async move { keeper.keep(|_| {}).await });
    runtime.block_on(async { shared.watch().wait_for(|in_use| *in_use).await.map(drop).unwrap() });
    shared
}

fn row(key: &str, listed: Listed, data: Value) -> Row {
    Row { key: key.into(), member: key.into(), listed, data: data.to_string(), lives_secs: 600 }
}

fn data(redis: &Redis, key: &str) -> Value {
    let text = redis.text(&format!("{PREFIX}{key}")).unwrap();
    serde_json::from_str::<Value>(&text).unwrap()["data"].clone()
}

#[test]
fn an_older_value_never_replaces_a_newer_one_and_neither_does_its_place() {
    let Some(redis) = Redis::start(&[]) else { return };
    let runtime = Runtime::new().unwrap();
    let (first, second) = (instance(&redis, &runtime), instance(&redis, &runtime));
    let (fast, slow) = (Values::of(&first, "t", 600), Values::of(&second, "t", 600));
    runtime.block_on(async {
        let put = |values: Values, seq: u64, older: Older, listed: Listed| async move {
            values.put(seq, older, &[row("a", listed, json!({ "as of": seq }))]).await.unwrap()
        };
        assert_eq!(put(fast.clone(), 10, Older::GivesWay, Listed::NotAnyMore).await, 0);
        assert_eq!(put(slow.clone(), 9, Older::GivesWay, Listed::At(7)).await, 1, "the newer one stays");
        assert_eq!(data(&redis, "a"), json!({ "as of": 10 }));
        assert!(redis.members(&format!("{PREFIX}open")).is_empty(), "what has ended is not listed again");
        assert_eq!(put(slow.clone(), 10, Older::GivesWay, Listed::At(7)).await, 0, "the same again is harmless");
        assert_eq!(put(fast.clone(), 11, Older::GivesWay, Listed::At(8)).await, 0);
        assert_eq!(redis.members(&format!("{PREFIX}open")), ["a"]);
        assert_eq!(put(slow.clone(), 5, Older::Wins, Listed::At(7)).await, 0, "unless nobody can be further");
        assert_eq!(data(&redis, "a"), json!({ "as of": 5 }));
    });
}

#[test]
fn instances_that_write_at_once_end_with_the_newest_value() {
    let Some(redis) = Redis::start(&[]) else { return };
    let runtime = Runtime::new().unwrap();
    let instances: Vec<Arc<Shared>> = (0..4).map(|_| instance(&redis, &runtime)).collect();
    let writes = instances.iter().enumerate().map(|(number, shared)| {
        let values = Values::of(shared, "t", 600);
        runtime.spawn(async move {
            for step in 0..200_u64 {
                // Each has its own order, and each is behind another now and then.
                let seq = (step * 7 + number as u64 * 53) % 200;
                let listed = if seq.is_multiple_of(2) { Listed::At(seq as i64) } else { Listed::NotAnyMore };
                values.put(seq, Older::GivesWay, &[row("a", listed, json!(seq))]).await.unwrap();
            }
        })
    });
    let writes: Vec<_> = writes.collect();
    writes.into_iter().for_each(|write| runtime.block_on(write).unwrap());
    assert_eq!(data(&redis, "a"), json!(199));
    assert!(redis.members(&format!("{PREFIX}open")).is_empty(), "199 is not listed");
}

#[test]
fn what_is_missing_older_or_unsound_is_found() {
    let Some(redis) = Redis::start(&[]) else { return };
    let runtime = Runtime::new().unwrap();
    let shared = instance(&redis, &runtime);
    let values = Values::of(&shared, "t", 600);
    runtime.block_on(async {
        let rows: Vec<Row> = ["a", "b", "c", META].map(|key| row(key, Listed::Never, json!("一"))).to_vec();
        values.put(10, Older::GivesWay, &rows).await.unwrap();
        let least = |key: &str, seq| Least { key: key.into(), seq, lives_on: true };
        let asked = [least("a", 10), least("b", 11), least("missing", 0), least("c", 3)];
        assert_eq!(values.check(&asked).await.unwrap(), [1, 2]);
        redis.say(&["APPEND", &format!("{PREFIX}c"), " "]);
        assert_eq!(values.check(&asked).await.unwrap(), [1, 2, 3]);
        assert_eq!(values.look(10).await.unwrap().seq, Some(10));
        redis.say(&["EXPIRE", &format!("{PREFIX}a"), "5"]);
        values.check(&asked).await.unwrap();
        let super::server::Said::Number(lives) = redis.say(&["TTL", &format!("{PREFIX}a")]) else { panic!() };
        assert!(lives > 500, "it lives on: {lives}");
        for member in ["x", "y", "z"] {
            redis.say(&["ZADD", &format!("{PREFIX}open"), "1", member]);
        }
        assert_eq!(values.look(2).await.unwrap().index, None, "more than may be");
        values.unlist(9, None).await.unwrap();
        assert_eq!(values.look(3).await.unwrap().index.unwrap().len(), 3, "whoever is behind removes nothing");
        values.unlist(10, Some(&["x".into()])).await.unwrap();
        assert_eq!(values.look(3).await.unwrap().index.unwrap().len(), 2);
        values.unlist(10, None).await.unwrap();
        assert_eq!(values.look(3).await.unwrap().index.unwrap().len(), 0);
    });
}

/// An incident opens, or ends, with an outbox record.
fn step(live: &Live, seq: u64, incident: u64, ends: Option<IncidentState>) {
    let now = (machine())();
    let opened = IncidentView::new(IncidentId(incident), "t".into(), "down", now);
    let view = match ends {
        None => opened,
        Some(state) => IncidentView { state, version: 2, closed_at: Some(now), ..opened },
    };
    let effect = Effect::Incident { incident: Arc::new(view), joined: Vec::new(), left: Vec::new() };
    live.apply(&Committed {
        partition: 0,
        journal_seq: seq,
        outbox_seq: seq,
        stamp: now,
        input: None,
        effects: Arc::new(vec![effect]),
    });
}

#[test]
fn of_two_instances_the_one_that_is_behind_takes_nothing_back() {
    let Some(redis) = Redis::start(&[]) else { return };
    let runtime = Runtime::new().unwrap();
    let (ahead, behind) = (Arc::new(Live::default()), Arc::new(Live::default()));
    let tell = |live: &Live, from: u64, to: u64| {
        for seq in from..=to {
            let (incident, ends) = if seq <= 20 { (seq, None) } else { (seq - 20, Some(IncidentState::Closed)) };
            step(live, seq, incident, ends);
        }
    };
    tell(&ahead, 1, 25);
    tell(&behind, 1, 12);
    let follow = |live: &Arc<Live>| {
        let shared = instance(&redis, &runtime);
        runtime.spawn(View::new(live.clone(), shared, machine(), Others::Some).run())
    };
    let (first, second) = (follow(&ahead), follow(&behind));
    let members = || redis.members(&format!("{PREFIX}open"));
    let seq = || {
        let text = redis.text(&format!("{PREFIX}meta"))?;
        serde_json::from_str::<Value>(&text).unwrap()["seq"].as_u64()
    };
    for _ in 0..3 {
        until("what is newest is there", || (members().len() == 15 && seq() == Some(25)).then_some(()));
        redis.say(&["FLUSHALL"]);
    }
    until("what is newest is there", || (members().len() == 15 && seq() == Some(25)).then_some(()));
    // Both have looked again.
    let checked = || redis.text(&format!("{PREFIX}meta"));
    let mut marks = std::collections::BTreeSet::new();
    until("it was looked at five times", || {
        assert_eq!((members().len(), seq()), (15, Some(25)), "nothing is taken back");
        marks.extend(checked());
        (marks.len() > 5).then_some(())
    });
    // The one that was ahead dies, with what is in Redis; the other one has caught up.
    first.abort();
    tell(&behind, 13, 25);
    redis.say(&["FLUSHALL"]);
    until("the other one has made it again", || (members().len() == 15 && seq() == Some(25)).then_some(()));
    second.abort();
}
