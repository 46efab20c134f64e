//! Why an event could not be taken, in words. A dead letter keeps the sentence of the decoder, in English, and so do those of
//! years ago: in Chinese it is said by what it says. A sentence that nobody has put into Chinese stays as it is.

use super::lang::{Lang, Text};
use crate::domain::reject::Reject;

/// The reason's word for people.
pub const fn label(why: &Reject, lang: Lang) -> &'static str {
    let (zh, en) = match why {
        Reject::Malformed(_) => ("格式错误", "malformed"),
        Reject::TooLarge(_) => ("过大", "too large"),
        Reject::BadTime(_) => ("时间错误", "bad time"),
        Reject::OverLimit(_) => ("超出限制", "over a limit"),
    };
    match lang {
        Lang::Zh => zh,
        Lang::En => en,
    }
}

/// Where it is wrong and what to do.
pub fn detail(why: &Reject) -> Text {
    let en = why.detail();
    Text::new(in_chinese(en).unwrap_or_else(|| en.to_owned()), en)
}

/// Reason and detail in one sentence.
pub fn sentence(why: &Reject) -> Text {
    let detail = detail(why);
    Text::new(format!("{}：{}", label(why, Lang::Zh), detail.zh), format!("{}: {}", label(why, Lang::En), detail.en))
}

