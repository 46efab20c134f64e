//! Bytes to text: UTF-8 with or without a byte order mark, UTF-16 by its mark, GB18030 (and so GBK), and what to do
//! with the rest. Also the one look over the text before it is parsed.

use std::borrow::Cow;

use encoding_rs::{Encoding, GB18030, UTF_8};

/// Text, and how it was made from the bytes.
#[derive(Debug, PartialEq, Eq)]
pub struct Text<'a> {
    pub text: Cow<'a, str>,
    pub encoding: TextEncoding,
}

/// How the bytes of a body were read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextEncoding {
    Utf8,
    /// Another encoding, named by the request or recognised, without a single bad byte.
    Other,
    /// Invalid bytes have become U+FFFD.
    Repaired,
}

/// Reads bytes as text. `charset` is what the request says, if anything; UTF-8 is tried first even so, because
/// senders that name a charset often do not use it.
pub fn read<'a>(bytes: &'a [u8], charset: Option<&str>) -> Text<'a> {
    let marked = Encoding::for_bom(bytes).filter(|(encoding, _)| *encoding != UTF_8);
    if let Some((encoding, mark_bytes)) = marked {
        return by(encoding, &bytes[mark_bytes..]).unwrap_or_else(|| repaired(bytes));
    }
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Text { text: Cow::Borrowed(text), encoding: TextEncoding::Utf8 };
    }
    let named = charset.and_then(|label| Encoding::for_label(label.as_bytes())).filter(|named| *named != UTF_8);
    if let Some(text) = named.and_then(|encoding| by(encoding, bytes)) {
        return text;
    }
    if mostly_utf8(bytes) {
        return repaired(bytes);
    }
    by(GB18030, bytes).unwrap_or_else(|| repaired(bytes))
}

fn by<'a>(encoding: &'static Encoding, bytes: &'a [u8]) -> Option<Text<'a>> {
    let text = encoding.decode_without_bom_handling_and_without_replacement(bytes)?;
    Some(Text { text, encoding: TextEncoding::Other })
}

fn repaired(bytes: &[u8]) -> Text<'_> {
    Text { text: String::from_utf8_lossy(bytes), encoding: TextEncoding::Repaired }
}

/// Whether the bytes look like UTF-8 with a few bad bytes rather than like another encoding: Chinese text in
/// GB18030 hardly ever contains longer valid UTF-8 sequences.
fn mostly_utf8(bytes: &[u8]) -> bool {
    let (mut valid, mut invalid) = (0usize, 0usize);
    for chunk in bytes.utf8_chunks() {
        valid += chunk.valid().chars().filter(|c| c.len_utf8() >= 3).count();
        invalid += usize::from(!chunk.invalid().is_empty());
    }
    valid > invalid
}

/// What one look over a JSON text finds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scan {
    /// Arrays and objects inside each other, at most.
    pub depth: usize,
    /// Escapes that JSON allows and we do not keep: `\u0000` and halves of surrogate pairs may be among them.
    pub doubtful_escape: bool,
}

