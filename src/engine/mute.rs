//! Mute: silences, maintenance windows, the CI's state, mute rules, inhibition, flapping. Muting never blocks a
//! resolution and always names who muted. What nothing mutes any more is judged then, and told once.

use std::cell::OnceCell;
use std::collections::BTreeSet;

use super::alert::{Alert, Spot};
use super::cell::Cell;
use super::checks::Checks;
use super::deadlines::Due;
use super::fields::{AlertFields, CiFacts, EventFields};
use super::policy::kinds::{MaintenanceWindow, MuteRule};
use super::policy::rule::{Rule, RuleHits};
use super::slab::Place;
use super::verdict::{Stage, Unmet};
use crate::domain::event::Event;
use crate::domain::few::Few;
use crate::domain::ids::{AlertId, RuleId, WindowId};
use crate::domain::matcher::Fields;
use crate::domain::mute::{MuteEffect, MutedBy};
use crate::domain::topology::CiState;

/// Who mutes, each with how far.
type Mutes = Vec<(MuteEffect, MutedBy)>;

/// Something that may be muted.
struct Asked<'a> {
    fields: &'a dyn Fields,
    spot: Spot,
    /// Open windows that mean the CI because of where it is; found when a rule asks.
    covering: OnceCell<BTreeSet<RuleId>>,
}

impl<'a> Asked<'a> {
    fn new(fields: &'a dyn Fields, spot: Spot) -> Self {
        Self { fields, spot, covering: OnceCell::new() }
    }
}

impl Cell {
    /// Who drops an event before it becomes an alert.
    pub fn drops(&mut self, event: &Event, spot: Spot) -> Option<MutedBy> {
        if !self.policy.drops && !self.silenced.drops {
            return None;
        }
        self.wake_windows();
        let (mut hits, mut unrecorded) = (std::mem::take(&mut self.hits), Checks::default());
        let ci = spot.ci().map(|ci| CiFacts::of(&self.topology, ci));
        let fields = EventFields { event, ci: ci.as_ref() };
        let asked = Asked::new(&fields, spot);
        let mut found = self.silences_of(&asked, &mut unrecorded);
        found.extend(self.windows_of(&asked, &mut hits, &mut unrecorded));
        found.extend(self.mute_rules_of(&asked, &mut hits, &mut unrecorded));
        self.hits = hits;
        let (_, by) = found.into_iter().find(|(effect, _)| *effect == MuteEffect::Drop)?;
        if let Some(rule) = rule_of(&by) {
            self.hits.hit(&rule);
            self.moment.checks.hit(Stage::Mute, &rule, "", None);
        }
        Some(by)
    }

    /// Everything that mutes an alert now.
    fn mutes(&mut self, place: Place) -> Mutes {
        let mut checks = std::mem::take(&mut self.moment.checks);
        let mut hits = std::mem::take(&mut self.hits);
        let alert = &self.alerts[place];
        let fields = AlertFields::of(alert, &self.topology);
        let asked = Asked::new(&fields, alert.spot);
        let mut found = self.silences_of(&asked, &mut checks);
        found.extend(self.windows_of(&asked, &mut hits, &mut checks));
        if alert.spot.ci().is_some_and(|ci| self.topology.attributes(ci).state == CiState::Maintenance) {
            found.push((MuteEffect::Keep, MutedBy::CiState));
        }
        found.extend(self.mute_rules_of(&asked, &mut hits, &mut checks));
        if !self.policy.inhibit.is_empty() {
            found.extend(self.inhibited(alert, &mut checks));
            self.note_not_inhibited(&fields, &mut checks);
        }
        let flapping = &self.policy.settings.flapping;
        if alert.rare.flaps.as_ref().is_some_and(|flaps| flaps.muted_until(flapping, self.now).is_some()) {
            found.push((MuteEffect::Notice, MutedBy::Flapping));
        }
        (self.hits, self.moment.checks) = (hits, checks);
        // The strongest first: it decides, so it is named first.
        found.sort_by_key(|(effect, _)| std::cmp::Reverse(*effect));
        found
    }

