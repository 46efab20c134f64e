//! `headwater backtest` with rules and models of one's own.

use std::path::Path;

use super::{Ran, headwater, shipped, write};

const ESTATE: &str = "cis:\n  - { id: db-1, class: server, name: db-1 }\n";
const EVENTS: &str = r#"{"alert_id":"a1","source":"zabbix","name":"DiskFull","severity":"major","entity":"db-1","summary":"disk","status":"firing","starts_at":"2026-01-05T00:00:00Z","received_at":"2026-01-05T00:00:01Z"}
"#;

fn run(folder: &Path, more: &[&str]) -> Ran {
    let topology = write(folder, "estate.yaml", ESTATE);
    let events = write(folder, "events.jsonl", EVENTS);
    let mapping = shipped("rules/mappings/stormgen.yaml");
    let out = folder.join("out").display().to_string();
    let own =
        ["backtest", "--topology", &topology, "--events", &events, "--mapping", &mapping, "--out", &out, "--quiet"];
    headwater(&[&own, more].concat())
}

fn model(folder: &Path, change: (&str, &str)) -> String {
    let text = |name: &str| std::fs::read_to_string(shipped(&format!("models/correlation/1/{name}"))).unwrap();
    write(folder, "models/correlation/1/card.md", &text("card.md"));
    write(folder, "models/correlation/1/SHA256SUMS", &text("SHA256SUMS"));
    write(folder, "models/correlation/1/model.yaml", &text("model.yaml").replacen(change.0, change.1, 1));
    folder.join("models").display().to_string()
}

/// Writes the digests of a model folder again, as an analyst would after a change.
fn sign(folder: &Path) {
    use sha2::{Digest as _, Sha256};
    let at = folder.join("models/correlation/1");
    let lines: Vec<String> = ["model.yaml", "card.md"]
        .iter()
        .map(|name| format!("{}  {name}\n", hex::encode(Sha256::digest(std::fs::read(at.join(name)).unwrap()))))
        .collect();
    std::fs::write(at.join("SHA256SUMS"), lines.concat()).unwrap();
}

#[test]
fn the_summary_names_the_model_and_the_rules() {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), &[]).does(&["\"name\": \"correlation\"", "\"version\": 6", "\"rules\": \"built-in\""]);
    let (rules, models) = (shipped("rules"), shipped("models"));
    let told = run(folder.path(), &["--rules", &rules, "--models", &models]);
    told.does(&["\"incidents\": 1", &format!("\"rules\": {rules:?}")]);
    let summary = std::fs::read_to_string(folder.path().join("out/summary.json")).unwrap();
    assert!(summary.contains("\"digest\""), "{summary}");
}

#[test]
fn bad_rules_are_refused_with_every_place() {
    let folder = tempfile::tempdir().unwrap();
    let rules = folder.path().join("rules").display().to_string();
    write(folder.path(), "rules/a.yaml", "mute:\n  - { id: m, effekt: drop }\npromote:\n  - { id: p, after: soon }\n");
    run(folder.path(), &["--rules", &rules]).refuses(&[
        &format!("{rules}/a.yaml:2:"),
        "effekt",
        &format!("{rules}/a.yaml:4:"),
        "write now, never or a length such as 5m",
    ]);
    let nowhere = folder.path().join("nowhere").display().to_string();
    run(folder.path(), &["--rules", &nowhere]).refuses(&["nowhere"]);
}

#[test]
fn bad_models_are_refused_with_place_and_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let models = model(folder.path(), ("spread: 800", "spread: 8"));
    run(folder.path(), &["--models", &models])
        .refuses(&["SHA256SUMS:1: model.yaml has digest", "sha256sum model.yaml"]);
    sign(folder.path());
    run(folder.path(), &["--models", &models]).refuses(&["model.yaml:11:1", "spread is 8", "write 50 to 5000"]);
    model(folder.path(), ("hop: -1800", "hops: -1800"));
    sign(folder.path());
    run(folder.path(), &["--models", &models]).refuses(&["model.yaml:13", "hops"]);
    model(folder.path(), ("version: 1", "version: 2"));
    sign(folder.path());
    run(folder.path(), &["--models", &models]).refuses(&["says version 2, its folder 1"]);
    let rules = shipped("rules");
    run(folder.path(), &["--models", &rules]).refuses(&["read the models in", "correlation"]);
}

/// Runs it on these files, with a progress bar if it likes.
fn run_on(folder: &Path, estate: &str, events: &str) -> Ran {
    let mapping = shipped("rules/mappings/stormgen.yaml");
    let out = folder.join("out").display().to_string();
    headwater(&["backtest", "--topology", estate, "--events", events, "--mapping", &mapping, "--out", &out])
}

