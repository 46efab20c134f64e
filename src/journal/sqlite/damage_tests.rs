//! What happens to the files between two openings: damage, loss, kills, full disks, moves.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use super::backup::restore;
use super::check::{check_archive, check_main};
use super::open::{DATABASE, OpenError, WITNESS};
use super::small::Small;
use super::tests::{all, batch, open, options};
use super::writer::Need;
use super::*;
use crate::domain::time::Timestamp;
use crate::engine::input::Digest;
use crate::journal::digest::ChainHash;
use crate::journal::packed::Pieces;
use crate::journal::snapshot::{Snapshot, Snapshots};

const LOG: &str = "headwater.db-wal";

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

/// Everything that can be read from a store.
#[derive(Clone, Debug, PartialEq)]
struct Content {
    records: Vec<Record>,
    snapshot: Option<Snapshot>,
    blob: Option<Vec<u8>>,
}

fn content(store: &Store, blob: &Digest) -> Result<Content, ReadError> {
    check_main(&store.dir().join(DATABASE))?;
    Ok(Content {
        records: Journal::read_after(store, 0, usize::MAX)?,
        snapshot: store.latest_snapshot(0)?,
        blob: store.blob(blob)?,
    })
}

/// Writes a small store and copies its files as a stopped machine would leave them: some of it in the database,
/// some only in the log.
fn left_behind(to: &Path) -> (Content, Digest) {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    let snapshot =
        |n| Snapshot { partition: 0, journal_seq: n, outbox_seq: 0, format: 1, body: Pieces(vec![vec![n as u8; 300]]) };
    let blob = block_on(store.put_blob(vec![7; 500])).unwrap();
    for n in 1..=12 {
        store.append_blocking((n % 2) as u16, batch(n)).unwrap();
    }
    block_on(store.put_snapshot(snapshot(5))).unwrap();
    store.write_small_blocking(Small::new(0, Need::Vital, |_, _| Ok(()))).unwrap();
    drop(store);
    let store = open(&dir);
    block_on(store.put_snapshot(snapshot(12))).unwrap();
    for n in 13..=16 {
        store.append_blocking(0, batch(n)).unwrap();
    }
    let found = content(&store, &blob).unwrap();
    for name in [DATABASE, LOG, WITNESS] {
        std::fs::copy(dir.path().join(name), to.join(name)).unwrap();
    }
    (found, blob)
}

/// Opens a copy of `from` in which `name` has been changed; says whether that was seen. What was not seen must not
/// have changed anything.
fn opened_with(from: &Path, name: &str, bytes: &[u8], whole: &(Content, Digest)) -> Result<(), String> {
    let dir = TempDir::new().unwrap();
    for file in [DATABASE, LOG, WITNESS] {
        if file != name {
            std::fs::copy(from.join(file), dir.path().join(file)).unwrap();
        }
    }
    std::fs::write(dir.path().join(name), bytes).unwrap();
    let store = Store::open(dir.path(), options()).map_err(|error| error.to_string())?;
    let found = content(&store, &whole.1).map_err(|error| error.to_string())?;
    assert_eq!(found, whole.0, "{name} was changed and read otherwise");
    Ok(())
}

#[test]
fn a_flipped_byte_is_seen_or_harmless() {
    // One byte in 37, another one in each file; with 1, every byte (some minutes).
    let stride = std::env::var("HEADWATER_FLIP_STRIDE").ok().and_then(|n| n.parse().ok()).unwrap_or(37);
    let dir = TempDir::new().unwrap();
    let whole = left_behind(dir.path());
    opened_with(dir.path(), LOG, &std::fs::read(dir.path().join(LOG)).unwrap(), &whole).unwrap();
    for name in [DATABASE, LOG, WITNESS] {
        let good = std::fs::read(dir.path().join(name)).unwrap();
        let mut seen = 0;
        let places = (0..good.len()).step_by(stride);
        for at in places.clone() {
            let mut bad = good.clone();
            bad[at] ^= 1 << (at % 8);
            seen += usize::from(opened_with(dir.path(), name, &bad, &whole).is_err());
        }
        println!("{name}: {} bytes, {} flips, {seen} seen, the others harmless", good.len(), places.len());
    }
}

#[test]
fn a_log_that_was_cut_off_is_seen() {
    let dir = TempDir::new().unwrap();
    let whole = left_behind(dir.path());
    let log = std::fs::read(dir.path().join(LOG)).unwrap();
    // A frame is 24 + 4096 bytes behind the 32 of the log's head; the last commit ends with the log's last frame.
    let mut cuts: Vec<usize> = (0..log.len()).step_by(4_120 / 2).collect();
    cuts.extend([log.len() - 1, log.len() - 4_120, 31, 32, 33]);
    for cut in cuts {
        let error = opened_with(dir.path(), LOG, &log[..cut], &whole).unwrap_err();
        assert!(error.contains("were committed") && error.contains("restore the last backup"), "{cut}: {error}");
    }
}

