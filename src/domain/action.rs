//! Actions (自动控制): what an executor was asked to do about an incident, and what became of it. Headwater runs nothing
//! itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::ci::CiRef;
use super::ids::{ReceiverId, RuleId};
use super::time::{Span, Timestamp};

/// One action about one CI of an incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Action {
    /// `<incident>.<number>`: stable, also when the incident becomes part of another one.
    pub id: Box<str>,
    /// The rule that asks for it.
    pub rule: RuleId,
    /// The executor's own word for what to do.
    pub run: Box<str>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub with: BTreeMap<Box<str>, Box<str>>,
    pub executor: ReceiverId,
    /// What it is done to.
    pub ci: Arc<CiRef>,
    pub state: ActionState,
    /// Since when it is in this state.
    pub at: Timestamp,
    /// Until when somebody approves, or the executor answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Timestamp>,
    /// Who approved or denied it.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub by: Box<str>,
    /// What the executor said, or why it could not be reached.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub said: Box<str>,
    /// Which limit holds it back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<HeldBy>,
    /// How long the executor has to answer.
    pub answer: Span,
    /// Who hears of a failure, beside those who were told of the incident.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub escalate: Vec<ReceiverId>,
}

/// How far an action has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActionState {
    /// It waits for a person's word.
    Asked,
    /// A person has said yes; the executor is told in the same moment.
    Approved,
    /// The executor has been told, and has until `due`.
    Requested,
    /// The executor has done it.
    Done,
    /// The executor has not done it, or could not be reached.
    Failed,
    /// The executor has not answered in time.
    Silent,
    /// A person has said no.
    Denied,
    /// Nobody has approved in time.
    Lapsed,
    /// The incident was over before.
    Dropped,
    /// A limit holds it back; a person may approve it all the same.
    HeldBack,
    /// The rule is only being tried out.
    Tried,
}

impl ActionState {
    /// Whether a person's yes still does something.
    pub const fn may_be_approved(self) -> bool {
        match self {
            Self::Asked | Self::HeldBack => true,
            Self::Approved
            | Self::Requested
            | Self::Done
            | Self::Failed
            | Self::Silent
            | Self::Denied
            | Self::Lapsed
            | Self::Dropped
            | Self::Tried => false,
        }
    }

    /// Whether the executor's word is still waited for; a late one counts, too.
    pub const fn may_be_reported(self) -> bool {
        match self {
            Self::Requested | Self::Silent => true,
            Self::Asked
            | Self::Approved
            | Self::Done
            | Self::Failed
            | Self::Denied
            | Self::Lapsed
            | Self::Dropped
            | Self::HeldBack
            | Self::Tried => false,
        }
    }
}

/// A limit that holds an action back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "limit")]
pub enum HeldBy {
    /// The same was done to the same CI a short while ago.
    CoolDown { until: Timestamp },
    /// The same was done so often in the last hour, to whatever CI.
    HourMax { max: u32 },
    /// So many CIs hang on this one.
    BlastMax { cis: u32, max: u32 },
}

/// What an executor says of an action.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionReport {
    pub result: ActionResult,
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub text: Box<str>,
}

/// How an action went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActionResult {
    /// It has begun; the result comes later.
    Taken,
    Done,
    /// Part of it is done: a person has to look.
    Partial,
    Failed,
}

impl ActionReport {
    /// The longest text that is kept, in characters.
    pub const TEXT_CHARS_MAX: usize = 1_000;

    /// The same with a text that is not too long.
    #[must_use]
    pub fn cut(self) -> Self {
        let text = self.text.chars().take(Self::TEXT_CHARS_MAX).collect::<String>().into();
        Self { text, ..self }
    }
}

impl Action {
    /// The key of the request.
    pub fn key(&self) -> Box<str> {
        format!("{}-{}-action", self.id, self.executor).into()
    }
}
