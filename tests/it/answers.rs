//! What comes back from voice gateways, DingTalk's robots and ticket systems, each believed by its own proof: the real program.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::program::{Setup, client};
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
    let setup = Setup::new(folder.path(), &config.to_string());
    let mut program = setup.start(&[]);
    let scene = Scene { setup, client: client() };
    program.answers(&scene.client).await;

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
    assert_eq!(scene.entries(&id, "commented").await, one("hub:wang", "hub"), "the two disagree");
    assert!(scene.entries(&id, "closed").await.is_empty());
    let foreign = hook("closed", "headwater-default-i0-999");
    assert_eq!(scene.call("hub", &sign(&foreign, "hub-secret"), &foreign).await, StatusCode::OK, "no incident of ours");
    program.stop();
}
