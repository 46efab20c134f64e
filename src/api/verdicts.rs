//! Verdicts in words.

use super::lang::{Lang, Text};
use crate::domain::mute::MutedBy;
use crate::engine::verdict::{Hold, Reject, Repeat, Resolution, Verdict};

/// A verdict's word for people.
pub const fn label(verdict: &Verdict, lang: Lang) -> &'static str {
    let (zh, en) = match verdict {
        Verdict::Duplicate { .. } => ("重复", "Duplicate"),
        Verdict::Muted { .. } => ("静默", "Muted"),
        Verdict::Joined { .. } => ("加入故障", "Joined"),
        Verdict::Opened { .. } => ("产生故障", "Opened"),
        Verdict::Held { .. } => ("待观察", "Held"),
        Verdict::Resolved { .. } => ("恢复", "Resolved"),
        Verdict::Rejected { .. } => ("死信", "Dead letter"),
    };
    match lang {
        Lang::Zh => zh,
        Lang::En => en,
    }
}

/// A verdict as a sentence.
pub fn sentence(verdict: &Verdict) -> Text {
    match verdict {
        Verdict::Duplicate { why, .. } => repeat(*why),
        Verdict::Muted { by, .. } => muted(by),
        Verdict::Joined { incident, .. } => {
            Text::new(format!("其告警属于故障 {incident}"), format!("its alert is part of incident {incident}"))
        }
        Verdict::Opened { incident, .. } => {
            Text::new(format!("由此产生故障 {incident}"), format!("it opened incident {incident}"))
        }
        Verdict::Held { why, .. } => hold(*why),
        Verdict::Resolved { why, .. } => match why {
            Resolution::Ended => Text::new("告警结束", "the alert is over"),
            Resolution::BeforeStart => Text::new(
                "没有对应的告警；短暂保留，以防其开始事件迟到",
                "no such alert is known; kept for a short while in case its start comes late",
            ),
        },
        Verdict::Rejected { why } => rejected(why),
    }
}

fn repeat(why: Repeat) -> Text {
    match why {
        Repeat::SameEvent => Text::new("与窗口内的另一事件完全相同", "the same event was received before"),
        Repeat::StillFiring => Text::new("告警已存在，只计数", "the alert was firing already; it was counted"),
        Repeat::StillResolved => Text::new("告警早已恢复", "the alert was resolved already"),
        Repeat::Late => Text::new("比告警的已知状态更旧", "older than what the alert is known to be"),
        Repeat::Conflict => Text::new(
            "事件编号相同但内容不同；以先到者为准",
            "the same event id with another body; the first one stands",
        ),
    }
}

fn hold(why: Hold) -> Text {
    match why {
        Hold::Lone => Text::new(
            "孤立告警；等待时间、级别、规则或第二条告警",
            "alone; it waits for time, severity, a rule or a second alert",
        ),
        Hold::Chronic => Text::new("已知的抖动或背景噪声", "known for flapping or background noise"),
        Hold::BelowThreshold => Text::new("尚未达到规则的阈值", "a rule's threshold has not been reached"),
        Hold::Change => Text::new("变更事件，作为证据保留", "a change event, kept as evidence"),
    }
}

fn muted(by: &MutedBy) -> Text {
    match by {
        MutedBy::Silence { id } => Text::new(format!("被静默 {id} 屏蔽"), format!("muted by silence {id}")),
        MutedBy::Maintenance { id } => {
            Text::new(format!("处于维护窗口 {id}"), format!("inside maintenance window {id}"))
        }
        MutedBy::CiState => Text::new("CMDB 中该配置项处于维护状态", "its CI is in maintenance according to the CMDB"),
        MutedBy::Inhibition { rule, source } => Text::new(
            format!("被告警 {source} 抑制（规则 {rule}）"),
            format!("inhibited by alert {source} (rule {rule})"),
        ),
        MutedBy::Flapping => Text::new("状态变化过于频繁", "it changes its state too often"),
        MutedBy::Rule { rule } => Text::new(format!("规则 {rule} 丢弃"), format!("dropped by rule {rule}")),
    }
}

fn rejected(why: &Reject) -> Text {
    let detail = why.detail();
    let zh = match why {
        Reject::Malformed(_) => "无法解析",
        Reject::TooLarge(_) => "超过限制",
        Reject::BadTime(_) => "时间不可用",
        Reject::OverLimit(_) => "租户的活动告警过多",
    };
    Text::new(format!("{zh}：{detail}"), format!("{}: {detail}", why.word().replace('_', " ")))
}
