//! Executors are asked over a signed webhook, and what they report is in the timeline: the real program.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::program::{Setup, client};
use crate::receiver::{Receiver, SECRET};

const RULES: &str = "
promote: [{ id: at-once, after: now }]
actions:
  - { id: restart, match: { name: Down }, run: restart_service, with: { unit: nginx }, executor: ops, classes: [server], approval: { within: 10m },
      observe_only: false }
routes: [{ id: all, receivers: [hook] }]
";
const ESTATE: &str = "
cis: [{ id: web-1, class: server }]
";

fn actions(detail: &Value) -> Vec<String> {
    let all = detail["actions"].as_array().cloned().unwrap_or_default();
    all.iter().map(|one| format!("{} {}", one["id"].as_str().unwrap(), one["state"].as_str().unwrap())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_executor_is_asked_after_an_approval_and_its_word_counts_once() {
    let (hook, ops) = (Receiver::willing().await, Receiver::willing().await);
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir(root.path().join("rules")).unwrap();
    std::fs::write(root.path().join("rules/rules.yaml"), RULES).unwrap();
    std::fs::write(root.path().join("topology.yaml"), ESTATE).unwrap();
    let receiver =
        |id: &str, at: &Receiver| json!({ "id": id, "url": at.url(), "secret": SECRET, "allow_private": true });
    let config = json!({ "rules": "rules", "topology": "topology.yaml", "base_url": "http://noc.example", "durability": "process",
        "receivers": [receiver("hook", &hook), receiver("ops", &ops)] });
    let setup = Setup::new(root.path(), &config.to_string());
    let mut program = setup.start(&[]);
    let client = client();
    program.answers(&client).await;
    let event = json!({ "id": "1", "name": "Down", "severity": "critical", "object": { "name": "web-1" }, "starts_at": "2026-06-01T00:00:00Z" });
    assert!(setup.post(&client, "/api/v1/events", &event).await.0 < 300);
    let waits = |told: &Value| told["items"][0]["id"].is_string();
    let found = setup.until(&client, "/api/v1/incidents?q=web-1", "an incident", waits).await;
    let id = found["items"][0]["id"].as_str().unwrap().to_owned();
    let page = format!("/api/v1/incidents/{id}");
    let detail = setup
        .until(&client, &page, "it waits for an approval", |told| actions(told) == [format!("{id}.1 asked")])
        .await;
    assert!(detail["actions"][0]["text"]["zh"].as_str().unwrap().starts_with("restart_service → web-1"), "{detail}");
    hook.wait_for("it is told with the question", |seen| seen.iter().any(|one| one.text.contains("等待批准"))).await;
    assert!(ops.seen().is_empty(), "nobody has said yes");
    // How a message about it would look, with texts that are only tried.
    let look = |title: &str| json!({ "incident": id, "receiver": "hook", "title": title, "text": "{{ alerts }} alert", "language": "en" });
    let (status, seen) = setup.post(&client, "/api/v1/notices/preview", &look("{{ severity }}: {{ cause }}")).await;
    assert_eq!((status, &seen["title"], &seen["text"]), (200, &json!("critical: web-1"), &json!("1 alert")), "{seen}");
    assert!(seen["sent"].as_str().unwrap().contains("incident.opened"), "{seen}");
    let (status, seen) = setup.post(&client, "/api/v1/notices/preview", &look("{{ colour }}")).await;
    assert!(status == 400 && seen["detail"].as_str().unwrap().contains("it may use"), "{status} {seen}");
    let (status, taken) = setup.post(&client, &format!("{page}/approve"), &json!({})).await;
    assert_eq!(status, 202, "{taken}");
    ops.wait_for("the executor is asked", |seen| !seen.is_empty()).await;
    let asked = ops.seen().remove(0);
    let told = &asked.body["data"];
    assert_eq!(asked.body["type"], "action.requested");
    assert_eq!(
        (&told["run"], &told["with"]["unit"], &told["ci"]["id"]),
        (&json!("restart_service"), &json!("nginx"), &json!("web-1"))
    );
    assert!(told["approved_by"].is_string() && told["answer_by"].is_string(), "{told}");
    assert_eq!(asked.key, format!("{}-ops-action", told["action"].as_str().unwrap()).replace('.', "%2E"));
    // The pass reports on this action and does nothing else.
    let url = told["report_url"].as_str().unwrap().replace("http://noc.example", &setup.url(""));
    let person = url.replace("/api/v1/actions/", "/a/");
    assert_eq!(client.get(&person).send().await.unwrap().status(), StatusCode::NOT_FOUND);
    let report = |url: String, body: Value| {
        let client = client.clone();
        async move { client.post(url).json(&body).send().await.unwrap().status() }
    };
    assert_eq!(report(format!("{url}x"), json!({ "result": "done" })).await, StatusCode::NOT_FOUND);
    assert_eq!(report(url.clone(), json!({ "result": "perhaps" })).await, StatusCode::BAD_REQUEST);
    assert_eq!(report(url.clone(), json!({ "result": "done", "text": "nginx runs" })).await, StatusCode::OK);
    assert_eq!(
        report(url.clone(), json!({ "result": "done", "text": "nginx runs" })).await,
        StatusCode::OK,
        "once more"
    );
    assert_eq!(report(url, json!({ "result": "failed" })).await, StatusCode::CONFLICT);
    let detail = setup.until(&client, &page, "it is done", |told| actions(told) == [format!("{id}.1 done")]).await;
    let kinds =
        |kind: &str| detail["timeline"].as_array().unwrap().iter().filter(|entry| entry["kind"] == kind).count();
    assert_eq!(["action_asked", "action_approved", "action_requested", "action_reported"].map(kinds), [1; 4]);
    let why = setup.get(&client, &format!("/api/v1/why-not?incident={id}")).await.unwrap().to_string();
    assert!(why.contains("action rule restart") && why.contains("nginx runs"), "{why}");
    assert_eq!(ops.seen().len(), 1);
    program.stop();
}
