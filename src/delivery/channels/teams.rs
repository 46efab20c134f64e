//! Microsoft Teams: a Workflows webhook that posts an Adaptive Card.
//!
//! Formats: learn.microsoft.com, "Create incoming webhooks with Workflows for Microsoft Teams"; adaptivecards.io. At most
//! 28 KB a message, four a second. A `RichTextBlock` shows its text as it is, a `TextBlock` would read Markdown in it.

use reqwest::Url;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Colour, Ground, Manner, Robot, Secret, fit};
use crate::delivery::http::{Call, SetupError};
use crate::delivery::lines::Lines;
use crate::domain::time::Timestamp;
use crate::engine::effect::Notice;

/// Messages that a webhook may send in a minute.
pub const PER_MINUTE: u32 = 120;

/// Of the text, with room for the card around it.
const BYTES_MAX: usize = 16_000;

/// A workflow of a channel or chat.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// As the workflow shows it.
    pub url: Secret,
}

pub struct Teams {
    url: Url,
    manner: Manner,
}

impl Settings {
    /// # Errors
    /// When the address is refused.
    pub fn ready(self, ground: &Ground) -> Result<(Url, Teams), SetupError> {
        let url = ground.target(self.url.text())?;
        Ok((url.clone(), Teams { url, manner: ground.manner.clone() }))
    }
}

fn text(text: &str, more: &Value) -> Value {
    let mut run = json!({ "type": "TextRun", "text": text });
    if let (Some(run), Some(more)) = (run.as_object_mut(), more.as_object()) {
        run.extend(more.clone());
    }
    json!({ "type": "RichTextBlock", "inlines": [run] })
}

impl Robot for Teams {
    fn name(&self) -> &'static str {
        "teams"
    }

    fn call(&self, notice: &Notice, _: Timestamp) -> Result<Call, String> {
        let lines = Lines::of(notice, &self.manner.style());
        let colour = match Colour::of(notice) {
            Colour::Red => "attention",
            Colour::Orange | Colour::Yellow => "warning",
            Colour::Blue => "accent",
            Colour::Green => "good",
        };
        let title = json!({ "weight": "bolder", "size": "medium", "color": colour });
        let mut body = vec![text(&fit::bytes(&lines.title, 2000), &title)];
        let rest = fit::lines(lines.rest(), None, BYTES_MAX);
        body.extend(rest.lines().map(|line| text(line, &Value::Null)));
        let actions: Vec<Value> = lines
            .url
            .iter()
            .map(|url| json!({ "type": "Action.OpenUrl", "title": self.manner.lang.open(), "url": url }))
            .collect();
        let card = json!({
            "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
            "type": "AdaptiveCard",
            "version": "1.4",
            "msteams": { "width": "Full" },
            "body": body,
            "actions": actions,
        });
        let message = json!({
            "type": "message",
            "attachments": [{
                "contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": null, "content": card,
            }],
        });
        Ok(Call::json(self.url.clone(), &message))
    }
}
