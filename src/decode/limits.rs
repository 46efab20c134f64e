//! How long texts may be. What is longer is cut and flagged; identity that is cut keeps a hash of the whole.

use std::borrow::Cow;

use sha2::{Digest, Sha256};

/// The limits of one event and of one body. Lengths of text are counted in characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    pub title_chars: usize,
    pub description_chars: usize,
    pub labels: usize,
    pub label_key_chars: usize,
    pub label_value_chars: usize,
    /// Names, object keys, event ids, dedup keys.
    pub identity_chars: usize,
    pub links: usize,
    /// Events in one body.
    pub events: usize,
    /// Arrays and objects inside each other.
    pub depth: usize,
    /// What is kept of an event that could not be taken, in bytes.
    pub raw_bytes: usize,
}

impl Limits {
    /// The limits of the event model.
    pub const MODEL: Self = Self {
        title_chars: 512,
        description_chars: 2048,
        labels: 50,
        label_key_chars: 128,
        label_value_chars: 2048,
        identity_chars: 255,
        links: 10,
        events: 5000,
        depth: 32,
        raw_bytes: 64 * 1024,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self::MODEL
    }
}

/// The first `chars_max` characters, or `None` when the text is not longer than that.
pub(super) fn cut(text: &str, chars_max: usize) -> Option<&str> {
    if text.len() <= chars_max {
        return None;
    }
    text.char_indices().nth(chars_max).map(|(at, _)| &text[..at])
}

/// At most `bytes_max` bytes, cut between two characters.
pub(super) fn cut_bytes(text: &str, bytes_max: usize) -> &str {
    if text.len() <= bytes_max {
        return text;
    }
    let end = (0..=bytes_max).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
    &text[..end]
}

/// The length of `~` and 128 bits in hex.
const HASH_CHARS: usize = 33;

/// Shortens text that is identity: two texts that differ only behind the limit stay two, because the end is
/// replaced by `~` and 128 bits of the whole text's SHA-256. `None` when the text is short enough.
pub(super) fn cut_identity(text: &str, chars_max: usize) -> Option<String> {
    cut(text, chars_max)?;
    let mut short = cut(text, chars_max.saturating_sub(HASH_CHARS)).unwrap_or_default().to_owned();
    short.push('~');
    short.push_str(&hex::encode(&Sha256::digest(text.as_bytes())[..16]));
    Some(short)
}

/// A source's own key of an alert, as its events have it.
pub fn dedup_key(text: &str, limits: &Limits) -> Box<str> {
    cut_identity(text, limits.identity_chars).map_or_else(|| text.into(), Into::into)
}

/// For messages: the text as a quoted string of at most 64 characters.
pub(super) fn shown(text: &str) -> String {
    let short = cut(text, 64).map_or(Cow::Borrowed(text), |head| Cow::Owned(format!("{head}…")));
    format!("{short:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_by_characters() {
        let check = |text: &str, want: Option<&str>| assert_eq!(cut(text, 3), want, "{text}");
        check("", None);
        check("abc", None);
        check("abcd", Some("abc"));
        check("告警风", None);
        check("告警风暴", Some("告警风"));
        assert_eq!(cut_bytes("告警", 4), "告");
        assert_eq!(cut_bytes("告警", 2), "");
    }

    #[test]
    fn identity_behind_the_limit_still_counts() {
        let long = |end: char| format!("{}{end}", "键".repeat(300));
        let (a, b) = (cut_identity(&long('a'), 255), cut_identity(&long('b'), 255));
        assert_ne!(a, b);
        assert_eq!(a.as_ref().map(|a| a.chars().count()), Some(255));
        assert_eq!(a, cut_identity(&long('a'), 255));
        assert_eq!(cut_identity("short", 255), None);
    }
}
