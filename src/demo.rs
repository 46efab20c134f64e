//! The demo: a storm over the sample estate, shown on the terminal as it becomes incidents.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use chrono::Utc;
use tokio::net::TcpListener;

use crate::access::store::Wanted;
use crate::clock::{Clock, hurried};
use crate::domain::access::Role;
use crate::domain::ids::{IncidentId, TenantId};
use crate::domain::incident::{IncidentState, IncidentView};
use crate::domain::time::{Span, Timestamp};
use crate::domain::topology::Topology;
use crate::engine::effect::Effect;
use crate::engine::input::{Batch, Input};
use crate::journal::{Durability, Journal};
use crate::lab::built_in;
use crate::lab::estate::{Scale, sample_estate};
use crate::lab::storm::{Size, Storm, storm};
use crate::outbox::Outbox;
use crate::pipeline::{Pipeline, partition_of};
use crate::serve;

/// The storm's size and seed.
const SIZE: Size = Size { faults: 8, gap: Span::mins(6), noise: 6 };
const SEED: u64 = 2024;
/// The demo lasts about this long; the storm's clock runs that much faster.
const LASTS: Duration = Duration::from_secs(60);
/// How often the demo looks for what is due and what was decided.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How long it waits for the last decisions.
const LOOK_AFTER: Duration = Duration::from_secs(10);

/// Runs the demo through journal, engine, outbox and console, in a folder that is removed afterwards.
///
/// # Errors
/// When the folder or the address cannot be had, or the terminal cannot be written to.
pub async fn run(listen: SocketAddr) -> Result<()> {
    let folder = std::env::temp_dir().join(format!("headwater-demo-{}", std::process::id()));
    std::fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
    let shown = show(listen, &folder).await;
    std::fs::remove_dir_all(&folder).with_context(|| format!("remove {}", folder.display()))?;
    shown
}

async fn show(listen: SocketAddr, folder: &Path) -> Result<()> {
    let mut out = std::io::stdout().lock();
    let tenant = TenantId::from("demo");
    let text = sample_estate(Scale::default());
    let estate = built_in::read_topology("sample estate", text.as_bytes(), None, 1)?;
    let start = Timestamp::from(Utc::now());
    let made = storm(&estate, &tenant, start, SIZE, SEED);
    let span = made.events.last().map_or(1, |e| e.observed_at.since(start).0.max(1));
    let times = (span / i64::try_from(LASTS.as_millis())?).max(1);
    let clock = hurried(start, u32::try_from(times)?);
    let pipeline = serve::start(folder, Durability::Process, clock.clone()).await?;
    pipeline.put_topology(&tenant, text.into_bytes()).await?;
    let tokens = Arc::new(serve::tokens(folder)?);
    let wanted =
        Wanted { name: "demo".into(), role: Role::Operator, tenant: tenant.clone(), orgs: None, expires_at: None };
    let token = tokens.create(wanted, clock())?;
    let listener = TcpListener::bind(listen).await.with_context(|| format!("listen on {listen}"))?;
    writeln!(
        out,
        "{} CIs, {} relations. {} faults and some noise, {} events; one second here is {times} in the storm.\n\
         console  http://{}/   token  {}\n",
        estate.len(),
        estate.edges(),
        made.roots.len(),
        made.events.len(),
        listener.local_addr()?,
        token.reveal()
    )?;
    let app = serve::app(&pipeline, tokens, clock.clone());
    let server = tokio::spawn(async move { axum::serve(listener, app.into_make_service()).await });
    let board = watch(&pipeline, &tenant, &made, &clock, start, &mut out).await?;
    board.summary(&made, &estate, &mut out)?;
    server.abort();
    let stopped = pipeline.clone();
    tokio::task::spawn_blocking(move || stopped.stop()).await?;
    Ok(())
}

