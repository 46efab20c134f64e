//! Forms and query strings, `name=value&…`, as the JSON object that mappings read.

use std::borrow::Cow;

use super::Body;
use super::limits::Limits;
use super::text;

/// Fields in one form.
const FIELDS_MAX: usize = 1000;

/// A JSON object of texts. Of a field that is given twice the last counts.
///
/// # Errors
/// When there are too many fields, or none.
pub fn to_json(body: Body<'_>, limits: &Limits) -> Result<String, String> {
    let mut members = serde_json::Map::new();
    let mut fields = body.bytes.split(|byte| *byte == b'&').filter(|field| !field.is_empty());
    for field in fields.by_ref().take(FIELDS_MAX) {
        let (name, value) = match field.iter().position(|byte| *byte == b'=') {
            Some(at) => (&field[..at], &field[at + 1..]),
            None => (field, &b""[..]),
        };
        let name = decoded(name, body.charset);
        if name.chars().count() <= limits.label_key_chars {
            members.insert(name, decoded(value, body.charset).into());
        }
    }
    if fields.next().is_some() {
        return Err(format!("the form has more than {FIELDS_MAX} fields"));
    }
    if members.is_empty() {
        return Err("the form has no fields: send name=value&name=value".into());
    }
    Ok(serde_json::Value::Object(members).to_string())
}

/// Percent signs and plus signs decoded; a percent sign that begins no byte stays as it is.
fn decoded(part: &[u8], charset: Option<&str>) -> String {
    let bytes: Cow<'_, [u8]> =
        if part.contains(&b'%') || part.contains(&b'+') { unescaped(part).into() } else { part.into() };
    text::read(&bytes, charset).text.into_owned()
}

fn unescaped(part: &[u8]) -> Vec<u8> {
    let digit = |at: usize| part.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    let mut bytes = Vec::with_capacity(part.len());
    let mut at = 0;
    while at < part.len() {
        match (part[at], digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push((high * 16 + low) as u8);
                at += 3;
            }
            (b'+', ..) => {
                bytes.push(b' ');
                at += 1;
            }
            (other, ..) => {
                bytes.push(other);
                at += 1;
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_becomes_an_object() {
        let check = |form: &[u8], charset, want: Result<&str, &str>| {
            let have = to_json(Body { bytes: form, charset }, &Limits::MODEL);
            assert_eq!(have.as_deref().map_err(String::as_str), want, "{form:?}");
        };
        check(b"a=1&b=x+y%2Fz&a=2", None, Ok(r#"{"a":"2","b":"x y/z"}"#));
        check("a=%E5%91%8A警&b&=c".as_bytes(), None, Ok(r#"{"":"c","a":"告警","b":""}"#));
        check(b"a=%B8%E6%BE%AF", Some("gbk"), Ok(r#"{"a":"告警"}"#));
        check(b"a=100%&b=%zz", None, Ok(r#"{"a":"100%","b":"%zz"}"#));
        check(b"", None, Err("the form has no fields: send name=value&name=value"));
        let many = "a=1&".repeat(FIELDS_MAX + 1);
        check(many.as_bytes(), None, Err("the form has more than 1000 fields"));
    }
}
