//! What an operator would be told, gathered from the effects.

use std::collections::BTreeMap;
use std::fmt;

use headwater::domain::alert::{AlertState, AlertView};
use headwater::domain::ids::{AlertId, IncidentId};
use headwater::domain::incident::{IncidentState, IncidentView, TimelineKind};
use headwater::engine::effect::{Effect, Notice};
use headwater::wording::sentences::headline;

/// Names listed at most.
const LISTED_MAX: usize = 5;

/// The end of a story.
#[derive(Default)]
pub struct Told {
    pub verdicts: BTreeMap<&'static str, u64>,
    pub alerts: BTreeMap<AlertId, AlertView>,
    pub incidents: BTreeMap<IncidentId, IncidentView>,
    pub root_changes: BTreeMap<IncidentId, u32>,
    /// Messages in order: receiver, kind, root cause, and why an update is told.
    pub notices: Vec<String>,
    /// The language of the story's headlines.
    pub in_chinese: bool,
}

fn message(notice: &Notice) -> String {
    let root = notice.incident.candidates.first().map_or("-", |c| c.ci.id.as_str());
    let changes: Vec<String> = notice.changes.iter().map(|c| format!("{c:?}").to_lowercase()).collect();
    let changes = if changes.is_empty() { String::new() } else { format!(" ({})", changes.join(", ")) };
    format!("{} {} {root}{changes}", notice.receiver, notice.kind.as_str())
}

impl Told {
    /// Gathers effects.
    pub fn of(effects: &[Effect]) -> Self {
        let mut told = Self::default();
        for effect in effects {
            match effect {
                Effect::Verdict { verdict, .. } => *told.verdicts.entry(verdict.word()).or_default() += 1,
                Effect::Alert { alert } => {
                    told.alerts.insert(alert.id, alert.as_ref().clone());
                }
                Effect::Incident { incident, .. } => {
                    told.incidents.insert(incident.id, incident.as_ref().clone());
                }
                Effect::Timeline { incident, entry, .. } if entry.kind == TimelineKind::RootChanged => {
                    *told.root_changes.entry(*incident).or_default() += 1;
                }
                Effect::Notify { notice } => told.notices.push(message(notice)),
                Effect::Timeline { .. } | Effect::Silence { .. } | Effect::CommandDone { .. } => {}
            }
        }
        told
    }

    /// Incidents that were not absorbed by others.
    pub fn standing(&self) -> impl Iterator<Item = &IncidentView> {
        self.incidents.values().filter(|i| i.state != IncidentState::Merged)
    }

    /// Alerts that fire without an incident.
    pub fn held(&self) -> Vec<&AlertView> {
        self.alerts.values().filter(|a| a.held).collect()
    }

    /// Alerts that were kept from telling anybody.
    pub fn muted(&self) -> Vec<&AlertView> {
        self.alerts.values().filter(|a| !a.muted_by.is_empty()).collect()
    }

    /// Alerts that come and go too often.
    pub fn flapping(&self) -> Vec<&AlertView> {
        self.alerts.values().filter(|a| a.flapping).collect()
    }

    /// Alerts that fire.
    pub fn firing(&self) -> usize {
        self.alerts.values().filter(|a| a.state == AlertState::Firing).count()
    }

    /// The same in both languages.
    pub fn without_texts(&self) -> String {
        let incidents: Vec<String> = self.incidents.values().map(|i| self.facts(i)).collect();
        let counts = [self.alerts.len(), self.firing(), self.held().len(), self.muted().len(), self.flapping().len()];
        format!("{:?} {counts:?}\n{}", self.verdicts, incidents.join("\n"))
    }

    fn facts(&self, incident: &IncidentView) -> String {
        let root = incident.candidates.first().map_or("none".to_owned(), |c| {
            format!("{}{}", c.ci.id, if c.inferred { " (inferred: no alert of its own)" } else { "" })
        });
        let area = incident.area.map_or("no area", |a| a.as_str());
        let orgs: Vec<&str> = incident.orgs.iter().map(|o| o.as_str()).collect();
        format!(
            "  {:?}, {}, {:?}, {area}; root {root}, changed {} times\n  {} alerts ({} firing) on {} CIs, {} events; {} \
             services; orgs {orgs:?}; {} changes\n",
            incident.state,
            incident.severity,
            incident.priority,
            self.root_changes.get(&incident.id).copied().unwrap_or(0),
            incident.alert_count,
            incident.firing_count,
            incident.ci_count,
            incident.event_count,
            incident.services.len(),
            incident.changes.len(),
        )
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdicts: Vec<String> = self.verdicts.iter().map(|(word, n)| format!("{word} {n}")).collect();
        writeln!(f, "events: {}", verdicts.join(", "))?;
        for incident in self.standing() {
            let headline = headline(incident);
            let headline = if self.in_chinese { headline.zh } else { headline.en };
            write!(f, "incident: {}\n  {headline}\n{}", incident.title, self.facts(incident))?;
            for change in incident.changes.iter() {
                writeln!(f, "  change on {}: {}", change.ci.id, change.title)?;
            }
            if !incident.services.is_empty() {
                let shown = incident.services.len().min(LISTED_MAX);
                writeln!(f, "  services: {}", incident.services[..shown].join("; "))?;
            }
            if !incident.at_risk.is_empty() {
                let shown = incident.at_risk.len().min(LISTED_MAX);
                writeln!(f, "  at risk: {}", incident.at_risk[..shown].join("; "))?;
            }
        }
        let merged = self.incidents.len() - self.standing().count();
        writeln!(f, "absorbed incidents: {merged}")?;
        for (word, list) in [("held", self.held()), ("muted", self.muted()), ("flapping", self.flapping())] {
            writeln!(f, "{word}: {}", list.len())?;
            for alert in list.iter().take(LISTED_MAX) {
                writeln!(f, "  {}", alert.title)?;
            }
        }
        Ok(())
    }
}