/// Sends each event when its time has come, and tells what the outbox says meanwhile.
async fn watch(
    pipeline: &Arc<Pipeline>,
    tenant: &TenantId,
    made: &Storm,
    clock: &Clock,
    start: Timestamp,
    out: &mut impl Write,
) -> Result<Board> {
    let mut board = Board::default();
    let (mut told, mut last) = (0, 0);
    let mut events = made.events.iter().peekable();
    while let Some(next) = events.peek() {
        if next.observed_at > clock() {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        let mut due = Vec::new();
        while let Some(event) = events.next_if(|e| e.observed_at <= clock()) {
            due.push(event.clone());
        }
        if !due.is_empty() {
            let batch = Batch { tenant: tenant.clone(), events: due, rejected: Vec::new() };
            last = pipeline.store.append(partition_of(tenant), Input::Batch(batch)).await?.seq;
        }
        told = board.follow(pipeline, told, start, out)?;
    }
    let deadline = Instant::now() + LOOK_AFTER;
    while !pipeline.has_applied(last) && Instant::now() < deadline {
        tokio::time::sleep(LOOK_EVERY).await;
    }
    board.follow(pipeline, told, start, out)?;
    Ok(board)
}

/// The incidents as told so far.
#[derive(Default)]
struct Board {
    incidents: BTreeMap<IncidentId, IncidentView>,
    alerts: usize,
}

impl Board {
    /// Reads what was committed since; returns how far it came.
    fn follow(&mut self, pipeline: &Pipeline, mut told: u64, start: Timestamp, out: &mut impl Write) -> Result<u64> {
        loop {
            let records = Outbox::read_after(&pipeline.outbox, told, 1 << 20)?;
            let Some(end) = records.last() else { return Ok(told) };
            told = end.seq;
            for record in records {
                self.fold(record.effects, start, out)?;
            }
        }
    }

    fn fold(&mut self, effects: Vec<Effect>, start: Timestamp, out: &mut impl Write) -> Result<()> {
        for effect in effects {
            match effect {
                Effect::Incident { incident, .. } => {
                    let before = self.incidents.get(&incident.id);
                    let root = |i: &IncidentView| i.candidates.first().map(|c| c.ci.id.clone());
                    let news = match before {
                        None => "opened ",
                        Some(old) if incident.state == IncidentState::Merged && old.state != incident.state => {
                            "merged "
                        }
                        Some(old) if root(old) != root(&incident) => "re-root",
                        Some(_) => "",
                    };
                    if !news.is_empty() {
                        let at = incident.updated_at.since(start).as_secs();
                        writeln!(out, "{:>3}:{:02}  {news}  {}", at / 60, at % 60, line(&incident))?;
                        out.flush()?;
                    }
                    self.incidents.insert(incident.id, *incident);
                }
                Effect::Alert { alert } => self.alerts = self.alerts.max((alert.id.0 & 0xffff_ffff) as usize),
                Effect::Verdict { .. }
                | Effect::Timeline { .. }
                | Effect::Notify { .. }
                | Effect::Silence { .. }
                | Effect::CommandDone { .. } => {}
            }
        }
        Ok(())
    }

    fn summary(&self, made: &Storm, estate: &Topology, out: &mut impl Write) -> Result<()> {
        let standing: Vec<&IncidentView> =
            self.incidents.values().filter(|i| i.state != IncidentState::Merged).collect();
        writeln!(out, "\nincidents and their root causes:")?;
        for incident in &standing {
            writeln!(out, "  {}", line(incident))?;
            let root = incident.candidates.first();
            for evidence in root.iter().flat_map(|c| &c.evidence) {
                writeln!(out, "      {:+6} {:?} {}/{}", evidence.points, evidence.term, evidence.n, evidence.of)?;
            }
        }
        let found = made.roots.iter().filter(|root| {
            let id = estate.id(**root);
            standing.iter().any(|i| i.candidates.first().is_some_and(|c| c.ci.id == *id))
        });
        let events = made.events.len().max(1);
        writeln!(
            out,
            "\n{} events -> {} alerts -> {} incidents (compression {:.1} %); root cause right for {} of {} faults",
            made.events.len(),
            self.alerts,
            standing.len(),
            100.0 * (1.0 - standing.len() as f64 / events as f64),
            found.count(),
            made.roots.len()
        )?;
        Ok(())
    }
}

fn line(incident: &IncidentView) -> String {
    let root = incident.candidates.first().map_or("?", |c| c.ci.id.as_str());
    let inferred = if incident.candidates.first().is_some_and(|c| c.inferred) { ", inferred" } else { "" };
    format!(
        "{} {:?} {:<8} {}  (root {root}{inferred}; {} alerts on {} CIs, {} services)",
        incident.id,
        incident.priority,
        incident.severity.as_str(),
        incident.title,
        incident.alert_count,
        incident.ci_count,
        incident.services.len()
    )
}
