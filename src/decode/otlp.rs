//! OpenTelemetry's logs as exporters send them (OTLP over HTTP, protobuf or JSON), as the JSON array that the mapping `otlp-logs`
//! reads: one object per log record, with what its resource and scope say.

use prost::Message;
use serde_json::{Map, Value, json};

use super::text;

/// Log records in one body.
pub const RECORDS_MAX: usize = 5000;

#[derive(Clone, PartialEq, Message)]
struct Logs {
    #[prost(message, repeated, tag = "1")]
    resources: Vec<ResourceLogs>,
}

#[derive(Clone, PartialEq, Message)]
struct ResourceLogs {
    #[prost(message, optional, tag = "1")]
    resource: Option<Resource>,
    #[prost(message, repeated, tag = "2")]
    scopes: Vec<ScopeLogs>,
}

#[derive(Clone, PartialEq, Message)]
struct Resource {
    #[prost(message, repeated, tag = "1")]
    attributes: Vec<Pair>,
}

#[derive(Clone, PartialEq, Message)]
struct ScopeLogs {
    #[prost(message, optional, tag = "1")]
    scope: Option<Scope>,
    #[prost(message, repeated, tag = "2")]
    records: Vec<Record>,
}

#[derive(Clone, PartialEq, Message)]
struct Scope {
    #[prost(string, tag = "1")]
    name: String,
}

#[derive(Clone, PartialEq, Message)]
struct Record {
    #[prost(fixed64, tag = "1")]
    time: u64,
    #[prost(int32, tag = "2")]
    severity_number: i32,
    #[prost(string, tag = "3")]
    severity_text: String,
    #[prost(message, optional, tag = "5")]
    body: Option<Any>,
    #[prost(message, repeated, tag = "6")]
    attributes: Vec<Pair>,
    #[prost(bytes = "vec", tag = "9")]
    trace_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "10")]
    span_id: Vec<u8>,
    #[prost(fixed64, tag = "11")]
    observed: u64,
    #[prost(string, tag = "12")]
    event_name: String,
}

#[derive(Clone, PartialEq, Message)]
struct Pair {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(message, optional, tag = "2")]
    value: Option<Any>,
}

