//! Operators' orders: checked for scope, appended to the journal, answered 202 with the sequence. What became
//! of one is told by the feed (`command`) and by `GET /api/v1/commands/{seq}`.

use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequestParts, Path, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::access::Caller;
use super::ending::findings;
use super::incidents::{sees_incident, with_incident};
use super::problem::{ApiError, Body, Id, Problem};
use super::state::{Api, WriteError};
use crate::domain::action::{ActionReport, ActionResult};
use crate::domain::ids::{AlertId, IncidentId, ReceiverId};
use crate::domain::incident::Candidate;
use crate::domain::partition::partition_of;
use crate::domain::time::Timestamp;
use crate::engine::input::{Command, Order};
use crate::wording::words::SeverityWord;

/// The longest comment, in characters.
const TEXT_CHARS_MAX: usize = 4_000;
/// The most alerts of one split.
const SPLIT_MAX: usize = 5_000;

/// What an order says beside its name; which fields are needed depends on the order.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct OrderBody {
    /// Chosen by the caller: the same id twice is done once.
    pub command_id: String,
    /// assign: whom.
    pub assignee: Option<String>,
    /// comment, close, declare_major, revoke_major: what to note.
    pub text: Option<String>,
    /// close, conclude: what caused it.
    pub cause: Option<String>,
    /// close, conclude: what ended it.
    pub solution: Option<String>,
    /// close, conclude: whom it hit, and how.
    pub impact: Option<String>,
    /// close, conclude: of which kind it was.
    pub category: Option<String>,
    /// snooze: until when (RFC 3339).
    pub until: Option<String>,
    /// merge, move: the incident that takes them.
    pub into: Option<String>,
    /// split: these alerts; move: exactly one.
    pub alerts: Vec<String>,
    /// root: the CI.
    pub ci: Option<String>,
    /// root: set (default), confirm or reject.
    pub verdict: Option<RootVerdict>,
    /// severity: the severity set by hand.
    pub severity: Option<SeverityWord>,
    /// approve, deny, report: the action; for the first two absent is the only one that waits.
    pub action: Option<String>,
    /// report: how it went.
    pub result: Option<ReportWord>,
    /// ticket: the receiver that keeps it; absent is the only one.
    pub receiver: Option<String>,
}

/// How an action went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ReportWord {
    /// It has begun.
    Taken,
    Done,
    /// Part of it is done.
    Partial,
    Failed,
}

/// What a person says about a root cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum RootVerdict {
    Set,
    Confirm,
    Reject,
}

/// The header `Idempotency-Key`, plain or quoted: the same key twice is done once. It is the command's id.
#[derive(Clone, Debug, Default, IntoParams)]
#[into_params(names("Idempotency-Key"), parameter_in = Header)]
pub struct IdempotencyKey(
    /// Chosen by the caller, at most 128 bytes; the same key twice is done once.
    pub Option<String>,
);

impl IdempotencyKey {
    /// The command's id from the header or the body.
    ///
    /// # Errors
    /// When both are given and differ.
    pub fn or(self, id: &str) -> Result<String, ApiError> {
        match self.0 {
            Some(key) if id.is_empty() || key == id => Ok(key),
            Some(_) => Err(ApiError::Bad("Idempotency-Key and command_id differ: give one of them".into())),
            None => Ok(id.to_owned()),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let Some(value) = parts.headers.get("idempotency-key") else { return Ok(Self(None)) };
        let key = value.to_str().ok().map(|key| key.trim().trim_matches('"')).filter(|key| !key.is_empty());
        let wrong = || ApiError::Bad("Idempotency-Key: write 1 to 128 printable ASCII characters".into());
        Ok(Self(Some(key.ok_or_else(wrong)?.to_owned())))
    }
}

/// Taken; the engine decides in journal order.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Taken {
    /// The journal sequence of the command.
    pub seq: u64,
}

/// What became of a command.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct CommandState {
    pub seq: u64,
    /// pending, done or refused.
    pub state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The same command had been sent before: nothing was done now, and this is how it ended then.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub again: bool,
}

