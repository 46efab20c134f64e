//! Secrets and addresses of people are looked for everywhere: in the log at its most talkative, in the journal and the other
//! files, and in what the API says, while every receiver fails.

use std::collections::BTreeSet;
use std::path::Path;

use axum::Router;
use axum::http::{StatusCode, Uri};
use axum::response::IntoResponse;
use serde_json::{Value, json};

use crate::program::{Setup, client};

/// Stands within every secret and every address.
const CANARY: &str = "c4n4ry";
const MOBILE: &str = "13812345679";

fn receivers(at: std::net::SocketAddr) -> Vec<Value> {
    let url = |path: &str| format!("http://{at}/{path}");
    let secret = |name: &str| format!("{name}-{CANARY}");
    let params = json!({ "what": "title" });
    // Ways to people, then whatever keeps tickets, and other programs.
    vec![
        json!({ "kind": "feishu_app", "server": url("feishu-app"), "app_id": "cli_1", "app_secret": secret("app"), "verification_token": secret("v"),
                "encrypt_key": secret("e") }),
        json!({ "kind": "wecom_app", "server": url(""), "corp_id": "ww1", "agent_id": 7, "secret": secret("corp"), "token": secret("t"),
                "aes_key": format!("{CANARY}{}", "A".repeat(37)) }),
        json!({ "kind": "dingtalk_app", "server": url(""), "oapi": url(""), "app_key": "ding1", "app_secret": secret("ding"),
                "card_template": "card.schema", "route_key": "r", "api_secret": secret("api") }),
        json!({ "kind": "mail", "server": "127.0.0.1", "port": at.port(), "security": "starttls", "user": "noc", "password": secret("mail"),
                "from": "noc@example.org" }),
        json!({ "kind": "aliyun_voice", "url": url("aliyun/"), "access_key_id": "id", "access_key_secret": secret("voice"), "tts_code": "TTS_1",
                "params": params }),
        json!({ "kind": "teams", "url": url(&secret("workflows")) }),
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
        json!({ "kind": "webhook", "url": url(&secret("webhook")), "secret": format!("whsec_{CANARY}{}", "A".repeat(26)) }),
        json!({ "kind": "nats", "subject": "ops.incidents" }),
        json!({ "kind": "pagerduty", "url": url("pagerduty"), "routing_key": secret("pagerduty") }),
        json!({ "kind": "opsgenie", "url": url("opsgenie"), "api_key": secret("opsgenie") }),
        json!({ "kind": "servicenow_em", "server": url("snow-em"), "user": "u", "password": secret("snow-em") }),
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
    // Apps get their tokens, which stand in the addresses of what they ask next; nothing else works.
    let take = |uri: Uri| async move {
        if !uri.path().contains("token") {
            return (StatusCode::INTERNAL_SERVER_ERROR, "out of order").into_response();
        }
        let token = format!("token-{CANARY}");
        let told = json!({ "code": 0, "errcode": 0, "access_token": token, "tenant_access_token": token, "expires_in": 7200, "expire": 7200 });
        axum::Json(told).into_response()
    };
    let app = Router::new().fallback(take);
    tokio::spawn(async move { axum::serve(listener, app).await });
    let root = tempfile::tempdir().unwrap();
    let mut all = receivers(at);
    let names: Vec<String> = all.iter().map(|own| own["kind"].as_str().unwrap().to_owned()).collect();
    assert_eq!(names.iter().cloned().collect::<BTreeSet<_>>(), crate::channels::kinds(), "every kind is tried");
    for (own, name) in all.iter_mut().zip(&names) {
        let own = own.as_object_mut().unwrap();
        own.extend(
            json!({ "id": name, "allow_private": true, "rate": 60_000, "timeout": "2s" }).as_object().unwrap().clone(),
        );
    }
    std::fs::create_dir(root.path().join("rules")).unwrap();
    let (ways, others) = names.split_at(names.iter().position(|name| name == "webhook").unwrap());
    let steps: Vec<Value> = ways.chunks(10).map(|by| json!({ "by": by })).collect();
    let mut routed = vec![json!({ "oncall": "core" })];
    routed.extend(others.iter().map(|name| json!(name)));
    let rules = json!({
        "people": [{ "id": "li", "contact": steps }],
        "escalations": [{ "id": "core", "levels": [{ "to": [{ "person": "li" }] }], "fallback": ["jira"] }],
        "promote": [{ "id": "at-once", "after": "now" }],
        "settings": { "pages": { "messages": 100, "within": "1m" } },
        "routes": [{ "id": "all", "receivers": routed }],
    });
    std::fs::write(root.path().join("rules/rules.yaml"), rules.to_string()).unwrap();
    let contacts = format!(
        "li: {{ mobile: \"{MOBILE}\", mail: {CANARY}@example.org, feishu: ou_{CANARY}, telegram: \"{CANARY}\", ntfy: topic-{CANARY}, \
         feishu_app: ou_{CANARY}, wecom_app: {CANARY}, dingtalk_app: {CANARY} }}\n"
    );
    std::fs::write(root.path().join("nats.password"), format!("nats-{CANARY}")).unwrap();
    std::fs::write(root.path().join("contacts.yaml"), contacts).unwrap();
    let config = json!({ "rules": "rules", "contacts": "contacts.yaml", "base_url": "https://noc.example", "receivers": all,
        "nats": { "urls": [format!("nats://{at}")], "user": "hw", "password_file": "nats.password", "intake": false, "cmdb": false, "publish": false },
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
