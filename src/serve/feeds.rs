//! A CMDB that is asked over HTTP: its lists are put together to one document, which a mapping reads. Several feeds (CMDBs, files) are
//! merged by the keys of their CIs, the first one having precedence. What is refused, or not answered, changes nothing: the topology
//! stays as it was; of a feed that does not answer, what it said last goes on.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::decode::topology::feeds::{self, FEEDS_MAX};
use crate::domain::ids::TenantId;
use crate::domain::spans::{self, SpanText};
use crate::domain::time::Span;
use crate::pipeline::{Pipeline, cmdb_text};
use lists::{ListSettings, Lists};

mod lists;

/// Where the CMDB is.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "CmdbSettings")]
pub struct Settings {
    /// From one look to the next.
    #[serde(deserialize_with = "spans::span")]
    #[schemars(with = "SpanText")]
    pub every: Span,
    /// The mapping that reads the document.
    pub mapping: Option<PathBuf>,
    /// The file with the token.
    pub token_file: Option<PathBuf>,
    /// The header that the token goes into.
    pub token_header: String,
    /// What stands before it there.
    pub token_prefix: String,
    /// None: no CMDB is asked.
    pub lists: Vec<ListSettings>,
    /// Several feeds in place of that one, the first one having precedence.
    pub feeds: Vec<FeedSettings>,
}

/// One of several feeds: lists of a CMDB that is asked, or a file.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FeedSettings {
    /// Letters, digits, `-` and `_`: CIs say by it who knows them.
    pub name: String,
    #[serde(default)]
    pub mapping: Option<PathBuf>,
    /// The file; without it the lists.
    #[serde(default)]
    pub file: Option<PathBuf>,
    #[serde(default)]
    pub token_file: Option<PathBuf>,
    /// As above where it is not given.
    #[serde(default)]
    pub token_header: Option<String>,
    #[serde(default)]
    pub token_prefix: Option<String>,
    #[serde(default)]
    pub lists: Vec<ListSettings>,
}

/// Asks again and again.
pub struct Feed {
    every: Duration,
    parts: Vec<Part>,
    tenant: TenantId,
    pipeline: Arc<Pipeline>,
}

/// One feed.
struct Part {
    /// Empty: it is alone.
    name: String,
    mapping: Vec<u8>,
    from: From,
}

enum From {
    File(PathBuf),
    Lists(Box<Lists>),
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("read {}", path.display()))
}

impl Feed {
    /// Sets it up; nothing is asked yet. None: no CMDB is configured.
    ///
    /// # Errors
    /// When a file cannot be read, an address is none, or the feeds are not told apart.
    pub fn new(settings: &Settings, tenant: &TenantId, pipeline: &Arc<Pipeline>) -> Result<Option<Self>> {
        let parts = if settings.feeds.is_empty() {
            if settings.lists.is_empty() {
                return Ok(None);
            }
            let mapping = settings.mapping.as_deref().map(read).transpose()?.unwrap_or_default();
            let from = From::Lists(Box::new(Lists::new(settings, &settings.lists, settings.token_file.as_deref())?));
            vec![Part { name: String::new(), mapping, from }]
        } else {
            ensure!(
                settings.lists.is_empty(),
                "cmdb: give lists or feeds, not both: make the lists a feed of their own"
            );
            ensure!(settings.feeds.len() <= FEEDS_MAX, "cmdb.feeds: more than {FEEDS_MAX}");
            settings.feeds.iter().map(|feed| Part::new(settings, feed)).collect::<Result<_>>()?
        };
        let names: BTreeSet<&str> = parts.iter().map(|part| part.name.as_str()).collect();
        ensure!(names.len() == parts.len(), "cmdb.feeds: two have the same name");
        let every = Duration::from_millis(settings.every.0.unsigned_abs());
        let (tenant, pipeline) = (tenant.clone(), pipeline.clone());
        Ok(Some(Self { every, parts, tenant, pipeline }))
    }

