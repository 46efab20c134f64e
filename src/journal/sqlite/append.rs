//! Appending to the journal: the input becomes bytes in the caller's thread, a record in the writer's.

use std::sync::Arc;

use bytes::Bytes;
use rusqlite::{Connection, params};

use super::fail::SqlResult;
use super::schema::{Heads, JournalHead};
use super::tail::Tails;
use super::writer::{Need, Setback, Task};
use crate::domain::time::Timestamp;
use crate::engine::input::Input;
use crate::journal::body::encode;
use crate::journal::digest::ChainHash;
use crate::journal::packed::text_bytes;
use crate::journal::{AppendError, Appended, Record};

/// Called with the answer, once.
pub type Reply<T> = Box<dyn FnOnce(T) + Send>;

/// The machine's clock, or a test's.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// One input on its way to the file.
pub struct Append {
    partition: u16,
    input: Arc<Input>,
    body: Bytes,
    body_hash: ChainHash,
    clock: Clock,
    tails: Arc<Tails<Record>>,
    reply: Reply<Result<Appended, Setback>>,
    written: Option<(Appended, Timestamp)>,
}

impl Append {
    /// Makes the stored form of `input`.
    ///
    /// # Errors
    /// When it can never be stored.
    pub fn new(
        partition: u16,
        input: Input,
        clock: Clock,
        tails: Arc<Tails<Record>>,
        reply: Reply<Result<Appended, Setback>>,
    ) -> Result<Self, AppendError> {
        let body = encode(&input)?;
        let body_hash = ChainHash::of(&[&body]);
        Ok(Self { partition, input: Arc::new(input), body, body_hash, clock, tails, reply, written: None })
    }
}

impl Task for Append {
    fn weight(&self) -> usize {
        text_bytes(&self.body)
    }

    fn need(&self) -> Need {
        // What ends work (ticks, results, orders) has to go on when the disk is full, or nothing would ever end.
        match *self.input {
            Input::Batch(_)
            | Input::Topology { .. }
            | Input::Policy { .. }
            | Input::Model { .. }
            | Input::MetricModel { .. }
            | Input::Shadow { .. } => Need::Intake,
            Input::Command(_) | Input::Delivered(_) | Input::Tick => Need::Vital,
        }
    }

    fn apply(&mut self, file: &Connection, heads: &mut Heads) -> SqlResult<()> {
        let last = heads.journal;
        let seq = last.seq + 1;
        let stamp = last.stamp.max((self.clock)());
        let mut head = heads.partition(self.partition);
        let prev = std::mem::replace(&mut head.journal_seq, seq);
        let digest = record_digest(&last.digest, seq, self.partition, prev, stamp, &self.body_hash);
        file.prepare_cached("INSERT INTO journal VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?.execute(params![
            seq as i64,
            self.partition,
            prev as i64,
            stamp.0,
            digest.0,
            &self.body[..]
        ])?;
        heads.journal = JournalHead { seq, digest, stamp };
        heads.set(self.partition, head);
        self.written = Some((Appended { seq }, stamp));
        Ok(())
    }

    fn settle(self: Box<Self>, outcome: Result<(), Setback>) {
        let Self { partition, input, body, tails, reply, written, .. } = *self;
        match (outcome, written) {
            (Ok(()), Some((appended, stamp))) => {
                let Appended { seq } = appended;
                let bytes = text_bytes(&body);
                tails.push(|| Record { seq, partition, stamp, input, body }, bytes);
                reply(Ok(appended));
            }
            (Err(setback), _) => reply(Err(setback)),
            (Ok(()), None) => reply(Err(Setback::Halted("a record was committed without being written".into()))),
        }
    }
}

/// The digest of a record: over the digest of the one before, its place and stamp, and its body.
pub fn record_digest(
    before: &ChainHash,
    seq: u64,
    partition: u16,
    prev: u64,
    stamp: Timestamp,
    body: &ChainHash,
) -> ChainHash {
    ChainHash::of(&[
        &before.0,
        &seq.to_be_bytes(),
        &partition.to_be_bytes(),
        &prev.to_be_bytes(),
        &stamp.0.to_be_bytes(),
        &body.0,
    ])
}
