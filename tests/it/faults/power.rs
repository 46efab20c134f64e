//! The disk of the embedded journal: power that goes at any moment (row 24), and a disk that cannot sync (row 25).

use std::collections::BTreeSet;
use std::path::Path;

use headwater::clock::machine;
use headwater::engine::input::Input;
use headwater::journal::sqlite::{OpenOptions, Store};
use headwater::journal::{Durability, Journal};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use reqwest::Client;
use serde_json::json;

use super::shim::{Disk, Shim};
use crate::program::{Setup, client};
use crate::running::number;

/// Requests that are sent, and events in each.
const REQUESTS: usize = 40;
const EVENTS: usize = 12;

/// Events of a request, and their ids. They are long, so that the log is brought into the database meanwhile.
fn body(request: usize) -> (String, Vec<String>) {
    let ids: Vec<String> = (0..EVENTS).map(|n| format!("e{request}-{n}")).collect();
    let event = |id: &String| {
        json!({ "id": id, "name": "Down", "severity": "major", "title": id, "object": { "name": id },
                "description": format!("{id} ").repeat(200), "starts_at": "2026-05-04T10:00:00Z" })
    };
    (json!(ids.iter().map(event).collect::<Vec<_>>()).to_string(), ids)
}

async fn send(setup: &Setup, client: &Client, body: String) -> u16 {
    let request = client.post(setup.url("/api/v1/events")).bearer_auth(&setup.token);
    let answer = request.header("content-type", "application/json").body(body).send().await;
    answer.map_or(0, |answer| answer.status().as_u16())
}

fn opened(data: &Path) -> Result<Store, String> {
    let options = OpenOptions { durability: Durability::Process, ballast_bytes: 0, ..OpenOptions::new(machine()) };
    Store::open(data, options).map_err(|error| error.to_string())
}

/// Ids of all events in a journal.
fn kept(store: &Store) -> BTreeSet<String> {
    let records = Journal::read_after(store, 0, usize::MAX).unwrap();
    let batches = records.iter().filter_map(|record| match &*record.input {
        Input::Batch(batch) => Some(batch.events.iter().map(|event| event.id.to_string()).collect::<Vec<_>>()),
        _ => None,
    });
    batches.flatten().collect()
}

/// The real program answers requests with `durability: power`. Every change of its files is written down in order, with its
/// syncs. Then the power goes at thousands of moments: what was not synced is there, or not, or half of it; whatever had been
/// answered before must be read, and what is read must be whole.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_answered_is_there_whenever_the_power_goes() {
    let root = tempfile::tempdir().unwrap();
    let setup = Setup::new(root.path(), "{}");
    let (shim, client) = (Shim::over(&setup.data), client());
    let mut program = setup.start_with(&["--durability", "power"], &shim.environment());
    program.answers(&client).await;
    let mut answered: Vec<(u64, Vec<String>)> = Vec::new();
    for request in 0..REQUESTS {
        let (body, ids) = body(request);
        assert_eq!(send(&setup, &client, body).await, 202, "{}", setup.log());
        answered.push((shim.noted(), ids));
    }
    program.kill();
    let operations = shim.operations();
    let seeds = number("HEADWATER_POWER_SEEDS", 60);
    let mut refused = 0;
    for seed in 0..seeds {
        let mut dice = SmallRng::seed_from_u64(seed);
        let cut = dice.gen_range(0..=operations.len());
        let mut disk = Disk::default();
        operations[..cut].iter().for_each(|operation| disk.change(operation));
        let left = tempfile::tempdir().unwrap();
        disk.lose_power(&mut dice, left.path());
        let end = operations[..cut].last().map_or(0, |operation| operation.end);
        let promised: BTreeSet<String> =
            answered.iter().filter(|(at, _)| *at <= end).flat_map(|(_, ids)| ids.iter().cloned()).collect();
        let store = match opened(left.path()) {
            Ok(store) => store,
            // Before the first answer the files may be half made.
            Err(_) if promised.is_empty() => {
                refused += 1;
                continue;
            }
            Err(error) => panic!("seed {seed}, cut {cut} of {}: {error}", operations.len()),
        };
        let kept = kept(&store);
        let lost: Vec<&String> = promised.difference(&kept).collect();
        assert!(lost.is_empty(), "seed {seed}, cut {cut} of {}: lost {lost:?}", operations.len());
        let sent: BTreeSet<String> = answered.iter().flat_map(|(_, ids)| ids.iter().cloned()).collect();
        assert!(kept.is_subset(&sent), "seed {seed}: read what nobody sent");
    }
    eprintln!(
        "the power went {seeds} times within {} changes of files: nothing that was answered is lost; {refused} times before \
         the first answer there was no store yet",
        operations.len()
    );
}

/// Takes one request; what it said.
async fn next_alarm(outside: &tokio::net::TcpListener) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let (mut stream, _) = outside.accept().await.unwrap();
    let mut said = Vec::new();
    while !said.ends_with(b"]}") {
        assert!(stream.read_buf(&mut said).await.unwrap() > 0, "{}", String::from_utf8_lossy(&said));
    }
    stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
    String::from_utf8(said).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sync_that_fails_ends_acceptance_and_a_restart_has_all_that_was_answered() {
    let root = tempfile::tempdir().unwrap();
    let outside = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let alarm = format!("http://{}/alarm", outside.local_addr().unwrap());
    let setup = Setup::new(root.path(), &json!({ "vitals": { "every": "1s", "alarm_url": alarm } }).to_string());
    let (shim, client) = (Shim::over(&setup.data), client());
    let mut program = setup.start_with(&["--durability", "power"], &shim.environment());
    program.answers(&client).await;
    let (first, mut answered) = body(0);
    assert_eq!(send(&setup, &client, first).await, 202);
    shim.fail_syncs();
    for request in 1..4 {
        let status = send(&setup, &client, body(request).0).await;
        assert_eq!(status, 503, "nothing is promised without a sync\n{}", setup.log());
    }
    // Also when the disk is well again: nobody knows what is on it.
    shim.heal();
    assert_eq!(send(&setup, &client, body(4).0).await, 503);
    let ready = client.get(setup.url("/readyz")).bearer_auth(&setup.token).send().await.unwrap();
    assert_eq!(ready.status().as_u16(), 503);
    assert!(setup.log().contains("the journal has stopped"), "{}", setup.log());
    // Neither journal nor engine can tell it any more.
    let alarm = loop {
        let alarm = next_alarm(&outside).await;
        // The disk of this machine may be low, too.
        if alarm.contains("\"engine-halted\"") {
            break alarm;
        }
    };
    // Who notices first: the journal itself, or the engine that wants to commit.
    assert!(alarm.contains(" has stopped"), "{alarm}");
    program.kill();
    let mut program = setup.start_with(&["--durability", "power"], &shim.environment());
    program.answers(&client).await;
    let (last, ids) = body(5);
    assert_eq!(send(&setup, &client, last).await, 202);
    answered.extend(ids);
    program.stop();
    let kept = kept(&opened(&setup.data).unwrap());
    assert!(answered.iter().all(|id| kept.contains(id)), "{kept:?}");
}
