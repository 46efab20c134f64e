//! DingTalk (钉钉) app of an organisation's own: cards with buttons to a person or a group, or work notifications to people.
//!
//! Documents: open.dingtalk.com, "获取企业内部应用的access_token" (`oapi…/gettoken`), "创建并投放卡片"
//! (`/v1.0/card/instances/createAndDeliver`), "投放卡片" (`…/deliver`) and "发送工作通知"
//! (`oapi…/topapi/message/corpconversation/asyncsend_v2`). A card is a template that the organisation has built; each of its
//! values is a text of at most 1 KB, and its `outTrackId` names it: a second one of that name is refused
//! (`param.cardAlreadyExist`). Refusals come with a 4xx and a `code`; a card that was made may still not be delivered
//! (`deliverResults[].success`). What is pressed comes to the address registered under the route key
//! ([`crate::delivery::ears::dingtalk_card`]).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use reqwest::{Method, Url};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::app::{Api, Judged, access_token, by_app};
use super::{Attempt, Channel, Colour, Ground, Manner, Secret, code, fit};
use crate::delivery::Acted;
use crate::delivery::ears::Tongue;
use crate::delivery::http::{Answer, Call, SetupError};
use crate::delivery::lines::Lines;
use crate::domain::time::Span;
use crate::engine::effect::Notice;

/// Requests that an app of the smallest edition may send in a minute, of its 20 a second a part.
pub const PER_MINUTE: u32 = 300;

/// Bytes of one value of a card.
const VALUE_BYTES_MAX: usize = 1000;
/// Bytes of the text of a work notification.
const WORK_BYTES_MAX: usize = 2000;

/// An app of one's own.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where cards are made.
    #[serde(default = "server")]
    pub server: String,
    /// Where tokens are given and work notifications are sent.
    #[serde(default = "old_server")]
    pub oapi: String,
    pub app_key: String,
    pub app_secret: Secret,
    /// A person's userid, or a group's openConversationId (`cid…=`); none: people by their contacts only.
    #[serde(default)]
    pub to: String,
    /// The card's template, `….schema`; none: work notifications.
    #[serde(default)]
    pub card_template: Option<String>,
    /// The key under which our address was registered for what is pressed.
    #[serde(default)]
    pub route_key: Option<String>,
    /// What was registered with it: proves a callback.
    #[serde(default)]
    pub api_secret: Option<Secret>,
    /// The app's AgentId, for work notifications.
    #[serde(default)]
    pub agent_id: Option<u64>,
}

fn server() -> String {
    "https://api.dingtalk.com".into()
}

fn old_server() -> String {
    "https://oapi.dingtalk.com".into()
}

/// How people are told.
enum Way {
    Card { template: String, route_key: Option<String> },
    Work { agent_id: u64 },
}

struct DingTalk {
    server: Url,
    oapi: Url,
    way: Way,
    settings: Settings,
}

/// A group, by the form of its id.
pub fn is_group(to: &str) -> bool {
    to.starts_with("cid") && to.ends_with('=')
}

impl Settings {
    /// How what is pressed on a card is believed; none: cards have no buttons.
    pub fn tongue(&self) -> Option<Tongue> {
        self.card_template.as_ref().and(self.api_secret.clone()).map(Tongue::DingtalkCard)
    }

    /// # Errors
    /// When an address is refused, `to` is no id, or it is not said how people are told.
    pub fn ready(self, ground: &Ground) -> Result<Arc<dyn Channel>, SetupError> {
        let server = ground.target(self.server.trim_end_matches('/'))?;
        let oapi = ground.target(self.oapi.trim_end_matches('/'))?;
        let is_id = |c: char| c.is_ascii_alphanumeric() || "_-@+/=".contains(c);
        if self.to.is_empty() || !self.to.chars().all(is_id) {
            let why = "write a person's userid, or a group's openConversationId (cid…=)";
            return Err(SetupError::setting("to", why));
        }
        if self.route_key.is_some() != self.api_secret.is_some() {
            let why =
                "route_key and api_secret go together: both were given when the address for callbacks was registered";
            return Err(SetupError::setting("api_secret", why));
        }
        let way = match (&self.card_template, self.agent_id) {
            (Some(template), _) => Way::Card { template: template.clone(), route_key: self.route_key.clone() },
            (None, Some(agent_id)) if !is_group(&self.to) => Way::Work { agent_id },
            (None, Some(_)) => {
                return Err(SetupError::setting(
                    "to",
                    "work notifications go to people; a group needs a card_template",
                ));
            }
            (None, None) => {
                let why = "give the id of a card's template (cards with buttons), or agent_id (work notifications)";
                return Err(SetupError::setting("card_template", why));
            }
        };
        by_app(DingTalk { server, oapi, way, settings: self }, ground)
    }
}

