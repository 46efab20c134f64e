//! Suggestions with proof: what a recorded stream says about rules and CMDB that nobody has written down yet.
//!
//! [`history`] makes episodes of the events, [`pairs`] finds which alert types cause which, [`noise`] those that belong to
//! nothing, [`heed`] those that nobody cares for, [`draft`] makes rules of that and tries each on the stream, [`edges`] looks at the CMDB's relations. Nothing is changed by it: people decide.

pub mod draft;
pub mod edges;
pub mod heed;
pub mod history;
pub mod noise;
pub mod pairs;

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Result;
use serde::Serialize;

use crate::domain::event::Event;
use crate::domain::topology::Topology;
use crate::engine::policy::place::RuleFile;
use crate::engine::tuning::Tuning;

use draft::{Draft, Ground, Trial};
use edges::{MissingEdge, SilentEdge};
use heed::Heed;
use history::{History, Kind};
use pairs::Pair;

/// A pair with the names of its alert types.
#[derive(Clone, Debug, Serialize)]
pub struct NamedPair {
    pub cause_source: String,
    pub cause: String,
    pub effect_source: String,
    pub effect: String,
    #[serde(flatten)]
    pub proof: Pair,
}

/// Everything suggested.
#[derive(Clone, Debug, Serialize)]
pub struct Suggestions {
    pub events: usize,
    pub episodes: usize,
    /// Alert types that cause others, the surest first.
    pub pairs: Vec<NamedPair>,
    pub drafts: Vec<Draft>,
    /// Drafts that were tried and would never have applied, or would have told people more.
    pub drafts_dropped: usize,
    pub missing_edges: Vec<MissingEdge>,
    pub silent_edges: Vec<SilentEdge>,
    /// Episodes and relations beyond the limits: not looked at.
    pub cut: u64,
}

/// What suggestions are made from.
pub struct Recorded<'a> {
    /// In order of arrival.
    pub events: &'a [Event],
    pub topology: Arc<Topology>,
    pub tuning: Arc<Tuning>,
    /// The rules that are valid; drafts are tried on top of them.
    pub rules: Vec<RuleFile>,
    /// What became of the incidents of alert types, where that is recorded.
    pub heeded: BTreeMap<Kind, Heed>,
}

/// Looks at a recorded stream. Each draft costs a run of the engine over it.
///
/// # Errors
/// When the rules are refused.
pub fn suggest(recorded: Recorded<'_>) -> Result<Suggestions> {
    let Recorded { events, topology, tuning, rules, heeded } = recorded;
    let history = History::of(events, &topology, tuning.refire_window);
    let pairs = pairs::causes(&history);
    let mut drafts = draft::drafts(&history, &pairs, &heeded, &rules);
    let ground = Ground { events, topology: topology.clone(), tuning, rules };
    if !drafts.is_empty() {
        let before = ground.as_it_is()?;
        for draft in &mut drafts {
            draft.trial = Some(ground.trial(draft, before)?);
        }
    }
    let made = drafts.len();
    drafts.retain(|draft| draft.trial.is_some_and(Trial::helps));
    let named = |pair: Pair| {
        let (cause, effect) = (&history.kinds[pair.cause], &history.kinds[pair.effect]);
        NamedPair {
            cause_source: cause.source.to_string(),
            cause: cause.name.to_string(),
            effect_source: effect.source.to_string(),
            effect: effect.name.to_string(),
            proof: pair,
        }
    };
    Ok(Suggestions {
        events: events.len(),
        episodes: history.episodes.len(),
        missing_edges: edges::missing(&history),
        silent_edges: edges::silent(&history, &topology),
        cut: history.cut,
        pairs: pairs.into_iter().map(named).collect(),
        drafts_dropped: made - drafts.len(),
        drafts,
    })
}
