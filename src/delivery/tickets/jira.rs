//! Jira, Cloud (REST v3) and Data Center (REST v2).
//!
//! Documents: developer.atlassian.com/cloud/jira/platform/rest/v3 and docs.atlassian.com/software/jira REST v2. A summary is one
//! line of at most 255 characters; a label has no spaces. Cloud texts are in the Atlassian Document Format, Data Center's
//! are plain. Cloud searches `/rest/api/3/search/jql`, Data Center `/rest/api/2/search`. The index of both lags behind what was
//! written, seconds as a rule: after an answer that was lost we wait half a minute before we search, and a crash within that
//! time can make a second ticket. Transitions differ by project: one whose target has the wanted category is taken.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use reqwest::Method;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Asked, Found, State, System, Tickets, Wire, Words, authorization, kept, strange, text, who};
use crate::delivery::channels::{Ground, Secret, fit};
use crate::delivery::ears::{Moved, TicketDeed};
use crate::delivery::http::SetupError;
use crate::delivery::{Attempt, Channel};
use crate::domain::incident::Priority;
use crate::engine::effect::Notice;

const SUMMARY_CHARS_MAX: usize = 255;
const TEXT_CHARS_MAX: usize = 32_000;
/// How long the index may lag behind.
const INDEX_LAG: Duration = Duration::from_secs(30);

/// A project.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// `https://company.atlassian.net`, or the server's own address.
    pub server: String,
    /// Cloud: the account's mail address. Without it the server is a Data Center, and `token` a personal access token.
    #[serde(default)]
    pub user: Option<String>,
    pub token: Secret,
    /// The project's key.
    pub project: String,
    #[serde(default = "issue_type")]
    pub issue_type: String,
    /// Names of priorities, from P1 to P4; none: the project's default.
    #[serde(default)]
    pub priorities: Vec<String>,
    /// More fields of every ticket, as the project wants them.
    #[serde(default)]
    pub fields: Map<String, Value>,
    /// Of the webhook: what people do to a ticket comes to `/api/v1/callbacks/<id>`.
    #[serde(default)]
    pub webhook_secret: Option<Secret>,
}

fn issue_type() -> String {
    "Incident".into()
}

pub struct Jira {
    is_cloud: bool,
    settings: Settings,
}

impl Settings {
    /// # Errors
    /// When the address is refused, or a setting is wrong.
    pub fn ready(self, ground: &Ground) -> Result<Arc<dyn Channel>, SetupError> {
        let is_key = |letter: char| letter.is_ascii_uppercase() || letter.is_ascii_digit() || letter == '_';
        if self.project.is_empty() || !self.project.chars().all(is_key) {
            return Err(SetupError::setting("project", "write its key, capital letters and digits"));
        }
        if !self.priorities.is_empty() && self.priorities.len() != 4 {
            return Err(SetupError::setting("priorities", "write four names, from P1 to P4"));
        }
        let token = self.token.text().trim();
        let credential = match &self.user {
            Some(user) => format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{token}"))),
            None => format!("Bearer {token}"),
        };
        let wire = Wire::new(&self.server, authorization(credential), ground)?;
        Ok(Tickets::channel(Jira { is_cloud: self.user.is_some(), settings: self }, wire, ground))
    }
}

impl Jira {
    fn path(&self, rest: &str) -> String {
        format!("rest/api/{}/{rest}", if self.is_cloud { 3 } else { 2 })
    }

    /// A text as the server takes it: what an alert says is plain text there.
    fn rich(&self, text: &str) -> Value {
        if !self.is_cloud {
            // `{noformat}` ends at the next one.
            return format!("{{noformat}}\n{}\n{{noformat}}", text.replace("{noformat}", "{ noformat }")).into();
        }
        let lines = text.lines().filter(|line| !line.is_empty());
        let paragraphs: Vec<Value> =
            lines.map(|line| json!({ "type": "paragraph", "content": [{ "type": "text", "text": line }] })).collect();
        json!({ "type": "doc", "version": 1, "content": paragraphs })
    }

    fn found(wire: &Wire, issue: &Value) -> Option<Found> {
        let key = text(issue, "/key")?;
        Some(Found { url: format!("{}/browse/{key}", wire.base()), id: key.clone(), number: key })
    }
}

/// Nobody knows whether it was done: the index is given time before it is asked.
fn after_doubt(attempt: Attempt) -> Attempt {
    match attempt {
        Attempt::TryLater { why, wait } => {
            Attempt::TryLater { why, wait: Some(wait.map_or(INDEX_LAG, |asked| asked.max(INDEX_LAG))) }
        }
        Attempt::Accepted
        | Attempt::Noted { .. }
        | Attempt::Filed { .. }
        | Attempt::Answered { .. }
        | Attempt::Refused { .. }
        | Attempt::LockedOut { .. } => attempt,
    }
}

