//! Events that could not be taken, and why. Decoders make them, the journal keeps them.

use serde::{Deserialize, Serialize};

use super::event::Event;
use super::ids::SourceId;
use super::time::Timestamp;

/// Why an event could not be taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "reason", content = "detail")]
pub enum Reject {
    /// Not readable as what its source sends; says where and what to do.
    Malformed(String),
    /// A limit was exceeded.
    TooLarge(String),
    /// The time is unusable (before 1970, or too far in the future).
    BadTime(String),
    /// The tenant has too many active alerts.
    OverLimit(String),
}

impl Reject {
    /// The wire word: also the label of the counter.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed",
            Self::TooLarge(_) => "too_large",
            Self::BadTime(_) => "bad_time",
            Self::OverLimit(_) => "over_limit",
        }
    }

    /// The sentence for people.
    pub fn detail(&self) -> &str {
        match self {
            Self::Malformed(s) | Self::TooLarge(s) | Self::BadTime(s) | Self::OverLimit(s) => s,
        }
    }
}

/// The name of the decoder of our own format in dead letters.
pub const NATIVE: &str = "native";

/// An event that could not be taken, with its bytes and the reason.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeadLetter {
    pub source: SourceId,
    pub why: Reject,
    /// At most 64 KiB, as text (invalid bytes replaced).
    pub raw: Box<str>,
    /// Name of the decoder that refused it: needed to try again.
    pub decoder: Box<str>,
    pub received_at: Timestamp,
}

impl DeadLetter {
    /// The letter of an event that was decoded and then refused: in our own format, without its id, because the same id
    /// again would only be a repeat.
    pub fn of(event: &Event, why: Reject, received_at: Timestamp) -> Self {
        let mut raw = serde_json::json!({
            "status": event.status, "severity": event.severity, "name": event.name, "title": event.title,
            "description": event.description, "object": event.object, "labels": event.labels,
            "annotations": event.annotations, "starts_at": event.starts_at.to_string(),
        });
        if let Some(key) = &event.dedup_key {
            raw["dedup_key"] = key.as_ref().into();
        }
        Self { source: event.source.clone(), why, raw: raw.to_string().into(), decoder: NATIVE.into(), received_at }
    }
}
