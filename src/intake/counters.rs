//! What intake counts. Telemetry exports it; there is no label per alert, so its size never grows.

use std::sync::atomic::{AtomicU64, Ordering};

use super::listen::Heard;
use super::refusal::Refusal;
use crate::decode::{Counts, Rejected};
use crate::detect::log::watch::Taken as Line;
use crate::detect::watch::Taken;
use crate::domain::event::Event;

/// Counters since the start. Refused requests are no part of the conservation law: nothing of them was kept.
#[derive(Debug, Default)]
pub struct IntakeCounters {
    requests: AtomicU64,
    body_bytes: AtomicU64,
    accepted: AtomicU64,
    dead_lettered: [AtomicU64; DEAD_LETTERS.len()],
    refused: [AtomicU64; REFUSALS.len()],
    marks: [AtomicU64; MARKS.len()],
    signals: [AtomicU64; SIGNALS.len()],
    sides: [AtomicU64; SIDES.len()],
    points: [AtomicU64; POINTS.len()],
    heard: [AtomicU64; HEARD.len()],
    lines: [AtomicU64; LINES.len()],
    /// The metric model that series are judged by (0: the one that is compiled in), and how many were refused.
    model: [AtomicU64; 2],
}

/// What became of a metric model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taught {
    Taken(u32),
    Refused,
}

/// The reasons of dead letters, as their words go.
const DEAD_LETTERS: [&str; 4] = ["malformed", "too_large", "bad_time", "over_limit"];

/// The reasons of refused requests, as their words go.
const REFUSALS: [&str; 15] = [
    "unauthorized",
    "forbidden",
    "not_found",
    "switched_off",
    "bad_signature",
    "headers_too_large",
    "media_type",
    "too_large",
    "slow",
    "torn",
    "unreadable",
    "rate_limited",
    "busy",
    "journal_failed",
    "no_points",
];

/// What was remarkable about decoded events.
const MARKS: [&str; 8] = [
    "unmapped_severity",
    "truncated",
    "late",
    "future",
    "other_encoding",
    "repaired_text",
    "left_out_by_sender",
    "left_out",
];

/// The kinds of telemetry that events come from, as they are declared; the last: the event does not say.
const SIGNALS: [&str; 5] = ["metric", "log", "event", "trace", "unknown"];

/// Where signals were taken, likewise.
const SIDES: [&str; 4] = ["endpoint", "network", "cloud", "unknown"];

/// Events by what they say of where they come from.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Origins {
    signals: [u64; SIGNALS.len()],
    sides: [u64; SIDES.len()],
}

impl Origins {
    /// Counts events.
    pub fn of(events: &[Event]) -> Self {
        let mut origins = Self::default();
        for event in events {
            origins.signals[event.signal.map_or(SIGNALS.len() - 1, |signal| signal as usize)] += 1;
            origins.sides[event.side.map_or(SIDES.len() - 1, |side| side as usize)] += 1;
        }
        origins
    }

    /// All of them.
    pub fn events(&self) -> usize {
        self.sides.iter().sum::<u64>() as usize
    }
}

/// What became of metric points; `over_limit` would have begun one series too many.
const POINTS: [&str; 5] = ["scored", "learned", "old", "over_limit", "malformed"];

/// What became of messages to listeners; what was dropped came faster than it could be kept.
const HEARD: [&str; 4] = ["taken", "dropped", "refused", "malformed"];

/// What became of log lines; `other` would have made one template too many and counts with nothing.
const LINES: [&str; 4] = ["counted", "fresh", "other", "malformed"];

