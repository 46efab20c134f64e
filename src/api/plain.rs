//! Stored forms as they are shown: ids as they are called everywhere, times as RFC 3339. As numbers they would be beyond
//! what a browser counts exactly.

use serde_json::Value;

use crate::domain::ids::{AlertId, IncidentId};
use crate::domain::time::Timestamp;

/// What a number under this key is; nothing we know: it stays.
fn shown(key: &str, number: &Value) -> Option<String> {
    match key {
        "incident" | "from" | "into" | "merged_into" => Some(IncidentId(number.as_u64()?).to_string()),
        "alert" | "alerts" => Some(AlertId(number.as_u64()?).to_string()),
        "until" | "at" => Some(Timestamp(number.as_i64()?).to_string()),
        _ if key.ends_with("_at") || key.ends_with("_until") => Some(Timestamp(number.as_i64()?).to_string()),
        _ => None,
    }
}

/// Writes ids and times of a stored form out.
pub fn write_out(value: &mut Value) {
    under("", value);
}

fn under(key: &str, value: &mut Value) {
    match value {
        Value::Number(_) => {
            if let Some(text) = shown(key, value) {
                *value = text.into();
            }
        }
        // A whole incident or alert names itself by `id`.
        Value::Object(fields) => fields.iter_mut().for_each(|(own, field)| {
            let key = if own == "id" && !key.is_empty() { key } else { own.as_str() };
            under(key, field);
        }),
        Value::Array(items) => items.iter_mut().for_each(|item| under(key, item)),
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_that_are_ids_or_times_are_written_out() {
        let mut stored = json!({
            "order": "split", "incident": 11_258_999_068_426_264_u64, "alerts": [11_258_999_068_426_241_u64],
            "until": 1_798_761_600_000_i64, "silence": { "id": "s-1", "ends_at": 1_798_761_600_000_i64 },
            "notice": { "incident": { "id": 11_258_999_068_426_264_u64, "alert_count": 7 } }, "of": 12,
        });
        write_out(&mut stored);
        let want = json!({
            "order": "split", "incident": "i40-24", "alerts": ["a40-1"],
            "until": "2027-01-01T00:00:00.000Z", "silence": { "id": "s-1", "ends_at": "2027-01-01T00:00:00.000Z" },
            "notice": { "incident": { "id": "i40-24", "alert_count": 7 } }, "of": 12,
        });
        assert_eq!(stored, want);
    }
}
