//! What became better or worse: noise, times to acknowledge and to close by team, area and hour, who is noisy, and how
//! often the first root cause was right. For a week, a month or any other span.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use chrono::{Datelike, FixedOffset, Timelike, Weekday};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::access::Caller;
use super::duty_load::{self, Delivered, Judged, PersonLoad, REACHED_MAX, SAID};
use super::heeded::{Heeded, Heeding};
use super::paging::read_time;
use super::past::past;
use super::problem::{ApiError, Params, Problem};
use super::report_lines::lines;
use super::state::Api;
use crate::domain::incident::{IncidentState, IncidentView};
use crate::domain::time::{Span, Timestamp};
use crate::domain::topology::Topology;
use crate::projection::board::IncidentFilter;
use crate::projection::history::audit::{self, Audited};
use crate::projection::history::notices;
use crate::projection::history::search;
use crate::projection::history::stats::{self, Bucket, By};
use crate::projection::sight::Sight;
use crate::wording::words::{AreaWord, SeverityWord};

/// What is looked at when nobody says since when.
const USUAL: Span = Span::hours(7 * 24);
/// The longest span.
const SPAN_MAX: Span = Span::hours(400 * 24);
/// Incidents looked at: the newest.
const INCIDENTS_MAX: usize = 20_000;
/// Judgements looked at.
const JUDGED_MAX: usize = 20_000;
/// Rows of a list.
const ROWS_MAX: usize = 20;
/// Beijing, unless another offset is asked for.
const OFFSET_MINUTES: i32 = 480;
/// Working hours on weekdays.
const WORK: std::ops::Range<u32> = 9..18;
/// The words about root causes.
const VERDICTS: [&str; 3] = ["confirm_root", "reject_root", "set_root"];

/// Which span.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub struct ReportQuery {
    /// RFC 3339; default: a week before `until`.
    pub since: Option<String>,
    /// RFC 3339; default: now.
    pub until: Option<String>,
    /// Minutes that local time is ahead of UTC, for days and working hours; default 480.
    pub offset_minutes: Option<i32>,
}

/// From events to incidents.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub struct Noise {
    pub events: u64,
    pub alerts: u64,
    pub incidents: u64,
    pub notifications: u64,
    /// 1 − incidents / events.
    pub compression: Option<f64>,
}

/// A day's part of it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct NoisyDay {
    /// `2026-03-01`, local.
    pub day: String,
    #[serde(flatten)]
    pub noise: Noise,
}

/// How fast people were.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub struct Reaction {
    pub incidents: u64,
    pub acknowledged: u64,
    pub closed: u64,
    /// Mean and 90th percentile from opening to acknowledging, and to closing.
    pub mtta_seconds: Option<i64>,
    pub mtta_p90_seconds: Option<i64>,
    pub mttr_seconds: Option<i64>,
    pub mttr_p90_seconds: Option<i64>,
}

/// The same of one group.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Group {
    /// Empty: belongs to none.
    pub key: String,
    #[serde(flatten)]
    pub reaction: Reaction,
}

/// How often the root cause that was named first was right, by what people said of it first.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub struct RootHits {
    pub judged: u64,
    pub right: u64,
    /// right / judged.
    pub rate: Option<f64>,
}

/// One that is noisy.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct NoisyOne {
    pub key: String,
    pub alerts: u64,
}

/// How often a rule applied since the program keeps count.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct NoisyRule {
    pub id: String,
    pub section: &'static str,
    pub hits: u64,
}

/// The span before, to compare with.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub struct Before {
    pub noise: Noise,
    pub reaction: Reaction,
}

/// Everything of a span.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Report {
    pub since: String,
    pub until: String,
    pub noise: Noise,
    pub days: Vec<NoisyDay>,
    pub reaction: Reaction,
    pub before: Before,
    pub by_team: Vec<Group>,
    pub by_area: Vec<Group>,
    /// Departments that an incident concerns; one that concerns several counts for each.
    pub by_org: Vec<Group>,
    pub by_severity: Vec<Group>,
    /// work (Monday to Friday, 9 to 18), off or weekend, by the hour of opening.
    pub by_hours: Vec<Group>,
    pub root_hits: RootHits,
    pub judged: Judged,
    pub delivered: Delivered,
    /// How often people were interrupted, the most first.
    pub by_person: Vec<PersonLoad>,
    pub noisy_names: Vec<NoisyOne>,
    /// Names of alerts whose incidents people acknowledge least, the most such incidents first.
    pub heeded: Vec<Heeded>,
    pub noisy_cis: Vec<NoisyOne>,
    pub noisy_rules: Vec<NoisyRule>,
    /// There were more incidents: the newest 20,000 are counted.
    pub cut: bool,
}

