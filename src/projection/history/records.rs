//! Records as they were received and decided: one row each, with the stored forms of input and effects as journal and
//! outbox have them. Nothing is written twice, and a record of many events is one short text.

use rusqlite::{Connection, OptionalExtension, params};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::super::scope::Scope;
use super::heads::Heads;
use super::ids::{self, Named};
use super::writer::Stored;
use crate::domain::event::Event;
use crate::domain::ids::{AlertId, SourceId, TenantId};
use crate::domain::time::Timestamp;
use crate::engine::input::{Batch, Input};
use crate::engine::verdict::Verdict;
use crate::journal::body;
use crate::journal::packed::unpack;

/// The words of verdicts; a record's `kinds` has a bit for each that it has.
const WORDS: [&str; 6] = ["duplicate", "muted", "joined", "opened", "held", "resolved"];

/// The bits of these words; other words have none.
pub fn kinds<'w>(words: impl IntoIterator<Item = &'w str>) -> i64 {
    words.into_iter().filter_map(|word| WORDS.iter().position(|w| *w == word)).fold(0, |bits, at| bits | 1 << at)
}

/// Writes the events of a record that came to an end other than as dead letters, when there are any.
pub fn write(
    to: &Connection,
    stored: &Stored,
    batch: &Batch,
    heads: &mut Heads,
    names: &mut Vec<Named>,
) -> rusqlite::Result<()> {
    let (seq, stamp) = (stored.step.journal_seq, stored.step.stamp);
    let (mut bits, mut severities, mut links) = (0, 0, Vec::with_capacity(batch.events.len()));
    let mut sources: Option<(&SourceId, bool)> = None;
    for (index, verdict) in super::super::tenant::verdicts(&stored.step) {
        let Some(event) = batch.events.get(index as usize) else { continue };
        if matches!(verdict, Verdict::Rejected { .. }) {
            continue;
        }
        bits |= kinds([verdict.word()]);
        severities |= 1_i64 << event.severity.rank();
        sources = match sources {
            None => Some((&event.source, true)),
            Some((first, same)) => Some((first, same && *first == event.source)),
        };
        let before = verdict.alert().map_or(0, |alert| std::mem::replace(&mut heads.of(alert).seq, seq));
        link(if before == 0 { 0 } else { seq.saturating_sub(before) }, &mut links);
        if !event.id.is_empty() {
            names.push((ids::day(stamp), ids::hash(&batch.tenant, &event.id), seq));
        }
    }
    if bits == 0 {
        return Ok(());
    }
    let source = sources.filter(|(_, same)| *same).map(|(source, _)| source.as_str());
    to.prepare_cached("INSERT OR IGNORE INTO records VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)")?.execute(
        params![
            seq as i64,
            batch.tenant.as_str(),
            stamp.0,
            bits,
            severities,
            source,
            links,
            &stored.input[..],
            &stored.effects[..],
        ],
    )?;
    Ok(())
}

/// Writes how far back the record before is: seven bits a byte, the last one first; 0 for none.
fn link(back: u64, links: &mut Vec<u8>) {
    let mut left = back;
    while left >= 0x80 {
        links.push(left as u8 | 0x80);
        left >>= 7;
    }
    links.push(left as u8);
}

/// Reads what `link` wrote.
fn unlink(links: &mut impl Iterator<Item = u8>) -> u64 {
    let (mut back, mut shift) = (0, 0);
    for byte in links {
        back |= u64::from(byte & 0x7f) << shift;
        shift += 7;
        if byte < 0x80 || shift > 56 {
            break;
        }
    }
    back
}

/// An event and where it ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Ended {
    pub index: u32,
    pub event: Event,
    pub verdict: Verdict,
    /// The record before with an event of the same alert; 0 for none. Only of the alert's first event in a record.
    pub before: u64,
}

/// A record that was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    pub seq: u64,
    pub at: Timestamp,
    /// In the order of the record.
    pub ends: Vec<Ended>,
}

impl Told {
    /// The record before this one with an event of `alert`; 0 for none.
    pub fn before(&self, alert: AlertId) -> u64 {
        let first = self.ends.iter().find(|ended| ended.verdict.alert() == Some(alert));
        first.map_or(0, |ended| ended.before)
    }
}

