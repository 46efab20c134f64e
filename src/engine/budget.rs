//! Budgets (费用上限): how many messages receivers that cost money may be sent in an hour and in a day. What is more is held
//! back, listed and can be told after; a person who is not reached so is reached by the next way.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::effect::{Notice, NoticeKind};
use super::policy::settings::Budget;
use crate::domain::ids::TenantId;
use crate::domain::time::{Span, Timestamp};
use crate::engine::Engine;

/// Hours that are counted one by one.
const HOURS: i64 = 24;

/// What was spent, by the budget's name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Spending(BTreeMap<Box<str>, Spent>);

/// The messages of the last 24 hours, and those held back since ever.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Spent {
    /// Hours since 1970 and their messages, oldest first.
    hours: VecDeque<(i64, u32)>,
    #[serde(default)]
    held: u64,
}

/// How much of a budget is used up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BudgetState {
    pub budget: Budget,
    pub hour: u32,
    pub day: u32,
    /// Messages held back since ever.
    pub held: u64,
}

impl Spent {
    fn clear(&mut self, hour: i64) {
        while self.hours.front().is_some_and(|(known, _)| hour - known >= HOURS) {
            self.hours.pop_front();
        }
    }

    fn sums(&self, hour: i64) -> (u32, u32) {
        let of_hour = self.hours.iter().filter(|(known, _)| *known == hour).map(|(_, n)| *n).sum();
        let of_day = self.hours.iter().filter(|(known, _)| hour - known < HOURS).map(|(_, n)| *n).sum();
        (of_hour, of_day)
    }

    fn count(&mut self, hour: i64) {
        match self.hours.back_mut() {
            Some((known, n)) if *known >= hour => *n = n.saturating_add(1),
            _ => self.hours.push_back((hour, 1)),
        }
    }
}

const fn hour_of(now: Timestamp) -> i64 {
    now.0.div_euclid(Span::hours(1).0)
}

/// A system of others has to hear of the end, or what it has open stays open.
fn must_pass(notice: &Notice) -> bool {
    let is_end = matches!(notice.kind, NoticeKind::Recovered | NoticeKind::Closed | NoticeKind::Merged);
    is_end && notice.to.is_none()
}

impl Spending {
    /// Whether nothing was ever spent.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Counts a message that is to be sent.
    ///
    /// # Errors
    /// When a budget has no room for it: its name. Nothing is counted then but that it was held back.
    pub fn spend(&mut self, budgets: &[Budget], notice: &Notice, now: Timestamp) -> Result<(), Box<str>> {
        let hour = hour_of(now);
        let mine: Vec<&Budget> = budgets.iter().filter(|budget| budget.receivers.contains(&notice.receiver)).collect();
        for budget in &mine {
            let spent = self.0.entry(budget.id.clone()).or_default();
            spent.clear(hour);
            let (of_hour, of_day) = spent.sums(hour);
            let is_used_up =
                budget.hour.is_some_and(|most| of_hour >= most) || budget.day.is_some_and(|most| of_day >= most);
            let is_spared = budget.unless.is_some_and(|least| notice.incident.severity >= least);
            if is_used_up && !is_spared && !must_pass(notice) {
                spent.held += 1;
                return Err(budget.id.clone());
            }
        }
        for budget in mine {
            self.0.entry(budget.id.clone()).or_default().count(hour);
        }
        Ok(())
    }

    /// How much of each budget is used up.
    pub fn states(&self, budgets: &[Budget], now: Timestamp) -> Vec<BudgetState> {
        let of = |budget: &Budget| {
            let spent = self.0.get(&budget.id).cloned().unwrap_or_default();
            let (hour, day) = spent.sums(hour_of(now));
            BudgetState { budget: budget.clone(), hour, day, held: spent.held }
        };
        budgets.iter().map(of).collect()
    }

    /// Forgets budgets that the rules do not have any more.
    pub fn keep(&mut self, budgets: &[Budget]) {
        self.0.retain(|id, _| budgets.iter().any(|budget| budget.id == *id));
    }
}

impl Engine {
    /// How much of each budget of a tenant is used up.
    pub fn budgets(&self, tenant: &TenantId) -> Vec<BudgetState> {
        let states = self.cells.get(tenant).map(|cell| cell.spending.states(&cell.policy.settings.budgets, cell.now));
        states.unwrap_or_default()
    }
}
