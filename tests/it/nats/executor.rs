//! An executor on NATS: it is asked on a subject, and its reply is the result.

use futures::StreamExt as _;
use serde_json::{Value, json};

use super::server::{Program, Server, settings};
use crate::program::{Setup, client};

const RULES: &str = "
promote: [{ id: at-once, after: now }]
actions: [{ id: restart, run: restart, executor: ops, classes: [server], approval: none, observe_only: false }]
routes: [{ id: all, receivers: [told] }]
";
const ESTATE: &str = "
cis: [{ id: web-1, class: server }]
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_executor_on_a_subject_is_asked_until_it_is_there_and_its_reply_is_the_result() {
    let Some(path) = Program::Recent.path() else { return };
    let server = Server::start(&path, "one.conf".as_ref());
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir(root.path().join("rules")).unwrap();
    std::fs::write(root.path().join("rules/rules.yaml"), RULES).unwrap();
    std::fs::write(root.path().join("topology.yaml"), ESTATE).unwrap();
    let config = json!({ "rules": "rules", "topology": "topology.yaml", "durability": "process", "nats": { "urls": [server.url()] },
        "delivery": { "retry_first": "1s", "retry_max": "1s" },
        "receivers": [{ "id": "ops", "kind": "nats", "subject": "ops.actions", "timeout": "2s" }, { "id": "told", "kind": "nats", "subject": "ops.told", "timeout": "2s" }] });
    let setup = Setup::new(root.path(), &config.to_string());
    let mut program = setup.start(&[]);
    let client = client();
    program.answers(&client).await;
    let event = json!({ "id": "1", "name": "Down", "severity": "critical", "object": { "name": "web-1" }, "starts_at": "2026-06-01T00:00:00Z" });
    assert!(setup.post(&client, "/api/v1/events", &event).await.0 < 300);
    let alone = |one: &Value| one["last_failure"].as_str().is_some_and(|why| why.contains("nobody listens"));
    let all_alone = |told: &Value| told["items"].as_array().unwrap().iter().all(alone);
    setup.until(&client, "/api/v1/receivers", "nobody listens yet", all_alone).await;
    let nats = headwater::nats::connect::connect(&settings(vec![server.url()])).await.unwrap().client;
    let mut asked = nats.subscribe("ops.>").await.unwrap();
    let mut seen = Vec::new();
    while seen.len() < 2 {
        let message = asked.next().await.unwrap();
        let body: Value = serde_json::from_slice(&message.payload).unwrap();
        let key = message.headers.as_ref().unwrap().get("Nats-Msg-Id").unwrap().to_string();
        let answer = if &*message.subject == "ops.actions" { r#"{"result":"done","text":"runs"}"# } else { "" };
        nats.publish(message.reply.unwrap(), answer.into()).await.unwrap();
        seen.push((message.subject.to_string(), key, body));
    }
    seen.sort_by(|a, b| a.0.cmp(&b.0));
    assert!(seen[0].1.ends_with("-ops-action") && seen[0].2["data"]["run"] == "restart", "{:?}", seen[0]);
    assert!(seen[1].1.ends_with("-told-opened") && seen[1].2["data"]["incident"]["id"].is_string(), "{:?}", seen[1]);
    let id = seen[1].2["data"]["incident"]["id"].as_str().unwrap().to_owned();
    let is_done = |told: &Value| told["actions"][0]["state"] == "done" && told["actions"][0]["said"] == "runs";
    setup.until(&client, &format!("/api/v1/incidents/{id}"), "its reply is the result", is_done).await;
    program.stop();
}