/// What the variables of a card say. All are texts.
fn values(notice: &Notice, manner: &Manner, said: Option<&str>) -> BTreeMap<&'static str, String> {
    let lines = Lines::of(notice, &manner.style());
    let mut values = BTreeMap::from([
        ("title", fit::bytes(&lines.title, VALUE_BYTES_MAX)),
        ("text", fit::lines(lines.rest(), None, VALUE_BYTES_MAX)),
        ("url", lines.url.filter(|url| url.len() <= VALUE_BYTES_MAX).unwrap_or_default()),
        ("colour", Colour::of(notice).word().into()),
        ("said", fit::bytes(said.unwrap_or_default(), VALUE_BYTES_MAX)),
    ]);
    let buttons = manner.acts.buttons(notice, manner.lang);
    values.insert("mark", buttons.first().map(|button| button.mark.clone()).unwrap_or_default());
    for word in ["ack", "snooze", "resolve"] {
        let name = buttons.iter().find(|button| button.word == word).map_or("", |button| button.name);
        values.insert(word, name.into());
    }
    values
}

/// The name of a notice's card.
fn track(notice: &Notice) -> String {
    hex::encode(&Sha256::digest(notice.key.as_bytes())[..20])
}

impl DingTalk {
    fn at(base: &Url, path: &str) -> Url {
        let mut url = base.clone();
        url.set_path(path);
        url
    }

    /// Where a card goes, and as what.
    fn place(&self, body: &mut Value) {
        let to = &self.settings.to;
        let (space, deliver) = if is_group(to) {
            ("IM_GROUP", ("imGroupOpenDeliverModel", json!({ "robotCode": self.settings.app_key })))
        } else {
            (
                "IM_ROBOT",
                ("imRobotOpenDeliverModel", json!({ "spaceType": "IM_ROBOT", "robotCode": self.settings.app_key })),
            )
        };
        body["openSpaceId"] = format!("dtv1.card//{space}.{to}").into();
        body[deliver.0] = deliver.1;
        body["userIdType"] = 1.into();
    }

    fn card(&self, notice: &Notice, manner: &Manner, (template, route_key): (&str, Option<&str>)) -> Value {
        let values = values(notice, manner, None);
        // What a phone shows before the card is opened.
        let space = json!({ "supportForward": false, "lastMessageI18n": { "ZH_CN": values["title"], "EN_US": values["title"] },
            "notification": { "alertContent": fit::chars(&values["title"], 200), "notificationOff": false } });
        let mut body =
            json!({ "cardTemplateId": template, "outTrackId": track(notice), "cardData": { "cardParamMap": values } });
        body[if is_group(&self.settings.to) { "imGroupOpenSpaceModel" } else { "imRobotOpenSpaceModel" }] = space;
        if let Some(key) = route_key {
            body["callbackType"] = "HTTP".into();
            body["callbackRouteKey"] = key.into();
        }
        self.place(&mut body);
        body
    }

    fn work(&self, notice: &Notice, manner: &Manner, agent_id: u64) -> Value {
        let lines = Lines::of(notice, &manner.style());
        let mut text = vec![format!("### {}", fit::markdown(&lines.title))];
        text.extend(lines.rest().flat_map(|line| [String::new(), fit::markdown(line)]));
        let text = fit::lines(&text, None, WORK_BYTES_MAX);
        let msg = match &lines.url {
            Some(url) => json!({ "msgtype": "action_card", "action_card": { "title": fit::chars(&lines.title, 64),
                "markdown": text, "single_title": manner.lang.open(), "single_url": url } }),
            None => {
                json!({ "msgtype": "markdown", "markdown": { "title": fit::chars(&lines.title, 64), "text": text } })
            }
        };
        json!({ "agent_id": agent_id, "userid_list": self.settings.to, "msg": msg })
    }
}

