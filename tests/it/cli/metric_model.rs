//! The life of a metric model on the real program: made from what was kept, tried without effects, activated, taken back, and
//! missing.

use std::process::Command;

use headwater::decode::points::encode;
use headwater::domain::event::ObjectRef;
use headwater::domain::label::Labels;
use headwater::domain::point::Point;
use headwater::domain::time::Timestamp;
use headwater::lab::series::synthetic::{self, Anomalous};
use serde_json::{Value, json};

use super::served::{Served, token};
use super::{Ran, headwater, write};

const START: i64 = 1_767_225_600_000;

struct Person {
    base: String,
    token: String,
}

impl Person {
    fn runs(&self, arguments: &[&str]) -> Ran {
        let mut command = Command::new(env!("CARGO_BIN_EXE_headwater"));
        command.args(arguments).args(["--server", &self.base, "--lang", "en"]);
        Ran::of(command.env("HEADWATER_TOKEN", &self.token).output().unwrap())
    }

    fn reads(&self, served: &Served, path: &str) -> Value {
        let (status, text) = served.ask("GET", path, &self.token, "");
        serde_json::from_str(&text).unwrap_or_else(|_| panic!("{path}: {status} {text}"))
    }

    /// Waits until the program's own alert of this name is in this state.
    fn is_told(&self, served: &Served, name: &str, state: &str) {
        served.wait(&format!("{name} {state}"), || {
            let page = self.reads(served, "/api/v1/alerts?limit=200");
            let is_it = |one: &Value| one["name"] == name && one["state"] == state && one["source"] == "headwater";
            page["items"].as_array().unwrap().iter().any(is_it).then_some(())
        });
    }
}

/// A model of series that ended years ago, as a person trains it; its version.
fn trained(out: &std::path::Path, seed: &str) -> u32 {
    let out = out.to_str().unwrap();
    let ran = headwater(&["model", "train", "metric", "--synthetic", "2", "--series-seed", seed, "--out", out]);
    ran.does(&["version"]);
    let version = ran.out.split("version ").nth(1).and_then(|rest| rest.split(',').next()).unwrap();
    version.parse().unwrap()
}

/// Quiet series as a server would have kept them.
fn daybook(data: &std::path::Path) {
    let folder = data.join("readings");
    std::fs::create_dir_all(&folder).unwrap();
    let lines: Vec<String> = synthetic::series(5, Anomalous::No, 3)
        .iter()
        .enumerate()
        .flat_map(|(n, one)| {
            one.readings.iter().map(move |(at, value)| format!("default,probe,{n:032x},{},{value}\n", at.0))
        })
        .collect();
    std::fs::write(folder.join("2024-01-01.csv"), lines.concat()).unwrap();
}

/// Readings of one object, one a minute; every hundredth is far off.
fn points(from: i64, count: i64) -> Vec<Point> {
    let value = |n: i64| 20.0 + ((n * 7919) % 101) as f64 / 10.0 + if n % 100 >= 97 { 400.0 } else { 0.0 };
    let point = |n: i64| Point {
        name: "queue_depth".into(),
        object: ObjectRef { name: Some("mq-1".into()), ..ObjectRef::default() },
        labels: Labels::default(),
        value: value(n),
        at: Timestamp(START + n * 60_000),
        unit: None,
        aspect: None,
        measure: None,
        worse: None,
        is_counter: false,
    };
    (from..from + count).map(point).collect()
}

fn send(served: &Served, token: &str, from: i64, count: i64) {
    let body = String::from_utf8(encode(&points(from, count))).unwrap();
    let (status, text) = served.ask("POST", "/api/v1/metrics", token, &body);
    assert_eq!(status, 202, "{text}");
}

