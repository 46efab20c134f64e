//! Nezha: two microservice systems with injected faults; metrics of pods every minute, latencies of calls, log lines.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context as _, Result};
use headwater::detect::anomaly::{Findings, Series};
use headwater::detect::baseline::Baseline;
use headwater::detect::fan_out::calls_per_request;
use headwater::domain::event::Signal;
use headwater::domain::point::{Aspect, Measure, Worse};
use headwater::domain::time::Timestamp;
use serde::Deserialize;

use crate::petshop::folders;
use crate::run::{Node, Run, call_graph, senses, tenant};
use crate::table::{Table, number};

/// Pod metrics that are looked at; the others say where a pod runs, or repeat these.
const POD: &[(&str, Aspect, Measure, Worse)] = &[
    ("CpuUsageRate(%)", Aspect::Saturation, Measure::Usage, Worse::Up),
    ("MemoryUsageRate(%)", Aspect::Saturation, Measure::Usage, Worse::Up),
    ("PodServerLatencyP90(s)", Aspect::Latency, Measure::Amount, Worse::Up),
    ("PodServerLatencyP95(s)", Aspect::Latency, Measure::Amount, Worse::Up),
    ("PodServerLatencyP99(s)", Aspect::Latency, Measure::Amount, Worse::Up),
];

/// Seconds before a case that belong to it already, and whose readings are therefore not what was before.
const LEAD: f64 = 60.0;
/// A minute's readings are stamped up to so many seconds before it.
const STEP: f64 = 30.0;

#[derive(Deserialize)]
struct Case {
    case: String,
    t_inject: f64,
    window: [f64; 2],
}

#[derive(Deserialize)]
struct Quiet {
    normal_period: [f64; 2],
}

/// Readings with their times.
type Readings = Vec<(f64, f64)>;

/// One series with its readings over the day.
struct Line {
    service: String,
    aspect: Aspect,
    name: String,
    signal: Signal,
    measure: Measure,
    worse: Worse,
    readings: Readings,
}

/// A day of one system.
struct Day {
    lines: Vec<Line>,
    /// Minutes without a fault of which there are traces and logs.
    fault_free: BTreeSet<i64>,
    quiet: Quiet,
    nodes: Vec<Node>,
    calls: Vec<(String, String)>,
}

pub fn predict(folder: &Path, _out: &Path) -> Result<Vec<String>> {
    let mut told = Vec::new();
    for folder in folders(folder)? {
        let day = Day::read(&folder).with_context(|| folder.display().to_string())?;
        let cases = std::fs::read_to_string(folder.join("cases.jsonl")).context("read cases.jsonl")?;
        for line in cases.lines().filter(|line| !line.trim().is_empty()) {
            let case: Case = serde_json::from_str(line).context("read cases.jsonl")?;
            let ranking = day.judge(&case)?;
            told.push(serde_json::json!({"case": case.case, "ranking": ranking}).to_string());
        }
    }
    Ok(told)
}

impl Day {
    fn judge(&self, case: &Case) -> Result<Vec<String>> {
        let mut findings = Findings::of_known_trouble();
        for line in &self.lines {
            // What is usual: the hours without a fault, and all that was before the case.
            let before = |t: f64| self.is_quiet(t) || t < case.window[0] - LEAD;
            let usual: Vec<f64> = line.readings.iter().filter(|(t, _)| before(*t)).map(|(_, v)| *v).collect();
            let Some(baseline) = Baseline::of(&usual, line.measure) else { continue };
            let inside = |t: f64| t >= case.window[0] - STEP && t <= case.window[1] && !self.is_quiet(t);
            let window: Vec<f64> = line.readings.iter().filter(|(t, _)| inside(*t)).map(|(_, v)| *v).collect();
            let (ci, aspect, name) = (line.service.as_str(), line.aspect, line.name.as_str());
            let series = Series { ci, aspect, name, signal: line.signal, worse: line.worse };
            findings.look(&series, &baseline, &window);
        }
        let mut run = Run::on(Some(call_graph(&self.nodes, &self.calls)?));
        for event in findings.events(&tenant(), &senses(), Timestamp((case.t_inject * 1000.0) as i64)) {
            run.feed(event);
        }
        run.finish();
        if std::env::var_os("EXPLAIN").is_some() {
            eprintln!("{}\n{}", case.case, run.explain());
        }
        Ok(run.ranking(None, &findings))
    }

