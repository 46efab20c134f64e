//! What people have done to a ticket, asked of each system as its documents say: comments, the oldest first, without ours, and how far
//! they are.

use std::net::SocketAddr;

use axum::Router;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use headwater::delivery::contacts::Contacts;
use headwater::delivery::ears::{Moved, TicketDeed, Who};
use headwater::domain::incident::TicketRef;
use serde_json::{Value, json};

use super::channel;
use super::fakes::TOKEN;

/// A note of ours, as we write it in plain text.
const OURS: &str = "headwater-default-i0-12\n【P1 紧急】故障更新：掉电";

/// The systems: each answers a question that stands in its documents, and no other.
fn answer(path: &str, query: &str) -> Option<Value> {
    let document = |text: &str| json!({ "type": "doc", "version": 1, "content": [{ "type": "paragraph", "content": [{ "type": "text", "text": text }] }] });
    let jira = |text: &dyn Fn(&str) -> Value| {
        let comment = |id: &str, name: &str, body: &str| json!({ "id": id, "author": { "displayName": name }, "body": text(body) });
        json!({ "key": "OPS-3", "fields": { "assignee": { "displayName": "wang" }, "status": { "statusCategory": { "key": "indeterminate" } }, "statuscategorychangedate": "t1",
            "comment": { "comments": [comment("71", "li", "换备件"), comment("72", "hw", OURS), comment("73", "wang", "好了")] } } })
    };
    let github = |id: u32, name: &str, body: &str| json!({ "id": id, "user": { "login": name }, "body": body, "created_at": "t0", "updated_at": if id == 73 { "t2" } else { "t0" } });
    let gitlab = |id: u32, name: &str, body: &str| json!({ "id": id, "author": { "username": name }, "body": body, "system": false });
    let snow = |id: &str, name: &str, value: &str| json!({ "sys_id": id, "sys_created_by": name, "value": value });
    let log = |name: &str, message: &str, source: &str| json!({ "operator": name, "message": message, "source": source, "operate_at": "2026-06-01 08:00:00" });
    let itsm = |data: Value| json!({ "result": true, "code": 0, "message": "success", "data": data });
    Some(match (path, query) {
        (
            "/cloud/rest/api/3/issue/OPS-3",
            "fields=status%2Cstatuscategorychangedate%2Cresolutiondate%2Cassignee%2Ccomment",
        ) => jira(&document),
        (
            "/center/rest/api/2/issue/OPS-3",
            "fields=status%2Cstatuscategorychangedate%2Cresolutiondate%2Cassignee%2Ccomment",
        ) => {
            jira(&|text| if text == OURS { format!("{{noformat}}\n{text}\n{{noformat}}").into() } else { text.into() })
        }
        // 101 comments are two pages of 100.
        ("/github/repos/gov/ops/issues/3", "") => {
            json!({ "state": "open", "comments": 101, "assignees": [{ "login": "wang" }] })
        }
        ("/github/repos/gov/ops/issues/3/comments", "per_page=100&page=2") => {
            json!([
                github(71, "li", "换备件"),
                github(72, "hw", &format!("```text\n{OURS}\n```")),
                github(73, "wang", "好了")
            ])
        }
        ("/gitlab/api/v4/projects/gov%2Fops/issues/3", "") => {
            json!({ "state": "opened", "assignees": [{ "username": "wang" }] })
        }
        ("/gitlab/api/v4/projects/gov%2Fops/issues/3/notes", "sort=desc&order_by=created_at&per_page=100") => json!([
            gitlab(73, "wang", "好了"), gitlab(72, "hw", &format!("```text\n{OURS}\n```")), gitlab(71, "li", "换备件"),
            { "id": 70, "system": true, "body": "assigned to @wang", "author": { "username": "wang" } }
        ]),
        ("/snow/api/now/table/incident/sys3", "sysparm_fields=state%2Cassigned_to.name%2Cresolved_at") => {
            json!({ "result": { "state": "2", "assigned_to.name": "wang" } })
        }
        ("/snow/api/now/table/sys_journal_field", query)
            if query.contains("element_id%3Dsys3%5EORDERBYDESCsys_created_on")
                && query.ends_with("sysparm_limit=100") =>
        {
            json!({ "result": [snow("73", "wang", "好了"), snow("72", "hw", OURS), snow("71", "li", "换备件")] })
        }
        ("/itsm/get_ticket_status/", "sn=NO3") => itsm(json!({ "current_status": "FINISHED" })),
        ("/itsm/get_ticket_logs/", "sn=NO3") => itsm(json!({ "sn": "NO3", "logs": [
            log("admin", "流程开始.", "API"), log("li", "换备件", "WEB"), log("admin", "admin 修改字段【内容】.", "API"),
            log("wang", "好了", "MOBILE"), log("", "单据流程结束", "SYS") ] })),
        _ => return None,
    })
}

