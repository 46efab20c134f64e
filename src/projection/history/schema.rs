//! The tables of the history.

use rusqlite::{Connection, OptionalExtension};

use super::Progress;

/// The version of the tables; a file of a version from which no step leads here is emptied and filled again, as far as journal and
/// outbox still reach.
const FORMAT: i64 = 5;

/// From one version to the next.
const STEPS: &[(i64, &str)] = &[
    // Who reads the log of deliveries sees where a message went, and what the receiver calls it.
    (3, "ALTER TABLE notices ADD COLUMN address TEXT; ALTER TABLE notices ADD COLUMN said TEXT;"),
    (4, ENDINGS),
];

/// Pages: the row of an alert has to fit into a quarter of one, or it takes pages of its own.
const PAGE_BYTES: u32 = 16_384;
/// Pages of the log (64 MiB) that are brought into the file at once.
const LOG_PAGES: u32 = 4_096;

/// Post-mortems, version by version, and what is known of how things were solved.
const ENDINGS: &str = "
CREATE TABLE reviews (incident INTEGER NOT NULL, seq INTEGER NOT NULL, tenant TEXT NOT NULL, at INTEGER NOT NULL,
  author TEXT NOT NULL, state TEXT NOT NULL, text TEXT NOT NULL, PRIMARY KEY (incident, seq)) WITHOUT ROWID;
CREATE INDEX reviews_newest ON reviews (tenant, seq);
CREATE TABLE knowledge (n INTEGER PRIMARY KEY, tenant TEXT NOT NULL, id TEXT NOT NULL, ours INTEGER NOT NULL, at INTEGER NOT NULL,
  author TEXT NOT NULL, class TEXT NOT NULL, category TEXT NOT NULL, title TEXT NOT NULL, words TEXT NOT NULL,
  entry TEXT NOT NULL, UNIQUE (tenant, id));
";

const TABLES: &str = "
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE records (
  seq INTEGER PRIMARY KEY, tenant TEXT NOT NULL, stamp INTEGER NOT NULL, kinds INTEGER NOT NULL,
  severities INTEGER NOT NULL, source TEXT, links BLOB NOT NULL, input BLOB NOT NULL, effects BLOB NOT NULL);
CREATE INDEX records_asked ON records (tenant, seq, stamp, kinds, severities, source);
CREATE TABLE ids (day INTEGER NOT NULL, hash INTEGER NOT NULL, seq INTEGER NOT NULL,
  PRIMARY KEY (day, hash, seq)) WITHOUT ROWID;
CREATE TABLE letters (
  seq INTEGER NOT NULL, idx INTEGER NOT NULL, tenant TEXT NOT NULL, stamp INTEGER NOT NULL, reason TEXT NOT NULL,
  source TEXT NOT NULL, text TEXT NOT NULL, letter TEXT NOT NULL, replayed_as TEXT, replayed_at INTEGER,
  PRIMARY KEY (seq, idx)) WITHOUT ROWID;
CREATE INDEX letters_tenant ON letters (tenant, seq, idx);
CREATE INDEX letters_stamp ON letters (stamp);
CREATE TABLE heads (alert INTEGER PRIMARY KEY, seq INTEGER NOT NULL, more INTEGER NOT NULL,
  last_seen INTEGER NOT NULL, told INTEGER NOT NULL);
CREATE TABLE alerts (
  id INTEGER PRIMARY KEY, tenant TEXT NOT NULL, first_seen INTEGER NOT NULL, last_seen INTEGER NOT NULL,
  source TEXT NOT NULL, name TEXT NOT NULL, severity INTEGER NOT NULL, firing INTEGER NOT NULL, ci TEXT, org TEXT,
  incident INTEGER, held INTEGER NOT NULL, muted INTEGER NOT NULL, text TEXT NOT NULL,
  view TEXT NOT NULL);
CREATE INDEX alerts_first ON alerts (tenant, first_seen, id);
CREATE INDEX alerts_last ON alerts (firing, last_seen);
CREATE TABLE incidents (
  id INTEGER PRIMARY KEY, tenant TEXT NOT NULL, opened INTEGER NOT NULL, updated INTEGER NOT NULL, ended INTEGER,
  state TEXT NOT NULL, progress TEXT NOT NULL, severity INTEGER NOT NULL, area TEXT, root TEXT, assignee TEXT,
  text TEXT NOT NULL, view TEXT NOT NULL);
