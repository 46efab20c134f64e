//! Actions and service levels in words.

use super::lang::{Lang, Text};
use super::words::{ActionStateWord, LevelKindWord};
use crate::domain::action::{Action, ActionState, HeldBy};
use crate::domain::level::{LevelClock, LevelState};
use crate::domain::time::Timestamp;
use crate::engine::oncall::control::Inaction;

use super::verdicts::unmet;

/// How a moment is written for the reader.
pub type Clock<'a> = &'a dyn Fn(Timestamp) -> String;

/// What became of an action, in a sentence.
pub fn action(action: &Action, clock: Clock<'_>) -> Text {
    let Action { id, run, ci, said, by, .. } = action;
    let state = ActionStateWord::from(action.state);
    let until = action.due.map(clock);
    let (zh, en) = match (action.state, until) {
        (ActionState::Asked, Some(until)) => {
            (format!("等待批准，{until} 前有效"), format!("waits for approval until {until}"))
        }
        (ActionState::Requested, Some(until)) => {
            (format!("已请求执行，{until} 前应答复"), format!("asked for, to be answered by {until}"))
        }
        (ActionState::HeldBack, _) => {
            let held = action.held.map_or_else(|| Text::new("", ""), |held| limit(held, clock));
            (format!("暂不执行（{}）", held.zh), format!("held back ({})", held.en))
        }
        (_, _) => (state.label(Lang::Zh).to_owned(), state.label(Lang::En).to_lowercase()),
    };
    let whose = match (by.is_empty(), action.state) {
        (false, ActionState::Denied) => Text::new(format!("（{by} 拒绝）"), format!(" (by {by})")),
        (false, _) => Text::new(format!("（{by} 批准）"), format!(" (approved by {by})")),
        (true, _) => Text::new("", ""),
    };
    let told = if said.is_empty() { Text::new("", "") } else { Text::new(format!("：{said}"), format!(": {said}")) };
    Text::new(
        format!("{run} → {}（{id}）：{zh}{}{}", ci.name, whose.zh, told.zh),
        format!("{run} on {} ({id}): {en}{}{}", ci.name, whose.en, told.en),
    )
}

/// Which limit it is.
pub fn limit(held: HeldBy, clock: Clock<'_>) -> Text {
    match held {
        HeldBy::CoolDown { until } => {
            let until = clock(until);
            Text::new(format!("冷却中，至 {until}"), format!("cooling down until {until}"))
        }
        HeldBy::HourMax { max } => {
            Text::new(format!("一小时内已达 {max} 次"), format!("{max} times in the last hour already"))
        }
        HeldBy::BlastMax { cis, max } => {
            Text::new(format!("影响 {cis} 个配置项，超过 {max}"), format!("{cis} CIs hang on it, more than {max}"))
        }
    }
}

/// Why an action rule asks for nothing, or what became of it.
pub fn inaction(why: &Inaction, clock: Clock<'_>) -> Text {
    match why {
        Inaction::Is(one) => action(one, clock),
        Inaction::Unmet(why) => {
            let why = unmet(why);
            Text::new(format!("不适用：{}", why.zh), format!("does not apply: {}", why.en))
        }
        Inaction::NoCi => Text::new("根因不是已知的配置项", "no CI is known as the root cause"),
        Inaction::Class { class } => Text::new(
            format!("根因的类别 {class} 不在允许之列"),
            format!("the root cause's class {class} is not allowed"),
        ),
        Inaction::NoMember => {
            Text::new("没有允许类别的成员配置项符合条件", "no CI of an allowed class has an alert that it asks for")
        }
        Inaction::NotYet { at } => {
            let at = clock(*at);
            Text::new(format!("最早 {at} 执行"), format!("not before {at}"))
        }
    }
}

/// A service level that is near or missed, in a sentence; none: it runs, or is met.
pub fn level(level: &LevelClock, clock: Clock<'_>) -> Option<Text> {
    let (kind, due) = (LevelKindWord::from(level.kind), clock(level.due));
    let (zh, en) = (kind.label(Lang::Zh), kind.label(Lang::En));
    match level.state() {
        LevelState::Breached => Some(Text::new(format!("{zh}时限 {due} 已超"), format!("{en}: missed, was due {due}"))),
        LevelState::Near => Some(Text::new(format!("{zh}时限将到：{due}"), format!("{en}: due {due}"))),
        LevelState::Running | LevelState::Met => None,
    }
}
