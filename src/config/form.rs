//! The JSON Schema of a configuration file: the types say what may be written, `config/default.yaml` what it means and what holds
//! without it.

use std::collections::BTreeMap;

use figment::value::{Dict, Value as Setting};
use schemars::{Schema, schema_for};
use serde_json::{Map, Value};

use super::tree::{Tree, join};
use super::{Config, DEFAULTS};

/// The schema. Nothing in it is required that has a default.
///
/// # Panics
/// Never: tests read the defaults.
pub fn form() -> Schema {
    let mut schema = schema_for!(Config).to_value();
    let tree = Tree::read(DEFAULTS.1).expect("the defaults are tested");
    let told = comments(DEFAULTS.1, &tree);
    describe(&mut schema, "#", &Level { path: "", dict: &tree.dict, told: &told });
    schema["description"] = "A file says only what differs from the defaults (headwater config).".into();
    schema.try_into().unwrap_or_default()
}

/// One map of the defaults.
struct Level<'a> {
    path: &'a str,
    dict: &'a Dict,
    told: &'a BTreeMap<String, String>,
}

/// Writes defaults and comments to the settings of the object at a place of the schema, and to those inside of it.
fn describe(schema: &mut Value, at: &str, level: &Level<'_>) {
    let Some(object) = schema.pointer_mut(at.trim_start_matches('#')).and_then(Value::as_object_mut) else { return };
    object.remove("required");
    let mut inner = Vec::new();
    let properties = object.get_mut("properties").and_then(Value::as_object_mut);
    for (key, property) in properties.into_iter().flatten() {
        let (Some(value), Some(property)) = (level.dict.get(key), property.as_object_mut()) else { continue };
        let path = join(level.path, key);
        if let Some(text) = level.told.get(&path) {
            property.insert("description".into(), text.clone().into());
        }
        match value {
            Setting::Dict(_, dict) if !dict.is_empty() => {
                property.remove("default");
                let own = format!("{at}/properties/{key}");
                inner.push((property.get("$ref").and_then(Value::as_str).map_or(own, str::to_owned), path, dict));
            }
            _ => drop(property.insert("default".into(), plain(value))),
        }
    }
    for (at, path, dict) in inner {
        describe(schema, &at, &Level { path: &path, dict, ..*level });
    }
}

fn plain(value: &Setting) -> Value {
    let entries = |dict: &Dict| -> Map<String, Value> { dict.iter().map(|(k, v)| (k.clone(), plain(v))).collect() };
    match value {
        Setting::Dict(_, dict) => entries(dict).into(),
        Setting::Array(_, list) => list.iter().map(plain).collect(),
        Setting::String(_, text) => text.clone().into(),
        Setting::Char(_, letter) => letter.to_string().into(),
        Setting::Bool(_, yes) => (*yes).into(),
        Setting::Num(_, number) => {
            let whole = number.to_u128().and_then(|n| i128::try_from(n).ok()).or_else(|| number.to_i128());
            whole.and_then(|n| i64::try_from(n).ok()).map_or_else(|| number.to_f64().into(), Value::from)
        }
        Setting::Empty(..) => Value::Null,
    }
}

/// The comment above each key, on one line.
fn comments(text: &str, tree: &Tree) -> BTreeMap<String, String> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let of = |line: usize| {
        let above = lines[..line - 1].iter().rev().take_while(|line| line.starts_with('#')).count();
        let text = lines[line - 1 - above..line - 1].iter().filter_map(|line| line.strip_prefix("# "));
        // An example is indented, or an item.
        text.filter(|line| !line.starts_with([' ', '-'])).collect::<Vec<_>>().join(" ")
    };
    let own = tree.places.iter().map(|(path, at)| (path.clone(), of(at.line as usize)));
    own.filter(|(_, told)| !told.is_empty()).collect()
}