    /// Whether there is nothing at all that could mute the alert: the usual case, told fast.
    fn cannot_be_muted(&self, alert: &Alert) -> bool {
        let policy = &self.policy;
        let rules = policy.mute.is_empty() && policy.maintenance.is_empty() && policy.inhibit.is_empty();
        let in_use = |ci| self.topology.attributes(ci).state != CiState::Maintenance;
        rules && self.silences.is_empty() && alert.rare.flaps.is_none() && alert.spot.ci().is_none_or(in_use)
    }

    fn silences_of(&self, asked: &Asked<'_>, checks: &mut Checks) -> Mutes {
        let mut found = Mutes::new();
        for silence in self.silenced.candidates(asked.fields).filter_map(|id| self.silences.get(id)) {
            let rule = RuleId::from(silence.id.as_str());
            if self.now < silence.starts_at || silence.ends_at <= self.now {
                let opens_at = (self.now < silence.starts_at).then_some(silence.starts_at);
                checks.miss(Stage::Mute, Some(&rule), "", || Unmet::Closed { opens_at });
            } else if silence.matchers.matches(asked.fields) {
                checks.hit(Stage::Mute, &rule, "", None);
                found.push((silence.effect, MutedBy::Silence { id: silence.id.clone() }));
            } else if let Some(unmet) = super::checks::obstacle(&silence.matchers, asked.fields) {
                checks.miss(Stage::Mute, Some(&rule), "", || unmet);
            }
        }
        found
    }

    fn windows_of(&self, asked: &Asked<'_>, hits: &mut RuleHits, checks: &mut Checks) -> Mutes {
        let mut found = Mutes::new();
        for window in self.policy.maintenance.candidates(asked.fields) {
            if self.is_in(window, asked, hits, checks) {
                let by = MutedBy::Maintenance { id: WindowId::from(window.id.id.as_str()) };
                found.push((window.effect, by));
            }
        }
        found
    }

    fn is_in(&self, window: &MaintenanceWindow, asked: &Asked<'_>, hits: &mut RuleHits, checks: &mut Checks) -> bool {
        let id = &window.id.id;
        if !self.windows.is_open(id) {
            checks.miss(Stage::Mute, Some(id), "", || Unmet::Closed { opens_at: self.windows.next_change(id) });
            return false;
        }
        let covering = || asked.covering.get_or_init(|| self.windows.covering(&self.topology, asked.spot));
        if !window.subtree.is_empty() && !covering().contains(id) {
            checks.miss(Stage::Mute, Some(id), "", || Unmet::Elsewhere);
            return false;
        }
        self.judge(window, asked, hits, checks)
    }

    fn mute_rules_of(&self, asked: &Asked<'_>, hits: &mut RuleHits, checks: &mut Checks) -> Mutes {
        let mut found = Mutes::new();
        for rule in self.policy.mute.candidates(asked.fields) {
            if self.holds(rule, asked, hits, checks) {
                found.push((rule.effect, MutedBy::Rule { rule: rule.id.id.clone() }));
            }
        }
        found
    }

    fn holds(&self, rule: &MuteRule, asked: &Asked<'_>, hits: &mut RuleHits, checks: &mut Checks) -> bool {
        let id = &rule.id.id;
        if rule.during.is_some() && !self.windows.is_open(id) {
            checks.miss(Stage::Mute, Some(id), "", || Unmet::Closed { opens_at: self.windows.next_change(id) });
            return false;
        }
        self.judge(rule, asked, hits, checks)
    }

    fn judge<R: Rule>(&self, rule: &R, asked: &Asked<'_>, hits: &mut RuleHits, checks: &mut Checks) -> bool {
        let applies = rule.applies(asked.fields, hits);
        if applies {
            checks.hit(Stage::Mute, &rule.name().id, "", None);
        } else {
            checks.unmet(Stage::Mute, rule, asked.fields);
        }
        applies
    }

    /// Looks again at what mutes an alert, and lets go what was kept out and is not any more.
    pub fn remute(&mut self, place: Place) {
        let alert = &self.alerts[place];
        if !alert.is_firing() || (alert.muted_by.is_empty() && self.cannot_be_muted(alert)) {
            return;
        }
        let found = self.mutes(place);
        let effect = found.first().map(|(effect, _)| *effect);
        let by = Few::from(found.into_iter().map(|(_, by)| by).collect::<Vec<MutedBy>>());
        let alert = &mut self.alerts[place];
        if alert.muted_by == by && alert.mute == effect {
            return;
        }
        let took_part = alert.takes_part();
        let before = std::mem::replace(&mut alert.muted_by, by);
        alert.mute = effect;
        let takes_part = alert.takes_part();
        for rule in alert.muted_by.iter().filter(|by| !before.contains(by)).filter_map(rule_of) {
            self.hits.hit(&rule);
        }
        self.moment.alerts.insert(place);
        if !took_part && takes_part {
            self.let_go(place);
        }
    }

