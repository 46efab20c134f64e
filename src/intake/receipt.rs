//! The answer to a delivery: what was accepted, what was not and why, and under which references both are kept.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Serialize, Serializer};

use super::refusal::Refusal;
use super::sink::Accepted;
use crate::decode::Rejected;
use crate::domain::ids::EventRef;

/// What became of a body's events.
#[derive(Debug, Default, Serialize)]
pub struct Receipt {
    /// How many events are durable.
    pub accepted: usize,
    pub rejected: Vec<RejectedEvent>,
    /// The accepted events' references, in the order of the body.
    pub event_refs: Vec<Ref>,
    /// What its mapping says is no event, such as a ping. Nothing is kept of it.
    #[serde(skip_serializing_if = "is_zero")]
    pub left_out: u64,
    /// What people have done with alerts where they come from: orders for their incidents, which are durable.
    #[serde(skip_serializing_if = "is_none")]
    pub orders: usize,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

fn is_none(count: &usize) -> bool {
    *count == 0
}

/// An event that could not be taken. It is kept as a dead letter.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RejectedEvent {
    /// Its place in the body, from 0.
    pub index: usize,
    pub reason: &'static str,
    pub detail: String,
    pub event_ref: Ref,
}

/// An event's reference, written `e<seq>.<index>`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ref(EventRef);

impl Serialize for Ref {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl Receipt {
    /// Writes the receipt of a durable batch.
    pub fn new(events: usize, rejected: &[Rejected], kept: Accepted) -> Self {
        let event_ref = |at: usize| {
            let index = u32::try_from(at).expect("a batch is bounded").saturating_add(kept.first);
            Ref(EventRef { seq: kept.seq, index })
        };
        let rejected = rejected.iter().enumerate().map(|(n, rejected)| RejectedEvent {
            index: rejected.index,
            reason: rejected.letter.why.word(),
            detail: rejected.letter.why.detail().to_owned(),
            event_ref: event_ref(events + n),
        });
        let event_refs = (0..events).map(event_ref).collect();
        Self { accepted: events, rejected: rejected.collect(), event_refs, left_out: 0, orders: 0 }
    }

    /// Our own answer: 202 when something was accepted (or nothing was sent), 422 when all of it was bad.
    pub fn into_answer(self) -> Result<Response, Refusal> {
        if self.accepted == 0 && !self.rejected.is_empty() {
            return Err(Refusal::AllRejected(self.rejected));
        }
        Ok((StatusCode::ACCEPTED, Json(self)).into_response())
    }

    /// Alertmanager's answer: 200 with nothing when all is good, 400 with a message when something is not.
    pub fn into_alertmanager_answer(self) -> Result<Response, Refusal> {
        if self.rejected.is_empty() {
            return Ok(StatusCode::OK.into_response());
        }
        Err(Refusal::SomeRejected { accepted: self.accepted, rejected: self.rejected })
    }
}