/// Orders something about an incident: acknowledge, unacknowledge, assign, comment, snooze, wake, close, conclude, reopen,
/// merge, split, move, root, severity, ticket, declare_major, revoke_major, approve, deny or report.
#[utoipa::path(post, path = "/api/v1/incidents/{id}/{order}", tag = "incidents",
    params(("id" = String, Path), ("order" = String, Path), IdempotencyKey), request_body = OrderBody,
    responses((status = 202, body = Taken), (status = "default", body = Problem)))]
pub async fn order(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path((id, word)): Path<(String, String)>,
    key: IdempotencyKey,
    Body(body): Body<OrderBody>,
) -> Result<(StatusCode, Json<Taken>), ApiError> {
    let incident =
        IncidentId::parse(&id).filter(|id| sees_incident(&api, &caller, *id)).ok_or(ApiError::NotFound("incident"))?;
    let order = match word.as_str() {
        "ticket" => ticket(&api, &caller, incident, &body)?,
        word => read_order(word, incident, &body)?,
    };
    check_scope(&api, &caller, &order)?;
    submit(&api, &caller, &key.or(&body.command_id)?, order).await
}

/// Appends an order and answers 202.
pub async fn submit(api: &Api, caller: &Caller, id: &str, order: Order) -> Result<(StatusCode, Json<Taken>), ApiError> {
    if id.len() > 128 {
        return Err(ApiError::Bad("command_id: at most 128 bytes".into()));
    }
    let command =
        Command { tenant: caller.tenant.clone(), actor: caller.name.clone(), id: id.into(), via: "".into(), order };
    let seq = api.writes.command(command).await.map_err(refused)?;
    Ok((StatusCode::ACCEPTED, Json(Taken { seq })))
}

/// Puts into the audit what the caller did beside the engine: it is durable when this returns.
///
/// # Errors
/// When the journal does not take it now.
pub async fn note(api: &Api, caller: &Caller, what: &str, about: &str, detail: &str) -> Result<(), ApiError> {
    let order = Order::Noted { what: what.into(), about: about.into(), detail: detail.into() };
    submit(api, caller, "", order).await.map(drop)
}

/// The caller's next move after a failed write.
pub fn refused(error: WriteError) -> ApiError {
    match error {
        WriteError::TryLater { wait } => {
            ApiError::TryLater { wait_secs: u32::try_from(wait.as_secs().max(1)).unwrap_or(u32::MAX) }
        }
        WriteError::Changed { version } => ApiError::Changed { version },
        WriteError::Refused { errors } => {
            ApiError::Refused { detail: "refused as a whole; nothing was changed".into(), errors }
        }
    }
}

fn read_order(word: &str, incident: IncidentId, body: &OrderBody) -> Result<Order, ApiError> {
    Ok(match word {
        "acknowledge" => Order::Acknowledge { incident },
        "unacknowledge" => Order::Unacknowledge { incident },
        "assign" => Order::Assign { incident, assignee: text("assignee", body.assignee.as_deref())? },
        "comment" => Order::Comment { incident, text: text("text", body.text.as_deref())? },
        "snooze" => Order::Snooze { incident, until: until(body)? },
        "wake" => Order::Wake { incident },
        "close" => Order::Close { incident, note: noted(body)?, findings: findings(body)? },
        "conclude" => {
            let nothing = || ApiError::Bad("write cause, solution, impact or category".into());
            Order::Conclude { incident, findings: findings(body)?.ok_or_else(nothing)? }
        }
        "declare_major" => Order::DeclareMajor { incident, note: noted(body)? },
        "revoke_major" => Order::RevokeMajor { incident, note: noted(body)? },
        "reopen" => Order::Reopen { incident },
        "approve" => Order::Approve { incident, action: body.action.clone().unwrap_or_default().into() },
        "deny" => Order::Deny { incident, action: body.action.clone().unwrap_or_default().into() },
        "report" => report(incident, body)?,
        "merge" => Order::Merge { from: incident, into: into(body)? },
        "split" => Order::Split { incident, alerts: alerts(body)? },
        "move" => match alerts(body)?.as_slice() {
            [alert] => Order::Move { alert: *alert, into: into(body)? },
            _ => return Err(ApiError::Bad("alerts: move takes exactly one".into())),
        },
        "root" => root(incident, body)?,
        "severity" => {
            let severity = body.severity.ok_or_else(|| ApiError::Bad("severity: missing".into()))?;
            Order::SetSeverity { incident, severity: severity.into() }
        }
        _ => return Err(ApiError::NotFound("order")),
    })
}

