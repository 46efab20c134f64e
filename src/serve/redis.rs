//! Redis beside everything else: what instances share. Its absence stops nothing and is told.

use std::sync::Arc;

use anyhow::{Result, anyhow};

use super::asides::Asides;
use super::view::{Others, View, ViewCounts};
use crate::api::session::Sessions;
use crate::clock::Clock;
use crate::config::Config;
use crate::intake::Intake;
use crate::pipeline::Pipeline;
use crate::shared::Shared;

/// What stands on Redis.
#[derive(Clone)]
pub struct OnRedis {
    pub shared: Arc<Shared>,
    pub view: Arc<ViewCounts>,
    others: Others,
}

impl OnRedis {
    /// As the configuration says; none: Redis is not used.
    ///
    /// # Errors
    /// When the addresses cannot be read.
    pub fn new(config: &Config) -> Result<Option<Self>> {
        if !config.redis.is_on() {
            return Ok(None);
        }
        let shared = Shared::new(config.redis.clone()).map_err(|error| anyhow!(error))?;
        // Alone, the lock on the data folder sees to it that nobody else follows this outbox.
        let others = if config.cluster.on { Others::Some } else { Others::None };
        Ok(Some(Self { shared, view: Arc::default(), others }))
    }

    /// Sessions as they are shared, unless the configuration says that they are not.
    pub fn sessions(&self, sessions: Sessions) -> Sessions {
        if self.shared.settings.sessions { sessions.shared_by(self.shared.clone()) } else { sessions }
    }

    /// What is signed is taken once by all instances, and what comes in is counted by all, unless the configuration says that
    /// each counts alone.
    pub fn count_together(&self, intake: &Intake) {
        intake.share_deliveries(self.shared.clone());
        if self.shared.settings.rates {
            intake.share_rates(self.shared.clone());
        }
    }

    /// Keeps the connection and the view until the tasks are dropped.
    pub fn start(&self, pipeline: &Arc<Pipeline>, clock: &Clock, asides: &mut Asides) {
        let of_health = pipeline.clone();
        let shared = self.shared.clone();
        asides.spawn("redis", async move { shared.keep(|trouble| of_health.health().note_redis(trouble)).await });
        if self.shared.settings.view {
            let view = View::new(pipeline.live.clone(), self.shared.clone(), clock.clone(), self.others);
            asides.spawn("redis view", view.counting(self.view.clone()).run());
        }
    }
}
