//! The tenants' rules as the journal has them: every version that was valid.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use arc_swap::ArcSwap;
use serde::{Deserialize, Serialize};

use super::Pipeline;
use super::put::Text;
use crate::domain::ids::TenantId;
use crate::domain::time::Timestamp;
use crate::engine::input::{Digest, Input};
use crate::engine::policy::Policy;
use crate::engine::policy::place::RuleFile;
use crate::journal::Record;

/// Versions of a tenant that are listed; older ones are in the journal.
const VERSIONS_MAX: usize = 200;

/// A set of rules and when it came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleVersion {
    pub version: u64,
    pub digest: Digest,
    pub author: Box<str>,
    pub at: Timestamp,
    /// The journal record from which on it is valid.
    pub seq: u64,
}

/// All tenants' versions; the engine's thread writes, everyone reads.
#[derive(Default)]
pub struct Rulings {
    versions: ArcSwap<BTreeMap<TenantId, Arc<Vec<RuleVersion>>>>,
}

impl Rulings {
    /// The tenant's versions, oldest first; none: the built-in rules are valid.
    pub fn versions(&self, tenant: &TenantId) -> Arc<Vec<RuleVersion>> {
        self.versions.load().get(tenant).cloned().unwrap_or_default()
    }

    /// Some tenants' versions.
    pub(super) fn of(&self, mine: impl Fn(&TenantId) -> bool) -> BTreeMap<TenantId, Vec<RuleVersion>> {
        let known = self.versions.load();
        let own = known.iter().filter(|(tenant, _)| mine(tenant));
        own.map(|(tenant, versions)| (tenant.clone(), versions.to_vec())).collect()
    }

    /// Takes in what `of` gave of other tenants.
    pub(super) fn absorb(&self, other: BTreeMap<TenantId, Vec<RuleVersion>>) {
        self.versions.rcu(|known| {
            let mut known = BTreeMap::clone(known);
            known.extend(other.iter().map(|(tenant, versions)| (tenant.clone(), Arc::new(versions.clone()))));
            known
        });
    }

    /// Another set is valid from this record on.
    pub(super) fn note(&self, record: &Record) {
        let Input::Policy { tenant, version, digest, author } = &*record.input else { return };
        let (version, digest, author) = (*version, digest.clone(), author.clone());
        let newest = RuleVersion { version, digest, author, at: record.stamp, seq: record.seq };
        self.versions.rcu(|known| {
            let mut known = BTreeMap::clone(known);
            let mut versions = known.get(tenant).map(|versions| versions.to_vec()).unwrap_or_default();
            // Overtaken by another set that was put at the same moment.
            if versions.last().is_some_and(|last| last.version >= newest.version) {
                return known;
            }
            versions.push(newest.clone());
            let surplus = versions.len().saturating_sub(VERSIONS_MAX);
            versions.drain(..surplus);
            known.insert(tenant.clone(), Arc::new(versions));
            known
        });
    }
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

    fn kept_files(&self, digest: &Digest) -> Result<Vec<RuleFile>> {
        let bytes = self.log.text(digest)?.with_context(|| format!("the text {} is not kept", digest.0))?;
        serde_json::from_slice(&bytes).context("the stored rules cannot be read")
    }

    /// The files of a version; the built-in ones for version 0, `None` when there is no such version.
    ///
    /// # Errors
    /// When the kept text cannot be read.
    pub fn rule_files(&self, tenant: &TenantId, version: u64) -> Result<Option<Vec<RuleFile>>> {
        if version == 0 {
            return Ok(Some(Policy::default_files()));
        }
        let versions = self.rulings.versions(tenant);
        let decided = versions.iter().find(|known| known.version == version).map(|found| found.digest.clone());
        // What was put a moment ago has not come to the engine yet.
        let newest = self.newest.get(tenant, Text::Rules).filter(|(newest, _)| *newest == version);
        decided.or(newest.map(|(_, digest)| digest)).map(|digest| self.kept_files(&digest)).transpose()
    }
}
