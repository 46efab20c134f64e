//! Delivery against a real receiver on a loopback port.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Once};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::acts::Acts;
use super::channels::{Ground, Kind, Manner};
use super::egress::Egress;
use super::http::SetupError;
use super::message::{Message, Style};
use super::pending::{Pending, Place};
use super::settings::Settings;
use super::signature::Secrets;
use super::template::Templates;
use super::*;
use crate::domain::ci::CiRef;
use crate::domain::cidr::Cidr;
use crate::domain::ids::{IncidentId, TenantId};
use crate::domain::incident::{Candidate, IncidentView, Priority};
use crate::domain::severity::Severity;
use crate::domain::time::Span;
use crate::engine::effect::{Effect, NoticeKind};
use crate::wording::lang::Lang;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const NOW: Timestamp = Timestamp(1_700_000_000_000);

pub fn notice(incident: u64, version: u32, kind: NoticeKind) -> Notice {
    let incident = IncidentView {
        version,
        severity: Severity::Major,
        priority: Priority::P2,
        alert_count: 1,
        firing_count: 1,
        event_count: 1,
        ci_count: 1,

        ..IncidentView::new(IncidentId(incident), TenantId::from("t"), "电源故障", NOW)
    };
    let key = format!("{}-{version}-hook-{}", incident.id, kind.as_str()).into();
    Notice {
        key,
        receiver: "hook".into(),
        kind,
        at: NOW,
        incident,
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

/// What the receiver was sent.
#[derive(Clone, Debug)]
struct Seen {
    headers: HeaderMap,
    body: Bytes,
    at: Instant,
}

impl Seen {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap().to_str().unwrap()
    }
}

type Answer = Box<dyn Fn(usize) -> Response + Send + Sync>;

/// A receiver that notes what it is sent and answers by the number of the request, from 0.
struct Receiver {
    seen: Mutex<Vec<Seen>>,
    now: AtomicUsize,
    most_at_once: AtomicUsize,
    pause: Duration,
    answer: Answer,
}

async fn receive(State(receiver): State<Arc<Receiver>>, headers: HeaderMap, body: Bytes) -> Response {
    let now = receiver.now.fetch_add(1, Ordering::SeqCst) + 1;
    receiver.most_at_once.fetch_max(now, Ordering::SeqCst);
    let n = {
        let mut seen = receiver.seen.lock().unwrap();
        seen.push(Seen { headers, body, at: Instant::now() });
        seen.len() - 1
    };
    tokio::time::sleep(receiver.pause).await;
    receiver.now.fetch_sub(1, Ordering::SeqCst);
    (receiver.answer)(n)
}

async fn listen() -> TcpListener {
    for _ in 0..200 {
        let port = 15_000 + rand::random::<u16>() % 15_000;
        if let Ok(listener) = TcpListener::bind(("127.0.0.1", port)).await {
            return listener;
        }
    }
    panic!("no free port between 15000 and 30000");
}

async fn receiver(
    pause: Duration,
    answer: impl Fn(usize) -> Response + Send + Sync + 'static,
) -> (SocketAddr, Arc<Receiver>) {
    let receiver = Arc::new(Receiver {
        seen: Mutex::default(),
        now: AtomicUsize::new(0),
        most_at_once: AtomicUsize::new(0),
        pause,
        answer: Box::new(answer),
    });
    let listener = listen().await;
    let address = listener.local_addr().unwrap();
    let app = Router::new().route("/hook", post(receive)).with_state(Arc::clone(&receiver));
    tokio::spawn(async move { axum::serve(listener, app).await });
    (address, receiver)
}

fn quick() -> Settings {
    Settings {
        retry_first: Duration::from_millis(5),
        retry_max: Duration::from_millis(50),
        locked_out_pause: Duration::from_millis(100),
        ..Settings::default()
    }
}

fn webhook(url: &str, egress: Egress) -> Result<Arc<dyn Channel>, SetupError> {
    static TLS: Once = Once::new();
    TLS.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
    let own = [("url", url), ("secret", SECRET)].map(|(key, value)| (key.to_owned(), value.into()));
    let ground = Ground {
        egress: Arc::new(egress),
        manner: Manner {
            lang: Lang::Zh,
            time_zone: chrono_tz::Asia::Shanghai,
            base_url: "https://noc.example".to_owned(),
            acts: Acts::default(),
            templates: Templates::default(),
        },
        timeout: Duration::from_secs(10),
        clock: Arc::new(|| NOW),
        lines: Arc::default(),
        bus: crate::delivery::channels::nats::Bus::default(),
        token: Default::default(),
    };
    Kind::read(own.into_iter().collect()).unwrap().channel(&ground)
}

fn loopback() -> Egress {
    Egress { allowed: vec![Cidr::parse("127.0.0.0/8").unwrap()], own_ports: Vec::new() }
}

fn start(url: &str, settings: Settings, now: Timestamp) -> (Delivery, UnboundedReceiver<Delivered>) {
    let channel: Arc<dyn Channel> = webhook(url, loopback()).unwrap();
    let (report, results) = reports();
    let clock: Clock = Arc::new(move || now);
    let ready = Ready { channel: Some(channel), settings };
    (Delivery::start(BTreeMap::from([("hook".into(), ready)]), &clock, report), results)
}

fn reports() -> (Report, UnboundedReceiver<Delivered>) {
    let (sender, results) = unbounded_channel();
    let report: Report = Arc::new(move |done| {
        drop(sender.send(done));
        Box::pin(std::future::ready(()))
    });
    (report, results)
}

async fn result(results: &mut UnboundedReceiver<Delivered>) -> Delivered {
    tokio::time::timeout(Duration::from_secs(20), results.recv()).await.expect("a result in time").unwrap()
}

fn ok() -> Response {
    StatusCode::NO_CONTENT.into_response()
}

fn status(code: u16) -> Response {
    StatusCode::from_u16(code).unwrap().into_response()
}

#[tokio::test]
async fn a_notice_arrives_signed_with_its_key() {
    let (address, receiver) = receiver(Duration::ZERO, |_| ok()).await;
    let (delivery, mut results) = start(&format!("http://{address}/hook"), quick(), NOW);
    delivery.notify(notice(7, 1, NoticeKind::Opened));
    let done = result(&mut results).await;
    assert_eq!((done.outcome, done.attempts, &*done.key), (DeliveryOutcome::Accepted, 1, "i0-7-1-hook-opened"));
    let seen = receiver.seen.lock().unwrap()[0].clone();
    assert_eq!(seen.header("webhook-id"), "i0-7-1-hook-opened");
    assert_eq!(seen.header("idempotency-key"), "i0-7-1-hook-opened");
    let secrets = Secrets::parse([SECRET]).unwrap();
    let at: i64 = seen.header("webhook-timestamp").parse().unwrap();
    assert_eq!(at, NOW.0 / 1000);
    assert_eq!(seen.header("webhook-signature"), secrets.sign("i0-7-1-hook-opened", at, &seen.body));
    let body: serde_json::Value = serde_json::from_slice(&seen.body).unwrap();
    assert_eq!(body["type"], "incident.opened");
    assert_eq!(body["timestamp"], "2023-11-14T22:13:20.000Z");
    assert_eq!(body["data"]["incident"]["title"], "电源故障");
    assert_eq!(body["data"]["incident"]["id"], "i0-7");
    let text = "【P2 重要】新故障：电源故障（i0-7）\n影响：1 个组件，1 条告警（均未恢复）\n\
                开始：2023-11-15 06:13（+08:00）\nhttps://noc.example/incidents/i0-7";
    assert_eq!(body["data"]["text"], text);
    assert_eq!(body["data"]["url"], "https://noc.example/incidents/i0-7");
}

#[tokio::test]
async fn a_failing_receiver_is_tried_again_with_the_same_key() {
    let (address, receiver) = receiver(Duration::ZERO, |n| match n {
        0 => status(500),
        1 => status(502),
        2 => status(408),
        _ => ok(),
    })
    .await;
    let (delivery, mut results) = start(&format!("http://{address}/hook"), quick(), NOW);
    delivery.notify(notice(1, 1, NoticeKind::Opened));
    let done = result(&mut results).await;
    assert_eq!((done.outcome, done.attempts), (DeliveryOutcome::Accepted, 4));
    let seen = receiver.seen.lock().unwrap();
    assert!(seen.iter().all(|seen| seen.header("webhook-id") == "i0-1-1-hook-opened"));
    let state = &delivery.states()[&"hook".into()];
    assert_eq!((state.accepted, state.failed, state.waiting), (1, 3, 0));
    assert!(state.last_failure.as_ref().unwrap().contains("408"));
}

#[tokio::test]
async fn a_receiver_that_asks_for_time_gets_it() {
    let (address, receiver) = receiver(Duration::ZERO, |n| match n {
        0 => (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "0")]).into_response(),
        _ => ok(),
    })
    .await;
    let (delivery, mut results) = start(&format!("http://{address}/hook"), quick(), NOW);
    delivery.notify(notice(1, 1, NoticeKind::Opened));
    assert_eq!(result(&mut results).await.attempts, 2);
    let seen = receiver.seen.lock().unwrap();
    let waited = seen[1].at - seen[0].at;
    assert!(waited >= Duration::from_secs(1), "0 seconds are taken as 1, waited {waited:?}");
}

