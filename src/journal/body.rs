//! The stored form of an input, the same in every store.

use std::borrow::Cow;

use bytes::Bytes;

use super::AppendError;
use super::packed::{PACKED, pack_written, unpack, with_text};
use crate::domain::event::Event;
use crate::engine::input::{Input, JOURNAL_FORMAT};

/// Longest input as JSON: 16 MiB.
pub const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;

const _: () = assert!(JOURNAL_FORMAT == PACKED as u32, "the first byte says the format");

/// The stored form of an input: one byte that says the format's version, then JSON, packed.
///
/// # Errors
/// When it is too long, or when what is read back could differ from what was given.
pub fn encode(input: &Input) -> Result<Bytes, AppendError> {
    if let Input::Batch(batch) = input
        && let Some(event) = batch.events.iter().find(|event| has_unwritable_number(event))
    {
        let why = format!("event {:?} of {} has a metric that is not a finite number", event.name, event.source);
        return Err(AppendError::Unfit { why });
    }
    let body = pack_written(|text| {
        serde_json::to_writer(&mut *text, input).map_err(|error| AppendError::Unfit { why: error.to_string() })?;
        if text.len() > BODY_BYTES_MAX {
            let why = format!("{} bytes are more than {BODY_BYTES_MAX}; send fewer events at once", text.len());
            return Err(AppendError::Unfit { why });
        }
        Ok(())
    });
    Ok(body?.into())
}

// JSON has no infinity: it would be read back as nothing, and a replay would differ from the first run.
fn has_unwritable_number(event: &Event) -> bool {
    let Some(metric) = &event.metric else { return false };
    [metric.value, metric.threshold].into_iter().flatten().any(|number| !number.is_finite())
}

/// The JSON in a stored form, of this format or the one before.
///
/// # Errors
/// A sentence that says what is wrong.
pub fn text_of(body: &[u8]) -> Result<Cow<'_, [u8]>, String> {
    unpack(body).map_err(|why| format!("the body {why}"))
}

/// Reads what `encode` wrote, and what it wrote in the format before.
///
/// # Errors
/// A sentence that says what is wrong.
pub fn decode(body: &[u8]) -> Result<Input, String> {
    let read = with_text(body, read).map_err(|why| format!("the body {why}"))?;
    read.map_err(|error| format!("the body is unreadable: {error}"))
}

/// How the JSON of a batch begins: as serde writes it.
const BATCH: &[u8] = b"{\"input\":\"batch\",";

/// Reads an input's JSON.
///
/// # Errors
/// When it is not an input.
pub fn read(text: &[u8]) -> Result<Input, serde_json::Error> {
    // A tagged enum is first made a tree, whatever stands where. Nearly all inputs are batches, and say so first.
    if text.starts_with(BATCH) {
        return serde_json::from_slice(text).map(Input::Batch);
    }
    serde_json::from_slice(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::input::Batch;

    #[test]
    fn a_batch_says_so_first_and_is_read_as_what_it_is() {
        let batch = Batch { tenant: "a".into(), events: Vec::new(), rejected: Vec::new(), replay_of: None };
        let text = serde_json::to_vec(&Input::Batch(batch.clone())).unwrap();
        assert!(text.starts_with(BATCH), "the shorter way would never be taken");
        assert_eq!(read(&text).unwrap(), Input::Batch(batch));
        assert_eq!(read(&serde_json::to_vec(&Input::Tick).unwrap()).unwrap(), Input::Tick);
    }
}
