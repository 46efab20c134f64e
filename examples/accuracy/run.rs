//! The production engine on a set's events, and what it told.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::Result;
use headwater::detect::anomaly::Findings;
use headwater::domain::alert::AlertView;
use headwater::domain::event::Event;
use headwater::domain::ids::{AlertId, IncidentId, SourceId, TenantId};
use headwater::domain::incident::IncidentState;
use headwater::domain::topology::Topology;
use headwater::engine::input::Input;
use headwater::engine::{Engine, Loaded};
use headwater::folders::models::Model;
use headwater::lab::backtest::{AFTERMATH, Outcome, one_event, primed};
use headwater::lab::built_in::read_topology;

/// What the engine gives a cause at the top of its tree: held alerts stand alone, at the top of theirs.
const TOP_OF_TREE: f64 = 3000.0;

/// The tenant of all sets.
pub fn tenant() -> TenantId {
    TenantId::from("default")
}

/// The source of what the detectors say.
pub fn senses() -> SourceId {
    SourceId::from("senses")
}

/// A CI of a call graph.
pub struct Node {
    pub id: String,
    pub class: &'static str,
}

/// The topology of a call graph: `calls` is (caller, callee).
pub fn call_graph(nodes: &[Node], calls: &[(String, String)]) -> Result<Arc<Topology>> {
    let cis: Vec<_> = nodes.iter().map(|n| serde_json::json!({"id": n.id, "class": n.class, "name": n.id})).collect();
    let relations: Vec<_> =
        calls.iter().map(|(from, to)| serde_json::json!({"from": from, "to": to, "type": "calls"})).collect();
    let text = serde_json::json!({"cis": cis, "relations": relations}).to_string();
    read_topology("call graph", text.as_bytes(), None, 1)
}

/// An engine being fed.
pub struct Run {
    engine: Engine,
    pub outcome: Outcome,
}

impl Run {
    /// The engine with the built-in rules and the model it comes with.
    pub fn on(topology: Option<Arc<Topology>>) -> Self {
        let tuning = Model::built_in().tuning;
        let engine = match topology {
            Some(topology) => primed(topology, tuning, &tenant()),
            None => Engine::empty(0, tuning),
        };
        Self { engine, outcome: Outcome::default() }
    }

    /// Takes one event at the time it was observed.
    pub fn feed(&mut self, event: Event) {
        let (id, effects) = one_event(&mut self.engine, &tenant(), event);
        self.outcome.fold(effects, &[id]);
    }

    /// Lets time pass until every timer has had its say.
    pub fn finish(&mut self) {
        let end = self.engine.now().plus(AFTERMATH);
        let effects = self.engine.step(end, &Input::Tick, Loaded::Nothing);
        self.outcome.fold(effects, &[]);
    }

    /// Where an alert is at the end: its incident, else itself.
    pub fn group_of(&self, alert: AlertId) -> String {
        match self.outcome.incident_of(alert) {
            Some(incident) => incident.to_string(),
            None => format!("held-{alert}"),
        }
    }

    /// The CIs that may have started it, best first: the candidates of the incidents with an alert on `target`, then those
    /// of the others, each with the sum of its evidence; held alerts, of which the engine tells no candidates, among them
    /// with the odds of what was found there.
    pub fn ranking(&self, target: Option<&str>, findings: &Findings) -> Vec<String> {
        let on_target = |alert: &AlertView| alert.ci.as_ref().is_some_and(|ci| Some(ci.id.as_str()) == target);
        let asked: BTreeSet<IncidentId> = self
            .outcome
            .alerts
            .values()
            .filter(|alert| on_target(alert))
            .filter_map(|a| self.outcome.incident_of(a.id))
            .collect();
        let mut candidates: Vec<(bool, i32, &str)> = Vec::new();
        for incident in self.outcome.incidents.values().filter(|i| i.state != IncidentState::Merged) {
            for candidate in &*incident.candidates {
                let points = candidate.evidence.iter().map(|e| e.points).sum();
                candidates.push((asked.contains(&incident.id), points, candidate.ci.id.as_str()));
            }
        }
        for (ci, anomaly) in findings.strongest_first() {
            let odds = anomaly.score() as f64 / (1000 - anomaly.score()).max(1) as f64;
            if !candidates.iter().any(|(_, _, known)| *known == ci) {
                candidates.push((false, (TOP_OF_TREE + 1000.0 * odds.ln()) as i32, ci));
            }
        }
        candidates.sort_by_key(|candidate| std::cmp::Reverse((candidate.0, candidate.1)));
        let mut ranking: Vec<String> = Vec::new();
        for (_, _, ci) in candidates {
            if !ranking.iter().any(|known| known == ci) {
                ranking.push(ci.to_owned());
            }
        }
        ranking
    }

    /// What was told, for people: one line per incident with its candidates and their evidence.
    pub fn explain(&self) -> String {
        let mut told = String::new();
        for incident in self.outcome.incidents.values().filter(|i| i.state != IncidentState::Merged) {
            told.push_str(&format!("  {} {} ({} alerts)\n", incident.id, incident.title, incident.alert_count));
            for candidate in incident.candidates.iter().take(4) {
                let terms: Vec<String> =
                    candidate.evidence.iter().map(|e| format!("{:?} {}", e.term, e.points)).collect();
                told.push_str(&format!("    {} {} [{}]\n", candidate.score, candidate.ci.id, terms.join(", ")));
            }
        }
        for alert in self.outcome.alerts.values().filter(|a| self.outcome.incident_of(a.id).is_none()) {
            told.push_str(&format!("  held {} {}\n", alert.object, alert.name));
        }
        told
    }
}
