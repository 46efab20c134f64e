//! The systems that people are told by: one file each, with its own settings, limits and way of saying no.
//!
//! Most of them take one HTTP request per message ([`Robot`]); what their documents say of formats, signatures, sizes
//! and rates stands in the file, with its source.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono_tz::Tz;
use futures::future::BoxFuture;
use reqwest::Url;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use app::Token;
use pieces::{Colour, code, is_over, name_of, noted, one_or_more, with_keyword};

use super::acts::Acts;
use super::contacts::Takes;
use super::ears::Tongue;
use super::ears::ticket::Desk;
use super::egress::Egress;
use super::http::{Answer, Call, Line, SetupError};
use super::message::Style;
use super::template::Templates;
use super::tickets;
use super::webhook;
use super::{Attempt, Channel, Clock, no_reply};
use crate::domain::time::Timestamp;
use crate::engine::effect::Notice;
use crate::wording::lang::Lang;

pub mod aliyun;
mod app;
pub mod dingtalk;
pub mod dingtalk_app;
pub mod discord;
pub mod feishu;
pub mod feishu_app;
pub mod fields;
pub mod fit;
pub mod gateway;
pub mod mail;
pub mod mas;
pub mod nats;
pub mod ntfy;
mod numbers;
pub mod opsgenie;
pub mod pagerduty;
pub mod personal;
mod pieces;
mod rates;
pub mod readers;
pub mod servicenow_em;
pub mod slack;
pub mod smpp;
pub mod teams;
pub mod telegram;
pub mod tencent;
pub mod wecom;
pub mod wecom_app;

/// How messages are written for one receiver.
#[derive(Clone, Debug)]
pub struct Manner {
    pub lang: Lang,
    pub time_zone: Tz,
    /// Where the console shows incidents, without a slash at its end; empty: no link.
    pub base_url: String,
    /// How its reader acts.
    pub acts: Acts,
    /// Texts of one's own.
    pub templates: Templates,
}

impl Manner {
    /// The same, borrowed.
    pub fn style(&self) -> Style<'_> {
        let Self { lang, time_zone, base_url, acts, templates } = self;
        Style { lang: *lang, time_zone: *time_zone, base_url, acts, templates }
    }
}

/// What every kind of receiver is set up on.
#[derive(Clone)]
pub struct Ground {
    pub egress: Arc<Egress>,
    pub manner: Manner,
    /// One attempt, from the first packet to the last byte of the answer.
    pub timeout: Duration,
    pub clock: Clock,
    /// Ways that are open already: people behind one receiver share them.
    pub lines: Lines,
    /// The connection to NATS.
    pub bus: nats::Bus,
    /// An app's token.
    pub token: Token,
}

/// Ways by scheme, host and port.
pub type Lines = Arc<Mutex<BTreeMap<String, Arc<Line>>>>;

impl Ground {
    /// A target that may be sent to.
    ///
    /// # Errors
    /// When it is refused.
    pub fn target(&self, text: &str) -> Result<Url, SetupError> {
        Ok(self.egress.target(text)?)
    }

    /// The way to a target.
    ///
    /// # Errors
    /// When no client can be made.
    pub fn line(&self, url: &Url) -> Result<Arc<Line>, SetupError> {
        let mut lines = self.lines.lock().expect("nobody panics while holding it");
        let origin = url.origin().ascii_serialization();
        if let Some(line) = lines.get(&origin) {
            return Ok(line.clone());
        }
        let line = Arc::new(Line::new(url, self.timeout, &self.egress, Arc::clone(&self.clock))?);
        lines.insert(origin, line.clone());
        Ok(line)
    }
}

/// A system that takes one HTTP request per message.
pub trait Robot: Send + Sync + 'static {
    /// The kind of channel, for logs and the console.
    fn name(&self) -> &'static str;

    /// The request for a notice. `at` goes into signatures.
    ///
    /// # Errors
    /// Why there is none: this notice is refused.
    fn call(&self, notice: &Notice, at: Timestamp) -> Result<Call, String>;

    /// Where in an answer the system's own id of a message stands.
    fn id_places(&self) -> &[&str] {
        &[]
    }

    /// The request that tells somebody who has acted what became of it; none where the callback's own answer does.
    fn reply(&self, _: &str, _: &str) -> Option<Call> {
        None
    }

    /// What an answer means. A system that says no inside a 200 has to look into it.
    fn judge(&self, answer: &Answer) -> Attempt {
        answer.judge()
    }
}

