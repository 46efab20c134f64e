//! Silences in Alertmanager's form. They are our silences: both lists show the same ones.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::filter;
use super::{field_of, label_of};
use crate::api::access::Caller;
use crate::api::orders;
use crate::api::problem::{ApiError, Body, Id, Params, Problem};
use crate::api::silences::{MatcherBody, NewSilence, read};
use crate::api::state::Api;
use crate::domain::ids::SilenceId;
use crate::domain::matcher::{MatcherText, Op};
use crate::domain::mute::{MuteEffect, Silence};
use crate::domain::partition::partition_of;
use crate::domain::time::Timestamp;
use crate::engine::input::Order;
use crate::wording::mask::mask;

/// How long an order is waited for, so that whoever makes a silence finds it in the list at once.
const SHOWN_WITHIN: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// One comparison of a silence.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AlertmanagerMatcher {
    pub name: String,
    pub value: String,
    #[serde(default)]
    pub is_regex: bool,
    #[serde(default = "yes")]
    pub is_equal: bool,
}

fn yes() -> bool {
    true
}

/// A silence to be made, or to be changed when it has an id.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PostableSilence {
    #[serde(default)]
    pub id: String,
    pub matchers: Vec<AlertmanagerMatcher>,
    pub starts_at: String,
    pub ends_at: String,
    #[serde(default)]
    pub created_by: String,
    #[serde(default)]
    pub comment: String,
}

/// Which silence was made.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SilenceMade {
    #[serde(rename = "silenceID")]
    pub silence_id: String,
}

/// A silence of Alertmanager's.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AlertmanagerSilence {
    pub id: String,
    pub matchers: Vec<AlertmanagerMatcher>,
    pub starts_at: String,
    pub ends_at: String,
    pub updated_at: String,
    pub created_by: String,
    pub comment: String,
    pub status: AlertmanagerSilenceStatus,
}

/// Whether a silence holds.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AlertmanagerSilenceStatus {
    /// active, pending or expired.
    pub state: &'static str,
}

/// Which silences are wanted.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub struct SilenceQuery {
    /// Matchers such as `alertname="Down"`, compared with the silence's own.
    pub filter: Vec<String>,
}

impl AlertmanagerSilence {
    fn of(silence: &Silence, now: Timestamp) -> Self {
        let state = match () {
            () if silence.ends_at <= now => "expired",
            () if silence.starts_at > now => "pending",
            () => "active",
        };
        Self {
            id: silence.id.to_string(),
            matchers: silence.matchers.0.iter().flatten().map(|matcher| shown(matcher.text())).collect(),
            starts_at: silence.starts_at.to_string(),
            ends_at: silence.ends_at.to_string(),
            updated_at: silence.starts_at.to_string(),
            created_by: silence.created_by.clone(),
            comment: mask(&silence.comment).into_owned(),
            status: AlertmanagerSilenceStatus { state },
        }
    }
}

/// A matcher of ours there. What Alertmanager has no sign for is written out as the value.
fn shown(text: &MatcherText) -> AlertmanagerMatcher {
    let quoted = |value: &str| regex::escape(value);
    let (value, is_regex) = match text.op {
        Op::Is => (text.value.clone(), false),
        Op::In => (text.value.split('|').map(quoted).collect::<Vec<_>>().join("|"), true),
        Op::Regex => (text.value.clone(), true),
        Op::Glob => (quoted(&text.value).replace(r"\*", ".*").replace(r"\?", "."), true),
        Op::Cidr | Op::Ge | Op::Gt | Op::Le | Op::Lt => (text.to_string(), false),
    };
    AlertmanagerMatcher { name: label_of(&text.field), value, is_regex, is_equal: !text.not }
}

/// Silences that hold now or later, in Alertmanager's form.
#[utoipa::path(get, path = "/api/v2/silences", tag = "alertmanager", params(SilenceQuery),
    responses((status = 200, body = Vec<AlertmanagerSilence>), (status = "default", body = Problem)))]
