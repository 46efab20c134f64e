//! What the AsyncAPI document says is so: every reference leads somewhere, and every subject of the program stands in it.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::storms::project;

fn document() -> Value {
    let text = std::fs::read_to_string(project().join("docs/asyncapi.yaml")).unwrap();
    serde_saphyr::from_str(&text).unwrap()
}

/// All references below a value.
fn references<'v>(value: &'v Value, into: &mut BTreeSet<&'v str>) {
    match value {
        Value::Object(members) => {
            if let Some(reference) = members.get("$ref").and_then(Value::as_str) {
                into.insert(reference);
            }
            members.values().for_each(|member| references(member, into));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, into)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn every_reference_leads_somewhere() {
    let document = document();
    assert_eq!(document["asyncapi"], "3.0.0");
    let mut all = BTreeSet::new();
    references(&document, &mut all);
    assert!(all.len() > 10, "{all:?}");
    for reference in all {
        match reference.strip_prefix('#') {
            Some(pointer) => assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere"),
            None => {
                let text = std::fs::read_to_string(project().join("docs").join(reference)).expect(reference);
                let schema: Value = serde_json::from_str(&text).expect(reference);
                assert!(schema["title"].is_string() && schema["$schema"].is_string(), "{reference} is no schema");
            }
        }
    }
    // Whatever is defined is used, and every operation says which way it goes.
    let used = document.to_string();
    for (name, _) in document["channels"].as_object().unwrap() {
        assert!(used.contains(&format!("\"#/channels/{name}\"")), "nobody uses the channel {name}");
    }
    for (name, operation) in document["operations"].as_object().unwrap() {
        assert!(matches!(operation["action"].as_str(), Some("send" | "receive")), "{name}");
    }
}

#[test]
fn it_and_the_guide_for_integrators_name_the_same_subjects() {
    let document = document();
    let channels = document["channels"].as_object().unwrap();
    let addresses: BTreeSet<String> =
        channels.values().map(|channel| channel["address"].as_str().unwrap().replace(['{', '}'], "")).collect();
    let guide = std::fs::read_to_string(project().join("docs/integrators.md")).unwrap();
    let quoted = guide.split('`').skip(1).step_by(2).map(|text| text.replace(['<', '>'], ""));
    let told: BTreeSet<String> = quoted.filter(|text| text.starts_with("src.tenant.source.")).collect();
    let taken: BTreeSet<String> = addresses.iter().filter(|address| address.starts_with("src.")).cloned().collect();
    assert_eq!(told, taken);
    for told in ["incidents.", "alerts.", "dead.", "audit."] {
        assert!(addresses.iter().any(|address| address.starts_with(told)), "{told}");
    }
}
