//! What a gateway for SMS or voice sends when somebody answers: from which number, which text or which keys.
//!
//! Gateways differ: where number and text stand is written in the receiver's settings. A secret in the address (`?token=`) or in
//! a header proves the gateway; that the number is the person's is the gateway's word.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::{Call, Deaf, Heard, Who, parsed, same};
use crate::delivery::channels::Secret;

/// Where what stands in a gateway's callback.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Answers {
    /// Comes as `?token=…`, or in the header `x-token`.
    pub token: Secret,
    /// Where the number stands, as in `/mobile`; in a list of several answers, within each.
    #[serde(default = "number")]
    pub number: String,
    /// Where the text of an SMS, or the keys that were pressed, stand.
    #[serde(default = "text")]
    pub text: String,
    /// Where the message that is answered is named, as it was sent in `{{ key }}`; a call whose keys are one digit needs it.
    #[serde(default)]
    pub key: Option<String>,
}

fn number() -> String {
    "/mobile".into()
}

fn text() -> String {
    "/content".into()
}

/// Reads a request: one answer, or a list of them. Of a list, what is no answer is left out.
///
/// # Errors
/// When it is not believed or not understood.
pub fn hear(answers: &Answers, call: &Call<'_>) -> Result<Heard, Deaf> {
    let token = call.param("token").map_or_else(|| call.header("x-token"), Ok)?;
    if !same(token, answers.token.text()) {
        return Err(Deaf::Unsigned);
    }
    let body: Value = match parsed(call.body) {
        Ok(body) => body,
        Err(_) => form(call.body)?,
    };
    let Some(all) = body.as_array() else { return one(answers, &body) };
    let mut heard: Vec<Result<Heard, Deaf>> = all.iter().map(|each| one(answers, each)).collect();
    if !heard.is_empty() && heard.iter().all(Result::is_err) {
        return heard.swap_remove(0);
    }
    Ok(Heard::Several(heard.into_iter().flatten().collect()))
}

/// Reads one answer.
fn one(answers: &Answers, body: &Value) -> Result<Heard, Deaf> {
    let find = |place: &str| match body.pointer(place) {
        Some(Value::String(text)) => Some(text.trim().to_owned()),
        Some(Value::Number(number)) => Some(number.to_string()),
        Some(_) | None => None,
    };
    let (Some(number), Some(text)) = (find(&answers.number), find(&answers.text)) else {
        return Err(super::strange(format!("nothing stands at {} or {}", answers.number, answers.text)));
    };
    let by = Who { id: number, ..Who::default() };
    match answers.key.as_deref().and_then(find) {
        Some(key) => Ok(Heard::Pressed { by, word: text, mark: key }),
        None => Ok(Heard::Said { by, text }),
    }
}

fn form(body: &[u8]) -> Result<Value, Deaf> {
    let url = reqwest::Url::parse(&format!("form:?{}", String::from_utf8_lossy(body))).map_err(super::strange)?;
    Ok(url.query_pairs().map(|(key, value)| (key.into_owned(), Value::String(value.into_owned()))).collect())
}
