//! The server: pipeline, API and console behind one listener, until it is told to stop.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use axum::Router;
use futures::future::BoxFuture;
use tokio::net::TcpListener;

use crate::access::store::Tokens;
use crate::api::access::{Authenticate, Caller};
use crate::api::routes::router;
use crate::api::session::Sessions;
use crate::api::state::{Api, Settings, WriteError, Writes};
use crate::clock::{Clock, machine};
use crate::connections;
use crate::console;
use crate::decode::formats::Formats;
use crate::delivery;
use crate::delivery::settings::{Common, Ready, ReceiverSettings, prepare};
use crate::domain::access::Credential;
use crate::domain::ids::{ReceiverId, TenantId};
use crate::engine::input::{Batch, Command, DeadLetter, Input};
use crate::intake::sink::{Accepted, Sink, SinkError};
use crate::intake::{self, Intake};
use crate::journal::{AppendError, Durability, Journal};
use crate::pipeline::{Options, Pipeline, partition_of};

/// The file with the tokens' hashes, in the data folder.
pub const TOKENS_FILE: &str = "tokens.json";
/// The file with the console's sessions, in the data folder.
pub const SESSIONS_FILE: &str = "sessions.json";
/// How long a stop waits for open connections, and then for receivers that are being told.
const DRAIN: Duration = Duration::from_secs(10);

/// What `serve` is told.
#[derive(Clone, Debug)]
pub struct Serve {
    pub data: PathBuf,
    pub listen: SocketAddr,
    pub durability: Durability,
    pub topology: Option<PathBuf>,
    /// Who can be told.
    pub receivers: Vec<ReceiverSettings>,
    /// How hard it is tried.
    pub delivery: delivery::settings::Settings,
    /// How people reach the console; empty: messages have no link.
    pub base_url: String,
}

/// The token store of a data folder.
///
/// # Errors
/// When the file is there but unreadable, or others may read it.
pub fn tokens(data: &Path) -> Result<Tokens> {
    Ok(Tokens::open(&data.join(TOKENS_FILE))?)
}

/// Serves until SIGTERM or Ctrl-C.
///
/// # Errors
/// When the folder is in use or damaged, or the address cannot be had; says what to do.
pub async fn run(options: Serve) -> Result<()> {
    std::fs::create_dir_all(&options.data).with_context(|| format!("make {}", options.data.display()))?;
    let tokens = Arc::new(tokens(&options.data)?);
    let clock = machine();
    if tokens.is_empty(clock()) && !options.listen.ip().is_loopback() {
        bail!(
            "no token in {}: nobody could sign in on {}; make one with `headwater token create --data {} --role admin --name you`",
            options.data.join(TOKENS_FILE).display(),
            options.listen,
            options.data.display()
        );
    }
    let listener = TcpListener::bind(options.listen).await.with_context(|| format!("listen on {}", options.listen))?;
    let receivers = receivers(&options, listener.local_addr()?.port(), &clock)?;
    let opening = Options { durability: options.durability, clock: clock.clone(), receivers: Some(receivers) };
    let pipeline = start(&options.data, opening).await?;
    for name in delivery::settings::unknown(&options.receivers, &pipeline.named_receivers) {
        tracing::warn!(receiver = %name, "the routes name a receiver that is not configured: its notices are kept as undelivered; add it to `receivers`");
    }
    if let Some(file) = &options.topology {
        let tenant = TenantId::from("default");
        let bytes = crate::lab::files::read(file)?;
        let (put, quality) = pipeline.put_topology(&tenant, bytes).await?;
        tracing::info!(topology.version = put.version, seq = ?put.seq, cis = quality.cis, edges = quality.edges, "topology taken");
    }
    tracing::info!(address = %listener.local_addr()?, data = %options.data.display(), "serving");
    let sessions = Sessions::kept_in(&options.data.join(SESSIONS_FILE), clock());
    let app = app(&pipeline, tokens, sessions, clock);
    let serving = connections::serve(listener, app, told_to_stop());
    let stopping = async {
        told_to_stop().await;
        tokio::time::sleep(DRAIN).await;
    };
    tokio::select! {
        () = serving => {}
        () = stopping => tracing::warn!("connections were still open after the drain"),
    }
    pipeline.courier.close(DRAIN).await;
    let stopped = pipeline.clone();
    tokio::task::spawn_blocking(move || stopped.stop()).await?;
    tracing::info!("stopped");
    Ok(())
}

