//! What fuzzing calls (`fuzz/entries.rs`), here with inputs from the project's own files, changed a little.

use std::path::{Path, PathBuf};

use headwater::journal::body;
use headwater::outbox;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

use crate::storms::project;
use crate::story::Story;

#[path = "../../fuzz/entries.rs"]
mod entries;

/// Changed inputs for each entry.
const CASES: u32 = 400;
/// Larger files are no good start: most of their changes hit what is skipped.
const SEED_BYTES_MAX: u64 = 64 * 1024;

/// Files below a folder, or the file itself, without expectations.
fn below(path: &Path, files: &mut Vec<PathBuf>) {
    if path.is_dir() {
        let mut entries: Vec<PathBuf> = std::fs::read_dir(path).unwrap().map(|e| e.unwrap().path()).collect();
        entries.sort();
        entries.iter().for_each(|entry| below(entry, files));
    } else if path.extension().is_none_or(|ext| ext != "expected" && ext != "gz" && ext != "txt" && ext != "md") {
        files.push(path.to_owned());
    }
}

/// Where an entry's first inputs are; `fuzz/run.sh` takes the same.
fn places(entry: &str) -> &'static [&'static str] {
    match entry {
        "parse_formats" => &["rules/mappings", "rules/severity", "rules/alertmanager.yaml"],
        "parse_rules" => &["rules/00-defaults.yaml", "rules/routes.yaml"],
        "load_topology" => &["topology", "tests/scenarios"],
        "parse_matchers" => &["tests/golden/matchers"],
        _ => &["tests/corpus", "tests/golden/decode"],
    }
}

fn seeds(entry: &str) -> Vec<Vec<u8>> {
    let story = || Story::seeded(3, 1);
    match entry {
        "read_journal" => {
            return story().steps.iter().map(|step| body::encode(&step.input).unwrap().to_vec()).collect();
        }
        "read_outbox" => {
            return story().effects.iter().map(|effects| outbox::encode(effects).to_vec()).collect();
        }
        "read_snapshot" => return story().states.into_iter().step_by(10).take(8).collect(),
        _ => {}
    }
    let mut files = Vec::new();
    for place in places(entry) {
        below(&project().join(place), &mut files);
    }
    let small = files.iter().filter(|file| file.metadata().unwrap().len() <= SEED_BYTES_MAX);
    small.map(|file| std::fs::read(file).unwrap()).collect()
}

/// One change of a body: a byte, a cut, a sign, a piece put elsewhere.
pub type Change = (prop::sample::Index, prop::sample::Index, u8, u8);

/// Changes a body.
pub fn changed(mut body: Vec<u8>, changes: Vec<Change>) -> Vec<u8> {
    for (a, b, kind, byte) in changes {
        if body.is_empty() {
            break;
        }
        let (a, b) = (a.index(body.len()), b.index(body.len()));
        match kind % 4 {
            0 => body[a] = byte,
            1 if byte < 32 => body.truncate(a),
            1 | 2 => body.insert(a, b"{}[]\",:\\u0e-\n &*"[usize::from(byte) % 16]),
            _ => {
                let piece = body[a.min(b)..a.max(b)].to_vec();
                body.splice(a..a, piece);
            }
        }
    }
    body
}

/// Runs an entry on all its seeds as they are, and on changed ones.
fn try_out(name: &str) {
    let seeds = seeds(name);
    assert!(!seeds.is_empty(), "{name} has no first input");
    seeds.iter().for_each(|seed| entries::run(name, seed));
    let changes = prop::collection::vec(any::<Change>(), 1..6);
    let inputs = (prop::sample::select(seeds), changes).prop_map(|(seed, changes)| changed(seed, changes));
    let mut runner = TestRunner::new(Config { cases: CASES, failure_persistence: None, ..Config::default() });
    let outcome = runner.run(&inputs, |input| {
        entries::run(name, &input);
        Ok::<(), TestCaseError>(())
    });
    outcome.unwrap_or_else(|error| panic!("{name}: {error}"));
}

macro_rules! strangers {
    ($($test:ident $entry:literal)*) => {
        const TRIED: &[&str] = &[$($entry),*];
        $(#[test] fn $test() {
            try_out($entry);
        })*
    };
}

strangers! {
    native_bodies "decode_native"
    cloudevents_bodies "decode_cloudevents"
    alertmanager_bodies "decode_alertmanager"
    mapped_bodies "decode_mapping"
    forms "decode_form"
    bodies_as_syslog "decode_syslog"
    bodies_as_traps "decode_snmp"
    bodies_as_opentelemetry "decode_otlp"
    bodies_as_mail "decode_mail"
    points_of_metrics "decode_points"
    lines_of_logs "decode_lines"
    bodies_as_remote_write "decode_remote_write"
    samples_for_a_sketch "sketch_mapping"
    files_about_formats "parse_formats"
    files_of_rules "parse_rules"
    matchers_of_silences "parse_matchers"
    files_about_the_topology "load_topology"
    stored_inputs "read_journal"
    stored_effects "read_outbox"
    stored_states "read_snapshot"
}

#[test]
fn every_fuzz_target_is_tried_here_and_every_entry_has_a_target() {
    let known: Vec<&str> = entries::ENTRIES.iter().map(|(name, _)| *name).collect();
    assert_eq!(known, TRIED);
    let mut targets: Vec<String> = std::fs::read_dir(project().join("fuzz/fuzz_targets"))
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    targets.sort();
    let mut known: Vec<String> = known.into_iter().map(str::to_owned).collect();
    known.sort();
    assert_eq!(targets, known);
    let manifest = std::fs::read_to_string(project().join("fuzz/Cargo.toml")).unwrap();
    assert!(known.iter().all(|name| manifest.contains(&format!("name = \"{name}\""))));
}
