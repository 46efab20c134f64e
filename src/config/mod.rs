//! Where things are and how much is allowed: `config/default.yaml`, then a file, then `HEADWATER__…` variables, then
//! flags. *What* is decided is not here but in the rules, which the journal keeps.

pub mod form;
pub mod layers;
mod tree;
pub mod warnings;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::access::strangers;
use crate::acting;
use crate::clock::Clock;
use crate::delivery::channels::nats::Bus;
use crate::delivery::contacts::Contacts;
use crate::delivery::parent::{Parent, Parents, Upward, circles};
use crate::delivery::settings::{Common, Ready, ReceiverSettings, names, prepare};
use crate::delivery::{self, Channel};
use crate::domain::ids::{ReceiverId, TenantId};
use crate::domain::pass::Seal;
use crate::domain::spans::{self, SpanText};
use crate::domain::time::Span;
use crate::engine::effect::PARENT;
use crate::intake;
use crate::journal::Durability;
use crate::nats;
use crate::pipeline::membership;
use crate::projection::history::retention::Retention;
use crate::serve;
use crate::shared;
use crate::vitals;
use layers::{ConfigError, Layers};

/// The file that says every setting and its default.
pub const DEFAULTS: (&str, &str) = ("config/default.yaml", include_str!("../../config/default.yaml"));

/// All settings.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub data: PathBuf,
    pub listen: SocketAddr,
    pub base_url: String,
    pub tenant: TenantId,
    pub durability: Durability,
    pub rules: Option<PathBuf>,
    pub topology: Option<PathBuf>,
    pub topology_mapping: Option<PathBuf>,
    /// A CMDB that is asked over HTTP.
    pub cmdb: serve::feeds::Settings,
    pub mappings: Option<PathBuf>,
    #[serde(deserialize_with = "spans::span")]
    #[schemars(with = "SpanText")]
    pub drain: Span,
    pub observe_only: bool,
    pub log: Log,
    pub console: Console,
    /// Those who ask without a valid credential.
    pub strangers: strangers::Settings,
    pub intake: intake::settings::Settings,
    /// Doors for devices that speak no HTTP.
    pub listeners: Vec<intake::listen::settings::ListenerSettings>,
    pub nats: nats::settings::Settings,
    pub redis: shared::settings::Settings,
    pub cluster: membership::Settings,
    /// How long the history keeps each record type.
    pub retention: Retention,
    pub vitals: vitals::Settings,
    pub delivery: delivery::settings::Settings,
    pub receivers: Vec<ReceiverSettings>,
    /// The addresses of people.
    pub contacts: Option<PathBuf>,
    /// Which of them are used.
    pub verify_contacts: delivery::contacts::Verify,
    /// How people act from messages.
    pub acting: acting::settings::Settings,
    /// Domains (tenants) and their parents.
    pub parents: Parents,
}

/// How the log is written.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Log {
    pub format: LogFormat,
    pub level: String,
}

/// As in the defaults; for commands that read no configuration.
impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::Text, level: "headwater=info,warn".into() }
    }
}

/// The forms of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line, for programs.
    Json,
}

/// How API and console are reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Console {
    pub secure_cookies: bool,
    pub open_metrics: Option<bool>,
}

/// Several errors as one, one per line.
pub fn joined(errors: Vec<ConfigError>) -> anyhow::Error {
    let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
    anyhow::anyhow!(lines.join("\n"))
}

/// What flags say; the strongest layer.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    pub data: Option<PathBuf>,
    pub listen: Option<SocketAddr>,
    pub durability: Option<Durability>,
    pub rules: Option<PathBuf>,
    pub topology: Option<PathBuf>,
    pub topology_mapping: Option<PathBuf>,
    pub mappings: Option<PathBuf>,
}

/// Settings, and where they were said.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub config: Config,
    pub layers: Layers,
}

/// Reads all layers.
///
/// # Errors
/// Everything that is wrong, with file and line or variable, and what to do.
pub fn load(file: Option<&Path>, flags: Flags) -> Result<Loaded, Vec<ConfigError>> {
    let one = |error: ConfigError| vec![error];
    let mut layers = Layers::default().file(Path::new(DEFAULTS.0), DEFAULTS.1).map_err(one)?;
    if let Some(path) = file {
        let text = crate::folders::rules::text(path).map_err(|error| {
            vec![ConfigError {
                place: path.display().to_string(),
                what: error.chain().map(ToString::to_string).collect::<Vec<_>>().join(": "),
                remedy: "name a readable file after --config".into(),
            }]
        })?;
        layers = layers.file(path, &text).map_err(one)?;
    }
    layers = layers.environment().map_err(one)?;
    let mut config: Config = layers.clone().read()?;
    config.start_paths(&layers);
    config.take(flags);
    let errors = config.faults(&layers);
    if errors.is_empty() { Ok(Loaded { config, layers }) } else { Err(errors) }
}

impl Config {
    /// A relative path in a file starts from that file's folder.
    fn start_paths(&mut self, layers: &Layers) {
        let start = |key: &str, path: &mut PathBuf| {
            if let Some(folder) = layers.folder_of(key) {
                *path = folder.join(&*path);
            }
        };
        start("data", &mut self.data);
        let paths = [
            ("rules", &mut self.rules),
            ("topology", &mut self.topology),
            ("topology_mapping", &mut self.topology_mapping),
            ("mappings", &mut self.mappings),
            ("contacts", &mut self.contacts),
            ("intake.anomalies.models", &mut self.intake.anomalies.models),
        ];
        for (key, path) in paths {
            if let Some(path) = path {
                start(key, path);
            }
        }
        if let Some(path) = &mut self.acting.key_file {
            start("acting.key_file", path);
        }
        for (key, path) in self.nats.paths().into_iter().chain(self.redis.paths()) {
            start(key, path);
        }
        for (number, receiver) in self.receivers.iter_mut().enumerate() {
            for (key, text) in receiver.files_mut() {
                let mut path = PathBuf::from(&*text);
                start(&format!("receivers.{number}.{key}"), &mut path);
                *text = path.display().to_string();
            }
        }
    }

