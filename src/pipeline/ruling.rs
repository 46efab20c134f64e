//! The tenants' rules as the journal has them: every version that was valid.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use arc_swap::ArcSwap;
use serde::{Deserialize, Serialize};

use super::Pipeline;
use super::put::Text;
use super::texts::{compile_model, kept};
use crate::domain::ids::TenantId;
use crate::domain::time::Timestamp;
use crate::engine::Loaded;
use crate::engine::input::{Digest, Input};
use crate::engine::policy::Policy;
use crate::engine::policy::place::RuleFile;
use crate::engine::tuning::{BUILT_IN, Tuning};
use crate::folders::metric::BUILT_IN as METRIC_BUILT_IN;
use crate::journal::Record;

/// Versions of a tenant that are listed; older ones are in the journal.
const VERSIONS_MAX: usize = 200;

/// A set of rules or a model, and when it came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleVersion {
    pub version: u64,
    pub digest: Digest,
    pub author: Box<str>,
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub reason: Box<str>,
    pub at: Timestamp,
    /// The journal record from which on it is valid.
    pub seq: u64,
}

/// What runs beside what is valid, without effects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shade {
    pub rules: Option<Digest>,
    pub model: Option<Digest>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<Digest>,
    pub author: Box<str>,
    pub reason: Box<str>,
    pub at: Timestamp,
    pub seq: u64,
}

/// What a tenant goes by, and went by.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Ruled {
    /// Oldest first; none: the built-in rules are valid.
    pub rules: Vec<RuleVersion>,
    /// Oldest first; none: the built-in model is valid.
    pub models: Vec<RuleVersion>,
    /// Oldest first; none: metric series are judged by the built-in model.
    pub metric_models: Vec<RuleVersion>,
    pub shade: Option<Shade>,
    /// When a metric model was tried last, whatever came of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metric_tried_at: Option<Timestamp>,
}

/// All tenants' versions; the engine's thread writes, everyone reads.
#[derive(Default)]
pub struct Rulings {
    known: ArcSwap<BTreeMap<TenantId, Arc<Ruled>>>,
}

impl Rulings {
    /// What the tenant goes by.
    pub fn ruled(&self, tenant: &TenantId) -> Arc<Ruled> {
        self.known.load().get(tenant).cloned().unwrap_or_default()
    }

    /// What runs beside, of each tenant that has something.
    pub fn shades(&self) -> BTreeMap<TenantId, Shade> {
        let known = self.known.load();
        known.iter().filter_map(|(tenant, ruled)| Some((tenant.clone(), ruled.shade.clone()?))).collect()
    }

    /// The tenants of which anything was put or tried.
    pub fn tenants(&self) -> Vec<TenantId> {
        self.known.load().keys().cloned().collect()
    }

    /// What some tenants go by.
    pub(super) fn of(&self, mine: impl Fn(&TenantId) -> bool) -> BTreeMap<TenantId, Ruled> {
        let known = self.known.load();
        let own = known.iter().filter(|(tenant, _)| mine(tenant));
        own.map(|(tenant, ruled)| (tenant.clone(), Ruled::clone(ruled))).collect()
    }

    /// Takes in what `of` gave of other tenants.
    pub(super) fn absorb(&self, other: BTreeMap<TenantId, Ruled>) {
        self.known.rcu(|known| {
            let mut known = BTreeMap::clone(known);
            known.extend(other.iter().map(|(tenant, ruled)| (tenant.clone(), Arc::new(ruled.clone()))));
            known
        });
    }

