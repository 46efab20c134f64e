//! What a caller sees of a record that speaks of CIs of several organisations and areas. What it may not see does not exist
//! for it; where a story needs the CI (the root cause, a step of the path), an anonymous one stands in its place.
//! Counts, severity and area are those of the whole incident.

use std::borrow::Cow;
use std::sync::Arc;

use super::board::search_text;
use super::scope::Scope;
use crate::domain::ci::CiRef;
use crate::domain::ids::TenantId;
use crate::domain::incident::{Candidate, IncidentView, PathStep, TimelineEntry, TimelineKind};
use crate::domain::topology::{CiIx, Resolution, Topology};
use crate::engine::verdict::{Check, Stage};

/// A scope, and the topology that tells whose a CI is.
#[derive(Clone, Debug)]
pub struct Sight {
    pub scope: Scope,
    topology: Arc<Topology>,
}

impl Sight {
    /// The sight of a caller.
    pub fn new(scope: Scope, topology: Arc<Topology>) -> Self {
        Self { scope, topology }
    }

    /// Everything of a tenant.
    pub fn whole(tenant: TenantId) -> Self {
        Self::new(Scope::whole(tenant), Topology::none())
    }

    fn is_whole(&self) -> bool {
        self.scope.is_whole()
    }

    /// Whether a CI of the topology is inside.
    pub fn sees_at(&self, ci: CiIx) -> bool {
        self.scope.sees_at(&self.topology, ci)
    }

    /// Whether all CIs with this id, name or other key are inside. What the topology does not know is not.
    pub fn sees_called(&self, key: &str) -> bool {
        self.is_whole()
            || match self.topology.resolve(key) {
                Resolution::One(ci) => self.sees_at(ci),
                Resolution::Ambiguous(cis) => cis.iter().all(|ci| self.sees_at(*ci)),
                Resolution::Unknown => false,
            }
    }

    /// Whether a CI that a record speaks of is inside.
    pub fn sees(&self, ci: &CiRef) -> bool {
        self.scope.sees_ci(Some(ci))
    }

    /// The incident as the caller sees it.
    pub fn incident<'a>(&self, view: &'a IncidentView) -> Cow<'a, IncidentView> {
        if self.is_whole() { Cow::Borrowed(view) } else { Cow::Owned(self.narrowed(view)) }
    }

    /// Whether a text (in lower case) is found in what the caller sees of an incident whose whole text has it.
    pub fn finds(&self, q: &str, view: &IncidentView) -> bool {
        self.is_whole() || search_text(&self.incident(view)).contains(q)
    }

    fn narrowed(&self, view: &IncidentView) -> IncidentView {
        let candidates = view.candidates.iter().enumerate().filter_map(|(place, candidate)| {
            if self.sees(&candidate.ci) {
                return Some(candidate.clone());
            }
            // That there is a root cause is known from what it did; of the others nothing is.
            (place == 0).then(|| anonymous(candidate))
        });
        let is_outside = view.candidates.first().is_some_and(|root| !self.sees(&root.ci));
        let mut seen = IncidentView {
            candidates: candidates.collect(),
            path: self.path(&view.path).into(),
            changes: view.changes.iter().filter(|change| self.sees(&change.ci)).cloned().collect(),
            actions: view.actions.iter().filter(|action| self.sees(&action.ci)).cloned().collect(),
            services: view.services.iter().filter(|service| self.sees_called(service)).cloned().collect(),
            at_risk: view.at_risk.iter().filter(|service| self.sees_called(service)).cloned().collect(),
            ..view.clone()
        };
        seen.orgs.retain(|org| self.scope.knows(org));
        if is_outside {
            // Both name the root cause.
            seen.title = "".into();
            seen.conclusion = None;
        }
        seen
    }

    /// The path with everything outside as one anonymous CI.
    fn path(&self, path: &[PathStep]) -> Vec<PathStep> {
        let end = |ci: &Arc<CiRef>| if self.sees(ci) { ci.clone() } else { CiRef::outside().into() };
        let mut steps: Vec<PathStep> = Vec::new();
        for step in path {
            let (cause, effect) = (end(&step.cause), end(&step.effect));
            let is_known = steps.iter().any(|known| known.cause.id == cause.id && known.effect.id == effect.id);
            if cause.id != effect.id && !is_known {
                steps.push(PathStep { cause, effect, relation: step.relation.clone() });
            }
        }
        steps
    }

    /// A line of a timeline as the caller sees it: a root cause outside has no name.
    pub fn entry<'a>(&self, entry: &'a TimelineEntry) -> Cow<'a, TimelineEntry> {
        let names_ci = match entry.kind {
            TimelineKind::Opened
            | TimelineKind::RootChanged
            | TimelineKind::RootConfirmed
            | TimelineKind::RootRejected
            | TimelineKind::ChangeAttached => true,
            TimelineKind::AlertsJoined
            | TimelineKind::AlertsLeft
            | TimelineKind::SeverityChanged
            | TimelineKind::StateChanged
            | TimelineKind::Acknowledged
            | TimelineKind::Unacknowledged
            | TimelineKind::Assigned
            | TimelineKind::Commented
            | TimelineKind::Snoozed
            | TimelineKind::Woken
            | TimelineKind::Merged
            | TimelineKind::Split
            | TimelineKind::Moved
            | TimelineKind::Reopened
            | TimelineKind::Closed
            | TimelineKind::Storm
            | TimelineKind::Notified
            | TimelineKind::WouldNotify
            | TimelineKind::NotifyFailed
            | TimelineKind::Escalated
            | TimelineKind::NobodyAnswered
            | TimelineKind::TicketFiled
            | TimelineKind::TicketOrdered
            | TimelineKind::ActionAsked
            | TimelineKind::ActionApproved
            | TimelineKind::ActionDenied
            | TimelineKind::ActionRequested
            | TimelineKind::ActionReported
            | TimelineKind::ActionFailed
            | TimelineKind::ActionHeldBack
            | TimelineKind::LevelNear
            | TimelineKind::LevelBreached
            | TimelineKind::NoLongerReported
            | TimelineKind::MajorDeclared
            | TimelineKind::MajorRevoked
            | TimelineKind::Concluded
            | TimelineKind::Reviewed => false,
        };
        if !names_ci || self.sees_called(&entry.detail) {
            return Cow::Borrowed(entry);
        }
        Cow::Owned(TimelineEntry { detail: "".into(), ..entry.clone() })
    }

    /// A check as the caller sees it: correlation speaks of the objects of other alerts, and what a rule or silence
    /// asks for that did not apply is its own affair.
    pub fn check<'a>(&self, check: &'a Check) -> Option<Cow<'a, Check>> {
        if !self.is_whole() && !check.matched && check.rule.is_some() {
            return None;
        }
        Some(self.about(check))
    }

    fn about<'a>(&self, check: &'a Check) -> Cow<'a, Check> {
        if check.stage != Stage::Correlate || self.sees_called(&check.about) {
            return Cow::Borrowed(check);
        }
        Cow::Owned(Check { about: "".into(), ..check.clone() })
    }
}

fn anonymous(candidate: &Candidate) -> Candidate {
    Candidate {
        ci: CiRef::outside().into(),
        alert: None,
        inferred: false,
        score: candidate.score,
        evidence: Vec::new(),
        rejected: false,
        possible: candidate.possible,
    }
}
