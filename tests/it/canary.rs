//! Secrets and addresses of people are looked for everywhere: in the log at its most talkative, in the journal and the other
//! files, and in what the API says, while every receiver fails.

use std::path::Path;

use axum::Router;
use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::program::{Setup, client};

/// Stands within every secret and every address.
const CANARY: &str = "c4n4ry";
const MOBILE: &str = "13812345679";

fn receivers(at: std::net::SocketAddr) -> Vec<Value> {
    let url = |path: &str| format!("http://{at}/{path}");
    let secret = |name: &str| format!("{name}-{CANARY}");
    let params = json!({ "what": "title" });
    vec![
        json!({ "kind": "dingtalk", "url": url(&secret("robot?access_token=x")), "secret": secret("SEC") }),
        json!({ "kind": "wecom", "url": url(&secret("send?key=x")) }),
        json!({ "kind": "feishu", "url": url(&secret("hook")), "secret": secret("feishu") }),
        json!({ "kind": "slack", "url": url(&secret("services")), "signing_secret": secret("slack") }),
        json!({ "kind": "telegram", "server": url("telegram"), "token": format!("1:{CANARY}"), "callback_secret": secret("bot") }),
        json!({ "kind": "discord", "url": url(&secret("api/webhooks/1")) }),
        json!({ "kind": "ntfy", "server": url(""), "topic": secret("topic"), "token": secret("ntfy") }),
        json!({ "kind": "gateway", "url": url("sms"), "secret": secret("gateway"), "body": { "to": "{{ to[0] }}", "key": "{{ secret }}" },
                "answers": { "token": secret("answers") } }),
        json!({ "kind": "cloud_mas", "url": url("mas"), "ec_name": "某局", "ap_id": "hw", "secret_key": secret("mas"), "sign": "abc" }),
        json!({ "kind": "aliyun_sms", "url": url("aliyun/"), "access_key_id": "id", "access_key_secret": secret("aliyun"), "sign_name": "某局",
                "template_code": "SMS_1", "params": params }),
        json!({ "kind": "tencent_sms", "url": url("tencent"), "secret_id": "id", "secret_key": secret("tencent"), "app_id": "1",
                "sign_name": "某局", "template_id": "1", "params": ["title"] }),
        json!({ "kind": "smpp", "server": "127.0.0.1", "port": at.port(), "security": "none", "system_id": "hw", "password": format!("s-{CANARY}") }),
        json!({ "kind": "pagerduty", "url": url("pagerduty"), "routing_key": secret("pagerduty") }),
        json!({ "kind": "opsgenie", "url": url("opsgenie"), "api_key": secret("opsgenie") }),
        json!({ "kind": "jira", "server": url("jira"), "token": secret("jira"), "project": "OPS", "webhook_secret": secret("hook") }),
        json!({ "kind": "servicenow", "server": url("snow"), "user": "u", "password": secret("snow") }),
        json!({ "kind": "github", "server": url("github"), "repository": "gov/ops", "token": secret("github") }),
        json!({ "kind": "gitlab", "server": url("gitlab"), "project": "1", "token": secret("gitlab") }),
        json!({ "kind": "bk_itsm", "server": url("itsm"), "app_code": "hw", "app_secret": secret("itsm"), "service_id": 1, "creator": "admin" }),
        json!({ "kind": "rest_ticket", "server": url("own"), "authorization": secret("Bearer"), "open": { "path": "orders" } }),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_and_no_address_of_a_person_leaves_the_configuration() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let app = Router::new().fallback(|| async { (StatusCode::INTERNAL_SERVER_ERROR, "out of order") });
    tokio::spawn(async move { axum::serve(listener, app).await });
    let root = tempfile::tempdir().unwrap();
    let mut all = receivers(at);
    let names: Vec<String> = all.iter().map(|own| own["kind"].as_str().unwrap().to_owned()).collect();
    for (own, name) in all.iter_mut().zip(&names) {
        let own = own.as_object_mut().unwrap();
        own.extend(json!({ "id": name, "allow_private": true, "rate": 60_000 }).as_object().unwrap().clone());
    }
    std::fs::create_dir(root.path().join("rules")).unwrap();
    let mut routed = vec![json!({ "oncall": "core" })];
    routed.extend(names[14..].iter().map(|name| json!(name)));
    let rules = json!({
        "people": [{ "id": "li", "contact": [{ "by": names[..7] }, { "by": names[7..14] }] }],
        "escalations": [{ "id": "core", "levels": [{ "to": [{ "person": "li" }] }], "fallback": ["jira"] }],
        "promote": [{ "id": "at-once", "after": "now" }],
        "settings": { "pages": { "messages": 100, "within": "1m" } },
        "routes": [{ "id": "all", "receivers": routed }],
    });
    std::fs::write(root.path().join("rules/rules.yaml"), rules.to_string()).unwrap();
    let contacts =
        format!("li: {{ mobile: \"{MOBILE}\", feishu: ou_{CANARY}, telegram: \"{CANARY}\", ntfy: topic-{CANARY} }}\n");
    std::fs::write(root.path().join("contacts.yaml"), contacts).unwrap();
    let config = json!({ "rules": "rules", "contacts": "contacts.yaml", "base_url": "https://noc.example", "receivers": all,
        "log": { "level": "trace" }, "delivery": { "retry_first": "1s", "retry_max": "1s", "give_up_after": "2s" } });
    let setup = Setup::new(root.path(), &config.to_string());
    let mut program = setup.start(&[]);
    let client = client();
    program.answers(&client).await;
    let event = json!({ "id": "1", "name": "Down", "severity": "critical", "object": { "name": "db-1" }, "starts_at": "2026-06-01T00:00:00Z" });
    assert!(setup.post(&client, "/api/v1/events", &event).await.0 < 300);
    // Every one of them is told, fails, and is given up.
    setup
        .until(&client, "/api/v1/receivers", "everybody has failed", |told| {
            let failed = told["items"].as_array().unwrap().iter().filter(|one| one["failed"].as_u64() > Some(0));
            failed.count() == names.len()
        })
        .await;
    let mut said = String::new();
    let paths = [
        "receivers",
        "notices",
        "notices/undelivered",
        "incidents",
        "rules",
        "oncall",
        "oncall/policies",
        "audit",
        "held-back",
        "reports",
    ];
    for path in paths.into_iter().chain(["export/incidents.ndjson", "export/events.csv"]) {
        let asked = client.get(setup.url(&format!("/api/v1/{path}"))).bearer_auth(&setup.token);
        let answer = asked.send().await.unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        said += &answer.text().await.unwrap();
    }
    let metrics = client.get(setup.url("/metrics")).bearer_auth(&setup.token).send().await.unwrap();
    said += &metrics.text().await.unwrap();
    program.kill();
    let copy = root.path().join("copy");
    crate::cli::headwater(&["backup", setup.data.to_str().unwrap(), "--to", copy.to_str().unwrap()]).does(&[]);
    assert!(said.contains("out of order"), "the failures are told: {said}");
    assert!(!said.contains(CANARY) && !said.contains(MOBILE), "the API tells a secret");
    let log = setup.log();
    assert!(log.contains("notice not delivered"), "{log}");
    for line in log.lines() {
        assert!(!line.contains(CANARY) && !line.contains(MOBILE), "the log tells a secret: {line}");
    }
    for file in files(&setup.data).into_iter().chain(files(&copy)) {
        let bytes = std::fs::read(&file).unwrap();
        for word in [CANARY, MOBILE] {
            let is_in = bytes.windows(word.len()).any(|part| part == word.as_bytes());
            assert!(!is_in, "{} holds {word}", file.display());
        }
    }
}

fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}
