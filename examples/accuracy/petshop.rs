//! PetShop: metrics of a shop on AWS every five minutes, its call graph, and a violated objective per case.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use headwater::detect::anomaly::{Findings, Series};
use headwater::detect::baseline::Baseline;
use headwater::domain::event::{Event, ObjectRef, Signal};
use headwater::domain::point::{Aspect, Measure, Worse};
use headwater::domain::severity::Severity;
use headwater::domain::time::Timestamp;
use serde::Deserialize;

use crate::run::{Node, Run, call_graph, senses, tenant};
use crate::table::{Table, number};

/// What the objective is about.
#[derive(Deserialize)]
struct Violated {
    node: String,
    metric: String,
    timestamp: f64,
}

#[derive(Deserialize)]
struct Target {
    target: Violated,
}

/// Readings by node, metric and statistic.
type Readings = BTreeMap<(String, String, String), Vec<f64>>;

pub fn predict(folder: &Path, _out: &Path) -> Result<Vec<String>> {
    let mut lines = Vec::new();
    for scenario in folders(folder)?.into_iter().filter(|s| s.join("graph.csv").exists()) {
        let usual = learn(&scenario.join("noissue/metrics.csv.gz"))?;
        for split in folders(&scenario)?.into_iter().filter(|s| !s.ends_with("noissue")) {
            for issue in folders(&split)? {
                let case = issue.strip_prefix(folder)?.display().to_string();
                let ranking = judge(&scenario, &issue, &usual).with_context(|| case.clone())?;
                lines.push(serde_json::json!({"case": case, "ranking": ranking}).to_string());
            }
        }
    }
    Ok(lines)
}

/// What is usual for every series.
fn learn(file: &Path) -> Result<BTreeMap<(String, String, String), Baseline>> {
    let readings = read(file)?.into_iter();
    Ok(readings.filter_map(|(key, values)| Some((key.clone(), Baseline::of(&values, sense(&key.1)?.1)?))).collect())
}

/// The aspect of a metric, and what its numbers are.
fn sense(metric: &str) -> Option<(Aspect, Measure)> {
    match metric {
        "latency" => Some((Aspect::Latency, Measure::Amount)),
        "availability" => Some((Aspect::Errors, Measure::Count)),
        "requests" => Some((Aspect::Traffic, Measure::Amount)),
        _ => None,
    }
}

/// Ranks the causes of one case. Who asks about a violated objective looks at series of its own kind.
fn judge(scenario: &Path, issue: &Path, usual: &BTreeMap<(String, String, String), Baseline>) -> Result<Vec<String>> {
    let text = std::fs::read(issue.join("target.json")).context("read target.json")?;
    let Target { target } = serde_json::from_slice(&text).context("read target.json")?;
    let (aspect, _) = sense(&target.metric).with_context(|| format!("metric {:?} is not known", target.metric))?;
    let mut findings = Findings::of_known_trouble();
    for (key, window) in read(&issue.join("metrics.csv"))? {
        let Some(baseline) = usual.get(&key).filter(|_| key.1 == target.metric) else { continue };
        let name = format!("{} {}", key.1, key.2);
        let series = Series { ci: &key.0, aspect, name: &name, signal: Signal::Metric, worse: Worse::Up };
        findings.look(&series, baseline, &window);
    }
    let at = Timestamp((target.timestamp * 1000.0) as i64);
    let mut run = Run::on(Some(topology(scenario)?));
    let mut events = findings.events(&tenant(), &senses(), at);
    if !events.iter().any(|event| event.object.label() == target.node) {
        events.push(violated(&target, aspect, at));
    }
    for mut event in events {
        if is_seen_from_elsewhere(event.object.label()) {
            event.probable_cause = Some("underlyingResourceUnavailable".into());
        }
        run.feed(event);
    }
    run.finish();
    if std::env::var_os("EXPLAIN").is_some() {
        eprintln!("{}\n{}", issue.display(), run.explain());
    }
    Ok(run.ranking(Some(&target.node), &findings))
}

/// The alert of the objective itself, where the series show nothing.
fn violated(target: &Violated, aspect: Aspect, at: Timestamp) -> Event {
    let mut event = Event::new(tenant(), senses(), headwater::detect::anomaly::name(aspect), at);
    event.severity = Severity::Critical;
    event.object = ObjectRef { ci_id: Some(target.node.clone()), ..ObjectRef::default() };
    event
}

/// Nodes that the tracing made up for the far end of a call: they have no telemetry of their own, and the source says so.
fn is_seen_from_elsewhere(node: &str) -> bool {
    node.ends_with("_remote") || node.ends_with("_client")
}

fn topology(scenario: &Path) -> Result<std::sync::Arc<headwater::domain::topology::Topology>> {
    let table = Table::read(&scenario.join("graph.csv"))?;
    let class = |id: &str| match id {
        _ if id.ends_with("DynamoDB::Table") || id.ends_with("Database::SQL") => "database",
        _ if id.contains("ApiGateway") => "api_gateway",
        _ => "app_service",
    };
    let nodes: Vec<Node> = table.rows().iter().map(|row| Node { id: row[0].clone(), class: class(&row[0]) }).collect();
    let mut calls = Vec::new();
    for row in table.rows() {
        let called = row.iter().zip(table.header()).skip(1).filter(|(cell, _)| number(cell) == Some(1.0));
        calls.extend(called.map(|(_, callee)| (row[0].clone(), callee.clone())));
    }
    call_graph(&nodes, &calls)
}

/// A metrics file: three rows of header (node, metric, statistic), one of nothing, then the readings. Availability in
/// per cent becomes the number of failed requests.
fn read(file: &Path) -> Result<Readings> {
    let table = Table::read(file)?;
    let (heads, rows) = table.rows().split_at(3.min(table.rows().len()));
    let [metrics, statistics, _] = heads else { anyhow::bail!("{}: no three rows of header", file.display()) };
    let requests: BTreeMap<&str, usize> = table
        .header()
        .iter()
        .enumerate()
        .skip(1)
        .filter(|(column, _)| metrics[*column] == "requests")
        .map(|(column, node)| (node.as_str(), column))
        .collect();
    let mut readings = Readings::new();
    for (column, node) in table.header().iter().enumerate().skip(1) {
        let (metric, statistic) = (&metrics[column], &statistics[column]);
        let reading = |row: &Vec<String>| {
            let value = number(&row[column])?;
            if metric != "availability" {
                return Some(value);
            }
            Some((1.0 - value / 100.0) * number(&row[*requests.get(node.as_str())?])?)
        };
        let values = rows.iter().filter_map(reading).collect();
        readings.insert((node.clone(), metric.clone(), statistic.clone()), values);
    }
    Ok(readings)
}

/// The folders in a folder, in order.
pub fn folders(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("read {}", folder.display()))?;
    let mut found: Vec<PathBuf> = entries.filter_map(|e| Some(e.ok()?.path())).filter(|p| p.is_dir()).collect();
    found.sort();
    Ok(found)
}
