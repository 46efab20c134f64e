//! Texts that fit: cut at a whole character, and with what means something in a markup written so that it is only text.

use crate::wording::markup::is_unseen;

/// Stands where something was cut off.
const CUT: &str = "…";

/// At most `bytes_max` bytes of UTF-8, cut between characters.
pub fn bytes(text: &str, bytes_max: usize) -> String {
    if text.len() <= bytes_max {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(bytes_max.saturating_sub(CUT.len()));
    format!("{}{CUT}", before(text, end))
}

/// At most `chars_max` characters.
pub fn chars(text: &str, chars_max: usize) -> String {
    if text.chars().count() <= chars_max {
        return text.to_owned();
    }
    let end = text.char_indices().nth(chars_max.saturating_sub(1)).map_or(text.len(), |(at, _)| at);
    if chars_max == 0 { String::new() } else { format!("{}{CUT}", before(text, end)) }
}

/// The text up to there, without a link that would be cut in two: half of one leads nowhere.
fn before(text: &str, end: usize) -> &str {
    let is_begin = |at: usize| text[at..].starts_with("http://") || text[at..].starts_with("https://");
    let is_inside = |at: usize| {
        let length = text[at..].find(|letter: char| !letter.is_ascii_graphic()).unwrap_or(text.len() - at);
        at < end && end < at + length
    };
    let link = text.match_indices("http").map(|(at, _)| at).find(|at| is_begin(*at) && is_inside(*at));
    link.map_or(&text[..end], |at| text[..at].trim_end())
}

/// A share of fewer characters says nothing.
const SHARE_CHARS_MIN: usize = 12;

/// Lines one below the other in at most `chars_max` characters: short ones stand whole, longer ones share what is left
/// alike. Of too many for that the last ones are left out.
pub fn shared<'a>(lines: impl IntoIterator<Item = &'a str>, chars_max: usize) -> String {
    let mut lines: Vec<&str> = lines.into_iter().collect();
    lines.truncate((chars_max / SHARE_CHARS_MIN).max(1));
    let mut lengths: Vec<usize> = lines.iter().map(|line| line.chars().count()).collect();
    lengths.sort_unstable();
    let mut room = chars_max.saturating_sub(lines.len().saturating_sub(1));
    let mut share = usize::MAX;
    for (taken, length) in lengths.iter().enumerate() {
        let each = room / (lengths.len() - taken);
        if *length > each {
            share = each;
            break;
        }
        room -= length;
    }
    lines.into_iter().map(|line| chars(line, share)).collect::<Vec<_>>().join("\n")
}

/// A text of lines in at most `chars_max` characters; `last` (a link) is kept whatever is cut.
pub fn with_last(text: &str, last: Option<&str>, chars_max: usize) -> String {
    match last.filter(|last| last.chars().count() < chars_max) {
        Some(last) => format!("{}\n{last}", chars(text, chars_max - last.chars().count() - 1)),
        None => chars(text, chars_max),
    }
}

/// Joins lines within `bytes_max`; `last` (a link) is kept whatever is cut. A line that is begun is cut only when it is
/// the first one: half a line of markup may mean something else.
pub fn lines<S: AsRef<str>>(lines: impl IntoIterator<Item = S>, last: Option<&str>, bytes_max: usize) -> String {
    let room = bytes_max.saturating_sub(last.map_or(0, |last| last.len() + 1));
    let mut lines = lines.into_iter().peekable();
    let mut text = lines.next().map(|first| bytes(first.as_ref(), room)).unwrap_or_default();
    while let Some(line) = lines.next() {
        let line = line.as_ref();
        let needed = line.len() + 1 + if lines.peek().is_none() { 0 } else { CUT.len() + 1 };
        if text.len() + needed > room {
            if text.len() + CUT.len() < room {
                text.push('\n');
                text.push_str(CUT);
            }
            break;
        }
        text.push('\n');
        text.push_str(line);
    }
    if let Some(last) = last {
        text.push('\n');
        text.push_str(last);
    }
    text
}

/// Writes `\` before what Markdown takes for markup, and leaves no line break and no HTML.
pub fn markdown(text: &str) -> String {
    let mut written = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '(' | ')' | '#' | '!' | '|' | '~' => {
                written.push('\\');
                written.push(letter);
            }
            '<' => written.push_str("&lt;"),
            '>' => written.push_str("&gt;"),
            '&' => written.push_str("&amp;"),
            letter if is_unseen(letter) => written.push(' '),
            letter => written.push(letter),
        }
    }
    written
}

/// Leaves out what chat systems without an escape take for markup or for calling people: `@`, brackets and stars become
/// their full-width forms.
pub fn plain(text: &str) -> String {
    let full_width = |letter: char| match letter {
        '@' => '＠',
        '<' => '＜',
        '>' => '＞',
        '[' => '［',
        ']' => '］',
        '(' => '（',
        ')' => '）',
        '*' => '＊',
        '_' => '＿',
        '`' => '｀',
        '~' => '～',
        '#' => '＃',
        '|' => '｜',
        letter if is_unseen(letter) => ' ',
        letter => letter,
    };
    text.chars().map(full_width).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_cut_text_says_so_and_keeps_its_link() {
        assert_eq!(bytes("核心交换机", 9), "核心…");
        assert_eq!(bytes("核心交换机", 15), "核心交换机");
        assert_eq!(chars("核心交换机", 3), "核心…");
        let text = ["一二三".to_owned(), "四五六".to_owned(), "七八九".to_owned()];
        assert_eq!(lines(&text, Some("https://a/1"), 200), "一二三\n四五六\n七八九\nhttps://a/1");
        assert_eq!(lines(&text, Some("https://a/1"), 36), "一二三\n四五六\n…\nhttps://a/1");
        assert_eq!(lines(&text, None, 13), "一二三\n…");
    }

    #[test]
    fn half_a_link_is_left_out() {
        let text = "掉电；https://noc.example/a/xyz；其余";
        assert_eq!(chars(text, 12), "掉电；…");
        assert_eq!(chars(text, text.chars().count() - 1), "掉电；https://noc.example/a/xyz；…");
        assert_eq!(bytes("see https://noc.example/1 now", 14), "see…");
    }

    #[test]
    fn lines_that_share_a_room_are_cut_alike() {
        let lines = ["短", "一二三四五六七八九十一二三四五六七八九十一二三四", "2026-03-02 02:12"];
        assert_eq!(shared(lines, 60), lines.join("\n"));
        assert_eq!(shared(lines, 36), "短\n一二三四五六七八九十一二三四五六…\n2026-03-02 02:12");
        assert_eq!(shared(lines, 24), "短\n一二三四五六七八九十一二三四五六七八九十一…");
    }

    #[test]
    fn markup_of_others_is_text() {
        assert_eq!(markdown("[click](http://x) <at id=all>*"), "\\[click\\]\\(http://x\\) &lt;at id=all&gt;\\*");
        assert_eq!(plain("<@U1> @all\n*b*"), "＜＠U1＞ ＠all ＊b＊");
    }

    proptest! {
        #[test]
        fn nothing_is_longer_than_it_may_be(text in prop::collection::vec(".{0,40}", 1..12), most in 40_usize..300) {
            let link = "https://noc.example/1";
            prop_assert!(lines(&text, Some(link), most).len() <= most);
            prop_assert!(lines(&text, Some(link), most).ends_with(link));
            prop_assert!(bytes(&text[0], most).len() <= most);
            prop_assert!(chars(&text[0], most).chars().count() <= most);
            prop_assert!(shared(text.iter().map(String::as_str), most).chars().count() <= most);
        }
    }
}
