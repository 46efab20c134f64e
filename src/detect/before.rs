//! Alerts of ours that stood before this program watched their series: what began them is not known, and nobody else would tell
//! their end.

use std::collections::BTreeMap;

use super::anomaly::Kind;
use super::shows::named;
use super::unusual::{Unusual, Whose};
use super::watch::Subject;
use crate::domain::event::{Event, ObjectRef};
use crate::domain::ids::{SourceId, TenantId};
use crate::domain::time::{Span, Timestamp};

type Of = (TenantId, SourceId, Subject);

/// What stood before, and since when we know.
#[derive(Debug, Default)]
pub(super) struct Before(BTreeMap<Of, Timestamp>);

impl Before {
    /// It stands, and nothing of ours shows it.
    pub fn note(&mut self, of: Of, now: Timestamp) {
        self.0.entry(of).or_insert(now);
    }

    /// Its series is usual, or shows it anew; whether it stood until now.
    pub fn is_over(&mut self, tenant: &TenantId, source: &SourceId, subject: &Subject) -> bool {
        !self.0.is_empty() && self.0.remove(&(tenant.clone(), source.clone(), subject.clone())).is_some()
    }

    /// Whether nothing stands from before.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The ends of those whose series did not come for `idle`.
    pub fn unheard(&mut self, now: Timestamp, idle: Span) -> Vec<Event> {
        let gone = |since: Timestamp| now.since(since) > idle;
        let over: Vec<Of> = self.0.iter().filter(|(_, since)| gone(**since)).map(|(of, _)| of.clone()).collect();
        self.0.retain(|_, since| !gone(*since));
        let ended = |(tenant, source, (object, kind)): Of| {
            let whose = Whose { tenant: &tenant, source: &source, version: 0 };
            let object = ObjectRef { name: Some(object.into()), ..ObjectRef::default() };
            Unusual::plain(kind, object, "", 0.0, now).ended(
                whose,
                now,
                "重启后未收到其序列 / its series did not come after a restart",
            )
        };
        over.into_iter().map(ended).collect()
    }

    /// Somebody else watches what these sources send.
    pub fn forget(&mut self, is_gone: impl Fn(&TenantId, &SourceId) -> bool) {
        self.0.retain(|(tenant, source, _), _| !is_gone(tenant, source));
    }
}

/// What a usual series of an object ends, of what may have stood before.
pub(super) fn ended_by(subject: &Subject, source: &SourceId) -> Vec<Subject> {
    let kinds = [subject.1, Kind::Flat, Kind::Silent, Kind::Together];
    let silent = (source.as_str().into(), Kind::Silent);
    kinds.map(|kind| (subject.0.clone(), kind)).into_iter().chain([silent]).collect()
}

/// The object of such an alert, when a series of `object` ends it.
pub(super) fn object_of(subject: &Subject, object: &ObjectRef, source: &SourceId) -> ObjectRef {
    if *subject.0 == *object.label() { object.clone() } else { named(source) }
}
