//! Back-test: a recorded stream through the production engine, on the stream's own clock.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::domain::alert::AlertView;
use crate::domain::event::Event;
use crate::domain::ids::{AlertId, IncidentId, TenantId};
use crate::domain::incident::{IncidentState, IncidentView};
use crate::domain::time::{Span, Timestamp};
use crate::domain::topology::Topology;
use crate::engine::effect::Effect;
use crate::engine::input::{Batch, Digest, Input};
use crate::engine::tuning::Tuning;
use crate::engine::{Engine, Loaded};
use crate::folders::models::Model;

use super::choice::Choice;
use super::recording::Recording;
use super::score::ToldIncident;
use super::seal::Seal;

/// Events between two moves of the progress bar.
const PROGRESS_EVERY: u64 = 1000;
/// Time that passes after the last event, so that every timer has had its say.
pub const AFTERMATH: Span = Span::secs(10_000);

/// What to run on what.
#[derive(Clone, Debug)]
pub struct Plan {
    pub topology: PathBuf,
    pub topology_names: Option<PathBuf>,
    pub events: PathBuf,
    pub mapping: PathBuf,
    /// Rules instead of the built-in ones.
    pub rules: Option<PathBuf>,
    /// Models instead of the built-in one.
    pub models: Option<PathBuf>,
    pub out: PathBuf,
    pub quiet: bool,
    /// Also seal the run: costs about as much as deciding.
    pub seal: bool,
}

/// The run in figures.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    pub events: u64,
    /// Lines that could not be read as events, and where the first of them stand.
    pub rejected: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rejected_first: Vec<String>,
    pub alerts: u64,
    pub held: u64,
    pub incidents: u64,
    /// 1 − incidents / events.
    pub compression: f64,
    pub seconds: f64,
    pub events_per_second: f64,
    pub peak_rss_mib: u64,
    /// The seal over all effects, when it was asked for: the same for every build and machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effects_sha256: Option<String>,
    pub model: Model,
    /// Where the rules were read: a folder, or `built-in`.
    pub rules: String,
}

/// What the effects said, folded.
#[derive(Default)]
pub struct Outcome {
    /// Event id and the alert it went to.
    pub events: Vec<(Box<str>, Option<AlertId>)>,
    pub alerts: BTreeMap<AlertId, Arc<AlertView>>,
    pub first_event: BTreeMap<AlertId, usize>,
    pub incidents: BTreeMap<IncidentId, Arc<IncidentView>>,
}

impl Outcome {
    /// Takes in what a step said of the events `ids`.
    pub fn fold(&mut self, effects: Vec<Effect>, ids: &[Box<str>]) {
        for effect in effects {
            match effect {
                Effect::Verdict { index, verdict } => {
                    if let Some(id) = ids.get(index as usize) {
                        if let Some(alert) = verdict.alert() {
                            self.first_event.entry(alert).or_insert(self.events.len());
                        }
                        self.events.push((id.clone(), verdict.alert()));
                    }
                }
                Effect::Alert { alert } => {
                    self.alerts.insert(alert.id, alert);
                }
                Effect::Incident { incident, .. } => {
                    self.incidents.insert(incident.id, incident);
                }
                Effect::Timeline { .. }
                | Effect::Notify { .. }
                | Effect::Silence { .. }
                | Effect::CommandDone { .. } => {}
            }
        }
    }

    /// The incident an alert is in at the end.
    pub fn incident_of(&self, alert: AlertId) -> Option<IncidentId> {
        self.alerts.get(&alert)?.incident.filter(|i| self.stands(*i))
    }

    fn stands(&self, incident: IncidentId) -> bool {
        self.incidents.get(&incident).is_some_and(|i| i.state != IncidentState::Merged)
    }

    /// The first event on the root CI among the incident's alerts.
    fn root_event(&self, incident: &IncidentView, members: &[AlertId]) -> Option<&str> {
        let root = &incident.candidates.first()?.ci.id;
        let on_root = members.iter().filter(|a| self.alerts[a].ci.as_ref().is_some_and(|c| c.id == *root));
        let first = on_root.filter_map(|a| self.first_event.get(a)).min()?;
        Some(&self.events[*first].0)
    }

    /// The incidents as they stand, with their events.
    pub fn told(&self) -> Vec<ToldIncident> {
        let mut told: BTreeMap<IncidentId, (ToldIncident, BTreeSet<AlertId>)> = BTreeMap::new();
        for (id, alert) in &self.events {
            let Some((alert, incident)) = alert.and_then(|alert| Some((alert, self.incident_of(alert)?))) else {
                continue;
            };
            let (entry, alerts) = told.entry(incident).or_default();
            entry.events.insert(id.to_string());
            alerts.insert(alert);
        }
        let ranked = |id: &IncidentId| self.incidents[id].candidates.iter().map(|c| c.ci.id.to_string()).collect();
        told.into_iter()
            .map(|(id, (told, alerts))| ToldIncident { root_cause: ranked(&id), alerts: alerts.len(), ..told })
            .collect()
    }