    /// An alert that was kept out takes part from now on.
    fn let_go(&mut self, place: Place) {
        for after in self.tuning.clone().revise_after {
            self.deadlines.set(self.now.plus(after), Due::Revise(place));
        }
        self.join_in(place);
    }

    /// Looks again at other alerts than the one whose event is on its way.
    pub fn remute_others(&mut self, alerts: BTreeSet<(AlertId, Place)>) {
        if alerts.is_empty() {
            return;
        }
        let checks = std::mem::take(&mut self.moment.checks);
        for (_, place) in alerts {
            self.remute(place);
        }
        self.moment.checks = checks;
    }

    /// Looks again at firing alerts that these rules mute, or would mute now.
    pub fn remute_for_rules(&mut self, rules: &BTreeSet<RuleId>) {
        let policy = self.policy.clone();
        let mute = policy.mute.all().iter().filter(|rule| rules.contains(&rule.id.id)).collect::<Vec<_>>();
        let windows = policy.maintenance.all().iter().filter(|rule| rules.contains(&rule.id.id)).collect::<Vec<_>>();
        let mut hits = std::mem::take(&mut self.hits);
        let mut concerns = |cell: &Self, alert: &Alert| {
            if alert.muted_by.iter().filter_map(rule_of).any(|rule| rules.contains(&rule)) {
                return true;
            }
            let fields = AlertFields::of(alert, &cell.topology);
            let (asked, mut unrecorded) = (Asked::new(&fields, alert.spot), Checks::default());
            mute.iter().any(|rule| cell.holds(rule, &asked, &mut hits, &mut unrecorded))
                || windows.iter().any(|window| cell.is_in(window, &asked, &mut hits, &mut unrecorded))
        };
        let concerned: Vec<Place> =
            self.firing().into_iter().filter(|place| concerns(self, &self.alerts[*place])).collect();
        self.hits = hits;
        for place in concerned {
            self.remute(place);
        }
    }

    /// Looks again at every firing alert: rules or topology are others.
    pub fn remute_all(&mut self) {
        for place in self.firing() {
            self.remute(place);
        }
    }

    /// The alerts that fire, in the order of their places.
    pub fn firing(&self) -> Vec<Place> {
        self.alerts.iter().filter(|(_, alert)| alert.listed).map(|(place, _)| place).collect()
    }

    fn list_firing(&mut self, place: Place, fires: bool) {
        if let Some(alert) = self.alerts.get_mut(place) {
            let was = std::mem::replace(&mut alert.listed, fires);
            self.firing_now = self.firing_now + usize::from(fires) - usize::from(was);
        }
    }

    /// An alert begins to fire: it may inhibit others.
    pub fn begin_firing(&mut self, place: Place) {
        self.list_firing(place, true);
        self.wake_windows();
        self.take_sides(place);
    }

    /// An alert fires no more: it inhibits nobody.
    pub fn cease_firing(&mut self, place: Place) {
        self.list_firing(place, false);
        self.leave_sides(place);
        if self.patterns.has_raised() {
            self.moment.calmed.push(place);
        }
    }

    /// Fields of a firing alert have changed: other rules may mean it.
    pub fn refield(&mut self, place: Place) {
        self.take_sides(place);
        self.remute(place);
    }
}

/// The rule of the set that mutes; none for people, the CMDB and flapping.
fn rule_of(by: &MutedBy) -> Option<RuleId> {
    match by {
        MutedBy::Maintenance { id } => Some(RuleId::from(id.as_str())),
        MutedBy::Inhibition { rule, .. } | MutedBy::Rule { rule } => Some(rule.clone()),
        MutedBy::Silence { .. } | MutedBy::CiState | MutedBy::Flapping => None,
    }
}
