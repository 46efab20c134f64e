//! What a digest says: messages that came too fast, and the storm that held them back.

use super::lines::{news, priority_word};
use super::message::Style;
use crate::engine::calendar::local;
use crate::engine::effect::{NoticeDigest, StormNews};
use crate::wording::lang::Lang;
use crate::wording::titles::titled;

/// Incidents of a digest that the text names.
const TEXT_DIGEST_MAX: usize = 10;

/// What a digest is about, in a few words: how many messages, or the storm.
pub fn headline(digest: &NoticeDigest, lang: Lang) -> String {
    match (digest.storm, lang) {
        (Some(storm), Lang::Zh) if storm.is_over => format!("故障风暴结束，共 {} 起故障", storm.incidents),
        (Some(storm), Lang::En) if storm.is_over => format!("The storm of {} incidents is over", storm.incidents),
        (Some(storm), Lang::Zh) => format!("故障风暴，已有 {} 起故障", storm.incidents),
        (Some(storm), Lang::En) => format!("A storm of incidents, {} so far", storm.incidents),
        (None, Lang::Zh) => format!("合并 {} 条消息", digest.messages),
        (None, Lang::En) => format!("{} messages in one", digest.messages),
    }
}

/// What came too fast, one line per incident; of a storm, since when it goes on and where all of it is listed.
pub fn lines(digest: &NoticeDigest, style: &Style<'_>) -> Vec<String> {
    let lang = style.lang;
    let mut lines: Vec<String> = digest.storm.iter().map(|storm| storm_line(storm, style)).collect();
    if digest.messages == 0 {
        return lines;
    }
    lines.push(match lang {
        Lang::Zh => format!("消息过多，合并为一条（{} 条）：", digest.messages),
        Lang::En => format!("Too many messages at once; these {} in one:", digest.messages),
    });
    for line in digest.lines.iter().take(TEXT_DIGEST_MAX) {
        let said = news(line.kind);
        let (priority, title, id) = (priority_word(line.priority), titled(&line.title, lang), line.incident);
        lines.push(match lang {
            Lang::Zh => format!("· {priority} {}：{title}（{id}）", said.zh),
            Lang::En => format!("- {priority} {}: {title} ({id})", said.en),
        });
    }
    let more = digest.lines.len().saturating_sub(TEXT_DIGEST_MAX);
    if more > 0 {
        lines.push(match lang {
            Lang::Zh => format!("……另有 {more} 起故障"),
            Lang::En => format!("... and {more} more incidents"),
        });
    }
    lines
}

fn storm_line(storm: &StormNews, style: &Style<'_>) -> String {
    let since = local(style.time_zone, storm.since).format("%m-%d %H:%M");
    let count = storm.incidents;
    let list = match (style.base_url, style.lang) {
        ("", _) => String::new(),
        (base, Lang::Zh) => format!("；清单：{base}/storm"),
        (base, Lang::En) => format!("; all of it: {base}/storm"),
    };
    match (style.lang, storm.is_over) {
        (Lang::Zh, false) => {
            format!("故障风暴：自 {since} 起已产生 {count} 起故障，消息暂不逐条发送，改为定时汇总{list}")
        }
        (Lang::Zh, true) => format!("故障风暴结束（自 {since}，共 {count} 起故障），恢复逐条发送{list}"),
        (Lang::En, false) => {
            format!("Storm of incidents since {since}: {count} so far; messages come as summaries for a while{list}")
        }
        (Lang::En, true) => {
            format!("The storm of incidents since {since} is over ({count}); messages come one by one again{list}")
        }
    }
}
