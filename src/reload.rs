//! Rules, topology and mappings from disk: put in force at start, on every change and on SIGHUP. What is refused is
//! told with every place, and what was in force before stays.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::{Instant, timeout_at};

use crate::api::windows;
use crate::config::Config;
use crate::decode::formats::Formats;
use crate::domain::ids::{ReceiverId, TenantId};
use crate::engine::input::By;
use crate::engine::policy::place::Basis;
use crate::folders::{formats, rules};
use crate::intake::Intake;
use crate::lab::files;
use crate::pipeline::put::PutError;
use crate::pipeline::{Pipeline, cmdb_text};

/// What is said of a receiver that routes name and nobody has configured.
pub const UNKNOWN_RECEIVER: &str = "the routes name a receiver that is not configured: its notices are kept as \
    undelivered; add it to `receivers`";
/// Changes are waited for until nothing changes for so long, and at most so long.
const QUIET: Duration = Duration::from_millis(300);
const PATIENCE: Duration = Duration::from_secs(3);

/// What is read from disk, and for whom.
#[derive(Clone, Debug)]
pub struct Sources {
    pub tenant: TenantId,
    pub rules: Option<PathBuf>,
    pub topology: Option<PathBuf>,
    /// What reads the topology, when it is a foreign export.
    pub topology_mapping: Option<PathBuf>,
    pub mappings: Option<PathBuf>,
}

/// The kinds of texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Rules,
    Topology,
    Formats,
}

impl Kind {
    /// The word in logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rules => "rules",
            Self::Topology => "topology",
            Self::Formats => "mappings",
        }
    }
}

/// Which texts were refused when they were last read, and why.
#[derive(Debug, Default)]
pub struct Refused(Mutex<BTreeMap<Kind, String>>);

impl Refused {
    /// Each kind with what is wrong now.
    pub fn now(&self) -> BTreeMap<Kind, String> {
        self.0.lock().expect("nobody panics while holding it").clone()
    }

    fn note(&self, kind: Kind, why: Option<String>) {
        let mut refused = self.0.lock().expect("nobody panics while holding it");
        match why {
            Some(why) => drop(refused.insert(kind, why)),
            None => drop(refused.remove(&kind)),
        }
    }
}

impl Sources {
    /// What the configuration names.
    pub fn of(config: &Config) -> Self {
        let Config { tenant, rules, topology, topology_mapping, mappings, .. } = config.clone();
        Self { tenant, rules, topology, topology_mapping, mappings }
    }

    /// The formats of the folders, or the built-in ones.
    ///
    /// # Errors
    /// Every wrong place, one per line.
    pub fn formats(&self) -> Result<Formats> {
        formats::read(self.rules.as_deref(), self.mappings.as_deref()).map_err(|errors| anyhow!(errors.join("\n")))
    }

    /// The folders that are watched.
    fn watched(&self) -> Vec<(PathBuf, RecursiveMode)> {
        let folders = self.rules.iter().chain(&self.mappings).map(|path| (path.clone(), RecursiveMode::Recursive));
        // The file itself is replaced by most editors: its folder tells.
        let folder = |path: &PathBuf| match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
            Some(_) | None => PathBuf::from("."),
        };
        let beside =
            self.topology.iter().chain(&self.topology_mapping).map(|path| (folder(path), RecursiveMode::NonRecursive));
        folders.chain(beside).collect()
    }

    /// Whether a change at this path can matter.
    fn concerns(&self, path: &Path) -> bool {
        let name = path.file_name().unwrap_or_default();
        let is_topology = self.topology.iter().chain(&self.topology_mapping).any(|file| file.file_name() == Some(name));
        // Mounted configuration is exchanged through a link called `..data`.
        let is_link = name.to_string_lossy().starts_with("..");
        let is_yaml = path.extension().is_some_and(|e| e == "yaml" || e == "yml");
        is_topology || is_link || is_yaml || path.is_dir()
    }
}

