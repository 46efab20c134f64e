//! Series as the API shows them, and by what they are judged: the metric model that the journal says is valid for each tenant,
//! one that is tried beside, and one that is made anew from what was kept.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;
use futures::future::BoxFuture;

use crate::api::state::{NoAnswer, Trouble, Watched};
use crate::detect::drift::{DRIFTED_FROM, EDGES, READINGS_MIN};
use crate::detect::jury::{Beside, Model};
use crate::domain::ids::TenantId;
use crate::domain::series::{ModelHealth, ScoreShare, SeriesChart, SeriesQuery, SeriesView, TrialOfSeries};
use crate::domain::time::{Span, Timestamp};
use crate::engine::input::{By, Digest};
use crate::folders::metric::MetricModel;
use crate::intake::Intake;
use crate::intake::counters::Taught;
use crate::intake::settings::Anomalies;
use crate::nats::shelf::Shelf;
use crate::pipeline::Pipeline;
use crate::pipeline::ruling::Ruled;

use super::others::Others;
use super::schedule::Schedule;
use super::together::{self, Came, Together};

/// How often the journal's word is compared with what series are judged by.
const LOOK_EVERY: Duration = Duration::from_secs(1);
const DAY: Span = Span::hours(24);

/// Sees to it that series are judged by what the journal says.
pub struct Judging {
    pub(super) pipeline: Arc<Pipeline>,
    intake: Arc<Intake>,
    pub(super) tenant: TenantId,
    pub(super) data: PathBuf,
    pub(super) settings: Anomalies,
    applied: Mutex<BTreeMap<TenantId, Applied>>,
    /// Why the folder of the settings was refused.
    refused: Mutex<Option<String>>,
    /// When models are made by themselves.
    pub(super) schedule: Schedule,
    /// The other instances.
    pub(super) together: Option<Together>,
}

/// What a tenant's series are judged by.
#[derive(Clone, Debug, Default)]
pub(super) struct Applied {
    valid: Option<Digest>,
    /// None: the built-in one, or one that cannot be read.
    pub(super) model: Option<MetricModel>,
    trial: Option<(u64, Digest)>,
}

impl Judging {
    /// Over a pipeline and a door.
    pub fn new(tenant: &TenantId, settings: &Anomalies, pipeline: &Arc<Pipeline>, intake: &Arc<Intake>) -> Self {
        Self {
            pipeline: pipeline.clone(),
            intake: intake.clone(),
            tenant: tenant.clone(),
            data: pipeline.folder.clone(),
            settings: settings.clone(),
            applied: Mutex::default(),
            refused: Mutex::default(),
            schedule: Schedule::default(),
            together: None,
        }
    }

    /// The same among others.
    #[must_use]
    pub fn among(self, shelf: Shelf, others: Arc<Others>) -> Self {
        Self { together: Some(Together::new(shelf, others)), ..self }
    }

    /// The other instances, where there are any.
    pub fn others(&self) -> Option<Arc<Others>> {
        self.together.as_ref().map(|together| together.others.clone())
    }

    pub(super) fn applied(&self) -> MutexGuard<'_, BTreeMap<TenantId, Applied>> {
        self.applied.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts the newest model of the settings' folder in force, and takes what is valid. One that is refused is told, and the one
    /// that is valid goes on.
    pub async fn start(&self) {
        self.look();
        let Some(folder) = self.settings.models.as_deref() else { return };
        if let Err(error) = self.put_newest(folder).await {
            let why = format!("{error:#}");
            tracing::warn!(error = why, "the metric model is refused: the one before goes on");
            self.intake.counters().model(Taught::Refused);
            *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = Some(why);
        }
        self.look();
    }

    async fn put_newest(&self, folder: &Path) -> Result<()> {
        let model = MetricModel::newest(folder)?;
        let by = By { author: "config".into(), reason: folder.display().to_string().into() };
        let put = self.pipeline.put_metric_model(&self.tenant, model.text.to_string(), &by).await?;
        if let Some(seq) = put.seq {
            self.pipeline.until_decided(&self.tenant, seq).await;
        }
        Ok(())
    }

