//! On call: who has duty now and later, whom an escalation policy would tell, and overrides that people make.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::access::Caller;
use super::orders::{IdempotencyKey, Taken, submit};
use super::paging::Listed;
use super::problem::{ApiError, Body, Id, Params, Problem};
use super::state::Api;
use crate::domain::ids::PersonId;
use crate::domain::time::{Span, Timestamp};
use crate::engine::input::Order;
use crate::engine::oncall::Override;
use crate::engine::oncall::ladder::{Level, Target, Until};
use crate::engine::oncall::names::OnCallRules;
use crate::engine::oncall::roster::{Duty, Roster, Shift};

/// How far ahead shifts are told at once, and how far when nobody says.
const AHEAD_MAX: Span = Span::hours(400 * 24);
const AHEAD: Span = Span::hours(31 * 24);
/// The longest note of an override, in characters.
const NOTE_CHARS_MAX: usize = 400;

/// Somebody, as messages call them. Addresses are never told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct PersonName {
    pub id: String,
    pub name: String,
}

/// Who has duty by a roster.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct OnDuty {
    pub roster: String,
    pub zone: String,
    /// Empty: nobody.
    pub people: Vec<PersonName>,
    /// Whose turn comes next.
    pub backup: Vec<PersonName>,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub layer: Box<str>,
    /// An override says so.
    pub by_override: bool,
    /// Until when; absent: for as long as the rules say anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
}

/// A while in which the same people have duty.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ShiftItem {
    pub from: String,
    pub to: String,
    /// Empty: nobody has duty.
    pub people: Vec<PersonName>,
    pub backup: Vec<PersonName>,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub layer: Box<str>,
    pub by_override: bool,
}

/// An escalation policy and whom it would tell now.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PolicyItem {
    pub id: String,
    pub note: String,
    pub levels: Vec<LevelItem>,
    /// How often all levels are told again.
    pub rounds: u32,
    /// It goes on although somebody has acknowledged.
    pub until_close: bool,
    pub fallback: Vec<String>,
}

/// A level of a policy as it would be told now.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct LevelItem {
    /// As the rules write them: `roster core`, `person li`.
    pub to: Vec<String>,
    pub people: Vec<PersonName>,
    pub receivers: Vec<String>,
    /// How long it is waited for an acknowledgement before the next level is told.
    pub wait_secs: i64,
    pub round_robin: bool,
}

/// An override that somebody made.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct OverrideItem {
    pub id: u64,
    pub roster: String,
    pub from: String,
    pub to: String,
    pub person: PersonName,
    /// Only where this person would have duty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub of: Option<PersonName>,
    pub by: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub note: String,
}

/// Somebody takes a duty for a while.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewOverride {
    pub roster: String,
    /// RFC 3339.
    pub from: String,
    pub to: String,
    pub person: String,
    /// Only where this person would have duty (a swap); absent: whoever would.
    #[serde(default)]
    pub of: Option<String>,
    #[serde(default)]
    pub note: String,
}

/// Of when.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub struct AtMoment {
    /// RFC 3339; absent: now.
    pub at: Option<String>,
}

/// A while.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub struct While {
    /// RFC 3339; absent: now.
    pub from: Option<String>,
    /// RFC 3339; absent: 31 days later; at most 400.
    pub to: Option<String>,
}

fn moment(name: &str, text: Option<&str>) -> Result<Option<Timestamp>, ApiError> {
    let wrong = || ApiError::Bad(format!("{name}: write RFC 3339, for example 2026-01-05T08:00:00Z"));
    text.map(|text| Timestamp::parse(text).ok_or_else(wrong)).transpose()
}

impl While {
    fn read(&self, now: Timestamp) -> Result<(Timestamp, Timestamp), ApiError> {
        let from = moment("from", self.from.as_deref())?.unwrap_or(now);
        let to = moment("to", self.to.as_deref())?.unwrap_or_else(|| from.plus(AHEAD));
        if to <= from || to.since(from) > AHEAD_MAX {
            return Err(ApiError::Bad("to: after `from`, and at most 400 days later".into()));
        }
        Ok((from, to))
    }
}

/// Rules and overrides of a tenant as they are now.
struct Now {
    rules: Arc<OnCallRules>,
    made: Vec<Override>,
}

impl Now {
    fn of(api: &Api, caller: &Caller) -> Self {
        let policy = api.rules.policy(&caller.tenant);
        Self { rules: policy.on_call.clone(), made: api.rules.overrides(&caller.tenant) }
    }

