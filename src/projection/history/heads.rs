//! What changes with every event of an alert: small rows of their own, so that a repeat writes a few bytes.

use std::collections::{BTreeMap, HashMap};

use foldhash::fast::RandomState;
use rusqlite::{Connection, OptionalExtension, params};

use crate::domain::ids::AlertId;
use crate::domain::time::Timestamp;

/// Heads that are remembered from one writing to the next.
const KNOWN_MAX: usize = 300_000;

/// One alert's head.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// The last record with an event of it; 0 when there is none.
    pub seq: u64,
    /// Events folded into it since its row was written.
    pub more: i64,
    /// By our clock.
    pub last_seen: Timestamp,
    /// It has a row.
    pub told: bool,
}

/// The heads of the alerts that are written of.
#[derive(Default)]
pub struct Heads {
    /// As the file has them; only looked up.
    known: HashMap<AlertId, Head, RandomState>,
    /// The highest alert of each partition that the file has.
    highest: BTreeMap<u16, AlertId>,
    /// Those of the steps in hand, in order.
    taken: Vec<(AlertId, Head)>,
}

const fn partition(id: AlertId) -> u16 {
    (id.0 >> 48) as u16
}

impl Heads {
    /// Takes the heads of these alerts in hand.
    pub fn take(&mut self, from: &Connection, mut ids: Vec<AlertId>) -> rusqlite::Result<()> {
        ids.sort_unstable();
        ids.dedup();
        self.taken.clear();
        for id in ids {
            let head = match self.known.get(&id).copied() {
                Some(head) => head,
                None if id > self.highest(from, partition(id))? => Head::default(),
                None => read(from, id)?.unwrap_or_default(),
            };
            self.taken.push((id, head));
        }
        Ok(())
    }

    /// Alerts are numbered in order: behind the highest one of its partition, none is in the file.
    fn highest(&mut self, from: &Connection, partition: u16) -> rusqlite::Result<AlertId> {
        if let Some(id) = self.highest.get(&partition) {
            return Ok(*id);
        }
        let first = u64::from(partition) << 48;
        let sql = "SELECT max(alert) FROM heads WHERE alert >= ?1 AND alert < ?2";
        let found: Option<i64> = from.query_row(sql, [first as i64, (first + (1 << 48)) as i64], |row| row.get(0))?;
        let id = AlertId(found.map_or(first, |id| id as u64));
        self.highest.insert(partition, id);
        Ok(id)
    }

    /// The head of an alert that was taken in hand.
    pub fn of(&mut self, id: AlertId) -> &mut Head {
        let at = self.taken.binary_search_by_key(&id, |(id, _)| *id).expect("every alert of the steps was taken");
        &mut self.taken[at].1
    }

    /// Writes what is in hand.
    pub fn write(&self, to: &Connection) -> rusqlite::Result<()> {
        let mut insert = to.prepare_cached("INSERT OR REPLACE INTO heads VALUES (?1, ?2, ?3, ?4, ?5)")?;
        for (id, head) in &self.taken {
            insert.execute(params![id.0 as i64, head.seq as i64, head.more, head.last_seen.0, head.told])?;
        }
        Ok(())
    }

    /// Remembers what was written: it is committed.
    pub fn keep(&mut self) {
        if self.known.len() + self.taken.len() > KNOWN_MAX {
            self.known.clear();
        }
        for (id, head) in self.taken.drain(..) {
            self.known.insert(id, head);
            self.highest.entry(partition(id)).and_modify(|highest| *highest = id.max(*highest));
        }
    }

    /// Remembers nothing: the file is another one, or was written by others.
    pub fn forget(&mut self) {
        *self = Self::default();
    }
}

/// Reads a head.
pub fn read(from: &Connection, id: AlertId) -> rusqlite::Result<Option<Head>> {
    let sql = "SELECT seq, more, last_seen, told FROM heads WHERE alert = ?1";
    let head = |row: &rusqlite::Row<'_>| {
        let (seq, last_seen) = (row.get::<_, i64>(0)? as u64, Timestamp(row.get(2)?));
        Ok(Head { seq, more: row.get(1)?, last_seen, told: row.get(3)? })
    };
    from.prepare_cached(sql)?.query_row([id.0 as i64], head).optional()
}
