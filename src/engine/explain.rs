//! Explain: why something did not happen, and what would have changed that. Every number comes from the functions that
//! decide; an answer changes nothing.

mod chain;
mod links;
mod roots;
mod told;

use super::Engine;
use super::alert::Bond;
use super::cell::{Cell, Moment};
use super::fixed::Milli;
use super::oncall::control::Inaction;
use super::slab::Place;
use super::verdict::Unmet;
use crate::domain::ids::{AlertId, CiId, IncidentId, ReceiverId, RuleId, TenantId};
use crate::domain::incident::{Evidence, EvidenceTerm, IncidentView};
use crate::domain::mute::MutedBy;
use crate::domain::severity::Severity;
use crate::domain::time::{Span, Timestamp};

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// How did the alert come into its incident?
    Path { alert: AlertId },
    /// Why is the alert not part of the incident?
    NotIn { alert: AlertId, incident: IncidentId },
    /// Why is the CI not taken for the root cause?
    NotRoot { incident: IncidentId, ci: CiId },
    /// Why was nobody told of the alert?
    NotToldOfAlert { alert: AlertId },
    /// Why was nobody told of the incident?
    NotTold { incident: IncidentId },
}

impl Question {
    /// The alert and the incident that the question names.
    pub const fn names(&self) -> (Option<AlertId>, Option<IncidentId>) {
        match self {
            Self::Path { alert } | Self::NotToldOfAlert { alert } => (Some(*alert), None),
            Self::NotIn { alert, incident } => (Some(*alert), Some(*incident)),
            Self::NotRoot { incident, .. } | Self::NotTold { incident } => (None, Some(*incident)),
        }
    }
}

/// What there is to say, the reason that decided first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// The moment whose state was asked, by the engine's clock.
    pub as_of: Timestamp,
    pub ruleset_version: u64,
    pub model_version: u32,
    pub reasons: Vec<Reason>,
    /// What was weighed, with every term.
    pub weighed: Vec<Weighed>,
    /// The least change first that would have been enough.
    pub what_if: Vec<WhatIf>,
    /// From the alert up to the top of its tree.
    pub path: Vec<Weighed>,
}

/// An alert, or a cause without one, in an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// None: it was inferred, or the CI has no alert there.
    pub alert: Option<AlertId>,
    /// The CI's id, or the object that the CMDB does not know.
    pub object: Box<str>,
    pub name: Box<str>,
    /// For readers who may not see every CI.
    pub ci: Option<CiId>,
    pub incident: Option<IncidentId>,
}

/// One explanation as the engine weighs it.
#[derive(Clone, Debug, PartialEq)]
pub struct Weighed {
    pub cause: Node,
    /// None: the cause is weighed as a root, or as what is to be told.
    pub effect: Option<Node>,
    /// How the two are bound, where they are.
    pub bond: Option<Bond>,
    pub rule: Option<RuleId>,
    pub evidence: Vec<Evidence>,
    /// The evidence's sum, and what it must be above.
    pub sum: Milli,
    pub needs: Milli,
}

/// Something that would have changed the result.
#[derive(Clone, Debug, PartialEq)]
pub struct WhatIf {
    pub change: Altered,
    /// By how much the sum would be higher; none where it is no matter of a sum.
    pub gain: Option<Milli>,
    /// It would have been enough alone.
    pub enough: bool,
}

/// What would have been otherwise.
#[derive(Clone, Debug, PartialEq)]
pub enum Altered {
    /// The CMDB has a direct relation from cause to effect.
    Relation,
    /// The delay was what the relation usually takes.
    Delay { from: Span, to: Span },
    /// The cause's alert is critical.
    CauseSeverity { from: Severity },
    /// Alerts of the cause's type are known to have effects.
    CauseKnown,
    /// Alerts of the effect's type are known to be effects.
    EffectKnown,
    /// Alerts of the effect's type hardly ever come alone.
    Rarer,
    /// Nothing mutes it.
    NotMuted,
    /// It goes on firing until then.
    Lasts { until: Timestamp },
    /// It is major or critical.
    Serious,
    /// Another alert hangs together with it.
    Second,
    /// So many CIs show minor alerts.
    MoreCis { more: u32 },
    /// More of the direct dependents show the fault.
    MoreShown { more: u32 },
    /// The candidate is no worse than the first one in this term.
    Term { term: EvidenceTerm },
    /// A person orders it.
    Person,
    /// A rule asks for it.
    Rule,
}

/// Why something did not happen.
#[derive(Clone, Debug, PartialEq)]
pub enum Reason {
    /// It is so: the question has no ground.
    IsSo,
    /// The engine does not have it any more, or not yet.
    AlertGone(AlertId),
    IncidentGone(IncidentId),
    UnknownCi(CiId),
    Muted(MutedBy),
    /// It flaps without effects.
    Chronic,
    /// A rule, or a person, has put it where it is.
    Bound(Option<RuleId>),
    /// It is good enough as of now; the next look at it decides.
    NotYet,
    Ended,
    InIncident(IncidentId),
    /// What explains it brought it there.
    Explained {
        by: Box<Node>,
        bond: Bond,
    },
    /// Nothing explains it: others are in its incident because of it.
    Top,
    Link(Unlinked),
    Root(Unranked),
    Held(Held),
    Told(Untold),
    /// What became of an action rule.
    Action {
        rule: RuleId,
        why: Inaction,
    },
}

