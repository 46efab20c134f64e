//! Where Redis is and how we prove who we are.

use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::address::{Servers, read};
use crate::servers::is_loopback;

/// The section `redis` of the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "RedisSettings")]
pub struct Settings {
    /// One server, the sentinels of one, or nodes of one cluster; none: Redis is not used.
    pub urls: Vec<String>,
    pub user: Option<String>,
    pub password_file: Option<PathBuf>,
    /// Who we are for the sentinels, when they ask.
    pub sentinel_user: Option<String>,
    pub sentinel_password_file: Option<PathBuf>,
    pub ca_file: Option<PathBuf>,
    pub client_certificate_file: Option<PathBuf>,
    pub client_key_file: Option<PathBuf>,
    /// Lets traffic to other machines go without TLS.
    pub allow_plaintext: bool,
    /// What all keys begin with.
    pub prefix: String,
    /// How long an answer may take.
    pub answer_ms_max: u64,
    /// How long connecting may take.
    pub connect_ms_max: u64,
    /// Whether incidents are shown there to other programs.
    pub view: bool,
    /// For how long an incident stays there after its end.
    pub view_closed_hours: u32,
    /// Whether console sessions are shared.
    pub sessions: bool,
    /// Whether the limits of `intake.rate` hold for all instances together.
    pub rates: bool,
}

impl Settings {
    /// Whether Redis is used at all.
    pub fn is_on(&self) -> bool {
        !self.urls.is_empty()
    }

    /// How long an answer may take.
    pub fn answer_max(&self) -> Duration {
        Duration::from_millis(self.answer_ms_max)
    }

    /// How long connecting may take.
    pub fn connect_max(&self) -> Duration {
        Duration::from_millis(self.connect_ms_max)
    }

    /// Every path, to be started from the folder of the file that names it.
    pub fn paths(&mut self) -> Vec<(&'static str, &mut PathBuf)> {
        let paths = [
            ("redis.password_file", &mut self.password_file),
            ("redis.sentinel_password_file", &mut self.sentinel_password_file),
            ("redis.ca_file", &mut self.ca_file),
            ("redis.client_certificate_file", &mut self.client_certificate_file),
            ("redis.client_key_file", &mut self.client_key_file),
        ];
        paths.into_iter().filter_map(|(key, path)| path.as_mut().map(|path| (key, path))).collect()
    }

    /// What cannot be as it is: key, what is wrong, what to write.
    pub fn faults(&self) -> Vec<(String, String, &'static str)> {
        let mut faults = Vec::new();
        match read(&self.urls) {
            Ok(servers) => faults.extend(self.plaintext_faults(&servers)),
            Err(found) => faults.extend(found),
        }
        let mut fault = |key: &str, what: &str, remedy| faults.push((format!("redis.{key}"), what.to_owned(), remedy));
        if self.user.is_some() && self.password_file.is_none() {
            fault("password_file", "a user without a password", "name the file with the password, mode 600");
        }
        if self.sentinel_user.is_some() && self.sentinel_password_file.is_none() {
            fault("sentinel_password_file", "a user without a password", "name the file with the password, mode 600");
        }
        if self.client_certificate_file.is_some() != self.client_key_file.is_some() {
            let what = "client_certificate_file and client_key_file go together";
            fault("client_key_file", what, "set both or none");
        }
        let is_word = |c: char| c.is_ascii_alphanumeric() || "-_.:".contains(c);
        if self.prefix.is_empty() || self.prefix.len() > 64 || !self.prefix.chars().all(is_word) {
            fault("prefix", "keys cannot begin like this", "use 1 to 64 letters, digits, `-`, `_`, `.` and `:`");
        }
        if !(10..=5_000).contains(&self.answer_ms_max) {
            fault("answer_ms_max", "is not between 10 and 5000", "write 100");
        }
        if !(10..=30_000).contains(&self.connect_ms_max) {
            fault("connect_ms_max", "is not between 10 and 30000", "write 1000");
        }
        if !(1..=720).contains(&self.view_closed_hours) {
            fault("view_closed_hours", "is not between 1 and 720", "write 1 to 720");
        }
        faults
    }

    fn plaintext_faults(&self, servers: &Servers) -> Vec<(String, String, &'static str)> {
        if self.allow_plaintext || servers.tls {
            return Vec::new();
        }
        let open = servers.nodes.iter().enumerate().filter(|(_, node)| !is_loopback(&node.host));
        open.map(|(number, node)| {
            let what = format!("{} is another machine and has no TLS", node.host);
            let remedy = "write rediss://host:6379, or allow_plaintext: true when the network is your own";
            (format!("redis.urls.{number}"), what, remedy)
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(urls: &[&str]) -> Settings {
        Settings {
            urls: urls.iter().map(|url| (*url).to_owned()).collect(),
            prefix: "headwater".into(),
            answer_ms_max: 100,
            connect_ms_max: 1000,
            view_closed_hours: 24,
            ..Settings::default()
        }
    }

    #[test]
    fn plaintext_goes_only_to_this_machine() {
        let good: [&[&str]; 6] = [
            &["redis://127.0.0.1:6379"],
            &["redis://localhost"],
            &["redis://[::1]:6380/3"],
            &["rediss://redis.example.org"],
            &["rediss+sentinel://a.example.org:26379/main", "rediss+sentinel://b.example.org/main"],
            &["redis://127.0.0.1:7000", "redis://127.0.0.1:7001"],
        ];
        for urls in good {
            assert_eq!(of(urls).faults(), [], "{urls:?}");
        }
        let faults = of(&["redis://127.0.0.1", "redis://redis.example.org"]).faults();
        assert!(faults.len() == 1 && faults[0].0 == "redis.urls.1" && faults[0].1.contains("no TLS"), "{faults:?}");
        let settings = Settings { allow_plaintext: true, ..of(&["redis://10.0.0.7"]) };
        assert_eq!(settings.faults(), []);
    }

    #[test]
    fn secrets_do_not_stand_in_addresses() {
        for url in ["redis://me:secret@127.0.0.1:6379", "redis://:secret@127.0.0.1"] {
            let faults = of(&[url]).faults();
            assert!(faults[0].1.contains("password") && !faults[0].1.contains("secret"), "{faults:?}");
        }
    }

    #[test]
    fn what_goes_together_is_asked_for_together() {
        let settings = Settings {
            user: Some("u".into()),
            sentinel_user: Some("u".into()),
            client_key_file: Some("k".into()),
            prefix: "a b".into(),
            answer_ms_max: 0,
            connect_ms_max: 0,
            view_closed_hours: 0,
            ..of(&[])
        };
        let keys: Vec<String> = settings.faults().into_iter().map(|(key, ..)| key).collect();
        assert_eq!(
            keys,
            [
                "redis.password_file",
                "redis.sentinel_password_file",
                "redis.client_key_file",
                "redis.prefix",
                "redis.answer_ms_max",
                "redis.connect_ms_max",
                "redis.view_closed_hours"
            ]
        );
    }
}
