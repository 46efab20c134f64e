//! What a message says, piece by piece, for systems that fill a template of their own: approved SMS texts, voice, and
//! whatever a gateway of one's own wants.

use serde::Serialize;

use super::{Manner, fit};
use crate::delivery::message::{self, Lines};
use crate::engine::calendar::local;
use crate::engine::effect::Notice;
use crate::wording::lang::Lang;
use crate::wording::words::{PriorityWord, SeverityWord};

/// The pieces. All are plain text in the receiver's language.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Fields {
    /// How bad, in a word.
    pub level: String,
    /// `P1` to `P4`.
    pub priority: &'static str,
    /// What is new, in a word: opened, recovered, …
    pub news: &'static str,
    pub title: String,
    /// The incident's id.
    pub incident: String,
    pub version: u32,
    /// The most probable root cause's CI; empty when there is none.
    pub cause: String,
    /// Services that are hit.
    pub services: String,
    pub alerts: u32,
    /// Local date and time at which it began.
    pub since: String,
    /// Where the console shows it; empty when the console's address is not configured.
    pub url: String,
    /// All of it in one line.
    pub text: String,
    /// Stays the same however often this message is tried.
    pub key: String,
}

/// The names that a configuration may use, for its errors.
pub const NAMES: &str = "level, priority, news, title, incident, version, cause, services, alerts, since, url, text";

impl Fields {
    /// The pieces of a notice. With `is_nameless` no piece names a machine, an address or a service.
    pub fn of(notice: &Notice, manner: &Manner, is_nameless: bool, chars_max: usize) -> Self {
        let (incident, style) = (&notice.incident, manner.style());
        let lines = Lines::of(notice, &style);
        let text = if is_nameless { message::nameless(notice, &style) } else { message::short(notice, &style) };
        let named = |text: String| if is_nameless { String::new() } else { text };
        let services: Vec<&str> = incident.services.iter().map(AsRef::as_ref).collect();
        let cause = incident.candidates.first().map(|candidate| candidate.ci.name.to_string());
        Self {
            level: SeverityWord::from(incident.severity).label(manner.lang).to_owned(),
            priority: PriorityWord::from(incident.priority).word(),
            news: notice.kind.as_str(),
            title: if is_nameless { incident.id.to_string() } else { incident.title.to_string() },
            incident: incident.id.to_string(),
            version: incident.version,
            cause: named(cause.unwrap_or_default()),
            services: named(services.join(if manner.lang == Lang::Zh { "、" } else { ", " })),
            alerts: incident.alert_count,
            since: local(manner.time_zone, incident.opened_at).format("%Y-%m-%d %H:%M").to_string(),
            url: named(lines.url.unwrap_or_default()),
            text: fit::chars(&text, chars_max),
            key: notice.key.to_string(),
        }
    }

    /// One piece by its name, at most so many characters of it: templates have limits of their own.
    pub fn get(&self, name: &str, chars_max: usize) -> Option<String> {
        let piece = match name {
            "level" => self.level.clone(),
            "priority" => self.priority.to_owned(),
            "news" => self.news.to_owned(),
            "title" => self.title.clone(),
            "incident" => self.incident.clone(),
            "version" => self.version.to_string(),
            "cause" => self.cause.clone(),
            "services" => self.services.clone(),
            "alerts" => self.alerts.to_string(),
            "since" => self.since.clone(),
            "url" => self.url.clone(),
            "text" => self.text.clone(),
            _ => return None,
        };
        Some(fit::chars(&piece, chars_max))
    }

    /// Whether there is a piece of this name.
    pub fn is_known(name: &str) -> bool {
        Self::default().get(name, 1).is_some()
    }
}
