//! Slack incoming webhook, and what understands the same: Mattermost, Rocket.Chat.
//!
//! Formats: docs.slack.dev, "Sending messages using incoming webhooks"; "Reference: blocks". A header has at most 150
//! characters, a section 3,000. One message a second. Those that know no blocks show `text`.

use reqwest::Url;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Attempt, Ground, Manner, Robot, Secret, fit};
use crate::delivery::acts::Button;
use crate::delivery::ears::slack::escaped;
use crate::delivery::http::{Answer, Call, SetupError};
use crate::delivery::lines::Lines;
use crate::domain::time::Timestamp;
use crate::engine::effect::Notice;

/// Messages that a webhook may send in a minute.
pub const PER_MINUTE: u32 = 60;

const HEADER_CHARS_MAX: usize = 150;
const SECTION_CHARS_MAX: usize = 3000;
const BUTTON_CHARS_MAX: usize = 75;

/// A webhook of a channel.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// As the app's settings show it: `https://hooks.slack.com/services/…`.
    pub url: Secret,
    /// Of the app: with it messages have buttons, whose presses come to `/api/v1/callbacks/<id>`.
    #[serde(default)]
    pub signing_secret: Option<Secret>,
}

pub struct Slack {
    url: Url,
    has_buttons: bool,
    manner: Manner,
}

impl Settings {
    /// # Errors
    /// When the address is refused.
    pub fn ready(self, ground: &Ground) -> Result<(Url, Slack), SetupError> {
        let url = ground.target(self.url.text())?;
        Ok((url.clone(), Slack { url, has_buttons: self.signing_secret.is_some(), manner: ground.manner.clone() }))
    }
}

impl Robot for Slack {
    fn name(&self) -> &'static str {
        "slack"
    }

    fn call(&self, notice: &Notice, _: Timestamp) -> Result<Call, String> {
        let lines = Lines::of(notice, &self.manner.style());
        let rest = lines.rest().collect::<Vec<_>>().join("\n");
        let link = lines.url.as_ref().map(|url| format!("<{url}|{}>", self.manner.lang.open()));
        let plain = |text: &str, most| json!({ "type": "plain_text", "emoji": false, "text": fit::chars(text, most) });
        let mut blocks = vec![
            json!({ "type": "header", "text": plain(&lines.title, HEADER_CHARS_MAX) }),
            json!({ "type": "section", "text": plain(&rest, SECTION_CHARS_MAX) }),
        ];
        let mut text = escaped(&format!("{}\n{}", lines.title, fit::chars(&rest, SECTION_CHARS_MAX)));
        if let Some(link) = link {
            text = format!("{text}\n{link}");
            blocks.push(json!({ "type": "section", "text": { "type": "mrkdwn", "text": link } }));
        }
        let buttons = self.manner.acts.buttons(notice, self.manner.lang);
        if self.has_buttons && !buttons.is_empty() {
            let button = |one: Button| json!({ "type": "button", "action_id": one.word, "value": one.mark, "text": plain(one.name, BUTTON_CHARS_MAX) });
            let buttons: Vec<Value> = buttons.into_iter().map(button).collect();
            blocks.push(json!({ "type": "actions", "elements": buttons }));
        }
        Ok(Call::json(self.url.clone(), &json!({ "text": text, "blocks": blocks })))
    }

    /// To the `response_url` of a press, which lies where the webhook does: everybody in the channel reads who has it now.
    fn reply(&self, to: &str, said: &str) -> Option<Call> {
        let url = Url::parse(to).ok().filter(|url| url.origin() == self.url.origin())?;
        let body = json!({ "response_type": "in_channel", "replace_original": false, "text": escaped(said) });
        Some(Call::json(url, &body))
    }

    fn judge(&self, answer: &Answer) -> Attempt {
        match answer.status.as_u16() {
            // The webhook or its channel is gone.
            404 | 410 => Attempt::LockedOut { why: answer.why() },
            _ => answer.judge(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::acts::Acts;
    use crate::delivery::template::Templates;
    use crate::wording::lang::Lang;

    #[test]
    fn who_has_pressed_is_answered_where_slack_is_and_nowhere_else() {
        let (base_url, acts, templates) = (String::new(), Acts::default(), Templates::default());
        let manner = Manner { lang: Lang::Zh, time_zone: chrono_tz::UTC, base_url, acts, templates };
        let url = Url::parse("https://hooks.slack.com/services/T/B/x").unwrap();
        let slack = Slack { url, has_buttons: true, manner };
        let call = slack.reply("https://hooks.slack.com/actions/T/1/y", "a <b>").unwrap();
        let body: Value = serde_json::from_slice(&call.body).unwrap();
        assert_eq!((call.url.path(), &body["text"]), ("/actions/T/1/y", &json!("a &lt;b&gt;")));
        let elsewhere = [
            "http://hooks.slack.com/x",
            "https://hooks.slack.com:444/x",
            "https://169.254.169.254/latest",
            "file:///etc/passwd",
            "",
        ];
        assert!(elsewhere.into_iter().all(|to| slack.reply(to, "x").is_none()));
    }
}
