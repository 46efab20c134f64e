//! Route: which receivers hear of an incident.

use super::policy::Policy;
use super::policy::rule::{Rule, RuleHits};
use crate::domain::ids::{ReceiverId, RuleId};
use crate::domain::matcher::Fields;
use crate::domain::time::{Span, Timestamp};

/// One receiver and how it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteHit {
    pub receiver: ReceiverId,
    pub rule: RuleId,
    /// Wait so long first; an incident that recovers meanwhile tells nobody.
    pub delay: Span,
    /// Tell again at this interval while the incident is open.
    pub repeat: Option<Span>,
    /// Decide and record, but tell nobody.
    pub observe_only: bool,
}

/// All receivers, each once, by the first route that names it. Never empty: a policy has a fallback.
pub fn route(policy: &Policy, fields: &dyn Fields, now: Timestamp, hits: &mut RuleHits) -> Vec<RouteHit> {
    let mut found: Vec<RouteHit> = Vec::new();
    for route in policy.routes.candidates(fields) {
        let open = route.during.as_ref().is_none_or(|during| during.open_until(now).is_some());
        if !open || !route.applies(fields, hits) {
            continue;
        }
        hits.hit(&route.id.id);
        for receiver in &route.receivers {
            if found.iter().all(|hit| hit.receiver != *receiver) {
                found.push(RouteHit {
                    receiver: receiver.clone(),
                    rule: route.id.id.clone(),
                    delay: route.delay,
                    repeat: route.repeat,
                    observe_only: route.observe_only,
                });
            }
        }
        if !route.goes_on {
            break;
        }
    }
    found
}
