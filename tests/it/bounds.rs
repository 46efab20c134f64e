//! What a tenant may hold in memory is bounded, whatever a source sends.

use std::sync::Arc;

use headwater::domain::event::{Event, ObjectRef, Status};
use headwater::domain::ids::TenantId;
use headwater::domain::reject::Reject;
use headwater::domain::severity::Severity;
use headwater::domain::time::{Span, Timestamp};
use headwater::engine::effect::Effect;
use headwater::engine::input::{Batch, Digest, Input};
use headwater::engine::policy::Policy;
use headwater::engine::policy::place::RuleFile;
use headwater::engine::tuning::Tuning;
use headwater::engine::verdict::Verdict;
use headwater::engine::{Engine, Loaded};
use reqwest::Method;
use serde_json::{Value, json};

use crate::data_service::{PATIENCE, Service, event, standing};
use crate::story::BEGIN;

/// No set of rules goes without one.
const ROUTE: &str = "routes: [{ id: all, receivers: [noc] }]\n";

/// An engine whose tenant goes by these settings.
struct Bench {
    engine: Engine,
    policy: Arc<Policy>,
    now: Timestamp,
}

impl Bench {
    fn new(settings: &str) -> Self {
        let files = [RuleFile { name: "a.yaml".into(), text: format!("settings: {settings}\n{ROUTE}") }];
        let policy = Arc::new(Policy::compile(1, &files).unwrap());
        let mut engine = Engine::empty(0, Arc::new(Tuning::default()));
        let input = Input::Policy {
            tenant: "t".into(),
            version: 1,
            digest: Digest("rules".into()),
            author: "li".into(),
            reason: "".into(),
        };
        engine.step(BEGIN, &input, Loaded::Policy(policy.clone()));
        Self { engine, policy, now: BEGIN }
    }

    /// A second later, one event.
    fn hear(&mut self, name: &str, object: &str, status: Status) -> Verdict {
        self.now = self.now.plus(Span::secs(1));
        let mut event = Event::new(TenantId::from("t"), "zabbix".into(), name, self.now);
        event.severity = Severity::Minor;
        event.status = status;
        event.object = ObjectRef { name: Some(object.into()), ..ObjectRef::default() };
        let batch = Batch { tenant: "t".into(), events: vec![event], rejected: Vec::new(), replay_of: None };
        let effects = self.engine.step(self.now, &Input::Batch(batch), Loaded::Nothing);
        let verdict = effects.into_iter().find_map(|effect| match effect {
            Effect::Verdict { verdict, .. } => Some(verdict),
            _ => None,
        });
        verdict.expect("every event has one")
    }

    fn restart(&mut self) {
        let frozen = self.engine.freeze();
        let rules = |_, _: &_| Some(self.policy.clone());
        let thawed = Engine::thaw(&frozen, Arc::new(Tuning::default()), |_, _| None, rules).unwrap();
        assert!(thawed.freeze() == frozen);
        self.engine = thawed;
    }
}

#[test]
fn an_alert_beyond_the_limit_is_refused_and_known_ones_go_on() {
    let mut bench = Bench::new("{ alerts_max: 10, retention: 1h, expire_after: 2h }");
    for n in 0..10 {
        assert!(!matches!(bench.hear("disk", &format!("db-{n}"), Status::Firing), Verdict::Rejected { .. }));
    }
    let refused = bench.hear("disk", "db-10", Status::Firing);
    let Verdict::Rejected { why: Reject::OverLimit(why) } = &refused else { panic!("{refused:?}") };
    assert!(why.contains("10 alerts") && why.contains("settings.alerts_max"), "{why}");
    bench.restart();
    assert!(matches!(bench.hear("disk", "db-3", Status::Firing), Verdict::Duplicate { alert: Some(_), .. }));
    assert!(matches!(bench.hear("disk", "db-3", Status::Resolved), Verdict::Resolved { alert: Some(_), .. }));
    // One that ended long ago and comes back is the alert that it was: there is no room for another.
    bench.now = bench.now.plus(Span::mins(100));
    let again = bench.hear("disk", "db-3", Status::Firing);
    assert!(again.alert().is_some() && !matches!(again, Verdict::Rejected { .. }), "{again:?}");
    assert!(matches!(bench.hear("cpu", "db-11", Status::Firing), Verdict::Rejected { .. }));
    let memory = bench.engine.memory(&"t".into());
    assert_eq!((memory.alerts, memory.alerts_max, memory.refused), (10, 10, 2), "{memory:?}");
    // When they are forgotten there is room again.
    bench.now = bench.now.plus(Span::hours(9));
    assert!(!matches!(bench.hear("cpu", "db-11", Status::Firing), Verdict::Rejected { .. }));
}

