//! Groups: the trees of the forest. A group that earns it becomes an incident; until then its alerts are held.

use std::collections::BTreeSet;

use super::alert::{Alert, Bond};
use super::cell::Cell;
use super::deadlines::Due;
use super::fixed::Milli;
use super::lifecycle::Incident;
use super::places::Places;
use super::slab::Place;
use super::tally::Tally;
use crate::domain::alert::AlertState;
use crate::domain::ids::{AlertId, IncidentId};
use crate::domain::incident::{IncidentState, IncidentView, Progress, TimelineKind};
use crate::domain::severity::Severity;
use crate::domain::time::Timestamp;

/// A tree of alerts, counted as it grows.
#[derive(Clone, Debug, Default)]
pub struct Group {
    pub root: Place,
    /// Alerts and inferred causes.
    pub members: Places,
    /// Alerts without the inferred causes.
    pub tally: Tally,
    pub events: u64,
    pub incident: Option<Box<Incident>>,
}

/// How far a group is on the way to an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Merit {
    /// It is one.
    Told,
    Earned,
    /// No alert that counts.
    Empty,
    Chronic,
    /// One alert: it is told when it lasts.
    Alone(Place),
    /// Several, all of them background noise that has not lasted.
    OnlyNoise,
    /// Several, and the model takes them for noise or for a part of something else.
    Doubtful {
        short: Milli,
    },
    /// Minor alerts on too few CIs.
    FewCis {
        cis: u32,
    },
}

impl Group {
    /// A group whose root is `root`; its members are counted in later.
    pub fn of(root: Place) -> Self {
        Self { root, ..Self::default() }
    }

    /// Alerts, without inferred causes.
    pub fn alerts(&self) -> u32 {
        self.tally.all()
    }

    /// Alerts that fire.
    pub fn firing(&self) -> u32 {
        self.tally.firing()
    }

    /// The worst severity among firing alerts, else among all.
    pub fn severity(&self) -> Severity {
        self.tally.severity()
    }
}

impl Cell {
    /// Counts the members of all groups again: snapshots keep the members only.
    pub fn count_groups(&mut self) {
        for (_, group) in self.groups.iter_mut() {
            for alert in group.members.iter().map(|member| &self.alerts[*member]).filter(|a| a.inferred.is_none()) {
                group.tally.add(alert.severity, alert.is_firing());
                group.events += alert.count;
            }
        }
    }

    /// Counts an alert into a group.
    pub fn count_in(&mut self, group: Place, place: Place) {
        let alert = &self.alerts[place];
        let group = &mut self.groups[group];
        group.members.push(place);
        if alert.inferred.is_none() {
            group.tally.add(alert.severity, alert.is_firing());
            group.events += alert.count;
        }
    }

    fn count_out(&mut self, group: Place, place: Place) {
        let alert = &self.alerts[place];
        let group = &mut self.groups[group];
        if alert.inferred.is_none() {
            group.tally.take(alert.severity, alert.is_firing());
            group.events -= alert.count;
        }
    }

    /// Turns an alert on or off and lets its group know.
    pub fn set_firing(&mut self, place: Place, state: AlertState) {
        let group = self.alerts[place].group;
        let severity = self.alerts[place].severity;
        let was = self.alerts[place].is_firing();
        self.alerts[place].state = state;
        let is = self.alerts[place].is_firing();
        self.groups[group].tally.turn(severity, was, is);
        self.moment.alerts.insert(place);
        self.moment.groups.insert(group);
        self.follow_state(group);
        match (was, is) {
            (false, true) => {
                self.fires_anew(group);
                self.begin_firing(place);
            }
            (true, false) => self.cease_firing(place),
            (true, true) | (false, false) => {}
        }
    }

    /// Gives an alert another severity.
    pub fn reseverity(&mut self, place: Place, severity: Severity) {
        let group = self.alerts[place].group;
        let fires = self.alerts[place].is_firing();
        let old = std::mem::replace(&mut self.alerts[place].severity, severity);
        let tree = &mut self.groups[group];
        tree.tally.take(old, fires);
        tree.tally.add(severity, fires);
        if let Some(incident) = tree.incident.as_mut() {
            incident.extent.doubt();
        }
        self.moment.alerts.insert(place);
        self.moment.groups.insert(group);
        self.plan_promotion(place);
        self.consider(group);
    }

