//! The doors that look like other systems', with requests as those systems' clients send them.

#![expect(clippy::unwrap_used, reason = "in tests a panic is the message")]

use axum::body::Body;
use axum::http::Request;
use headwater::domain::event::Status;
use headwater::engine::input::{AlertDeed, Order};
use serde_json::{Value, json};

use crate::intake::{Door, door, post};
use crate::program::{Setup, client, token};

/// A request without `Authorization`.
fn bare(method: &str, uri: &str, media: &str, body: impl Into<Body>) -> Request<Body> {
    let request = Request::builder().method(method).uri(uri).header("content-type", media);
    request.body(body.into()).unwrap()
}

fn json_to(uri: &str, body: &Value) -> Request<Body> {
    bare("POST", uri, "application/json", body.to_string())
}

/// What sources have ordered: whose alert, by which key, and what.
fn ordered(door: &Door) -> Vec<(String, String, AlertDeed)> {
    let orders = door.list.orders.lock().unwrap();
    let told = orders.iter().map(|command| match &command.order {
        Order::ForAlert { source, key, deed } => {
            assert_eq!(&*command.actor, source.as_str(), "nobody else's");
            (source.to_string(), key.to_string(), deed.clone())
        }
        other => panic!("{other:?}"),
    });
    told.collect()
}

/// Status and dedup key of every event that was kept.
fn told(door: &Door) -> Vec<(Status, String)> {
    let batches = door.list.batches.lock().unwrap();
    let events = batches.iter().flat_map(|batch| &batch.events);
    events.map(|event| (event.status, event.dedup_key.as_deref().unwrap_or(&event.name).to_owned())).collect()
}

#[tokio::test]
async fn what_sends_to_pagerduty_sends_here_with_its_routing_key() {
    let door = door();
    let event = |action: &str, key: Value| {
        let payload = json!({"summary": "Disk full", "source": "db-1", "severity": "critical"});
        json!({"routing_key": "source:bms", "event_action": action, "dedup_key": key, "payload": payload})
    };
    let answer = door.send(json_to("/v2/enqueue", &event("trigger", json!("d1")))).await;
    let good = json!({"status": "success", "message": "Event processed", "dedup_key": "d1"});
    assert_eq!((answer.status.as_u16(), answer.json()), (202, good));
    let answer = door.send(json_to("/v2/enqueue", &event("trigger", Value::Null))).await;
    let own = answer.json()["dedup_key"].as_str().unwrap().to_owned();
    assert_eq!(own.len(), 32);
    // As its document has it: an acknowledgement needs no payload.
    let taken = json!({"routing_key": "source:bms", "event_action": "acknowledge", "dedup_key": "d1"});
    let answer = door.send(json_to("/v2/enqueue", &taken)).await;
    let good = json!({"status": "success", "message": "Event processed", "dedup_key": "d1"});
    assert_eq!((answer.status.as_u16(), answer.json()), (202, good));
    assert_eq!(
        door.send(json_to(
            "/v2/enqueue",
            &json!({"routing_key": "source:bms", "event_action": "resolve", "dedup_key": "d1"})
        ))
        .await
        .status,
        202
    );
    let change = json!({"routing_key": "source:bms", "payload": {"summary": "Build 4.2", "source": "portal"}});
    assert_eq!(door.send(json_to("/v2/change/enqueue", &change)).await.status, 202);
    let want = [
        (Status::Firing, "d1"),
        (Status::Firing, own.as_str()),
        (Status::Resolved, "d1"),
        (Status::Change, "change portal"),
    ];
    assert_eq!(told(&door), want.map(|(status, key)| (status, key.to_owned())));
    assert_eq!(ordered(&door), [("bms".to_owned(), "d1".to_owned(), AlertDeed::Acknowledge)]);
    let nameless = json!({"routing_key": "source:bms", "event_action": "acknowledge"});
    let answer = door.send(json_to("/v2/enqueue", &nameless)).await;
    assert_eq!((answer.status.as_u16(), answer.json()["status"].as_str()), (400, Some("invalid event")));
    assert!(answer.json()["errors"][0].as_str().unwrap().contains("dedup_key"), "{}", answer.text);

    let mut strange = event("trigger", json!("d1"));
    strange["routing_key"] = "nobody".into();
    door.check(json_to("/v2/enqueue", &strange), 401, "unauthorized").await;
    strange["event_action"] = "acknowledge".into();
    door.check(json_to("/v2/enqueue", &strange), 401, "unauthorized").await;
    strange["routing_key"] = "viewer:li".into();
    door.check(json_to("/v2/enqueue", &strange), 403, "forbidden").await;
    let answer = door.send(json_to("/v2/enqueue", &event("explode", json!("d1")))).await;
    assert_eq!(
        (answer.status.as_u16(), answer.json()["status"].as_str()),
        (400, Some("invalid event")),
        "{}",
        answer.text
    );
    let batches = door.list.batches.lock().unwrap();
    let letter = batches.iter().flat_map(|batch| &batch.rejected).next().expect("a dead letter");
    assert!(!letter.raw.contains("source:bms"), "a key is not kept: {}", letter.raw);
}

