//! Keyset paging: an opaque cursor that names the last row, so that pages stay right while rows come and go.

use std::cmp::Reverse;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use utoipa::ToSchema;

use super::problem::ApiError;
use crate::domain::ids::EventRef;
use crate::domain::time::Timestamp;

/// Rows per page when nothing is asked for.
pub const LIMIT_DEFAULT: usize = 50;
/// The most rows of one page.
pub const LIMIT_MAX: usize = 500;

/// One page of a list.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Listed<T> {
    pub items: Vec<T>,
    /// Give it back as `after` to get the next page; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// The feed's newest change when this was read: subscribe with it to miss nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub feed: Option<String>,
}

/// The wanted page size, within limits.
pub fn limit(asked: Option<usize>) -> Result<usize, ApiError> {
    match asked.unwrap_or(LIMIT_DEFAULT) {
        n @ 1..=LIMIT_MAX => Ok(n),
        _ => Err(ApiError::Bad(format!("limit must be 1 to {LIMIT_MAX}"))),
    }
}

/// Writes a cursor of two numbers.
pub fn cursor(first: i64, second: u64) -> String {
    URL_SAFE_NO_PAD.encode(format!("{first}.{second}"))
}

/// Reads what `cursor` wrote.
pub fn read_cursor(text: Option<&str>) -> Result<Option<(i64, u64)>, ApiError> {
    let Some(text) = text else { return Ok(None) };
    let read = || {
        let plain = String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
        let (first, second) = plain.split_once('.')?;
        Some((first.parse().ok()?, second.parse().ok()?))
    };
    read().map(Some).ok_or_else(|| ApiError::Bad("after: not a cursor of this list; start again without it".into()))
}

/// A place in a newest-first list.
pub type NewestFirst<I> = (Reverse<Timestamp>, Reverse<I>);

/// Reads a cursor of a newest-first list.
pub fn read_place<I>(text: Option<&str>, id: impl Fn(u64) -> I) -> Result<Option<NewestFirst<I>>, ApiError> {
    Ok(read_cursor(text)?.map(|(at, n)| (Reverse(Timestamp(at)), Reverse(id(n)))))
}

/// A point in time from a query.
pub fn read_time(name: &str, text: Option<&str>) -> Result<Option<Timestamp>, ApiError> {
    let Some(text) = text else { return Ok(None) };
    let read = Timestamp::parse(text);
    read.map(Some)
        .ok_or_else(|| ApiError::Bad(format!("{name}: not a time; write RFC 3339, for example 2026-01-05T08:00:00Z")))
}

/// The place of the last event of a page.
pub fn read_event(text: Option<&str>) -> Result<Option<EventRef>, ApiError> {
    let bad = || ApiError::Bad("after: not a cursor of this list; start again without it".into());
    text.map(|text| EventRef::parse(text).ok_or_else(bad)).transpose()
}