#[tokio::test]
async fn what_a_receiver_refuses_is_tried_once_more() {
    for code in [400, 404, 410, 422, 302] {
        let (address, receiver) = receiver(Duration::ZERO, move |_| status(code)).await;
        let (delivery, mut results) = start(&format!("http://{address}/hook"), quick(), NOW);
        delivery.notify(notice(1, 1, NoticeKind::Opened));
        let done = result(&mut results).await;
        assert_eq!(done.attempts, 2);
        assert!(matches!(&done.outcome, DeliveryOutcome::GaveUp(why) if why.contains(&code.to_string())), "{done:?}");
        assert_eq!(receiver.seen.lock().unwrap().len(), 2);
    }
}

#[tokio::test]
async fn a_receiver_that_locks_us_out_is_left_alone_for_a_while() {
    let (address, receiver) = receiver(Duration::ZERO, |n| if n == 0 { status(401) } else { ok() }).await;
    let settings = Settings { concurrency_max: 1, ..quick() };
    let (delivery, mut results) = start(&format!("http://{address}/hook"), settings, NOW);
    for incident in 1..=5 {
        delivery.notify(notice(incident, 1, NoticeKind::Opened));
    }
    while delivery.states()[&"hook".into()].locked_out.is_none() {
        tokio::task::yield_now().await;
    }
    for _ in 0..5 {
        assert_eq!(result(&mut results).await.outcome, DeliveryOutcome::Accepted);
    }
    let seen = receiver.seen.lock().unwrap();
    assert_eq!(seen.len(), 6);
    assert!(seen[1].at - seen[0].at >= Duration::from_millis(100));
    assert_eq!(delivery.states()[&"hook".into()].locked_out, None);
}

