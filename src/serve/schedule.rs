//! Metric models that are made anew: when a person asks, and on schedule. When the last one was made is in the journal, so a
//! restart counts on; of several instances the one that keeps most of a tenant's readings makes its model.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Result, bail};

use super::series::Judging;
use crate::api::state::Retrained;
use crate::domain::ids::TenantId;
use crate::domain::time::{Span, Timestamp};
use crate::engine::input::By;
use crate::folders::metric::MetricModel;
use crate::lab::series::recorded::Held;
use crate::lab::series::{fit, recorded};
use crate::pipeline::put::Trial;

/// Who makes models on schedule.
pub const TRAINER: &str = "headwater";
/// How often it is counted what is kept.
const COUNT_EVERY: Span = Span::hours(1);
const DAY: Span = Span::hours(24);

/// What is kept here to make models from, and what came to nothing.
#[derive(Default)]
pub(super) struct Schedule {
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    counted_at: Option<Timestamp>,
    held: BTreeMap<TenantId, Held>,
    /// When no model could be made; it is tried again a day later.
    failed_at: BTreeMap<TenantId, Timestamp>,
}

impl Schedule {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many readings are kept here, by tenant.
    pub fn held(&self) -> BTreeMap<TenantId, u64> {
        self.known().held.iter().map(|(tenant, held)| (tenant.clone(), held.readings)).collect()
    }
}

impl Judging {
    /// Makes a model for every tenant whose last one is old, where that is this instance's turn.
    pub async fn keep_to_schedule(&self) {
        let is_on = self.settings.retrain_days > 0;
        let now = (self.pipeline.clock)();
        if is_on || self.together.is_some() {
            self.count_readings(now).await;
        }
        if !is_on || !self.pipeline.lease.is_valid() {
            return;
        }
        let held = self.schedule.known().held.clone();
        for (tenant, held) in held.into_iter().filter(|(tenant, held)| self.is_due(tenant, *held, now)) {
            let by = By { author: TRAINER.into(), reason: "on schedule".into() };
            if let Err(error) = self.retrain(&tenant, &by).await {
                tracing::warn!(%tenant, readings = held.readings, error = format!("{error:#}"), "no metric model was made on schedule");
                self.schedule.known().failed_at.insert(tenant, now);
            }
        }
    }

    async fn count_readings(&self, now: Timestamp) {
        let is_known = |at: Timestamp| now.since(at) < COUNT_EVERY;
        if self.schedule.known().counted_at.is_some_and(is_known) {
            return;
        }
        let data = self.data.clone();
        let held = tokio::task::spawn_blocking(move || recorded::held(&data)).await;
        let mut known = self.schedule.known();
        known.counted_at = Some(now);
        match held.map_err(anyhow::Error::from).and_then(|held| held) {
            Ok(held) => known.held = held,
            Err(error) => tracing::warn!(error = format!("{error:#}"), "readings kept for training are not counted"),
        }
    }

    /// Whether a tenant's model is to be made now, here: nothing is tried, and the last one was made long ago. Without one, it is
    /// when readings have been kept for as long.
    fn is_due(&self, tenant: &TenantId, held: Held, now: Timestamp) -> bool {
        let ruled = self.pipeline.rulings().ruled(tenant);
        let failed = self.schedule.known().failed_at.get(tenant).is_some_and(|at| now.since(*at) < DAY);
        if ruled.shade.is_some() || failed || self.elsewhere(tenant, held.readings).is_some() {
            return false;
        }
        let days = |days: u16| Span(i64::from(days) * DAY.0);
        let every = days(self.settings.retrain_days);
        let made = self.applied().get(tenant).and_then(|one| one.model.as_ref()?.trained).map(|of| of.until);
        match made.max(ruled.metric_tried_at) {
            Some(last) => now.since(last) >= every,
            None => now.since(held.since) >= every.min(days(self.settings.kept_days.saturating_sub(1))),
        }
    }

    /// The instance that makes the tenant's models, when that is another one, or not known.
    fn elsewhere(&self, tenant: &TenantId, here: u64) -> Option<String> {
        let together = self.together.as_ref()?;
        let trainer = together.trainer(tenant, here, &self.pipeline.health().instances()).unwrap_or_default();
        (trainer != together.instance()).then_some(trainer)
    }

    /// Makes a model where most of a tenant's readings are kept: here, or by another instance.
    ///
    /// # Errors
    /// As [`Judging::retrain`], and when the other instance does not answer.
    pub async fn retrain_anywhere(&self, tenant: &TenantId, by: &By) -> Result<Retrained> {
        let here = self.schedule.known().held.get(tenant).map_or(0, |held| held.readings);
        let elsewhere = self.elsewhere(tenant, here).filter(|name| !name.is_empty());
        match elsewhere.zip(self.others()) {
            Some((instance, others)) => others.retrain(&instance, tenant, by).await,
            None => self.retrain(tenant, by).await,
        }
    }

    /// Makes a model from what was kept here of a tenant's series and lets it run beside what is valid; nobody but a person
    /// activates it.
    ///
    /// # Errors
    /// When too little was kept, something else is tried, or the journal does not take it; says what to do.
    pub async fn retrain(&self, tenant: &TenantId, by: &By) -> Result<Retrained> {
        // Making one takes its time: nothing is made in vain.
        if self.pipeline.rulings().ruled(tenant).shade.is_some() {
            bail!("something is tried already: end it first (headwater shadow end)");
        }
        let (data, of) = (self.data.clone(), tenant.clone());
        let per_day = f64::from(self.settings.false_alarms_per_mille) / 1000.0;
        let fitted = tokio::task::spawn_blocking(move || {
            let series = recorded::read(&data, &of)?;
            fit::fit(&series, per_day, |_, _| {})
        });
        let found = fitted.await??;
        let valid = self.applied().get(tenant).and_then(|one| one.model.as_ref().map(|model| model.version));
        let version = valid.unwrap_or(1) + 1;
        let text = MetricModel::text_of(version, &found.numbers, &found.trained);
        let trial = Trial { metric: Some(text), ..Trial::default() };
        let seq = self.pipeline.put_shade(tenant, trial, by).await?;
        self.look();
        tracing::info!(%tenant, version, seq, "a metric model was made and is tried beside what is valid");
        Ok(Retrained {
            seq,
            version,
            series: found.trained.series,
            told_from: found.numbers.told_from,
            false_alarms_per_day: found.quiet.per_series_day(),
        })
    }
}
