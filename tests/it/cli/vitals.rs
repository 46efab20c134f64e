//! The program watches itself.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use super::served::{POWER_LOST, Served, token};
use super::write;

#[test]
fn what_is_wrong_with_itself_is_logged_and_comes_in_as_an_event() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let reader = token(&data, "operator", "li");
    let outside = TcpListener::bind("127.0.0.1:0").unwrap();
    let heartbeat = format!("http://{}/alive", outside.local_addr().unwrap());
    write(folder.path(), "rules/a.yaml", "routes:\n  - { id: all, receivers: [noc] }\n");
    let config = write(
        folder.path(),
        "hw.yaml",
        &format!(
            "data: data\nrules: rules\nvitals:\n  every: 1s\n  disk_free_mib_min: 1000000000\n  heartbeat_url: {heartbeat}\n"
        ),
    );
    let served = Served::start(&["--config", &config]);
    let (mut stream, _) = outside.accept().unwrap();
    let mut request = [0; 64];
    let read = stream.read(&mut request).unwrap();
    assert!(request[..read].starts_with(b"GET /alive HTTP/1.1"));
    stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
    served.wait_for("sign=\"disk-low\"");
    served.wait("the event", || (served.accounted(&reader) == 1).then_some(()));

    write(folder.path(), "rules/a.yaml", "routes: [");
    served.wait_for("sign=\"files-refused\"");
    write(folder.path(), "rules/a.yaml", "routes:\n  - { id: all, receivers: [noc, other] }\n");
    served.wait("that it is well again", || (served.count("well again sign=\"files-refused\"") == 1).then_some(()));
    served.wait("its events", || (served.accounted(&reader) == 3).then_some(()));
    served.stop();
}

#[test]
fn that_there_is_no_room_for_alerts_comes_in_as_an_alert() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (source, reader) = (token(&data, "source", "bms"), token(&data, "operator", "li"));
    let rules = |max: u32| {
        let text = format!("settings: {{ alerts_max: {max} }}\nroutes:\n  - {{ id: all, receivers: [noc] }}\n");
        write(folder.path(), "rules/a.yaml", &text)
    };
    rules(10);
    let settings = "data: data\nrules: rules\nvitals: { every: 1s, disk_free_mib_min: 0 }\n";
    let served = Served::start(&["--config", &write(folder.path(), "hw.yaml", settings)]);
    let fan = |n: usize| {
        format!(
            r#"{{"name":"Fan","severity":"minor","starts_at":"2026-01-05T00:00:00Z","object":{{"name":"fan-{n}"}}}}"#
        )
    };
    for n in 0..11 {
        served.send(&source, &reader, &fan(n));
    }
    served.wait_for("sign=\"alerts-full\"");
    let own = |state: &str| {
        let (status, body) = served.ask("GET", &format!("/api/v1/alerts?state={state}&limit=500"), &reader, "");
        assert_eq!(status, 200, "{body}");
        let list: serde_json::Value = serde_json::from_str(&body).unwrap();
        list["items"].as_array().unwrap().iter().find(|alert| alert["name"] == "alerts-full").cloned()
    };
    let alert = served.wait("its alert, although there is no room", || own("firing"));
    assert_eq!((&alert["source"], &alert["severity"]), (&"headwater".into(), &"major".into()), "{alert}");
    served.send(&source, &reader, &fan(12));
    let (_, counts) = served.ask("GET", "/api/v1/conservation", &reader, "");
    assert!(counts.contains(r#""over_limit":2"#), "others are refused as before: {counts}");

    rules(100);
    served.wait("that it is well again", || (served.count("well again sign=\"alerts-full\"") == 1).then_some(()));
    served.wait("the end of its alert", || own("resolved"));
    served.send(&source, &reader, &fan(13));
    served.stop();
}

#[test]
fn dead_letters_that_become_more_come_in_as_an_alert() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (source, reader) = (token(&data, "source", "bms"), token(&data, "operator", "li"));
    let settings = "data: data\nvitals: { every: 1s, disk_free_mib_min: 0, rejected_percent_max: 100, dead_letters_hour_max: 3 }\n";
    let served = Served::start(&["--config", &write(folder.path(), "hw.yaml", settings)]);
    served.wait("a first look", || {
        let (status, _) = served.ask("GET", "/readyz", &reader, "");
        (status == 200).then_some(())
    });
    let bad = r#"{"name":"Fan","severity":"minor","starts_at":"soon","object":{"name":"fan-1"}}"#;
    // One more each time: the first look may come behind some of them.
    let alert = served.wait("the alert", || {
        served.ask("POST", "/api/v1/events", &source, bad);
        let (_, body) = served.ask("GET", "/api/v1/alerts?state=firing&limit=500", &reader, "");
        let list: serde_json::Value = serde_json::from_str(&body).unwrap();
        list["items"].as_array().unwrap().iter().find(|alert| alert["name"] == "dead-letters-grow").cloned()
    });
    assert_eq!((&alert["source"], &alert["severity"]), (&"headwater".into(), &"major".into()), "{alert}");
    served.stop();
}

#[test]
fn a_receiver_that_takes_nothing_while_notices_wait_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (source, reader) = (token(&data, "source", "bms"), token(&data, "operator", "li"));
    // Nobody listens there, until somebody does.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let vitals = "vitals: { every: 1s, notices_wait_max: 1s, disk_free_mib_min: 0 }\n";
    let served = Served::telling(folder.path(), &address.to_string(), vitals);
    served.send(&source, &reader, POWER_LOST);
    let told = served.wait_for("sign=\"notices-wait\"");
    assert!(told.contains("receiver noc fails since 20"), "{told}");
    let listener = TcpListener::bind(address).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 65536];
            if stream.read(&mut request).is_ok_and(|read| read > 0) {
                // Who has gone by then needs no answer.
                let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
            }
        }
    });
    served.wait("that it is well again", || (served.count("well again sign=\"notices-wait\"") == 1).then_some(()));
    served.stop();
}