#[test]
fn names_that_are_never_seen_again_are_forgotten() {
    let mut bench = Bench::new("{ alerts_max: 100, retention: 1h, expire_after: 1m }");
    for n in 0..12_500 {
        bench.hear("disk", &format!("lambda-{n}"), Status::Firing);
        if n % 50 == 49 {
            bench.now = bench.now.plus(Span::hours(3));
        }
        if n % 4_000 == 3_999 {
            bench.restart();
        }
    }
    let memory = bench.engine.memory(&"t".into());
    assert!(memory.objects <= 10_000, "{memory:?}");
    assert_eq!(memory.refused, 0, "{memory:?}");
    // A name that was forgotten and its number given away comes back as itself.
    let first = bench.hear("disk", "lambda-0", Status::Firing).alert();
    let other = bench.hear("disk", "lambda-x", Status::Firing).alert();
    assert!(first.is_some() && other.is_some() && first != other);
    assert_eq!(bench.hear("disk", "lambda-0", Status::Firing).alert(), first);
}

/// The letters of what was over the limit, newest first, when there are `count`.
async fn letters(service: &Service, count: usize) -> Vec<Value> {
    let started = std::time::Instant::now();
    loop {
        let page = service.get("analyst", "/api/v1/dead-letters?reason=over_limit").await;
        let items = page["items"].as_array().unwrap().clone();
        if items.len() == count {
            return items;
        }
        assert!(started.elapsed() < PATIENCE, "{count} letters are awaited: {items:?}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_over_the_limit_is_taken_when_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, _) = standing();
    let service = Service::start(folder.path(), &clock).await;
    let limit = async |max: u32| {
        let mut files = service.get("analyst", "/api/v1/rules/versions/0").await["files"].clone();
        let text = files["00-defaults.yaml"].as_str().unwrap();
        let limited = text.replace("alerts_max: 1000000", &format!("alerts_max: {max}"));
        assert_ne!(text, limited);
        files["00-defaults.yaml"] = limited.into();
        service.send(Method::PUT, "analyst", "/api/v1/rules", json!({ "files": files }), 202).await;
    };
    let again = async |letter: &Value, status: u16| {
        let path = format!("/api/v1/dead-letters/{}/replay", letter["id"].as_str().unwrap());
        service.send(Method::POST, "analyst", &path, json!({}), status).await
    };
    limit(10).await;
    let fan = |n: usize| event(&format!("f-{n}"), "FanNoise", "minor", &format!("fan-{n}"), "00:01");
    let fans: Vec<Value> = (0..12).map(fan).collect();
    service.send(Method::POST, "source", "/api/v1/events", json!(fans), 202).await;
    let refused = letters(&service, 2).await;
    assert!(refused[0]["detail"].as_str().unwrap().contains("settings.alerts_max"), "{}", refused[0]);

    // Without room it comes back as another letter, and none is lost.
    again(&refused[1], 202).await;
    let refused = letters(&service, 3).await;
    let waiting: Vec<&Value> = refused.iter().filter(|letter| letter.get("replayed_as").is_none()).collect();
    assert_eq!(waiting.len(), 2, "{refused:?}");

    limit(100).await;
    for letter in waiting {
        again(letter, 202).await;
    }
    let started = std::time::Instant::now();
    while letters(&service, 3).await.iter().any(|letter| letter.get("replayed_as").is_none()) {
        assert!(started.elapsed() < PATIENCE, "they were tried again");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    again(&letters(&service, 3).await[0], 422).await;
    let mut ends = Vec::new();
    for letter in letters(&service, 3).await {
        let became = letter["replayed_as"].as_str().unwrap();
        let why = service.get("viewer", &format!("/api/v1/events/{became}/why")).await;
        ends.push(why["events"][0]["verdict"].as_str().unwrap().to_owned());
    }
    assert_eq!(ends, ["held", "held", "rejected"], "newest letter first");
    let counts = service.get("viewer", "/api/v1/conservation").await;
    assert_eq!((&counts["balanced"], &counts["accepted"]), (&json!(true), &json!(15)), "{counts}");
    service.stop().await;
}
