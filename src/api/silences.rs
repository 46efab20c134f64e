//! Silences. A caller limited to organisations or areas makes, sees and ends only silences that are
//! pinned to them.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use rand::RngCore;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::access::Caller;
use super::orders;
use super::paging::Listed;
use super::problem::{ApiError, Body, Id, Problem};
use super::state::Api;
use crate::domain::ids::SilenceId;
use crate::domain::matcher::{Matcher, MatcherText, Matchers, Op};
use crate::domain::mute::{MuteEffect, Silence};
use crate::domain::time::{Span, Timestamp};
use crate::engine::input::Order;
use crate::wording::mask::mask;

/// The longest silence.
const LONGEST: Span = Span::hours(24 * 366);
/// The most matchers of one silence.
const MATCHERS_MAX: usize = 200;

/// One comparison.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MatcherBody {
    /// severity, source, name, title, class, ci, area, org, site … or `labels.<key>`.
    pub field: String,
    /// is (default), in, regex, glob, cidr, ge, gt, le or lt.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub op: Op,
    pub value: String,
    #[serde(default)]
    pub not: bool,
}

/// A silence to be made.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSilence {
    /// Groups: all matchers of a group must hold; one group is enough.
    #[serde(deserialize_with = "groups")]
    pub matchers: Vec<Vec<MatcherBody>>,
    /// RFC 3339; absent: now.
    pub starts_at: Option<String>,
    /// RFC 3339.
    pub ends_at: String,
    #[serde(default)]
    pub comment: String,
    /// keep (default: recorded and marked), notice (joins incidents, tells nobody) or drop.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub effect: MuteEffect,
    #[serde(default)]
    pub command_id: String,
}

/// Reads groups of matchers; what is none is answered with an example.
fn groups<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<Vec<MatcherBody>>, D::Error> {
    let given = serde_json::Value::deserialize(deserializer)?;
    let shape =
        r#"matchers are a list of groups, each a list of tests: [[{"field": "ci", "op": "is", "value": "db-1"}]]"#;
    serde_json::from_value(given).map_err(|why| serde::de::Error::custom(format!("{why}; {shape}")))
}

/// A silence.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SilenceItem {
    pub id: String,
    pub matchers: Vec<Vec<MatcherBody>>,
    pub starts_at: String,
    pub ends_at: String,
    pub created_by: String,
    pub comment: String,
    /// keep, notice or drop.
    #[schema(value_type = String)]
    pub effect: MuteEffect,
}

/// Taken; the silence shows once its command is done.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SilenceTaken {
    pub seq: u64,
    pub id: String,
}

impl From<&Silence> for SilenceItem {
    fn from(silence: &Silence) -> Self {
        let body = |matcher: &Matcher| {
            let MatcherText { field, op, value, not } = matcher.text().clone();
            MatcherBody { field, op, value, not }
        };
        Self {
            id: silence.id.to_string(),
            matchers: silence.matchers.0.iter().map(|group| group.iter().map(body).collect()).collect(),
            starts_at: silence.starts_at.to_string(),
            ends_at: silence.ends_at.to_string(),
            created_by: silence.created_by.clone(),
            comment: mask(&silence.comment).into_owned(),
            effect: silence.effect,
        }
    }
}

/// Silences that hold now or later.
#[utoipa::path(get, path = "/api/v1/silences", tag = "silences",
    responses((status = 200, body = Listed<SilenceItem>), (status = "default", body = Problem)))]
pub async fn list(State(api): State<Arc<Api>>, caller: Caller) -> Json<Listed<SilenceItem>> {
    let state = api.live.read();
    let scope = caller.scope();
    let all = state.tenant(&caller.tenant).into_iter().flat_map(|tenant| tenant.silences.values());
    let seen = all.filter(|silence| silence.ends_at > state.stamp && scope.sees_silence(silence));
    Json(Listed { items: seen.map(Into::into).collect(), next: None, feed: None })
}

/// Makes a silence.
#[utoipa::path(post, path = "/api/v1/silences", tag = "silences", request_body = NewSilence,
    responses((status = 202, body = SilenceTaken), (status = "default", body = Problem)))]