    fn person(&self, id: &PersonId) -> PersonName {
        PersonName { id: id.to_string(), name: self.rules.called(id).to_owned() }
    }

    fn people(&self, ids: &[PersonId]) -> Vec<PersonName> {
        ids.iter().map(|id| self.person(id)).collect()
    }

    fn roster(&self, id: &str) -> Result<&Roster, ApiError> {
        self.rules.roster(id).ok_or(ApiError::NotFound("roster"))
    }

    fn on_duty(&self, roster: &Roster, at: Timestamp) -> OnDuty {
        let Duty { people, backup, layer, is_override } = roster.duty(at, &self.made);
        OnDuty {
            roster: roster.id.id.to_string(),
            zone: roster.zone.name().to_owned(),
            people: self.people(&people),
            backup: self.people(&backup),
            layer,
            by_override: is_override,
            until: roster.next_change(at, &self.made).map(|at| at.to_string()),
        }
    }

    fn shift(&self, shift: Shift) -> ShiftItem {
        let Shift { from, to, duty } = shift;
        ShiftItem {
            from: from.to_string(),
            to: to.to_string(),
            people: self.people(&duty.people),
            backup: self.people(&duty.backup),
            layer: duty.layer,
            by_override: duty.is_override,
        }
    }

    fn level(&self, level: &Level, at: Timestamp) -> LevelItem {
        let (mut to, mut people, mut receivers) = (Vec::new(), Vec::new(), Vec::new());
        for target in &level.to {
            let duty = |roster: &str| self.rules.roster(roster).map(|r| r.duty(at, &self.made)).unwrap_or_default();
            match target {
                Target::Person(id) => {
                    to.push(format!("person {id}"));
                    people.push(id.clone());
                }
                Target::Team(id) => {
                    to.push(format!("team {id}"));
                    people.extend(self.rules.team(id).into_iter().flat_map(|team| team.people.clone()));
                }
                Target::Roster(id) => {
                    to.push(format!("roster {id}"));
                    people.extend(duty(id).people);
                }
                Target::Backup(id) => {
                    to.push(format!("backup {id}"));
                    people.extend(duty(id).backup);
                }
                Target::Receiver(id) => receivers.push(id.to_string()),
            }
        }
        people.dedup();
        let (people, wait_secs) = (self.people(&people), level.wait.as_secs());
        LevelItem { to, people, receivers, wait_secs, round_robin: level.round_robin }
    }

    fn made(&self, one: &Override) -> OverrideItem {
        OverrideItem {
            id: one.id,
            roster: one.roster.to_string(),
            from: one.from.to_string(),
            to: one.to.to_string(),
            person: self.person(&one.person),
            of: one.of.as_ref().map(|of| self.person(of)),
            by: one.by.to_string(),
            note: one.note.to_string(),
        }
    }
}

/// Who has duty, by roster.
#[utoipa::path(get, path = "/api/v1/oncall", tag = "oncall", params(AtMoment),
    responses((status = 200, body = Listed<OnDuty>), (status = "default", body = Problem)))]
pub async fn who(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Params(asked): Params<AtMoment>,
) -> Result<Json<Listed<OnDuty>>, ApiError> {
    caller.whole_tenant()?;
    let at = moment("at", asked.at.as_deref())?.unwrap_or_else(|| (api.now)());
    let now = Now::of(&api, &caller);
    let items = now.rules.rosters.iter().map(|roster| now.on_duty(roster, at)).collect();
    Ok(Json(Listed { items, next: None, feed: None }))
}

/// The shifts of a roster, those without anybody too.
#[utoipa::path(get, path = "/api/v1/oncall/rosters/{id}", tag = "oncall", params(("id" = String, Path), While),
    responses((status = 200, body = Listed<ShiftItem>), (status = "default", body = Problem)))]
pub async fn shifts(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Id(id): Id<String>,
    Params(asked): Params<While>,
) -> Result<Json<Listed<ShiftItem>>, ApiError> {
    caller.whole_tenant()?;
    let (from, to) = asked.read((api.now)())?;
    let now = Now::of(&api, &caller);
    let shifts = now.roster(&id)?.shifts(from, to, &now.made);
    Ok(Json(Listed { items: shifts.into_iter().map(|shift| now.shift(shift)).collect(), next: None, feed: None }))
}