/// Keeps what is in force like what is on disk.
pub struct Reload {
    sources: Sources,
    pipeline: Arc<Pipeline>,
    intake: Arc<Intake>,
    refused: Arc<Refused>,
    /// Who can be told.
    receivers: BTreeSet<ReceiverId>,
}

impl Reload {
    /// Puts the parts together; reads nothing yet.
    pub fn new(config: &Config, pipeline: Arc<Pipeline>, intake: Arc<Intake>) -> Self {
        let (sources, receivers) = (Sources::of(config), config.receiver_names());
        Self { sources, pipeline, intake, refused: Arc::default(), receivers }
    }

    /// What was refused when it was last read.
    pub fn refused(&self) -> Arc<Refused> {
        self.refused.clone()
    }

    /// Reads rules and topology for the first time. What is refused stops the start, unless an older one is in force:
    /// a program that comes back after a crash must not stay away because of a slip in a file.
    ///
    /// # Errors
    /// Every wrong place, when nothing older is in force.
    pub async fn start(&self) -> Result<()> {
        for kind in [Kind::Topology, Kind::Rules] {
            if let Err(error) = self.read(kind).await {
                let tenant = &self.sources.tenant;
                let has_older = match kind {
                    Kind::Topology => self.pipeline.has_topology(tenant),
                    Kind::Rules => self.pipeline.has_rules(tenant),
                    Kind::Formats => false,
                };
                if !has_older {
                    return Err(error);
                }
                self.tell(kind, &error);
            }
        }
        Ok(())
    }

    /// Follows changes and SIGHUP for as long as the program runs.
    pub async fn follow(self) {
        let mut hang_ups = match signal(SignalKind::hangup()) {
            Ok(hang_ups) => hang_ups,
            Err(error) => return tracing::error!(%error, "SIGHUP cannot be taken; files are not read again"),
        };
        // The watcher is held for as long as it is wanted.
        let (_watcher, mut changes) = match self.watch() {
            Ok((watcher, changes)) => (Some(watcher), changes),
            Err(error) => {
                tracing::warn!(%error, "changes of files are not noticed by themselves; send SIGHUP after a change");
                (None, unbounded_channel().1)
            }
        };
        // What was changed between the first reading and the watching is not missed.
        self.read_all().await;
        loop {
            tokio::select! {
                Some(()) = changes.recv() => settle(&mut changes).await,
                hung_up = hang_ups.recv() => match hung_up {
                    Some(()) => tracing::info!("told to read rules, topology and mappings again"),
                    None => return,
                },
            }
            self.read_all().await;
        }
    }

    async fn read_all(&self) {
        for kind in [Kind::Topology, Kind::Formats, Kind::Rules] {
            if let Err(error) = self.read(kind).await {
                self.tell(kind, &error);
            }
        }
    }

