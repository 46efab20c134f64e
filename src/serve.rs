//! The server: pipeline, API and console behind one listener, until it is told to stop.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use axum::Router;
use tokio::net::TcpListener;
use tokio::runtime::Handle;

use crate::access::store::Tokens;
use crate::access::strangers::Strangers;
use crate::acting;
use crate::api::routes::router;
use crate::api::session::Sessions;
use crate::api::state::{Api, Settings, Trouble};
use crate::api::view_file::Views;
use crate::clock::{Clock, machine};
use crate::config::warnings::warnings;
use crate::config::{self, Config, Loaded};
use crate::connections;
use crate::console;
use crate::decode::formats::Formats;
use crate::delivery::channels::nats::Bus;
use crate::delivery::parent::Upward;
use crate::delivery::settings::NOBODY;
use crate::domain::pass::Seal;
use crate::domain::time::Timestamp;
use crate::intake::listen::Listeners;
use crate::intake::registry::Registry;
use crate::intake::{self, Intake};
use crate::journal::sqlite::lock::Lock;
use crate::lab::series::recorded::FOLDER as READINGS_FOLDER;
use crate::nats::connect::Nats;
use crate::nats::parcels::Parcels;
use crate::nats::shelf::Shelf;
use crate::nats::watched::watch;
use crate::pipeline::courier::HAND_OVER_TIME_MAX;
use crate::pipeline::membership::{Leave, Role};
use crate::pipeline::{Options, Pace, Pipeline, upward};
use crate::private;
use crate::reload::{self, Reload, Sources};
use crate::vitals::Watch;
use crate::vitals::alarm::Alarm;
use crate::vitals::heartbeat::Heartbeat;

mod advise;
mod again;
mod asides;
mod back;
mod behind;
mod board;
mod bus;
mod clerk;
mod cluster;
mod cmdb;
mod desk;
pub mod ending;
pub mod feeds;
mod handing;
mod judge;
mod minutes;
mod numbers;
mod oracle;
mod others;
mod redis;
mod schedule;
pub mod series;
mod sources;
mod ticket_watch;
mod together;
mod trials;
pub mod view;
pub mod watching;

use asides::Asides;
use back::Back;
use behind::{Bearers, Door, Pen};
use board::OnShelf;
use bus::OnNats;
use ending::{Ending, told};
use feeds::Feed;
use handing::Handing;
use judge::Judge;
use oracle::Oracle;
use others::Others;
use redis::OnRedis;
use series::{Judging, Shown};
use sources::{Desk, SilenceWatch};
use ticket_watch::TicketWatch;
use trials::Bench;
use watching::Watching;

/// The file with the tokens' hashes, in the data folder.
pub const TOKENS_FILE: &str = "tokens.json";
/// The file with what was learned of metric series, in the data folder.
pub const SERIES_FILE: &str = "series.bin";
/// The file with the console's sessions, in the data folder.
pub const SESSIONS_FILE: &str = "sessions.json";

/// The token store of a data folder.
///
/// # Errors
/// When the file is there but unreadable, or others may read it.
pub fn tokens(data: &Path) -> Result<Tokens> {
    Ok(Tokens::open(&data.join(TOKENS_FILE))?)
}

