//! The data service on the real program over HTTP: what goes in comes out, after a restart, and after the history
//! was lost or damaged.

use std::collections::BTreeMap;
use std::io::{Seek, SeekFrom, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use headwater::access::store::Wanted;
use headwater::api::state::Settings;
use headwater::clock::Clock;
use headwater::decode::formats::Formats;
use headwater::domain::access::Role;
use headwater::domain::ci::Area;
use headwater::domain::time::Timestamp;
use headwater::intake::Intake;
use headwater::intake::registry::Registry;
use headwater::journal::Durability;
use headwater::pipeline::{Options, Pace, Pipeline};
use headwater::projection::history::retention::Retention;
use headwater::serve;
use headwater::serve::series::Judging;
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// How long a state is waited for.
pub const PATIENCE: Duration = Duration::from_secs(20);

const ESTATE: &str = "
cis:
  - {id: rack-1, class: pdu, name: 机柜 PDU 1, org: tax}
  - {id: host-1, class: server, name: 主机1, keys: {ip: [10.0.0.1]}, org: tax}
  - {id: host-2, class: server, name: 主机2, keys: {ip: [10.0.0.2]}, org: civil}
relations:
  - {from: rack-1, to: host-1, type: powers}
  - {from: rack-1, to: host-2, type: powers}
";

/// The program on a folder, with the tokens of its callers.
pub struct Service {
    address: SocketAddr,
    pub pipeline: Arc<Pipeline>,
    pub intake: Arc<Intake>,
    client: Client,
    tokens: BTreeMap<&'static str, String>,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

/// A clock that stands still until it is moved: no timer comes between two reads.
pub fn standing() -> (Clock, Arc<AtomicI64>) {
    let now = Arc::new(AtomicI64::new(Timestamp::parse("2026-01-05T00:00:00Z").unwrap().0));
    let hand = now.clone();
    (Arc::new(move || Timestamp(now.load(Ordering::SeqCst))), hand)
}

impl Service {
    pub async fn start(folder: &Path, clock: &Clock) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let tokens = Arc::new(serve::tokens(folder).unwrap());
        let (durability, retention) = (Durability::Process, Retention::default());
        let options = Options { durability, clock: clock.clone(), receivers: None, retention, pace: Pace::default() };
        let pipeline = serve::start(folder, options).await.unwrap();
        let mut known = BTreeMap::new();
        let unguarded = [Area::Facility, Area::Cloud, Area::Application, Area::Support];
        for (word, role, tenant, org, areas) in [
            ("admin", Role::Admin, "city", None, None),
            ("analyst", Role::Analyst, "city", None, None),
            ("operator", Role::Operator, "city", None, None),
            ("viewer", Role::Viewer, "city", None, None),
            ("tax", Role::Viewer, "city", Some("tax"), None),
            ("omega", Role::Admin, "city", Some("omega"), None),
            ("guard", Role::Admin, "city", None, Some(&[Area::Security][..])),
            ("unguarded", Role::Admin, "city", None, Some(&unguarded[..])),
            ("source", Role::Source, "city", None, None),
            ("other", Role::Admin, "elsewhere", None, None),
        ] {
            let orgs = org.map(|org| [org.into()].into_iter().collect());
            let areas = areas.map(|areas| areas.iter().copied().collect());
            let wanted = Wanted { name: word.into(), role, tenant: tenant.into(), orgs, areas, expires_at: None };
            known.insert(word, tokens.create(wanted, clock()).unwrap().reveal().to_owned());
        }
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let intake =
            serve::intake(&pipeline, &tokens, Default::default(), Formats::built_in(), clock, Registry::in_memory());
        let settings = Settings { open_metrics: true, ..Settings::default() };
        let judging = Judging::new(&"default".into(), &Default::default(), &pipeline, &intake);
        let front = serve::Front {
            judging: Arc::new(judging),
            sessions: Default::default(),
            views: Default::default(),
            intake: intake.clone(),
            settings,
            strangers: Default::default(),
            takes_events: true,
            redis: None,
            back: axum::Router::new(),
        };
        let app = serve::app(&pipeline, tokens, front, clock.clone());
        let (stop, stopped) = oneshot::channel();
        let serving = tokio::spawn(async move {
            let serving = axum::serve(listener, app.into_make_service());
            serving.with_graceful_shutdown(async { drop(stopped.await) }).await.unwrap();
        });
        Self { address, pipeline, intake, client: Client::new(), tokens: known, stop, serving }
    }

    pub async fn stop(self) {
        let Self { pipeline, client, stop, serving, .. } = self;
        drop(client);
        stop.send(()).unwrap();
        serving.await.unwrap();
        tokio::task::spawn_blocking(move || pipeline.stop()).await.unwrap();
    }

    pub fn request(&self, method: Method, who: &str, path: &str) -> RequestBuilder {
        let request = self.client.request(method, format!("http://{}{path}", self.address));
        match self.tokens.get(who) {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    pub async fn ask(&self, method: Method, who: &str, path: &str, body: Option<String>) -> (u16, String) {
        let mut request = self.request(method, who, path);
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body);
        }
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    pub async fn get(&self, who: &str, path: &str) -> Value {
        // The history may still be on its way: the answer says so.
        let started = Instant::now();
        loop {
            let (status, text) = self.ask(Method::GET, who, path, None).await;
            if status == 503 && started.elapsed() < PATIENCE {
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            }
            assert_eq!(status, 200, "{who} {path}: {text}");
            return serde_json::from_str(&text).unwrap_or(Value::String(text));
        }
    }

    /// What the feed tells at once, up to its first pulse.
    pub async fn hear(&self, who: &str, path: &str) -> String {
        let mut answer = self.request(Method::GET, who, path).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        let mut heard = String::new();
        while !heard.contains("event: pulse") {
            let chunk = tokio::time::timeout(PATIENCE, answer.chunk()).await.expect("the feed has a pulse").unwrap();
            heard.push_str(std::str::from_utf8(&chunk.expect("the feed goes on")).unwrap());
        }
        heard
    }

    async fn status(&self, who: &str, path: &str) -> u16 {
        self.ask(Method::GET, who, path, None).await.0
    }

    pub async fn send(&self, method: Method, who: &str, path: &str, body: Value, status: u16) -> Value {
        let (found, text) = self.ask(method, who, path, Some(body.to_string())).await;
        assert_eq!(found, status, "{who} {path}: {text}");
        serde_json::from_str(&text).unwrap_or(Value::String(text))
    }

    /// Waits until a command's end is known.
    pub async fn done(&self, who: &str, seq: &Value) -> Value {
        let started = Instant::now();
        loop {
            let end = self.get(who, &format!("/api/v1/commands/{seq}")).await;
            if end["state"] != "pending" || started.elapsed() > PATIENCE {
                return end;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

pub fn event(id: &str, name: &str, severity: &str, object: &str, at: &str) -> Value {
    let at = format!("2026-01-05T00:{at}Z");
    json!({"id": id, "name": name, "severity": severity, "object": {"name": object}, "starts_at": at,
           "title": format!("{name}，值班 13812345678")})
}

/// Every kind of end that an event can have; returns the events' references by their own ids.
async fn tell(service: &Service, hand: &AtomicI64) -> BTreeMap<String, String> {
    let (found, text) = service.ask(Method::PUT, "analyst", "/api/v1/topology", Some(ESTATE.to_owned())).await;
    assert_eq!(found, 202, "{text}");
    let mute = json!({"matchers": [[{"field": "name", "value": "FanNoise"}]], "ends_at": "2026-01-06T00:00:00Z",
                      "comment": "风扇更换"});
    let silence = service.send(Method::POST, "operator", "/api/v1/silences", mute, 202).await;
    service.done("operator", &silence["seq"]).await;
    let events = json!([
        event("p-1", "PowerLost", "critical", "rack-1", "00:01"),
        event("h-1", "HostDown", "major", "10.0.0.1", "00:05"),
        event("h-2", "HostDown", "major", "10.0.0.2", "00:06"),
        event("h-1b", "HostDown", "major", "10.0.0.1", "00:20"),
        event("f-1", "FanNoise", "minor", "host-1", "00:21"),
        event("u-1", "DiskNearlyFull", "warning", "nobody-knows-it", "00:22"),
        {"id": "bad-1", "name": "Broken", "severity": "major", "object": {"name": "host-1"}, "starts_at": "soon"},
    ]);
    let receipt = service.send(Method::POST, "source", "/api/v1/events", events, 202).await;
    hand.fetch_add(60_000, Ordering::SeqCst);
    let mut ended = event("h-2", "HostDown", "major", "10.0.0.2", "00:06");
    ended["status"] = "resolved".into();
    ended["id"] = "h-2-end".into();
    ended["ends_at"] = "2026-01-05T00:01:00Z".into();
    let second = service.send(Method::POST, "source", "/api/v1/events", json!([ended]), 202).await;
    let ids = ["p-1", "h-1", "h-2", "h-1b", "f-1", "u-1"].into_iter().map(str::to_owned);
    let refs = receipt["event_refs"].as_array().unwrap().iter().map(|r| r.as_str().unwrap().to_owned());
    let mut refs: BTreeMap<String, String> = ids.zip(refs).collect();
    refs.insert("bad-1".into(), receipt["rejected"][0]["event_ref"].as_str().unwrap().to_owned());
    refs.insert("h-2-end".into(), second["event_refs"][0].as_str().unwrap().to_owned());
    refs
}

/// Everything that a caller can read, by path.
async fn read_all(service: &Service, who: &str, refs: &BTreeMap<String, String>) -> BTreeMap<String, Value> {
    let mut paths: Vec<String> = [
        "incidents",
        "incidents?archive=true",
        "alerts",
        "alerts?archive=true",
        "alerts/held",
        "events?limit=100",
        "silences",
        "topology",
        "topology/cis",
        "topology/cis/host-1",
        "topology/cis/rack-1/impact",
        "topology/cis/host-1/causes",
        "overview",
        "export/events.ndjson",
        "export/alerts.csv",
        "export/incidents.csv",
    ]
    .map(|path| format!("/api/v1/{path}"))
    .to_vec();
    if who != "tax" {
        let whole = ["conservation", "stats?until=2026-01-06T00:00:00Z", "dead-letters", "topology/quality"];
        paths.extend(whole.map(|path| format!("/api/v1/{path}")));
        paths.extend(refs.values().map(|event| format!("/api/v1/events/{event}/why")));
    }
    let mut read = BTreeMap::new();
    for path in paths {
        read.insert(path.clone(), without_feed(service.get(who, &path).await));
    }
    for incident in read["/api/v1/incidents"]["items"].as_array().unwrap().clone() {
        let id = incident["id"].as_str().unwrap();
        for part in ["", "/members", "/timeline", "/graph", "/why"] {
            let path = format!("/api/v1/incidents/{id}{part}");
            read.insert(path.clone(), without_feed(service.get(who, &path).await));
        }
    }
    read
}

/// The place in the feed moves with a restart's ticks, and how events found their CIs is shown once a second by a clock that
/// stands here; all else stays.
fn without_feed(mut value: Value) -> Value {
    if let Some(fields) = value.as_object_mut() {
        fields.remove("feed");
        fields.remove("lookups");
    }
    value
}

fn same(before: &BTreeMap<String, Value>, after: &BTreeMap<String, Value>, when: &str) {
    for (path, value) in before {
        assert_eq!(after.get(path), Some(value), "{path} {when}");
    }
    assert_eq!(before.len(), after.len(), "{when}");
}

async fn check_why(service: &Service, refs: &BTreeMap<String, String>) {
    for (id, verdict, reason) in [
        ("p-1", "opened", "incident i"),
        ("h-1", "joined", "incident i"),
        ("h-2", "joined", "incident i"),
        ("h-1b", "duplicate", "firing already"),
        ("f-1", "muted", "silence s-"),
        ("u-1", "held", "waits for time"),
        ("h-2-end", "resolved", "the alert is over"),
    ] {
        let (own, place) = (format!("/api/v1/events/{id}/why"), format!("/api/v1/events/{}/why", refs[id]));
        let why = service.get("viewer", &own).await;
        assert_eq!(why["events"].as_array().unwrap().len(), 1, "{id}: {why}");
        assert_eq!(why, service.get("viewer", &place).await, "{id} by its own id and by its place");
        let event = &why["events"][0];
        assert_eq!(event["verdict"], verdict, "{id}: {event}");
        assert!(event["text"]["en"].as_str().unwrap().contains(reason), "{id}: {event}");
        assert!(!event["text"]["zh"].as_str().unwrap().is_ascii(), "{id}: {event}");
        assert!(!event.to_string().contains("13812345678"), "{id}: a telephone number is shown");
    }
    let why = service.get("viewer", &format!("/api/v1/events/{}/why", refs["bad-1"])).await;
    assert_eq!(why["events"][0]["verdict"], "rejected");
    assert!(why["events"][0]["text"]["en"].as_str().unwrap().contains("starts_at"), "{why}");
}

async fn check_scope(service: &Service, refs: &BTreeMap<String, String>) {
    for path in [
        "/api/v1/events/h-2/why".to_owned(),
        "/api/v1/events/u-1/why".to_owned(),
        format!("/api/v1/events/{}/why", refs["bad-1"]),
        "/api/v1/topology/cis/host-2".to_owned(),
    ] {
        assert_eq!(service.status("tax", &path).await, 404, "{path}");
    }
    assert_eq!(service.status("tax", "/api/v1/events/h-1/why").await, 200);
    for path in ["/api/v1/events/h-1/why", "/api/v1/topology/cis/host-1"] {
        assert_eq!(service.status("other", path).await, 404, "{path}");
        assert_eq!(service.status("nobody", path).await, 401, "{path}");
        assert_eq!(service.status("source", path).await, 403, "{path}");
    }
    for path in ["incidents", "alerts", "events", "export/events.ndjson"] {
        let list = service.get("other", &format!("/api/v1/{path}")).await;
        assert!(list["items"].as_array().is_none_or(Vec::is_empty) && list != Value::Null, "{path}: {list}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_went_in_comes_out_after_every_kind_of_loss() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, hand) = standing();
    let service = Service::start(folder.path(), &clock).await;
    let refs = tell(&service, &hand).await;
    let started = Instant::now();
    let incident = loop {
        let incidents = service.get("viewer", "/api/v1/incidents").await;
        if let Some(id) = incidents["items"][0]["id"].as_str() {
            break id.to_owned();
        }
        assert!(started.elapsed() < PATIENCE, "no incident: {incidents}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let order = service
        .send(Method::POST, "operator", &format!("/api/v1/incidents/{incident}/acknowledge"), json!({}), 202)
        .await;
    assert_eq!(service.done("operator", &order["seq"]).await["state"], "done");
    check_why(&service, &refs).await;
    check_scope(&service, &refs).await;

    let conservation = service.get("viewer", "/api/v1/conservation").await;
    assert_eq!((&conservation["accepted"], &conservation["balanced"]), (&json!(8), &json!(true)));
    let overview = service.get("viewer", "/api/v1/overview").await;
    assert_eq!(overview["quality"]["unparsable"], 1);
    assert_eq!((&overview["quality"]["unresolved_object"], &overview["quality"]["duplicate"]), (&json!(1), &json!(1)));
    let audit = service.get("analyst", "/api/v1/audit").await;
    let actions: Vec<&str> = audit["items"].as_array().unwrap().iter().filter_map(|i| i["action"].as_str()).collect();
    assert_eq!(actions, ["acknowledge", "silence", "topology"]);
    let bad = &refs["bad-1"];
    let again =
        service.send(Method::POST, "analyst", &format!("/api/v1/dead-letters/{bad}/replay"), json!({}), 422).await;
    assert!(again["errors"][0].as_str().unwrap().contains("starts_at"), "{again}");
    assert!(service.get("viewer", &format!("/api/v1/dead-letters/{bad}")).await.get("replayed_at").is_none());
    let metrics = service.ask(Method::GET, "viewer", "/metrics", None).await.1;
    for line in ["headwater_events_accepted_total 8", "headwater_history_whole 1", "intake_events_marked"] {
        assert!(metrics.contains(line), "{line} is missing in {metrics}");
    }

    let (all, tax) = (read_all(&service, "viewer", &refs).await, read_all(&service, "tax", &refs).await);
    assert_eq!(all["/api/v1/events?limit=100"]["items"].as_array().unwrap().len(), 8);
    assert_eq!(tax["/api/v1/events?limit=100"]["items"].as_array().unwrap().len(), 4);
    service.stop().await;

    let service = Service::start(folder.path(), &clock).await;
    same(&all, &read_all(&service, "viewer", &refs).await, "after a restart");
    same(&tax, &read_all(&service, "tax", &refs).await, "after a restart");
    service.stop().await;

    std::fs::remove_file(folder.path().join("history.db")).unwrap();
    let service = Service::start(folder.path(), &clock).await;
    same(&all, &read_all(&service, "viewer", &refs).await, "after the history was lost");
    same(&tax, &read_all(&service, "tax", &refs).await, "after the history was lost");
    service.stop().await;

    damage(&folder.path().join("history.db"));
    let service = Service::start(folder.path(), &clock).await;
    same(&all, &read_all(&service, "viewer", &refs).await, "after the history was damaged");
    check_why(&service, &refs).await;
    service.stop().await;
}

/// Overwrites every page behind the first with noise.
fn damage(path: &Path) {
    let mut file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    for page in 1..std::fs::metadata(path).unwrap().len() / 4096 {
        file.seek(SeekFrom::Start(page * 4096)).unwrap();
        file.write_all(&[0xA5; 512]).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_history_of_another_journal_is_made_anew() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (clock, hand) = standing();
    for folder in [&one, &two] {
        let service = Service::start(folder.path(), &clock).await;
        let name = if folder.path() == one.path() { "First" } else { "Second" };
        let event = event("x-1", name, "critical", "host-1", "00:01");
        service.send(Method::POST, "source", "/api/v1/events", json!([event]), 202).await;
        let why = service.get("viewer", "/api/v1/events/x-1/why").await;
        assert_eq!(why["events"][0]["raw"]["name"], name);
        hand.fetch_add(1_000, Ordering::SeqCst);
        service.stop().await;
    }
    std::fs::copy(one.path().join("history.db"), two.path().join("history.db")).unwrap();
    let service = Service::start(two.path(), &clock).await;
    let why = service.get("viewer", "/api/v1/events/x-1/why").await;
    assert_eq!(why["events"][0]["raw"]["name"], "Second");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_threshold_keeps_its_value_and_limit() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, _) = standing();
    let service = Service::start(folder.path(), &clock).await;
    let mut hot = event("t-1", "TooHot", "critical", "host-1", "00:01");
    let metric =
        json!({"name": "inlet_temperature", "value": 41.5, "unit": "Cel", "threshold": 35.0, "direction": "up"});
    hot["metric"] = metric.clone();
    service.send(Method::POST, "source", "/api/v1/events", json!([hot]), 202).await;
    let why = service.get("viewer", "/api/v1/events/t-1/why").await;
    assert_eq!(why["events"][0]["raw"]["metric"], metric, "{why}");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_line_tells_why_beside_a_running_server() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, hand) = standing();
    let service = Service::start(folder.path(), &clock).await;
    let refs = tell(&service, &hand).await;
    service.get("viewer", "/api/v1/events/h-2-end/why").await;
    let ask = async |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_headwater"));
        command.arg("why").arg("--data").arg(folder.path()).args(arguments).env_remove("LANG").env_remove("LC_ALL");
        let told = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let text = String::from_utf8(told.stdout).unwrap() + &String::from_utf8(told.stderr).unwrap();
        (told.status.success(), text)
    };
    let (found, text) = ask(&["--tenant", "city", "--lang", "en", "f-1"]).await;
    assert!(found && text.contains("Muted") && text.contains("muted by silence s-"), "{text}");
    let (found, text) = ask(&["--tenant", "city", "--lang", "zh", &refs["u-1"]]).await;
    assert!(found && text.contains("待观察") && text.contains("孤立告警"), "{text}");
    let (found, text) = ask(&["--tenant", "city", "nothing"]).await;
    assert!(!found && text.contains("no event is called \"nothing\""), "{text}");
    let (found, text) = ask(&["--tenant", "elsewhere", "f-1"]).await;
    assert!(!found, "{text}");
    service.stop().await;
}

#[tokio::test]
async fn it_is_told_how_unusual_a_type_is_on_the_class_of_its_ci() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, hand) = standing();
    let service = Service::start(folder.path(), &clock).await;
    tell(&service, &hand).await;
    let began = std::time::Instant::now();
    let items = loop {
        let page = service.get("viewer", "/api/v1/alerts?limit=100").await;
        let items = page["items"].as_array().unwrap().clone();
        // They came in one record, which is shown as a whole.
        let named = |name: &str| items.iter().filter(|one| one["name"] == name).count();
        if named("HostDown") > 0 && named("DiskNearlyFull") > 0 {
            break items;
        }
        assert!(began.elapsed().as_secs() < 60, "not shown: {page}");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    };
    let of = |name: &str| items.iter().find(|one| one["name"] == name).unwrap()["id"].as_str().unwrap().to_owned();
    for (name, times, place) in [("HostDown", 2, "on CIs of this class"), ("DiskNearlyFull", 1, "does not know")] {
        let path = format!("/api/v1/alerts/{}", of(name));
        let unusual = service.get("viewer", &path).await["unusual"].clone();
        assert_eq!((&unusual["times"], &unusual["new"]), (&json!(times), &json!(false)), "{unusual}");
        let (zh, en) = (unusual["text"]["zh"].as_str().unwrap(), unusual["text"]["en"].as_str().unwrap());
        let told = format!("{times} of the {} alerts of the last 28 days", unusual["of"]);
        assert!(en.starts_with(&told) && en.contains(place), "{en}");
        assert!(zh.contains(&format!("近 28 天有 {times} 条此类告警")), "{zh}");
        assert_eq!(service.get("viewer", &format!("{path}/why")).await["unusual"], unusual);
    }
    service.stop().await;
}

/// Method and path of everything in the OpenAPI document, with example parameters.
fn documented(document: &Value) -> Vec<(Method, String, String)> {
    let mut all = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in ["get", "put", "post", "delete", "patch"].into_iter().filter(|m| item.get(*m).is_some()) {
            let filled = path
                .replace("{order}", "acknowledge")
                .replace("{file}", "events.csv")
                .replace("{mapping}", "stormgen")
                .replace("{source}", "admin")
                .replace("{seq}", "1")
                .replace("{version}", "0")
                .replace("{token}", "none")
                .replace("{alias}", "x")
                .replace("{action}", "close")
                .replace("{a}/{b}", "T0/B0")
                .replace("{id}", "x-1");
            assert!(!filled.contains('{'), "{path} has a parameter without an example");
            all.push((method.to_uppercase().parse().unwrap(), path.clone(), filled));
        }
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_document_and_the_program_have_the_same_routes() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, _) = standing();
    let service = Service::start(folder.path(), &clock).await;
    let document = service.get("viewer", "/api/v1/openapi.json").await;
    let documented = documented(&document);
    for (method, path, filled) in &documented {
        let body = (*method != Method::GET).then(|| "[]".to_owned());
        let (status, text) = service.ask(method.clone(), "nobody", filled, body).await;
        let public = ["/livez", "/readyz", "/metrics", "/-/healthy", "/-/ready"].contains(&path.as_str());
        // An address that is a secret itself: one that was given to nobody is not there.
        let is_secret = path == "/api/v1/oncall/calendars/{token}";
        let expected = match (public, is_secret) {
            (true, _) => 200,
            (_, true) => 404,
            _ => 401,
        };
        if path != "/api/v1/session" {
            assert_eq!(status, expected, "{method} {path} without a credential: {text}");
        }
        let body = (*method != Method::GET).then(|| "[]".to_owned());
        if path != "/api/v1/feed" {
            let (status, text) = service.ask(method.clone(), "admin", filled, body).await;
            assert!(status != 405 && status < 500, "{method} {path}: {status} {text}");
            assert!(!text.contains("no such page"), "{method} {path} is documented, but not there");
        }
    }
    let has = |method: Method, path: &str| documented.iter().any(|(m, p, _)| *m == method && p == path);
    for entry in headwater::api::routes::table() {
        for (path, item) in &entry.route.1.paths {
            let item = serde_json::to_value(item).unwrap();
            for method in item.as_object().unwrap().keys() {
                assert!(has(method.to_uppercase().parse().unwrap(), path), "{method} {path} is not documented");
            }
        }
    }
    for path in headwater::intake::routes::PATHS.into_iter().chain(headwater::intake::foreign::PATHS) {
        assert!(has(Method::POST, path), "POST {path} is not documented");
    }
    for (method, path) in [(Method::GET, "/api/v1/nothing"), (Method::PATCH, "/api/v1/incidents")] {
        let (status, text) = service.ask(method.clone(), "admin", path, None).await;
        assert!([404, 405].contains(&status) && text.contains("\"code\""), "{method} {path}: {status} {text}");
    }
    service.stop().await;
}