impl Api for DingTalk {
    fn name(&self) -> &'static str {
        "dingtalk_app"
    }

    fn ask(&self) -> Call {
        let mut url = Self::at(&self.oapi, "/gettoken");
        let pairs = [("appkey", self.settings.app_key.as_str()), ("appsecret", self.settings.app_secret.text())];
        url.query_pairs_mut().extend_pairs(pairs);
        Call { method: Method::GET, ..Call::post(url, "application/json", Vec::new()) }
    }

    fn read(&self, answer: &Answer) -> Result<(String, Span), Attempt> {
        access_token(answer)
    }

    fn call(&self, notice: &Notice, manner: &Manner, token: &str) -> Call {
        match &self.way {
            Way::Card { template, route_key } => {
                let body = self.card(notice, manner, (template, route_key.as_deref()));
                Call::json(Self::at(&self.server, "/v1.0/card/instances/createAndDeliver"), &body)
                    .with("x-acs-dingtalk-access-token", token)
            }
            Way::Work { agent_id } => {
                let mut url = Self::at(&self.oapi, "/topapi/message/corpconversation/asyncsend_v2");
                url.query_pairs_mut().append_pair("access_token", token);
                Call::json(url, &self.work(notice, manner, *agent_id))
            }
        }
    }

    /// A card of this name was made before, and the answer was lost: whether it was delivered, too, nobody knows.
    fn again(&self, answer: &Answer, notice: &Notice, token: &str) -> Option<Call> {
        if answer.json()["code"] != "param.cardAlreadyExist" {
            return None;
        }
        let mut body = json!({ "outTrackId": track(notice) });
        self.place(&mut body);
        let url = Self::at(&self.server, "/v1.0/card/instances/deliver");
        Some(Call::json(url, &body).with("x-acs-dingtalk-access-token", token))
    }

    fn id_places(&self) -> &[&str] {
        &["/result/outTrackId", "/task_id"]
    }

    fn judge(&self, answer: &Answer) -> Judged {
        match &self.way {
            Way::Card { .. } => judge_card(answer),
            Way::Work { .. } => judge_work(answer),
        }
    }

    fn preview(&self, notice: &Notice, manner: &Manner) -> String {
        let shown = match &self.way {
            Way::Card { .. } => json!(values(notice, manner, None)),
            Way::Work { agent_id } => self.work(notice, manner, *agent_id),
        };
        serde_json::to_string_pretty(&shown).unwrap_or_default()
    }

    fn acted(&self, acted: &Acted<'_>, manner: &Manner) -> Option<Value> {
        match &self.way {
            Way::Card { .. } => Some(json!(values(acted.notice, manner, Some(acted.said)))),
            Way::Work { .. } => None,
        }
    }
}

fn judge_card(answer: &Answer) -> Judged {
    let body = answer.json();
    let why = || format!("code {}: {}", body["code"], body["message"].as_str().unwrap_or_default());
    let word = body["code"].as_str().unwrap_or_default();
    Judged::Ended(match answer.status.as_u16() {
        200 => match (&body["success"], body["result"].get("deliverResults").unwrap_or(&body["result"]).get(0)) {
            (Value::Bool(true), Some(first)) if first["success"] == true => Attempt::Accepted,
            (Value::Bool(true), Some(first)) => {
                let said = first["errorMsg"].as_str().unwrap_or_default();
                let why = format!("not delivered: {said}");
                if said == "SYSTEM_ERROR" { Attempt::TryLater { why, wait: None } } else { Attempt::Refused { why } }
            }
            _ => answer.strange(),
        },
        401 => return Judged::StaleToken(why()),
        _ if word == "InvalidAuthentication" => return Judged::StaleToken(why()),
        _ if word.starts_with("Forbidden.AccessDenied.QpsLimit") => {
            Attempt::TryLater { why: why(), wait: Some(Duration::from_secs(1)) }
        }
        // A template that is gone or a right that is missing holds for all messages.
        403 => Attempt::LockedOut { why: why() },
        _ if ["param.templateNotExist", "param.templateUnpublished"].contains(&word) => {
            Attempt::LockedOut { why: why() }
        }
        400..500 if !word.is_empty() && answer.status.as_u16() != 429 => Attempt::Refused { why: why() },
        _ => answer.judge(),
    })
}

fn judge_work(answer: &Answer) -> Judged {
    Judged::Ended(match code(answer, "errcode", "errmsg") {
        Err(attempt) => attempt,
        Ok((0, _)) => Attempt::Accepted,
        Ok((40_001 | 40_014 | 42_001 | 88, why)) => return Judged::StaleToken(why),
        // Too many requests of the app.
        Ok((90_002 | 90_018, why)) => Attempt::TryLater { why, wait: Some(Duration::from_secs(1)) },
        Ok((-1, why)) => Attempt::TryLater { why, wait: None },
        // The app is none, is stopped, or may not send.
        Ok((400_002 | 60_011 | 50_002, why)) => Attempt::LockedOut { why },
        Ok((_, why)) => Attempt::Refused { why },
    })
}