/// Why no link joins an alert to an incident.
#[derive(Clone, Debug, PartialEq)]
pub enum Unlinked {
    /// The best explanation is weaker than what is needed.
    TooWeak {
        short: Milli,
    },
    /// Another explanation is better.
    Better {
        than: Box<Node>,
        by: Milli,
    },
    /// No relation, known or lacking, leads from one to the other.
    NoPath {
        hops_max: u8,
    },
    /// One of the two is no CI.
    NoCi,
    /// It began before its cause, and further than clocks can be apart.
    Early {
        by: Span,
    },
    Late {
        delay: Span,
        most: Span,
    },
    DelayUnfit {
        delay: Span,
        typical: Span,
    },
    CauseTakesNoPart,
    /// There are so many newer alerts on the CI that this one is not looked at any more.
    NotAmongNewest {
        kept: u32,
    },
    /// What would be its cause hangs below it.
    Below,
}

/// Why a CI is not taken for the root cause.
#[derive(Clone, Debug, PartialEq)]
pub enum Unranked {
    /// A person said it is not.
    Rejected,
    Outranked {
        rank: u32,
        by: CiId,
        difference: Milli,
    },
    /// It has an alert in the incident, but others explain more.
    NotWeighed {
        weighed: u32,
    },
    AlertElsewhere {
        alert: AlertId,
        incident: Option<IncidentId>,
    },
    /// None of the incident's alerts is downstream of it.
    NotUpstream,
    /// It has no alert of its own, and too few lone alerts accuse it.
    TooFew {
        downstream: u32,
        of: u32,
    },
    TooWeak {
        downstream: u32,
        of: u32,
        short: Milli,
    },
    /// Too few of its direct dependents show the fault, per mille.
    NotShown {
        expected: i64,
        shown: i64,
    },
}

/// Why an alert has no incident.
#[derive(Clone, Debug, PartialEq)]
pub enum Held {
    /// It waits until then at the latest; none: until there is other evidence.
    Alone { until: Option<Timestamp> },
    /// Of background noise only what lasts is told.
    OnlyNoise,
    /// The model takes them for noise or for a part of something else.
    Doubtful { short: Milli },
    /// Minor alerts on too few CIs.
    FewCis { cis: u32, needed: u32 },
}

/// Why nobody was told of an incident, or that somebody was.
#[derive(Clone, Debug, PartialEq)]
pub enum Untold {
    /// A route is only tried out.
    TriedOut {
        receiver: ReceiverId,
        rule: RuleId,
    },
    /// The whole policy is.
    ObserveOnly,
    NotDue {
        receiver: ReceiverId,
        rule: RuleId,
        due: Timestamp,
    },
    /// All its firing alerts are muted.
    Hushed,
    Snoozed {
        until: Timestamp,
    },
    /// It was over before anybody was to be told.
    OverBefore,
    InDigest {
        receiver: ReceiverId,
    },
    Told {
        receiver: ReceiverId,
        rule: RuleId,
        at: Timestamp,
    },
    Route {
        rule: RuleId,
        unmet: Unmet,
    },
}

impl Engine {
    /// Answers from the state as it is now; none: nothing is known of the tenant.
    pub fn explain(&mut self, tenant: &TenantId, question: &Question) -> Option<Answer> {
        let now = self.now;
        let cell = self.cells.get_mut(tenant)?;
        cell.now = now;
        let mut answer = match question {
            Question::Path { alert } => cell.explain_path(*alert),
            Question::NotIn { alert, incident } => cell.explain_not_in(*alert, *incident),
            Question::NotRoot { incident, ci } => cell.explain_not_root(*incident, ci),
            Question::NotToldOfAlert { alert } => cell.explain_not_told_of(*alert),
            Question::NotTold { incident } => cell.explain_not_told(*incident),
        };
        answer.as_of = now;
        (answer.ruleset_version, answer.model_version) = (cell.policy.version, cell.tuning.version);
        let order = |w: &WhatIf| (!w.enough, w.gain.is_none(), w.gain);
        answer.what_if.sort_by_key(order);
        Some(answer)
    }
}

impl Answer {
    /// An answer with one reason.
    fn because(reason: Reason) -> Self {
        Self { reasons: vec![reason], ..Self::default() }
    }

    fn add(&mut self, reason: Reason) {
        self.reasons.push(reason);
    }

    fn if_only(&mut self, change: Altered, enough: bool) {
        self.what_if.push(WhatIf { change, gain: None, enough });
    }
}

impl Cell {
    /// The alert's place; else the answer that it is gone.
    fn sought_alert(&self, alert: AlertId) -> Result<Place, Answer> {
        self.by_alert.get(&alert).copied().ok_or_else(|| Answer::because(Reason::AlertGone(alert)))
    }

    fn sought_incident(&self, incident: IncidentId) -> Result<Place, Answer> {
        let gone = || Answer::because(Reason::IncidentGone(incident));
        self.by_incident.get(&incident).copied().ok_or_else(gone)
    }

    fn node(&self, place: Place) -> Node {
        let alert = &self.alerts[place];
        let ci = alert.spot.ci();
        Node {
            alert: alert.inferred.is_none().then_some(alert.id),
            object: ci.map_or_else(|| alert.object.as_ref().into(), |ci| self.topology.id(ci).as_str().into()),
            name: if alert.title.is_empty() { alert.name.as_ref().into() } else { alert.title.as_ref().into() },
            ci: ci.map(|ci| self.topology.id(ci).clone()),
            incident: self.incident_of(place),
        }
    }

    /// The incident as effects would show it, without the traces that showing leaves.
    fn view_aside(&mut self, group: Place) -> IncidentView {
        let kept = self.groups[group].incident.clone();
        let view = self.incident_view(group);
        self.groups[group].incident = kept;
        self.moment = Moment::default();
        view
    }
}
