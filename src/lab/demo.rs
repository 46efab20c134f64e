//! The demo: a storm over the sample estate, shown on the terminal as it becomes incidents.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::estate::sample_estate;
use super::storm::{Size, Storm, storm};
use crate::decode::topology::{TopologyMapping, topology};
use crate::domain::ids::{IncidentId, TenantId};
use crate::domain::incident::{IncidentState, IncidentView};
use crate::domain::time::{Span, Timestamp};
use crate::domain::topology::Topology;
use crate::engine::effect::Effect;
use crate::engine::input::{Batch, Digest, Input};
use crate::engine::tuning::Tuning;
use crate::engine::{Engine, Loaded};

/// The storm's size and seed.
const SIZE: Size = Size { faults: 8, gap: Span::mins(6), noise: 6 };
const SEED: u64 = 2024;
/// The demo lasts about this long; the storm's clock runs that much faster.
const LASTS: Duration = Duration::from_secs(60);

/// Shows the demo. `fast`: as fast as the engine can, without waiting.
///
/// # Errors
/// When the terminal cannot be written to.
pub fn run(fast: bool) -> Result<()> {
    let mut out = std::io::stdout().lock();
    let tenant = TenantId::from("demo");
    let text = sample_estate();
    let schema = super::built_in::shipped_schema();
    let (estate, _) = topology("sample estate", text.as_bytes(), schema, &TopologyMapping::default(), 1)?;
    let estate = Arc::new(estate);
    let start = Timestamp(1_767_571_200_000);
    let made = storm(&estate, &tenant, start, SIZE, SEED);
    writeln!(
        out,
        "estate: {} CIs, {} relations; storm: {} events of {} faults and some noise, told to nobody\n",
        estate.len(),
        estate.edges(),
        made.events.len(),
        made.roots.len()
    )?;
    let mut engine = Engine::empty(0, Arc::new(Tuning::default()));
    let input = Input::Topology { tenant: tenant.clone(), version: 1, digest: Digest("".into()) };
    engine.step(start, &input, Loaded::Topology(estate.clone()));
    let span = made.events.last().map_or(1, |e| e.observed_at.since(start).0.max(1));
    let began = Instant::now();
    let mut board = Board::default();
    for event in &made.events {
        let at = event.observed_at.since(start).0;
        let due = LASTS.mul_f64(at as f64 / span as f64);
        if !fast && let Some(wait) = due.checked_sub(began.elapsed()) {
            std::thread::sleep(wait);
        }
        let batch = Batch { tenant: tenant.clone(), events: vec![event.clone()], rejected: Vec::new() };
        let effects = engine.step(event.observed_at, &Input::Batch(batch), Loaded::Nothing);
        board.fold(effects, start, &mut out)?;
    }
    let end = engine.now().plus(Span::mins(30));
    board.fold(engine.step(end, &Input::Tick, Loaded::Nothing), start, &mut out)?;
    board.summary(&made, &estate, &mut out)
}

/// The incidents as told so far.
#[derive(Default)]
struct Board {
    incidents: BTreeMap<IncidentId, IncidentView>,
    alerts: usize,
}

impl Board {
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
