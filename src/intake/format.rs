//! The formats of bodies, whichever way they came.

use super::Intake;
use crate::decode::mapping::Shape;
use crate::decode::{Body, BodyError, Context, Decoded, alertmanager, alertmanager_webhook, cloudevents, native};
use crate::domain::ids::{SourceId, TenantId};
use crate::domain::time::Timestamp;

/// How a body is decoded.
#[derive(Clone, Debug)]
pub enum Format {
    Native,
    CloudEvents,
    /// With the attributes from the headers.
    CloudEventsBinary(Vec<(String, String)>),
    Alertmanager,
    AlertmanagerWebhook,
    Mapping(String, Shape),
}

/// Whose body it is. Proven by credential or subject, never by the body.
#[derive(Clone, Debug)]
pub struct Sender {
    pub tenant: TenantId,
    pub source: SourceId,
    pub received_at: Timestamp,
}

/// Why nothing could be read of a body.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Undecoded {
    #[error("there is no mapping {0:?}")]
    NoMapping(String),
    #[error(transparent)]
    Body(#[from] BodyError),
}

impl Format {
    /// The decoder of this name that is no mapping.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "native" => Some(Self::Native),
            "cloudevents" => Some(Self::CloudEvents),
            // Grafana's webhook is Alertmanager's with more in it.
            "alertmanager" | "grafana" => Some(Self::AlertmanagerWebhook),
            _ => None,
        }
    }

    /// The decoder's name in dead letters.
    pub fn decoder(&self) -> &str {
        match self {
            Self::Native => native::DECODER,
            Self::CloudEvents | Self::CloudEventsBinary(_) => cloudevents::DECODER,
            Self::Alertmanager => alertmanager::DECODER,
            Self::AlertmanagerWebhook => alertmanager_webhook::DECODER,
            Self::Mapping(name, _) => name,
        }
    }
}

impl Intake {
    /// Decodes a body with the formats of the present moment.
    ///
    /// # Errors
    /// When nothing of it can be read.
    pub fn decode(&self, format: &Format, sender: &Sender, body: Body<'_>) -> Result<Decoded, Undecoded> {
        let formats = self.formats.load();
        let context = Context {
            tenant: &sender.tenant,
            source: &sender.source,
            received_at: Some(sender.received_at),
            severities: &formats.severities,
            limits: &self.limits,
        };
        let decoded = match format {
            Format::Native => native::decode(body, &context),
            Format::CloudEvents => cloudevents::decode(body, &context),
            Format::CloudEventsBinary(attributes) => {
                let attributes: Vec<(&str, &str)> =
                    attributes.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
                cloudevents::decode_binary(&attributes, body, &context)
            }
            Format::Alertmanager => alertmanager::decode(body, &context, &formats.alertmanager),
            Format::AlertmanagerWebhook => alertmanager_webhook::decode(body, &context, &formats.alertmanager),
            Format::Mapping(name, shape) => {
                // The mapping may have gone since the body was let in.
                let mapping = formats.mapping(name).ok_or_else(|| Undecoded::NoMapping(name.clone()))?;
                mapping.decode(body, *shape, &context)
            }
        };
        Ok(decoded?)
    }
}
