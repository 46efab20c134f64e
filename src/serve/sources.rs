//! The registry behind the API, and the watch over sources that fall silent.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::api::sources::{
    ExpectedBody, NewSource, PayloadItem, PreviewBody, PreviewRejection, RateBody, RejectionItem, SketchBody,
    SourceBody, SourceItem, Sources, Tried,
};
use crate::api::state::WriteError;
use crate::clock::Clock;
use crate::decode::limits::Limits;
use crate::decode::mapping::{Mapping, Shape};
use crate::decode::{Body, BodyError, Context, Decoded, sketch};
use crate::domain::event::{Event, ObjectRef, Status};
use crate::domain::ids::{SourceId, TenantId};
use crate::domain::partition::partition_of;
use crate::domain::severity::Severity;
use crate::domain::time::{Span, Timestamp};
use crate::domain::title::SOURCE_SILENT;
use crate::engine::input::{Batch, Input};
use crate::engine::memory::OWN_SOURCE;
use crate::intake::Intake;
use crate::intake::format::{Format, Sender};
use crate::intake::registry::expected::Expected;
use crate::intake::registry::file::{Kept, RegistryError};
use crate::intake::registry::{Key, Seen};
use crate::intake::settings::{Preset, Rate};
use crate::pipeline::Pipeline;

use super::judge::Judge;

/// Events of one payload that are tried.
const TRIED_MAX: usize = 20;
/// How often it is looked who is silent.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A silence that lasts is told again after this time, so that its alert does not expire.
const TELL_AGAIN: Span = Span::hours(1);

/// The registry, and what tries payloads.
pub struct Desk {
    pub intake: Arc<Intake>,
    pub judge: Arc<Judge>,
    pub clock: Clock,
}

fn wrong(what: impl ToString) -> WriteError {
    WriteError::Refused { errors: vec![what.to_string()] }
}

fn unwritten(error: RegistryError) -> WriteError {
    match error {
        RegistryError::Refused(why) => wrong(why),
        RegistryError::Io { .. } | RegistryError::Unreadable { .. } => {
            tracing::error!(%error, "sources are not written");
            WriteError::TryLater { wait: Duration::from_secs(5) }
        }
    }
}

impl Sources for Desk {
    fn list(&self, tenant: &TenantId) -> Vec<SourceItem> {
        let now = (self.clock)();
        let all = self.intake.registry().list(tenant, now);
        all.into_iter().map(|(id, kept, seen)| item(&id, kept.as_deref(), seen, now)).collect()
    }

    fn payloads(&self, tenant: &TenantId, source: &SourceId) -> Vec<PayloadItem> {
        let all = self.intake.registry().payloads(tenant, source).into_iter();
        all.map(|one| PayloadItem { at: one.at.to_string(), format: one.format, body: one.body, cut: one.is_cut })
            .collect()
    }

    fn put(&self, tenant: &TenantId, source: &SourceId, wanted: NewSource) -> Result<(), WriteError> {
        let registry = self.intake.registry();
        let before = registry.kept(tenant, source, (self.clock)());
        let NewSource { kind, owner, note, enabled, expected, rate, secret } = wanted;
        let secret = match secret {
            None => before.and_then(|before| before.secret.clone()),
            Some(secret) => Some(secret).filter(|secret| !secret.is_empty()),
        };
        let expected = expected.map(read_expected).transpose()?;
        let (tenant, id, rate) = (tenant.clone(), source.clone(), read_rate(&rate)?);
        registry.put(Kept { tenant, id, kind, owner, note, enabled, expected, rate, secret }).map_err(unwritten)
    }

    fn remove(&self, tenant: &TenantId, source: &SourceId) -> Result<bool, WriteError> {
        self.intake.registry().remove(&(tenant.clone(), source.clone())).map_err(unwritten)
    }

    fn preview(&self, tenant: &TenantId, source: &SourceId, wanted: &PreviewBody) -> Result<Tried, WriteError> {
        let Decoded { events, rejected, orders, counts } = self.decode(tenant, source, wanted)?;
        let trials = events.into_iter().take(TRIED_MAX).map(|event| self.judge.try_event(tenant, event));
        let rejection = |one: crate::decode::Rejected| PreviewRejection {
            index: one.index,
            reason: one.letter.why.word().to_owned(),
            detail: one.letter.why.detail().to_owned(),
        };
        Ok(Tried {
            trials: trials.collect::<Result<_, _>>()?,
            rejected: rejected.into_iter().map(rejection).collect(),
            left_out: counts.left_out,
            orders: orders.len() as u64,
            unmapped_severity: counts.unmapped_severity,
        })
    }

