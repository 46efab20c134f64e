//! The fields of an event or alert, as matchers and expressions see them.

use std::borrow::Cow;
use std::collections::{BTreeSet, VecDeque};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::alert::Alert;
use crate::domain::alert::AlertState;
use crate::domain::ci::Area;
use crate::domain::event::{Event, EventType, Status};
use crate::domain::matcher::Fields;
use crate::domain::topology::{CiIx, CiState, Topology};

/// Business services named, and CIs walked to find them.
const SERVICES_MAX: usize = 5;
const SERVICE_WALK_MAX: usize = 300;

/// What the CMDB knows of an event's CI, borrowed from the topology.
#[derive(Clone, Copy, Debug)]
pub struct CiFacts<'a> {
    pub id: &'a str,
    pub class: &'a str,
    pub name: &'a str,
    pub area: Option<Area>,
    pub org: Option<&'a str>,
    pub owner: Option<&'a str>,
    pub site: Option<&'a str>,
    pub env: Option<&'a str>,
    /// 1 (most critical) to 5, as the CMDB writes it.
    pub criticality: Option<u8>,
    /// 等保 level, 1 to 5.
    pub protection_level: Option<u8>,
    pub state: CiState,
    /// Where to look for the business services that need the CI.
    estate: Option<(&'a Topology, CiIx)>,
}

impl<'a> CiFacts<'a> {
    /// What the topology says of a CI.
    pub fn of(topology: &'a Topology, ci: CiIx) -> Self {
        let (class, attributes) = (topology.class(ci), topology.attributes(ci));
        Self {
            id: topology.id(ci).as_str(),
            class: &class.id,
            name: topology.name(ci),
            area: class.area,
            org: attributes.org.as_ref().map(|org| org.as_str()),
            owner: attributes.owner_team.as_deref().or(class.owner.as_deref()),
            site: attributes.site.as_deref(),
            env: attributes.env.as_deref(),
            criticality: attributes.criticality,
            protection_level: attributes.db_level,
            state: attributes.state,
            estate: Some((topology, ci)),
        }
    }

    /// A CI of which only id and class are known.
    pub const fn bare(id: &'a str, class: &'a str) -> Self {
        Self {
            id,
            class,
            name: id,
            area: None,
            org: None,
            owner: None,
            site: None,
            env: None,
            criticality: None,
            protection_level: None,
            state: CiState::Running,
            estate: None,
        }
    }

    /// The CI's share of an alert's fields; `None` for the names of other fields.
    pub fn field(&self, name: &str) -> Option<Cow<'a, str>> {
        if name == "service" {
            let (topology, ci) = self.estate?;
            return services(topology, ci).map(Cow::Owned);
        }
        let text = match name {
            "ci" | "ci.id" => self.id,
            "ci.name" => self.name,
            "class" => self.class,
            "area" => self.area?.as_str(),
            "org" => self.org?,
            "owner" => self.owner?,
            "site" => self.site?,
            "env" => self.env?,
            "ci.state" => state_word(self.state),
            "criticality" => digit(self.criticality?),
            "protection_level" => digit(self.protection_level?),
            _ => return None,
        };
        Some(Cow::Borrowed(text))
    }
}

/// The state as the CMDB's file writes it.
const fn state_word(state: CiState) -> &'static str {
    match state {
        CiState::Running => "running",
        CiState::Maintenance => "maintenance",
        CiState::Retired => "retired",
    }
}

/// A small number as text; what is above nine counts as nine.
fn digit(number: u8) -> &'static str {
    const DIGITS: [&str; 10] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
    DIGITS[usize::from(number.min(9))]
}

/// The names of the business services that need the CI, nearest first, separated by `; `.
fn services(topology: &Topology, ci: CiIx) -> Option<String> {
    let names: Vec<&str> = services_of(topology, ci).into_iter().map(|service| topology.name(service)).collect();
    (!names.is_empty()).then(|| names.join("; "))
}

/// The business services that need the CI, nearest first, at most five.
pub fn services_of(topology: &Topology, ci: CiIx) -> Vec<CiIx> {
    let mut services = Vec::new();
    let mut seen = BTreeSet::from([ci]);
    let mut queue = VecDeque::from([ci]);
    while let Some(ci) = queue.pop_front()
        && services.len() < SERVICES_MAX
    {
        if topology.class(ci).is_service {
            services.push(ci);
        }
        for edge in topology.effects(ci) {
            if seen.len() < SERVICE_WALK_MAX && seen.insert(edge.ci) {
                queue.push_back(edge.ci);
            }
        }
    }
    services
}

