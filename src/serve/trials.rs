//! Models and trials over a pipeline.

use std::sync::Arc;

use anyhow::Context as _;
use futures::future::BoxFuture;

use crate::api::state::{ModelKind, ModelSet, NewTrial, PutInForce, Retrained, ShadowState, Trials, WriteError};
use crate::domain::ids::TenantId;
use crate::domain::series::ModelHealth;
use crate::domain::time::Span;
use crate::engine::input::By;
use crate::engine::policy::Policy;
use crate::engine::policy::place::{Basis, RuleFile};
use crate::folders::metric::{METRIC, MetricModel};
use crate::folders::models::Model;
use crate::lab::choice::Choice;
use crate::pipeline::Pipeline;
use crate::pipeline::put::{PutError, Trial};
use crate::pipeline::ruling::{RuleVersion, Ruled};
use crate::replay;

use super::behind::lines;
use super::series::Judging;

/// What the reason of an activation begins with: a roll-back finds it by that.
const ACTIVATED: &str = "shadow ";
/// And that of a roll-back.
const TAKEN_BACK: &str = "rollback ";

/// Tries things, and puts them in force.
pub struct Bench {
    pub pipeline: Arc<Pipeline>,
    pub judging: Arc<Judging>,
}

impl Trials for Bench {
    fn models(&self, tenant: &TenantId, kind: ModelKind) -> Vec<ModelSet> {
        let known = self.pipeline.rulings().ruled(tenant);
        let (versions, digest) = match kind {
            ModelKind::Correlation => (&known.models, Model::built_in().digest),
            ModelKind::Metric => (&known.metric_models, MetricModel::built_in().digest),
        };
        let own = versions.iter().rev().map(|version| ModelSet {
            version: version.version,
            digest: version.digest.0.to_string(),
            by: By { author: version.author.clone(), reason: version.reason.clone() },
            at: Some(version.at),
            seq: version.seq,
        });
        let built_in = ModelSet { digest, ..ModelSet::default() };
        own.chain([built_in]).collect()
    }

    fn model_text(&self, tenant: &TenantId, kind: ModelKind, version: u64) -> Result<Option<String>, String> {
        let text = match kind {
            ModelKind::Correlation => self.pipeline.model_text(tenant, version),
            ModelKind::Metric => self.pipeline.metric_model_text(tenant, version),
        };
        text.map_err(|error| format!("{error:#}"))
    }

    fn metric_health(&self, tenant: &TenantId) -> ModelHealth {
        self.judging.health(tenant)
    }

    fn retrain(&self, tenant: TenantId, by: By) -> BoxFuture<'static, Result<Retrained, WriteError>> {
        let judging = self.judging.clone();
        Box::pin(async move { judging.retrain_anywhere(&tenant, &by).await.map_err(|error| lines(&error)) })
    }

    fn put_model(
        &self,
        tenant: TenantId,
        by: By,
        text: String,
    ) -> BoxFuture<'static, Result<(Option<u64>, u64), WriteError>> {
        let pipeline = self.pipeline.clone();
        Box::pin(async move {
            let put = match kind_of(&text) {
                ModelKind::Correlation => pipeline.put_model(&tenant, text, &by).await,
                ModelKind::Metric => pipeline.put_metric_model(&tenant, text, &by).await,
            };
            let put = put.map_err(|error| lines(&error))?;
            Ok((put.seq, put.version))
        })
    }

    fn shadow(&self, tenant: &TenantId) -> ShadowState {
        let Some(shade) = self.pipeline.rulings().ruled(tenant).shade.clone() else { return ShadowState::default() };
        let shown = self.pipeline.shadows.load().get(tenant).cloned().unwrap_or_default();
        // What is shown may still be that of another trial.
        let is_this = shown.shade.as_ref().is_some_and(|known| known.seq == shade.seq);
        let report = shown.report.clone().filter(|_| is_this);
        // One that has not begun is behind by all that came since; a metric model alone is tried where series are watched.
        let since = || self.pipeline.live.read().known_seq().saturating_sub(shade.seq);
        let is_compared = shade.rules.is_some() || shade.model.is_some();
        let lag = if is_this { shown.lag } else { since() };
        ShadowState {
            since_seq: shade.seq,
            by: By { author: shade.author, reason: shade.reason },
            at: Some(shade.at),
            has_rules: shade.rules.is_some(),
            has_model: shade.model.is_some(),
            seq: shown.seq,
            lag: if is_compared { lag } else { 0 },
            begun_anew: shown.begun_anew,
            failure: shown.failure.clone().filter(|_| is_this),
            report,
            has_metric: shade.metric.is_some(),
            metric: self.judging.tried(tenant, shade.seq),
        }
    }

    fn put_shadow(&self, tenant: TenantId, by: By, tried: NewTrial) -> BoxFuture<'static, Result<u64, WriteError>> {
        let pipeline = self.pipeline.clone();
        Box::pin(async move {
            let NewTrial { rules, model, metric, in_place_of } = tried;
            let trial = Trial { rules, model, metric, in_place_of };
            pipeline.put_shade(&tenant, trial, &by).await.map_err(|error| lines(&error))
        })
    }

    fn activate(&self, tenant: TenantId, by: By, since_seq: u64) -> BoxFuture<'static, Result<PutInForce, WriteError>> {
        let pipeline = self.pipeline.clone();
        Box::pin(async move { activate(&pipeline, &tenant, by, since_seq).await.map_err(|error| lines(&error)) })
    }

    fn activated(&self, tenant: &TenantId) -> Option<By> {
        let ruled = self.pipeline.rulings().ruled(tenant);
        activated(&ruled).map(|one| By { author: one.author.clone(), reason: one.reason.clone() })
    }

    fn roll_back(&self, tenant: TenantId, by: By) -> BoxFuture<'static, Result<PutInForce, WriteError>> {
        let pipeline = self.pipeline.clone();
        Box::pin(async move { roll_back(&pipeline, &tenant, &by).await.map_err(|error| lines(&error)) })
    }

    fn cost(
        &self,
        tenant: TenantId,
        rules: Vec<RuleFile>,
        days: u32,
    ) -> BoxFuture<'static, Result<serde_json::Value, WriteError>> {
        let pipeline = self.pipeline.clone();
        Box::pin(async move {
            if pipeline.log.is_shared() {
                let why = "the journal is shared by a cluster: let the rules run beside (PUT /api/v1/shadow) instead";
                return Err(WriteError::Refused { errors: vec![why.into()] });
            }
            let counted = tokio::task::spawn_blocking(move || cost(&pipeline, tenant, &rules, days)).await;
            let counted = counted.map_err(|error| WriteError::Refused { errors: vec![error.to_string()] })?;
            counted.map_err(|error| lines(&error))
        })
    }
}

