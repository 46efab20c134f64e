//! What the configuration says: the receivers, and how hard it is tried to reach them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chrono_tz::Tz;
use serde::{Deserialize, Deserializer};

use super::egress::{Cidr, Egress};
use super::parent::Parents;
use super::signature::{SecretError, Secrets};
use super::webhook::{self, Webhook};
use super::{Channel, Clock};
use crate::domain::ids::ReceiverId;
use crate::domain::time::Span;
use crate::engine::calendar::ZONE_DEFAULT;
use crate::engine::effect::PARENT;
use crate::engine::policy::spans;
use crate::wording::lang::Lang;

/// How hard it is tried: the section `delivery`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Notices that are on their way to one receiver at a time.
    pub concurrency_max: usize,
    /// Notices that may wait for one receiver; more are given up at once.
    pub waiting_max: usize,
    /// The first pause; each further one is twice as long.
    #[serde(deserialize_with = "duration")]
    pub retry_first: Duration,
    /// The longest pause.
    #[serde(deserialize_with = "duration")]
    pub retry_max: Duration,
    /// A notice older than this is given up after its next failure.
    #[serde(deserialize_with = "spans::span")]
    pub give_up_after: Span,
    /// How often a notice that is refused is tried again.
    pub refused_retries: u32,
    /// How long nothing is sent to a receiver that has locked us out; then one notice tries.
    #[serde(deserialize_with = "duration")]
    pub locked_out_pause: Duration,
    /// Ranges that every receiver may be in although they are not public.
    pub allowed_networks: Vec<Cidr>,
    /// The time between two notices to one receiver, at least. Made from the receiver's `rate`.
    #[serde(skip)]
    pub pace: Option<Duration>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            concurrency_max: 8,
            waiting_max: 20_000,
            retry_first: Duration::from_secs(1),
            retry_max: Duration::from_secs(300),
            give_up_after: Span::hours(24),
            refused_retries: 1,
            locked_out_pause: Duration::from_secs(300),
            allowed_networks: Vec::new(),
            pace: None,
        }
    }
}

/// One receiver: an entry of the section `receivers`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReceiverSettings {
    /// The name that routes use.
    pub id: ReceiverId,
    /// Where to.
    pub url: String,
    /// What signs: `whsec_` and base64; two while they are exchanged.
    #[serde(default)]
    pub secret: SecretTexts,
    /// A file with the same, one per line.
    #[serde(default)]
    pub secret_file: Option<PathBuf>,
    /// One attempt, from the first packet to the last byte of the answer.
    #[serde(default = "timeout", deserialize_with = "duration")]
    pub timeout: Duration,
    /// Notices per minute, at most; not set: as many as there are.
    #[serde(default)]
    pub rate: Option<NonZeroU32>,
    /// The language of `text`; the rest of the message has both.
    #[serde(default)]
    pub language: Lang,
    /// The zone in which `text` tells the time.
    #[serde(default = "time_zone")]
    pub time_zone: Tz,
    /// Switched off: its notices are kept as undelivered.
    #[serde(default = "enabled")]
    pub enabled: bool,
    /// It may be on this machine or in a private network. Addresses that give out a machine's credentials never.
    #[serde(default)]
    pub allow_private: bool,
}

/// Secrets as they are written in the configuration. Prints as `***`.
#[derive(Clone, Default, Deserialize)]
#[serde(untagged)]
pub enum SecretTexts {
    #[default]
    None,
    One(String),
    Both(Vec<String>),
}

impl fmt::Debug for SecretTexts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

const fn timeout() -> Duration {
    Duration::from_secs(10)
}

const fn time_zone() -> Tz {
    ZONE_DEFAULT
}

const fn enabled() -> bool {
    true
}

fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let span = spans::span(deserializer)?;
    Ok(Duration::from_millis(span.0.unsigned_abs()))
}

/// What is wrong with a receiver, and where.
#[derive(Debug, thiserror::Error)]
#[error("receivers[{index}] ({id}): {fault}")]
pub struct ReceiverError {
    /// Its place in the list, from 0.
    pub index: usize,
    /// Its name.
    pub id: ReceiverId,
    /// What is wrong.
    #[source]
    pub fault: Fault,
}