    /// Something else is valid, or tried beside, from this record on.
    pub(super) fn note(&self, record: &Record) {
        let (at, seq) = (record.stamp, record.seq);
        let valid = |version: u64, digest: &Digest, author: &str, reason: &str| {
            let (digest, author, reason) = (digest.clone(), author.into(), reason.into());
            RuleVersion { version, digest, author, reason, at, seq }
        };
        match &*record.input {
            Input::Policy { tenant, version, digest, author, reason } => {
                let newest = valid(*version, digest, author, reason);
                self.change(tenant, |ruled| add(&mut ruled.rules, &newest));
            }
            Input::Model { tenant, version, digest, author, reason } => {
                let newest = valid(*version, digest, author, reason);
                self.change(tenant, |ruled| add(&mut ruled.models, &newest));
            }
            Input::MetricModel { tenant, version, digest, author, reason } => {
                let newest = valid(*version, digest, author, reason);
                self.change(tenant, |ruled| add(&mut ruled.metric_models, &newest));
            }
            Input::Shadow { tenant, rules, model, metric, in_place_of, author, reason } => {
                let (rules, model, metric) = (rules.clone(), model.clone(), metric.clone());
                let (author, reason) = (author.clone(), reason.clone());
                let is_any = rules.is_some() || model.is_some() || metric.is_some();
                let shade = is_any.then_some(Shade { rules, model, metric, author, reason, at, seq });
                self.change(tenant, |ruled| {
                    // Two at one moment: the journal's order says whose trial runs.
                    if in_place_of.is_some_and(|named| ruled.shade.as_ref().is_some_and(|runs| runs.seq != named)) {
                        return;
                    }
                    if let Some(tried) = shade.as_ref().filter(|one| one.metric.is_some()) {
                        ruled.metric_tried_at = Some(tried.at);
                    }
                    ruled.shade.clone_from(&shade);
                });
            }
            Input::Batch(_) | Input::Command(_) | Input::Topology { .. } | Input::Delivered(_) | Input::Tick => {}
        }
    }

    fn change(&self, tenant: &TenantId, change: impl Fn(&mut Ruled)) {
        self.known.rcu(|known| {
            let mut known = BTreeMap::clone(known);
            let mut ruled = known.get(tenant).map(|ruled| Ruled::clone(ruled)).unwrap_or_default();
            change(&mut ruled);
            known.insert(tenant.clone(), Arc::new(ruled));
            known
        });
    }
}

fn add(versions: &mut Vec<RuleVersion>, newest: &RuleVersion) {
    // Overtaken by another one that was put at the same moment.
    if versions.last().is_some_and(|last| last.version >= newest.version) {
        return;
    }
    versions.push(newest.clone());
    let surplus = versions.len().saturating_sub(VERSIONS_MAX);
    versions.drain(..surplus);
}

impl Pipeline {
    /// The rules of a tenant that are in force; the built-in ones when it has none of its own.
    pub fn policy(&self, tenant: &TenantId) -> Arc<Policy> {
        self.policies.load().get(tenant).cloned().unwrap_or_else(Policy::default_rules)
    }

    /// The tenants' versions of rules.
    pub fn rulings(&self) -> &Rulings {
        &self.rulings
    }

    /// The rules that were put last, also when the engine has not come to them yet: version and files.
    ///
    /// # Errors
    /// When the kept text cannot be read.
    pub fn newest_rules(&self, tenant: &TenantId) -> Result<(u64, Vec<RuleFile>)> {
        match self.newest.get(tenant, Text::Rules) {
            None => Ok((0, Policy::default_files())),
            Some((version, digest)) => Ok((version, self.kept_files(&digest)?)),
        }
    }

    /// The files of a stored set of rules.
    ///
    /// # Errors
    /// When the kept text cannot be read.
    pub fn kept_files(&self, digest: &Digest) -> Result<Vec<RuleFile>> {
        serde_json::from_slice(&kept(&self.log, digest)?).context("the stored rules cannot be read")
    }

    /// The files of a version; the built-in ones for version 0, `None` when there is no such version.
    ///
    /// # Errors
    /// When the kept text cannot be read.
    pub fn rule_files(&self, tenant: &TenantId, version: u64) -> Result<Option<Vec<RuleFile>>> {
        if version == 0 {
            return Ok(Some(Policy::default_files()));
        }
        let versions = self.rulings.ruled(tenant);
        let decided = versions.rules.iter().find(|known| known.version == version).map(|found| found.digest.clone());
        // What was put a moment ago has not come to the engine yet.
        let newest = self.newest.get(tenant, Text::Rules).filter(|(newest, _)| *newest == version);
        decided.or(newest.map(|(_, digest)| digest)).map(|digest| self.kept_files(&digest)).transpose()
    }

