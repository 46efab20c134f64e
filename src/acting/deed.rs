//! What somebody can do from a message, as words of ours and of people, and as orders.

use crate::domain::ids::{IncidentId, PersonId};
use crate::domain::incident::IncidentView;
use crate::domain::time::{Span, Timestamp};
use crate::engine::input::Order;

/// A deed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    Acknowledge,
    /// For so many minutes.
    Snooze(u16),
    Resolve,
    Reassign(PersonId),
    NotTheCause,
    /// Lets an action be done; empty: the only one that waits.
    Approve(Box<str>),
    Deny(Box<str>),
}

/// The longest snooze from a message: 24 hours.
const SNOOZE_MINUTES_MAX: u16 = 24 * 60;
/// How long a snooze is when nobody says.
const SNOOZE_MINUTES: u16 = 60;

/// What people write, and which keys of a phone mean the same.
const WORDS: [(&str, &[&str]); 6] = [
    ("ack", &["认领", "收到", "ack", "acknowledge", "1"]),
    ("snooze", &["暂缓", "snooze", "2"]),
    ("resolve", &["解决", "关闭", "已处理", "resolve", "close", "3"]),
    ("notcause", &["不是根因", "notcause", "4"]),
    ("approve", &["批准", "同意", "approve", "5"]),
    ("deny", &["拒绝", "不同意", "deny", "6"]),
];

impl Deed {
    /// From a button's word: `ack`, `snooze`, `snooze-240`, `resolve`, `notcause`, `assign-li`.
    pub fn of_word(word: &str) -> Option<Self> {
        if let Some(person) = word.strip_prefix("assign-").filter(|person| !person.is_empty()) {
            return Some(Self::Reassign(PersonId::from(person)));
        }
        if let Some(minutes) = word.strip_prefix("snooze-") {
            let minutes = minutes.parse().ok().filter(|n| (1..=SNOOZE_MINUTES_MAX).contains(n))?;
            return Some(Self::Snooze(minutes));
        }
        if let Some(action) = word.strip_prefix("approve-") {
            return Some(Self::Approve(action.into()));
        }
        if let Some(action) = word.strip_prefix("deny-") {
            return Some(Self::Deny(action.into()));
        }
        match word {
            "approve" => Some(Self::Approve("".into())),
            "deny" => Some(Self::Deny("".into())),
            "ack" => Some(Self::Acknowledge),
            "snooze" => Some(Self::Snooze(SNOOZE_MINUTES)),
            "resolve" => Some(Self::Resolve),
            "notcause" => Some(Self::NotTheCause),
            _ => None,
        }
    }

    /// From what a person writes in front of, behind or without a code.
    pub fn of_saying(word: &str) -> Option<Self> {
        let lower = word.to_lowercase();
        let (ours, _) = WORDS.iter().find(|(_, theirs)| theirs.contains(&lower.as_str()))?;
        Self::of_word(ours)
    }

    /// The word by which uses of one pass are told apart: each is done once.
    pub fn word(&self) -> String {
        match self {
            Self::Acknowledge => "ack".into(),
            Self::Snooze(minutes) => format!("snooze-{minutes}"),
            Self::Resolve => "resolve".into(),
            Self::Reassign(person) => format!("assign-{person}"),
            Self::NotTheCause => "notcause".into(),
            Self::Approve(action) => format!("approve-{action}"),
            Self::Deny(action) => format!("deny-{action}"),
        }
    }

    /// The order; none when there is nothing to say it of.
    pub fn order(&self, incident: IncidentId, view: Option<&IncidentView>, now: Timestamp) -> Option<Order> {
        Some(match self {
            Self::Acknowledge => Order::Acknowledge { incident },
            Self::Snooze(minutes) => Order::Snooze { incident, until: now.plus(Span::mins(i64::from(*minutes))) },
            Self::Resolve => Order::Close { incident, note: "".into(), findings: None },
            Self::Reassign(person) => Order::Assign { incident, assignee: person.as_str().into() },
            Self::Approve(action) => Order::Approve { incident, action: action.clone() },
            Self::Deny(action) => Order::Deny { incident, action: action.clone() },
            Self::NotTheCause => {
                let ci = view?.candidates.first()?.ci.id.clone();
                Order::RejectRoot { incident, ci }
            }
        })
    }
}