#[test]
fn damage_is_told_with_its_remedy_and_leaves_the_files_as_they_are() {
    let dir = TempDir::new().unwrap();
    left_behind(dir.path());
    let log = std::fs::read(dir.path().join(LOG)).unwrap();
    std::fs::write(dir.path().join(LOG), &log[..log.len() - 100]).unwrap();
    for _ in 0..2 {
        let error = Store::open(dir.path(), options()).err().unwrap();
        assert!(matches!(error, OpenError::Damaged(_)), "{error}");
        assert_eq!(std::fs::read(dir.path().join(LOG)).unwrap().len(), log.len() - 100);
    }
    std::fs::remove_file(dir.path().join(WITNESS)).unwrap();
    assert_eq!(all(&open(&dir)).len(), 15);
}

#[test]
fn a_database_that_was_lost_is_not_taken_for_a_first_start() {
    let dir = TempDir::new().unwrap();
    left_behind(dir.path());
    std::fs::remove_file(dir.path().join(DATABASE)).unwrap();
    std::fs::remove_file(dir.path().join(LOG)).unwrap();
    let error = Store::open(dir.path(), options()).err().unwrap();
    assert!(matches!(error, OpenError::Damaged(_)), "{error}");
}

#[test]
fn another_format_is_refused() {
    let dir = TempDir::new().unwrap();
    drop(open(&dir));
    let file = rusqlite::Connection::open(dir.path().join(DATABASE)).unwrap();
    file.pragma_update(None, "user_version", 2).unwrap();
    drop(file);
    let error = Store::open(dir.path(), options()).err().unwrap();
    assert!(matches!(error, OpenError::Format { found: 2, .. }), "{error}");
}

/// Not a test of its own: the process that the next test kills.
#[test]
fn appends_until_it_is_killed() {
    let Ok(dir) = std::env::var("HEADWATER_KILLED_IN") else { return };
    let store = Store::open(Path::new(&dir), options()).unwrap();
    std::thread::scope(|threads| {
        for partition in 0..4 {
            let store = &store;
            threads.spawn(move || {
                for n in 0.. {
                    let appended = store.append_blocking(partition, batch(n)).unwrap();
                    println!("kept {}", appended.seq);
                }
            });
        }
    });
}

