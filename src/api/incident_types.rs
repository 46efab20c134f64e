//! Incidents as the API shows them.

use std::sync::Arc;

use serde::Serialize;
use utoipa::ToSchema;

use super::deeds::{ActionItem, ServiceClock, TicketItem};
use super::ending::{ConclusionItem, MajorItem};
use crate::domain::ci::CiRef;
use crate::domain::incident::{Candidate, ChangeView, Evidence, IncidentView, PathStep, TimelineEntry, TimelineKind};
use crate::domain::mute::MutedBy;
use crate::projection::counts::mute_word;
use crate::projection::sight::Sight;
use crate::wording::lang::{Lang, Text};
use crate::wording::mask::mask;
use crate::wording::sentences;
use crate::wording::titles::own_titled;
use crate::wording::words::{AreaWord, IncidentStateWord, PriorityWord, ProgressWord, SeverityWord, TimelineWord};

/// Who looks, and how things are told to it.
pub struct Onlooker {
    pub sight: Sight,
    pub lang: Lang,
    /// Prefix of permanent links.
    pub base_url: String,
}

/// A configuration item, enough to show it.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Ci {
    pub id: String,
    pub name: String,
    pub class: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub area: Option<AreaWord>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub org: Option<String>,
    /// It stands for what the caller may not see, and has no name.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub outside: bool,
}

impl From<&Arc<CiRef>> for Ci {
    fn from(ci: &Arc<CiRef>) -> Self {
        Self {
            id: ci.id.to_string(),
            name: ci.name.to_string(),
            class: ci.class.to_string(),
            area: ci.area.map(Into::into),
            org: ci.org.as_ref().map(ToString::to_string),
            outside: ci.is_outside(),
        }
    }
}

/// One term of a candidate's score.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct EvidenceItem {
    /// The term's word, for example `coverage`.
    #[schema(value_type = String)]
    pub term: crate::domain::incident::EvidenceTerm,
    /// Contribution, per mille of log-odds; may be negative.
    pub points: i32,
    pub n: i64,
    pub of: i64,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub about: String,
    pub text: Text,
}

impl EvidenceItem {
    /// The term with its sentence; `ci` is the name of the candidate.
    pub fn of(evidence: &Evidence, ci: &str) -> Self {
        Self::told(evidence, sentences::evidence(evidence, ci))
    }

    /// The term with a sentence of its own.
    pub fn told(evidence: &Evidence, text: Text) -> Self {
        Self {
            term: evidence.term,
            points: evidence.points,
            n: evidence.n,
            of: evidence.of,
            about: evidence.about.to_string(),
            text,
        }
    }
}

/// A CI that may have started the incident.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct CandidateItem {
    /// 1 is the root cause.
    pub rank: usize,
    pub ci: Ci,
    /// Its first alert, when it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alert: Option<String>,
    /// It has no alert of its own.
    pub inferred: bool,
    /// Share of the posterior, per mille.
    pub score: i32,
    /// A person rejected it.
    pub rejected: bool,
    /// Its alert tells of an attack or a violation: that the others come from it is possible, not proven.
    pub possible: bool,
    pub reason: Text,
    pub evidence: Vec<EvidenceItem>,
}

impl CandidateItem {
    fn of(rank: usize, candidate: &Candidate) -> Self {
        Self {
            rank,
            ci: (&candidate.ci).into(),
            alert: candidate.alert.map(|id| id.to_string()),
            inferred: candidate.inferred,
            score: candidate.score,
            rejected: candidate.rejected,
            possible: candidate.possible,
            reason: sentences::reason(candidate),
            evidence: candidate.evidence.iter().map(|e| EvidenceItem::of(e, &candidate.ci.name)).collect(),
        }
    }
}

/// One step of the propagation path: `effect` was hit through `cause`.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PathItem {
    pub cause: Ci,
    pub effect: Ci,
    pub relation: String,
}

impl From<&PathStep> for PathItem {
    fn from(step: &PathStep) -> Self {
        Self { cause: (&step.cause).into(), effect: (&step.effect).into(), relation: step.relation.to_string() }
    }
}

/// A change shortly before the incident.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ChangeItem {
    pub ci: Ci,
    pub at: String,
    pub title: String,
    pub source: String,
}

impl From<&ChangeView> for ChangeItem {
    fn from(change: &ChangeView) -> Self {
        Self {
            ci: (&change.ci).into(),
            at: change.at.to_string(),
            title: mask(&change.title).into_owned(),
            source: change.source.to_string(),
        }
    }
}

