//! A report as lines for a spreadsheet: the same figures as in JSON.

use super::reports::{Group, Noise, Report};
use crate::projection::history::export::csv_line;

/// Writes a report as CSV: section, key, figure, value.
pub fn lines(report: &Report) -> String {
    // Spreadsheets read UTF-8 only with this mark.
    let mut text = String::from("\u{feff}");
    let mut line = |section: &str, key: &str, figure: &str, value: String| {
        text.push_str(&csv_line([section, key, figure, &value]));
    };
    line("section", "key", "figure", "value".into());
    line("span", "", "since", report.since.clone());
    line("span", "", "until", report.until.clone());
    let noise_lines = |noise: &Noise| {
        let n = |word, value: u64| (word, value.to_string());
        let compression = ("compression", noise.compression.map_or_else(String::new, |share| share.to_string()));
        let counts = [n("events", noise.events), n("alerts", noise.alerts), n("incidents", noise.incidents)];
        counts.into_iter().chain([n("notifications", noise.notifications), compression])
    };
    noise_lines(&report.noise).for_each(|(figure, value)| line("noise", "", figure, value));
    for day in &report.days {
        noise_lines(&day.noise).for_each(|(figure, value)| line("day", &day.day, figure, value));
    }
    let none = || Group { key: String::new(), reaction: report.reaction.clone() };
    let all = [none()];
    let groups: [(&str, &[Group]); 6] = [
        ("all", &all),
        ("team", &report.by_team),
        ("area", &report.by_area),
        ("org", &report.by_org),
        ("severity", &report.by_severity),
        ("hours", &report.by_hours),
    ];
    for (section, group) in groups {
        for Group { key, reaction } in group {
            let secs = |value: Option<i64>| value.map_or_else(String::new, |secs| secs.to_string());
            line(section, key, "incidents", reaction.incidents.to_string());
            line(section, key, "acknowledged", reaction.acknowledged.to_string());
            line(section, key, "closed", reaction.closed.to_string());
            line(section, key, "mtta_seconds", secs(reaction.mtta_seconds));
            line(section, key, "mtta_p90_seconds", secs(reaction.mtta_p90_seconds));
            line(section, key, "mttr_seconds", secs(reaction.mttr_seconds));
            line(section, key, "mttr_p90_seconds", secs(reaction.mttr_p90_seconds));
        }
    }
    line("root", "", "judged", report.root_hits.judged.to_string());
    line("root", "", "right", report.root_hits.right.to_string());
    line("judged", "", "false_alarms", report.judged.false_alarms.to_string());
    line("judged", "", "missed", report.judged.missed.to_string());
    line("delivered", "", "accepted", report.delivered.accepted.to_string());
    line("delivered", "", "gave_up", report.delivered.gave_up.to_string());
    for one in &report.by_person {
        let figures = [("work", one.work), ("rest", one.rest), ("sleep", one.sleep), ("all", one.all)];
        figures.into_iter().for_each(|(figure, n)| line("interruptions", &one.person, figure, n.to_string()));
    }
    report.noisy_names.iter().for_each(|one| line("noisy_name", &one.key, "alerts", one.alerts.to_string()));
    for one in &report.heeded {
        line("heeded", &one.name, "alerts", one.alerts.to_string());
        line("heeded", &one.name, "incidents", one.incidents.to_string());
        line("heeded", &one.name, "acknowledged", one.acknowledged.to_string());
    }
    report.noisy_cis.iter().for_each(|one| line("noisy_ci", &one.key, "alerts", one.alerts.to_string()));
    report.noisy_rules.iter().for_each(|one| line("rule", &one.id, "hits", one.hits.to_string()));
    text
}
