//! Root cause: which CI most likely started an incident, ranked, with every term of the score.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use super::alert::{Alert, Bond};
use super::cell::Cell;
use super::fixed::{Milli, exp_ppm, ln_permille, ln_ratio};
use super::policy::priorities::Times;
use super::slab::Place;
use crate::domain::ci::Area;
use crate::domain::ids::CiId;
use crate::domain::incident::{Candidate, ChangeView, Evidence, EvidenceTerm, IncidentView, PathStep, TimelineKind};
use crate::domain::severity::Severity;
use crate::domain::time::{Span, Timestamp};
use crate::domain::topology::CiIx;

/// Candidates told.
const CANDIDATES_MAX: usize = 10;
/// Steps of the propagation path told.
const PATH_MAX: usize = 50;
/// A change this long before the first alert is evidence.
const CHANGE_WINDOW: Span = Span::mins(30);
/// Stands for changes that were never looked at.
const NOTHING_KNOWN: u64 = u64::MAX;
/// What a change just before is worth, a person's word, a rule's, and being the top of the tree.
const CHANGE_POINTS: Milli = 1500;
/// So far upstream a change counts.
const CHANGE_HOPS_MAX: u8 = 2;
const PERSON_POINTS: Milli = 20_000;
const RULE_POINTS: Milli = 10_000;
const TREE_POINTS: Milli = 3000;
/// A detector that sees something on others sees nothing on a silent one.
const CALM_POINTS: Milli = -1500;

impl Cell {
    /// The incident as effects show it; ranks its candidates again when it has changed enough.
    pub fn incident_view(&mut self, place: Place) -> IncidentView {
        self.count_extent(place);
        self.rank_if_stale(place);
        let times = if self.policy.key_period(self.now).is_some() { Times::Key } else { Times::Usual };
        self.note_severity(place, self.groups[place].severity());
        let (now, topology_version, changes_known) = (self.now, self.topology_version, self.changes_known);
        if self.groups[place].incident.as_ref().is_some_and(|i| i.changes_for != changes_known) {
            let changes = self.changes_near(place);
            let incident = self.groups[place].incident.as_mut().expect("only called for incidents");
            let is_ranked_without = incident.changes_for != NOTHING_KNOWN && incident.changes != changes;
            (incident.changes, incident.changes_for) = (changes, changes_known);
            if is_ranked_without {
                self.rank_again(place);
            }
        }
        let group = &mut self.groups[place];
        let (worst, alerts, firing, events) = (group.severity(), group.alerts(), group.firing(), group.events);
        let incident = group.incident.as_mut().expect("only called for incidents");
        incident.version += 1;
        let severity = incident.severity.unwrap_or(worst);
        let area: Option<Area> = incident.candidates.first().and_then(|c| c.ci.area);
        IncidentView {
            id: incident.id,
            tenant: self.tenant.clone(),
            version: incident.version,
            title: incident.title.clone(),
            state: incident.state,
            progress: incident.progress,
            severity,
            priority: self.policy.priorities.of(severity, incident.extent.reach, times),
            candidates: incident.candidates.clone(),
            tickets: incident.tickets.as_slice().into(),
            actions: incident.care.actions.as_slice().into(),
            levels: incident.care.levels.as_slice().into(),
            path: incident.path.clone(),
            changes: incident.changes.clone(),
            alert_count: alerts,
            firing_count: firing,
            event_count: events,
            ci_count: incident.extent.cis(),
            area,
            services: incident.extent.services.clone(),
            at_risk: incident.extent.at_risk.clone(),
            unseen_count: incident.extent.unseen(),
            orgs: incident.extent.orgs.to_vec(),
            first_alert_at: incident.first_alert_at,
            opened_at: incident.opened_at,
            updated_at: now,
            acknowledged_at: incident.acknowledged_at,
            acknowledged_by: incident.acknowledged_by.clone(),
            assignee: incident.assignee.clone(),
            snoozed_until: incident.snoozed_until,
            recovered_at: incident.recovered_at,
            closed_at: incident.closed_at,
            merged_into: incident.merged_into,
            root_confirmed: incident.root_confirmed,
            conclusion: incident.ending.conclusion.clone(),
            major: incident.ending.major.clone(),
            review: incident.ending.review,
            topology_version,
            model_version: self.model_version,
            ruleset_version: self.policy.version,
        }
    }

