//! What being on call costs people, and what they said was told in vain or not at all: parts of the reports.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Datelike, FixedOffset, Timelike, Weekday};
use serde::Serialize;
use utoipa::ToSchema;

use super::access::Caller;
use super::state::Api;
use crate::domain::time::{Span, Timestamp};
use crate::engine::input::Order;
use crate::projection::history::audit::Audited;
use crate::projection::history::notices::Reached;

/// Messages to people looked at: the oldest of the span.
pub const REACHED_MAX: usize = 200_000;
/// What people say of alerts beside root causes, and the order that takes it back.
pub const SAID: [&str; 3] = ["false_alarm", "missed", "revoke"];
/// Messages to one person that come closer together are one interruption.
const ONE_INTERRUPTION: Span = Span::mins(1);
/// Working hours from Monday to Friday, and the hours in which people sleep.
const WORK: std::ops::Range<u32> = 9..18;
const SLEEP_FROM: u32 = 22;
const SLEEP_UNTIL: u32 = 8;

/// How often one person was interrupted: by a call, a text message or an app that rings; what comes within a minute is one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct PersonLoad {
    pub person: String,
    pub name: String,
    /// Monday to Friday, 9 to 18.
    pub work: u64,
    /// Neither at work nor asleep.
    pub rest: u64,
    /// 22 to 8, every day.
    pub sleep: u64,
    pub all: u64,
}

/// How messages to receivers ended. What was folded into a newer one was told with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct Delivered {
    pub accepted: u64,
    pub gave_up: u64,
    /// accepted / (accepted + gave_up).
    pub rate: Option<f64>,
}

/// Counts ends by their words.
pub fn delivered(outcomes: &BTreeMap<String, u64>) -> Delivered {
    let n = |word: &str| outcomes.get(word).copied().unwrap_or(0);
    let (accepted, gave_up) = (n("accepted"), n("gave_up"));
    let ended = accepted + gave_up;
    Delivered { accepted, gave_up, rate: (ended > 0).then(|| accepted as f64 / ended as f64) }
}

/// What people said: incidents that were none, and faults of which no alert told. What was taken back does not count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Judged {
    pub false_alarms: u64,
    pub missed: u64,
}

/// Interruptions by person, the most first.
pub fn by_person(api: &Api, caller: &Caller, reached: Vec<Reached>, zone: FixedOffset) -> Vec<PersonLoad> {
    let receivers = api.notices.receivers(&caller.tenant).items;
    let ringing: BTreeSet<String> = receivers.into_iter().filter(|one| one.interrupts).map(|one| one.id).collect();
    let policy = api.rules.policy(&caller.tenant);
    let mut all = loads(reached.into_iter().filter(|(_, receiver, _)| ringing.contains(receiver)), zone);
    for one in &mut all {
        one.name = policy.on_call.called(&one.person.as_str().into()).to_owned();
    }
    all
}

/// Messages come oldest first.
fn loads(reached: impl Iterator<Item = Reached>, zone: FixedOffset) -> Vec<PersonLoad> {
    let mut people: BTreeMap<String, (PersonLoad, Option<Timestamp>)> = BTreeMap::new();
    for (person, _, at) in reached {
        let (load, last) = people.entry(person.clone()).or_default();
        load.person = person;
        // A chain of messages, each close to the one before, is one interruption as long as it goes on.
        let is_same = last.replace(at).is_some_and(|last| at.since(last) < ONE_INTERRUPTION);
        if is_same {
            continue;
        }
        load.all += 1;
        *match class(at, zone) {
            Class::Work => &mut load.work,
            Class::Rest => &mut load.rest,
            Class::Sleep => &mut load.sleep,
        } += 1;
    }
    let mut all: Vec<PersonLoad> = people.into_values().map(|(load, _)| load).collect();
    all.sort_by(|a, b| b.all.cmp(&a.all).then_with(|| a.person.cmp(&b.person)));
    all
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    Work,
    Rest,
    Sleep,
}

