//! How fast people are told: incidents through a thousand routes and policies, and messages through one receiver's task.
//!
//! `cargo bench --bench telling`; `-- routes`, `step` or `effects` for one part.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use headwater::delivery::settings::{Ready, Settings};
use headwater::delivery::{Attempt, Channel, Delivery, Report};
use headwater::domain::event::Event;
use headwater::domain::ids::{IncidentId, ReceiverId, TenantId};
use headwater::domain::incident::IncidentView;
use headwater::domain::matcher::Fields;
use headwater::domain::severity::Severity;
use headwater::domain::time::{Span, Timestamp};
use headwater::engine::effect::{Effect, Notice, NoticeKind};
use headwater::engine::input::{Batch, Digest, Input};
use headwater::engine::policy::Policy;
use headwater::engine::policy::place::RuleFile;
use headwater::engine::policy::rule::RuleHits;
use headwater::engine::route::route;
use headwater::engine::tuning::Tuning;
use headwater::engine::{Engine, Loaded};

const INCIDENTS: usize = 100_000;
const POLICIES: usize = 1_000;
const START: Timestamp = Timestamp(1_767_225_600_000);
/// Plays of which the middle one is told.
const PLAYS: usize = 5;

/// A thousand teams, each with a route, a roster and an escalation policy; the fallback stands last.
fn policy() -> Arc<Policy> {
    let mut text = String::from(
        "promote: [{ id: at-once, after: now }]\n\
         settings: { flow: { messages: 10000, within: 1s }, pages: { messages: 10000, within: 1s }, alerts_max: 1000000 }\n\
         people:\n",
    );
    // Writing to a string cannot fail.
    for n in 0..POLICIES {
        let _ = writeln!(text, "  - {{ id: p{n}, contact: [{{ by: [sms] }}, {{ by: [voice], after: 5m }}] }}");
    }
    text += "rosters:\n";
    for n in 0..POLICIES {
        let next = (n + 1) % POLICIES;
        let _ =
            writeln!(text, "  - {{ id: r{n}, layers: [{{ people: [p{n}, p{next}], starts: \"2026-01-01 09:00\" }}] }}");
    }
    text += "escalations:\n";
    for n in 0..POLICIES {
        let _ = writeln!(
            text,
            "  - {{ id: e{n}, levels: [{{ to: [{{ roster: r{n} }}] }}, {{ to: [{{ backup: r{n} }}] }}], fallback: [room] }}"
        );
    }
    text += "routes:\n";
    for n in 0..POLICIES {
        let _ = writeln!(
            text,
            "  - {{ id: t{n}, match: {{ labels.team: t{n}, severity: \">= major\" }}, receivers: [{{ oncall: e{n} }}, room] }}"
        );
    }
    text += "  - { id: fallback, receivers: [room] }\n";
    let files = [RuleFile { name: "bench.yaml".into(), text }];
    Arc::new(Policy::compile(1, &files).unwrap_or_else(|errors| panic!("{:?}", &errors[..1])))
}

/// An incident as routes ask for it.
struct Asked(String);

impl Fields for Asked {
    fn field(&self, name: &str) -> Option<Cow<'_, str>> {
        match name {
            "labels.team" => Some(Cow::Borrowed(&self.0)),
            "severity" => Some(Cow::Borrowed("critical")),
            _ => None,
        }
    }
}

fn middle(mut play: impl FnMut() -> Duration) -> Duration {
    let mut took: Vec<Duration> = (0..PLAYS).map(|_| play()).collect();
    took.sort_unstable();
    took[PLAYS / 2]
}

fn tell(what: &str, count: usize, took: Duration) {
    let secs = took.as_secs_f64();
    println!("| {what} | {count} | {:.2} s | {:.0} | {:.2} |", secs, count as f64 / secs, secs * 1e6 / count as f64);
}

fn routes(policy: &Policy) {
    let asked: Vec<Asked> = (0..POLICIES).map(|n| Asked(format!("t{n}"))).collect();
    let took = middle(|| {
        let (mut hits, begin) = (RuleHits::default(), Instant::now());
        let found: usize =
            (0..INCIDENTS).map(|n| route(policy, &asked[n * 7919 % POLICIES], START, &mut hits).len()).sum();
        assert_eq!(found, 2 * INCIDENTS);
        begin.elapsed()
    });
    tell("routed through 1,000 routes", INCIDENTS, took);
}