/// Whoever knows only the key of an alert says so by any door that takes a mapping.
#[tokio::test]
async fn an_acknowledgement_by_key_alone_is_an_order_at_the_address_of_its_mapping_too() {
    let door = door();
    let of = |mapping: &str, more: &[(&str, &str)], body: Value| {
        let headers = [&[("authorization", "Bearer source:bms")], more].concat();
        post(&format!("/api/v1/ingest/{mapping}"), &headers, body.to_string())
    };
    let trigger = json!({"event_action": "trigger", "dedup_key": "d1", "payload": {"summary": "Disk full", "source": "db-1", "severity": "critical"}});
    let both = json!([{"event_action": "acknowledge", "dedup_key": "d1"}, trigger]);
    let answer = door.send(of("pagerduty", &[], both)).await;
    let receipt = answer.json();
    assert_eq!(
        (answer.status.as_u16(), &receipt["accepted"], &receipt["orders"]),
        (202, &json!(1), &json!(1)),
        "{receipt}"
    );
    assert_eq!(receipt.get("left_out"), None, "{receipt}");
    let note = json!({"action": "acknowledge", "alias": "a/1", "user": "li", "note": "on it"});
    assert_eq!(door.send(of("opsgenie", &[], note.clone())).await.json()["orders"], 1);
    assert_eq!(door.send(of("opsgenie", &[], json!({"action": "unacknowledge", "alias": "a/1"}))).await.status, 202);
    assert_eq!(
        door.send(of("ruixiangyun", &[], json!({"eventType": "acknowledge", "eventId": "z1"}))).await.status,
        202
    );
    let comment = AlertDeed::Comment { text: "li: on it".into() };
    let want = [
        ("d1", AlertDeed::Acknowledge),
        ("a/1", AlertDeed::Acknowledge),
        ("a/1", comment),
        ("a/1", AlertDeed::Unacknowledge),
        ("z1", AlertDeed::Acknowledge),
    ];
    let want = want.map(|(key, deed)| ("bms".to_owned(), key.to_owned(), deed));
    assert_eq!(ordered(&door), want);
    // Nothing comes of a test, and one that names no alert is a dead letter.
    assert_eq!(door.send(of("opsgenie", &[("headwater-test", "8d1f")], note)).await.status, 202);
    let answer = door.send(of("pagerduty", &[], json!({"event_action": "acknowledge"}))).await;
    assert!(answer.status == 422 && answer.text.contains("no key of the alert"), "{}", answer.text);
    assert_eq!(ordered(&door).len(), want.len());
}

