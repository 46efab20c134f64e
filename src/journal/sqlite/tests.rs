//! The promises of the store, each with a real file.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tempfile::TempDir;

use super::open::OpenError;
use super::*;
use crate::domain::ids::{SourceId, TenantId};
use crate::domain::time::Timestamp;
use crate::engine::input::Batch;
use crate::journal::packed::Pieces;
use crate::journal::snapshot::{Snapshot, Snapshots};

pub fn options() -> OpenOptions {
    let now = AtomicI64::new(1_700_000_000_000);
    let clock = Arc::new(move || Timestamp(now.fetch_add(1, Ordering::Relaxed)));
    OpenOptions { durability: Durability::Process, ballast_bytes: 0, ..OpenOptions::new(clock) }
}

pub fn open(dir: &TempDir) -> Store {
    Store::open(dir.path(), options()).unwrap()
}

pub fn batch(n: u64) -> Input {
    let (tenant, source) = (TenantId::from("t"), SourceId::from("s"));
    let event = crate::domain::event::Event::new(tenant.clone(), source, &format!("event {n}"), Timestamp(n as i64));
    Input::Batch(Batch { tenant, events: vec![event], rejected: Vec::new(), replay_of: None })
}

pub fn all(store: &Store) -> Vec<Record> {
    Journal::read_after(store, 0, usize::MAX).unwrap()
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

#[test]
fn what_was_appended_is_read_back_after_a_restart() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    for n in 1..=100 {
        assert_eq!(store.append_blocking((n % 3) as u16, batch(n)).unwrap().seq, n);
    }
    let before = all(&store);
    drop(store);
    let store = open(&dir);
    assert_eq!(store.epoch(), 2);
    assert_eq!(all(&store), before);
    assert_eq!(before.len(), 100);
    assert!(before.is_sorted_by(|a, b| a.stamp <= b.stamp && a.seq + 1 == b.seq));
    let of_one = store.read_partition(1, 4, usize::MAX).unwrap();
    assert!(of_one.iter().map(|record| record.seq).eq((7..=100).step_by(3)));
    assert_eq!(*before[41].input, batch(42));
    assert_eq!(store.append_blocking(0, Input::Tick).unwrap().seq, 101);
}

#[test]
fn a_clock_that_goes_back_does_not_move_the_stamp_back() {
    let dir = TempDir::new().unwrap();
    let now = Arc::new(AtomicI64::new(5_000));
    let ours = Arc::clone(&now);
    let clock: append::Clock = Arc::new(move || Timestamp(ours.load(Ordering::Relaxed)));
    let store = Store::open(dir.path(), OpenOptions { clock, ..options() }).unwrap();
    store.append_blocking(0, Input::Tick).unwrap();
    now.store(1_000, Ordering::Relaxed);
    store.append_blocking(0, Input::Tick).unwrap();
    now.store(6_000, Ordering::Relaxed);
    store.append_blocking(0, Input::Tick).unwrap();
    assert!(all(&store).iter().map(|record| record.stamp.0).eq([5_000, 5_000, 6_000]));
}

#[test]
fn a_second_opening_is_refused_and_told_by_whom() {
    let dir = TempDir::new().unwrap();
    let store = Store::open(dir.path(), OpenOptions { owner: "the first".into(), ..options() }).unwrap();
    let refused = Store::open(dir.path(), options()).err().unwrap();
    let text = refused.to_string();
    assert!(matches!(refused, OpenError::Locked { .. }), "{text}");
    assert!(text.contains(&format!("pid {} the first", std::process::id())), "{text}");
    assert!(text.contains("headwater.lock"), "{text}");
    drop(store);
    drop(open(&dir));
}

#[test]
fn a_former_owner_is_refused_by_the_epoch() {
    let dir = TempDir::new().unwrap();
    let former = open(&dir);
    former.append_blocking(0, Input::Tick).unwrap();
    // Somebody removed the lock file: the lock no longer keeps the next one out.
    std::fs::remove_file(dir.path().join("headwater.lock")).unwrap();
    let next = open(&dir);
    assert_eq!(next.epoch(), former.epoch() + 1);
    let refused = former.append_blocking(0, Input::Tick).unwrap_err();
    assert!(matches!(&refused, AppendError::Halted { why } if why.contains("epoch")), "{refused}");
    assert_eq!(next.append_blocking(0, Input::Tick).unwrap().seq, 2);
}

#[test]
fn what_waits_is_committed_together() {
    let dir = TempDir::new().unwrap();
    let store = Store::open(dir.path(), OpenOptions { durability: Durability::Power, ..options() }).unwrap();
    let before = store.gauge().commits();
    block_on(async {
        let appends = (0..1000).map(|n| store.append(0, batch(n)));
        for appended in futures::future::join_all(appends).await {
            appended.unwrap();
        }
    });
    let commits = store.gauge().commits() - before;
    assert!(commits < 300, "1000 appends took {commits} commits");
    assert_eq!(all(&store).len(), 1000);
}

