//! What an executor is sent: which action on which CI, until when it answers, and where. A request like any other message:
//! at least once, with a key that stays the same.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::message::Style;
use super::{Attempt, Clock};
use crate::domain::action::{Action, ActionReport};
use crate::domain::ci::CiRef;
use crate::domain::incident::Priority;
use crate::engine::effect::{Notice, NoticeKind};
use crate::wording::titles::own_titled;

/// A request as it is sent.
#[derive(Serialize)]
pub struct Request<'a> {
    r#type: &'static str,
    timestamp: String,
    data: Asked<'a>,
}

#[derive(Serialize)]
struct Asked<'a> {
    /// The same key means the same request: do it once.
    key: &'a str,
    action: &'a str,
    rule: &'a str,
    run: &'a str,
    with: &'a BTreeMap<Box<str>, Box<str>>,
    ci: &'a CiRef,
    /// Nothing is to be begun after that.
    answer_by: Option<String>,
    #[serde(skip_serializing_if = "str::is_empty")]
    approved_by: &'a str,
    /// Where to POST `{"result": "done", "text": "…"}`; absent without links.
    #[serde(skip_serializing_if = "Option::is_none")]
    report_url: Option<String>,
    incident: About<'a>,
}

#[derive(Serialize)]
struct About<'a> {
    id: String,
    tenant: &'a str,
    version: u32,
    /// In the receiver's language.
    title: Cow<'a, str>,
    severity: &'static str,
    priority: Priority,
}

impl<'a> Request<'a> {
    /// The request of a notice; none: it asks for nothing.
    pub fn of(notice: &'a Notice, style: &Style<'_>) -> Option<Self> {
        let action = notice.asks()?;
        let incident = &notice.incident;
        Some(Self {
            r#type: "action.requested",
            timestamp: notice.at.to_string(),
            data: Asked {
                key: &notice.key,
                action: &action.id,
                rule: action.rule.as_str(),
                run: &action.run,
                with: &action.with,
                ci: &action.ci,
                answer_by: action.due.map(|due| due.to_string()),
                approved_by: &action.by,
                report_url: style.acts.report_url(notice, action),
                incident: About {
                    id: incident.id.to_string(),
                    tenant: incident.tenant.as_str(),
                    version: incident.version,
                    title: own_titled(&incident.title, style.lang),
                    severity: incident.severity.as_str(),
                    priority: incident.priority,
                },
            },
        })
    }
}

/// What an executor may answer at once: that it has begun, is done, or has failed.
pub fn report(answer: &[u8]) -> Option<ActionReport> {
    #[derive(Deserialize)]
    struct Answer {
        result: crate::domain::action::ActionResult,
        #[serde(default)]
        text: Box<str>,
    }
    let Answer { result, text } = serde_json::from_slice(answer).ok()?;
    Some(ActionReport { result, text }.cut())
}

/// Whether a request may not be sent any more: an executor that gets it now would act on what was true long ago.
pub fn is_late(notice: &Notice, clock: &Clock) -> bool {
    notice.asks().and_then(|action| action.due).is_some_and(|due| due <= clock())
}

/// What becomes of a request that is late.
pub fn late(action: Option<&Action>) -> Attempt {
    let due = action.and_then(|action| action.due).map_or_else(String::new, |due| due.to_string());
    Attempt::Refused { why: format!("the executor could not be reached before {due}: it is not asked any more") }
}

/// A receiver that is no executor refuses requests, and says what to do.
///
/// # Errors
/// When the notice is one.
pub fn no_executor(notice: &Notice, kind: &str) -> Result<(), String> {
    if notice.kind == NoticeKind::Action {
        return Err(format!("a receiver of the kind {kind} is no executor: name one of the kind webhook or nats"));
    }
    Ok(())
}