#[tokio::test]
async fn what_sends_to_opsgenie_sends_here_with_its_key() {
    let door = door();
    let of = |uri: &str, body: Value| post(uri, &[("authorization", "GenieKey source:bms")], body.to_string());
    let answer = door
        .send(of("/v2/alerts", json!({"message": "Disk full", "alias": "a/1", "entity": "db-1", "priority": "P1"})))
        .await;
    assert_eq!((answer.status.as_u16(), answer.json()["result"].as_str()), (202, Some("Request will be processed")));
    // The bodies of its documents.
    let body = json!({"user": "Monitoring Script", "source": "AWS Lambda", "note": "Action executed via Alert API"});
    for action in ["acknowledge", "notes", "unacknowledge"] {
        let uri = format!("/v2/alerts/a%2F1/{action}?identifierType=alias");
        let body = if action == "unacknowledge" { json!({}) } else { body.clone() };
        let answer = door.send(of(&uri, body)).await;
        assert_eq!(answer.json()["result"], "Request will be processed", "{}", answer.text);
        assert!(answer.status == 202 && answer.json()["requestId"].is_string(), "{}", answer.text);
    }
    let note = || AlertDeed::Comment { text: "Monitoring Script: Action executed via Alert API".into() };
    let want = [AlertDeed::Acknowledge, note(), note(), AlertDeed::Unacknowledge];
    assert_eq!(ordered(&door), want.map(|deed| ("bms".to_owned(), "a/1".to_owned(), deed)));
    let answer = door.check(of("/v2/alerts/77/acknowledge", json!({})), 400, "unreadable").await;
    assert!(answer.text.contains("identifierType=alias"), "{}", answer.text);
    door.check(of("/v2/alerts/77/notes?identifierType=alias", json!({"user": "li"})), 400, "unreadable").await;
    assert_eq!(door.send(of("/v2/alerts/77/tags", json!({"tags": ["x"]}))).await.status, 202, "it is left out");
    assert_eq!(door.send(of("/v2/alerts/a%2F1/close?identifierType=alias", json!({"user": "li"}))).await.status, 202);
    assert_eq!(told(&door), [(Status::Firing, "a/1".to_owned()), (Status::Resolved, "a/1".to_owned())]);
    let answer = door.check(of("/v2/alerts/77/close", json!({})), 400, "unreadable").await;
    assert!(answer.text.contains("identifierType=alias"), "{}", answer.text);
    door.check(of("/v2/alerts", json!({"alias": 1})), 422, "all_rejected").await;
}

#[tokio::test]
async fn what_can_only_send_to_a_robot_sends_here() {
    let door = door();
    let text = |words: &str| json!({"msgtype": "text", "text": {"content": words}});
    let firing = "[告警] 磁盘满\n主机: db-1";
    let answer = door.send(json_to("/robot/send?access_token=source:bms", &text(firing))).await;
    assert_eq!(answer.json(), json!({"errcode": 0, "errmsg": "ok"}));
    let answer = door.send(json_to("/cgi-bin/webhook/send?key=source:bms", &text("[恢复] 磁盘满\n主机: db-1"))).await;
    assert_eq!(answer.json(), json!({"errcode": 0, "errmsg": "ok"}));
    let feishu = json!({"msg_type": "text", "content": {"text": "[紧急] 门户不可用\n主机: web-1"}});
    let answer = door.send(json_to("/open-apis/bot/v2/hook/source:bms", &feishu)).await;
    assert_eq!(answer.json()["code"], 0, "{}", answer.text);
    let slack = json!({"text": "[RESOLVED] Disk full, host=db-1", "username": "monitor"});
    let answer = door.send(json_to("/services/T0/B0/source:bms", &slack)).await;
    assert_eq!(answer.text, "ok");
    let form = "payload=%7B%22text%22%3A%22Disk+full%2C+host%3Ddb-1%22%7D";
    let answer = door.send(bare("POST", "/services/T0/B0/source:bms", "application/x-www-form-urlencoded", form)).await;
    assert_eq!(answer.text, "ok");
    let want = [
        (Status::Firing, "磁盘满"),
        (Status::Resolved, "磁盘满"),
        (Status::Firing, "门户不可用"),
        (Status::Resolved, "Disk full, host=db-1"),
        (Status::Firing, "Disk full, host=db-1"),
    ];
    assert_eq!(told(&door), want.map(|(status, key)| (status, key.to_owned())));
    door.check(json_to("/robot/send", &text(firing)), 401, "unauthorized").await;
    door.check(json_to("/services/T0/B0/nobody", &slack), 401, "unauthorized").await;
    door.check(json_to("/robot/send?access_token=viewer:li", &text(firing)), 403, "forbidden").await;
}

