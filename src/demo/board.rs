//! The incidents as the terminal shows them.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;

use anyhow::Result;

use crate::domain::alert::AlertView;
use crate::domain::ci::CiRef;
use crate::domain::ids::{AlertId, IncidentId};
use crate::domain::incident::{Candidate, IncidentState, IncidentView};
use crate::domain::time::Timestamp;
use crate::domain::topology::{CiIx, Topology};
use crate::engine::effect::Effect;
use crate::pipeline::Pipeline;
use crate::wording::lang::{Lang, Text};
use crate::wording::sentences;

/// Bytes of decisions read at once.
const READ_BYTES: usize = 1 << 20;

/// The incidents as told so far.
pub struct Board {
    lang: Lang,
    start: Timestamp,
    /// The last decision read.
    told: u64,
    incidents: BTreeMap<IncidentId, Shown>,
    alerts: BTreeMap<AlertId, Arc<AlertView>>,
}

/// What was sent, and what it was about.
pub struct Came<'a> {
    pub n: usize,
    /// In Chinese and English.
    pub what: (&'a str, &'a str),
    /// CIs that broke by themselves.
    pub roots: &'a [CiIx],
}

/// An incident as it is, and as bad as it ever was.
struct Shown {
    now: Arc<IncidentView>,
    worst: Arc<IncidentView>,
}

impl Board {
    /// An empty board; times are told from `start`.
    pub fn empty(lang: Lang, start: Timestamp) -> Self {
        Self { lang, start, told: 0, incidents: BTreeMap::new(), alerts: BTreeMap::new() }
    }

    /// Reads what was committed since, and tells the news.
    pub fn follow(&mut self, pipeline: &Pipeline, out: &mut impl Write) -> Result<()> {
        loop {
            let records = pipeline.log.decisions_after(self.told, READ_BYTES)?;
            let Some(end) = records.last() else { return Ok(()) };
            self.told = end.seq;
            for effect in records.iter().flat_map(|record| record.effects.iter()) {
                match effect {
                    Effect::Incident { incident, .. } => self.fold(incident, out)?,
                    Effect::Alert { alert } => {
                        self.alerts.insert(alert.id, alert.clone());
                    }
                    Effect::Verdict { .. }
                    | Effect::Timeline { .. }
                    | Effect::Notify { .. }
                    | Effect::Silence { .. }
                    | Effect::CommandDone { .. } => {}
                }
            }
        }
    }

    fn fold(&mut self, incident: &Arc<IncidentView>, out: &mut impl Write) -> Result<()> {
        let before = self.incidents.get(&incident.id).map(|shown| &shown.now);
        let news = match before {
            None => Some(Text::new("新故障", "opened ")),
            Some(old) if incident.state == IncidentState::Merged && old.state != incident.state => {
                Some(Text::new("已合并", "merged "))
            }
            Some(old) if root(old).map(|ci| &ci.id) != root(incident).map(|ci| &ci.id) => {
                Some(Text::new("改根因", "re-root"))
            }
            Some(_) => None,
        };
        if let Some(news) = news {
            let at = incident.updated_at.since(self.start).as_secs();
            writeln!(out, "{:>3}:{:02}  {}  {}", at / 60, at % 60, news.of(self.lang), self.line(incident))?;
            out.flush()?;
        }
        match self.incidents.get_mut(&incident.id) {
            Some(shown) => {
                if (incident.priority, std::cmp::Reverse(incident.alert_count))
                    <= (shown.worst.priority, std::cmp::Reverse(shown.worst.alert_count))
                {
                    shown.worst = incident.clone();
                }
                shown.now = incident.clone();
            }
            None => {
                self.incidents.insert(incident.id, Shown { worst: incident.clone(), now: incident.clone() });
            }
        }
        Ok(())
    }

    fn line(&self, incident: &IncidentView) -> String {
        let headline = sentences::headline(incident);
        let survivor = incident.merged_into.map(|id| format!(" -> {id}")).unwrap_or_default();
        format!(
            "{}{survivor} {:?} {:<8} {}\n               {}",
            incident.id,
            incident.priority,
            incident.severity.as_str(),
            incident.title,
            headline.of(self.lang)
        )
    }

