//! `headwater source`: what sends, a mapping to start from, and trials that tell nobody.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, anyhow, bail};
use reqwest::Method;
use serde_json::{Value, json};

use super::asked::Server;
use super::lab_arguments::ServerArguments;
use super::source_arguments::{SourceCommand, SourceTest};
use super::source_sent::{self, Sample};
use crate::clock::machine;
use crate::decode::formats::Formats;
use crate::decode::limits::Limits;
use crate::decode::mapping::{Mapping, Shape};
use crate::decode::{
    Body, Context as Reading, Counts, Decoded, SourceDeed, alertmanager, alertmanager_webhook, cloudevents, native,
    sketch,
};
use crate::domain::event::{Event, Status};
use crate::domain::severity::Severity;
use crate::folders;
use crate::wording::lang::Lang;

/// Runs one of the source commands.
///
/// # Errors
/// When a file cannot be read, a sample cannot be decoded, or the server refuses.
pub fn run(command: SourceCommand, out: &mut impl Write) -> Result<ExitCode> {
    match command {
        SourceCommand::List { server, json } => list(&server, json, out)?,
        SourceCommand::Sketch { sample, name } => {
            let mapping =
                sketch::sketch(&name, &text(&sample)?).map_err(|why| anyhow!("{}: {why}", sample.display()))?;
            out.write_all(mapping.as_bytes())?;
        }
        SourceCommand::Test(arguments) => return test(&arguments, out),
        SourceCommand::Preview { sample, mapping, server } => preview(&sample, &mapping, &server, out)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn text(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))
}

fn list(server: &ServerArguments, json: bool, out: &mut impl Write) -> Result<()> {
    let answer = Server::of(server)?.ask(Method::GET, "/sources", None)?;
    let items = answer["items"].as_array().cloned().unwrap_or_default();
    if json {
        for item in &items {
            writeln!(out, "{item}")?;
        }
        return Ok(());
    }
    writeln!(
        out,
        "{:<24}  {:<16}  {:<8}  {:<24}  {:>10}  {:>8}  OWNER",
        "SOURCE", "FORMAT", "STATE", "LAST SEEN", "EVENTS", "REJECTED"
    )?;
    for item in &items {
        let word = |key: &str| item[key].as_str().unwrap_or("–").to_owned();
        let state = match () {
            () if item["enabled"] == false => "off",
            () if item["silent"] == true => "silent",
            () if item["registered"] == true => "known",
            () => "new",
        };
        let (source, format, seen, owner) = (word("id"), word("format"), word("last_seen"), word("owner"));
        let (events, rejected) = (item["events"].to_string(), item["rejected"].to_string());
        writeln!(out, "{source:<24}  {format:<16}  {state:<8}  {seen:<24}  {events:>10}  {rejected:>8}  {owner}")?;
    }
    Ok(())
}

fn preview(sample: &Path, mapping: &str, server: &ServerArguments, out: &mut impl Write) -> Result<()> {
    let shape = match shape(sample) {
        Shape::Json => "json",
        Shape::Lines => "lines",
        Shape::Form => "form",
    };
    let mut body = json!({"payload": text(sample)?.trim_end(), "shape": shape});
    let path = Path::new(mapping);
    if path.is_file() {
        body["mapping"] = text(path)?.into();
    } else {
        body["format"] = mapping.into();
    }
    let answer = Server::of(server)?.ask(Method::POST, "/sources/preview", Some(&body))?;
    let list = |key: &str| answer[key].as_array().cloned().unwrap_or_default();
    for tried in list("events") {
        let told = match server.lang {
            Lang::Zh => &tried["text"]["zh"],
            Lang::En => &tried["text"]["en"],
        };
        let event = &tried["event"];
        let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        writeln!(
            out,
            "{} {} {}: {}: {}",
            word(&event["severity"]),
            word(&event["status"]),
            word(&event["name"]),
            word(&tried["verdict"]),
            word(told)
        )?;
        for notice in tried["outcome"]["notices"].as_array().into_iter().flatten() {
            writeln!(out, "  would tell {} ({})", word(&notice["receiver"]), word(&notice["kind"]))?;
        }
    }
    for rejected in list("rejected") {
        writeln!(out, "{} rejected: {}", rejected["index"], rejected["detail"].as_str().unwrap_or_default())?;
    }
    if answer["left_out"].as_u64().unwrap_or_default() > 0 {
        writeln!(out, "{} left out: no events by the mapping", answer["left_out"])?;
    }
    if answer["orders"].as_u64().unwrap_or_default() > 0 {
        writeln!(out, "{} orders for incidents of alerts", answer["orders"])?;
    }
    Ok(())
}

