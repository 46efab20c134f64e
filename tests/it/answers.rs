//! What comes back from voice gateways, DingTalk's robots and ticket systems, each believed by its own proof: the real program.

use std::net::SocketAddr;
use std::path::Path;

use axum::http::HeaderMap;
use axum::{Json, Router};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::program::{Program, Setup, client};
use crate::receiver::Receiver;

const RULES: &str = "
people: [{ id: li, name: 李雷, contact: [{ by: [voice] }] }]
escalations: [{ id: core, levels: [{ to: [{ person: li }] }], fallback: [ding] }]
promote: [{ id: at-once, after: now }]
routes: [{ id: all, receivers: [{ oncall: core }] }]
";

fn hmac(key: &str, text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).unwrap();
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

struct Scene {
    setup: Setup,
    client: Client,
}

impl Scene {
    /// A program by this configuration, once it answers.
    async fn begin(folder: &Path, config: &Value) -> (Self, Program) {
        let setup = Setup::new(folder, &config.to_string());
        let mut program = setup.start(&[]);
        let scene = Self { setup, client: client() };
        program.answers(&scene.client).await;
        (scene, program)
    }

    async fn incident(&self, object: &str) -> String {
        let event = json!({ "id": object, "name": format!("Down {object}"), "severity": "critical", "object": { "name": object },
            "starts_at": "2026-06-01T00:00:00Z" });
        assert!(self.setup.post(&self.client, "/api/v1/events", &event).await.0 < 300);
        let q = format!("/api/v1/incidents?q={object}");
        let found = self.setup.until(&self.client, &q, "an incident", |told| told["items"][0]["id"].is_string()).await;
        found["items"][0]["id"].as_str().unwrap().to_owned()
    }

    async fn call(&self, to: &str, headers: &[(&str, String)], body: &Value) -> StatusCode {
        let mut request = self.client.post(self.setup.url(&format!("/api/v1/callbacks/{to}"))).body(body.to_string());
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        request.send().await.unwrap().status()
    }

    /// Who did what of a kind, and by which way.
    async fn entries(&self, incident: &str, kind: &str) -> Vec<(String, String)> {
        let detail = self.setup.get(&self.client, &format!("/api/v1/incidents/{incident}")).await.unwrap();
        let of_kind = detail["timeline"].as_array().unwrap().iter().filter(|entry| entry["kind"] == kind);
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        of_kind.map(|entry| (text(&entry["actor"]), text(&entry["via"]))).collect()
    }
}

/// Who said what, in its order.
fn said(told: &Value) -> Vec<(String, String)> {
    let timeline = told["timeline"].as_array().into_iter().flatten().filter(|entry| entry["kind"] == "commented");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    timeline.map(|entry| (text(&entry["actor"]), text(&entry["detail"]))).collect()
}

