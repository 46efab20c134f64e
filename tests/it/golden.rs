//! Stored formats: what an older program wrote is read for ever, and gives the same bytes and decisions.
//!
//! `tests/golden/<kind>/format-<n>` holds what the program of that format wrote: journal records and outbox records in
//! their stored form (one byte, then JSON), engine states, and a whole data folder. No test writes them, unless
//! `UPDATE_GOLDEN=1` is set, and then only those of the present format.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use headwater::domain::ids::TenantId;
use headwater::domain::partition::partition_of;
use headwater::domain::time::Timestamp;
use headwater::engine::effect::OUTBOX_FORMAT;
use headwater::engine::input::{Input, JOURNAL_FORMAT};
use headwater::engine::snapshot::SNAPSHOT_FORMAT;
use headwater::engine::tuning::Tuning;
use headwater::engine::{Engine, Loaded};
use headwater::journal::Durability;
use headwater::journal::body;
use headwater::journal::sqlite::schema::FILE_FORMAT;
use headwater::outbox;
use headwater::pipeline::{Options, Pace, Pipeline};
use headwater::projection::history::retention::Retention;

use crate::storms::project;

mod later;
mod tale;

use tale::{Line, PARTITION, Shelf, tale};

/// What a failure means.
const DEMAND: &str = "\n\nA stored format has changed: what is written no longer is what this format was. Give new fields a \
    `default` and leave them out while they are empty; then old bytes stay as they are. If that cannot be, raise the \
    format's number (JOURNAL_FORMAT, OUTBOX_FORMAT or SNAPSHOT_FORMAT), keep reading the one before, and write the new \
    golden files with UPDATE_GOLDEN=1. If only decisions have changed on purpose, UPDATE_GOLDEN=1 and look at the \
    difference. Never change the files of a format that has been released.";

fn folder(kind: &str, format: u32) -> PathBuf {
    project().join("tests/golden").join(kind).join(format!("format-{format}"))
}

fn updating() -> bool {
    std::env::var_os("UPDATE_GOLDEN").is_some_and(|value| value == "1")
}

/// Compares with a golden file, or writes it when told so.
fn expect(path: &Path, have: &[u8]) {
    if updating() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, have).unwrap();
    }
    let want = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}{DEMAND}", path.display()));
    if want == have {
        return;
    }
    let differs = want.iter().zip(have).take_while(|(a, b)| a == b).count();
    let around = |bytes: &[u8]| {
        String::from_utf8_lossy(&bytes[differs.saturating_sub(60).min(bytes.len())..(differs + 60).min(bytes.len())])
            .into_owned()
    };
    panic!("{}: from byte {differs}\n  was {}\n  is  {}{DEMAND}", path.display(), around(&want), around(have));
}

/// The golden files of every format that there was of a kind, in order.
fn files(kind: &str, newest: u32) -> Vec<(u32, PathBuf)> {
    let mut files = Vec::new();
    for format in 1..=newest {
        let folder = folder(kind, format);
        let entries = std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}{DEMAND}", folder.display()));
        let mut names: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        names.sort();
        assert!(!names.is_empty(), "{} is empty", folder.display());
        files.extend(names.into_iter().map(|name| (format, name)));
    }
    files
}

#[test]
fn journal_records_stay_readable_and_are_written_as_ever() {
    for Line { name, input, .. } in tale() {
        expect(&folder("journal", JOURNAL_FORMAT).join(&name), &body::encode(&input).unwrap());
    }
    for (name, input) in later::inputs() {
        let path = folder("journal", JOURNAL_FORMAT).join(format!("{name}.record"));
        expect(&path, &body::encode(&input).unwrap());
    }
    for (format, path) in files("journal", JOURNAL_FORMAT) {
        let stored = std::fs::read(&path).unwrap();
        assert_eq!(u32::from(stored[0]), format, "{}", path.display());
        let input = body::decode(&stored).unwrap_or_else(|why| panic!("{}: {why}{DEMAND}", path.display()));
        if format == JOURNAL_FORMAT {
            assert!(body::encode(&input).unwrap() == stored, "{}: written otherwise{DEMAND}", path.display());
        }
    }
}

