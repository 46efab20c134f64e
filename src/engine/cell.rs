//! One tenant's world: its alerts, incidents, timers and what was learned. Nothing crosses cells.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::alert::{Alert, Bond, Inferred, Spot};
use super::budget::Spending;
use super::checks::Checks;
use super::children::Children;
use super::choice::Choice;
use super::composite::Composite;
use super::current::Current;
use super::deadlines::{Deadlines, Due};
use super::dedup::EarlyEnds;
use super::effect::Effect;
use super::facts::{Facts, FactsByKind};
use super::flow::Flows;
use super::gather::Gathering;
use super::group::Group;
use super::identity::CiLookups;
use super::inhibit::Inhibitors;
use super::kin::Alike;
use super::learn::Learned;
use super::lookup::Lookup;
use super::memory;
use super::newest::Newest;
use super::obeyed::Obeyed;
use super::oncall::OnCall;
use super::oncall::control::Requests;
use super::pairs::Pairs;
use super::patterns::Patterns;
use super::policy::Policy;
use super::policy::rule::RuleHits;
use super::rare::Rare;
use super::recents::Recents;
use super::seen::Seen;
use super::silences::Silenced;
use super::silent::Vote;
use super::slab::{Place, Slab};
use super::storm::Storm;
use super::touched::{Moved, Touched};
use super::tuning::Tuning;
use super::upstream::Upstream;
use super::windows::Windows;
use crate::domain::alert::{AlertState, AlertView};
use crate::domain::ascending::Ascending;
use crate::domain::ci::CiRef;
use crate::domain::few::Few;
use crate::domain::ids::{AlertId, IncidentId, RuleId, SilenceId, SourceId, TenantId};
use crate::domain::incident::{ChangeView, IncidentView, TimelineEntry, TimelineKind};
use crate::domain::label::Labels;
use crate::domain::mute::Silence;
use crate::domain::time::{Span, Timestamp};
use crate::domain::topology::{CiIx, ClassIx, Topology};

/// How far the begin of an inferred cause may be wrong.
pub const UNCERTAIN_INFERRED: Span = Span::secs(3);

/// Changes remembered per CI.
const CHANGES_MAX: usize = 4;

/// A tenant's state.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Cell {
    pub tenant: TenantId,
    pub now: Timestamp,
    /// Upper bits of every id made here.
    pub partition: u16,
    pub topology_version: u64,
    #[serde(skip, default = "Topology::none")]
    pub topology: Arc<Topology>,
    #[serde(skip, default = "Policy::default_rules")]
    pub policy: Arc<Policy>,
    /// How often each rule applied.
    #[serde(default)]
    pub hits: RuleHits,
    #[serde(skip)]
    pub tuning: Arc<Tuning>,
    /// 0: the engine's own model.
    #[serde(skip)]
    pub model_version: u64,
    #[serde(skip)]
    pub upstream: Upstream,
    #[serde(skip)]
    pub newest: Newest,
    #[serde(skip)]
    pub moment: Moment,
    pub alerts: Slab<Alert>,
    pub groups: Slab<Group>,
    pub deadlines: Deadlines,
    pub learned: Learned,
    #[serde(skip)]
    pub facts: FactsByKind,
    pub seen: Seen,
    #[serde(default)]
    pub early_ends: EarlyEnds,
    /// Newest alert of each fingerprint.
    pub current: Current,
    /// Newest alerts on each CI or object, oldest first.
    pub recent: Lookup<Spot, Recents>,
    /// Newest alerts on CIs of each class, oldest first; only where the CMDB has gaps or a model asks.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub lately: BTreeMap<ClassIx, VecDeque<Place>>,
    /// Newest alerts of each type, and on objects that are no CIs; only where a model asks.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub alike: Alike,
    #[serde(default, skip_serializing_if = "VecDeque::is_empty")]
    pub beside: VecDeque<Place>,
    /// Which types of them begin together.
    #[serde(default, skip_serializing_if = "Pairs::is_empty")]
    pub pairs: Pairs,
    /// What learned questions saw, when somebody wants to know.
    #[serde(skip)]
    pub choices: Option<Vec<Choice>>,
    #[serde(skip)]
    pub objects: Lookup<Arc<str>, u32>,
    pub object_names: Vec<Arc<str>>,
    /// Numbers of objects on which there is no alert any more, to be used again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub objects_free: Vec<u32>,
    /// How many objects had alerts when that was looked at last.
    #[serde(default, skip_serializing_if = "memory::is_zero")]
    pub objects_used: u64,
    /// Events refused because there were too many alerts.
    #[serde(default, skip_serializing_if = "memory::is_zero")]
    pub refused: u64,
    pub votes: Lookup<CiIx, Vec<Vote>>,
    /// Root alerts of incidents into which lone recurrences go, by fingerprint or alert type.
    pub folds: Lookup<Arc<str>, Place>,
    pub changes: Lookup<CiIx, Vec<ChangeView>>,
    /// How often changes were added or dropped.
    pub changes_known: u64,
    pub silences: BTreeMap<SilenceId, Silence>,
    /// How much each receiver was told lately.
    #[serde(default)]
    pub flows: Flows,
    #[serde(default)]
    pub gathering: Gathering,
    #[serde(default)]
    pub patterns: Patterns,
    #[serde(skip)]
    pub silenced: Silenced,
    /// Schedules of rules.
    #[serde(default)]
    pub windows: Windows,
    /// How many alerts fire.
    #[serde(skip)]
    pub firing_now: usize,
    #[serde(skip)]
    pub inhibitors: Inhibitors,
    #[serde(default)]
    pub lookups: CiLookups,
    /// Event ids that a rule remembers for another time than the usual, by that time.
    #[serde(default)]
    pub seen_for: BTreeMap<Span, Seen>,
    #[serde(default)]
    pub obeyed: Obeyed,
    #[serde(default, skip_serializing_if = "OnCall::is_empty")]
    pub on_call: OnCall,
    /// What executors were asked for lately.
    #[serde(default, skip_serializing_if = "Requests::is_empty")]
    pub requests: Requests,
    #[serde(default, skip_serializing_if = "Storm::is_empty")]
    pub storm: Storm,
    /// What messages that cost money were sent of late.
    #[serde(default, skip_serializing_if = "Spending::is_empty")]
    pub spending: Spending,
    pub by_incident: BTreeMap<IncidentId, Place>,
    #[serde(skip)]
    pub by_alert: Ascending<AlertId, Place>,
    next_alert: u64,
    pub next_incident: u64,
}

