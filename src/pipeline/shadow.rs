//! Shadow: other rules or another model decide the same journal beside what is valid, without effects. A thread of its own,
//! with a lower priority and bounded memory, that follows the outbox as the history does: it may lag and says so, and when it
//! fails nothing else does. What both came to is compared as a back-test compares.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use arc_swap::ArcSwap;
use serde_json::value::{RawValue, to_raw_value};

use super::log::AnyLog;
use super::past::Records;
use super::ruling::{Rulings, Shade};
use super::texts::{compile_model, compile_policy, kept};
use super::{Health, PATIENCE, cmdb_text};
use crate::domain::ids::{EventRef, TenantId};
use crate::domain::partition::partition_of;
use crate::domain::time::Timestamp;
use crate::engine::input::{Digest, Input};
use crate::engine::passing::OVERDUE_MAX;
use crate::engine::policy::Policy;
use crate::engine::tuning::Tuning;
use crate::engine::{Engine, Loaded};
use crate::folders::models::Model;
use crate::journal::{Follow, Record};
use crate::lab::choice::Choice;
use crate::lab::versus::{Labelled, Report, Run, Stream, compare};
use crate::lab::world::World;
use crate::outbox::OutboxRecord;
use crate::projection::live::Live;
use crate::replay::corrected::Corrected;

/// Alerts in memory from which on nothing runs beside: it would double what the engine needs.
const ALERTS_MAX: usize = 300_000;
/// Events compared at once; then the comparison begins anew.
const EVENTS_MAX: usize = 200_000;
/// How far a shadow may lag; then it goes on from a newer state and begins anew.
const LAG_MAX: u64 = 100_000;
/// Between two reports, at least, and as a multiple of what the last one took.
const REPORT_EVERY: Duration = Duration::from_secs(2);
const REPORT_SHARE: u32 = 20;
/// The pause without a shadow, and after a failure.
const PAUSE: Duration = Duration::from_millis(200);
/// How far it stands back when there is more to do than processors.
const NICENESS: i32 = 15;

/// What a shadow has come to.
#[derive(Clone, Debug, Default)]
pub struct Shown {
    pub shade: Option<Shade>,
    /// The last record that both decided, and how many of the journal it is behind.
    pub seq: u64,
    pub lag: u64,
    /// How often the comparison began anew: too many events, or too far behind.
    pub begun_anew: u64,
    /// Why it does not run.
    pub failure: Option<String>,
    /// A [`Report`], written once for everybody who asks.
    pub report: Option<Arc<RawValue>>,
}

impl Shown {
    /// Whether it was shown of the same trial at the same record.
    fn is_of(&self, one: &Running) -> bool {
        let is_same = self.shade.as_ref().is_some_and(|shade| shade.seq == one.shade.seq);
        is_same && self.seq == one.seq && self.begun_anew == one.begun_anew && self.report.is_some()
    }
}

/// What all shadows have come to; the thread writes, everyone reads.
pub type AllShown = Arc<ArcSwap<BTreeMap<TenantId, Arc<Shown>>>>;

/// The thread.
pub struct Shadows {
    pub log: AnyLog,
    pub live: Arc<Live>,
    pub rulings: Arc<Rulings>,
    pub health: Arc<Health>,
    pub shown: AllShown,
}

/// One that runs.
struct Running {
    tenant: TenantId,
    shade: Shade,
    engine: Engine,
    choice: Choice,
    names: [Run; 2],
    worlds: [World; 2],
    /// What people say of what is valid, by which both are scored.
    corrected: Corrected,
    from: Option<Timestamp>,
    to: Timestamp,
    seq: u64,
    begun_anew: u64,
    /// Nothing more was there when it looked last.
    is_level: bool,
    decisions: Box<dyn Follow<OutboxRecord>>,
    records: Records,
}