fn one(actor: &str, via: &str) -> Vec<(String, String)> {
    vec![(actor.to_owned(), via.to_owned())]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_of_a_call_texts_to_a_robot_and_tickets_that_are_taken_act_on_their_incident() {
    let end = Receiver::willing().await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("rules")).unwrap();
    std::fs::write(folder.path().join("rules/rules.yaml"), RULES).unwrap();
    std::fs::write(folder.path().join("contacts.yaml"), "li: { mobile: \"13811112222\" }\n").unwrap();
    let answers = json!({ "token": "call-token", "number": "/callee", "text": "/digits", "key": "/out_id" });
    let config = json!({ "rules": "rules", "contacts": "contacts.yaml", "base_url": "http://noc.example", "durability": "process",
        "receivers": [
            { "id": "voice", "kind": "gateway", "url": end.url(), "body": { "key": "{{ key }}" }, "answers": answers, "allow_private": true },
            { "id": "ding", "kind": "dingtalk", "url": format!("{}?access_token=x", end.url()), "app_secret": "ding-secret", "allow_private": true },
            { "id": "hub", "kind": "github", "server": format!("http://{}", end.address), "repository": "gov/ops", "token": "t",
              "webhook_secret": "hub-secret", "allow_private": true } ] });
    let (scene, program) = Scene::begin(folder.path(), &config).await;

    // A call: the key of the message that was read out names the incident, the number the person.
    let id = scene.incident("db-1").await;
    let press = |number: &str, digits: &str| json!({ "callee": number, "digits": digits, "out_id": format!("{id}-1-voice-opened-li") });
    assert_eq!(scene.call("voice?token=guess", &[], &press("13811112222", "1")).await, StatusCode::UNAUTHORIZED);
    scene.call("voice?token=call-token", &[], &press("13900000000", "1")).await;
    scene.call("voice?token=call-token", &[], &press("13811112222", "9")).await;
    assert!(scene.entries(&id, "acknowledged").await.is_empty(), "another number, and a key that means nothing");
    assert_eq!(scene.call("voice?token=call-token", &[], &press("13811112222", "1")).await, StatusCode::OK);
    scene.call("voice?token=call-token", &[], &press("13811112222", "2")).await;
    assert_eq!(scene.entries(&id, "acknowledged").await, one("li", "voice"));
    assert_eq!(scene.entries(&id, "snoozed").await, one("li", "voice"));

    // A text to the robot of an app.
    let id = scene.incident("db-2").await;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
    let say = |at: u128, secret: &str| {
        let sign = BASE64_STANDARD.encode(hmac(secret, &format!("{at}\n{secret}")));
        [("timestamp", at.to_string()), ("sign", sign)]
    };
    let text = json!({ "senderNick": "韩梅", "senderStaffId": "s1", "text": { "content": format!(" 认领 {id}") } });
    assert_eq!(scene.call("ding", &say(now, "other"), &text).await, StatusCode::UNAUTHORIZED);
    assert_eq!(
        scene.call("ding", &say(now - 3_600_000, "ding-secret"), &text).await,
        StatusCode::UNAUTHORIZED,
        "an hour old"
    );
    assert!(scene.entries(&id, "acknowledged").await.is_empty());
    assert_eq!(scene.call("ding", &say(now, "ding-secret"), &text).await, StatusCode::OK);
    assert_eq!(scene.entries(&id, "acknowledged").await, one("ding:韩梅", "ding"));

    // A ticket that somebody takes, and that is closed while alerts still fire.
    let id = scene.incident("db-3").await;
    let hook = |action: &str, name: &str| json!({ "action": action, "issue": { "labels": [{ "name": name }] }, "sender": { "login": "wang" } });
    let name = format!("headwater-default-{id}");
    let sign = |body: &Value, secret: &str| {
        [("x-hub-signature-256", format!("sha256={}", hex::encode(hmac(secret, &body.to_string()))))]
    };
    let taken = hook("assigned", &name);
    assert_eq!(scene.call("hub", &sign(&taken, "other"), &taken).await, StatusCode::UNAUTHORIZED);
    assert_eq!(scene.call("hub", &[], &taken).await, StatusCode::UNAUTHORIZED);
    assert!(scene.entries(&id, "acknowledged").await.is_empty());
    assert_eq!(scene.call("hub", &sign(&taken, "hub-secret"), &taken).await, StatusCode::OK);
    assert_eq!(scene.entries(&id, "acknowledged").await, one("hub:wang", "hub"));
    let done = hook("closed", &name);
    scene.call("hub", &sign(&done, "hub-secret"), &done).await;
    assert_eq!(scene.entries(&id, "commented").await, one("hub", "hub"), "the two disagree");
    assert!(scene.entries(&id, "closed").await.is_empty());
    // What they say of it stands in the timeline, once however often it is told; what we have said does not come back.
    let say = |id: u32, text: &str| {
        let (issue, comment) = (json!({ "labels": [{ "name": name }] }), json!({ "id": id, "body": text }));
        json!({ "action": "created", "issue": issue, "comment": comment, "sender": { "login": "wang" } })
    };
    let ours = format!("```text\n{name}\n【P1 紧急】故障更新：掉电\n```");
    for (id, text) in [(71, "换备件"), (71, "换备件"), (72, ours.as_str()), (73, "好了")] {
        let body = say(id, text);
        assert_eq!(scene.call("hub", &sign(&body, "hub-secret"), &body).await, StatusCode::OK);
    }
    let page = format!("/api/v1/incidents/{id}");
    let is_said = |told: &Value| said(told).iter().any(|(_, text)| text == "好了");
    let told = scene.setup.until(&scene.client, &page, "the last comment is there", is_said).await;
    let both = ["换备件", "好了"].map(|text| ("hub:wang".to_owned(), text.to_owned()));
    assert_eq!(said(&told)[1..], both, "{told}");
    let foreign = hook("closed", "headwater-default-i0-999");
    assert_eq!(scene.call("hub", &sign(&foreign, "hub-secret"), &foreign).await, StatusCode::OK, "no incident of ours");
    program.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ticket_that_is_done_reopened_and_done_again_is_heard_each_time_and_what_is_told_twice_once() {
    let end = Receiver::willing().await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("rules")).unwrap();
    let rules = "promote: [{ id: at-once, after: now }]\nroutes: [{ id: all, receivers: [hub] }]\n";
    std::fs::write(folder.path().join("rules/rules.yaml"), rules).unwrap();
    let config = json!({ "rules": "rules", "durability": "process", "receivers": [
        { "id": "hub", "kind": "github", "server": format!("http://{}", end.address), "repository": "gov/ops", "token": "t",
          "webhook_secret": "hub-secret", "allow_private": true } ] });
    let (scene, program) = Scene::begin(folder.path(), &config).await;
    let id = scene.incident("db-1").await;
    let name = format!("headwater-default-{id}");
    let hook_by = async |by: &str, action: &str, at: &str| {
        let issue = json!({ "labels": [{ "name": name }], "updated_at": at, "closed_at": if action == "closed" { Some(at) } else { None } });
        let body = json!({ "action": action, "issue": issue, "sender": { "login": by } });
        let sign = format!("sha256={}", hex::encode(hmac("hub-secret", &body.to_string())));
        assert_eq!(scene.call("hub", &[("x-hub-signature-256", sign)], &body).await, StatusCode::OK);
    };
    let hook = async |action: &str, at: &str| hook_by("wang", action, at).await;
    let order = async |word: &str| {
        let (status, told) =
            scene.setup.post(&scene.client, &format!("/api/v1/incidents/{id}/{word}"), &json!({})).await;
        assert!(status < 300, "{word}: {status} {told}");
    };
    let path = format!("/api/v1/incidents/{id}");
    let is = async |state: &str| {
        scene.setup.until(&scene.client, &path, state, |told| told["state"] == state).await;
    };
    let count = async |kind: &str| scene.entries(&id, kind).await.len();

    // Somebody takes it, it is taken back here, and somebody takes it there again.
    hook("assigned", "t1").await;
    hook("assigned", "t1").await;
    assert_eq!(count("acknowledged").await, 1);
    order("unacknowledge").await;
    let free = |told: &Value| told["acknowledged_at"].is_null();
    scene.setup.until(&scene.client, &path, "it is nobody's", free).await;
    hook("assigned", "t1").await;
    assert_eq!(count("acknowledged").await, 1, "the same deed, told again");
    hook("assigned", "t2").await;
    assert_eq!(count("acknowledged").await, 2);

    // Done while it still fires, each time.
    for (at, noted) in [("t3", 1), ("t3", 1), ("t4", 2)] {
        hook("closed", at).await;
        hook("reopened", at).await;
        assert_eq!(count("commented").await, noted, "{at}");
    }
    // Told again by somebody else's change, and when more fires: it is noted already.
    let event = |name: &str, status: &str| {
        json!({ "name": name, "severity": "critical", "status": status, "object": { "name": "db-1" },
            "starts_at": "2026-06-01T00:01:00Z" })
    };
    assert!(scene.setup.post(&scene.client, "/api/v1/events", &event("Disk", "firing")).await.0 < 300);
    scene.setup.until(&scene.client, &path, "two fire", |told| told["firing_count"] == 2).await;
    for by in ["wang", "li"] {
        hook_by(by, "closed", "t4").await;
        assert_eq!(count("commented").await, 2, "{by}");
    }
    let over = json!([event("Down db-1", "resolved"), event("Disk", "resolved")]);
    assert!(scene.setup.post(&scene.client, "/api/v1/events", &over).await.0 < 300);
    scene.setup.until(&scene.client, &path, "nothing fires", |told| told["firing_count"] == 0).await;
    hook("closed", "t5").await;
    is("closed").await;

    // Reopened here: the deed that closed it does not close it again, however often it is told; the next one does.
    order("reopen").await;
    let reopened = |told: &Value| told["state"] != "closed";
    scene.setup.until(&scene.client, &path, "it is open again", reopened).await;
    hook("closed", "t5").await;
    assert_eq!(count("closed").await, 1);
    hook("closed", "t6").await;
    is("closed").await;
    assert_eq!(count("closed").await, 2);
    program.stop();
}