/// What decoders say, and the same in Chinese (see `filled`). `{}` is anything.
const SENTENCES: &[(&str, &str)] = &[
    ("name is empty: say which rule or check has fired", "name 为空：请写明是哪条规则或检查触发的"),
    ("name is empty: give the metric's name", "name 为空：请给出指标名"),
    (
        "object has no key: give ci_id, name, ip or one of keys",
        "object 没有任何标识：请给出 ci_id、name、ip 或 keys 之一",
    ),
    ("arrays and objects are nested deeper than {}: flatten them", "数组与对象嵌套超过 {0} 层：请减少嵌套"),
    ("arrays and objects are nested deeper than {}", "数组与对象嵌套超过 {0} 层"),
    ("nested deeper than {}: flatten it", "嵌套超过 {0} 层：请减少嵌套"),
    (
        "{} is more than 24 hours ahead of us ({}): set the {}clock",
        "{0} 比本系统时间（{1}）超前 24 小时以上：请校准来源的时钟",
    ),
    ("endsAt is before startsAt: set the sender's clock", "endsAt 早于 startsAt：请校准发送方的时钟"),
    (
        "{} is missing: send RFC 3339, such as 2026-01-05T08:00:03+08:00",
        "缺少 {0}：请发送 RFC 3339 时间，例如 2026-01-05T08:00:03+08:00",
    ),
    (
        "{} is not a time between 1970 and 9999: send RFC 3339, such as 2026-01-05T08:00:03+08:00, or a whole number since \
         1970",
        "{0} 不是 1970 至 9999 年间的时间：请发送 RFC 3339 时间，例如 2026-01-05T08:00:03+08:00，或自 1970 年起的整数",
    ),
    ("the mapping finds no name", "映射没有取到 name"),
    ("the mapping finds no object: none of its keys has a value here", "映射没有取到对象：所列的标识在这里都没有值"),
    (
        "status is {}: let the mapping make firing, resolved or change of it",
        "status 为 {0}：请在映射中把它转换为 firing、resolved 或 change",
    ),
    ("none of the cases of the mapping {} fits this body", "映射 {0} 的各个 case 都不符合这条内容"),
    ("there is no array of events at {}", "{0} 处没有事件数组"),
    ("an event must be a JSON object", "事件必须是 JSON 对象"),
    ("the body must be a JSON array of alerts", "内容必须是由告警组成的 JSON 数组"),
    ("the body must be a JSON object, the webhook's message", "内容必须是 JSON 对象，即 webhook 的消息"),
    ("there is no array `alerts` in the message", "消息中没有数组 `alerts`"),
    ("version is {}: send version 4 of the webhook", "version 为 {0}：请发送第 4 版的 webhook"),
    ("an alert needs at least one label with a value", "告警至少要有一个带值的标签"),
    ("specversion is {}: send CloudEvents 1.0", "specversion 为 {0}：请发送 CloudEvents 1.0"),
    ("attribute {} is missing", "缺少属性 {0}"),
    ("attribute {} is not a plain value", "属性 {0} 不是简单值"),
    ("attribute {} is given twice", "属性 {0} 出现了两次"),
    ("key {} is given twice", "键 {0} 出现了两次"),
    (
        "data is missing: send the event there as JSON (data_base64 is not read)",
        "缺少 data：请把事件以 JSON 放在其中（不读取 data_base64）",
    ),
    (
        "type is {}: send headwater.event.raised.v1, .cleared.v1, .updated.v1 or headwater.change.v1",
        "type 为 {0}：请发送 headwater.event.raised.v1、.cleared.v1、.updated.v1 或 headwater.change.v1",
    ),
    ("data.status contradicts the type {}: leave it out or correct it", "data.status 与类型 {0} 矛盾：请去掉或改正"),
    ("{} labels are more than {}: they tell series apart, keep few", "{0} 个标签超过上限 {1}：标签区分序列，请少用"),
    (
        "more than {} labels, or one of more than {} characters: drop it by write_relabel_configs",
        "标签超过 {0} 个，或有标签超过 {1} 个字符：请用 write_relabel_configs 去掉",
    ),
    ("a series without __name__", "序列没有 __name__"),
    (
        "{} has none of the labels {}: add one by write_relabel_configs",
        "{0} 没有标签 {1} 中的任何一个：请用 write_relabel_configs 加上",
    ),
    (
        "it would begin one series more than {}: send fewer labels, or raise intake.series_max",
        "序列数将超过上限 {0}：请减少标签，或提高 intake.series_max",
    ),
    (
        "the tenant has {} alerts, the most it may have; find out who sends so many, or raise settings.alerts_max in the \
         rules, then replay this letter",
        "租户已有 {0} 条告警，达到上限；请查明谁发送了这么多，或在规则中提高 settings.alerts_max，然后重放这条死信",
    ),
    ("{} bytes are more than {}: send fewer events at once", "{0} 字节超过上限 {1}：请减少一次发送的事件"),
    ("more than {} events in one body: send them in several", "一次发送的事件超过 {0} 个：请分几次发送"),
    ("this source is switched off: switch it on and try the dead letter again", "该来源已停用：请启用后重放这条死信"),
    (
        "the decoder broke on it; please report it with this message",
        "解码器处理这条消息时出错；请连同这条消息报告给开发者",
    ),
    ("it has no line: give one of {}", "其中没有日志行：请给出 {0} 之一"),
    ("no JSON: {}; send plain lines as text/plain", "不是 JSON（{t0}）；纯文本行请以 text/plain 发送"),
    ("the stream has no values: {}", "stream 没有 values：{0}"),
    ("a value is not {}", "有一个值不是 {0}"),
    // What the reader of JSON says.
    ("missing field `{}`", "缺少字段 `{0}`"),
    ("duplicate field `{}`", "字段 `{0}` 出现了两次"),
    ("unknown field `{}`, expected one of {}", "未知字段 `{0}`，可用的有 {1}"),
    ("unknown field `{}`, expected {}", "未知字段 `{0}`，应为 {t1}"),
    ("unknown variant `{}`, expected one of {}", "未知取值 `{0}`，可用的有 {1}"),
    ("unknown variant `{}`, expected {}", "未知取值 `{0}`，应为 {t1}"),
    ("invalid type: {}, expected {}", "类型不符：是 {t0}，应为 {t1}"),
    ("invalid value: {}, expected {}", "取值无效：是 {t0}，应为 {t1}"),
    ("invalid length {}, expected {}", "长度不符：是 {t0}，应为 {t1}"),
    ("EOF while parsing {}", "JSON 不完整，在 {t0} 中结束"),
    ("trailing characters", "JSON 结束后还有多余的字符"),
    ("trailing comma", "有多余的逗号"),
    ("number out of range", "数字超出范围"),
    ("control character (\\u0000-\\u001F) found while parsing a string", "字符串中有控制字符"),
    ("key must be a string", "键必须是字符串"),
    ("invalid escape", "转义无效"),
    ("invalid number", "数字无效"),
    ("expected {}", "不是有效的 JSON，此处应为 {t0}"),
];

/// What the reader of JSON expects or finds, by the words that it begins with.
const TERMS: &[(&str, &str)] = &[
    ("an event as a JSON object", "表示事件的 JSON 对象"),
    ("an alert as a JSON object", "表示告警的 JSON 对象"),
    ("a CloudEvent as a JSON object", "表示 CloudEvent 的 JSON 对象"),
    ("an object of strings", "值为字符串的对象"),
    ("a string", "字符串"),
    ("a value", "值"),
    ("an object", "对象"),
    ("a list", "数组"),
    ("a map", "对象"),
    ("a sequence", "数组"),
    ("a boolean", "布尔值"),
    ("value", "值"),
    ("string ", "字符串 "),
    ("integer ", "整数 "),
    ("floating point ", "小数 "),
    ("boolean ", "布尔值 "),
    ("sequence", "数组"),
    ("map", "对象"),
];