    /// Makes `child` hang on `parent`; their groups become one.
    pub fn attach(&mut self, child: Place, parent: Place, bond: Bond, score: i64) {
        let group = self.join(child, parent, bond, score);
        self.consider(group);
    }

    /// As `attach`, but whether the group has earned to be an incident is not asked yet: more may join it. Gives the group.
    pub fn join(&mut self, child: Place, parent: Place, bond: Bond, score: i64) -> Place {
        if self.alerts[parent].bond == Bond::Fold && self.alerts[parent].parent.is_some() {
            self.cut_off(parent);
        }
        let before = self.alerts[child].parent;
        if let Some(before) = before {
            let bond = self.alerts[child].bond;
            self.alerts[before].children.remove(child, bond);
        }
        let alert = &mut self.alerts[child];
        (alert.parent, alert.bond, alert.score) = (Some(parent), bond, score);
        self.alerts[parent].children.push(child, bond);
        let (from, to) = (self.alerts[child].group, self.alerts[parent].group);
        if from != to {
            self.move_subtree(child, from, to);
        }
        self.give_up_spent(before, to);
        to
    }

    /// Makes `child` the root of a group of its own.
    pub fn detach(&mut self, child: Place) {
        if let Some(group) = self.cut_off(child) {
            self.consider(group);
        }
    }

    /// As `detach`, but whether the group has earned to be an incident is not asked yet.
    pub fn cut_off(&mut self, child: Place) -> Option<Place> {
        let old = self.alerts[child].parent?;
        let bond = self.alerts[child].bond;
        self.alerts[old].children.remove(child, bond);
        let alert = &mut self.alerts[child];
        (alert.parent, alert.bond, alert.score) = (None, Bond::Evidence, 0);
        let from = self.alerts[child].group;
        let to = self.groups.insert(Group::of(child));
        self.move_subtree(child, from, to);
        self.give_up_spent(Some(old), to);
        Some(to)
    }

    /// An inferred cause whose last effect went to the group `to` explains nothing any more: it goes, and its
    /// incident goes on over there.
    fn give_up_spent(&mut self, cause: Option<Place>, to: Place) {
        let Some(cause) = cause else { return };
        let Some(alert) = self.alerts.get(cause) else { return };
        if alert.inferred.is_none() || !alert.children.is_empty() {
            return;
        }
        let group = alert.group;
        if self.groups[group].root == cause && group != to {
            self.hand_over(group, to);
            self.groups.remove(group);
            self.follow_state(to);
        } else {
            self.leave(cause);
        }
        self.drop_inferred(cause);
    }

    /// Takes an inferred cause without effects out of its parent and group.
    pub fn leave(&mut self, cause: Place) {
        let Alert { group, bond, parent, .. } = self.alerts[cause];
        if let Some(parent) = parent {
            self.alerts[parent].children.remove(cause, bond);
        }
        self.take_out(group, |m| *m == cause);
    }

    /// Forgets an inferred cause that nothing refers to.
    pub fn drop_inferred(&mut self, cause: Place) {
        let Some(alert) = self.alerts.remove(cause) else { return };
        if let Some(recent) = self.recent.get_mut(&alert.spot) {
            recent.remove(cause);
        }
    }

    /// An alert and everything below it.
    pub fn subtree(&self, top: Place) -> Vec<Place> {
        let mut all = vec![top];
        let mut next = 0;
        while next < all.len() {
            all.extend_from_slice(&self.alerts[all[next]].children);
            next += 1;
        }
        all
    }

    fn move_subtree(&mut self, top: Place, from: Place, to: Place) {
        if self.groups[from].root == top {
            return self.move_whole(from, to);
        }
        let moving = self.subtree(top);
        let (old, into) = (self.incident_id_of(from), self.incident_id_of(to));
        let fires = moving.iter().any(|place| self.alerts[*place].is_firing());
        for place in &moving {
            self.moves_between(*place, old, into);
            self.pass_over(*place, from, to);
        }
        self.note_loss(from, &moving);
        let left: BTreeSet<Place> = moving.into_iter().collect();
        self.take_out(from, |m| left.contains(m));
        self.follow_state(from);
        self.follow_state(to);
        if fires {
            self.fires_anew(to);
        }
        self.plan_to_forget(to);
    }

