//! Suggestions behind the API: alerts as the history has them, through the lab, on the tenant's own rules.

use std::sync::Arc;

use crate::api::suggestions::{DraftItem, MissingRelation, PairItem, SilentRelation, Suggested, TrialItem, TypeItem};
use crate::domain::alert::{AlertState, AlertView};
use crate::domain::event::{Event, ObjectRef, Status};
use crate::domain::topology::Topology;
use crate::engine::policy::place::RuleFile;
use crate::engine::tuning::Tuning;
use crate::lab::suggest::draft::{Draft, Reason};
use crate::lab::suggest::{NamedPair, Recorded, suggest};
use crate::wording::lang::Text;

/// What alerts give reason for.
///
/// # Errors
/// When the rules are refused.
pub fn advise(
    alerts: &[AlertView],
    topology: Arc<Topology>,
    tuning: Arc<Tuning>,
    rules: Vec<RuleFile>,
) -> anyhow::Result<Suggested> {
    let mut events: Vec<Event> = alerts.iter().flat_map(events).collect();
    events.sort_by_key(|event| event.observed_at);
    let found = suggest(Recorded { events: &events, topology, tuning, rules })?;
    let missing = found.missing_edges.into_iter().map(|edge| MissingRelation {
        cause: edge.cause,
        effect: edge.effect,
        occasions: edge.occasions,
        reversed: edge.reversed,
        by_chance: edge.by_chance,
        lead_seconds: edge.lead_secs,
    });
    let silent = found.silent_edges.into_iter().map(|edge| SilentRelation {
        cause: edge.cause,
        effect: edge.effect,
        relation: edge.relation,
        failures: edge.failures,
        expected: edge.expected,
    });
    Ok(Suggested {
        alerts: alerts.len(),
        episodes: found.episodes,
        pairs: found.pairs.into_iter().map(pair).collect(),
        drafts_dropped: found.drafts_dropped,
        drafts: found.drafts.into_iter().map(draft).collect(),
        missing_relations: missing.collect(),
        silent_relations: silent.collect(),
        cut: found.cut,
    })
}

/// An alert as the events that made it: its begin, and its end when it is over.
fn events(alert: &AlertView) -> Vec<Event> {
    let mut began = Event::new(alert.tenant.clone(), alert.source.clone(), &alert.name, alert.starts_at);
    (began.severity, began.title, began.labels) = (alert.severity, alert.title.clone(), alert.labels.clone());
    began.observed_at = alert.first_seen;
    began.object = match &alert.ci {
        Some(ci) => ObjectRef { ci_id: Some(ci.id.to_string()), ..ObjectRef::default() },
        None => ObjectRef { name: Some(alert.object.to_string()), ..ObjectRef::default() },
    };
    if alert.state == AlertState::Firing {
        return vec![began];
    }
    let mut ended = began.clone();
    ended.status = Status::Resolved;
    (ended.starts_at, ended.observed_at) = (alert.last_seen.max(alert.starts_at), alert.last_seen);
    vec![began, ended]
}

fn pair(pair: NamedPair) -> PairItem {
    let proof = pair.proof;
    PairItem {
        cause: TypeItem { source: pair.cause_source, name: pair.cause },
        effect: TypeItem { source: pair.effect_source, name: pair.effect },
        episodes: proof.episodes,
        share: proof.share,
        share_back: proof.share_back,
        follows: proof.follows,
        lift: proof.lift,
        lead_seconds: proof.lead_secs,
        same_place: proof.same_place,
    }
}

fn draft(draft: Draft) -> DraftItem {
    let trial = draft.trial.map(|trial| TrialItem {
        hits: trial.hits,
        incidents: trial.incidents,
        notices: trial.notices,
        held: trial.held,
        muted: trial.muted,
    });
    DraftItem {
        id: draft.id,
        reason: match draft.reason {
            Reason::Causes => "causes",
            Reason::AlwaysWith => "always_with",
            Reason::Flapping => "flapping",
            Reason::Noise => "noise",
        },
        because: Text::new(draft.because_zh, draft.because_en),
        yaml: draft.yaml,
        trial,
    }
}