/// An event together with what the CMDB knows of its CI.
#[derive(Clone, Copy, Debug)]
pub struct EventFields<'a> {
    pub event: &'a Event,
    pub ci: Option<&'a CiFacts<'a>>,
}

impl Fields for EventFields<'_> {
    fn field(&self, name: &str) -> Option<Cow<'_, str>> {
        self.ci.and_then(|ci| ci.field(name)).or_else(|| self.event.field(name))
    }
}

impl Fields for Event {
    fn field(&self, name: &str) -> Option<Cow<'_, str>> {
        if let Some(key) = name.strip_prefix("labels.") {
            return self.labels.get(key).map(Cow::Borrowed);
        }
        if let Some(key) = name.strip_prefix("annotations.") {
            return self.annotations.get(key).map(Cow::Borrowed);
        }
        if let Some(key) = name.strip_prefix("object.") {
            return object_key(self, key).map(Cow::Borrowed);
        }
        if let Some(part) = name.strip_prefix("metric.") {
            return metric_part(self, part);
        }
        let text = match name {
            "severity" => self.severity.as_str(),
            "source" => self.source.as_str(),
            "name" => &self.name,
            "title" => &self.title,
            "description" => &self.description,
            "status" => status_word(self.status),
            "object" => self.object.label(),
            "class" => self.object.class.as_deref()?,
            "org" => self.org.as_ref()?.as_str(),
            "event_type" => event_type_word(self.event_type?),
            "probable_cause" => self.probable_cause.as_deref()?,
            "specific_problem" => self.specific_problem.as_deref()?,
            "signal" => self.signal?.as_str(),
            "side" => self.side?.as_str(),
            "source_severity" => &self.source_severity,
            _ => return None,
        };
        Some(Cow::Borrowed(text))
    }
}

/// An alert together with what the CMDB knows of its CI.
#[derive(Clone, Copy, Debug)]
pub struct AlertFields<'a> {
    pub alert: &'a Alert,
    pub ci: Option<CiFacts<'a>>,
}

impl<'a> AlertFields<'a> {
    /// The alert's fields, its CI's among them.
    pub fn of(alert: &'a Alert, topology: &'a Topology) -> Self {
        Self { alert, ci: alert.spot.ci().map(|ci| CiFacts::of(topology, ci)) }
    }
}

impl Fields for AlertFields<'_> {
    fn field(&self, name: &str) -> Option<Cow<'_, str>> {
        self.ci.as_ref().and_then(|ci| ci.field(name)).or_else(|| self.alert.own_field(name))
    }
}

impl Alert {
    /// A field that the alert has of its own events.
    pub fn own_field(&self, name: &str) -> Option<Cow<'_, str>> {
        if let Some(key) = name.strip_prefix("labels.") {
            return self.labels.get(key).map(Cow::Borrowed);
        }
        let text = match name {
            "severity" => self.severity.as_str(),
            "source" => self.source.as_str(),
            "name" => &self.name,
            "title" => &self.title,
            "status" => status_word(if self.state == AlertState::Firing { Status::Firing } else { Status::Resolved }),
            "object" => &self.object,
            _ => self.facts.get(name, &self.object)?,
        };
        Some(Cow::Borrowed(text))
    }
}

/// A key of an event's object.
pub(super) fn object_key<'a>(event: &'a Event, key: &str) -> Option<&'a str> {
    let object = &event.object;
    match key {
        "ci_id" => object.ci_id.as_deref(),
        "class" => object.class.as_deref(),
        "name" => object.name.as_deref(),
        "ip" => object.ip.as_deref(),
        _ => object.keys.get(key).map(String::as_str),
    }
}

fn metric_part<'a>(event: &'a Event, part: &str) -> Option<Cow<'a, str>> {
    let metric = event.metric.as_ref()?;
    match part {
        "name" => Some(Cow::Borrowed(&metric.name)),
        "unit" => metric.unit.as_deref().map(Cow::Borrowed),
        "direction" => metric.direction.as_deref().map(Cow::Borrowed),
        "value" => metric.value.map(|v| Cow::Owned(v.to_string())),
        "threshold" => metric.threshold.map(|v| Cow::Owned(v.to_string())),
        _ => None,
    }
}