#[derive(Clone, PartialEq, Message)]
struct Any {
    #[prost(oneof = "AnyValue", tags = "1, 2, 3, 4, 5, 6, 7")]
    value: Option<AnyValue>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum AnyValue {
    #[prost(string, tag = "1")]
    Text(String),
    #[prost(bool, tag = "2")]
    Bool(bool),
    #[prost(int64, tag = "3")]
    Int(i64),
    #[prost(double, tag = "4")]
    Double(f64),
    #[prost(message, tag = "5")]
    Array(List),
    #[prost(message, tag = "6")]
    Pairs(Pairs),
    #[prost(bytes, tag = "7")]
    Bytes(Vec<u8>),
}

#[derive(Clone, PartialEq, Message)]
struct List {
    #[prost(message, repeated, tag = "1")]
    values: Vec<Any>,
}

#[derive(Clone, PartialEq, Message)]
struct Pairs {
    #[prost(message, repeated, tag = "1")]
    values: Vec<Pair>,
}

/// Reads protobuf.
///
/// # Errors
/// When the bytes are no logs, or too many.
pub fn from_protobuf(bytes: &[u8]) -> Result<String, String> {
    let logs = Logs::decode(bytes).map_err(|error| format!("the body is no ExportLogsServiceRequest: {error}"))?;
    let mut records = Vec::new();
    for ResourceLogs { resource, scopes } in logs.resources {
        let resource = pairs(resource.unwrap_or_default().attributes);
        for ScopeLogs { scope, records: of_scope } in scopes {
            let scope = scope.unwrap_or_default().name;
            for record in of_scope {
                records.push(shown(record, &resource, &scope));
            }
        }
    }
    written(records)
}

fn written(records: Vec<Value>) -> Result<String, String> {
    if records.len() > RECORDS_MAX {
        return Err(format!("{} log records are more than {RECORDS_MAX}: export fewer at a time", records.len()));
    }
    Ok(Value::Array(records).to_string())
}

fn shown(record: Record, resource: &Value, scope: &str) -> Value {
    json!({
        "time": if record.time == 0 { record.observed } else { record.time },
        "severity_number": record.severity_number,
        "severity": record.severity_text,
        "body": record.body.map_or(Value::Null, any),
        "event_name": record.event_name,
        "attributes": pairs(record.attributes),
        "resource": resource,
        "scope": scope,
        "trace_id": hex::encode(record.trace_id),
        "span_id": hex::encode(record.span_id),
    })
}

fn pairs(pairs: Vec<Pair>) -> Value {
    Value::Object(pairs.into_iter().map(|pair| (pair.key, pair.value.map_or(Value::Null, any))).collect())
}

fn any(value: Any) -> Value {
    match value.value {
        None => Value::Null,
        Some(AnyValue::Text(text)) => text.into(),
        Some(AnyValue::Bool(value)) => value.into(),
        Some(AnyValue::Int(value)) => value.into(),
        Some(AnyValue::Double(value)) => value.into(),
        Some(AnyValue::Array(list)) => list.values.into_iter().map(any).collect(),
        Some(AnyValue::Pairs(inside)) => pairs(inside.values),
        Some(AnyValue::Bytes(bytes)) => hex::encode(bytes).into(),
    }
}

/// Reads JSON, in which numbers of 64 bits are texts and ids are hexadecimal.
///
/// # Errors
/// When the text is no such JSON, too deep or too long.
pub fn from_json(bytes: &[u8], depth_max: usize) -> Result<String, String> {
    let text = text::read(bytes, None).text;
    if text::scan(&text).depth > depth_max {
        return Err(format!("arrays and objects are nested deeper than {depth_max}"));
    }
    let body: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    let resources = body.get("resourceLogs").and_then(Value::as_array);
    let resources = resources.ok_or("there is no array `resourceLogs`: send an ExportLogsServiceRequest")?;
    let list = |value: &Value, key: &str| value.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
    let mut records = Vec::new();
    for of_resource in resources {
        let resource = json_pairs(&list(&of_resource["resource"], "attributes"));
        for of_scope in list(of_resource, "scopeLogs") {
            for record in list(&of_scope, "logRecords") {
                let time = [&record["timeUnixNano"], &record["observedTimeUnixNano"]].map(whole);
                records.push(json!({
                    "time": time.into_iter().find(|time| *time != 0).unwrap_or_default(),
                    "severity_number": whole(&record["severityNumber"]),
                    "severity": record["severityText"],
                    "body": json_any(&record["body"]),
                    "event_name": record["eventName"],
                    "attributes": json_pairs(&list(&record, "attributes")),
                    "resource": resource,
                    "scope": of_scope["scope"]["name"],
                    "trace_id": record["traceId"],
                    "span_id": record["spanId"],
                }));
            }
        }
    }
    written(records)
}

fn whole(value: &Value) -> u64 {
    value.as_u64().or_else(|| value.as_str()?.parse().ok()).unwrap_or_default()
}

fn json_pairs(pairs: &[Value]) -> Value {
    let pair = |pair: &Value| Some((pair["key"].as_str()?.to_owned(), json_any(&pair["value"])));
    Value::Object(pairs.iter().filter_map(pair).collect::<Map<_, _>>())
}

fn json_any(value: &Value) -> Value {
    let Some((kind, inside)) = value.as_object().and_then(|members| members.iter().next()) else { return Value::Null };
    let list = |inside: &Value| inside["values"].as_array().cloned().unwrap_or_default();
    match kind.as_str() {
        "arrayValue" => list(inside).iter().map(json_any).collect(),
        "kvlistValue" => json_pairs(&list(inside)),
        "intValue" => {
            inside.as_str().and_then(|text| text.parse::<i64>().ok()).map_or_else(|| inside.clone(), Into::into)
        }
        _ => inside.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_of_writing_say_the_same() {
        let attribute = |key: &str, value: AnyValue| Pair { key: key.into(), value: Some(Any { value: Some(value) }) };
        let record = Record {
            time: 1_767_571_203_000_000_000,
            severity_number: 17,
            severity_text: "ERROR".into(),
            body: Some(Any { value: Some(AnyValue::Text("数据库连接失败".into())) }),
            attributes: vec![attribute("retries", AnyValue::Int(3))],
            trace_id: vec![0xab; 16],
            ..Record::default()
        };
        let scopes = vec![ScopeLogs { scope: Some(Scope { name: "app.db".into() }), records: vec![record] }];
        let resource = Resource { attributes: vec![attribute("service.name", AnyValue::Text("portal".into()))] };
        let logs = Logs { resources: vec![ResourceLogs { resource: Some(resource), scopes }] };
        let protobuf: Value = serde_json::from_str(&from_protobuf(&logs.encode_to_vec()).unwrap()).unwrap();
        let body = json!({"resourceLogs": [{"resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "portal"}}]},
            "scopeLogs": [{"scope": {"name": "app.db"}, "logRecords": [{"timeUnixNano": "1767571203000000000", "severityNumber": 17,
            "severityText": "ERROR", "body": {"stringValue": "数据库连接失败"}, "attributes": [{"key": "retries", "value": {"intValue": "3"}}],
            "traceId": "abababababababababababababababab"}]}]}]});
        let written: Value = serde_json::from_str(&from_json(body.to_string().as_bytes(), 32).unwrap()).unwrap();
        for key in ["time", "severity_number", "severity", "body", "attributes", "resource", "scope", "trace_id"] {
            assert_eq!(protobuf[0][key], written[0][key], "{key}");
        }
        assert_eq!(protobuf[0]["resource"]["service.name"], "portal");
        assert!(
            from_protobuf(b"\xff\xff\xff").is_err() && from_json(b"{}", 32).is_err() && from_json(b"{", 32).is_err()
        );
        assert_eq!(from_protobuf(b""), Ok("[]".into()), "an exporter that asks whether anybody is there");
    }
}