#[test]
fn a_model_is_made_tried_activated_taken_back_and_missed() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let probe = token(&data, "source", "probe");
    let analyst = token(&data, "analyst", "li");
    daybook(&data);
    // It looks at itself every second.
    let config = write(folder.path(), "hw.yaml", "data: data\nvitals: { every: 1s, disk_free_mib_min: 0 }\n");
    let started = || Served::start(&["--config", &config]);
    let served = started();
    let li = Person { base: served.base(), token: analyst.clone() };
    li.runs(&["model", "health"]).does(&["metric model 1", "not made from series of your own"]);
    li.runs(&["model", "retrain", "correlation"]).refuses(&["feedback export"]);
    li.runs(&["model", "retrain", "metric", "--reason", "new racks"]).does(&["version 2", "5 series", "runs beside"]);
    li.runs(&["model", "retrain", "metric"]).refuses(&["something is tried already"]);

    send(&served, &probe, 0, 700);
    let shadow = served.wait("readings that both judged", || {
        Some(li.reads(&served, "/api/v1/shadow")).filter(|shadow| shadow["metric"]["readings"].as_u64() > Some(500))
    });
    assert_eq!((&shadow["has_metric"], &shadow["has_model"]), (&json!(true), &json!(false)), "{shadow}");
    li.runs(&["shadow", "report"]).does(&["a metric model beside what is valid", "both told"]);
    assert_eq!(li.reads(&served, "/api/v1/models/metric")["version"], 1, "what is tried is not valid");

    let since = shadow["since_seq"].to_string();
    li.runs(&["shadow", "activate", "--since-seq", &since, "--reason", "quieter"]).does(&["metric model valid now"]);
    let is_version = |n: u64| move |known: &Value| known["version"] == n;
    let health = |what: &str, n: u64| {
        served.wait(what, || Some(li.reads(&served, "/api/v1/models/metric")).filter(is_version(n)))
    };
    let known = health("version 2", 2);
    assert!(known["trained_until"].is_string() && known["stale"] == true, "its series are of 2024: {known}");
    li.runs(&["model", "list", "--in-force"]).does(&["* metric 1", "  metric 0", "* correlation 0", "quieter"]);
    li.runs(&["model", "rollback", "metric", "--reason", "too quiet"]).does(&["model in force from record"]);
    health("version 1", 1);
    let own = concat!(env!("CARGO_MANIFEST_DIR"), "/models");
    li.runs(&["model", "activate", "metric", "--models", own]).does(&["nothing has changed"]);
    li.runs(&["model", "rollback", "metric", "--version", "1", "--reason", "after all"]).does(&["as version 3"]);
    health("version 2", 2);
    let carried = folder.path().join("carried");
    let to = carried.to_str().unwrap();
    li.runs(&["model", "export", "metric", "--out", to]).does(&["metric 2", "model activate"]);
    li.runs(&["model", "export", "metric", "--out", to]).refuses(&["is there already"]);
    li.runs(&["model", "export", "correlation", "--version", "7", "--out", to]).refuses(&["no such version"]);
    headwater(&["model", "list", "--models", to]).does(&["metric 2"]);
    li.runs(&["model", "export", "correlation", "--out", to]).does(&["correlation 6"]);
    headwater(&["model", "list", "--models", to]).does(&["correlation 6", "metric 2"]);
    headwater(&["model", "card", "metric", "--models", to]).does(&["after all", "SHA-256"]);
    li.runs(&["model", "activate", "metric", "--models", to]).does(&["nothing has changed"]);
    let touched = carried.join("metric/2/model.yaml");
    let text = std::fs::read_to_string(&touched).unwrap();
    assert!(text.contains("features: [season, now, shift, range, shape]"), "{text}");
    std::fs::write(&touched, text.replacen("told_from: ", "told_from: 1", 1)).unwrap();
    li.runs(&["model", "activate", "metric", "--models", to]).refuses(&["has digest"]);
    let audit = li.reads(&served, "/api/v1/audit");
    assert!(audit.to_string().contains("metric_model"), "{audit}");

    // It is known after a restart, and its text is in the journal's file alone.
    served.stop();
    let served = started();
    let li = Person { base: served.base(), token: analyst.clone() };
    let known = li.reads(&served, "/api/v1/models/metric");
    assert_eq!(known["version"], 2, "{known}");
    served.stop();
    let digest = known["digest"].as_str().unwrap();
    let file = rusqlite::Connection::open(data.join("headwater.db")).unwrap();
    assert_eq!(file.execute("DELETE FROM blobs WHERE digest = ?1", [digest]).unwrap(), 1);
    drop(file);
    let served = started();
    let li = Person { base: served.base(), token: analyst };
    let (status, ready) = served.ask("GET", "/readyz", &li.token, "");
    assert!(status == 200 && ready.contains("last hours alone") && ready.contains("is not kept"), "{status} {ready}");
    assert!(li.reads(&served, "/api/v1/overview")["degraded"].to_string().contains("last hours alone"));
    let (_, metrics) = served.ask("GET", "/metrics", &li.token, "");
    assert!(metrics.contains("headwater_metric_model_degraded 1"), "{metrics}");
    li.runs(&["model", "health"]).does(&["no model: judged by the last hours alone", "degraded:"]);
    li.is_told(&served, "model-degraded", "firing");
    send(&served, &probe, 700, 100);
    let event =
        r#"{"name":"disk-full","severity":"major","starts_at":"2026-01-05T00:00:00Z","object":{"name":"db-1"}}"#;
    let (status, text) = served.ask("POST", "/api/v1/events", &probe, event);
    assert_eq!(status, 202, "events keep flowing: {text}");
    li.runs(&["model", "rollback", "metric", "--version", "0", "--reason", "the file lacks it"]).does(&["as version"]);
    served.wait("the built-in model", || {
        Some(li.reads(&served, "/api/v1/models/metric")).filter(|known| known["version"] == 1)
    });
    assert!(!served.ask("GET", "/readyz", &li.token, "").1.contains("last hours alone"));
    li.is_told(&served, "model-degraded", "resolved");
}

