//! Suggestions: rules and relations that the recorded events give reason for, each with its proof. Nothing is changed by
//! asking; a draft becomes a rule when somebody puts it into the rules.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::access::Caller;
use super::orders::refused;
use super::paging::read_time;
use super::past::past;
use super::problem::{ApiError, Params, Problem};
use super::state::Api;
use crate::domain::event::Event;
use crate::domain::ids::TenantId;
use crate::domain::time::{Span, Timestamp};
use crate::projection::history::records;
use crate::projection::history::stats::{self, HeededType};
use crate::wording::lang::Text;

/// What is looked at when nobody says since when.
const USUAL: Span = Span::hours(30 * 24);
/// Events looked at: the newest.
const EVENTS_MAX: usize = 40_000;
/// Records read at once.
const PAGE: usize = 2_000;

/// Which events are looked at.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub struct SuggestionQuery {
    /// Received at or after (RFC 3339); default: 30 days ago.
    pub since: Option<String>,
    /// Received before (RFC 3339).
    pub until: Option<String>,
}

/// What suggestions are made from.
pub struct Seen {
    /// Oldest first.
    pub events: Vec<Event>,
    pub heeded: Vec<HeededType>,
}

/// Everything that is suggested.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub struct Suggested {
    /// Events that were looked at, repeats and ends among them: the newest of the time asked for, at most 40000.
    pub events: usize,
    /// Beginnings of alert types at places.
    pub episodes: usize,
    /// Alert types that cause others, the surest first.
    pub pairs: Vec<PairItem>,
    pub drafts: Vec<DraftItem>,
    /// Drafts that were tried and would never have applied, or would have told people more.
    pub drafts_dropped: usize,
    pub missing_relations: Vec<MissingRelation>,
    pub silent_relations: Vec<SilentRelation>,
    /// Episodes and relations that were too many to be looked at.
    pub cut: u64,
}

/// An alert type.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct TypeItem {
    pub source: String,
    pub name: String,
}

/// An alert type that causes another, with the proof.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PairItem {
    pub cause: TypeItem,
    pub effect: TypeItem,
    /// Episodes of the effect that are attributed to the cause, and their share of all its episodes.
    pub episodes: f64,
    pub share: f64,
    /// The share the other way round.
    pub share_back: f64,
    /// Effects per episode of the cause.
    pub follows: f64,
    /// How much more often the two are seen within a minute than chance would have it.
    pub lift: f64,
    /// Mean time from cause to effect.
    pub lead_seconds: f64,
    /// Share of it at the same CI or object.
    pub same_place: f64,
}

/// A rule that somebody may want.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct DraftItem {
    /// Says what it is about: the same reason and alert types have the same id at any time. What the rules name already is not
    /// suggested again.
    pub id: String,
    /// The file of the rules that it was tried as and that is its own.
    pub file: String,
    /// `causes`, `always_with`, `flapping`, `noise` or `unheeded` (nobody ever acknowledged its incidents).
    pub reason: &'static str,
    pub because: Text,
    /// To copy into a file of the rules.
    pub yaml: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trial: Option<TrialItem>,
}

/// What the events came to without and with the draft.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct TrialItem {
    /// How often the draft applied.
    pub hits: u64,
    pub incidents: [u64; 2],
    pub notices: [u64; 2],
    pub held: [u64; 2],
    pub muted: [u64; 2],
}

/// A relation that the CMDB seems to lack.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct MissingRelation {
    pub cause: String,
    pub effect: String,
    /// How often the effect failed soon after the cause, how often the other way round, and how often by chance.
    pub occasions: u32,
    pub reversed: u32,
    pub by_chance: f64,
    pub lead_seconds: f64,
}

/// A relation along which nothing passed.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SilentRelation {
    pub cause: String,
    pub effect: String,
    pub relation: String,
    /// Failures of the cause that were felt elsewhere, and how many of them should have been felt here.
    pub failures: u32,
    pub expected: f64,
}

/// What the recorded events give reason for. Every draft is tried on them: this takes seconds.
#[utoipa::path(get, path = "/api/v1/suggestions", tag = "rules", params(SuggestionQuery),
    responses((status = 200, body = Suggested), (status = "default", body = Problem)))]
pub async fn suggestions(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Params(query): Params<SuggestionQuery>,
) -> Result<Json<Suggested>, ApiError> {
    caller.whole_tenant()?;
    let since = read_time("since", query.since.as_deref())?.unwrap_or_else(|| (api.now)().minus(USUAL));
    let until = read_time("until", query.until.as_deref())?.unwrap_or(Timestamp(i64::MAX));
    let events = newest(&api, &caller.tenant, (since, until)).await?;
    let of = caller.tenant.clone();
    let heeded = past(&api, move |history| stats::heeded_types(history, &of, (since, until))).await?;
    let (rules, tenant) = (api.rules.clone(), caller.tenant);
    let made = tokio::task::spawn_blocking(move || rules.suggest(&tenant, Seen { events, heeded })).await;
    Ok(Json(made.map_err(ApiError::internal)?.map_err(refused)?))
}

/// The newest events, oldest first. Read in pages: each has the time that a question has.
async fn newest(api: &Arc<Api>, tenant: &TenantId, span: (Timestamp, Timestamp)) -> Result<Vec<Event>, ApiError> {
    let (mut batches, mut count, mut before) = (Vec::new(), 0, u64::MAX);
    loop {
        let of = tenant.clone();
        let (page, last) = past(api, move |history| records::newest(history, &of, span, before, PAGE)).await?;
        count += page.iter().map(Vec::len).sum::<usize>();
        batches.extend(page);
        let Some(last) = last.filter(|_| count < EVENTS_MAX) else { break };
        before = last;
    }
    let mut events: Vec<Event> = batches.into_iter().rev().flatten().collect();
    events.drain(..events.len().saturating_sub(EVENTS_MAX));
    Ok(events)
}
