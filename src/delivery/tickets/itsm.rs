//! BlueKing ITSM (蓝鲸流程服务).
//!
//! Documents: docs/itsm_bkapi/apidocs of the product (TencentBlueKing/bk-itsm): `create_ticket` (service_id, creator, fields of key and
//! value; `title` is one), `get_tickets` (creator, create_at__gte; answers title, sn, ticket_url), `get_ticket_status`, `operate_ticket`
//! (TERMINATE needs a message), `token_verify`. The gateway's paths stand in itsm/openapi/management/commands/data/api-resources.yaml. A no
//! is 200 with `result: false` and a `code`. The search is by creator and time; our name stands in the title. Credentials go in the
//! header `X-Bkapi-Authorization`.
//!
//! Nothing is added to a ticket as a comment: what the document `comment_ticket` tells of is the gateway's `/v2/itsm/comment/`, a rating
//! (`stars`) that only a ticket that has ended takes, and only once (CommentSerializer in itsm/openapi/ticket/serializers.py). News take
//! the place of the text instead, by `edit_field`: fields of the first node and the title, as long as the flow has not ended
//! (edit_ticket_field in itsm/openapi/ticket/utils.py); the product keeps what stood there before. A flow that has ended is not opened
//! again. What people do to one stands in its log (`get_ticket_logs`), whose lines have no ids and say by which way it was done (`source`):
//! ours by API. A callback brings a token that the product alone can make; `token/verify` says whether it has.

use std::sync::Arc;

use reqwest::Method;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::{Asked, Found, State, System, Tickets, Wire, Words, said, strange, text, who};
use crate::delivery::channels::{Ground, Secret, fit};
use crate::delivery::ears::{Moved, TicketDeed};
use crate::delivery::http::SetupError;
use crate::delivery::{Attempt, Channel};
use crate::domain::time::Span;
use crate::engine::calendar::{ZONE_DEFAULT, local};
use crate::engine::effect::Notice;

const TITLE_CHARS_MAX: usize = 120;
const TEXT_CHARS_MAX: usize = 4000;
/// Tickets of one search.
const PAGE: u32 = 1000;
/// What `current_status` says of a flow that has ended.
const ENDED: [&str; 3] = ["FINISHED", "TERMINATED", "REVOKED"];

/// A service of the product.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The gateway's address with its stage and version, as in `https://bkapi.example/api/bk-itsm/prod/v2/itsm`.
    pub server: String,
    pub app_code: String,
    pub app_secret: Secret,
    pub service_id: u64,
    /// Who opens and handles tickets.
    pub creator: String,
    /// The key of the field that takes the text.
    #[serde(default = "content_key")]
    pub content_key: String,
    /// More fields of every ticket, by key.
    #[serde(default)]
    pub fields: Map<String, Value>,
    /// Where the product tells that a ticket has ended: the address of `/api/v1/callbacks/<id>?token=…`.
    #[serde(default)]
    pub callback_url: Option<Secret>,
    /// What stands there as `token`.
    #[serde(default)]
    pub webhook_secret: Option<Secret>,
    /// A callback's own token is shown to the product, too (`token_verify`), and one without is not believed.
    #[serde(default = "is_verified")]
    pub verify_token: bool,
}

const fn is_verified() -> bool {
    true
}

fn content_key() -> String {
    "content".into()
}

pub struct Itsm {
    settings: Settings,
}

impl Settings {
    /// # Errors
    /// When the address is refused.
    pub fn ready(self, ground: &Ground) -> Result<Arc<dyn Channel>, SetupError> {
        let who = json!({ "bk_app_code": self.app_code, "bk_app_secret": self.app_secret.text().trim(), "bk_username": self.creator });
        let wire = Wire::new(&self.server, Some(("x-bkapi-authorization", who.to_string())), ground)?;
        Ok(Tickets::channel(Itsm { settings: self }, wire, ground))
    }
}

/// A yes of the product: what stands under `data`.
fn yes(mut told: Value) -> Result<Value, Attempt> {
    if told["result"] == true {
        return Ok(told["data"].take());
    }
    let (code, message) = (text(&told, "/code").unwrap_or_default(), text(&told, "/message").unwrap_or_default());
    let why = format!("code {code}: {message}");
    match told.get("result") {
        None => Err(strange("result", &told)),
        // The gateway's own codes: 1640xxx, credentials, rights, rate.
        Some(_) if code.starts_with("164") && message.contains("limit") => Err(Attempt::TryLater { why, wait: None }),
        Some(_) if code.starts_with("16403") || code.starts_with("16401") => Err(Attempt::LockedOut { why }),
        Some(_) => Err(Attempt::Refused { why }),
    }
}

async fn ask(wire: &Wire, path: &str, body: &Value) -> Result<Value, Attempt> {
    yes(wire.ask(Method::POST, path, &[], Some(body)).await?)
}

/// What the product says of a ticket.
async fn look(wire: &Wire, path: &str, ticket: &Found) -> Result<Value, Attempt> {
    yes(wire.ask(Method::GET, path, &[("sn", ticket.id.as_str())], None).await?)
}

/// Whether its flow has ended.
async fn is_over(wire: &Wire, ticket: &Found) -> Result<bool, Attempt> {
    let told = look(wire, "get_ticket_status/", ticket).await?;
    let status = text(&told, "/current_status").ok_or_else(|| strange("current_status", &told))?;
    Ok(ENDED.contains(&status.as_str()))
}

/// What is refused because the flow has ended is nothing that is left to do: people may have ended it before.
async fn unless_over(wire: &Wire, ticket: &Found, done: Result<(), Attempt>) -> Result<(), Attempt> {
    match done {
        Err(Attempt::Refused { .. }) if is_over(wire, ticket).await? => Ok(()),
        done => done,
    }
}

