//! The stored form of an input, the same in every store.

use super::AppendError;
use crate::domain::event::Event;
use crate::engine::input::{Input, JOURNAL_FORMAT};

/// Longest stored input: 16 MiB.
pub const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The stored form of an input: one byte that says the format's version, then JSON.
///
/// # Errors
/// When it is too long, or when what is read back could differ from what was given.
pub fn encode(input: &Input) -> Result<Vec<u8>, AppendError> {
    if let Input::Batch(batch) = input
        && let Some(event) = batch.events.iter().find(|event| has_unwritable_number(event))
    {
        let why = format!("event {:?} of {} has a metric that is not a finite number", event.name, event.source);
        return Err(AppendError::Unfit { why });
    }
    let mut body = vec![JOURNAL_FORMAT as u8];
    serde_json::to_writer(&mut body, input).map_err(|error| AppendError::Unfit { why: error.to_string() })?;
    if body.len() > BODY_BYTES_MAX {
        let why = format!("{} bytes are more than {BODY_BYTES_MAX}; send fewer events at once", body.len());
        return Err(AppendError::Unfit { why });
    }
    Ok(body)
}

// JSON has no infinity: it would be read back as nothing, and a replay would differ from the first run.
fn has_unwritable_number(event: &Event) -> bool {
    let Some(metric) = &event.metric else { return false };
    [metric.value, metric.threshold].into_iter().flatten().any(|number| !number.is_finite())
}

/// Reads what `encode` wrote. This version reads only its own format, the first one.
///
/// # Errors
/// A sentence that says what is wrong.
pub fn decode(body: &[u8]) -> Result<Input, String> {
    match body.split_first() {
        Some((&version, json)) if u32::from(version) == JOURNAL_FORMAT => {
            serde_json::from_slice(json).map_err(|error| format!("the body is unreadable: {error}"))
        }
        Some((version, _)) => {
            Err(format!("the body has format {version}, this program reads {JOURNAL_FORMAT}: use a newer program"))
        }
        None => Err("the body is empty".to_owned()),
    }
}