fn shape(sample: &Path) -> Shape {
    match sample.extension().and_then(|ext| ext.to_str()) {
        Some("jsonl" | "ndjson") => Shape::Lines,
        Some("form") => Shape::Form,
        _ => Shape::Json,
    }
}

/// What is known about one alert of the samples.
#[derive(Default)]
struct Told {
    fired: u64,
    ended: u64,
    ids: BTreeSet<String>,
    /// The same id came twice.
    repeats: bool,
}

fn test(arguments: &SourceTest, out: &mut impl Write) -> Result<ExitCode> {
    let formats =
        folders::formats::read(arguments.rules.as_deref(), None).map_err(|errors| anyhow!(errors.join("\n")))?;
    let path = Path::new(&arguments.mapping);
    let own = path
        .is_file()
        .then(|| text(path).and_then(|yaml| Ok(Mapping::parse(&arguments.mapping, &yaml)?)))
        .transpose()?;
    let (mut alerts, mut counts, mut rejections) = (BTreeMap::<String, Told>::new(), Counts::default(), 0);
    let (mut first, mut sizes) = (None, Vec::new());
    let read = |sample: &PathBuf| std::fs::read(sample).with_context(|| format!("read {}", sample.display()));
    let bodies: Vec<Vec<u8>> = arguments.samples.iter().map(read).collect::<Result<_>>()?;
    for (sample, bytes) in arguments.samples.iter().zip(&bodies) {
        let decoded = decode(&formats, own.as_ref(), &arguments.mapping, shape(sample), bytes.trim_ascii_end())
            .with_context(|| sample.display().to_string())?;
        writeln!(out, "{}:", sample.display())?;
        for event in &decoded.events {
            show(event, out)?;
            let told = alerts.entry(identity(event)).or_default();
            told.repeats |= !event.id.is_empty() && !told.ids.insert(event.id.to_string());
            match event.status {
                Status::Firing => told.fired += 1,
                Status::Resolved => told.ended += 1,
                Status::Change => {}
            }
            first.get_or_insert_with(|| event.clone());
        }
        for rejected in &decoded.rejected {
            rejections += 1;
            writeln!(
                out,
                "  rejected {}: {}: {}",
                rejected.index,
                rejected.letter.why.word(),
                rejected.letter.why.detail()
            )?;
        }
        for order in &decoded.orders {
            let deed = order.deed.map_or("comment", SourceDeed::word);
            writeln!(out, "  order: {deed} the incident of the alert {}", order.key)?;
        }
        if decoded.counts.left_out > 0 {
            writeln!(out, "  left out: {} (no events by the mapping)", decoded.counts.left_out)?;
        }
        counts.add(&decoded.counts);
        sizes.push(decoded.events.len());
    }
    for advice in advice(first.as_ref(), &alerts, &counts) {
        writeln!(out, "note: {advice}")?;
    }
    let name = own.as_ref().map_or(arguments.mapping.as_str(), |mapping| &mapping.mapping);
    let samples = arguments.samples.iter().zip(&bodies).zip(sizes);
    let samples = samples.map(|((path, bytes), events)| Sample { path, bytes, shape: shape(path), events });
    let is_good =
        rejections == 0 && (!arguments.door.send || send(arguments, name, &samples.collect::<Vec<_>>(), out)?);
    Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Sends the samples as a test, and says what would have come of them.
fn send(arguments: &SourceTest, name: &str, samples: &[Sample<'_>], out: &mut impl Write) -> Result<bool> {
    if !source_sent::send(arguments, name, samples, out)? {
        return Ok(false);
    }
    writeln!(out, "without the mark, on a quiet day:")?;
    for sample in samples {
        preview(sample.path, &arguments.mapping, &arguments.server, out)?;
    }
    Ok(true)
}

fn decode(formats: &Formats, own: Option<&Mapping>, name: &str, shape: Shape, bytes: &[u8]) -> Result<Decoded> {
    let context = Reading {
        tenant: &"default".into(),
        source: &"test".into(),
        received_at: Some(machine()()),
        severities: &formats.severities,
        limits: &Limits::MODEL,
    };
    let body = Body::from(bytes);
    let decoded = match (own, name) {
        (Some(mapping), _) => mapping.decode(body, shape, &context),
        (None, "native") => native::decode(body, &context),
        (None, "cloudevents") => cloudevents::decode(body, &context),
        (None, "alertmanager") if bytes.trim_ascii_start().starts_with(b"[") => {
            alertmanager::decode(body, &context, &formats.alertmanager)
        }
        (None, "alertmanager" | "grafana") => alertmanager_webhook::decode(body, &context, &formats.alertmanager),
        (None, name) => match formats.mapping(name) {
            Some(mapping) => mapping.decode(body, shape, &context),
            None => {
                let known: Vec<&str> = formats.mappings().map(|mapping| mapping.mapping.as_str()).collect();
                bail!("there is neither a file nor a mapping {name:?}; there are {}", known.join(", "))
            }
        },
    };
    Ok(decoded?)
}

fn show(event: &Event, out: &mut impl Write) -> Result<()> {
    let status = match event.status {
        Status::Firing => "firing",
        Status::Resolved => "resolved",
        Status::Change => "change",
    };
    writeln!(
        out,
        "  {status} {} {:?} on {:?} at {}",
        event.severity.as_str(),
        event.name,
        event.object.label(),
        event.starts_at
    )?;
    if !event.title.is_empty() {
        writeln!(out, "    {}", event.title)?;
    }
    Ok(())
}

/// What makes two events the same alert, as far as the event says it.
fn identity(event: &Event) -> String {
    match &event.dedup_key {
        Some(key) => format!("{} {key}", event.source),
        None => format!("{} {} {} {}", event.source, event.name, event.object.label(), event.identity),
    }
}

/// What would make the source better.
fn advice(first: Option<&Event>, alerts: &BTreeMap<String, Told>, counts: &Counts) -> Vec<String> {
    let mut advice = Vec::new();
    let mut note = |is_so: bool, text: &str| {
        if is_so {
            advice.push(text.to_owned());
        }
    };
    note(
        counts.unmapped_severity > 0,
        "a severity word is in no table and becomes indeterminate: add it to severity.map or to rules/severity",
    );
    note(counts.truncated > 0, "some text was longer than its limit and was cut");
    note(
        counts.future > 0,
        "a time is more than an hour ahead of this machine: look at the source's clock and at zone",
    );
    let Some(first) = first else { return advice };
    note(first.id.is_empty(), "events have no id: a body that is sent twice is counted twice (alerts stay one)");
    note(
        first.severity == Severity::Indeterminate && first.status == Status::Firing,
        "the severity is indeterminate: map severity, or give it a default",
    );
    note(
        first.object.label() == "unknown",
        "the object is unknown: the CMDB cannot help, and alerts of different things look like one",
    );
    note(first.title.is_empty(), "there is no title: people see the name only");
    let has_firing = alerts.values().any(|told| told.fired > 0);
    note(
        has_firing && alerts.values().all(|told| told.ended == 0),
        "no sample says that an alert is over: give one, or alerts end by expire_after only",
    );
    let lonely = alerts.values().any(|told| told.ended > 0 && told.fired == 0);
    note(
        alerts.values().any(|told| told.repeats && told.ended > 0),
        "an end has the id of what it ends: the second is a duplicate; make the id of id and status",
    );
    note(has_firing && lonely, "an end finds no alert that fires: name, object or dedup_key differ between the two");
    advice
}
