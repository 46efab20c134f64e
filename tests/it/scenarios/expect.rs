//! What must hold, written in `story.yaml` and checked one by one.

use std::collections::BTreeMap;

use headwater::domain::incident::IncidentView;
use serde::Deserialize;

use super::told::Told;

/// A story's `story.yaml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Story {
    /// What happens and what must hold, for people.
    #[serde(rename = "story")]
    _story: String,
    /// What the requirement also asks for and nothing here checks yet.
    #[serde(default, rename = "left_out")]
    _left_out: Vec<String>,
    /// When the story is looked at; else fifteen minutes after its last line.
    #[serde(default)]
    pub until: Option<String>,
    pub expect: Expect,
}

/// Checked at the end of the story. What is not written is not checked, but for the counts that default to 0.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// Every incident that stands at the end, in any order.
    incidents: Vec<ExpectedIncident>,
    /// Incidents that were opened and absorbed by others: what people may have been told twice.
    #[serde(default)]
    absorbed: usize,
    #[serde(default)]
    held: usize,
    #[serde(default)]
    muted: usize,
    #[serde(default)]
    flapping: usize,
    #[serde(default)]
    alerts: Option<usize>,
    #[serde(default)]
    firing: Option<usize>,
    #[serde(default)]
    verdicts: BTreeMap<String, u64>,
    /// All messages in order: `receiver kind root`, with the changes that an update tells.
    #[serde(default)]
    notices: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExpectedIncident {
    /// The root cause's CI; empty when no CI is known.
    root: String,
    #[serde(default)]
    inferred: bool,
    #[serde(default)]
    state: Option<String>,
    #[serde(default)]
    severity: Option<String>,
    #[serde(default)]
    priority: Option<String>,
    #[serde(default)]
    area: Option<String>,
    #[serde(default)]
    alerts: Option<usize>,
    #[serde(default)]
    cis: Option<usize>,
    #[serde(default)]
    services: Option<usize>,
    /// Services that redundancy still keeps up.
    #[serde(default)]
    at_risk: usize,
    /// CIs whose monitor is the cause.
    #[serde(default)]
    unseen: usize,
    /// The root's alert tells of an attack: a possible cause.
    #[serde(default)]
    possible: bool,
    #[serde(default)]
    orgs: Option<usize>,
    #[serde(default)]
    changes: Option<usize>,
    #[serde(default)]
    root_changes: Option<usize>,
}

impl Expect {
    /// The root causes of the true incidents, where there is one.
    pub fn roots(&self) -> impl Iterator<Item = &str> {
        self.incidents.iter().map(|incident| &*incident.root).filter(|root| !root.is_empty())
    }

    /// What does not hold.
    pub fn check(&self, told: &Told) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut left: Vec<&IncidentView> = told.standing().collect();
        for expected in &self.incidents {
            match left.iter().position(|i| root(i) == expected.root) {
                Some(found) => expected.check(told, left.remove(found), &mut wrong),
                None => wrong.push(format!("no incident with root {:?}", expected.root)),
            }
        }
        wrong.extend(left.iter().map(|i| format!("an incident too many: root {:?}: {}", root(i), i.title)));
        let absorbed = told.incidents.len() - told.standing().count();
        let count = |word: &str| told.verdicts.get(word).copied().unwrap_or(0) as usize;
        let mut counts = vec![
            ("absorbed incidents".to_owned(), Some(self.absorbed), absorbed),
            ("held".into(), Some(self.held), told.held().len()),
            ("muted".into(), Some(self.muted), told.muted().len()),
            ("flapping".into(), Some(self.flapping), told.flapping().len()),
            ("alerts".into(), self.alerts, told.alerts.len()),
            ("firing".into(), self.firing, told.firing()),
        ];
        counts
            .extend(self.verdicts.iter().map(|(word, n)| (format!("verdict {word}"), Some(*n as usize), count(word))));
        for (what, expected, got) in counts {
            differ(&what, expected, got, &mut wrong);
        }
        differ("notices", self.notices.clone(), told.notices.clone(), &mut wrong);
        wrong
    }
}

impl ExpectedIncident {
    fn check(&self, told: &Told, incident: &IncidentView, wrong: &mut Vec<String>) {
        let about = |what: &str| format!("incident of {:?}: {what}", self.root);
        let inferred = incident.candidates.first().is_some_and(|c| c.inferred);
        differ(&about("inferred"), Some(self.inferred), inferred, wrong);
        let possible = incident.candidates.first().is_some_and(|c| c.possible);
        differ(&about("possible"), Some(self.possible), possible, wrong);
        let words = [
            ("state", &self.state, word(&incident.state)),
            ("severity", &self.severity, word(&incident.severity)),
            ("priority", &self.priority, word(&incident.priority)),
            ("area", &self.area, incident.area.map_or(String::new(), |a| a.as_str().to_owned())),
        ];
        for (what, expected, got) in words {
            differ(&about(what), expected.clone(), got, wrong);
        }
        let root_changes = told.root_changes.get(&incident.id).copied().unwrap_or(0) as usize;
        let counts = [
            ("alerts", self.alerts, incident.alert_count as usize),
            ("CIs", self.cis, incident.ci_count as usize),
            ("services", self.services, incident.services.len()),
            ("services at risk", Some(self.at_risk), incident.at_risk.len()),
            ("CIs that nobody watches", Some(self.unseen), incident.unseen_count as usize),
            ("orgs", self.orgs, incident.orgs.len()),
            ("changes", self.changes, incident.changes.len()),
            ("root changes", self.root_changes, root_changes),
        ];
        for (what, expected, got) in counts {
            differ(&about(what), expected, got, wrong);
        }
    }
}

fn root(incident: &IncidentView) -> &str {
    incident.candidates.first().map_or("", |c| c.ci.id.as_str())
}

fn differ<T: PartialEq + std::fmt::Debug>(what: &str, expected: Option<T>, got: T, wrong: &mut Vec<String>) {
    if let Some(expected) = expected
        && expected != got
    {
        wrong.push(format!("{what}: {got:?}, must be {expected:?}"));
    }
}

/// The wire word of one of our enums.
fn word(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
}