/// Noise reduction, reaction times, noisy rules and CIs, root hit rate.
#[utoipa::path(get, path = "/api/v1/reports", tag = "numbers", params(ReportQuery),
    responses((status = 200, body = Report), (status = "default", body = Problem)))]
pub async fn report(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Params(query): Params<ReportQuery>,
) -> Result<Json<Report>, ApiError> {
    made(&api, &caller, &query).await.map(Json)
}

/// The same as CSV: one line per figure.
#[utoipa::path(get, path = "/api/v1/reports.csv", tag = "numbers", params(ReportQuery),
    responses((status = 200, content_type = "text/csv", body = String), (status = "default", body = Problem)))]
pub async fn csv(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Params(query): Params<ReportQuery>,
) -> Result<Response, ApiError> {
    let text = lines(&made(&api, &caller, &query).await?);
    let disposition = "attachment; filename=\"headwater-report.csv\"";
    let fields = [(header::CONTENT_TYPE, "text/csv; charset=utf-8"), (header::CONTENT_DISPOSITION, disposition)];
    Ok((fields, text).into_response())
}

/// What the history says of one span.
struct Past {
    counts: BTreeMap<&'static str, Vec<Bucket>>,
    incidents: Vec<IncidentView>,
    cut: bool,
}

fn read(history: &rusqlite::Connection, sight: &Sight, span: (Timestamp, Timestamp)) -> rusqlite::Result<Past> {
    let mut counts = BTreeMap::new();
    for record in ["event", "alert", "incident", "notification"] {
        counts.insert(record, stats::buckets(history, &sight.scope, record, By::Total, span, 60)?);
    }
    let filter = IncidentFilter { since: Some(span.0), until: Some(span.1), ..IncidentFilter::default() };
    let page = search::incidents(history, sight, &filter, None, INCIDENTS_MAX)?;
    let incidents = page.items.into_iter().filter(|view| view.state != IncidentState::Merged).collect();
    Ok(Past { counts, incidents, cut: page.next.is_some() })
}

async fn made(api: &Arc<Api>, caller: &Caller, query: &ReportQuery) -> Result<Report, ApiError> {
    caller.whole_tenant()?;
    let until = read_time("until", query.until.as_deref())?.unwrap_or_else(|| (api.now)());
    let since = read_time("since", query.since.as_deref())?.unwrap_or(until.minus(USUAL));
    let zone = FixedOffset::east_opt(query.offset_minutes.unwrap_or(OFFSET_MINUTES).saturating_mul(60));
    let zone = zone.ok_or_else(|| ApiError::Bad("offset_minutes: -1439 to 1439".into()))?;
    if since >= until || until.since(since).0 > SPAN_MAX.0 {
        return Err(ApiError::Bad("since: before until, and at most 400 days".into()));
    }
    let length = until.since(since);
    let sight = api.sight(caller);
    let read_all = move |history: &rusqlite::Connection| {
        let now = read(history, &sight, (since, until))?;
        let before = read(history, &sight, (since.minus(length), since))?;
        let judged = audit::entries_of(history, &sight.scope, &VERDICTS, None, JUDGED_MAX)?;
        let said = audit::entries_of(history, &sight.scope, &SAID, None, JUDGED_MAX)?;
        let reached = notices::reached(history, &sight.scope.tenant, (since, until), REACHED_MAX)?;
        let outcomes = notices::outcomes(history, &sight.scope.tenant, (since, until))?;
        let noisy = |column| stats::noisiest(history, &sight.scope, column, (since, until), ROWS_MAX);
        let pairs = stats::names_by_incident(history, &sight.scope, (since, until))?;
        let noisy = (noisy(stats::Noisy::Names)?, noisy(stats::Noisy::Cis)?, pairs);
        Ok((now, before, (judged, said, reached, outcomes), noisy))
    };
    let (now, before, (judged, said, reached, outcomes), (names, cis, pairs)) = past(api, read_all).await?;
    let mut heeding = Heeding::of(&now.incidents);
    pairs.iter().for_each(|(name, incident, n)| heeding.add(name, *incident, *n));
    let topology = (api.topology)(&caller.tenant);
    let reactions = |past: &Past| reaction(past.incidents.iter());
    let listed = |found: Vec<(String, u64)>| found.into_iter().map(|(key, alerts)| NoisyOne { key, alerts }).collect();
    Ok(Report {
        since: since.to_string(),
        until: until.to_string(),
        noise: noise(&now.counts),
        days: days(&now.counts, zone),
        reaction: reactions(&now),
        before: Before { noise: noise(&before.counts), reaction: reactions(&before) },
        by_team: grouped(&now.incidents, |view| vec![team(&topology, view)]),
        by_area: grouped(&now.incidents, |view| vec![view.area.map_or("", |a| AreaWord::from(a).word()).to_owned()]),
        by_org: grouped(&now.incidents, orgs),
        by_severity: grouped(&now.incidents, |view| vec![SeverityWord::from(view.severity).word().to_owned()]),
        by_hours: grouped(&now.incidents, |view| vec![hours(view.opened_at, zone).to_owned()]),
        root_hits: root_hits(judged, (since, until)),
        delivered: duty_load::delivered(&outcomes),
        judged: duty_load::judged(&said, (since, until)),
        by_person: duty_load::by_person(api, caller, reached, zone),
        noisy_names: listed(names),
        heeded: heeding.least(),
        noisy_cis: listed(cis),
        noisy_rules: rules(api, caller),
        cut: now.cut,
    })
}

