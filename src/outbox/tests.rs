//! The promises of the outbox, on a real file.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tempfile::TempDir;

use super::sqlite::SqliteOutbox;
use super::*;
use crate::domain::ids::TenantId;
use crate::domain::time::Timestamp;
use crate::engine::input::Input;
use crate::journal::Durability;
use crate::journal::sqlite::{OpenOptions, Store};

fn open(dir: &TempDir) -> (Store, SqliteOutbox) {
    let now = AtomicI64::new(1_700_000_000_000);
    let clock = Arc::new(move || Timestamp(now.fetch_add(1, Ordering::Relaxed)));
    let options = OpenOptions { durability: Durability::Process, ballast_bytes: 0, ..OpenOptions::new(clock) };
    let store = Store::open(dir.path(), options).unwrap();
    (store.clone(), SqliteOutbox::new(store))
}

fn effect(n: u64) -> Effect {
    Effect::CommandDone { tenant: TenantId::from("t"), refused: Some(n.to_string().into()), again: false }
}

fn decided(journal_seq: u64) -> Vec<Decided> {
    vec![Decided { journal_seq, effects: Arc::new(vec![effect(journal_seq)]) }]
}

fn tick(store: &Store, partition: u16) -> u64 {
    store.append_blocking(partition, Input::Tick).unwrap().seq
}

#[test]
fn each_record_is_decided_once_and_in_order() {
    let dir = TempDir::new().unwrap();
    let (store, outbox) = open(&dir);
    for partition in [0, 1, 0, 0, 1] {
        tick(&store, partition);
    }
    let fenced = |partition, expected, journal_seq| {
        let refused = outbox.commit_blocking(partition, expected, decided(journal_seq)).unwrap_err();
        assert!(matches!(refused, CommitError::Fenced { .. }), "{refused}");
    };
    fenced(0, 0, 3); // passes over record 1
    fenced(0, 1, 1); // expects a record that is not there
    fenced(0, 0, 2); // the other partition's record
    fenced(0, 0, 9); // a record that is not there
    let first = outbox.commit_blocking(0, 0, decided(1)).unwrap();
    assert_eq!((first.seq, first.journal_seq), (1, 1));
    fenced(0, 0, 3); // somebody else's view
    fenced(0, 1, 1); // decided already
    let other = outbox.commit_blocking(1, 0, decided(2)).unwrap();
    assert_eq!(other.seq, 2);
    let more = decided(3).into_iter().chain([Decided { journal_seq: 4, effects: Arc::default() }]).collect();
    let last = outbox.commit_blocking(0, 1, more).unwrap();
    assert_eq!((last.seq, last.journal_seq), (4, 4));
    assert_eq!(outbox.head(0).unwrap(), last);
    assert_eq!(outbox.head(1).unwrap(), other);
    assert_eq!(outbox.head(7).unwrap().seq, 0);
    let records = outbox.read_after(0, usize::MAX).unwrap();
    assert_eq!(records.iter().map(|r| (r.seq, r.journal_seq)).collect::<Vec<_>>(), [(1, 1), (2, 2), (3, 3), (4, 4)]);
    assert_eq!(*records[2].effects, [effect(3)]);
    assert_eq!((records[2].prev_hash, records[3].prev_hash), (first.hash, records[2].hash));
    assert_eq!(outbox.decision(4).unwrap().unwrap(), records[3]);
    assert_eq!(outbox.decision(5).unwrap(), None);
}

#[test]
fn deciding_again_gives_the_same_hash_or_a_divergence() {
    let dir = TempDir::new().unwrap();
    let (store, outbox) = open(&dir);
    tick(&store, 0);
    outbox.commit_blocking(0, 0, decided(1)).unwrap();
    drop((store, outbox));
    let (store, outbox) = open(&dir);
    let record = outbox.decision(1).unwrap().unwrap();
    assert_eq!((record.epoch, store.epoch()), (1, 2));
    assert_eq!(record.verify(&[effect(1)]), Ok(()));
    let divergence = record.verify(&[effect(2)]).unwrap_err();
    assert_eq!((divergence.journal_seq, divergence.stored), (1, record.hash));
    assert_ne!(divergence.computed, divergence.stored);
}

#[test]
fn a_former_owner_commits_nothing() {
    let dir = TempDir::new().unwrap();
    let (store, former) = open(&dir);
    tick(&store, 0);
    // Somebody removed the lock file: the lock no longer keeps the next one out.
    std::fs::remove_file(dir.path().join("headwater.lock")).unwrap();
    let (_next, outbox) = open(&dir);
    let refused = former.commit_blocking(0, 0, decided(1)).unwrap_err();
    assert!(matches!(refused, CommitError::Fenced { .. }), "{refused}");
    // Its writer has ended with that: whatever comes later is not even looked at.
    let refused = former.commit_blocking(0, 0, decided(1)).unwrap_err();
    assert!(matches!(refused, CommitError::Halted { .. }), "{refused}");
    assert_eq!(outbox.head(0).unwrap().seq, 0);
    assert_eq!(outbox.commit_blocking(0, 0, decided(1)).unwrap().seq, 1);
}

#[test]
fn commits_may_be_handed_in_ahead_and_are_followed_in_order() {
    let dir = TempDir::new().unwrap();
    let (store, outbox) = open(&dir);
    let mut tail = outbox.follow(0);
    let (reply, answers) = std::sync::mpsc::channel();
    for n in 1..=500 {
        tick(&store, 0);
        let reply = reply.clone();
        outbox.submit(0, n - 1, decided(n), Box::new(move |done| reply.send(done).unwrap()));
    }
    for n in 1..=500 {
        assert_eq!(answers.recv().unwrap().unwrap().seq, n);
    }
    let mut seen = Vec::new();
    while seen.len() < 500 {
        seen.extend(tail.next(Duration::from_secs(20)).unwrap().iter().map(|record| record.seq));
    }
    assert!(seen.into_iter().eq(1..=500));
}