/// Serves until SIGTERM or Ctrl-C.
///
/// # Errors
/// When the folder is in use or damaged, or the address cannot be had; says what to do.
pub async fn run(loaded: Loaded) -> Result<()> {
    let Loaded { config, layers } = loaded;
    for warning in warnings(&config, &layers) {
        tracing::warn!("{warning}");
    }
    private::folder(&config.data).with_context(|| format!("make {}", config.data.display()))?;
    let tokens = Arc::new(tokens(&config.data)?);
    let clock = machine();
    refuse_when_nobody_could_sign_in(&config, &tokens, clock())?;
    let listener = TcpListener::bind(config.listen).await.with_context(|| format!("listen on {}", config.listen))?;
    let (to_parents, onto_nats) = (Arc::<Upward>::default(), Bus::default());
    let seal = config.acting.seal(&config.data)?;
    let receivers = config
        .receivers(&layers, listener.local_addr()?.port(), &clock, (&to_parents, &onto_nats), Some(&seal))
        .map_err(config::joined)?;
    let formats = Sources::of(&config).formats()?;
    let opening = Options {
        durability: config.durability,
        clock: clock.clone(),
        receivers: Some(receivers),
        retention: config.retention.clone(),
        pace: Pace::default(),
    };
    let (pipeline, shared) = open(&config, opening).await?;
    to_parents.lead_to(upward::sink(&pipeline.log));
    warn_of_receivers(&config, &pipeline);
    let intake = intake(&pipeline, &tokens, config.intake.clone(), formats, &clock, Registry::open(&config.data)?);
    teach(&config, &intake, shared.as_ref(), clock());
    let judging = judging(&config, shared.as_ref(), &pipeline, &intake).await;
    let reload = Reload::new(&config, pipeline.clone(), intake.clone());
    reload.start().await?;
    let mut asides = Asides::default();
    tell_of_itself(&config, Watch::new(&config, pipeline.clone(), reload.refused(), judging.clone()), &mut asides)?;
    look_at_streams(&config, shared.as_ref(), &pipeline, &mut asides);
    asides.spawn("reload", reload.follow());
    asides.spawn("anomalies", intake.clone().tell_anomalies());
    asides.spawn("models", judging.clone().run());
    hand_over(shared.as_ref(), &pipeline, &intake, &mut asides);
    asides.spawn("clerk", clerk::note(tokens.clone(), pipeline.clone(), clock.clone()));
    let stop = ending::listen()?;
    tracing::info!(address = %listener.local_addr()?, data = %config.data.display(), "serving");
    let redis = OnRedis::new(&config)?;
    let sessions = Arc::new(sessions(&config, redis.as_ref(), clock()));
    if let Some(redis) = &redis {
        redis.start(&pipeline, &clock, &mut asides);
        redis.count_together(&intake);
        let auth = Arc::new(Bearers { tokens: tokens.clone(), clock: clock.clone() });
        let now = clock.clone();
        asides.spawn("sessions", sessions.clone().compare_always(auth, move || now()));
    }
    let (takes_events, of_series) = (config.cluster.has(Role::Intake), intake.clone());
    let (views, settings) = (Arc::new(views(&config, shared.as_ref())?), settings(&config, &seal));
    let back = way_back(&config, &pipeline, seal, &mut asides)?;
    let strangers = Arc::new(Strangers::new(&config.strangers));
    let front =
        Front { sessions, views, intake: intake.clone(), judging, settings, strangers, takes_events, redis, back };
    let app = app(&pipeline, tokens, front, clock);
    open_doors(&config, &pipeline, &intake, &mut asides).await?;
    if config.nats.is_on() {
        asides.spawn("nats", OnNats::new(&config, pipeline.clone(), intake, app.clone(), onto_nats).run());
    }
    let drain = Duration::from_millis(config.drain.0.unsigned_abs());
    tokio::select! {
        () = serve_until(stop, listener, app, &pipeline, drain) => {}
        never = asides.watch(pipeline.health()) => match never {},
    }
    asides.end();
    keep_series(of_series, shared.as_ref(), (pipeline.clock)()).await?;
    close(pipeline, shared, drain).await
}

/// Who is signed in: here, or at all instances that share Redis.
fn sessions(config: &Config, redis: Option<&OnRedis>, now: Timestamp) -> Sessions {
    let sessions = Sessions::kept_in(&config.data.join(SESSIONS_FILE), now);
    match redis {
        Some(redis) => redis.sessions(sessions),
        None => sessions,
    }
}

/// Says that nobody is told, or who is named and not configured.
fn warn_of_receivers(config: &Config, pipeline: &Pipeline) {
    let known = config.receiver_names();
    if known.is_empty() {
        tracing::info!("{NOBODY}");
    }
    reload::warn_of_unknown(&known, &pipeline.named_receivers);
}