#[tokio::test]
async fn flashduty_and_cloud_alert_have_their_doors() {
    let door = door();
    let event =
        json!({"event_status": "Critical", "title_rule": "CPU", "alert_key": "k1", "labels": {"host": "web-1"}});
    let answer = door.send(json_to("/event/push/alert/standard?integration_key=source:bms", &event)).await;
    assert!(answer.status == 200 && answer.json()["request_id"].is_string(), "{}", answer.text);
    let event = json!({"app": "source:bms", "eventId": "e1", "eventType": "trigger", "alarmName": "CPU", "entityName": "web-1", "priority": 5});
    let answer = door.send(json_to("/alert/api/event", &event)).await;
    assert_eq!((answer.status.as_u16(), answer.json()["result"].as_str()), (200, Some("success")), "{}", answer.text);
    assert_eq!(told(&door), [(Status::Firing, "k1".to_owned()), (Status::Firing, "e1".to_owned())]);
}

#[tokio::test]
async fn forms_and_addresses_are_read_like_json() {
    let door = door();
    let fields = "endpoint=web-1&metric=cpu.idle&status=PROBLEM&priority=1&time=2026-01-05+08%3A00%3A03&tags=core%3A0";
    let by_address = bare("GET", &format!("/api/v1/ingest/open-falcon?{fields}&token=source:falcon"), "text/plain", "");
    assert_eq!(door.send(by_address).await.json()["accepted"], 1);
    let form =
        bare("POST", "/api/v1/ingest/open-falcon?token=source:falcon", "application/x-www-form-urlencoded", fields);
    assert_eq!(door.send(form).await.json()["accepted"], 1);
    assert_eq!(door.kept(), ["falcon cpu.idle", "falcon cpu.idle"]);
    let batches = door.list.batches.lock().unwrap();
    assert_eq!(batches[0].events, batches[1].events, "the same event both ways, and the token is no part of it");
    assert_eq!(batches[0].events[0].labels.get("core"), Some("0"));
}

#[tokio::test]
async fn decoders_have_the_same_address_as_mappings() {
    let door = door();
    let message = json!({"version": "1", "state": "alerting", "alerts": [{"status": "firing", "labels": {"alertname": "A", "host": "x"},
        "dashboardURL": "https://grafana.example/d/1", "panelURL": "https://grafana.example/d/1?viewPanel=2", "valueString": "[ var='A' value=97 ]"}]});
    assert_eq!(door.send(post("/api/v1/ingest/grafana", &[], message.to_string())).await.json()["accepted"], 1);
    let zen = json!({"zen": "Anything added dilutes everything else.", "repository": {"name": "portal"}});
    let answer = door.send(post("/api/v1/ingest/github", &[], zen.to_string())).await;
    assert_eq!((answer.status.as_u16(), answer.json()["left_out"].as_u64()), (202, Some(1)), "{}", answer.text);
    let batches = door.list.batches.lock().unwrap();
    let event = &batches[0].events[0];
    assert!(event.links.iter().any(|link| link.contains("viewPanel")), "{:?}", event.links);
    assert_eq!(event.annotations.get("value"), Some("[ var='A' value=97 ]"));
}

#[tokio::test]
async fn who_has_an_alert_where_it_comes_from_has_its_incident_here() {
    let folder = tempfile::tempdir().unwrap();
    let setup = Setup::new(folder.path(), "");
    let (mine, other) = (token(&setup.data, "source", "pd"), token(&setup.data, "source", "other"));
    let client = client();
    let mut program = setup.start(&[]);
    program.answers(&client).await;
    let tell = async |key: &str, action: &str| {
        let payload = json!({"summary": "Disk full", "source": "db-1", "severity": "critical"});
        let body = json!({"routing_key": key, "event_action": action, "dedup_key": "d1", "payload": payload});
        let answer = client.post(setup.url("/v2/enqueue")).json(&body).send().await.unwrap();
        assert_eq!(answer.status(), 202);
    };
    tell(&mine, "trigger").await;
    let path = "/api/v1/incidents";
    setup.until(&client, path, "it is opened", |told| told["items"][0]["id"].is_string()).await;
    // Somebody else's key of the same name is not this alert's.
    tell(&other, "acknowledge").await;
    tell(&mine, "acknowledge").await;
    let taken = |told: &Value| told["items"][0]["acknowledged_by"].is_string();
    let told = setup.until(&client, path, "somebody has it", taken).await;
    assert_eq!(told["items"][0]["acknowledged_by"], "pd", "{told}");
    let audit = setup
        .until(&client, "/api/v1/audit", "both stand in the audit", |told| {
            let actors: Vec<&Value> = told["items"].as_array().unwrap().iter().map(|one| &one["actor"]).collect();
            actors.contains(&&json!("pd")) && actors.contains(&&json!("other"))
        })
        .await;
    let of = |actor: &str| audit["items"].as_array().unwrap().iter().find(|one| one["actor"] == actor).unwrap().clone();
    assert_eq!((&of("pd")["action"], &of("pd")["about"]), (&json!("for_alert"), &json!("d1")));
    assert!(of("other").to_string().contains("no alert of this key"), "{audit}");
    program.stop();
}

