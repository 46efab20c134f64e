//! Texts of one's own: title and text of a receiver's messages as Jinja templates. What an alert says is data that goes into
//! the finished text; it is never read as a template, and each channel escapes the result as it does the default text.

use std::borrow::Cow;
use std::sync::Arc;

use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior, context};
use serde::Serialize;

use super::http::SetupError;
use super::lines::{self, Lines};
use super::message::Style;
use crate::domain::ids::IncidentId;
use crate::domain::incident::IncidentView;
use crate::domain::time::Timestamp;
use crate::engine::calendar::local;
use crate::engine::effect::{Notice, NoticeKind, RunbookLink};
use crate::wording::titles::titled;
use crate::wording::words::{PriorityWord, SeverityWord};

/// Steps that one template may take, and the longest text that comes out of it.
const FUEL: u64 = 50_000;
const TEXT_BYTES_MAX: usize = 64 * 1024;

/// What templates may use, for errors and the manual.
pub const NAMES: &str = "title, text, priority, severity, level, news, kind, incident, version, cause, confidence, services, alerts, cis, since, \
                         minutes, url, person, told, runbooks, changes, acknowledged_by, assignee, tickets, tenant";

/// A receiver's templates.
#[derive(Clone, Debug, Default)]
pub struct Templates {
    title: Option<Arc<str>>,
    text: Option<Arc<str>>,
}

#[derive(Serialize)]
struct Values<'a> {
    title: Cow<'a, str>,
    /// The default text.
    text: String,
    priority: &'static str,
    severity: &'static str,
    /// How bad, in the receiver's language.
    level: &'static str,
    /// What is new, in the receiver's language.
    news: String,
    kind: &'static str,
    incident: String,
    version: u32,
    cause: &'a str,
    confidence: i32,
    services: &'a [Box<str>],
    alerts: u32,
    cis: u32,
    since: String,
    /// How long it has lasted.
    minutes: i64,
    url: &'a str,
    person: &'a str,
    told: &'a [Box<str>],
    runbooks: &'a [RunbookLink],
    changes: Vec<String>,
    acknowledged_by: &'a str,
    assignee: &'a str,
    tickets: Vec<&'a str>,
    tenant: &'a str,
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_fuel(Some(FUEL));
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment
}

impl Templates {
    /// Templates that were tried on an example.
    ///
    /// # Errors
    /// Which one is wrong, and where.
    pub fn new(title: Option<&str>, text: Option<&str>, style: &Style<'_>) -> Result<Self, SetupError> {
        let templates = Self { title: title.map(Into::into), text: text.map(Into::into) };
        let notice = example();
        let mut lines = Lines::of(&notice, style);
        templates
            .write(&notice, style, &mut lines)
            .map_err(|(setting, error)| SetupError::setting(setting, format!("{error}; it may use: {NAMES}")))?;
        Ok(templates)
    }

    /// Writes the text anew. One that fails leaves the default text: somebody has to be told.
    pub fn apply(&self, notice: &Notice, style: &Style<'_>, lines: &mut Lines) {
        if let Err((setting, error)) = self.write(notice, style, lines) {
            tracing::warn!(incident.id = %notice.incident.id, setting, %error, "a template fails: the default text is sent");
        }
    }

    fn write(
        &self,
        notice: &Notice,
        style: &Style<'_>,
        lines: &mut Lines,
    ) -> Result<(), (&'static str, minijinja::Error)> {
        if self.title.is_none() && self.text.is_none() {
            return Ok(());
        }
        let (environment, values) = (environment(), Values::of(notice, style, lines));
        let values = context! { ..minijinja::Value::from(Serde(&values)) };
        let render =
            |setting, template: &str| environment.render_str(template, &values).map_err(|error| (setting, error));
        let title = self.title.as_deref().map(|template| render("title", template)).transpose()?;
        let text = self.text.as_deref().map(|template| render("text", template)).transpose()?;
        if let Some(title) = title {
            lines.title = title.split_whitespace().collect::<Vec<_>>().join(" ");
        }
        if let Some(mut text) = text {
            let end = (0..=TEXT_BYTES_MAX.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
            text.truncate(end);
            lines.body = text.lines().map(str::trim_end).filter(|line| !line.is_empty()).map(str::to_owned).collect();
            lines.more.clear();
        }
        Ok(())
    }
}

impl<'a> Values<'a> {
    fn of(notice: &'a Notice, style: &Style<'_>, lines: &'a Lines) -> Self {
        let view = &notice.incident;
        let best = view.candidates.first();
        let confidence = if view.root_confirmed { 100 } else { best.map_or(0, |best| best.score / 10) };
        Self {
            title: titled(&view.title, style.lang),
            text: lines.rest().collect::<Vec<_>>().join("\n"),
            priority: PriorityWord::from(view.priority).word(),
            severity: view.severity.as_str(),
            level: SeverityWord::from(view.severity).label(style.lang),
            news: lines::news(notice.kind).of(style.lang).to_owned(),
            kind: notice.kind.as_str(),
            incident: view.id.to_string(),
            version: view.version,
            cause: best.map_or("", |best| &best.ci.name),
            confidence,
            services: &view.services,
            alerts: view.alert_count,
            cis: view.ci_count,
            since: local(style.time_zone, view.first_alert_at).format("%Y-%m-%d %H:%M").to_string(),
            minutes: lines::ended(notice).unwrap_or(notice.at).since(view.first_alert_at).as_secs() / 60,
            url: lines.url.as_deref().unwrap_or_default(),
            person: notice.to.as_ref().map_or("", |to| &to.name),
            told: &notice.told,
            runbooks: &notice.runbooks,
            changes: notice.changes.iter().map(|change| format!("{change:?}").to_lowercase()).collect(),
            acknowledged_by: view.acknowledged_by.as_deref().unwrap_or_default(),
            assignee: view.assignee.as_deref().unwrap_or_default(),
            tickets: view.tickets.iter().map(|ticket| &*ticket.number).collect(),
            tenant: view.tenant.as_str(),
        }
    }
}

/// A notice of which nothing but its form matters.
pub fn example() -> Notice {
    let at = Timestamp(1_767_571_200_000);
    let mut incident = IncidentView::new(IncidentId(1), "default".into(), "core-1 掉电", at);
    incident.services = vec!["社保查询".into()].into();
    incident.alert_count = 3;
    Notice {
        key: "example".into(),
        receiver: "example".into(),
        kind: NoticeKind::Opened,
        at,
        incident,
        rule: None,
        changes: Vec::new(),
        digest: None,
        to: None,
        told: Vec::new(),
        runbooks: Vec::new(),
        action: None,
        by: "".into(),
    }
}
