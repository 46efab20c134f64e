//! Events in and incidents out over NATS, with the real program and the official Python client.

use std::collections::BTreeMap;
use std::process::{Command, Output};
use std::time::Instant;

use headwater::nats::connect::Nats;
use serde_json::{Value, json};

use super::server::{PATIENCE, Program, Server, free_port, settings};
use crate::served::{Request, Served};
use crate::storms::project;

/// A program whose one door more is NATS.
pub fn served(url: &str, folder: &std::path::Path) -> (Served, String) {
    let file = folder.join("headwater.yaml");
    std::fs::write(&file, format!("nats:\n  urls: [{url}]\n")).unwrap();
    let (served, token) = Served::start(&["--config", file.to_str().unwrap()]);
    (served, token)
}

/// Runs a Python program with the official client; `None` when it is not installed and need not be.
fn python(program: &str, server: &Server, token: &str) -> Option<Output> {
    let python = project().join("target/test-venv/bin/python");
    if !python.exists() {
        assert!(std::env::var_os("HEADWATER_ALL_TOOLS").is_none(), "{}: not there", python.display());
        eprintln!("SKIPPED: target/test-venv has no python with nats-py; tests/run.sh makes it");
        return None;
    }
    Some(
        Command::new(python)
            .args(["-c", program])
            .env("NATS_URL", server.url())
            .env("HEADWATER_TOKEN", token)
            .output()
            .unwrap(),
    )
}

/// The Python program in the guide for integrators.
fn guide() -> String {
    let text = std::fs::read_to_string(project().join("docs/integrators.md")).unwrap();
    text.split("```python\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap().to_owned()
}

pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "waited in vain: {what}");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

pub fn get(served: &Served, token: &str, path: &str) -> Value {
    let answer = served.send(&Request::get(path, token));
    assert_eq!(answer.status, 200, "{}", answer.text());
    serde_json::from_slice(&answer.body).unwrap()
}

/// Waits until so many events are accepted, and all of them decided; returns the account.
pub fn all_decided(served: &Served, token: &str, accepted: u64) -> Value {
    until("everything is decided", || {
        let account = get(served, token, "/api/v1/conservation");
        (account["accepted"].as_u64() >= Some(accepted) && account["pending"] == 0).then_some(account)
    })
}

fn follows_the_guide(program: Program) {
    let Some(path) = program.path() else { return };
    let server = Server::start(&path, "one.conf".as_ref());
    let folder = tempfile::tempdir().unwrap();
    let (served, token) = served(&server.url(), folder.path());
    until("NATS is in use", || served.said().iter().any(|line| line.contains("NATS is in use")).then_some(()));
    let Some(output) = python(&guide(), &server, &token) else { return };
    let (out, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}\n{error}");
    assert!(out.contains("headwater.incident.opened.v1") && out.contains("DatabaseDown"), "{out}");
    assert!(out.contains("dead letter: ") && out.contains("nonsense"), "{out}");
    assert!(out.contains("acknowledged: ") && out.contains("seq"), "{out}");
    // Two of one event, two packed, two CloudEvents, a change; and a dead letter.
    let account = served.conservation(&token, 8);
    assert_eq!((&account["accepted"], &account["pending"]), (&json!(8), &json!(0)), "{account}");
    assert_eq!((&account["duplicate"], &account["dead_lettered"]["malformed"]), (&json!(1), &json!(1)), "{account}");
    let letters = get(&served, &token, "/api/v1/dead-letters");
    assert_eq!(letters["items"][0]["source"], "shop", "{letters}");
}

#[test]
fn the_guide_for_integrators_works_as_it_stands() {
    follows_the_guide(Program::Recent);
}

#[test]
fn the_guide_works_with_the_oldest_server_too() {
    follows_the_guide(Program::Floor);
}

