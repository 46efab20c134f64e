//! What a message says, piece by piece, for systems that fill a template of their own: approved SMS texts, voice, and
//! whatever a gateway of one's own wants.

use serde::Serialize;

use super::{Manner, fit};
use crate::delivery::acts::Medium;
use crate::delivery::brief;
use crate::delivery::lines::{self, Lines};
use crate::delivery::message::Style;
use crate::engine::calendar::local;
use crate::engine::effect::{Notice, NoticeKind};
use crate::wording::lang::Lang;
use crate::wording::titles::titled;
use crate::wording::words::{PriorityWord, SeverityWord};

/// The pieces. All are plain text in the receiver's language.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Fields {
    /// How bad, in a word.
    pub level: String,
    /// `P1` to `P4`.
    pub priority: &'static str,
    /// What is new, in the receiver's language.
    pub news: String,
    /// The same as a word for programs: opened, recovered, …
    pub kind: &'static str,
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
    /// All of it in one line; where a voice reads it out, the same as `spoken`.
    pub text: String,
    /// All of it to be read out.
    pub spoken: String,
    /// Digits with which the person answers; empty where nothing comes back.
    pub code: String,
    /// Stays the same however often this message is tried.
    pub key: String,
}

/// The names that a configuration may use, for its errors.
pub const NAMES: &str =
    "level, priority, news, kind, title, incident, version, cause, services, alerts, since, url, text, spoken, code";

/// Pieces that say what is new.
const SAY_NEWS: [&str; 4] = ["news", "kind", "text", "spoken"];

/// How a text is written in so many characters.
type Write = fn(&Notice, &Style<'_>, usize) -> String;

impl Fields {
    /// The pieces of a notice. With `is_nameless` no piece names a machine, an address or a service.
    pub fn of(notice: &Notice, manner: &Manner, is_nameless: bool, chars_max: usize) -> Self {
        let (incident, style) = (&notice.incident, manner.style());
        let lines = Lines::of(notice, &style);
        let write = |named: Write, nameless: Write| {
            let chosen = if is_nameless { nameless } else { named };
            chosen(notice, &style, chars_max)
        };
        let spoken = write(brief::spoken, brief::spoken_nameless);
        let text = match manner.acts.medium {
            Medium::Read => write(brief::short, brief::nameless),
            Medium::Spoken => spoken.clone(),
        };
        let named = |text: String| if is_nameless { String::new() } else { text };
        let services: Vec<&str> = incident.services.iter().map(AsRef::as_ref).collect();
        let cause = incident.candidates.first().map(|candidate| candidate.ci.name.to_string());
        Self {
            level: SeverityWord::from(incident.severity).label(manner.lang).to_owned(),
            priority: PriorityWord::from(incident.priority).word(),
            news: lines::said(notice, manner.lang),
            kind: notice.kind.as_str(),
            title: match notice.kind {
                NoticeKind::Test => text.clone(),
                _ if is_nameless => incident.id.to_string(),
                _ => titled(&incident.title, manner.lang).into_owned(),
            },
            incident: incident.id.to_string(),
            version: incident.version,
            cause: named(cause.unwrap_or_default()),
            services: named(services.join(if manner.lang == Lang::Zh { "、" } else { ", " })),
            alerts: incident.alert_count,
            since: local(manner.time_zone, incident.first_alert_at).format("%Y-%m-%d %H:%M").to_string(),
            url: named(lines.url.unwrap_or_default()),
            text,
            spoken,
            code: manner.acts.code(notice).unwrap_or_default(),
            key: notice.key.to_string(),
        }
    }

    /// For a template that is filled from these pieces only: when none of them says what is new, the title does, or the
    /// end of an incident would read like its beginning.
    #[must_use]
    pub fn saying_news<'a>(mut self, mut pieces: impl Iterator<Item = &'a str>) -> Self {
        if !pieces.any(|piece| SAY_NEWS.contains(&piece)) {
            self.title = format!("{} {}", self.news, self.title);
        }
        self
    }

    /// One piece by its name, at most so many characters of it: templates have limits of their own.
    pub fn get(&self, name: &str, chars_max: usize) -> Option<String> {
        let piece = match name {
            "level" => self.level.clone(),
            "priority" => self.priority.to_owned(),
            "news" => self.news.clone(),
            "kind" => self.kind.to_owned(),
            "title" => self.title.clone(),
            "incident" => self.incident.clone(),
            "version" => self.version.to_string(),
            "cause" => self.cause.clone(),
            "services" => self.services.clone(),
            "alerts" => self.alerts.to_string(),
            "since" => self.since.clone(),
            "url" => self.url.clone(),
            "text" => self.text.clone(),
            "spoken" => self.spoken.clone(),
            "code" => self.code.clone(),
            _ => return None,
        };
        Some(fit::chars(&piece, chars_max))
    }

    /// Whether there is a piece of this name.
    pub fn is_known(name: &str) -> bool {
        Self::default().get(name, 1).is_some()
    }
}
