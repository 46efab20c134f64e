//! The real program is killed fifty times in the middle of a storm. Afterwards every promise is counted: nothing that
//! was accepted is lost or decided twice, nobody was told twice under two keys, and everybody knows the last state.

pub mod account;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::http::StatusCode;
use headwater::lab::files;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use reqwest::Client;
use serde_json::{Value, json};

use crate::program::{Program, Setup, client, token};
use crate::receiver::{Receiver, SECRET};
use crate::storms::folder;
use account::{Account, Sent};

/// How often the program is killed.
const KILLS: usize = 50;
/// Every so many rounds the disk is asked to confirm.
const POWER_EVERY: usize = 7;
/// Events in one request.
const EVENTS_AT_ONCE: usize = 12;
/// Requests that a round may send before it is killed at the latest.
const REQUESTS: usize = 9;

fn config(receiver: &Receiver) -> String {
    let settings = json!({
        "receivers": [{ "id": "default", "url": receiver.url(), "secret": SECRET, "allow_private": true }],
        "delivery": { "retry_first": "1s", "retry_max": "1s" },
    });
    settings.to_string()
}

/// One who sends until each request is answered with a 2xx.
struct Sender {
    client: Client,
    setup: Setup,
    token: String,
    requests: Vec<String>,
    next: usize,
    sent: Sent,
}

impl Sender {
    fn new(setup: &Setup, client: &Client) -> Self {
        let text = files::read(&folder("hard").join("alerts.jsonl.gz")).unwrap();
        let text = String::from_utf8(text).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let requests = lines.chunks(EVENTS_AT_ONCE).map(|lines| lines.join("\n")).collect();
        let token = token(&setup.data, "source", "storm");
        Self { client: client.clone(), setup: setup.clone(), token, requests, next: 0, sent: Sent::default() }
    }

    /// Sends the next request once; one that was not answered is sent again the next time.
    async fn send(&mut self) -> bool {
        let Some(body) = self.requests.get(self.next).cloned() else { return false };
        let ids: Vec<String> = body
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap()["alert_id"].as_str().unwrap().to_owned())
            .collect();
        self.sent.tried.extend(ids.iter().cloned());
        let request = self
            .client
            .post(self.setup.url("/api/v1/ingest/stormgen"))
            .bearer_auth(&self.token)
            .header("content-type", "application/x-ndjson")
            .timeout(Duration::from_secs(20))
            .body(body);
        let Ok(answer) = request.send().await else { return false };
        if !answer.status().is_success() {
            return false;
        }
        let answer: Value = match answer.json().await {
            Ok(answer) => answer,
            // A 2xx is a promise, also when the rest of the answer is lost.
            Err(_) => json!({ "accepted": ids.len(), "rejected": [] }),
        };
        assert_eq!(answer["accepted"].as_u64(), Some(ids.len() as u64), "{answer}");
        self.sent.acknowledged.extend(ids);
        self.next += 1;
        true
    }

    /// Orders a comment until the order is taken; the key stays the same.
    async fn comment(&mut self, incident: &str, n: usize) {
        let request = self
            .client
            .post(self.setup.url(&format!("/api/v1/incidents/{incident}/comment")))
            .bearer_auth(&self.setup.token)
            .header("idempotency-key", format!("comment-{n}"))
            .timeout(Duration::from_secs(20))
            .json(&json!({ "text": format!("comment {n}") }));
        let Ok(answer) = request.send().await else { return };
        if answer.status() == reqwest::StatusCode::ACCEPTED {
            self.sent.comments.insert(format!("comment {n}"));
        }
    }
}

/// A receiver that is sometimes slow and sometimes not well.
async fn moody(seed: u64) -> Receiver {
    let asked = Arc::new(AtomicUsize::new(0));
    Receiver::start(move |n| {
        asked.fetch_add(1, Ordering::Relaxed);
        let mut dice = SmallRng::seed_from_u64(seed ^ n as u64);
        let status = if dice.gen_ratio(1, 12) { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::NO_CONTENT };
        (Duration::from_millis(dice.gen_range(0..25)), status)
    })
    .await
}