    /// Asks until the future is dropped. A failure is logged once and stands in `/readyz`; the next look comes at its time.
    pub async fn run(self) {
        let mut said = None;
        loop {
            let trouble = self.look().await.unwrap_or_else(|error| Some(format!("{error:#}")));
            if let Some(trouble) = trouble.as_ref().filter(|_| trouble != said) {
                tracing::warn!(trouble, "what the CMDB said last stays in force");
            }
            self.pipeline.health().note_cmdb(trouble.as_deref());
            said = trouble;
            tokio::time::sleep(self.every).await;
        }
    }

    /// Puts in force what the CMDB says; tells which of its feeds went on with what they said last.
    async fn look(&self) -> Result<Option<String>> {
        let (text, trouble) = match &self.parts[..] {
            [alone] if alone.name.is_empty() => {
                let text = alone.text().await?;
                let whole =
                    if alone.mapping.is_empty() { text } else { cmdb_text::with_mapping(&alone.mapping, &text) };
                (whole, None)
            }
            several => self.joined(several).await?,
        };
        let (put, quality) = self.pipeline.put_topology(&self.tenant, text, "cmdb").await?;
        if put.seq.is_some() {
            tracing::info!(topology.version = put.version, cis = quality.cis, "the CMDB's topology is in force");
            for warning in quality.warnings().iter().take(20) {
                tracing::warn!("{warning}");
            }
        }
        Ok(trouble)
    }

    /// What all feeds say; of one that does not answer, what it said last, and why it does not.
    async fn joined(&self, parts: &[Part]) -> Result<(Vec<u8>, Option<String>)> {
        let before = self.pipeline.newest_topology(&self.tenant)?.unwrap_or_default();
        let before = feeds::split(&before).and_then(std::result::Result::ok).unwrap_or_default();
        let (mut texts, mut silent) = (Vec::new(), Vec::new());
        for part in parts {
            let text = match part.text().await {
                Ok(text) => text,
                Err(error) => {
                    let last = before.iter().find(|known| known.name == part.name).map(|known| known.text.to_vec());
                    let last =
                        last.with_context(|| format!("cmdb.feeds: {} has never answered: {error:#}", part.name))?;
                    silent.push(format!("cmdb.feeds: {}: {error:#}", part.name));
                    last
                }
            };
            texts.push(text);
        }
        let all: Vec<feeds::Feed<'_>> = parts
            .iter()
            .zip(&texts)
            .map(|(part, text)| feeds::Feed { name: &part.name, mapping: &part.mapping, text })
            .collect();
        Ok((feeds::join(&all), (!silent.is_empty()).then(|| silent.join("; "))))
    }
}

impl Part {
    fn new(settings: &Settings, feed: &FeedSettings) -> Result<Self> {
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let name = feed.name.clone();
        ensure!(!name.is_empty() && name.chars().all(is_name), "cmdb.feeds: {name:?}; use letters, digits, - and _");
        let mapping = feed.mapping.as_deref().map(read).transpose()?.unwrap_or_default();
        let from = match &feed.file {
            Some(file) => {
                ensure!(feed.lists.is_empty(), "cmdb.feeds: {name} has a file and lists; make two feeds of it");
                From::File(file.clone())
            }
            None => {
                ensure!(!feed.lists.is_empty(), "cmdb.feeds: {name} has neither a file nor lists");
                let mut lists = Lists::new(settings, &feed.lists, feed.token_file.as_deref())?;
                feed.token_header.iter().for_each(|header| lists.token_header.clone_from(header));
                feed.token_prefix.iter().for_each(|prefix| lists.token_prefix.clone_from(prefix));
                From::Lists(Box::new(lists))
            }
        };
        Ok(Self { name, mapping, from })
    }

    async fn text(&self) -> Result<Vec<u8>> {
        match &self.from {
            From::File(file) => read(file),
            From::Lists(lists) => lists.document().await,
        }
    }
}