fn found(ticket: &Value) -> Option<Found> {
    let sn = text(ticket, "/sn")?;
    Some(Found { id: sn.clone(), number: sn, url: text(ticket, "/ticket_url").unwrap_or_default() })
}

impl Itsm {
    async fn operate(&self, wire: &Wire, ticket: &Found, action: &str, words: &Words) -> Result<(), Attempt> {
        let message = fit::chars(&words.title, TEXT_CHARS_MAX);
        let body = json!({ "sn": ticket.id, "operator": self.settings.creator, "action_type": action, "action_message": message });
        ask(wire, "operate_ticket/", &body).await.map(drop)
    }

    /// The text says what is new.
    async fn rewrite(&self, wire: &Wire, ticket: &Found, words: &Words) -> Result<(), Attempt> {
        let field = json!({ "key": self.settings.content_key, "value": words.all(TEXT_CHARS_MAX) });
        let body = json!({ "sn": ticket.id, "operator": self.settings.creator, "fields": [field] });
        ask(wire, "edit_field/", &body).await.map(drop)
    }
}

impl System for Itsm {
    fn name(&self) -> &'static str {
        "bk_itsm"
    }

    fn find<'a>(&'a self, wire: &'a Wire, name: &'a str, notice: &'a Notice) -> Asked<'a, Option<Found>> {
        Box::pin(async move {
            let since = local(ZONE_DEFAULT, notice.incident.opened_at.minus(Span::hours(24)));
            let since = since.format("%Y-%m-%d %H:%M:%S").to_string();
            for page in 1.. {
                let body = json!({ "creator": self.settings.creator, "create_at__gte": since, "page": page, "page_size": PAGE });
                let told = ask(wire, "get_tickets/", &body).await?;
                let items = told["items"].as_array().ok_or_else(|| strange("items", &told))?;
                let is_ours =
                    |ticket: &&Value| text(ticket, "/title").is_some_and(|title| title.contains(&format!("[{name}]")));
                if let Some(ticket) = items.iter().find(is_ours) {
                    return Ok(found(ticket));
                }
                if items.is_empty() || told["total_page"].as_u64().is_none_or(|pages| pages <= page) {
                    break;
                }
            }
            Ok(None)
        })
    }

    fn open<'a>(&'a self, wire: &'a Wire, name: &'a str, _: &'a Notice, words: &'a Words) -> Asked<'a, Found> {
        Box::pin(async move {
            let settings = &self.settings;
            let title = fit::chars(&words.title, TITLE_CHARS_MAX - name.len().min(60) - 3);
            let own =
                [("title", format!("{title} [{name}]")), (settings.content_key.as_str(), words.body(TEXT_CHARS_MAX))];
            let own = own.map(|(key, value)| json!({ "key": key, "value": value }));
            let more = settings.fields.iter().map(|(key, value)| json!({ "key": key, "value": value }));
            let fields: Vec<Value> = own.into_iter().chain(more).collect();
            let mut body = json!({ "service_id": settings.service_id, "creator": settings.creator, "fields": fields });
            if let Some(url) = &settings.callback_url {
                body["meta"] = json!({ "callback_url": url.text().trim() });
            }
            let made = ask(wire, "create_ticket/", &body).await?;
            found(&made).ok_or_else(|| strange("sn", &made))
        })
    }

    fn note<'a>(&'a self, wire: &'a Wire, ticket: &'a Found, words: &'a Words) -> Asked<'a, ()> {
        Box::pin(async move { unless_over(wire, ticket, self.rewrite(wire, ticket, words).await).await })
    }

    fn set<'a>(&'a self, wire: &'a Wire, ticket: &'a Found, to: State, words: &'a Words) -> Asked<'a, ()> {
        Box::pin(async move {
            if to == State::Open && is_over(wire, ticket).await? {
                let why = "its flow has ended, and the product opens none again: submit another ticket there";
                return Err(Attempt::Refused { why: format!("{}: {why}", ticket.number) });
            }
            self.note(wire, ticket, words).await?;
            match to {
                State::Open => Ok(()),
                State::Closed => unless_over(wire, ticket, self.operate(wire, ticket, "TERMINATE", words).await).await,
            }
        })
    }

    fn vouches<'a>(&'a self, wire: &'a Wire, proof: &'a str) -> Asked<'a, bool> {
        Box::pin(async move {
            if !self.settings.verify_token {
                return Ok(true);
            }
            if proof.is_empty() {
                return Ok(false);
            }
            let told = ask(wire, "token/verify/", &json!({ "token": proof })).await?;
            told["is_passed"].as_bool().ok_or_else(|| strange("is_passed", &told))
        })
    }

    fn deeds<'a>(&'a self, wire: &'a Wire, ticket: &'a Found) -> Asked<'a, Vec<TicketDeed>> {
        Box::pin(async move {
            let moved = is_over(wire, ticket).await?.then(|| TicketDeed {
                by: who(None),
                moved: Moved::Done,
                at: String::new(),
            });
            let told = look(wire, "get_ticket_logs/", ticket).await?;
            let lines = told["logs"].as_array().ok_or_else(|| strange("logs", &told))?;
            let by_people = lines.iter().filter(|line| line["source"] == "WEB" || line["source"] == "MOBILE");
            let said = by_people.filter_map(|line| {
                let id = hex::encode(&Sha256::digest(line.to_string())[..8]);
                said(Some(id), text(line, "/operator"), &line["message"])
            });
            Ok(said.chain(moved).collect())
        })
    }
}
