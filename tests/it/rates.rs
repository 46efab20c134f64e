//! The rates of alerts: the beginning of a storm and a sudden silence are events, whichever door the alerts come through.

use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use headwater::domain::time::Timestamp;
use headwater::intake::bus::Bus;
use headwater::intake::listen::Listeners;
use headwater::intake::listen::settings::ListenerSettings;
use headwater::nats::connect::{Nats, connect};
use headwater::nats::queue::Size;
use headwater::serve::watching::Watching;
use reqwest::Method;
use serde_json::{Value, json};

use crate::data_service::{PATIENCE, Service, standing};
use crate::nats::server::{Program, Server, settings};

const ESTATE: &str = "
cis:
  - {id: host-1, class: server, keys: {ip: [10.0.0.1]}}
  - {id: pay, class: biz_service}
relations:
  - {from: host-1, to: pay, type: serves}
";

/// A tenant's doors, on a clock that is moved by hand.
struct Doors {
    service: Service,
    hand: Arc<AtomicI64>,
    watching: Watching,
    device: UdpSocket,
    nats: Option<Nats>,
    sent: u64,
    minute: i64,
}

impl Doors {
    /// Events of one minute through each door; then the minute ends.
    async fn minute(&mut self, over_http: usize, over_syslog: usize, over_nats: usize) {
        self.hand.fetch_add(20_000, Ordering::SeqCst);
        let ids =
            |n: usize, door: &str| -> Vec<String> { (0..n).map(|k| format!("{door}-{}-{k}", self.minute)).collect() };
        let at = Timestamp(self.hand.load(Ordering::SeqCst)).to_string();
        let event = |id: String, name: &str, object: &str| json!({"id": id, "name": name, "severity": "minor", "object": {"name": object}, "starts_at": at});
        let events = ids(over_http, "http").into_iter().map(|id| event(id, "Slow", "host-1"));
        let events: Vec<Value> = events.collect();
        if !events.is_empty() {
            self.service.send(Method::POST, "source", "/api/v1/events", json!(events), 202).await;
            self.sent += over_http as u64;
        }
        for id in ids(over_syslog, "syslog") {
            let line = format!("<131>1 - 10.9.9.9 linkd - - - port {id} lost its mind");
            self.device.send(line.as_bytes()).unwrap();
            self.sent += 1;
        }
        if let Some(nats) = self.nats.as_ref().filter(|_| over_nats > 0) {
            let events = ids(over_nats, "nats").into_iter().map(|id| event(id, "Lag", "queue-1"));
            let body = json!(events.collect::<Vec<_>>()).to_string();
            nats.jetstream.publish("src.city.broker.event", body.into()).await.unwrap().await.unwrap();
            self.sent += over_nats as u64;
        }
        let began = Instant::now();
        loop {
            let account = self.service.get("admin", "/api/v1/conservation").await;
            if account["accepted"].as_u64() >= Some(self.sent) && account["pending"] == 0 {
                break;
            }
            assert!(began.elapsed() < PATIENCE, "waited in vain for {} events: {account}", self.sent);
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        self.hand.fetch_add(40_000, Ordering::SeqCst);
        self.minute += 1;
        self.watching.look();
    }

    /// Waits until exactly these alerts of rates fire: source and object.
    async fn told(&self, wanted: &[(&str, &str)]) {
        let began = Instant::now();
        loop {
            let page = self.service.get("admin", "/api/v1/alerts?limit=200&q=traffic-unusual").await;
            let is_rate = |one: &&Value| one["name"] == "traffic-unusual" && one["state"] == "firing";
            let text = |one: &Value, key: &str| one[key].as_str().unwrap_or_default().to_owned();
            let items = page["items"].as_array().unwrap().iter().filter(is_rate);
            let mut found: Vec<(String, String)> =
                items.map(|one| (text(one, "source"), text(one, "object"))).collect();
            found.sort();
            if found.iter().map(|(source, object)| (&**source, &**object)).eq(wanted.iter().copied()) {
                return;
            }
            assert!(began.elapsed() < PATIENCE, "{found:?}, not {wanted:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

#[tokio::test]
async fn the_beginning_of_a_storm_and_a_sudden_silence_are_events_through_every_door() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, hand) = standing();
    let service = Service::start(folder.path(), &clock).await;
    let (found, text) = service.ask(Method::PUT, "analyst", "/api/v1/topology", Some(ESTATE.to_owned())).await;
    assert_eq!(found, 202, "{text}");
    let intake = service.intake.clone();
    let telling = tokio::spawn(intake.clone().tell_anomalies());
    let wanted = json!([{"kind": "syslog", "address": "127.0.0.1:0", "source": "switches"}]);
    let wanted: Vec<ListenerSettings> = serde_json::from_value(wanted).unwrap();
    let listeners = Listeners::open(&wanted, &"city".into(), &intake).await.unwrap();
    let device = UdpSocket::bind("127.0.0.1:0").unwrap();
    device.connect(listeners.addresses[0]).unwrap();
    let listening = tokio::spawn(listeners.run());
    let server = Program::Recent.path().map(|path| Server::start(&path, "one.conf".as_ref()));
    let (mut nats, mut reading) = (None, None);
    if let Some(server) = &server {
        let own = connect(&settings(vec![server.url()])).await.unwrap();
        let size = Size { bytes_max: 1 << 26, replicas: 1 };
        let bus = Bus::open(intake.clone(), own.clone(), "city".into(), size).await.unwrap();
        reading = Some(tokio::spawn(bus.run()));
        nats = Some(own);
    }
    let watching = Watching::new(service.pipeline.clone(), intake);
    let mut doors = Doors { service, hand, watching, device, nats, sent: 0, minute: 0 };
    let usual = |minute: i64| (minute * 7 % 5) as usize;
    for minute in 0..40 {
        doors.minute(5 + usual(minute), 25 + usual(minute), 5 + usual(minute)).await;
    }
    doors.told(&[]).await;
    // A storm on one host comes over HTTP, one of a queue over NATS, and the switches fall silent.
    for minute in 40..46 {
        doors.minute(150 + usual(minute), 0, 150 + usual(minute)).await;
    }
    let mut wanted =
        vec![("headwater", "host-1"), ("headwater", "pay"), ("source", "source"), ("switches", "switches")];
    if server.is_some() {
        wanted.insert(0, ("broker", "broker"));
    }
    doors.told(&wanted).await;
    for minute in 46..60 {
        doors.minute(5 + usual(minute), 25 + usual(minute), 5 + usual(minute)).await;
    }
    doors.told(&[]).await;
    telling.abort();
    listening.abort();
    reading.into_iter().for_each(|reading| reading.abort());
    doors.service.stop().await;
}
