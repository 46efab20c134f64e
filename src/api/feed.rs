//! The live feed as server-sent events: `incident`, `timeline`, `silence`, `command`, a `pulse` every two
//! seconds, and `resync` when the reader has to load its lists again.
//!
//! Ids are `<outbox sequence>.<index>`; a reader that comes back with the last one misses nothing. Within a
//! quarter of a second only the newest state of an incident is sent.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::stream;
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::time::{Instant, sleep, sleep_until};
use utoipa::{IntoParams, ToSchema};

use super::access::{Caller, session_cookie};
use super::incident_types::{IncidentItem, Onlooker, TimelineItem};
use super::problem::{ApiError, Params, Problem};
use super::state::Api;
use crate::projection::feed::{Change, FeedId, FeedItem};
use crate::wording::lang::Lang;

/// Changes are gathered for this long before they are sent together.
const GATHER: Duration = Duration::from_millis(250);
/// How often a reader is told how fresh its screen is.
const PULSE: Duration = Duration::from_secs(2);
/// The most changes of one gathering.
const BATCH_MAX: usize = 2_000;

/// Where to start.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub struct FeedQuery {
    /// Start after this change (`feed` of a list); the header `Last-Event-ID` wins.
    pub after: Option<String>,
    /// `zh` or `en`.
    pub lang: Option<String>,
}

/// An incident changed. One that has left the caller's scope has `gone: true` and no header.
#[derive(Serialize, ToSchema)]
pub struct IncidentChange {
    pub id: String,
    pub gone: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub incident: Option<IncidentItem>,
    /// Members came or went.
    pub members_changed: bool,
}

#[derive(Serialize)]
struct TimelineChange {
    incident: String,
    entry: TimelineItem,
}

#[derive(Serialize)]
struct SilenceChange {
    id: String,
}

#[derive(Serialize)]
struct CommandChange {
    seq: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<String>,
}

#[derive(Serialize)]
struct Pulse {
    /// The newest stamp that is shown.
    at: String,
    /// Our clock, which ages are told by: the reader's may be wrong.
    now: String,
    held: u64,
    /// When the oldest record was taken that nothing has decided yet: the screen is that old. Absent: nothing waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    waits_since: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    events: Option<u64>,
}

/// Every committed change, as server-sent events; resumes after `Last-Event-ID`.
#[utoipa::path(get, path = "/api/v1/feed", tag = "feed", params(FeedQuery),
    responses((status = 200, content_type = "text/event-stream", body = String), (status = "default", body = Problem)))]
pub async fn feed(
    State(api): State<Arc<Api>>,
    caller: Caller,
    lang: Lang,
    headers: HeaderMap,
    Params(query): Params<FeedQuery>,
) -> Result<Response, ApiError> {
    let header = headers.get("last-event-id").and_then(|value| value.to_str().ok());
    let last = match header.or(query.after.as_deref()) {
        Some(text) => Some(FeedId::parse(text).ok_or_else(|| ApiError::Bad("after: not an id of this feed".into()))?),
        None => None,
    };
    let sub = api.live.feed.subscribe(last);
    let mut first: Vec<Event> = Vec::new();
    if sub.resync {
        first.push(resync(sub.head));
    }
    let told = last.filter(|_| !sub.resync).unwrap_or(sub.head);
    // A feed that was opened with a session ends with it.
    let by_token = headers.contains_key(AUTHORIZATION);
    let cookie = session_cookie(&headers, api.settings.secure_cookies).filter(|_| !by_token);
    let session = cookie.map(str::to_owned);
    let mut reader = Reader { api, session, caller, lang, changes: sub.changes, pulse_at: Instant::now(), told };
    first.extend(reader.events(sub.missed));
    let events = stream::unfold((reader, first.into_iter()), next_event);
    let mut response = Sse::new(events).keep_alive(KeepAlive::default()).into_response();
    // A buffering proxy in front would hold the changes back.
    response.headers_mut().insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    Ok(response)
}

type Reading = (Reader, std::vec::IntoIter<Event>);

async fn next_event((mut reader, mut ready): Reading) -> Option<(Result<Event, Infallible>, Reading)> {
    loop {
        if let Some(event) = ready.next() {
            return Some((Ok(event), (reader, ready)));
        }
        ready = reader.wait().await?.into_iter();
    }
}

struct Reader {
    api: Arc<Api>,
    /// The cookie's id, when it came with one.
    session: Option<String>,
    caller: Caller,
    lang: Lang,
    changes: Receiver<Arc<FeedItem>>,
    pulse_at: Instant,
    /// Everything up to here was told, or is not the caller's: where to go on after a cut.
    told: FeedId,
}

