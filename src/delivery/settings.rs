//! What the configuration says: the receivers, and how hard it is tried to reach them.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::fmt;
use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chrono_tz::Tz;
use schemars::JsonSchema;
use serde::de::{DeserializeSeed, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::acts::Acts;
use super::channels::nats::Bus;
use super::channels::personal::Personal;
use super::channels::readers;
use super::channels::{Ground, Kind, Lines, Manner};
use super::contacts::{Contacts, Takes};
use super::ears::{Ear, Tongue};
use super::egress::Egress;
use super::http::SetupError;
use super::parent::Parents;
use super::template::Templates;
use super::{Channel, Clock};
use crate::domain::cidr::Cidr;
use crate::domain::ids::ReceiverId;
use crate::domain::pass::Seal;
use crate::domain::spans::{self, SpanText};
use crate::domain::time::Span;
use crate::engine::calendar::ZONE_DEFAULT;
use crate::engine::effect::PARENT;
use crate::wording::lang::Lang;

/// How hard it is tried: the section `delivery`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "DeliverySettings")]
pub struct Settings {
    /// Notices that are on their way to one receiver at a time.
    pub concurrency_max: usize,
    /// Notices that may wait for one receiver; more are given up at once.
    pub waiting_max: usize,
    /// The first pause; each further one is twice as long.
    #[serde(deserialize_with = "duration")]
    #[schemars(with = "SpanText")]
    pub retry_first: Duration,
    /// The longest pause.
    #[serde(deserialize_with = "duration")]
    #[schemars(with = "SpanText")]
    pub retry_max: Duration,
    /// A notice older than this is given up after its next failure.
    #[serde(deserialize_with = "spans::span")]
    #[schemars(with = "SpanText")]
    pub give_up_after: Span,
    /// How often a notice that is refused is tried again.
    pub refused_retries: u32,
    /// How long nothing is sent to a receiver that has locked us out; then one notice tries.
    #[serde(deserialize_with = "duration")]
    #[schemars(with = "SpanText")]
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

/// One receiver: an entry of the section `receivers`. What it is called and how it is told stands here, what its kind
/// needs in [`Kind`].
///
/// Instead of a text a kind's setting may have a file that holds it: `url_file` for `url`.
#[derive(Clone)]
pub struct ReceiverSettings {
    /// The name that routes use.
    pub id: ReceiverId,
    /// One attempt, from the first packet to the last byte of the answer.
    pub timeout: Duration,
    /// Notices per minute, at most; not set: as many as its kind takes.
    pub rate: Option<NonZeroU32>,
    /// The language of texts.
    pub language: Lang,
    /// The zone in which texts tell the time.
    pub time_zone: Tz,
    /// Switched off: its notices are kept as undelivered.
    pub enabled: bool,
    /// It may be on this machine or in a private network. Addresses that give out a machine's credentials never.
    pub allow_private: bool,
    /// A ticket system that cannot reach us is asked so often what people have done to our tickets.
    pub poll: Option<Duration>,
    /// Templates of title and text in place of the default ones.
    pub title: Option<String>,
    pub text: Option<String>,
    /// `kind` and what is its own; files are read when the receiver is made ready.
    own: Map<String, Value>,
}

impl fmt::Debug for ReceiverSettings {
    /// What is its kind's own may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReceiverSettings").field("id", &self.id).field("enabled", &self.enabled).finish_non_exhaustive()
    }
}

/// Ends the name of a setting whose value is a file that holds the setting without it.
pub(super) const FILE: &str = "_file";

impl<'de> Deserialize<'de> for ReceiverSettings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Entry)
    }
}

/// Reads an entry key by key, so that an error names its key.
struct Entry;

impl<'de> Visitor<'de> for Entry {
    type Value = ReceiverSettings;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the settings of a receiver")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ReceiverSettings, A::Error> {
        let mut settings = ReceiverSettings {
            id: ReceiverId::from(""),
            timeout: Duration::from_secs(10),
            rate: None,
            language: Lang::default(),
            time_zone: ZONE_DEFAULT,
            enabled: true,
            allow_private: false,
            poll: None,
            title: None,
            text: None,
            own: Map::new(),
        };
        let mut is_named = false;
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "id" => {
                    settings.id = map.next_value()?;
                    is_named = true;
                }
                "timeout" => settings.timeout = map.next_value_seed(Seconds)?,
                "rate" => settings.rate = map.next_value()?,
                "language" => settings.language = map.next_value()?,
                "time_zone" => settings.time_zone = map.next_value()?,
                "enabled" => settings.enabled = map.next_value()?,
                "allow_private" => settings.allow_private = map.next_value()?,
                "poll" => settings.poll = Some(map.next_value_seed(Seconds)?),
                "title" => settings.title = map.next_value()?,
                "text" => settings.text = map.next_value()?,
                _ => {
                    let value = map.next_value()?;
                    settings.own.insert(key, value);
                }
            }
        }
        if !is_named {
            return Err(serde::de::Error::missing_field("id"));
        }
        // What is in files is a text whatever it says.
        let stand_in = |key: &str, _: &str| Ok::<_, Infallible>((key.to_owned(), String::new()));
        let own = settings.with_files(stand_in).unwrap_or_else(|never| match never {});
        Kind::read(own).map_err(serde::de::Error::custom)?;
        Ok(settings)
    }
}

/// How often a ticket system may be asked.
const POLL: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(24 * 3600);

/// A duration as the configuration writes it.
struct Seconds;

