//! The regression gate: two labelled storms must be told as well as before.

use std::collections::BTreeMap;
use std::path::Path;

use headwater::lab::backtest::{Plan, run};
use headwater::lab::score::{Scores, ToldIncident, score};

use crate::storms;

fn backtest(storm: &str, out: &Path) -> Scores {
    let plan = Plan {
        topology: storms::folder(storm).join("cmdb.json.gz"),
        topology_names: None,
        events: storms::folder(storm).join("alerts.jsonl.gz"),
        mapping: storms::mapping(),
        out: out.to_owned(),
        rules: None,
        models: None,
        quiet: true,
        seal: false,
    };
    run(&plan).expect("the back-test runs");
    let told: Vec<ToldIncident> = std::fs::read_to_string(out.join("incidents.jsonl"))
        .expect("written")
        .lines()
        .map(|line| {
            let line: BTreeMap<String, serde_json::Value> = serde_json::from_str(line).expect("json");
            let texts = |key: &str| {
                let list = line[key].as_array().expect("a list");
                list.iter().map(|v| v.as_str().expect("text").to_owned()).collect::<Vec<_>>()
            };
            ToldIncident {
                events: texts("alert_ids").into_iter().collect(),
                root_cause: texts("root_cause"),
                alerts: 0,
            }
        })
        .collect();
    score(&storms::truth(storm), &told)
}

#[track_caller]
fn check(storm: &str, least: [f64; 4]) {
    let out = tempfile::tempdir().expect("a folder");
    let scores = backtest(storm, out.path());
    println!("{storm}: {scores:?}");
    let got = [scores.pair_f1, scores.found, scores.root_top1, scores.precision];
    for (name, got, least) in
        [("pair F1", 0), ("found", 1), ("root top-1", 2), ("precision", 3)].map(|(name, i)| (name, got[i], least[i]))
    {
        assert!(got >= least, "{storm}: {name} is {got:.3}, was at least {least}");
    }
}

#[test]
fn the_medium_storm_is_told_as_well_as_before() {
    check("medium", [0.95, 0.92, 0.86, 0.84]);
}

#[test]
fn the_hard_storm_is_told_as_well_as_before() {
    check("hard", [0.855, 0.88, 0.80, 0.57]);
}
