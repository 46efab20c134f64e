//! Slack's interactive messages.
//!
//! Documents: docs.slack.dev, "Verifying requests from Slack" (`X-Slack-Signature` = `v0=` and the hex HMAC-SHA256 of
//! `v0:<timestamp>:<body>` with the signing secret; not older than five minutes) and "Handling user interaction":
//! a form with `payload`, answered within three seconds.

use serde::Deserialize;

use super::{Call, Deaf, Heard, Who, parsed, same, strange};
use crate::domain::seal::hmac_sha256;

#[derive(Deserialize)]
struct Payload {
    r#type: String,
    user: User,
    #[serde(default)]
    actions: Vec<Action>,
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
    let payload = form.query_pairs().find(|(key, _)| key == "payload").map(|(_, value)| value.into_owned());
    let payload = payload.ok_or_else(|| strange("there is no payload"))?;
    let payload: Payload = parsed(payload.as_bytes())?;
    if payload.r#type != "block_actions" {
        return Ok(Heard::Nothing);
    }
    let Some(action) = payload.actions.into_iter().next() else { return Ok(Heard::Nothing) };
    let User { id, username, name } = payload.user;
    let by = Who { id, name: if username.is_empty() { name } else { username } };
    Ok(Heard::Pressed { by, word: action.action_id, mark: action.value })
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
        // It is no press of a button, but it is signed.
        assert_eq!(hear(signature, 1_531_420_618), Err(Deaf::Strange("there is no payload".into())));
        assert_eq!(hear(&signature.replace('a', "b"), 1_531_420_618), Err(Deaf::Unsigned));
        assert_eq!(hear(signature, 1_531_420_618 + 301), Err(Deaf::Old));
        assert_eq!(hear(signature, 1_531_420_618 - 301), Err(Deaf::Old));
    }
}
