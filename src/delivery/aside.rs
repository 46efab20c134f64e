//! What stands beside the fault in a message: who is meant, what to do, who else was told.

use chrono_tz::Tz;

use crate::domain::action::ActionState;
use crate::domain::time::Timestamp;
use crate::engine::calendar::local;
use crate::engine::effect::{Notice, RunbookLink};
use crate::wording::care;
use crate::wording::lang::Lang;

/// Actions that a text names, the newest first.
const ACTIONS_MAX: usize = 3;

/// Steps of a runbook that a text names.
const STEPS_MAX: usize = 3;
/// People that a text names.
const TOLD_MAX: usize = 6;

/// By what name the person who is meant is called, before the title; empty where nobody in particular is.
pub fn called(notice: &Notice) -> String {
    notice.to.as_ref().map_or_else(String::new, |to| format!("@{} ", to.name))
}

/// What is done and what is late, and what to do.
pub fn to_do(notice: &Notice, lang: Lang, zone: Tz) -> Vec<String> {
    let mut lines = Vec::new();
    if notice.kind.is_of_open() {
        let clock = |at: Timestamp| local(zone, at).format("%m-%d %H:%M").to_string();
        let shown = notice.incident.actions.iter().filter(|action| is_told(action.state));
        lines.extend(shown.rev().take(ACTIONS_MAX).map(|action| {
            let said = care::action(action, &clock);
            format!("{}{}", if lang == Lang::Zh { "自动处置：" } else { "Action: " }, said.of(lang))
        }));
        let late = notice.incident.levels.iter().filter_map(|level| care::level(level, &clock));
        lines.extend(late.map(|text| text.of(lang).to_owned()));
        lines.extend(notice.runbooks.iter().map(|book| runbook(book, lang)));
    }
    lines
}

/// Whether a message speaks of an action: not of what is only tried out or not needed any more.
const fn is_told(state: ActionState) -> bool {
    match state {
        ActionState::Asked
        | ActionState::Approved
        | ActionState::Requested
        | ActionState::Done
        | ActionState::Failed
        | ActionState::Silent
        | ActionState::Denied
        | ActionState::Lapsed
        | ActionState::HeldBack => true,
        ActionState::Dropped | ActionState::Tried => false,
    }
}

fn runbook(book: &RunbookLink, lang: Lang) -> String {
    let steps: Vec<&str> = book.steps.iter().take(STEPS_MAX).map(AsRef::as_ref).collect();
    let (label, colon, comma) = match lang {
        Lang::Zh => ("处置", "：", "；"),
        Lang::En => ("What to do", ": ", "; "),
    };
    let mut text = format!("{label}{colon}{}", book.title);
    if !steps.is_empty() {
        text = format!("{text}{colon}{}", steps.join(comma));
    }
    if book.url.is_empty() { text } else { format!("{text} {}", book.url) }
}

/// Who else was told.
pub fn told(names: &[Box<str>], lang: Lang) -> Option<String> {
    let first: Vec<&str> = names.iter().take(TOLD_MAX).map(AsRef::as_ref).collect();
    let more = names.len().saturating_sub(TOLD_MAX);
    match (lang, more) {
        _ if first.is_empty() => None,
        (Lang::Zh, 0) => Some(format!("已通知：{}", first.join("、"))),
        (Lang::Zh, more) => Some(format!("已通知：{} 等另外 {more} 人", first.join("、"))),
        (Lang::En, 0) => Some(format!("Also told: {}", first.join(", "))),
        (Lang::En, more) => Some(format!("Also told: {} and {more} more", first.join(", "))),
    }
}