/// One life of the program: from its start to kill -9 at a random moment.
async fn live_and_die(sender: &mut Sender, round: usize, dice: &mut SmallRng) {
    let durability = if round.is_multiple_of(POWER_EVERY) { "power" } else { "process" };
    let topology = folder("hard").join("cmdb.json.gz").display().to_string();
    let mut more = vec!["--durability", durability];
    if round == 0 {
        more.extend(["--topology", topology.as_str()]);
    }
    let mut program: Program = sender.setup.start(&more);
    // One round in eight ends while the program is still starting; not the first, which brings the topology.
    if round > 0 && dice.gen_ratio(1, 8) {
        tokio::time::sleep(Duration::from_millis(dice.gen_range(0..400))).await;
        return program.kill();
    }
    program.answers(&sender.client).await;
    let setup = sender.setup.clone();
    let numbers = setup.get(&sender.client, "/api/v1/conservation").await.expect("it answers");
    assert_eq!(numbers["balanced"], true, "round {round}: {numbers}");
    let accepted = numbers["accepted"].as_u64().unwrap();
    let acknowledged = sender.sent.acknowledged.len() as u64;
    assert!(accepted >= acknowledged, "round {round}: {acknowledged} were acknowledged, {numbers}");
    let incidents = setup.get(&sender.client, "/api/v1/incidents?limit=1").await.expect("it answers");
    let newest = incidents["items"][0]["id"].as_str().map(str::to_owned);
    let whole = dice.gen_range(0..REQUESTS);
    for _ in 0..whole {
        sender.send().await;
    }
    // The last request is under way, or the program is busy with what came before, when it is killed.
    let moment =
        Duration::from_micros(if dice.gen_ratio(1, 3) { dice.gen_range(0..60_000) } else { dice.gen_range(0..6_000) });
    let last = async {
        sender.send().await;
        if let Some(incident) = &newest {
            sender.comment(incident, round).await;
        }
        sender.send().await;
    };
    let death = async {
        tokio::time::sleep(moment).await;
        program.kill();
    };
    tokio::join!(last, death);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_fifty_times_in_a_storm_loses_nothing_and_repeats_nothing() {
    let seed = std::env::var("HEADWATER_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or_else(rand::random);
    eprintln!("HEADWATER_SEED={seed}");
    let mut dice = SmallRng::seed_from_u64(seed);
    let root = tempfile::tempdir().unwrap();
    let receiver = moody(seed).await;
    let setup = Setup::new(root.path(), &config(&receiver));
    let mut sender = Sender::new(&setup, &client());
    for round in 0..KILLS {
        live_and_die(&mut sender, round, &mut dice).await;
    }
    eprintln!("{KILLS} kills, {} of {} requests acknowledged meanwhile", sender.next, sender.requests.len());
    // The rest of the storm comes in peace.
    let mut program = setup.start(&["--durability", "process"]);
    program.answers(&sender.client).await;
    while sender.next < sender.requests.len() {
        assert!(sender.send().await, "a request is refused in peace\n{}", setup.log());
    }
    let numbers = settled(&sender).await;
    let stopped = program.stop();
    assert!(stopped < Duration::from_secs(15), "it took {stopped:?} to stop");
    let account = Account::read(&setup.data);
    account.check_decisions();
    account.check_events(&sender.sent, &numbers);
    account.check_comments(&sender.sent.comments);
    account.check_notices(&receiver.seen());
    let log = setup.log();
    assert!(!log.contains("came out differently") && !log.contains("panicked"), "{log}");
}

/// Waits until everything is decided and everybody is told; gives the program's own numbers.
async fn settled(sender: &Sender) -> Value {
    let mut last = Value::Null;
    for _ in 0..6_000 {
        let numbers = sender.setup.get(&sender.client, "/api/v1/conservation").await.expect("it answers");
        let receivers = sender.setup.get(&sender.client, "/api/v1/receivers").await.expect("it answers");
        let pending = receivers["pending"].as_u64().expect("a number");
        if numbers["pending"] == 0 && pending == 0 && numbers == last {
            return numbers;
        }
        last = numbers;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("not settled: {last}\n{}", sender.setup.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_program_on_the_folder_is_refused_and_the_first_goes_on() {
    let root = tempfile::tempdir().unwrap();
    let receiver = Receiver::willing().await;
    let setup = Setup::new(root.path(), &config(&receiver));
    let client = client();
    let mut first = setup.start(&[]);
    first.answers(&client).await;
    let data = setup.data.display().to_string();
    let second = crate::cli::headwater(&["serve", "--data", &data, "--listen", "127.0.0.1:0"]);
    second.refuses(&["is held by another process", "pid", "stop that one first"]);
    assert!(setup.get(&client, "/api/v1/conservation").await.is_some());
    first.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_folder_is_refused_with_the_remedy() {
    let root = tempfile::tempdir().unwrap();
    let receiver = Receiver::willing().await;
    let setup = Setup::new(root.path(), &config(&receiver));
    let client = client();
    let mut sender = Sender::new(&setup, &client);
    let mut program = setup.start(&[]);
    program.answers(&client).await;
    for _ in 0..20 {
        assert!(sender.send().await);
    }
    program.stop();
    let database = setup.data.join("headwater.db");
    let reading = rusqlite::Connection::open_with_flags(&database, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let body = "SELECT body FROM journal WHERE length(body) > 64 ORDER BY seq LIMIT 1";
    let body: Vec<u8> = reading.query_row(body, [], |row| row.get(0)).unwrap();
    drop(reading);
    let marker = body[16..48].to_vec();
    let find = |path: &std::path::Path| {
        let bytes = std::fs::read(path).unwrap_or_default();
        bytes.windows(marker.len()).rposition(|window| window == marker).map(|at| (path.to_owned(), bytes, at))
    };
    // The last commits are in the log until it is brought into the database.
    let files = ["headwater.db-wal", "headwater.db"].map(|name| setup.data.join(name));
    let (path, whole, at) = files.iter().find_map(|path| find(path)).expect("the record is in a file");
    let mut bad = whole.clone();
    bad[at] ^= 1;
    std::fs::write(&path, bad).unwrap();
    let data = setup.data.display().to_string();
    let refused = crate::cli::headwater(&["serve", "--data", &data, "--listen", "127.0.0.1:0"]);
    refused.refuses(&["is damaged", "restore the last backup"]);
    std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    crate::cli::headwater(&["serve", "--data", &data, "--listen", "127.0.0.1:0"]).refuses(&["is damaged"]);
    std::fs::write(&path, whole).unwrap();
    let mut program = setup.start(&[]);
    program.answers(&client).await;
    program.stop();
    let ids: BTreeSet<&String> = sender.sent.acknowledged.iter().collect();
    assert_eq!(ids.len(), 20 * EVENTS_AT_ONCE);
}
