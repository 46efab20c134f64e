//! Metric points over NATS and HTTP: only what is unusual enters the journal, once, whoever watches and whoever dies.

use std::collections::BTreeMap;

use headwater::domain::time::Timestamp;
use serde_json::{Value, json};

use super::cluster::{Instance, settled};
use super::front::{all_decided, get, publish, served, until};
use super::server::{Program, Server};
use crate::served::{Request, Served};

/// The minute of a first point: an hour ago, so that a test can send minutes on end.
fn start() -> i64 {
    (headwater::clock::machine()().0 / 60_000 - 100) * 60_000
}

/// A latency of each object, minute by minute, one message per minute.
fn minutes(from: i64, minutes: std::ops::Range<i64>, objects: usize, level: f64) -> Vec<String> {
    let message = |minute: i64| {
        let point = |n: usize| {
            json!({ "name": "latency_p99", "object": { "name": format!("web-{n}") }, "labels": { "zone": "a" },
                    "value": level + (minute * 7 % 5) as f64, "at": Timestamp(from + minute * 60_000).to_string() })
        };
        json!((0..objects).map(point).collect::<Vec<_>>()).to_string()
    };
    minutes.map(message).collect()
}

fn to(subject: &str, bodies: Vec<String>) -> Vec<(String, Option<String>, String)> {
    bodies.into_iter().map(|body| (subject.to_owned(), None, body)).collect()
}

/// Alerts by object, with state and severity.
fn alerts(served: &Served, token: &str) -> BTreeMap<String, String> {
    let page = get(served, token, "/api/v1/alerts?limit=200");
    let of = |alert: &Value| {
        let text = |key: &str| alert[key].as_str().unwrap_or_default().to_owned();
        (text("object"), format!("{} {} {}", text("name"), text("state"), alert["count"]))
    };
    page["items"].as_array().unwrap().iter().map(of).collect()
}

#[test]
fn only_what_is_unusual_enters_the_journal_and_a_restart_knows_it_still() {
    let Some(path) = Program::Recent.path() else { return };
    let server = Server::start(&path, "one.conf".as_ref());
    let folder = tempfile::tempdir().unwrap();
    let (program, token) = served(&server.url(), folder.path());
    until("NATS is in use", || program.said().iter().any(|line| line.contains("NATS is in use")).then_some(()));
    let (subject, from) = ("src.default.prom.metric", start());
    publish(&server, to(subject, minutes(from, 0..60, 3, 20.0)));
    publish(&server, to(subject, minutes(from, 60..65, 1, 900.0)));
    let account = all_decided(&program, &token, 1);
    assert_eq!(account["accepted"], 1, "180 usual points are no events: {account}");
    let one = json!({ "web-0": "latency-unusual firing 1" });
    assert_eq!(json!(alerts(&program, &token)), one);
    let seen = program.metrics(&token);
    assert_eq!(seen["headwater_series_watched"], 3.0);
    // The last words of the journal are not in the view of a program that is killed: here they are.
    let events = get(&program, &token, "/api/v1/events?limit=10");
    let model = r#"\"model\":\"metric\""#;
    assert!(
        events.to_string().contains(model) && events.to_string().contains("baseline"),
        "score, model and baseline are told: {events}"
    );

    // It is killed while the anomaly stands, and learns what is usual from what the stream still has.
    let program = program.again(&["--config", folder.path().join("headwater.yaml").to_str().unwrap()]);
    until("its series are known again", || {
        (program.metrics(&token).get("headwater_series_watched") == Some(&3.0)).then_some(())
    });
    // Lines of logs come the same way.
    let lines = vec![
        "{\"message\":\"up\",\"object\":\"web-0\"}\n{\"message\":\"down\"}".to_owned(),
        "a plain line\nanother".to_owned(),
    ];
    publish(&server, to("src.default.prom.log", lines));
    until("log lines are counted", || {
        let counted = program.metrics(&token).get("headwater_intake_log_lines{word=\"counted\"}").copied();
        (counted == Some(4.0)).then_some(())
    });
    publish(&server, to(subject, minutes(from, 65..70, 1, 20.0)));
    until("it has ended", || alerts(&program, &token)["web-0"].contains("resolved").then_some(()));
    let account = all_decided(&program, &token, 2);
    assert!(account["accepted"].as_u64() <= Some(3), "at most the start is told once more, as a duplicate: {account}");
    assert_eq!(account["balanced"], true, "{account}");
    assert_eq!(alerts(&program, &token).len(), 1);
}