    fn sketch(&self, wanted: &SketchBody) -> Result<String, WriteError> {
        let name = if wanted.name.is_empty() { "mine" } else { &wanted.name };
        sketch::sketch(name, &wanted.payload).map_err(wrong)
    }
}

impl Desk {
    fn decode(&self, tenant: &TenantId, source: &SourceId, wanted: &PreviewBody) -> Result<Decoded, WriteError> {
        let shape = match wanted.shape.as_str() {
            "" | "json" => Shape::Json,
            "lines" => Shape::Lines,
            "form" => Shape::Form,
            other => return Err(wrong(format!("shape {other:?}: write json, lines or form"))),
        };
        let (received_at, body) = ((self.clock)(), Body::from(wanted.payload.as_bytes()));
        if let Some(yaml) = &wanted.mapping {
            let mapping = Mapping::parse("mapping", yaml).map_err(wrong)?;
            let formats = self.intake.formats();
            let context = Context {
                tenant,
                source,
                received_at: Some(received_at),
                severities: &formats.severities,
                limits: &Limits::MODEL,
            };
            return mapping.decode(body, shape, &context).map_err(|error: BodyError| wrong(error));
        }
        let format = Format::named(&wanted.format).unwrap_or_else(|| Format::Mapping(wanted.format.clone(), shape));
        let sender = Sender { tenant: tenant.clone(), source: source.clone(), received_at };
        self.intake.decode(&format, &sender, body).map_err(wrong)
    }
}

fn item(id: &SourceId, kept: Option<&Kept>, seen: Option<Seen>, now: Timestamp) -> SourceItem {
    let mut item = SourceItem { id: id.to_string(), registered: kept.is_some(), ..SourceItem::default() };
    let last_at = seen.as_ref().map(|seen| seen.last_at);
    if let Some(kept) = kept {
        item.decided = SourceBody {
            kind: kept.kind.clone(),
            owner: kept.owner.clone(),
            note: kept.note.clone(),
            enabled: kept.enabled,
            expected: kept.expected.as_ref().map(shown_expected),
            rate: shown_rate(&kept.rate),
        };
        item.has_secret = kept.secret.is_some();
        let missed_at = kept.expected.as_ref().zip(last_at).and_then(|(expected, last)| expected.missed_at(last));
        item.missed_at = missed_at.map(|at| at.to_string());
        item.silent = kept.enabled && missed_at.is_some_and(|at| at <= now);
    }
    let Some(seen) = seen else { return item };
    let Seen { first_at, last_at, format, deliveries, bytes, events, rejected, left_out, last_rejection } = seen;
    SourceItem {
        first_seen: Some(first_at.to_string()),
        last_seen: Some(last_at.to_string()),
        last_rejection: last_rejection.map(|(at, detail)| RejectionItem { at: at.to_string(), detail }),
        format,
        deliveries,
        bytes,
        events,
        rejected,
        left_out,
        ..item
    }
}

fn read_expected(body: ExpectedBody) -> Result<Expected, WriteError> {
    let zone = body.zone.as_deref().filter(|zone| !zone.is_empty());
    let zone = zone.map(|zone| {
        zone.parse().map_err(|_| wrong(format!("expected.zone: {zone:?} is no zone such as Asia/Shanghai")))
    });
    Ok(Expected {
        every_secs: body.every_secs,
        schedule: body.schedule.filter(|schedule| !schedule.is_empty()),
        zone: zone.transpose()?,
        grace_secs: body.grace_secs,
    })
}

fn shown_expected(expected: &Expected) -> ExpectedBody {
    let Expected { every_secs, schedule, zone, grace_secs } = expected.clone();
    ExpectedBody { every_secs, schedule, zone: zone.map(|zone| zone.name().to_owned()), grace_secs }
}

fn read_rate(body: &RateBody) -> Result<Rate, WriteError> {
    let preset = match body.preset.as_deref() {
        None | Some("") => None,
        Some("flashduty") => Some(Preset::Flashduty),
        Some(other) => return Err(wrong(format!("rate.preset: {other:?} is not known; there is flashduty"))),
    };
    let positive = |number: Option<u32>| number.and_then(std::num::NonZeroU32::new);
    Ok(Rate {
        preset,
        requests_per_second: positive(body.requests_per_second),
        requests_per_minute: positive(body.requests_per_minute),
        events_per_second: positive(body.events_per_second),
    })
}

