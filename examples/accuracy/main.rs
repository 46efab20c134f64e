//! Public data sets through the library's public API: converts a set's files, lets the production engine (or the lab)
//! decide, and writes what the set's scorer reads. What is specific to a set is in its own file here; thresholds are
//! those of the library and of the models it comes with.
//!
//! ```text
//! cargo run --release --example accuracy -- storm   DIR --out incidents.jsonl   (or clusters.csv)
//! cargo run --release --example accuracy -- ait     DIR --out clusters.csv      (and of several scenarios the folder clusters/)
//! cargo run --release --example accuracy -- telecom DIR --out edges.csv
//! cargo run --release --example accuracy -- petshop DIR --out pred.jsonl
//! cargo run --release --example accuracy -- nezha   DIR --out pred.jsonl
//! cargo run --release --example accuracy -- nab     DIR --out scores.csv        (or nab-live)
//! cargo run --release --example accuracy -- skab    DIR --out rows.csv
//! cargo run --release --example accuracy -- loghub  DIR --out templates.csv     (and the folder templates/)
//! ```

mod ait;
mod batch;
mod loghub;
mod nab;
mod nezha;
mod petshop;
mod run;
mod skab;
mod storm;
mod table;
mod telecom;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};

/// A data set: its name, how its folder becomes the lines of a prediction, and what the lines are.
type Set = (&'static str, fn(&Path, &Path) -> Result<Vec<String>>, &'static str);

const SETS: &[Set] = &[
    ("storm", storm::predict, "incidents, or with --out *.csv the incident of every event"),
    (
        "ait",
        ait::predict,
        "the group of every alert; of several scenarios one file each in the folder FILE without its ending",
    ),
    ("telecom", telecom::predict, "directed pairs of alarm types"),
    ("petshop", petshop::predict, "ranked root causes per case"),
    ("nezha", nezha::predict, "ranked root causes per case"),
    ("nab", nab::predict, "the anomaly score of every row"),
    ("nab-live", nab::predict_live, "1 for every row at which the running program would begin an alert, else 0"),
    ("skab", skab::predict, "whether a row is unusual, row by row"),
    ("loghub", loghub::predict, "templates per system, and in the folder FILE without its ending one file per system"),
];

fn main() -> ExitCode {
    match predict() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("accuracy: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn predict() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [set, folder, flag, out] = &arguments[..] else { bail!("{}", usage()) };
    let known = SETS.iter().find(|(name, _, _)| name == set);
    let Some((_, predict, _)) = known.filter(|_| flag == "--out") else { bail!("{}", usage()) };
    let out = PathBuf::from(out);
    let mut text = predict(Path::new(folder), &out)?.join("\n");
    text.push('\n');
    std::fs::write(&out, text).with_context(|| format!("write {}", out.display()))
}

fn usage() -> String {
    let sets: Vec<String> = SETS.iter().map(|(name, _, what)| format!("  {name:8} {what}")).collect();
    format!("say: accuracy SET DIR --out FILE, where SET is one of\n{}", sets.join("\n"))
}
