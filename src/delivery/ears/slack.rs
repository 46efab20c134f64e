//! Slack's interactive messages and slash commands.
//!
//! Documents: docs.slack.dev, "Verifying requests from Slack" (`X-Slack-Signature` = `v0=` and the hex HMAC-SHA256 of
//! `v0:<timestamp>:<body>` with the signing secret; not older than five minutes) and "Handling user interaction":
//! a form with `payload`, answered within three seconds; its `response_url` takes up to five messages within half an hour.
//! "Implementing slash commands": a form with `command`, `text` and `user_id`; the answer is a message.

use serde::Deserialize;
use serde_json::json;

use super::{Call, Deaf, Heard, Place, Reply, Said, Who, parsed, same, strange};
use crate::domain::seal::hmac_sha256;

#[derive(Deserialize)]
struct Payload {
    r#type: String,
    user: User,
    #[serde(default)]
    actions: Vec<Action>,
    #[serde(default)]
    response_url: String,
}

#[derive(Deserialize)]
struct User {
    id: String,
    #[serde(default)]
    username: String,
    #[serde(default)]
    name: String,
}

#[derive(Deserialize)]
struct Action {
    action_id: String,
    #[serde(default)]
    value: String,
}

/// Reads a request.
///
/// # Errors
/// When it is not believed or not understood.
pub fn hear(secret: &str, call: &Call<'_>) -> Result<Heard, Deaf> {
    let at = call.header("x-slack-request-timestamp")?;
    call.is_fresh(at.parse().map_err(|_| Deaf::Unsigned)?)?;
    let signed = hmac_sha256(secret.as_bytes(), &[b"v0:", at.as_bytes(), b":", call.body]);
    if !same(format!("v0={}", hex::encode(signed)), call.header("x-slack-signature")?) {
        return Err(Deaf::Unsigned);
    }
    let form = reqwest::Url::parse(&format!("form:?{}", String::from_utf8_lossy(call.body))).map_err(strange)?;
    let field = |name: &str| form.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
    if let (Some(text), Some(id)) = (field("text").filter(|_| field("command").is_some()), field("user_id")) {
        let by = Who { id, name: field("user_name").unwrap_or_default(), at: Place::Here };
        return Ok(Heard::Said { by, text });
    }
    let payload = field("payload").ok_or_else(|| strange("there is no payload"))?;
    let payload: Payload = parsed(payload.as_bytes())?;
    if payload.r#type != "block_actions" {
        return Ok(Heard::Nothing);
    }
    let Some(action) = payload.actions.into_iter().next() else { return Ok(Heard::Nothing) };
    let User { id, username, name } = payload.user;
    let at = if payload.response_url.is_empty() { Place::Here } else { Place::Apart(payload.response_url) };
    let by = Who { id, name: if username.is_empty() { name } else { username }, at };
    Ok(Heard::Pressed { by, word: action.action_id, mark: action.value })
}

/// A message to who has given a command; who has pressed is answered apart.
pub fn answer(said: &Said<'_>) -> Option<Reply> {
    let is_here = said.to.at == Place::Here && !said.text.is_empty();
    is_here.then(|| Reply::Json(json!({ "response_type": "ephemeral", "text": escaped(said.text) }).to_string()))
}

/// Only these three mean something in its `mrkdwn`.
pub fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderMap;

    use super::*;
    use crate::domain::time::Timestamp;

    /// The published example of "Verifying requests from Slack".
    #[test]
    fn the_published_signature_is_believed_and_no_other() {
        let body = b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
        let signature = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503";
        let hear = |signature: &str, secs: i64| {
            let mut headers = HeaderMap::new();
            headers.insert("x-slack-request-timestamp", "1531420618".parse().unwrap());
            headers.insert("x-slack-signature", signature.parse().unwrap());
            super::hear(
                "8f742231b10e8888abcd99yyyzzz85a5",
                &Call { headers: &headers, query: &[], body, now: Timestamp(secs * 1000) },
            )
        };
        // A slash command without a text.
        let by = Who { id: "U2CERLKJA".into(), name: "roadrunner".into(), at: Place::Here };
        assert_eq!(hear(signature, 1_531_420_618), Ok(Heard::Said { by, text: String::new() }));
        assert_eq!(hear(&signature.replace('a', "b"), 1_531_420_618), Err(Deaf::Unsigned));
        assert_eq!(hear(signature, 1_531_420_618 + 301), Err(Deaf::Old));
        assert_eq!(hear(signature, 1_531_420_618 - 301), Err(Deaf::Old));
    }
}
