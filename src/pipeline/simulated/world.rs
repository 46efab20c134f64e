//! What all instances of a story share: the log, the time, the dice and the trace; and what goes wrong with them.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::Arc;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use crate::domain::time::{Span, Timestamp};
use crate::engine::input::{Digest, Input};
use crate::journal::digest::{ChainHash, digest_of};
use crate::journal::snapshot::Snapshot;
use crate::journal::{AppendError, Record, body};
use crate::outbox::{self, CommitError, Decided, OutboxHead, OutboxRecord, decision_hash, effects_text};

/// 2026-06-01T00:00:00Z.
pub const BEGIN: Timestamp = Timestamp(1_780_272_000_000);

/// A mistake that is made on purpose, to see that it is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Planted {
    Nothing,
    /// Commits of a former owner are stored like those of the present one.
    NoFence,
    /// A commit is confirmed that is not stored.
    LostCommit,
    /// A follower of the journal passes over a record.
    LostRecord,
    /// A damaged snapshot is believed to hold what the one before held, but in its own place.
    MisplacedSnapshot,
    /// Whoever has claimed decides at once, before it has seen what was committed before.
    HastyOwner,
}

/// A message of the outbox: a claim, or decisions that were committed together.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    pub partition: u16,
    pub epoch: u64,
    pub owner: usize,
    /// The partition's message before this one.
    pub behind: u64,
    pub before: OutboxHead,
    pub decided: Vec<Decided>,
}

/// A stored frame.
pub struct Message {
    pub seq: u64,
    pub frame: Frame,
    pub after: OutboxHead,
    pub records: Vec<Arc<OutboxRecord>>,
}

/// A stored snapshot.
pub struct Sealed {
    pub snapshot: Snapshot,
    pub is_torn: bool,
}

/// How a request to the log ended.
enum Outcome {
    Stored,
    /// Stored or not, the caller is told that it is not known.
    StoredUnknown,
    LostUnknown,
    /// The caller ends before it hears anything; what it sent may still be under way.
    CallerEnds,
}

pub struct World {
    pub dice: SmallRng,
    pub now: Timestamp,
    pub is_shared: bool,
    pub planted: Planted,
    /// Whether things go wrong.
    pub is_rough: bool,
    pub journal: Vec<Arc<Record>>,
    pub outbox: Vec<Message>,
    pub texts: BTreeMap<Digest, Vec<u8>>,
    pub snapshots: BTreeMap<u16, Vec<Sealed>>,
    /// Frames whose senders have ended before they arrived.
    pub late: Vec<Frame>,
    /// How often the log was opened, where it is a file.
    pub openings: u64,
    pub trace: Vec<String>,
    /// How often each kind of thing happened.
    pub seen: BTreeMap<&'static str, u64>,
}

impl World {
    pub fn new(seed: u64, is_shared: bool, planted: Planted) -> Self {
        Self {
            dice: SmallRng::seed_from_u64(seed),
            now: BEGIN,
            is_shared,
            planted,
            is_rough: true,
            journal: Vec::new(),
            outbox: Vec::new(),
            texts: BTreeMap::new(),
            snapshots: BTreeMap::new(),
            late: Vec::new(),
            openings: 0,
            trace: Vec::new(),
            seen: BTreeMap::new(),
        }
    }

    /// Writes a line of the trace.
    pub fn tell(&mut self, what: &'static str, how: impl Display) {
        *self.seen.entry(what).or_default() += 1;
        self.trace.push(format!("{} {what}: {how}", self.trace.len()));
    }

    /// Whether something happens that does so in `percent` of a hundred cases.
    pub fn is_hit(&mut self, percent: u32) -> bool {
        self.is_rough && self.dice.gen_range(0..100) < percent
    }

    fn outcome(&mut self) -> Outcome {
        if !self.is_hit(15) {
            return Outcome::Stored;
        }
        match self.dice.gen_range(0..6) {
            0 | 1 => Outcome::StoredUnknown,
            2..=4 => Outcome::LostUnknown,
            _ => Outcome::CallerEnds,
        }
    }

