//! One tenant's part of the live view, and what each effect does to it.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Committed;
use super::alerts::Alerts;
use super::board::Board;
use super::counts::{Conservation, DataQuality, Noise};
use super::feed::{Belonging, Change, Feed};
use super::fired::{Fired, is_counted};
use super::novelty::Novelty;
use crate::domain::alert::AlertView;
use crate::domain::event::Event;
use crate::domain::ids::{AlertId, CiId, IncidentId, SilenceId, SourceId, TenantId};
use crate::domain::incident::{IncidentView, TimelineEntry};
use crate::domain::mute::Silence;
use crate::domain::time::Timestamp;
use crate::engine::input::Batch;
use crate::engine::verdict::{Repeat, Verdict};

/// Commands whose end is remembered.
const COMMANDS_MAX: usize = 2_000;

/// What became of a command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandEnd {
    pub actor: Box<str>,
    pub refused: Option<Box<str>>,
    /// Its actor had sent it before: this is how it ended then.
    pub again: bool,
}

/// Everything shown of one tenant.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct TenantView {
    pub board: Board,
    pub alerts: Alerts,
    pub silences: BTreeMap<SilenceId, Silence>,
    pub commands: BTreeMap<u64, CommandEnd>,
    pub conservation: Conservation,
    quality: DataQuality,
    /// The outbox record with the newest change of an incident.
    #[serde(default)]
    pub incidents_seq: u64,
    /// Alerts and incidents since counting began.
    pub alerts_made: u64,
    pub incidents_made: u64,
    /// Events since counting began.
    pub noisy_sources: Noise,
    pub noisy_names: Noise,
    pub noisy_cis: Noise,
    /// Incidents by the source of their first alert, since counting began.
    pub incidents_by_source: Noise,
    /// The types of alerts, by class of CI.
    #[serde(default)]
    pub novelty: Novelty,
    /// The events of the last minutes, for whoever watches their rates.
    #[serde(skip)]
    pub fired: Fired,
}

/// Where a change is told: the feed and the outbox sequence it belongs to.
pub struct Telling<'a> {
    pub feed: &'a Feed,
    pub tenant: &'a TenantId,
    pub seq: u64,
}

impl TenantView {
    /// Counts the ends of a record's events; `was_pending` says that the door has counted them before.
    pub fn apply_batch(&mut self, batch: &Batch, verdicts: &[(u32, &Verdict)], stamp: Timestamp, was_pending: bool) {
        let n = (batch.events.len() + batch.rejected.len()) as u64;
        if was_pending {
            self.conservation.pending -= n;
        } else {
            self.conservation.accepted += n;
        }
        for (index, verdict) in verdicts {
            self.conservation.count(verdict);
            let ci = self.count_verdict(verdict, stamp);
            if let Some(event) = batch.events.get(*index as usize).filter(|event| is_counted(event, verdict)) {
                self.fired.count(event, ci.as_ref(), stamp);
            }
        }
        let events: Vec<&Event> = verdicts.iter().filter_map(|(index, _)| batch.events.get(*index as usize)).collect();
        events.iter().for_each(|event| self.quality.event(event, stamp));
        // Neighbours mostly are of one source and often of one rule: they are counted together.
        for run in events.chunk_by(|a, b| a.source == b.source) {
            self.noisy_sources.add(run[0].source.as_str(), run.len() as u64);
        }
        for run in events.chunk_by(|a, b| a.name == b.name) {
            self.noisy_names.add(&run[0].name, run.len() as u64);
        }
    }

    /// Counts one verdict; the CI that it is about.
    fn count_verdict(&mut self, verdict: &Verdict, stamp: Timestamp) -> Option<CiId> {
        match verdict {
            Verdict::Duplicate { alert: Some(alert), why } if counts(*why) => self.alerts.count(*alert, stamp),
            Verdict::Duplicate { .. }
            | Verdict::Muted { .. }
            | Verdict::Opened { .. }
            | Verdict::Joined { .. }
            | Verdict::Held { .. }
            | Verdict::Resolved { .. }
            | Verdict::Rejected { .. } => {}
        }
        let row = verdict.alert().and_then(|id| self.alerts.get(id))?;
        let Some(ci) = &row.view.ci else {
            self.quality.unresolved_object += 1;
            return None;
        };
        self.noisy_cis.add(ci.id.as_str(), 1);
        Some(ci.id.clone())
    }

    /// How good what sources send is.
    pub fn quality(&self) -> DataQuality {
        let dead = &self.conservation.dead_lettered;
        DataQuality { duplicate: self.conservation.duplicate, unparsable: dead.values().sum(), ..self.quality }
    }

