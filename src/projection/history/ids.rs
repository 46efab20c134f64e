//! Events by the names that their sources gave them: per day, so that a day goes at once and writing stays in one place.

use rusqlite::{Connection, OptionalExtension, params};

use crate::domain::ids::TenantId;
use crate::domain::time::Timestamp;

const DAY_MS: i64 = 24 * 3_600_000;

/// A name in a record: its day, the name's hash, the record. Two names may share a hash: the record tells.
pub type Named = (i64, i64, u64);

/// The day of a moment.
pub const fn day(at: Timestamp) -> i64 {
    at.0.div_euclid(DAY_MS)
}

/// FNV-1a over tenant and name.
pub fn hash(tenant: &TenantId, name: &str) -> i64 {
    let bytes = tenant.as_str().bytes().chain([0]).chain(name.bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)) as i64
}

/// Writes names, in the order of the file.
pub fn write(to: &Connection, mut names: Vec<Named>) -> rusqlite::Result<()> {
    names.sort_unstable();
    let mut insert = to.prepare_cached("INSERT OR IGNORE INTO ids VALUES (?1, ?2, ?3)")?;
    for (day, hash, seq) in names {
        insert.execute(params![day, hash, seq as i64])?;
    }
    Ok(())
}

/// Hands out the records that may have an event of this name, newest first, until `each` says that it is enough.
pub fn records(
    from: &Connection,
    tenant: &TenantId,
    name: &str,
    mut each: impl FnMut(u64) -> rusqlite::Result<bool>,
) -> rusqlite::Result<()> {
    let hash = hash(tenant, name);
    let mut day = i64::MAX;
    let mut earlier = from.prepare_cached("SELECT day FROM ids WHERE day < ?1 ORDER BY day DESC LIMIT 1")?;
    let mut of_day = from.prepare_cached("SELECT seq FROM ids WHERE day = ?1 AND hash = ?2 ORDER BY seq DESC")?;
    while let Some(before) = earlier.query_row([day], |row| row.get::<_, i64>(0)).optional()? {
        day = before;
        let mut rows = of_day.query([day, hash])?;
        while let Some(row) = rows.next()? {
            if each(row.get::<_, i64>(0)? as u64)? {
                return Ok(());
            }
        }
    }
    Ok(())
}