    /// Stores a record; its stamp is the leader's, and another leader's clock may be behind.
    pub fn append(&mut self, partition: u16, input: &Input) -> Result<u64, AppendError> {
        let body = body::encode(input)?;
        let outcome = self.outcome();
        let is_stored = matches!(outcome, Outcome::Stored | Outcome::StoredUnknown);
        let seq = self.journal.len() as u64 + 1;
        if is_stored {
            let slow = if self.is_hit(5) { Span::secs(7) } else { Span(0) };
            let input = body::decode(&body).expect("what was written can be read");
            let stamp = self.now.minus(slow);
            self.journal.push(Arc::new(Record { seq, partition, stamp, input: Arc::new(input), body }));
        }
        match outcome {
            Outcome::Stored => {
                self.tell("append", format_args!("{seq} of partition {partition}"));
                Ok(seq)
            }
            Outcome::StoredUnknown | Outcome::LostUnknown | Outcome::CallerEnds => {
                self.tell("append unknown", format_args!("partition {partition}, stored: {is_stored}"));
                Err(AppendError::Unsure { wait: std::time::Duration::ZERO })
            }
        }
    }

    pub fn last(&self, partition: u16) -> Option<&Message> {
        self.outbox.iter().rev().find(|message| message.frame.partition == partition)
    }

    pub fn head(&self, partition: u16) -> OutboxHead {
        self.last(partition).map_or_else(|| OutboxHead::start(partition), |last| last.after)
    }

    /// Sends a frame for its owner, as often as needed to know that it is there.
    pub fn send(&mut self, frame: &Frame) -> Result<OutboxHead, CommitError> {
        let what = if frame.decided.is_empty() { "claim" } else { "commit" };
        let wait = std::time::Duration::ZERO;
        match self.outcome() {
            Outcome::Stored if !frame.decided.is_empty() && self.is_planted(Planted::LostCommit) => {
                let after = self.messages_of(frame).1;
                Ok(OutboxHead { seq: after.seq.max(frame.behind + 1), ..after })
            }
            Outcome::Stored => self.store(frame, what),
            Outcome::StoredUnknown => {
                self.tell("answer lost", format_args!("{what} of {} by {}", frame.partition, frame.owner));
                self.store(frame, what)?;
                Err(CommitError::TryLater { wait })
            }
            Outcome::LostUnknown => {
                self.tell("request lost", format_args!("{what} of {} by {}", frame.partition, frame.owner));
                Err(CommitError::TryLater { wait })
            }
            Outcome::CallerEnds => {
                self.tell("ends while it waits", format_args!("{what} of {} by {}", frame.partition, frame.owner));
                self.late.push(frame.clone());
                Err(CommitError::Halted { why: ENDED.into() })
            }
        }
    }

    /// Whether a planted mistake happens now.
    fn is_planted(&mut self, planted: Planted) -> bool {
        self.planted == planted && self.is_hit(10)
    }

    /// Stores a frame when its partition has not gone on; a repeat of the last one is recognised.
    pub fn store(&mut self, frame: &Frame, what: &'static str) -> Result<OutboxHead, CommitError> {
        let (partition, owner) = (frame.partition, frame.owner);
        let last = self.last(partition).map(|last| (last.seq, last.frame == *frame, last.after));
        if let Some((_, true, after)) = last {
            self.tell("repeat recognised", format_args!("{what} of {partition} by {owner}"));
            return Ok(after);
        }
        let place = last.map_or(0, |(seq, ..)| seq);
        if place != frame.behind && self.planted != Planted::NoFence {
            self.tell("fenced", format_args!("{what} of {partition} by {owner}"));
            let why = format!("partition {partition} is at outbox record {place}, not at {}", frame.behind);
            return Err(CommitError::Fenced { why });
        }
        let (records, after) = self.messages_of(frame);
        let hash = after.hash.to_string();
        let upto = after.journal_seq;
        self.tell(what, format_args!("{} of {partition} by {owner}, up to {upto}, {}", after.seq, &hash[..8]));
        self.outbox.push(Message { seq: after.seq, frame: frame.clone(), after, records });
        Ok(after)
    }