pub async fn make(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Body(body): Body<NewSilence>,
) -> Result<(StatusCode, Json<SilenceTaken>), ApiError> {
    let command_id = body.command_id.clone();
    let silence = read(&api, &caller, body)?;
    let id = silence.id.to_string();
    let (status, Json(taken)) = orders::submit(&api, &caller, &command_id, Order::Silence { silence }).await?;
    Ok((status, Json(SilenceTaken { seq: taken.seq, id })))
}

/// Ends a silence now.
#[utoipa::path(delete, path = "/api/v1/silences/{id}", tag = "silences", params(("id" = String, Path)),
    responses((status = 202, body = orders::Taken), (status = "default", body = Problem)))]
pub async fn expire(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Id(id): Id<String>,
) -> Result<(StatusCode, Json<orders::Taken>), ApiError> {
    let id = SilenceId::from(id);
    let seen = {
        let state = api.live.read();
        let silence = state.tenant(&caller.tenant).and_then(|tenant| tenant.silences.get(&id));
        silence.is_some_and(|silence| caller.scope().sees_silence(silence))
    };
    if !seen {
        return Err(ApiError::NotFound("silence"));
    }
    orders::submit(&api, &caller, "", Order::ExpireSilence { id }).await
}

/// Reads what is wanted; a limited caller's silence is kept inside its organisations and areas.
pub(super) fn read(api: &Api, caller: &Caller, body: NewSilence) -> Result<Silence, ApiError> {
    let bad = |text: &str| ApiError::Bad(text.into());
    let count = body.matchers.iter().map(Vec::len).sum::<usize>();
    if body.matchers.iter().any(Vec::is_empty) || count == 0 || count > MATCHERS_MAX {
        return Err(bad(
            "matchers: name at least one per group (a silence of everything is not possible), at most 200",
        ));
    }
    if body.comment.chars().count() > 4_000 {
        return Err(bad("comment: at most 4000 characters"));
    }
    let time = |name: &str, text: &str| Timestamp::parse(text).ok_or_else(|| bad(&format!("{name}: not RFC 3339")));
    let now = (api.now)();
    let starts_at = body.starts_at.as_deref().map(|text| time("starts_at", text)).transpose()?.unwrap_or(now);
    let ends_at = time("ends_at", &body.ends_at)?;
    if ends_at <= starts_at || ends_at <= now || ends_at.since(starts_at) > LONGEST {
        return Err(bad("ends_at: after starts_at, in the future and within a year"));
    }
    let (pins, mut groups) = (pins(caller)?, Vec::new());
    for group in body.matchers {
        let mut ready = Vec::new();
        for MatcherBody { field, op, value, not } in group {
            let matcher = Matcher::try_from(MatcherText { field, op, value, not });
            ready.push(matcher.map_err(|e| ApiError::Bad(format!("matchers: {e}")))?);
        }
        ready.extend(pins.iter().cloned());
        groups.push(ready);
    }
    let mut bytes = [0u8; 8];
    rand::rngs::OsRng.fill_bytes(&mut bytes);
    Ok(Silence {
        id: SilenceId::from(format!("s-{}", hex::encode(bytes))),
        matchers: Matchers(groups),
        starts_at,
        ends_at,
        created_by: caller.name.to_string(),
        comment: body.comment,
        effect: body.effect,
    })
}

/// What keeps a limited caller's silence inside its organisations and areas.
fn pins(caller: &Caller) -> Result<Vec<Matcher>, ApiError> {
    let orgs = caller.orgs.as_ref().map(|orgs| orgs.iter().map(|org| org.as_str()).collect::<Vec<_>>());
    let areas = caller.areas.as_ref().map(|areas| areas.iter().map(|area| area.as_str()).collect::<Vec<_>>());
    let limits = [("org", orgs), ("area", areas)];
    let limits = limits.into_iter().filter_map(|(field, own)| Some((field, own?.join("|"))));
    let pin = |(field, value): (&str, String)| {
        Matcher::try_from(MatcherText { field: field.into(), op: Op::In, value, not: false })
    };
    limits.map(pin).collect::<Result<_, _>>().map_err(|e| ApiError::Bad(format!("your credential's limits: {e}")))
}
