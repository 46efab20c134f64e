//! The data of what is told on NATS: version 1. A field may be added; one that changes its meaning or goes makes a
//! version 2 beside it.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::domain::alert::{AlertState, AlertView};
use crate::domain::ci::CiRef;
use crate::domain::event::{Side, Signal};
use crate::domain::ids::AlertId;
use crate::domain::incident::{Candidate, IncidentState, IncidentView, Progress};
use crate::domain::title;
use crate::projection::shared::{CountsForm, MetaForm};

/// A configuration item of the CMDB.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct CiForm {
    pub id: String,
    pub name: String,
    /// Its class, for example `server`.
    pub class: String,
}

/// A CI that may be the root cause.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct CauseForm {
    pub ci: CiForm,
    /// Its first alert, when it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alert: Option<String>,
    /// It has no alert of its own: it was inferred from what depends on it.
    pub inferred: bool,
    /// Its alert tells of an attack or a violation: that the others come from it is possible, not proven.
    pub possible: bool,
    /// How likely, per mille.
    pub score: i32,
}

/// One step of how the fault spread.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct StepForm {
    pub cause: CiForm,
    pub effect: CiForm,
    /// The relation between them, for example `hosts`.
    pub relation: String,
}

/// A title in each language.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct TitlesForm {
    pub zh: String,
    pub en: String,
}

fn titles(title: &str) -> Option<TitlesForm> {
    let (own, before) = title::own(title)?;
    Some(TitlesForm { zh: format!("{before}{}", own.zh), en: format!("{before}{}", own.en) })
}

/// An incident: many alerts under one probable root cause.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(title = "Headwater incident, version 1")]
pub struct IncidentForm {
    pub id: String,
    pub tenant: String,
    /// Grows with every change; a later message with a lower version is older.
    pub version: u32,
    /// What the program titles itself is there in both languages.
    pub title: String,
    /// In each language, where the program titles it itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub titles: Option<TitlesForm>,
    /// `abnormal`, `recovering`, `recovered`, `closed` or `merged`.
    pub state: String,
    /// `triggered`, `processing` or `closed`.
    pub progress: String,
    /// `critical`, `major`, `minor`, `warning`, `indeterminate` or `cleared`.
    pub severity: String,
    /// `P1` (first) to `P4`.
    pub priority: String,
    /// The probable root cause; none when no CI is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root: Option<CauseForm>,
    /// Best first, at most ten.
    pub candidates: Vec<CauseForm>,
    /// From the root outwards.
    pub path: Vec<StepForm>,
    pub alerts: u32,
    pub firing: u32,
    pub events: u64,
    pub cis: u32,
    /// Business services that are affected.
    pub services: Vec<String>,
    /// Business services that redundancy still keeps up.
    pub at_risk: Vec<String>,
    /// CIs whose monitor is the cause: their own state is not known.
    pub unseen: u32,
    pub orgs: Vec<String>,
    /// Alerts that came and went with this version.
    pub joined: Vec<String>,
    pub left: Vec<String>,
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
    pub recovered_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub closed_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub merged_into: Option<String>,
    pub topology_version: u64,
    pub ruleset_version: u64,
    /// 0: the model that the program brings along.
    pub model_version: u64,
}

impl IncidentForm {
    /// An incident as it is with this version.
    pub fn new(view: &IncidentView, joined: &[AlertId], left: &[AlertId]) -> Self {
        let text = |text: &Option<Box<str>>| text.as_ref().map(ToString::to_string);
        let candidates: Vec<CauseForm> = view.candidates.iter().map(cause).collect();
        Self {
            id: view.id.to_string(),
            tenant: view.tenant.to_string(),
            version: view.version,
            title: view.title.to_string(),
            titles: titles(&view.title),
            state: state(view.state).to_owned(),
            progress: progress(view.progress).to_owned(),
            severity: view.severity.as_str().to_owned(),
            priority: view.priority.as_str().to_owned(),
            root: candidates.first().cloned(),
            candidates,
            path: view
                .path
                .iter()
                .map(|step| StepForm {
                    cause: ci(&step.cause),
                    effect: ci(&step.effect),
                    relation: step.relation.to_string(),
                })
                .collect(),
            alerts: view.alert_count,
            firing: view.firing_count,
            events: view.event_count,
            cis: view.ci_count,
            services: view.services.iter().map(ToString::to_string).collect(),
            at_risk: view.at_risk.iter().map(ToString::to_string).collect(),
            unseen: view.unseen_count,
            orgs: view.orgs.iter().map(ToString::to_string).collect(),
            joined: joined.iter().map(ToString::to_string).collect(),
            left: left.iter().map(ToString::to_string).collect(),
            first_alert_at: view.first_alert_at.to_string(),
            opened_at: view.opened_at.to_string(),
            updated_at: view.updated_at.to_string(),
            acknowledged_at: view.acknowledged_at.map(|at| at.to_string()),
            acknowledged_by: text(&view.acknowledged_by),
            assignee: text(&view.assignee),
            recovered_at: view.recovered_at.map(|at| at.to_string()),
            closed_at: view.closed_at.map(|at| at.to_string()),
            merged_into: view.merged_into.map(|id| id.to_string()),
            topology_version: view.topology_version,
            ruleset_version: view.ruleset_version,
            model_version: view.model_version,
        }
    }
}

