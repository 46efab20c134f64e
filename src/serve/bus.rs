//! NATS beside HTTP: events come in, what was committed is told. A cluster that is away or unsafe stops neither the program
//! nor the other doors; it is tried again until it is right.

use std::sync::Arc;
use std::time::Duration;

use async_nats::client::RequestErrorKind;
use async_nats::connection::State;
use async_nats::{Client, HeaderMap, Request};
use axum::Router;
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::config::Config;
use crate::delivery::channels::nats::{Bus as Onto, Post, Posted, Unanswered};
use crate::domain::ids::TenantId;
use crate::domain::time::Span;
use crate::intake::Intake;
use crate::intake::bus::Bus;
use crate::intake::bus::points::{Kept, Mine, PointDoor, ToStream};
use crate::journal::Durability;
use crate::nats::NatsError;
use crate::nats::connect::{Nats, connect};
use crate::nats::queue::Size;
use crate::nats::server::prove_power;
use crate::nats::settings::Settings;
use crate::nats::streams::{Keeping, Wanted, ensure};
use crate::nats::watched::watch;
use crate::pipeline::Pipeline;
use crate::pipeline::herald::Herald;
use crate::pipeline::membership::Role;
use crate::projection::bus::SUBJECTS;

use super::again::{Attempts, PAUSE};
use super::cmdb::CmdbDoor;
use super::desk;

/// The stream that keeps what is told.
const STREAM: &str = "HEADWATER-OUT";

/// What stands on NATS.
pub struct OnNats {
    settings: Settings,
    /// Whether questions are answered.
    answers: bool,
    tenants: Vec<TenantId>,
    durability: Durability,
    /// Between two looks at streams in use.
    look_every: Duration,
    intake: Arc<Intake>,
    pipeline: Arc<Pipeline>,
    app: Router,
    /// Receivers on subjects.
    onto: Onto,
}

impl OnNats {
    /// As the configuration says.
    pub fn new(config: &Config, pipeline: Arc<Pipeline>, intake: Arc<Intake>, app: Router, onto: Onto) -> Self {
        let named = config.nats.tenants.iter().map(|tenant| TenantId::from(tenant.as_str()));
        let mut tenants: Vec<TenantId> = named.collect();
        if tenants.is_empty() {
            tenants.push(config.tenant.clone());
        }
        let mut settings = config.nats.clone();
        settings.intake &= config.cluster.has(Role::Intake);
        settings.cmdb &= config.cluster.has(Role::Intake);
        settings.publish &= config.cluster.has(Role::Delivery);
        let answers = config.cluster.has(Role::Api);
        let (durability, look_every) = (config.durability, config.vitals.pause());
        Self { settings, answers, tenants, durability, look_every, intake, pipeline, app, onto }
    }

    /// Serves until the future is dropped.
    pub async fn run(self) {
        let mut attempts = Attempts::new("NATS is not in use");
        loop {
            let error = match self.begin().await {
                Ok((nats, tasks)) => {
                    tracing::info!(urls = self.settings.urls.join(","), "NATS is in use");
                    return self.watch(&nats, tasks).await;
                }
                Err(error) => error.to_string(),
            };
            self.pipeline.health().note_nats(Some(&error));
            attempts.failed(error).await;
        }
    }

    /// Shows whether the connection stands, for as long as all parts do.
    async fn watch(&self, nats: &Nats, mut tasks: JoinSet<()>) {
        // All of them go on until they are dropped: one that ends has met a bug.
        while timeout(PAUSE, tasks.join_next()).await.is_err() {
            let is_away = nats.client.connection_state() != State::Connected;
            self.pipeline.health().note_nats(is_away.then_some("the connection to NATS is lost"));
        }
        let broken = "a part that serves NATS has broken, restart the program";
        tracing::error!("{broken}");
        self.pipeline.health().note_nats(Some(broken));
        while tasks.join_next().await.is_some() {}
    }