#[test]
fn the_golden_journal_has_every_kind_of_input_and_order() {
    let mut told = String::new();
    for (_, path) in files("journal", JOURNAL_FORMAT) {
        let stored = std::fs::read(path).unwrap();
        told += &String::from_utf8_lossy(&body::text_of(&stored).unwrap());
    }
    let missing: Vec<&str> = tale::KINDS.iter().copied().filter(|kind| !told.contains(kind)).collect();
    assert!(missing.is_empty(), "no golden record with {missing:?}: add one to the tale");
}

/// Steps an engine through lines of the tale; gives the stored form of what each of them causes.
fn decided(engine: &mut Engine, lines: &[Line]) -> Vec<(String, Bytes)> {
    let shelf = Shelf::default();
    let mut decisions = Vec::new();
    for line in lines {
        let effects = engine.step(line.at, &line.input, shelf.loaded(&line.input));
        decisions.push((line.name.clone(), outbox::encode(&effects)));
    }
    decisions
}

#[test]
fn outbox_records_stay_readable_and_the_tale_is_decided_as_ever() {
    let mut engine = Engine::empty(PARTITION, Arc::new(Tuning::default()));
    for (name, stored) in decided(&mut engine, &tale()) {
        expect(&folder("outbox", OUTBOX_FORMAT).join(name), &stored);
    }
    for (name, effects) in [("34-care.record", later::effects()), ("35-endings.record", later::endings())] {
        expect(&folder("outbox", OUTBOX_FORMAT).join(name), &outbox::encode(&effects));
    }
    let mut told = String::new();
    for (format, path) in files("outbox", OUTBOX_FORMAT) {
        let stored = std::fs::read(&path).unwrap();
        assert_eq!(u32::from(stored[0]), format, "{}", path.display());
        let effects = outbox::decode(&stored).unwrap_or_else(|why| panic!("{}: {why}{DEMAND}", path.display()));
        told += &String::from_utf8_lossy(&outbox::text_of(&stored).unwrap());
        if format == OUTBOX_FORMAT {
            let again = outbox::encode(&effects);
            assert!(again == stored, "{}: written otherwise{DEMAND}", path.display());
        }
    }
    let missing: Vec<&str> = tale::EFFECTS.iter().copied().filter(|kind| !told.contains(kind)).collect();
    assert!(missing.is_empty(), "no golden effect {missing:?}: let the tale cause one");
}

/// Snapshots are taken before these lines, by their names.
fn marks(lines: &[Line]) -> Vec<usize> {
    (1..=3).map(|part| lines.len() * part / 4).collect()
}

#[test]
fn states_stay_readable_and_go_on_as_if_nothing_had_been() {
    let lines = tale();
    let shelf = Shelf::default();
    let mut engine = Engine::empty(PARTITION, Arc::new(Tuning::default()));
    let mut begun = 0;
    for mark in marks(&lines) {
        decided(&mut engine, &lines[begun..mark]);
        begun = mark;
        let name = format!("before-{}", lines[mark].name.replace(".record", ".json"));
        expect(&folder("snapshot", SNAPSHOT_FORMAT).join(name), &engine.freeze());
    }
    for (format, path) in files("snapshot", SNAPSHOT_FORMAT) {
        let frozen = std::fs::read(&path).unwrap();
        let mut thawed = shelf.thaw(&frozen).unwrap_or_else(|why| panic!("{}: {why}{DEMAND}", path.display()));
        if format < SNAPSHOT_FORMAT {
            continue;
        }
        assert!(thawed.freeze() == frozen, "{}: frozen otherwise{DEMAND}", path.display());
        let mark = path.file_stem().unwrap().to_str().unwrap().trim_start_matches("before-").to_owned() + ".record";
        let from = lines.iter().position(|line| line.name == mark).expect("named by a line of the tale");
        for (name, stored) in decided(&mut thawed, &lines[from..]) {
            let path = folder("outbox", OUTBOX_FORMAT).join(name);
            assert!(std::fs::read(&path).unwrap() == stored, "{}: decided otherwise behind {mark}", path.display());
        }
    }
}