/// The fields that a rule may name, besides those with a prefix of [`PREFIXES`].
pub const NAMES: &[&str] = &[
    "severity",
    "source",
    "name",
    "title",
    "description",
    "status",
    "object",
    "class",
    "ci",
    "ci.id",
    "ci.name",
    "ci.state",
    "area",
    "org",
    "site",
    "owner",
    "env",
    "service",
    "criticality",
    "protection_level",
    "event_type",
    "probable_cause",
    "specific_problem",
    "signal",
    "side",
    "source_severity",
    "metric.name",
    "metric.unit",
    "metric.direction",
    "metric.value",
    "metric.threshold",
];

/// The fields that only an incident has: routes may name them.
pub const INCIDENT_NAMES: &[&str] = &["priority", "services", "confidence", "alert_count", "ci_count", "service_count"];
/// Those of them that change with every alert.
pub const EXTENT_NAMES: &[&str] = &["confidence", "alert_count", "ci_count"];

/// What comes before a key of the source's own.
pub const PREFIXES: &[&str] = &["labels.", "annotations.", "object."];

/// A field's name where a rule writes one, for JSON Schemas.
pub struct FieldName;

impl JsonSchema for FieldName {
    fn schema_name() -> Cow<'static, str> {
        "FieldName".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let names: Vec<&str> = NAMES.iter().chain(INCIDENT_NAMES).copied().collect();
        let prefixes: Vec<&str> = PREFIXES.iter().map(|prefix| prefix.trim_end_matches('.')).collect();
        let own = format!("^({})\\..", prefixes.join("|"));
        json_schema!({ "type": "string", "anyOf": [{ "enum": names }, { "pattern": own }] })
    }
}

/// Whether a rule may name this field.
pub fn is_known(field: &str) -> bool {
    NAMES.contains(&field)
        || INCIDENT_NAMES.contains(&field)
        || PREFIXES.iter().any(|p| field.strip_prefix(p).is_some_and(|key| !key.is_empty()))
}

/// The wire word of a status.
pub const fn status_word(status: Status) -> &'static str {
    match status {
        Status::Firing => "firing",
        Status::Resolved => "resolved",
        Status::Change => "change",
    }
}

/// The wire word of an event type.
pub const fn event_type_word(event_type: EventType) -> &'static str {
    match event_type {
        EventType::Communications => "COMMUNICATIONS",
        EventType::QualityOfService => "QUALITY_OF_SERVICE",
        EventType::ProcessingError => "PROCESSING_ERROR",
        EventType::Equipment => "EQUIPMENT",
        EventType::Environmental => "ENVIRONMENTAL",
        EventType::IntegrityViolation => "INTEGRITY_VIOLATION",
        EventType::OperationalViolation => "OPERATIONAL_VIOLATION",
        EventType::PhysicalViolation => "PHYSICAL_VIOLATION",
        EventType::SecurityServiceOrMechanismViolation => "SECURITY_SERVICE_OR_MECHANISM_VIOLATION",
        EventType::TimeDomainViolation => "TIME_DOMAIN_VIOLATION",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::{Side, Signal};
    use crate::domain::time::Timestamp;

    #[test]
    fn every_known_field_has_a_value_on_a_full_event() {
        let mut event = Event::new("t".into(), "s".into(), "n", Timestamp(0));
        event.title = "t".into();
        event.description = "d".into();
        event.event_type = Some(EventType::Equipment);
        event.probable_cause = Some("p".into());
        event.specific_problem = Some("p".into());
        (event.signal, event.side) = (Some(Signal::Log), Some(Side::Cloud));
        event.source_severity = "High".into();
        event.labels.insert("k", "v");
        event.object.ip = Some("10.0.0.1".into());
        event.metric = Some(crate::domain::event::MetricRef {
            name: "cpu".into(),
            value: Some(1.5),
            unit: Some("%".into()),
            threshold: Some(1.0),
            direction: Some("up".into()),
        });
        let ci = CiFacts {
            area: Some(Area::Cloud),
            org: Some("o"),
            owner: Some("w"),
            site: Some("s"),
            env: Some("prod"),
            criticality: Some(5),
            protection_level: Some(3),
            ..CiFacts::bare("c", "server")
        };
        let fields = EventFields { event: &event, ci: Some(&ci) };
        for name in NAMES.iter().copied().chain(["labels.k", "object.ip"]).filter(|name| *name != "service") {
            assert!(is_known(name) && fields.field(name).is_some(), "{name}");
        }
        assert_eq!(fields.field("metric.value").as_deref(), Some("1.5"));
        assert!(!is_known("labels.") && !is_known("hostname") && fields.field("hostname").is_none());
    }
}
