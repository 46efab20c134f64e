//! What was learned of series goes with them: when a part becomes somebody else's turn, whoever had it lays down what it knows, and
//! whoever gets it takes that up before it reads on. An instance that stops lays down everything.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::domain::ids::TenantId;
use crate::intake::Intake;
use crate::intake::handing::Learned;
use crate::nats::parcels::Parcels;
use crate::nats::publish::PublishError;
use crate::pipeline::Pipeline;

/// How often it is looked for what goes and comes.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// For so long after a part came its former owner's word is waited for.
const AWAITED: Duration = Duration::from_secs(30);
/// The longest that a stop takes for it.
const STOP_TIME_MAX: Duration = Duration::from_secs(10);

/// Sees to it.
pub struct Handing {
    parcels: Parcels,
    pipeline: Arc<Pipeline>,
    intake: Arc<Intake>,
    /// The parts that are watched here, and until when another owner's word of each is waited for.
    awaited: BTreeMap<u16, Instant>,
    /// The parcels that were taken up, by name.
    taken: BTreeMap<String, u64>,
}

impl Handing {
    /// Of the series that this instance watches.
    pub fn new(parcels: Parcels, pipeline: Arc<Pipeline>, intake: Arc<Intake>) -> Self {
        Self { parcels, pipeline, intake, awaited: BTreeMap::new(), taken: BTreeMap::new() }
    }

    /// Lays down and takes up until the future is dropped.
    pub async fn run(mut self) {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            lay_down(&self.parcels, self.intake.senses().handed_over()).await;
            let Some(duty) = self.pipeline.lease.known_duty() else { continue };
            self.follow(&duty.watches);
            if self.awaited.values().any(|until| Instant::now() < *until) {
                self.take_up().await;
            }
        }
    }

    fn follow(&mut self, mine: &BTreeSet<u16>) {
        self.intake.senses().hand_over(mine);
        self.awaited.retain(|part, _| mine.contains(part));
        let until = Instant::now() + AWAITED;
        mine.iter().for_each(|part| _ = self.awaited.entry(*part).or_insert(until));
    }

    async fn take_up(&mut self) {
        let names = match self.parcels.names().await {
            Ok(names) => names,
            Err(error) => return tracing::debug!(%error, "what others learned is not looked for"),
        };
        let is_awaited = |part: u16| self.awaited.get(&part).is_some_and(|until| Instant::now() < *until);
        let wanted: Vec<(String, TenantId)> = names
            .into_iter()
            .filter_map(|name| {
                let (tenant, part) = name.rsplit_once('.')?;
                let tenant = TenantId::from(tenant);
                part.parse().ok().filter(|part| is_awaited(*part)).map(|_: u16| (name.clone(), tenant))
            })
            .collect();
        for (name, tenant) in wanted {
            let known = self.taken.get(&name).copied().unwrap_or_default();
            match self.parcels.get(&name, known).await {
                Ok(Some((number, packed))) => {
                    let series = self.intake.senses().take_over(&tenant, &packed, (self.pipeline.clock)());
                    tracing::info!(%tenant, parcel = name, series, "what another instance learned of series goes on here");
                    self.taken.insert(name, number);
                }
                Ok(None) => {}
                Err(error) => tracing::debug!(%error, parcel = name, "what another instance learned is not read"),
            }
        }
    }
}

/// Lays down all that this instance has learned: it stops.
pub async fn lay_down_all(parcels: &Parcels, intake: &Intake) {
    let all = intake.senses().all_learned();
    if tokio::time::timeout(STOP_TIME_MAX, lay_down(parcels, all)).await.is_err() {
        tracing::warn!(
            "not all that was learned of series is handed over: the next owner learns the rest from the stream"
        );
    }
}

async fn lay_down(parcels: &Parcels, all: Vec<Learned>) {
    for Learned { tenant, part, packed } in all {
        if let Err(error) = parcels.put(&format!("{tenant}.{part}"), &packed).await {
            tracing::warn!(%tenant, part, %error, "what was learned of series is not handed over: its next owner learns from the stream");
            // Where the servers are away the others would wait in vain.
            if !matches!(error, PublishError::TooLong { .. }) {
                return;
            }
        }
    }
}
