//! Why nobody was told: muted, held, over too soon, or a matter of routes.

use super::{Altered, Answer, Held, Reason, Untold, Weighed};
use crate::domain::ids::{AlertId, IncidentId};
use crate::domain::incident::IncidentState;
use crate::engine::audience::Known;
use crate::engine::cell::Cell;
use crate::engine::group::Merit;
use crate::engine::logit;
use crate::engine::slab::Place;

impl Cell {
    pub(super) fn explain_not_told_of(&mut self, alert: AlertId) -> Answer {
        let place = match self.sought_alert(alert) {
            Ok(place) => place,
            Err(answer) => return answer,
        };
        let muted = &self.alerts[place].muted_by;
        if !muted.is_empty() {
            let mut answer = Answer::default();
            answer.reasons.extend(muted.iter().map(|by| Reason::Muted(by.clone())));
            answer.if_only(Altered::NotMuted, true);
            return answer;
        }
        let Some(incident) = self.incident_of(place) else { return self.explain_held(place) };
        let mut answer = self.explain_not_told(incident);
        answer.reasons.insert(0, Reason::InIncident(incident));
        answer.path = self.path_of(place);
        answer
    }

    /// Why an alert has no incident, by the engine's own test.
    pub(super) fn explain_held(&mut self, place: Place) -> Answer {
        let mut answer = Answer::default();
        if !self.alerts[place].is_firing() {
            answer.add(Reason::Ended);
        }
        answer.reasons.extend(self.alerts[place].muted_by.iter().map(|by| Reason::Muted(by.clone())));
        let until = self.held_until(place);
        let lasts = until.map(|until| Altered::Lasts { until });
        let group = self.alerts[place].group;
        match self.merit(group) {
            Merit::Told | Merit::Earned => answer.add(Reason::NotYet),
            Merit::Empty => answer.add(Reason::Ended),
            Merit::Chronic => answer.add(Reason::Chronic),
            Merit::Alone(only) => {
                answer.add(Reason::Held(Held::Alone { until }));
                answer.weighed.extend(self.asked_of_lone(only).map(|asked| self.as_asked(only, &asked)));
                lasts.into_iter().for_each(|change| answer.if_only(change, true));
                answer.if_only(Altered::Second, false);
            }
            Merit::OnlyNoise => {
                answer.add(Reason::Held(Held::OnlyNoise));
                lasts.into_iter().for_each(|change| answer.if_only(change, true));
            }
            Merit::Doubtful { short } => {
                answer.add(Reason::Held(Held::Doubtful { short }));
                let root = self.groups[group].root;
                answer.weighed.extend(
                    self.asked_of_several(group, &self.counted_members(group)).map(|asked| self.as_asked(root, &asked)),
                );
                answer.if_only(Altered::Second, false);
            }
            Merit::FewCis { cis } => {
                let needed = self.tuning.minor_cis as u32;
                answer.add(Reason::Held(Held::FewCis { cis, needed }));
                answer.if_only(Altered::MoreCis { more: needed.saturating_sub(cis) }, true);
                answer.if_only(Altered::Serious, true);
            }
        }
        answer.if_only(Altered::Rule, true);
        answer
    }

    /// What the model was asked of an alert, or of the group below it, term by term.
    fn as_asked(&self, place: Place, asked: &logit::Weighed) -> Weighed {
        let (cause, evidence) = (self.node(place), self.weighed(asked));
        Weighed { cause, effect: None, bond: None, rule: None, evidence, sum: asked.score, needs: 0 }
    }

    pub(super) fn explain_not_told(&mut self, incident: IncidentId) -> Answer {
        let group = match self.sought_incident(incident) {
            Ok(group) => group,
            Err(answer) => return answer,
        };
        let mut answer = Answer::default();
        self.of_listeners(group, &mut answer);
        let known = self.groups[group].incident.as_ref().expect("found by its incident");
        if let Some(until) = known.snoozed_until {
            answer.add(Reason::Told(Untold::Snoozed { until }));
        }
        let over = matches!(known.state, IncidentState::Recovered | IncidentState::Closed);
        if over && known.audience.listeners.iter().all(|l| l.knows == Known::Nothing) {
            answer.add(Reason::Told(Untold::OverBefore));
        }
        if self.policy.settings.observe_only {
            answer.add(Reason::Told(Untold::ObserveOnly));
        }
        for receiver in self.flows.waiting_with(incident) {
            answer.add(Reason::Told(Untold::InDigest { receiver }));
        }
        let view = self.view_aside(group);
        for (rule, unmet) in self.unmet_routes(group, &view) {
            answer.add(Reason::Told(Untold::Route { rule, unmet }));
        }
        for (rule, why) in self.inactions(group, &view) {
            answer.add(Reason::Action { rule, why });
        }
        answer
    }

    fn of_listeners(&self, group: Place, answer: &mut Answer) {
        let Some(incident) = self.groups[group].incident.as_ref() else { return };
        let audience = &incident.audience;
        for listener in &audience.listeners {
            let (receiver, rule) = (listener.receiver.clone(), listener.rule.clone());
            match listener.knows {
                Known::Nothing | Known::Gone if listener.due > self.now => {
                    answer.add(Reason::Told(Untold::NotDue { receiver, rule, due: listener.due }));
                    answer.if_only(Altered::Lasts { until: listener.due }, true);
                }
                Known::Nothing | Known::Gone if audience.hushed => {
                    answer.add(Reason::Told(Untold::Hushed));
                    answer.if_only(Altered::NotMuted, true);
                }
                Known::Nothing | Known::Gone => answer.add(Reason::NotYet),
                Known::Opened | Known::Recovered | Known::Closed if listener.observe_only => {
                    answer.add(Reason::Told(Untold::TriedOut { receiver, rule }));
                }
                Known::Opened | Known::Recovered | Known::Closed => {
                    answer.add(Reason::Told(Untold::Told { receiver, rule, at: listener.told_at }));
                }
            }
        }
    }
}