#[test]
fn files_that_cannot_be_read_are_named_with_the_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (estate, events) = (write(folder, "estate.yaml", ESTATE), write(folder, "events.jsonl", EVENTS));
    let nowhere = folder.join("nowhere.jsonl").display().to_string();
    run_on(folder, &estate, &nowhere).refuses(&["open", "nowhere.jsonl", "No such file"]);
    run_on(folder, &nowhere, &events).refuses(&["open", "nowhere.jsonl", "No such file"]);
    let not_packed = write(folder, "events.jsonl.gz", EVENTS);
    run_on(folder, &estate, &not_packed)
        .refuses(&["events.jsonl.gz: its name ends in .gz, but it is not packed", "take the ending"]);
    let bad = write(folder, "bad.yaml", "cis:\n- { id: db-1, class: server }\n- { id: db-1, class: server }\n");
    run_on(folder, &bad, &events).refuses(&["bad.yaml:3: CI \"db-1\" is defined twice"]);
    let strange = write(folder, "strange.jsonl", "{\"what\": 1}\n\nnot JSON\n");
    run_on(folder, &estate, &strange).refuses(&[
        "none of 2 lines can be read as an event; is ",
        "stormgen.yaml the mapping for them?",
        "strange.jsonl:1: ",
        "strange.jsonl:3: ",
    ]);
}

#[test]
fn packed_files_are_read_and_one_that_is_cut_off_is_named() {
    use std::io::Write as _;
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let estate = write(folder, "estate.yaml", ESTATE);
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    for n in 0..2_000 {
        packer.write_all(EVENTS.replace("\"a1\"", &format!("\"a{n}\"")).as_bytes()).unwrap();
    }
    let packed = packer.finish().unwrap();
    // The name does not matter.
    for name in ["events.jsonl.gz", "events.bin"] {
        std::fs::write(folder.join(name), &packed).unwrap();
        run_on(folder, &estate, &folder.join(name).display().to_string())
            .does(&["\"events\": 2000", "\"rejected\": 0"]);
    }
    std::fs::write(folder.join("cut.gz"), &packed[..packed.len() / 2]).unwrap();
    run_on(folder, &estate, &folder.join("cut.gz").display().to_string())
        .refuses(&["cut.gz (cut off or damaged? copy it again)"]);
}

#[test]
fn a_bad_line_in_the_middle_is_counted_told_and_no_hindrance() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let estate = write(folder, "estate.yaml", ESTATE);
    let line = |n: usize| EVENTS.replace("\"a1\"", &format!("\"a{n}\""));
    // More lines than are decoded at once, with an empty one before the bad one.
    let before: String = (0..700).map(line).collect();
    let events = write(folder, "events.jsonl", &format!("{before}\n{{\"alert_id\": \n{}", line(700)));
    let ran = run_on(folder, &estate, &events);
    ran.does(&["\"events\": 702", "\"rejected\": 1", "left out: ", "events.jsonl:702: "]);
    assert!(!ran.err.contains("events,"), "no progress bar but on a terminal: {}", ran.err);
    let clusters = std::fs::read_to_string(folder.join("out/clusters.csv")).unwrap();
    assert_eq!(clusters.lines().count(), 702, "a head and 701 events");
}

#[test]
fn a_terminal_is_shown_how_far_it_is() {
    let script = std::process::Command::new("script").arg("--version").output();
    if script.is_err() {
        eprintln!("SKIPPED: there is no `script`, which makes a terminal");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let estate = write(folder, "estate.yaml", ESTATE);
    let lines: String = (0..30_000).map(|n| EVENTS.replace("\"a1\"", &format!("\"a{n}\""))).collect();
    let events = write(folder, "events.jsonl", &lines);
    let mapping = shipped("rules/mappings/stormgen.yaml");
    let out = folder.join("out").display().to_string();
    let shown = |more: &str| {
        let program = env!("CARGO_BIN_EXE_headwater");
        let command = format!(
            "{program} backtest --topology {estate} --events {events} --mapping {mapping} --out {out} {more} >/dev/null"
        );
        let ran = std::process::Command::new("script").args(["-qec", &command, "/dev/null"]).output().unwrap();
        assert!(ran.status.success());
        String::from_utf8_lossy(&ran.stdout).into_owned()
    };
    assert!(shown("").contains(" events, "), "a bar with the count");
    assert!(!shown("--quiet").contains(" events, "));
}
