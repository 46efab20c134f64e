//! What ticket systems tell when people have changed a ticket: that somebody works on it, or that it is done.
//!
//! Documents: GitHub, "Validating webhook deliveries" (`X-Hub-Signature-256` = `sha256=` and the hex HMAC-SHA256 of the body; the
//! published example stands in the test); Jira Cloud webhooks with a secret (`X-Hub-Signature`, the same form); GitLab
//! (`X-Gitlab-Token`). ServiceNow, BlueKing ITSM and systems of one's own prove themselves by a token in the address or in `x-token`;
//! BlueKing ITSM brings one of its own, too, and takes a callback for lost unless it is answered with the code 0.

use serde_json::Value;

use super::{Call, Deaf, Heard, Moved, Reply, Who, parsed, same};
use crate::domain::seal::hmac_sha256;

/// How our name begins on a ticket.
const OURS: &str = "headwater-";

/// Whose words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Desk {
    GitHub,
    GitLab,
    Jira,
    ServiceNow,
    BkItsm,
    /// `{"name": …, "state": "open" | "working" | "done", "by": …}`.
    Own,
}

/// How a system wants to be told that it was heard; none: its request's status is enough.
pub fn thanks(desk: Desk) -> Option<Reply> {
    match desk {
        Desk::BkItsm => Some(Reply::Json(r#"{"result":true,"code":0,"message":"success","data":null}"#.to_owned())),
        Desk::GitHub | Desk::GitLab | Desk::Jira | Desk::ServiceNow | Desk::Own => None,
    }
}

/// Reads a request.
///
/// # Errors
/// When it is not believed or not understood.
pub fn hear(desk: Desk, secret: &str, call: &Call<'_>) -> Result<Heard, Deaf> {
    let signed = || format!("sha256={}", hex::encode(hmac_sha256(secret.as_bytes(), &[call.body])));
    let is_signed = match desk {
        Desk::GitHub => same(signed(), call.header("x-hub-signature-256")?),
        Desk::Jira => same(signed(), call.header("x-hub-signature")?),
        Desk::GitLab => same(secret, call.header("x-gitlab-token")?),
        Desk::ServiceNow | Desk::BkItsm | Desk::Own => {
            same(secret, call.param("token").map_or_else(|| call.header("x-token"), Ok)?)
        }
    };
    if !is_signed {
        return Err(Deaf::Unsigned);
    }
    let body: Value = parsed(call.body)?;
    let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let (name, moved, by) = match desk {
        Desk::GitHub => {
            let moved = match text("/action") {
                "closed" => Some(Moved::Done),
                "assigned" => Some(Moved::Begun),
                _ => None,
            };
            (labelled(&body["issue"]["labels"], "name"), moved, text("/sender/login"))
        }
        Desk::GitLab => {
            let is_taken = body["changes"]["assignees"]["current"].as_array().is_some_and(|all| !all.is_empty());
            let moved = match text("/object_attributes/action") {
                "close" => Some(Moved::Done),
                "update" if is_taken => Some(Moved::Begun),
                _ => None,
            };
            (labelled(&body["labels"], "title"), moved, text("/user/username"))
        }
        Desk::Jira => {
            let moved = match text("/issue/fields/status/statusCategory/key") {
                "done" => Some(Moved::Done),
                "indeterminate" => Some(Moved::Begun),
                _ => None,
            };
            (labelled(&body["issue"]["fields"]["labels"], ""), moved, text("/user/displayName"))
        }
        Desk::ServiceNow => {
            let moved = match text("/state") {
                "6" | "7" => Some(Moved::Done),
                "2" => Some(Moved::Begun),
                _ => None,
            };
            (Some(text("/correlation_id").to_owned()), moved, text("/user"))
        }
        Desk::BkItsm => {
            let moved = matches!(text("/current_status"), "FINISHED" | "TERMINATED" | "REVOKED").then_some(Moved::Done);
            let title = text("/title").rsplit_once('[').and_then(|(_, rest)| rest.split(']').next());
            (title.map(str::to_owned), moved, text("/updated_by"))
        }
        Desk::Own => {
            let moved = match text("/state") {
                "done" => Some(Moved::Done),
                "working" => Some(Moved::Begun),
                _ => None,
            };
            (Some(text("/name").to_owned()), moved, text("/by"))
        }
    };
    let by = Who { id: by.to_owned(), name: by.to_owned(), ..Who::default() };
    let proof = if desk == Desk::BkItsm { text("/token").to_owned() } else { String::new() };
    Ok(match (name.filter(|name| name.starts_with(OURS)), moved) {
        (Some(name), Some(moved)) => Heard::Ticket { by, name, moved, proof },
        _ => Heard::Nothing,
    })
}

/// Our label among all.
fn labelled(labels: &Value, key: &str) -> Option<String> {
    let texts =
        labels.as_array()?.iter().filter_map(|label| if key.is_empty() { label.as_str() } else { label[key].as_str() });
    texts.filter(|label| label.starts_with(OURS)).map(str::to_owned).next()
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderMap;
    use serde_json::json;

    use super::*;
    use crate::domain::time::Timestamp;

    fn hear(desk: Desk, headers: &[(&'static str, String)], query: &str, body: &str) -> Result<Heard, Deaf> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().unwrap());
        }
        let query: Vec<(String, String)> =
            query.split('&').filter_map(|pair| pair.split_once('=')).map(|(k, v)| (k.into(), v.into())).collect();
        super::hear(
            desk,
            "It's a Secret to Everybody",
            &Call { headers: &map, query: &query, body: body.as_bytes(), now: Timestamp(0) },
        )
    }

    /// The published example of "Validating webhook deliveries".
    #[test]
    fn the_published_signature_is_believed_and_no_other() {
        let sign = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        let heard = hear(Desk::GitHub, &[("x-hub-signature-256", sign.into())], "", "Hello, World!");
        assert!(matches!(heard, Err(Deaf::Strange(_))), "it is signed, and no JSON: {heard:?}");
        let wrong = sign.replace('7', "8");
        assert_eq!(hear(Desk::GitHub, &[("x-hub-signature-256", wrong)], "", "Hello, World!"), Err(Deaf::Unsigned));
        assert_eq!(hear(Desk::GitHub, &[], "", "Hello, World!"), Err(Deaf::Unsigned));
    }

    #[test]
    fn each_system_says_in_its_words_that_it_is_done() {
        let name = "headwater-default-i0-12";
        let token = [("x-gitlab-token", "It's a Secret to Everybody".to_owned())];
        let done = |heard: Result<Heard, Deaf>, who: &str| {
            let by = Who { id: who.into(), name: who.into(), ..Who::default() };
            assert_eq!(heard, Ok(Heard::Ticket { by, name: name.into(), moved: Moved::Done, proof: "".into() }));
        };
        let signed = |body: &str| {
            format!("sha256={}", hex::encode(hmac_sha256(b"It's a Secret to Everybody", &[body.as_bytes()])))
        };
        let body = json!({ "action": "closed", "issue": { "labels": [{ "name": "ops" }, { "name": name }] }, "sender": { "login": "li" } }).to_string();
        done(hear(Desk::GitHub, &[("x-hub-signature-256", signed(&body))], "", &body), "li");
        let body = json!({ "object_attributes": { "action": "close" }, "labels": [{ "title": name }], "user": { "username": "li" } });
        done(hear(Desk::GitLab, &token, "", &body.to_string()), "li");
        let body = json!({ "issue": { "fields": { "labels": [name], "status": { "statusCategory": { "key": "done" } } } }, "user": { "displayName": "李雷" } }).to_string();
        done(hear(Desk::Jira, &[("x-hub-signature", signed(&body))], "", &body), "李雷");
        let query = "token=It's a Secret to Everybody";
        done(
            hear(
                Desk::ServiceNow,
                &[],
                query,
                &json!({ "correlation_id": name, "state": "6", "user": "li" }).to_string(),
            ),
            "li",
        );
        let body = json!({ "sn": "NO1", "title": format!("掉电 [{name}]"), "current_status": "FINISHED", "updated_by": "li", "token": "theirs" });
        let heard = hear(Desk::BkItsm, &[], query, &body.to_string());
        assert!(matches!(&heard, Ok(Heard::Ticket { proof, .. }) if proof == "theirs"), "{heard:?}");
        done(hear(Desk::Own, &[], query, &json!({ "name": name, "state": "done", "by": "li" }).to_string()), "li");
        assert_eq!(
            hear(Desk::Own, &[], query, &json!({ "name": "others-1", "state": "done" }).to_string()),
            Ok(Heard::Nothing)
        );
        assert_eq!(hear(Desk::Own, &[], "token=x", "{}"), Err(Deaf::Unsigned));
    }
}
