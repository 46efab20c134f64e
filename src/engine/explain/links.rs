//! Why an alert is not part of an incident: every link that could have brought it there is weighed as correlation does.

use super::{Altered, Answer, Reason, Unlinked, Weighed, WhatIf};
use crate::domain::ids::{AlertId, IncidentId};
use crate::domain::severity::Severity;
use crate::domain::time::Span;
use crate::engine::alert::Bond;
use crate::engine::cell::Cell;
use crate::engine::correlate::{Link, NoLink, Terms};
use crate::engine::fixed::Milli;
use crate::engine::slab::Place;

/// Alerts of each incident that are looked at as causes.
const CAUSES_MAX: usize = 1000;

/// A link that is possible.
pub(super) struct Found {
    effect: Place,
    cause: Place,
    terms: Terms,
    /// Typical delay of the relation; none across a relation that lacks.
    typical: Option<Span>,
    pub(super) told: Weighed,
}

impl Found {
    /// By how much it is good enough.
    const fn margin(&self) -> Milli {
        self.told.sum - self.told.needs
    }
}

impl Cell {
    pub(super) fn explain_not_in(&mut self, alert: AlertId, incident: IncidentId) -> Answer {
        let (place, group) = match (self.sought_alert(alert), self.sought_incident(incident)) {
            (Ok(place), Ok(group)) => (place, group),
            (Err(answer), _) | (_, Err(answer)) => return answer,
        };
        if self.alerts[place].group == group {
            let mut answer = Answer::because(Reason::IsSo);
            answer.path = self.path_of(place);
            return answer;
        }
        let mut answer = self.elsewhere(place, group);
        answer.path = self.path_of(place);
        answer.if_only(Altered::Person, true);
        answer
    }

    /// Why an alert is not in a group in which it is not.
    pub(super) fn elsewhere(&mut self, place: Place, group: Place) -> Answer {
        self.barred(place).unwrap_or_else(|| self.best_of_links(place, group))
    }

    /// What keeps an alert out of every incident, or where it is.
    fn barred(&self, place: Place) -> Option<Answer> {
        let alert = &self.alerts[place];
        if !alert.takes_part() {
            let mut answer = Answer::default();
            answer.reasons.extend(alert.muted_by.iter().map(|by| Reason::Muted(by.clone())));
            answer.if_only(Altered::NotMuted, false);
            return Some(answer);
        }
        if alert.chronic {
            return Some(Answer::because(Reason::Chronic));
        }
        let bound = matches!(alert.bond, Bond::Person | Bond::Rule);
        bound.then(|| Answer::because(Reason::Bound(self.ruled_by(place).cloned())))
    }

    fn best_of_links(&mut self, place: Place, group: Place) -> Answer {
        let mut best: Option<Found> = None;
        let mut obstacle: Option<(u8, Unlinked)> = None;
        for (effect, cause) in self.pairs(place, group) {
            match self.weigh_link(effect, cause) {
                Ok(found) if best.as_ref().is_none_or(|b| found.margin() > b.margin()) => best = Some(found),
                Ok(_) => {}
                Err(reason) => {
                    let rank = nearness(&reason);
                    if obstacle.as_ref().is_none_or(|(known, _)| rank < *known) {
                        obstacle = Some((rank, reason));
                    }
                }
            }
        }
        let Some(best) = best else {
            let mut answer = Answer::because(Reason::Link(obstacle.map_or(Unlinked::NoCi, |(_, why)| why)));
            answer.if_only(Altered::Rule, true);
            return answer;
        };
        let mut answer = Answer { weighed: vec![best.told.clone()], ..Answer::default() };
        if best.margin() <= 0 {
            answer.add(Reason::Link(Unlinked::TooWeak { short: -best.margin() }));
            answer.what_if = self.what_if(&best);
            answer.if_only(Altered::Rule, true);
            return answer;
        }
        self.beaten(&best, &mut answer);
        answer
    }

    /// A link was good enough, and yet another one holds.
    fn beaten(&mut self, best: &Found, answer: &mut Answer) {
        let effect = best.effect;
        if self.descends(best.cause, effect) {
            return answer.add(Reason::Link(Unlinked::Below));
        }
        let Some(parent) = self.alerts[effect].parent else { return answer.add(Reason::NotYet) };
        let other = self.bound(effect, parent);
        let by = other.sum - best.told.sum;
        let bond = self.alerts[effect].bond;
        answer.add(match bond {
            Bond::Person | Bond::Rule => Reason::Bound(other.rule.clone()),
            Bond::Evidence | Bond::Joint | Bond::Fold if by < 0 => Reason::NotYet,
            Bond::Evidence | Bond::Joint | Bond::Fold => {
                Reason::Link(Unlinked::Better { than: Box::new(other.cause.clone()), by })
            }
        });
        answer.weighed.push(other);
        answer.what_if = self.what_if(best);
        for one in &mut answer.what_if {
            one.enough = one.gain.is_some_and(|gain| gain > by);
        }
    }

    /// The links that would bring the alert into the group: it, or the top of its tree, as an effect of an alert there;
    /// or the top of that tree as an effect of one here.
    fn pairs(&self, place: Place, group: Place) -> Vec<(Place, Place)> {
        let (here, there) = (&self.groups[self.alerts[place].group], &self.groups[group]);
        let members =
            |of: &crate::engine::group::Group| of.members.iter().copied().take(CAUSES_MAX).collect::<Vec<_>>();
        let theirs = members(there);
        let mut pairs: Vec<(Place, Place)> = theirs.iter().map(|cause| (place, *cause)).collect();
        if here.root != place {
            pairs.extend(theirs.iter().map(|cause| (here.root, *cause)));
        }
        pairs.extend(members(here).into_iter().map(|cause| (there.root, cause)));
        pairs
    }

