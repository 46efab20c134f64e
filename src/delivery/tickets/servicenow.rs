//! ServiceNow: incidents over the Table API.
//!
//! Documents: docs.servicenow.com, "Table API". `correlation_id` (100 characters) carries our name and is searched in the table
//! itself. `short_description` has 160 characters. `state` 1 is new, 6 resolved (which needs `close_code` and `close_notes`), 7 closed.
//! Comments and work notes are rows of `sys_journal_field` by the record's `sys_id` (`element_id`). `impact` and `urgency` are 1 (high) to 3. Answers are `{"result": …}`; errors `{"error": {"message", "detail"}}`.

use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use reqwest::Method;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Asked, COMMENTS, Found, State, System, Tickets, Wire, Words, authorization, said, strange, text, who};
use crate::delivery::Channel;
use crate::delivery::channels::{Ground, Secret, fit};
use crate::delivery::ears::{Moved, TicketDeed};
use crate::delivery::http::SetupError;
use crate::domain::incident::Priority;
use crate::engine::effect::Notice;

const SHORT_CHARS_MAX: usize = 160;
const TEXT_CHARS_MAX: usize = 4000;

/// An instance.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// `https://company.service-now.com`.
    pub server: String,
    pub user: String,
    pub password: Secret,
    /// More fields of every ticket: `assignment_group`, `caller_id`, `category` …
    #[serde(default)]
    pub fields: Map<String, Value>,
    #[serde(default = "table")]
    pub table: String,
    #[serde(default = "close_code")]
    pub close_code: String,
    /// A secret that the instance's business rule sends in the header `x-token`: what people do to a ticket comes to
    /// `/api/v1/callbacks/<id>`.
    #[serde(default)]
    pub webhook_secret: Option<Secret>,
}

fn table() -> String {
    "incident".into()
}

fn close_code() -> String {
    "Solved (Permanently)".into()
}

pub struct ServiceNow {
    settings: Settings,
}

impl Settings {
    /// # Errors
    /// When the address is refused, or the table is none.
    pub fn ready(self, ground: &Ground) -> Result<Arc<dyn Channel>, SetupError> {
        if self.table.is_empty() || !self.table.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_') {
            return Err(SetupError::setting("table", "write the name of a table, as in incident"));
        }
        let pair = BASE64_STANDARD.encode(format!("{}:{}", self.user, self.password.text().trim()));
        let wire = Wire::new(&self.server, authorization(format!("Basic {pair}")), ground)?;
        Ok(Tickets::channel(ServiceNow { settings: self }, wire, ground))
    }
}

impl ServiceNow {
    fn path(&self, rest: &str) -> String {
        format!("api/now/table/{}{rest}", self.settings.table)
    }

    fn found(&self, wire: &Wire, record: &Value) -> Option<Found> {
        let (id, number) = (text(record, "/sys_id")?, text(record, "/number")?);
        let url = format!("{}/nav_to.do?uri={}.do?sys_id={id}", wire.base(), self.settings.table);
        Some(Found { id, number, url })
    }

    async fn patch(&self, wire: &Wire, ticket: &Found, body: &Value) -> Result<(), crate::delivery::Attempt> {
        wire.ask(Method::PATCH, &self.path(&format!("/{}", ticket.id)), &[], Some(body)).await.map(drop)
    }
}

impl System for ServiceNow {
    fn name(&self) -> &'static str {
        "servicenow"
    }

    fn find<'a>(&'a self, wire: &'a Wire, name: &'a str, _: &'a Notice) -> Asked<'a, Option<Found>> {
        Box::pin(async move {
            let asked = format!("correlation_id={name}");
            let query =
                [("sysparm_query", asked.as_str()), ("sysparm_fields", "sys_id,number,state"), ("sysparm_limit", "1")];
            let told = wire.ask(Method::GET, &self.path(""), &query, None).await?;
            let records = told["result"].as_array().ok_or_else(|| strange("result", &told))?;
            Ok(records.first().and_then(|record| self.found(wire, record)))
        })
    }

    fn open<'a>(&'a self, wire: &'a Wire, name: &'a str, notice: &'a Notice, words: &'a Words) -> Asked<'a, Found> {
        Box::pin(async move {
            let (impact, urgency) = match notice.incident.priority {
                Priority::P1 => (1, 1),
                Priority::P2 => (2, 1),
                Priority::P3 => (2, 2),
                Priority::P4 => (3, 3),
            };
            let mut record = self.settings.fields.clone();
            let own = json!({
                "short_description": fit::chars(&words.title, SHORT_CHARS_MAX),
                "description": words.body(TEXT_CHARS_MAX),
                "correlation_id": name, "correlation_display": "Headwater",
                "impact": impact.to_string(), "urgency": urgency.to_string(),
            });
            record.extend(own.as_object().cloned().unwrap_or_default());
            let made = wire.ask(Method::POST, &self.path(""), &[], Some(&Value::Object(record))).await?;
            self.found(wire, &made["result"]).ok_or_else(|| strange("result", &made))
        })
    }

    fn note<'a>(&'a self, wire: &'a Wire, ticket: &'a Found, words: &'a Words) -> Asked<'a, ()> {
        Box::pin(async move { self.patch(wire, ticket, &json!({ "work_notes": words.all(TEXT_CHARS_MAX) })).await })
    }

    fn set<'a>(&'a self, wire: &'a Wire, ticket: &'a Found, to: State, words: &'a Words) -> Asked<'a, ()> {
        Box::pin(async move {
            let body = match to {
                State::Open => json!({ "state": "1", "work_notes": words.all(TEXT_CHARS_MAX) }),
                State::Closed => {
                    json!({ "state": "6", "close_code": self.settings.close_code, "close_notes": words.all(TEXT_CHARS_MAX) })
                }
            };
            self.patch(wire, ticket, &body).await
        })
    }

    fn deeds<'a>(&'a self, wire: &'a Wire, ticket: &'a Found) -> Asked<'a, Vec<TicketDeed>> {
        Box::pin(async move {
            let query = [("sysparm_fields", "state,assigned_to.name,resolved_at")];
            let told = wire.ask(Method::GET, &self.path(&format!("/{}", ticket.id)), &query, None).await?;
            let moved = match text(&told, "/result/state").ok_or_else(|| strange("state", &told))?.as_str() {
                "6" | "7" => Some(Moved::Done),
                "2" => Some(Moved::Begun),
                _ => None,
            };
            let by = who(text(&told, "/result/assigned_to.name"));
            let at = text(&told, "/result/resolved_at").unwrap_or_default();
            let newest = format!("element_id={}^ORDERBYDESCsys_created_on", ticket.id);
            let query = [
                ("sysparm_query", newest.as_str()),
                ("sysparm_fields", "sys_id,value,sys_created_by"),
                ("sysparm_limit", COMMENTS),
            ];
            let told = wire.ask(Method::GET, "api/now/table/sys_journal_field", &query, None).await?;
            let notes = told["result"].as_array().ok_or_else(|| strange("result", &told))?.iter().rev();
            let said = notes.filter_map(|one| said(text(one, "/sys_id"), text(one, "/sys_created_by"), &one["value"]));
            Ok(said.chain(moved.map(|moved| TicketDeed { by, moved, at })).collect())
        })
    }
}
