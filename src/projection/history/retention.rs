//! How long each record type is kept.

use rusqlite::{Connection, params};

use crate::domain::time::{Span, Timestamp};

/// The least time for which what people did must be kept.
pub const AUDIT_DAYS_MIN: u32 = 183;

/// Days per record type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retention {
    pub events_days: u32,
    pub alerts_days: u32,
    /// Incidents with members and timeline (who did what): at least `AUDIT_DAYS_MIN`.
    pub incidents_days: u32,
    pub dead_letters_days: u32,
    pub counts_days: u32,
}

impl Default for Retention {
    fn default() -> Self {
        Self { events_days: 90, alerts_days: 183, incidents_days: 400, dead_letters_days: 90, counts_days: 800 }
    }
}

impl Retention {
    /// What is wrong with it, in a sentence.
    pub fn fault(&self) -> Option<String> {
        (self.incidents_days < AUDIT_DAYS_MIN).then(|| {
            format!(
                "incidents_days: {} is less than the {AUDIT_DAYS_MIN} days that an audit needs",
                self.incidents_days
            )
        })
    }
}

/// Removes what is too old. Firing alerts and open incidents stay, however old.
pub fn prune(connection: &mut Connection, retention: &Retention, now: Timestamp) -> rusqlite::Result<()> {
    let before = |days: u32| now.minus(Span::hours(24 * i64::from(days))).0;
    let transaction = connection.transaction()?;
    transaction.execute("DELETE FROM events WHERE stamp < ?1", [before(retention.events_days)])?;
    transaction.execute("DELETE FROM dead_letters WHERE stamp < ?1", [before(retention.dead_letters_days)])?;
    transaction.execute("DELETE FROM buckets WHERE minute < ?1", [before(retention.counts_days) / 60_000])?;
    transaction.execute("DELETE FROM silences WHERE ends < ?1", [before(retention.incidents_days)])?;
    let ended = params![before(retention.incidents_days)];
    for table in ["members", "timeline", "incident_orgs"] {
        let sql = format!("DELETE FROM {table} WHERE incident IN (SELECT id FROM incidents WHERE ended < ?1)");
        transaction.execute(&sql, ended)?;
    }
    transaction.execute("DELETE FROM incidents WHERE ended < ?1", ended)?;
    // An alert goes with its incident, never before it.
    let sql = "DELETE FROM alerts WHERE firing = 0 AND last_seen < ?1
               AND NOT EXISTS (SELECT 1 FROM incidents WHERE incidents.id = alerts.incident)";
    transaction.execute(sql, [before(retention.alerts_days)])?;
    transaction.commit()
}