fn shown_rate(rate: &Rate) -> RateBody {
    let number = |number: Option<std::num::NonZeroU32>| number.map(std::num::NonZeroU32::get);
    RateBody {
        preset: rate.preset.map(|Preset::Flashduty| "flashduty".to_owned()),
        requests_per_second: number(rate.requests_per_second),
        requests_per_minute: number(rate.requests_per_minute),
        events_per_second: number(rate.events_per_second),
    }
}

/// Tells who is silent: an alert of source `headwater` on the source, until it is heard of again.
pub struct SilenceWatch {
    pub pipeline: Arc<Pipeline>,
    pub intake: Arc<Intake>,
}

/// What the watch remembers of a source.
struct Watched {
    /// Events of it that any instance has taken, and when the number last changed.
    events: u64,
    heard_at: Timestamp,
    /// When its silence was told last.
    told_at: Option<Timestamp>,
    /// Its end was told since the start: an alert of before cannot stand any more.
    is_ended: bool,
}

impl SilenceWatch {
    /// Watches until the future is dropped.
    pub async fn run(self) {
        let started = (self.pipeline.clock)();
        let mut watched: BTreeMap<Key, Watched> = BTreeMap::new();
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let now = (self.pipeline.clock)();
            let kept = self.intake.registry().all_kept(now);
            let keys: BTreeSet<Key> =
                kept.iter().filter(|kept| kept.expected.is_some()).map(|kept| kept.key()).collect();
            watched.retain(|key, _| keys.contains(key));
            for kept in kept.iter().filter(|kept| kept.expected.is_some()) {
                let events = self.events(&kept.tenant, &kept.id);
                let fresh = || Watched { events, heard_at: started.max(now), told_at: None, is_ended: false };
                let one = watched.entry(kept.key()).or_insert_with(fresh);
                if let Some(status) = self.look(kept, one, events, now) {
                    self.tell(kept, status, one.heard_at, now).await;
                }
            }
        }
    }

    fn events(&self, tenant: &TenantId, source: &SourceId) -> u64 {
        self.pipeline.live.read().tenant(tenant).map_or(0, |tenant| tenant.noisy_sources.of(source.as_str()))
    }

    /// What is to be told of a source now.
    fn look(&self, kept: &Kept, one: &mut Watched, events: u64, now: Timestamp) -> Option<Status> {
        let mut is_heard = false;
        if events != one.events {
            (one.events, one.heard_at, is_heard) = (events, now, true);
        }
        let last_at = self.intake.registry().last_at(&kept.tenant, &kept.id);
        if let Some(at) = last_at.filter(|at| *at > one.heard_at) {
            (one.heard_at, is_heard) = (at, true);
        }
        let missed_at = kept.expected.as_ref()?.missed_at(one.heard_at)?;
        if kept.enabled && missed_at <= now {
            let is_due = one.told_at.is_none_or(|at| now >= at.plus(TELL_AGAIN));
            one.is_ended = false;
            return is_due.then(|| {
                one.told_at = Some(now);
                Status::Firing
            });
        }
        let stands = one.told_at.is_some() || (is_heard && !one.is_ended);
        if !stands {
            return None;
        }
        (one.told_at, one.is_ended) = (None, true);
        Some(Status::Resolved)
    }

    async fn tell(&self, kept: &Kept, status: Status, heard_at: Timestamp, now: Timestamp) {
        let mut event = Event::new(kept.tenant.clone(), SourceId::from(OWN_SOURCE), "source-silent", now);
        event.status = status;
        event.severity = Severity::Major;
        event.title = format!("{} {}", kept.id, SOURCE_SILENT.kept()).into();
        let owner = if kept.owner.is_empty() { String::new() } else { format!("; ask {}", kept.owner) };
        event.description = format!("last heard of at {heard_at}{owner}").into();
        event.object = ObjectRef { name: Some(kept.id.to_string()), ..ObjectRef::default() };
        if status == Status::Firing {
            tracing::warn!(source.id = %kept.id, %heard_at, "a source is silent");
        }
        let batch = Batch { tenant: kept.tenant.clone(), events: vec![event], rejected: Vec::new(), replay_of: None };
        if let Err(error) = self.pipeline.log.append(partition_of(&kept.tenant), Input::Batch(batch)).await {
            tracing::warn!(%error, source.id = %kept.id, "that a source is silent is in the log only");
        }
    }
}
