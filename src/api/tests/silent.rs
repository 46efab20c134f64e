//! Answers of parts that the tests of the API do not need.

use futures::future::BoxFuture;
use serde_json::Value;

use super::fixture::T0;
use crate::access::file::Record;
use crate::access::store::Wanted;
use crate::api::access::Role;
use crate::api::sources::{NewSource, PayloadItem, PreviewBody, SketchBody, SourceItem, Sources, Tried};
use crate::api::state::{
    Explains, ModelKind, ModelSet, NewTrial, NoAnswer, PutInForce, Retrained, ShadowState, Trials, Trouble, Watched,
    WriteError,
};
use crate::api::tokens::Credentials;
use crate::domain::ids::{SourceId, TenantId};
use crate::domain::series::{ModelHealth, SeriesChart, SeriesQuery, SeriesView};
use crate::engine::explain::{Answer as Explanation, Question};
use crate::engine::input::By;
use crate::engine::policy::place::RuleFile;

/// Knows nothing.
pub struct Silent;

impl Explains for Silent {
    fn explain(&self, _: TenantId, _: Question) -> BoxFuture<'static, Result<Explanation, WriteError>> {
        Box::pin(async { Ok(Explanation::default()) })
    }
}

impl Trials for Silent {
    fn models(&self, _: &TenantId, _: ModelKind) -> Vec<ModelSet> {
        vec![ModelSet::default()]
    }

    fn metric_health(&self, _: &TenantId) -> ModelHealth {
        ModelHealth::default()
    }

    fn retrain(&self, _: TenantId, _: By) -> BoxFuture<'static, Result<Retrained, WriteError>> {
        Box::pin(async { Ok(Retrained::default()) })
    }

    fn model_text(&self, _: &TenantId, _: ModelKind, _: u64) -> Result<Option<String>, String> {
        Ok(None)
    }

    fn put_model(&self, _: TenantId, _: By, _: String) -> BoxFuture<'static, Result<(Option<u64>, u64), WriteError>> {
        Box::pin(async { Ok((Some(8_000), 1)) })
    }

    fn shadow(&self, tenant: &TenantId) -> ShadowState {
        if tenant.as_str() == "a" {
            return ShadowState::default();
        }
        // Elsewhere one has failed.
        ShadowState { since_seq: 7, failure: Some("it panicked".into()), ..ShadowState::default() }
    }

    fn put_shadow(&self, _: TenantId, _: By, _: NewTrial) -> BoxFuture<'static, Result<u64, WriteError>> {
        Box::pin(async { Ok(8_000) })
    }

    fn activate(&self, _: TenantId, _: By, _: u64) -> BoxFuture<'static, Result<PutInForce, WriteError>> {
        Box::pin(async { Ok(PutInForce::default()) })
    }

    fn activated(&self, _: &TenantId) -> Option<By> {
        None
    }

    fn roll_back(&self, _: TenantId, _: By) -> BoxFuture<'static, Result<PutInForce, WriteError>> {
        Box::pin(async { Ok(PutInForce::default()) })
    }

    fn cost(&self, _: TenantId, _: Vec<RuleFile>, _: u32) -> BoxFuture<'static, Result<Value, WriteError>> {
        Box::pin(async { Ok(Value::Null) })
    }
}

impl Credentials for Silent {
    fn list(&self) -> Vec<Record> {
        let record = |id: &str, tenant: &str| Record {
            id: id.into(),
            name: "li.na".into(),
            role: Role::Operator,
            tenant: tenant.into(),
            orgs: None,
            areas: None,
            sha256: "00".into(),
            created_at: T0,
            expires_at: None,
            revoked_at: None,
            last_used_at: None,
            to_note: Vec::new(),
        };
        vec![record("one", "a"), record("two", "b")]
    }

    fn create(&self, wanted: Wanted) -> Result<(String, String), WriteError> {
        Ok(("three".into(), format!("hw_three_{}", wanted.name)))
    }

    fn revoke(&self, _: &str) -> Result<(), WriteError> {
        Ok(())
    }
}

impl Sources for Silent {
    fn list(&self, _: &TenantId) -> Vec<SourceItem> {
        Vec::new()
    }

    fn payloads(&self, _: &TenantId, _: &SourceId) -> Vec<PayloadItem> {
        Vec::new()
    }

    fn put(&self, _: &TenantId, _: &SourceId, _: NewSource) -> Result<(), WriteError> {
        Ok(())
    }

    fn remove(&self, _: &TenantId, _: &SourceId) -> Result<bool, WriteError> {
        Ok(false)
    }

    fn preview(&self, _: &TenantId, _: &SourceId, _: &PreviewBody) -> Result<Tried, WriteError> {
        Err(WriteError::Refused { errors: vec!["nothing is tried here".into()] })
    }

    fn sketch(&self, _: &SketchBody) -> Result<String, WriteError> {
        Err(WriteError::Refused { errors: vec!["nothing is sketched here".into()] })
    }
}

impl Watched for Silent {
    fn shown(&self, _: TenantId, query: SeriesQuery) -> BoxFuture<'static, Result<(Vec<SeriesView>, usize), NoAnswer>> {
        // Somebody who asks for this finds that one of the instances is away.
        let away = query.text == "away";
        Box::pin(async move { if away { Err(NoAnswer { instance: "mine".into() }) } else { Ok((Vec::new(), 0)) } })
    }

    fn chart(&self, _: TenantId, _: String) -> BoxFuture<'static, Result<Option<SeriesChart>, NoAnswer>> {
        Box::pin(async { Ok(None) })
    }

    fn troubles(&self) -> Vec<Trouble> {
        Vec::new()
    }
}