/// Of which kind the model of a text is, by the word on top of it; what says nothing is refused as one of correlation.
fn kind_of(text: &str) -> ModelKind {
    let says = |line: &str| line.strip_prefix("model:").map(|word| word.trim().trim_matches('"').to_owned());
    match text.lines().find_map(says).as_deref() {
        Some(METRIC) => ModelKind::Metric,
        Some(_) | None => ModelKind::Correlation,
    }
}

async fn activate(pipeline: &Pipeline, tenant: &TenantId, by: By, since_seq: u64) -> anyhow::Result<PutInForce> {
    let shade = pipeline.rulings().ruled(tenant).shade.clone().filter(|shade| shade.seq == since_seq);
    let shade = shade.with_context(|| format!("the trial since record {since_seq} does not run any more"))?;
    let reason = format!("{ACTIVATED}{}: {}", shade.seq, by.reason);
    let by = By { reason: reason.trim_end_matches([':', ' ']).into(), ..by };
    let mut put = PutInForce::default();
    if let Some(digest) = &shade.rules {
        put.rules = pipeline.put_policy(tenant, pipeline.kept_files(digest)?, &by, Basis::Any).await?.0.seq;
    }
    if let Some(digest) = &shade.model {
        put.model = pipeline.put_model(tenant, pipeline.kept_model(digest)?, &by).await?.seq;
    }
    if let Some(digest) = &shade.metric {
        put.metric = pipeline.put_metric_model(tenant, pipeline.kept_model(digest)?, &by).await?.seq;
    }
    pipeline.put_shade(tenant, Trial { in_place_of: Some(since_seq), ..Trial::default() }, &by).await?;
    Ok(put)
}

/// The version before the newest; 0: what is compiled in.
fn before(versions: &[RuleVersion]) -> u64 {
    versions.iter().rev().nth(1).map_or(0, |one| one.version)
}

/// What is valid because a trial was activated.
fn activated(ruled: &Ruled) -> Option<&RuleVersion> {
    let newest = [&ruled.rules, &ruled.models, &ruled.metric_models].into_iter().filter_map(|versions| versions.last());
    newest.filter(|one| one.reason.starts_with(ACTIVATED)).max_by_key(|one| one.seq)
}

async fn roll_back(pipeline: &Pipeline, tenant: &TenantId, by: &By) -> anyhow::Result<PutInForce> {
    let ruled = pipeline.rulings().ruled(tenant);
    let why = "what is valid was not activated from a trial: roll back rules or models by version";
    let named = activated(&ruled).context(why)?;
    // What was taken back is not what was activated: it is not taken back once more.
    let reason = format!("{TAKEN_BACK}{}: {}", named.seq, by.reason);
    let by = &By { reason: reason.trim_end_matches([':', ' ']).into(), ..by.clone() };
    // Rules and a model of one trial go back together; what came later by itself stays.
    let trial = |one: &RuleVersion| one.reason.split(':').next().unwrap_or_default().to_owned();
    let is_of = |versions: &[RuleVersion]| versions.last().is_some_and(|last| trial(last) == trial(named));
    let mut put = PutInForce::default();
    if is_of(&ruled.rules) {
        let files = pipeline.rule_files(tenant, before(&ruled.rules))?.context("the rules before are not known")?;
        put.rules = pipeline.put_policy(tenant, files, by, Basis::Any).await?.0.seq;
    }
    if is_of(&ruled.models) {
        let model = pipeline.model_text(tenant, before(&ruled.models))?.context("the model before is not known")?;
        put.model = pipeline.put_model(tenant, model, by).await?.seq;
    }
    if is_of(&ruled.metric_models) {
        let version = before(&ruled.metric_models);
        let text = pipeline.metric_model_text(tenant, version)?.context("the metric model before is not known")?;
        put.metric = pipeline.put_metric_model(tenant, text, by).await?.seq;
    }
    Ok(put)
}

fn cost(pipeline: &Pipeline, tenant: TenantId, rules: &[RuleFile], days: u32) -> anyhow::Result<serde_json::Value> {
    let policy = Policy::compile(0, rules).map_err(PutError::Refused)?;
    let since = (pipeline.clock)().minus(Span::hours(24 * i64::from(days)));
    let candidate =
        Choice { name: "candidate".into(), policy: Some(("candidate".into(), Arc::new(policy))), model: None };
    let live = Choice { name: "live".into(), ..Choice::default() };
    let report = replay::against::run(&replay::against::Plan {
        data: &pipeline.folder,
        tenant,
        sides: [live, candidate],
        since: Some(since),
        base_url: String::new(),
        truth: None,
    })?;
    Ok(serde_json::to_value(report)?)
}
