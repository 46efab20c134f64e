//! One rule test, played on the engine.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Result, anyhow, bail};
use serde_json::{Map, Value};
use serde_saphyr::{Location, Spanned};

use super::file::{Never, Step, Test, WantVerdict};
use super::told::{incident_line, message_line, pair, stands, verdict_line};
use crate::decode::formats::Formats;
use crate::decode::limits::Limits;
use crate::decode::mapping::Shape;
use crate::decode::{Body, Context, native};
use crate::domain::event::Event;
use crate::domain::ids::{IncidentId, SourceId, TenantId};
use crate::domain::incident::IncidentView;
use crate::domain::spans;
use crate::domain::time::Timestamp;
use crate::domain::topology::Topology;
use crate::engine::effect::{Effect, Notice};
use crate::engine::input::{Batch, Digest, Input};
use crate::engine::policy::Policy;
use crate::engine::policy::place::LineColumn;
use crate::engine::tuning::Tuning;
use crate::engine::verdict::Verdict;
use crate::engine::{Engine, Loaded};

/// Step `0s` of a test that names no start: a Monday morning in Beijing.
const START: &str = "2026-01-05T08:00:00+08:00";
/// The source of events that name none.
const SOURCE: &str = "test";

/// A test under way.
pub struct Play<'a> {
    engine: Engine,
    formats: &'a Formats,
    never: &'a Never,
    tenant: TenantId,
    start: Timestamp,
    incidents: BTreeMap<IncidentId, Arc<IncidentView>>,
    /// Since the step before.
    messages: Vec<Notice>,
    /// What came out otherwise.
    pub differences: Vec<(LineColumn, String)>,
}

impl<'a> Play<'a> {
    /// Sets the engine up.
    ///
    /// # Errors
    /// When the start is no time.
    pub fn start(
        test: &'a Test,
        policy: &Arc<Policy>,
        topology: Option<Arc<Topology>>,
        formats: &'a Formats,
    ) -> Result<Self> {
        let text = test.start.as_deref().unwrap_or(START);
        let Some(start) = Timestamp::parse(text) else { bail!("start {text:?} is no time; write for example {START}") };
        let tenant = TenantId::from("test");
        let mut engine = Engine::empty(0, Arc::new(Tuning::default()));
        let none = || Digest("".into());
        if let Some(topology) = topology {
            let input = Input::Topology { tenant: tenant.clone(), version: 1, digest: none(), author: "".into() };
            engine.step(start, &input, Loaded::Topology(topology));
        }
        let input = Input::Policy {
            tenant: tenant.clone(),
            version: 1,
            digest: none(),
            author: "test".into(),
            reason: "".into(),
        };
        engine.step(start, &input, Loaded::Policy(policy.clone()));
        Ok(Self {
            engine,
            formats,
            never: &test.never,
            tenant,
            start,
            incidents: BTreeMap::new(),
            messages: Vec::new(),
            differences: Vec::new(),
        })
    }

    /// Plays one step and compares.
    ///
    /// # Errors
    /// When the step cannot be played: its time or an event is wrong.
    pub fn step(&mut self, step: &Step) -> Result<()> {
        let line = step.at.referenced.line();
        let Some(after) = spans::parse(&step.at.value) else {
            bail!("line {line}: at: {:?} is no length of time; write for example 0s, 90s or 5m", step.at.value)
        };
        let at = self.start.plus(after);
        if at < self.engine.now() {
            bail!("line {line}: at: {} is before the step above; put the steps in order", step.at.value)
        }
        self.messages.clear();
        let mut verdicts = Vec::new();
        // What is due before the step happens before it, one effect after the other.
        self.fold(at, &Input::Tick, &mut Vec::new());
        for event in &step.events {
            let event = self.event(event, at)?;
            let batch =
                Batch { tenant: self.tenant.clone(), events: vec![event], rejected: Vec::new(), replay_of: None };
            self.fold(at, &Input::Batch(batch), &mut verdicts);
        }
        if let Some(wanted) = &step.verdicts {
            self.compare_verdicts(step, wanted, &verdicts);
        }
        self.compare_incidents(step);
        self.compare_messages(step);
        Ok(())
    }

    /// What is due after the last step does not count; nothing may be left unsaid.
    pub fn end(&mut self) {
        self.differences.sort();
        self.differences.dedup();
    }

