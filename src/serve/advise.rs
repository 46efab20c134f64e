//! Suggestions behind the API: events as the history has them, through the lab, on the tenant's own rules.

use std::sync::Arc;

use crate::api::suggestions::{
    DraftItem, MissingRelation, PairItem, Seen, SilentRelation, Suggested, TrialItem, TypeItem,
};
use crate::domain::topology::Topology;
use crate::engine::policy::place::RuleFile;
use crate::engine::tuning::Tuning;
use crate::lab::suggest::draft::Draft;
use crate::lab::suggest::heed::Heed;
use crate::lab::suggest::history::Kind;
use crate::lab::suggest::{NamedPair, Recorded, suggest};
use crate::wording::lang::Text;

/// What recorded events, oldest first, give reason for.
///
/// # Errors
/// When the rules are refused.
pub fn advise(
    seen: &Seen,
    topology: Arc<Topology>,
    tuning: Arc<Tuning>,
    rules: Vec<RuleFile>,
) -> anyhow::Result<Suggested> {
    let heeded = seen.heeded.iter().map(|of| {
        let kind = Kind { source: of.source.as_str().into(), name: of.name.as_str().into() };
        (kind, Heed { incidents: of.incidents, acknowledged: of.acknowledged })
    });
    let heeded = heeded.collect();
    let found = suggest(Recorded { events: &seen.events, topology, tuning, rules, heeded })?;
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
        events: found.events,
        episodes: found.episodes,
        pairs: found.pairs.into_iter().map(pair).collect(),
        drafts_dropped: found.drafts_dropped,
        drafts: found.drafts.into_iter().map(draft).collect(),
        missing_relations: missing.collect(),
        silent_relations: silent.collect(),
        cut: found.cut,
    })
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
        file: draft.file,
        reason: draft.reason.word(),
        because: Text::new(draft.because_zh, draft.because_en),
        yaml: draft.yaml,
        trial,
    }
}