#[test]
fn a_model_that_is_too_slow_is_told_everywhere_and_tried_again_after_a_minute() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (probe, analyst) = (token(&data, "source", "probe"), token(&data, "analyst", "li"));
    let config = folder.path().join("headwater.yaml");
    // No machine judges a point in a microsecond when its program is not optimised.
    std::fs::write(&config, "intake: { anomalies: { point_us_max: 1 } }\n").unwrap();
    let served = Served::start(&["--config", config.to_str().unwrap(), "--data", data.to_str().unwrap()]);
    let li = Person { base: served.base(), token: analyst };
    let degraded = || li.reads(&served, "/api/v1/models/metric")["degraded"].to_string();
    assert_eq!(degraded(), "[]");
    // 2,000 points are looked at together.
    (0..3).for_each(|n| send(&served, &probe, n * 1000, 1000));
    let since = std::time::Instant::now();
    served.wait("it is too slow", || degraded().contains("a point costs more than").then_some(()));
    assert!(served.ask("GET", "/readyz", &li.token, "").1.contains("a point costs more than"));
    assert!(li.reads(&served, "/api/v1/overview")["degraded"].to_string().contains("last hours alone"));
    assert!(served.ask("GET", "/metrics", &li.token, "").1.contains("headwater_metric_model_degraded 1"));
    li.runs(&["model", "health"]).does(&["degraded:", "1 times so far"]);
    // Points are judged all the same meanwhile, by the last hours alone, however many come.
    (3..6).for_each(|n| send(&served, &probe, n * 1000, 1000));
    li.runs(&["model", "health"]).does(&["1 times so far"]);
    // After the rest it is tried again: nothing is degraded until points say so.
    let gone = || degraded() == "[]" && !served.ask("GET", "/readyz", &li.token, "").1.contains("costs more");
    while !gone() {
        assert!(since.elapsed() < std::time::Duration::from_secs(120), "it rests for a minute only");
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
    assert!(since.elapsed() > std::time::Duration::from_secs(50), "it rests for a minute");
    (6..9).for_each(|n| send(&served, &probe, n * 1000, 1000));
    served.wait("it is too slow again", || degraded().contains("2 times so far").then_some(()));
    served.stop();
}

#[test]
fn a_model_folder_that_was_touched_is_refused_and_the_model_before_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (probe, analyst) = (token(&data, "source", "probe"), token(&data, "analyst", "li"));
    let own = folder.path().join("own");
    let version = trained(&own, "1");
    let vitals = "data: data\nvitals: { every: 1s, disk_free_mib_min: 0 }\n";
    let settings = format!("{vitals}intake: {{ anomalies: {{ models: {} }} }}\n", own.display());
    let config = write(folder.path(), "hw.yaml", &settings);
    let served = Served::start(&["--config", &config]);
    let li = Person { base: served.base(), token: analyst.clone() };
    assert_eq!(li.reads(&served, "/api/v1/models/metric")["version"], version);
    // Its series are old.
    li.is_told(&served, "model-drifted", "firing");
    let said = served.wait_for("sign=\"model-drifted\"");
    assert!(said.contains("its series ended") && said.contains("训练所用序列止于"), "{said}");
    served.stop();
    // What ended while nobody looked is told at the next start: by these settings no model is too old.
    let other = write(folder.path(), "other.yaml", &format!("{vitals}intake: {{ anomalies: {{ stale_days: 0 }} }}\n"));
    let served = Served::start(&["--config", &other]);
    Person { base: served.base(), token: analyst.clone() }.is_told(&served, "model-drifted", "resolved");
    served.stop();

    let newer = trained(&own, "2");
    let touched = own.join(format!("metric/{newer}/model.yaml"));
    let text = std::fs::read_to_string(&touched).unwrap();
    std::fs::write(&touched, text.replacen("told_from: ", "told_from: 1", 1)).unwrap();
    let served = Served::start(&["--config", &config]);
    let li = Person { base: served.base(), token: analyst };
    assert_eq!(li.reads(&served, "/api/v1/models/metric")["version"], version, "the one before goes on");
    let (status, ready) = served.ask("GET", "/readyz", &li.token, "");
    assert!(status == 200 && ready.contains("a metric model is refused") && ready.contains("has digest"), "{ready}");
    li.is_told(&served, "model-degraded", "firing");
    send(&served, &probe, 0, 200);
    served.wait("points are judged by it", || {
        let known = li.reads(&served, "/api/v1/models/metric");
        (known["readings"].as_u64() > Some(50) && known["version"] == version).then_some(())
    });
    let event =
        r#"{"name":"disk-full","severity":"major","starts_at":"2026-01-05T00:00:00Z","object":{"name":"db-1"}}"#;
    served.send(&probe, &li.token, event);
    served.stop();
}