fn in_chinese(en: &str) -> Option<String> {
    let whole = || SENTENCES.iter().find_map(|(pattern, zh)| Some(filled(zh, &parts(pattern, en)?)));
    if let Some((what, place)) = en.rsplit_once(" at line ")
        && let Some((line, column)) = place.split_once(" column ")
    {
        return in_chinese(what).map(|zh| format!("{zh}（第 {line} 行第 {column} 列）"));
    }
    // `event_type: unknown variant …`: the field before, then what is wrong with it.
    let of_field = || {
        let (field, what) = en.split_once(": ")?;
        let is_field = field.chars().all(|c| c.is_ascii_alphanumeric() || "_. ".contains(c));
        in_chinese(what).filter(|_| is_field).map(|zh| format!("{field}：{zh}"))
    };
    whole().or_else(of_field)
}

/// What stands in the places of a pattern; `None`: it says something else.
fn parts<'t>(pattern: &str, text: &'t str) -> Option<Vec<&'t str>> {
    let mut pieces = pattern.split("{}");
    let mut rest = text.strip_prefix(pieces.next()?)?;
    let mut found = Vec::new();
    let mut pieces = pieces.peekable();
    while let Some(piece) = pieces.next() {
        let at = if pieces.peek().is_none() { rest.len().checked_sub(piece.len())? } else { rest.find(piece)? };
        found.push(rest.get(..at)?);
        rest = rest.get(at..)?.strip_prefix(piece)?;
    }
    rest.is_empty().then_some(found)
}

/// `{0}` is the first part as it is, `{t0}` in Chinese as far as it is one of the reader's terms or a sentence of its own.
fn filled(zh: &str, parts: &[&str]) -> String {
    let (mut text, mut rest) = (String::new(), zh);
    while let Some((before, (place, after))) = rest.split_once('{').and_then(|(b, a)| Some((b, a.split_once('}')?))) {
        let (number, is_term) = place.strip_prefix('t').map_or((place, false), |number| (number, true));
        let part = number.parse().ok().and_then(|n: usize| parts.get(n)).copied().unwrap_or_default();
        text += before;
        text += &if is_term { term(part) } else { part.to_owned() };
        rest = after;
    }
    text + rest
}

fn term(part: &str) -> String {
    let known = TERMS.iter().find_map(|(en, zh)| Some((zh, part.strip_prefix(en)?)));
    let known = known.filter(|(_, rest)| rest.is_empty() || rest.starts_with('`') || rest.starts_with('"'));
    let known = known.map(|(zh, rest)| format!("{zh}{rest}"));
    known.or_else(|| in_chinese(part)).unwrap_or_else(|| part.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decoders_sentence_is_said_in_chinese_with_its_places() {
        for (en, zh) in [
            ("the mapping finds no name", "映射没有取到 name"),
            ("missing field `name` at line 1 column 9", "缺少字段 `name`（第 1 行第 9 列）"),
            (
                "invalid type: integer `5`, expected a string at line 2 column 1",
                "类型不符：是 整数 `5`，应为 字符串（第 2 行第 1 列）",
            ),
            (
                "event_type: unknown variant `x`, expected one of `A`, `B`",
                "event_type：未知取值 `x`，可用的有 `A`, `B`",
            ),
            (
                "starts_at \"soon\" is not a time between 1970 and 9999: send RFC 3339, such as 2026-01-05T08:00:03+08:00, \
                 or a whole number since 1970",
                "starts_at \"soon\" 不是 1970 至 9999 年间的时间：请发送 RFC 3339 时间，例如 2026-01-05T08:00:03+08:00，或自 1970 年起的整数",
            ),
            ("something that nobody has foreseen", "something that nobody has foreseen"),
        ] {
            assert_eq!(detail(&Reject::Malformed(en.into())), Text::new(zh, en));
        }
    }

    #[test]
    fn every_place_of_a_sentence_is_filled() {
        for (en, zh) in SENTENCES {
            let places = en.matches("{}").count();
            // Whose clock it is goes without saying.
            let said = places - usize::from(en.ends_with("set the {}clock"));
            let text = in_chinese(&en.replace("{}", "X1")).unwrap_or_else(|| panic!("{en}"));
            assert_eq!(text.matches("X1").count(), said, "{zh}: {text}");
        }
    }
}
