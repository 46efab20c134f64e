//! GitHub issues, also of an enterprise server.
//!
//! Documents: docs.github.com/rest/issues (API version 2022-11-28). Titles have at most 256 characters, bodies 65,536; a label at
//! most 50. The list of a repository's issues by label is read from the same store that the issue is written to, unlike its
//! search, which lags. Too fast is 403 or 429 with `retry-after`, or with `x-ratelimit-remaining: 0`.

use std::sync::Arc;

use reqwest::Method;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Asked, COMMENTS, Found, State, System, Tickets, Wire, Words, authorization, kept, strange, text, who};
use crate::delivery::channels::{Ground, Secret, fit};
use crate::delivery::ears::{Moved, TicketDeed};
use crate::delivery::http::SetupError;
use crate::delivery::{Attempt, Channel};
use crate::engine::effect::Notice;

const TITLE_CHARS_MAX: usize = 256;
// A character may count several times on its side.
const BODY_CHARS_MAX: usize = 16_000;

/// A repository.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// `owner/name`.
    pub repository: String,
    /// A token that may write issues.
    pub token: Secret,
    #[serde(default = "server")]
    pub server: String,
    /// Labels of every issue.
    #[serde(default)]
    pub labels: Vec<String>,
    /// Of the repository's webhook: what people do to an issue comes to `/api/v1/callbacks/<id>`.
    #[serde(default)]
    pub webhook_secret: Option<Secret>,
}

fn server() -> String {
    "https://api.github.com".into()
}

pub struct GitHub {
    repository: String,
    labels: Vec<String>,
}

impl Settings {
    /// # Errors
    /// When the address is refused, or the repository is none.
    pub fn ready(self, ground: &Ground) -> Result<Arc<dyn Channel>, SetupError> {
        let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
        let parts: Vec<&str> = self.repository.split('/').collect();
        if parts.len() != 2 || parts.iter().any(|part| part.is_empty() || !part.chars().all(is_plain)) {
            return Err(SetupError::setting("repository", "write owner/name"));
        }
        let wire = Wire::new(&self.server, authorization(format!("Bearer {}", self.token.text().trim())), ground)?;
        Ok(Tickets::channel(GitHub { repository: self.repository, labels: self.labels }, wire, ground))
    }
}

impl GitHub {
    fn path(&self, rest: &str) -> String {
        format!("repos/{}/issues{rest}", self.repository)
    }
}

fn found(issue: &Value) -> Option<Found> {
    let number = text(issue, "/number")?;
    Some(Found { number: format!("#{number}"), id: number, url: text(issue, "/html_url")? })
}

/// A 403 that says too fast is no lock-out.
async fn ask(
    wire: &Wire,
    method: Method,
    path: &str,
    query: &[(&str, &str)],
    body: Option<&Value>,
) -> Result<Value, Attempt> {
    let answer = wire.answer(method, path, query, body).await?;
    if answer.status.is_success() {
        return serde_json::from_slice(&answer.body).map_err(|_| answer.strange());
    }
    let is_limited =
        answer.status.as_u16() == 403 && (answer.wait.is_some() || answer.why().to_lowercase().contains("rate limit"));
    if is_limited {
        return Err(Attempt::TryLater { why: answer.why(), wait: answer.wait });
    }
    Err(answer.judge())
}

impl System for GitHub {
    fn name(&self) -> &'static str {
        "github"
    }

    fn find<'a>(&'a self, wire: &'a Wire, name: &'a str, _: &'a Notice) -> Asked<'a, Option<Found>> {
        Box::pin(async move {
            let query = [("labels", name), ("state", "all"), ("per_page", "1")];
            let issues = ask(wire, Method::GET, &self.path(""), &query, None).await?;
            let issues = issues.as_array().ok_or_else(|| strange("the list", &issues))?;
            Ok(issues.first().and_then(found))
        })
    }

    fn open<'a>(&'a self, wire: &'a Wire, name: &'a str, _: &'a Notice, words: &'a Words) -> Asked<'a, Found> {
        Box::pin(async move {
            let labels: Vec<&str> = std::iter::once(name).chain(self.labels.iter().map(String::as_str)).collect();
            let (title, body) = (fit::chars(&words.title, TITLE_CHARS_MAX), words.body(BODY_CHARS_MAX));
            let issue = json!({ "title": title, "body": fenced(&body), "labels": labels });
            let made = ask(wire, Method::POST, &self.path(""), &[], Some(&issue)).await?;
            found(&made).ok_or_else(|| strange("number", &made))
        })
    }

    fn note<'a>(&'a self, wire: &'a Wire, ticket: &'a Found, words: &'a Words) -> Asked<'a, ()> {
        Box::pin(async move {
            let text = words.all(BODY_CHARS_MAX);
            let body = json!({ "body": fenced(&text) });
            ask(wire, Method::POST, &self.path(&format!("/{}/comments", ticket.id)), &[], Some(&body)).await.map(drop)
        })
    }

    fn set<'a>(&'a self, wire: &'a Wire, ticket: &'a Found, to: State, words: &'a Words) -> Asked<'a, ()> {
        Box::pin(async move {
            self.note(wire, ticket, words).await?;
            let body = match to {
                State::Open => json!({ "state": "open" }),
                State::Closed => json!({ "state": "closed", "state_reason": "completed" }),
            };
            ask(wire, Method::PATCH, &self.path(&format!("/{}", ticket.id)), &[], Some(&body)).await.map(drop)
        })
    }

    fn deeds<'a>(&'a self, wire: &'a Wire, ticket: &'a Found) -> Asked<'a, Vec<TicketDeed>> {
        Box::pin(async move {
            let issue = ask(wire, Method::GET, &self.path(&format!("/{}", ticket.id)), &[], None).await?;
            let moved = match text(&issue, "/state").ok_or_else(|| strange("state", &issue))?.as_str() {
                "closed" => Some((Moved::Done, "/closed_by/login")),
                _ => issue.pointer("/assignees/0").map(|_| (Moved::Begun, "/assignees/0/login")),
            };
            let moved = moved.map(|(moved, by)| TicketDeed {
                by: who(text(&issue, by)),
                moved,
                at: text(&issue, "/closed_at").unwrap_or_default(),
            });
            // They come oldest first: the newest stand on the last page.
            let page = issue["comments"].as_u64().unwrap_or_default().div_ceil(100).max(1).to_string();
            let query = [("per_page", COMMENTS), ("page", page.as_str())];
            let comments =
                ask(wire, Method::GET, &self.path(&format!("/{}/comments", ticket.id)), &query, None).await?;
            let comments = comments.as_array().ok_or_else(|| strange("the list", &comments))?.iter();
            let said = comments.filter_map(|one| kept(one, "/user/login", ("/created_at", "/updated_at")));
            Ok(said.chain(moved).collect())
        })
    }
}

/// What an alert says is no markup and calls nobody: a block of plain text whose fence is longer than any in it.
pub fn fenced(text: &str) -> String {
    let longest = text.split(|letter| letter != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}text\n{text}\n{fence}")
}
