//! What a server must be able to do. Known-bad versions are refused, old ones are warned of, and `durability: power`
//! is believed only when every server shows that it syncs before it answers.

use std::collections::BTreeSet;

use async_nats::ServerInfo;
use serde::Deserialize;

use super::{NatsError, Refusal};

/// The oldest version that the tests run on (Debian 12).
const FLOOR: Version = Version(2, 9, 10);
/// The first version without known ways around permissions.
const ADVISED: Version = Version(2, 12, 7);
/// These lose whole streams when they are killed.
const LOSING: [Version; 3] = [Version(2, 10, 20), Version(2, 10, 21), Version(2, 10, 22)];

/// A version of nats-server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u16, pub u16, pub u16);

impl Version {
    /// Reads `2.9.10`, also with something behind it (`2.12.0-RC.3`).
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.trim_start_matches('v').split(['.', '-', '+']);
        let mut next = || parts.next()?.parse().ok();
        Some(Self(next()?, next()?, next()?))
    }
}

/// Checks the server we are connected to; what it returns is worth a warning.
///
/// # Errors
/// When it must not be used.
pub fn check(server: &ServerInfo) -> Result<Vec<String>, NatsError> {
    let what = format!("nats-server {} at {}:{}", server.version, server.host, server.port);
    let Some(version) = Version::parse(&server.version) else {
        return Err(NatsError::refused(what, "its version cannot be read", "use nats-server 2.12.7 or later"));
    };
    if version < FLOOR {
        let why = "it is older than 2.9.10, the oldest that is tested";
        return Err(NatsError::refused(what, why, "upgrade it, best to 2.12.7 or later"));
    }
    if LOSING.contains(&version) {
        let why = "2.10.20 to 2.10.22 can lose a whole stream when they are killed";
        return Err(NatsError::refused(what, why, "upgrade it, best to 2.12.7 or later"));
    }
    if !server.jetstream {
        let remedy = "write `jetstream {}` in its configuration (deploy/nats has examples)";
        return Err(NatsError::refused(what, "JetStream is switched off", remedy));
    }
    let mut warnings = Vec::new();
    if version < ADVISED && !(version >= Version(2, 11, 16) && version.1 == 11) {
        warnings.push(format!(
            "{what} has known ways around permissions (advisories NATS-2026-09 to -18): let only people you trust \
             connect, or upgrade to 2.12.7 or later"
        ));
    }
    Ok(warnings)
}

/// What `/jsz` says of a server; other fields are not asked for.
#[derive(Deserialize)]
struct Jsz {
    server_id: String,
    #[serde(default)]
    config: JszConfig,
}

#[derive(Default, Deserialize)]
struct JszConfig {
    #[serde(default)]
    sync_always: bool,
}

/// Proves that `copies` servers sync before they answer: asks each monitoring address.
///
/// # Errors
/// When one does not, does not say so, or fewer servers were asked than there are copies.
pub async fn prove_power(monitor_urls: &[String], copies: usize) -> Result<(), NatsError> {
    let remedy = "write `sync_interval: always` in its jetstream section (nats-server 2.10 or later), or `durability: \
                  process` here";
    // The first one who comes installs it; the outcome says only who that was.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().timeout(super::connect::ANSWER_TIME_MAX).build();
    let client = client.map_err(NatsError::away)?;
    let (mut seen, mut refusals) = (BTreeSet::new(), Vec::new());
    for url in monitor_urls {
        let whole = format!("{}/jsz?config=true", url.trim_end_matches('/'));
        let answer = client.get(&whole).send().await.map_err(NatsError::away)?;
        let jsz: Jsz = answer.json().await.map_err(NatsError::away)?;
        if !jsz.config.sync_always {
            let why = "it answers before the disk has confirmed: loss of power would lose accepted alerts";
            refusals.push(Refusal { what: url.clone(), why: why.into(), remedy: remedy.into() });
        }
        seen.insert(jsz.server_id);
    }
    if seen.len() < copies && refusals.is_empty() {
        let why = format!("`durability: power` needs proof from {copies} servers, {} were asked", seen.len());
        let remedy = "name the monitoring address of every server (http://host:8222), or write `durability: process`";
        refusals.push(Refusal { what: "nats.monitor_urls".into(), why, remedy: remedy.into() });
    }
    if refusals.is_empty() { Ok(()) } else { Err(NatsError::Refused(refusals)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(version: &str) -> Result<usize, String> {
        let server = ServerInfo { version: version.into(), jetstream: true, ..ServerInfo::default() };
        check(&server).map(|warnings| warnings.len()).map_err(|error| error.to_string())
    }

    #[test]
    fn versions_are_sorted_into_refused_warned_and_good() {
        for (version, warnings) in [("2.9.10", 1), ("2.10.19", 1), ("2.10.23", 1), ("2.11.16", 0), ("2.12.6", 1)] {
            assert_eq!(said(version), Ok(warnings), "{version}");
        }
        for good in ["2.12.7", "2.14.0", "2.15.1", "3.0.0-RC.1"] {
            assert_eq!(said(good), Ok(0), "{good}");
        }
        for (bad, why) in [("2.9.9", "older"), ("2.10.20", "lose"), ("2.10.22", "lose"), ("dev", "cannot be read")] {
            assert!(said(bad).is_err_and(|error| error.contains(why)), "{bad}");
        }
        let off = ServerInfo { version: "2.15.1".into(), ..ServerInfo::default() };
        assert!(check(&off).is_err_and(|error| error.to_string().contains("switched off")));
    }
}