#[test]
fn what_was_answered_survives_a_kill() {
    let dir = TempDir::new().unwrap();
    let mut answered = 0;
    for round in 1..=6 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "journal::sqlite::damage_tests::appends_until_it_is_killed", "--nocapture"])
            .env("HEADWATER_KILLED_IN", dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let enough = 100 * round + 37;
        let mut lines = 0;
        for line in out.lines().map_while(Result::ok) {
            let Some(seq) = line.split("kept ").nth(1).and_then(|seq| seq.trim().parse::<u64>().ok()) else { continue };
            answered = answered.max(seq);
            lines += 1;
            if lines == enough {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        assert!(lines >= enough, "the child wrote {lines} lines");
        let store = open(&dir);
        let records = all(&store);
        assert!(records.len() as u64 >= answered, "{answered} were answered, {} are there", records.len());
        assert!(records.iter().map(|record| record.seq).eq(1..=records.len() as u64));
        check_main(&dir.path().join(DATABASE)).unwrap();
    }
}

fn limit_pages(store: &Store, pages: i64) {
    store
        .write_small_blocking(Small::new(0, Need::Vital, move |file, _| {
            file.pragma_update(None, "max_page_count", pages)?;
            Ok(())
        }))
        .unwrap();
}

#[test]
fn a_full_disk_refuses_input_until_there_is_room() {
    let dir = TempDir::new().unwrap();
    let store = Store::open(dir.path(), OpenOptions { ballast_bytes: 1024 * 1024, ..options() }).unwrap();
    let ballast = dir.path().join("headwater.ballast");
    assert_eq!(std::fs::metadata(&ballast).unwrap().len(), 1024 * 1024);
    limit_pages(&store, 40);
    let mut kept = 0;
    let refused = loop {
        match store.append_blocking(0, batch(kept)) {
            Ok(appended) => kept = appended.seq,
            Err(refused) => break refused,
        }
    };
    assert!(matches!(refused, AppendError::Full { .. }), "{refused}");
    assert!(store.gauge().is_full() && !ballast.exists());
    assert_eq!(all(&store).len() as u64, kept);
    limit_pages(&store, 10_000);
    let since = std::time::Instant::now();
    while store.gauge().is_full() {
        assert!(since.elapsed() < Duration::from_secs(30), "still full");
        std::thread::yield_now();
    }
    assert!(ballast.exists());
    assert_eq!(store.append_blocking(0, batch(0)).unwrap().seq, kept + 1);
}

/// A store with 300 records, half of them behind the older of two snapshots.
fn with_snapshots(dir: &TempDir) -> (Store, Vec<Record>) {
    let store = open(dir);
    let outbox = crate::journal::sqlite::schema::PartitionHead::start(0);
    for n in 1..=300 {
        store.append_blocking(0, batch(n)).unwrap();
    }
    // As if an outbox had decided them all.
    store
        .write_small_blocking(Small::new(0, Need::Vital, move |_, heads| {
            let head = heads.partition(0);
            heads.set(0, schema::PartitionHead { outbox_journal_seq: 300, ..head });
            assert_eq!(head.outbox_hash, outbox.outbox_hash);
            Ok(())
        }))
        .unwrap();
    for n in [150, 280] {
        let snapshot = Snapshot { partition: 0, journal_seq: n, outbox_seq: 0, format: 1, body: Pieces(vec![vec![1]]) };
        block_on(store.put_snapshot(snapshot)).unwrap();
    }
    let records = all(&store);
    (store, records)
}

#[test]
fn old_records_move_to_the_archive_and_are_still_read() {
    let dir = TempDir::new().unwrap();
    let (store, before) = with_snapshots(&dir);
    let mut moved = 0;
    loop {
        let step = store.move_to_archive().unwrap();
        if step.is_nothing() {
            break;
        }
        assert!(step.journal <= 64);
        moved += step.journal;
        let mut read = Vec::new();
        while read.len() < 300 {
            read.extend(Journal::read_after(&store, read.len() as u64, 2_000).unwrap());
        }
        assert_eq!(read, before);
    }
    assert_eq!(moved, 150);
    assert_eq!(check_main(&dir.path().join(DATABASE)).unwrap().journal, (300, 150));
    assert_eq!(check_archive(&dir.path().join("archive.db")).unwrap().journal, (150, 150));
    drop(store);
    let store = open(&dir);
    assert_eq!(store.append_blocking(0, Input::Tick).unwrap().seq, 301);
    assert_eq!(store.expire_archive(before[99].stamp).unwrap().journal, 64);
    assert_eq!(store.expire_archive(before[99].stamp).unwrap().journal, 35);
    assert!(store.expire_archive(before[99].stamp).unwrap().is_nothing());
    assert!(matches!(Journal::read_after(&store, 5, 1), Err(ReadError::Gone { after: 5, oldest: 100 })));
    assert_eq!(Journal::read_after(&store, 99, 1).unwrap()[0], before[99]);
    assert_eq!(store.expire_archive(Timestamp(i64::MAX)).unwrap().journal, 51);
    assert_eq!(Journal::read_after(&store, 150, 1).unwrap()[0], before[150]);
}

#[test]
fn a_backup_is_complete_and_restores_to_the_same() {
    let dir = TempDir::new().unwrap();
    let (store, before) = with_snapshots(&dir);
    store.move_to_archive().unwrap();
    let elsewhere = TempDir::new().unwrap();
    let to = elsewhere.path().join("monday");
    let manifest = store.backup(&to).unwrap();
    assert_eq!((manifest.journal_seq, manifest.files.len()), (300, 2));
    assert!(store.backup(&to).unwrap_err().to_string().contains("is there already"));
    assert!(restore(&to, dir.path()).unwrap_err().to_string().contains("held by a running process"));
    store.append_blocking(0, Input::Tick).unwrap();
    drop(store);
    assert!(restore(&to, dir.path()).unwrap_err().to_string().contains("is there already"));
    let fresh = TempDir::new().unwrap();
    let checked = restore(&to, fresh.path()).unwrap();
    assert_eq!((checked.journal.0, checked.snapshots), (300, 2));
    assert_ne!(checked.digest, ChainHash::default());
    let store = open(&fresh);
    let mut read = Journal::read_after(&store, 0, usize::MAX).unwrap();
    read.extend(Journal::read_after(&store, read.len() as u64, usize::MAX).unwrap());
    assert_eq!(read, before);
    assert_eq!(store.append_blocking(0, Input::Tick).unwrap().seq, 301);
    drop(store);
    let mut bytes = std::fs::read(to.join(DATABASE)).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(to.join(DATABASE), bytes).unwrap();
    let empty = TempDir::new().unwrap();
    assert!(restore(&to, empty.path()).unwrap_err().to_string().contains("does not match its digest"));
    assert!(!empty.path().join(DATABASE).exists());
}