/// What can be wrong with a receiver.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    #[error("id: write 1 to 64 letters, digits, `-`, `_` or `.`")]
    Name,
    #[error("id: another receiver has this name")]
    Twice,
    #[error("id: `parent` is the parent domain, see `parents`; choose another name")]
    Parent,
    #[error("secret: give `secret` or `secret_file`, and not both")]
    Secrets,
    #[error("secret_file: {path} cannot be read: {error}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
    #[error("secret: {0}")]
    Secret(SecretError),
    #[error("timeout: write 1s to 60s")]
    Timeout,
    #[error("{0}")]
    Webhook(webhook::SetupError),
}

/// What all receivers are told the same way.
#[derive(Clone)]
pub struct Common {
    pub settings: Settings,
    /// Where the console shows incidents; `{base}/incidents/{id}` is sent along. Empty: no link.
    pub base_url: String,
    /// Ports on which this program or its stores listen.
    pub own_ports: Vec<u16>,
    pub clock: Clock,
}

/// A receiver, ready to be told; `channel` is none while it is switched off.
pub struct Ready {
    pub channel: Option<Arc<dyn Channel>>,
    pub settings: Settings,
}

/// Makes the receivers ready.
///
/// # Errors
/// Everything that is wrong, each with its place.
pub fn prepare(
    receivers: &[ReceiverSettings],
    common: &Common,
) -> Result<BTreeMap<ReceiverId, Ready>, Vec<ReceiverError>> {
    // Whoever came first has installed the same one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut ready = BTreeMap::new();
    let mut errors = Vec::new();
    for (index, receiver) in receivers.iter().enumerate() {
        let made = if ready.contains_key(&receiver.id) { Err(Fault::Twice) } else { receiver.prepare(common) };
        match made {
            Ok(made) => drop(ready.insert(receiver.id.clone(), made)),
            Err(fault) => errors.push(ReceiverError { index, id: receiver.id.clone(), fault }),
        }
    }
    if errors.is_empty() { Ok(ready) } else { Err(errors) }
}

/// What is said where no receiver at all is configured, and how to change it.
pub const NOBODY: &str = "nobody is told: no receiver is configured; write one under `receivers` in the configuration";

/// The names of who can be told: the receivers, and the parent domain where there is one.
pub fn names(receivers: &[ReceiverSettings], parents: &Parents) -> BTreeSet<ReceiverId> {
    let parent = (!parents.is_empty()).then(|| ReceiverId::from(PARENT));
    receivers.iter().map(|receiver| receiver.id.clone()).chain(parent).collect()
}

impl ReceiverSettings {
    fn prepare(&self, common: &Common) -> Result<Ready, Fault> {
        let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
        if !(1..=64).contains(&self.id.as_str().len()) || !self.id.as_str().chars().all(is_plain) {
            return Err(Fault::Name);
        }
        if self.id.as_str() == PARENT {
            return Err(Fault::Parent);
        }
        if !(Duration::from_secs(1)..=Duration::from_secs(60)).contains(&self.timeout) {
            return Err(Fault::Timeout);
        }
        let mut allowed = common.settings.allowed_networks.clone();
        if self.allow_private {
            allowed.extend(Cidr::private());
        }
        let egress = Arc::new(Egress { allowed, own_ports: common.own_ports.clone() });
        let settings = webhook::Settings {
            url: self.url.clone(),
            secrets: self.secrets()?,
            timeout: self.timeout,
            lang: self.language,
            time_zone: self.time_zone,
            base_url: common.base_url.clone(),
        };
        let webhook = Webhook::new(settings, &egress, Arc::clone(&common.clock)).map_err(Fault::Webhook)?;
        let channel: Arc<dyn Channel> = Arc::new(webhook);
        let pace = self.rate.map(|rate| Duration::from_secs(60) / rate.get());
        Ok(Ready { channel: self.enabled.then_some(channel), settings: Settings { pace, ..common.settings.clone() } })
    }

    fn secrets(&self) -> Result<Secrets, Fault> {
        let from_file = match &self.secret_file {
            Some(path) => {
                Some(std::fs::read_to_string(path).map_err(|error| Fault::File { path: path.clone(), error })?)
            }
            None => None,
        };
        let texts: Vec<&str> = match (&self.secret, &from_file) {
            (SecretTexts::One(text), None) => vec![text],
            (SecretTexts::Both(texts), None) => texts.iter().map(String::as_str).collect(),
            (SecretTexts::None, Some(text)) => text.lines().map(str::trim).filter(|line| !line.is_empty()).collect(),
            (SecretTexts::None, None) | (SecretTexts::One(_) | SecretTexts::Both(_), Some(_)) => {
                return Err(Fault::Secrets);
            }
        };
        Secrets::parse(texts).map_err(Fault::Secret)
    }
}