    /// Follows the journal, makes models on schedule, and answers other instances, until the future is dropped.
    pub async fn run(self: Arc<Self>) {
        let answer = async {
            if let Some(others) = self.others() {
                others.answer(self.intake.clone(), self.clone()).await;
            }
        };
        tokio::join!(answer, self.follow());
    }

    async fn follow(&self) {
        let mut told_at = Instant::now();
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            self.look();
            if let Some(together) = self.together.as_ref().filter(|_| told_at.elapsed() >= together::EVERY) {
                told_at = Instant::now();
                together.exchange(self.trials(), self.schedule.held()).await;
            }
            self.keep_to_schedule().await;
        }
    }

    /// What came here of what is tried.
    fn trials(&self) -> Vec<Came> {
        let tried: Vec<TenantId> =
            self.applied().iter().filter(|(_, one)| one.trial.is_some()).map(|(tenant, _)| tenant.clone()).collect();
        let senses = self.intake.senses();
        let came = |tenant: TenantId| senses.tried(&tenant).map(|(seq, trial)| Came { tenant, seq, trial });
        tried.into_iter().filter_map(came).collect()
    }

    /// Takes what the journal says of each tenant where that is not what its series are judged by.
    pub(super) fn look(&self) {
        for tenant in self.pipeline.rulings().tenants() {
            let ruled = self.pipeline.rulings().ruled(&tenant);
            let mut applied = self.applied();
            let known = applied.entry(tenant.clone()).or_default();
            self.take_valid(&tenant, &ruled, known);
            self.take_trial(&tenant, &ruled, known);
        }
    }

    fn take_valid(&self, tenant: &TenantId, ruled: &Ruled, known: &mut Applied) {
        let valid = ruled.metric_models.last().map(|one| one.digest.clone());
        if known.valid == valid {
            return;
        }
        let senses = self.intake.senses();
        let model = valid.as_ref().map_or_else(|| Ok(MetricModel::built_in()), |digest| self.read(digest));
        match model {
            Ok(model) => {
                tracing::info!(%tenant, version = model.version, digest = model.digest, "series are judged by this model");
                senses.judge_by(tenant, Some(Model { version: model.version, numbers: model.numbers }));
                self.intake.counters().model(Taught::Taken(model.version));
                senses.note_fault(tenant, None);
                known.model = Some(model);
            }
            Err(error) => {
                let why = format!("{error:#}");
                tracing::error!(%tenant, error = why, "the metric model cannot be read: series are judged by the last hours alone");
                senses.judge_by(tenant, None);
                self.intake.counters().model(Taught::Refused);
                senses.note_fault(tenant, Some(why));
                known.model = None;
            }
        }
        known.valid = valid;
    }

    fn take_trial(&self, tenant: &TenantId, ruled: &Ruled, known: &mut Applied) {
        let shade = ruled.shade.as_ref();
        let trial = shade.and_then(|shade| Some((shade.seq, shade.metric.clone()?)));
        if known.trial == trial {
            return;
        }
        let read = trial.as_ref().map(|(seq, digest)| {
            let model = self.read(digest)?;
            anyhow::Ok(Beside { trial: *seq, model: Model { version: model.version, numbers: model.numbers } })
        });
        match read.transpose() {
            Ok(beside) => self.intake.senses().try_beside(tenant, beside),
            Err(error) => {
                tracing::error!(%tenant, error = format!("{error:#}"), "the metric model is not tried: it cannot be read");
                self.intake.senses().try_beside(tenant, None);
            }
        }
        known.trial = trial;
    }

    fn read(&self, digest: &Digest) -> Result<MetricModel> {
        MetricModel::parse("model.yaml", &self.pipeline.kept_model(digest)?)
    }

    /// What came of the model that is tried, on all instances.
    pub fn tried(&self, tenant: &TenantId, since_seq: u64) -> Option<TrialOfSeries> {
        let here = self.intake.senses().tried(tenant).filter(|(seq, _)| *seq == since_seq).map(|(_, told)| told);
        match &self.together {
            Some(together) => together.with_others(tenant, since_seq, here),
            None => here,
        }
    }

    /// How a tenant's model is doing.
    pub fn health(&self, tenant: &TenantId) -> ModelHealth {
        let now = (self.pipeline.clock)();
        let applied = self.applied().get(tenant).cloned().unwrap_or_default();
        let built_in = || applied.valid.is_none().then(MetricModel::built_in);
        let model = applied.model.clone().or_else(built_in);
        let trained = model.as_ref().and_then(|model| model.trained);
        let scores = self.intake.senses().scores(tenant);
        let enough = scores.readings() >= READINGS_MIN;
        let drift = trained.filter(|_| enough).map(|of| scores.shares().index(&of.scores));
        let stale_after = Span(DAY.0 * i64::from(self.settings.stale_days));
        let share = |(n, seen): (usize, &u32)| ScoreShare {
            below: EDGES.get(n).copied(),
            seen: *seen,
            made_from: trained.map(|of| of.scores.0[n]),
        };
        let is_old = |until: Timestamp| self.settings.stale_days > 0 && now.since(until) > stale_after;
        let degraded =
            self.intake.senses().faults(now).into_iter().filter(|(of, _)| of.as_ref().is_none_or(|of| of == tenant));
        ModelHealth {
            version: model.as_ref().map(|model| model.version),
            digest: model.map(|model| model.digest).unwrap_or_default(),
            degraded: degraded.map(|(_, why)| why).collect(),
            trained_until: trained.map(|of| of.until),
            is_stale: trained.is_some_and(|of| is_old(of.until)),
            readings: scores.readings(),
            scores: scores.shares().0.iter().enumerate().map(share).collect(),
            drift,
            has_drifted: drift.is_some_and(|index| index >= DRIFTED_FROM),
        }
    }

    /// The tenants whose model is known here.
    pub fn tenants(&self) -> Vec<TenantId> {
        self.applied().keys().cloned().collect()
    }

    /// What is worse than it should be.
    pub fn troubles(&self) -> Vec<Trouble> {
        let kind = "metric series are judged by the last hours alone";
        let faults = self.intake.senses().faults((self.pipeline.clock)());
        let of = |tenant: Option<TenantId>| tenant.map_or_else(String::new, |tenant| format!("tenant {tenant}: "));
        let mut troubles: Vec<Trouble> = faults
            .into_iter()
            .map(|(tenant, why)| Trouble { kind, detail: format!("{}{kind}: {why}", of(tenant)) })
            .collect();
        if let Some(why) = self.refused.lock().unwrap_or_else(PoisonError::into_inner).clone() {
            let kind = "a metric model is refused, the one before goes on";
            troubles.push(Trouble { kind, detail: format!("{kind}: {why}") });
        }
        troubles
    }
}

/// What intake watches.
pub struct Shown {
    pub intake: Arc<Intake>,
    pub judging: Arc<Judging>,
}

impl Watched for Shown {
    fn shown(
        &self,
        tenant: TenantId,
        query: SeriesQuery,
    ) -> BoxFuture<'static, Result<(Vec<SeriesView>, usize), NoAnswer>> {
        let (intake, others) = (self.intake.clone(), self.judging.others());
        Box::pin(async move {
            let here = |query: &SeriesQuery| intake.senses().shown(&tenant, query);
            match others {
                Some(others) => others.series(&tenant, query, here).await,
                None => Ok(here(&query)),
            }
        })
    }

    fn chart(&self, tenant: TenantId, id: String) -> BoxFuture<'static, Result<Option<SeriesChart>, NoAnswer>> {
        let (here, others) = (self.intake.senses().chart(&tenant, &id), self.judging.others());
        Box::pin(async move {
            match others.filter(|_| here.is_none()) {
                Some(others) => others.chart(&tenant, &id).await,
                None => Ok(here),
            }
        })
    }

    fn troubles(&self) -> Vec<Trouble> {
        self.judging.troubles()
    }
}