/// What of an effect is read here.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case", tag = "effect")]
enum Ending {
    Verdict {
        index: u32,
        verdict: Verdict,
    },
    #[serde(other)]
    Other,
}

/// The record `seq` of the caller's tenant; without its events when `may` says of the input's JSON that it need not be
/// looked into.
pub fn read(from: &Connection, scope: &Scope, seq: u64, may: impl Fn(&[u8]) -> bool) -> rusqlite::Result<Option<Told>> {
    let sql = "SELECT stamp, links, input, effects FROM records WHERE seq = ?1 AND tenant = ?2";
    let told = |row: &rusqlite::Row<'_>| {
        let at = Timestamp(row.get(0)?);
        let text = unpack(row.get_ref(2)?.as_blob()?).map_err(|why| broken(seq, &why))?;
        if !may(&text) {
            return Ok(Told { seq, at, ends: Vec::new() });
        }
        let Input::Batch(batch) = body::read(&text).map_err(|error| broken(seq, &error.to_string()))? else {
            return Err(broken(seq, "it has no events"));
        };
        let text = unpack(row.get_ref(3)?.as_blob()?).map_err(|why| broken(seq, &why))?;
        let effects: Vec<Ending> = parsed(seq, &text)?;
        let mut events: Vec<Option<Event>> = batch.events.into_iter().map(Some).collect();
        let mut links = row.get_ref(1)?.as_blob()?.iter().copied();
        let mut ends = Vec::with_capacity(events.len());
        for effect in effects {
            let Ending::Verdict { index, verdict } = effect else { continue };
            let Some(event) = events.get_mut(index as usize).and_then(Option::take) else { continue };
            if matches!(verdict, Verdict::Rejected { .. }) {
                continue;
            }
            let before = match unlink(&mut links) {
                0 => 0,
                back => seq.saturating_sub(back),
            };
            ends.push(Ended { index, event, verdict, before });
        }
        Ok(Told { seq, at, ends })
    };
    from.prepare_cached(sql)?.query_row(params![seq as i64, scope.tenant.as_str()], told).optional()
}

/// The events of a tenant's records before `before`, received in `[since, until)`, the newest record first: of at most
/// `records_max` records, and the last record that was read.
pub fn newest(
    from: &Connection,
    tenant: &TenantId,
    (since, until): (Timestamp, Timestamp),
    before: u64,
    records_max: usize,
) -> rusqlite::Result<(Vec<Vec<Event>>, Option<u64>)> {
    let sql = "SELECT seq, input FROM records WHERE tenant = ?1 AND seq < ?2 AND stamp >= ?3 AND stamp < ?4
               ORDER BY seq DESC LIMIT ?5";
    let before = i64::try_from(before).unwrap_or(i64::MAX);
    let mut query = from.prepare_cached(sql)?;
    let mut rows = query.query(params![tenant.as_str(), before, since.0, until.0, records_max as i64])?;
    let (mut events, mut last) = (Vec::new(), None);
    while let Some(row) = rows.next()? {
        let seq = row.get::<_, i64>(0)? as u64;
        let text = unpack(row.get_ref(1)?.as_blob()?).map_err(|why| broken(seq, &why))?;
        let Input::Batch(batch) = body::read(&text).map_err(|error| broken(seq, &error.to_string()))? else {
            return Err(broken(seq, "it has no events"));
        };
        events.push(batch.events);
        last = Some(seq);
    }
    Ok((events, last))
}

fn parsed<T: DeserializeOwned>(seq: u64, text: &[u8]) -> rusqlite::Result<T> {
    serde_json::from_slice(text).map_err(|error| broken(seq, &error.to_string()))
}

/// What was written cannot be read: the file is damaged.
fn broken(seq: u64, why: &str) -> rusqlite::Error {
    let damaged = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
    rusqlite::Error::SqliteFailure(damaged, Some(format!("record {seq}: {why}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_read_as_they_were_written() {
        let backs = [0, 1, 127, 128, 300, 1 << 20, (1 << 49) - 1];
        let mut links = Vec::new();
        for back in backs {
            link(back, &mut links);
        }
        let mut bytes = links.into_iter();
        assert_eq!(backs.map(|_| unlink(&mut bytes)), backs);
        assert_eq!(bytes.next(), None);
    }
}
