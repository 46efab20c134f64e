//! The scripts' JSDoc types hold by TypeScript's check. What the API answers is declared from its own document, so that a
//! field that no answer has, or a word that none says, is found where the console reads it.

use std::fmt::Write;
use std::process::Command;

use headwater::api::routes::openapi;
use serde_json::{Map, Value, json};

use crate::alertmanager::tool;
use crate::storms::project;

/// Everything strict but this: a parameter without a type may be anything, and so may what is caught.
fn options() -> Value {
    json!({
        "allowJs": true, "checkJs": true, "noEmit": true, "strict": true, "noImplicitAny": false,
        "useUnknownInCatchVariables": false, "target": "es2022", "module": "es2022", "moduleResolution": "node",
        "lib": ["es2022", "dom", "dom.iterable"], "types": [], "skipLibCheck": true,
    })
}

fn name_of(reference: &str) -> String {
    reference.rsplit('/').next().unwrap().replace(|c: char| !c.is_alphanumeric(), "_")
}

/// One of these types or all of them at once.
fn several(list: &Value, between: &str) -> String {
    let parts: Vec<String> = list.as_array().unwrap().iter().map(declared).collect();
    format!("({})", parts.join(between))
}

/// A schema as TypeScript writes it.
fn declared(schema: &Value) -> String {
    if let Some(reference) = schema["$ref"].as_str() {
        return name_of(reference);
    }
    if let Some(words) = schema["enum"].as_array() {
        return words.iter().map(Value::to_string).collect::<Vec<_>>().join(" | ");
    }
    for (key, between) in [("oneOf", " | "), ("anyOf", " | "), ("allOf", " & ")] {
        if schema[key].is_array() {
            return several(&schema[key], between);
        }
    }
    let kinds = match &schema["type"] {
        Value::Array(kinds) => kinds.clone(),
        kind => vec![kind.clone()],
    };
    let one = |kind: &Value| match kind.as_str() {
        Some("object") => object(schema),
        Some("array") => format!("({})[]", declared(&schema["items"])),
        Some("integer" | "number") => "number".to_owned(),
        Some(kind @ ("string" | "boolean" | "null")) => kind.to_owned(),
        _ => "any".to_owned(),
    };
    kinds.iter().map(one).collect::<Vec<_>>().join(" | ")
}

fn object(schema: &Value) -> String {
    let required = |name: &str| schema["required"].as_array().is_some_and(|all| all.iter().any(|one| one == name));
    let field = |(name, of): (&String, &Value)| {
        format!("{}{}: {}", json!(name), if required(name) { "" } else { "?" }, declared(of))
    };
    let own = schema["properties"].as_object().map(|all| all.iter().map(field).collect::<Vec<_>>().join("; "));
    let others = match &schema["additionalProperties"] {
        Value::Null | Value::Bool(false) => None,
        Value::Bool(true) => Some("Record<string, any>".to_owned()),
        of => Some(format!("Record<string, {}>", declared(of))),
    };
    match (own, others) {
        (Some(own), Some(others)) => format!("{{ {own} }} & {others}"),
        (Some(own), None) => format!("{{ {own} }}"),
        (None, Some(others)) => others,
        (None, None) => "any".to_owned(),
    }
}

/// Addresses with what a method of theirs answers; the most exact ones first, for the first that fits counts.
fn answers(paths: &Map<String, Value>, method: &str) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for (path, operations) in paths {
        let responses = operations[method]["responses"].as_object().into_iter().flatten();
        let schemas = responses
            .filter(|(status, _)| status.starts_with('2'))
            .map(|(_, one)| &one["content"]["application/json"]["schema"]);
        all.extend(schemas.filter(|schema| schema.is_object()).map(|schema| (path.clone(), declared(schema))));
    }
    all.sort_by_key(|(path, _)| {
        (std::cmp::Reverse(path.matches('/').count()), path.matches('{').count(), path.clone())
    });
    all
}

/// `/a/{id}/b` as a pattern of TypeScript.
fn pattern(path: &str) -> String {
    let part = |part: &str| if part.starts_with('{') { "${string}".to_owned() } else { part.to_owned() };
    path.split('/').map(part).collect::<Vec<_>>().join("/")
}

/// The module `headwater-api`: every shape, and `Answers<method, address>`.
fn module(document: &Value) -> String {
    let mut text = String::from("declare module \"headwater-api\" {\n");
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        writeln!(text, "  export type {} = {};", name_of(name), declared(schema)).unwrap();
    }
    text.push_str("  type Bare<P extends string> = P extends `${infer Head}?${string}` ? Head : P;\n");
    let mut chosen = String::new();
    for method in ["get", "post", "put", "delete"] {
        let called = method.to_uppercase();
        writeln!(text, "  type Of{called}<P extends string> =").unwrap();
        for (path, answer) in answers(document["paths"].as_object().unwrap(), method) {
            writeln!(text, "    P extends `{}` ? {answer} :", pattern(&path)).unwrap();
        }
        text.push_str("    any;\n");
        write!(chosen, "M extends \"{called}\" ? Of{called}<Bare<P>> : ").unwrap();
    }
    writeln!(text, "  export type Answers<M extends string, P extends string> = {chosen}any;\n}}").unwrap();
    text
}

#[test]
fn types_hold() {
    let Some(tsc) = tool("tsc") else { return };
    let web = project().join("web");
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("headwater-api.d.ts"), module(&openapi())).unwrap();
    let scripts = format!("{}/**/*.js", web.display());
    let config = json!({ "compilerOptions": options(), "include": [scripts, "headwater-api.d.ts"], "exclude": [web.join("vendor")] });
    std::fs::write(folder.path().join("tsconfig.json"), config.to_string()).unwrap();
    let said = Command::new(tsc).arg("--project").arg(folder.path()).output().unwrap();
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stdout));
}
