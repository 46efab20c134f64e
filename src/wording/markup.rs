//! Text of strangers inside markup: what would be read as markup is written as text. For pages, mails and reports alike.

/// What has no shape of its own, or turns the direction of what follows.
pub fn is_unseen(letter: char) -> bool {
    letter.is_control() || matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// What HTML and XML take for markup, written as text; fit for attributes too. Letters without a shape become spaces.
pub fn html(text: &str) -> String {
    let mut written = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '<' => written.push_str("&lt;"),
            '>' => written.push_str("&gt;"),
            '&' => written.push_str("&amp;"),
            '"' => written.push_str("&quot;"),
            '\'' => written.push_str("&#39;"),
            letter if is_unseen(letter) => written.push(' '),
            letter => written.push(letter),
        }
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_text_is_markup() {
        assert_eq!(html("<b>\"&'"), "&lt;b&gt;&quot;&amp;&#39;");
        assert_eq!(html("a\u{202e}b\nc"), "a b c");
    }
}
