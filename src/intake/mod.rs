//! The door in: HTTP, and NATS (`bus`). A request passes, in this order: credential, headers, rate, room, body, decoder, journal. It is
//! answered "accepted" only when the journal says that its events are durable; until then nothing is promised.

pub mod again;
pub mod body;
pub mod bus;
pub mod counters;
pub mod daybook;
mod deeds;
pub mod foreign;
pub mod format;
pub mod gate;
pub mod handing;
pub mod heartbeats;
mod judged;
pub mod lines;
pub mod listen;
mod once;
pub mod points;
pub mod rates;
pub mod receipt;
pub mod refusal;
pub mod registry;
pub mod routes;
pub mod senses;
pub mod settings;
pub mod signed;
pub mod sink;
mod telling;
pub mod writes;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;

use crate::decode::formats::Formats;
use crate::decode::limits::Limits;
use crate::domain::ids::{SourceId, TenantId};
use crate::domain::time::Timestamp;
use crate::shared::Shared;
use body::Room;
use counters::IntakeCounters;
use gate::Gate;
use rates::{Rates, Turn};
use refusal::Refusal;
use registry::Registry;
use senses::Senses;
use settings::Settings;
use sink::{Sink, SinkError};

/// The machine's clock.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// What the routes need.
pub struct Intake {
    settings: Settings,
    limits: Limits,
    gate: Arc<dyn Gate>,
    sink: Arc<dyn Sink>,
    now: Clock,
    formats: ArcSwap<Formats>,
    rates: Rates,
    room: Room,
    counters: Arc<IntakeCounters>,
    senses: Arc<Senses>,
    registry: Arc<Registry>,
    once: once::Once,
}

impl Intake {
    /// Puts the parts together.
    pub fn new(
        settings: Settings,
        formats: Arc<Formats>,
        gate: Arc<dyn Gate>,
        sink: Arc<dyn Sink>,
        now: Clock,
    ) -> Self {
        let counters = Arc::<IntakeCounters>::default();
        Self {
            limits: Limits { events: settings.events_max, ..Limits::MODEL },
            rates: Rates::new(&settings),
            room: Room::new(&settings),
            senses: Arc::new(Senses::new(&settings, sink.clone(), counters.clone())),
            counters,
            formats: ArcSwap::new(formats),
            settings,
            gate,
            sink,
            now,
            registry: Arc::new(Registry::in_memory()),
            once: once::Once::default(),
        }
    }

    /// With the registry of a data folder.
    pub fn with_registry(self, registry: Registry) -> Self {
        Self { registry: Arc::new(registry), ..self }
    }

    /// From now on other instances are there: points go to whoever watches their source, heartbeats into the journal.
    pub fn share(&self) {
        self.senses.share();
        self.registry.share();
    }

    /// Who sends, and what is expected of them.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// How long a message must wait before its source may send it, for doors where nobody can be refused.
    async fn turn(&self, tenant: &TenantId, source: &SourceId, turn: &mut Turn) -> Option<Duration> {
        let own = self.registry.rate(tenant, source);
        self.rates.turn((tenant, source), own, turn).await
    }

    /// Refuses what a source sends that is switched off.
    fn enabled(&self, tenant: &TenantId, source: &SourceId, now: Timestamp) -> Result<(), Refusal> {
        if self.registry.is_enabled(tenant, source, now) { Ok(()) } else { Err(Refusal::SwitchedOff) }
    }

    /// What a sender hears when what it sent was not kept.
    fn not_kept(&self, source: &SourceId, error: SinkError) -> Refusal {
        match error {
            SinkError::TryLater { wait } => {
                Refusal::Busy { wait_secs: wait.as_secs().max(self.settings.retry_after_secs) }
            }
            SinkError::Failed(cause) => {
                tracing::error!(source.id = %source, cause, "what came in is not kept");
                Refusal::Failed
            }
        }
    }

    /// From now on the rates of sources are those of all instances together.
    pub fn share_rates(&self, shared: Arc<Shared>) {
        self.rates.share(shared);
    }

    /// From now on a signed delivery is taken once by all instances together.
    pub fn share_deliveries(&self, shared: Arc<Shared>) {
        self.once.share(shared);
    }

    /// Takes other formats from the next request on.
    pub fn replace_formats(&self, formats: Arc<Formats>) {
        self.formats.store(formats);
    }

    /// The formats of the present moment.
    pub fn formats(&self) -> Arc<Formats> {
        self.formats.load_full()
    }

    /// What has been counted, for telemetry.
    pub fn counters(&self) -> &Arc<IntakeCounters> {
        &self.counters
    }

    /// What watches metric points.
    pub fn senses(&self) -> &Arc<Senses> {
        &self.senses
    }

    /// Tells what is unusual until the future is dropped.
    pub async fn tell_anomalies(self: Arc<Self>) {
        self.senses.run(|| (self.now)()).await;
    }

    /// Bytes of bodies that are being received or wait for the journal.
    pub fn in_flight_bytes(&self) -> usize {
        self.room.taken_bytes()
    }
}
