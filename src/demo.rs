//! The demo: a storm over the sample estate, shown on the terminal as it becomes incidents.
//!
//! Its events enter by the door of every source (a token, JSON over the intake's routes); the sample's storm runs on a
//! hurried clock. The terminal speaks Chinese where the locale does.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io::{Write, stdout};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
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
use crate::domain::topology::Topology;
use crate::intake::registry::Registry;
use crate::intake::settings::Settings;
use crate::journal::Durability;
use crate::lab::built_in;
use crate::lab::estate::{Scale, sample_estate};
use crate::lab::readings::{Readings, readings};
use crate::lab::storm::{Size, Storm, storm};
use crate::pipeline::{Options, Pace, Pipeline};
use crate::private;
use crate::projection::history::retention::Retention;
use crate::serve;
use crate::serve::ending::{self, Ending, told};
use crate::serve::series::Judging;
use crate::wording::lang::{Lang, Text};

mod board;
mod metrics;

use board::{Board, Came};

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

/// What is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Play {
    /// Alerts of many monitors.
    Storm,
    /// Metrics, and no alert of any monitor.
    Metrics,
}

/// What the demo is told.
#[derive(Clone, Copy, Debug)]
pub struct Demo {
    pub listen: SocketAddr,
    /// Keep the console open after the summary, until Ctrl-C.
    pub stays: bool,
    pub play: Play,
}

/// Runs the demo through intake, journal, engine, outbox and console, in a folder that is removed afterwards, however
/// it ends: by itself, by Ctrl-C or by an error.
///
/// # Errors
/// When the folder or the address cannot be had, or the terminal cannot be written to.
pub async fn run(demo: Demo) -> Result<()> {
    let ending = ending::listen()?;
    let folder = Folder::make()?;
    let (script, lang) = (Script::write(demo.play)?, language());
    let clock = hurried(script.start, script.times);
    let opening = Options {
        durability: Durability::Process,
        clock: clock.clone(),
        receivers: None,
        pace: Pace::default(),
        retention: Retention::default(),
    };
    let pipeline = serve::start(&folder.0, opening).await?;
    let stage = Stage { demo, lang, folder: &folder.0, script: &script, pipeline: pipeline.clone(), clock };
    let played = stage.play(ending).await;
    drop(stage);
    tokio::task::spawn_blocking(move || pipeline.stop()).await?;
    played
}

/// The demo's folder, for its owner's eyes only; it goes with its owner.
struct Folder(PathBuf);

impl Folder {
    fn make() -> Result<Self> {
        let name = format!("headwater-demo-{}", hex::encode(rand::random::<[u8; 8]>()));
        let folder = std::env::temp_dir().join(name);
        private::folder_of_ours(&folder).with_context(|| format!("make {}", folder.display()))?;
        Ok(Self(folder))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            tracing::warn!(folder = %self.0.display(), %error, "the demo's folder was not removed");
        }
    }
}

/// What is played: an estate and its storm, on a clock that runs faster than ours.
struct Script {
    text: String,
    estate: Arc<Topology>,
    made: Storm,
    /// What is measured, where that is the play.
    readings: Option<Readings>,
    start: Timestamp,
    times: u32,
}

impl Script {
    fn write(play: Play) -> Result<Self> {
        let text = sample_estate(Scale::default());
        let estate = built_in::read_topology("sample estate", text.as_bytes(), None, 1)?;
        let start = Timestamp::from(Utc::now());
        if play == Play::Metrics {
            let readings = readings(&estate, start, SEED).context("the sample estate has a fault to measure")?;
            let made = Storm { events: Vec::new(), roots: vec![readings.root] };
            return Ok(Self { text, estate, made, readings: Some(readings), start, times: metrics::TIMES });
        }
        let made = storm(&estate, &TenantId::from(TENANT), start, SIZE, SEED);
        let span = made.events.last().map_or(1, |e| e.observed_at.since(start).0.max(1));
        let times = (span / i64::try_from(LASTS.as_millis())?).max(1);
        Ok(Self { text, estate, made, readings: None, start, times: u32::try_from(times)? })
    }

    fn greeting(&self, link: &str) -> Text {
        let Self { estate, made, times, .. } = self;
        let (cis, edges, faults, events) = (estate.len(), estate.edges(), made.roots.len(), made.events.len());
        if self.readings.is_some() {
            return Text::new(
                format!(
                    "示例环境：{cis} 个配置项，{edges} 条关系；只有指标，没有告警；这里的 1 秒是 {times} 秒。\n控制台  {link}\n"
                ),
                format!(
                    "Sample estate: {cis} CIs, {edges} relations; metrics and no alerts; one second here is {times}.\nconsole  {link}\n"
                ),
            );
        }
        Text::new(
            format!(
                "示例环境：{cis} 个配置项，{edges} 条关系。将发生 {faults} 起故障并夹杂噪声，共 {events} 条事件；\
                 这里的 1 秒是告警风暴中的 {times} 秒。\n\
                 控制台  {link}  （此链接登录一个浏览器，仅一次有效）\n"
            ),
            format!(
                "Sample estate: {cis} CIs, {edges} relations. {faults} faults and some noise are coming, {events} events; \
                 one second here is {times} in the storm.\n\
                 console  {link}  (the link signs one browser in, once)\n"
            ),
        )
    }
}

