//! What ticket systems tell when people have changed a ticket: that somebody works on it, that it is done, or what they say of it.
//!
//! Documents: GitHub, "Validating webhook deliveries" (`X-Hub-Signature-256` = `sha256=` and the hex HMAC-SHA256 of the body; the
//! published example stands in the test); Jira Cloud webhooks with a secret (`X-Hub-Signature`, the same form); GitLab
//! (`X-Gitlab-Token`). ServiceNow, BlueKing ITSM and systems of one's own prove themselves by a token in the address or in `x-token`;
//! BlueKing ITSM brings one of its own, too, and takes a callback for lost unless it is answered with the code 0.
//!
//! Comments: GitHub's event `issue_comment` (`action` is `created`), GitLab's `note` (not those that it writes itself, `system`), Jira's
//! `comment_created`, which names no labels, and `jira:issue_updated` with `issue_commented`, which a Data Center sends in its place.

use serde_json::Value;

use super::{Call, Deaf, Heard, Moved, Named, Reply, TicketDeed, Who, parsed, same};
use crate::delivery::tickets::{OURS, is_ours, plain};
use crate::domain::seal::hmac_sha256;

/// Whose words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Desk {
    GitHub,
    GitLab,
    Jira,
    ServiceNow,
    BkItsm,
    /// `{"name": …, "state": "open" | "working" | "done", "by": …}`, or `{"name": …, "comment": …, "comment_id": …, "by": …}`.
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
    let proof = if desk == Desk::BkItsm { text(&body, "/token").to_owned() } else { String::new() };
    Ok(match read(desk, &body) {
        Some((ticket, deed)) => Heard::Ticket { ticket, deed, proof },
        None => Heard::Nothing,
    })
}

fn text<'a>(body: &'a Value, pointer: &str) -> &'a str {
    body.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// Which ticket of ours, and what was done to it.
fn read(desk: Desk, body: &Value) -> Option<(Named, TicketDeed)> {
    let text = |pointer: &str| text(body, pointer);
    let said = said(desk, body);
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
            let labels = if said.is_some() { &body["issue"]["labels"] } else { &body["labels"] };
            (labelled(labels, "title"), moved, text("/user/username"))
        }
        Desk::Jira => {
            let moved = match text("/issue/fields/status/statusCategory/key") {
                "done" => Some(Moved::Done),
                "indeterminate" => Some(Moved::Begun),
                _ => None,
            };
            let by = if said.is_some() { text("/comment/author/displayName") } else { text("/user/displayName") };
            (labelled(&body["issue"]["fields"]["labels"], ""), moved, by)
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
    // A comment says nothing of how far they are.
    let moved = match said {
        Some(said) if is_ours(&said.1) => return None,
        Some((id, text)) => Moved::Said { id, text },
        None => moved?,
    };
    let key = (desk == Desk::Jira).then(|| text("/issue/key")).filter(|key| !key.is_empty());
    let ours = name.filter(|name| name.starts_with(OURS)).map(Named::Ours);
    Some((ours.or_else(|| key.map(|key| Named::Theirs(key.to_owned())))?, TicketDeed { by, moved }))
}

