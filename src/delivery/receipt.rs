//! What is kept of a message that was taken: where it went, so that people know the address without being able to use it, and
//! what the receiver calls it, so that its operator can be asked.

use serde_json::Value;

use super::channels::fit;
use super::contacts;
use super::http::Answer;
use crate::wording::mask::mask;

/// Addresses that are kept of one message, and characters of a receiver's words.
const ADDRESSES_MAX: usize = 5;
const SAID_CHARS_MAX: usize = 120;

/// Addresses as they are kept: `138***78, l***@example.org`.
pub fn masked<'a>(addresses: impl IntoIterator<Item = &'a str>) -> String {
    let mut addresses = addresses.into_iter().filter(|address| !address.is_empty());
    let mut shown: Vec<String> = addresses.by_ref().take(ADDRESSES_MAX).map(contacts::masked).collect();
    let more = addresses.count();
    if more > 0 {
        shown.push(format!("+{more}"));
    }
    shown.join(", ")
}

/// The first of some places in an answer that says something.
pub fn id(answer: &Answer, places: &[&str]) -> Option<String> {
    let body = answer.json();
    let found = places.iter().find_map(|place| match body.pointer(place)? {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    });
    found.map(|said| words(&said))
}

/// A receiver's words, as they are kept.
pub fn words(said: &str) -> String {
    let plain: String = said.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    fit::chars(&mask(plain.trim()), SAID_CHARS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_known_and_cannot_be_used() {
        assert_eq!(masked(["", ""]), "");
        assert_eq!(masked(["13812345678", "lilei@example.org"]), "138***78, l***@example.org");
        assert_eq!(masked(["13812345678"; 7]).matches("138***78").count(), 5);
        assert!(masked(["13812345678"; 7]).ends_with(", +2"));
    }

    #[test]
    fn a_receivers_words_are_few_and_without_numbers_of_people() {
        assert_eq!(words("250 queued\r\nas 1 for 13812345678"), "250 queued  as 1 for 138****5678");
        assert_eq!(words(&"x".repeat(500)).chars().count(), SAID_CHARS_MAX);
    }
}
