//! Decoders on whole bodies: golden files per format. `UPDATE_EXPECT=1` rewrites what is expected.

#![expect(clippy::unwrap_used, reason = "in tests a panic is the message")]

use std::fs;
use std::path::{Path, PathBuf};

use headwater::decode::formats::Formats;
use headwater::decode::limits::Limits;
use headwater::decode::mapping::Shape;
use headwater::decode::{
    Body, BodyError, Context, Decoded, SourceOrder, alertmanager, alertmanager_webhook, cloudevents, native,
};
use headwater::domain::ids::{SourceId, TenantId};
use headwater::domain::time::Timestamp;

/// The time of receipt of every golden body.
const RECEIVED_AT: &str = "2026-01-05T00:01:00Z";

/// The formats that bad input is tried on one by one.
pub const FORMATS: [&str; 8] =
    ["native", "cloudevents", "alertmanager", "alertmanager_webhook", "zabbix", "nightingale", "flashduty", "stormgen"];

/// Decodes a body by the name of its format.
pub fn decode(formats: &Formats, format: &str, shape: Shape, bytes: &[u8]) -> Result<Decoded, BodyError> {
    let (tenant, source) = (TenantId::from("city"), SourceId::from("s1"));
    let context = Context {
        tenant: &tenant,
        source: &source,
        received_at: Timestamp::parse(RECEIVED_AT),
        severities: &formats.severities,
        limits: &Limits::MODEL,
    };
    let body = Body::from(bytes);
    match format {
        "native" => native::decode(body, &context),
        "cloudevents" => cloudevents::decode(body, &context),
        "alertmanager" => alertmanager::decode(body, &context, &formats.alertmanager),
        "alertmanager_webhook" => alertmanager_webhook::decode(body, &context, &formats.alertmanager),
        mapping => formats.mapping(mapping).expect("a built-in mapping").decode(body, shape, &context),
    }
}

/// A decoded body as people read it.
fn shown(decoded: &Result<Decoded, BodyError>) -> String {
    let decoded = match decoded {
        Ok(decoded) => decoded,
        Err(error) => return format!("unreadable: {error}\n"),
    };
    let mut text = String::new();
    for event in &decoded.events {
        let mut json = serde_json::to_value(event).unwrap();
        for field in ["starts_at", "ends_at", "observed_at"] {
            if let Some(ms) = json.get(field).and_then(serde_json::Value::as_i64) {
                json[field] = Timestamp(ms).to_string().into();
            }
        }
        text += &serde_json::to_string_pretty(&json).unwrap();
        text += "\n";
    }
    for rejected in &decoded.rejected {
        let letter = &rejected.letter;
        text += &format!("rejected {}: {}: {}\n", rejected.index, letter.why.word(), letter.why.detail());
    }
    for SourceOrder { key, deed, by, text: written } in &decoded.orders {
        text += &format!("order for {key}: {deed:?} by {by:?}, {written:?}\n");
    }
    text += &format!("{:#?}\n", decoded.counts);
    text
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// Inputs of one folder, without the expectations beside them.
pub fn inputs(folder: &Path) -> Vec<PathBuf> {
    files(folder).into_iter().filter(|file| file.extension().is_none_or(|ext| ext != "expected")).collect()
}

pub fn shape_of(file: &Path) -> Shape {
    match file.extension().and_then(|ext| ext.to_str()) {
        Some("jsonl") => Shape::Lines,
        Some("form") => Shape::Form,
        _ => Shape::Json,
    }
}

/// Compares with the file beside the input.
pub fn expect(input: &Path, have: &str) {
    let expected = input.with_extension("expected");
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(&expected, have).unwrap();
    }
    let want = fs::read_to_string(&expected).unwrap_or_default();
    assert!(want == have, "{}: run with UPDATE_EXPECT=1 and look at the difference\n{have}", expected.display());
}

#[test]
fn every_format_decodes_as_its_golden_file_says() {
    let formats = Formats::built_in();
    for folder in files(Path::new("tests/golden/decode")) {
        let format = folder.file_name().unwrap().to_str().unwrap();
        for input in inputs(&folder) {
            let decoded = decode(&formats, format, shape_of(&input), fs::read(&input).unwrap().trim_ascii_end());
            expect(&input, &shown(&decoded));
        }
    }
}