/// What one moment (the events of a record, the deadlines of one time, a command) has touched; told at its end.
#[derive(Clone, Debug, Default)]
pub struct Moment {
    pub groups: Touched,
    pub alerts: Touched,
    pub was: Moved,
    /// Incidents that the present event opened.
    pub opened: BTreeSet<IncidentId>,
    /// Incidents that are no more, as they are told for the last time.
    pub ended: Vec<IncidentView>,
    pub effects: Vec<Effect>,
    /// A rule that the alert has brought nearer to a hit.
    pub below: Option<RuleId>,
    /// Alerts that rules raise, and the rule whose alert is on its way.
    pub composites: Vec<Composite>,
    pub raising: Option<RuleId>,
    /// Alerts that have ended and from which others were raised.
    pub calmed: Vec<Place>,
    /// What was looked at on the way of the event.
    pub checks: Checks,
    /// The incident that a person merges another one into.
    pub survivor: Option<IncidentId>,
    /// Actions that executors are asked for.
    pub requested: Vec<Box<str>>,
    /// By which way the person acts whose order is carried out.
    pub via: Box<str>,
}

/// Who came to an incident and who left it.
#[derive(Default)]
struct Moves {
    joined: Vec<AlertId>,
    left: Vec<AlertId>,
}

impl Cell {
    /// An empty world.
    pub fn empty(tenant: TenantId, partition: u16, tuning: Arc<Tuning>) -> Self {
        Self {
            tenant,
            now: Timestamp(0),
            partition,
            topology_version: 0,
            model_version: 0,
            topology: Topology::none(),
            policy: Policy::default_rules(),
            hits: RuleHits::default(),
            tuning,
            upstream: Upstream::default(),
            newest: Newest::default(),
            moment: Moment::default(),
            alerts: Slab::default(),
            groups: Slab::default(),
            deadlines: Deadlines::default(),
            learned: Learned::default(),
            facts: FactsByKind::default(),
            seen: Seen::default(),
            early_ends: EarlyEnds::default(),
            current: Current::default(),
            recent: Lookup::default(),
            lately: BTreeMap::new(),
            alike: Alike::new(),
            beside: VecDeque::new(),
            pairs: Pairs::default(),
            choices: None,
            objects: Lookup::default(),
            object_names: Vec::new(),
            objects_free: Vec::new(),
            objects_used: 0,
            refused: 0,
            votes: Lookup::default(),
            folds: Lookup::default(),
            changes: Lookup::default(),
            changes_known: 0,
            silences: BTreeMap::new(),
            flows: Flows::default(),
            gathering: Gathering::default(),
            patterns: Patterns::default(),
            silenced: Silenced::default(),
            windows: Windows::default(),
            firing_now: 0,
            inhibitors: Inhibitors::default(),
            lookups: CiLookups::default(),
            seen_for: BTreeMap::new(),
            obeyed: Obeyed::default(),
            on_call: OnCall::default(),
            requests: Requests::default(),
            storm: Storm::default(),
            spending: Spending::default(),
            by_incident: BTreeMap::new(),
            by_alert: Ascending::default(),
            next_alert: 0,
            next_incident: 0,
        }
    }