/// Each event opens an incident of its own, which is routed and pages who has duty.
fn step(policy: &Arc<Policy>) {
    let tenant = TenantId::from("default");
    let took = middle(|| {
        let mut engine = Engine::empty(0, Arc::new(Tuning::default()));
        let (digest, author, reason) = (Digest("".into()), "bench".into(), "".into());
        let input = Input::Policy { tenant: tenant.clone(), version: 1, digest, author, reason };
        engine.step(START, &input, Loaded::Policy(policy.clone()));
        let inputs = (0..INCIDENTS).collect::<Vec<_>>();
        let records = inputs.chunks(100).map(|chunk| {
            let events = chunk.iter().map(|n| {
                let mut event = Event::new(tenant.clone(), "probe".into(), &format!("Down {n}"), START);
                event.object.name = Some(format!("host-{n}"));
                event.severity = Severity::Critical;
                event.labels.insert("team", &format!("t{}", n * 7919 % POLICIES));
                event
            });
            Input::Batch(Batch {
                tenant: tenant.clone(),
                events: events.collect(),
                rejected: Vec::new(),
                replay_of: None,
            })
        });
        let records: Vec<Input> = records.collect();
        let (mut told, begin) = (0, Instant::now());
        for (n, record) in records.iter().enumerate() {
            let effects = engine.step(START.plus(Span::secs(n as i64)), record, Loaded::Nothing);
            told += effects.iter().filter(|effect| matches!(effect, Effect::Notify { .. })).count();
        }
        let took = begin.elapsed();
        assert!(told >= 2 * INCIDENTS, "{told}");
        took
    });
    tell("opened, routed and paged by 1,000 policies", INCIDENTS, took);
}

/// A receiver that takes everything at once.
struct Willing;

impl Channel for Willing {
    fn name(&self) -> &'static str {
        "willing"
    }

    fn send<'a>(&'a self, _: &'a Notice) -> BoxFuture<'a, Attempt> {
        std::future::ready(Attempt::Accepted).boxed()
    }
}

fn notice(n: usize) -> Notice {
    let id = IncidentId(n as u64);
    Notice {
        key: format!("{id}-1-room-opened").into(),
        receiver: "room".into(),
        kind: NoticeKind::Opened,
        at: START,
        incident: IncidentView::new(id, "default".into(), "host is down", START),
        rule: None,
        changes: Vec::new(),
        digest: None,
        to: None,
        told: Vec::new(),
        runbooks: Vec::new(),
        action: None,
        by: "".into(),
    }
}

/// Messages per second of one receiver's task, queue and report included.
fn effects(channel: Arc<dyn Channel>, count: usize, what: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let took = middle(|| {
        let notices: Vec<Notice> = (0..count).map(notice).collect();
        runtime.block_on(async {
            let ended = Arc::new(AtomicUsize::new(0));
            let counted = ended.clone();
            let report: Report = Arc::new(move |_| {
                counted.fetch_add(1, Ordering::Relaxed);
                std::future::ready(()).boxed()
            });
            let settings = Settings { waiting_max: count, ..Settings::default() };
            let ready = Ready { channel: Some(channel.clone()), settings };
            let clock: headwater::delivery::Clock = Arc::new(|| START);
            let delivery = Delivery::start([(ReceiverId::from("room"), ready)].into(), &clock, report);
            let begin = Instant::now();
            notices.into_iter().for_each(|notice| delivery.notify(notice));
            while ended.load(Ordering::Relaxed) < count {
                tokio::task::yield_now().await;
            }
            begin.elapsed()
        })
    });
    tell(what, count, took);
}

/// A signed webhook on this machine.
fn over_http() -> Arc<dyn Channel> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let at = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async move {
            listener.set_nonblocking(true).expect("a socket");
            let listener = tokio::net::TcpListener::from_std(listener).expect("a socket");
            let app = axum::Router::new().fallback(|| async { axum::http::StatusCode::NO_CONTENT });
            axum::serve(listener, app).await.expect("it serves");
        });
    });
    let own = serde_json::json!({ "id": "room", "url": format!("http://{at}/hook"), "allow_private": true,
        "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" });
    let settings = serde_json::from_value(own).expect("settings");
    let common = headwater::delivery::settings::Common {
        settings: Settings::default(),
        base_url: "https://noc.example".into(),
        own_ports: Vec::new(),
        clock: headwater::clock::machine(),
        contacts: Default::default(),
        seal: None,
        pass_valid_for: Span::hours(24),
        bus: Default::default(),
    };
    let ready = headwater::delivery::settings::prepare(&[settings], &common).expect("a receiver");
    ready.into_values().find_map(|ready| ready.channel).expect("a channel")
}

fn main() {
    let only: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let wanted = |part: &str| only.is_empty() || only.iter().any(|word| word == part);
    println!("| what | how many | took | a second | µs each |");
    println!("|---|--:|--:|--:|--:|");
    let policy = policy();
    if wanted("routes") {
        routes(&policy);
    }
    if wanted("step") {
        step(&policy);
    }
    if wanted("effects") {
        effects(Arc::new(Willing), INCIDENTS, "handed out by one receiver's task, taken at once");
        effects(over_http(), 5_000, "signed and sent over HTTP by one receiver's task, 8 at a time");
    }
}