/// A program on a folder, whose clock shows what it is told.
fn program(folder: &Path, now: Timestamp) -> Arc<Pipeline> {
    let clock = Arc::new(move || now);
    Pipeline::start(
        folder,
        Options {
            durability: Durability::Process,
            clock,
            receivers: None,
            retention: Retention::default(),
            pace: Pace::default(),
        },
    )
    .unwrap()
}

fn write_data_folder(path: &Path) {
    let folder = tempfile::tempdir().unwrap();
    let shelf = Shelf::default();
    for line in tale() {
        let pipeline = program(folder.path(), line.at);
        for text in shelf.texts() {
            futures::executor::block_on(pipeline.log.put_text(text)).unwrap();
        }
        let partition = partition_of(&TenantId::from(tale::TENANT));
        let seq = pipeline.log.append_blocking(partition, line.input).unwrap().seq;
        while !pipeline.has_applied(partition, seq) {
            std::thread::yield_now();
        }
        pipeline.stop();
    }
    let mut packer = GzEncoder::new(Vec::new(), Compression::best());
    packer.write_all(&std::fs::read(folder.path().join("headwater.db")).unwrap()).unwrap();
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, packer.finish().unwrap()).unwrap();
}

#[test]
fn a_data_folder_of_every_format_opens_and_goes_on() {
    let kept = |format: i64| project().join(format!("tests/golden/folder/format-{format}.db.gz"));
    if updating() {
        write_data_folder(&kept(FILE_FORMAT));
    }
    for format in 1..=FILE_FORMAT {
        let folder = tempfile::tempdir().unwrap();
        let mut database = Vec::new();
        let packed = std::fs::read(kept(format)).unwrap_or_else(|e| panic!("folder format {format}: {e}{DEMAND}"));
        GzDecoder::new(packed.as_slice()).read_to_end(&mut database).unwrap();
        std::fs::write(folder.path().join("headwater.db"), database).unwrap();
        let pipeline = program(folder.path(), tale().last().unwrap().at);
        let records = pipeline.log.records_after(0, usize::MAX).unwrap();
        let decisions = pipeline.log.decisions_after(0, usize::MAX).unwrap();
        let told: Vec<_> = records.iter().filter(|record| *record.input != Input::Tick).collect();
        assert_eq!(told.len(), tale().iter().filter(|line| line.input != Input::Tick).count());
        assert_eq!(decisions.len(), records.len(), "a record of the golden folder is not decided");
        assert_eq!(pipeline.health().diverged.load(Ordering::SeqCst), 0, "decided otherwise than it stands there");
        let partition = records[0].partition;
        let seq = pipeline.log.append_blocking(partition, Input::Tick).unwrap().seq;
        assert_eq!(seq, records.len() as u64 + 1);
        while !pipeline.has_applied(partition, seq) {
            std::thread::yield_now();
        }
        assert_eq!(pipeline.health().failure(), None);
        pipeline.stop();
    }
}

/// A format that is newer than the program is refused in words, not misread.
#[test]
fn a_newer_format_is_refused_and_says_so() {
    let newer = |error: String| assert!(error.contains("newer program"), "{error}");
    newer(body::decode(&[JOURNAL_FORMAT as u8 + 1, b'{', b'}']).unwrap_err());
    newer(outbox::decode(&[OUTBOX_FORMAT as u8 + 1, b'[', b']']).unwrap_err());
    let state = format!("{{\"format\":{}}}", SNAPSHOT_FORMAT + 1);
    newer(Shelf::default().thaw(state.as_bytes()).unwrap_err().to_string());
    let mut engine = Engine::empty(PARTITION, Arc::new(Tuning::default()));
    assert!(engine.step(Timestamp(1), &Input::Tick, Loaded::Nothing).is_empty());
}
