//! Texts for a phone: an SMS, the same without any name, and what a voice reads out. What somebody acts with has its room
//! first, then what happened; the rest is told as far as there is room, and nothing by halves.

use super::channels::fit;
use super::lines::{self, Lines, link, news, priority_word, root_line};
use super::message::{Root, Style, severity_label};
use super::test_page;
use crate::engine::calendar::local;
use crate::engine::effect::Notice;
use crate::wording::lang::{Lang, Text};
use crate::wording::sentences::{span_en, span_zh};
use crate::wording::titles::titled;

/// What happened is not cut to less than so many characters for a link's sake.
const TITLE_CHARS_MIN: usize = 40;

/// What happened and how bad, who is affected, since when, the cause, what to do; then how to answer, and a link.
pub fn short(notice: &Notice, style: &Style<'_>, chars_max: usize) -> String {
    if let Some(page) = test_page::of(notice, style) {
        return fit::chars(&page.line(), chars_max);
    }
    let lines = Lines::of(notice, style);
    let separator = separator(style.lang);
    let answer = style.acts.answer(notice, style.lang);
    let console = link(&notice.incident, style);
    let links = [lines.url.as_ref(), console.as_ref(), None];
    let ends = links.map(|link| answer.iter().chain(link).map(String::as_str).collect::<Vec<_>>());
    let floor = lines.title.chars().count().min(TITLE_CHARS_MIN);
    let fits = |end: &&Vec<&str>| end.iter().map(|one| length(one, separator)).sum::<usize>() + floor <= chars_max;
    // A link that does not fit is worth nothing: the console's is shorter, and whoever can answer needs none.
    let end = ends.iter().find(fits).unwrap_or(&ends[2]);
    composed(&lines.title, &details(notice, style), end, separator, chars_max)
}

/// The same without any name of a machine, an address or a service, for networks that must not carry them.
pub fn nameless(notice: &Notice, style: &Style<'_>, chars_max: usize) -> String {
    if let Some(page) = test_page::of(notice, style) {
        return fit::chars(&page.first, chars_max);
    }
    let incident = &notice.incident;
    let (severity, priority) = (severity_label(incident.severity), priority_word(incident.priority));
    let (said, id, count) = (news(notice.kind), incident.id, incident.alert_count);
    let (title, details) = match style.lang {
        Lang::Zh => (
            format!("【{priority} {}】{}：故障 {id}，{count} 条告警", severity.zh, said.zh),
            [when(notice, style), "详情请登录平台查看".to_owned()],
        ),
        Lang::En => (
            format!("[{priority} {}] {}: incident {id}, alerts: {count}", severity.en, said.en),
            [when(notice, style), "see the console".to_owned()],
        ),
    };
    let answer = style.acts.answer(notice, style.lang);
    let end: Vec<&str> = answer.as_deref().into_iter().collect();
    composed(&title, &details, &end, separator(style.lang), chars_max)
}

/// What is read out during a call: no link, no brackets, no ids, and which keys mean what.
pub fn spoken(notice: &Notice, style: &Style<'_>, chars_max: usize) -> String {
    if let Some(page) = test_page::of(notice, style) {
        return fit::chars(&test_page::apart(&page.line()), chars_max);
    }
    let (severity, said) = (severity_label(notice.incident.severity), lines::said(notice, style.lang));
    let title = titled(&notice.incident.title, style.lang);
    let (title, separator) = match style.lang {
        Lang::Zh => (format!("{said}，{}：{title}", severity.zh), "。"),
        Lang::En => (format!("{said}, {}: {title}", severity.en), ". "),
    };
    let keys = style.acts.keys(notice, style.lang);
    let end: Vec<&str> = keys.into_iter().collect();
    composed(&title, &details(notice, style), &end, separator, chars_max)
}

/// The same without any name.
pub fn spoken_nameless(notice: &Notice, style: &Style<'_>, chars_max: usize) -> String {
    if let Some(page) = test_page::of(notice, style) {
        return fit::chars(&test_page::apart(&page.first), chars_max);
    }
    let (severity, said) = (severity_label(notice.incident.severity), news(notice.kind));
    let (title, separator) = match style.lang {
        Lang::Zh => (format!("{}，{}", said.zh, severity.zh), "。"),
        Lang::En => (format!("{}, {}", said.en, severity.en), ". "),
    };
    let keys = style.acts.keys(notice, style.lang);
    let end: Vec<&str> = keys.into_iter().collect();
    composed(&title, &[when(notice, style)], &end, separator, chars_max)
}

const fn separator(lang: Lang) -> &'static str {
    match lang {
        Lang::Zh => "；",
        Lang::En => "; ",
    }
}

/// What is told as far as there is room, the most important first.
fn details(notice: &Notice, style: &Style<'_>) -> Vec<String> {
    let (incident, lang) = (&notice.incident, style.lang);
    let affected = lines::listed(Text::new("影响业务 ", "affected: "), &incident.services, lang);
    let cause = Root::of(incident).map(|root| root_line(&root, lang));
    let to_do = notice.runbooks.first().filter(|_| lines::ended(notice).is_none()).map(|book| match lang {
        Lang::Zh => format!("处置：{}", book.title),
        Lang::En => format!("what to do: {}", book.title),
    });
    let all = [affected, Some(when(notice, style)), cause, to_do];
    all.into_iter().flatten().collect()
}

/// Since when; of what is over, how long it lasted.
fn when(notice: &Notice, style: &Style<'_>) -> String {
    let begin = notice.incident.first_alert_at;
    let clock = local(style.time_zone, begin).format("%m-%d %H:%M");
    match (style.lang, lines::ended(notice)) {
        (Lang::Zh, None) => format!("{clock} 开始"),
        (Lang::En, None) => format!("since {clock}"),
        (Lang::Zh, Some(end)) => format!("{clock} 开始，历时 {}", span_zh(end.since(begin).0)),
        (Lang::En, Some(end)) => format!("since {clock}, lasted {}", span_en(end.since(begin).0)),
    }
}

fn length(text: &str, separator: &str) -> usize {
    text.chars().count() + separator.chars().count()
}

/// The title, what fits of the details, and the end, which is there whatever is cut.
fn composed<S: AsRef<str>>(title: &str, details: &[S], end: &[&str], separator: &str, chars_max: usize) -> String {
    let room = chars_max.saturating_sub(end.iter().map(|one| length(one, separator)).sum());
    let mut text = fit::chars(title, room);
    let mut room = room - text.chars().count();
    for one in details.iter().map(AsRef::as_ref) {
        if length(one, separator) <= room {
            room -= length(one, separator);
            text = format!("{text}{separator}{one}");
        }
    }
    end.iter().fold(text, |text, one| format!("{text}{separator}{one}"))
}