fn ticket(api: &Api, caller: &Caller, incident: IncidentId, body: &OrderBody) -> Result<Order, ApiError> {
    let systems = api.notices.ticket_systems(&caller.tenant);
    let chosen = match (&body.receiver, systems.as_slice()) {
        (None, [only]) => Some(only),
        (None, _) => None,
        (Some(name), all) => all.iter().find(|one| one.as_str() == name),
    };
    let known = || systems.iter().map(ReceiverId::as_str).collect::<Vec<_>>().join(", ");
    let missing =
        || ApiError::Bad(format!("receiver: write one that keeps tickets and that a rule names: {}", known()));
    let receiver = chosen.ok_or_else(missing)?.clone();
    Ok(Order::Ticket { incident, receiver })
}

fn report(incident: IncidentId, body: &OrderBody) -> Result<Order, ApiError> {
    let result = match body.result {
        Some(ReportWord::Taken) => ActionResult::Taken,
        Some(ReportWord::Done) => ActionResult::Done,
        Some(ReportWord::Partial) => ActionResult::Partial,
        Some(ReportWord::Failed) => ActionResult::Failed,
        None => return Err(ApiError::Bad("result: write taken, done, partial or failed".into())),
    };
    let report = ActionReport { result, text: limited("text", body.text.as_deref().unwrap_or(""))? }.cut();
    Ok(Order::ReportAction { incident, action: text("action", body.action.as_deref())?, report })
}

fn root(incident: IncidentId, body: &OrderBody) -> Result<Order, ApiError> {
    let ci = || text("ci", body.ci.as_deref()).map(|ci| (&*ci).into());
    Ok(match body.verdict.unwrap_or(RootVerdict::Set) {
        RootVerdict::Set => Order::SetRoot { incident, ci: ci()? },
        RootVerdict::Reject => Order::RejectRoot { incident, ci: ci()? },
        RootVerdict::Confirm => Order::ConfirmRoot { incident },
    })
}

fn noted(body: &OrderBody) -> Result<Box<str>, ApiError> {
    limited("text", body.text.as_deref().unwrap_or(""))
}

fn text(field: &str, value: Option<&str>) -> Result<Box<str>, ApiError> {
    let value = value.map(str::trim).filter(|v| !v.is_empty());
    limited(field, value.ok_or_else(|| ApiError::Bad(format!("{field}: missing or empty")))?)
}

fn limited(field: &str, value: &str) -> Result<Box<str>, ApiError> {
    if value.chars().count() > TEXT_CHARS_MAX {
        return Err(ApiError::Bad(format!("{field}: at most {TEXT_CHARS_MAX} characters")));
    }
    Ok(value.into())
}

fn until(body: &OrderBody) -> Result<Timestamp, ApiError> {
    let read = body.until.as_deref().and_then(Timestamp::parse);
    read.ok_or_else(|| ApiError::Bad("until: missing or not RFC 3339, for example 2026-01-05T08:00:00Z".into()))
}

fn into(body: &OrderBody) -> Result<IncidentId, ApiError> {
    let read = body.into.as_deref().and_then(IncidentId::parse);
    read.ok_or_else(|| ApiError::Bad("into: missing or not an incident's id such as i42".into()))
}

fn alerts(body: &OrderBody) -> Result<Vec<AlertId>, ApiError> {
    if body.alerts.is_empty() || body.alerts.len() > SPLIT_MAX {
        return Err(ApiError::Bad(format!("alerts: name 1 to {SPLIT_MAX}")));
    }
    let read: Option<Vec<AlertId>> = body.alerts.iter().map(|id| AlertId::parse(id)).collect();
    read.ok_or_else(|| ApiError::Bad("alerts: each is an id such as a42".into()))
}

