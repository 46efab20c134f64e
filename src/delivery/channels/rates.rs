//! How fast each system may be told.

use super::{
    Kind, dingtalk, dingtalk_app, discord, feishu, feishu_app, slack, smpp, teams, telegram, wecom, wecom_app,
};

impl Kind {
    /// Messages per minute that the system takes from one sender, where its documents name a number.
    pub const fn rate(&self) -> Option<u32> {
        match self {
            Self::Dingtalk(_) => Some(dingtalk::PER_MINUTE),
            Self::Wecom(_) => Some(wecom::PER_MINUTE),
            Self::Feishu(_) => Some(feishu::PER_MINUTE),
            Self::Slack(_) => Some(slack::PER_MINUTE),
            Self::Teams(_) => Some(teams::PER_MINUTE),
            Self::Telegram(_) => Some(telegram::PER_MINUTE),
            Self::Discord(_) => Some(discord::PER_MINUTE),
            Self::FeishuApp(_) => Some(feishu_app::PER_MINUTE),
            Self::WecomApp(_) => Some(wecom_app::PER_MINUTE),
            Self::DingtalkApp(_) => Some(dingtalk_app::PER_MINUTE),
            Self::Smpp(_) => Some(smpp::PER_MINUTE),
            Self::Webhook(_)
            | Self::Ntfy(_)
            | Self::Mail(_)
            | Self::Gateway(_)
            | Self::CloudMas(_)
            | Self::AliyunSms(_)
            | Self::AliyunVoice(_)
            | Self::TencentSms(_)
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
}