    /// Writes down that the severity follows the alerts.
    fn note_severity(&mut self, place: Place, severity: Severity) {
        let incident = self.groups[place].incident.as_mut().expect("only called for incidents");
        let before = incident.shown.replace(severity);
        if before.is_some_and(|before| before != severity) && incident.severity.is_none() {
            let id = incident.id;
            self.note(id, "headwater", TimelineKind::SeverityChanged, severity.as_str());
        }
    }

    /// "<root CI>: <its alert>", or what is known. Never another CI's alert: whoever sees the root cause sees the title.
    fn title(&self, place: Place, best: Option<&Candidate>) -> Box<str> {
        let group = &self.groups[place];
        let (named, root): (&str, _) = match best {
            Some(best) => {
                let own = group.members.iter().map(|m| &self.alerts[*m]).find(|alert| Some(alert.id) == best.alert);
                let Some(own) = own else { return format!("{} ({})", best.ci.name, best.ci.class).into() };
                (&best.ci.name, own)
            }
            None => (&self.alerts[group.root].object, &self.alerts[group.root]),
        };
        let what = if root.title.is_empty() { &root.name } else { &root.title };
        if what.contains(named) { what.as_ref().into() } else { format!("{named}: {what}").into() }
    }

    /// Changes near the start of the incident, on its candidates and on what the likeliest one depends on.
    fn changes_near(&mut self, place: Place) -> Arc<[ChangeView]> {
        let Some(incident) = self.groups[place].incident.as_ref().filter(|_| !self.changes.is_empty()) else {
            return Arc::default();
        };
        let (from, to) = (incident.first_alert_at.minus(CHANGE_WINDOW), incident.first_alert_at.plus(Span::mins(5)));
        let mut cis: Vec<CiIx> =
            incident.candidates.iter().filter_map(|c| self.topology.find(c.ci.id.as_str())).collect();
        if let Some(first) = cis.first().copied() {
            for up in
                self.upstream.of(&self.topology, &self.tuning, first).iter().filter(|up| up.hops <= CHANGE_HOPS_MAX)
            {
                if !cis.contains(&up.ci) {
                    cis.push(up.ci);
                }
            }
        }
        let near = |change: &&ChangeView| from <= change.at && change.at <= to;
        cis.iter().filter_map(|ci| self.changes.get(ci)).flatten().filter(near).cloned().collect()
    }

    /// The last change shortly before `onset`, of a CI or of what it depends on: the nearer, the more it says.
    fn recent_change(&mut self, ci: CiIx, onset: Timestamp) -> Option<Evidence> {
        if self.changes.is_empty() {
            return None;
        }
        let found = |changes: &[ChangeView]| {
            let is_near = |change: &&ChangeView| (0..=CHANGE_WINDOW.0).contains(&onset.since(change.at).0);
            changes.iter().rev().find(is_near).map(|change| (change.at, change.title.clone()))
        };
        let term = |points, at: Timestamp, about| Evidence {
            about,
            ..term(EvidenceTerm::RecentChange, points, onset.since(at).0, 0)
        };
        if let Some((at, title)) = self.changes.get(&ci).and_then(|changes| found(changes)) {
            return Some(term(CHANGE_POINTS, at, title));
        }
        let ups = self.upstream.of(&self.topology, &self.tuning, ci);
        let mut above = ups.iter().filter(|up| up.ci != ci && up.hops <= CHANGE_HOPS_MAX);
        let (up, (at, title)) = above.find_map(|up| Some((up, found(self.changes.get(&up.ci)?)?)))?;
        let points = (CHANGE_POINTS / 2 + up.path).max(0);
        Some(term(points, at, format!("{}: {title}", self.topology.name(up.ci)).into()))
    }

