//! `headwater source test --send`: bodies through the real door of a running server, marked as a test, and what became of them.

use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use reqwest::Method;
use serde_json::Value;

use super::asked::Server;
use super::source_arguments::{Door, SourceTest};
use crate::decode::mapping::Shape;
use crate::intake::body::TEST;
use crate::nats::connect::connect;
use crate::nats::settings::Settings;
use crate::wording::lang::Lang;

/// How long the verdicts are waited for.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Test events of a server that are looked through: as many as one page has.
const TESTS_MAX: usize = 500;

/// A body to be sent.
pub struct Sample<'a> {
    pub path: &'a Path,
    pub bytes: &'a [u8],
    pub shape: Shape,
    /// How many events it has by the mapping.
    pub events: usize,
}

/// Sends the samples, waits for what becomes of their events, and tells it; whether all have come through.
///
/// # Errors
/// When a door or the server does not answer, or refuses.
pub fn send(arguments: &SourceTest, mapping: &str, samples: &[Sample<'_>], out: &mut impl Write) -> Result<bool> {
    let server = Server::of(&arguments.server)?;
    let word = format!("{:016x}", rand::random::<u64>());
    let since = Instant::now();
    match &arguments.door {
        Door { nats: Some(url), subject: Some(subject), .. } => over_nats(url, subject, mapping, &word, samples, out)?,
        door => over_http(&server, door, mapping, &word, samples, out)?,
    }
    let wanted: usize = samples.iter().map(|sample| sample.events).sum();
    let found = verdicts(&server, &word, wanted)?;
    for item in &found {
        told(item, arguments.server.lang, out)?;
    }
    if found.len() < wanted {
        writeln!(
            out,
            "{} of {wanted} events came through within {} s: look at /api/v1/dead-letters, and whether the source is switched on",
            found.len(),
            PATIENCE.as_secs()
        )?;
        return Ok(false);
    }
    writeln!(
        out,
        "{wanted} of {wanted} events came through in {} ms; nobody is told of them",
        since.elapsed().as_millis()
    )?;
    Ok(true)
}

/// Where bodies of this kind are sent.
fn address(mapping: &str, bytes: &[u8]) -> String {
    match mapping {
        "native" => "/api/v1/events".to_owned(),
        "cloudevents" => "/api/v1/cloudevents".to_owned(),
        "alertmanager" if bytes.trim_ascii_start().starts_with(b"[") => "/api/v2/alerts".to_owned(),
        mapping => format!("/api/v1/ingest/{mapping}"),
    }
}

fn media(mapping: &str, shape: Shape) -> &'static str {
    match (mapping, shape) {
        ("cloudevents", _) => "application/cloudevents+json",
        (_, Shape::Json) => "application/json",
        (_, Shape::Lines) => "application/x-ndjson",
        (_, Shape::Form) => "application/x-www-form-urlencoded",
    }
}

fn over_http(
    server: &Server,
    door: &Door,
    mapping: &str,
    word: &str,
    samples: &[Sample<'_>],
    out: &mut impl Write,
) -> Result<()> {
    let Some(file) = &door.source_token_file else {
        bail!("--send needs the source's way in: --source-token-file, or --nats and --subject");
    };
    let token = std::fs::read_to_string(file).with_context(|| format!("read {}", file.display()))?;
    let token = token.split_whitespace().last().unwrap_or_default();
    for sample in samples {
        let (path, media) = (address(mapping, sample.bytes), media(mapping, sample.shape));
        let (status, answer) = server.post(&path, token, &[("content-type", media), (TEST, word)], sample.bytes)?;
        writeln!(out, "{} → POST {}{path}: {status}", sample.path.display(), server.base())?;
        if !(200..300).contains(&status) {
            bail!("{path}: {status}: {answer}");
        }
    }
    Ok(())
}

fn over_nats(
    url: &str,
    subject: &str,
    mapping: &str,
    word: &str,
    samples: &[Sample<'_>],
    out: &mut impl Write,
) -> Result<()> {
    let settings = Settings { urls: vec![url.to_owned()], ..Settings::default() };
    let calls = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    calls.block_on(async {
        let nats = connect(&settings).await.with_context(|| format!("connect to {url}"))?;
        for sample in samples {
            if sample.shape == Shape::Form {
                bail!("{}: forms do not come over NATS; send JSON", sample.path.display());
            }
            let mut headers = async_nats::HeaderMap::new();
            headers.insert(TEST, word);
            headers.insert("Content-Type", media(mapping, sample.shape));
            if !matches!(mapping, "native" | "cloudevents") {
                headers.insert("Headwater-Mapping", mapping);
            }
            let sent = nats.jetstream.publish_with_headers(subject.to_owned(), headers, sample.bytes.to_vec().into());
            sent.await?
                .await
                .with_context(|| format!("publish {subject}; is the subject right, and may you publish it?"))?;
            writeln!(out, "{} → NATS {subject}: confirmed", sample.path.display())?;
        }
        Ok(())
    })
}

/// The events of this test, oldest first, once there are as many as wanted or the time is up.
fn verdicts(server: &Server, word: &str, wanted: usize) -> Result<Vec<Value>> {
    let until = Instant::now() + PATIENCE;
    loop {
        let page = server.ask(Method::GET, &format!("/events?reason=test&limit={TESTS_MAX}"), None)?;
        let items = page["items"].as_array().into_iter().flatten();
        let mut ours: Vec<Value> = items.filter(|item| item["raw"]["test"] == word).cloned().collect();
        ours.reverse();
        if ours.len() >= wanted || Instant::now() > until {
            return Ok(ours);
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn sentence(item: &Value, lang: Lang) -> &str {
    match lang {
        Lang::Zh => text(&item["text"]["zh"]),
        Lang::En => text(&item["text"]["en"]),
    }
}

fn told(item: &Value, lang: Lang, out: &mut impl Write) -> Result<()> {
    let raw = &item["raw"];
    writeln!(
        out,
        "  {} {} {} {} ({}): {}: {}",
        text(&item["event"]),
        text(&raw["status"]),
        text(&raw["severity"]),
        text(&raw["name"]),
        text(&item["source"]),
        text(&item["verdict"]),
        sentence(item, lang)
    )?;
    Ok(())
}