#[test]
fn points_that_cannot_be_read_are_a_dead_letter_and_a_counter() {
    let Some(path) = Program::Recent.path() else { return };
    let server = Server::start(&path, "one.conf".as_ref());
    let folder = tempfile::tempdir().unwrap();
    let (program, token) = served(&server.url(), folder.path());
    until("NATS is in use", || program.said().iter().any(|line| line.contains("NATS is in use")).then_some(()));
    let good = minutes(start(), 0..1, 1, 20.0).remove(0);
    let bad = good.replace("\"value\"", "\"vlaue\"");
    publish(&server, to("src.default.prom.metric", vec![good, bad, "no JSON".into()]));
    all_decided(&program, &token, 2);
    let letters = get(&program, &token, "/api/v1/dead-letters");
    let told = letters.to_string();
    assert!(told.contains("vlaue") && told.contains("\"prom\"") && told.contains("1 of its points"), "{told}");
    let seen = program.metrics(&token);
    assert_eq!(seen["headwater_intake_points{word=\"malformed\"}"], 2.0, "{seen:?}");
    assert_eq!(seen["headwater_intake_points{word=\"learned\"}"], 1.0, "{seen:?}");
}

#[test]
fn each_source_is_watched_by_one_instance_and_another_one_takes_it_over() {
    let Some(path) = Program::Recent.path() else { return };
    let server = Server::start(&path, "one.conf".as_ref());
    let variables = [("HEADWATER__NATS__INTAKE", "true".into()), ("HEADWATER__NATS__TENANTS", "[\"north\"]".into())];
    let of = |name: &str| {
        let roles = "  roles: [intake, engine, delivery, api]\n";
        Instance::by(name, &[server.url()], roles).start_with(&variables)
    };
    let mut instances: Vec<Instance> = ["mill", "mine"].map(of).into();
    settled(&instances);
    let (sources, from): (Vec<String>, _) = ((0..12).map(|n| format!("prom-{n}")).collect(), start());
    let send = |range: std::ops::Range<i64>, level: f64| {
        let subject = |source: &String| format!("src.north.{source}.metric");
        let all = sources.iter().flat_map(|source| to(&subject(source), minutes(from, range.clone(), 1, level)));
        publish(&server, all.collect());
    };
    send(0..60, 20.0);
    let watched = |one: &Instance| one.number("headwater_series_watched");
    until("each source is watched once", || (instances.iter().map(watched).sum::<f64>() == 12.0).then_some(()));
    assert!(instances.iter().all(|one| watched(one) > 0.0), "both have a part");
    // Points of HTTP go to whoever watches their source: here, a source of its own.
    for body in minutes(from, 0..60, 1, 20.0).into_iter().chain(minutes(from, 60..65, 1, 900.0)) {
        let request = Request::post("/api/v1/metrics", instances[0].source("north"), body.as_bytes());
        let answer = instances[0].served().send(&request);
        assert_eq!(answer.status, 202, "{}", answer.text());
    }
    send(60..65, 900.0);
    let admin = instances[0].admin("north").to_owned();
    let shown = |one: &Instance| get(one.served(), one.admin("north"), "/api/v1/alerts?limit=200");
    let count = |one: &Instance, state: &str| shown(one).to_string().matches(&format!("\"state\":\"{state}\"")).count();
    until("every source has its alert", || (count(&instances[0], "firing") == 13).then_some(()));
    let account = get(instances[0].served(), &admin, "/api/v1/conservation");
    assert_eq!(account["accepted"], 13, "each anomaly is told once: {account}");

    instances[1].kill();
    until("all sources are watched by the one that is left", || (watched(&instances[0]) == 13.0).then_some(()));
    send(65..70, 20.0);
    until("the anomalies of all sources have ended", || (count(&instances[0], "resolved") == 12).then_some(()));
    let account = all_decided(instances[0].served(), &admin, 25);
    assert_eq!((&account["balanced"], shown(&instances[0])["items"].as_array().unwrap().len()), (&json!(true), 13));
}

/// Ten minutes.
const STEP: i64 = 600_000;
/// Readings of a day.
const OF_DAY: i64 = 144;

/// The beginning of a day, five days ago.
fn five_days_ago() -> i64 {
    (headwater::clock::machine()().0.div_euclid(OF_DAY * STEP) - 5) * OF_DAY * STEP
}

/// Readings of a load that is ten times as high from eight to ten each morning, one message.
fn load(range: std::ops::Range<i64>) -> Vec<String> {
    let point = |n: i64| {
        let level = if (48..60).contains(&n.rem_euclid(OF_DAY)) { 200.0 } else { 20.0 };
        let at = Timestamp(five_days_ago() + n * STEP).to_string();
        json!({ "name": "load", "object": { "name": "web-1" }, "value": level + (n * 7 % 5) as f64, "at": at })
    };
    vec![json!(range.map(point).collect::<Vec<_>>()).to_string()]
}