    fn rank_if_stale(&mut self, place: Place) {
        let group = &self.groups[place];
        let (root, size) = (group.root, group.members.len() as u32);
        let incident = group.incident.as_ref().expect("only called for incidents");
        let (ranked_root, ranked_size) = incident.ranked_for;
        if ranked_root == root && ranked_size > 0 && size < ranked_size + 1 + ranked_size / 4 && size >= ranked_size {
            return;
        }
        // Other candidates, other changes.
        self.groups[place].incident.as_mut().expect("only called for incidents").changes_for = NOTHING_KNOWN;
        self.rank_again(place);
    }

    fn rank_again(&mut self, place: Place) {
        let group = &self.groups[place];
        let (root, size) = (group.root, group.members.len() as u32);
        let incident = group.incident.as_ref().expect("only called for incidents");
        let before = incident.candidates.first().map(|c| c.ci.id.clone());
        let id = incident.id;
        let candidates: Arc<[Candidate]> = self.rank(place).into();
        let path: Arc<[PathStep]> = self.path(place).into();
        let after = candidates.first().map(|c| c.ci.id.clone());
        if before.is_some() && before != after {
            self.note(id, "headwater", TimelineKind::RootChanged, after.as_ref().map_or("", CiId::as_str));
        }
        let title = self.title(place, candidates.first());
        let incident = self.groups[place].incident.as_mut().expect("only called for incidents");
        // What a person confirmed was another one.
        incident.root_confirmed &= before == after || incident.chosen_root.is_some();
        (incident.candidates, incident.path, incident.title) = (candidates, path, title);
        incident.ranked_for = (root, size);
    }

    /// Alerts below each alert of the tree, itself included; inferred causes do not count.
    fn coverage(&self, root: Place) -> BTreeMap<Place, i64> {
        let order = self.subtree(root);
        let mut below = BTreeMap::new();
        for place in order.iter().rev() {
            let alert = &self.alerts[*place];
            let own = i64::from(alert.inferred.is_none());
            let children: i64 = alert.children.iter().map(|c| below.get(c).copied().unwrap_or(0)).sum();
            below.insert(*place, own + children);
        }
        below
    }