    /// A group becomes part of another one.
    fn move_whole(&mut self, from: Place, to: Place) {
        let [mine, theirs] = [from, to].map(|group| (self.incident_id_of(group), self.groups[group].firing() > 0));
        self.hand_over(from, to);
        let newcomers_fire = if self.incident_id_of(to) == mine.0 { theirs.1 } else { mine.1 };
        for place in std::mem::take(&mut self.groups[from].members).iter().copied() {
            self.pass_over(place, from, to);
        }
        self.groups.remove(from);
        self.follow_state(to);
        if newcomers_fire {
            self.fires_anew(to);
        }
        self.plan_to_forget(to);
    }

    /// A group without an incident that only has alerts which have ended: the timers of its alerts were the old group's.
    pub fn plan_to_forget(&mut self, place: Place) {
        let Some(group) = self.groups.get(place) else { return };
        if group.incident.is_none() && group.firing() == 0 {
            self.deadlines.set(self.now.plus(self.policy.settings.retention), Due::Forget(place));
        }
    }

    fn pass_over(&mut self, place: Place, from: Place, to: Place) {
        self.count_out(from, place);
        self.alerts[place].group = to;
        self.count_in(to, place);
    }

    /// The incident of a group that another one absorbs goes on there; of two the one that a person named does, else
    /// the older one.
    fn hand_over(&mut self, from: Place, to: Place) {
        let (mine, theirs) = (self.incident_id_of(from), self.incident_id_of(to));
        let Some(mine) = mine else {
            return self.moving_members(from, None, theirs);
        };
        let Some(theirs) = theirs else {
            self.moving_members(to, None, Some(mine));
            self.groups[to].incident = self.groups[from].incident.take();
            self.recount(to);
            self.by_incident.insert(mine, to);
            self.set_timers(to);
            return;
        };
        let age = |group: Place| self.groups[group].incident.as_ref().map(|i| (i.opened_at, i.id));
        let is_theirs = self.moment.survivor.map_or_else(|| age(to) <= age(from), |named| named == theirs);
        let (stays, goes) = if is_theirs { (theirs, mine) } else { (mine, theirs) };
        let losing = if goes == mine { from } else { to };
        self.moving_members(losing, Some(goes), Some(stays));
        let lost = self.end_merged(losing, stays);
        if losing == to {
            self.groups[to].incident = self.groups[from].incident.take();
            self.recount(to);
            self.set_timers(to);
        }
        self.by_incident.insert(stays, to);
        self.inherit(to, lost);
    }

    /// Tells that a group's incident goes on in another one, and takes it away.
    pub fn end_merged(&mut self, group: Place, into: IncidentId) -> Option<Box<Incident>> {
        self.tell_end(group, |view, now| {
            (view.state, view.merged_into, view.closed_at) = (IncidentState::Merged, Some(into), Some(now));
        })
    }

    /// What people did with an incident that ended as merged holds on in that of this group.
    pub fn inherit(&mut self, group: Place, lost: Option<Box<Incident>>) {
        if let (Some(incident), Some(lost)) = (self.groups[group].incident.as_mut(), lost) {
            let (stays, goes) = (incident.id, lost.id);
            incident.take_over(*lost, self.now);
            self.note(stays, "headwater", TimelineKind::Merged, goes.to_string());
        }
    }

    /// Tells of a group's incident for the last time and takes it away.
    fn tell_end(&mut self, group: Place, end: impl Fn(&mut IncidentView, Timestamp)) -> Option<Box<Incident>> {
        let id = self.incident_id_of(group)?;
        let mut view = self.incident_view(group);
        end(&mut view, self.now);
        let incident = self.groups[group].incident.take()?;
        self.by_incident.remove(&id);
        self.notify_end(incident.audience.clone(), group, &view);
        self.moment.ended.push(view);
        Some(incident)
    }

    pub fn moving_members(&mut self, group: Place, old: Option<IncidentId>, new: Option<IncidentId>) {
        let members = self.groups[group].members.to_vec();
        for place in members {
            self.moves_between(place, old, new);
        }
    }

    /// An incident that has lost its last alert is told as closed.
    pub fn end_empty(&mut self, group: Place) {
        self.tell_end(group, |view, now| {
            (view.state, view.progress, view.closed_at) = (IncidentState::Closed, Progress::Closed, Some(now));
        });
        self.groups.remove(group);
    }

