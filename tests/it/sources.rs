//! The registry of sources on the running program: listed, switched off, limited, missed when silent; bodies that are signed; trying a
//! payload before its source is connected; heartbeats by `curl`.

#![expect(clippy::unwrap_used, reason = "in tests a panic is the message")]

use std::process::Command;
use std::time::Instant;

use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::Client;
use serde_json::{Value, json};
use sha2::Sha256;

use crate::alertmanager::tool;
use crate::program::{Program, Setup, client, token};
use crate::storms::project;

async fn start(folder: &std::path::Path) -> (Setup, Program, Client) {
    let setup = Setup::new(folder, "{}");
    let client = client();
    let mut program = setup.start(&[]);
    program.answers(&client).await;
    (setup, program, client)
}

/// Posts with a token; status and answer.
async fn post(setup: &Setup, client: &Client, token: &str, path: &str, body: &Value) -> (u16, Value) {
    let answer = client.post(setup.url(path)).bearer_auth(token).json(body).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap_or_default())
}

async fn put(setup: &Setup, client: &Client, path: &str, body: &Value) -> u16 {
    client.put(setup.url(path)).bearer_auth(&setup.token).json(body).send().await.unwrap().status().as_u16()
}

fn event(name: &str) -> Value {
    json!({"name": name, "severity": "major", "object": {"name": "x"}, "starts_at": "2026-01-05T00:00:00Z"})
}

#[tokio::test]
async fn a_source_is_listed_as_soon_as_it_sends_and_can_be_switched_off_and_limited() {
    let folder = tempfile::tempdir().unwrap();
    let (setup, program, client) = start(folder.path()).await;
    let (bms, viewer) = (token(&setup.data, "source", "bms"), token(&setup.data, "viewer", "lou"));
    let send = async |body: &Value| post(&setup, &client, &bms, "/api/v1/events", body).await;
    assert_eq!(
        send(&json!([event("A"), event("B"), {"name": "no object", "starts_at": "2026-01-05T00:00:00Z"}])).await.0,
        202
    );
    let list = async || setup.get(&client, "/api/v1/sources").await.unwrap()["items"].clone();
    let item = list().await[0].clone();
    let numbers = ["events", "rejected", "deliveries"].map(|key| item[key].as_u64().unwrap());
    assert_eq!(
        (item["id"].as_str(), numbers, item["registered"].as_bool()),
        (Some("bms"), [2, 1, 1], Some(false)),
        "{item}"
    );
    assert!(item["last_rejection"]["detail"].as_str().unwrap().contains("object has no key"), "{item}");
    let told = setup.get(&client, "/api/v1/sources/bms/payloads").await.unwrap();
    assert!(told["items"][0]["body"].as_str().unwrap().contains("\"B\""), "{told}");

    let decided =
        |enabled: bool, rate: Value| json!({"kind": "building", "owner": "李工", "enabled": enabled, "rate": rate});
    assert_eq!(put(&setup, &client, "/api/v1/sources/bms", &decided(false, json!({}))).await, 204);
    let (status, answer) = send(&json!([event("C")])).await;
    assert_eq!((status, answer["code"].as_str()), (403, Some("switched_off")), "{answer}");
    assert_eq!(
        put(&setup, &client, "/api/v1/sources/bms", &decided(true, json!({"requests_per_second": 1}))).await,
        204
    );
    let began = Instant::now();
    while send(&json!([event("C")])).await.0 != 429 {
        assert!(began.elapsed().as_secs() < 30, "nothing slows it down");
    }
    assert_eq!(list().await[0]["owner"], "李工");
    assert_eq!(put(&setup, &client, "/api/v1/sources/bms", &json!({"rate": {"preset": "fast"}})).await, 422);
    assert_eq!(
        put(&setup, &client, "/api/v1/sources/bms", &json!({"enbled": true})).await,
        400,
        "a misspelt field is told"
    );
    let by_viewer =
        client.put(setup.url("/api/v1/sources/bms")).bearer_auth(&viewer).json(&json!({})).send().await.unwrap();
    assert_eq!(by_viewer.status(), 403);
    let path = setup.data.join("sources.json");
    assert!(std::fs::read_to_string(&path).unwrap().contains("李工"));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
    program.stop();
    let mut again = setup.start(&[]);
    again.answers(&client).await;
    assert_eq!(list().await[0]["kind"], "building", "what was decided survives a restart");
    again.stop();
}

