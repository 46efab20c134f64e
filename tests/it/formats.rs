//! Every format that comes by a mapping: what it has to show, beside its golden files. A mapping without golden files, a
//! page and a row in the table is not finished.

#![expect(clippy::unwrap_used, reason = "in tests a panic is the message")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use headwater::decode::formats::Formats;
use headwater::decode::limits::Limits;
use headwater::decode::mapping::Shape;
use headwater::decode::{Body, Decoded, form};
use headwater::domain::event::{Event, Status};
use serde_json::Value;

use crate::corpus::check_bounds;
use crate::decode::{decode, inputs, shape_of};
use crate::storms::project;

/// Formats in which nothing says when an alert is over, and those that tell changes only.
const NO_END: &[&str] = &["graylog", "splunk", "k8s-events", "github", "gitlab", "jenkins", "otlp-logs"];
/// Mappings of recorded streams, which are no source of anybody.
const NO_SOURCE: &[&str] = &["stormgen"];

struct Golden {
    format: String,
    cases: BTreeMap<String, (PathBuf, Decoded)>,
}

/// Every mapping with its golden files, by case.
fn golden() -> Vec<Golden> {
    let formats = Formats::built_in();
    let names = formats.mappings().map(|mapping| mapping.mapping.clone());
    let names: Vec<String> = names.filter(|name| !NO_SOURCE.contains(&name.as_str())).collect();
    let read = |format: &str| {
        let files = inputs(&project().join("tests/golden/decode").join(format));
        let case = |file: PathBuf| {
            let bytes = fs::read(&file).unwrap();
            let decoded = decode(&formats, format, shape_of(&file), bytes.trim_ascii_end()).ok()?;
            Some((file.file_stem().unwrap().to_str().unwrap().to_owned(), (file, decoded)))
        };
        files.into_iter().filter_map(case).collect()
    };
    names.into_iter().map(|format| Golden { cases: read(&format), format }).collect()
}

/// What makes two events the same alert, as far as the event says it.
fn identity(event: &Event) -> String {
    match &event.dedup_key {
        Some(key) => format!("{} {key}", event.source),
        None => format!("{} {} {} {}", event.source, event.name, event.object.label(), event.identity),
    }
}

#[test]
fn what_fires_is_ended_by_what_resolves() {
    let mut wrong = Vec::new();
    for Golden { format, cases } in golden() {
        let firing = &cases.get("firing").unwrap_or_else(|| panic!("{format}: no golden file `firing`")).1;
        let ends = !NO_END.contains(&format.as_str());
        let (Some(first), true) = (firing.events.first(), firing.rejected.is_empty()) else {
            wrong.push(format!("{format}: firing is rejected: {:?}", firing.rejected));
            continue;
        };
        if ends && first.status != Status::Firing {
            wrong.push(format!("{format}: firing is {:?}", first.status));
        }
        let Some((_, resolved)) = cases.get("resolved").filter(|_| ends) else {
            if ends {
                wrong.push(format!("{format}: no golden file `resolved`"));
            }
            continue;
        };
        match resolved.events.first() {
            Some(end) if end.status != Status::Resolved => {
                wrong.push(format!("{format}: resolved is {:?}", end.status))
            }
            Some(end) if !end.id.is_empty() && end.id == first.id => {
                wrong.push(format!("{format}: {} and its end have one id: the end is a duplicate", end.id));
            }
            Some(end) if identity(end) != identity(first) => {
                wrong.push(format!("{format}: {} is not ended by {}", identity(first), identity(end)));
            }
            Some(_) => {}
            None => wrong.push(format!("{format}: resolved is rejected: {:?}", resolved.rejected)),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_word_of_a_golden_file_is_unknown() {
    for Golden { format, cases } in golden() {
        for (case, (_, decoded)) in cases.into_iter().filter(|(case, _)| case != "malformed") {
            assert_eq!(decoded.counts.unmapped_severity, 0, "{format} {case}");
        }
    }
}

#[test]
fn what_is_malformed_is_told_and_kept() {
    for Golden { format, cases } in golden() {
        let (_, decoded) = cases.get("malformed").unwrap_or_else(|| panic!("{format}: no readable file `malformed`"));
        assert!(decoded.events.is_empty() && !decoded.rejected.is_empty(), "{format}: {decoded:?}");
        let letter = &decoded.rejected[0].letter;
        assert!(letter.why.detail().len() > 10 && letter.raw.len() > 10 && *letter.decoder == *format, "{format}");
    }
}

/// Every text of a tree, by its place.
fn texts(node: &mut Value, at: &mut usize, wanted: usize, long: &str) -> bool {
    match node {
        Value::String(text) => {
            *at += 1;
            let is_it = *at == wanted + 1;
            if is_it {
                text.push_str(long);
            }
            is_it
        }
        Value::Array(items) => items.iter_mut().any(|item| texts(item, at, wanted, long)),
        Value::Object(members) => members.values_mut().any(|member| texts(member, at, wanted, long)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Each text of a body in turn is far too long: what is taken is within the limits and says that it was cut.
#[test]
fn what_is_oversized_is_cut_or_told() {
    let formats = Formats::built_in();
    let long = "长".repeat(20_000);
    for Golden { format, cases } in golden() {
        let file = &cases["firing"].0;
        let bytes = fs::read(file).unwrap();
        let text = match shape_of(file) {
            Shape::Form => form::to_json(Body::from(bytes.trim_ascii_end()), &Limits::MODEL).unwrap(),
            Shape::Json | Shape::Lines => String::from_utf8(bytes).unwrap(),
        };
        let whole: Value = serde_json::from_str(&text).unwrap();
        // What a queue wraps is taken out of it: one text would be all of the event.
        let wrapped = |name: &str| serde_json::from_str::<Value>(whole.get(name)?.as_str()?).ok();
        let whole = wrapped("message").or_else(|| wrapped("Message")).unwrap_or(whole.clone());
        let (mut cut, mut tried) = (0, 0);
        loop {
            let mut body = whole.clone();
            if !texts(&mut body, &mut 0, tried, &long) {
                break;
            }
            tried += 1;
            let decoded = decode(&formats, &format, Shape::Json, body.to_string().as_bytes());
            check_bounds(&decoded);
            cut += usize::from(decoded.is_ok_and(|decoded| decoded.counts.truncated > 0));
        }
        assert!(tried > 1 && cut > 0, "{format}: of {tried} texts none was cut");
    }
}

/// The table of sources names every format, with its golden files, and every page is there.
#[test]
fn every_format_has_a_page_and_a_row() {
    let folder = project().join("docs/sources");
    let table = fs::read_to_string(folder.join("README.md")).unwrap();
    let rows: BTreeSet<&str> =
        table.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`')).map(|(format, _)| format).collect();
    let mut known: BTreeSet<String> = golden().into_iter().map(|golden| golden.format).collect();
    known.extend(["native", "cloudevents", "alertmanager", "grafana"].map(str::to_owned));
    for format in &known {
        assert!(rows.contains(format.as_str()), "docs/sources/README.md has no row for {format}");
    }
    assert!(known.len() >= 44, "{} formats", known.len());
    for link in table.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
        let file = link.split('#').next().unwrap();
        assert!(link.contains("://") || folder.join(Path::new(file)).exists(), "docs/sources/README.md: {link}");
    }
}
