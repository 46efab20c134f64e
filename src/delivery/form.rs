//! The JSON Schema of a receiver: what all of them have, and what its kind needs. `settings` reads it by hand.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};

use super::channels::Kind;
use super::settings::{FILE, ReceiverSettings};
use crate::domain::spans::SpanText;
use crate::wording::lang::Lang;

impl JsonSchema for ReceiverSettings {
    fn schema_name() -> Cow<'static, str> {
        "Receiver".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let kinds = Kind::json_schema(generator).to_value();
        let kinds = kinds["oneOf"].as_array().cloned().unwrap_or_default();
        let mut common = common(generator);
        let names: Vec<&Value> = kinds.iter().map(|kind| &kind["properties"]["kind"]["const"]).collect();
        common.insert("kind".into(), json!({ "description": "Without it a webhook.", "enum": names }));
        let definitions = generator.definitions();
        let each: Vec<Value> = kinds.iter().map(|kind| by_kind(kind, &common, definitions)).collect();
        json_schema!({
            "description": "Who can be told; docs/receivers.md says what each kind needs. Any text of a kind may stand in a file: \
                `url_file` for `url`.",
            "type": "object",
            "required": ["id"],
            "properties": common,
            "allOf": each,
        })
    }
}

/// What all kinds have.
fn common(generator: &mut SchemaGenerator) -> Map<String, Value> {
    let (span, lang) = (generator.subschema_for::<SpanText>(), generator.subschema_for::<Lang>());
    let poll = "A ticket system that cannot reach us is asked so often what people have done to our tickets: 1s to 1d.";
    let about = |schema: Schema, text: &str| {
        let mut schema = schema;
        schema.insert("description".into(), text.into());
        schema.to_value()
    };
    let common = json!({
        "id": { "description": "The name that routes use.", "type": "string", "pattern": "^[A-Za-z0-9_.-]{1,64}$" },
        "timeout": about(span.clone(), "One attempt, from the first packet to the last byte of the answer: 1s to 60s."),
        "rate": { "description": "Notices per minute, at most; not set: as many as its kind takes.", "type": "integer", "minimum": 1 },
        "language": about(lang, "The language of texts."),
        "time_zone": { "description": "The zone in which texts tell the time, for example Asia/Shanghai.", "type": "string" },
        "enabled": { "description": "false: its notices are kept as undelivered.", "type": "boolean" },
        "allow_private": { "description": "It may be on this machine or in a private network.", "type": "boolean" },
        "poll": about(span, poll),
        "title": { "description": "A template of the title in place of the default one.", "type": ["string", "null"] },
        "text": { "description": "A template of the text in place of the default one.", "type": ["string", "null"] },
    });
    match common {
        Value::Object(common) => common,
        _ => Map::new(),
    }
}

/// What holds of a receiver of one kind.
fn by_kind(kind: &Value, common: &Map<String, Value>, definitions: &Map<String, Value>) -> Value {
    let name = kind["properties"]["kind"]["const"].clone();
    let mut properties: Map<String, Value> = common.keys().map(|key| (key.clone(), true.into())).collect();
    let own = kind["properties"].as_object().cloned().unwrap_or_default();
    let is_required = |key: &str| kind["required"].as_array().is_some_and(|keys| keys.iter().any(|one| one == key));
    let (mut required, mut either) = (Vec::new(), Vec::new());
    for (key, schema) in own.into_iter().filter(|(key, _)| key != "kind") {
        let file = format!("{key}{FILE}");
        let is_text = takes_text(&schema, definitions);
        match is_required(&key) {
            true if is_text => either.push(json!({ "oneOf": [{ "required": [key] }, { "required": [file] }] })),
            true => required.push(key.clone()),
            false => {}
        }
        if is_text {
            properties.insert(file, json!({ "description": format!("A file that holds `{key}`."), "type": "string" }));
        }
        properties.insert(key, schema);
    }
    let mut then = json!({ "properties": properties, "additionalProperties": false });
    for (word, keys) in [("required", required.into_iter().map(Value::from).collect()), ("allOf", either)] {
        if !keys.is_empty() {
            then[word] = Value::Array(keys);
        }
    }
    let mut is_it = json!({ "properties": { "kind": { "const": name } } });
    if name != "webhook" {
        is_it["required"] = json!(["kind"]);
    }
    json!({ "if": is_it, "then": then })
}

/// Whether a value may be a text, which may then stand in a file.
fn takes_text(schema: &Value, definitions: &Map<String, Value>) -> bool {
    let named = schema["$ref"].as_str().and_then(|path| definitions.get(path.rsplit('/').next()?));
    let types = &schema["type"];
    named.is_some_and(|named| takes_text(named, definitions))
        || types == "string"
        || types.as_array().is_some_and(|types| types.iter().any(|one| one == "string"))
        || schema["anyOf"].as_array().is_some_and(|any| any.iter().any(|one| takes_text(one, definitions)))
}