/// A robot, and the way to it.
struct ByHttp<R> {
    robot: R,
    line: Arc<Line>,
    clock: Clock,
}

impl<R: Robot> Channel for ByHttp<R> {
    fn name(&self) -> &'static str {
        self.robot.name()
    }

    fn send<'a>(&'a self, notice: &'a Notice) -> BoxFuture<'a, Attempt> {
        Box::pin(async move {
            let call = match self.robot.call(notice, (self.clock)()) {
                Ok(call) => call,
                Err(why) => return Attempt::Refused { why },
            };
            match self.line.send(call).await {
                Ok(answer) => noted(self.robot.judge(&answer), &answer, self.robot.id_places()),
                Err(attempt) => attempt,
            }
        })
    }

    fn reply<'a>(&'a self, to: &'a str, said: &'a str) -> BoxFuture<'a, Attempt> {
        Box::pin(async move {
            let Some(call) = self.robot.reply(to, said) else { return no_reply(self.name()) };
            match self.line.send(call).await {
                Ok(answer) => self.robot.judge(&answer),
                Err(attempt) => attempt,
            }
        })
    }

    fn preview(&self, notice: &Notice) -> Result<String, String> {
        let call = self.robot.call(notice, (self.clock)())?;
        let text = String::from_utf8_lossy(&call.body).into_owned();
        Ok(match serde_json::from_str::<Value>(&text) {
            Ok(body) => serde_json::to_string_pretty(&body).unwrap_or(text),
            Err(_) if text.is_empty() => {
                call.url.query_pairs().map(|(key, value)| format!("{key}={value}\n")).collect()
            }
            Err(_) => text,
        })
    }
}

fn by_http<R: Robot>((url, robot): (Url, R), ground: &Ground) -> Result<Arc<dyn Channel>, SetupError> {
    Ok(Arc::new(ByHttp { robot, line: ground.line(&url)?, clock: Arc::clone(&ground.clock) }))
}

/// What a receiver is: `kind` and the settings of its own.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Kind {
    Webhook(webhook::Settings),
    Dingtalk(dingtalk::Settings),
    Wecom(wecom::Settings),
    Feishu(feishu::Settings),
    Slack(slack::Settings),
    Teams(teams::Settings),
    Telegram(telegram::Settings),
    Discord(discord::Settings),
    Ntfy(ntfy::Settings),
    Mail(mail::Settings),
    Gateway(gateway::Settings),
    CloudMas(mas::Settings),
    AliyunSms(aliyun::SmsSettings),
    AliyunVoice(aliyun::VoiceSettings),
    TencentSms(tencent::Settings),
    Pagerduty(pagerduty::Settings),
    Opsgenie(opsgenie::Settings),
    ServicenowEm(servicenow_em::Settings),
    Jira(tickets::jira::Settings),
    Servicenow(tickets::servicenow::Settings),
    Github(tickets::github::Settings),
    Gitlab(tickets::gitlab::Settings),
    BkItsm(tickets::itsm::Settings),
    RestTicket(Box<tickets::rest::Settings>),
    Nats(nats::Settings),
    FeishuApp(feishu_app::Settings),
    WecomApp(wecom_app::Settings),
    DingtalkApp(dingtalk_app::Settings),
    Smpp(smpp::Settings),
}

impl Kind {
    /// Reads the settings of a receiver that are its kind's; without `kind` it is a webhook.
    ///
    /// # Errors
    /// What is unknown, missing or of the wrong type.
    pub fn read(mut own: Map<String, Value>) -> Result<Self, serde_json::Error> {
        own.entry("kind").or_insert_with(|| "webhook".into());
        serde_json::from_value(Value::Object(own))
    }

    /// What a person's address is for it; none: it tells a room, whoever is meant.
    pub const fn takes(&self) -> Option<Takes> {
        match self {
            Self::Mail(_) => Some(Takes::Mail),
            Self::Gateway(_)
            | Self::CloudMas(_)
            | Self::AliyunSms(_)
            | Self::AliyunVoice(_)
            | Self::TencentSms(_)
            | Self::Smpp(_)
            | Self::Dingtalk(_)
            | Self::Wecom(_) => Some(Takes::Mobile),
            Self::Feishu(_)
            | Self::Telegram(_)
            | Self::Ntfy(_)
            | Self::FeishuApp(_)
            | Self::WecomApp(_)
            | Self::DingtalkApp(_) => Some(Takes::Own),
            Self::Webhook(_)
            | Self::Slack(_)
            | Self::Teams(_)
            | Self::Discord(_)
            | Self::Pagerduty(_)
            | Self::Opsgenie(_)
            | Self::ServicenowEm(_)
            | Self::Jira(_)
            | Self::Servicenow(_)
            | Self::Github(_)
            | Self::Gitlab(_)
            | Self::BkItsm(_)
            | Self::RestTicket(_)
            | Self::Nats(_) => None,
        }
    }