    /// The CIs that may have started the incident, likeliest first.
    pub fn rank(&mut self, place: Place) -> Vec<Candidate> {
        let group = &self.groups[place];
        let incident = group.incident.as_ref().expect("only called for incidents");
        let below = self.coverage(group.root);
        let total = i64::from(group.alerts()).max(1);
        let mut nodes: Vec<Place> = group.members.to_vec();
        nodes.sort_by_cached_key(|p| {
            let alert = &self.alerts[*p];
            (*p != group.root, -below.get(p).copied().unwrap_or(0), self.onset(alert), alert.id)
        });
        let anomalies = self.anomalies(&group.members);
        let firsts = self.firsts(&group.members);
        let mut seen = BTreeSet::new();
        let mut found: Vec<(CiIx, Timestamp, Candidate)> = Vec::new();
        for node in nodes {
            let alert = &self.alerts[node];
            let Some(ci) = alert.spot.ci() else { continue };
            let is_chosen = incident.chosen_root == Some(ci);
            if (found.len() >= CANDIDATES_MAX && !is_chosen) || !seen.insert(ci) {
                continue;
            }
            let mut evidence = self.terms(place, node, below.get(&node).copied().unwrap_or(0), total);
            evidence.extend(self.time_order(group.root, alert, firsts.before(ci)));
            if let Some((odds, anomaly)) = anomalies.get(&ci) {
                evidence.push(term(EvidenceTerm::Anomaly, *odds, (*anomaly).into(), 1000));
            } else if alert.inferred.is_some() && !anomalies.is_empty() {
                evidence.push(term(EvidenceTerm::Anomaly, CALM_POINTS, 0, 1000));
            }
            if is_chosen {
                evidence.push(term(EvidenceTerm::Person, PERSON_POINTS, 1, 0));
            }
            let rejected = incident.rejected_roots.contains(&ci);
            if rejected {
                evidence.push(term(EvidenceTerm::Person, -PERSON_POINTS, -1, 0));
            }
            let own = alert.inferred.is_none().then_some(alert.id);
            let possible = total > 1 && alert.tells_of_a_violation();
            let candidate = Candidate {
                ci: self.ci_ref(ci),
                alert: own,
                inferred: own.is_none(),
                score: 0,
                evidence,
                rejected,
                possible,
            };
            found.push((ci, self.onset(alert), candidate));
        }
        if let Some(ci) = incident.chosen_root.filter(|ci| !seen.contains(ci)) {
            found.push((ci, incident.first_alert_at, self.said_to_be_root(ci)));
        }
        let mut scored: Vec<(Milli, Candidate)> = Vec::with_capacity(found.len());
        for (ci, onset, mut candidate) in found {
            candidate.evidence.extend(self.recent_change(ci, onset));
            candidate.evidence.shrink_to_fit();
            scored.push((candidate.evidence.iter().map(|e| Milli::from(e.points)).sum(), candidate));
        }
        scored.sort_by_key(|s| std::cmp::Reverse(s.0));
        let best = scored.first().map_or(0, |s| s.0);
        let weight: i64 = scored.iter().map(|s| exp_ppm(s.0 - best)).sum::<i64>().max(1);
        scored
            .into_iter()
            .map(|(score, mut candidate)| {
                candidate.score = (exp_ppm(score - best) * 1000 / weight) as i32;
                candidate
            })
            .collect()
    }

    /// What a person takes for the cause without an alert of it in the incident.
    fn said_to_be_root(&self, ci: CiIx) -> Candidate {
        let prior = i64::from(self.topology.class(ci).root_prior);
        let evidence = vec![
            term(EvidenceTerm::Person, PERSON_POINTS, 1, 0),
            term(EvidenceTerm::ClassPrior, ln_permille(prior) / 4, prior, 1000),
        ];
        let ci = self.ci_ref(ci);
        Candidate { ci, alert: None, inferred: true, score: 0, evidence, rejected: false, possible: false }
    }

    /// When the incident's CIs began to alert, as far as one has to know to compare any of them with the others.
    fn firsts(&self, members: &[Place]) -> Firsts {
        let mut firsts = Firsts::default();
        for alert in members.iter().map(|m| &self.alerts[*m]).filter(|alert| alert.inferred.is_none()) {
            firsts.note(self.onset(alert), alert.spot.ci());
        }
        firsts
    }

    /// The strongest anomaly on each CI, as log-odds and score.
    fn anomalies(&self, members: &[Place]) -> BTreeMap<CiIx, (Milli, u16)> {
        let mut strongest = BTreeMap::new();
        for alert in members.iter().map(|m| &self.alerts[*m]) {
            let (Some(ci), Some(odds)) = (alert.spot.ci(), alert.anomaly_odds()) else { continue };
            let known = strongest.entry(ci).or_insert((odds, alert.anomaly));
            *known = (*known).max((odds, alert.anomaly));
        }
        strongest
    }

