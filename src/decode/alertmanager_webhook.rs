//! Alertmanager's webhook, version 4 (also what Grafana sends). Its alerts have the same identity as those of the
//! API, so that one alert coming both ways is one alert.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::alertmanager::{AlertmanagerRules, Posted};
use super::json::Str;
use super::limits::shown;
use super::native::plain;
use super::reader::{Reader, body_error, open};
use super::{Body, BodyError, Context, Decoded};

/// This decoder's name in dead letters.
pub const DECODER: &str = "alertmanager_webhook";

/// One message. What is not here (group and common labels, receiver) repeats what each alert says itself.
#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    version: Option<Str<'a>>,
    #[serde(borrow)]
    alerts: Option<&'a RawValue>,
    #[serde(default, rename = "truncatedAlerts")]
    truncated_alerts: u64,
}

/// Decodes a body.
pub fn decode(body: Body<'_>, context: &Context<'_>, rules: &AlertmanagerRules) -> Result<Decoded, BodyError> {
    let opened = open(body, context.limits.depth);
    let mut reader = Reader::new(context, DECODER);
    if !opened.text.trim_start().starts_with('{') {
        return Err(BodyError::Unreadable("the body must be a JSON object, the webhook's message".into()));
    }
    let message: Message<'_> =
        serde_json::from_str(&opened.text).map_err(|error| body_error(&error, context.limits.events))?;
    // Version 1 and later ones say so; a sender that says nothing is taken at its shape.
    let version = plain(&message.version);
    if !matches!(version, "" | "1" | "4") {
        return Err(BodyError::Unreadable(format!("version is {}: send version 4 of the webhook", shown(version))));
    }
    let Some(alerts) = message.alerts else {
        return Err(BodyError::Unreadable("there is no array `alerts` in the message".into()));
    };
    reader.counts().left_out_by_sender = message.truncated_alerts;
    reader.array(alerts.get(), opened.deep, |reader, posted: Posted<'_>| posted.event(reader, rules))?;
    Ok(reader.finish(&opened))
}