fn noise(counts: &BTreeMap<&'static str, Vec<Bucket>>) -> Noise {
    let sum = |record| counts.get(record).map_or(0, |all: &Vec<Bucket>| all.iter().map(|bucket| bucket.n).sum());
    noise_of(sum("event"), sum("alert"), sum("incident"), sum("notification"))
}

fn noise_of(events: u64, alerts: u64, incidents: u64, notifications: u64) -> Noise {
    let share = |events: u64| 1.0 - incidents.min(events) as f64 / events as f64;
    let compression = (events > 0).then(|| (share(events) * 10_000.0).round() / 10_000.0);
    Noise { events, alerts, incidents, notifications, compression }
}

fn days(counts: &BTreeMap<&'static str, Vec<Bucket>>, zone: FixedOffset) -> Vec<NoisyDay> {
    let mut by_day: BTreeMap<String, BTreeMap<&str, u64>> = BTreeMap::new();
    for (record, buckets) in counts {
        for bucket in buckets {
            let day = bucket.at.to_utc().with_timezone(&zone).format("%Y-%m-%d").to_string();
            *by_day.entry(day).or_default().entry(record).or_default() += bucket.n;
        }
    }
    let item = |(day, counts): (String, BTreeMap<&str, u64>)| {
        let n = |record: &str| counts.get(record).copied().unwrap_or(0);
        NoisyDay { day, noise: noise_of(n("event"), n("alert"), n("incident"), n("notification")) }
    };
    by_day.into_iter().map(item).collect()
}

/// The team of the root cause, as the topology has it now.
fn team(topology: &Topology, view: &IncidentView) -> String {
    let root = view.candidates.first().and_then(|root| topology.find(root.ci.id.as_str()));
    root.and_then(|root| topology.attributes(root).owner_team.as_ref()).map(ToString::to_string).unwrap_or_default()
}

/// The departments that an incident concerns; one without any is nobody's.
fn orgs(view: &IncidentView) -> Vec<String> {
    if view.orgs.is_empty() { vec![String::new()] } else { view.orgs.iter().map(ToString::to_string).collect() }
}

fn hours(at: Timestamp, zone: FixedOffset) -> &'static str {
    let local = at.to_utc().with_timezone(&zone);
    match local.weekday() {
        Weekday::Sat | Weekday::Sun => "weekend",
        Weekday::Mon | Weekday::Tue | Weekday::Wed | Weekday::Thu | Weekday::Fri => {
            if WORK.contains(&local.hour()) {
                "work"
            } else {
                "off"
            }
        }
    }
}

fn grouped(incidents: &[IncidentView], keys: impl Fn(&IncidentView) -> Vec<String>) -> Vec<Group> {
    let mut groups: BTreeMap<String, Vec<&IncidentView>> = BTreeMap::new();
    for view in incidents {
        keys(view).into_iter().for_each(|key| groups.entry(key).or_default().push(view));
    }
    let item = |(key, views): (String, Vec<&IncidentView>)| Group { key, reaction: reaction(views.into_iter()) };
    let mut all: Vec<Group> = groups.into_iter().map(item).collect();
    all.sort_by(|a, b| b.reaction.incidents.cmp(&a.reaction.incidents).then_with(|| a.key.cmp(&b.key)));
    all
}

