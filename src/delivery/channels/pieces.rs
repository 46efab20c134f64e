//! Pieces of several channels: what an answer says, how a title is written, what colour it has.

use std::net::SocketAddr;

use serde::Deserialize;
use serde_json::Value;

use crate::delivery::egress::Egress;
use crate::delivery::http::Answer;
use crate::delivery::{Attempt, receipt};
use crate::domain::severity::Severity;
use crate::domain::written::OneOrMore;
use crate::engine::effect::{Change, Notice, NoticeKind};

/// What colour a message has where messages have one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Colour {
    Red,
    Orange,
    Yellow,
    Blue,
    Green,
}

impl Colour {
    /// Its name, as systems write it.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Red => "red",
            Self::Orange => "orange",
            Self::Yellow => "yellow",
            Self::Blue => "blue",
            Self::Green => "green",
        }
    }

    pub(super) fn of(notice: &Notice) -> Self {
        match notice.incident.severity {
            _ if is_over(notice) => Self::Green,
            // Somebody else has it: nobody is to be alarmed.
            _ if notice.changes == [Change::Acknowledged] => Self::Blue,
            Severity::Critical => Self::Red,
            Severity::Major => Self::Orange,
            Severity::Minor => Self::Yellow,
            Severity::Warning | Severity::Indeterminate | Severity::Cleared => Self::Blue,
        }
    }
}

/// Whether a notice says that there is nothing to do any more.
pub(super) const fn is_over(notice: &Notice) -> bool {
    matches!(notice.kind, NoticeKind::Recovered | NoticeKind::Closed | NoticeKind::Merged)
}

/// The name of an incident in a system of others, the same for all of its notices.
pub(super) fn name_of(notice: &Notice) -> String {
    format!("headwater-{}-{}", notice.incident.tenant, notice.incident.id)
}

/// An answer whose status says yes: what number stands under `key` of its body, and the text under `said`.
/// Nothing but a JSON map with that number is an answer of such a system.
pub(super) fn code(answer: &Answer, key: &str, said: &str) -> Result<(i64, String), Attempt> {
    if !answer.status.is_success() {
        return Err(answer.judge());
    }
    let body = answer.json();
    let number = body.get(key).and_then(Value::as_i64).ok_or_else(|| answer.strange())?;
    let said = body.get(said).and_then(Value::as_str).unwrap_or_default();
    Ok((number, format!("{key} {number}: {said}")))
}

/// A yes with the system's own id of the message, where the answer names one.
pub(super) fn noted(attempt: Attempt, answer: &Answer, places: &[&str]) -> Attempt {
    let id = if attempt == Attempt::Accepted { receipt::id(answer, places) } else { None };
    id.map_or(attempt, |said| Attempt::Noted { said })
}

/// The title with the keyword that a robot's settings ask for.
pub(super) fn with_keyword(title: &str, keyword: Option<&str>) -> String {
    match keyword.filter(|keyword| !title.contains(keyword)) {
        Some(keyword) => format!("{keyword} {title}"),
        None => title.to_owned(),
    }
}

/// A checked address of a server that is not spoken to over HTTP.
pub(super) async fn address(egress: &Egress, server: &str, port: u16) -> Result<SocketAddr, Attempt> {
    let later = |why: String| Attempt::TryLater { why, wait: None };
    let found = tokio::net::lookup_host((server, port)).await;
    let found: Vec<SocketAddr> = found.map_err(|error| later(format!("{server}: {error}")))?.collect();
    for address in &found {
        // One bad address among good ones is an attack or a mistake: none of them is used.
        let checked = egress.check(address.ip(), port);
        checked.map_err(|error| Attempt::LockedOut { why: format!("server: {error}") })?;
    }
    found.first().copied().ok_or_else(|| later(format!("{server} has no address")))
}

/// One address or several, as they are written in the configuration.
pub(super) fn one_or_more<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    OneOrMore::deserialize(deserializer).map(OneOrMore::list)
}
