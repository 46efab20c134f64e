//! Labelled storms: the lab's back-test on a storm's CMDB and events.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use headwater::lab::backtest::{self, Plan};

pub fn predict(folder: &Path, out: &Path) -> Result<Vec<String>> {
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let results = std::env::temp_dir().join(format!("headwater-accuracy-{}", std::process::id()));
    let plan = Plan {
        topology: either(folder, "cmdb.json"),
        topology_names: None,
        events: either(folder, "alerts.jsonl"),
        mapping: project.join("rules/mappings/stormgen.yaml"),
        rules: None,
        models: None,
        out: results.clone(),
        quiet: true,
        seal: false,
    };
    let told = backtest::run(&plan).and_then(|_| {
        let file = if out.extension().is_some_and(|e| e == "csv") { "clusters.csv" } else { "incidents.jsonl" };
        std::fs::read_to_string(results.join(file)).with_context(|| format!("read {file}"))
    });
    // Also when the run failed half way.
    if results.exists() {
        std::fs::remove_dir_all(&results).with_context(|| format!("remove {}", results.display()))?;
    }
    Ok(told?.lines().map(str::to_owned).collect())
}

/// The packed file when it is there, else the plain one.
pub fn either(folder: &Path, name: &str) -> PathBuf {
    let packed = folder.join(format!("{name}.gz"));
    if packed.exists() { packed } else { folder.join(name) }
}
