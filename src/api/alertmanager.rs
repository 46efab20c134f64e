//! Alertmanager's API v2 as `amtool`, Grafana, Karma and scripts use it: alerts, groups, silences, status and receivers. Alerts
//! come in at the same address (`intake`), so what has an Alertmanager's address can have ours instead.
//!
//! Alerts have the labels that they came with. Beside these there are `alertname` (the alert's name), and `headwater_severity`,
//! `headwater_source`, `headwater_object`, `headwater_ci` and `headwater_incident`; the first five may be silenced by.

pub mod alerts;
pub mod filter;
pub mod silences;
pub mod status;

/// The prefix of labels that are ours and not the sender's.
const OURS: &str = "headwater_";

/// The field that a label of Alertmanager's stands for here.
fn field_of(label: &str) -> String {
    match label.strip_prefix(OURS) {
        Some("severity") => "severity".into(),
        Some("source") => "source".into(),
        Some("object") => "object".into(),
        Some("ci") => "ci".into(),
        _ if label == "alertname" => "name".into(),
        _ => format!("labels.{label}"),
    }
}

/// The label that shows a field there.
fn label_of(field: &str) -> String {
    match field.strip_prefix("labels.") {
        Some(label) => label.into(),
        None if field == "name" => "alertname".into(),
        None => format!("{OURS}{}", field.replace(['.', '-'], "_")),
    }
}
