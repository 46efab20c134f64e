//! The demo: a storm over the sample estate, shown on the terminal as it becomes incidents.
//!
//! Its events enter by the door of every source (a token, JSON over the intake's routes); the sample's storm runs on a
//! hurried clock. The terminal speaks Chinese where the locale does.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use chrono::Utc;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tower::ServiceExt as _;

use crate::access::store::{Tokens, Wanted};
use crate::access::token::Token;
use crate::api;
use crate::api::session::Sessions;
use crate::clock::{Clock, hurried};
use crate::connections;
use crate::decode::formats::Formats;
use crate::domain::access::Role;
use crate::domain::event::Event;
use crate::domain::ids::{SourceId, TenantId};
use crate::domain::partition::partition_of;
use crate::domain::time::{Span, Timestamp};
use crate::intake::settings::Settings;
use crate::journal::Durability;
use crate::lab::built_in;
use crate::lab::estate::{Scale, sample_estate};
use crate::lab::storm::{Size, Storm, storm};
use crate::pipeline::{Options, Pace, Pipeline};
use crate::projection::history::retention::Retention;
use crate::serve;
use crate::wording::lang::{Lang, Text};

mod board;

use board::Board;

/// Whose alerts they are.
const TENANT: &str = "demo";
/// The storm's size and seed.
const SIZE: Size = Size { faults: 8, gap: Span::mins(6), noise: 12 };
const SEED: u64 = 2026;
/// The demo lasts about this long; the storm's clock runs that much faster.
const LASTS: Duration = Duration::from_secs(60);
/// How often the demo looks for what is due and what was decided.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How long it waits for the last decisions.
const LOOK_AFTER: Duration = Duration::from_secs(10);

/// What the demo is told.
#[derive(Clone, Copy, Debug)]
pub struct Demo {
    pub listen: SocketAddr,
    /// Keep the console open after the summary, until Ctrl-C.
    pub stays: bool,
}

/// Runs the demo through intake, journal, engine, outbox and console, in a folder that is removed afterwards.
///
/// # Errors
/// When the folder or the address cannot be had, or the terminal cannot be written to.
pub async fn run(demo: Demo) -> Result<()> {
    let folder = std::env::temp_dir().join(format!("headwater-demo-{}", std::process::id()));
    std::fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
    let shown = show(demo, &folder).await;
    std::fs::remove_dir_all(&folder).with_context(|| format!("remove {}", folder.display()))?;
    shown
}

async fn show(demo: Demo, folder: &Path) -> Result<()> {
    let mut out = std::io::stdout();
    let lang = language();
    let tenant = TenantId::from(TENANT);
    let text = sample_estate(Scale::default());
    let estate = built_in::read_topology("sample estate", text.as_bytes(), None, 1)?;
    let start = Timestamp::from(Utc::now());
    let made = storm(&estate, &tenant, start, SIZE, SEED);
    let span = made.events.last().map_or(1, |e| e.observed_at.since(start).0.max(1));
    let times = (span / i64::try_from(LASTS.as_millis())?).max(1);
    let clock = hurried(start, u32::try_from(times)?);
    let opening = Options {
        durability: Durability::Process,
        clock: clock.clone(),
        receivers: None,
        pace: Pace::default(),
        retention: Retention::default(),
    };
    let pipeline = serve::start(folder, opening).await?;
    pipeline.put_topology(&tenant, text.into_bytes(), "demo").await?;
    let tokens = Arc::new(serve::tokens(folder)?);
    let sessions = Arc::new(Sessions::default());
    let invitation = sessions.invite(token(&tokens, &tenant, Role::Operator, "demo", clock())?.id());
    let doors = doors(&tokens, &tenant, &made, clock())?;
    let listener =
        TcpListener::bind(demo.listen).await.with_context(|| format!("listen on {} (try --listen)", demo.listen))?;
    let (cis, edges, faults, events) = (estate.len(), estate.edges(), made.roots.len(), made.events.len());
    let address = listener.local_addr()?;
    let greeting = Text::new(
        format!(
            "示例环境：{cis} 个配置项，{edges} 条关系。将发生 {faults} 起故障并夹杂噪声，共 {events} 条事件；\
             这里的 1 秒是告警风暴中的 {times} 秒。\n\
             控制台  http://{address}/login#{invitation}  （此链接登录一个浏览器，仅一次有效）\n"
        ),
        format!(
            "Sample estate: {cis} CIs, {edges} relations. {faults} faults and some noise are coming, {events} events; \
             one second here is {times} in the storm.\n\
             console  http://{address}/login#{invitation}  (the link signs one browser in, once)\n"
        ),
    );
    writeln!(out, "{}", greeting.of(lang))?;
    let intake = serve::intake(&pipeline, &tokens, Settings::default(), Formats::built_in(), &clock);
    let settings = api::state::Settings { open_metrics: true, ..api::state::Settings::default() };
    let front = serve::Front { sessions, intake, settings, takes_events: true, redis: None };
    let app = serve::app(&pipeline, tokens, front, clock.clone());
    let door = app.clone();
    let server = tokio::spawn(connections::serve(listener, app, std::future::pending()));
    let mut board = Board::empty(lang, start);
    send(&pipeline, &Door { app: door, tokens: doors }, &made, &clock, &mut board, &mut out).await?;
    board.summary(&made, &estate, &mut out)?;
    if demo.stays {
        writeln!(
            out,
            "{}",
            Text::new("控制台保持打开；按 Ctrl-C 结束。", "The console stays open; Ctrl-C ends.").of(lang)
        )?;
        tokio::signal::ctrl_c().await?;
    }
    server.abort();
    let stopped = pipeline.clone();
    tokio::task::spawn_blocking(move || stopped.stop()).await?;
    Ok(())
}