    /// How what the system sends back is believed; none: nothing comes back.
    pub fn tongue(&self) -> Option<Tongue> {
        match self {
            Self::Slack(settings) => settings.signing_secret.clone().map(Tongue::Slack),
            Self::Telegram(settings) => settings.callback_secret.clone().map(Tongue::Telegram),
            Self::Dingtalk(settings) => settings.app_secret.clone().map(Tongue::Dingtalk),
            Self::FeishuApp(settings) => settings.tongue(),
            Self::WecomApp(settings) => settings.tongue(),
            Self::DingtalkApp(settings) => settings.tongue(),
            Self::Gateway(settings) => settings.answers.clone().map(Tongue::Phone),
            Self::CloudMas(settings) => settings.answers.clone().map(Tongue::Phone),
            Self::AliyunSms(settings) => settings.answers.clone().map(Tongue::Phone),
            Self::AliyunVoice(settings) => settings.answers.clone().map(Tongue::Phone),
            Self::TencentSms(settings) => settings.answers.clone().map(Tongue::Phone),
            Self::Jira(settings) => filed(Desk::Jira, settings.webhook_secret.as_ref()),
            Self::Servicenow(settings) => filed(Desk::ServiceNow, settings.webhook_secret.as_ref()),
            Self::Github(settings) => filed(Desk::GitHub, settings.webhook_secret.as_ref()),
            Self::Gitlab(settings) => filed(Desk::GitLab, settings.webhook_secret.as_ref()),
            Self::BkItsm(settings) => filed(Desk::BkItsm, settings.webhook_secret.as_ref()),
            Self::RestTicket(settings) => filed(Desk::Own, settings.webhook_secret.as_ref()),
            Self::Webhook(_)
            | Self::Wecom(_)
            | Self::Feishu(_)
            | Self::Teams(_)
            | Self::Discord(_)
            | Self::Ntfy(_)
            | Self::Mail(_)
            | Self::Pagerduty(_)
            | Self::Opsgenie(_)
            | Self::ServicenowEm(_)
            | Self::Smpp(_)
            | Self::Nats(_) => None,
        }
    }

