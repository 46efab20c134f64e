//! People act from the message that told them: the real program, a receiver, a phone gateway and chat systems that sign.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::Uri;
use headwater::domain::ids::IncidentId;
use headwater::domain::pass::Seal;
use hmac::{Hmac, KeyInit, Mac};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::program::{Program, Setup};

/// What receivers are sent, by path.
#[derive(Clone, Default)]
pub struct Ends(Arc<Mutex<Vec<(String, Value)>>>);

impl Ends {
    pub async fn listen() -> (Self, std::net::SocketAddr) {
        let ends = Self::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let take = |State(ends): State<Self>, uri: Uri, body: Bytes| async move {
            ends.0.lock().unwrap().push((uri.path().to_owned(), serde_json::from_slice(&body).unwrap_or_default()));
            // Yes, as each of the systems says it.
            axum::Json(
                json!({ "ok": true, "data": { "message_id": "om_1" }, "id": "sms-77", "code": 0, "errcode": 0, "tenant_access_token": "t", "access_token": "t",
                "expire": 7200, "expires_in": 7200, "success": true, "result": { "deliverResults": [{ "success": true }] } }),
            )
        };
        let app = Router::new().fallback(take).with_state(ends.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        (ends, address)
    }

    pub async fn first(&self, path: &str) -> Value {
        self.until(path, |_| true).await
    }

    /// The first one of those sent there that is as it should be.
    pub async fn until(&self, path: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        self.nth(path, 0, is_it).await
    }

    /// The one after `n` others of those sent there that are as they should be.
    pub async fn nth(&self, path: &str, n: usize, is_it: impl Fn(&Value) -> bool) -> Value {
        for _ in 0..3000 {
            let found = |(at, body): &&(String, Value)| at.starts_with(path) && is_it(body);
            if let Some((_, body)) = self.0.lock().unwrap().iter().filter(found).nth(n) {
                return body.clone();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("nothing was sent to {path}: {:?}", self.0.lock().unwrap());
    }
}

const RULES: &str = r#"
people:
  - { id: li, name: 李雷, contact: [{ by: [hook, phone, slack, bot, feishu, wecom, ding] }] }
  - { id: han, name: 韩梅, contact: [{ by: [hook] }] }
rosters: [{ id: core, layers: [{ people: [li], starts: "2026-01-05 09:00" }] }]
escalations: [{ id: core, levels: [{ to: [{ roster: core }] }], fallback: [hook] }]
promote: [{ id: at-once, after: now }]
routes: [{ id: all, receivers: [{ oncall: core }] }]
"#;

const CONTACTS: &str = "li: { mobile: \"13811112222\", bot: \"777\", feishu: ou_li, wecom: lilei, ding: lilei }\n";

/// A program whose person has a webhook, a phone, Slack, Telegram, and apps of Feishu, WeCom and DingTalk.
pub struct Scene {
    setup: Setup,
    pub program: Program,
    client: Client,
    pub ends: Ends,
    ends_at: std::net::SocketAddr,
    _folder: tempfile::TempDir,
}

impl Scene {
    pub async fn set() -> Self {
        let (ends, at) = Ends::listen().await;
        let folder = tempfile::tempdir().unwrap();
        let rules = folder.path().join("rules");
        std::fs::create_dir(&rules).unwrap();
        std::fs::write(rules.join("rules.yaml"), RULES).unwrap();
        std::fs::write(folder.path().join("contacts.yaml"), CONTACTS).unwrap();
        let config = format!(
            r#"
rules: rules
contacts: contacts.yaml
base_url: http://noc.example
durability: process
receivers:
  - {{ id: hook, url: "http://{at}/hook", secret: {secret}, allow_private: true }}
  - id: phone
    kind: gateway
    url: http://{at}/phone
    body: {{ to: "{{{{ to[0] }}}}", text: "{{{{ text }}}}", key: "{{{{ key }}}}", url: "{{{{ url }}}}" }}
    answer: {{ pointer: /code, accepted: [0], id: /id }}
    answers: {{ token: phone-token }}
    allow_private: true
  - {{ id: slack, kind: slack, url: "http://{at}/slack", signing_secret: slack-secret, allow_private: true }}
  - {{ id: bot, kind: telegram, server: "http://{at}/telegram", token: "1:a", callback_secret: bot-secret, allow_private: true }}
  - {{ id: feishu, kind: feishu_app, server: "http://{at}/feishu", app_id: cli_1, app_secret: s, verification_token: feishu-token, encrypt_key: feishu-key, allow_private: true }}
  - {{ id: wecom, kind: wecom_app, server: "http://{at}", corp_id: ww1, agent_id: 7, secret: s, token: wecom-token, aes_key: abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG, allow_private: true }}
  - {{ id: ding, kind: dingtalk_app, server: "http://{at}", oapi: "http://{at}", app_key: ding1, app_secret: s, card_template: card.schema, route_key: r, api_secret: ding-secret, allow_private: true }}
"#,
            secret = crate::receiver::SECRET
        );
        let setup = Setup::new(folder.path(), &config);
        let mut program = setup.start(&[]);
        // Whoever came first has installed the same one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::new();
        program.answers(&client).await;
        Self { setup, program, client, ends, ends_at: at, _folder: folder }
    }

    /// Opens an incident; its id.
    pub async fn incident(&self, object: &str) -> String {
        let event = json!({ "id": object, "name": format!("Down {object}"), "severity": "critical", "title": "<b>掉电</b>",
            "object": { "name": object }, "starts_at": "2026-06-01T00:00:00Z" });
        let (status, told) = self.setup.post(&self.client, "/api/v1/events", &event).await;
        assert!(status == 202 || status == 200, "{status} {told}");
        let q = format!("/api/v1/incidents?q={object}");
        let found = self.setup.until(&self.client, &q, "an incident", |told| told["items"][0]["id"].is_string()).await;
        found["items"][0]["id"].as_str().unwrap().to_owned()
    }

    /// Timeline entries of a kind: actor and way.
    pub async fn entries(&self, incident: &str, kind: &str) -> Vec<(String, String)> {
        // After a start the history may be a moment behind.
        let path = format!("/api/v1/incidents/{incident}/timeline");
        let since = std::time::Instant::now();
        let told = loop {
            if let Some(told) = self.setup.get(&self.client, &path).await {
                break told;
            }
            assert!(since.elapsed() < Duration::from_secs(30), "no timeline");
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        let items = told["items"].as_array().unwrap().iter().filter(|entry| entry["kind"] == kind);
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        items.map(|entry| (text(&entry["actor"]), text(&entry["via"]))).collect()
    }

    async fn get(&self, path: &str) -> (StatusCode, String) {
        let answer = self.client.get(self.setup.url(path)).send().await.unwrap();
        let status = answer.status();
        assert!(answer.headers()["content-security-policy"].to_str().unwrap().contains("default-src 'none'"));
        (status, answer.text().await.unwrap())
    }

    async fn press(&self, path: &str, form: &str) -> (StatusCode, String) {
        let request = self.client.post(self.setup.url(path)).body(form.to_owned());
        let answer = request.header("content-type", "application/x-www-form-urlencoded").send().await.unwrap();
        (answer.status(), answer.text().await.unwrap())
    }

    /// A callback with headers, whose answer is JSON.
    pub async fn call(&self, path: &str, headers: &[(&str, String)], body: &str) -> (StatusCode, Value) {
        let (status, text) = self.call_for_text(path, headers, body).await;
        (status, serde_json::from_str(&text).unwrap_or_default())
    }

    pub async fn call_for_text(&self, path: &str, headers: &[(&str, String)], body: &str) -> (StatusCode, String) {
        let mut request = self.client.post(self.setup.url(&format!("/api/v1/callbacks/{path}"))).body(body.to_owned());
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let answer = request.send().await.unwrap();
        (answer.status(), answer.text().await.unwrap_or_default())
    }
}

fn hmac_hex(key: &str, text: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).unwrap();
    mac.update(text.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

pub fn now_secs() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signed_link_acts_once_and_only_when_a_button_is_pressed() {
    let scene = Scene::set().await;
    let incident = scene.incident("db-1").await;
    let told = scene.ends.first("/hook").await;
    assert_eq!(told["data"]["to"]["person"], "li");
    assert!(!told.to_string().contains("/a/"), "whoever reads a webhook is not that person: {told}");
    let told = scene.ends.first("/phone").await;
    let link = told["url"].as_str().unwrap().strip_prefix("http://noc.example").unwrap().to_owned();
    // Scanners look at links, again and again: nothing is done, and nothing of the alert is markup.
    for _ in 0..3 {
        let (status, page) = scene.get(&link).await;
        assert_eq!(status, 200);
        assert!(
            page.contains("&lt;b&gt;掉电&lt;/b&gt;") && !page.contains("<b>掉电") && page.contains("认领"),
            "{page}"
        );
        let head = scene.client.head(scene.setup.url(&link)).send().await.unwrap();
        assert!(head.status().is_success());
    }
    assert!(scene.entries(&incident, "acknowledged").await.is_empty());
    // A forged one, and one for another incident, are nothing.
    let other = scene.incident("db-2").await;
    for forged in [
        link.replace("/a/", "/a/A"),
        format!("{link}A"),
        "/a/".to_owned() + &"A".repeat(80),
        format!("{}x", &link[..link.len() - 1]),
    ] {
        let (status, _) = scene.press(&forged, "do=ack").await;
        assert_eq!(status, 404, "{forged}");
    }
    let (status, page) = scene.press(&link, "do=ack").await;
    assert_eq!((status, page.contains("已完成")), (StatusCode::OK, true), "{page}");
    assert_eq!(scene.entries(&incident, "acknowledged").await, [("li".to_owned(), "phone".to_owned())]);
    // Replayed: refused, also by two at once, and after a kill -9.
    let both = tokio::join!(scene.press(&link, "do=ack"), scene.press(&link, "do=ack"));
    assert_eq!((both.0.0, both.1.0), (StatusCode::CONFLICT, StatusCode::CONFLICT));
    scene.program.kill();
    let mut program = scene.setup.start(&[]);
    program.answers(&scene.client).await;
    let scene = Scene { program, ..scene };
    assert_eq!(scene.press(&link, "do=ack").await.0, StatusCode::CONFLICT);
    assert_eq!(scene.entries(&incident, "acknowledged").await.len(), 1);
    // Another deed of the same link; people of the rules only; nonsense.
    assert_eq!(scene.press(&link, "do=snooze-60").await.0, StatusCode::OK);
    assert_eq!(scene.press(&link, "do=assign&to=nobody").await.0, StatusCode::BAD_REQUEST);
    assert_eq!(scene.press(&link, "do=assign&to=han").await.0, StatusCode::OK);
    assert_eq!(scene.entries(&incident, "assigned").await, [("li".to_owned(), "phone".to_owned())]);
    for wrong in ["do=", "do=drop", "do=snooze-99999", "do=assign", "do=snooze-0"] {
        assert_eq!(scene.press(&link, wrong).await.0, StatusCode::BAD_REQUEST, "{wrong}");
    }
    assert_eq!(scene.press(&link, "do=resolve").await.0, StatusCode::OK);
    assert_eq!(scene.entries(&incident, "closed").await, [("li".to_owned(), "phone".to_owned())]);
    // What makes no sense any more is refused with the engine's reason, and the other incident is as it was.
    let (status, page) = scene.press(&link, "do=snooze-30").await;
    assert_eq!((status, page.contains("closed")), (StatusCode::UNPROCESSABLE_ENTITY, true), "{page}");
    assert!(scene.entries(&other, "acknowledged").await.is_empty());
    assert_eq!(scene.get("/a/style.css").await.0, StatusCode::OK);
    // Who was told what is on record, and what a post-mortem and the next shift begin from.
    let path = format!("/api/v1/incidents/{incident}/notices");
    let accepted = |told: &Value| {
        let of_li = |one: &&Value| one["person"] == "li" && one["receiver"] == "hook" && one["kind"] == "opened";
        told["items"].as_array().unwrap().iter().find(of_li).is_some_and(|one| one["outcome"] == "accepted")
    };
    let told = scene.setup.until(&scene.client, &path, "the message is on record", accepted).await;
    assert!(!told.to_string().contains("13811112222"), "{told}");
    assert_eq!((&told["items"][0]["policy"], &told["items"][0]["rule"]), (&json!("core"), &json!("all")));
    let text = |path: String| {
        let request = scene.client.get(scene.setup.url(&path)).bearer_auth(&scene.setup.token);
        async move { request.send().await.unwrap().text().await.unwrap() }
    };
    let draft = text(format!("/api/v1/incidents/{incident}/post-mortem?lang=zh")).await;
    for piece in ["# 复盘", "掉电", "li 认领 (phone)", "(待填写)"] {
        assert!(draft.contains(piece), "{piece} is missing: {draft}");
    }
    assert!(!draft.contains("<b>掉电"), "{draft}");
    let handover = text("/api/v1/oncall/handover?lang=en".to_owned()).await;
    for piece in ["# Shift handover", "core: 李雷", "Open incidents (1)", &incident, "## What changed"] {
        assert!(handover.contains(piece), "{piece} is missing: {handover}");
    }
    scene.program.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_phone_answers_with_a_code_or_a_key() {
    let scene = Scene::set().await;
    let incident = scene.incident("db-1").await;
    let sent = scene.ends.first("/phone").await;
    assert_eq!(sent["to"], "13811112222");
    let text = sent["text"].as_str().unwrap();
    let code: String = text.split_once("回复 ").unwrap().1.chars().take(4).collect();
    let answer = |mobile: &str, content: &str| json!({ "mobile": mobile, "content": content }).to_string();
    let right = "phone?token=phone-token";
    assert_eq!(scene.call("phone", &[], &answer("13811112222", &code)).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(scene.call("phone?token=guess", &[], &answer("13811112222", &code)).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(scene.call("nowhere?token=phone-token", &[], "{}").await.0, StatusCode::NOT_FOUND);
    assert_eq!(scene.call(right, &[], "[1]").await.0, StatusCode::BAD_REQUEST);
    // The right code from somebody else's number does nothing.
    scene.call(right, &[], &answer("13999999999", &code)).await;
    assert!(scene.entries(&incident, "acknowledged").await.is_empty());
    scene.call(right, &[], &answer("+86 138 1111 2222", &code)).await;
    assert_eq!(scene.entries(&incident, "acknowledged").await, [("li".to_owned(), "phone".to_owned())]);
    let (_, said) = scene.call(right, &[], &answer("13811112222", &format!("暂缓 {code}"))).await;
    assert!(said["message"].as_str().unwrap().contains("已完成"), "{said}");
    assert_eq!(scene.entries(&incident, "snoozed").await, [("li".to_owned(), "phone".to_owned())]);
    // The message stands in the log of the person, and was an interruption: a phone rings, a webhook does not.
    let of_li = "/api/v1/notices?person=li&receiver=phone&outcome=accepted";
    let told = scene.setup.until(&scene.client, of_li, "the log", |told| told["items"][0]["key"].is_string()).await;
    assert_eq!((&told["items"][0]["incident"], &told["items"][0]["person_name"]), (&json!(incident), &json!("李雷")));
    assert_eq!((&told["items"][0]["address"], &told["items"][0]["said"]), (&json!("138***22"), &json!("sms-77")));
    assert!(!told.to_string().contains("13811112222"), "{told}");
    let none = scene.setup.get(&scene.client, "/api/v1/notices?person=nobody").await.unwrap();
    assert_eq!(none["items"], json!([]), "{none}");
    let interrupted = |report: &Value| report["by_person"][0]["all"] == 1;
    let report = scene.setup.until(&scene.client, "/api/v1/reports", "the interruption", interrupted).await;
    assert_eq!((&report["by_person"][0]["person"], &report["by_person"][0]["name"]), (&json!("li"), &json!("李雷")));
    assert!(report["delivered"]["accepted"].as_u64() > Some(0), "{}", report["delivered"]);
    // Whoever guesses is not listened to any more, not even with the right code.
    let wrong = if code == "0000" { "0001" } else { "0000" };
    for _ in 0..5 {
        scene.call(right, &[], &answer("13811112222", wrong)).await;
    }
    scene.call(right, &[], &answer("13811112222", &format!("解决 {code}"))).await;
    assert!(scene.entries(&incident, "closed").await.is_empty());
    scene.program.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn buttons_of_chats_are_believed_with_their_signature_only() {
    let scene = Scene::set().await;
    let incident = scene.incident("db-1").await;
    // Slack.
    let sent = scene.ends.first("/slack").await;
    let buttons = sent["blocks"].as_array().unwrap().iter().find(|block| block["type"] == "actions").unwrap();
    let mark = buttons["elements"][0]["value"].as_str().unwrap().to_owned();
    assert_eq!(buttons["elements"][0]["action_id"], "ack");
    let back = format!("http://{}/slack-back", scene.ends_at);
    let payload = |mark: &str| {
        let payload = json!({ "type": "block_actions", "user": { "id": "U1", "username": "lilei" },
            "response_url": back, "actions": [{ "action_id": "ack", "value": mark }] });
        let mut form = reqwest::Url::parse("form:").unwrap();
        form.query_pairs_mut().append_pair("payload", &payload.to_string());
        form.query().unwrap().to_owned()
    };
    let signed = |body: &str, secret: &str, at: u64| {
        let sign = format!("v0={}", hmac_hex(secret, &format!("v0:{at}:{body}")));
        vec![("x-slack-request-timestamp", at.to_string()), ("x-slack-signature", sign)]
    };
    let (body, now) = (payload(&mark), now_secs());
    assert_eq!(scene.call("slack", &signed(&body, "guess", now), &body).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(scene.call("slack", &signed(&body, "slack-secret", now - 400), &body).await.0, StatusCode::UNAUTHORIZED);
    let forged = mark.replace(&incident, "i0-77");
    assert_ne!(forged, mark);
    let forged = payload(&forged);
    assert_eq!(scene.call("slack", &signed(&forged, "slack-secret", now), &forged).await.0, StatusCode::OK);
    assert!(scene.entries(&incident, "acknowledged").await.is_empty(), "a mark of another incident is none");
    assert_eq!(scene.call("slack", &signed(&body, "slack-secret", now), &body).await.0, StatusCode::OK);
    assert_eq!(scene.entries(&incident, "acknowledged").await, [("slack:lilei".to_owned(), "slack".to_owned())]);
    let told = scene.ends.until("/slack-back", |body| body["text"].as_str().unwrap().contains("lilei")).await;
    assert!(
        told["text"].as_str().unwrap().contains(&incident) && told["text"].as_str().unwrap().contains("认领:已完成"),
        "{told}"
    );
    assert_eq!(told["replace_original"], false);
    // Telegram: the person whom our contacts know by that id.
    let sent = scene.ends.first("/telegram").await;
    assert_eq!(sent["chat_id"], "777");
    let keyboard = sent["reply_markup"]["inline_keyboard"].as_array().unwrap();
    let data = keyboard.last().unwrap()[2]["callback_data"].as_str().unwrap();
    assert!(data.starts_with("resolve:") && data.len() <= 64, "{data}");
    let update = json!({ "update_id": 1, "callback_query": { "id": "1", "from": { "id": 777, "username": "x" }, "data": data } }).to_string();
    let secret = |text: &str| [("x-telegram-bot-api-secret-token", text.to_owned())];
    assert_eq!(scene.call("bot", &secret("guess"), &update).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(scene.call("bot", &[], &update).await.0, StatusCode::UNAUTHORIZED);
    let (status, told) = scene.call("bot", &secret("bot-secret"), &update).await;
    assert_eq!(
        (status, &told["method"], &told["callback_query_id"]),
        (StatusCode::OK, &json!("answerCallbackQuery"), &json!("1"))
    );
    assert!(told["text"].as_str().unwrap().contains("已完成"), "{told}");
    assert_eq!(scene.entries(&incident, "closed").await, [("li".to_owned(), "bot".to_owned())]);
    scene.program.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_duty_is_answered_in_every_chat() {
    let scene = Scene::set().await;
    // Telegram: in a private chat and, as a command, in a group; what people say to each other there is left alone.
    let secret = [("x-telegram-bot-api-secret-token", "bot-secret".to_owned())];
    let update = |chat: i64, text: &str| {
        json!({ "update_id": 1, "message": { "message_id": 3, "chat": { "id": chat }, "from": { "id": 777, "first_name": "Li" }, "text": text } })
            .to_string()
    };
    for (chat, text) in [(777, "谁值班"), (777, "现在谁值班？"), (-100, "/who@headwater_bot"), (-100, "/who")]
    {
        let (status, told) = scene.call("bot", &secret, &update(chat, text)).await;
        assert_eq!(
            (status, &told["method"], &told["chat_id"]),
            (StatusCode::OK, &json!("sendMessage"), &json!(chat)),
            "{text}"
        );
        assert_eq!(told["text"], "core: 李雷", "{text}");
    }
    assert_eq!(scene.call("bot", &secret, &update(-100, "谁值班")).await.1, Value::Null);
    let (_, told) = scene.call("bot", &secret, &update(777, "你好")).await;
    assert!(told["text"].as_str().unwrap().contains("认领 i0-12"), "what may be said: {told}");
    // Slack: a slash command.
    let (body, now) = ("command=%2Fheadwater&text=who&user_id=U1&user_name=lilei", now_secs());
    let sign = format!("v0={}", hmac_hex("slack-secret", &format!("v0:{now}:{body}")));
    let headers = [("x-slack-request-timestamp", now.to_string()), ("x-slack-signature", sign)];
    let (_, told) = scene.call("slack", &headers, body).await;
    assert_eq!(told, json!({ "response_type": "ephemeral", "text": "core: 李雷" }));
    // A phone.
    let ask = json!({ "mobile": "13811112222", "content": "谁值班" }).to_string();
    assert_eq!(scene.call("phone?token=phone-token", &[], &ask).await.1["message"], "core: 李雷");
    scene.program.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_of_a_list_counts_and_a_code_of_two_incidents_is_asked_back() {
    let scene = Scene::set().await;
    let answer = |content: &str| json!({ "mobile": "13811112222", "content": content });
    let right = "phone?token=phone-token";
    let key = scene.setup.data.join("acting.key");
    let seal = |key: &[u8]| Seal::of(key).unwrap();
    let code = |key: &[u8], id: &str| seal(key).code(&"default".into(), IncidentId::parse(id).unwrap(), "li");
    let (first, second) = (scene.incident("db-1").await, scene.incident("db-2").await);
    // A pushed list: both are acted on, and what is no answer harms nobody.
    let mine = std::fs::read(&key).unwrap();
    let list = json!([answer(&format!("{}认领", code(&mine, &first))), { "report": "DELIVRD" }, answer(&code(&mine, &second))]);
    assert_eq!(scene.call(right, &[], &list.to_string()).await.0, StatusCode::OK);
    for id in [&first, &second] {
        assert_eq!(scene.entries(id, "acknowledged").await, [("li".to_owned(), "phone".to_owned())], "{id}");
    }
    // A key under which both have the same code: it is said which one is meant, or nothing is done.
    let shared =
        (0u32..).map(|n| format!("{n:064}")).find(|key| code(key.as_bytes(), &first) == code(key.as_bytes(), &second));
    let shared = shared.unwrap();
    scene.program.stop();
    std::fs::write(&key, &shared).unwrap();
    let mut program = scene.setup.start(&[]);
    program.answers(&scene.client).await;
    let scene = Scene { program, ..scene };
    let code = code(shared.as_bytes(), &first);
    let say = async |text: String| {
        let (_, told) = scene.call(right, &[], &answer(&text).to_string()).await;
        told["message"].as_str().unwrap().to_owned()
    };
    let asked = say(format!("暂缓 {code}")).await;
    assert!(asked.contains(&first) && asked.contains(&second) && asked.contains("请注明"), "{asked}");
    for id in [&first, &second] {
        assert!(scene.entries(id, "snoozed").await.is_empty(), "{id}");
    }
    let done = say(format!("暂缓 {code} {second}")).await;
    assert!(done.contains("已完成"), "{done}");
    assert!(scene.entries(&first, "snoozed").await.is_empty());
    assert_eq!(scene.entries(&second, "snoozed").await.len(), 1);
    scene.program.stop();
}