fn class(at: Timestamp, zone: FixedOffset) -> Class {
    let local = at.to_utc().with_timezone(&zone);
    let is_weekend = matches!(local.weekday(), Weekday::Sat | Weekday::Sun);
    match local.hour() {
        SLEEP_FROM.. | 0..SLEEP_UNTIL => Class::Sleep,
        hour if WORK.contains(&hour) && !is_weekend => Class::Work,
        _ => Class::Rest,
    }
}

/// Counts what was said within the span; an incident is a false alarm once. Entries come newest first.
pub fn judged(entries: &[Audited], (since, until): (Timestamp, Timestamp)) -> Judged {
    let revoked = |entry: &Audited| match serde_json::from_str(&entry.detail) {
        Ok(Order::Revoke { of }) => Some(of),
        _ => None,
    };
    let revoked: BTreeSet<u64> = entries.iter().filter(|entry| entry.refused.is_none()).filter_map(revoked).collect();
    let stands = |entry: &&Audited| entry.at >= since && entry.at < until && !revoked.contains(&entry.seq);
    let of = |word: &'static str| entries.iter().filter(stands).filter(move |entry| entry.action == word);
    let false_alarms: BTreeSet<&str> = of("false_alarm").map(|entry| entry.about.as_str()).collect();
    Judged { false_alarms: false_alarms.len() as u64, missed: of("missed").count() as u64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    #[test]
    fn messages_within_a_minute_are_one_interruption_of_their_hour() {
        let to = |person: &str, text: &str| (person.to_owned(), "sms".to_owned(), at(text));
        let zone = FixedOffset::east_opt(8 * 3600).unwrap();
        // 2026-03-02 is a Monday.
        let reached = [
            to("li", "2026-03-02T02:00:00Z"),
            to("li", "2026-03-02T02:00:40Z"),
            to("li", "2026-03-02T02:01:20Z"),
            to("han", "2026-03-02T02:00:50Z"),
            to("li", "2026-03-02T02:02:20Z"),
            to("li", "2026-03-02T11:00:00Z"),
            to("li", "2026-03-02T19:00:00Z"),
            to("li", "2026-03-07T02:00:00Z"),
        ];
        let load = |person: &str, work, rest, sleep| PersonLoad {
            person: person.into(),
            name: String::new(),
            work,
            rest,
            sleep,
            all: work + rest + sleep,
        };
        assert_eq!(loads(reached.into_iter(), zone), [load("li", 2, 2, 1), load("han", 1, 0, 0)]);
    }

    #[test]
    fn what_was_folded_or_has_no_end_is_no_failure() {
        let ends = [("accepted", 9), ("gave_up", 1), ("folded", 5), ("pending", 2)];
        let found = delivered(&ends.map(|(word, n)| (word.to_owned(), n)).into());
        assert_eq!(found, Delivered { accepted: 9, gave_up: 1, rate: Some(0.9) });
        assert_eq!(delivered(&BTreeMap::new()).rate, None);
    }

    #[test]
    fn what_was_taken_back_was_not_said() {
        let said = |seq: u64, action: &str, about: &str, detail: &str| Audited {
            seq,
            at: Timestamp(seq as i64 * 1000),
            actor: "li".into(),
            action: action.into(),
            about: about.into(),
            detail: detail.into(),
            refused: None,
        };
        let entries = [
            said(60, "revoke", "", r#"{"order":"revoke","of":20}"#),
            said(50, "missed", "web-1", "\"\""),
            said(40, "false_alarm", "i1", "\"again\""),
            said(30, "false_alarm", "i1", "\"\""),
            said(20, "false_alarm", "i2", "\"\""),
            said(10, "missed", "db", "\"\""),
        ];
        let found = judged(&entries, (Timestamp(15_000), Timestamp(100_000)));
        assert_eq!(found, Judged { false_alarms: 1, missed: 1 });
    }
}
