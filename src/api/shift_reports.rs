//! The handover of a shift, in Markdown for people.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use chrono_tz::Tz;
use serde::Deserialize;
use utoipa::IntoParams;

use super::access::Caller;
use super::past::past;
use super::problem::{ApiError, Params, Problem};
use super::state::Api;
use crate::domain::incident::IncidentView;
use crate::domain::mute::Silence;
use crate::domain::time::{Span, Timestamp};
use crate::engine::calendar::ZONE_DEFAULT;
use crate::engine::oncall::table;
use crate::projection::history::audit;
use crate::wording::lang::{Lang, Text};
use crate::wording::report::{self, Changed, Handed, Handover, Reported};

/// How long a shift is when nobody says.
const SHIFT: Span = Span::hours(12);
const SHIFT_MAX: Span = Span::hours(7 * 24);
/// Entries of the audit that are looked through.
const CHANGES_MAX: usize = 1_000;

/// Since when.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub struct Since {
    /// When the shift began (RFC 3339); absent: 12 hours ago; at most 7 days.
    pub since: Option<String>,
    /// `zh` or `en`.
    pub lang: Option<String>,
    /// The zone of the times, such as `Europe/Berlin`; absent: `Asia/Shanghai`.
    pub zone: Option<String>,
}

pub(super) fn zone(named: Option<&str>) -> Result<Tz, ApiError> {
    let Some(name) = named else { return Ok(ZONE_DEFAULT) };
    name.parse().map_err(|_| ApiError::Bad(format!("zone: there is no {name:?}; write for example Asia/Shanghai")))
}

pub(super) fn markdown(text: String) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/markdown; charset=utf-8")], text)
}

/// What a shift hands to the next one, in Markdown: who has duty, what is open with notes, what ended, what is held and muted.
#[utoipa::path(get, path = "/api/v1/oncall/handover", tag = "oncall", params(Since),
    responses((status = 200, body = String, content_type = "text/markdown"), (status = "default", body = Problem)))]
pub async fn handover(
    State(api): State<Arc<Api>>,
    caller: Caller,
    lang: Lang,
    Params(asked): Params<Since>,
) -> Result<impl IntoResponse, ApiError> {
    caller.whole_tenant()?;
    let by = Reported { lang, zone: zone(asked.zone.as_deref())? };
    let now = (api.now)();
    let since = match asked.since.as_deref() {
        Some(text) => Timestamp::parse(text).ok_or_else(|| ApiError::Bad("since: write RFC 3339".into()))?,
        None => now.minus(SHIFT),
    };
    if since > now || now.since(since) > SHIFT_MAX {
        return Err(ApiError::Bad("since: before now, and at most 7 days ago".into()));
    }
    let (policy, made) = (api.rules.policy(&caller.tenant), api.rules.overrides(&caller.tenant));
    let duty = policy.on_call.rosters.iter().map(|roster| {
        let people = roster.duty(now, &made).people;
        format!("{}: {}", roster.id.id, table::names(&people, &|person| policy.on_call.called(person)))
    });
    let duty = duty.collect();
    let ordered = changed(&api, &caller, since).await?;
    let state = api.live.read();
    let Some(tenant) = state.tenant(&caller.tenant) else { return Err(ApiError::NotFound("tenant")) };
    let mut open: Vec<Handed<'_>> = (tenant.board.incidents())
        .filter(|incident| report::is_open(incident.view.state))
        .map(|incident| {
            let said = incident.timeline.iter().filter(|entry| entry.at >= since && report::is_said(entry)).collect();
            Handed { view: &incident.view, said }
        })
        .collect();
    open.sort_by_key(|one| (one.view.priority, one.view.opened_at));
    let has_ended =
        |view: &IncidentView| [view.recovered_at, view.closed_at].into_iter().flatten().any(|at| at >= since);
    let mut ended: Vec<&IncidentView> = (tenant.board.incidents())
        .map(|incident| &*incident.view)
        .filter(|view| !report::is_open(view.state) && has_ended(view))
        .collect();
    ended.sort_by_key(|view| view.opened_at);
    let held = tenant.alerts.held(&caller.scope());
    let holds = |silence: &&Silence| silence.starts_at <= now && now < silence.ends_at;
    let silences = tenant.silences.values().filter(holds);
    let silences =
        silences.map(|one| (format!("{} {}", one.id, one.comment), one.ends_at, one.created_by.to_string())).collect();
    let released = (tenant.board.incidents()).flat_map(|incident| incident.view.changes.iter());
    let released = released.filter(|change| change.at >= since).map(|change| Changed {
        at: change.at,
        who: change.source.to_string(),
        what: Text::new(format!("变更：{}", change.title), format!("change: {}", change.title)),
        about: change.ci.name.to_string(),
    });
    let mut changed: Vec<Changed> = ordered.into_iter().chain(released).collect();
    changed.sort_by(|a, b| (b.at, &a.who, &a.about).cmp(&(a.at, &b.who, &b.about)));
    changed.dedup_by(|a, b| (a.at, &a.who, &a.about) == (b.at, &b.who, &b.about));
    let handover = Handover { since, now, duty, open, ended, held, silences, changed };
    Ok(markdown(report::handover(&handover, by)))
}

/// What people have ordered since then that changes how incidents are made and told.
async fn changed(api: &Arc<Api>, caller: &Caller, since: Timestamp) -> Result<Vec<Changed>, ApiError> {
    let (scope, actions) = (caller.scope(), report::CHANGES.map(|(action, ..)| action));
    let found = past(api, move |history| audit::entries_of(history, &scope, &actions, None, CHANGES_MAX)).await?;
    let within = found.into_iter().filter(|entry| entry.at >= since && entry.refused.is_none());
    let changes = within.filter_map(|entry| {
        let (_, zh, en) = report::CHANGES.into_iter().find(|(action, ..)| *action == entry.action)?;
        Some(Changed { at: entry.at, who: entry.actor, what: Text::new(zh, en), about: entry.about })
    });
    Ok(changes.collect())
}
