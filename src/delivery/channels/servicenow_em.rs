//! ServiceNow Event Management: events over `em/jsonv2`, of which the instance makes alerts, and tickets by its own rules.
//!
//! Documents: docs.servicenow.com, "Send events via web service" (`POST /api/global/em/jsonv2` with `records`) and "Event field
//! format for event collection": `source`, `node`, `type` and `resource` have at most 100 characters, `message_key`, by which
//! events are one alert, 1,024; `severity` is 1 (critical) to 5 (OK), 0 clears the alert; `event_class` is needed where there
//! is no `node`; `time_of_event` is GMT; `additional_info` is a JSON text.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use chrono_tz::Tz;
use reqwest::Url;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::{Ground, Manner, Robot, Secret, fit, is_over, name_of};
use crate::delivery::http::{Call, SetupError};
use crate::delivery::lines::Lines;
use crate::domain::severity::Severity;
use crate::domain::time::Timestamp;
use crate::engine::calendar::local;
use crate::engine::effect::Notice;

const FIELD_CHARS_MAX: usize = 100;
const KEY_CHARS_MAX: usize = 1024;
const TEXT_CHARS_MAX: usize = 4000;

/// An instance with Event Management.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// `https://company.service-now.com`.
    pub server: String,
    /// With the role evt_mgmt_integration.
    pub user: String,
    pub password: Secret,
    /// What the instance calls the sender.
    #[serde(default = "source")]
    pub source: String,
    /// Which one of the senders it is.
    #[serde(default = "source")]
    pub event_class: String,
}

fn source() -> String {
    "Headwater".into()
}

pub struct ServiceNowEvents {
    url: Url,
    settings: Settings,
    manner: Manner,
}

impl Settings {
    /// # Errors
    /// When the address is refused, or a name is missing or too long.
    pub fn ready(self, ground: &Ground) -> Result<(Url, ServiceNowEvents), SetupError> {
        let url = ground.target(&format!("{}/api/global/em/jsonv2", self.server.trim_end_matches('/')))?;
        for (setting, text) in [("source", &self.source), ("event_class", &self.event_class)] {
            if !(1..=FIELD_CHARS_MAX).contains(&text.chars().count()) {
                return Err(SetupError::setting(setting, "write 1 to 100 characters"));
            }
        }
        Ok((url.clone(), ServiceNowEvents { url, settings: self, manner: ground.manner.clone() }))
    }
}

/// Their numbers; one that is over clears its alert.
fn severity(notice: &Notice) -> &'static str {
    match notice.incident.severity {
        _ if is_over(notice) => "0",
        Severity::Critical => "1",
        Severity::Major => "2",
        Severity::Minor => "3",
        Severity::Warning | Severity::Indeterminate => "4",
        Severity::Cleared => "5",
    }
}

impl Robot for ServiceNowEvents {
    fn name(&self) -> &'static str {
        "servicenow_em"
    }

    fn call(&self, notice: &Notice, _: Timestamp) -> Result<Call, String> {
        let (incident, settings) = (&notice.incident, &self.settings);
        let lines = Lines::of(notice, &self.manner.style());
        let text: Vec<&str> = std::iter::once(lines.title.as_str()).chain(lines.rest()).collect();
        let root = incident.candidates.first().map(|candidate| &candidate.ci);
        let services: Vec<&str> = incident.services.iter().map(AsRef::as_ref).collect();
        let more = json!({
            "incident": incident.id.to_string(), "version": incident.version.to_string(), "news": notice.kind.as_str(),
            "severity": incident.severity.as_str(), "alerts": incident.alert_count.to_string(),
            "services": services.join(", "), "url": lines.url, "key": &*notice.key,
        });
        let field = |text: &str| fit::chars(text, FIELD_CHARS_MAX);
        let record = json!({
            "source": settings.source,
            "event_class": settings.event_class,
            "node": field(root.map_or("", |ci| &ci.name)),
            "resource": field(root.map_or("", |ci| &ci.class)),
            "metric_name": "incident",
            "type": "Headwater incident",
            "message_key": fit::chars(&name_of(notice), KEY_CHARS_MAX),
            "severity": severity(notice),
            "time_of_event": local(Tz::UTC, notice.at).format("%Y-%m-%d %H:%M:%S").to_string(),
            "description": fit::with_last(&text.join("\n"), lines.url.as_deref(), TEXT_CHARS_MAX),
            "additional_info": more.to_string(),
        });
        let pair = BASE64_STANDARD.encode(format!("{}:{}", settings.user, settings.password.text().trim()));
        let call = Call::json(self.url.clone(), &json!({ "records": [record] }));
        Ok(call.with("accept", "application/json").with("authorization", &format!("Basic {pair}")))
    }
}
