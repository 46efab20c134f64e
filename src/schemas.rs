//! The published JSON Schemas (2020-12, `docs/schema`): of every file that people write, and of every message that programs read.
//!
//! A schema of a file marks as wrong what the program refuses, as far as a schema can say it: what hangs together across a file or
//! several of them is for `headwater check`. The one thing it is stricter in is stated by [`Kind::File`].

use schemars::{Schema, schema_for};
use serde_json::Value;

use crate::config;
use crate::decode::alertmanager::AlertmanagerRules;
use crate::decode::severity::SeverityMap;
use crate::decode::{mapping, native, points, topology};
use crate::delivery::contacts;
use crate::engine::policy::read::Sections;
use crate::engine::tuning::Tuning;
use crate::folders::metric;
use crate::lab::rule_tests::file::TestFile;
use crate::projection::bus::form;

/// What a schema describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A file that people write. A number where a text is meant has to be quoted, although the program reads some of them without.
    File,
    /// A message, with the version of its meaning in its name.
    Message,
}

/// A published schema.
#[derive(Clone, Debug)]
pub struct Published {
    /// Its file in `docs/schema`, without `.json`.
    pub name: &'static str,
    pub kind: Kind,
    /// What it describes.
    pub about: &'static str,
    pub text: String,
}

/// Makes a schema.
type Make = fn() -> Schema;

/// The files that people write: name, what it is, schema.
const FILES: &[(&str, &str, Make)] = &[
    ("config", "the program's configuration (headwater serve --config)", config::form::form),
    ("rules", "files of a rules folder: rules, calendars, people, rosters, escalations", || schema_for!(Sections)),
    ("rule-tests", "tests that stand beside rules (tests/*.test.yaml)", || schema_for!(TestFile)),
    ("mapping", "mappings of sources (mappings/*.yaml)", || schema_for!(mapping::Mapping)),
    ("severity", "severity maps (severity/*.yaml)", || schema_for!(SeverityMap)),
    ("alertmanager", "what an Alertmanager's labels mean (alertmanager.yaml)", || schema_for!(AlertmanagerRules)),
    ("topology", "a CMDB file in Headwater's own format", topology::form::estate),
    ("topology-mapping", "how a foreign CMDB export is read (topology_mapping)", || schema_for!(topology::Mapping)),
    ("classes", "classes of CIs (topology/classes.yaml)", topology::form::classes),
    ("relations", "relation types (topology/relations.yaml)", topology::form::relations),
    ("contacts", "addresses of people (contacts)", contacts::form),
    ("model", "a correlation model (models/correlation/*/model.yaml)", || schema_for!(Tuning)),
    ("metric-model", "a metric model (models/metric/*/model.yaml)", metric::form),
];

/// All of them, files first.
pub fn published() -> Vec<Published> {
    let text = |schema: &Value| serde_json::to_string_pretty(schema).expect("a schema has text keys only") + "\n";
    let files = FILES.iter().map(|(name, about, make)| {
        let mut schema = make().to_value();
        schema["title"] = format!("Headwater: {about}").into();
        spans_as_written(&mut schema);
        Published { name, kind: Kind::File, about, text: text(&schema) }
    });
    let messages = form::schemas().into_iter().chain([points::schema(), native::schema()]).map(|(file, text)| {
        Published { name: file.trim_end_matches(".json"), kind: Kind::Message, about: "docs/integrators.md", text }
    });
    files.chain(messages).collect()
}

/// Lengths of time are milliseconds inside; where a schema names one as default it is written as people write it.
fn spans_as_written(schema: &mut Value) {
    let children: Vec<&mut Value> = match schema {
        Value::Object(object) => {
            let is_span =
                object.get("pattern").and_then(Value::as_str).is_some_and(|pattern| pattern.contains("[smhd]"));
            if let (true, Some(ms)) = (is_span, object.get("default").and_then(Value::as_i64)) {
                object.insert("default".into(), written(ms).into());
            }
            object.values_mut().collect()
        }
        Value::Array(list) => list.iter_mut().collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return,
    };
    children.into_iter().for_each(spans_as_written);
}

fn written(ms: i64) -> String {
    let secs = ms / 1000;
    match () {
        () if secs == 0 => "0".to_owned(),
        () if secs % 3600 == 0 => format!("{}h", secs / 3600),
        () if secs % 60 == 0 => format!("{}m", secs / 60),
        () => format!("{secs}s"),
    }
}