/// Where the script is played.
struct Stage<'a> {
    demo: Demo,
    lang: Lang,
    folder: &'a Path,
    script: &'a Script,
    pipeline: Arc<Pipeline>,
    clock: Clock,
}

impl Stage<'_> {
    /// Opens the doors and plays, until the end is told.
    async fn play(&self, ending: Ending) -> Result<()> {
        let (tenant, clock, pipeline) = (TenantId::from(TENANT), &self.clock, &self.pipeline);
        pipeline.put_topology(&tenant, self.script.text.clone().into_bytes(), "demo").await?;
        let tokens = Arc::new(serve::tokens(self.folder)?);
        let sessions = Arc::new(Sessions::default());
        let invitation = sessions.invite(token(&tokens, &tenant, Role::Operator, "demo", clock())?.id());
        let doors = doors(&tokens, &tenant, self.script, clock())?;
        let address = self.demo.listen;
        let listener =
            TcpListener::bind(address).await.with_context(|| format!("listen on {address} (try --listen)"))?;
        let link = format!("http://{}/login#{invitation}", listener.local_addr()?);
        writeln!(stdout(), "{}", self.script.greeting(&link).of(self.lang))?;
        let intake =
            serve::intake(pipeline, &tokens, Settings::default(), Formats::built_in(), clock, Registry::in_memory());
        let settings = api::state::Settings { open_metrics: true, ..api::state::Settings::default() };
        let of_points = intake.clone();
        let judging =
            Arc::new(Judging::new(&TenantId::from(TENANT), &Settings::default().anomalies, pipeline, &intake));
        let (takes_events, redis, back, views) = (true, None, Router::new(), Arc::default());
        let strangers = Default::default();
        let front = serve::Front { sessions, views, intake, judging, settings, strangers, takes_events, redis, back };
        let app = serve::app(pipeline, tokens, front, clock.clone());
        let door = Door { app: app.clone(), tokens: doors };
        // The rates of a hurried storm are no news to anybody.
        let senses = self.script.readings.is_some().then(|| tokio::spawn(of_points.tell_anomalies()));
        let server = tokio::spawn(connections::serve(listener, app, std::future::pending()));
        let played = tokio::select! {
            played = self.storm(&door) => played,
            () = told(ending) => {
                let end = Text::new("演示结束，文件已删除。", "The demo ends; what it kept is removed.");
                writeln!(stdout(), "\n{}", end.of(self.lang)).map_err(Into::into)
            }
        };
        server.abort();
        senses.inspect(tokio::task::JoinHandle::abort);
        played
    }

    /// The storm to its summary, and on when the console stays open.
    async fn storm(&self, door: &Door) -> Result<()> {
        let (script, mut out) = (self.script, stdout());
        let mut board = Board::empty(self.lang, script.start);
        let (n, what) = if let Some(readings) = &script.readings {
            let stage = (self.lang, &self.clock);
            metrics::measure(&self.pipeline, door, readings, stage, &mut board, &mut out).await?;
            (readings.quiet.len() + readings.played.len(), ("个指标点", "readings"))
        } else {
            send(&self.pipeline, door, &script.made, &self.clock, &mut board, &mut out).await?;
            (script.made.events.len(), ("条事件", "events"))
        };
        board.summary(&Came { n, what, roots: &script.made.roots }, &script.estate, &mut out)?;
        if self.demo.stays {
            let stays = Text::new("控制台保持打开；按 Ctrl-C 结束。", "The console stays open; Ctrl-C ends.");
            writeln!(out, "{}", stays.of(self.lang))?;
            std::future::pending::<()>().await;
        }
        Ok(())
    }
}

/// Chinese where the locale is Chinese.
fn language() -> Lang {
    let named =
        ["LC_ALL", "LC_MESSAGES", "LANG"].iter().find_map(|name| std::env::var(name).ok().filter(|v| !v.is_empty()));
    named.and_then(|locale| Lang::parse(&locale)).unwrap_or(Lang::En)
}

fn token(tokens: &Tokens, tenant: &TenantId, role: Role, name: &str, now: Timestamp) -> Result<Token> {
    let wanted = Wanted { name: name.into(), role, tenant: tenant.clone(), orgs: None, areas: None, expires_at: None };
    Ok(tokens.create(wanted, now)?)
}

/// A token for each source of the play.
fn doors(tokens: &Tokens, tenant: &TenantId, script: &Script, now: Timestamp) -> Result<BTreeMap<SourceId, String>> {
    let mut doors = BTreeMap::new();
    let probe = script.readings.iter().map(|_| SourceId::from(metrics::PROBE));
    for source in script.made.events.iter().map(|event| event.source.clone()).chain(probe) {
        if let Entry::Vacant(place) = doors.entry(source) {
            let token = token(tokens, tenant, Role::Source, place.key().as_str(), now)?;
            place.insert(token.reveal().to_owned());
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
