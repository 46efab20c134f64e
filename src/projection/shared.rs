//! What other programs may read of a tenant in Redis: its incidents, which of them are open, and counts. All of it is
//! taken from the live view and says the outbox record it is as of.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use super::board::is_open;
use super::bus::form::IncidentForm;
use super::overview::overview;
use super::scope::Scope;
use super::tenant::TenantView;
use crate::domain::ids::{IncidentId, TenantId};
use crate::domain::incident::IncidentView;
use crate::domain::severity::Severity;
use crate::domain::time::{Span, Timestamp};

/// Severity counts more than any time: a day in the year 2286 in milliseconds.
const SEVERITY_STEP: i64 = 10_000_000_000_000;

/// What the key `…:counts` has as data.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
#[schemars(title = "Headwater counts of a tenant, version 1")]
pub struct CountsForm {
    pub tenant: String,
    /// Open incidents.
    pub open: u64,
    /// Open ones that nobody has taken.
    pub unacknowledged: u64,
    /// Open ones whose alerts are all resolved.
    pub recovering: u64,
    /// Open ones by severity; all severities are there.
    pub by_severity: BTreeMap<String, u64>,
    pub alerts_firing: u64,
    /// Of those, the ones without an incident of their own.
    pub alerts_held: u64,
}

/// What the key `…:meta` has as data.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(title = "Headwater live view in Redis, version 1")]
pub struct MetaForm {
    pub tenant: String,
    /// Members of `…:open`.
    pub open: u64,
    /// Some seconds ago at most while Headwater looks after the view.
    pub checked_at: String,
}

/// An incident and its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown {
    pub id: IncidentId,
    /// By severity, then by time; none: it is not open.
    pub score: Option<i64>,
    /// When it ended, when it has.
    pub ended_at: Option<Timestamp>,
    view: Arc<IncidentView>,
}

impl Shown {
    /// An incident as it is now.
    pub fn new(view: &Arc<IncidentView>) -> Self {
        let open = is_open(view.state);
        Self {
            id: view.id,
            score: open.then(|| i64::from(view.severity.rank()) * SEVERITY_STEP + view.opened_at.0),
            ended_at: (!open).then(|| view.closed_at.unwrap_or(view.updated_at)),
            view: view.clone(),
        }
    }

    /// Its data. What came and went with a version is told on NATS; here nothing has come or gone.
    pub fn json(&self) -> String {
        text(&IncidentForm::new(&self.view, &[], &[]))
    }
}

/// All incidents that are shown: the open ones, and those that ended a while ago at most.
pub fn shown(tenant: &TenantView, now: Timestamp, closed: Span) -> Vec<Shown> {
    let all = tenant.board.incidents().map(|incident| Shown::new(&incident.view));
    all.filter(|shown| shown.ended_at.is_none_or(|at| now.since(at) < closed)).collect()
}

/// The numbers beside the incidents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Numbers {
    /// The data of `…:counts` and of `…:meta`.
    pub counts: String,
    pub meta: String,
}

/// The numbers as they are now.
pub fn numbers(id: &TenantId, tenant: &TenantView, stamp: Timestamp, now: Timestamp) -> Numbers {
    let seen = overview(tenant, &Scope::whole(id.clone()), stamp);
    let of = |severity: &Severity| (severity.as_str().to_owned(), *seen.open_by_severity.get(severity).unwrap_or(&0));
    let counts = text(&CountsForm {
        tenant: id.to_string(),
        open: seen.open,
        unacknowledged: seen.unacknowledged,
        recovering: seen.recovering,
        by_severity: Severity::ALL.iter().map(of).collect(),
        alerts_firing: tenant.alerts.firing(),
        alerts_held: seen.held,
    });
    let meta = text(&MetaForm { tenant: id.to_string(), open: seen.open, checked_at: now.to_string() });
    Numbers { counts, meta }
}

fn text(form: &impl Serialize) -> String {
    serde_json::to_string(form).expect("forms have text keys only")
}
