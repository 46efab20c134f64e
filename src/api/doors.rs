//! The doors of intake in the OpenAPI document. They are routed by intake itself; a test asks each of them.

use serde_json::{Map, Value, json};

/// What a delivery is answered.
const RECEIPT: &str = "Receipt";
/// The name of the one way to prove who calls.
const BEARER: &str = "bearer";

/// Adds the doors and the way to prove who calls.
pub fn add(document: &mut Value) {
    let Value::Object(doors) = paths() else { return };
    for (path, door) in doors {
        let Value::Object(ways) = door else { continue };
        let item = &mut document["paths"][path.as_str()];
        if item.is_null() {
            *item = Value::Object(Map::new());
        }
        for (method, operation) in ways {
            item[method.as_str()] = operation;
        }
    }
    document["components"]["schemas"][RECEIPT] = receipt();
    document["components"]["securitySchemes"][BEARER] = json!({"type": "http", "scheme": "bearer"});
    document["security"] = json!([{ BEARER: [] }]);
}

fn paths() -> Value {
    let json_only = ["application/json"];
    let lines = ["application/json", "application/x-ndjson"];
    let cloudevents = ["application/cloudevents+json", "application/cloudevents-batch+json", "application/json"];
    json!({
        "/api/v1/events": door("Takes events in the native format: one, an array, or {\"events\": […]}.", &[], &json_only),
        "/api/v1/cloudevents": door("Takes CloudEvents 1.0: structured, batched or binary.", &[], &cloudevents),
        "/api/v2/alerts": alertmanager(),
        "/api/v1/sources/{source}/alertmanager":
            door("Takes Alertmanager's webhook (version 4).", &["source"], &json_only),
        "/api/v1/ingest/{mapping}":
            door("Takes any JSON through a mapping file; several as lines or an array.", &["mapping"], &lines),
        "/api/v1/metrics": points(),
        "/api/v1/write": foreign("Prometheus's remote write, version 1 (protobuf in snappy): what is unusual becomes an event.", &[]),
        "/api/v1/logs": log_lines(),
        "/loki/api/v1/push": foreign("Log lines as collectors push them to Loki, as JSON.", &[]),
        "/api/v1/sources/{source}/ingest/{mapping}":
            door("As above, of a source that signs its bodies instead of sending a token.", &["source", "mapping"], &lines),
        "/api/v1/heartbeats/{source}": foreign("A heartbeat: the source is alive.", &["source"]),
        "/api/v1/heartbeats/{source}/fail": foreign("A job says that it has failed; the body says why.", &["source"]),
        "/v1/logs": foreign("OpenTelemetry's logs (OTLP over HTTP, protobuf or JSON).", &[]),
        "/v2/enqueue": foreign("PagerDuty's Events API v2: the token is the routing key; `acknowledge` acknowledges the alert's incident.", &[]),
        "/v2/change/enqueue": foreign("PagerDuty's change events.", &[]),
        "/v2/alerts": foreign("Opsgenie: creates an alert; the token is the API key.", &[]),
        "/v2/alerts/{alias}/{action}": foreign("Opsgenie: `close` ends an alert; `acknowledge`, `unacknowledge` and `notes` are orders for its incident.", &["alias", "action"]),
        "/services/{a}/{b}/{token}": foreign("Slack's incoming webhook.", &["a", "b", "token"]),
        "/robot/send": foreign("DingTalk's robot: the token is `access_token` in the query.", &[]),
        "/cgi-bin/webhook/send": foreign("WeCom's robot: the token is `key` in the query.", &[]),
        "/open-apis/bot/v2/hook/{token}": foreign("Feishu's robot.", &["token"]),
        "/event/push/alert/standard": foreign("FlashDuty: the token is `integration_key` in the query.", &[]),
        "/alert/api/event": foreign("CloudAlert (睿象云): the token is `app` in the body.", &[]),
    })
}

/// A door that looks like another system's: its bodies and answers are told in that system's documents.
fn foreign(summary: &str, parameters: &[&str]) -> Value {
    operation(summary, parameters, &["application/json"], "2XX", json!({"description": "As that system answers."}))
}

fn door(summary: &str, parameters: &[&str], media: &[&str]) -> Value {
    let receipt = json!({"schema": {"$ref": format!("#/components/schemas/{RECEIPT}")}});
    let accepted = json!({"description": "What is durable and what could not be taken.",
                          "content": {"application/json": receipt}});
    operation(summary, parameters, media, "202", accepted)
}

fn points() -> Value {
    let text = json!({"type": "string"});
    let rejected =
        json!({"type": "object", "properties": {"index": {"type": "integer"}, "reason": text, "detail": text}});
    let answer = json!({"type": "object", "properties": {
        "accepted": {"type": "integer"}, "rejected": {"type": "array", "items": rejected}}});
    let summary = "Takes metric points: one, an array, or {\"points\": […]}. What is unusual becomes an event.";
    let accepted = json!({"description": "How many were taken, and what was not. Points are not kept.",
                          "content": {"application/json": {"schema": answer}}});
    operation(summary, &[], &["application/json"], "202", accepted)
}

fn log_lines() -> Value {
    let text = json!({"type": "string"});
    let rejected =
        json!({"type": "object", "properties": {"index": {"type": "integer"}, "reason": text, "detail": text}});
    let answer = json!({"type": "object", "properties": {
        "accepted": {"type": "integer"}, "rejected": {"type": "array", "items": rejected}}});
    let summary = "Takes log lines: plain text, JSON per line, an array. They are counted by template; what is unusual becomes an event.";
    let accepted = json!({"description": "How many were taken, and what was not. Lines are not kept.",
                          "content": {"application/json": {"schema": answer}}});
    operation(summary, &[], &["text/plain", "application/x-ndjson", "application/json"], "202", accepted)
}

fn alertmanager() -> Value {
    let summary = "Takes alerts as Alertmanager's API version 2 does: point Prometheus at it.";
    operation(summary, &[], &["application/json"], "200", json!({"description": "All of them are durable."}))
}

fn operation(summary: &str, parameters: &[&str], media: &[&str], status: &str, answer: Value) -> Value {
    let content: Map<String, Value> = media.iter().map(|media| ((*media).to_owned(), json!({"schema": {}}))).collect();
    let parameter = |name: &&str| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}});
    let parameters: Vec<Value> = parameters.iter().map(parameter).collect();
    let problem = json!({"description": "",
                         "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}});
    json!({"post": {
        "tags": ["intake"], "summary": summary, "parameters": parameters,
        "requestBody": {"required": true, "content": content},
        "responses": {status: answer, "default": problem},
    }})
}

fn receipt() -> Value {
    let text = json!({"type": "string"});
    let rejected = json!({"type": "object", "required": ["index", "reason", "detail", "event_ref"], "properties": {
        "index": {"type": "integer", "description": "Its place in the body, from 0."},
        "reason": text, "detail": text, "event_ref": text,
    }});
    json!({"type": "object", "required": ["accepted", "rejected", "event_refs"],
    "description": "What became of a body's events.",
    "properties": {
        "accepted": {"type": "integer", "description": "How many events are durable."},
        "rejected": {"type": "array", "items": rejected, "description": "Kept as dead letters."},
        "event_refs": {"type": "array", "items": text,
                       "description": "The accepted events' references, in the order of the body."},
    }})
}