    /// All incidents with the evidence for their root causes, and the figures.
    pub fn summary(&self, came: &Came<'_>, estate: &Topology, out: &mut impl Write) -> Result<()> {
        let standing: Vec<&Shown> = self.incidents.values().filter(|s| s.now.state != IncidentState::Merged).collect();
        writeln!(
            out,
            "\n{}",
            Text::new("故障及其根因（按最严重时）：", "Incidents and their root causes (as bad as they were):")
                .of(self.lang)
        )?;
        for shown in &standing {
            let (worst, now) = (&shown.worst, &shown.now);
            writeln!(out, "\n  {} {:?} {}", now.id, worst.priority, now.title)?;
            writeln!(out, "    {}", sentences::headline(now).of(self.lang))?;
            if let Some(cause) = now.candidates.first() {
                self.evidence(cause, out)?;
            }
        }
        let is_found = |ci: &CiIx| standing.iter().any(|s| root(&s.now).is_some_and(|c| c.id == *estate.id(*ci)));
        let (found, missed): (Vec<CiIx>, Vec<CiIx>) = came.roots.iter().copied().partition(is_found);
        let (events, alerts, incidents) = (came.n.max(1), self.alerts.len(), standing.len());
        let compression = 100.0 * (1.0 - incidents as f64 / events as f64);
        let (found, faults) = (found.len(), came.roots.len());
        let (zh, en) = came.what;
        let figures = Text::new(
            format!(
                "{events} {zh} → {alerts} 条告警 → {incidents} 起故障（压缩率 {compression:.1} %）；{faults} 起真实故障中 {found} 起的根因正确"
            ),
            format!(
                "{events} {en} -> {alerts} alerts -> {incidents} incidents (compression {compression:.1} %); root cause right for {found} of {faults} faults"
            ),
        );
        writeln!(out, "\n{}", figures.of(self.lang))?;
        for ci in missed {
            writeln!(out, "{}", self.missed(estate, ci).of(self.lang))?;
        }
        Ok(())
    }

    /// What is known of a fault whose CI no incident names first.
    fn missed(&self, estate: &Topology, ci: CiIx) -> Text {
        let (id, name) = (estate.id(ci), estate.name(ci));
        let standing = self.incidents.values().map(|s| &s.now).filter(|now| now.state != IncidentState::Merged);
        let place = standing.clone().find_map(|now| Some((now, now.candidates.iter().position(|c| c.ci.id == *id)?)));
        let alert = self.alerts.values().find(|alert| alert.ci.as_ref().is_some_and(|ci| ci.id == *id));
        let of_alert = alert.and_then(|alert| standing.clone().find(|now| Some(now.id) == alert.incident));
        let (zh, en) = match (place, of_alert, alert) {
            (Some((now, at)), _, _) => (
                format!("它是 {} 的第 {} 候选，该故障认定 {}", now.id, at + 1, named(now)),
                format!("it is candidate {} of {}, which names {}", at + 1, now.id, named(now)),
            ),
            (None, Some(now), _) => (
                format!("其告警在 {} 中，该故障认定 {}", now.id, named(now)),
                format!("its alert is in {}, which names {}", now.id, named(now)),
            ),
            (None, None, Some(alert)) => {
                (format!("其告警 {} 未归入任何故障", alert.id), format!("its alert {} is in no incident", alert.id))
            }
            (None, None, None) => (
                "它自身没有告警，也没有故障将其列为候选".into(),
                "it gave no alert of its own, and no incident has it as a candidate".into(),
            ),
        };
        Text::new(format!("  未找出：{name}（{id}）——{zh}"), format!("  missed: {name} ({id}): {en}"))
    }

    fn evidence(&self, cause: &Candidate, out: &mut impl Write) -> Result<()> {
        // What weighs nothing explains nothing.
        for evidence in cause.evidence.iter().filter(|evidence| evidence.points != 0) {
            let sentence = sentences::evidence(evidence, &cause.ci.name);
            writeln!(out, "      {:+6}  {}", evidence.points, sentence.of(self.lang))?;
        }
        Ok(())
    }
}

fn named(incident: &IncidentView) -> &str {
    root(incident).map_or("–", |ci| &ci.name)
}

fn root(incident: &IncidentView) -> Option<&CiRef> {
    incident.candidates.first().map(|c| &*c.ci)
}