    /// An address of the right form, to try settings with.
    pub const fn example(&self) -> &'static str {
        match self.takes() {
            Some(Takes::Mail) => "somebody@example.org",
            Some(Takes::Mobile) => "13800000000",
            Some(Takes::Own) if matches!(self, Self::FeishuApp(_)) => "ou_somebody",
            Some(Takes::Own) | None => "somebody",
        }
    }

    /// Whether its own settings say whom it tells.
    pub fn is_addressed(&self) -> bool {
        match self {
            Self::Mail(settings) => !settings.to.is_empty(),
            Self::Gateway(settings) => !settings.to.is_empty(),
            Self::CloudMas(settings) => !settings.to.is_empty(),
            Self::AliyunSms(settings) => !settings.to.is_empty(),
            Self::AliyunVoice(settings) => !settings.to.is_empty(),
            Self::TencentSms(settings) => !settings.to.is_empty(),
            Self::Smpp(settings) => !settings.to.is_empty(),
            Self::Telegram(settings) => !settings.chat.is_empty(),
            Self::FeishuApp(settings) => !settings.to.is_empty(),
            Self::WecomApp(settings) => !settings.to.is_empty(),
            Self::DingtalkApp(settings) => !settings.to.is_empty(),
            Self::Ntfy(settings) => !settings.topic.text().is_empty(),
            Self::Webhook(_)
            | Self::Dingtalk(_)
            | Self::Wecom(_)
            | Self::Feishu(_)
            | Self::Slack(_)
            | Self::Teams(_)
            | Self::Discord(_)
            | Self::Pagerduty(_)
            | Self::Opsgenie(_)
            | Self::ServicenowEm(_)
            | Self::Jira(_)
            | Self::Servicenow(_)
            | Self::Github(_)
            | Self::Gitlab(_)
            | Self::BkItsm(_)
            | Self::RestTicket(_)
            | Self::Nats(_) => true,
        }
    }

    /// The same for one address.
    #[must_use]
    pub fn to(mut self, address: &str) -> Self {
        let number = numbers::national(address);
        let one = || vec![number.clone()];
        match &mut self {
            Self::Mail(settings) => settings.to = vec![address.to_owned()],
            Self::Gateway(settings) => settings.to = one(),
            Self::CloudMas(settings) => settings.to = one(),
            Self::AliyunSms(settings) => settings.to = one(),
            Self::AliyunVoice(settings) => settings.to = number,
            Self::TencentSms(settings) => settings.to = numbers::international(&number),
            Self::Smpp(settings) => settings.to = numbers::international(&number),
            Self::Telegram(settings) => settings.chat = address.to_owned(),
            Self::FeishuApp(settings) => settings.to = address.to_owned(),
            Self::WecomApp(settings) => settings.to = address.to_owned(),
            Self::DingtalkApp(settings) => settings.to = address.to_owned(),
            Self::Ntfy(settings) => settings.topic = Secret(address.to_owned()),
            // A robot of a group calls the person by name.
            Self::Dingtalk(settings) => settings.mention = one(),
            Self::Wecom(settings) => settings.mention_mobiles = one(),
            Self::Feishu(settings) => settings.mention = vec![address.to_owned()],
            Self::Webhook(_)
            | Self::Slack(_)
            | Self::Teams(_)
            | Self::Discord(_)
            | Self::Pagerduty(_)
            | Self::Opsgenie(_)
            | Self::ServicenowEm(_)
            | Self::Jira(_)
            | Self::Servicenow(_)
            | Self::Github(_)
            | Self::Gitlab(_)
            | Self::BkItsm(_)
            | Self::RestTicket(_)
            | Self::Nats(_) => {}
        }
        self
    }

    /// Sets the channel up.
    ///
    /// # Errors
    /// Which setting is wrong, and what to write.
    pub fn channel(self, ground: &Ground) -> Result<Arc<dyn Channel>, SetupError> {
        match self {
            Self::Webhook(settings) => by_http(settings.ready(ground)?, ground),
            Self::Dingtalk(settings) => by_http(settings.ready(ground)?, ground),
            Self::Wecom(settings) => by_http(settings.ready(ground)?, ground),
            Self::Feishu(settings) => by_http(settings.ready(ground)?, ground),
            Self::Slack(settings) => by_http(settings.ready(ground)?, ground),
            Self::Teams(settings) => by_http(settings.ready(ground)?, ground),
            Self::Telegram(settings) => by_http(settings.ready(ground)?, ground),
            Self::Discord(settings) => by_http(settings.ready(ground)?, ground),
            Self::Ntfy(settings) => by_http(settings.ready(ground)?, ground),
            Self::Mail(settings) => settings.ready(ground),
            Self::Gateway(settings) => by_http(settings.ready(ground)?, ground),
            Self::CloudMas(settings) => by_http(settings.ready(ground)?, ground),
            Self::AliyunSms(settings) => by_http(settings.ready(ground)?, ground),
            Self::AliyunVoice(settings) => by_http(settings.ready(ground)?, ground),
            Self::TencentSms(settings) => by_http(settings.ready(ground)?, ground),
            Self::Pagerduty(settings) => by_http(settings.ready(ground)?, ground),
            Self::Opsgenie(settings) => by_http(settings.ready(ground)?, ground),
            Self::ServicenowEm(settings) => by_http(settings.ready(ground)?, ground),
            Self::Jira(settings) => settings.ready(ground),
            Self::Servicenow(settings) => settings.ready(ground),
            Self::Github(settings) => settings.ready(ground),
            Self::Gitlab(settings) => settings.ready(ground),
            Self::BkItsm(settings) => settings.ready(ground),
            Self::RestTicket(settings) => settings.ready(ground),
            Self::Nats(settings) => settings.ready(ground),
            Self::FeishuApp(settings) => settings.ready(ground),
            Self::WecomApp(settings) => settings.ready(ground),
            Self::DingtalkApp(settings) => settings.ready(ground),
            Self::Smpp(settings) => settings.ready(ground),
        }
    }
}

fn filed(desk: Desk, secret: Option<&Secret>) -> Option<Tongue> {
    secret.map(|secret| Tongue::Ticket(desk, secret.clone()))
}

/// A text that is nobody's business: credentials. Prints as `***`.
#[derive(Clone, Default, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// The text.
    pub fn text(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}
