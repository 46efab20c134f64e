//! Where NATS is and how we prove who we are.

use std::path::PathBuf;
use std::str::FromStr as _;

use async_nats::ServerAddr;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::servers::is_loopback;

/// The section `nats` of the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NatsSettings")]
pub struct Settings {
    /// Servers of one cluster; none: NATS is not used.
    pub urls: Vec<String>,
    pub credentials_file: Option<PathBuf>,
    pub nkey_file: Option<PathBuf>,
    pub user: Option<String>,
    pub password_file: Option<PathBuf>,
    pub ca_file: Option<PathBuf>,
    pub client_certificate_file: Option<PathBuf>,
    pub client_key_file: Option<PathBuf>,
    /// Lets traffic to other machines go without TLS.
    pub allow_plaintext: bool,
    /// The servers' monitoring addresses: the only place where a server says whether it syncs always.
    pub monitor_urls: Vec<String>,
    /// Copies of each stream that we make.
    pub replicas: usize,
    /// Tenants whose events are taken from NATS; none: the configuration's own tenant.
    pub tenants: Vec<String>,
    /// Whether events are taken from NATS.
    pub intake: bool,
    /// Whether whole topologies are taken from NATS.
    pub cmdb: bool,
    /// Bytes that may wait in a tenant's stream; more is refused to the publisher.
    pub intake_bytes_max: i64,
    /// Hours for which metric points are kept, and bytes of them per tenant; the oldest go first.
    pub metric_hours: u32,
    pub metric_bytes_max: i64,
    /// Whether incidents and alerts are published.
    pub publish: bool,
    /// Days for which they stay there.
    pub publish_days: u32,
}

impl Settings {
    /// Whether NATS is used at all.
    pub fn is_on(&self) -> bool {
        !self.urls.is_empty()
    }

    /// Every path, to be started from the folder of the file that names it.
    pub fn paths(&mut self) -> Vec<(&'static str, &mut PathBuf)> {
        let paths = [
            ("nats.credentials_file", &mut self.credentials_file),
            ("nats.nkey_file", &mut self.nkey_file),
            ("nats.password_file", &mut self.password_file),
            ("nats.ca_file", &mut self.ca_file),
            ("nats.client_certificate_file", &mut self.client_certificate_file),
            ("nats.client_key_file", &mut self.client_key_file),
        ];
        paths.into_iter().filter_map(|(key, path)| path.as_mut().map(|path| (key, path))).collect()
    }

    /// What cannot be as it is: key, what is wrong, what to write.
    pub fn faults(&self) -> Vec<(String, String, &'static str)> {
        let mut faults = Vec::new();
        for (number, url) in self.urls.iter().enumerate() {
            if let Some((what, remedy)) = self.url_fault(url) {
                faults.push((format!("nats.urls.{number}"), what, remedy));
            }
        }
        let mut fault = |key: &str, what: &str, remedy| faults.push((format!("nats.{key}"), what.to_owned(), remedy));
        let proofs = [self.credentials_file.is_some(), self.nkey_file.is_some(), self.user.is_some()];
        if proofs.iter().filter(|given| **given).count() > 1 {
            fault("user", "more than one of credentials_file, nkey_file and user is set", "keep one of them");
        }
        if self.user.is_some() != self.password_file.is_some() {
            fault("password_file", "user and password_file go together", "set both or none");
        }
        if self.client_certificate_file.is_some() != self.client_key_file.is_some() {
            let what = "client_certificate_file and client_key_file go together";
            fault("client_key_file", what, "set both or none");
        }
        if !matches!(self.replicas, 1 | 3 | 5) {
            fault("replicas", "a stream has 1, 3 or 5 copies", "write 1 for one server, 3 for a cluster of three");
        }
        if self.intake_bytes_max < 1024 * 1024 {
            fault("intake_bytes_max", "is less than one message may have", "write at least 1048576");
        }
        if !(1..=168).contains(&self.metric_hours) {
            fault("metric_hours", "is not between 1 and 168", "write 1 to 168");
        }
        if self.metric_bytes_max < 1024 * 1024 {
            fault("metric_bytes_max", "is less than one message may have", "write at least 1048576");
        }
        if !(1..=3650).contains(&self.publish_days) {
            fault("publish_days", "is not between 1 and 3650", "write 1 to 3650");
        }
        for (number, tenant) in self.tenants.iter().enumerate() {
            if !is_token(tenant) {
                let what = format!("tenant {tenant:?} cannot be part of a subject");
                let remedy = "use letters, digits, `-` and `_`";
                faults.push((format!("nats.tenants.{number}"), what, remedy));
            }
        }
        faults
    }

    fn url_fault(&self, url: &str) -> Option<(String, &'static str)> {
        let address = match ServerAddr::from_str(url) {
            Ok(address) => address,
            Err(error) => return Some((format!("{url:?} cannot be read: {error}"), "write nats://host:4222")),
        };
        if address.has_user_pass() || address.username().is_some() {
            let what = "a user or password stands in the address".to_owned();
            return Some((what, "use user and password_file, so that it is in no log"));
        }
        let is_protected = address.tls_required() || self.ca_file.is_some();
        if !is_protected && !is_loopback(address.host()) && !self.allow_plaintext {
            let what = format!("{url:?} is another machine and has no TLS");
            return Some((what, "write tls://host:4222, or allow_plaintext: true when the network is your own"));
        }
        None
    }
}

/// Whether a name can stand between two dots of a subject.
pub fn is_token(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 128
        && name.chars().all(|c| c.is_alphanumeric() && !c.is_whitespace() || c == '-' || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(urls: &[&str]) -> Settings {
        let urls = urls.iter().map(|url| (*url).to_owned()).collect();
        Settings {
            urls,
            replicas: 1,
            intake_bytes_max: 1 << 30,
            metric_hours: 1,
            metric_bytes_max: 1 << 20,
            publish_days: 7,
            ..Settings::default()
        }
    }

    #[test]
    fn plaintext_goes_only_to_this_machine() {
        for good in
            ["nats://127.0.0.1:4222", "nats://localhost:4222", "nats://[::1]:4222", "tls://nats.example.org:4222"]
        {
            assert_eq!(of(&[good]).faults(), [], "{good}");
        }
        let faults = of(&["nats://127.0.0.1:4222", "nats://nats.example.org:4222"]).faults();
        assert_eq!(faults.len(), 1);
        assert!(faults[0].0 == "nats.urls.1" && faults[0].1.contains("no TLS"), "{faults:?}");
        let settings = Settings { allow_plaintext: true, ..of(&["nats://10.0.0.7:4222"]) };
        assert_eq!(settings.faults(), []);
    }

    #[test]
    fn secrets_do_not_stand_in_addresses() {
        let faults = of(&["nats://me:secret@127.0.0.1:4222"]).faults();
        assert!(faults[0].1.contains("password") && !faults[0].1.contains("secret@"), "{faults:?}");
    }

    #[test]
    fn what_goes_together_is_asked_for_together() {
        let settings = Settings {
            user: Some("u".into()),
            nkey_file: Some("k".into()),
            client_key_file: Some("c".into()),
            replicas: 2,
            tenants: vec!["a.b".into()],
            ..of(&[])
        };
        let keys: Vec<String> = settings.faults().into_iter().map(|(key, ..)| key).collect();
        assert_eq!(
            keys,
            ["nats.user", "nats.password_file", "nats.client_key_file", "nats.replicas", "nats.tenants.0"]
        );
    }
}
