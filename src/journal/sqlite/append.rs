//! Appending to the journal: the input becomes bytes in the caller's thread, a record in the writer's.

use std::sync::Arc;

use rusqlite::{Connection, params};

use super::fail::SqlResult;
use super::schema::{Heads, JournalHead};
use super::tail::Tails;
use super::writer::{Need, Setback, Task};
use crate::domain::event::Event;
use crate::domain::time::Timestamp;
use crate::engine::input::{Input, JOURNAL_FORMAT};
use crate::journal::digest::ChainHash;
use crate::journal::{AppendError, Appended, Record};

/// Longest stored input: 16 MiB.
pub const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Called with the answer, once.
pub type Reply<T> = Box<dyn FnOnce(T) + Send>;

/// The machine's clock, or a test's.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// One input on its way to the file.
pub struct Append {
    partition: u16,
    input: Input,
    body: Vec<u8>,
    body_hash: ChainHash,
    clock: Clock,
    tails: Arc<Tails<Record>>,
    reply: Reply<Result<Appended, Setback>>,
    written: Option<(Appended, u64)>,
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
        Ok(Self { partition, input, body, body_hash, clock, tails, reply, written: None })
    }
}

impl Task for Append {
    fn weight(&self) -> usize {
        self.body.len()
    }

    fn need(&self) -> Need {
        // What ends work (ticks, results, orders) has to go on when the disk is full, or nothing would ever end.
        match self.input {
            Input::Batch(_) | Input::Topology { .. } | Input::Policy { .. } => Need::Intake,
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
            self.body
        ])?;
        heads.journal = JournalHead { seq, digest, stamp };
        heads.set(self.partition, head);
        self.written = Some((Appended { seq, stamp }, prev));
        Ok(())
    }

    fn settle(self: Box<Self>, outcome: Result<(), Setback>) {
        let Self { partition, input, body, tails, reply, written, .. } = *self;
        match (outcome, written) {
            (Ok(()), Some((appended, prev))) => {
                let Appended { seq, stamp } = appended;
                tails.push(|| Record { seq, partition, prev, stamp, input }, body.len());
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

/// The stored form of an input: one byte that says the format's version, then JSON.
///
/// # Errors
/// When it is too long, or when what is read back could differ from what was given.
pub fn encode(input: &Input) -> Result<Vec<u8>, AppendError> {
    if let Input::Batch(batch) = input
        && let Some(event) = batch.events.iter().find(|event| has_unwritable_number(event))
    {
        let why = format!("event {:?} of {} has a metric that is not a finite number", event.name, event.source);
        return Err(AppendError::Unfit { why });
    }
    let mut body = vec![JOURNAL_FORMAT as u8];
    serde_json::to_writer(&mut body, input).map_err(|error| AppendError::Unfit { why: error.to_string() })?;
    if body.len() > BODY_BYTES_MAX {
        let why = format!("{} bytes are more than {BODY_BYTES_MAX}; send fewer events at once", body.len());
        return Err(AppendError::Unfit { why });
    }
    Ok(body)
}

// JSON has no infinity: it would be read back as nothing, and a replay would differ from the first run.
fn has_unwritable_number(event: &Event) -> bool {
    let Some(metric) = &event.metric else { return false };
    [metric.value, metric.threshold].into_iter().flatten().any(|number| !number.is_finite())
}

/// Reads what `encode` wrote. This version reads only its own format, the first one.
///
/// # Errors
/// A sentence that says what is wrong.
pub fn decode(body: &[u8]) -> Result<Input, String> {
    match body.split_first() {
        Some((&version, json)) if u32::from(version) == JOURNAL_FORMAT => {
            serde_json::from_slice(json).map_err(|error| format!("the body is unreadable: {error}"))
        }
        Some((version, _)) => {
            Err(format!("the body has format {version}, this program reads {JOURNAL_FORMAT}: use a newer program"))
        }
        None => Err("the body is empty".to_owned()),
    }
}
