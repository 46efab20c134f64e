//! One message of an outbox: a line that says whose it is and where it stands, then the decisions, or a part of them.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::engine::effect::Effect;
use crate::journal::digest::ChainHash;
use crate::journal::packed::pack;
use crate::outbox::{Decided, OutboxHead, OutboxRecord, decision_hash, effects_text, text_of};

/// The version of this layout: the first byte of a message.
const FRAME_FORMAT: u8 = 1;
/// Room for the first line and the message's headers.
const FRAME_BYTES: usize = 4096;

/// A place in a partition's chain of decisions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The last journal record that is decided.
    pub journal_seq: u64,
    pub hash: ChainHash,
}

/// The first line of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    pub partition: u16,
    pub epoch: u64,
    pub owner: String,
    /// Which part of the commit this is, from 0.
    pub part: u32,
    pub parts: u32,
    /// The subject's message before this one.
    pub behind: u64,
    /// Where the commit starts, and where it leads to. The same for a claim.
    pub before: Place,
    pub after: Place,
}

/// The line as it is written.
#[derive(Serialize, Deserialize)]
struct Line {
    partition: u16,
    epoch: u64,
    owner: String,
    part: u32,
    parts: u32,
    behind: u64,
    before: (u64, String),
    after: (u64, String),
}

/// A decision as it is written.
#[derive(Serialize, Deserialize)]
struct Decision<'a> {
    journal_seq: u64,
    #[serde(borrow)]
    effects: &'a RawValue,
}

impl Frame {
    /// Whether the commit is complete with this message.
    pub fn is_last_part(&self) -> bool {
        self.part + 1 == self.parts
    }

    /// Whether this is a later part of the same commit.
    pub fn is_later_part_of(&self, other: &Self) -> bool {
        let part = Self { part: other.part, behind: other.behind, ..self.clone() };
        self.part > other.part && part == *other
    }

    /// The message: this line, and what follows it.
    pub fn body(&self, rest: &[u8]) -> Bytes {
        let place = |place: &Place| (place.journal_seq, place.hash.to_string());
        let line = Line {
            partition: self.partition,
            epoch: self.epoch,
            owner: self.owner.clone(),
            part: self.part,
            parts: self.parts,
            behind: self.behind,
            before: place(&self.before),
            after: place(&self.after),
        };
        let mut body = vec![FRAME_FORMAT];
        serde_json::to_writer(&mut body, &line).expect("a line has text keys only");
        body.push(b'\n');
        body.extend_from_slice(rest);
        body.into()
    }

    /// Reads what `body` wrote: the line, and what follows it.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub fn read(body: &[u8]) -> Result<(Self, &[u8]), String> {
        let (&format, rest) = body.split_first().ok_or("is empty")?;
        if format != FRAME_FORMAT {
            return Err(format!("has layout {format}, this program reads {FRAME_FORMAT}: use a newer program"));
        }
        let end = rest.iter().position(|byte| *byte == b'\n').ok_or("has no first line")?;
        let line: Line = serde_json::from_slice(&rest[..end]).map_err(|error| format!("is unreadable: {error}"))?;
        let place = |(journal_seq, hash): (u64, String)| {
            ChainHash::parse(&hash).map(|hash| Place { journal_seq, hash }).ok_or("has an unreadable hash")
        };
        let (before, after) = (place(line.before)?, place(line.after)?);
        let Line { partition, epoch, owner, part, parts, behind, .. } = line;
        Ok((Self { partition, epoch, owner, part, parts, behind, before, after }, &rest[end + 1..]))
    }
}

/// Decisions, ready to be sent in one or several messages.
#[derive(Debug)]
pub struct Packed {
    /// What the messages carry together, and how long its text is.
    pub whole: Bytes,
    pub text_bytes: usize,
    pub parts: Vec<Bytes>,
    pub after: Place,
    /// The decisions as they will be read; their place in the outbox is known when they are committed.
    pub records: Arc<[OutboxRecord]>,
}

impl Packed {
    /// Packs a partition's decisions that follow `head` into parts of at most `bytes_max`.
    ///
    /// # Errors
    /// When a journal record would be decided twice.
    pub fn new(partition: u16, head: &OutboxHead, decided: &[Decided], bytes_max: usize) -> Result<Self, String> {
        let mut after = Place { journal_seq: head.journal_seq, hash: head.hash };
        let mut whole = vec![b'['];
        let mut records = Vec::with_capacity(decided.len());
        for (number, decision) in decided.iter().enumerate() {
            let journal_seq = decision.journal_seq;
            if journal_seq <= after.journal_seq {
                return Err(format!("journal record {journal_seq} is decided: {} is the last one", after.journal_seq));
            }
            let text = effects_text(&decision.effects);
            let prev_hash = after.hash;
            let hash = decision_hash(&prev_hash, journal_seq, &text);
            after = Place { journal_seq, hash };
            let (effects, body) = (decision.effects.clone(), pack(&text).into());
            records.push(OutboxRecord { seq: 0, partition, journal_seq, epoch: 0, effects, prev_hash, hash, body });
            let comma = if number > 0 { "," } else { "" };
            whole.extend_from_slice(format!("{comma}{{\"journal_seq\":{journal_seq},\"effects\":").as_bytes());
            whole.extend_from_slice(&text);
            whole.push(b'}');
        }
        whole.push(b']');
        let (text_bytes, whole) = (whole.len(), Bytes::from(pack(&whole)));
        let part_bytes = bytes_max.saturating_sub(FRAME_BYTES).max(1024);
        let starts = (0..whole.len()).step_by(part_bytes);
        let parts = starts.map(|start| whole.slice(start..whole.len().min(start + part_bytes))).collect();
        Ok(Self { whole, text_bytes, parts, after, records: records.into() })
    }
}

/// The records of a whole commit; their places in the outbox are those of its last message.
///
/// # Errors
/// A sentence that says what is not as it was written.
pub fn unpack(frame: &Frame, whole: &[u8]) -> Result<Vec<OutboxRecord>, String> {
    if frame.before == frame.after {
        return Ok(Vec::new());
    }
    let json = text_of(whole)?;
    let lines: Vec<Decision<'_>> = serde_json::from_slice(&json).map_err(|error| format!("is unreadable: {error}"))?;
    let mut place = frame.before;
    let mut records = Vec::with_capacity(lines.len());
    for line in lines {
        let text = line.effects.get();
        let hash = decision_hash(&place.hash, line.journal_seq, text.as_bytes());
        let effects: Vec<Effect> = serde_json::from_str(text).map_err(|error| format!("is unreadable: {error}"))?;
        let (partition, journal_seq, prev_hash) = (frame.partition, line.journal_seq, place.hash);
        let (effects, body) = (Arc::new(effects), pack(text.as_bytes()).into());
        records.push(OutboxRecord { seq: 0, partition, journal_seq, epoch: 0, effects, prev_hash, hash, body });
        place = Place { journal_seq, hash };
    }
    if place == frame.after { Ok(records) } else { Err("does not match its hash".into()) }
}