    fn terms(&self, group: Place, node: Place, below: i64, total: i64) -> Vec<Evidence> {
        let (group, alert) = (&self.groups[group], &self.alerts[node]);
        let mut terms = vec![term(EvidenceTerm::Coverage, ln_ratio(below.max(1) as u64, total as u64), below, total)];
        if node == group.root {
            terms.push(term(EvidenceTerm::Path, TREE_POINTS, 0, 0));
        } else {
            terms.push(term(EvidenceTerm::Explained, -alert.score.clamp(0, 5000), 0, 0));
        }
        if alert.inferred.is_some() {
            terms.push(term(EvidenceTerm::Silent, -500, 0, 0));
        } else {
            let rank = i64::from(alert.severity.rank());
            terms.push(term(EvidenceTerm::OwnAlert, 150 * (rank - 3), rank, 5));
        }
        if let Some(rule) = self.ruled_by(node) {
            let is_root = alert.rare.ruled.as_deref().is_some_and(|ruled| ruled.is_root);
            let points = if is_root { RULE_POINTS } else { 0 };
            terms.push(Evidence { about: rule.as_str().into(), ..term(EvidenceTerm::Rule, points, 1, 0) });
        }
        if alert.declared_symptom {
            terms.push(term(EvidenceTerm::DeclaredSymptom, -1500, 0, 0));
        }
        if let Some(ci) = alert.spot.ci() {
            let prior = i64::from(self.topology.class(ci).root_prior);
            terms.push(term(EvidenceTerm::ClassPrior, ln_permille(prior) / 4, prior, 1000));
        }
        terms
    }

    /// How long before the top of the tree it began is what counts; how long before the first of the others, what is told.
    fn time_order(&self, root: Place, alert: &Alert, others: Option<Timestamp>) -> Option<Evidence> {
        let onset = self.onset(alert);
        let points = (self.onset(&self.alerts[root]).since(onset).0 / 20).clamp(-1000, 300);
        let says = points != 0 || alert.inferred.is_none();
        Some(term(EvidenceTerm::TimeOrder, points, others?.since(onset).0, 0)).filter(|_| says)
    }

    /// The tree from the root outwards, nearest first.
    fn path(&self, place: Place) -> Vec<PathStep> {
        let mut steps = Vec::new();
        let mut queue = VecDeque::from([self.groups[place].root]);
        while let Some(node) = queue.pop_front().filter(|_| steps.len() < PATH_MAX) {
            for child in &self.alerts[node].children {
                queue.push_back(*child);
                let (Some(cause), Some(effect)) = (self.alerts[node].spot.ci(), self.alerts[*child].spot.ci()) else {
                    continue;
                };
                if cause == effect || steps.len() >= PATH_MAX {
                    continue;
                }
                let edge = self.topology.causes(effect).iter().find(|e| e.ci == cause);
                let relation: Arc<str> = match edge {
                    Some(edge) => self.topology.kind(edge.kind).relation.clone(),
                    None => match self.alerts[*child].bond {
                        Bond::Rule => "rule".into(),
                        Bond::Person => "person".into(),
                        Bond::Evidence | Bond::Joint | Bond::Fold => "indirect".into(),
                    },
                };
                steps.push(PathStep { cause: self.ci_ref(cause), effect: self.ci_ref(effect), relation });
            }
        }
        steps
    }
}

/// The CI that began to alert first, and when the first of the others did.
#[derive(Default)]
struct Firsts {
    first: Option<(Timestamp, Option<CiIx>)>,
    next: Option<Timestamp>,
}

impl Firsts {
    fn note(&mut self, at: Timestamp, ci: Option<CiIx>) {
        match self.first {
            Some((first, of)) if of == ci => self.first = Some((first.min(at), of)),
            Some((first, _)) if first <= at => self.next = Some(self.next.map_or(at, |next| next.min(at))),
            Some((first, _)) => (self.first, self.next) = (Some((at, ci)), Some(first)),
            None => self.first = Some((at, ci)),
        }
    }

    /// When the first of the other CIs began.
    fn before(&self, ci: CiIx) -> Option<Timestamp> {
        self.first.filter(|(_, of)| *of != Some(ci)).map_or(self.next, |(first, _)| Some(first))
    }
}

fn term(term: EvidenceTerm, points: Milli, n: i64, of: i64) -> Evidence {
    Evidence { term, points: points.clamp(-30_000, 30_000) as i32, n, of, about: "".into() }
}