    async fn begin(&self) -> Result<(Nats, JoinSet<()>), NatsError> {
        let nats = connect(&self.settings).await?;
        self.onto.lead_to(post(nats.client.clone()));
        let (mut doors, mut senses) = (Vec::new(), Vec::new());
        if self.settings.intake {
            self.warn_of_power().await;
            for tenant in &self.tenants {
                let size = Size { bytes_max: self.settings.intake_bytes_max, replicas: self.settings.replicas };
                doors.push(Bus::open(self.intake.clone(), nats.clone(), tenant.clone(), size).await?);
                senses.push(self.point_door(&nats, tenant).await?);
            }
            let (tenants, kept) = (self.tenants.clone(), self.kept());
            self.intake.senses().lead(Arc::new(ToStream { nats: nats.clone(), tenants, kept }));
        }
        // Refusals of CMDB exports are told there, too.
        let is_told = self.settings.publish || self.settings.cmdb;
        let herald = if is_told { Some(self.herald(nats.clone()).await?) } else { None };
        let mut cmdbs = Vec::new();
        for tenant in self.tenants.iter().filter(|_| self.settings.cmdb) {
            let size = Size { bytes_max: self.settings.intake_bytes_max, replicas: self.settings.replicas };
            let (pipeline, nats, tenant) = (self.pipeline.clone(), nats.clone(), tenant.clone());
            cmdbs.push(CmdbDoor::open(pipeline, nats, tenant, size, STREAM).await?);
        }
        let mut tasks = JoinSet::new();
        let (of_streams, pipeline, every) = (nats.clone(), self.pipeline.clone(), self.look_every);
        tasks.spawn(async move {
            watch(&of_streams, every, |trouble| pipeline.health().note_streams("events", trouble)).await;
        });
        for door in doors {
            tasks.spawn(door.run());
        }
        for cmdb in cmdbs {
            tasks.spawn(cmdb.run());
        }
        for points in senses {
            tasks.spawn(points.run());
        }
        if self.answers {
            tasks.spawn(answer_always(nats.clone(), self.app.clone()));
        }
        if let Some(herald) = herald.filter(|_| self.settings.publish) {
            tasks.spawn_blocking(move || herald.run());
        }
        Ok((nats, tasks))
    }

    fn kept(&self) -> Kept {
        Kept {
            time: Duration::from_secs(u64::from(self.settings.metric_hours) * 3600),
            bytes_max: self.settings.metric_bytes_max,
            replicas: self.settings.replicas,
        }
    }

    async fn point_door(&self, nats: &Nats, tenant: &TenantId) -> Result<PointDoor, NatsError> {
        let pipeline = self.pipeline.clone();
        let mine: Mine = Arc::new(move || Some(pipeline.lease.known_duty()?.watches.clone()));
        PointDoor::open(self.intake.clone(), nats.clone(), tenant.clone(), self.kept(), mine).await
    }

    /// A source takes the server's confirmation for ours: it should be worth as much.
    async fn warn_of_power(&self) {
        if self.durability == Durability::Process {
            return;
        }
        if let Err(error) = prove_power(&self.settings.monitor_urls, self.settings.replicas).await {
            tracing::warn!(
                %error,
                "`durability: power` does not reach the sources on NATS: what nats-server confirms may be lost with its power"
            );
        }
    }

    async fn herald(&self, nats: Nats) -> Result<Herald, NatsError> {
        let wanted = Wanted {
            name: STREAM.into(),
            subjects: SUBJECTS.iter().map(|subject| (*subject).to_owned()).collect(),
            keeping: Keeping::Feed {
                age_max: Duration::from_secs(u64::from(self.settings.publish_days) * 86_400),
                bytes_max: -1,
            },
            replicas: self.settings.replicas,
        };
        ensure(&nats, &wanted).await?;
        let stream = wanted;
        let pipeline = self.pipeline.clone();
        let age_max = Span::hours(24 * i64::from(self.settings.publish_days));
        Ok(Herald { pipeline, nats, runtime: Handle::current(), stream, age_max })
    }
}

/// Answers questions; begins again after a failure.
async fn answer_always(nats: Nats, app: Router) {
    loop {
        if let Err(error) = desk::answer(nats.clone(), app.clone()).await {
            tracing::warn!(%error, "questions over NATS are not answered, trying again");
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Messages to subjects, each a request that somebody answers.
fn post(client: Client) -> Post {
    Arc::new(move |Posted { subject, key, body, timeout }| {
        let client = client.clone();
        Box::pin(async move {
            let mut headers = HeaderMap::new();
            headers.insert("Nats-Msg-Id", key.as_str());
            let request = Request::new().headers(headers).payload(body.into()).timeout(Some(timeout));
            let answer = client.send_request(subject, request).await;
            answer.map(|message| message.payload).map_err(|error| match error.kind() {
                RequestErrorKind::NoResponders => Unanswered::Nobody,
                RequestErrorKind::TimedOut => Unanswered::Away("not in time".into()),
                _ => Unanswered::Away(error.to_string()),
            })
        })
    })
}
