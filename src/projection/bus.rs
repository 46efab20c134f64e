//! What is told on NATS: incidents, alerts, dead letters and orders, as CloudEvents, made of committed steps only. The
//! forms are in `form`; their JSON Schemas are published in `docs/schema`.

use serde::Serialize;
use serde_json::Value;

use super::Committed;
use crate::domain::ids::TenantId;
use crate::domain::incident::{IncidentState, IncidentView};
use crate::domain::time::Timestamp;
use crate::engine::effect::Effect;
use crate::engine::input::{Batch, Command, Input};
use form::{AlertForm, DeadLetterForm, IncidentForm, OrderForm};

pub mod form;

/// The first words of all subjects below.
pub const SUBJECTS: [&str; 4] = ["incidents.>", "alerts.>", "audit.>", "dead.>"];

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Telling {
    pub subject: String,
    /// The same when it is told again.
    pub id: String,
    /// A structured CloudEvent.
    pub body: Vec<u8>,
}

/// The envelope, CloudEvents 1.0.
#[derive(Serialize)]
struct CloudEvent<'a, T> {
    specversion: &'static str,
    id: &'a str,
    source: String,
    r#type: String,
    subject: &'a str,
    time: String,
    datacontenttype: &'static str,
    dataschema: String,
    data: T,
}

/// Where a telling stands.
struct About<'a> {
    tenant: &'a TenantId,
    /// `incident`, `alert`, …: the schema is `<noun>.v1.json`.
    noun: &'static str,
    /// The last word of the type.
    happened: &'a str,
    subject: &'a str,
    at: Timestamp,
}

/// Everything that is told of a committed step, in order.
pub fn tellings(step: &Committed) -> Vec<Telling> {
    let mut told = Vec::new();
    if let Some(Input::Batch(batch)) = step.input.as_deref() {
        dead_letters(step, batch, &mut told);
    }
    let command = step.input.as_deref().and_then(Input::command);
    for (number, effect) in step.effects.iter().enumerate() {
        match effect {
            Effect::Incident { incident, joined, left } => {
                let happened = happened(incident);
                let (tenant, subject) = (&incident.tenant, incident.id.to_string());
                let about = About { tenant, noun: "incident", happened, subject: &subject, at: incident.updated_at };
                let id = format!("{subject}-{}-{happened}", incident.version);
                told.push(telling(
                    format!("incidents.{tenant}.{happened}"),
                    id,
                    about,
                    IncidentForm::new(incident, joined, left),
                ));
            }
            Effect::Alert { alert } => {
                let form = AlertForm::new(alert);
                let (tenant, subject, happened) = (&alert.tenant, alert.id.to_string(), form.state.clone());
                let about = About { tenant, noun: "alert", happened: &happened, subject: &subject, at: step.stamp };
                let id = format!("{subject}-{}.{number}", step.journal_seq);
                told.push(telling(format!("alerts.{tenant}.{happened}"), id, about, form));
            }
            Effect::CommandDone { tenant, refused, again } => {
                let Some(command) = command else { continue };
                let form = order(step, command, refused.as_deref(), *again);
                let subject = form.seq.to_string();
                let about = About { tenant, noun: "order", happened: "done", subject: &subject, at: step.stamp };
                told.push(telling(format!("audit.{tenant}"), format!("order-{subject}"), about, form));
            }
            Effect::Verdict { .. } | Effect::Timeline { .. } | Effect::Notify { .. } | Effect::Silence { .. } => {}
        }
    }
    told
}

fn telling(subject: String, id: String, about: About<'_>, data: impl Serialize) -> Telling {
    let noun = about.noun;
    let event = CloudEvent {
        specversion: "1.0",
        id: &id,
        source: format!("/headwater/{}", about.tenant),
        r#type: format!("headwater.{noun}.{}.v1", about.happened),
        subject: about.subject,
        time: about.at.to_string(),
        datacontenttype: "application/json",
        dataschema: format!("https://headwater.invalid/schema/{noun}.v1.json"),
        data,
    };
    let body = serde_json::to_vec(&event).expect("forms have text keys only");
    Telling { subject, id, body }
}

/// What has happened to an incident with this version.
fn happened(incident: &IncidentView) -> &'static str {
    let now = Some(incident.updated_at);
    match incident.state {
        IncidentState::Merged => "merged",
        IncidentState::Closed if incident.closed_at == now => "closed",
        IncidentState::Recovered if incident.recovered_at == now => "recovered",
        _ if incident.version <= 1 => "opened",
        IncidentState::Abnormal | IncidentState::Recovering | IncidentState::Recovered | IncidentState::Closed => {
            "updated"
        }
    }
}

fn dead_letters(step: &Committed, batch: &Batch, told: &mut Vec<Telling>) {
    for (number, letter) in batch.rejected.iter().enumerate() {
        let event_ref = format!("e{}.{}", step.journal_seq, batch.events.len() + number);
        let form = DeadLetterForm {
            event_ref: event_ref.clone(),
            source: letter.source.to_string(),
            reason: letter.why.word().to_owned(),
            detail: letter.why.detail().to_owned(),
            decoder: letter.decoder.to_string(),
            raw: letter.raw.to_string(),
            received_at: letter.received_at.to_string(),
        };
        let tenant = &batch.tenant;
        let subject = format!("dead.{tenant}.{}", token(letter.source.as_str()));
        let about = About { tenant, noun: "dead-letter", happened: "kept", subject: &event_ref, at: step.stamp };
        told.push(telling(subject, event_ref.clone(), about, form));
    }
}

/// A CMDB export that was refused: nothing of it is kept, so it is named by its place in its stream.
pub fn refused_topology(tenant: &TenantId, source: &str, place: u64, why: &str, at: Timestamp) -> Telling {
    let event_ref = format!("ci-{place}");
    let form = DeadLetterForm {
        event_ref: event_ref.clone(),
        source: source.to_owned(),
        reason: "malformed".to_owned(),
        detail: why.to_owned(),
        decoder: "topology".to_owned(),
        raw: String::new(),
        received_at: at.to_string(),
    };
    let about = About { tenant, noun: "dead-letter", happened: "kept", subject: &event_ref, at };
    telling(format!("dead.{tenant}.{}", token(source)), event_ref.clone(), about, form)
}

fn order(step: &Committed, command: &Command, refused: Option<&str>, again: bool) -> OrderForm {
    let mut order = serde_json::to_value(&command.order).unwrap_or_default();
    let name = order.as_object_mut().and_then(|fields| fields.remove("order"));
    OrderForm {
        seq: step.journal_seq,
        actor: command.actor.to_string(),
        order: name.as_ref().and_then(Value::as_str).unwrap_or_default().to_owned(),
        about: order,
        refused: refused.map(str::to_owned),
        again,
        at: step.stamp.to_string(),
    }
}

/// A name as it can stand in a subject.
fn token(name: &str) -> String {
    let fits = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
    let token: String = name.chars().map(|c| if fits(c) { c } else { '_' }).collect();
    if token.is_empty() { "_".into() } else { token }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_parts_of_subjects() {
        assert_eq!(token("机房-1"), "机房-1");
        assert_eq!(token("a.b *>"), "a_b___");
        assert_eq!(token(""), "_");
    }
}
