//! Opsgenie (also Jira Service Management's alert API).
//!
//! Formats: docs.opsgenie.com, "Alert API": one alert per `alias` (at most 512 characters), closed by it; a message has at
//! most 130 characters, a description 15,000; 202 says yes.

use reqwest::Url;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::{Ground, Manner, Robot, Secret, fit, is_over, name_of};
use crate::delivery::http::{Call, SetupError};
use crate::delivery::lines::Lines;
use crate::domain::incident::Priority;
use crate::domain::time::Timestamp;
use crate::engine::effect::Notice;

/// An API integration.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The integration's key.
    pub api_key: Secret,
    /// Another region, or another system that speaks the same.
    #[serde(default = "url")]
    pub url: String,
}

fn url() -> String {
    "https://api.opsgenie.com/v2/alerts".into()
}

pub struct Opsgenie {
    url: Url,
    key: Secret,
    manner: Manner,
}

impl Settings {
    /// # Errors
    /// When the address is refused.
    pub fn ready(self, ground: &Ground) -> Result<(Url, Opsgenie), SetupError> {
        let url = ground.target(self.url.trim_end_matches('/'))?;
        Ok((url.clone(), Opsgenie { url, key: self.api_key, manner: ground.manner.clone() }))
    }
}

impl Robot for Opsgenie {
    fn name(&self) -> &'static str {
        "opsgenie"
    }

    fn id_places(&self) -> &[&str] {
        &["/requestId"]
    }

    fn call(&self, notice: &Notice, _: Timestamp) -> Result<Call, String> {
        let lines = Lines::of(notice, &self.manner.style());
        let alias = name_of(notice);
        let (url, body) = if is_over(notice) {
            let mut url = self.url.clone();
            if let Ok(mut path) = url.path_segments_mut() {
                path.push(&alias).push("close");
            }
            url.query_pairs_mut().append_pair("identifierType", "alias");
            (url, json!({ "source": "Headwater", "note": fit::chars(&lines.title, 1000) }))
        } else {
            let priority = match notice.incident.priority {
                Priority::P1 => "P1",
                Priority::P2 => "P2",
                Priority::P3 => "P3",
                Priority::P4 => "P4",
            };
            let body = json!({
                "message": fit::chars(&lines.title, 130),
                "alias": alias,
                "description": fit::lines(lines.rest(), lines.url.as_deref(), 15_000),
                "priority": priority,
                "source": "Headwater",
                "details": { "incident": notice.incident.id.to_string(), "tenant": notice.incident.tenant.as_str() },
            });
            (self.url.clone(), body)
        };
        Ok(Call::json(url, &body).with("authorization", &format!("GenieKey {}", self.key.text())))
    }
}