impl IntakeCounters {
    pub(super) fn request(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn body(&self, bytes: usize) {
        self.body_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Counts a refused request. One whose events are dead letters has been kept and is counted there.
    pub(super) fn refused(&self, refusal: &Refusal) {
        if matches!(refusal, Refusal::AllRejected(_) | Refusal::SomeRejected { .. }) {
            return;
        }
        add(&REFUSALS, &self.refused, refusal.status_and_code().1, 1);
    }

    pub(super) fn point(&self, taken: Taken) {
        let word = match taken {
            Taken::Scored => "scored",
            Taken::Learned => "learned",
            Taken::Old => "old",
            Taken::Refused => "over_limit",
        };
        add(&POINTS, &self.points, word, 1);
    }

    pub(super) fn line(&self, taken: Line) {
        let word = match taken {
            Line::Counted => "counted",
            Line::Fresh => "fresh",
            Line::Other => "other",
        };
        add(&LINES, &self.lines, word, 1);
    }

    pub(super) fn lines_malformed(&self, count: usize) {
        add(&LINES, &self.lines, "malformed", count as u64);
    }

    pub(super) fn heard(&self, heard: Heard) {
        add(&HEARD, &self.heard, heard.as_str(), 1);
    }

    /// A metric model was taken or refused.
    pub fn model(&self, taught: Taught) {
        match taught {
            Taught::Taken(version) => self.model[0].store(u64::from(version), Ordering::Relaxed),
            Taught::Refused => _ = self.model[1].fetch_add(1, Ordering::Relaxed),
        }
    }

    pub(super) fn points_malformed(&self, count: usize) {
        add(&POINTS, &self.points, "malformed", count as u64);
    }

    pub(super) fn kept(&self, origins: &Origins, rejected: &[Rejected], counts: &Counts) {
        self.accepted.fetch_add(origins.events() as u64, Ordering::Relaxed);
        for (counter, count) in self.signals.iter().zip(origins.signals).chain(self.sides.iter().zip(origins.sides)) {
            counter.fetch_add(count, Ordering::Relaxed);
        }
        for rejected in rejected {
            add(&DEAD_LETTERS, &self.dead_lettered, rejected.letter.why.word(), 1);
        }
        let Counts {
            unmapped_severity,
            truncated,
            late,
            future,
            other_encoding,
            repaired_text,
            left_out_by_sender,
            left_out,
        } = *counts;
        let counts =
            [unmapped_severity, truncated, late, future, other_encoding, repaired_text, left_out_by_sender, left_out];
        for (counter, count) in self.marks.iter().zip(counts) {
            counter.fetch_add(count, Ordering::Relaxed);
        }
    }

    /// All counters: noun, label (empty: none) and value, in a fixed order.
    pub fn rows(&self) -> Vec<(&'static str, &'static str, u64)> {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let mut rows = vec![
            ("intake_requests", "", get(&self.requests)),
            ("intake_body_bytes", "", get(&self.body_bytes)),
            ("intake_events_accepted", "", get(&self.accepted)),
            ("intake_metric_model_version", "", get(&self.model[0])),
            ("intake_metric_models_refused", "", get(&self.model[1])),
        ];
        let labelled = [
            ("intake_events_dead_lettered", &DEAD_LETTERS[..], &self.dead_lettered[..]),
            ("intake_requests_refused", &REFUSALS[..], &self.refused[..]),
            ("intake_events_marked", &MARKS[..], &self.marks[..]),
            ("intake_events_by_signal", &SIGNALS[..], &self.signals[..]),
            ("intake_events_by_side", &SIDES[..], &self.sides[..]),
            ("intake_points", &POINTS[..], &self.points[..]),
            ("intake_listener_messages", &HEARD[..], &self.heard[..]),
            ("intake_log_lines", &LINES[..], &self.lines[..]),
        ];
        for (noun, labels, counters) in labelled {
            rows.extend(labels.iter().zip(counters).map(|(label, counter)| (noun, *label, get(counter))));
        }
        rows
    }
}

fn add(labels: &[&str], counters: &[AtomicU64], label: &str, count: u64) {
    let at = labels.iter().position(|one| *one == label).expect("every reason has a counter");
    counters[at].fetch_add(count, Ordering::Relaxed);
}