/// Looks over a JSON text once, without recursion and without checking it.
pub fn scan(text: &str) -> Scan {
    let bytes = text.as_bytes();
    let mut found = Scan::default();
    let (mut at, mut depth) = (0, 0usize);
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        match byte {
            b'"' => at = string_end(bytes, at, &mut found),
            b'[' | b'{' => {
                depth += 1;
                found.depth = found.depth.max(depth);
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    found
}

/// The place behind the string that starts at `at`.
fn string_end(bytes: &[u8], mut at: usize, found: &mut Scan) -> usize {
    while let Some(skip) = bytes.get(at..).and_then(|rest| rest.iter().position(|b| matches!(b, b'"' | b'\\'))) {
        at += skip;
        if bytes[at] == b'"' {
            return at + 1;
        }
        let escape = bytes.get(at + 1..at + 6).unwrap_or_default();
        found.doubtful_escape |= matches!(escape, [b'u', b'0', b'0', b'0', b'0'] | [b'u', b'd' | b'D', ..]);
        at += 2;
    }
    bytes.len()
}

/// Writes `\ufffd` over every `\u0000` and every half of a surrogate pair that stands alone.
pub fn mend_escapes(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut mended = String::with_capacity(text.len());
    let (mut kept, mut at) = (0, 0);
    while at < bytes.len() {
        if bytes[at] != b'\\' {
            at += 1;
            continue;
        }
        let bad = match escaped_unit(bytes, at) {
            None => {
                at += 2;
                continue;
            }
            Some(0xD800..=0xDBFF) if matches!(escaped_unit(bytes, at + 6), Some(0xDC00..=0xDFFF)) => {
                at += 12;
                continue;
            }
            Some(unit) => unit == 0 || (0xD800..=0xDFFF).contains(&unit),
        };
        if bad {
            mended.push_str(&text[kept..at]);
            mended.push_str("\\ufffd");
            kept = at + 6;
        }
        at += 6;
    }
    mended.push_str(&text[kept..]);
    mended
}

/// The UTF-16 unit that `\uXXXX` at this place stands for.
fn escaped_unit(bytes: &[u8], at: usize) -> Option<u16> {
    let digits = match bytes.get(at..at + 6)? {
        [b'\\', b'u', digits @ ..] if digits.iter().all(u8::is_ascii_hexdigit) => digits,
        _ => return None,
    };
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_become_text() {
        let check = |bytes: &[u8], charset, text: &str, encoding| {
            assert_eq!(read(bytes, charset), Text { text: text.into(), encoding }, "{bytes:?}");
        };
        let gbk = encoding_rs::GBK.encode("数据库连接数过高").0.into_owned();
        check("告警".as_bytes(), None, "告警", TextEncoding::Utf8);
        check("告警".as_bytes(), Some("gbk"), "告警", TextEncoding::Utf8);
        check(b"\xEF\xBB\xBFok", None, "ok", TextEncoding::Utf8);
        check(b"\xFF\xFEo\0k\0", None, "ok", TextEncoding::Other);
        check(&gbk, None, "数据库连接数过高", TextEncoding::Other);
        check(&gbk, Some("GB2312"), "数据库连接数过高", TextEncoding::Other);
        check(b"caf\xE9", Some("iso-8859-1"), "café", TextEncoding::Other);
        check(b"a\xFFb", None, "a\u{FFFD}b", TextEncoding::Repaired);
        let torn = [&"主机离线".as_bytes()[..11], b"!"].concat();
        check(&torn, None, "主机离\u{FFFD}!", TextEncoding::Repaired);
    }

    #[test]
    fn one_look_finds_depth_and_doubtful_escapes() {
        let check = |text: &str, depth, doubtful_escape| {
            assert_eq!(scan(text), Scan { depth, doubtful_escape }, "{text}");
        };
        check(r#"[{"a":"[[[["},[1]]"#, 2, false);
        check(r#"{"a":"\"[[","b":{}}"#, 2, false);
        check(r#"{"a":"\u0000"}"#, 1, true);
        check(r#"{"a":"\\u0000"}"#, 1, false);
        check(r#"{"a":"\ud83d"}"#, 1, true);
        check("{\"a\":\"\\", 1, false);
        check(&"[".repeat(1_000_000), 1_000_000, false);
    }

    #[test]
    fn doubtful_escapes_are_mended() {
        let check = |text: &str, want: &str| assert_eq!(mend_escapes(text), want, "{text}");
        check(r#""a\u0000b""#, r#""a\ufffdb""#);
        check(r#""\\u0000""#, r#""\\u0000""#);
        check(r#""\ud83d\ude00""#, r#""\ud83d\ude00""#);
        check(r#""\ud83dx\ude00""#, r#""\ufffdx\ufffd""#);
        check(r#""\ud83d\ud83d\ude00""#, r#""\ufffd\ud83d\ude00""#);
        check(r#""\u12""#, r#""\u12""#);
        check("\\", "\\");
    }
}
