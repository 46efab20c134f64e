//! How a person is reached: their ways with masked addresses, a test page to oneself, and showing that an address is one's own by a
//! code that was sent there.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use futures::future::join_all;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::access::{Caller, Role};
use super::orders::{Taken, note, submit};
use super::paging::Listed;
use super::problem::{ApiError, Body, Id, Problem};
use super::state::Api;
use crate::domain::ids::{PersonId, ReceiverId, TenantId};
use crate::domain::reach::Way;
use crate::domain::seal::same;
use crate::domain::time::{Span, Timestamp};
use crate::engine::input::Order;
use crate::wording::lang::Lang;
use crate::wording::mask::mask;

/// Whoever asks for themselves.
const ME: &str = "me";
/// Test pages and codes to one person, and wrong codes of theirs, within `WITHIN`.
const TRIES_MAX: usize = 5;
const WITHIN: Span = Span::mins(10);

/// How a person is reached by a receiver.
#[derive(Clone, Debug)]
pub struct WayLine {
    pub receiver: ReceiverId,
    /// The kind of channel; empty: not configured, or switched off.
    pub kind: &'static str,
    /// None: the person has no address for it, or it tells a room.
    pub way: Option<Way>,
    /// When the person showed that the address is theirs.
    pub verified_at: Option<Timestamp>,
}

/// A test page to a person by one receiver.
#[derive(Clone, Debug)]
pub struct TestAsked {
    pub tenant: TenantId,
    pub person: PersonId,
    pub receiver: ReceiverId,
    /// Six digits that show that the address is the person's; empty: none.
    pub code: String,
    pub at: Timestamp,
}

/// By which way a person is reached.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct WayItem {
    pub receiver: String,
    /// The kind of channel; empty: not configured, or switched off.
    pub kind: String,
    /// What the address is for: `mobile`, `mail`, or the receiver.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub way: Option<String>,
    /// Masked; absent: the person has none for it, or it tells a room.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// When the person showed that it is theirs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verified_at: Option<String>,
    /// Before that it is not used for pages.
    pub asked: bool,
}

impl From<&WayLine> for WayItem {
    fn from(line: &WayLine) -> Self {
        let way = line.way.as_ref();
        Self {
            receiver: line.receiver.to_string(),
            kind: line.kind.to_owned(),
            way: way.map(|way| way.key.to_string()),
            address: way.map(|way| way.masked.clone()),
            verified_at: line.verified_at.map(|at| at.to_string()),
            asked: way.is_some_and(|way| way.is_asked),
        }
    }
}

/// Whose ways are meant: `me` is the person whose id is the credential's name. Of others an operator sees and orders nothing.
fn person(api: &Api, caller: &Caller, id: &str) -> Result<PersonId, ApiError> {
    caller.whole_tenant()?;
    let person = PersonId::from(if id == ME { &*caller.name } else { id });
    if api.rules.policy(&caller.tenant).on_call.person(&person).is_none() {
        return Err(ApiError::NotFound("person"));
    }
    let is_own = *caller.name == *person.as_str() || matches!(caller.role, Role::Analyst | Role::Admin);
    if is_own { Ok(person) } else { Err(ApiError::Forbidden("that is for the person, or for an analyst or admin")) }
}

/// By which ways a person is reached, in the order of their plan; `me` is oneself, and whoever is none of the people has none.
#[utoipa::path(get, path = "/api/v1/oncall/people/{id}", tag = "oncall", params(("id" = String, Path)),
    responses((status = 200, body = Listed<WayItem>), (status = "default", body = Problem)))]
pub async fn ways(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Id(id): Id<String>,
) -> Result<Json<Listed<WayItem>>, ApiError> {
    let items = match person(&api, &caller, &id) {
        // The console asks for everybody who signs in.
        Err(ApiError::NotFound(_) | ApiError::Forbidden(_)) if id == ME => Vec::new(),
        person => api.notices.ways(&caller.tenant, &person?).iter().map(Into::into).collect(),
    };
    Ok(Json(Listed { items, next: None, feed: None }))
}

/// What is sent.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct NewTest {
    /// Only by this receiver; absent: by all ways.
    pub receiver: Option<String>,
    /// With a code that shows that the address is the person's.
    pub code: bool,
}

/// How one way did.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct TestedItem {
    pub receiver: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The receiver took it.
    pub taken: bool,
    /// What it said.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub said: String,
}

/// Sends the person a test page now, by each way or by one, past rules and quiet hours; says how each way did. With `code` it
/// brings a code that is given back to `verify` within ten minutes. Five times in ten minutes at most.
#[utoipa::path(post, path = "/api/v1/oncall/people/{id}/test", tag = "oncall", params(("id" = String, Path)), request_body = NewTest,
    responses((status = 200, body = Listed<TestedItem>), (status = "default", body = Problem)))]
