//! Tests of rules: files below `tests/` among the rules say which events come in, and what must and must not come of them.
//! They are played by the production engine; nothing is changed by it.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::access::Caller;
use super::orders::refused;
use super::problem::{ApiError, Body, Problem};
use super::state::Api;
use crate::engine::policy::place::RuleFile;

/// Which rules are tested.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RulesToTest {
    /// YAML by file name, tests below `tests/`; absent: what is valid.
    pub files: Option<BTreeMap<String, String>>,
}

/// How the tests ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct RulesTested {
    pub tests: Vec<TestItem>,
    pub failed: usize,
}

/// How one test ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct TestItem {
    pub file: String,
    pub name: String,
    /// What came out otherwise than the test says; none: it holds.
    pub differences: Vec<DifferenceItem>,
}

/// Something that came out otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct DifferenceItem {
    pub line: u32,
    pub column: u32,
    pub what: String,
}

/// Plays the tests that stand among the rules, those that are valid or others.
#[utoipa::path(post, path = "/api/v1/rules/tests", tag = "rules", request_body = RulesToTest,
    responses((status = 200, body = RulesTested), (status = "default", body = Problem)))]
pub async fn test(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Body(body): Body<RulesToTest>,
) -> Result<Json<RulesTested>, ApiError> {
    caller.whole_tenant()?;
    let files = body.files.map(|files| files.into_iter().map(|(name, text)| RuleFile { name, text }).collect());
    let (rules, tenant) = (api.rules.clone(), caller.tenant);
    let tested = tokio::task::spawn_blocking(move || rules.test(&tenant, files)).await;
    tested.map_err(ApiError::internal)?.map(Json).map_err(refused)
}
