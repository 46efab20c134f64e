//! AIT alert data set: alerts of three security detectors on a dozen hosts; no CMDB, no severities.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use headwater::domain::event::{Event, ObjectRef};
use headwater::domain::ids::SourceId;
use headwater::domain::severity::Severity;
use headwater::domain::time::Timestamp;

use crate::nab::sorted;
use crate::run::{Run, tenant};
use crate::table::Table;

const HEADER: &str = "alert_id,incident_id";

/// `folder` holds `<scenario>.alerts.csv.gz`, or is one such file. Of several scenarios each has a file in the folder `out`
/// without its ending, since the set numbers alerts anew in each; the lines then name the scenario before alert and group.
pub fn predict(folder: &Path, out: &Path) -> Result<Vec<String>> {
    let files = if folder.is_dir() { sorted(folder)? } else { vec![folder.to_owned()] };
    let scenarios: Vec<(&str, &PathBuf)> = files.iter().filter_map(|file| Some((scenario(file)?, file))).collect();
    match &scenarios[..] {
        [] => bail!("{} holds no SCENARIO.alerts.csv.gz", folder.display()),
        [(_, file)] => Ok([HEADER.to_owned()].into_iter().chain(groups(file)?.iter().map(line)).collect()),
        several => {
            let parts = out.with_extension("");
            std::fs::create_dir_all(&parts).with_context(|| format!("make {}", parts.display()))?;
            let mut all = vec![HEADER.to_owned()];
            for (name, file) in several {
                let groups = groups(file)?;
                let own: Vec<String> = [HEADER.to_owned()].into_iter().chain(groups.iter().map(line)).collect();
                let part = parts.join(format!("{name}.csv"));
                std::fs::write(&part, own.join("\n") + "\n").with_context(|| format!("write {}", part.display()))?;
                let of = |text: &String| if text.is_empty() { String::new() } else { format!("{name}/{text}") };
                all.extend(groups.iter().map(|(alert, group)| line(&(of(alert), of(group)))));
            }
            Ok(all)
        }
    }
}

fn scenario(file: &Path) -> Option<&str> {
    let name = file.file_name()?.to_str()?;
    name.strip_suffix(".alerts.csv.gz").or_else(|| name.strip_suffix(".alerts.csv"))
}

fn line((alert, group): &(String, String)) -> String {
    format!("{alert},{group}")
}

/// The group of each alert of one scenario; empty: it is in none.
fn groups(file: &Path) -> Result<Vec<(String, String)>> {
    let table = Table::read(file)?;
    let [id, time, name, ip, host] = ["alert_id", "time", "name", "ip", "host"].map(|column| table.column(column));
    let (id, time, name, ip, host) = (id?, time?, name?, ip?, host?);
    let mut run = Run::on(None);
    for row in table.rows() {
        let secs: f64 = row[time].parse().with_context(|| format!("time {:?} of alert {}", row[time], row[id]))?;
        let at = Timestamp((secs * 1000.0) as i64);
        // "Suricata: Alert - …": the detector, and what it says.
        let (detector, what) = row[name].split_once(": ").unwrap_or(("", &row[name]));
        let mut event = Event::new(tenant(), SourceId::from(detector), what, at);
        event.id = row[id].as_str().into();
        event.severity = Severity::Major;
        event.object = ObjectRef { name: Some(row[host].clone()), ip: Some(row[ip].clone()), ..ObjectRef::default() };
        run.feed(event);
    }
    run.finish();
    let group = |alert: Option<_>| alert.map_or_else(String::new, |alert| run.group_of(alert));
    Ok(run.outcome.events.iter().map(|(id, alert)| (id.to_string(), group(*alert))).collect())
}
