//! How people are reached: ways with masked addresses, a test page to oneself, and addresses that are shown to be one's own before
//! they are used for pages.

use serde_json::{Value, json};

use crate::acting::Ends;
use crate::program::{Program, Setup, client, token};

const RULES: &str = "
people: [{ id: li, name: 李雷, contact: [{ by: [sms] }] }, { id: han, name: 韩梅, contact: [{ by: [sms] }] }]
rosters: [{ id: duty, layers: [{ people: [li], starts: \"2026-01-05 09:00\" }] }]
escalations: [{ id: core, levels: [{ to: [{ person: li }] }], fallback: [sms-all] }]
promote: [{ id: at-once, after: now }]
routes: [{ id: all, receivers: [{ oncall: core }] }]
";

struct Scene {
    setup: Setup,
    client: reqwest::Client,
    ends: Ends,
    folder: tempfile::TempDir,
    _program: Program,
}

impl Scene {
    async fn set(ways: &str, more: &str) -> Self {
        let (ends, at) = Ends::listen().await;
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("rules")).unwrap();
        std::fs::write(folder.path().join("rules/rules.yaml"), RULES.replacen("[{ by: [sms] }]", ways, 1)).unwrap();
        std::fs::write(folder.path().join("contacts.yaml"), "li: { mobile: \"13811112222\" }\n").unwrap();
        let sms = |id: &str, to: &str| {
            format!(
                "  - {{ id: {id}, kind: gateway, url: \"http://{at}/{id}/\", body: {{ to: \"{{{{ to[0] }}}}\", text: \"{{{{ text }}}}\" }}{to}, answer: {{ pointer: /code, accepted: [0], id: /id }}, allow_private: true }}\n"
            )
        };
        let config = format!(
            "rules: rules\ncontacts: contacts.yaml\nbase_url: https://noc.example\ndurability: process\n{more}receivers:\n{}{}  - {{ id: room, url: \"http://{at}/room\", secret: {}, allow_private: true }}\n",
            sms("sms", ""),
            sms("sms-all", ", to: \"13900000000\""),
            crate::receiver::SECRET
        );
        let setup = Setup::new(folder.path(), &config);
        let (mut program, client) = (setup.start(&[]), client());
        program.answers(&client).await;
        Self { setup, client, ends, folder, _program: program }
    }

    async fn as_(&self, token: &str, method: reqwest::Method, path: &str, body: &Value) -> (u16, Value) {
        let request = self.client.request(method.clone(), self.setup.url(path)).bearer_auth(token);
        let request = if method == reqwest::Method::GET { request } else { request.json(body) };
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap_or_default())
    }

    /// The log says that the way was passed over, without an attempt, and the receiver is well.
    async fn passed_over(&self) {
        let path = "/api/v1/notices?person=li&receiver=sms&outcome=unverified";
        // A policy that tells the level again does so by the same way.
        let first = |told: &Value| {
            let all = told["items"].as_array().into_iter().flatten();
            all.filter(|one| one["kind"] == "opened").cloned().collect::<Vec<Value>>()
        };
        let log = self.setup.until(&self.client, path, "it is passed over", |told| !first(told).is_empty()).await;
        let line = &first(&log)[0];
        assert_eq!((&line["attempts"], &line["address"], &line["why"]), (&json!(0), &json!("138***22"), &Value::Null));
        let receivers = self.setup.get(&self.client, "/api/v1/receivers").await.unwrap();
        let sms = receivers["items"].as_array().unwrap().iter().find(|one| one["id"] == "sms").unwrap();
        let trouble = (&sms["failed"], &sms["given_up"], &sms["last_failure"]);
        assert_eq!(trouble, (&json!(0), &json!(0), &Value::Null), "{receivers}");
        let undelivered = self.setup.get(&self.client, "/api/v1/notices/undelivered").await.unwrap();
        assert_eq!(undelivered["items"], json!([]));
    }

    /// The code in the newest message.
    async fn code(&self, n: usize) -> String {
        let told = self.ends.nth("/sms/", n, |body| body["text"].as_str().unwrap_or_default().contains("验证码")).await;
        let digits: String = told["text"].as_str().unwrap().split("验证码 ").nth(1).unwrap().chars().take(6).collect();
        assert!(digits.chars().all(|digit| digit.is_ascii_digit()), "{told}");
        digits
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_test_page_goes_by_each_way_and_says_how_each_one_did() {
    let scene = Scene::set("[{ by: [sms, room] }, { by: [mailbox], after: 30m }]", "").await;
    let li = token(&scene.setup.data, "operator", "li");
    let (get, post) = (reqwest::Method::GET, reqwest::Method::POST);
    let (status, ways) = scene.as_(&li, get.clone(), "/api/v1/oncall/people/me", &Value::Null).await;
    assert_eq!(status, 200, "{ways}");
    let told: Vec<(&str, Option<&str>)> = (ways["items"].as_array().unwrap().iter())
        .map(|one| (one["receiver"].as_str().unwrap(), one["address"].as_str()))
        .collect();
    assert_eq!(told, [("sms", Some("138***22")), ("room", None), ("mailbox", None)]);
    let (status, tested) = scene.as_(&li, post.clone(), "/api/v1/oncall/people/me/test", &json!({})).await;
    assert_eq!(status, 200, "{tested}");
    let ends: Vec<(bool, &str)> = (tested["items"].as_array().unwrap().iter())
        .map(|one| (one["taken"].as_bool().unwrap(), one["said"].as_str().unwrap_or_default()))
        .collect();
    assert_eq!(ends[0], (true, "sms-77"));
    assert!(!ends[1].0 && !ends[2].0 && ends[1].1.contains("没有此渠道的联系方式"), "{tested}");
    let sent = scene.ends.first("/sms/").await;
    let text = sent["text"].as_str().unwrap();
    assert!(
        text.starts_with("测试消息，无需处理；") && text.ends_with("Headwater noc.example") && !text.contains("i0-"),
        "{text}"
    );
    assert_eq!(sent["to"], "13811112222");
    // Of others an operator sees and orders nothing; the audit has who did it.
    assert_eq!(scene.as_(&li, get.clone(), "/api/v1/oncall/people/han", &Value::Null).await.0, 403);
    assert_eq!(scene.as_(&li, post.clone(), "/api/v1/oncall/people/han/test", &json!({})).await.0, 403);
    let (status, none) = scene.as_(&scene.setup.token, get, "/api/v1/oncall/people/me", &Value::Null).await;
    assert_eq!((status, &none["items"]), (200, &json!([])), "who signs in is none of the people");
    let audit = |told: &Value| {
        told["items"].as_array().unwrap().iter().any(|one| one["action"] == "test_page" && one["actor"] == "li")
    };
    scene.setup.until(&scene.client, "/api/v1/audit?limit=50", "the audit has it", audit).await;
    // Messages cost: five in ten minutes.
    for _ in 0..4 {
        assert_eq!(
            scene.as_(&li, post.clone(), "/api/v1/oncall/people/me/test", &json!({ "receiver": "sms" })).await.0,
            200
        );
    }
    assert_eq!(scene.as_(&li, post, "/api/v1/oncall/people/me/test", &json!({ "receiver": "sms" })).await.0, 429);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_is_used_for_pages_once_it_was_shown_to_be_the_persons() {
    let scene = Scene::set("[{ by: [sms] }]", "verify_contacts: { required: true, unless: critical }\n").await;
    let li = token(&scene.setup.data, "operator", "li");
    let post = reqwest::Method::POST;
    let event = |n: u32, severity: &str| json!({ "id": n.to_string(), "name": format!("Down {n}"), "severity": severity, "object": { "name": format!("db-{n}") }, "starts_at": "2026-06-01T00:00:00Z" });
    // Not shown yet: nothing is tried, and the next one in the ladder is told; what is critical is sent all the same.
    assert!(scene.setup.post(&scene.client, "/api/v1/events", &event(1, "major")).await.0 < 300);
    scene.ends.until("/sms-all/", |body| body["text"].as_str().unwrap().contains("db-1")).await;
    scene.passed_over().await;
    assert!(scene.setup.post(&scene.client, "/api/v1/events", &event(2, "critical")).await.0 < 300);
    scene.ends.until("/sms/", |body| body["text"].as_str().unwrap().contains("db-2")).await;
    // A code comes to the address; a wrong one shows nothing.
    let own = "/api/v1/oncall/people/me";
    let (status, sent) =
        scene.as_(&li, post.clone(), &format!("{own}/test"), &json!({ "receiver": "sms", "code": true })).await;
    assert!(status == 200 && sent["items"][0]["taken"] == true, "{sent}");
    let code = scene.code(0).await;
    let wrong = if code == "000000" { "000001" } else { "000000" };
    let verify = format!("{own}/verify");
    assert_eq!(scene.as_(&li, post.clone(), &verify, &json!({ "receiver": "sms", "code": wrong })).await.0, 400);
    let (status, taken) = scene.as_(&li, post.clone(), &verify, &json!({ "receiver": "sms", "code": code })).await;
    assert_eq!(status, 202, "{taken}");
    let shown = |told: &Value| told["items"][0]["verified_at"].is_string();
    scene.setup.until(&scene.client, "/api/v1/oncall/people/li", "it is shown", shown).await;
    assert!(scene.setup.post(&scene.client, "/api/v1/events", &event(3, "major")).await.0 < 300);
    scene.ends.until("/sms/", |body| body["text"].as_str().unwrap().contains("db-3")).await;
    // The log of deliveries has where it went, masked, and what the gateway calls it.
    let log = scene.setup.until(
        &scene.client,
        "/api/v1/notices?person=li&outcome=accepted&receiver=sms",
        "it is told",
        |told| told["items"][0]["address"].is_string(),
    );
    let log = log.await;
    assert_eq!((&log["items"][0]["address"], &log["items"][0]["said"]), (&json!("138***22"), &json!("sms-77")));
    // Another address is shown anew.
    std::fs::write(scene.folder.path().join("contacts.yaml"), "li: { mobile: \"13811113333\" }\n").unwrap();
    let later = std::time::SystemTime::now() + std::time::Duration::from_secs(5);
    std::fs::File::open(scene.folder.path().join("contacts.yaml")).unwrap().set_modified(later).unwrap();
    let gone = |told: &Value| told["items"][0]["address"] == "138***33" && told["items"][0]["verified_at"].is_null();
    scene.setup.until(&scene.client, "/api/v1/oncall/people/li", "it is another one", gone).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_way_whose_address_is_not_verified_is_passed_over_and_the_next_one_is_used_at_once() {
    let ways = "[{ by: [sms] }, { by: [room], after: 30m }]";
    let scene = Scene::set(ways, "verify_contacts: { required: true }\n").await;
    let event = json!({ "id": "1", "name": "Down", "severity": "critical", "object": { "name": "db-1" }, "starts_at": "2026-06-01T00:00:00Z" });
    assert!(scene.setup.post(&scene.client, "/api/v1/events", &event).await.0 < 300);
    let told = scene.ends.first("/room").await;
    scene.passed_over().await;
    let path = format!("/api/v1/incidents/{}", told["data"]["incident"]["id"].as_str().unwrap());
    let failed =
        |told: &Value| told["timeline"].as_array().unwrap().iter().filter(|one| one["kind"] == "notify_failed").count();
    let seen = scene.setup.until(&scene.client, &path, "the timeline says it", |told| failed(told) > 0).await;
    assert_eq!(failed(&seen), 1, "{seen}");
    assert!(seen["timeline"].to_string().contains("sms/li unverified"), "{seen}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_calendar_is_read_by_its_secret_address_until_that_is_revoked() {
    let scene = Scene::set("[{ by: [sms] }]", "").await;
    let path = "/api/v1/oncall/rosters/duty/calendar";
    let own = async || {
        let link = scene.setup.get(&scene.client, path).await.unwrap();
        link["url"].as_str().unwrap().strip_prefix("https://noc.example").unwrap().to_owned()
    };
    let first = own().await;
    let read = async |path: &str| {
        let answer = scene.client.get(scene.setup.url(path)).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let (status, text) = read(&first).await;
    assert!(status == 200 && text.starts_with("BEGIN:VCALENDAR") && text.contains("李雷"), "{status} {text}");
    // One that was changed is none.
    let mut forged = first.clone();
    forged.replace_range(first.len() - 1.., if first.ends_with('A') { "B" } else { "A" });
    assert_eq!(read(&forged).await.0, 404);
    let answer = scene.client.delete(scene.setup.url(path)).bearer_auth(&scene.setup.token).send().await.unwrap();
    assert_eq!(answer.status(), 202);
    let since = std::time::Instant::now();
    while read(&first).await.0 == 200 {
        assert!(since.elapsed() < std::time::Duration::from_secs(30), "it is still read");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let second = own().await;
    assert_ne!(first, second);
    assert_eq!(read(&second).await.0, 200);
}
