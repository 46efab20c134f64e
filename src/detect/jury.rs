//! By what each tenant's series are judged: the model that is valid, one that is tried beside, or none.

use std::collections::BTreeMap;

use super::bar::Numbers;
use super::drift::{Recent, Scores};
use super::trial::Tried;
use crate::domain::ids::TenantId;

/// A model as the senses know it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Model {
    pub version: u32,
    pub numbers: Numbers,
}

impl Default for Model {
    fn default() -> Self {
        Self { version: 1, numbers: Numbers::default() }
    }
}

/// What is tried beside, and its journal record.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Beside {
    pub trial: u64,
    pub model: Model,
}

/// What a tenant's series are judged by.
#[derive(Debug)]
pub(super) struct Bench {
    /// None: by the last hours alone.
    pub valid: Option<Model>,
    pub beside: Option<Beside>,
    pub tried: Tried,
    pub recent: Recent,
}

impl Default for Bench {
    fn default() -> Self {
        Self { valid: Some(Model::default()), beside: None, tried: Tried::default(), recent: Recent::default() }
    }
}

/// All tenants'.
#[derive(Debug, Default)]
pub(super) struct Jury(BTreeMap<TenantId, Bench>);

impl Jury {
    /// A tenant's; the built-in model where nothing else was said.
    pub fn bench(&mut self, tenant: &TenantId) -> &mut Bench {
        if !self.0.contains_key(tenant) {
            self.0.insert(tenant.clone(), Bench::default());
        }
        self.0.get_mut(tenant).expect("just put there")
    }

    /// Judges a tenant's series by this from the next reading on; none: by the last hours alone.
    pub fn judge_by(&mut self, tenant: &TenantId, valid: Option<Model>) {
        let bench = self.bench(tenant);
        if bench.valid != valid {
            (bench.valid, bench.recent) = (valid, Recent::default());
        }
    }

    /// Tries this beside, or nothing any more.
    pub fn try_beside(&mut self, tenant: &TenantId, beside: Option<Beside>) {
        let bench = self.bench(tenant);
        if bench.beside != beside {
            (bench.beside, bench.tried) = (beside, Tried::default());
        }
    }

    /// A tenant's, where something was said or read of it.
    pub fn get(&self, tenant: &TenantId) -> Option<&Bench> {
        self.0.get(tenant)
    }

    /// How rare a tenant's readings of the last day were.
    pub fn scores(&self, tenant: &TenantId) -> Scores {
        self.0.get(tenant).map(|bench| bench.recent.scores()).unwrap_or_default()
    }
}