impl Reader {
    /// The next events; `None` when the program or the credential ends.
    async fn wait(&mut self) -> Option<Vec<Event>> {
        tokio::select! {
            biased;
            () = sleep_until(self.pulse_at) => {
                self.pulse_at = Instant::now() + PULSE;
                // Who lost the right to look is not told any more.
                self.api.auth.proven(&self.caller.credential)?;
                if self.session.as_ref().is_some_and(|id| !self.api.sessions.lives(id, (self.api.now)())) {
                    return None;
                }
                Some(vec![self.pulse()])
            }
            change = self.changes.recv() => match change {
                Ok(item) => Some(self.gather(item).await),
                Err(RecvError::Lagged(_)) => Some(vec![self.lagged()]),
                Err(RecvError::Closed) => None,
            },
        }
    }

    async fn gather(&mut self, item: Arc<FeedItem>) -> Vec<Event> {
        sleep(GATHER).await;
        let mut items = vec![item];
        while items.len() < BATCH_MAX {
            match self.changes.try_recv() {
                Ok(item) => items.push(item),
                Err(TryRecvError::Lagged(_)) => return vec![self.lagged()],
                Err(TryRecvError::Empty | TryRecvError::Closed) => break,
            }
        }
        self.events(items)
    }

    /// The caller's changes in order, of each incident only the newest.
    fn events(&mut self, items: Vec<Arc<FeedItem>>) -> Vec<Event> {
        self.told = items.last().map_or(self.told, |item| item.id);
        let scope = self.caller.scope();
        let mut newest: BTreeMap<FeedId, (Arc<FeedItem>, bool)> = BTreeMap::new();
        let mut at = BTreeMap::new();
        for item in items.into_iter().filter(|item| item.is_for(&scope, &self.caller.name)) {
            let mut members = false;
            if let Change::Incident { incident, joined, left } = &item.change {
                members = !joined.is_empty() || !left.is_empty();
                if let Some(before) = at.insert(incident.id, item.id) {
                    members |= newest.remove(&before).is_some_and(|(_, members)| members);
                }
            }
            newest.insert(item.id, (item, members));
        }
        let to = self.api.onlooker(&self.caller, self.lang);
        newest.into_values().filter_map(|(item, members)| event(&item, members, &to)).collect()
    }

    fn lagged(&mut self) -> Event {
        let sub = self.api.live.feed.subscribe(None);
        (self.changes, self.told) = (sub.changes, sub.head);
        resync(sub.head)
    }

    fn pulse(&self) -> Event {
        let scope = self.caller.scope();
        let state = self.api.live.read();
        let tenant = state.tenant(&self.caller.tenant);
        let whole = scope.is_whole();
        let pulse = Pulse {
            at: state.stamp.to_string(),
            now: (self.api.now)().to_string(),
            held: tenant.map_or(0, |tenant| tenant.alerts.held(&scope)),
            waits_since: state.waits_since().map(|since| since.to_string()),
            events: tenant.filter(|_| whole).map(|tenant| tenant.conservation.accepted),
        };
        // With an id, a reader that has seen no change yet still knows where to go on.
        Event::default().id(self.told.to_string()).event("pulse").json_data(pulse).unwrap_or_default()
    }
}

fn resync(head: FeedId) -> Event {
    Event::default().id(head.to_string()).event("resync").data("{}")
}

fn event(item: &FeedItem, members_changed: bool, to: &Onlooker) -> Option<Event> {
    let event = Event::default().id(item.id.to_string());
    let written = match &item.change {
        Change::Incident { incident, .. } => {
            let gone = !to.sight.scope.sees(&incident.orgs, incident.area);
            let item = (!gone).then(|| IncidentItem::of(incident, to));
            let change = IncidentChange { id: incident.id.to_string(), gone, incident: item, members_changed };
            event.event("incident").json_data(change)
        }
        Change::Timeline { incident, entry } => {
            let entry = TimelineItem::of(entry, to);
            event.event("timeline").json_data(TimelineChange { incident: incident.to_string(), entry })
        }
        Change::Silence { silence } => event.event("silence").json_data(SilenceChange { id: silence.id.to_string() }),
        Change::Command { journal_seq, refused, .. } => event
            .event("command")
            .json_data(CommandChange { seq: *journal_seq, refused: refused.as_ref().map(ToString::to_string) }),
    };
    written.ok()
}
