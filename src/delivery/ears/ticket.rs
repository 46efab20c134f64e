//! What ticket systems tell when people have changed a ticket: that somebody works on it, that it is done, or what they say of it.
//!
//! Documents: GitHub, "Validating webhook deliveries" (`X-Hub-Signature-256` = `sha256=` and the hex HMAC-SHA256 of the body; the
//! published example stands in the test); Jira Cloud webhooks with a secret (`X-Hub-Signature`, the same form); GitLab
//! (`X-Gitlab-Token`). ServiceNow, BlueKing ITSM and systems of one's own prove themselves by a token in the address or in `x-token`;
//! BlueKing ITSM brings one of its own, too, and takes a callback for lost unless it is answered with the code 0.
//!
//! Comments: GitHub's event `issue_comment` (`action` is `created`, `edited` or `deleted`), GitLab's `note` (`action` is `create` or
//! `update`; not those that it writes itself, `system`; of one that is deleted it tells nothing), Jira's `comment_created`,
//! `comment_updated` and `comment_deleted`, which name no labels, and `jira:issue_updated` with `issue_commented`,
//! `issue_comment_edited` or `issue_comment_deleted`, which a Data Center sends in their place.

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
    /// `{"name": …, "state": "open" | "working" | "done", "by": …, "at": …}`, or `{"name": …, "comment": …, "comment_id": …, "by": …}`
    /// with `"edited_at": …` or `"deleted": true` when it was made before.
    Own,
}

/// What a request says of a comment.
enum Change {
    Made,
    Edited,
    Deleted,
}

/// Since when a Jira issue has its status: Cloud says it, a Data Center only of one that is done.
const JIRA_SINCE: &[&str] = &["/issue/fields/statuscategorychangedate", "/issue/fields/resolutiondate"];

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
            (labelled(&body["issue"]["fields"]["labels"], ""), moved, text(jira_name(said.as_ref())))
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
    let at = since(desk, body, said.as_ref().or(moved.as_ref())?).to_owned();
    // A comment says nothing of how far they are.
    let moved = match said {
        Some(Moved::Said { text, .. } | Moved::Edited { text, .. } | Moved::Deleted { text, .. }) if is_ours(&text) => {
            return None;
        }
        Some(said) => said,
        None => moved?,
    };
    let key = (desk == Desk::Jira).then(|| text("/issue/key")).filter(|key| !key.is_empty());
    let ours = name.filter(|name| name.starts_with(OURS)).map(Named::Ours);
    Some((ours.or_else(|| key.map(|key| Named::Theirs(key.to_owned())))?, TicketDeed { by, moved, at }))
}

/// Where Jira says who did it.
const fn jira_name(said: Option<&Moved>) -> &'static str {
    match said {
        Some(Moved::Said { .. }) => "/comment/author/displayName",
        Some(Moved::Edited { .. }) => "/comment/updateAuthor/displayName",
        Some(Moved::Deleted { .. } | Moved::Begun | Moved::Done) | None => "/user/displayName",
    }
}

/// Since when it is so. What is told again has the same moment, and what comes to be so again has another one.
fn since<'a>(desk: Desk, body: &'a Value, moved: &Moved) -> &'a str {
    let pointers: &[&str] = match (moved, desk) {
        (Moved::Said { .. } | Moved::Deleted { .. }, _) | (_, Desk::BkItsm) => &[],
        (Moved::Edited { .. }, Desk::GitHub) => &["/comment/updated_at"],
        (Moved::Edited { .. }, Desk::Jira) => &["/comment/updated"],
        (Moved::Edited { .. }, Desk::Own) => &["/edited_at"],
        (Moved::Done, Desk::GitHub) => &["/issue/closed_at"],
        (Moved::Begun, Desk::GitHub) => &["/issue/updated_at"],
        (Moved::Edited { .. } | Moved::Begun | Moved::Done, Desk::GitLab) => &["/object_attributes/updated_at"],
        (Moved::Begun | Moved::Done, Desk::Jira) => JIRA_SINCE,
        (Moved::Edited { .. } | Moved::Begun | Moved::Done, Desk::ServiceNow)
        | (Moved::Begun | Moved::Done, Desk::Own) => &["/at"],
    };
    pointers.iter().map(|pointer| text(body, pointer)).find(|at| !at.is_empty()).unwrap_or_default()
}