/// A comment that was just made: the system's id of it, and what it says.
fn said(desk: Desk, body: &Value) -> Option<(String, String)> {
    let text = |pointer: &str| text(body, pointer);
    let (is_new, id, said) = match desk {
        Desk::GitHub => (text("/action") == "created", "/comment/id", &body["comment"]["body"]),
        Desk::GitLab => {
            let note = &body["object_attributes"];
            let is_new = text("/object_kind") == "note" && note["system"] != true && note["action"] != "update";
            (is_new, "/object_attributes/id", &note["note"])
        }
        Desk::Jira => {
            let is_new =
                text("/webhookEvent") == "comment_created" || text("/issue_event_type_name") == "issue_commented";
            (is_new, "/comment/id", &body["comment"]["body"])
        }
        Desk::ServiceNow | Desk::Own => (true, "/comment_id", &body["comment"]),
        Desk::BkItsm => return None,
    };
    let id = body.pointer(id).filter(|id| id.is_string() || id.is_number())?;
    let said = plain(said);
    (is_new && !said.trim().is_empty()).then(|| (id.to_string().trim_matches('"').to_owned(), said))
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

    fn somebody(name: &str) -> Who {
        Who { id: name.into(), name: name.into(), ..Who::default() }
    }

    fn signed(body: &str) -> String {
        format!("sha256={}", hex::encode(hmac_sha256(b"It's a Secret to Everybody", &[body.as_bytes()])))
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
            let deed = TicketDeed { by: somebody(who), moved: Moved::Done };
            assert_eq!(heard, Ok(Heard::Ticket { ticket: Named::Ours(name.into()), deed, proof: "".into() }));
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

    #[test]
    fn comments_of_each_system_are_heard_once_made_and_ours_are_not() {
        let name = "headwater-default-i0-12";
        let (token, query) =
            ([("x-gitlab-token", "It's a Secret to Everybody".to_owned())], "token=It's a Secret to Everybody");
        let ours = format!("```text\n{name}\n【P1 紧急】故障更新：掉电\n```");
        let hub = |action: &str, text: &str| {
            let body = json!({ "action": action, "issue": { "labels": [{ "name": name }] }, "comment": { "id": 77, "body": text },
                "sender": { "login": "li" } }).to_string();
            hear(Desk::GitHub, &[("x-hub-signature-256", signed(&body))], "", &body)
        };
        let lab = |system: bool, text: &str| {
            let body = json!({ "object_kind": "note", "user": { "username": "li" }, "issue": { "labels": [{ "title": name }] },
                "object_attributes": { "id": 77, "note": text, "system": system, "action": "create" } });
            hear(Desk::GitLab, &token, "", &body.to_string())
        };
        let jira = |event: &str, labels: Value, text: Value| {
            let body = json!({ "webhookEvent": event, "issue_event_type_name": "issue_commented", "comment": { "id": "77", "body": text, "author": { "displayName": "li" } },
                "issue": { "key": "OPS-3", "fields": { "labels": labels, "status": { "statusCategory": { "key": "done" } } } } }).to_string();
            hear(Desk::Jira, &[("x-hub-signature", signed(&body))], "", &body)
        };
        let snow = |text: &str| {
            let body = json!({ "correlation_id": name, "user": "li", "comment_id": "77", "comment": text });
            hear(Desk::ServiceNow, &[], query, &body.to_string())
        };
        let own = |text: &str| {
            let body = json!({ "name": name, "by": "li", "comment_id": 77, "comment": text, "state": "working" });
            hear(Desk::Own, &[], query, &body.to_string())
        };
        let document = json!({ "type": "doc", "content": [{ "type": "paragraph", "content": [{ "type": "text", "text": "换备件" }] }] });
        let deed = TicketDeed { by: somebody("li"), moved: Moved::Said { id: "77".into(), text: "换备件".into() } };
        let said = |ticket| Ok(Heard::Ticket { ticket, deed: deed.clone(), proof: "".into() });
        for heard in [
            hub("created", "换备件"),
            lab(false, "换备件"),
            snow("换备件"),
            own("换备件"),
            jira("jira:issue_updated", json!([name]), "换备件".into()),
        ] {
            assert_eq!(heard, said(Named::Ours(name.into())));
        }
        assert_eq!(jira("comment_created", Value::Null, document), said(Named::Theirs("OPS-3".into())));
        for heard in [
            hub("edited", "换备件"),
            hub("created", &ours),
            hub("created", " "),
            lab(true, "换备件"),
            lab(false, &ours),
            snow(&ours),
            own(&ours),
            jira("comment_created", json!([name]), format!("{{noformat}}\n{name}\n掉电\n{{noformat}}").into()),
        ] {
            assert_eq!(heard, Ok(Heard::Nothing));
        }
        // Somebody who quotes us says something.
        assert!(matches!(hub("created", &format!("收到\n> {name}")), Ok(Heard::Ticket { .. })));
    }
}
