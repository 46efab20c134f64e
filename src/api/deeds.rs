//! What is done about an incident beside telling people: tickets, actions, service levels.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::incident_types::{Ci, Onlooker};
use crate::domain::action::Action;
use crate::domain::ids::ReceiverId;
use crate::domain::incident::{IncidentState, IncidentView, TicketRef};
use crate::domain::level::{LevelClock, LevelState};
use crate::wording::care;
use crate::wording::lang::Text;
use crate::wording::mask::mask;
use crate::wording::words::{ActionStateWord, LevelKindWord};

/// The systems that have no ticket of an incident that is open.
pub fn without_ticket(systems: &[ReceiverId], view: &IncidentView) -> Vec<String> {
    let files = |system: &&ReceiverId| view.tickets.iter().all(|ticket| ticket.receiver != **system);
    let open = view.state == IncidentState::Abnormal;
    systems.iter().filter(|_| open).filter(files).map(ToString::to_string).collect()
}

/// A ticket in another system.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct TicketItem {
    /// The receiver that opened it, and the kind of its system.
    pub receiver: String,
    pub system: String,
    /// As people name it.
    pub number: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub url: String,
}

impl From<&TicketRef> for TicketItem {
    fn from(ticket: &TicketRef) -> Self {
        Self {
            receiver: ticket.receiver.to_string(),
            system: ticket.system.to_string(),
            number: ticket.number.to_string(),
            url: ticket.url.to_string(),
        }
    }
}

/// An action that an executor was asked for, or would be.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ActionItem {
    pub id: String,
    pub rule: String,
    /// The executor's own word.
    pub run: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub with: BTreeMap<String, String>,
    pub executor: String,
    pub ci: Ci,
    pub state: ActionStateWord,
    pub state_label: &'static str,
    /// Since when it is in this state.
    pub at: String,
    /// Until when somebody approves, or the executor answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub due: Option<String>,
    /// Who approved or denied it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub by: String,
    /// What the executor said.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub said: String,
    /// A person's yes still does something.
    pub may_be_approved: bool,
    pub text: Text,
}

impl ActionItem {
    /// The action as the caller is told of it.
    pub fn of(action: &Action, to: &Onlooker) -> Self {
        let state = ActionStateWord::from(action.state);
        Self {
            id: action.id.to_string(),
            rule: action.rule.to_string(),
            run: action.run.to_string(),
            with: action.with.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect(),
            executor: action.executor.to_string(),
            ci: (&action.ci).into(),
            state,
            state_label: state.label(to.lang),
            at: action.at.to_string(),
            due: action.due.map(|due| due.to_string()),
            by: action.by.to_string(),
            said: mask(&action.said).into_owned(),
            may_be_approved: action.state.may_be_approved(),
            text: care::action(action, &|at| at.to_string()),
        }
    }
}

/// A clock of an incident's service level.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ServiceClock {
    pub kind: LevelKindWord,
    pub label: &'static str,
    /// The rule that sets it.
    pub rule: String,
    pub limit_secs: i64,
    pub since: String,
    /// When it runs out, hours in which it stands still counted in.
    pub due: String,
    /// running, near, met or breached.
    pub state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub met_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub breached_at: Option<String>,
}

impl ServiceClock {
    /// The clock as the caller is told of it.
    pub fn of(clock: &LevelClock, to: &Onlooker) -> Self {
        let kind = LevelKindWord::from(clock.kind);
        Self {
            kind,
            label: kind.label(to.lang),
            rule: clock.rule.to_string(),
            limit_secs: clock.limit.as_secs(),
            since: clock.since.to_string(),
            due: clock.due.to_string(),
            state: match clock.state() {
                LevelState::Running => "running",
                LevelState::Near => "near",
                LevelState::Met => "met",
                LevelState::Breached => "breached",
            },
            met_at: clock.met_at.map(|at| at.to_string()),
            breached_at: clock.breached_at.map(|at| at.to_string()),
        }
    }
}
