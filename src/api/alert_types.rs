//! Alerts as the API shows them.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::incident_types::{Ci, MuteItem};
use crate::domain::alert::AlertView;
use crate::projection::alerts::AlertRow;
use crate::wording::lang::Lang;
use crate::wording::mask::{mask, mask_label};
use crate::wording::titles::own_titled;
use crate::wording::words::{AlertStateWord, SeverityWord, SideWord, SignalWord};

/// One alert.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AlertItem {
    pub id: String,
    pub source: String,
    pub name: String,
    /// What the program itself titles so is in the caller's language.
    pub title: String,
    pub severity: SeverityWord,
    pub severity_label: &'static str,
    pub state: AlertStateWord,
    pub state_label: &'static str,
    /// Absent: the CMDB does not know the object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ci: Option<Ci>,
    pub object: String,
    pub labels: BTreeMap<String, String>,
    /// The kind of telemetry that it comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal: Option<SignalWord>,
    /// Where in the estate the signal was taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub side: Option<SideWord>,
    /// By our clock.
    pub first_seen: String,
    pub last_seen: String,
    /// By the source's clock.
    pub starts_at: String,
    /// Events folded into it.
    pub count: u64,
    pub muted_by: Vec<MuteItem>,
    pub flapping: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub incident: Option<String>,
    /// Firing, but waiting for evidence before it becomes an incident.
    pub held: bool,
}

impl AlertItem {
    /// The alert as the live view has it.
    pub fn of_row(row: &AlertRow, lang: Lang) -> Self {
        Self { count: row.count(), last_seen: row.last_seen.to_string(), ..Self::of(&row.view, lang) }
    }

    /// The alert as the engine told it.
    pub fn of(view: &AlertView, lang: Lang) -> Self {
        let (severity, state) = (SeverityWord::from(view.severity), AlertStateWord::from(view.state));
        Self {
            id: view.id.to_string(),
            source: view.source.to_string(),
            name: view.name.to_string(),
            title: own_titled(&mask(&view.title), lang).into_owned(),
            severity,
            severity_label: severity.label(lang),
            state,
            state_label: state.label(lang),
            ci: view.ci.as_ref().map(Into::into),
            object: view.object.to_string(),
            labels: view.labels.iter().map(|(k, v)| (k.to_string(), mask_label(k, v))).collect(),
            signal: view.signal.map(Into::into),
            side: view.side.map(Into::into),
            first_seen: view.first_seen.to_string(),
            last_seen: view.last_seen.to_string(),
            starts_at: view.starts_at.to_string(),
            count: view.count,
            muted_by: view.muted_by.iter().map(Into::into).collect(),
            flapping: view.flapping,
            incident: view.incident.map(|id| id.to_string()),
            held: view.held,
        }
    }
}