/// Zabbix's update with the macros of our media type, and our own JSON: both say who has the problem.
#[tokio::test]
async fn what_an_event_says_is_acknowledged_is_acknowledged_here() {
    let folder = tempfile::tempdir().unwrap();
    let setup = Setup::new(folder.path(), "");
    let (zabbix, own) = (token(&setup.data, "source", "zabbix-east"), token(&setup.data, "source", "scada"));
    let client = client();
    let mut program = setup.start(&[]);
    program.answers(&client).await;
    let send = async |token: &str, path: &str, body: &str| {
        let request = client.post(setup.url(path)).bearer_auth(token).header("content-type", "application/json");
        let answer = request.body(body.to_owned()).send().await.unwrap();
        assert_eq!(answer.status(), 202, "{}", answer.text().await.unwrap());
    };
    let golden = |case: &str| std::fs::read_to_string(format!("tests/golden/decode/zabbix/{case}.json")).unwrap();
    // Its severity 4 alone opens nothing at once: a disaster does.
    let fires = golden("firing").replace(r#""nseverity": "4""#, r#""nseverity": "5""#);
    let taken = golden("acknowledged").replace(r#""nseverity": "4""#, r#""nseverity": "5""#);
    send(&zabbix, "/api/v1/ingest/zabbix", &fires).await;
    let path = "/api/v1/incidents";
    let of = |told: &Value, object: &str| {
        let items = told["items"].as_array().unwrap();
        items.iter().find(|one| one["title"].as_str().is_some_and(|title| title.contains(object))).cloned()
    };
    setup.until(&client, path, "Zabbix's is opened", |told| of(told, "db-01").is_some()).await;
    send(&zabbix, "/api/v1/ingest/zabbix", &taken).await;
    let has = |told: &Value, object: &str| of(told, object).is_some_and(|one| one["acknowledged_by"].is_string());
    let told = setup.until(&client, path, "Zabbix's is acknowledged", |told| has(told, "db-01")).await;
    let incident = of(&told, "db-01").unwrap();
    assert_eq!(incident["acknowledged_by"], "李伟 (li) (zabbix-east)", "{told}");
    let id = incident["id"].as_str().unwrap().to_owned();
    let lines = setup.get(&client, &format!("{path}/{id}/timeline")).await.unwrap();
    let line = lines["items"].as_array().unwrap().iter().find(|line| line["kind"] == "acknowledged").unwrap();
    assert_eq!((&line["actor"], &line["via"]), (&json!("李伟 (li) (zabbix-east)"), &json!("zabbix-east")));

    // Whoever gives it back here keeps that, although the source says the same words once more.
    let (status, _) = setup.post(&client, &format!("{path}/{id}/unacknowledge"), &json!({})).await;
    assert_eq!(status, 202);
    setup.until(&client, path, "it is given back", |told| !has(told, "db-01")).await;
    send(&zabbix, "/api/v1/ingest/zabbix", &taken).await;

    let event = |by: Option<&str>| {
        let mut event = json!({"name": "PumpDown", "severity": "critical", "object": {"name": "pump-1"}, "starts_at": "2026-01-05T08:00:00Z"});
        if let Some(by) = by {
            event["acknowledged_by"] = json!(by);
        }
        event.to_string()
    };
    // Said with the first word already; nobody else's name is put over it.
    send(&own, "/api/v1/events", &event(Some("wang"))).await;
    send(&own, "/api/v1/events", &event(Some("zhao"))).await;
    let told = setup.until(&client, path, "the pump's is acknowledged", |told| has(told, "pump-1")).await;
    assert_eq!(of(&told, "pump-1").unwrap()["acknowledged_by"], "wang (scada)", "{told}");
    setup.all_decided(&client, 5).await;
    let told = setup.get(&client, path).await.unwrap();
    assert_eq!(of(&told, "pump-1").unwrap()["acknowledged_by"], "wang (scada)", "{told}");
    assert!(!has(&told, "db-01"), "{told}");
    program.stop();
}

#[tokio::test]
async fn signal_and_side_filter_alerts_and_events_and_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let setup = Setup::new(folder.path(), "");
    let client = client();
    let mut program = setup.start(&[]);
    program.answers(&client).await;
    let event = |name: &str, more: Value| {
        let mut event = json!({"name": name, "severity": "critical", "object": {"name": name}, "starts_at": "2026-01-05T08:00:00Z"});
        event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        event
    };
    let events = json!([
        event("NodeNotReady", json!({"signal": "event", "side": "cloud"})),
        event("ErrorsInLog", json!({"signal": "log", "side": "endpoint"})),
        event("PortDown", json!({"signal": "event", "side": "network"})),
        event("Silent", json!({})),
    ]);
    let (status, told) = setup.post(&client, "/api/v1/events", &events).await;
    assert_eq!(status, 202, "{told}");
    // What the format tells: CloudMonitor's callbacks are metrics of a cloud.
    let form = std::fs::read_to_string("tests/golden/decode/aliyun-cms/firing.form").unwrap();
    let request = client.post(setup.url("/api/v1/ingest/aliyun-cms")).bearer_auth(&setup.token);
    let request = request.header("content-type", "application/x-www-form-urlencoded").body(form.trim_end().to_owned());
    assert_eq!(request.send().await.unwrap().status(), 202);
    setup.all_decided(&client, 5).await;
    let names = async |path: &str, name: &str| {
        let five = |told: &Value| told["items"].as_array().is_some_and(|items| items.len() == 5);
        setup.until(&client, path.split('?').next().unwrap(), "all five are shown", five).await;
        let told = setup.get(&client, path).await.unwrap_or_else(|| panic!("{path}"));
        let mut names: Vec<String> = told["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| item.pointer(name).unwrap().as_str().unwrap().to_owned())
            .collect();
        names.sort();
        names
    };
    for (list, name) in [("/api/v1/alerts", "/name"), ("/api/v1/events", "/raw/name")] {
        assert_eq!(names(&format!("{list}?signal=event"), name).await, ["NodeNotReady", "PortDown"]);
        assert_eq!(names(&format!("{list}?signal=event&side=cloud"), name).await, ["NodeNotReady"]);
        assert_eq!(names(&format!("{list}?side=network&side=endpoint"), name).await, ["ErrorsInLog", "PortDown"]);
        assert_eq!(names(&format!("{list}?signal=metric&side=cloud"), name).await.len(), 1);
    }
    let archived = setup.get(&client, "/api/v1/alerts?archive=true&side=network").await.unwrap();
    assert_eq!((&archived["items"][0]["name"], &archived["items"][0]["side"]), (&json!("PortDown"), &json!("network")));
    assert_eq!(archived["items"].as_array().map(Vec::len), Some(1), "{archived}");
    let metrics =
        client.get(setup.url("/metrics")).bearer_auth(&setup.token).send().await.unwrap().text().await.unwrap();
    let counted = |line: &str| assert!(metrics.lines().any(|one| one == line), "{line} in {metrics}");
    counted(r#"headwater_intake_events_by_signal{word="event"} 2"#);
    counted(r#"headwater_intake_events_by_side{word="cloud"} 2"#);
    counted(r#"headwater_intake_events_by_side{word="unknown"} 1"#);
    program.stop();
}
