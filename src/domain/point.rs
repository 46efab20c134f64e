//! Readings of a series, as sources send them. They are scored ahead of the journal and never enter it.

use serde::{Deserialize, Serialize};

use super::event::ObjectRef;
use super::label::Labels;
use super::time::Timestamp;

/// What of a CI is unusual: the four golden signals. One alert each, however many series show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Aspect {
    /// How much is asked of it.
    Traffic,
    /// How long it takes.
    Latency,
    /// How much of it fails, or is left undone.
    Errors,
    /// How full it is: processor, memory, queues.
    Saturation,
}

/// What the numbers of a series are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Measure {
    /// A level: latency, usage, bytes.
    Amount,
    /// Things counted per step: log lines, calls.
    Count,
    /// A part of a whole, from 0 to 1: failed calls of all calls.
    Share,
    /// How much of a limit is used, from 0 to 1: processor, memory. Far below its limit nothing is full.
    Usage,
}

/// Where a series goes when something is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Worse {
    Up,
    Down,
    Either,
}

/// One reading.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// The metric's name: with object and labels, which series it belongs to.
    pub name: Box<str>,
    pub object: ObjectRef,
    pub labels: Labels,
    pub value: f64,
    pub at: Timestamp,
    pub unit: Option<Box<str>>,
    /// What is not said is told by the name and by the readings.
    pub aspect: Option<Aspect>,
    pub measure: Option<Measure>,
    pub worse: Option<Worse>,
    /// It counts up, and begins anew when its sender does: what is watched is its rate per second.
    pub is_counter: bool,
}

/// Parts of names by which an aspect is known; what has none of them is about how full something is.
const WORDS: [(Aspect, &[&str]); 3] = [
    (Aspect::Errors, &["error", "fail", "drop", "loss", "lost", "timeout", "reject", "retrans", "5xx", "discard"]),
    (
        Aspect::Latency,
        &["latency", "duration", "delay", "response_time", "responsetime", "rtt", "_seconds", "_ms", "lag"],
    ),
    (Aspect::Traffic, &["request", "qps", "rps", "tps", "throughput", "traffic", "rate", "packets", "bytes_", "calls"]),
];

impl Aspect {
    /// The aspect that a metric's name speaks of.
    pub fn of_name(name: &str) -> Self {
        let name = name.to_lowercase();
        let speaks = |words: &[&str]| words.iter().any(|word| name.contains(word));
        WORDS.iter().find(|(_, words)| speaks(words)).map_or(Self::Saturation, |(aspect, _)| *aspect)
    }

    /// Where a series of this aspect goes when something is wrong. Traffic that stays away is as wrong as a flood.
    pub const fn worse(self) -> Worse {
        match self {
            Self::Traffic => Worse::Either,
            Self::Latency | Self::Errors | Self::Saturation => Worse::Up,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_speak_of_aspects() {
        for (name, aspect) in [
            ("http_requests_failed_total", Aspect::Errors),
            ("http_request_duration_seconds", Aspect::Latency),
            ("QPS", Aspect::Traffic),
            ("cpu_usage", Aspect::Saturation),
            ("内存使用率", Aspect::Saturation),
        ] {
            assert_eq!(Aspect::of_name(name), aspect, "{name}");
        }
    }
}