#[test]
fn series_that_have_changed_their_ways_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (probe, analyst) = (token(&data, "source", "probe"), token(&data, "analyst", "li"));
    let own = folder.path().join("own");
    trained(&own, "1");
    let vitals = "data: data\nvitals: { every: 1s, disk_free_mib_min: 0 }\n";
    let models = own.display();
    let settings = format!("{vitals}intake: {{ anomalies: {{ models: {models}, stale_days: 0 }} }}\n");
    let served = Served::start(&["--config", &write(folder.path(), "hw.yaml", &settings)]);
    let li = Person { base: served.base(), token: analyst };
    // Nothing of such a series is ever rare.
    let mut all = points(0, 11_000);
    all.iter_mut().for_each(|point| point.value = 20.0);
    for part in all[..9_000].chunks(1000) {
        let (status, text) = served.ask("POST", "/api/v1/metrics", &probe, &String::from_utf8(encode(part)).unwrap());
        assert_eq!(status, 202, "{text}");
    }
    let health = || li.reads(&served, "/api/v1/models/metric");
    served.wait("most readings", || (health()["readings"].as_u64() > Some(8_500)).then_some(()));
    assert_eq!(health()["drifted"], false, "of so few nothing is said: {}", health());
    for part in all[9_000..].chunks(1000) {
        served.ask("POST", "/api/v1/metrics", &probe, &String::from_utf8(encode(part)).unwrap());
    }
    served.wait("the drift", || (health()["drifted"] == true).then_some(()));
    li.is_told(&served, "model-drifted", "firing");
    let said = served.wait_for("sign=\"model-drifted\"");
    assert!(said.contains("index ") && said.contains("漂移指数"), "{said}");
    // Nothing is to be compared with the model that comes with the program.
    li.runs(&["model", "rollback", "metric", "--version", "0", "--reason", "it has drifted"]).does(&["as version"]);
    li.is_told(&served, "model-drifted", "resolved");
    served.stop();
}

#[test]
fn an_alert_of_a_monitor_that_is_called_like_one_of_ours_is_not_ended_by_us() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (probe, analyst) = (token(&data, "source", "probe"), token(&data, "analyst", "li"));
    let config = write(folder.path(), "hw.yaml", "data: data\nvitals: { disk_free_mib_min: 0 }\n");
    let start = || Served::start(&["--config", &config]);
    let state = |served: &Served, name: &str| {
        let li = Person { base: served.base(), token: analyst.clone() };
        let page = li.reads(served, "/api/v1/alerts?limit=200");
        let found = page["items"].as_array().unwrap().iter().find(|one| one["name"] == name);
        found.map(|one| one["state"].as_str().unwrap().to_owned())
    };
    let is = |served: &Served, name: &str, wanted: &str| {
        served.wait(&format!("{name} {wanted}"), || state(served, name).filter(|now| now == wanted));
    };
    let served = start();
    let event = r#"{"name":"no-data","title":"no data of mq-1","severity":"major","starts_at":"2026-01-01T00:00:00Z","object":{"name":"mq-1"}}"#;
    served.send(&probe, &analyst, event);
    // The last three readings are far off.
    send(&served, &probe, 0, 100);
    is(&served, "no-data", "firing");
    is(&served, "saturation-unusual", "firing");
    served.stop();
    // Whether a series was unusual is not kept: ours stands from before, and so does the monitor's.
    let served = start();
    send(&served, &probe, 100, 40);
    is(&served, "saturation-unusual", "resolved");
    assert_eq!(state(&served, "no-data").as_deref(), Some("firing"), "nobody but the monitor ends it");
    served.stop();
}

#[test]
fn an_evaluation_draws_a_series() {
    let folder = tempfile::tempdir().unwrap();
    let picture = folder.path().join("series.svg");
    let plot = picture.to_str().unwrap();
    headwater(&["model", "evaluate", "--synthetic", "1", "--plot", plot]).does(&["metric 1", "quiet"]);
    let text = std::fs::read_to_string(&picture).unwrap();
    assert!(text.starts_with("<svg ") && text.trim_end().ends_with("</svg>") && text.len() > 10_000, "{}", text.len());
    for part in ["<polyline", "readings, band, labels", "读数"] {
        assert!(text.contains(part), "{part}");
    }
}
