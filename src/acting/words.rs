//! What people read when they act, in Chinese and English.

use super::Outcome;
use super::deed::Deed;
use crate::domain::ids::IncidentId;
use crate::wording::lang::Text;

/// The name of a deed on a button.
pub fn button(deed: &Deed) -> Text {
    match deed {
        Deed::Acknowledge => Text::new("认领", "Acknowledge"),
        Deed::Snooze(minutes) if minutes % 60 == 0 => {
            let hours = minutes / 60;
            Text::new(format!("暂缓 {hours} 小时"), format!("Snooze {hours} h"))
        }
        Deed::Snooze(minutes) => Text::new(format!("暂缓 {minutes} 分钟"), format!("Snooze {minutes} min")),
        Deed::Resolve => Text::new("已解决,关闭", "Resolved, close"),
        Deed::Reassign(person) => Text::new(format!("转给 {person}"), format!("Hand over to {person}")),
        Deed::NotTheCause => Text::new("根因不对", "Not the cause"),
        Deed::Approve(action) => Text::new(format!("批准处置 {action}"), format!("Approve action {action}")),
        Deed::Deny(action) => Text::new(format!("拒绝处置 {action}"), format!("Deny action {action}")),
    }
}

/// What became of it.
pub fn outcome(deed: &Deed, outcome: &Outcome) -> Text {
    let name = button(deed);
    match outcome {
        Outcome::Done => Text::new(format!("{}:已完成", name.zh), format!("{}: done", name.en)),
        Outcome::Again => Text::new(
            format!("{}:此链接的这一操作已经用过,没有再做", name.zh),
            format!("{}: this link has done that before; nothing was done now", name.en),
        ),
        Outcome::Refused(why) => {
            Text::new(format!("{}:未执行({why})", name.zh), format!("{}: refused: {why}", name.en))
        }
        Outcome::Waits => {
            Text::new(format!("{}:已受理,正在执行", name.zh), format!("{}: taken, it is being carried out", name.en))
        }
        Outcome::Later => {
            Text::new(format!("{}:系统繁忙,请再试一次", name.zh), format!("{}: busy, please try again", name.en))
        }
    }
}

/// What is answered to a message that means nothing.
pub fn help() -> Text {
    Text::new(
        "可用:认领 / 暂缓 / 解决 / 不是根因 / 批准 / 拒绝 + 故障编号(如 认领 i0-12);谁值班",
        "Say: ack, snooze, resolve, notcause, approve or deny and an incident, as in ack i0-12; or: who",
    )
}

/// Asks back which incident is meant by a code.
pub fn which(code: &str, incidents: &[IncidentId]) -> Text {
    let names: Vec<String> = incidents.iter().map(ToString::to_string).collect();
    let (all, one) = (names.join(", "), &names[0]);
    Text::new(
        format!("{code} 对应多起故障:{all}。请注明是哪一起,如 认领 {code} {one}"),
        format!("{code} means several incidents: {all}. Say which one, as in ack {code} {one}"),
    )
}