    fn take(&mut self, flags: Flags) {
        let Flags { data, listen, durability, rules, topology, topology_mapping, mappings } = flags;
        self.data = data.unwrap_or_else(|| std::mem::take(&mut self.data));
        self.listen = listen.unwrap_or(self.listen);
        self.durability = durability.unwrap_or(self.durability);
        self.rules = rules.or_else(|| self.rules.take());
        self.topology = topology.or_else(|| self.topology.take());
        self.topology_mapping = topology_mapping.or_else(|| self.topology_mapping.take());
        self.mappings = mappings.or_else(|| self.mappings.take());
    }

    /// What each setting may not be, however it was read.
    fn faults(&self, layers: &Layers) -> Vec<ConfigError> {
        let mut errors = Vec::new();
        let mut fault = |key: &str, what: String, remedy: &str| {
            errors.push(ConfigError { place: layers.place_of(key), what, remedy: remedy.to_owned() });
        };
        if !(Span::secs(0)..=Span::mins(10)).contains(&self.drain) {
            fault("drain", format!("`drain` is {}s", self.drain.as_secs()), "write 0 to 10m");
        }
        if !(Span::secs(1)..=Span::mins(10)).contains(&self.vitals.every) {
            fault("vitals.every", format!("`vitals.every` is {}s", self.vitals.every.as_secs()), "write 1s to 10m");
        }
        if !(self.base_url.is_empty() || self.base_url.starts_with("http://") || self.base_url.starts_with("https://"))
        {
            let what = format!("`base_url` is {:?}", self.base_url);
            fault("base_url", what, "write http(s)://host[:port][/path], or nothing");
        }
        if self.tenant.as_str().is_empty() {
            fault("tenant", "`tenant` is empty".into(), "write the name that tokens are made for, usually default");
        }
        if tracing_subscriber::EnvFilter::try_new(&self.log.level).is_err() {
            let what = format!("`log.level` {:?} cannot be read", self.log.level);
            fault("log.level", what, "write for example headwater=info,warn");
        }
        let faults = self.nats.faults().into_iter().chain(self.redis.faults()).chain(self.cluster.faults());
        for (key, what, remedy) in faults {
            fault(&key, what, remedy);
        }
        if self.cluster.on && !self.nats.is_on() {
            let what = "`cluster.on` needs `nats.urls`: the servers that keep the journal".to_owned();
            fault("cluster.on", what, "write for example nats.urls: [nats://127.0.0.1:4222]");
        }
        for domain in circles(&self.parents) {
            let what = format!("`parents` leads from {domain} back to {domain}: an incident would go round for ever");
            fault("parents", what, "take one of them out");
        }
        if let Some(what) = self.retention.fault() {
            fault("retention", format!("`retention`: {what}"), "what people did is kept for six months at least");
        }
        errors
    }

    /// The names of who can be told; what is routed to others reaches nobody.
    pub fn receiver_names(&self) -> BTreeSet<ReceiverId> {
        names(&self.receivers, &self.parents)
    }

    /// The receivers, ready to be told; parent domains by the way that leads `upward`, subjects by the `bus`. While only observing, all are
    /// switched off.
    ///
    /// # Errors
    /// Everything that is wrong with them, each with its place.
    pub fn receivers(
        &self,
        layers: &Layers,
        own_port: u16,
        clock: &Clock,
        (upward, bus): (&Arc<Upward>, &Bus),
        seal: Option<&Seal>,
    ) -> Result<BTreeMap<ReceiverId, Ready>, Vec<ConfigError>> {
        let contacts = self.contacts.as_deref().map_or_else(|| Ok(Contacts::default()), Contacts::open);
        let contacts = contacts.map_err(|error| {
            let (place, what) = (layers.place_of("contacts"), error.to_string());
            vec![ConfigError { place, what, remedy: "correct the file; docs/oncall.md shows an example".into() }]
        })?;
        let common = Common {
            contacts: contacts.verified(self.verify_contacts, seal),
            seal: seal.filter(|_| self.acting.links).cloned(),
            pass_valid_for: self.acting.valid_for,
            bus: bus.clone(),
            settings: self.delivery.clone(),
            base_url: self.base_url.trim_end_matches('/').to_owned(),
            own_ports: vec![own_port],
            clock: clock.clone(),
        };
        let mut receivers = self.receivers.clone();
        for receiver in receivers.iter_mut().filter(|_| self.observe_only) {
            receiver.enabled = false;
        }
        let mut ready = prepare(&receivers, &common).map_err(|errors| {
            let told = errors.iter().map(|error| ConfigError {
                place: layers.place_of(&format!("receivers.{}", error.index)),
                what: format!("receiver {:?}: {}", error.id.as_str(), error.fault),
                remedy: "correct it; config/default.yaml shows an example".to_owned(),
            });
            told.collect::<Vec<_>>()
        })?;
        if !self.parents.is_empty() {
            let parent = Parent { of: self.parents.clone(), base_url: common.base_url, upward: upward.clone() };
            let channel: Option<Arc<dyn Channel>> = if self.observe_only { None } else { Some(Arc::new(parent)) };
            ready.insert(ReceiverId::from(PARENT), Ready { channel, settings: common.settings });
        }
        Ok(ready)
    }

    /// Whether `/metrics` answers without a token.
    pub fn open_metrics(&self) -> bool {
        self.console.open_metrics.unwrap_or(self.listen.ip().is_loopback())
    }
}
