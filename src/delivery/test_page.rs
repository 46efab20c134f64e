//! The message that shows a person that a way works, or brings the code that shows that an address is theirs. It is about no incident.

use super::message::Style;
use crate::engine::effect::{Notice, NoticeKind};
use crate::wording::lang::Lang;

/// Digits of a code.
const CODE_DIGITS: usize = 6;

/// What is said, in the language in which the person reads pages.
pub struct TestPage {
    /// May be all that there is room for, and names nothing.
    pub first: String,
    pub rest: String,
    lang: Lang,
}

/// The message; none: the notice is about an incident. Of a test the incident's title is the code; empty: it brings none.
pub fn of(notice: &Notice, style: &Style<'_>) -> Option<TestPage> {
    if notice.kind != NoticeKind::Test {
        return None;
    }
    let (code, way, lang) = (&*notice.incident.title, &style.acts.receiver, style.lang);
    let whence = format!("Headwater {}", style.base_url.split("//").last().unwrap_or_default());
    let whence = whence.trim_end();
    let (first, rest) = match (lang, code.is_empty()) {
        (Lang::Zh, true) => ("测试消息，无需处理".to_owned(), format!("收到说明此渠道（{way}）可以联系到您。{whence}")),
        (Lang::En, true) => {
            ("A test, nothing is to be done".to_owned(), format!("You can be reached by this way ({way}). {whence}"))
        }
        (Lang::Zh, false) => (
            format!("验证码 {code}"),
            format!("10 分钟内有效，用于确认此联系方式归您使用（{whence}）。若非本人操作请忽略。"),
        ),
        (Lang::En, false) => (
            format!("Your code is {code}"),
            format!(
                "Good for 10 minutes; it shows {whence} that this address is yours. If you did not ask for it, ignore it."
            ),
        ),
    };
    Some(TestPage { first, rest, lang })
}

impl TestPage {
    /// All of it in one line.
    pub fn line(&self) -> String {
        match self.lang {
            Lang::Zh => format!("{}；{}", self.first, self.rest),
            Lang::En => format!("{}. {}", self.first, self.rest),
        }
    }
}

/// Digits of a code one by one: a voice would read a number.
pub fn apart(text: &str) -> String {
    let mut told = String::with_capacity(text.len() + 2 * CODE_DIGITS);
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let end = rest.find(|letter: char| letter.is_ascii_digit() != first.is_ascii_digit()).unwrap_or(rest.len());
        let (run, after) = rest.split_at(end);
        if first.is_ascii_digit() && run.len() == CODE_DIGITS {
            let digits: Vec<String> = run.chars().map(String::from).collect();
            told.push_str(&digits.join(" "));
        } else {
            told.push_str(run);
        }
        rest = after;
    }
    told
}