/// One line of a timeline.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct TimelineItem {
    pub at: String,
    /// A user's name, or `headwater`.
    pub actor: String,
    /// The receiver by whose message a person acted; absent: the API or the console.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub via: Box<str>,
    pub kind: TimelineWord,
    pub label: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

impl TimelineItem {
    /// The entry with its label.
    pub fn of(entry: &TimelineEntry, to: &Onlooker) -> Self {
        let (entry, kind) = (to.sight.entry(entry), TimelineWord::from(entry.kind));
        Self {
            at: entry.at.to_string(),
            actor: entry.actor.to_string(),
            via: entry.via.clone(),
            kind,
            label: kind.label(to.lang),
            detail: mask(&entry.detail).into_owned(),
        }
    }
}

/// The root cause in a list row.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct RootItem {
    pub ci: Ci,
    pub inferred: bool,
    pub confirmed: bool,
    /// Its alert tells of an attack or a violation: that the others come from it is possible, not proven.
    pub possible: bool,
    /// Share of the posterior, per mille.
    pub score: i32,
    /// Why we think so: its strongest terms.
    pub reason: Text,
}

/// An incident's row in a list.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct IncidentItem {
    pub id: String,
    /// Permanent link to its page.
    pub url: String,
    pub version: u32,
    /// What the program itself titles so is in the caller's language.
    pub title: String,
    pub headline: Text,
    pub state: IncidentStateWord,
    pub state_label: &'static str,
    pub progress: ProgressWord,
    pub progress_label: &'static str,
    pub severity: SeverityWord,
    pub severity_label: &'static str,
    pub priority: PriorityWord,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub area: Option<AreaWord>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root: Option<RootItem>,
    pub alert_count: u32,
    pub firing_count: u32,
    pub event_count: u64,
    pub ci_count: u32,
    /// Business services that are hit.
    pub services: Vec<String>,
    /// So many more are hit that the caller does not see.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hidden_services: Option<usize>,
    /// Business services that redundancy still keeps up: at risk, not hit.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub at_risk: Vec<String>,
    /// CIs whose monitor is the cause: their own state is not known.
    pub unseen_count: u32,
    pub orgs: Vec<String>,
    /// Its tickets in other systems.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tickets: Vec<TicketItem>,
    /// Its service levels.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub levels: Vec<ServiceClock>,
    /// Receivers that were told of it; only where its timeline is at hand.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub told: Vec<String>,
    pub first_alert_at: String,
    pub opened_at: String,
    pub updated_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acknowledged_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acknowledged_by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assignee: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snoozed_until: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recovered_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub closed_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub merged_into: Option<String>,
    /// What people found out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conclusion: Option<ConclusionItem>,
    /// It is handled as a major incident.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub major: Option<MajorItem>,
}

impl IncidentItem {
    /// The row of an incident, with who was told of it.
    pub fn told<'a>(view: &IncidentView, timeline: impl Iterator<Item = &'a TimelineEntry>, to: &Onlooker) -> Self {
        Self { told: told(timeline), ..Self::of(view, to) }
    }

    /// The row of an incident.
    pub fn of(view: &IncidentView, to: &Onlooker) -> Self {
        let seen = &*to.sight.incident(view);
        let hidden = view.services.len() - seen.services.len();
        Self { hidden_services: Some(hidden).filter(|n| *n > 0), ..Self::seen(seen, to) }
    }

    fn seen(view: &IncidentView, to: &Onlooker) -> Self {
        let (lang, base_url) = (to.lang, &to.base_url);
        let is_outside = view.candidates.first().is_some_and(|root| root.ci.is_outside());
        let outside = || sentences::outside_title().of(lang).to_owned();
        let (state, progress, severity) =
            (IncidentStateWord::from(view.state), ProgressWord::from(view.progress), SeverityWord::from(view.severity));
        let time = |at: Option<crate::domain::time::Timestamp>| at.map(|at| at.to_string());
        Self {
            id: view.id.to_string(),
            url: format!("{base_url}/incidents/{}", view.id),
            version: view.version,
            title: if is_outside { outside() } else { own_titled(&mask(&view.title), lang).into_owned() },
            headline: sentences::headline(view),
            state,
            state_label: state.label(lang),
            progress,
            progress_label: progress.label(lang),
            severity,
            severity_label: severity.label(lang),
            priority: view.priority.into(),
            area: view.area.map(Into::into),
            root: view.candidates.first().map(|c| RootItem {
                ci: (&c.ci).into(),
                inferred: c.inferred,
                confirmed: view.root_confirmed,
                possible: c.possible,
                score: c.score,
                reason: sentences::reason(c),
            }),
            alert_count: view.alert_count,
            firing_count: view.firing_count,
            event_count: view.event_count,
            ci_count: view.ci_count,
            services: view.services.iter().map(ToString::to_string).collect(),
            hidden_services: None,
            at_risk: view.at_risk.iter().map(ToString::to_string).collect(),
            unseen_count: view.unseen_count,
            orgs: view.orgs.iter().map(ToString::to_string).collect(),
            tickets: view.tickets.iter().map(TicketItem::from).collect(),
            levels: view.levels.iter().map(|level| ServiceClock::of(level, to)).collect(),
            told: Vec::new(),
            first_alert_at: view.first_alert_at.to_string(),
            opened_at: view.opened_at.to_string(),
            updated_at: view.updated_at.to_string(),
            acknowledged_at: time(view.acknowledged_at),
            acknowledged_by: view.acknowledged_by.as_ref().map(ToString::to_string),
            assignee: view.assignee.as_ref().map(ToString::to_string),
            snoozed_until: time(view.snoozed_until),
            recovered_at: time(view.recovered_at),
            closed_at: time(view.closed_at),
            merged_into: view.merged_into.map(|id| id.to_string()),
            conclusion: view.conclusion.as_deref().map(Into::into),
            major: view.major.as_ref().map(|major| MajorItem::of(major, view.review)),
        }
    }
}