#[tokio::test]
async fn a_source_that_falls_silent_is_an_alert_until_it_is_heard_of_again() {
    let Some(curl) = tool("curl") else { return };
    let folder = tempfile::tempdir().unwrap();
    let (setup, program, client) = start(folder.path()).await;
    let job = token(&setup.data, "source", "nightly-backup");
    let wanted = json!({"owner": "DBA", "expected": {"every_secs": 5}});
    assert_eq!(put(&setup, &client, "/api/v1/sources/nightly-backup", &wanted).await, 204);
    let beat = |path: &str| {
        let url = setup.url(&format!("/api/v1/heartbeats/nightly-backup{path}?token={job}"));
        let done = Command::new(&curl).args(["-fsS", "--retry", "3", &url]).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    };
    beat("");
    let state = |name: &'static str, wanted: &'static str| {
        move |told: &Value| {
            told["items"].as_array().is_some_and(|items| {
                items
                    .iter()
                    .any(|one| one["name"] == name && one["state"] == wanted && one["object"] == "nightly-backup")
            })
        }
    };
    let silent =
        setup.until(&client, "/api/v1/alerts", "its silence is an alert", state("source-silent", "firing")).await;
    let alert = silent["items"].as_array().unwrap().iter().find(|one| one["name"] == "source-silent").unwrap();
    assert_eq!((&alert["severity"], &alert["source"]), (&json!("major"), &json!("headwater")));
    let listed = setup.get(&client, "/api/v1/sources").await.unwrap();
    assert_eq!(listed["items"][0]["silent"], true, "{listed}");
    beat("");
    setup.until(&client, "/api/v1/alerts", "it is heard of again", state("source-silent", "resolved")).await;
    // A job that says that it has failed, and then that it has not.
    beat("/fail");
    setup.until(&client, "/api/v1/alerts", "it has failed", state("heartbeat-failed", "firing")).await;
    beat("");
    setup.until(&client, "/api/v1/alerts", "it has not failed", state("heartbeat-failed", "resolved")).await;
    let other = token(&setup.data, "source", "other");
    let foreign = client.get(setup.url("/api/v1/heartbeats/nightly-backup")).bearer_auth(&other).send().await.unwrap();
    assert_eq!(foreign.status(), 404, "another source cannot speak for it");
    program.stop();
}

#[tokio::test]
async fn what_is_signed_needs_no_token_and_is_taken_once() {
    let folder = tempfile::tempdir().unwrap();
    let (setup, program, client) = start(folder.path()).await;
    let secret = "0123456789abcdef0123456789abcdef";
    assert_eq!(put(&setup, &client, "/api/v1/sources/forge", &json!({"secret": "short"})).await, 422);
    assert_eq!(put(&setup, &client, "/api/v1/sources/forge", &json!({"secret": secret})).await, 204);
    let listed = setup.get(&client, "/api/v1/sources").await.unwrap().to_string();
    assert!(listed.contains("\"has_secret\":true") && !listed.contains(secret), "{listed}");
    let seal = |parts: &[&[u8]]| {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        parts.iter().for_each(|part| mac.update(part));
        mac.finalize().into_bytes()
    };
    let send = async |headers: &[(&str, String)], body: &str| {
        let mut request =
            client.post(setup.url("/api/v1/sources/forge/ingest/github")).header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let answer = request.body(body.to_owned()).send().await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap_or_default())
    };
    let body = std::fs::read_to_string(project().join("tests/golden/decode/github/firing.json")).unwrap();
    let hub = ("x-hub-signature-256", format!("sha256={}", hex::encode(seal(&[body.as_bytes()]))));
    assert_eq!(send(std::slice::from_ref(&hub), &body).await.1["accepted"], 1);
    assert_eq!(send(&[hub], &format!("{body} ")).await.0, 401, "another body");
    assert_eq!(send(&[], &body).await.0, 401);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let signed = |id: &str, secs: u64| {
        use base64::Engine as _;
        let time = secs.to_string();
        let seal = seal(&[id.as_bytes(), b".", time.as_bytes(), b".", body.as_bytes()]);
        let signature = format!("v1,{}", base64::engine::general_purpose::STANDARD.encode(seal));
        [("webhook-id", id.to_owned()), ("webhook-timestamp", time), ("webhook-signature", signature)]
    };
    assert_eq!(send(&signed("m1", now), &body).await.1["accepted"], 1);
    let (status, answer) = send(&signed("m1", now), &body).await;
    assert_eq!((status, &answer["repeated"], &answer["accepted"]), (202, &json!(true), &json!(0)), "taken once");
    assert_eq!(send(&signed("m2", now - 600), &body).await.1["code"], "bad_signature", "too old");
    assert_eq!(setup.all_decided(&client, 2).await["accepted"], 2);
    program.stop();
}