/// `token_verify` of docs/itsm_bkapi/apidocs: a token of the product passes, and no other; a no is 200 with `result: false`.
async fn itsm() -> SocketAddr {
    let verify = async |headers: HeaderMap, Json(body): Json<Value>| {
        let who = headers.get("x-bkapi-authorization").and_then(|who| serde_json::from_slice(who.as_bytes()).ok());
        let who: Value = who.unwrap_or_default();
        if who["bk_app_code"] != "hw" || who["bk_app_secret"] != "app-secret" {
            return Json(
                json!({ "result": false, "code": 1_640_001, "message": "app code or secret is wrong", "data": null }),
            );
        }
        let passed = body == json!({ "token": "PF14MnqZcrqqN7tc4mKDtw==" });
        Json(json!({ "result": true, "code": 0, "message": "success", "data": { "is_passed": passed } }))
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = Router::new().route("/v2/itsm/token/verify/", axum::routing::post(verify));
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_callback_of_itsm_is_believed_by_the_products_word_and_thanked_as_it_wants() {
    let at = itsm().await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("rules")).unwrap();
    let rules = "promote: [{ id: at-once, after: now }]\nroutes: [{ id: all, receivers: [desk] }]\nsettings: { closing: { needs: [cause] } }\n";
    std::fs::write(folder.path().join("rules/rules.yaml"), rules).unwrap();
    let config = json!({ "rules": "rules", "durability": "process", "receivers": [
        { "id": "desk", "kind": "bk_itsm", "server": format!("http://{at}/v2/itsm"), "app_code": "hw", "app_secret": "app-secret",
          "service_id": 17, "creator": "admin", "webhook_secret": "own", "allow_private": true } ] });
    let (scene, program) = Scene::begin(folder.path(), &config).await;
    let id = scene.incident("db-1").await;
    let event = json!({ "id": "db-1-ok", "name": "Down db-1", "severity": "critical", "status": "resolved", "object": { "name": "db-1" },
        "starts_at": "2026-06-01T00:01:00Z" });
    assert!(scene.setup.post(&scene.client, "/api/v1/events", &event).await.0 < 300);
    let path = format!("/api/v1/incidents/{id}");
    scene.setup.until(&scene.client, &path, "nothing fires", |told| told["firing_count"] == 0).await;
    let told = |name: &str, token: Option<&str>| {
        let mut body = json!({ "title": format!("掉电 [{name}]"), "current_status": "TERMINATED", "sn": "NO2026060100000001",
            "ticket_url": "https://itsm.example/1", "update_at": "2026-06-01 08:00:00", "updated_by": "wang", "approve_result": true });
        if let Some(token) = token {
            body["token"] = token.into();
        }
        body
    };
    let name = format!("headwater-default-{id}");
    for token in [None, Some(""), Some("forged")] {
        assert_eq!(scene.call("desk?token=own", &[], &told(&name, token)).await, StatusCode::UNAUTHORIZED, "{token:?}");
    }
    let proven = told(&name, Some("PF14MnqZcrqqN7tc4mKDtw=="));
    assert_eq!(scene.call("desk?token=other", &[], &proven).await, StatusCode::UNAUTHORIZED);
    assert!(scene.entries(&id, "commented").await.is_empty());
    // Whatever the callback is about: without a code of 0 the product takes it for lost.
    for body in
        [&proven, &told("headwater-default-i0-999", Some("PF14MnqZcrqqN7tc4mKDtw==")), &json!({ "title": "other" })]
    {
        let sent = scene.client.post(scene.setup.url("/api/v1/callbacks/desk?token=own")).body(body.to_string());
        let answer = sent.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.json::<Value>().await.unwrap()["code"], 0, "{body}");
    }
    // The rules ask for a cause, and a ticket says none: the incident stays open, and its timeline says why.
    let seen = scene
        .setup
        .until(&scene.client, &path, "it is noted", |told| {
            told["timeline"].as_array().is_some_and(|all| all.iter().any(|entry| entry["kind"] == "commented"))
        })
        .await;
    let comment = seen["timeline"].as_array().unwrap().iter().find(|entry| entry["kind"] == "commented").unwrap();
    assert!(comment["detail"].as_str().unwrap().contains("`cause` is missing"), "{comment}");
    assert_eq!((&comment["actor"], &comment["via"]), (&json!("desk"), &json!("desk")));
    assert_ne!(seen["state"], "closed");
    // Somebody else's change of the same ticket tells it once more.
    let mut again = proven.clone();
    again["updated_by"] = "li".into();
    assert_eq!(scene.call("desk?token=own", &[], &again).await, StatusCode::OK);
    assert_eq!(scene.entries(&id, "commented").await.len(), 1);
    program.stop();
}