/// Chinese where the locale is Chinese.
fn language() -> Lang {
    let named =
        ["LC_ALL", "LC_MESSAGES", "LANG"].iter().find_map(|name| std::env::var(name).ok().filter(|v| !v.is_empty()));
    named.and_then(|locale| Lang::parse(&locale)).unwrap_or(Lang::En)
}

fn token(tokens: &Tokens, tenant: &TenantId, role: Role, name: &str, now: Timestamp) -> Result<Token> {
    let wanted = Wanted { name: name.into(), role, tenant: tenant.clone(), orgs: None, expires_at: None };
    Ok(tokens.create(wanted, now)?)
}

/// A token for each source of the storm.
fn doors(tokens: &Tokens, tenant: &TenantId, made: &Storm, now: Timestamp) -> Result<BTreeMap<SourceId, String>> {
    let mut doors = BTreeMap::new();
    for event in &made.events {
        if !doors.contains_key(&event.source) {
            let token = token(tokens, tenant, Role::Source, event.source.as_str(), now)?;
            doors.insert(event.source.clone(), token.reveal().to_owned());
        }
    }
    Ok(doors)
}

/// The intake's routes, with the sources' tokens.
struct Door {
    app: Router,
    tokens: BTreeMap<SourceId, String>,
}

impl Door {
    /// Posts events of one source; returns the journal record that keeps them.
    async fn post(&self, source: &SourceId, events: &[Value]) -> Result<u64> {
        let token = self.tokens.get(source).context("every source has a token")?;
        let request = Request::post("/api/v1/events")
            .header(AUTHORIZATION, format!("Bearer {token}"))
            .header(CONTENT_TYPE, "application/json")
            .body(Body::from(serde_json::to_vec(events)?))?;
        let answer = self.app.clone().oneshot(request).await?;
        let status = answer.status();
        let bytes = axum::body::to_bytes(answer.into_body(), 1 << 20).await?;
        ensure!(status.is_success(), "the intake answers {status}: {}", String::from_utf8_lossy(&bytes));
        let answer: Value = serde_json::from_slice(&bytes)?;
        let kept = answer["event_refs"][0].as_str().and_then(|text| text.strip_prefix('e')?.split('.').next());
        kept.and_then(|seq| seq.parse().ok()).with_context(|| format!("no reference in the answer {answer}"))
    }
}

/// An event as its source writes it.
fn written(event: &Event) -> Value {
    json!({
        "id": event.id, "name": event.name, "title": event.title, "status": event.status,
        "severity": event.severity.as_str(), "object": event.object, "starts_at": event.starts_at.to_string(),
    })
}

/// Sends each event when its time has come, and tells what the outbox says meanwhile.
async fn send(
    pipeline: &Arc<Pipeline>,
    door: &Door,
    made: &Storm,
    clock: &Clock,
    board: &mut Board,
    out: &mut impl Write,
) -> Result<()> {
    let (mut events, mut last) = (made.events.iter().peekable(), 0);
    while let Some(next) = events.peek() {
        if next.observed_at > clock() {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        let mut due: BTreeMap<&SourceId, Vec<Value>> = BTreeMap::new();
        while let Some(event) = events.next_if(|e| e.observed_at <= clock()) {
            due.entry(&event.source).or_default().push(written(event));
        }
        for (source, events) in due {
            last = door.post(source, &events).await?;
        }
        board.follow(pipeline, out)?;
    }
    let partition = partition_of(&TenantId::from(TENANT));
    let deadline = Instant::now() + LOOK_AFTER;
    while !pipeline.has_applied(partition, last) && Instant::now() < deadline {
        tokio::time::sleep(LOOK_EVERY).await;
    }
    board.follow(pipeline, out)
}