/// Four days of it, a message a day.
fn four_days() -> Vec<String> {
    (0..4).flat_map(|day| load(day * OF_DAY..(day + 1) * OF_DAY)).collect()
}

/// Nothing that was published can be read again.
fn purge(server: &Server, stream: &str) {
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let settings = super::server::settings(vec![server.url()]);
        let nats = headwater::nats::connect::connect(&settings).await.unwrap();
        nats.jetstream.get_stream(stream).await.unwrap().purge().await.unwrap();
    });
}

/// How many readings are known of the load, and what was expected of the last one.
fn known(served: &Served, token: &str) -> Option<(u64, f64)> {
    let page = get(served, token, "/api/v1/series?q=load");
    let one = &page["items"][0];
    Some((one["readings"].as_u64()?, one["last"]["expected"].as_f64()?))
}

fn knows(served: &Served, token: &str, readings: u64) -> f64 {
    until("its readings", || known(served, token).filter(|(n, _)| *n == readings)).1
}

#[test]
fn a_usual_day_stays_known_when_the_server_or_the_program_is_started_again() {
    let Some(path) = Program::Recent.path() else { return };
    let mut server = Server::start(&path, "one.conf".as_ref());
    let folder = tempfile::tempdir().unwrap();
    let (program, token) = served(&server.url(), folder.path());
    let in_use = |program: &Served| {
        until("NATS is in use", || program.said().iter().any(|line| line.contains("NATS is in use")).then_some(()));
    };
    in_use(&program);
    // What comes over HTTP is watched beside, and no matter of the server's.
    for body in minutes(start(), 0..30, 1, 20.0) {
        assert_eq!(program.send(&Request::post("/api/v1/metrics", &token, body.as_bytes())).status, 202);
    }
    publish(&server, to("src.default.prom.metric", four_days()));
    knows(&program, &token, 4 * 144);
    // The first two mornings began and ended an alert each.
    assert_eq!(all_decided(&program, &token, 4)["accepted"], 4);
    purge(&server, "METRIC-default");

    server.kill();
    let is_away = |line: &String| line.contains("points are not taken from NATS");
    until("it is missed", || program.said().iter().any(is_away).then_some(()));
    server.run();
    publish(&server, to("src.default.prom.metric", load(576..624)));
    knows(&program, &token, 624);
    publish(&server, to("src.default.prom.metric", load(624..628)));
    let expected = knows(&program, &token, 628);
    assert!(expected > 150.0, "the morning is known: {expected}");
    assert_eq!(program.metrics(&token)["headwater_series_watched"], 2.0);
    assert_eq!(all_decided(&program, &token, 4)["accepted"], 4, "nothing of it is unusual");

    // It is stopped and started again; the stream has nothing that would teach it.
    purge(&server, "METRIC-default");
    let mut program = program;
    let pid = program.pid().to_string();
    assert!(std::process::Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    until("it has stopped", || (!program.is_alive()).then_some(()));
    let program = program.again(&["--config", folder.path().join("headwater.yaml").to_str().unwrap()]);
    in_use(&program);
    publish(&server, to("src.default.prom.metric", load(628..632)));
    let expected = knows(&program, &token, 632);
    assert!(expected > 150.0, "the morning is known: {expected}");
    assert_eq!(program.metrics(&token)["headwater_series_watched"], 2.0, "both series are known again");
    // And what is unusual is told.
    let far = load(632..640).remove(0).replace("\"value\":2", "\"value\":99");
    publish(&server, to("src.default.prom.metric", vec![far]));
    all_decided(&program, &token, 5);
}

#[test]
fn an_instance_knows_its_sources_again_and_ends_what_another_one_told() {
    let Some(path) = Program::Recent.path() else { return };
    let mut server = Server::start(&path, "one.conf".as_ref());
    let variables = [("HEADWATER__NATS__INTAKE", "true".into()), ("HEADWATER__NATS__TENANTS", "[\"north\"]".into())];
    let of = |name: &str, server: &Server| {
        let roles = "  roles: [intake, engine, delivery, api]\n";
        Instance::by(name, &[server.url()], roles).start_with(&variables)
    };
    let mut instances: Vec<Instance> = ["mill", "mine"].map(|name| of(name, &server)).into();
    settled(&instances);
    let send = |server: &Server, bodies: Vec<String>| publish(server, to("src.north.prom.metric", bodies));
    send(&server, four_days());
    let watched = |one: &Instance| one.number("headwater_series_watched");
    until("it is watched once", || (instances.iter().map(watched).sum::<f64>() == 1.0).then_some(()));
    instances.sort_by_key(|one| watched(one) as u64);
    let (other, mut owner) = (instances.remove(0), instances.remove(0));
    let token = |one: &Instance| one.admin("north").to_owned();
    knows(owner.served(), &token(&owner), 576);
    purge(&server, "METRIC-north");

    // Without the server nobody knows whose turn it is; nothing is forgotten for that.
    server.kill();
    let says = |word: &str| owner.served().said().iter().any(|line| line.contains(word)).then_some(());
    until("it has lost sight of the others", || says("the others do not hear of this instance"));
    server.run();
    until("it is heard of again", || says("the others hear of this instance again"));
    send(&server, load(576..586));
    knows(owner.served(), &token(&owner), 586);
    let far = load(586..592).remove(0).replace("\"value\":2", "\"value\":99");
    send(&server, vec![far]);
    let state = |one: &Instance| alerts(one.served(), &token(one)).remove("web-1").unwrap_or_default();
    until("it is told", || state(&owner).contains("firing").then_some(()));
    until("the other one hears of it", || state(&other).contains("firing").then_some(()));
    // Whichever is asked has the series, of which only the owner knows the readings.
    let page = get(other.served(), &token(&other), "/api/v1/series?q=load");
    let id = page["items"][0]["id"].as_str().unwrap();
    assert_eq!((watched(&other), page["items"].as_array().unwrap().len()), (0.0, 1), "{page}");
    let chart = get(other.served(), &token(&other), &format!("/api/v1/series/{id}"));
    assert!(chart["samples"].as_array().unwrap().len() > 100, "{chart}");
    assert_eq!(chart["alerts"][0]["firing"], true, "{chart}");

    // The other one takes over what it knew, from a stream that has nothing: it ends what stood before.
    purge(&server, "METRIC-north");
    owner.leave();
    until("the other one knows that it is alone", || (other.number("headwater_instances") == 1.0).then_some(()));
    send(&server, load(592..622));
    until("it has ended", || state(&other).contains("resolved").then_some(()));
    let expected = knows(other.served(), &token(&other), 592 + 30);
    assert!(expected < 50.0, "the afternoon is known: {expected}");

    // The one that left comes back and goes on with what the other one knows.
    purge(&server, "METRIC-north");
    owner = owner.start_with(&variables);
    until("it has its turn again", || (watched(&owner) == 1.0 && watched(&other) == 0.0).then_some(()));
    send(&server, load(622..628));
    let expected = knows(owner.served(), &token(&owner), 622 + 6);
    assert!(expected > 150.0, "the morning is known: {expected}");
}

#[test]
fn the_instance_that_has_readings_makes_the_model_whichever_one_is_asked() {
    let Some(path) = Program::Recent.path() else { return };
    let server = Server::start(&path, "one.conf".as_ref());
    let retrain = "HEADWATER__INTAKE__ANOMALIES__RETRAIN_DAYS";
    let variables = [
        ("HEADWATER__NATS__INTAKE", "true".into()),
        ("HEADWATER__NATS__TENANTS", "[\"north\"]".into()),
        (retrain, "1".into()),
    ];
    let roles = "  roles: [intake, engine, delivery, api]\n";
    let of = |name: &str| Instance::by(name, &[server.url()], roles);
    // One source: all its readings are where it is watched.
    let (has_none, has_all) = (of("mill"), of("mine"));
    let now = headwater::clock::machine()().0;
    crate::retraining::daybook(has_all.stopped.as_ref().unwrap().path(), &["north"], now);
    let instances: Vec<Instance> = [has_none, has_all].map(|one| one.start_with(&variables)).into();
    settled(&instances);
    let ask = |method: &'static str, path: &'static str| {
        let mut request = Request::post(path, instances[0].admin("north"), br#"{"reason":"new racks"}"#);
        request.method = method;
        instances[0].served().send(&request)
    };
    let shadow = || instances[0].served().send(&Request::get("/api/v1/shadow", instances[0].admin("north")));
    let is_tried = |text: &String| text.contains("\"has_metric\":true");
    let tried = until("a model is tried", || Some(shadow().text()).filter(is_tried));
    assert!(tried.contains("\"author\":\"headwater\""), "{tried}");
    let ended = ask("DELETE", "/api/v1/shadow?reason=too+loud");
    assert_eq!(ended.status, 202, "{}", ended.text());
    until("nothing is tried", || shadow().text().contains("\"running\":false").then_some(()));
    let made = ask("POST", "/api/v1/models/metric/retrain");
    assert!(made.status == 202 && made.text().contains("\"version\":2"), "{} {}", made.status, made.text());
    let tried = until("it is tried", || Some(shadow().text()).filter(is_tried));
    assert!(tried.contains("new racks") && !tried.contains("\"author\":\"headwater\""), "who asked is named: {tried}");
    let refused = ask("POST", "/api/v1/models/metric/retrain");
    let why = refused.text();
    assert!(refused.status == 422 && why.contains("instance mine, which") && why.contains("tried already"), "{why}");
}