    fn write(&self, out: &Path) -> Result<u64> {
        std::fs::create_dir_all(out).with_context(|| format!("make {}", out.display()))?;
        let create = |name: &str| -> Result<BufWriter<std::fs::File>> {
            let path = out.join(name);
            Ok(BufWriter::new(std::fs::File::create(&path).with_context(|| format!("write {}", path.display()))?))
        };
        let mut clusters = create("clusters.csv")?;
        let mut members: BTreeMap<IncidentId, (Vec<&str>, Vec<AlertId>)> = BTreeMap::new();
        writeln!(clusters, "alert_id,incident_id")?;
        for (id, alert) in &self.events {
            let incident = alert.and_then(|a| self.incident_of(a));
            writeln!(clusters, "{id},{}", incident.map(|i| i.to_string()).unwrap_or_default())?;
            if let (Some(incident), Some(alert)) = (incident, alert) {
                let entry = members.entry(incident).or_default();
                entry.0.push(id);
                if entry.1.last() != Some(alert) {
                    entry.1.push(*alert);
                }
            }
        }
        clusters.flush()?;
        let mut incidents = create("incidents.jsonl")?;
        for (id, (events, alerts)) in &members {
            let incident = &self.incidents[id];
            let line = serde_json::json!({
                "incident_id": id.to_string(),
                "alert_ids": events,
                "root_cause": incident.candidates.iter().map(|c| c.ci.id.as_str()).collect::<Vec<_>>(),
                "root_alert_id": self.root_event(incident, alerts),
                "opened_at": incident.opened_at.0 as f64 / 1000.0,
            });
            writeln!(incidents, "{line}")?;
        }
        incidents.flush()?;
        Ok(members.len() as u64)
    }
}

/// Runs the plan and writes `clusters.csv`, `incidents.jsonl` and `summary.json` into its folder.
///
/// # Errors
/// When a file cannot be read, understood or written; names the place.
pub fn run(plan: &Plan) -> Result<Summary> {
    let tenant = TenantId::from("default");
    let choice = Choice::read("back-test", plan.rules.as_deref(), plan.models.as_deref())?;
    let mut engine = start(plan, &tenant, &choice)?;
    let model = choice.model.unwrap_or_else(Model::built_in);
    let mut recording = Recording::open(&plan.events, &plan.mapping, tenant.clone())?;
    let bar = progress(plan.quiet);
    let (mut outcome, mut read) = (Outcome::default(), 0u64);
    let mut seal = plan.seal.then(Seal::default);
    let began = Instant::now();
    while let Some(event) = recording.next_event()? {
        let (id, effects) = one_event(&mut engine, &tenant, event);
        seal.iter_mut().for_each(|seal| seal.add(&effects));
        outcome.fold(effects, &[id]);
        read += 1;
        if read.is_multiple_of(PROGRESS_EVERY) {
            bar.set_position(read);
        }
    }
    ensure!(
        read > 0 || recording.rejected == 0,
        "none of {} lines can be read as an event; is {} the mapping for them?\n{}",
        recording.rejected,
        plan.mapping.display(),
        recording.rejected_first.join("\n")
    );
    let end = engine.now().plus(AFTERMATH);
    let last = engine.step(end, &Input::Tick, Loaded::Nothing);
    seal.iter_mut().for_each(|seal| seal.add(&last));
    outcome.fold(last, &[]);
    bar.finish_and_clear();
    let seconds = began.elapsed().as_secs_f64();
    let incidents = outcome.write(&plan.out)?;
    let held = outcome.alerts.values().filter(|a| a.incident.is_none()).count() as u64;
    let summary = Summary {
        events: read + recording.rejected,
        rejected: recording.rejected,
        rejected_first: recording.rejected_first,
        alerts: outcome.alerts.len() as u64,
        held,
        incidents,
        compression: 1.0 - incidents as f64 / read.max(1) as f64,
        seconds,
        events_per_second: read as f64 / seconds,
        peak_rss_mib: peak_rss_mib(),
        effects_sha256: seal.map(|seal| seal.to_string()),
        model,
        rules: plan.rules.as_ref().map_or_else(|| "built-in".into(), |folder| folder.display().to_string()),
    };
    let path = plan.out.join("summary.json");
    std::fs::write(&path, serde_json::to_vec_pretty(&summary)?).with_context(|| format!("write {}", path.display()))?;
    Ok(summary)
}

/// An engine with the plan's topology, and the rules and the model of a choice.
///
/// # Errors
/// When the topology cannot be read or understood; names the place.
pub fn start(plan: &Plan, tenant: &TenantId, choice: &Choice) -> Result<Engine> {
    let topology = super::built_in::load_topology(&plan.topology, plan.topology_names.as_deref(), 1)?;
    let mut engine = primed(topology, Model::built_in().tuning, tenant);
    choice.put(&mut engine, Timestamp(0), tenant);
    Ok(engine)
}

/// An engine that knows the topology and has seen nothing else.
pub fn primed(topology: Arc<Topology>, tuning: Arc<Tuning>, tenant: &TenantId) -> Engine {
    let mut engine = Engine::empty(0, tuning);
    let input = Input::Topology { tenant: tenant.clone(), version: 1, digest: Digest("".into()), author: "".into() };
    engine.step(Timestamp(0), &input, Loaded::Topology(topology));
    engine
}

/// Lets the engine take one event; returns the event's id and the effects.
pub fn one_event(engine: &mut Engine, tenant: &TenantId, event: Event) -> (Box<str>, Vec<Effect>) {
    let (id, stamp) = (event.id.clone(), event.observed_at);
    let batch = Batch { tenant: tenant.clone(), events: vec![event], rejected: Vec::new(), replay_of: None };
    (id, engine.step(stamp, &Input::Batch(batch), Loaded::Nothing))
}

fn progress(quiet: bool) -> ProgressBar {
    if quiet {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{spinner} {human_pos} events, {per_sec}, {elapsed}");
    let bar = ProgressBar::new_spinner();
    style.map_or(bar.clone(), |style| bar.with_style(style))
}

/// The most memory this program has used, MiB; 0 where the system does not tell.
fn peak_rss_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).unwrap_or("");
    line.split_whitespace().next().and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) / 1024
}
