//! What a run decides by: rules and a model, each from a folder, or what is there anyway.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Result, bail};

use super::versus::Run;
use crate::domain::ids::TenantId;
use crate::domain::time::Timestamp;
use crate::engine::input::{Digest, Input, Order};
use crate::engine::policy::Policy;
use crate::engine::tuning::MODEL;
use crate::engine::{Engine, Loaded};
use crate::folders::models::Model;
use crate::folders::rules;

/// Rules and a model to run by; what is not chosen stays as it is.
#[derive(Clone, Debug, Default)]
pub struct Choice {
    pub name: String,
    pub policy: Option<(String, Arc<Policy>)>,
    pub model: Option<Model>,
}

impl Choice {
    /// From folders, where they are named.
    ///
    /// # Errors
    /// Every place that is refused.
    pub fn read(name: &str, rules: Option<&Path>, models: Option<&Path>) -> Result<Self> {
        let policy = rules.map(|folder| anyhow::Ok((folder.display().to_string(), rules::compile(folder, 1)?)));
        let model = models.map(Model::newest);
        Ok(Self { name: name.to_owned(), policy: policy.transpose()?, model: model.transpose()? })
    }

    /// From one folder: rules (`*.yaml` in it or in `rules/`) or models (`correlation/` in it or in `models/`), or both.
    ///
    /// # Errors
    /// When there is neither, and every place that is refused.
    pub fn folder(folder: &Path) -> Result<Self> {
        let has_yaml = |at: &PathBuf| at.is_dir() && rules::yaml_files(at).is_ok_and(|files| !files.is_empty());
        let rules = [folder.join("rules"), folder.to_owned()].into_iter().find(has_yaml);
        let models = [folder.join("models"), folder.to_owned()].into_iter().find(|at| at.join(MODEL).is_dir());
        if rules.is_none() && models.is_none() {
            bail!(
                "{}: neither rules (*.yaml, or a folder rules) nor models (a folder {MODEL} or models) are in it",
                folder.display()
            );
        }
        Self::read(&folder.display().to_string(), rules.as_deref(), models.as_deref())
    }

    /// Puts in force what was chosen, also where the engine has others already: no version is newer.
    pub fn put(&self, engine: &mut Engine, at: Timestamp, tenant: &TenantId) {
        let version = u64::MAX;
        let author: Box<str> = "back-test".into();
        if let Some(model) = &self.model {
            let (author, digest, reason) = (author.clone(), Digest(model.digest.as_str().into()), "".into());
            let input = Input::Model { tenant: tenant.clone(), version, digest, author, reason };
            engine.step(at, &input, Loaded::Model(model.text.clone(), model.tuning.clone()));
        }
        if let Some((_, policy)) = &self.policy {
            let digest = Digest("".into());
            let input = Input::Policy { tenant: tenant.clone(), version, digest, author, reason: "".into() };
            engine.step(at, &input, Loaded::Policy(policy.clone()));
        }
    }

    /// Whether a run by it takes a record of the tenant's partition for time that passes: what belongs to others, what people
    /// ordered about incidents that only the recorded run has, what was sent, and what it stands in the place of.
    pub fn hides(&self, input: &Input, tenant: &TenantId) -> bool {
        match input {
            Input::Policy { tenant: of, .. } => self.policy.is_some() && of == tenant,
            Input::Model { tenant: of, .. } => self.model.is_some() && of == tenant,
            Input::Batch(batch) => batch.tenant != *tenant,
            Input::Command(command) => !matches!(command.order, Order::Silence { .. } | Order::ExpireSilence { .. }),
            Input::Delivered(_) | Input::Shadow { .. } | Input::MetricModel { .. } => true,
            Input::Topology { .. } | Input::Tick => false,
        }
    }

    /// How a report names it; what was not chosen is called so.
    pub fn run(&self, else_rules: &str, else_model: &str) -> Run {
        let model = |model: &Model| format!("{}/{} {}", model.name, model.version, &model.digest[..12]);
        Run {
            name: self.name.clone(),
            rules: self.policy.as_ref().map_or_else(|| else_rules.to_owned(), |(name, _)| name.clone()),
            model: self.model.as_ref().map_or_else(|| else_model.to_owned(), model),
        }
    }
}