#[tokio::test]
async fn a_payload_is_tried_before_its_source_is_connected() {
    let folder = tempfile::tempdir().unwrap();
    let (setup, program, client) = start(folder.path()).await;
    let sample = json!({"alarm_id": "77", "alarm_name": "油温过高", "level": "一级", "hostname": "zb-1", "time": "2026-01-05 08:00:03"}).to_string();
    let ask = async |path: &str, body: Value| setup.post(&client, path, &body).await;
    let (status, told) = ask("/api/v1/sources/sketch", json!({"payload": sample, "name": "scada"})).await;
    assert_eq!(status, 200, "{told}");
    let yaml = told["mapping"].as_str().unwrap().replace("\"一级\": major", "\"一级\": critical");
    let (status, told) =
        ask("/api/v1/sources/preview", json!({"payload": sample, "mapping": yaml, "source": "scada"})).await;
    assert_eq!(status, 200, "{told}");
    let first = &told["events"][0];
    assert_eq!(
        (&first["event"]["name"], &first["event"]["severity"], &first["event"]["source"]),
        (&json!("油温过高"), &json!("critical"), &json!("scada"))
    );
    assert!(first["verdict"].is_string() && first["text"]["zh"].is_string(), "{first}");
    let (_, told) = ask(
        "/api/v1/sources/preview",
        json!({"payload": "a=1&alertState=OK", "format": "aliyun-cms", "shape": "form"}),
    )
    .await;
    assert_eq!(told["rejected"][0]["reason"], "malformed", "{told}");
    let (status, told) =
        ask("/api/v1/sources/preview", json!({"payload": sample, "mapping": "mapping: x\nevent: { nme: a }"})).await;
    assert!(status == 422 && told.to_string().contains("mapping:2:"), "{told}");
    let (status, _) = ask("/api/v1/sources/preview", json!({"payload": "<xml/>", "format": "zabbix"})).await;
    assert_eq!(status, 422);
    assert_eq!(setup.get(&client, "/api/v1/conservation").await.unwrap()["accepted"], 0, "nothing is kept");
    program.stop();
}

