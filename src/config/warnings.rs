//! Settings that are allowed but dangerous together.

use std::fmt;

use super::Config;
use super::layers::Layers;
use crate::journal::Durability;

/// Something that was probably not meant, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Warning {
    pub place: String,
    pub what: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.what)
    }
}

/// All warnings, in the order of places.
pub fn warnings(config: &Config, layers: &Layers) -> Vec<Warning> {
    let mut found = Vec::new();
    let mut warn = |key: &str, what: &str| found.push(Warning { place: layers.place_of(key), what: what.to_owned() });
    let is_open = !config.listen.ip().is_loopback();
    let intake = &config.intake;
    if is_open && config.durability == Durability::Process {
        warn("durability", "accepted alerts of other machines are lost when this one loses power; write power");
    }
    if is_open && !config.console.secure_cookies {
        warn(
            "console.secure_cookies",
            "the console's cookie goes over plain HTTP; put TLS in front and write secure_cookies: true",
        );
    }
    if config.console.secure_cookies && config.strangers.proxies.is_empty() && config.strangers.per_minute > 0 {
        warn(
            "strangers.proxies",
            "a proxy with TLS stands in front, and all clients behind it count as one address; write the proxy's address",
        );
    }
    if is_open && config.open_metrics() {
        warn("console.open_metrics", "everybody who reaches the address can read /metrics; write open_metrics: null");
    }
    if config.console.secure_cookies && config.base_url.starts_with("http://") {
        warn("base_url", "secure cookies are not sent to http:// addresses: nobody could sign in; write https://");
    }
    if config.observe_only && !config.receivers.is_empty() {
        warn("observe_only", "no receiver is told of anything; write observe_only: false when the trial is over");
    }
    if config.base_url.is_empty() && !config.receivers.is_empty() {
        warn("base_url", "messages to receivers have no link to the incident; write the console's address");
    }
    if intake.single_bytes_max > intake.batch_bytes_max {
        warn("intake.single_bytes_max", "is more than batch_bytes_max, which bounds every body; write less");
    }
    if intake.batch_bytes_max > intake.in_flight_bytes_max {
        warn("intake.in_flight_bytes_max", "is less than batch_bytes_max: large bodies never fit; write more");
    }
    found.sort();
    found
}
