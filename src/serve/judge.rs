//! The rules behind the API: versions from the pipeline, and trying an event on them with an engine of its own.

use std::sync::Arc;

use anyhow::Result;
use futures::future::BoxFuture;

use crate::api::rule_tests::{DifferenceItem, RulesTested, TestItem};
use crate::api::state::{RuleSet, Rules, Trial, WriteError};
use crate::api::suggestions::{Seen, Suggested};
use crate::clock::Clock;
use crate::decode::limits::Limits;
use crate::decode::{Body, Context, native};
use crate::domain::event::Event;
use crate::domain::ids::{SourceId, TenantId};
use crate::domain::mute::Silence;
use crate::domain::time::Span;
use crate::engine::effect::Effect;
use crate::engine::identity::CiLookups;
use crate::engine::input::{Batch, By, Command, Digest, Input, Order};
use crate::engine::oncall::Override;
use crate::engine::policy::Policy;
use crate::engine::policy::place::{Basis, RuleFile};
use crate::engine::policy::rule::RuleHits;
use crate::engine::storm::Storm;
use crate::engine::{Engine, Loaded};
use crate::intake::Intake;
use crate::lab::rule_tests;
use crate::pipeline::Pipeline;
use crate::pipeline::put::PutError;
use crate::pipeline::ruling::RuleVersion;

use super::advise::advise;
use super::behind::{lines, refusal};

/// How long a tried event is left alone, to see what becomes of it.
const WATCHED: Span = Span::mins(15);

/// Keeps and tries rules.
pub struct Judge {
    pub pipeline: Arc<Pipeline>,
    pub intake: Arc<Intake>,
    pub clock: Clock,
}

fn set(version: &RuleVersion, files: Vec<RuleFile>) -> RuleSet {
    RuleSet {
        version: version.version,
        digest: version.digest.0.to_string(),
        author: version.author.to_string(),
        reason: version.reason.to_string(),
        at: Some(version.at),
        seq: version.seq,
        files,
    }
}

impl Rules for Judge {
    fn policy(&self, tenant: &TenantId) -> Arc<Policy> {
        self.pipeline.policy(tenant)
    }

    fn hits(&self, tenant: &TenantId) -> RuleHits {
        self.pipeline.counted(tenant).hits.clone()
    }

    fn overrides(&self, tenant: &TenantId) -> Vec<Override> {
        self.pipeline.counted(tenant).overrides.clone()
    }

    fn revoked_links(&self, tenant: &TenantId, roster: &str) -> u32 {
        self.pipeline.counted(tenant).revoked.get(roster).copied().unwrap_or_default()
    }

    fn storm(&self, tenant: &TenantId) -> Arc<Storm> {
        self.pipeline.counted(tenant).storm.clone()
    }

    fn lookups(&self, tenant: &TenantId) -> CiLookups {
        self.pipeline.counted(tenant).lookups.clone()
    }

    fn versions(&self, tenant: &TenantId) -> Vec<RuleSet> {
        let known = self.pipeline.rulings().ruled(tenant);
        let own = known.rules.iter().rev().map(|version| set(version, Vec::new()));
        own.chain([RuleSet::default()]).collect()
    }

    fn set(&self, tenant: &TenantId, version: Option<u64>) -> Result<Option<RuleSet>, String> {
        let known = &self.pipeline.rulings().ruled(tenant).rules;
        let failed = |error: anyhow::Error| format!("{error:#}");
        let (wanted, files) = match version {
            None => self.pipeline.newest_rules(tenant).map(|(newest, files)| (newest, Some(files))).map_err(failed)?,
            Some(version) => (version, self.pipeline.rule_files(tenant, version).map_err(failed)?),
        };
        let Some(files) = files else { return Ok(None) };
        let found = known.iter().find(|known| known.version == wanted);
        Ok(Some(match found {
            Some(version) => set(version, files),
            None => RuleSet { version: wanted, files, ..RuleSet::default() },
        }))
    }