/// The receivers of the configuration, ready to be told.
///
/// # Errors
/// Everything that is wrong with them, each with its place.
fn receivers(options: &Serve, own_port: u16, clock: &Clock) -> Result<BTreeMap<ReceiverId, Ready>> {
    let common = Common {
        settings: options.delivery.clone(),
        base_url: options.base_url.clone(),
        own_ports: vec![own_port],
        clock: clock.clone(),
    };
    prepare(&options.receivers, &common).map_err(|errors| {
        let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
        anyhow!(lines.join("\n"))
    })
}

/// Opens the pipeline of a data folder without blocking the runtime.
///
/// # Errors
/// When the folder is in use, damaged or unreadable.
pub async fn start(data: &Path, options: Options) -> Result<Arc<Pipeline>> {
    let data = data.to_owned();
    tokio::task::spawn_blocking(move || Pipeline::start(&data, options)).await?
}

/// Everything that is served: API and console over a pipeline.
pub fn app(pipeline: &Arc<Pipeline>, tokens: Arc<Tokens>, sessions: Sessions, clock: Clock) -> Router {
    let (of_topology, of_readiness) = (pipeline.clone(), pipeline.clone());
    let (tokens_for_intake, door_clock) = (tokens.clone(), clock.clone());
    let api = Api {
        live: pipeline.live.clone(),
        auth: Arc::new(Bearers { tokens, clock: clock.clone() }),
        writes: Arc::new(Pen { pipeline: pipeline.clone() }),
        topology: Arc::new(move |tenant| of_topology.topology(tenant)),
        sessions,
        settings: Settings { open_metrics: true, ..Settings::default() },
        now: clock,
        readiness: Arc::new(move || of_readiness.health().failure().into_iter().collect()),
    };
    let gate = tokens_for_intake;
    let formats = Arc::new(Formats::built_in());
    let sink = Arc::new(Pen { pipeline: pipeline.clone() });
    let intake = Arc::new(Intake::new(intake::settings::Settings::default(), formats, gate, sink, door_clock));
    router(Arc::new(api), console::router().merge(intake::routes::routes(intake)))
}

async fn told_to_stop() {
    let interrupt = async { tokio::signal::ctrl_c().await.unwrap_or_default() };
    let terminate = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => drop(signal.recv().await),
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        () = interrupt => {}
        () = terminate => {}
    }
}

struct Bearers {
    tokens: Arc<Tokens>,
    clock: Clock,
}

impl Authenticate for Bearers {
    fn bearer(&self, token: &str) -> Option<Caller> {
        self.tokens.verify(token, (self.clock)()).map(|credential| caller(&credential))
    }

    fn proven(&self, credential: &str) -> Option<Caller> {
        self.tokens.proven(credential, (self.clock)()).map(|credential| caller(&credential))
    }
}

fn caller(credential: &Credential) -> Caller {
    Caller {
        credential: credential.id.clone(),
        name: credential.name.clone(),
        tenant: credential.tenant.clone(),
        role: credential.role,
        orgs: credential.orgs.clone(),
    }
}

struct Pen {
    pipeline: Arc<Pipeline>,
}

impl Writes for Pen {
    fn command(&self, command: Command) -> BoxFuture<'static, Result<u64, WriteError>> {
        let store = self.pipeline.store.clone();
        Box::pin(async move {
            let partition = partition_of(&command.tenant);
            let appended = store.append(partition, Input::Command(command)).await.map_err(refusal)?;
            Ok(appended.seq)
        })
    }

    fn replay(&self, _tenant: TenantId, letter: DeadLetter) -> BoxFuture<'static, Result<u64, WriteError>> {
        let errors = vec![format!("decoder {} cannot be run again over the API; send the event again", letter.decoder)];
        Box::pin(async move { Err(WriteError::Refused { errors }) })
    }
}

impl Sink for Pen {
    fn accept(&self, batch: Batch) -> BoxFuture<'_, Result<Accepted, SinkError>> {
        Box::pin(async move {
            let partition = partition_of(&batch.tenant);
            match self.pipeline.store.append(partition, Input::Batch(batch)).await {
                Ok(appended) => Ok(Accepted { seq: appended.seq, first: 0 }),
                Err(AppendError::TryLater { wait } | AppendError::Full { wait }) => Err(SinkError::TryLater { wait }),
                Err(error @ (AppendError::Unfit { .. } | AppendError::Halted { .. })) => {
                    Err(SinkError::Failed(error.to_string()))
                }
            }
        })
    }
}

fn refusal(error: AppendError) -> WriteError {
    match error {
        AppendError::TryLater { wait } | AppendError::Full { wait } => WriteError::TryLater { wait },
        AppendError::Unfit { .. } | AppendError::Halted { .. } => {
            WriteError::Refused { errors: vec![error.to_string()] }
        }
    }
}
