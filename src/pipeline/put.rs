//! Putting a topology or a set of rules in force: checked first, kept once by digest, named by a journal record.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use arc_swap::ArcSwap;

use super::ruling::Shade;
use super::texts::{compile_model, kept};
use super::{Pipeline, cmdb_text};
use crate::domain::ids::TenantId;
use crate::domain::partition::partition_of;
use crate::domain::topology::quality::Quality;
use crate::engine::input::{By, Digest, Input};
use crate::engine::policy::Policy;
use crate::engine::policy::place::{Basis, RuleError, RuleFile};
use crate::folders::metric::MetricModel;
use crate::journal::AppendError;
use crate::journal::digest::digest_of;

/// How long it is waited until what was put is decided, and how often that is looked at.
const DECIDED_TIME_MAX: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// What each tenant's topology and rules are, as of the last record that was appended: version and digest.
#[derive(Debug, Default)]
pub(super) struct Newest(Mutex<BTreeMap<(TenantId, Text), (u64, Digest)>>);

/// The texts that a tenant has one of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Text {
    Topology,
    Rules,
    Model,
    MetricModel,
}

impl Newest {
    pub(super) fn get(&self, tenant: &TenantId, text: Text) -> Option<(u64, Digest)> {
        self.0.lock().expect("nobody panics while holding it").get(&(tenant.clone(), text)).cloned()
    }

    pub(super) fn note(&self, tenant: &TenantId, text: Text, version: u64, digest: &Digest) {
        let mut newest = self.0.lock().expect("nobody panics while holding it");
        let entry = newest.entry((tenant.clone(), text)).or_insert_with(|| (0, digest.clone()));
        if version >= entry.0 {
            *entry = (version, digest.clone());
        }
    }
}

/// Replaces one tenant's entry.
pub(super) fn replace<T>(all: &ArcSwap<BTreeMap<TenantId, Arc<T>>>, tenant: &TenantId, one: &Arc<T>) {
    all.rcu(|known| {
        let mut known = BTreeMap::clone(known);
        known.insert(tenant.clone(), one.clone());
        known
    });
}

/// A text that is in force, or will be once the engine comes to its record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Put {
    pub version: u64,
    pub digest: Digest,
    /// The journal record; `None` when the same text was in force already, and nothing was appended.
    pub seq: Option<u64>,
}