pub async fn test(
    State(api): State<Arc<Api>>,
    caller: Caller,
    lang: Lang,
    Id(id): Id<String>,
    Body(asked): Body<NewTest>,
) -> Result<Json<Listed<TestedItem>>, ApiError> {
    let (person, now) = (person(&api, &caller, &id)?, (api.now)());
    let mut lines = api.notices.ways(&caller.tenant, &person);
    if let Some(receiver) = &asked.receiver {
        lines.retain(|line| line.receiver.as_str() == receiver.as_str());
    }
    if lines.is_empty() {
        return Err(ApiError::NotFound("way"));
    }
    if !api.limits.sent.may(&caller.tenant, &person, now) {
        return Err(ApiError::TooMany);
    }
    api.limits.sent.note(&caller.tenant, &person, now);
    note(&api, &caller, if asked.code { "code_sent" } else { "test_page" }, person.as_str(), &named(&lines)).await?;
    let sending = lines.iter().map(|line| {
        let code = line.way.as_ref().filter(|_| asked.code).map(|way| way.codes[0].clone()).unwrap_or_default();
        let (tenant, person, receiver) = (caller.tenant.clone(), person.clone(), line.receiver.clone());
        let address = line.way.as_ref().map(|way| way.masked.clone());
        let sent =
            line.way.as_ref().map(|_| api.notices.send_test(TestAsked { tenant, person, receiver, code, at: now }));
        async move {
            let ended = match (sent, lang) {
                (Some(sent), _) => sent.await,
                (None, Lang::Zh) => Err("没有此渠道的联系方式，或该渠道发往群".to_owned()),
                (None, Lang::En) => Err("the person has no address for it, or it tells a room".to_owned()),
            };
            let (taken, said) = match ended {
                Ok(said) => (true, said),
                Err(why) => (false, mask(&why).into_owned()),
            };
            TestedItem { receiver: line.receiver.to_string(), address, taken, said }
        }
    });
    let items = join_all(sending).await;
    Ok(Json(Listed { items, next: None, feed: None }))
}

fn named(lines: &[WayLine]) -> String {
    lines.iter().map(|line| line.receiver.to_string()).collect::<Vec<_>>().join(", ")
}

/// The code that came.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewProof {
    /// By which receiver it came.
    pub receiver: String,
    pub code: String,
}

/// Shows that an address is the person's, by the code that was sent there. The same address is then theirs for all receivers that take it.
#[utoipa::path(post, path = "/api/v1/oncall/people/{id}/verify", tag = "oncall", params(("id" = String, Path)), request_body = NewProof,
    responses((status = 202, body = Taken), (status = "default", body = Problem)))]
pub async fn verify(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Id(id): Id<String>,
    Body(proof): Body<NewProof>,
) -> Result<(StatusCode, Json<Taken>), ApiError> {
    let (person, now) = (person(&api, &caller, &id)?, (api.now)());
    let receiver = ReceiverId::from(proof.receiver.as_str());
    let lines = api.notices.ways(&caller.tenant, &person);
    let way = lines.into_iter().find(|line| line.receiver == receiver).and_then(|line| line.way);
    let way = way.filter(|way| !way.print.is_empty()).ok_or(ApiError::NotFound("way"))?;
    if !api.limits.guessed.may(&caller.tenant, &person, now) {
        return Err(ApiError::TooMany);
    }
    if !way.codes.iter().any(|code| same(code, proof.code.trim())) {
        api.limits.guessed.note(&caller.tenant, &person, now);
        return Err(ApiError::Bad(
            "code: it is another one, or it is older than 20 minutes: let a new one be sent".into(),
        ));
    }
    let order = Order::VerifyAddress { person, way: way.key, print: way.print };
    submit(&api, &caller, "", order).await
}

/// Codes are few digits, and messages cost: both are limited, per instance.
#[derive(Default)]
pub struct Limits {
    sent: Tries,
    guessed: Tries,
}

/// When a person's tries were.
#[derive(Default)]
struct Tries(Mutex<BTreeMap<(TenantId, PersonId), VecDeque<Timestamp>>>);

impl Tries {
    /// Whether there may be another one.
    fn may(&self, tenant: &TenantId, person: &PersonId, now: Timestamp) -> bool {
        let mut all = self.0.lock().expect("nobody panics while holding it");
        all.retain(|_, times| {
            times.retain(|at| now.since(*at) < WITHIN);
            !times.is_empty()
        });
        all.get(&(tenant.clone(), person.clone())).is_none_or(|times| times.len() < TRIES_MAX)
    }

    fn note(&self, tenant: &TenantId, person: &PersonId, now: Timestamp) {
        let mut all = self.0.lock().expect("nobody panics while holding it");
        all.entry((tenant.clone(), person.clone())).or_default().push_back(now);
    }
}