    /// Weighs one alert as the cause of another, with the engine's own terms.
    pub(super) fn weigh_link(&mut self, effect: Place, cause: Place) -> Result<Found, Unlinked> {
        let (link, terms, typical) = self.link_between(effect, cause, None)?;
        let background = self.background(effect);
        let appraised = self.appraise(effect, &link, &terms, background);
        let mut evidence = terms.evidence(background);
        evidence.extend(appraised.weighed.iter().flat_map(|weighed| self.weighed(weighed)));
        let told = Weighed {
            cause: self.node(cause),
            effect: Some(self.node(effect)),
            bond: None,
            rule: None,
            evidence,
            sum: appraised.sum,
            needs: appraised.needs,
        };
        Ok(Found { effect, cause, terms, typical, told })
    }

    /// The link from one alert to another; `delay` instead of the one that was.
    fn link_between(
        &mut self,
        effect: Place,
        cause: Place,
        delay: Option<Span>,
    ) -> Result<(Link, Terms, Option<Span>), Unlinked> {
        let onset =
            delay.map_or_else(|| self.onset(&self.alerts[effect]), |delay| self.onset(&self.alerts[cause]).plus(delay));
        let (spot, from) = (self.alerts[effect].spot, self.alerts[cause].spot);
        if !self.recent_on(from).any(|place| place == cause) {
            return Err(Unlinked::NotAmongNewest { kept: self.tuning.recent_max as u32 });
        }
        let alert = self.unexplained(effect, onset);
        if spot == from {
            let (link, terms) = self.link_here(&alert, cause).map_err(reason)?;
            return Ok((link, terms, Some(self.tuning.same_ci_delay)));
        }
        let (Some(ci), Some(from)) = (spot.ci(), from.ci()) else { return Err(Unlinked::NoCi) };
        let (topology, tuning) = (self.topology.clone(), self.tuning.clone());
        let ups = self.upstream.of(&topology, &tuning, ci);
        match ups.iter().find(|up| up.ci == from) {
            Some(up) => {
                let (link, terms) = self.link_from(&alert, cause, up).map_err(reason)?;
                Ok((link, terms, Some(up.delay)))
            }
            None => {
                let across = self.gap_between(effect, cause, onset);
                let (link, terms) = across.ok_or(Unlinked::NoPath { hops_max: tuning.hops_max })?;
                Ok((link, terms, None))
            }
        }
    }

    /// What would have made the link strong enough, each alone: the same sum with one term changed.
    fn what_if(&mut self, found: &Found) -> Vec<WhatIf> {
        let (effect, cause, terms, short) = (found.effect, found.cause, found.terms, -found.margin());
        let background = self.background(effect);
        let mut changed: Vec<(Altered, Terms, Milli)> = Vec::new();
        if let Some(to) = found.typical
            && let Ok((_, other, _)) = self.link_between(effect, cause, Some(to))
        {
            changed.push((Altered::Delay { from: terms.delay, to: other.delay }, other, background));
        }
        if terms.hops > 1 || terms.among > 0 {
            changed.push((Altered::Relation, Terms { path: 0, hops: 1, among: 0, ..terms }, background));
        }
        let alert = &self.alerts[cause];
        if alert.inferred.is_none() && alert.severity < Severity::Major {
            let gain = self.cause_score_at(alert, Severity::Critical) - self.cause_score(alert);
            let gain = if terms.hops == 0 { gain / 2 } else { gain };
            let severe = Terms { cause: terms.cause + gain, ..terms };
            changed.push((Altered::CauseSeverity { from: alert.severity }, severe, background));
        }
        changed.push((Altered::CauseKnown, Terms { cause: 0, ..terms }, background));
        changed.push((Altered::EffectKnown, Terms { symptom: 0, ..terms }, background));
        changed.push((Altered::Rarer, terms, self.tuning.background_min));
        let gain = |terms: Terms, background: Milli| {
            let link = Link { parent: cause, score: terms.score() };
            self.appraise(effect, &link, &terms, background).sum - found.told.sum
        };
        changed
            .into_iter()
            .map(|(change, terms, background)| (change, gain(terms, background)))
            .filter(|(_, gain)| *gain > 0)
            .map(|(change, gain)| WhatIf { change, gain: Some(gain), enough: gain > short })
            .collect()
    }
}

/// Which of several obstacles says most: the nearest to a link first.
const fn nearness(reason: &Unlinked) -> u8 {
    match reason {
        Unlinked::DelayUnfit { .. } => 0,
        Unlinked::Late { .. } => 1,
        Unlinked::Early { .. } => 2,
        Unlinked::CauseTakesNoPart => 3,
        Unlinked::NotAmongNewest { .. } => 4,
        Unlinked::NoPath { .. } => 5,
        Unlinked::NoCi => 6,
        Unlinked::Below | Unlinked::TooWeak { .. } | Unlinked::Better { .. } => 7,
    }
}

fn reason(no: NoLink) -> Unlinked {
    match no {
        NoLink::CannotCause => Unlinked::CauseTakesNoPart,
        NoLink::ItsEffect => Unlinked::Below,
        NoLink::Later(delay) => Unlinked::Early { by: Span(-delay.0) },
        NoLink::TooLate { delay, most } => Unlinked::Late { delay, most },
        NoLink::DelayUnfit { delay, typical } => Unlinked::DelayUnfit { delay, typical },
    }
}