    fn is_quiet(&self, t: f64) -> bool {
        let [from, to] = self.quiet.normal_period;
        (from..=to).contains(&t) || self.fault_free.contains(&(t as i64))
    }

    fn read(folder: &Path) -> Result<Self> {
        let quiet = std::fs::read(folder.join("baseline.json")).context("read baseline.json")?;
        let quiet = serde_json::from_slice(&quiet).context("read baseline.json")?;
        let mut day =
            Self { lines: Vec::new(), fault_free: BTreeSet::new(), quiet, nodes: Vec::new(), calls: Vec::new() };
        let metrics = Table::read(&folder.join("metrics.csv.gz"))?;
        day.pods(&metrics)?;
        for side in ["source", "destination"] {
            let file = folder.join(format!("edge_latency_{side}_50.csv.gz"));
            if file.exists() {
                day.edges(&Table::read(&file)?, side)?;
            }
        }
        let (traces, logs) = (folder.join("trace_edges.csv.gz"), folder.join("log_counts.csv.gz"));
        if traces.exists() {
            day.traces(&Table::read(&traces)?)?;
        }
        if logs.exists() {
            day.logs(&Table::read(&logs)?, &Table::read(&folder.join("log_templates.csv.gz"))?)?;
        }
        let graph = Table::read(&folder.join("service_graph.csv"))?;
        day.calls = graph.rows().iter().map(|row| (row[0].clone(), row[1].clone())).collect();
        day.fan_out(&metrics)?;
        let of_calls = day.calls.iter().flat_map(|(from, to)| [from, to]);
        let ids: BTreeSet<&String> = day.lines.iter().map(|line| &line.service).chain(of_calls).collect();
        day.nodes = ids.into_iter().map(|id| Node { id: id.clone(), class: "app_service" }).collect();
        Ok(day)
    }

    fn pods(&mut self, table: &Table) -> Result<()> {
        let (at, service) = (table.column("t")?, table.column("service")?);
        for (metric, aspect, measure, worse) in POD {
            let column = table.column(metric)?;
            let part = if *measure == Measure::Usage { 0.01 } else { 1.0 };
            let mut of: BTreeMap<&str, Readings> = BTreeMap::new();
            for row in table.rows() {
                let reading = number(&row[column]).map(|value| value * part);
                of.entry(&row[service]).or_default().extend(number(&row[at]).zip(reading));
            }
            self.lines.extend(of.into_iter().map(|(service, readings)| Line {
                service: service.to_owned(),
                aspect: *aspect,
                name: (*metric).to_owned(),
                signal: Signal::Metric,
                measure: *measure,
                worse: *worse,
                readings,
            }));
        }
        Ok(())
    }

    /// What a service asks of another per request of its own, where no other asks that one.
    fn fan_out(&mut self, table: &Table) -> Result<()> {
        let [at, service, load] = ["t", "service", "PodWorkload(Ops)"].map(|column| table.column(column));
        let (at, service, load) = (at?, service?, load?);
        let mut of: BTreeMap<&str, Readings> = BTreeMap::new();
        for row in table.rows() {
            of.entry(&row[service]).or_default().extend(number(&row[at]).zip(number(&row[load])));
        }
        for (caller, callee) in &self.calls {
            let asked_by = self.calls.iter().filter(|(_, asked)| asked == callee).count();
            let (Some(own), Some(calls)) = (of.get(caller.as_str()), of.get(callee.as_str())) else { continue };
            if asked_by == 1 {
                self.lines.push(Line {
                    service: caller.clone(),
                    aspect: Aspect::Errors,
                    name: format!("requests to {callee} per own request"),
                    signal: Signal::Metric,
                    measure: Measure::Amount,
                    worse: Worse::Down,
                    readings: calls_per_request(own, calls, 60.0),
                });
            }
        }
        Ok(())
    }