    /// The next alert id: never used again.
    pub fn alert_id(&mut self) -> AlertId {
        self.next_alert += 1;
        AlertId((u64::from(self.partition) << 48) | self.next_alert)
    }

    /// The next incident id: never used again.
    pub fn incident_id(&mut self) -> IncidentId {
        self.next_incident += 1;
        IncidentId((u64::from(self.partition) << 48) | self.next_incident)
    }

    /// When the alert really began, by our clock.
    pub fn onset(&self, alert: &Alert) -> Timestamp {
        if alert.inferred.is_some() {
            return alert.starts;
        }
        alert.starts.plus(self.learned.offset(alert.clock))
    }

    /// How far that may be wrong.
    pub fn uncertain(&self, alert: &Alert) -> Span {
        if alert.inferred.is_some() {
            return UNCERTAIN_INFERRED;
        }
        self.learned.uncertain(alert.clock)
    }

    /// Keeps an alert, with its timers, as the newest on its CI.
    pub fn keep(&mut self, alert: Alert) -> Place {
        let (id, spot, inferred, received, starts) =
            (alert.id, alert.spot, alert.inferred, alert.received, alert.starts);
        self.newest.note(spot, received, starts);
        let place = self.alerts.insert(alert);
        let group = self.groups.insert(Group::of(place));
        self.alerts[place].group = group;
        self.count_in(group, place);
        self.recent.or_insert_with(spot, Recents::default).push(place, starts, self.tuning.recent_max);
        self.note_lately(place);
        self.note_pairs(place);
        self.note_alike(place);
        let tuning = self.tuning.clone();
        if inferred.is_some() {
            for after in tuning.revise_inferred_after {
                self.deadlines.set_after(received, after, Due::Revise(place));
            }
        } else {
            self.by_alert.insert(id, place);
            if self.alerts[place].is_firing() {
                self.begin_firing(place);
            }
            for after in tuning.revise_after {
                self.deadlines.set_after(received, after, Due::Revise(place));
            }
            self.deadlines.set_after(received, tuning.learn_after, Due::Learn(place));
            self.deadlines.set_after(received, self.policy.settings.expire_after, Due::Expire(place));
        }
        place
    }

    /// A CI without an alert that is taken for a cause.
    pub fn infer(&mut self, ci: CiIx, at: Timestamp, inferred: Inferred) -> Place {
        let alert = Alert {
            id: AlertId(0),
            fingerprint: "".into(),
            source: SourceId::from(""),
            clock: 0,
            kind: 0,
            name: "".into(),
            title: "".into(),
            object: self.topology.id(ci).as_str().into(),
            labels: Labels::default(),
            severity: crate::domain::severity::Severity::Indeterminate,
            state: AlertState::Firing,
            spot: Spot::Ci(ci),
            starts: at,
            last_start: at,
            received: self.now,
            last_seen: self.now,
            firing_since: self.now,
            count: 0,
            cycles: 0,
            chronic: false,
            inferred: Some(inferred),
            declared_symptom: false,
            anomaly: 0,
            intrinsic: false,
            muted_by: Few::default(),
            mute: None,
            facts: Facts::default(),
            flapping: false,
            body: 0,
            noisy: false,
            lasted: false,
            listed: false,
            parent: None,
            bond: Bond::Evidence,
            score: 0,
            children: Children::default(),
            group: self.groups.insert(Group::default()),
            rare: Rare::default(),
        };
        let placeholder = alert.group;
        let place = self.keep(alert);
        self.groups.remove(placeholder);
        place
    }

    /// The CI as effects show it.
    pub fn ci_ref(&self, ci: CiIx) -> Arc<CiRef> {
        self.topology.ci(ci)
    }