    fn watch(&self) -> notify::Result<(RecommendedWatcher, UnboundedReceiver<()>)> {
        let (sender, changes) = unbounded_channel();
        let sources = self.sources.clone();
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            let concerns = match &event {
                Ok(event) => {
                    !matches!(event.kind, EventKind::Access(_)) && event.paths.iter().any(|path| sources.concerns(path))
                }
                // Something was missed: read again.
                Err(_) => true,
            };
            if concerns {
                // Nobody listens any more when the program ends.
                let _ = sender.send(());
            }
        })?;
        for (path, mode) in self.sources.watched() {
            watcher.watch(&path, mode)?;
        }
        Ok((watcher, changes))
    }

    async fn read(&self, kind: Kind) -> Result<()> {
        match kind {
            Kind::Rules => self.rules().await?,
            Kind::Topology => self.topology().await?,
            Kind::Formats => self.intake.replace_formats(Arc::new(self.sources.formats()?)),
        }
        self.refused.note(kind, None);
        Ok(())
    }

    async fn rules(&self) -> Result<()> {
        let Some(folder) = &self.sources.rules else { return Ok(()) };
        let own = rules::read_with_tests(folder)?;
        let by = By::author(&format!("folder {}", folder.display()));
        let (put, policy) = loop {
            let mut files = own.clone();
            // Maintenance windows that were made over the API stand in a file that the folder does not have.
            let (version, kept) = self.pipeline.newest_rules(&self.sources.tenant)?;
            let made = kept.into_iter().filter(|file| file.name == windows::FILE);
            files.extend(made.filter(|_| !folder.join(windows::FILE).exists()));
            match self.pipeline.put_policy(&self.sources.tenant, files, &by, Basis::Version(version)).await {
                Ok(put) => break put,
                // Somebody made a window in this moment: with it, then.
                Err(PutError::Changed { .. }) => {}
                Err(PutError::Refused(errors)) => {
                    let lines = errors.iter().map(|error| format!("{}/{error}", folder.display()));
                    bail!(lines.collect::<Vec<_>>().join("\n"));
                }
                Err(PutError::Append(error)) => bail!(error),
            }
        };
        if let Some(seq) = put.seq {
            for lint in policy.lint((self.pipeline.clock)()) {
                tracing::warn!("{}/{lint}", folder.display());
            }
            warn_of_unknown(&self.receivers, policy.receivers());
            tracing::info!(rules.version = put.version, seq, "rules taken");
        }
        Ok(())
    }

    async fn topology(&self) -> Result<()> {
        let Some(file) = &self.sources.topology else { return Ok(()) };
        let mut bytes = files::read(file)?;
        let name = file.display().to_string();
        let mapping = self.sources.topology_mapping.as_deref();
        if let Some(mapping) = mapping {
            bytes = cmdb_text::with_mapping(&files::read(mapping)?, &bytes);
        }
        let mapping = mapping.map(|file| file.display().to_string()).unwrap_or_default();
        let placed = |line: &str| match line.strip_prefix(cmdb_text::MAPPING) {
            Some(rest) => format!("{mapping}{rest}"),
            None => line.replacen(&format!("{}:", cmdb_text::TEXT), &format!("{name}:"), 1),
        };
        let author = format!("file {name}");
        let put = self.pipeline.put_topology(&self.sources.tenant, bytes, &author).await;
        let (put, quality) = put.map_err(|error| {
            let lines: Vec<String> = error.to_string().lines().map(placed).collect();
            anyhow!(lines.join("\n"))
        })?;
        if let Some(seq) = put.seq {
            let (cis, edges) = (quality.cis, quality.edges);
            for warning in quality.warnings() {
                tracing::warn!("{}", placed(&warning));
            }
            tracing::info!(topology.version = put.version, seq, cis, edges, "topology taken");
        }
        Ok(())
    }

    /// Tells what is refused, once for each reason.
    fn tell(&self, kind: Kind, error: &anyhow::Error) {
        let why = format!("{error:#}");
        if self.refused.now().get(&kind) == Some(&why) {
            return;
        }
        for line in why.lines() {
            tracing::error!("{line}");
        }
        tracing::error!("{} refused, the old ones stay in force", kind.as_str());
        self.refused.note(kind, Some(why));
    }
}

/// Warns of each receiver that routes name and nobody has configured; where there is none at all, that says it.
pub fn warn_of_unknown<'a>(receivers: &BTreeSet<ReceiverId>, named: impl IntoIterator<Item = &'a ReceiverId>) {
    if receivers.is_empty() {
        return;
    }
    for name in named.into_iter().filter(|name| !receivers.contains(*name)) {
        tracing::warn!(receiver = %name, "{UNKNOWN_RECEIVER}");
    }
}

/// Waits until nothing more changes.
async fn settle(changes: &mut UnboundedReceiver<()>) {
    let end = Instant::now() + PATIENCE;
    loop {
        let until = (Instant::now() + QUIET).min(end);
        match timeout_at(until, changes.recv()).await {
            Ok(Some(())) if Instant::now() < end => {}
            Ok(_) | Err(_) => return,
        }
    }
}
