//! Requests that are refused as a whole: a problem document (RFC 9457) that says what to do.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::receipt::RejectedEvent;

/// Why nothing, or nothing good, was taken from a request.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Refusal {
    #[error("no valid credential: send `Authorization: Bearer <token>`")]
    Unauthorized,
    #[error("this credential's role does not deliver events: make one with the role `source`")]
    Forbidden,
    #[error("there is no such source or mapping, or it is not yours")]
    NotFound,
    /// People have switched the source off.
    #[error("this source is switched off: ask who runs Headwater to switch it on")]
    SwitchedOff,
    #[error("the signature is refused: {0}")]
    BadSignature(&'static str),
    #[error("the headers are larger than {0} bytes")]
    HeadersTooLarge(usize),
    #[error("{0}")]
    MediaType(&'static str),
    #[error("{0}")]
    TooLarge(String),
    #[error("the body came too slowly: send at least 1 KB per second")]
    Slow,
    #[error("the connection ended within the body")]
    Torn,
    #[error("{0}")]
    Unreadable(String),
    #[error("this source sends faster than its limit: try again in {wait_secs} s")]
    RateLimited { wait_secs: u64 },
    #[error("too busy to take this now, nothing of it was kept: try again in {wait_secs} s")]
    Busy { wait_secs: u64 },
    #[error("the journal failed: send this again, a repeat is recognised")]
    Failed,
    /// Nothing of a body with metric points could be taken.
    #[error("none of the points could be taken: {0}")]
    NoPoints(String),
    /// Every event was bad. They are kept as dead letters.
    #[error("none of the {} events could be taken: {}", .0.len(), .0.first().map_or("", |first| &first.detail))]
    AllRejected(Vec<RejectedEvent>),
    /// Alertmanager's answer when some of several alerts are bad; the good ones are kept.
    #[error("{accepted} alerts were kept, {} were not: {}", rejected.len(), rejected.first().map_or("", |first| &first.detail))]
    SomeRejected { accepted: usize, rejected: Vec<RejectedEvent> },
}

#[derive(Serialize)]
struct Problem<'a> {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    detail: String,
    code: &'static str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    rejected: &'a [RejectedEvent],
}

impl Refusal {
    /// The status and the word for programs, which is also the label of the counter.
    pub const fn status_and_code(&self) -> (StatusCode, &'static str) {
        match self {
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, "unauthorized"),
            Self::Forbidden => (StatusCode::FORBIDDEN, "forbidden"),
            Self::NotFound => (StatusCode::NOT_FOUND, "not_found"),
            Self::SwitchedOff => (StatusCode::FORBIDDEN, "switched_off"),
            Self::BadSignature(_) => (StatusCode::UNAUTHORIZED, "bad_signature"),
            Self::HeadersTooLarge(_) => (StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "headers_too_large"),
            Self::MediaType(_) => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "media_type"),
            Self::TooLarge(_) => (StatusCode::PAYLOAD_TOO_LARGE, "too_large"),
            Self::Slow => (StatusCode::REQUEST_TIMEOUT, "slow"),
            Self::Torn => (StatusCode::BAD_REQUEST, "torn"),
            Self::Unreadable(_) => (StatusCode::BAD_REQUEST, "unreadable"),
            Self::RateLimited { .. } => (StatusCode::TOO_MANY_REQUESTS, "rate_limited"),
            Self::Busy { .. } => (StatusCode::SERVICE_UNAVAILABLE, "busy"),
            Self::Failed => (StatusCode::SERVICE_UNAVAILABLE, "journal_failed"),
            Self::NoPoints(_) => (StatusCode::UNPROCESSABLE_ENTITY, "no_points"),
            Self::AllRejected(_) => (StatusCode::UNPROCESSABLE_ENTITY, "all_rejected"),
            Self::SomeRejected { .. } => (StatusCode::BAD_REQUEST, "some_rejected"),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, code) = self.status_and_code();
        let rejected = match &self {
            Self::AllRejected(rejected) | Self::SomeRejected { rejected, .. } => rejected.as_slice(),
            _ => &[],
        };
        let problem = Problem {
            r#type: "about:blank",
            title: status.canonical_reason().unwrap_or_default(),
            status: status.as_u16(),
            detail: self.to_string(),
            code,
            rejected,
        };
        let mut response = (status, axum::Json(&problem)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        let wait_secs = match &self {
            Self::RateLimited { wait_secs } | Self::Busy { wait_secs } => Some(*wait_secs),
            Self::Failed => Some(1),
            _ => None,
        };
        if let Some(wait) = wait_secs {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(wait.max(1)));
        }
        if self == Self::Unauthorized {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
