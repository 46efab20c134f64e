//! One message from a source, decoded. What decoders produce and the journal keeps.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::ids::{OrgId, SourceId, TenantId};
use super::label::Labels;
use super::severity::Severity;
use super::text;
use super::time::Timestamp;

/// The annotation that keeps a time which was too far ahead and was replaced.
pub const RECEIVED_STARTS_AT: &str = "received_starts_at";

/// The annotation that says how unusual the condition is: a number, 0 to 1000, or an object with a `score`.
pub const ANOMALY: &str = "anomaly";

/// What an event says about its condition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "EventStatus")]
pub enum Status {
    /// The condition holds.
    #[default]
    Firing,
    /// The condition has ended.
    Resolved,
    /// Something was changed on purpose (a release, a configuration change): evidence, not an alert.
    Change,
}

/// The kind of telemetry an event comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Signal {
    Metric,
    Log,
    Event,
    Trace,
}

impl Signal {
    /// All of them, in the order of their declaration.
    pub const ALL: [Self; 4] = [Self::Metric, Self::Log, Self::Event, Self::Trace];

    /// The wire word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Metric => "metric",
            Self::Log => "log",
            Self::Event => "event",
            Self::Trace => "trace",
        }
    }
}

/// Where in the estate the signal was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    Endpoint,
    Network,
    Cloud,
}

impl Side {
    /// All of them, in the order of their declaration.
    pub const ALL: [Self; 3] = [Self::Endpoint, Self::Network, Self::Cloud];

    /// The wire word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Endpoint => "endpoint",
            Self::Network => "network",
            Self::Cloud => "cloud",
        }
    }
}

/// X.733 / X.736 alarm type (names as in 3GPP TS 28.532).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum EventType {
    Communications,
    QualityOfService,
    ProcessingError,
    Equipment,
    Environmental,
    IntegrityViolation,
    OperationalViolation,
    PhysicalViolation,
    SecurityServiceOrMechanismViolation,
    TimeDomainViolation,
}

/// The managed object as the source names it; at least one key is set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ObjectRef {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ci_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip: Option<String>,
    /// Further keys: hostname, serial, cloud resource id, k8s namespace/workload/pod …
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub keys: BTreeMap<String, String>,
}

impl ObjectRef {
    /// All keys in the order in which they are tried against the CMDB.
    pub fn keys_in_order(&self) -> impl Iterator<Item = &str> {
        [&self.ci_id, &self.name, &self.ip]
            .into_iter()
            .flatten()
            .map(String::as_str)
            .chain(self.keys.values().map(String::as_str))
    }

    /// The first key: how people are shown an object that the CMDB does not know.
    pub fn label(&self) -> &str {
        self.keys_in_order().next().unwrap_or("")
    }
}

/// The measured value behind a threshold alert.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MetricRef {
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub direction: Option<String>,
}

/// One event. Text limits (title 512, description 2048 characters, 50 labels, key 128, value 2048,
/// dedup key 255) have been applied by truncation; `truncated` says so.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    pub tenant: TenantId,
    pub source: SourceId,
    /// Unique per source; empty when the source gives none.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub id: Box<str>,
    #[serde(default)]
    pub status: Status,
    pub severity: Severity,
    /// The severity word as received.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub source_severity: Box<str>,
    /// The rule or check that fired: with the object, what makes two events one alert.
    #[serde(deserialize_with = "text::shared")]
    pub name: Arc<str>,
    #[serde(default, skip_serializing_if = "str::is_empty", deserialize_with = "text::shared")]
    pub title: Arc<str>,
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub description: Box<str>,
    pub object: ObjectRef,
    /// Identity and routing.
    #[serde(default, skip_serializing_if = "Labels::are_none")]
    pub labels: Labels,
    /// Never identity.
    #[serde(default, skip_serializing_if = "Labels::are_none")]
    pub annotations: Labels,
    /// Raised (firing) or cleared (resolved), by the source's clock.
    pub starts_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<Timestamp>,
    /// A firing alert is over then unless it is said again; absent: until its end is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// Seen by the collector, else received by us.
    pub observed_at: Timestamp,
    /// Who has acknowledged it where it comes from, as the source says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged_by: Option<Box<str>>,
    /// The source's own identity for the alert; wins over every default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dedup_key: Option<Box<str>>,
    /// Without a `dedup_key`: the labels that, beside source, name and object, tell two alerts apart, written
    /// `key="value",…` in the order of the keys. Empty: no label is identity.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub identity: Box<str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_type: Option<EventType>,
    /// X.733 mnemonic or the vendor's word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probable_cause: Option<Box<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub specific_problem: Option<Box<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<Signal>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub side: Option<Side>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<MetricRef>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<Box<str>>,
    /// http or https only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<Box<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub org: Option<OrgId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proposed_repair: Option<Box<str>>,
    /// It was sent to try the way here, under this word of the sender's: nothing comes of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<Box<str>>,
    /// Some text was longer than its limit and has been cut.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
}

impl Event {
    /// A bare firing event; decoders fill in the rest.
    pub fn new(tenant: TenantId, source: SourceId, name: &str, at: Timestamp) -> Self {
        Self {
            tenant,
            source,
            id: "".into(),
            status: Status::Firing,
            severity: Severity::Indeterminate,
            source_severity: "".into(),
            name: name.into(),
            title: "".into(),
            description: "".into(),
            object: ObjectRef::default(),
            labels: Labels::default(),
            annotations: Labels::default(),
            starts_at: at,
            ends_at: None,
            expires_at: None,
            observed_at: at,
            acknowledged_by: None,
            dedup_key: None,
            identity: "".into(),
            event_type: None,
            probable_cause: None,
            specific_problem: None,
            signal: None,
            side: None,
            metric: None,
            trace_id: None,
            links: Vec::new(),
            org: None,
            proposed_repair: None,
            test: None,
            truncated: false,
        }
    }

    /// The anomaly score, per mille, where a detector gave one.
    pub fn anomaly_score(&self) -> Option<u16> {
        #[derive(Deserialize)]
        struct Scored {
            score: f64,
        }
        let text = self.annotations.get(ANOMALY)?;
        let score = match text.parse::<f64>() {
            Ok(score) => score,
            Err(_) => serde_json::from_str::<Scored>(text).ok()?.score,
        };
        (0.0..=1000.0).contains(&score).then_some(score as u16)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_anomaly_score_is_a_number_or_stands_in_an_object() {
        let mut event = Event::new("t".into(), "s".into(), "n", Timestamp(0));
        assert_eq!(event.anomaly_score(), None);
        let given = [("930", Some(930)), (r#"{"score":930,"model":"m"}"#, Some(930)), ("1e9", None), ("high", None)];
        for (text, score) in given {
            event.annotations.insert(ANOMALY, text);
            assert_eq!(event.anomaly_score(), score, "{text}");
        }
    }
}
