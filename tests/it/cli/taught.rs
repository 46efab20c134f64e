//! What people correct becomes a model that decides: the whole way of an analyst, on the real program.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _};

use flate2::read::GzDecoder;
use serde_json::{Value, json};

use super::served::{Served, token};
use super::{headwater, shipped};
use crate::storms;

/// Events before and after the corrections.
const FIRST: usize = 2500;
const BATCH: usize = 500;

fn packed(name: &str) -> GzDecoder<std::fs::File> {
    GzDecoder::new(std::fs::File::open(storms::folder("hard").join(name)).unwrap())
}

/// The true incident of most events on each CI, and the root of each incident.
fn known() -> (BTreeMap<String, String>, BTreeMap<String, String>) {
    let mut text = String::new();
    packed("truth_alerts.csv.gz").read_to_string(&mut text).unwrap();
    let mut votes: BTreeMap<&str, BTreeMap<&str, usize>> = BTreeMap::new();
    for line in text.lines().skip(1) {
        let fields: Vec<&str> = line.split(',').collect();
        *votes.entry(fields[3]).or_default().entry(fields[1]).or_default() += 1;
    }
    let most = |of: &BTreeMap<&str, usize>| of.iter().max_by_key(|(_, n)| **n).unwrap().0.to_string();
    let incidents = votes.iter().map(|(ci, of)| ((*ci).to_owned(), most(of))).collect();
    let lines = BufReader::new(packed("truth_incidents.jsonl.gz")).lines();
    let roots = lines.map(|line| {
        let line: Value = serde_json::from_str(&line.unwrap()).unwrap();
        (line["incident_id"].as_str().unwrap().to_owned(), line["root_ci"].as_str().unwrap().to_owned())
    });
    (incidents, roots.collect())
}

struct Estate {
    served: Served,
    source: String,
    analyst: String,
}

impl Estate {
    fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let (status, text) = self.served.ask(method, path, &self.analyst, &body.to_string());
        assert!(status < 300, "{method} {path}: {status} {text}");
        serde_json::from_str(&text).unwrap_or_else(|_| panic!("{path}: {text}"))
    }

    fn storm(&self, from: usize, to: usize) {
        let lines: Vec<String> = BufReader::new(packed("alerts.jsonl.gz")).lines().map(Result::unwrap).collect();
        let before = self.served.accounted(&self.analyst);
        let lines = &lines[from..to.min(lines.len())];
        for batch in lines.chunks(BATCH) {
            let body = format!("[{}]", batch.join(","));
            let (status, text) = self.served.ask("POST", "/api/v1/ingest/stormgen", &self.source, &body);
            assert_eq!(status, 202, "{text}");
        }
        let all = before + lines.len() as u64;
        self.served.wait("all decisions", || (self.served.accounted(&self.analyst) >= all).then_some(()));
    }

    /// Somebody who knows the truth merges what is one, and names the roots; gives how often.
    fn correct(&self) -> usize {
        let (incident_of, roots) = known();
        let mut by_truth: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for incident in self.ask("GET", "/api/v1/incidents?limit=500", &json!({}))["items"].as_array().unwrap() {
            let id = incident["id"].as_str().unwrap();
            let members = self.ask("GET", &format!("/api/v1/incidents/{id}/members?limit=500"), &json!({}));
            let mut votes: BTreeMap<&String, usize> = BTreeMap::new();
            let cis = members["items"].as_array().unwrap().iter().filter_map(|member| member["ci"]["id"].as_str());
            for truth in cis.filter_map(|ci| incident_of.get(ci)) {
                *votes.entry(truth).or_default() += 1;
            }
            if let Some((truth, _)) = votes.into_iter().max_by_key(|(_, n)| *n).filter(|(truth, _)| !truth.is_empty()) {
                by_truth.entry(truth.clone()).or_default().push(id.to_owned());
            }
        }
        let mut corrections = 0;
        for (truth, ids) in &by_truth {
            for other in &ids[1..] {
                self.ask("POST", &format!("/api/v1/incidents/{other}/merge"), &json!({ "into": ids[0] }));
            }
            self.ask("POST", &format!("/api/v1/incidents/{}/root", ids[0]), &json!({ "ci": roots[truth] }));
            corrections += ids.len();
        }
        corrections
    }
}