impl<'de> DeserializeSeed<'de> for Seconds {
    type Value = Duration;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Duration, D::Error> {
        duration(deserializer)
    }
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
    #[error("{key}: give `{key}` or `{key}_file`, and not both")]
    Both {
        /// The setting.
        key: String,
    },
    #[error("{key}_file: {path} cannot be read: {error}")]
    File {
        /// The setting.
        key: String,
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
    #[error("timeout: write 1s to 60s")]
    Timeout,
    #[error(
        "poll: write 1s to 1d, of a receiver that keeps tickets and can be asked: jira, servicenow, github, gitlab, bk_itsm"
    )]
    Poll,
    #[error("{0}")]
    Kind(serde_json::Error),
    #[error("{0}")]
    Channel(SetupError),
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
    pub contacts: Contacts,
    /// What signs links and marks; none: nobody acts from messages.
    pub seal: Option<Seal>,
    /// How long a link can be used.
    pub pass_valid_for: Span,
    /// The connection to NATS.
    pub bus: Bus,
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
        let is_twice = |key: &&String| key.strip_suffix(FILE).is_some_and(|key| self.own.contains_key(key));
        if let Some(key) = self.own.keys().find(is_twice) {
            return Err(Fault::Both { key: key.trim_end_matches(FILE).to_owned() });
        }
        let kind = Kind::read(self.with_files(read)?).map_err(Fault::Kind)?;
        let is_asked =
            matches!(kind, Kind::Jira(_) | Kind::Servicenow(_) | Kind::Github(_) | Kind::Gitlab(_) | Kind::BkItsm(_));
        if self.poll.is_some_and(|every| !is_asked || !POLL.contains(&every)) {
            return Err(Fault::Poll);
        }
        let mut allowed = common.settings.allowed_networks.clone();
        if self.allow_private {
            allowed.extend(Cidr::private());
        }
        let mut manner = Manner {
            lang: self.language,
            time_zone: self.time_zone,
            base_url: common.base_url.trim_end_matches('/').to_owned(),
            acts: self.acts(common, &kind),
            templates: Templates::default(),
        };
        let templates = Templates::new(self.title.as_deref(), self.text.as_deref(), &manner.style());
        manner.templates = templates.map_err(Fault::Channel)?;
        let ground = Ground {
            egress: Arc::new(Egress { allowed, own_ports: common.own_ports.clone() }),
            manner,
            timeout: self.timeout,
            clock: Arc::clone(&common.clock),
            lines: Lines::default(),
            bus: common.bus.clone(),
            token: Default::default(),
        };
        let rate = self.rate.map(NonZeroU32::get).or(kind.rate());
        let pace = rate.map(|rate| Duration::from_secs(60) / rate);
        let channel = Personal::new(&self.id, kind, ground, common.contacts.clone()).map_err(Fault::Channel)?;
        Ok(Ready {
            channel: self.enabled.then(|| Arc::new(channel) as Arc<dyn Channel>),
            settings: Settings { pace, ..common.settings.clone() },
        })
    }

    fn acts(&self, common: &Common, kind: &Kind) -> Acts {
        Acts {
            seal: common.seal.clone(),
            valid_for: common.pass_valid_for,
            receiver: self.id.as_str().into(),
            base_url: common.base_url.trim_end_matches('/').to_owned(),
            reader: readers::of(kind),
            medium: readers::medium(kind),
            is_answered: matches!(kind.tongue(), Some(Tongue::Phone(_))),
        }
    }

    /// How what its system sends back is believed; none: nothing comes back.
    ///
    /// # Errors
    /// When a file of its settings cannot be read.
    pub fn ear(&self) -> Result<Option<Ear>, Fault> {
        let kind = Kind::read(self.with_files(read)?).map_err(Fault::Kind)?;
        Ok(kind.tongue().map(|tongue| Ear { tongue, lang: self.language }))
    }

    /// What a person's address is for it; none: it tells a room, whoever is meant.
    pub fn takes(&self) -> Option<Takes> {
        let stand_in = |key: &str, _: &str| Ok::<_, Infallible>((key.to_owned(), String::new()));
        let own = self.with_files(stand_in).unwrap_or_else(|never| match never {});
        Kind::read(own).ok()?.takes()
    }

    /// Its kind's settings with what stands in files in their place, as `read` gives it by key and path.
    fn with_files<E>(&self, read: impl Fn(&str, &str) -> Result<(String, String), E>) -> Result<Map<String, Value>, E> {
        let mut own = Map::new();
        for (key, value) in &self.own {
            let named = key.strip_suffix(FILE).filter(|key| !key.is_empty());
            match (named, value.as_str()) {
                (Some(key), Some(path)) => {
                    let (key, text) = read(key, path)?;
                    own.insert(key, text.into());
                }
                _ => drop(own.insert(key.clone(), value.clone())),
            }
        }
        Ok(own)
    }

    /// The paths of its files, by the key that names each.
    pub fn files_mut(&mut self) -> impl Iterator<Item = (&str, &mut String)> {
        self.own.iter_mut().filter_map(|(key, value)| match value {
            Value::String(path) if key.ends_with(FILE) => Some((key.as_str(), path)),
            _ => None,
        })
    }
}

fn read(key: &str, path: &str) -> Result<(String, String), Fault> {
    let text = std::fs::read_to_string(path);
    let text = text.map_err(|error| Fault::File { key: key.to_owned(), path: path.into(), error })?;
    Ok((key.to_owned(), text.trim().to_owned()))
}
