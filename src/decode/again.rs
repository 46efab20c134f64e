//! Dead letters, tried again: after a mapping or a source has been put right.

use super::formats::Formats;
use super::{Body, BodyError, Context, Decoded, alertmanager, alertmanager_webhook, cloudevents, native, points};
use crate::domain::reject::DeadLetter;

/// Decodes a dead letter as its decoder would today. `context` has the letter's own source and time of receipt.
///
/// # Errors
/// When the decoder is no longer there, or the letter was too long to be kept whole.
pub fn decode(letter: &DeadLetter, context: &Context<'_>, formats: &Formats) -> Result<Decoded, BodyError> {
    let body = Body::from(letter.raw.as_bytes());
    let one_of_an_array = format!("[{}]", letter.raw);
    let array = Body::from(one_of_an_array.as_bytes());
    match &*letter.decoder {
        native::DECODER => native::decode(body, context),
        cloudevents::DECODER => cloudevents::decode(body, context),
        alertmanager::DECODER | alertmanager_webhook::DECODER => {
            alertmanager::decode(array, context, &formats.alertmanager)
        }
        points::DECODER => {
            Err(BodyError::Unreadable("points are not taken again: they belong to their time, send new ones".into()))
        }
        name => match formats.mapping(name) {
            Some(mapping) => Ok(mapping.decode_one(body, context)),
            None => Err(BodyError::Unreadable(format!("there is no decoder {name:?}: add a mapping of this name"))),
        },
    }
}
