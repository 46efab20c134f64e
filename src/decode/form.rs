//! Forms and query strings, `name=value&…`, as the object that mappings read.

use std::borrow::Cow;

use memchr::memchr2;

use super::Body;
use super::json::Node;
use super::limits::{Limits, cut};
use super::text;

/// The mark in front of a text that says how it is encoded.
const MARK: char = '\u{FEFF}';
/// Fields in one form.
const FIELDS_MAX: usize = 1000;

/// An object of texts, in the order of the form. Of a field that is given twice the last counts.
///
/// # Errors
/// When there are too many fields, or none.
pub(super) fn read<'b>(body: Body<'b>, limits: &Limits) -> Result<Node<'b>, String> {
    let mut members = Vec::with_capacity(16);
    let mut fields = body.bytes.split(|byte| *byte == b'&').filter(|field| !field.is_empty());
    for field in fields.by_ref().take(FIELDS_MAX) {
        let (name, value) = match field.iter().position(|byte| *byte == b'=') {
            Some(at) => (&field[..at], &field[at + 1..]),
            None => (field, &b""[..]),
        };
        let name = decoded(name, body.charset);
        if cut(&name, limits.label_key_chars).is_none() {
            members.push((name, Node::Text(decoded(value, body.charset))));
        }
    }
    if fields.next().is_some() {
        return Err(format!("the form has more than {FIELDS_MAX} fields"));
    }
    if members.is_empty() {
        return Err("the form has no fields: send name=value&name=value".into());
    }
    Ok(Node::Object(members))
}

/// The same as JSON text.
///
/// # Errors
/// When there are too many fields, or none.
pub fn to_json(body: Body<'_>, limits: &Limits) -> Result<String, String> {
    read(body, limits).map(|form| form.to_string())
}

/// Percent signs and plus signs decoded; a percent sign that begins no byte stays as it is.
fn decoded<'b>(part: &'b [u8], charset: Option<&str>) -> Cow<'b, str> {
    let text = match memchr2(b'%', b'+', part) {
        None => text::read(part, charset).text,
        Some(first) => match String::from_utf8(unescaped(part, first)) {
            Ok(text) if !text.starts_with(MARK) => text.into(),
            Ok(marked) => text::read(marked.as_bytes(), charset).text.into_owned().into(),
            Err(other) => text::read(other.as_bytes(), charset).text.into_owned().into(),
        },
    };
    // As in JSON, where we do not keep it either.
    if text.contains('\0') { text.replace('\0', "\u{FFFD}").into() } else { text }
}

/// The bytes of a part, whose first escape stands at `at`.
fn unescaped(part: &[u8], mut at: usize) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part;
    loop {
        let tail = &rest[at + 1..];
        bytes.extend_from_slice(&rest[..at]);
        let (byte, behind) = match (rest[at], tail) {
            (b'+', _) => (b' ', tail),
            (_, [high, low, behind @ ..]) => match (digit(*high), digit(*low)) {
                (Some(high), Some(low)) => ((high * 16 + low) as u8, behind),
                _ => (b'%', tail),
            },
            _ => (b'%', tail),
        };
        bytes.push(byte);
        rest = behind;
        match memchr2(b'%', b'+', rest) {
            Some(next) => at = next,
            None => break,
        }
    }
    bytes.extend_from_slice(rest);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_becomes_an_object() {
        let check = |form: &[u8], charset, want: Result<&str, &str>| {
            let have = read(Body { bytes: form, charset }, &Limits::MODEL).map(|node| node.to_string());
            assert_eq!(have.as_deref().map_err(String::as_str), want, "{form:?}");
        };
        check(b"a=1&b=x+y%2Fz&a=2", None, Ok(r#"{"a":"1","b":"x y/z","a":"2"}"#));
        check("a=%E5%91%8A警&b&=c".as_bytes(), None, Ok(r#"{"a":"告警","b":"","":"c"}"#));
        check(b"a=%B8%E6%BE%AF", Some("gbk"), Ok(r#"{"a":"告警"}"#));
        check(b"a=100%&b=%zz", None, Ok(r#"{"a":"100%","b":"%zz"}"#));
        check(b"", None, Err("the form has no fields: send name=value&name=value"));
        let many = "a=1&".repeat(FIELDS_MAX + 1);
        check(many.as_bytes(), None, Err("the form has more than 1000 fields"));
    }
}
