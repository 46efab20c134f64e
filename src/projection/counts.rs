//! Counters per tenant: the conservation of events, and who makes the most noise.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use foldhash::fast::RandomState;
use serde::{Deserialize, Serialize};

use crate::domain::event::{Event, RECEIVED_STARTS_AT};
use crate::domain::mute::MutedBy;
use crate::domain::severity::Severity;
use crate::domain::time::{Span, Timestamp};
use crate::engine::verdict::Verdict;

/// An event that was on its way for longer is late.
const LATE: Span = Span::mins(5);

/// Distinct keys kept per kind of noise; further ones are counted under "…".
const NOISE_KEYS_MAX: usize = 20_000;

/// The key under which noise beyond `NOISE_KEYS_MAX` is counted.
pub const OTHERS: &str = "…";

/// Where the accepted events of a tenant ended. `accepted` is counted at the door, the rest at the end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conservation {
    pub accepted: u64,
    /// Accepted but without a verdict yet.
    pub pending: u64,
    pub duplicate: u64,
    pub joined: u64,
    pub opened: u64,
    pub held: u64,
    pub resolved: u64,
    /// By kind of mute.
    pub muted: BTreeMap<Cow<'static, str>, u64>,
    /// By reason.
    pub dead_lettered: BTreeMap<Cow<'static, str>, u64>,
}

impl Conservation {
    /// Counts one verdict.
    pub fn count(&mut self, verdict: &Verdict) {
        match verdict {
            Verdict::Duplicate { .. } => self.duplicate += 1,
            Verdict::Joined { .. } => self.joined += 1,
            Verdict::Opened { .. } => self.opened += 1,
            Verdict::Held { .. } => self.held += 1,
            Verdict::Resolved { .. } => self.resolved += 1,
            Verdict::Muted { by, .. } => *self.muted.entry(mute_word(by).into()).or_default() += 1,
            Verdict::Rejected { why } => *self.dead_lettered.entry(why.word().into()).or_default() += 1,
        }
    }

    /// Joined, opened, held or resolved.
    pub fn applied(&self) -> u64 {
        self.joined + self.opened + self.held + self.resolved
    }

    /// Everything that has an end, plus what waits for one.
    pub fn accounted(&self) -> u64 {
        self.applied()
            + self.duplicate
            + self.muted.values().sum::<u64>()
            + self.dead_lettered.values().sum::<u64>()
            + self.pending
    }

    /// Leaves out what has no verdict yet: it is accepted again with its record.
    pub fn leave_pending(&mut self) {
        self.accepted -= std::mem::take(&mut self.pending);
    }

    /// The law: both sides are equal.
    pub fn holds(&self) -> bool {
        self.accepted == self.accounted()
    }
}

/// The wire word of who muted.
pub fn mute_word(by: &MutedBy) -> &'static str {
    match by {
        MutedBy::Silence { .. } => "silence",
        MutedBy::Maintenance { .. } => "maintenance",
        MutedBy::CiState => "ci_state",
        MutedBy::Inhibition { .. } => "inhibition",
        MutedBy::Flapping => "flapping",
        MutedBy::Rule { .. } => "rule",
    }
}

/// How good what sources send is, in events since counting began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataQuality {
    /// Accepted more than five minutes after the collector saw it.
    pub late: u64,
    /// Its time was too far ahead of our clock and was replaced.
    pub future: u64,
    pub duplicate: u64,
    /// Kept as a dead letter.
    pub unparsable: u64,
    /// The severity's word is in no map.
    pub unmapped_severity: u64,
    /// The CMDB does not know the object.
    pub unresolved_object: u64,
    /// A text was longer than its limit.
    pub truncated: u64,
}

impl DataQuality {
    /// Counts an event that was decoded.
    pub fn event(&mut self, event: &Event, accepted_at: Timestamp) {
        self.late += u64::from(accepted_at.since(event.observed_at) > LATE);
        self.future += u64::from(event.annotations.get(RECEIVED_STARTS_AT).is_some());
        let unmapped = event.severity == Severity::Indeterminate && !event.source_severity.is_empty();
        self.unmapped_severity += u64::from(unmapped);
        self.truncated += u64::from(event.truncated);
    }

    /// All of them by their words, in a fixed order.
    pub const fn rows(&self) -> [(&'static str, u64); 7] {
        [
            ("late", self.late),
            ("future", self.future),
            ("duplicate", self.duplicate),
            ("unparsable", self.unparsable),
            ("unmapped_severity", self.unmapped_severity),
            ("unresolved_object", self.unresolved_object),
            ("truncated", self.truncated),
        ]
    }
}

/// Events per key, for "top noisy". Looked up with every event: hence not in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Noise {
    by_key: HashMap<Box<str>, u64, RandomState>,
}

impl Noise {
    /// Adds `n` events of one key.
    pub fn add(&mut self, key: &str, n: u64) {
        if let Some(count) = self.by_key.get_mut(key) {
            *count += n;
        } else if self.by_key.len() < NOISE_KEYS_MAX {
            self.by_key.insert(key.into(), n);
        } else {
            *self.by_key.entry(OTHERS.into()).or_default() += n;
        }
    }

    /// The events of one key; of those that are not kept none is known.
    pub fn of(&self, key: &str) -> u64 {
        self.by_key.get(key).copied().unwrap_or(0)
    }

    /// The `n` keys with the most events, most first.
    pub fn top(&self, n: usize) -> Vec<(Box<str>, u64)> {
        let named = self.by_key.iter().filter(|(key, _)| key.as_ref() != OTHERS);
        let mut all: Vec<(&str, u64)> = named.map(|(key, count)| (key.as_ref(), *count)).collect();
        let order = |a: &(&str, u64), b: &(&str, u64)| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0));
        if n > 0 && all.len() > n {
            all.select_nth_unstable_by(n - 1, order);
            all.truncate(n);
        }
        all.sort_by(order);
        all.into_iter().map(|(key, count)| (key.into(), count)).collect()
    }
}