/// An alert: a condition on a CI, from firing to resolved.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(title = "Headwater alert, version 1")]
pub struct AlertForm {
    pub id: String,
    pub tenant: String,
    pub source: String,
    pub name: String,
    /// What the program titles itself is there in both languages.
    pub title: String,
    /// In each language, where the program titles it itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub titles: Option<TitlesForm>,
    pub severity: String,
    /// `firing` or `resolved`.
    pub state: String,
    /// None when the CMDB does not know the object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ci: Option<CiForm>,
    pub object: String,
    pub labels: std::collections::BTreeMap<String, String>,
    /// The kind of telemetry that it comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal: Option<Signal>,
    /// Where in the estate the signal was taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub side: Option<Side>,
    pub first_seen: String,
    pub last_seen: String,
    pub starts_at: String,
    /// Events folded into it when this was told.
    pub count: u64,
    /// By a silence, a maintenance window or inhibition.
    pub muted: bool,
    pub flapping: bool,
    /// Firing but without an incident yet.
    pub held: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub incident: Option<String>,
}

impl AlertForm {
    /// An alert as it is now.
    pub fn new(view: &AlertView) -> Self {
        let state = match view.state {
            AlertState::Firing => "firing",
            AlertState::Resolved => "resolved",
        };
        Self {
            id: view.id.to_string(),
            tenant: view.tenant.to_string(),
            source: view.source.to_string(),
            name: view.name.to_string(),
            title: view.title.to_string(),
            titles: titles(&view.title),
            severity: view.severity.as_str().to_owned(),
            state: state.to_owned(),
            ci: view.ci.as_deref().map(ci),
            object: view.object.to_string(),
            labels: view.labels.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect(),
            signal: view.signal,
            side: view.side,
            first_seen: view.first_seen.to_string(),
            last_seen: view.last_seen.to_string(),
            starts_at: view.starts_at.to_string(),
            count: view.count,
            muted: !view.muted_by.is_empty(),
            flapping: view.flapping,
            held: view.held,
            incident: view.incident.map(|id| id.to_string()),
        }
    }
}

/// An event that could not be taken. It is kept and can be tried again (`POST /api/v1/dead-letters/{ref}/replay`).
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(title = "Headwater dead letter, version 1")]
pub struct DeadLetterForm {
    pub event_ref: String,
    pub source: String,
    /// `malformed`, `too_large`, `bad_time` or `over_limit`.
    pub reason: String,
    /// Where, and what to do.
    pub detail: String,
    /// What refused it.
    pub decoder: String,
    /// The event as it came, at most 64 KiB.
    pub raw: String,
    pub received_at: String,
}

/// What somebody ordered, and what became of it.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(title = "Headwater order, version 1")]
pub struct OrderForm {
    /// Its place in the journal.
    pub seq: u64,
    pub actor: String,
    /// For example `acknowledge`.
    pub order: String,
    /// Its other fields, for example the incident.
    pub about: Value,
    /// Why it was not done; none: it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// It had been sent before, and nothing was done now.
    pub again: bool,
    pub at: String,
}

fn ci(ci: &CiRef) -> CiForm {
    CiForm { id: ci.id.to_string(), name: ci.name.to_string(), class: ci.class.to_string() }
}

fn cause(candidate: &Candidate) -> CauseForm {
    CauseForm {
        ci: ci(&candidate.ci),
        alert: candidate.alert.map(|id| id.to_string()),
        inferred: candidate.inferred,
        possible: candidate.possible,
        score: candidate.score,
    }
}

const fn state(state: IncidentState) -> &'static str {
    match state {
        IncidentState::Abnormal => "abnormal",
        IncidentState::Recovering => "recovering",
        IncidentState::Recovered => "recovered",
        IncidentState::Closed => "closed",
        IncidentState::Merged => "merged",
    }
}

const fn progress(progress: Progress) -> &'static str {
    match progress {
        Progress::Triggered => "triggered",
        Progress::Processing => "processing",
        Progress::Closed => "closed",
    }
}

/// The published schemas: file name and text.
pub fn schemas() -> Vec<(&'static str, String)> {
    let text =
        |schema: schemars::Schema| serde_json::to_string_pretty(&schema).expect("a schema has text keys only") + "\n";
    vec![
        ("incident.v1.json", text(schemars::schema_for!(IncidentForm))),
        ("alert.v1.json", text(schemars::schema_for!(AlertForm))),
        ("dead-letter.v1.json", text(schemars::schema_for!(DeadLetterForm))),
        ("order.v1.json", text(schemars::schema_for!(OrderForm))),
        ("counts.v1.json", text(schemars::schema_for!(CountsForm))),
        ("meta.v1.json", text(schemars::schema_for!(MetaForm))),
    ]
}