/// Why rules were not put in force; the old ones stay.
#[derive(Debug, thiserror::Error)]
pub enum PutError {
    #[error("{}", lines(.0))]
    Refused(Vec<RuleError>),
    #[error("the rules have changed: version {version} is the newest")]
    Changed { version: u64 },
    #[error(transparent)]
    Append(#[from] AppendError),
}

fn lines(errors: &[RuleError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// Why a trial does not begin: nobody's comparison ends unnoticed. Whose it is, and what to do.
fn runs_already(Shade { author, reason, seq, .. }: &Shade) -> anyhow::Error {
    let why = if reason.is_empty() { String::new() } else { format!(" ({reason})") };
    anyhow!(
        "something is tried already: the trial of {author}{why} runs since record {seq}; end it first, or name it \
         (`in_place_of`: {seq}) if it may end"
    )
}

impl Pipeline {
    /// Whether the tenant has a topology of its own.
    pub fn has_topology(&self, tenant: &TenantId) -> bool {
        self.newest.get(tenant, Text::Topology).is_some()
    }

    /// Whether the tenant has rules of its own.
    pub fn has_rules(&self, tenant: &TenantId) -> bool {
        self.newest.get(tenant, Text::Rules).is_some()
    }

    /// The text of the tenant's newest topology, as it was put.
    ///
    /// # Errors
    /// When the kept text cannot be read.
    pub fn newest_topology(&self, tenant: &TenantId) -> Result<Option<Vec<u8>>> {
        let newest = self.newest.get(tenant, Text::Topology);
        newest.map(|(_, digest)| kept(&self.log, &digest)).transpose()
    }

    /// Checks a topology text (with its mapping, if it has one: [`cmdb_text`]) and makes it valid for the tenant; the same
    /// text again appends nothing.
    ///
    /// # Errors
    /// When the text is refused, or the journal does not take it; the old one stays.
    pub async fn put_topology(&self, tenant: &TenantId, bytes: Vec<u8>, author: &str) -> Result<(Put, Quality)> {
        let _one = self.putting.lock().await;
        // Compiling a large CMDB takes seconds: not on a thread that serves connections.
        let checked = tokio::task::spawn_blocking(move || {
            let quality = Quality::of(&*cmdb_text::compile(&bytes, 0)?);
            anyhow::Ok((bytes, quality))
        });
        let (bytes, quality) = checked.await??;
        let (author, tenant): (Box<str>, _) = (author.into(), tenant.clone());
        let input =
            |version, digest| Input::Topology { tenant: tenant.clone(), version, digest, author: author.clone() };
        Ok((self.put_newer(&tenant, Text::Topology, bytes, input).await?, quality))
    }

    /// Makes a text that was checked the newest of its kind, in whatever version that is; the same text again appends nothing.
    async fn put_newer(
        &self,
        tenant: &TenantId,
        text: Text,
        bytes: Vec<u8>,
        input: impl Fn(u64, Digest) -> Input,
    ) -> Result<Put> {
        let digest = digest_of(&bytes);
        loop {
            let newest = self.newest.get(tenant, text);
            if let Some((version, _)) = newest.as_ref().filter(|(_, same)| *same == digest) {
                return Ok(Put { version: *version, digest, seq: None });
            }
            let version = newest.map_or(0, |(version, _)| version) + 1;
            self.log.put_text(bytes.clone()).await?;
            // Another instance may have put another one of this version a moment before.
            if let Some(put) = self.put(text, input(version, digest.clone())).await? {
                return Ok(put);
            }
        }
    }

    /// Appends a version; `None` when another instance has put the same one a moment before.
    async fn put(&self, text: Text, input: Input) -> Result<Option<Put>, AppendError> {
        let (Input::Topology { tenant, version, digest, .. }
        | Input::Policy { tenant, version, digest, .. }
        | Input::Model { tenant, version, digest, .. }
        | Input::MetricModel { tenant, version, digest, .. }) = &input
        else {
            return Err(AppendError::Unfit { why: "it names no text".into() });
        };
        let (tenant, version, digest) = (tenant.clone(), *version, digest.clone());
        let partition = partition_of(&tenant);
        let seq = self.log.append(partition, input).await?.seq;
        if !self.log.is_shared() {
            self.newest.note(&tenant, text, version, &digest);
            return Ok(Some(Put { version, digest, seq: Some(seq) }));
        }
        self.until_decided(&tenant, seq).await;
        let is_other = self.newest.get(&tenant, text).is_some_and(|(held, other)| held == version && other != digest);
        Ok((!is_other).then_some(Put { version, digest, seq: Some(seq) }))
    }

    /// Waits until a record of the tenant's is decided and shown, ten seconds at most.
    pub async fn until_decided(&self, tenant: &TenantId, seq: u64) {
        let (partition, since) = (partition_of(tenant), Instant::now());
        while !self.has_applied(partition, seq) && since.elapsed() < DECIDED_TIME_MAX {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Compiles a set of rules and puts it in force for the tenant; the same set again appends nothing. Returns the
    /// compiled rules, too.
    ///
    /// # Errors
    /// Every error of the set with its place, that another version than the basis is the newest, or that the journal
    /// does not take it; the old rules stay.
    pub async fn put_policy(
        &self,
        tenant: &TenantId,
        mut files: Vec<RuleFile>,
        by: &By,
        basis: Basis,
    ) -> Result<(Put, Policy), PutError> {
        let _one = self.putting.lock().await;
        files.sort_by(|a, b| a.name.cmp(&b.name));
        let newest = self.newest.get(tenant, Text::Rules);
        let version = newest.as_ref().map_or(0, |(version, _)| *version);
        if !matches!(basis, Basis::Any) && basis != Basis::Version(version) {
            return Err(PutError::Changed { version });
        }
        let version = version + 1;
        let policy = Policy::compile(version, &files).map_err(PutError::Refused)?;
        let bytes = serde_json::to_vec(&files).expect("names and texts can be written as JSON");
        let digest = digest_of(&bytes);
        if let Some((version, _)) = newest.filter(|(_, same)| *same == digest) {
            return Ok((Put { version, digest, seq: None }, policy));
        }
        let digest = self.log.put_text(bytes).await?;
        let By { author, reason } = by.clone();
        let input = Input::Policy { tenant: tenant.clone(), version, digest, author, reason };
        match self.put(Text::Rules, input).await? {
            Some(put) => Ok((put, policy)),
            None => Err(PutError::Changed { version }),
        }
    }

    /// Checks a model's text and makes it valid for the tenant; the same text again appends nothing.
    ///
    /// # Errors
    /// Every error of the text with its place, or that the journal does not take it; the old model stays.
    pub async fn put_model(&self, tenant: &TenantId, text: String, by: &By) -> Result<Put> {
        let _one = self.putting.lock().await;
        let bytes = text.into_bytes();
        compile_model(&bytes)?;
        let input = |version, digest| {
            let (tenant, By { author, reason }) = (tenant.clone(), by.clone());
            Input::Model { tenant, version, digest, author, reason }
        };
        self.put_newer(tenant, Text::Model, bytes, input).await
    }

    /// Checks the text of a metric model and lets the tenant's series be judged by it; the same text again appends nothing.
    ///
    /// # Errors
    /// What is wrong with the text, or that the journal does not take it; the old model stays.
    pub async fn put_metric_model(&self, tenant: &TenantId, text: String, by: &By) -> Result<Put> {
        let _one = self.putting.lock().await;
        MetricModel::parse("model.yaml", &text)?;
        let input = |version, digest| {
            let (tenant, By { author, reason }) = (tenant.clone(), by.clone());
            Input::MetricModel { tenant, version, digest, author, reason }
        };
        self.put_newer(tenant, Text::MetricModel, text.into_bytes(), input).await
    }

    /// Lets rules or models run beside what is valid, or no longer (none of them). Checked first; returns the record.
    ///
    /// # Errors
    /// Every error with its place, that another trial runs than the one that may end, or that the journal does not take it.
    pub async fn put_shade(&self, tenant: &TenantId, trial: Trial, by: &By) -> Result<u64> {
        let is_end = trial.is_none();
        let other = self.rulings.ruled(tenant).shade.clone().filter(|runs| trial.in_place_of != Some(runs.seq));
        // Before anything is kept of it; the journal's order has the last word.
        if let Some(runs) = other.filter(|_| !is_end) {
            return Err(runs_already(&runs));
        }
        let in_place_of = if is_end { trial.in_place_of } else { Some(trial.in_place_of.unwrap_or_default()) };
        let rules = match trial.rules {
            None => None,
            Some(mut files) => {
                files.sort_by(|a, b| a.name.cmp(&b.name));
                Policy::compile(0, &files).map_err(PutError::Refused)?;
                Some(self.log.put_text(serde_json::to_vec(&files)?).await?)
            }
        };
        let model = match trial.model {
            None => None,
            Some(text) => {
                compile_model(text.as_bytes())?;
                Some(self.log.put_text(text.into_bytes()).await?)
            }
        };
        let metric = match trial.metric {
            None => None,
            Some(text) => {
                MetricModel::parse("model.yaml", &text)?;
                Some(self.log.put_text(text.into_bytes()).await?)
            }
        };
        let By { author, reason } = by.clone();
        let input = Input::Shadow { tenant: tenant.clone(), rules, model, metric, in_place_of, author, reason };
        let seq = self.log.append(partition_of(tenant), input).await?.seq;
        self.until_decided(tenant, seq).await;
        let before = self.rulings.ruled(tenant).shade.clone().filter(|runs| runs.seq < seq);
        match before.filter(|_| !is_end && self.has_applied(partition_of(tenant), seq)) {
            Some(runs) => Err(runs_already(&runs)),
            None => Ok(seq),
        }
    }
}

/// What is to run beside what is valid.
#[derive(Clone, Debug, Default)]
pub struct Trial {
    pub rules: Option<Vec<RuleFile>>,
    pub model: Option<String>,
    /// Another metric model.
    pub metric: Option<String>,
    /// The record of the trial that ends by this: of no other one. The end of a trial that names none ends whatever runs.
    pub in_place_of: Option<u64>,
}

impl Trial {
    /// Whether nothing is to run any more.
    const fn is_none(&self) -> bool {
        self.rules.is_none() && self.model.is_none() && self.metric.is_none()
    }
}
