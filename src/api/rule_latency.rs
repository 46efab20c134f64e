//! What asking each rule costs: all of them are asked about the newest events and incidents, beside the engine, and the time is
//! taken. Nothing is changed by it.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::access::Caller;
use super::past::past;
use super::problem::{ApiError, Problem};
use super::state::Api;
use crate::domain::event::Event;
use crate::domain::ids::CiId;
use crate::domain::incident::IncidentView;
use crate::domain::matcher::Fields;
use crate::domain::topology::Topology;
use crate::engine::fields::{CiFacts, EventFields};
use crate::engine::notify::IncidentFields;
use crate::engine::policy::Policy;
use crate::engine::policy::asking::{Asking, Subject};
use crate::projection::board::IncidentFilter;
use crate::projection::history::find::Raw;
use crate::projection::history::search::{EventFilter, events};

/// The newest events that rules are asked about.
const EVENTS_MAX: usize = 200;
/// The newest incidents that rules are asked about.
const INCIDENTS_MAX: usize = 50;
/// How often a rule is asked at once: a single time is shorter than a clock can tell.
const ASKED_AT_ONCE: u32 = 8;
/// The fastest of so many counts: what else the machine does is no cost of the rule.
const TURNS: u32 = 3;
/// All rules together take no longer; each has its share.
const BUDGET: Duration = Duration::from_secs(1);

/// What asking one rule costs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct RuleLatency {
    /// The kind of rule, for example `mute` or `routes`.
    pub section: &'static str,
    pub id: String,
    /// Events, or incidents, about which it is asked; the index passes over the others.
    pub asked: u64,
    /// Those that were looked at: fewer than there are when its share of the time was used up.
    pub of: u64,
    /// Of asking once, nanoseconds; absent: it is asked about none of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub median_ns: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worst_ns: Option<u64>,
}

/// What asking all rules costs.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct RuleLatencies {
    /// The rules that were measured.
    pub version: u64,
    pub events: usize,
    pub incidents: usize,
    /// In the order of the stages.
    pub items: Vec<RuleLatency>,
}

/// What asking each of the valid rules costs, measured now on the newest events and incidents: this takes up to a second.
#[utoipa::path(get, path = "/api/v1/rules/latency", tag = "rules",
    responses((status = 200, body = RuleLatencies), (status = "default", body = Problem)))]
pub async fn latency(State(api): State<Arc<Api>>, caller: Caller) -> Result<Json<RuleLatencies>, ApiError> {
    caller.whole_tenant()?;
    let (scope, sight) = (caller.scope(), api.sight(&caller));
    let newest = past(&api, move |history| events(history, &scope, &EventFilter::default(), None, EVENTS_MAX)).await?;
    let events = newest.items.into_iter().filter_map(|judged| match judged.raw {
        Raw::Event(event) => Some((*event, judged.alert.and_then(|alert| Some(alert.ci.as_ref()?.id.clone())))),
        Raw::Letter(_) => None,
    });
    let events: Vec<(Event, Option<CiId>)> = events.collect();
    let incidents: Vec<Arc<IncidentView>> = {
        let state = api.live.read();
        let tenant = state.tenant(&caller.tenant);
        let page = tenant.map(|tenant| tenant.board.page(&sight, &IncidentFilter::default(), None, INCIDENTS_MAX));
        page.into_iter().flat_map(|page| page.items).map(|incident| incident.view.clone()).collect()
    };
    let (policy, topology) = (api.rules.policy(&caller.tenant), (api.topology)(&caller.tenant));
    let measured = tokio::task::spawn_blocking(move || {
        let items = measure(&policy, &topology, &events, &incidents);
        RuleLatencies { version: policy.version, events: events.len(), incidents: incidents.len(), items }
    });
    measured.await.map(Json).map_err(ApiError::internal)
}

fn measure(
    policy: &Policy,
    topology: &Topology,
    events: &[(Event, Option<CiId>)],
    incidents: &[Arc<IncidentView>],
) -> Vec<RuleLatency> {
    let of_ci = |id: &CiId| topology.find(id.as_str()).map(|ci| CiFacts::of(topology, ci));
    let cis: Vec<Option<CiFacts<'_>>> = events.iter().map(|(_, ci)| ci.as_ref().and_then(of_ci)).collect();
    let pairs = events.iter().zip(&cis);
    let events: Vec<EventFields<'_>> = pairs.map(|((event, _), ci)| EventFields { event, ci: ci.as_ref() }).collect();
    let incidents: Vec<IncidentFields<'_>> = incidents.iter().map(|view| IncidentFields::of(view, topology)).collect();
    let rules = policy.asking();
    let share = BUDGET / u32::try_from(rules.len()).unwrap_or(u32::MAX).max(1);
    let one = |rule: &Asking<'_>| match rule.about {
        Subject::Event => timed(rule, events.iter().map(|fields| fields as &dyn Fields), share),
        Subject::Incident => timed(rule, incidents.iter().map(|fields| fields as &dyn Fields), share),
    };
    rules.iter().map(one).collect()
}

/// Asks one rule about each, as long as its share of the time lasts.
fn timed<'a>(rule: &Asking<'_>, subjects: impl Iterator<Item = &'a dyn Fields>, share: Duration) -> RuleLatency {
    let (since, mut of, mut costs) = (Instant::now(), 0, Vec::new());
    for fields in subjects {
        of += 1;
        if rule.is_asked(fields) {
            costs.push(once(rule, fields));
        }
        if since.elapsed() > share {
            break;
        }
    }
    costs.sort_unstable();
    RuleLatency {
        section: rule.section,
        id: rule.name.id.to_string(),
        asked: costs.len() as u64,
        of,
        median_ns: costs.get(costs.len() / 2).copied(),
        worst_ns: costs.last().copied(),
    }
}

/// Nanoseconds of asking once.
fn once(rule: &Asking<'_>, fields: &dyn Fields) -> u64 {
    let turn = || {
        let since = Instant::now();
        for _ in 0..ASKED_AT_ONCE {
            black_box(rule.holding(black_box(fields)));
        }
        since.elapsed() / ASKED_AT_ONCE
    };
    let fastest = (0..TURNS).map(|_| turn()).min().unwrap_or_default();
    u64::try_from(fastest.as_nanos()).unwrap_or(u64::MAX).max(1)
}
