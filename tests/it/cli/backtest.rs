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
    run(folder.path(), &[]).does(&["\"name\": \"correlation\"", "\"version\": 1", "\"rules\": \"built-in\""]);
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