CREATE INDEX incidents_opened ON incidents (tenant, opened, id);
CREATE INDEX incidents_ended ON incidents (ended, id);
CREATE TABLE incident_orgs (incident INTEGER NOT NULL, org TEXT NOT NULL, PRIMARY KEY (incident, org)) WITHOUT ROWID;
CREATE TABLE members (incident INTEGER NOT NULL, alert INTEGER NOT NULL, joined INTEGER NOT NULL,
  PRIMARY KEY (incident, alert)) WITHOUT ROWID;
CREATE TABLE timeline (incident INTEGER NOT NULL, seq INTEGER NOT NULL, idx INTEGER NOT NULL, at INTEGER NOT NULL,
  entry TEXT NOT NULL, PRIMARY KEY (incident, seq, idx)) WITHOUT ROWID;
CREATE TABLE silences (tenant TEXT NOT NULL, id TEXT NOT NULL, ends INTEGER NOT NULL, silence TEXT NOT NULL,
  PRIMARY KEY (tenant, id)) WITHOUT ROWID;
CREATE TABLE audit (seq INTEGER PRIMARY KEY, tenant TEXT NOT NULL, stamp INTEGER NOT NULL, actor TEXT NOT NULL,
  action TEXT NOT NULL, about TEXT NOT NULL, detail TEXT NOT NULL, refused TEXT);
CREATE INDEX audit_tenant ON audit (tenant, seq);
CREATE INDEX audit_stamp ON audit (stamp);
CREATE TABLE notices (key TEXT PRIMARY KEY, incident INTEGER NOT NULL, receiver TEXT NOT NULL, person TEXT, policy TEXT,
  level INTEGER, kind TEXT NOT NULL, version INTEGER NOT NULL, rule TEXT, at INTEGER NOT NULL, outcome TEXT, why TEXT,
  attempts INTEGER NOT NULL, ended_at INTEGER, ticket TEXT, address TEXT, said TEXT);
CREATE INDEX notices_incident ON notices (incident, at);
CREATE TABLE buckets (
  tenant TEXT NOT NULL, record TEXT NOT NULL, minute INTEGER NOT NULL, severity INTEGER NOT NULL, area TEXT NOT NULL,
  source TEXT NOT NULL, n INTEGER NOT NULL,
  PRIMARY KEY (tenant, record, minute, severity, area, source)) WITHOUT ROWID;
";

/// Makes the tables where they are missing or of another format.
pub fn prepare(connection: &mut Connection) -> rusqlite::Result<()> {
    // Takes effect in a fresh file.
    connection.pragma_update(None, "page_size", PAGE_BYTES)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // Lost pages after a power cut are filled again from the outbox; a torn file is not: hence not OFF.
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "cache_size", -32_000)?;
    connection.pragma_update(None, "wal_autocheckpoint", LOG_PAGES)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    let mut format: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if format == FORMAT {
        return Ok(());
    }
    let transaction = connection.transaction()?;
    while let Some((_, step)) = STEPS.iter().find(|(from, _)| *from == format) {
        transaction.execute_batch(step)?;
        format += 1;
    }
    if format == FORMAT {
        transaction.pragma_update(None, "user_version", FORMAT)?;
        return transaction.commit();
    }
    let tables: Vec<String> = transaction
        .prepare("SELECT name FROM sqlite_master WHERE type = 'table'")?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for table in tables {
        transaction.execute_batch(&format!("DROP TABLE \"{table}\""))?;
    }
    transaction.execute_batch(TABLES)?;
    transaction.execute_batch(ENDINGS)?;
    transaction.pragma_update(None, "user_version", FORMAT)?;
    transaction.commit()
}

/// How far it was written.
pub fn progress(connection: &Connection) -> rusqlite::Result<Progress> {
    let number = |key| text(connection, key).map(|text| text.parse().unwrap_or(0));
    Ok(Progress { journal_seq: number("journal_seq")?, outbox_seq: number("outbox_seq")?, ..Progress::default() })
}

/// A value of the table `meta`; empty when it was never set.
pub fn text(connection: &Connection, key: &str) -> rusqlite::Result<String> {
    let found = connection.query_row("SELECT value FROM meta WHERE key = ?1", [key], |row| row.get(0)).optional()?;
    Ok(found.unwrap_or_default())
}