impl System for Jira {
    fn name(&self) -> &'static str {
        "jira"
    }

    fn find<'a>(&'a self, wire: &'a Wire, name: &'a str, _: &'a Notice) -> Asked<'a, Option<Found>> {
        Box::pin(async move {
            let jql = format!("project = \"{}\" AND labels = \"{name}\" ORDER BY created ASC", self.settings.project);
            let body = json!({ "jql": jql, "fields": ["status"], "maxResults": 1 });
            let path = if self.is_cloud { "search/jql" } else { "search" };
            let told = wire.ask(Method::POST, &self.path(path), &[], Some(&body)).await?;
            let issues = told["issues"].as_array().ok_or_else(|| strange("issues", &told))?;
            Ok(issues.first().and_then(|issue| Self::found(wire, issue)))
        })
    }

    fn open<'a>(&'a self, wire: &'a Wire, name: &'a str, notice: &'a Notice, words: &'a Words) -> Asked<'a, Found> {
        Box::pin(async move {
            let settings = &self.settings;
            let mut fields = settings.fields.clone();
            let mut labels: Vec<Value> = fields.get("labels").and_then(Value::as_array).cloned().unwrap_or_default();
            labels.push(name.into());
            fields.insert("labels".into(), labels.into());
            fields.insert("project".into(), json!({ "key": settings.project }));
            fields.insert("issuetype".into(), json!({ "name": settings.issue_type }));
            fields.insert("summary".into(), fit::chars(&words.title, SUMMARY_CHARS_MAX).into());
            fields.insert("description".into(), self.rich(&words.body(TEXT_CHARS_MAX)));
            let rank = match notice.incident.priority {
                Priority::P1 => 0,
                Priority::P2 => 1,
                Priority::P3 => 2,
                Priority::P4 => 3,
            };
            if let Some(priority) = settings.priorities.get(rank) {
                fields.insert("priority".into(), json!({ "name": priority }));
            }
            let made = wire.ask(Method::POST, &self.path("issue"), &[], Some(&json!({ "fields": fields }))).await;
            let made = made.map_err(after_doubt)?;
            Self::found(wire, &made).ok_or_else(|| strange("key", &made))
        })
    }

    fn note<'a>(&'a self, wire: &'a Wire, ticket: &'a Found, words: &'a Words) -> Asked<'a, ()> {
        Box::pin(async move {
            let body = json!({ "body": self.rich(&words.all(TEXT_CHARS_MAX)) });
            let path = self.path(&format!("issue/{}/comment", ticket.id));
            wire.ask(Method::POST, &path, &[], Some(&body)).await.map(drop)
        })
    }

    fn set<'a>(&'a self, wire: &'a Wire, ticket: &'a Found, to: State, words: &'a Words) -> Asked<'a, ()> {
        Box::pin(async move {
            self.note(wire, ticket, words).await?;
            let path = self.path(&format!("issue/{}/transitions", ticket.id));
            let told = wire.ask(Method::GET, &path, &[], None).await?;
            let all = told["transitions"].as_array().ok_or_else(|| strange("transitions", &told))?;
            let leads = |transition: &&Value| {
                let category = text(transition, "/to/statusCategory/key").unwrap_or_default();
                match to {
                    State::Closed => category == "done",
                    State::Open => category == "new" || category == "indeterminate",
                }
            };
            // Where it is already, no transition leads.
            let Some(transition) = all.iter().find(leads) else { return Ok(()) };
            let body = json!({ "transition": { "id": transition["id"] } });
            wire.ask(Method::POST, &path, &[], Some(&body)).await.map(drop)
        })
    }

    fn deeds<'a>(&'a self, wire: &'a Wire, ticket: &'a Found) -> Asked<'a, Vec<TicketDeed>> {
        Box::pin(async move {
            let path = self.path(&format!("issue/{}", ticket.id));
            // Since when it has its status: Cloud says it, a Data Center only of one that is done.
            let asked = "status,statuscategorychangedate,resolutiondate,assignee,comment";
            let told = wire.ask(Method::GET, &path, &[("fields", asked)], None).await?;
            let fields = &told["fields"];
            let category = text(fields, "/status/statusCategory/key").ok_or_else(|| strange("status", &told))?;
            let moved = match category.as_str() {
                "done" => Some(Moved::Done),
                "indeterminate" => Some(Moved::Begun),
                _ => None,
            };
            let by = who(text(fields, "/assignee/displayName"));
            let comments = fields["comment"]["comments"].as_array().into_iter().flatten();
            let said = comments.filter_map(|one| kept(one, "/author/displayName", ("/created", "/updated")));
            let at = text(fields, "/statuscategorychangedate").or_else(|| text(fields, "/resolutiondate"));
            let at = at.unwrap_or_default();
            Ok(said.chain(moved.map(|moved| TicketDeed { by, moved, at })).collect())
        })
    }
}
