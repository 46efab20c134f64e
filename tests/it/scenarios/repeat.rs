//! Short notation: `{"repeat": 40, …}` is forty entries, `{"en": …, "zh": …}` one text of each language.
//!
//! In a repeated entry `{i}` is 1, 2, …; it may be calculated with from left to right: `{i-1/5+1}` is 1 five times,
//! then 2 five times, and so on.

use headwater::domain::time::Span;
use serde_json::{Map, Value};

/// The entries that an entry stands for, in one language, each with how many came before it.
pub fn expanded(entry: &Value, language: &str) -> Vec<(i64, Value)> {
    let times = entry["repeat"].as_i64().unwrap_or(1);
    (0..times).map(|nth| (nth, written(entry, language, nth + 1))).collect()
}

fn written(value: &Value, language: &str, i: i64) -> Value {
    match value {
        Value::String(text) => Value::String(filled(text, i)),
        Value::Array(list) => list.iter().map(|v| written(v, language, i)).collect(),
        Value::Object(fields) if fields.len() == 2 && fields.contains_key("en") && fields.contains_key("zh") => {
            written(&fields[language], language, i)
        }
        Value::Object(fields) => {
            let fields = fields.iter().filter(|(key, _)| *key != "repeat");
            Value::Object(fields.map(|(k, v)| (k.clone(), written(v, language, i))).collect::<Map<_, _>>())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

fn filled(text: &str, i: i64) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{i") {
        let (formula, after) = after.split_once('}').expect("a closed brace");
        out.push_str(before);
        out.push_str(&calculated(formula, i).to_string());
        rest = after;
    }
    out + rest
}

fn calculated(formula: &str, i: i64) -> i64 {
    let mut value = i;
    let mut rest = formula;
    while !rest.is_empty() {
        let (sign, after) = rest.split_at(1);
        let digits = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
        let number: i64 = after[..digits].parse().expect("a number");
        value = match sign {
            "+" => value + number,
            "-" => value - number,
            "*" => value * number,
            "/" => value / number,
            "%" => value % number,
            _ => panic!("{{i{formula}}}: only + - * / %"),
        };
        rest = &after[digits..];
    }
    value
}

/// A text of an entry; it must be there.
pub fn text<'v>(entry: &'v Value, key: &str) -> &'v str {
    entry[key].as_str().unwrap_or_else(|| panic!("no text {key:?} in {entry}"))
}

/// `hours:minutes:seconds`, with a sign or milliseconds if need be.
pub fn span(text: &str) -> Span {
    let (sign, text) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let parts: Vec<f64> = text.split(':').map(|part| part.parse().expect("a number")).collect();
    let [hours, minutes, seconds] = parts[..] else { panic!("{text:?}: write hours:minutes:seconds") };
    Span(sign * ((hours * 3600.0 + minutes * 60.0 + seconds) * 1000.0).round() as i64)
}