async fn listen(answered: fn(&str, &str) -> Response) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let take = move |uri: Uri, headers: HeaderMap| async move {
        let is_known =
            ["authorization", "private-token", "x-bkapi-authorization"].iter().any(|name| headers.contains_key(*name));
        assert!(is_known, "{uri} comes with a credential");
        answered(uri.path(), uri.query().unwrap_or_default())
    };
    let app = Router::new().fallback(take);
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

fn well(path: &str, query: &str) -> Response {
    match answer(path, query) {
        Some(told) => axum::Json(told).into_response(),
        None => (StatusCode::NOT_FOUND, format!("{path}?{query}")).into_response(),
    }
}

fn away(_: &str, _: &str) -> Response {
    StatusCode::SERVICE_UNAVAILABLE.into_response()
}

/// A portal between us and the system wants a password.
fn strange(_: &str, _: &str) -> Response {
    (StatusCode::OK, "<html>please sign in</html>").into_response()
}

/// Each system with a ticket of ours in it.
fn systems(at: SocketAddr) -> Vec<(Value, &'static str)> {
    let url = |path: &str| format!("http://{at}/{path}");
    vec![
        (
            json!({ "kind": "jira", "server": url("cloud"), "user": "li@example.org", "token": TOKEN, "project": "OPS" }),
            "OPS-3",
        ),
        (json!({ "kind": "jira", "server": url("center"), "token": TOKEN, "project": "OPS" }), "OPS-3"),
        (json!({ "kind": "servicenow", "server": url("snow"), "user": "hw", "password": TOKEN }), "sys3"),
        (json!({ "kind": "github", "server": url("github"), "repository": "gov/ops", "token": TOKEN }), "3"),
        (json!({ "kind": "gitlab", "server": url("gitlab"), "project": "gov/ops", "token": TOKEN }), "3"),
        (
            json!({ "kind": "bk_itsm", "server": url("itsm"), "app_code": "hw", "app_secret": TOKEN, "service_id": 17, "creator": "admin" }),
            "NO3",
        ),
    ]
}

async fn deeds(own: &Value, id: &str) -> Result<Vec<TicketDeed>, String> {
    let mut own = own.clone();
    own["id"] = "desk".into();
    own["poll"] = "1m".into();
    let ticket =
        TicketRef { receiver: "desk".into(), system: "x".into(), id: id.into(), number: id.into(), url: "".into() };
    channel(&own, &Contacts::default()).deeds(&ticket).await
}

#[tokio::test]
async fn what_people_have_done_to_a_ticket_is_asked_of_each_system() {
    for (own, id) in systems(listen(well).await) {
        let told = deeds(&own, id).await.unwrap_or_else(|why| panic!("{own}: {why}"));
        let said: Vec<(&str, &str)> = (told.iter())
            .filter_map(|deed| match &deed.moved {
                Moved::Said { text, .. } => Some((deed.by.name.as_str(), text.as_str())),
                Moved::Edited { .. } | Moved::Deleted { .. } | Moved::Begun | Moved::Done => None,
            })
            .collect();
        assert_eq!(said, [("li", "换备件"), ("wang", "好了")], "{own}");
        let name = |name: &str| Who { id: name.into(), name: name.into(), ..Who::default() };
        // What is said comes first: one that is done closes, and what is closed takes no word.
        let last = match own["kind"].as_str() {
            Some("bk_itsm") => TicketDeed { by: name(""), moved: Moved::Done, at: String::new() },
            Some("jira") => TicketDeed { by: name("wang"), moved: Moved::Begun, at: "t1".into() },
            _ => TicketDeed { by: name("wang"), moved: Moved::Begun, at: String::new() },
        };
        assert_eq!(told.last(), Some(&last), "{own}");
        let edited: Vec<&str> = (told.iter())
            .filter(|deed| matches!(&deed.moved, Moved::Said { .. }) && !deed.at.is_empty())
            .map(|deed| deed.at.as_str())
            .collect();
        let expected: &[&str] = if own["kind"] == "github" { &["t2"] } else { &[] };
        assert_eq!(edited, expected, "{own}: comments that were edited");
        let again = deeds(&own, id).await.unwrap();
        assert_eq!(told, again, "{own}: the ids of comments stay");
    }
    for bad in [away, strange] {
        for (own, id) in systems(listen(bad).await) {
            assert!(deeds(&own, id).await.is_err(), "{own}");
        }
    }
}
