//! Verdicts in words.

use super::lang::{Lang, Text};
use super::letters;
use super::words::StageWord;
use crate::domain::mute::MutedBy;
use crate::engine::verdict::{Check, Hold, Repeat, Resolution, Stage, Unmet, Verdict};

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
        Verdict::Rejected { why } => letters::sentence(why),
    }
}

/// What a stage looked at, as a sentence.
pub fn check(check: &Check) -> Text {
    let stage = StageWord::from(check.stage);
    let rule = check.rule.as_ref();
    if check.stage == Stage::Correlate && rule.is_none() {
        return correlated(&check.about, check.matched);
    }
    let about = &check.about;
    let (rule_zh, rule_en) = rule.map_or_else(Default::default, |r| (format!("规则 {r} "), format!("rule {r} ")));
    let (zh, en) = if check.matched { ("适用", "applies") } else { ("不适用", "does not apply") };
    let (about_zh, about_en) =
        if about.is_empty() { Default::default() } else { (format!("（{about}）"), format!(" ({about})")) };
    let why = check.unmet.as_ref().map(unmet);
    let why_zh = why.as_ref().map(|why| format!("：{}", why.zh)).unwrap_or_default();
    let why_en = why.map(|why| format!(": {}", why.en)).unwrap_or_default();
    Text::new(
        format!("{}：{rule_zh}{zh}{about_zh}{why_zh}", stage.label(Lang::Zh)),
        format!("{}: {rule_en}{en}{about_en}{why_en}", stage.label(Lang::En)),
    )
}

/// What correlation found when the event came, as a sentence.
fn correlated(about: &str, matched: bool) -> Text {
    if matched {
        return Text::new(
            format!("关联：由 {about} 的告警解释"),
            format!("Correlation: an alert of {about} explains it"),
        );
    }
    Text::new(
        "关联：当时没有已知告警能解释它；之后还会再次查看",
        "Correlation: nothing known by then explained it; it is looked at again later",
    )
}

/// Why something that was looked at did not apply, as a sentence.
pub fn unmet(why: &Unmet) -> Text {
    match why {
        Unmet::Field { asks, value } if value.is_empty() => {
            Text::new(format!("要求 {asks}，该字段为空"), format!("it asks for {asks}, the field is empty"))
        }
        Unmet::Field { asks, value } => {
            Text::new(format!("要求 {asks}，实际为 {value}"), format!("it asks for {asks}, the value is {value}"))
        }
        Unmet::Expression { failed: false } => Text::new("表达式不成立", "its expression is not true"),
        Unmet::Expression { failed: true } => {
            Text::new("表达式无法求值，视为不成立", "its expression could not be evaluated, which counts as no")
        }
        Unmet::Closed { opens_at: Some(at) } => {
            Text::new(format!("不在生效时间内，{at} 起生效"), format!("outside of its times; it opens at {at}"))
        }
        Unmet::Closed { opens_at: None } => Text::new("已不再生效", "outside of its times; it does not open again"),
        Unmet::Elsewhere => Text::new("配置项不在所指的子树内", "the CI is not below the CIs that are meant"),
        Unmet::NoSource => {
            Text::new("没有取值相同的源告警正在触发", "no alert of the source side fires with the same values")
        }
        Unmet::LessTrusted { source, needed } => Text::new(
            format!("源告警的可信度 {source} 低于所需的 {needed}"),
            format!("the source side is trusted {source}, this alert needs {needed}"),
        ),
        Unmet::BothSides => {
            Text::new("这些告警同时符合规则的两侧", "such alerts match both sides of the rule, as this one does")
        }
        Unmet::LabelThere { label } => Text::new(
            format!("标签 {label} 已存在，规则不覆盖"),
            format!("label {label} is there already, and the rule does not overwrite"),
        ),
        Unmet::NothingFound { field } => {
            Text::new(format!("字段 {field} 中没有可取的内容"), format!("nothing was found in field {field}"))
        }
        Unmet::LabelsFull { max } => {
            Text::new(format!("标签已达上限 {max} 个"), format!("the alert has {max} labels, which is the most"))
        }
        Unmet::UnknownCi => Text::new("CMDB 中没有该对象", "the CMDB knows no such object"),
        Unmet::AmbiguousCi { cis } => {
            Text::new(format!("对象的标识对应 {cis} 个配置项"), format!("the object's keys fit {cis} CIs"))
        }
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
        Hold::Test => Text::new("测试事件，不产生任何影响", "a test; nothing comes of it"),
        Hold::Change => Text::new("变更事件，作为证据保留", "a change event, kept as evidence"),
    }
}

/// What mutes an alert, as a sentence.
pub fn muted(by: &MutedBy) -> Text {
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
        MutedBy::Rule { rule } => Text::new(format!("被规则 {rule} 静默"), format!("muted by rule {rule}")),
    }
}