/// Listens for devices, where this instance takes events, asks the CMDB, and watches series and who falls silent.
async fn open_doors(
    config: &Config,
    pipeline: &Arc<Pipeline>,
    intake: &Arc<Intake>,
    asides: &mut Asides,
) -> Result<()> {
    if let Some(feed) = Feed::new(&config.cmdb, &config.tenant, pipeline)? {
        asides.spawn("cmdb", feed.run());
    }
    asides.spawn("series", Watching::new(pipeline.clone(), intake.clone()).run());
    asides.spawn("silent sources", SilenceWatch { pipeline: pipeline.clone(), intake: intake.clone() }.run());
    if config.cluster.has(Role::Intake) {
        asides.spawn("listeners", Listeners::open(&config.listeners, &config.tenant, intake).await?.run());
    }
    Ok(())
}

/// Where people and systems come back to, and who asks the ticket systems that cannot.
fn way_back(config: &Config, pipeline: &Arc<Pipeline>, seal: Seal, asides: &mut Asides) -> Result<Router> {
    let desk = Arc::new(Back::new(config, pipeline.clone(), seal, pipeline.clock.clone())?);
    asides.spawn("tickets", TicketWatch::new(&config.receivers, pipeline.clone(), desk.clone()).run());
    Ok(acting::routes(desk))
}

/// Hands what is learned of series to whoever watches them next, among several instances.
fn hand_over(shared: Option<&Place>, pipeline: &Arc<Pipeline>, intake: &Arc<Intake>, asides: &mut Asides) {
    if let Some(Place { parcels, .. }) = shared {
        asides.spawn("parcels", Handing::new(parcels.clone(), pipeline.clone(), intake.clone()).run());
    }
}

/// Keeps what was learned of metric series for the next start, and for the next owner.
async fn keep_series(intake: Arc<Intake>, shared: Option<&Place>, now: Timestamp) -> Result<()> {
    if let Some(Place { parcels, .. }) = shared {
        handing::lay_down_all(parcels, &intake).await;
    }
    let keep = move || {
        if let Err(error) = intake.senses().write_readings(now) {
            tracing::warn!(%error, "the last readings for later training are not kept");
        }
        if let Err(error) = intake.senses().keep() {
            tracing::warn!(%error, "what was learned of series is not kept; it is learned anew");
        }
    };
    Ok(tokio::task::spawn_blocking(keep).await?)
}

/// A place among the instances of a cluster, and the folder's lock.
struct Place {
    leave: Leave,
    lock: Lock,
    shelf: Shelf,
    nats: Nats,
    others: Arc<Others>,
    parcels: Parcels,
}

/// What sees to the models of metric series, alone or among others.
async fn judging(
    config: &Config,
    shared: Option<&Place>,
    pipeline: &Arc<Pipeline>,
    intake: &Arc<Intake>,
) -> Arc<Judging> {
    let alone = Judging::new(&config.tenant, &config.intake.anomalies, pipeline, intake);
    let judging = match shared {
        Some(Place { shelf, others, .. }) => alone.among(shelf.clone(), others.clone()),
        None => alone,
    };
    judging.start().await;
    Arc::new(judging)
}

/// Views of the board: this instance's own, or those that all instances share.
fn views(config: &Config, shared: Option<&Place>) -> Result<Views> {
    Ok(match shared {
        Some(Place { shelf, .. }) => {
            let board = OnShelf { shelf: shelf.clone(), runtime: Handle::current() };
            Views::shared(&config.data, Arc::new(board))?
        }
        None => Views::open(&config.data)?,
    })
}

/// The pipeline over this folder's log, or over that of a cluster.
async fn open(config: &Config, opening: Options) -> Result<(Arc<Pipeline>, Option<Place>)> {
    if config.cluster.on {
        let cluster::Shared { pipeline, leave, lock, shelf, nats, others, parcels } =
            cluster::start(config, opening).await?;
        return Ok((pipeline, Some(Place { leave, lock, shelf, nats, others, parcels })));
    }
    Ok((start(&config.data, opening).await?, None))
}

