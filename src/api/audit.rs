//! Who ordered what, with its outcome. Kept for six months at least.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::access::Caller;
use super::paging::{self, Listed, cursor, read_cursor};
use super::past::past;
use super::plain::write_out;
use super::problem::{ApiError, Params, Problem};
use super::state::Api;
use crate::projection::history::audit::{self, Audited};
use crate::wording::mask::mask_value;

/// One order.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AuditItem {
    /// The journal record.
    pub seq: u64,
    pub at: String,
    pub actor: String,
    /// The order's word, `rules` or `topology`.
    pub action: String,
    /// The incident, silence or version it is about.
    pub about: String,
    /// The whole order: ids as they are called everywhere, times as RFC 3339.
    #[schema(value_type = Object)]
    pub detail: serde_json::Value,
    /// Why it was not done; absent: it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

impl From<Audited> for AuditItem {
    fn from(entry: Audited) -> Self {
        let Audited { seq, at, actor, action, about, detail, refused } = entry;
        let mut detail = serde_json::from_str(&detail).unwrap_or(serde_json::Value::String(detail));
        mask_value(&mut detail);
        write_out(&mut detail);
        Self { seq, at: at.to_string(), actor, action, about, detail, refused }
    }
}

/// Which page.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub struct AuditQuery {
    /// `next` of the page before.
    pub after: Option<String>,
    /// 1 to 500, default 50.
    pub limit: Option<usize>,
}

/// What people and programs ordered, newest first.
#[utoipa::path(get, path = "/api/v1/audit", tag = "audit", params(AuditQuery),
    responses((status = 200, body = Listed<AuditItem>), (status = "default", body = Problem)))]
pub async fn list(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Params(query): Params<AuditQuery>,
) -> Result<Json<Listed<AuditItem>>, ApiError> {
    caller.whole_tenant()?;
    let limit = paging::limit(query.limit)?;
    let before = read_cursor(query.after.as_deref())?.map(|(_, seq)| seq);
    let scope = caller.scope();
    let mut found = past(&api, move |history| audit::entries(history, &scope, before, limit + 1)).await?;
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| more).map(|last| cursor(0, last.seq));
    Ok(Json(Listed { items: found.into_iter().map(Into::into).collect(), next, feed: None }))
}