    /// Latencies of calls as one side of them sees it: they speak of the called one and the way there.
    fn edges(&mut self, table: &Table, side: &str) -> Result<()> {
        let at = table.column("t")?;
        for (column, edge) in table.header().iter().enumerate().filter(|(_, name)| *name != "t") {
            let (_, callee) = edge.split_once('_').with_context(|| format!("{edge:?} is no caller_callee"))?;
            let readings = table.rows().iter().filter_map(|row| number(&row[at]).zip(number(&row[column]))).collect();
            self.latency(callee, format!("{edge} p50 at the {side}"), readings);
        }
        Ok(())
    }

    fn latency(&mut self, service: &str, name: String, readings: Readings) {
        let (aspect, measure, worse) = (Aspect::Latency, Measure::Amount, Worse::Up);
        let service = service.to_owned();
        self.lines.push(Line { service, aspect, name, signal: Signal::Trace, measure, worse, readings });
    }

    fn traces(&mut self, table: &Table) -> Result<()> {
        let [t, free, caller, callee, mean, p90] =
            ["t", "fault_free", "caller", "callee", "mean_ms", "p90_ms"].map(|name| table.column(name));
        let (t, free, caller, callee) = (t?, free?, caller?, callee?);
        let mut of: BTreeMap<(&str, &str, &str), Readings> = BTreeMap::new();
        for row in table.rows() {
            let Some(at) = number(&row[t]) else { continue };
            if row[free] == "1" {
                self.fault_free.insert(at as i64);
            }
            for (name, column) in [("mean", mean.as_ref()), ("p90", p90.as_ref())] {
                let column = *column.map_err(|e| anyhow::anyhow!("{e}"))?;
                let key = (row[caller].as_str(), row[callee].as_str(), name);
                of.entry(key).or_default().extend(number(&row[column]).map(|v| (at, v)));
            }
        }
        for ((caller, callee, name), readings) in of {
            self.latency(callee, format!("{caller} to {callee} {name}"), readings);
        }
        Ok(())
    }

    /// Lines of level ERROR per minute and logging statement.
    fn logs(&mut self, counts: &Table, templates: &Table) -> Result<()> {
        let [id, service, level, location] =
            ["template_id", "service", "level", "location"].map(|name| templates.column(name));
        let (id, service, level, location) = (id?, service?, level?, location?);
        let [t, free, template, count] = ["t", "fault_free", "template_id", "count"].map(|name| counts.column(name));
        let (t, free, template, count) = (t?, free?, template?, count?);
        let minutes: BTreeSet<i64> =
            counts.rows().iter().filter_map(|row| number(&row[t])).map(|at| at as i64).collect();
        let free = counts.rows().iter().filter(|row| row[free] == "1").filter_map(|row| number(&row[t]));
        self.fault_free.extend(free.map(|at| at as i64));
        let mut of: BTreeMap<&str, BTreeMap<i64, f64>> = BTreeMap::new();
        for row in counts.rows() {
            let (Some(at), Some(n)) = (number(&row[t]), number(&row[count])) else { continue };
            *of.entry(&row[template]).or_default().entry(at as i64).or_default() += n;
        }
        for row in templates.rows().iter().filter(|row| row[level] == "ERROR") {
            let Some(seen) = of.get(row[id].as_str()) else { continue };
            let readings = minutes.iter().map(|at| (*at as f64, seen.get(at).copied().unwrap_or(0.0))).collect();
            self.lines.push(Line {
                service: row[service].clone(),
                aspect: Aspect::Errors,
                name: row[location].clone(),
                signal: Signal::Log,
                measure: Measure::Count,
                worse: Worse::Up,
                readings,
            });
        }
        Ok(())
    }
}
