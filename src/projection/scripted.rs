//! Steps for tests: incidents of `n` alerts, and repeats.

use std::sync::Arc;

use super::Committed;
use super::history::writer::Stored;
use crate::domain::alert::{AlertState, AlertView};
use crate::domain::ci::{Area, CiRef};
use crate::domain::event::Event;
use crate::domain::few::Few;
use crate::domain::ids::{AlertId, IncidentId};
use crate::domain::incident::*;
use crate::domain::label::Labels;
use crate::domain::partition::partition_of;
use crate::domain::severity::Severity;
use crate::domain::time::{Span, Timestamp};
use crate::engine::effect::Effect;
use crate::engine::input::{Batch, Input};
use crate::engine::verdict::{Repeat, Verdict};
use crate::journal::body;
use crate::journal::packed::pack;

/// A step as journal and outbox keep it.
pub fn stored(step: Committed) -> Stored {
    let input = body::encode(step.input.as_deref().unwrap_or(&Input::Tick)).unwrap();
    let effects = pack(&serde_json::to_vec(&*step.effects).unwrap()).into();
    Stored { step, input, effects }
}

/// 2026-01-05T00:00:00Z.
pub const T0: Timestamp = Timestamp(1_767_571_200_000);

fn ci(n: u64, org: &str) -> CiRef {
    let (id, name) = (format!("c{n}"), format!("Host-{n}"));
    CiRef { id: id.into(), name: name.into(), class: "server".into(), area: Some(Area::Cloud), org: Some(org.into()) }
}

fn alert(id: u64, ci: CiRef, incident: u64, at: Timestamp) -> AlertView {
    AlertView {
        id: AlertId(id),
        tenant: "a".into(),
        source: "prom".into(),
        name: "HostDown".into(),
        title: "".into(),
        severity: Severity::Major,
        state: AlertState::Firing,
        object: ci.name.as_ref().into(),
        ci: Some(ci.into()),
        labels: Labels::default(),
        signal: None,
        side: None,
        first_seen: at,
        last_seen: at,
        starts_at: at,
        count: 1,
        muted_by: Few::default(),
        flapping: false,
        incident: Some(IncidentId(incident)),
        held: false,
    }
}

fn view(n: u64, root: CiRef, count: u32, at: Timestamp) -> IncidentView {
    let candidate = Candidate {
        ci: root.clone().into(),
        alert: None,
        inferred: true,
        score: 900,
        evidence: Vec::new(),
        rejected: false,
        possible: false,
    };
    IncidentView {
        severity: Severity::Major,
        priority: Priority::P2,
        candidates: [candidate].into(),
        alert_count: count,
        firing_count: count,
        event_count: count.into(),
        ci_count: 1,
        area: root.area,
        orgs: root.org.into_iter().collect(),

        ..IncidentView::new(IncidentId(n), "a".into(), &format!("{} is down", root.name), at)
    }
}

/// Incident `n` of `count` alerts `n0 …` on CI `cn`, at second `n`.
pub fn opened(n: u64, org: &str, count: u64) -> Committed {
    let at = T0.plus(Span::secs(n as i64));
    let root = ci(n, org);
    let mut effects = Vec::new();
    let joined: Vec<AlertId> = (0..count).map(|k| AlertId(n * 10 + k)).collect();
    for (index, id) in joined.iter().enumerate() {
        let (alert_id, incident, decision) = (*id, IncidentId(n), Box::default());
        let verdict = match index {
            0 => Verdict::Opened { alert: alert_id, incident, decision },
            _ => Verdict::Joined { alert: alert_id, incident, decision },
        };
        effects.push(Effect::Verdict { index: index as u32, verdict });
        effects.push(Effect::Alert { alert: Arc::new(alert(id.0, root.clone(), n, at)) });
    }
    let incident = Arc::new(view(n, root, count as u32, at));
    effects.push(Effect::Incident { incident, joined, left: Vec::new() });
    let entry =
        TimelineEntry { at, actor: "headwater".into(), kind: TimelineKind::Opened, via: "".into(), detail: "".into() };
    effects.push(Effect::Timeline { tenant: "a".into(), incident: IncidentId(n), entry });
    let events = (0..count).map(|_| Event::new("a".into(), "prom".into(), "HostDown", at)).collect();
    let batch = Batch { tenant: "a".into(), events, rejected: Vec::new(), replay_of: None };
    let input = Some(Arc::new(Input::Batch(batch)));
    Committed {
        partition: partition_of(&"a".into()),
        journal_seq: n,
        outbox_seq: n,
        stamp: at,
        input,
        effects: Arc::new(effects),
    }
}

/// The first alert of incident `of` is reported again.
pub fn repeated(seq: u64, of: u64) -> Committed {
    let at = T0.plus(Span::secs(seq as i64));
    let verdict = Verdict::Duplicate { alert: Some(AlertId(of * 10)), why: Repeat::StillFiring };
    let events = vec![Event::new("a".into(), "prom".into(), "HostDown", at)];
    let batch = Batch { tenant: "a".into(), events, rejected: Vec::new(), replay_of: None };
    let input = Some(Arc::new(Input::Batch(batch)));
    Committed {
        partition: partition_of(&"a".into()),
        journal_seq: seq,
        outbox_seq: seq,
        stamp: at,
        input,
        effects: Arc::new(vec![Effect::Verdict { index: 0, verdict }]),
    }
}