/// Publishes from here, as any program may.
pub fn publish(server: &Server, messages: Vec<(String, Option<String>, String)>) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let nats = headwater::nats::connect::connect(&settings(vec![server.url()])).await.unwrap();
        for (subject, id, body) in messages {
            let mut headers = async_nats::HeaderMap::new();
            if let Some(id) = id {
                headers.insert("Nats-Msg-Id", id);
            }
            let end = Instant::now() + PATIENCE;
            loop {
                let sent =
                    nats.jetstream.publish_with_headers(subject.clone(), headers.clone(), body.clone().into()).await;
                match async { sent?.await }.await {
                    Ok(_) => break,
                    Err(error) => assert!(Instant::now() < end, "{error}"),
                }
            }
        }
    });
}

pub fn event(n: usize) -> String {
    json!({ "id": format!("e{n}"), "name": "Down", "severity": "major", "title": "t", "object": { "name": format!("h{n}") },
            "starts_at": "2026-05-04T10:00:00Z" })
    .to_string()
}

#[test]
fn nothing_is_lost_when_program_and_server_are_killed_and_repeats_are_known() {
    let Some(path) = Program::Recent.path() else { return };
    let mut server = Server::start(&path, "one.conf".as_ref());
    let folder = tempfile::tempdir().unwrap();
    let (mut served, token) = served(&server.url(), folder.path());
    until("NATS is in use", || served.said().iter().any(|line| line.contains("NATS is in use")).then_some(()));
    let count = 600_u64;
    for round in 0..3 {
        let numbers = round * 200..(round + 1) * 200;
        publish(&server, numbers.map(|n| ("src.default.mon.event".to_owned(), None, event(n))).collect());
        // The program is killed at once, with messages that were taken and not let go.
        served = served.again(&["--config", folder.path().join("headwater.yaml").to_str().unwrap()]);
        server.kill();
        server.run();
    }
    // A storm of repeats of what was there already.
    publish(
        &server,
        (0..100).map(|n| ("src.default.mon.event".to_owned(), Some(format!("again-{n}")), event(n))).collect(),
    );
    let sum = |value: &Value| value.as_object().unwrap().values().filter_map(Value::as_u64).sum::<u64>();
    let taken = |account: &Value| account["applied"]["total"].as_u64().unwrap() + sum(&account["muted"]);
    // Redeliveries are accepted, too: their number does not say that every event has come.
    let account = until("everything is decided", || {
        let account = served.conservation(&token, count + 100);
        (account["accepted"].as_u64() >= Some(count + 100) && taken(&account) >= count).then_some(account)
    });
    assert_eq!(taken(&account), count, "{account}");
    assert!(account["duplicate"].as_u64() >= Some(100), "{account}");
    assert_eq!((&account["balanced"], sum(&account["dead_lettered"])), (&json!(true), 0), "{account}");
}

#[test]
fn the_program_does_without_nats_and_takes_it_up_when_it_comes() {
    let Some(path) = Program::Recent.path() else { return };
    let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
    let (served, token) = served(&format!("nats://127.0.0.1:{port}"), folder.path());
    let troubled = |served: &Served| {
        let answer = served.send(&Request::get("/readyz", &token));
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.text().contains("events over NATS wait")
    };
    until("it says that NATS is away", || troubled(&served).then_some(()));
    assert_eq!(served.metrics(&token)["headwater_nats_away"], 1.0);
    let posted = served.send(&Request::post("/api/v1/events", &token, event(1).as_bytes()));
    assert_eq!(posted.status, 202, "{}", posted.text());
    let mut server = Server::at(&path, "one.conf".as_ref(), port);
    until("it says that NATS is there", || (!troubled(&served)).then_some(()));
    publish(&server, vec![("src.default.mon.event".into(), None, event(2))]);
    assert_eq!(served.conservation(&token, 2)["accepted"], 2);
    server.kill();
    until("it says that NATS is away", || troubled(&served).then_some(()));
    server.run();
    until("it says that NATS is there", || (!troubled(&served)).then_some(()));
    publish(&server, vec![("src.default.mon.event".into(), None, event(3))]);
    assert_eq!(served.conservation(&token, 3)["accepted"], 3);
}

