//! What nobody needs to read in an alert: telephone numbers and secrets are masked in everything that is shown.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::{Captures, Regex};
use serde_json::Value;

/// Mobile numbers of the mainland, with or without country code; parts of longer numbers are no numbers.
static PHONE: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = r"(?-u:\b)(?P<code>86[- ]?)?(?P<head>1[3-9][0-9])[- ]?[0-9]{4}[- ]?(?P<tail>[0-9]{4})(?-u:\b)";
    Regex::new(pattern).expect("the pattern is tested")
});

/// Secrets by their name: `token=…`, `"password": "…"`, keys of chat robots in addresses.
static SECRET: LazyLock<Regex> = LazyLock::new(|| {
    let names =
        "(?:access|refresh)_?token|api_?key|app_?secret|secret_?key|client_?secret|token|secret|password|passwd|pwd";
    let assigned = format!(r#"(?-u:\b)(?:{names})(?-u:\b)["']?\s*[:=]\s*["']?|[?&](?:key|sign)="#);
    Regex::new(&format!(r#"(?i)(?P<name>{assigned})[^\s"'&,;}}\]]{{4,}}"#)).expect("the pattern is tested")
});

/// Credentials by their form: bearer tokens, our own tokens, webhook paths of chat robots.
static BEARER: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?i)(?P<name>\bbearer\s+)(?P<bearer>[A-Za-z0-9._~+/=-]{8,})|\bhw_[0-9a-f]{12}_[0-9a-f]+|(?P<hook>/(?:hook|robot/send|services)/)(?P<path>[A-Za-z0-9/_-]{16,})")
        .expect("the pattern is tested")
});

/// The text with telephone numbers and secrets masked.
pub fn mask(text: &str) -> Cow<'_, str> {
    let digits = text.bytes().filter(u8::is_ascii_digit).count() >= 11;
    let mut masked = Cow::Borrowed(text);
    if digits {
        masked = replace(masked, &PHONE, |found: &Captures<'_>| {
            let part = |name| found.name(name).map_or("", |part| part.as_str());
            format!("{}{}****{}", part("code"), part("head"), part("tail"))
        });
    }
    if text.contains([':', '=']) {
        masked = replace(masked, &SECRET, |found: &Captures<'_>| format!("{}***", &found["name"]));
    }
    replace(masked, &BEARER, |found: &Captures<'_>| {
        let before = found.name("name").or_else(|| found.name("hook")).map_or("", |part| part.as_str());
        format!("{before}***")
    })
}

fn replace<'a>(text: Cow<'a, str>, pattern: &Regex, by: impl Fn(&Captures<'_>) -> String) -> Cow<'a, str> {
    match pattern.replace_all(&text, by) {
        Cow::Borrowed(_) => text,
        Cow::Owned(changed) => Cow::Owned(changed),
    }
}

/// Masks every text inside a JSON value, and everything whose name says that it is secret.
pub fn mask_value(value: &mut Value) {
    match value {
        Value::String(text) => {
            if let Cow::Owned(masked) = mask(text) {
                *text = masked;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(mask_value),
        Value::Object(fields) => {
            for (name, field) in fields {
                match field {
                    Value::String(text) if is_secret(name) && !text.is_empty() => *text = "***".into(),
                    other => mask_value(other),
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Whether a label of this name holds a secret.
pub fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let words = ["password", "passwd", "secret", "token", "api_key", "apikey", "access_key", "authorization"];
    words.iter().any(|word| name.contains(word))
}

/// A label's value as it is shown.
pub fn mask_label(name: &str, value: &str) -> String {
    if is_secret(name) && !value.is_empty() { "***".into() } else { mask(value).into_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_secrets_are_masked_and_nothing_else() {
        let check = |text: &str, shown: &str| assert_eq!(mask(text), shown, "{text}");
        check("联系人 张三 13812345678", "联系人 张三 138****5678");
        check("电话:13812345678，备用 +86 139-1234-5678。", "电话:138****5678，备用 +86 139****5678。");
        check("13812345678,13912345679", "138****5678,139****5679");
        check("call 13812345678.", "call 138****5678.");
        check("order 2138123456789 at 1767571200000", "order 2138123456789 at 1767571200000");
        check("e13812345678.0", "e13812345678.0");
        check("token=abcdef123456&x=1", "token=***&x=1");
        check(r#"{"password": "hunter22", "user": "li"}"#, r#"{"password": "***", "user": "li"}"#);
        check("Authorization: Bearer abcdefgh.ijk", "Authorization: Bearer ***");
        check("https://robot/send?access_token=0123456789", "https://robot/send?access_token=***");
        check("https://bot/send?key=0123-456789", "https://bot/send?key=***");
        check("https://chat/hook/0123456789abcdef0123", "https://chat/hook/***");
        check("key: diskfull, token ring down", "key: diskfull, token ring down");
        check("monkey=bananas123", "monkey=bananas123");
        check("CPU 使用率 95%", "CPU 使用率 95%");
    }

    #[test]
    fn values_are_masked_by_name_and_content() {
        let mut value =
            serde_json::json!({"labels": {"db_password": "x", "owner": "13812345678"}, "n": 13812345678u64});
        mask_value(&mut value);
        assert_eq!(
            value,
            serde_json::json!({"labels": {"db_password": "***", "owner": "138****5678"}, "n": 13812345678u64})
        );
        assert_eq!(mask_label("api_key", "x"), "***");
    }
}