#[test]
fn a_follower_sees_every_record_once_in_order() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    for n in 0..50 {
        store.append_blocking(0, batch(n)).unwrap();
    }
    let writing = store.clone();
    let writer = std::thread::spawn(move || {
        for n in 0..9_950 {
            let (reply, answer) = sync_channel(1);
            let send = Box::new(move |outcome| drop(reply.send(outcome)));
            writing.submit((n % 7) as u16, batch(n), send).unwrap();
            if n % 500 == 0 {
                answer.recv().unwrap().unwrap();
            }
        }
    });
    let mut tail = store.follow(Of::All, 20);
    let mut seqs = Vec::new();
    while seqs.len() < 9_980 {
        let records = tail.next(Duration::from_secs(20)).unwrap();
        assert!(!records.is_empty(), "stalled at {:?}", seqs.last());
        seqs.extend(records.iter().map(|record| record.seq));
    }
    writer.join().unwrap();
    assert!(seqs.into_iter().eq(21..=10_000));
    assert!(tail.next(Duration::ZERO).unwrap().is_empty());
}

#[test]
fn a_slow_follower_is_cut_off_and_misses_nothing() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    let mut tail = store.follow(Of::All, 0);
    assert!(tail.next(Duration::ZERO).unwrap().is_empty());
    block_on(async {
        for _ in 0..3 {
            let appends = (0..3_000).map(|n| store.append(0, batch(n)));
            assert!(futures::future::join_all(appends).await.iter().all(Result::is_ok));
        }
    });
    let mut seen = 0;
    while seen < 9_000 {
        seen += tail.next(Duration::from_secs(20)).unwrap().len();
    }
    assert_eq!((seen, tail.seen()), (9_000, 9_000));
}

#[test]
fn an_input_that_would_be_read_back_differently_is_refused() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    let Input::Batch(mut batch) = batch(1) else { unreachable!() };
    batch.events[0].metric = Some(crate::domain::event::MetricRef { value: Some(f64::INFINITY), ..Default::default() });
    let refused = store.append_blocking(0, Input::Batch(batch)).unwrap_err();
    assert!(matches!(refused, AppendError::Unfit { .. }), "{refused}");
    assert_eq!(all(&store).len(), 0);
}

#[test]
fn the_newest_intact_snapshot_is_found_and_two_are_kept() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    let snapshot = |n: u64| Snapshot {
        partition: 3,
        journal_seq: n,
        outbox_seq: n,
        format: 1,
        body: Pieces(vec![(0..700_000 + n).map(|byte| (byte % 251) as u8).collect(), vec![n as u8]]),
    };
    block_on(async {
        assert_eq!(store.latest_snapshot(3).unwrap(), None);
        for n in 1..=4 {
            store.put_snapshot(snapshot(n)).await.unwrap();
        }
        let other = Snapshot { partition: 4, body: Pieces::default(), ..snapshot(1) };
        store.put_snapshot(other.clone()).await.unwrap();
        assert_eq!(store.latest_snapshot(4).unwrap(), Some(other));
    });
    assert_eq!(store.latest_snapshot(3).unwrap(), Some(snapshot(4)));
    drop(store);
    let file = rusqlite::Connection::open(dir.path().join("headwater.db")).unwrap();
    let count = |sql: &str| file.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(count("SELECT count(*) FROM snapshots WHERE partition = 3"), 2);
    assert_eq!(count("SELECT count(*) FROM snapshot_chunks"), 4);
    file.execute("UPDATE snapshot_chunks SET body = zeroblob(length(body)) WHERE id = (4 << 20) + 1", []).unwrap();
    file.execute("INSERT INTO snapshot_chunks VALUES (9 << 20, x'00')", []).unwrap();
    drop(file);
    let store = open(&dir);
    assert_eq!(store.latest_snapshot(3).unwrap(), Some(snapshot(3)));
    block_on(store.put_snapshot(snapshot(9))).unwrap();
    assert_eq!(store.latest_snapshot(3).unwrap(), Some(snapshot(9)));
}

#[test]
fn a_text_is_kept_once_under_its_digest() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    let digest = block_on(store.put_blob(b"a topology".to_vec())).unwrap();
    assert_eq!(block_on(store.put_blob(b"a topology".to_vec())).unwrap(), digest);
    assert_eq!(store.blob(&digest).unwrap().as_deref(), Some(&b"a topology"[..]));
    assert_eq!(store.blob(&crate::journal::digest::digest_of(b"other")).unwrap(), None);
}