pub async fn list(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Params(query): Params<SilenceQuery>,
) -> Result<Json<Vec<AlertmanagerSilence>>, ApiError> {
    let filters = filter::read(&query.filter)?;
    let (now, state, scope) = ((api.now)(), api.live.read(), caller.scope());
    let all = state.tenant(&caller.tenant).into_iter().flat_map(|tenant| tenant.silences.values());
    let seen = all.filter(|silence| scope.sees_silence(silence)).map(|one| AlertmanagerSilence::of(one, now));
    let passes = |silence: &AlertmanagerSilence| {
        filters.iter().all(|filter| {
            let own = silence.matchers.iter().find(|matcher| matcher.name == filter.label);
            filter.takes(own.map_or("", |matcher| matcher.value.as_str()))
        })
    };
    Ok(Json(seen.filter(passes).collect()))
}

/// One silence, in Alertmanager's form.
#[utoipa::path(get, path = "/api/v2/silence/{id}", tag = "alertmanager", params(("id" = String, Path)),
    responses((status = 200, body = AlertmanagerSilence), (status = "default", body = Problem)))]
pub async fn one(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Id(id): Id<String>,
) -> Result<Json<AlertmanagerSilence>, ApiError> {
    let silence = known(&api, &caller, &SilenceId::from(id)).ok_or(ApiError::NotFound("silence"))?;
    Ok(Json(AlertmanagerSilence::of(&silence, (api.now)())))
}

fn known(api: &Api, caller: &Caller, id: &SilenceId) -> Option<Silence> {
    let state = api.live.read();
    let silence = state.tenant(&caller.tenant)?.silences.get(id)?;
    caller.scope().sees_silence(silence).then(|| silence.clone())
}

/// Makes a silence, or changes the one with the id; answers once it holds.
#[utoipa::path(post, path = "/api/v2/silences", tag = "alertmanager", request_body = PostableSilence,
    responses((status = 200, body = SilenceMade), (status = "default", body = Problem)))]
pub async fn make(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Body(body): Body<PostableSilence>,
) -> Result<Json<SilenceMade>, ApiError> {
    let matcher = |matcher: AlertmanagerMatcher| MatcherBody {
        field: field_of(&matcher.name),
        op: if matcher.is_regex { Op::Regex } else { Op::Is },
        value: matcher.value,
        not: !matcher.is_equal,
    };
    let before = match body.id.as_str() {
        "" => None,
        id => Some(known(&api, &caller, &SilenceId::from(id)).ok_or(ApiError::NotFound("silence"))?),
    };
    let wanted = NewSilence {
        matchers: vec![body.matchers.into_iter().map(matcher).collect()],
        starts_at: Some(body.starts_at).filter(|text| !text.is_empty()),
        ends_at: body.ends_at,
        comment: body.comment,
        effect: before.as_ref().map_or_else(MuteEffect::default, |before| before.effect),
        command_id: String::new(),
    };
    let mut silence = read(&api, &caller, wanted)?;
    if !body.created_by.is_empty() && body.created_by != silence.created_by {
        // Who has signed in is told, too: anybody can write any name.
        silence.created_by = format!("{} ({})", body.created_by.chars().take(100).collect::<String>(), caller.name);
    }
    if let Some(before) = before {
        silence.id = before.id;
    }
    let silence_id = silence.id.to_string();
    submit(&api, &caller, Order::Silence { silence }).await?;
    Ok(Json(SilenceMade { silence_id }))
}

/// Ends a silence; answers once it has ended.
#[utoipa::path(delete, path = "/api/v2/silence/{id}", tag = "alertmanager", params(("id" = String, Path)),
    responses((status = 200), (status = "default", body = Problem)))]
pub async fn expire(State(api): State<Arc<Api>>, caller: Caller, Id(id): Id<String>) -> Result<(), ApiError> {
    let id = SilenceId::from(id);
    known(&api, &caller, &id).ok_or(ApiError::NotFound("silence"))?;
    submit(&api, &caller, Order::ExpireSilence { id }).await
}

/// Gives an order and waits until what it does is shown; after a while it is only promised.
async fn submit(api: &Api, caller: &Caller, order: Order) -> Result<(), ApiError> {
    let (_, Json(taken)) = orders::submit(api, caller, "", order).await?;
    let is_shown = || api.live.read().has_shown(partition_of(&caller.tenant), taken.seq);
    let waiting = async {
        while !is_shown() {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    // The order is durable: whoever does not wait for it loses nothing.
    let _ = tokio::time::timeout(SHOWN_WITHIN, waiting).await;
    Ok(())
}