/// The shifts of a roster as an iCalendar file (RFC 5545), for calendars of one's own.
#[utoipa::path(get, path = "/api/v1/oncall/rosters/{id}/ical", tag = "oncall", params(("id" = String, Path), While),
    responses((status = 200, body = String, content_type = "text/calendar"), (status = "default", body = Problem)))]
pub async fn ical(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Id(id): Id<String>,
    Params(asked): Params<While>,
) -> Result<impl IntoResponse, ApiError> {
    caller.whole_tenant()?;
    let at = (api.now)();
    let (from, to) = asked.read(at)?;
    let now = Now::of(&api, &caller);
    let roster = now.roster(&id)?;
    let shifts = roster.shifts(from, to, &now.made);
    let text =
        crate::wording::ical::calendar(roster.id.id.as_str(), &shifts, at, &|id| now.rules.called(id).to_owned());
    Ok(([(header::CONTENT_TYPE, "text/calendar; charset=utf-8")], text))
}

/// The escalation policies, and whom each level would tell now.
#[utoipa::path(get, path = "/api/v1/oncall/policies", tag = "oncall", params(AtMoment),
    responses((status = 200, body = Listed<PolicyItem>), (status = "default", body = Problem)))]
pub async fn policies(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Params(asked): Params<AtMoment>,
) -> Result<Json<Listed<PolicyItem>>, ApiError> {
    caller.whole_tenant()?;
    let at = moment("at", asked.at.as_deref())?.unwrap_or_else(|| (api.now)());
    let now = Now::of(&api, &caller);
    let items = now.rules.escalations.iter().map(|rule| PolicyItem {
        id: rule.id.id.to_string(),
        note: rule.note.clone(),
        levels: rule.levels.iter().map(|level| now.level(level, at)).collect(),
        rounds: rule.repeat.times,
        until_close: rule.until == Until::Close,
        fallback: rule.fallback.iter().map(ToString::to_string).collect(),
    });
    Ok(Json(Listed { items: items.collect(), next: None, feed: None }))
}

/// Overrides that people made, those that are over for 35 days too; those of the rules are not among them.
#[utoipa::path(get, path = "/api/v1/oncall/overrides", tag = "oncall",
    responses((status = 200, body = Listed<OverrideItem>), (status = "default", body = Problem)))]
pub async fn overrides(State(api): State<Arc<Api>>, caller: Caller) -> Result<Json<Listed<OverrideItem>>, ApiError> {
    caller.whole_tenant()?;
    let now = Now::of(&api, &caller);
    Ok(Json(Listed { items: now.made.iter().map(|one| now.made(one)).collect(), next: None, feed: None }))
}

/// Lets somebody take a duty for a while.
#[utoipa::path(post, path = "/api/v1/oncall/overrides", tag = "oncall", params(IdempotencyKey), request_body = NewOverride,
    responses((status = 202, body = Taken), (status = "default", body = Problem)))]
pub async fn make(
    State(api): State<Arc<Api>>,
    caller: Caller,
    key: IdempotencyKey,
    Body(body): Body<NewOverride>,
) -> Result<(StatusCode, Json<Taken>), ApiError> {
    caller.whole_tenant()?;
    let missing = |name: &str| ApiError::Bad(format!("{name}: write RFC 3339, for example 2026-01-05T08:00:00Z"));
    let from = moment("from", Some(&body.from))?.ok_or_else(|| missing("from"))?;
    let to = moment("to", Some(&body.to))?.ok_or_else(|| missing("to"))?;
    if body.note.chars().count() > NOTE_CHARS_MAX {
        return Err(ApiError::Bad(format!("note: at most {NOTE_CHARS_MAX} characters")));
    }
    let made = Override {
        id: 0,
        roster: body.roster.as_str().into(),
        from,
        to,
        person: PersonId::from(body.person.as_str()),
        of: body.of.as_deref().map(PersonId::from),
        by: caller.name.clone(),
        note: body.note.as_str().into(),
    };
    submit(&api, &caller, &key.or("")?, Order::Override { made: Box::new(made) }).await
}

/// Takes an override back; one that has begun ends now.
#[utoipa::path(delete, path = "/api/v1/oncall/overrides/{id}", tag = "oncall", params(("id" = u64, Path), IdempotencyKey),
    responses((status = 202, body = Taken), (status = "default", body = Problem)))]
pub async fn end(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Id(id): Id<u64>,
    key: IdempotencyKey,
) -> Result<(StatusCode, Json<Taken>), ApiError> {
    caller.whole_tenant()?;
    submit(&api, &caller, &key.or("")?, Order::EndOverride { id }).await
}