    /// An event of a step, read by the decoder that reads it in production.
    fn event(&self, written: &Spanned<Map<String, Value>>, at: Timestamp) -> Result<Event> {
        let line = written.referenced.line();
        let mut members = written.value.clone();
        let mut take = |key: &str| match members.remove(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(anyhow!("line {line}: {key} is {other}; write a text")),
        };
        let source = SourceId::from(take("source")?.as_deref().unwrap_or(SOURCE));
        let mapping = take("mapping")?;
        let (tenant, limits) = (&self.tenant, Limits::MODEL);
        let context = Context {
            tenant,
            source: &source,
            received_at: Some(at),
            severities: &self.formats.severities,
            limits: &limits,
        };
        let decoded = match mapping {
            Some(name) => {
                let Some(mapping) = self.formats.mapping(&name) else {
                    bail!("line {line}: there is no mapping {name:?}; write the `mapping` of a file in mappings/")
                };
                let Some(body) = members.remove("body") else {
                    bail!("line {line}: an event through a mapping has no body; write body: {{ … }}")
                };
                let text = body.to_string();
                mapping.decode(Body::from(text.as_bytes()), Shape::Json, &context)
            }
            None => {
                members.entry("starts_at").or_insert_with(|| Value::String(at.to_string()));
                let text = Value::Object(members).to_string();
                native::decode(Body::from(text.as_bytes()), &context)
            }
        };
        let mut decoded = decoded.map_err(|error| anyhow!("line {line}: {error}"))?;
        if let Some(rejected) = decoded.rejected.first() {
            bail!("line {line}: the event is rejected: {:?}; correct it", rejected.letter.why)
        }
        decoded.events.pop().ok_or_else(|| anyhow!("line {line}: no event comes of it; correct it"))
    }

    fn fold(&mut self, at: Timestamp, input: &Input, verdicts: &mut Vec<Verdict>) {
        for effect in self.engine.step(at, input, Loaded::Nothing) {
            match effect {
                Effect::Verdict { verdict, .. } => {
                    let never = self.never.verdicts.iter().filter(|never| never.value.is(&verdict));
                    let told = never.map(|n| (place(&n.referenced), format!("at {at}: {}", verdict_line(&verdict))));
                    self.differences.extend(told);
                    verdicts.push(verdict);
                }
                Effect::Incident { incident, .. } => {
                    let never = self.never.incidents.iter().filter(|n| stands(&incident) && n.value.is(&incident));
                    let told = never.map(|n| (place(&n.referenced), format!("at {at}: {}", incident_line(&incident))));
                    self.differences.extend(told);
                    self.incidents.insert(incident.id, incident);
                }
                Effect::Notify { notice } => {
                    let never = self.never.messages.iter().filter(|never| never.value.is(&notice));
                    let told = never.map(|n| (place(&n.referenced), format!("at {at}: {}", message_line(&notice))));
                    self.differences.extend(told);
                    self.messages.push(*notice);
                }
                Effect::Alert { .. }
                | Effect::Timeline { .. }
                | Effect::Silence { .. }
                | Effect::CommandDone { .. } => {}
            }
        }
    }

    fn compare_verdicts(&mut self, step: &Step, wanted: &[Spanned<WantVerdict>], told: &[Verdict]) {
        if wanted.len() != told.len() {
            let what = format!("{} verdicts are listed for {} events", wanted.len(), told.len());
            self.differences.push((place(&step.at.referenced), what));
        }
        for (number, (want, verdict)) in wanted.iter().zip(told).enumerate() {
            if !want.value.is(verdict) {
                let what = format!("event {}: the verdict is {}", number + 1, verdict_line(verdict));
                self.differences.push((place(&want.referenced), what));
            }
        }
    }

    fn compare_incidents(&mut self, step: &Step) {
        let Some(wanted) = &step.incidents else { return };
        let there: Vec<&IncidentView> =
            self.incidents.values().map(AsRef::as_ref).filter(|incident| stands(incident)).collect();
        let (missing, surplus) = pair(&wanted.value, &there, |want, incident| want.value.is(incident));
        let lines: Vec<String> = there.iter().map(|incident| incident_line(incident)).collect();
        let mut told = Vec::new();
        for number in missing {
            let what = format!("at {}: there is no such incident; there is {}", step.at.value, list(&lines));
            told.push((place(&wanted.value[number].referenced), what));
        }
        for number in surplus {
            told.push((place(&wanted.referenced), format!("at {}: also incident {}", step.at.value, lines[number])));
        }
        self.differences.extend(told);
    }

    fn compare_messages(&mut self, step: &Step) {
        let Some(wanted) = &step.messages else { return };
        let (missing, surplus) = pair(&wanted.value, &self.messages, |want, notice| want.value.is(notice));
        let lines: Vec<String> = self.messages.iter().map(message_line).collect();
        for number in missing {
            let what = format!("at {}: there is no such message; there is {}", step.at.value, list(&lines));
            self.differences.push((place(&wanted.value[number].referenced), what));
        }
        for number in surplus {
            let what = format!("at {}: also message {}", step.at.value, lines[number]);
            self.differences.push((place(&wanted.referenced), what));
        }
    }
}

fn list(lines: &[String]) -> String {
    if lines.is_empty() { "none".to_owned() } else { lines.join(" and ") }
}

fn place(location: &Location) -> LineColumn {
    LineColumn::from(*location)
}
