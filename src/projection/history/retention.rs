//! How long each record type is kept.

use rusqlite::{Connection, params};

use super::ids;
use crate::domain::time::{Span, Timestamp};

/// The least time for which what people did must be kept, days: six months.
pub const AUDIT_DAYS_MIN: u32 = 184;
/// Counts older than this are kept per hour, no longer per minute, days.
const MINUTES_DAYS: u32 = 40;

/// Days per record type.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Retention {
    pub events_days: u32,
    pub alerts_days: u32,
    /// Incidents with members and timeline (who did what): at least `AUDIT_DAYS_MIN`.
    pub incidents_days: u32,
    /// Who ordered what: at least `AUDIT_DAYS_MIN`.
    pub audit_days: u32,
    pub dead_letters_days: u32,
    pub counts_days: u32,
    /// Journal and outbox records that no start needs any more: what a replay reads.
    pub archive_days: u32,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            events_days: 90,
            alerts_days: 184,
            incidents_days: 400,
            audit_days: 400,
            dead_letters_days: 90,
            counts_days: 800,
            archive_days: 90,
        }
    }
}

impl Retention {
    /// What is wrong with it, in a sentence.
    pub fn fault(&self) -> Option<String> {
        let kept = [("incidents_days", self.incidents_days), ("audit_days", self.audit_days)];
        let short = kept.into_iter().find(|(_, days)| *days < AUDIT_DAYS_MIN);
        if let Some((name, days)) = short {
            return Some(format!(
                "{name}: {days} is less than the {AUDIT_DAYS_MIN} days that an audit needs; raise it"
            ));
        }
        let days = [self.events_days, self.alerts_days, self.dead_letters_days, self.counts_days, self.archive_days];
        days.contains(&0).then(|| "0 days would keep nothing; write at least 1".to_owned())
    }
}

/// Removes what is too old. Firing alerts and open incidents stay, however old.
pub fn prune(connection: &mut Connection, retention: &Retention, now: Timestamp) -> rusqlite::Result<()> {
    let before = |days: u32| now.minus(Span::hours(24 * i64::from(days))).0;
    let transaction = connection.transaction()?;
    // Stamps hardly ever go back: the look ends at the first record that stays.
    let records = "DELETE FROM records WHERE stamp < ?1 AND seq < coalesce(
                   (SELECT seq FROM records WHERE stamp >= ?1 ORDER BY seq LIMIT 1), 9223372036854775807)";
    transaction.execute(records, [before(retention.events_days)])?;
    transaction.execute("DELETE FROM ids WHERE day < ?1", [ids::day(Timestamp(before(retention.events_days)))])?;
    transaction.execute("DELETE FROM letters WHERE stamp < ?1", [before(retention.dead_letters_days)])?;
    transaction.execute("DELETE FROM audit WHERE stamp < ?1", [before(retention.audit_days)])?;
    transaction.execute("DELETE FROM buckets WHERE minute < ?1", [before(retention.counts_days) / 60_000])?;
    transaction.execute("DELETE FROM silences WHERE ends < ?1", [before(retention.audit_days)])?;
    let ended = params![before(retention.incidents_days)];
    for table in ["members", "timeline", "incident_orgs", "notices", "reviews"] {
        let sql = format!("DELETE FROM {table} WHERE incident IN (SELECT id FROM incidents WHERE ended < ?1)");
        transaction.execute(&sql, ended)?;
    }
    transaction.execute("DELETE FROM incidents WHERE ended < ?1", ended)?;
    // An alert goes with its incident, never before it.
    let sql = "DELETE FROM alerts WHERE firing = 0 AND last_seen < ?1
               AND NOT EXISTS (SELECT 1 FROM heads WHERE heads.alert = alerts.id AND heads.last_seen >= ?1)
               AND NOT EXISTS (SELECT 1 FROM incidents WHERE incidents.id = alerts.incident)";
    transaction.execute(sql, [before(retention.alerts_days)])?;
    let sql = "DELETE FROM heads WHERE last_seen < ?1 AND NOT EXISTS (SELECT 1 FROM alerts WHERE id = heads.alert)";
    transaction.execute(sql, [before(retention.alerts_days)])?;
    coarsen(&transaction, before(MINUTES_DAYS) / 60_000)?;
    transaction.commit()
}

/// Adds up old counts per hour.
fn coarsen(connection: &Connection, before_minute: i64) -> rusqlite::Result<()> {
    let sums =
        "INSERT INTO buckets SELECT tenant, record, minute / 60 * 60, severity, area, source, sum(n) FROM buckets
                WHERE minute < ?1 AND minute % 60 != 0 GROUP BY tenant, record, minute / 60, severity, area, source
                ON CONFLICT DO UPDATE SET n = n + excluded.n";
    connection.execute(sums, [before_minute])?;
    connection.execute("DELETE FROM buckets WHERE minute < ?1 AND minute % 60 != 0", [before_minute]).map(drop)
}