impl Shadows {
    /// Follows until the program stops.
    pub fn run(self) {
        // On Linux this concerns the calling thread alone.
        if let Err(error) = rustix::process::nice(NICENESS) {
            tracing::debug!(%error, "the shadow's thread keeps its priority");
        }
        let mut running: BTreeMap<TenantId, Running> = BTreeMap::new();
        let mut failed: BTreeMap<TenantId, (u64, String)> = BTreeMap::new();
        let (mut reported, mut pause) = (Instant::now(), REPORT_EVERY);
        while !self.is_over() {
            let mut wanted = self.rulings.shades();
            // A metric model alone is tried where series are watched.
            wanted.retain(|_, shade| shade.rules.is_some() || shade.model.is_some());
            running.retain(|tenant, one| wanted.get(tenant).is_some_and(|shade| shade.seq == one.shade.seq));
            failed.retain(|tenant, (seq, _)| wanted.get(tenant).is_some_and(|shade| shade.seq == *seq));
            if wanted.is_empty() {
                self.publish(&wanted, &running, &failed);
                std::thread::sleep(PAUSE);
                continue;
            }
            for (tenant, shade) in &wanted {
                if failed.contains_key(tenant) {
                    continue;
                }
                // A fault of what is only tried ends the trial, nothing else.
                let turn = catch_unwind(AssertUnwindSafe(|| self.turn(tenant, shade, &mut running)));
                let why = match turn {
                    Ok(Ok(())) => continue,
                    Ok(Err(error)) => format!("{error:#}"),
                    Err(_) => "it panicked".to_owned(),
                };
                tracing::error!(tenant = %tenant, error = why, "what runs beside has ended; what is valid goes on");
                running.remove(tenant);
                failed.insert(tenant.clone(), (shade.seq, why));
            }
            if failed.len() == wanted.len() {
                std::thread::sleep(PAUSE);
            }
            if reported.elapsed() >= pause {
                let began = Instant::now();
                self.publish(&wanted, &running, &failed);
                (reported, pause) = (Instant::now(), REPORT_EVERY.max(began.elapsed() * REPORT_SHARE));
            }
        }
    }

    fn is_over(&self) -> bool {
        self.health.stop.load(Ordering::SeqCst)
    }

    /// Starts what is not running, and lets it go on for a while.
    fn turn(&self, tenant: &TenantId, shade: &Shade, running: &mut BTreeMap<TenantId, Running>) -> Result<()> {
        if !running.contains_key(tenant) {
            running.insert(tenant.clone(), self.start(tenant, shade, 0)?);
        }
        let one = running.get_mut(tenant).context("just started")?;
        let decisions = one.decisions.next(PATIENCE)?;
        one.is_level = decisions.is_empty();
        for decision in decisions {
            one.step(self, &decision)?;
        }
        if one.engine.alerts() > ALERTS_MAX {
            bail!("more than {ALERTS_MAX} alerts are in memory: nothing is tried beside so many");
        }
        let end = self.live.read().known_seq();
        if end.saturating_sub(one.seq) > LAG_MAX && one.has_newer_state(&self.log)? {
            let anew = one.begun_anew + 1;
            running.insert(tenant.clone(), self.start(tenant, shade, anew)?);
        }
        Ok(())
    }

    /// From the newest state that is stored, with the other rules or model put in force.
    fn start(&self, tenant: &TenantId, shade: &Shade, begun_anew: u64) -> Result<Running> {
        let number = partition_of(tenant);
        let tuning = Arc::new(Tuning::default());
        let (mut engine, seq, outbox_seq) = match self.log.latest_snapshot(number)? {
            None => (Engine::empty(number, tuning).paced(OVERDUE_MAX), 0, 0),
            Some(kept) => {
                let topology = |version, digest: &Digest| cmdb_text::compile(&self.text(digest).ok()?, version).ok();
                let rules = |version, digest: &Digest| compile_policy(&self.text(digest).ok()?, version).ok();
                let (seq, outbox_seq) = (kept.journal_seq, kept.outbox_seq);
                (Engine::thaw(&kept.state()?, tuning, topology, rules)?.paced(OVERDUE_MAX), seq, outbox_seq)
            }
        };
        let policy = shade.rules.as_ref().map(|digest| anyhow::Ok((digest.0.to_string(), self.policy(digest)?)));
        let model = shade.model.as_ref().map(|digest| self.model(digest)).transpose()?;
        let choice = Choice { name: "shadow".into(), policy: policy.transpose()?, model };
        let at = engine.now();
        choice.put(&mut engine, at, tenant);
        let live = Choice { name: "live".into(), ..Choice::default() };
        Ok(Running {
            tenant: tenant.clone(),
            shade: shade.clone(),
            names: [live.run("live", "live"), choice.run("live", "live")],
            choice,
            engine,
            worlds: [World::default(), World::default()],
            corrected: Corrected::of(tenant.clone()),
            from: None,
            to: at,
            seq,
            begun_anew,
            is_level: false,
            decisions: self.log.follow_decisions(outbox_seq),
            records: Records::of_log(self.log.clone()),
        })
    }

    fn text(&self, digest: &Digest) -> Result<Vec<u8>> {
        kept(&self.log, digest)
    }

    fn policy(&self, digest: &Digest) -> Result<Arc<Policy>> {
        compile_policy(&self.text(digest)?, 0)
    }

    fn model(&self, digest: &Digest) -> Result<Model> {
        let Loaded::Model(text, tuning) = compile_model(&self.text(digest)?)? else { bail!("no model") };
        let (name, version) = (tuning.model.to_string(), tuning.version);
        Ok(Model { name, version, digest: digest.0.to_string(), tuning, text })
    }