/// A new source by a mapping file alone: sketched, tested, put in place, used. The steps are timed.
#[tokio::test]
async fn a_new_source_is_sketched_tested_and_taken_without_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let mappings = folder.path().join("mappings");
    std::fs::create_dir(&mappings).unwrap();
    let setup = Setup::new(folder.path(), "mappings: mappings\n");
    let client = client();
    let mut program = setup.start(&[]);
    program.answers(&client).await;
    let scada = token(&setup.data, "source", "scada");
    let body = |state: &str| {
        json!({"alarms": [{"alarm_id": "77", "alarm_name": "油温过高", "level": "一级", "state": state, "hostname": "zb-1",
        "occur_time": "2026-01-05 08:00:03"}]})
    };
    let (firing, over) = (folder.path().join("firing.json"), folder.path().join("over.json"));
    std::fs::write(&firing, body("告警").to_string()).unwrap();
    std::fs::write(&over, body("复归").to_string()).unwrap();
    let run = |arguments: &[&str]| {
        let done = Command::new(env!("CARGO_BIN_EXE_headwater")).arg("source").args(arguments).output().unwrap();
        (done.status.success(), String::from_utf8(done.stdout).unwrap() + &String::from_utf8(done.stderr).unwrap())
    };
    let began = Instant::now();
    let (good, sketch) = run(&["sketch", &firing.display().to_string(), "--name", "scada"]);
    assert!(good, "{sketch}");
    // What a person does: the words of the source, and how its end is told.
    let mapping = sketch
        .replace("\"一级\": major", "\"一级\": critical, \"二级\": major")
        .replace("\"告警\": firing", "\"告警\": firing, \"复归\": resolved");
    let path = mappings.join("scada.yaml");
    let draft = folder.path().join("draft.yaml");
    std::fs::write(&draft, &mapping).unwrap();
    let (good, told) = run(&[
        "test",
        &firing.display().to_string(),
        &over.display().to_string(),
        "--mapping",
        &draft.display().to_string(),
    ]);
    assert!(
        good && told.contains("firing critical \"油温过高\" on \"zb-1\"") && told.contains("resolved critical"),
        "{told}"
    );
    assert!(!told.contains("an end finds no alert"), "{told}");
    let (good, told) = run(&["test", &firing.display().to_string(), "--mapping", "zabbix"]);
    assert!(!good && told.contains("rejected 0"), "{told}");
    std::fs::rename(&draft, &path).unwrap();
    while post(&setup, &client, &scada, "/api/v1/ingest/scada", &body("告警")).await.0 != 202 {
        assert!(began.elapsed().as_secs() < 60, "the mapping is not taken\n{}", setup.log());
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let fires = |told: &Value| told["items"][0]["state"] == "firing" && told["items"][0]["name"] == "油温过高";
    setup.until(&client, "/api/v1/alerts", "the first alert of the new source", fires).await;
    let took = began.elapsed();
    eprintln!("from a sample to its first alert: {took:?}, the person's thinking aside");
    assert_eq!(post(&setup, &client, &scada, "/api/v1/ingest/scada", &body("复归")).await.0, 202);
    let over =
        |told: &Value| told["items"].as_array().is_some_and(|items| items.iter().all(|one| one["state"] == "resolved"));
    setup.until(&client, "/api/v1/alerts", "its end", over).await;
    program.stop();
}

/// Through the real door, to the end, and back with what became of it.
#[tokio::test]
async fn a_test_goes_the_whole_way_and_nothing_comes_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let setup = Setup::new(folder.path(), "{}");
    let client = client();
    let mut program = setup.start(&[]);
    program.answers(&client).await;
    let at = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(at("zabbix.token"), token(&setup.data, "source", "zabbix-east")).unwrap();
    std::fs::write(at("reader.token"), &setup.token).unwrap();
    let sample = std::fs::read_to_string("tests/golden/decode/zabbix/firing.json").unwrap();
    std::fs::write(at("firing.json"), sample.replace(r#""nseverity": "4""#, r#""nseverity": "5""#)).unwrap();
    let arguments = [
        "source",
        "test",
        &at("firing.json"),
        "--mapping",
        "zabbix",
        "--send",
        "--source-token-file",
        &at("zabbix.token"),
        "--server",
        &setup.url(""),
        "--token-file",
        &at("reader.token"),
        "--lang",
        "en",
    ]
    .map(str::to_owned);
    let told = tokio::task::spawn_blocking(move || {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        crate::cli::headwater(&arguments)
    })
    .await
    .unwrap();
    told.does(&["zabbix-east", "held: a test; nothing comes of it", "1 of 1 events came through", "opened"]);
    for list in ["/api/v1/alerts", "/api/v1/incidents"] {
        assert_eq!(setup.get(&client, list).await.unwrap()["items"], json!([]), "{list}");
    }
    let events = setup.get(&client, "/api/v1/events?reason=test").await.unwrap();
    assert_eq!(events["items"][0]["source"], "zabbix-east", "{events}");
    // The same words and the same id, now in earnest.
    let zabbix = std::fs::read_to_string(at("zabbix.token")).unwrap();
    let request =
        client.post(setup.url("/api/v1/ingest/zabbix")).bearer_auth(zabbix).header("content-type", "application/json");
    assert_eq!(request.body(std::fs::read(at("firing.json")).unwrap()).send().await.unwrap().status(), 202);
    let opened = |told: &Value| told["items"].as_array().is_some_and(|items| items.len() == 1);
    setup.until(&client, "/api/v1/incidents", "what is no test opens an incident", opened).await;
    program.stop();
}
