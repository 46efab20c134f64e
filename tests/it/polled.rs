//! A ticket system that cannot reach us is asked: what people say of a ticket and do to it comes back to its incident, each once,
//! over a kill of the program and while the system fails. The real program, and GitHub's issues by its documents.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::program::{Setup, client};

/// The one issue of a repository, and whether the system is away.
#[derive(Clone, Default)]
struct Hub(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    issue: Option<Value>,
    comments: Vec<Value>,
    is_away: bool,
    /// How often it was asked while it was away.
    in_vain: u32,
}

impl Hub {
    async fn listen() -> (Self, SocketAddr) {
        let hub = Self::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = Router::new().fallback(take).with_state(hub.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        (hub, address)
    }

    fn comment(&self, by: &str, text: &str) {
        let mut kept = self.0.lock().unwrap();
        let id = 70 + kept.comments.len();
        kept.comments.push(json!({ "id": id, "user": { "login": by }, "body": text }));
    }

    fn edit(&self, n: usize, text: &str, at: &str) {
        let mut kept = self.0.lock().unwrap();
        (kept.comments[n]["body"], kept.comments[n]["updated_at"]) = (text.into(), at.into());
    }

    fn change(&self, change: &Value) {
        let mut kept = self.0.lock().unwrap();
        kept.issue.as_mut().unwrap().as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    }
}

async fn take(State(hub): State<Hub>, method: Method, uri: Uri, body: Bytes) -> Response {
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let mut kept = hub.0.lock().unwrap();
    if kept.is_away {
        kept.in_vain += 1;
        return StatusCode::BAD_GATEWAY.into_response();
    }
    let rest = uri.path().strip_prefix("/repos/gov/ops/issues").unwrap_or("?");
    let told = match (method.as_str(), rest) {
        ("GET", "") => Value::Array(kept.issue.iter().cloned().collect()),
        ("POST", "") => {
            assert!(kept.issue.is_none(), "one ticket");
            let issue = json!({ "number": 1, "html_url": "https://github.example/gov/ops/issues/1", "state": "open", "assignees": [] });
            kept.issue = Some(issue.clone());
            issue
        }
        ("GET", "/1") => {
            let mut issue = kept.issue.clone().unwrap();
            issue["comments"] = kept.comments.len().into();
            issue
        }
        ("GET", "/1/comments") => Value::Array(kept.comments.clone()),
        ("POST", "/1/comments") => {
            let comment = json!({ "id": 7_000 + kept.comments.len(), "user": { "login": "hw" }, "body": body["body"] });
            kept.comments.push(comment.clone());
            comment
        }
        ("PATCH", "/1") => {
            kept.issue.as_mut().unwrap()["state"] = body["state"].clone();
            json!({})
        }
        _ => return StatusCode::NOT_FOUND.into_response(),
    };
    axum::Json(told).into_response()
}

/// Who did what of a kind, in its order.
fn entries(told: &Value, kind: &str) -> Vec<(String, String, String)> {
    let timeline = told["timeline"].as_array().into_iter().flatten().filter(|entry| entry["kind"] == kind);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    timeline.map(|entry| (text(&entry["actor"]), text(&entry["via"]), text(&entry["detail"]))).collect()
}

fn has_said(text: &'static str) -> impl Fn(&Value) -> bool {
    move |told| entries(told, "commented").iter().any(|(_, _, said)| said == text)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_people_do_to_a_ticket_comes_back_once_where_only_we_can_ask() {
    let (hub, at) = Hub::listen().await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("rules")).unwrap();
    let rules = "promote: [{ id: at-once, after: now }]\nroutes: [{ id: all, receivers: [hub] }]\n";
    std::fs::write(folder.path().join("rules/rules.yaml"), rules).unwrap();
    let config = json!({ "rules": "rules", "durability": "process", "receivers": [
        { "id": "hub", "kind": "github", "server": format!("http://{at}"), "repository": "gov/ops", "token": "t", "poll": "1s", "allow_private": true } ] });
    let setup = Setup::new(folder.path(), &config.to_string());
    let (mut program, client) = (setup.start(&[]), client());
    program.answers(&client).await;
    let event = |id: &str, status: &str, severity: &str| {
        json!({ "id": id, "name": "Down", "severity": severity, "status": status,
        "object": { "name": "db-1" }, "starts_at": "2026-06-01T00:00:00Z" })
    };
    assert!(setup.post(&client, "/api/v1/events", &event("1", "firing", "major")).await.0 < 300);
    let found = setup
        .until(&client, "/api/v1/incidents", "a ticket", |told| told["items"][0]["tickets"][0]["number"].is_string())
        .await;
    let page = format!("/api/v1/incidents/{}", found["items"][0]["id"].as_str().unwrap());

    // What somebody says, and that somebody works on it.
    hub.comment("wang", "已到现场");
    hub.change(&json!({ "assignees": [{ "login": "wang" }] }));
    let told =
        setup.until(&client, &page, "it is acknowledged", |told| !entries(told, "acknowledged").is_empty()).await;
    assert_eq!(entries(&told, "acknowledged"), [("hub:wang".into(), "hub".into(), String::new())]);
    assert_eq!(entries(&told, "commented"), [("hub:wang".into(), "hub".into(), "已到现场".into())]);

    // Worse now: our own note is a comment like any other there.
    assert!(setup.post(&client, "/api/v1/events", &event("2", "firing", "critical")).await.0 < 300);
    let since = std::time::Instant::now();
    while !hub.0.lock().unwrap().comments.iter().any(|comment| comment["user"]["login"] == "hw") {
        assert!(since.elapsed() < std::time::Duration::from_secs(60), "no note: {}", setup.log());
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }

    // The system is away for a while, the program is killed, and everything is told again.
    hub.0.lock().unwrap().is_away = true;
    while hub.0.lock().unwrap().in_vain < 2 {
        assert!(since.elapsed() < std::time::Duration::from_secs(60), "it is not asked: {}", setup.log());
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    program.kill();
    hub.edit(0, "已到现场一人", "2026-06-01T08:00:00Z");
    hub.comment("li", "备件在路上");
    hub.0.lock().unwrap().is_away = false;
    let mut program = setup.start(&[]);
    program.answers(&client).await;
    setup.until(&client, &page, "the second comment", has_said("备件在路上")).await;
    hub.comment("wang", "已更换");
    let told = setup.until(&client, &page, "the third comment", has_said("已更换")).await;
    let said = |by: &str, text: &str| (format!("hub:{by}"), "hub".to_owned(), text.to_owned());
    let corrected = "更正先前的评论 / in place of an earlier comment: 已到现场一人";
    let all = [said("wang", "已到现场"), said("wang", corrected), said("li", "备件在路上"), said("wang", "已更换")];
    assert_eq!(
        entries(&told, "commented"),
        all,
        "each once, what was edited meanwhile as a correction, and none of ours"
    );
    assert_eq!(entries(&told, "acknowledged").len(), 1);

    // Somebody says it otherwise: what stood there stays, and what stands there now is told once.
    hub.edit(0, "已到现场两人", "2026-06-01T09:00:00Z");
    let corrected = "更正先前的评论 / in place of an earlier comment: 已到现场两人";
    let told = setup.until(&client, &page, "the correction", has_said(corrected)).await;
    assert_eq!(entries(&told, "commented"), [all.as_slice(), &[said("wang", corrected)]].concat());

    // Nothing fires any more, and somebody has closed the ticket.
    assert!(setup.post(&client, "/api/v1/events", &event("3", "resolved", "critical")).await.0 < 300);
    setup.until(&client, &page, "nothing fires", |told| told["firing_count"] == 0).await;
    hub.change(&json!({ "state": "closed", "closed_by": { "login": "li" } }));
    let told = setup.until(&client, &page, "it is closed", |told| told["state"] == "closed").await;
    assert_eq!(entries(&told, "closed")[0].0, "hub:li", "{told}");
    program.stop();
}