fn reaction<'a>(incidents: impl Iterator<Item = &'a IncidentView>) -> Reaction {
    let (mut n, mut acknowledged, mut closed) = (0, Vec::new(), Vec::new());
    for view in incidents {
        n += 1;
        let after = |at: Timestamp| at.since(view.opened_at).0.max(0);
        acknowledged.extend(view.acknowledged_at.map(after));
        closed.extend(view.closed_at.map(after));
    }
    let (mtta, mtta_p90) = mean_and_p90(&mut acknowledged);
    let (mttr, mttr_p90) = mean_and_p90(&mut closed);
    Reaction {
        incidents: n,
        acknowledged: acknowledged.len() as u64,
        closed: closed.len() as u64,
        mtta_seconds: mtta,
        mtta_p90_seconds: mtta_p90,
        mttr_seconds: mttr,
        mttr_p90_seconds: mttr_p90,
    }
}

/// Of milliseconds, in seconds.
fn mean_and_p90(spans: &mut [i64]) -> (Option<i64>, Option<i64>) {
    if spans.is_empty() {
        return (None, None);
    }
    spans.sort_unstable();
    let mean = spans.iter().sum::<i64>() / spans.len() as i64;
    let p90 = spans[(spans.len() * 9).div_ceil(10) - 1];
    (Some(mean / 1000), Some(p90 / 1000))
}

/// The first word about each incident's root cause counts; entries come newest first.
fn root_hits(entries: Vec<Audited>, (since, until): (Timestamp, Timestamp)) -> RootHits {
    let carried_out = entries.into_iter().filter(|entry| entry.refused.is_none());
    let first: BTreeMap<String, (Timestamp, bool)> =
        carried_out.map(|entry| (entry.about, (entry.at, entry.action == "confirm_root"))).collect();
    let within = || first.values().filter(|(at, _)| *at >= since && *at < until);
    let (judged, right) = (within().count() as u64, within().filter(|(_, right)| *right).count() as u64);
    RootHits { judged, right, rate: (judged > 0).then(|| right as f64 / judged as f64) }
}

fn rules(api: &Api, caller: &Caller) -> Vec<NoisyRule> {
    let (policy, hits) = (api.rules.policy(&caller.tenant), api.rules.hits(&caller.tenant));
    let item = |rule: crate::engine::policy::expiry::ListedRule<'_>| {
        let hits = hits.hits.get(&rule.name.id).copied().unwrap_or(0);
        (hits > 0).then(|| NoisyRule { id: rule.name.id.to_string(), section: rule.section, hits })
    };
    let mut all: Vec<NoisyRule> = policy.rules().into_iter().filter_map(item).collect();
    all.sort_by(|a, b| b.hits.cmp(&a.hits).then_with(|| a.id.cmp(&b.id)));
    all.truncate(ROWS_MAX);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(about: &str, action: &str, secs: i64) -> Audited {
        Audited {
            seq: secs as u64,
            at: Timestamp(secs * 1000),
            actor: "li".into(),
            action: action.into(),
            about: about.into(),
            detail: String::new(),
            refused: None,
        }
    }

    #[test]
    fn the_first_word_about_a_root_cause_counts() {
        // Newest first, as the history gives them: i1 was wrong before it was set right, i2 was right.
        let entries =
            vec![judged("i1", "confirm_root", 30), judged("i2", "confirm_root", 20), judged("i1", "set_root", 10)];
        let hits = root_hits(entries, (Timestamp(0), Timestamp(60_000)));
        assert_eq!((hits.judged, hits.right), (2, 1));
    }

    #[test]
    fn hours_are_local_and_the_weekend_is_its_own() {
        let zone = FixedOffset::east_opt(8 * 3600).unwrap();
        let at = |text: &str| hours(Timestamp::parse(text).unwrap(), zone);
        assert_eq!(at("2026-03-02T01:00:00Z"), "work");
        assert_eq!(at("2026-03-02T10:00:00Z"), "off");
        assert_eq!(at("2026-03-06T17:00:00Z"), "weekend");
    }

    #[test]
    fn the_ninetieth_of_a_hundred_is_the_p90() {
        let mut spans: Vec<i64> = (1..=100).rev().map(|n| n * 1000).collect();
        assert_eq!(mean_and_p90(&mut spans), (Some(50), Some(90)));
        assert_eq!(mean_and_p90(&mut []), (None, None));
    }
}