/// Ends what is under way, hands over to others, and stops.
async fn close(pipeline: Arc<Pipeline>, shared: Option<Place>, drain: Duration) -> Result<()> {
    // Others wait for their turn.
    pipeline.courier.close(if shared.is_some() { drain.min(HAND_OVER_TIME_MAX) } else { drain }).await;
    let _folder = match shared {
        Some(Place { leave, lock, .. }) => {
            leave.leave().await;
            Some(lock)
        }
        None => None,
    };
    tokio::task::spawn_blocking(move || pipeline.stop()).await?;
    tracing::info!("stopped");
    Ok(())
}

/// An address that others reach is not opened before somebody has a token.
fn refuse_when_nobody_could_sign_in(config: &Config, tokens: &Tokens, now: Timestamp) -> Result<()> {
    if tokens.is_empty(now) && !config.listen.ip().is_loopback() {
        bail!(
            "no token in {}: nobody could sign in on {}; make one with `headwater token create --data {} --role admin --name you`",
            config.data.join(TOKENS_FILE).display(),
            config.listen,
            config.data.display()
        );
    }
    Ok(())
}

/// Tells of itself what `watch` finds: by a heartbeat, by an alarm, and as events.
fn tell_of_itself(config: &Config, watch: Watch, asides: &mut Asides) -> Result<()> {
    if let Some(url) = &config.vitals.heartbeat_url {
        asides.spawn("heartbeat", Heartbeat::new(url, watch.vitals())?.run());
    }
    if let Some(url) = &config.vitals.alarm_url {
        asides.spawn("alarm", Alarm::new(url, config.cluster.name(), watch.vitals())?.run(config.vitals.pause()));
    }
    asides.spawn("vitals", watch.run());
    Ok(())
}

/// Looks at the streams of the journal for as long as they are used.
fn look_at_streams(config: &Config, shared: Option<&Place>, pipeline: &Arc<Pipeline>, asides: &mut Asides) {
    let Some(Place { nats, .. }) = shared else { return };
    let (every, nats, pipeline) = (config.vitals.pause(), nats.clone(), pipeline.clone());
    asides.spawn("streams", async move {
        watch(&nats, every, |trouble| pipeline.health().note_streams("journal", trouble)).await;
    });
}

/// Serves until the end is told, and then as long as connections need, at most `drain`.
async fn serve_until(stop: Ending, listener: TcpListener, app: Router, pipeline: &Pipeline, drain: Duration) {
    let (live, ended) = (pipeline.live.clone(), told(stop.clone()));
    let serving = connections::serve(listener, app, async move {
        ended.await;
        // A feed never ends by itself: its readers come back to the next start with the last change they saw.
        live.feed.end();
    });
    let stopping = async {
        told(stop).await;
        tokio::time::sleep(drain).await;
    };
    tokio::select! {
        () = serving => {}
        () = stopping => tracing::warn!("connections were still open after the drain"),
    }
}

/// What the API is told of the configuration.
fn settings(config: &Config, seal: &Seal) -> Settings {
    Settings {
        seal: Some(seal.clone()),
        secure_cookies: config.console.secure_cookies,
        open_metrics: config.open_metrics(),
        base_url: config.base_url.trim_end_matches('/').to_owned(),
        vitals_only: !config.cluster.has(Role::Api),
    }
}

/// Opens the pipeline of a data folder without blocking the runtime.
///
/// # Errors
/// When the folder is in use, damaged or unreadable.
pub async fn start(data: &Path, options: Options) -> Result<Arc<Pipeline>> {
    let data = data.to_owned();
    tokio::task::spawn_blocking(move || Pipeline::start(&data, options)).await?
}