/// What was done to a comment.
fn said(desk: Desk, body: &Value) -> Option<Moved> {
    let text = |pointer: &str| text(body, pointer);
    let (change, id, said) = match desk {
        Desk::GitHub => {
            let change = match text("/action") {
                "created" => Change::Made,
                "edited" => Change::Edited,
                "deleted" => Change::Deleted,
                _ => return None,
            };
            (change, "/comment/id", &body["comment"]["body"])
        }
        Desk::GitLab => {
            let note = &body["object_attributes"];
            if text("/object_kind") != "note" || note["system"] == true {
                return None;
            }
            let change = if note["action"] == "update" { Change::Edited } else { Change::Made };
            (change, "/object_attributes/id", &note["note"])
        }
        Desk::Jira => {
            let change = match (text("/webhookEvent"), text("/issue_event_type_name")) {
                ("comment_created", _) | (_, "issue_commented") => Change::Made,
                ("comment_updated", _) | (_, "issue_comment_edited") => Change::Edited,
                ("comment_deleted", _) | (_, "issue_comment_deleted") => Change::Deleted,
                _ => return None,
            };
            (change, "/comment/id", &body["comment"]["body"])
        }
        Desk::ServiceNow => (Change::Made, "/comment_id", &body["comment"]),
        Desk::Own => {
            let change = match (&body["deleted"], &body["edited_at"]) {
                (Value::Bool(true), _) => Change::Deleted,
                (_, Value::String(_)) => Change::Edited,
                _ => Change::Made,
            };
            (change, "/comment_id", &body["comment"])
        }
        Desk::BkItsm => return None,
    };
    let id = body.pointer(id).filter(|id| id.is_string() || id.is_number())?;
    let (id, text) = (id.to_string().trim_matches('"').to_owned(), plain(said));
    match change {
        Change::Made if !text.trim().is_empty() => Some(Moved::Said { id, text }),
        Change::Edited if !text.trim().is_empty() => Some(Moved::Edited { id, text }),
        Change::Deleted => Some(Moved::Deleted { id, text }),
        Change::Made | Change::Edited => None,
    }
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
            let deed = TicketDeed { by: somebody(who), moved: Moved::Done, at: "t1".into() };
            assert_eq!(heard, Ok(Heard::Ticket { ticket: Named::Ours(name.into()), deed, proof: "".into() }));
        };
        let body = json!({ "action": "closed", "issue": { "labels": [{ "name": "ops" }, { "name": name }], "closed_at": "t1" }, "sender": { "login": "li" } }).to_string();
        done(hear(Desk::GitHub, &[("x-hub-signature-256", signed(&body))], "", &body), "li");
        let body = json!({ "object_attributes": { "action": "close", "updated_at": "t1" }, "labels": [{ "title": name }], "user": { "username": "li" } });
        done(hear(Desk::GitLab, &token, "", &body.to_string()), "li");
        let body = json!({ "issue": { "fields": { "labels": [name], "status": { "statusCategory": { "key": "done" } }, "resolutiondate": "t1" } }, "user": { "displayName": "李雷" } }).to_string();
        done(hear(Desk::Jira, &[("x-hub-signature", signed(&body))], "", &body), "李雷");
        let query = "token=It's a Secret to Everybody";
        done(
            hear(
                Desk::ServiceNow,
                &[],
                query,
                &json!({ "correlation_id": name, "state": "6", "user": "li", "at": "t1" }).to_string(),
            ),
            "li",
        );
        let body = json!({ "sn": "NO1", "title": format!("掉电 [{name}]"), "current_status": "FINISHED", "updated_by": "li", "token": "theirs" });
        let heard = hear(Desk::BkItsm, &[], query, &body.to_string());
        assert!(matches!(&heard, Ok(Heard::Ticket { proof, .. }) if proof == "theirs"), "{heard:?}");
        done(
            hear(Desk::Own, &[], query, &json!({ "name": name, "state": "done", "by": "li", "at": "t1" }).to_string()),
            "li",
        );
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
        let deed = TicketDeed {
            by: somebody("li"),
            moved: Moved::Said { id: "77".into(), text: "换备件".into() },
            at: String::new(),
        };
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
            hub("created", &ours),
            hub("edited", &ours),
            hub("deleted", &ours),
            hub("pinned", "换备件"),
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

    #[test]
    fn comments_that_are_edited_or_deleted_are_heard_with_their_version() {
        let name = "headwater-default-i0-12";
        let query = "token=It's a Secret to Everybody";
        let ticket = || Named::Ours(name.into());
        let deed = |by: &str, moved: Moved, at: &str| TicketDeed { by: somebody(by), moved, at: at.into() };
        let edited = || Moved::Edited { id: "77".into(), text: "换电源".into() };
        let deleted = |text: &str| Moved::Deleted { id: "77".into(), text: text.into() };
        let heard = |ticket: Named, deed: TicketDeed| Ok(Heard::Ticket { ticket, deed, proof: "".into() });
        let hub = |action: &str| {
            let body = json!({ "action": action, "changes": { "body": { "from": "换备件" } }, "issue": { "labels": [{ "name": name }] }, "comment": { "id": 77, "body": "换电源",
                "created_at": "2026-06-01T08:00:00Z", "updated_at": "2026-06-01T08:05:00Z" }, "sender": { "login": "li" } }).to_string();
            hear(Desk::GitHub, &[("x-hub-signature-256", signed(&body))], "", &body)
        };
        assert_eq!(hub("edited"), heard(ticket(), deed("li", edited(), "2026-06-01T08:05:00Z")));
        assert_eq!(hub("deleted"), heard(ticket(), deed("li", deleted("换电源"), "")));
        let body = json!({ "object_kind": "note", "user": { "username": "li" }, "issue": { "labels": [{ "title": name }] },
            "object_attributes": { "id": 77, "note": "换电源", "system": false, "action": "update", "updated_at": "2026-06-01 08:05:00 UTC" } });
        let token = [("x-gitlab-token", "It's a Secret to Everybody".to_owned())];
        let lab = hear(Desk::GitLab, &token, "", &body.to_string());
        assert_eq!(lab, heard(ticket(), deed("li", edited(), "2026-06-01 08:05:00 UTC")));
        let jira = |event: &str, kind: &str, comment: Value| {
            let body = json!({ "webhookEvent": event, "issue_event_type_name": kind, "user": { "displayName": "wang" }, "comment": comment,
                "issue": { "key": "OPS-3", "fields": { "labels": [name], "status": { "statusCategory": { "key": "done" } } } } }).to_string();
            hear(Desk::Jira, &[("x-hub-signature", signed(&body))], "", &body)
        };
        let comment = json!({ "id": "77", "body": "换电源", "author": { "displayName": "li" }, "updateAuthor": { "displayName": "wang" },
            "created": "2026-06-01T08:00:00.000+0800", "updated": "2026-06-01T08:05:00.000+0800" });
        for (event, kind) in [("comment_updated", ""), ("jira:issue_updated", "issue_comment_edited")] {
            let expected = heard(ticket(), deed("wang", edited(), "2026-06-01T08:05:00.000+0800"));
            assert_eq!(jira(event, kind, comment.clone()), expected);
        }
        for (event, kind) in [("comment_deleted", ""), ("jira:issue_updated", "issue_comment_deleted")] {
            assert_eq!(jira(event, kind, json!({ "id": "77" })), heard(ticket(), deed("wang", deleted(""), "")));
        }
        let own = |body: Value| hear(Desk::Own, &[], query, &body.to_string());
        let body = json!({ "name": name, "by": "li", "comment_id": 77, "comment": "换电源", "edited_at": "2" });
        assert_eq!(own(body), heard(ticket(), deed("li", edited(), "2")));
        let body = json!({ "name": name, "by": "li", "comment_id": 77, "deleted": true });
        assert_eq!(own(body), heard(ticket(), deed("li", deleted(""), "")));
    }
}