    /// The alert as effects show it.
    pub fn alert_view(&self, place: Place) -> AlertView {
        let alert = &self.alerts[place];
        let incident = self.incident_of(place);
        AlertView {
            id: alert.id,
            tenant: self.tenant.clone(),
            source: alert.source.clone(),
            name: alert.name.clone(),
            title: alert.title.clone(),
            severity: alert.severity,
            state: alert.state,
            ci: alert.spot.ci().map(|ci| self.ci_ref(ci)),
            object: alert.object.clone(),
            labels: alert.labels.clone(),
            signal: alert.facts.signal(&alert.object),
            side: alert.facts.side(&alert.object),
            first_seen: alert.received,
            last_seen: alert.last_seen,
            starts_at: alert.starts,
            count: alert.count,
            muted_by: alert.muted_by.clone(),
            flapping: alert.chronic || alert.flapping,
            incident,
            held: incident.is_none() && alert.is_firing() && alert.takes_part(),
        }
    }

    /// The incident an alert is part of.
    pub fn incident_of(&self, place: Place) -> Option<IncidentId> {
        self.groups.get(self.alerts[place].group)?.incident.as_ref().map(|i| i.id)
    }

    /// Writes a line into an incident's timeline.
    pub fn note(&mut self, incident: IncidentId, actor: &str, kind: TimelineKind, detail: impl Into<Box<str>>) {
        let via = if actor == "headwater" { "".into() } else { self.moment.via.clone() };
        let entry = TimelineEntry { at: self.now, actor: actor.into(), kind, via, detail: detail.into() };
        self.moment.effects.push(Effect::Timeline { tenant: self.tenant.clone(), incident, entry });
    }

    /// Remembers a change on a CI as evidence.
    pub fn remember_change(&mut self, ci: CiIx, at: Timestamp, title: &str, source: &SourceId) {
        let view = ChangeView { ci: self.ci_ref(ci), at, title: title.into(), source: source.as_str().into() };
        let changes = self.changes.or_insert_with(ci, Vec::new);
        if changes.len() >= CHANGES_MAX {
            changes.remove(0);
        }
        changes.push(view);
        self.changes_known += 1;
    }

    /// Ends the moment: tells what changed, in a fixed order.
    pub fn tell(&mut self, effects: &mut Vec<Effect>) {
        self.wake_hushed();
        let (alerts, groups) = (self.moment.alerts.take(), self.moment.groups.take());
        effects.reserve(alerts.len() + groups.len() + self.moment.effects.len());
        for &place in &alerts {
            if self.alerts.get(place).is_some_and(|a| a.inferred.is_none()) {
                effects.push(Effect::Alert { alert: Arc::new(self.alert_view(place)) });
            }
        }
        let mut moves = self.moves();
        let mut told = |view: IncidentView| {
            let Moves { joined, left } = moves.remove(&view.id).unwrap_or_default();
            Effect::Incident { incident: Arc::new(view), joined, left }
        };
        effects.extend(std::mem::take(&mut self.moment.ended).into_iter().map(&mut told));
        for &group in &groups {
            if self.groups.get(group).is_some_and(|g| g.incident.is_some()) {
                let mut view = self.incident_view(group);
                self.judge_major(group, &mut view);
                self.take_care(group, &mut view);
                self.notify(group, &view);
                effects.push(told(view));
            }
        }
        debug_assert!(moves.is_empty(), "an incident whose members changed is told");
        effects.append(&mut self.moment.effects);
        self.moment = Moment { effects: std::mem::take(&mut self.moment.effects), ..Moment::default() };
        self.moment.alerts.reuse(alerts);
        self.moment.groups.reuse(groups);
    }

    /// Notes that an alert goes from one incident to another; only where it ends up is told.
    pub fn moves_between(&mut self, place: Place, old: Option<IncidentId>, new: Option<IncidentId>) {
        if old != new && self.alerts[place].inferred.is_none() {
            self.moment.was.insert(place, old);
            self.moment.alerts.insert(place);
        }
    }

    /// Who came to and left each incident in this moment.
    fn moves(&mut self) -> BTreeMap<IncidentId, Moves> {
        let mut moves: BTreeMap<IncidentId, Moves> = BTreeMap::new();
        for (place, was) in self.moment.was.take() {
            let Some(alert) = self.alerts.get(place).map(|a| a.id) else { continue };
            let is = self.incident_of(place);
            if was == is {
                continue;
            }
            if let Some(was) = was {
                moves.entry(was).or_default().left.push(alert);
            }
            if let Some(is) = is {
                moves.entry(is).or_default().joined.push(alert);
            }
        }
        moves
    }
}