#[tokio::test]
async fn one_receiver_that_hangs_delays_nobody_else() {
    let (hanging, _receiver) = receiver(Duration::from_secs(3600), |_| ok()).await;
    let (address, _other) = receiver(Duration::ZERO, |_| ok()).await;
    let ready = |address| {
        let channel: Arc<dyn Channel> = webhook(&format!("http://{address}/hook"), loopback()).unwrap();
        Ready { channel: Some(channel), settings: quick() }
    };
    let (report, mut results) = reports();
    let ready = BTreeMap::from([("slow".into(), ready(hanging)), ("hook".into(), ready(address))]);
    let clock: Clock = Arc::new(|| NOW);
    let delivery = Delivery::start(ready, &clock, report);
    for incident in 1..=20 {
        delivery.notify(Notice { receiver: "slow".into(), ..notice(incident, 1, NoticeKind::Opened) });
        delivery.notify(notice(incident, 1, NoticeKind::Opened));
    }
    let since = Instant::now();
    for _ in 0..20 {
        assert_eq!(result(&mut results).await.receiver.as_str(), "hook");
    }
    assert!(since.elapsed() < Duration::from_secs(8));
    // Time-outs are 10 s: the hanging one is then tried again.
    while delivery.states()[&"slow".into()].failed == 0 {
        assert!(since.elapsed() < Duration::from_secs(20));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(delivery.states()[&"slow".into()].last_failure.as_ref().unwrap().contains("no answer in time"));
}

#[tokio::test]
async fn versions_arrive_in_order_and_the_first_and_last_always() {
    let (address, receiver) = receiver(Duration::from_millis(3), |n| if n % 3 == 0 { status(503) } else { ok() }).await;
    let (delivery, mut results) = start(&format!("http://{address}/hook"), quick(), NOW);
    for version in 1..=40 {
        for incident in 1..=10 {
            let kind = match version {
                1 => NoticeKind::Opened,
                40 => NoticeKind::Recovered,
                _ => NoticeKind::Updated,
            };
            delivery.notify(notice(incident, version, kind));
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let mut folded = 0;
    for _ in 0..400 {
        let done = result(&mut results).await;
        assert!(!matches!(done.outcome, DeliveryOutcome::GaveUp(_)), "{done:?}");
        folded += u32::from(done.outcome == DeliveryOutcome::Folded);
    }
    assert!(folded > 0);
    let mut last: BTreeMap<String, u64> = BTreeMap::new();
    for seen in receiver.seen.lock().unwrap().iter() {
        let body: serde_json::Value = serde_json::from_slice(&seen.body).unwrap();
        let incident = &body["data"]["incident"];
        let (id, version) = (incident["id"].to_string(), incident["version"].as_u64().unwrap());
        let before = last.insert(id, version).unwrap_or(1);
        assert!(before <= version, "version {version} after {before}");
    }
    assert!(last.len() == 10 && last.values().all(|version| *version == 40), "{last:?}");
    assert!(receiver.most_at_once.load(Ordering::SeqCst) <= 8);
}

#[tokio::test]
async fn what_is_too_old_is_given_up_after_its_next_failure() {
    let (address, _receiver) = receiver(Duration::ZERO, |_| status(503)).await;
    let (delivery, mut results) = start(&format!("http://{address}/hook"), quick(), NOW.plus(Span::hours(25)));
    delivery.notify(notice(1, 1, NoticeKind::Opened));
    let done = result(&mut results).await;
    assert!(matches!(&done.outcome, DeliveryOutcome::GaveUp(why) if why.contains("503")), "{done:?}");
    assert_eq!(done.attempts, 1);
}

#[tokio::test]
async fn an_unknown_receiver_is_reported_at_once() {
    let (delivery, mut results) = start("http://127.0.0.1:9/hook", quick(), NOW);
    delivery.notify(Notice { receiver: "nobody".into(), ..notice(1, 1, NoticeKind::Opened) });
    let done = result(&mut results).await;
    assert!(matches!(&done.outcome, DeliveryOutcome::GaveUp(why) if why.contains("configured")), "{done:?}");
}

#[tokio::test]
async fn a_large_answer_is_not_waited_for() {
    let (address, _receiver) = receiver(Duration::ZERO, |_| {
        // More than can be read within the time-out, without an end.
        let pieces = futures::stream::repeat_with(|| Ok::<_, std::io::Error>(vec![b'x'; 16 * 1024]));
        axum::body::Body::from_stream(pieces).into_response()
    })
    .await;
    let (delivery, mut results) = start(&format!("http://{address}/hook"), quick(), NOW);
    let since = Instant::now();
    delivery.notify(notice(1, 1, NoticeKind::Opened));
    assert_eq!(result(&mut results).await.outcome, DeliveryOutcome::Accepted);
    assert!(since.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_name_that_points_inside_is_not_connected_to() {
    let (address, receiver) = receiver(Duration::ZERO, |_| ok()).await;
    let url = format!("http://localhost:{}/hook", address.port());
    let attempt = webhook(&url, Egress::default()).unwrap().send(&notice(1, 1, NoticeKind::Opened)).await;
    assert!(matches!(&attempt, Attempt::LockedOut { why } if why.contains("is not public")), "{attempt:?}");
    assert!(receiver.seen.lock().unwrap().is_empty());
    let allowed =
        Egress { allowed: vec![Cidr::parse("127.0.0.0/8").unwrap(), Cidr::parse("::1").unwrap()], own_ports: vec![] };
    let attempt = webhook(&url, allowed).unwrap().send(&notice(1, 1, NoticeKind::Opened)).await;
    assert_eq!(attempt, Attempt::Accepted);
}

#[tokio::test]
async fn a_receiver_without_the_tls_it_claims_locks_us_out() {
    let (address, _receiver) = receiver(Duration::ZERO, |_| ok()).await;
    let url = format!("https://{address}/hook");
    // A machine without CA certificates cannot set up https at all, which is told at once.
    let Ok(webhook) = webhook(&url, loopback()) else { return };
    let attempt = webhook.send(&notice(1, 1, NoticeKind::Opened)).await;
    assert!(matches!(&attempt, Attempt::LockedOut { why } if !why.contains("/hook")), "{attempt:?}");
}

#[tokio::test]
async fn what_cannot_be_reached_is_tried_later() {
    let free = listen().await.local_addr().unwrap();
    let webhook = webhook(&format!("http://{free}/hook"), loopback()).unwrap();
    let attempt = webhook.send(&notice(1, 1, NoticeKind::Opened)).await;
    assert!(matches!(&attempt, Attempt::TryLater { why, wait: None } if why.contains("no connection")), "{attempt:?}");
}

fn places(pending: &Pending) -> Vec<Place> {
    pending.waiting_of(|_| true).into_iter().map(|(_, place)| place).collect()
}

#[test]
fn only_what_was_not_reported_is_pending() {
    let notify = |incident| Effect::Notify { notice: Box::new(notice(incident, 1, NoticeKind::Opened)) };
    let mut pending = Pending::default();
    let fresh: Vec<u64> =
        pending.committed(7, &[notify(3), notify(1), notify(2), notify(3)]).iter().map(|n| n.incident.id.0).collect();
    assert_eq!(fresh, [3, 1, 2]);
    pending.ended(&delivered(&notice(1, 1, NoticeKind::Opened), DeliveryOutcome::Accepted, 1), NOW);
    let place = |index| Place { outbox_seq: 7, index };
    assert_eq!(places(&pending), [place(0), place(2)]);
    let gave_up = DeliveryOutcome::GaveUp("404".into());
    pending.ended(&delivered(&notice(2, 1, NoticeKind::Opened), gave_up, 2), NOW);
    assert_eq!(places(&pending), [place(0)]);
    let stored = serde_json::to_vec(&pending).unwrap();
    let mut pending: Pending = serde_json::from_slice(&stored).unwrap();
    let lost = &pending.undelivered()["i0-2-1-hook-opened"];
    assert_eq!((lost.why.as_str(), lost.place, lost.attempts), ("404", place(2), 2));
    // Sent again on a person's order: the same key, from a later record.
    assert_eq!(pending.committed(9, &[notify(2)]).len(), 1);
    assert!(pending.undelivered().is_empty());
    assert_eq!(places(&pending), [place(0), Place { outbox_seq: 9, index: 0 }]);
}

#[test]
fn a_message_names_services_departments_and_what_is_at_risk() {
    let mut notice = notice(1, 1, NoticeKind::Opened);
    let incident = &mut notice.incident;
    incident.services = ["Licences".into(), "Taxes".into()].into();
    incident.at_risk = ["Pensions".into()].into();
    incident.orgs = vec!["civil-affairs".into(), "tax-bureau".into()];
    incident.unseen_count = 3;
    let attacked = Candidate {
        ci: Arc::new(CiRef { id: "waf-1".into(), name: "waf-1".into(), class: "waf".into(), area: None, org: None }),
        alert: None,
        inferred: false,
        score: 900,
        evidence: Vec::new(),
        rejected: false,
        possible: true,
    };
    incident.candidates = [attacked].into();
    let text = |lang| {
        let (acts, templates) = (Acts::default(), Templates::default());
        let style = Style { lang, time_zone: chrono_tz::UTC, base_url: "", acts: &acts, templates: &templates };
        String::from_utf8(serde_json::to_vec(&Message::of(&notice, &style)).unwrap()).unwrap()
    };
    let en = text(Lang::En);
    for said in [
        "Affected: services Licences, Taxes; at risk, held by redundancy: Pensions; organisations civil-affairs, tax-bureau; ",
        "; not watched, state unknown: 3",
        "Possible cause (a security event, 90%): waf-1",
    ] {
        assert!(en.contains(said), "{said}: {en}");
    }
    let zh = text(Lang::Zh);
    for said in [
        "影响：业务 Licences、Taxes",
        "有风险（冗余尚在）的业务 Pensions",
        "单位 civil-affairs、tax-bureau",
        "3 个对象失去监测，状态未知",
        "可能原因（安全事件，90%）：waf-1",
    ] {
        assert!(zh.contains(said), "{said}: {zh}");
    }
}