    fn replace(
        &self,
        tenant: TenantId,
        by: By,
        files: Vec<RuleFile>,
        basis: Basis,
    ) -> BoxFuture<'static, Result<(Option<u64>, u64), WriteError>> {
        let pipeline = self.pipeline.clone();
        Box::pin(async move {
            match pipeline.put_policy(&tenant, files, &by, basis).await {
                Ok((put, _)) => {
                    // Whoever asks for the next change is asked what these rules ask for.
                    if let Some(seq) = put.seq {
                        pipeline.until_decided(&tenant, seq).await;
                    }
                    Ok((put.seq, put.version))
                }
                Err(PutError::Refused(errors)) => {
                    Err(WriteError::Refused { errors: errors.iter().map(ToString::to_string).collect() })
                }
                Err(PutError::Changed { version }) => Err(WriteError::Changed { version }),
                Err(PutError::Append(error)) => Err(refusal(error)),
            }
        })
    }

    fn trial(
        &self,
        tenant: &TenantId,
        source: &SourceId,
        sample: &str,
        files: Option<Vec<RuleFile>>,
    ) -> Result<Trial, WriteError> {
        let event = self.read(tenant, source, sample)?;
        let policy =
            match files {
                None => self.pipeline.policy(tenant),
                Some(files) => Arc::new(Policy::compile(0, &files).map_err(|errors| WriteError::Refused {
                    errors: errors.iter().map(ToString::to_string).collect(),
                })?),
            };
        let state = self.pipeline.live.read();
        let silences = state.tenant(tenant).map(|t| t.silences.values().cloned().collect()).unwrap_or_default();
        drop(state);
        self.run(tenant, event, policy, silences).map_err(|error| lines(&error))
    }

    fn test(&self, tenant: &TenantId, files: Option<Vec<RuleFile>>) -> Result<RulesTested, WriteError> {
        let files = match files {
            Some(files) => files,
            None => self.pipeline.newest_rules(tenant).map_err(|error| lines(&error))?.1,
        };
        let outcome = rule_tests::run_set(&files, &self.intake.formats()).map_err(|error| lines(&error))?;
        let item = |(file, name): (String, String)| {
            let own = outcome.differences.iter().filter(|one| one.file == file && one.test == name);
            let own =
                own.map(|one| DifferenceItem { line: one.at.line, column: one.at.column, what: one.what.clone() });
            TestItem { differences: own.collect(), file, name }
        };
        let tests: Vec<TestItem> = outcome.played.clone().into_iter().map(item).collect();
        Ok(RulesTested { failed: tests.iter().filter(|test| !test.differences.is_empty()).count(), tests })
    }

    fn suggest(&self, tenant: &TenantId, seen: Seen) -> Result<Suggested, WriteError> {
        let refused = |error: anyhow::Error| WriteError::Refused { errors: vec![format!("{error:#}")] };
        let (_, files) = self.pipeline.newest_rules(tenant).map_err(refused)?;
        let tuning = self.pipeline.tuning(tenant).map_err(refused)?;
        advise(&seen, self.pipeline.topology(tenant), tuning, files).map_err(refused)
    }
}

impl Judge {
    /// Tries an event on the rules that are valid now.
    pub fn try_event(&self, tenant: &TenantId, event: Event) -> Result<Trial, WriteError> {
        let state = self.pipeline.live.read();
        let silences = state.tenant(tenant).map(|t| t.silences.values().cloned().collect()).unwrap_or_default();
        drop(state);
        self.run(tenant, event, self.pipeline.policy(tenant), silences).map_err(|error| lines(&error))
    }

    /// Reads a sample as intake would.
    fn read(&self, tenant: &TenantId, source: &SourceId, sample: &str) -> Result<Event, WriteError> {
        let formats = self.intake.formats();
        let context = Context {
            tenant,
            source,
            received_at: Some((self.clock)()),
            severities: &formats.severities,
            limits: &Limits::MODEL,
        };
        let decoded = native::decode(Body::from(sample.as_bytes()), &context).map_err(|e| lines(&e.into()))?;
        let refused = |what: String| WriteError::Refused { errors: vec![what] };
        if let Some(rejected) = decoded.rejected.first() {
            return Err(refused(format!("event: {}", rejected.letter.why.detail())));
        }
        let mut events = decoded.events.into_iter();
        match (events.next(), events.next()) {
            (Some(event), None) => Ok(event),
            _ => Err(refused("event: write exactly one event in the native format".into())),
        }
    }

    /// Steps an engine that knows rules, topology and silences, and nothing else: no side effect is possible.
    fn run(&self, tenant: &TenantId, event: Event, policy: Arc<Policy>, silences: Vec<Silence>) -> Result<Trial> {
        let now = (self.clock)();
        let mut engine = Engine::empty(0, self.pipeline.tuning(tenant)?);
        let digest = || Digest("".into());
        let topology = self.pipeline.topology(tenant);
        let input = Input::Topology {
            tenant: tenant.clone(),
            version: topology.version(),
            digest: digest(),
            author: "".into(),
        };
        engine.step(now, &input, Loaded::Topology(topology));
        let input = Input::Policy {
            tenant: tenant.clone(),
            version: 0,
            digest: digest(),
            author: "".into(),
            reason: "".into(),
        };
        engine.step(now, &input, Loaded::Policy(policy.clone()));
        for silence in silences {
            let (actor, order) = ("".into(), Order::Silence { silence });
            let command = Command { tenant: tenant.clone(), actor, id: "".into(), via: "".into(), order };
            engine.step(now, &Input::Command(command), Loaded::Nothing);
        }
        let batch =
            Batch { tenant: tenant.clone(), events: vec![event.clone()], rejected: Vec::new(), replay_of: None };
        let effects: Vec<Effect> = engine.step(now, &Input::Batch(batch), Loaded::Nothing);
        let later = engine.step(now.plus(WATCHED), &Input::Tick, Loaded::Nothing);
        let hits = engine.rule_hits(tenant).cloned().unwrap_or_default();
        Ok(Trial { event, policy, effects, later, watched: WATCHED, hits })
    }
}