    fn publish(
        &self,
        wanted: &BTreeMap<TenantId, Shade>,
        running: &BTreeMap<TenantId, Running>,
        failed: &BTreeMap<TenantId, (u64, String)>,
    ) {
        let end = self.live.read().known_seq();
        let before = self.shown.load();
        let shown = wanted.iter().map(|(tenant, shade)| {
            let one = running.get(tenant);
            let seq = one.map_or(0, |one| one.seq);
            let shown = Shown {
                shade: Some(shade.clone()),
                seq,
                lag: if one.is_some_and(|one| one.is_level) { 0 } else { end.saturating_sub(seq) },
                begun_anew: one.map_or(0, |one| one.begun_anew),
                failure: failed.get(tenant).map(|(_, why)| why.clone()),
                // Nothing has come since: it is the same.
                report: match (one, before.get(tenant)) {
                    (Some(one), Some(shown)) if shown.is_of(one) => shown.report.clone(),
                    (one, _) => one.and_then(Running::report).and_then(|report| written(&report)),
                },
            };
            (tenant.clone(), Arc::new(shown))
        });
        self.shown.store(Arc::new(shown.collect()));
    }
}

impl Running {
    /// Steps over what was decided, and takes both sides' effects in.
    fn step(&mut self, all: &Shadows, decision: &OutboxRecord) -> Result<()> {
        if decision.partition != partition_of(&self.tenant) || decision.journal_seq <= self.seq {
            return Ok(());
        }
        let Some(record) = self.records.of(decision)? else { return Ok(()) };
        let (input, loaded) = self.input(all, &record)?;
        let effects = self.engine.step(record.stamp, input, loaded);
        self.seq = record.seq;
        // What was decided before the trial began only sets the scene.
        if record.seq <= self.shade.seq {
            return Ok(());
        }
        if self.worlds[0].fates.len() >= EVENTS_MAX {
            (self.worlds, self.from) = ([World::default(), World::default()], None);
            self.corrected = Corrected::of(self.tenant.clone());
            self.begun_anew += 1;
        }
        (self.from, self.to) = (self.from.or(Some(record.stamp)), record.stamp);
        let tenant = self.tenant.clone();
        let is_own = !matches!(&*record.input, Input::Batch(batch) if batch.tenant != tenant);
        self.corrected.fold(&record, &decision.effects);
        if is_correction(&record.input, &tenant) {
            self.worlds[0].fold_correction(&tenant, &decision.effects);
        } else {
            self.worlds[0].fold(&tenant, record.seq, &decision.effects, is_own);
        }
        self.worlds[1].fold(&tenant, record.seq, &effects, is_own);
        Ok(())
    }

    /// What the shadow is told of a record.
    fn input<'a>(&self, all: &Shadows, record: &'a Record) -> Result<(&'a Input, Loaded)> {
        let input = &*record.input;
        if self.choice.hides(input, &self.tenant) {
            return Ok((&Input::Tick, Loaded::Nothing));
        }
        Ok(match input {
            Input::Policy { version, digest, .. } => {
                (input, Loaded::Policy(compile_policy(&all.text(digest)?, *version)?))
            }
            Input::Model { digest, .. } => (input, compile_model(&all.text(digest)?)?),
            Input::Topology { version, digest, .. } => {
                (input, Loaded::Topology(cmdb_text::compile(&all.text(digest)?, *version)?))
            }
            Input::Command(_)
            | Input::Delivered(_)
            | Input::MetricModel { .. }
            | Input::Shadow { .. }
            | Input::Batch(_)
            | Input::Tick => (input, Loaded::Nothing),
        })
    }

    fn has_newer_state(&self, log: &AnyLog) -> Result<bool> {
        let kept = log.kept_snapshots()?;
        Ok(kept.get(&partition_of(&self.tenant)).and_then(|seqs| seqs.last()).is_some_and(|seq| *seq > self.seq))
    }

    fn report(&self) -> Option<Report> {
        let why = |event: EventRef| format!("/why/{event}");
        let labelled = Labelled::corrected(self.corrected.incidents());
        let stream = Stream { from: self.from?, to: self.to, why: &why, truth: labelled.as_ref() };
        Some(compare(self.names.clone(), [&self.worlds[0], &self.worlds[1]], &stream))
    }
}

/// Whether people say by it that the engine was wrong, or right.
fn is_correction(input: &Input, tenant: &TenantId) -> bool {
    matches!(input, Input::Command(command) if command.tenant == *tenant && command.order.judgement().is_some())
}

fn written(report: &Report) -> Option<Arc<RawValue>> {
    match to_raw_value(report) {
        Ok(text) => Some(Arc::from(text)),
        Err(error) => {
            tracing::error!(%error, "report of what runs beside not written");
            None
        }
    }
}
