//! Who reads what each kind of receiver is sent, and how it reaches them.

use super::{Kind, dingtalk_app};
use crate::delivery::acts::{Medium, Reader};

/// Who reads what goes to no address of a person's own.
pub const fn of(kind: &Kind) -> Reader {
    match kind {
        Kind::Pagerduty(_)
        | Kind::Opsgenie(_)
        | Kind::ServicenowEm(_)
        | Kind::Jira(_)
        | Kind::Servicenow(_)
        | Kind::Github(_)
        | Kind::Gitlab(_)
        | Kind::BkItsm(_)
        | Kind::RestTicket(_) => Reader::Desk,
        Kind::Webhook(_)
        | Kind::Dingtalk(_)
        | Kind::Wecom(_)
        | Kind::Feishu(_)
        | Kind::Slack(_)
        | Kind::Teams(_)
        | Kind::Telegram(_)
        | Kind::Discord(_)
        | Kind::Ntfy(_)
        | Kind::Mail(_)
        | Kind::Gateway(_)
        | Kind::CloudMas(_)
        | Kind::AliyunSms(_)
        | Kind::AliyunVoice(_)
        | Kind::TencentSms(_)
        | Kind::Nats(_)
        | Kind::FeishuApp(_)
        | Kind::WecomApp(_)
        | Kind::DingtalkApp(_)
        | Kind::Smpp(_) => Reader::Room,
    }
}

/// Who reads what goes to a person's address: a robot of a group only calls the person there, and an app's address may be
/// that of a group.
pub fn at(kind: &Kind, address: &str) -> Reader {
    let is_alone = match kind {
        Kind::Mail(_)
        | Kind::Gateway(_)
        | Kind::CloudMas(_)
        | Kind::AliyunSms(_)
        | Kind::AliyunVoice(_)
        | Kind::TencentSms(_)
        | Kind::Smpp(_)
        | Kind::Ntfy(_) => true,
        // A group has a negative number, a channel a name.
        Kind::Telegram(_) => address.bytes().all(|byte| byte.is_ascii_digit()),
        Kind::FeishuApp(_) => !address.starts_with("oc_"),
        Kind::WecomApp(_) => !address.contains('|') && !address.starts_with('@'),
        Kind::DingtalkApp(_) => !dingtalk_app::is_group(address),
        Kind::Dingtalk(_)
        | Kind::Wecom(_)
        | Kind::Feishu(_)
        | Kind::Webhook(_)
        | Kind::Slack(_)
        | Kind::Teams(_)
        | Kind::Discord(_)
        | Kind::Pagerduty(_)
        | Kind::Opsgenie(_)
        | Kind::ServicenowEm(_)
        | Kind::Jira(_)
        | Kind::Servicenow(_)
        | Kind::Github(_)
        | Kind::Gitlab(_)
        | Kind::BkItsm(_)
        | Kind::RestTicket(_)
        | Kind::Nats(_) => false,
    };
    if is_alone { Reader::Person } else { of(kind) }
}

/// The addresses in a receiver's own settings; none: a room's address is a secret, and its name says enough.
pub fn addresses(kind: &Kind) -> Vec<&str> {
    match kind {
        Kind::Mail(settings) => texts(&settings.to),
        Kind::Gateway(settings) => texts(&settings.to),
        Kind::CloudMas(settings) => texts(&settings.to),
        Kind::AliyunSms(settings) => texts(&settings.to),
        Kind::AliyunVoice(settings) => vec![&settings.to],
        Kind::TencentSms(settings) => vec![&settings.to],
        Kind::Smpp(settings) => vec![&settings.to],
        Kind::Telegram(settings) => vec![&settings.chat],
        Kind::FeishuApp(settings) => vec![&settings.to],
        Kind::WecomApp(settings) => vec![&settings.to],
        Kind::DingtalkApp(settings) => vec![&settings.to],
        Kind::Webhook(_)
        | Kind::Dingtalk(_)
        | Kind::Wecom(_)
        | Kind::Feishu(_)
        | Kind::Slack(_)
        | Kind::Teams(_)
        | Kind::Discord(_)
        | Kind::Ntfy(_)
        | Kind::Pagerduty(_)
        | Kind::Opsgenie(_)
        | Kind::ServicenowEm(_)
        | Kind::Jira(_)
        | Kind::Servicenow(_)
        | Kind::Github(_)
        | Kind::Gitlab(_)
        | Kind::BkItsm(_)
        | Kind::RestTicket(_)
        | Kind::Nats(_) => Vec::new(),
    }
}

fn texts(all: &[String]) -> Vec<&str> {
    all.iter().map(String::as_str).collect()
}

/// A call is read out: that of a voice service, and of a gateway whose answers are keys.
pub fn medium(kind: &Kind) -> Medium {
    let is_call = match kind {
        Kind::AliyunVoice(_) => true,
        Kind::Gateway(settings) => settings.answers.as_ref().is_some_and(|answers| answers.key.is_some()),
        Kind::Webhook(_)
        | Kind::Dingtalk(_)
        | Kind::Wecom(_)
        | Kind::Feishu(_)
        | Kind::Slack(_)
        | Kind::Teams(_)
        | Kind::Telegram(_)
        | Kind::Discord(_)
        | Kind::Ntfy(_)
        | Kind::Mail(_)
        | Kind::CloudMas(_)
        | Kind::AliyunSms(_)
        | Kind::TencentSms(_)
        | Kind::Pagerduty(_)
        | Kind::Opsgenie(_)
        | Kind::ServicenowEm(_)
        | Kind::Jira(_)
        | Kind::Servicenow(_)
        | Kind::Github(_)
        | Kind::Gitlab(_)
        | Kind::BkItsm(_)
        | Kind::RestTicket(_)
        | Kind::Nats(_)
        | Kind::FeishuApp(_)
        | Kind::WecomApp(_)
        | Kind::DingtalkApp(_)
        | Kind::Smpp(_) => false,
    };
    if is_call { Medium::Spoken } else { Medium::Read }
}
