//! Notices that did not arrive: kept, listed, sent again on order; and what is said when nobody can be told at all.

use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use serde_json::Value;

use super::served::{Served, token};
use super::{headwater, write};
use crate::receiver::{Receiver, SECRET};

const FIRE: &str =
    r#"{"name":"Fire","severity":"critical","starts_at":"2026-01-05T00:00:00Z","object":{"name":"hall"}}"#;

/// An address at which nobody listens.
fn closed() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn undelivered(served: &Served, reader: &str) -> Vec<Value> {
    let (status, body) = served.ask("GET", "/api/v1/notices/undelivered", reader, "");
    assert_eq!(status, 200, "{body}");
    serde_json::from_str::<Value>(&body).unwrap()["items"].as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_notice_that_did_not_arrive_is_sent_again_once_with_its_key() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (source, operator) = (token(&data, "source", "bms"), token(&data, "operator", "li"));
    let address = closed();
    let config = format!(
        "receivers:\n- {{ id: default, url: \"http://{address}/hook\", secret: {SECRET}, allow_private: true }}\n\
         delivery: {{ give_up_after: 1s, retry_first: 1s }}\n"
    );
    let config = write(folder.path(), "headwater.yaml", &config);
    let data = data.display().to_string();
    let served = Served::start(&["--config", &config, "--data", &data]);
    served.send(&source, &operator, FIRE);
    let lost = served.wait("the notice that is given up", || undelivered(&served, &operator).into_iter().next());
    let key = lost["key"].as_str().unwrap().to_owned();
    let incident = lost["incident"].as_str().unwrap().to_owned();
    assert_eq!(lost["receiver"], "default");
    let path = format!("/api/v1/notices/undelivered/{key}/resend");
    assert_eq!(served.ask("POST", "/api/v1/notices/undelivered/nonsense/resend", &operator, "{}").0, 404);

    let receiver = Receiver::at(address).await;
    let (status, body) = served.ask("POST", &path, &operator, "{}");
    assert_eq!(status, 202, "{body}");
    receiver.wait_for("the notice", |seen| !seen.is_empty()).await;
    served.wait("that nothing is undelivered", || undelivered(&served, &operator).is_empty().then_some(()));
    let seen = receiver.seen();
    let told: Vec<(&str, &str)> = seen.iter().map(|seen| (seen.key.as_str(), seen.incident())).collect();
    assert_eq!(told, [(key.as_str(), incident.as_str())], "once, with the key that it had");
    // What is delivered is not there to be sent again.
    assert_eq!(served.ask("POST", &path, &operator, "{}").0, 404);
    served.stop();
    // A restart sends nothing: the next notice is that of another incident.
    let served = Served::start(&["--config", &config, "--data", &data]);
    served.send(&source, &operator, &FIRE.replace("hall", "roof"));
    receiver.wait_for("the next notice", |seen| seen.len() == 2).await;
    assert_ne!(receiver.seen()[1].key, key);
    served.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn readyz_names_a_receiver_that_locks_us_out_to_those_who_may_know() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (source, operator) = (token(&data, "source", "bms"), token(&data, "operator", "li"));
    let receiver = Receiver::start(|_| (Duration::ZERO, StatusCode::UNAUTHORIZED)).await;
    let url = receiver.url();
    let config = format!("receivers:\n- {{ id: default, url: \"{url}\", secret: {SECRET}, allow_private: true }}\n");
    let config = write(folder.path(), "headwater.yaml", &config);
    let served = Served::start(&["--config", &config, "--data", &data.display().to_string()]);
    let degraded = |token: &str| {
        let (status, body) = served.ask("GET", "/readyz", token, "");
        assert_eq!(status, 200, "it serves: {body}");
        serde_json::from_str::<Value>(&body).unwrap()["degraded"].clone()
    };
    assert_eq!(degraded(&operator), serde_json::json!([]));
    served.send(&source, &operator, FIRE);
    receiver.wait_for("the notice", |seen| !seen.is_empty()).await;
    let since = Instant::now();
    let told = served.wait("what is wrong", || degraded(&operator)[0].as_str().map(str::to_owned));
    assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
    assert!(told.starts_with("receiver default locks us out: "), "{told}");
    for stranger in ["", &source] {
        assert_eq!(degraded(stranger), serde_json::json!(["a receiver locks us out"]), "no name, no cause");
    }
    served.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_notice_has_the_permanent_link_that_the_api_has() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (source, operator) = (token(&data, "source", "bms"), token(&data, "operator", "li"));
    let receiver = Receiver::willing().await;
    let url = receiver.url();
    let config = format!(
        "base_url: https://noc.example/hw/\nreceivers:\n\
         - {{ id: default, url: \"{url}\", secret: {SECRET}, allow_private: true }}\n"
    );
    let config = write(folder.path(), "headwater.yaml", &config);
    let served = Served::start(&["--config", &config, "--data", &data.display().to_string()]);
    served.send(&source, &operator, FIRE);
    receiver.wait_for("the notice", |seen| !seen.is_empty()).await;
    let told = receiver.seen()[0].clone();
    let link = format!("https://noc.example/hw/incidents/{}", told.incident());
    assert_eq!(told.body["data"]["url"], link.as_str());
    assert!(told.body["data"]["text"].as_str().unwrap().contains(&link), "{}", told.body["data"]["text"]);
    let read = |path: &str| serde_json::from_str::<Value>(&served.ask("GET", path, &operator, "").1).unwrap();
    assert_eq!(read(&format!("/api/v1/incidents/{}", told.incident()))["url"], link.as_str());
    assert_eq!(read("/api/v1/incidents")["items"][0]["url"], link.as_str());
    served.stop();
}

#[test]
fn without_any_receiver_nothing_is_owed_and_it_is_said_plainly() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (source, operator) = (token(&data, "source", "bms"), token(&data, "operator", "li"));
    let data = data.display().to_string();
    let said = "nobody is told: no receiver is configured";
    for start in 0..2 {
        let served = Served::start(&["--data", &data]);
        assert_eq!((served.count(said), served.count(" WARN "), served.count("ERROR")), (1, 0, 0), "start {start}");
        let event = FIRE.replace("hall", &format!("hall-{start}"));
        served.send(&source, &operator, &event);
        let incident = served.wait("the incident", || {
            let list: Value = serde_json::from_str(&served.ask("GET", "/api/v1/incidents", &operator, "").1).unwrap();
            let found =
                list["items"].as_array().unwrap().iter().find(|i| i.to_string().contains(&format!("hall-{start}")));
            found.map(|incident| incident["id"].as_str().unwrap().to_owned())
        });
        // Why nobody was told stands in the incident's timeline.
        served.wait("the reason", || {
            let page = served.ask("GET", &format!("/api/v1/incidents/{incident}"), &operator, "").1;
            page.contains("default: nobody is told").then_some(())
        });
        let receivers: Value = serde_json::from_str(&served.ask("GET", "/api/v1/receivers", &operator, "").1).unwrap();
        assert_eq!((&receivers["pending"], &receivers["configured"]), (&0.into(), &0.into()), "{receivers}");
        assert_eq!(undelivered(&served, &operator), Vec::<Value>::new());
        let (status, ready) = served.ask("GET", "/readyz", &operator, "");
        assert!(status == 200 && ready.contains(said) && ready.contains("`receivers`"), "{status} {ready}");
        served.stop();
    }
    let config = write(folder.path(), "headwater.yaml", "listen: 127.0.0.1:8080\n");
    headwater(&["check", "--config", &config, "--strict"]).does(&[said, "0 warnings"]);
}
