//! GitLab issues, self-managed too.
//!
//! Documents: docs.gitlab.com/ee/api/issues.html and notes.html. Titles have at most 255 characters. The list by label is read
//! from the database that the issue is written to. Too fast is 429 with `Retry-After`.

use std::sync::Arc;

use reqwest::Method;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::github::fenced;
use super::{Asked, COMMENTS, Found, State, System, Tickets, Wire, Words, kept, strange, text, who};
use crate::delivery::Channel;
use crate::delivery::channels::{Ground, Secret, fit};
use crate::delivery::ears::{Moved, TicketDeed};
use crate::delivery::http::SetupError;
use crate::engine::effect::Notice;

const TITLE_CHARS_MAX: usize = 255;
const BODY_CHARS_MAX: usize = 125_000;

/// A project.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// `https://gitlab.example`.
    pub server: String,
    /// Its number, or `group/name`.
    pub project: String,
    /// A token with the scope `api`.
    pub token: Secret,
    /// Labels of every issue.
    #[serde(default)]
    pub labels: Vec<String>,
    /// Secret token of the project's webhook: what people do to an issue comes to `/api/v1/callbacks/<id>`.
    #[serde(default)]
    pub webhook_secret: Option<Secret>,
}

pub struct GitLab {
    project: String,
    labels: Vec<String>,
}

impl Settings {
    /// # Errors
    /// When the address is refused, or the project is none.
    pub fn ready(self, ground: &Ground) -> Result<Arc<dyn Channel>, SetupError> {
        let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./".contains(letter);
        if self.project.is_empty() || !self.project.chars().all(is_plain) || self.project.contains("..") {
            return Err(SetupError::setting("project", "write its number, or group/name"));
        }
        let credential = ("private-token", self.token.text().trim().to_owned());
        let wire = Wire::new(&self.server, Some(credential), ground)?;
        Ok(Tickets::channel(GitLab { project: self.project.replace('/', "%2F"), labels: self.labels }, wire, ground))
    }
}

impl GitLab {
    fn path(&self, rest: &str) -> String {
        format!("api/v4/projects/{}/issues{rest}", self.project)
    }
}

fn found(issue: &Value) -> Option<Found> {
    let number = text(issue, "/iid")?;
    Some(Found { number: format!("#{number}"), id: number, url: text(issue, "/web_url")? })
}

impl System for GitLab {
    fn name(&self) -> &'static str {
        "gitlab"
    }

    fn find<'a>(&'a self, wire: &'a Wire, name: &'a str, _: &'a Notice) -> Asked<'a, Option<Found>> {
        Box::pin(async move {
            let query = [("labels", name), ("scope", "all"), ("per_page", "1")];
            let issues = wire.ask(Method::GET, &self.path(""), &query, None).await?;
            let issues = issues.as_array().ok_or_else(|| strange("the list", &issues))?;
            Ok(issues.first().and_then(found))
        })
    }

    fn open<'a>(&'a self, wire: &'a Wire, name: &'a str, _: &'a Notice, words: &'a Words) -> Asked<'a, Found> {
        Box::pin(async move {
            let labels: Vec<&str> = std::iter::once(name).chain(self.labels.iter().map(String::as_str)).collect();
            let description = fenced(&words.body(BODY_CHARS_MAX));
            let title = fit::chars(&words.title, TITLE_CHARS_MAX);
            let issue = json!({ "title": title, "description": description, "labels": labels.join(",") });
            let made = wire.ask(Method::POST, &self.path(""), &[], Some(&issue)).await?;
            found(&made).ok_or_else(|| strange("iid", &made))
        })
    }

    fn note<'a>(&'a self, wire: &'a Wire, ticket: &'a Found, words: &'a Words) -> Asked<'a, ()> {
        Box::pin(async move {
            let text = words.all(BODY_CHARS_MAX);
            let path = self.path(&format!("/{}/notes", ticket.id));
            wire.ask(Method::POST, &path, &[], Some(&json!({ "body": fenced(&text) }))).await.map(drop)
        })
    }

    fn set<'a>(&'a self, wire: &'a Wire, ticket: &'a Found, to: State, words: &'a Words) -> Asked<'a, ()> {
        Box::pin(async move {
            self.note(wire, ticket, words).await?;
            let event = match to {
                State::Open => "reopen",
                State::Closed => "close",
            };
            let path = self.path(&format!("/{}", ticket.id));
            wire.ask(Method::PUT, &path, &[], Some(&json!({ "state_event": event }))).await.map(drop)
        })
    }

    fn deeds<'a>(&'a self, wire: &'a Wire, ticket: &'a Found) -> Asked<'a, Vec<TicketDeed>> {
        Box::pin(async move {
            let issue = wire.ask(Method::GET, &self.path(&format!("/{}", ticket.id)), &[], None).await?;
            let moved = match text(&issue, "/state").ok_or_else(|| strange("state", &issue))?.as_str() {
                "closed" => Some((Moved::Done, "/closed_by/username")),
                _ => issue.pointer("/assignees/0").map(|_| (Moved::Begun, "/assignees/0/username")),
            };
            let moved = moved.map(|(moved, by)| TicketDeed {
                by: who(text(&issue, by)),
                moved,
                at: text(&issue, "/closed_at").unwrap_or_default(),
            });
            let query = [("sort", "desc"), ("order_by", "created_at"), ("per_page", COMMENTS)];
            let notes = wire.ask(Method::GET, &self.path(&format!("/{}/notes", ticket.id)), &query, None).await?;
            let notes = notes.as_array().ok_or_else(|| strange("the list", &notes))?.iter().rev();
            // What it writes itself, such as who was assigned, is nobody's word.
            let notes = notes.filter(|note| note["system"] != true);
            let said = notes.filter_map(|one| kept(one, "/author/username", ("/created_at", "/updated_at")));
            Ok(said.chain(moved).collect())
        })
    }
}