    /// The text of a model that was put; the built-in one for version 0, `None` when there is no such version.
    ///
    /// # Errors
    /// When the kept text cannot be read.
    pub fn model_text(&self, tenant: &TenantId, version: u64) -> Result<Option<String>> {
        if version == 0 {
            return Ok(Some(BUILT_IN.1.to_owned()));
        }
        let known = self.rulings.ruled(tenant);
        let found = known.models.iter().find(|one| one.version == version);
        found.map(|one| self.kept_model(&one.digest)).transpose()
    }

    /// The text of a metric model that was put; the built-in one for version 0, `None` when there is no such version.
    ///
    /// # Errors
    /// When the kept text cannot be read.
    pub fn metric_model_text(&self, tenant: &TenantId, version: u64) -> Result<Option<String>> {
        if version == 0 {
            return Ok(Some(METRIC_BUILT_IN.to_owned()));
        }
        let known = self.rulings.ruled(tenant);
        let found = known.metric_models.iter().find(|one| one.version == version);
        found.map(|one| self.kept_model(&one.digest)).transpose()
    }

    /// The model that is valid for the tenant.
    ///
    /// # Errors
    /// When the kept text cannot be read.
    pub fn tuning(&self, tenant: &TenantId) -> Result<Arc<Tuning>> {
        let known = self.rulings.ruled(tenant);
        let Some(newest) = known.models.last() else { return Ok(Arc::new(Tuning::default())) };
        let Loaded::Model(_, tuning) = compile_model(&kept(&self.log, &newest.digest)?)? else { bail!("no model") };
        Ok(tuning)
    }

    /// A stored model.
    ///
    /// # Errors
    /// When the kept text cannot be read.
    pub fn kept_model(&self, digest: &Digest) -> Result<String> {
        Ok(String::from_utf8(kept(&self.log, digest)?)?)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// What runs after records of trials: sequence, the one that may end (none: a record of an earlier program), and whether
    /// there is something to try.
    fn runs(trials: &[(u64, Option<u64>, bool)]) -> Option<u64> {
        let rulings = Rulings::default();
        for (seq, in_place_of, is_any) in trials {
            let mut input = json!({ "input": "shadow", "tenant": "city", "author": "li" });
            if let Some(named) = in_place_of {
                input["in_place_of"] = json!(named);
            }
            if *is_any {
                input["rules"] = json!("00");
            }
            let (input, body) = (Arc::new(serde_json::from_value(input).unwrap()), Vec::new().into());
            rulings.note(&Record { seq: *seq, partition: 0, stamp: Timestamp(0), input, body });
        }
        rulings.ruled(&TenantId::from("city")).shade.as_ref().map(|shade| shade.seq)
    }

    #[test]
    fn the_order_of_the_journal_says_whose_trial_runs() {
        assert_eq!(runs(&[(1, Some(0), true), (2, Some(0), true)]), Some(1), "two at once: the first");
        assert_eq!(runs(&[(1, Some(0), true), (2, Some(1), true), (3, Some(1), true)]), Some(2), "both name the first");
        assert_eq!(runs(&[(1, Some(0), true), (2, Some(1), true), (3, Some(1), false)]), Some(2), "its end comes late");
        assert_eq!(runs(&[(1, Some(0), true), (2, Some(1), false), (3, Some(1), true)]), Some(3), "it has ended");
        assert_eq!(runs(&[(1, None, true), (2, None, true)]), Some(2), "as it was");
        assert_eq!(runs(&[(1, Some(0), true), (2, None, false)]), None, "whatever runs");
    }
}
