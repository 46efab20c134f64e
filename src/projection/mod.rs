//! The views: what people and programs read. Fed by committed outbox records only, so that everything
//! shown has happened, and rebuildable from them.
//!
//! `live` answers from memory (open and recently closed incidents, alerts, numbers, the feed);
//! `history` is a SQLite file beside the journal that is searched, exported and asked "why".

pub mod alerts;
pub mod board;
pub mod bus;
pub mod counts;
pub mod feed;
pub mod fired;
pub mod history;
pub mod live;
pub mod novelty;
pub mod overview;
pub mod scope;
pub mod shared;
pub mod sight;
pub mod tenant;

#[cfg(test)]
pub mod scripted;

use std::sync::Arc;

use crate::domain::time::Timestamp;
use crate::engine::effect::Effect;
use crate::engine::input::Input;

/// One committed step: the journal record that was applied and what came of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Committed {
    pub partition: u16,
    /// Sequence of the journal record; strictly increasing within the partition.
    pub journal_seq: u64,
    /// Sequence of the outbox record that committed it; several steps may share one.
    pub outbox_seq: u64,
    pub stamp: Timestamp,
    /// The input, when it carries what the views need (events, commands); `None` for ticks and the like.
    pub input: Option<Arc<Input>>,
    pub effects: Arc<Vec<Effect>>,
}