    /// The records of a frame at the places that it would get now. In a file each has its own place, and a claim has none.
    fn messages_of(&self, frame: &Frame) -> (Vec<Arc<OutboxRecord>>, OutboxHead) {
        let end = self.outbox.last().map_or(0, |last| last.seq);
        let mut after = frame.before;
        after.seq = end + 1;
        let mut records = Vec::new();
        for (number, decided) in frame.decided.iter().enumerate() {
            let prev_hash: ChainHash = after.hash;
            let body = outbox::encode(&decided.effects);
            let effects = outbox::decode(&body).expect("what was written can be read");
            after.hash = decision_hash(&prev_hash, decided.journal_seq, &effects_text(&decided.effects));
            after.journal_seq = decided.journal_seq;
            after.seq = if self.is_shared { end + 1 } else { end + 1 + number as u64 };
            records.push(Arc::new(OutboxRecord {
                seq: after.seq,
                partition: frame.partition,
                journal_seq: decided.journal_seq,
                epoch: frame.epoch,
                effects: Arc::new(effects),
                prev_hash,
                hash: after.hash,
                body,
            }));
        }
        (records, after)
    }

    /// What was under way arrives after all, or never.
    pub fn arrive_late(&mut self) {
        if self.late.is_empty() {
            return;
        }
        let frame = self.late.remove(0);
        if self.dice.gen_bool(0.7) {
            self.tell("late", format_args!("{} by {}", frame.partition, frame.owner));
            // Nobody waits for the answer.
            let _ = self.store(&frame, "late frame");
        }
    }

    /// Keeps a text; gives its digest.
    pub fn keep_text(&mut self, bytes: Vec<u8>) -> Digest {
        let digest = digest_of(&bytes);
        self.texts.insert(digest.clone(), bytes);
        digest
    }

    /// Tears the newest snapshot of some partition whose older one is whole, or loses all of one.
    pub fn harm_snapshots(&mut self) {
        let intact = |kept: &[Sealed]| kept.iter().filter(|sealed| !sealed.is_torn).count();
        let whole: Vec<u16> = self.snapshots.iter().filter(|(_, kept)| intact(kept) > 1).map(|(n, _)| *n).collect();
        if whole.is_empty() {
            return;
        }
        let number = whole[self.dice.gen_range(0..whole.len())];
        if self.dice.gen_bool(0.3) {
            self.snapshots.remove(&number);
            self.tell("snapshots lost", number);
        } else if let Some(newest) = self.snapshots.get_mut(&number).and_then(|kept| kept.last_mut()) {
            newest.is_torn = true;
            self.tell("snapshot torn", number);
        }
    }

    /// A world with the same journal and texts, in which nothing goes wrong and nothing is decided yet.
    pub fn undisturbed(&self) -> Self {
        let calm = Self::new(0, false, Planted::Nothing);
        Self { is_rough: false, now: self.now, journal: self.journal.clone(), texts: self.texts.clone(), ..calm }
    }
}

/// What speaks against the decisions of a frame: nothing is decided twice, and in a file nothing is passed over.
pub fn misfit(world: &World, frame: &Frame) -> Option<String> {
    let mut last = frame.before.journal_seq;
    for decided in &frame.decided {
        let seq = decided.journal_seq;
        let is_next = |record: &&Arc<Record>| record.partition == frame.partition;
        let next = world.journal.iter().skip(last as usize).find(is_next).map(|record| record.seq);
        if seq <= last || !world.is_shared && next != Some(seq) {
            return Some(format!("journal record {seq} is not the one behind {last} in partition {}", frame.partition));
        }
        last = seq;
    }
    None
}

/// Why a caller has ended that waited for an answer.
pub const ENDED: &str = "the instance has ended";