/// Receivers of notices, without those that the last notice did not reach: the first word of the line.
fn told<'a>(timeline: impl Iterator<Item = &'a TimelineEntry>) -> Vec<String> {
    let mut told: Vec<String> = Vec::new();
    for line in timeline {
        let receiver = line.detail.split([' ', ':']).next().unwrap_or_default();
        if line.kind == TimelineKind::NotifyFailed {
            told.retain(|known| known != receiver);
        } else if line.kind == TimelineKind::Notified && !receiver.is_empty() && !told.iter().any(|t| t == receiver) {
            told.push(receiver.to_owned());
        }
    }
    told
}

/// An incident with everything but its members, which are paged.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct IncidentDetail {
    #[serde(flatten)]
    pub incident: IncidentItem,
    /// Best first; the first one is the root cause.
    pub candidates: Vec<CandidateItem>,
    /// From the root outwards.
    pub path: Vec<PathItem>,
    pub changes: Vec<ChangeItem>,
    /// What executors were asked to do, or would be.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub actions: Vec<ActionItem>,
    /// Oldest first.
    pub timeline: Vec<TimelineItem>,
    /// Older timeline entries that only the history has.
    pub timeline_cut: u64,
    pub topology_version: u64,
    pub ruleset_version: u64,
    /// 0: the model that the program brings along.
    pub model_version: u64,
    /// Receivers that keep tickets and have none of it yet: the order `ticket` files one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ticket_systems: Vec<String>,
    /// The feed's newest change when this was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub feed: Option<String>,
}

impl IncidentDetail {
    /// The page of an incident.
    pub fn of<'a>(
        view: &IncidentView,
        timeline: impl Iterator<Item = &'a TimelineEntry> + Clone,
        to: &Onlooker,
    ) -> Self {
        let incident = IncidentItem::told(view, timeline.clone(), to);
        let view = &*to.sight.incident(view);
        Self {
            incident,
            candidates: view.candidates.iter().enumerate().map(|(i, c)| CandidateItem::of(i + 1, c)).collect(),
            path: view.path.iter().map(Into::into).collect(),
            changes: view.changes.iter().map(Into::into).collect(),
            actions: view.actions.iter().map(|action| ActionItem::of(action, to)).collect(),
            timeline: timeline.map(|entry| TimelineItem::of(entry, to)).collect(),
            timeline_cut: 0,
            topology_version: view.topology_version,
            ruleset_version: view.ruleset_version,
            model_version: view.model_version,
            ticket_systems: Vec::new(),
            feed: None,
        }
    }
}

/// Who muted an alert.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct MuteItem {
    /// silence, maintenance, ci_state, inhibition, flapping or rule.
    pub kind: &'static str,
    /// The silence, window or rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The alert that explains this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alert: Option<String>,
}

impl From<&MutedBy> for MuteItem {
    fn from(by: &MutedBy) -> Self {
        let (id, alert) = match by {
            MutedBy::Silence { id } => (Some(id.to_string()), None),
            MutedBy::Maintenance { id } => (Some(id.to_string()), None),
            MutedBy::Inhibition { rule, source } => (Some(rule.to_string()), Some(source.to_string())),
            MutedBy::Rule { rule } => (Some(rule.to_string()), None),
            MutedBy::CiState | MutedBy::Flapping => (None, None),
        };
        Self { kind: mute_word(by), id, alert }
    }
}