    /// The incidents that stand, and the alerts of each.
    pub fn incidents(&self) -> impl Iterator<Item = (IncidentId, BTreeSet<AlertId>)> + use<'_> {
        self.by_incident.iter().map(|(id, group)| {
            let members = self.groups[*group].members.iter().map(|m| &self.alerts[*m]);
            (*id, members.filter(|a| a.inferred.is_none()).map(|a| a.id).collect())
        })
    }

    /// The id of a group's incident.
    pub fn incident_id_of(&self, group: Place) -> Option<IncidentId> {
        self.groups.get(group)?.incident.as_ref().map(|i| i.id)
    }

    /// Makes a held group an incident when it has earned that by now.
    pub fn consider(&mut self, place: Place) {
        self.note_merit(place);
        match self.merit(place) {
            Merit::Earned => self.open(place),
            Merit::Alone(only) if self.alerts[only].lasted => self.open_lone(place, only),
            Merit::Told
            | Merit::Empty
            | Merit::Chronic
            | Merit::Alone(_)
            | Merit::OnlyNoise
            | Merit::Doubtful { .. }
            | Merit::FewCis { .. } => {}
        }
    }

    /// What a group has to be an incident, or what it lacks.
    pub fn merit(&self, place: Place) -> Merit {
        let Some(group) = self.groups.get(place) else { return Merit::Empty };
        if group.incident.is_some() { Merit::Told } else { self.merit_untold(place) }
    }

    /// The same, were it no incident.
    pub fn merit_untold(&self, place: Place) -> Merit {
        let Some(group) = self.groups.get(place) else { return Merit::Empty };
        if group.alerts() == 0 {
            return Merit::Empty;
        }
        if group.members.iter().any(|m| self.alerts[*m].bond == Bond::Rule && self.alerts[*m].takes_part()) {
            return Merit::Earned;
        }
        if self.alerts[group.root].chronic {
            return Merit::Chronic;
        }
        let members = self.counted_members(place);
        if let [only] = members[..] {
            return Merit::Alone(only);
        }
        self.merit_by_model(place, &members).unwrap_or_else(|| self.merit_by_numbers(&members))
    }

    /// Those of a group that make it an incident.
    pub fn counted_members(&self, group: Place) -> Vec<Place> {
        self.groups[group].members.iter().copied().filter(|m| self.alerts[*m].counts_in_incidents()).collect()
    }

    /// Whether several alerts are an incident, by the chosen numbers alone.
    fn merit_by_numbers(&self, members: &[Place]) -> Merit {
        let serious: Vec<Place> = members.iter().copied().filter(|m| self.counts_as_serious(*m)).collect();
        // Of background noise, also of several kinds, only what lasts is told.
        if !serious.is_empty() && serious.iter().all(|m| self.is_noisy(*m)) {
            let lasts = serious.iter().any(|m| self.alerts[*m].lasted);
            return if lasts { Merit::Earned } else { Merit::OnlyNoise };
        }
        let cis: BTreeSet<_> = members.iter().map(|m| self.alerts[*m].spot).collect();
        if !serious.is_empty() || cis.len() >= self.tuning.minor_cis {
            return Merit::Earned;
        }
        Merit::FewCis { cis: cis.len() as u32 }
    }

    fn counts_as_serious(&self, place: Place) -> bool {
        let alert = &self.alerts[place];
        alert.is_serious() && alert.takes_part()
    }

    pub fn is_noisy(&self, place: Place) -> bool {
        let alert = &self.alerts[place];
        alert.noisy || (alert.inferred.is_none() && self.learned.stats(alert.kind).is_noisy())
    }

    /// Makes a group an incident.
    pub fn open(&mut self, group: Place) {
        let id = self.incident_id();
        let members = self.groups[group].members.to_vec();
        let first = members.iter().map(|m| self.alerts[*m].received).min().unwrap_or(self.now);
        self.groups[group].incident = Some(Box::new(Incident::opened(id, self.now, first)));
        self.by_incident.insert(id, group);
        self.moment.opened.insert(id);
        for place in members {
            self.moves_between(place, None, Some(id));
        }
        self.moment.groups.insert(group);
        self.note(id, "headwater", TimelineKind::Opened, "");
        self.count_opening();
        self.follow_state(group);
    }

    /// A timer: not heard of for long.
    pub fn expire(&mut self, place: Place) {
        let Some(alert) = self.alerts.get(place) else { return };
        let due = alert.last_seen.plus(self.policy.settings.expire_after);
        if due > self.now {
            self.deadlines.set(due, Due::Expire(place));
            return;
        }
        if alert.is_firing() {
            self.end(place);
        }
        let group = self.alerts[place].group;
        self.deadlines.set(self.now.plus(self.policy.settings.retention), Due::Forget(group));
    }
}
