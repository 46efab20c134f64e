//! For looking at the console: the real engine on a recorded stream, the real API, a private port.
//!
//! Does nothing unless `HEADWATER_SCREENS` names a folder with `alerts.jsonl.gz` and `cmdb.json.gz`; then it serves
//! until killed, on `HEADWATER_SCREENS_PORT` (default 18080). Half of the stream has passed when it starts; the
//! rest follows at twenty times its speed.

use std::io::Read;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::http::HeaderValue;
use axum::middleware::{Next, from_fn};
use futures::future::BoxFuture;

use crate::api::routes;
use crate::api::state::{Api, Settings, WriteError, Writes};
use crate::api::tests::fixture::{NoRules, Tokens};
use crate::decode::limits::Limits;
use crate::decode::mapping::{Mapping, Shape};
use crate::decode::severity::SeverityMaps;
use crate::decode::{Body, Context};
use crate::domain::event::Event;
use crate::domain::ids::{SourceId, TenantId};
use crate::domain::time::{Span, Timestamp};
use crate::domain::topology::Topology;
use crate::engine::input::{Batch, Command, DeadLetter, Digest, Input};
use crate::engine::tuning::Tuning;
use crate::engine::{Engine, Loaded};
use crate::projection::Committed;
use crate::projection::history::History;
use crate::projection::history::retention::Retention;
use crate::projection::live::Live;

const SPEED: u64 = 20;

struct Desk {
    engine: Mutex<(Engine, u64)>,
    live: Arc<Live>,
    history: Arc<History>,
}

impl Desk {
    fn step(&self, input: Input, stamp: Timestamp, loaded: Loaded) -> u64 {
        let mut guard = self.engine.lock().unwrap();
        let (engine, seq) = &mut *guard;
        *seq += 1;
        let effects = engine.step(stamp, &input, loaded);
        let stamp = engine.now();
        let step = Committed { journal_seq: *seq, outbox_seq: *seq, stamp, input: Some(input), effects };
        self.live.apply(&step);
        self.history.push(Arc::new(step));
        *seq
    }
}

impl Writes for Desk {
    fn command(&self, command: Command) -> BoxFuture<'static, Result<u64, WriteError>> {
        let seq = self.step(Input::Command(command), now(), Loaded::Nothing);
        Box::pin(async move { Ok(seq) })
    }

    fn topology(&self, _: TenantId, _: Box<str>, _: Vec<u8>) -> BoxFuture<'static, Result<u64, WriteError>> {
        Box::pin(async { Ok(1) })
    }

    fn replay(&self, _: TenantId, _: DeadLetter) -> BoxFuture<'static, Result<u64, WriteError>> {
        Box::pin(async { Ok(1) })
    }
}

fn now() -> Timestamp {
    chrono::Utc::now().into()
}

fn events(folder: &std::path::Path, tenant: &TenantId) -> Vec<Event> {
    let yaml = std::fs::read_to_string("rules/mappings/stormgen.yaml").unwrap();
    let mapping = Mapping::parse("mapping", &yaml).unwrap();
    let mut text = Vec::new();
    let file = std::fs::File::open(folder.join("alerts.jsonl.gz")).unwrap();
    flate2::read::GzDecoder::new(file).read_to_end(&mut text).unwrap();
    let (source, limits) = (SourceId::from("*"), Limits::default());
    let severities = SeverityMaps::of(std::iter::empty());
    let context = Context { tenant, source: &source, received_at: None, severities: &severities, limits: &limits };
    let mut events = Vec::new();
    for lines in text.split_inclusive(|b| *b == b'\n').collect::<Vec<_>>().chunks(512) {
        let chunk = lines.concat();
        events.extend(mapping.decode(Body::from(chunk.as_slice()), Shape::Lines, &context).unwrap().events);
    }
    events
}

fn desk(folder: &std::path::Path) -> (Arc<Desk>, Arc<Topology>, Vec<Event>) {
    let tenant = TenantId::from("a");
    let mut events = events(folder, &tenant);
    let middle = events[events.len() / 2].observed_at;
    let shift = now().since(middle);
    for event in &mut events {
        event.observed_at = event.observed_at.plus(shift);
        event.starts_at = event.starts_at.plus(shift);
    }
    let (topology, _) = crate::lab::built_in::load_topology(&folder.join("cmdb.json.gz"), None, 1).unwrap();
    let live = Arc::new(Live::default());
    let file = tempfile::tempdir().unwrap().keep().join("history.db");
    let history = History::open(&file, Retention::default()).unwrap();
    let engine = Engine::empty(0, Arc::new(Tuning::default()));
    let desk = Arc::new(Desk { engine: Mutex::new((engine, 0)), live, history: Arc::new(history) });
    let input = Input::Topology { tenant: tenant.clone(), version: 1, digest: Digest("".into()) };
    desk.step(input, events[0].observed_at, Loaded::Topology(topology.clone()));
    (desk, topology, events)
}

fn put(desk: &Desk, event: Event) {
    let (tenant, stamp) = (event.tenant.clone(), event.observed_at);
    let batch = Batch { tenant, events: vec![event], rejected: Vec::new() };
    desk.step(Input::Batch(batch), stamp, Loaded::Nothing);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_console_can_be_looked_at() {
    let Some(folder) = std::env::var_os("HEADWATER_SCREENS").map(PathBuf::from) else { return };
    let port = std::env::var("HEADWATER_SCREENS_PORT").map_or(18_080, |p| p.parse().unwrap());
    let (desk, topology, events) = desk(&folder);
    let half = events.len() / 2;
    let mut rest = events.into_iter();
    rest.by_ref().take(half).for_each(|event| put(&desk, event));
    let api = Arc::new(Api {
        live: desk.live.clone(),
        auth: Arc::new(Tokens),
        writes: desk.clone(),
        rules: Arc::new(NoRules),
        history: desk.history.clone(),
        topology: Arc::new(move |_| topology.clone()),
        sessions: Default::default(),
        settings: Settings::default(),
        now: Arc::new(now),
        readiness: Arc::new(Vec::new),
        more_metrics: Arc::new(|_| ()),
    });
    std::thread::spawn(move || {
        let mut at = now();
        for event in rest {
            let gap = event.observed_at.since(at).0.max(0) as u64 / SPEED;
            std::thread::sleep(Duration::from_millis(gap));
            at = event.observed_at.max(at);
            put(&desk, event);
        }
        desk.step(Input::Tick, at.plus(Span::mins(20)), Loaded::Nothing);
    });
    // Everyone is signed in, so that a picture can be taken of any address.
    let signed_in = from_fn(|mut request: axum::extract::Request, next: Next| async move {
        let headers = request.headers_mut();
        if !headers.contains_key("authorization") {
            headers.insert("authorization", HeaderValue::from_static("Bearer operator"));
        }
        next.run(request).await
    });
    let router = routes::router(api, crate::console::router()).layer(signed_in);
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    axum::serve(listener, router).await.unwrap();
}
