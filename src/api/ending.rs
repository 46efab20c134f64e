//! How an incident ended: what people found out, whether it is a major one, and what the rules ask for when one closes.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::access::Caller;
use super::orders::OrderBody;
use super::problem::{ApiError, Problem};
use super::state::Api;
use crate::domain::ending::{Conclusion, Finding, Findings, Major, Review};
use crate::wording::mask::mask;
use crate::wording::words::PriorityWord;

/// What people found out.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ConclusionItem {
    #[serde(flatten)]
    pub findings: Findings,
    pub by: String,
    pub at: String,
}

impl From<&Conclusion> for ConclusionItem {
    fn from(said: &Conclusion) -> Self {
        Self { findings: masked(&said.findings), by: said.by.to_string(), at: said.at.to_string() }
    }
}

/// A major incident.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct MajorItem {
    pub since: String,
    /// Who declared it; by a rule: `rule:` and its id.
    pub by: String,
    /// missing, draft or published: how far its post-mortem has come.
    pub review: &'static str,
}

impl MajorItem {
    /// The incident's, with how far its review has come.
    pub fn of(major: &Major, review: Review) -> Self {
        Self { since: major.since.to_string(), by: major.by.to_string(), review: review.as_str() }
    }
}

/// What the rules ask for.
#[derive(Debug, Serialize, ToSchema)]
pub struct ClosingRules {
    /// What whoever closes an incident must say: cause, solution, impact, category.
    #[schema(value_type = Vec<String>)]
    pub needs: Vec<Finding>,
    /// Only of incidents of this priority and more urgent ones.
    pub from: PriorityWord,
    /// What a category may be; none: anything.
    pub categories: Vec<String>,
    /// A major incident closes once its post-mortem is published.
    pub review: bool,
}

/// What must be said when an incident closes, by the rules.
#[utoipa::path(get, path = "/api/v1/closing", tag = "incidents",
    responses((status = 200, body = ClosingRules), (status = "default", body = Problem)))]
pub async fn closing(State(api): State<Arc<Api>>, caller: Caller) -> Json<ClosingRules> {
    let policy = api.rules.policy(&caller.tenant);
    let closing = &policy.settings.closing;
    Json(ClosingRules {
        needs: closing.needs.clone(),
        from: closing.from.into(),
        categories: closing.categories.iter().map(ToString::to_string).collect(),
        review: closing.review,
    })
}

/// What was found out, as everybody may read it.
pub fn masked(found: &Findings) -> Findings {
    Findings::each(|finding| mask(found.of(finding)).into())
}

/// What somebody has written that was found out; says what is too long.
pub fn read(said: &Findings) -> Result<Findings, String> {
    for finding in Finding::ALL {
        let (name, chars_max) = (finding.as_str(), finding.chars_max());
        if said.of(finding).trim().chars().count() > chars_max {
            return Err(format!("{name}: at most {chars_max} characters"));
        }
    }
    Ok(Findings::each(|finding| said.of(finding).trim().into()))
}

/// What an order says that was found out; none: nothing.
///
/// # Errors
/// When a text is too long.
pub fn findings(body: &OrderBody) -> Result<Option<Box<Findings>>, ApiError> {
    let of = |finding: Finding| match finding {
        Finding::Cause => &body.cause,
        Finding::Solution => &body.solution,
        Finding::Impact => &body.impact,
        Finding::Category => &body.category,
    };
    let said = Findings::each(|finding| of(finding).as_deref().unwrap_or_default().into());
    let found = read(&said).map_err(ApiError::Bad)?;
    Ok((!found.are_none()).then(|| Box::new(found)))
}