#[test]
fn a_topology_comes_over_nats_and_a_bad_one_changes_nothing() {
    let Some(path) = Program::Recent.path() else { return };
    let server = Server::start(&path, "one.conf".as_ref());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("headwater.yaml");
    std::fs::write(&file, format!("nats:\n  urls: [{}]\n  cmdb: true\n", server.url())).unwrap();
    let (served, token) = Served::start(&["--config", file.to_str().unwrap()]);
    until("NATS is in use", || served.said().iter().any(|line| line.contains("NATS is in use")).then_some(()));
    let send = |text: &str| publish(&server, vec![("src.default.cmdb.ci".into(), None, text.into())]);
    let good = json!({ "cis": [{ "id": "web-1", "name": "web-1", "class": "server" }], "relations": [] }).to_string();
    send(&good);
    until("the topology is in force", || {
        let answer = served.send(&Request::get("/api/v1/topology/cis/web-1", &token));
        (answer.status == 200).then_some(())
    });
    send("{\"cis\": 7}");
    send(&good);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let told = runtime.block_on(async {
        let nats = headwater::nats::connect::connect(&settings(vec![server.url()])).await.unwrap();
        let end = Instant::now() + PATIENCE;
        loop {
            let stream = nats.jetstream.get_stream("HEADWATER-OUT").await.unwrap();
            if let Ok(last) = stream.get_last_raw_message_by_subject("dead.default.cmdb").await {
                return serde_json::from_slice::<Value>(&last.payload).unwrap();
            }
            assert!(Instant::now() < end, "no dead letter");
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    });
    assert!(told["data"]["detail"].as_str().is_some_and(|detail| detail.contains("expected a list")), "{told}");
    let topology = get(&served, &token, "/api/v1/topology");
    assert_eq!(topology["version"], 1, "{topology}");
}

/// With the official Python client: an event that says who has it, in our own JSON and through a mapping.
#[test]
fn who_has_it_there_has_it_here() {
    let Some(path) = Program::Recent.path() else { return };
    let server = Server::start(&path, "one.conf".as_ref());
    let folder = tempfile::tempdir().unwrap();
    let (served, token) = served(&server.url(), folder.path());
    until("NATS is in use", || served.said().iter().any(|line| line.contains("NATS is in use")).then_some(()));
    let program = r#"
import asyncio, json, os, nats

async def main():
    nc = await nats.connect(os.environ["NATS_URL"])
    js = nc.jetstream()
    own = {"name": "PumpDown", "severity": "critical", "object": {"name": "pump-1"}, "starts_at": "2026-01-05T08:00:00Z"}
    await js.publish("src.default.scada.event", json.dumps(own).encode())
    await js.publish("src.default.scada.event", json.dumps({**own, "acknowledged_by": "wang"}).encode())
    form = {"NOTIFICATIONTYPE": "PROBLEM", "HOSTNAME": "web-1", "HOSTSTATE": "DOWN", "LASTHOSTSTATECHANGE": "1767571203"}
    mapped = {"Headwater-Mapping": "nagios"}
    await js.publish("src.default.nagios.event", json.dumps(form).encode(), headers=mapped)
    taken = {**form, "NOTIFICATIONTYPE": "ACKNOWLEDGEMENT", "NOTIFICATIONAUTHOR": "li"}
    await js.publish("src.default.nagios.event", json.dumps(taken).encode(), headers=mapped)
    page = {"event_action": "trigger", "dedup_key": "d1", "payload": {"summary": "Disk full", "source": "db-1", "severity": "critical"}}
    mapped = {"Headwater-Mapping": "pagerduty"}
    await js.publish("src.default.pd.event", json.dumps(page).encode(), headers=mapped)
    await js.publish("src.default.pd.event", json.dumps({"event_action": "acknowledge", "dedup_key": "d1"}).encode(), headers=mapped)
    await nc.close()

asyncio.run(main())
"#;
    let Some(output) = python(program, &server, &token) else { return };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let by = until("each has somebody", || {
        let told = get(&served, &token, "/api/v1/incidents");
        let mut by: Vec<String> = told["items"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|one| Some(one["acknowledged_by"].as_str()?.to_owned()))
            .collect();
        by.sort();
        (by.len() == 3).then_some(by)
    });
    assert_eq!(by, ["li (nagios)", "pd", "wang (scada)"]);
}

#[test]
fn after_a_bad_topology_and_a_restart_incidents_are_told() {
    let Some(path) = Program::Recent.path() else { return };
    let server = Server::start(&path, "one.conf".as_ref());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("headwater.yaml");
    std::fs::write(&file, format!("nats:\n  urls: [{}]\n  cmdb: true\n", server.url())).unwrap();
    let arguments = ["--config", file.to_str().unwrap()];
    let (served, token) = Served::start(&arguments);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let nats = runtime.block_on(headwater::nats::connect::connect(&settings(vec![server.url()]))).unwrap();
    let last = |subject: &str| {
        runtime.block_on(async {
            let stream = nats.jetstream.get_stream("HEADWATER-OUT").await.ok()?;
            Some(stream.get_last_raw_message_by_subject(subject).await.ok()?.payload)
        })
    };
    let post = |served: &Served, n: usize| {
        let event = event(n).replace("major", "critical");
        assert_eq!(served.send(&Request::post("/api/v1/events", &token, event.as_bytes())).status, 202);
    };
    post(&served, 1);
    let first = until("the first one is told", || last("incidents.default.opened"));
    publish(&server, vec![("src.default.cmdb.ci".into(), None, "{\"cis\": 7}".into())]);
    until("the refusal is told", || last("dead.default.cmdb"));
    // All of the first one was told before: the refusal is the last message.
    let served = served.again(&arguments);
    post(&served, 2);
    until("the second one is told", || last("incidents.default.opened").filter(|told| *told != first));
}

/// The ids and bodies of everything that the stream keeps.
async fn kept(nats: &Nats) -> BTreeMap<String, String> {
    let mut kept = BTreeMap::new();
    let Ok(mut stream) = nats.jetstream.get_stream("HEADWATER-OUT").await else { return kept };
    let state = stream.info().await.unwrap().state.clone();
    for seq in state.first_sequence.max(1)..=state.last_sequence {
        if let Ok(message) = stream.get_raw_message(seq).await {
            let body = String::from_utf8_lossy(&message.payload).into_owned();
            kept.insert(message.headers.get("Nats-Msg-Id").unwrap().to_string(), body);
        }
    }
    kept
}

#[test]
fn what_was_under_way_with_the_last_message_is_told_once_more() {
    let Some(path) = Program::Recent.path() else { return };
    let server = Server::start(&path, "one.conf".as_ref());
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let nats = runtime.block_on(headwater::nats::connect::connect(&settings(vec![server.url()]))).unwrap();
    let (served, token) = served(&server.url(), folder.path());
    for n in 0..6 {
        assert_eq!(served.send(&Request::post("/api/v1/events", &token, event(n).as_bytes())).status, 202);
    }
    all_decided(&served, &token, 6);
    let all_told = || {
        let kept = runtime.block_on(kept(&nats));
        let is_told = |n: usize| kept.values().any(|body| body.contains(&format!("\"h{n}\"")));
        (0..6).all(is_told).then_some(kept)
    };
    until("all is told", all_told);
    let down = served.stop();
    // Told from the beginning, all of it is under way together.
    runtime.block_on(nats.jetstream.delete_stream("HEADWATER-OUT")).unwrap();
    let arguments = ["--config".to_owned(), folder.path().join("headwater.yaml").to_str().unwrap().to_owned()];
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let served = down.start(&arguments);
    let told = until("all is told anew", all_told);
    let down = served.stop();
    // As after a connection that broke and came back: of what was sent together, the last message alone is there.
    let purged = runtime.block_on(async {
        let stream = nats.jetstream.get_stream("HEADWATER-OUT").await.unwrap();
        stream.purge().keep(1).await.unwrap()
    });
    assert!(purged.success);
    let _served = down.start(&arguments);
    until("the others are told once more", || {
        let kept = runtime.block_on(kept(&nats));
        told.keys().all(|id| kept.contains_key(id)).then_some(())
    });
}

/// With the official Python client: a CMDB puts a topology in force, a deployment tells a change, and the change is evidence.
#[test]
fn a_cmdb_and_a_change_come_from_the_official_client() {
    let Some(path) = Program::Recent.path() else { return };
    let server = Server::start(&path, "one.conf".as_ref());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("headwater.yaml");
    std::fs::write(&file, format!("nats:\n  urls: [{}]\n  cmdb: true\n", server.url())).unwrap();
    let (served, token) = Served::start(&["--config", file.to_str().unwrap()]);
    until("NATS is in use", || served.said().iter().any(|line| line.contains("NATS is in use")).then_some(()));
    let program = |what: &str| {
        format!(
            r#"
import asyncio, json, os, nats

async def main():
    nc = await nats.connect(os.environ["NATS_URL"])
    js = nc.jetstream()
    {what}
    await nc.close()

asyncio.run(main())
"#
        )
    };
    let estate = r#"await js.publish("src.default.cmdb.ci", json.dumps({"cis": [{"id": "web-1", "name": "web-1", "class": "server"}], "relations": []}).encode())"#;
    let Some(output) = python(&program(estate), &server, &token) else { return };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    until("the topology is in force", || {
        (served.send(&Request::get("/api/v1/topology/cis/web-1", &token)).status == 200).then_some(())
    });
    let tell = |what: &str| {
        let text = what.replace("AT", &chrono::Utc::now().to_rfc3339());
        let output = python(&program(&text), &server, &token).unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    tell(
        r#"await js.publish("src.default.deploy.change", json.dumps({"name": "release 4.2", "title": "portal 4.2", "object": {"name": "web-1"}, "severity": "indeterminate", "starts_at": "AT"}).encode())"#,
    );
    until("the change is decided", || {
        let told = get(&served, &token, "/api/v1/events?source=deploy");
        (told["items"].as_array()?.len() == 1).then_some(())
    });
    tell(
        r#"await js.publish("src.default.shop.event", json.dumps({"name": "Down", "severity": "critical", "object": {"name": "web-1"}, "starts_at": "AT"}).encode())"#,
    );
    let incident = until("the incident is open", || {
        let told = get(&served, &token, "/api/v1/incidents");
        told["items"][0]["id"].as_str().map(str::to_owned)
    });
    let told = until("the change is attached", || {
        let told = get(&served, &token, &format!("/api/v1/incidents/{incident}"));
        told["changes"].as_array().is_some_and(|changes| !changes.is_empty()).then_some(told)
    });
    assert_eq!((&told["changes"][0]["title"], &told["changes"][0]["source"]), (&json!("portal 4.2"), &json!("deploy")));
    let events = get(&served, &token, "/api/v1/events?source=deploy");
    assert_eq!(
        (&events["items"][0]["verdict"], &events["items"][0]["raw"]["status"]),
        (&json!("held"), &json!("change"))
    );
}

/// `headwater source test` over NATS: marked in a header, decided like all, and nothing comes of it.
#[test]
fn a_test_comes_over_nats_and_nothing_comes_of_it() {
    let Some(path) = Program::Recent.path() else { return };
    let server = Server::start(&path, "one.conf".as_ref());
    let folder = tempfile::tempdir().unwrap();
    let (served, token) = served(&server.url(), folder.path());
    until("NATS is in use", || served.said().iter().any(|line| line.contains("NATS is in use")).then_some(()));
    let at = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(at("reader.token"), &token).unwrap();
    std::fs::write(at("firing.json"), event(7)).unwrap();
    let told = crate::cli::headwater(&[
        "source",
        "test",
        &at("firing.json"),
        "--mapping",
        "native",
        "--send",
        "--nats",
        &server.url(),
        "--subject",
        "src.default.mon.event",
        "--server",
        &format!("http://{}", served.address),
        "--token-file",
        &at("reader.token"),
        "--lang",
        "en",
    ]);
    told.does(&["NATS src.default.mon.event: confirmed", "(mon): held: a test", "1 of 1 events came through"]);
    assert_eq!(get(&served, &token, "/api/v1/alerts")["items"], json!([]));
    publish(&server, vec![("src.default.mon.event".into(), None, event(7))]);
    until("what is no test is an alert", || {
        (get(&served, &token, "/api/v1/alerts")["items"].as_array()?.len() == 1).then_some(())
    });
}
