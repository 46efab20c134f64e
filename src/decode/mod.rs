//! Bytes to events. Pure: one file per format; the same bytes always give the same events.
//!
//! A body that cannot be read at all is a `BodyError`. Otherwise every event in it is either decoded or rejected
//! with its own reason; one bad event never takes its neighbours along.
//!
//! **Identity.** The engine tells alerts apart by source, name and object (looked up in the CMDB) and by
//! `Event::identity`, the labels that a mapping chooses; an explicit `dedup_key` wins over all of that. Identity is
//! taken before texts are cut, and identity that is itself too long keeps a hash of the whole.
//!
//! **Time.** A time before 1970, after 9999 or more than 24 hours ahead of its receipt rejects the event. Ahead by more than one
//! hour, it becomes the time of receipt, the annotation `received_starts_at` keeps what was sent, and the event is
//! counted. Smaller lags and leads stay as they are: the order of alerts is worth more than a tidy clock.

pub mod again;
pub mod alertmanager;
pub mod alertmanager_webhook;
pub mod cloudevents;
pub mod form;
pub mod formats;
pub mod limits;
pub mod lines;
pub mod mail;
pub mod mapping;
pub mod native;
pub mod otlp;
pub mod points;
pub mod remote_write;
pub mod severity;
pub mod sketch;
pub mod snmp;
pub mod syslog;
pub mod text;
pub mod topology;

mod json;
mod path;
mod reader;
mod times;
mod value;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::domain::event::Event;
use crate::domain::ids::{SourceId, TenantId};
use crate::domain::reject::DeadLetter;
use crate::domain::time::Timestamp;
use limits::Limits;
use severity::SeverityMaps;

/// A body as received, decompressed.
#[derive(Clone, Copy, Debug)]
pub struct Body<'a> {
    pub bytes: &'a [u8],
    /// The request's `charset`, if it names one.
    pub charset: Option<&'a str>,
}

impl<'a> From<&'a [u8]> for Body<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self { bytes, charset: None }
    }
}

/// What a decoder must know beside the bytes. Tenant and source come from the credential, never from the body.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    pub tenant: &'a TenantId,
    /// Empty or `*`: the mapping's own source stands alone (recorded streams of many sources).
    pub source: &'a SourceId,
    /// Our clock. `None` in a recorded stream: there each event's `observed_at` is its time of receipt.
    pub received_at: Option<Timestamp>,
    pub severities: &'a SeverityMaps,
    pub limits: &'a Limits,
}

/// What became of a body: each of its events is in one of the first two lists.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decoded {
    /// In the order of the body.
    pub events: Vec<Event>,
    /// In the order of the body.
    pub rejected: Vec<Rejected>,
    /// What is no event: people have done something with an alert. In the order of the body.
    pub orders: Vec<SourceOrder>,
    pub counts: Counts,
}

/// What people have done with an alert where it comes from: an order for its incident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceOrder {
    /// The source's own identity of the alert.
    pub key: Box<str>,
    /// None: they have only written something.
    pub deed: Option<SourceDeed>,
    pub by: Option<Box<str>>,
    pub text: Option<Box<str>>,
}

/// What can be done with an alert there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SourceDeed {
    Acknowledge,
    Unacknowledge,
}

impl SourceDeed {
    /// As mappings write it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Acknowledge => "acknowledge",
            Self::Unacknowledge => "unacknowledge",
        }
    }
}

/// An event that could not be taken.
#[derive(Clone, Debug, PartialEq)]
pub struct Rejected {
    /// Its place among all events of the body, from 0.
    pub index: usize,
    pub letter: DeadLetter,
}

/// What was remarkable in a body, in events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// The severity word is in no map: `indeterminate`.
    pub unmapped_severity: u64,
    /// Some text was cut.
    pub truncated: u64,
    /// Seen by the collector more than five minutes before we received it.
    pub late: u64,
    /// Ahead of our clock by more than an hour.
    pub future: u64,
    /// In another encoding than UTF-8, without a bad byte.
    pub other_encoding: u64,
    /// In a body with invalid bytes or invalid escapes, which have been replaced.
    pub repaired_text: u64,
    /// Alerts that the sender says it left out.
    pub left_out_by_sender: u64,
    /// What its mapping says is no event: a ping, a build that is not finished. Nothing is kept of it.
    pub left_out: u64,
}

impl Counts {
    /// Adds what was remarkable in another body.
    pub fn add(&mut self, other: &Self) {
        let Self {
            unmapped_severity,
            truncated,
            late,
            future,
            other_encoding,
            repaired_text,
            left_out_by_sender,
            left_out,
        } = self;
        *unmapped_severity += other.unmapped_severity;
        *truncated += other.truncated;
        *late += other.late;
        *future += other.future;
        *other_encoding += other.other_encoding;
        *repaired_text += other.repaired_text;
        *left_out_by_sender += other.left_out_by_sender;
        *left_out += other.left_out;
    }
}

/// A body that cannot be read at all: nothing of it is kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    #[error("{0}")]
    Unreadable(String),
    #[error("more than {events_max} events in one body: send them in several")]
    TooManyEvents { events_max: usize },
}