/// The door in, over a pipeline.
pub fn intake(
    pipeline: &Arc<Pipeline>,
    tokens: &Arc<Tokens>,
    settings: intake::settings::Settings,
    formats: Formats,
    clock: &Clock,
    registry: Registry,
) -> Arc<Intake> {
    let sink = Arc::new(Door { pipeline: pipeline.clone() });
    Arc::new(Intake::new(settings, Arc::new(formats), tokens.clone(), sink, clock.clone()).with_registry(registry))
}

/// What the senses must know before the first point: what was learned, and where others watch, too, that points go to them.
fn teach(config: &Config, intake: &Intake, place: Option<&Place>, now: Timestamp) {
    if place.is_some() {
        intake.share();
    }
    intake.senses().remember(&config.data.join(SERIES_FILE), now);
    intake.senses().keep_readings(&config.data.join(READINGS_FOLDER));
}

/// What stands in front of a pipeline.
pub struct Front {
    pub sessions: Arc<Sessions>,
    /// Views of the board that people keep.
    pub views: Arc<Views>,
    pub intake: Arc<Intake>,
    /// By what series are judged.
    pub judging: Arc<Judging>,
    pub settings: Settings,
    /// Those who ask without a valid credential.
    pub strangers: Arc<Strangers>,
    /// What is counted of Redis, where it is used.
    pub redis: Option<OnRedis>,
    /// Whether events come in over HTTP.
    pub takes_events: bool,
    /// Where people act from messages.
    pub back: Router,
}

/// Everything that is served: intake, API and console over a pipeline.
pub fn app(pipeline: &Arc<Pipeline>, tokens: Arc<Tokens>, front: Front, clock: Clock) -> Router {
    let Front { sessions, views, intake, judging, settings, strangers, takes_events, redis, back } = front;
    let vitals_only = settings.vitals_only;
    let (of_topology, of_readiness, of_notices) = (pipeline.clone(), pipeline.clone(), pipeline.clone());
    let of_intake = intake.clone();
    let judge = Arc::new(Judge { pipeline: pipeline.clone(), intake: intake.clone(), clock: clock.clone() });
    let api = Api {
        live: pipeline.live.clone(),
        history: pipeline.history.clone(),
        credentials: Arc::new(Bearers { tokens: tokens.clone(), clock: clock.clone() }),
        auth: Arc::new(Bearers { tokens, clock: clock.clone() }),
        writes: Arc::new(Pen { pipeline: pipeline.clone(), intake: intake.clone() }),
        rules: judge.clone(),
        sources: Arc::new(Desk { intake: intake.clone(), judge, clock: clock.clone() }),
        topology: Arc::new(move |tenant| of_topology.topology(tenant)),
        sessions,
        settings,
        strangers: strangers.clone(),
        now: clock,
        readiness: Arc::new(move || {
            let engine = of_readiness.health().failure();
            let engine = engine.map(|detail| Trouble { kind: "the engine stands still", detail });
            let journal = of_readiness.log.halted().map(|why| {
                let kind = "the journal has stopped";
                Trouble { kind, detail: format!("{kind}, restart the program: {why}") }
            });
            let broken = of_readiness.broken();
            engine.into_iter().chain(journal).chain(of_readiness.unheard()).chain(broken).collect()
        }),
        more_metrics: Arc::new(move |registry| {
            numbers::register(&of_intake, (of_notices.clock)(), registry);
            numbers::register_notices(&of_notices, registry);
            numbers::register_bounds(&of_notices, registry);
            numbers::register_strangers(&strangers, registry);
            if let Some(redis) = &redis {
                numbers::register_redis(redis, registry);
            }
        }),
        notices: pipeline.clone(),
        explains: Arc::new(Oracle::new(pipeline.clone())),
        trials: Arc::new(Bench { pipeline: pipeline.clone(), judging: judging.clone() }),
        series: Arc::new(Shown { intake: intake.clone(), judging }),
        views,
        earlier: Default::default(),
        limits: Default::default(),
    };
    let doors = if takes_events { intake::routes::routes(intake) } else { Router::new() };
    let pages = if vitals_only { Router::new() } else { console::router() };
    router(Arc::new(api), pages.merge(doors).merge(back))
}