/// Everything an order names must be the caller's to see, not only the incident in the path.
fn check_scope(api: &Api, caller: &Caller, order: &Order) -> Result<(), ApiError> {
    let sees_alert = |id: AlertId| {
        let state = api.live.read();
        let row = state.tenant(&caller.tenant).and_then(|tenant| tenant.alerts.get(id));
        row.is_some_and(|row| caller.scope().sees_ci(row.ci()))
    };
    let sight = api.sight(caller);
    // The other incident and the alerts that it names, and whether the CI it names is the caller's to see.
    let (other, alerts, sees_ci) = match order {
        Order::Merge { into, .. } => (Some(*into), Vec::new(), true),
        Order::Move { alert, into } => (Some(*into), vec![*alert], true),
        Order::Split { alerts, .. } => (None, alerts.clone(), true),
        Order::SetRoot { ci, .. } | Order::RejectRoot { ci, .. } => (None, Vec::new(), sight.sees_called(ci.as_str())),
        Order::ConfirmRoot { incident } => {
            let sees = |root: &Candidate| sight.sees(&root.ci);
            let first =
                with_incident(api, caller, *incident, |found, _| found.view.candidates.first().is_none_or(sees));
            (None, Vec::new(), first.unwrap_or(false))
        }
        Order::Acknowledge { .. }
        | Order::Unacknowledge { .. }
        | Order::Assign { .. }
        | Order::Comment { .. }
        | Order::Snooze { .. }
        | Order::Wake { .. }
        | Order::Close { .. }
        | Order::Conclude { .. }
        | Order::DeclareMajor { .. }
        | Order::RevokeMajor { .. }
        | Order::Review { .. }
        | Order::Reopen { .. }
        | Order::SetSeverity { .. }
        | Order::Silence { .. }
        | Order::ExpireSilence { .. }
        | Order::Revoke { .. }
        | Order::Override { .. }
        | Order::EndOverride { .. }
        | Order::VerifyAddress { .. }
        | Order::RevokeCalendar { .. }
        | Order::Resend { .. }
        | Order::Noted { .. }
        | Order::Approve { .. }
        | Order::Deny { .. }
        | Order::ReportAction { .. }
        | Order::TellHeld { .. }
        | Order::Ticket { .. }
        | Order::Learn { .. }
        | Order::Unlearn { .. }
        | Order::ForAlert { .. } => (None, Vec::new(), true),
    };
    if other.is_some_and(|id| !sees_incident(api, caller, id)) {
        return Err(ApiError::NotFound("incident"));
    }
    if alerts.into_iter().any(|id| !sees_alert(id)) {
        return Err(ApiError::NotFound("alert"));
    }
    if !sees_ci {
        return Err(ApiError::NotFound("CI"));
    }
    Ok(())
}

/// What became of one of the caller's own commands.
#[utoipa::path(get, path = "/api/v1/commands/{seq}", tag = "incidents", params(("seq" = u64, Path)),
    responses((status = 200, body = CommandState), (status = "default", body = Problem)))]
pub async fn command(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Id(seq): Id<u64>,
) -> Result<Json<CommandState>, ApiError> {
    if !api.live.read().has_shown(partition_of(&caller.tenant), seq) {
        // A number under which nothing was accepted waits for nothing.
        let is_recorded = api.writes.is_recorded(caller.tenant, seq).await.map_err(ApiError::internal)?;
        let pending = CommandState { seq, state: "pending", reason: None, again: false };
        return is_recorded.then_some(Json(pending)).ok_or(ApiError::NotFound("command"));
    }
    let state = api.live.read();
    let end = state.tenant(&caller.tenant).and_then(|tenant| tenant.commands.get(&seq));
    let end = end.filter(|end| end.actor == caller.name).ok_or(ApiError::NotFound("command"))?;
    let word = if end.refused.is_some() { "refused" } else { "done" };
    let reason = end.refused.as_ref().map(ToString::to_string);
    Ok(Json(CommandState { seq, state: word, reason, again: end.again }))
}