    /// Begins to count anew: what stands was not counted as it came.
    pub fn count_anew(&mut self) {
        (self.alerts_made, self.incidents_made) = (0, 0);
    }

    /// Takes an alert as it is now, after the step of `stamp`. One that began in it may have had many events already.
    pub fn apply_alert(&mut self, alert: &Arc<AlertView>, stamp: Timestamp) {
        if self.alerts.get(alert.id).is_none() && alert.first_seen >= stamp {
            self.alerts_made += 1;
            self.novelty.note(alert, stamp);
        }
        self.alerts.put(alert.clone());
    }

    /// Takes an incident as it is now and tells it.
    pub fn apply_incident(
        &mut self,
        incident: &Arc<IncidentView>,
        joined: &[AlertId],
        left: &[AlertId],
        telling: &Telling<'_>,
    ) {
        if incident.version <= 1 && self.board.get(incident.id).is_none() {
            self.incidents_made += 1;
            let rows = joined.iter().filter_map(|id| self.alerts.get(*id));
            if let Some(first) = rows.min_by_key(|row| (row.view.first_seen, row.view.id)) {
                self.incidents_by_source.add(first.view.source.as_str(), 1);
            }
        }
        self.incidents_seq = self.incidents_seq.max(telling.seq);
        let view = incident.clone();
        let seen_as = self.before_and_now(&view);
        let alerts = &self.alerts;
        let about = |id| alerts.get(id).map(|row| source_and_ci(&row.view));
        self.board.put(view.clone(), joined, left, about);
        let forgotten = self.board.trim();
        self.alerts.forget_resolved(&forgotten);
        telling.tell(seen_as, Change::Incident { incident: view, joined: joined.to_vec(), left: left.to_vec() });
    }

    fn before_and_now(&self, view: &IncidentView) -> Vec<Belonging> {
        let now = Belonging::of(view);
        let before = self.board.get(view.id).map(|known| Belonging::of(&known.view));
        before.into_iter().filter(|before| *before != now).chain([now.clone()]).collect()
    }

    /// Adds a timeline entry and tells it.
    pub fn apply_timeline(&mut self, incident: IncidentId, entry: &TimelineEntry, telling: &Telling<'_>) {
        let Some(known) = self.board.get(incident) else { return };
        let seen_as = vec![Belonging::of(&known.view)];
        self.board.note(incident, entry.clone());
        telling.tell(seen_as, Change::Timeline { incident, entry: entry.clone() });
    }

    /// Takes a silence as it is now; one that is over is forgotten.
    pub fn apply_silence(&mut self, silence: &Silence, stamp: Timestamp, telling: &Telling<'_>) {
        if silence.ends_at <= stamp {
            self.silences.remove(&silence.id);
        } else {
            self.silences.insert(silence.id.clone(), silence.clone());
        }
        telling.tell(Vec::new(), Change::Silence { silence: Box::new(silence.clone()) });
    }

    /// Remembers what became of a command and tells its actor.
    pub fn apply_command(&mut self, journal_seq: u64, end: CommandEnd, telling: &Telling<'_>) {
        let (actor, refused) = (end.actor.clone(), end.refused.clone());
        self.commands.insert(journal_seq, end);
        while self.commands.len() > COMMANDS_MAX {
            self.commands.pop_first();
        }
        telling.tell(Vec::new(), Change::Command { journal_seq, actor, refused });
    }
}

impl Telling<'_> {
    fn tell(&self, seen_as: Vec<Belonging>, change: Change) {
        self.feed.publish(self.seq, self.tenant.clone(), seen_as, change);
    }
}

fn source_and_ci(view: &AlertView) -> (SourceId, Option<CiId>) {
    (view.source.clone(), view.ci.as_ref().map(|ci| ci.id.clone()))
}

/// Whether a repeat counts as one more event of its alert.
pub const fn counts(why: Repeat) -> bool {
    match why {
        Repeat::SameEvent | Repeat::StillFiring => true,
        Repeat::StillResolved | Repeat::Late | Repeat::Conflict => false,
    }
}

/// The verdicts of a step, by event index.
pub fn verdicts(step: &Committed) -> Vec<(u32, &Verdict)> {
    step.effects
        .iter()
        .filter_map(|effect| match effect {
            crate::engine::effect::Effect::Verdict { index, verdict } => Some((*index, verdict)),
            crate::engine::effect::Effect::Alert { .. }
            | crate::engine::effect::Effect::Incident { .. }
            | crate::engine::effect::Effect::Timeline { .. }
            | crate::engine::effect::Effect::Notify { .. }
            | crate::engine::effect::Effect::Silence { .. }
            | crate::engine::effect::Effect::CommandDone { .. } => None,
        })
        .collect()
}
