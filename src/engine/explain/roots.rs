//! Why a CI is not taken for the root cause: outranked, elsewhere, or silent without enough of a sign.

use super::{Altered, Answer, Reason, Unranked, Weighed, WhatIf};
use crate::domain::ids::{CiId, IncidentId};
use crate::domain::incident::{Candidate, Evidence};
use crate::domain::topology::CiIx;
use crate::engine::alert::Spot;
use crate::engine::cell::Cell;
use crate::engine::fixed::Milli;
use crate::engine::silent::Suspect;
use crate::engine::slab::Place;

/// Alerts of the incident that are asked whether the CI is upstream of them.
const ASKED_MAX: usize = 500;

impl Cell {
    pub(super) fn explain_not_root(&mut self, incident: IncidentId, id: &CiId) -> Answer {
        let group = match self.sought_incident(incident) {
            Ok(group) => group,
            Err(answer) => return answer,
        };
        let Some(ci) = self.topology.find(id.as_str()) else {
            return Answer::because(Reason::UnknownCi(id.clone()));
        };
        let ranked = self.rank(group);
        let mut answer = match ranked.iter().position(|candidate| candidate.ci.id == *id) {
            Some(0) => self.first(&ranked),
            Some(rank) => self.outranked(&ranked, rank),
            None => self.no_candidate(group, ci, ranked.len() as u32),
        };
        let is_so = answer.reasons.first() == Some(&Reason::IsSo);
        if !is_so {
            answer.if_only(Altered::Person, true);
        }
        answer
    }

    fn first(&self, ranked: &[Candidate]) -> Answer {
        let needs = ranked.get(1).map_or(0, sum);
        Answer { weighed: vec![self.as_root(&ranked[0], needs)], ..Answer::because(Reason::IsSo) }
    }

    fn as_root(&self, candidate: &Candidate, needs: Milli) -> Weighed {
        let cause = match self.topology.find(candidate.ci.id.as_str()) {
            Some(ci) => self.node_of_ci(ci, candidate.alert),
            None => super::Node {
                alert: candidate.alert,
                object: candidate.ci.id.as_str().into(),
                name: candidate.ci.name.clone(),
                ci: Some(candidate.ci.id.clone()),
                incident: None,
            },
        };
        let evidence = candidate.evidence.clone();
        Weighed { cause, effect: None, bond: None, rule: None, evidence, sum: sum(candidate), needs }
    }

    /// A candidate, but not the first: which terms make the difference?
    fn outranked(&self, ranked: &[Candidate], rank: usize) -> Answer {
        let (best, mine) = (&ranked[0], &ranked[rank]);
        let difference = sum(best) - sum(mine);
        let mut answer = Answer::default();
        if mine.rejected {
            answer.add(Reason::Root(Unranked::Rejected));
        }
        let (rank, by) = (rank as u32 + 1, best.ci.id.clone());
        answer.add(Reason::Root(Unranked::Outranked { rank, by, difference }));
        answer.weighed = vec![self.as_root(mine, sum(best)), self.as_root(best, sum(mine))];
        let points = |of: &Candidate, like: &Evidence| -> Milli {
            of.evidence.iter().filter(|e| e.term == like.term).map(|e| Milli::from(e.points)).sum()
        };
        let mut seen = Vec::new();
        for term in best.evidence.iter().chain(&mine.evidence) {
            let gain = points(best, term) - points(mine, term);
            if gain > 0 && !seen.contains(&term.term) {
                seen.push(term.term);
                let change = Altered::Term { term: term.term };
                answer.what_if.push(WhatIf { change, gain: Some(gain), enough: gain > difference });
            }
        }
        answer
    }

    fn no_candidate(&mut self, group: Place, ci: CiIx, weighed: u32) -> Answer {
        let here: Vec<Place> = self.recent_on(Spot::Ci(ci)).collect();
        if here.iter().any(|place| self.alerts[*place].group == group) {
            return Answer::because(Reason::Root(Unranked::NotWeighed { weighed }));
        }
        let mut answer = Answer::default();
        let own: Vec<Place> = here.into_iter().filter(|place| self.alerts[*place].inferred.is_none()).collect();
        for place in own.iter().copied() {
            let (alert, incident) = (self.alerts[place].id, self.incident_of(place));
            answer.add(Reason::Root(Unranked::AlertElsewhere { alert, incident }));
        }
        match own.last() {
            // It could only be the root with its own alert: why is that elsewhere?
            Some(newest) => {
                let elsewhere = self.elsewhere(*newest, group);
                answer.reasons.extend(elsewhere.reasons);
                (answer.weighed, answer.what_if) = (elsewhere.weighed, elsewhere.what_if);
            }
            None => self.silent(group, ci, &mut answer),
        }
        answer
    }

    /// As a silent cause: how many of the alerts are below it, and what their accusation weighs.
    fn silent(&mut self, group: Place, ci: CiIx, answer: &mut Answer) {
        let (topology, tuning) = (self.topology.clone(), self.tuning.clone());
        let members = &self.groups[group].members;
        let alerts: Vec<Place> =
            members.iter().copied().filter(|m| self.alerts[*m].inferred.is_none()).take(ASKED_MAX).collect();
        let (mut downstream, mut best): (u32, Option<Suspect>) = (0, None);
        for place in &alerts {
            let Some(at) = self.alerts[*place].spot.ci() else { continue };
            let ups = self.upstream.of(&topology, &tuning, at);
            let Some(up) = ups.iter().find(|up| up.ci == ci) else { continue };
            downstream += 1;
            let suspect = self.weigh(ci, *place, up.delay);
            best = best.into_iter().chain(suspect).max_by_key(|suspect| suspect.score);
        }
        let of = alerts.len() as u32;
        let Some(suspect) = best else {
            let few = if downstream == 0 { Unranked::NotUpstream } else { Unranked::TooFew { downstream, of } };
            return answer.add(Reason::Root(few));
        };
        let short = -suspect.score;
        if short >= 0 {
            answer.add(Reason::Root(Unranked::TooWeak { downstream, of, short }));
        }
        let (expected, shown) = (suspect.expected, suspect.shown);
        if !suspect.is_shown() {
            answer.add(Reason::Root(Unranked::NotShown { expected, shown }));
            answer.if_only(Altered::MoreShown { more: suspect.lacking() as u32 }, short < 0);
        }
        if answer.reasons.is_empty() {
            answer.add(Reason::NotYet);
        }
        let cause = self.node_of_ci(ci, None);
        let (evidence, sum) = (suspect.evidence(), suspect.score);
        answer.weighed.push(Weighed { cause, effect: None, bond: None, rule: None, evidence, sum, needs: 0 });
    }
}

fn sum(candidate: &Candidate) -> Milli {
    candidate.evidence.iter().map(|e| Milli::from(e.points)).sum()
}
