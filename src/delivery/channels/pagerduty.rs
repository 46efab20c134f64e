//! PagerDuty Events API v2.
//!
//! Formats: developer.pagerduty.com, "Send an Alert Event": `trigger` and `resolve` with one `dedup_key` per incident
//! (at most 255 characters); a summary has at most 1,024; 202 says yes.

use reqwest::Url;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::{Ground, Manner, Robot, Secret, fit, is_over, name_of};
use crate::delivery::http::{Call, SetupError};
use crate::delivery::lines::Lines;
use crate::delivery::message::Message;
use crate::domain::severity::Severity;
use crate::domain::time::Timestamp;
use crate::engine::effect::Notice;

/// An integration of a service.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The integration's key.
    pub routing_key: Secret,
    /// Another region, or another system that speaks the same.
    #[serde(default = "url")]
    pub url: String,
}

fn url() -> String {
    "https://events.pagerduty.com/v2/enqueue".into()
}

pub struct PagerDuty {
    url: Url,
    key: Secret,
    manner: Manner,
}

impl Settings {
    /// # Errors
    /// When the address is refused.
    pub fn ready(self, ground: &Ground) -> Result<(Url, PagerDuty), SetupError> {
        let url = ground.target(&self.url)?;
        Ok((url.clone(), PagerDuty { url, key: self.routing_key, manner: ground.manner.clone() }))
    }
}

impl Robot for PagerDuty {
    fn name(&self) -> &'static str {
        "pagerduty"
    }

    fn id_places(&self) -> &[&str] {
        &["/dedup_key"]
    }

    fn call(&self, notice: &Notice, _: Timestamp) -> Result<Call, String> {
        let (incident, style) = (&notice.incident, self.manner.style());
        let lines = Lines::of(notice, &style);
        let mut body = json!({
            "routing_key": self.key.text(),
            "event_action": if is_over(notice) { "resolve" } else { "trigger" },
            "dedup_key": name_of(notice),
        });
        if !is_over(notice) {
            let severity = match incident.severity {
                Severity::Critical => "critical",
                Severity::Major => "error",
                Severity::Minor | Severity::Warning | Severity::Indeterminate => "warning",
                Severity::Cleared => "info",
            };
            let root = incident.candidates.first().map(|candidate| candidate.ci.name.to_string());
            body["payload"] = json!({
                "summary": fit::chars(&lines.title, 1024),
                "source": root.unwrap_or_else(|| incident.tenant.to_string()),
                "severity": severity,
                "timestamp": notice.at.to_string(),
                "custom_details": Message::of(notice, &style),
            });
            body["client"] = "Headwater".into();
            if let Some(url) = &lines.url {
                body["client_url"] = url.as_str().into();
                body["links"] = json!([{ "href": url, "text": self.manner.lang.open() }]);
            }
        }
        Ok(Call::json(self.url.clone(), &body))
    }
}