#[test]
fn what_people_corrected_is_exported_trained_on_compared_tried_and_put_in_force() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (data, cmdb) = (path("data"), storms::folder("hard").join("cmdb.json.gz").display().to_string());
    let (source, analyst) = (
        token(folder.path().join("data").as_path(), "source", "monitors"),
        token(folder.path().join("data").as_path(), "analyst", "li"),
    );
    let estate = Estate { served: Served::start(&["--data", &data, "--topology", &cmdb]), source, analyst };
    estate.storm(0, FIRST);
    let corrections = estate.correct();
    assert!(corrections > 20, "{corrections}");
    estate.served.wait("all corrections to be known", || {
        let found = estate.ask("GET", "/api/v1/feedback?limit=500", &json!({}));
        (found["items"].as_array().unwrap().len() >= corrections).then_some(())
    });
    let (corrected, own, mapping) = (path("corrected"), path("own"), shipped("rules/mappings/stormgen.yaml"));
    let exported = headwater(&["feedback", "export", "--data", &data, "--reviewed", "--out", &corrected]);
    exported.does(&["\"reviewed\""]);
    let labels = std::fs::read_to_string(folder.path().join("corrected/truth_alerts.csv")).unwrap();
    assert!(labels.lines().any(|line| line.split(',').nth(1) == Some("?")), "incidents that nobody looked at");

    let older = storms::folder("medium").display().to_string();
    let trained = headwater(&[
        "model",
        "train",
        "correlation",
        "--history",
        &corrected,
        // What came within seconds has no alert type that was seen to end; an older history has.
        "--history",
        &older,
        "--mapping",
        &mapping,
        "--rounds",
        "1",
        "--out",
        &own,
    ]);
    trained.does(&["link", "version 7"]);
    headwater(&["model", "compare", "--models", &own, "--history", &corrected, "--mapping", &mapping])
        .does(&["correlation 6", "correlation 7"]);
    let backtest =
        ["backtest", "--data", &data, "--models", &own, "--against", "live", "--lang", "en", "--out", &path("result")];
    headwater(&backtest).does(&["AC@1", "truth: incidents that people corrected"]);

    let (server, file) = (estate.served.base(), path("token"));
    let shadow = |arguments: &[&str]| {
        let all = [&["shadow"], arguments, &["--lang", "en", "--server", &server, "--token-file", &file]].concat();
        headwater(&all)
    };
    std::fs::write(path("token"), &estate.analyst).unwrap();
    shadow(&["start", "--models", &own, "--reason", "trained on what we corrected"]).does(&["from record"]);
    estate.storm(FIRST, FIRST + 500);
    let seen = estate.served.wait("a report that is level", || {
        let shadow = estate.ask("GET", "/api/v1/shadow", &json!({}));
        (shadow["lag"] == 0 && shadow["report"]["events"] == 500).then_some(shadow)
    });
    shadow(&["report"]).does(&["a model beside what is valid", "correlation/7"]);
    shadow(&["activate", "--since-seq", &seen["since_seq"].to_string(), "--reason", "better"])
        .does(&["model valid now"]);
    let models = estate.ask("GET", "/api/v1/models", &json!({}));
    assert_eq!(
        (&models["items"][0]["current"], &models["items"][0]["author"]),
        (&json!(true), &json!("li")),
        "{models}"
    );
    shadow(&["rollback", "--reason", "worse after all"]).does(&["model taken back"]);
    estate.served.stop();
    headwater(&["replay", &data]).does(&["0 differ"]);
}
