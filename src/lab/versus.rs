//! Versus: two policies or models on the same stream. What comes out otherwise, how alike the two are, and where there
//! is truth, which of them is nearer to it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::clusters::{adjusted_mutual_information, adjusted_rand};
use super::score::{Scores, ToldIncident, TrueIncident, score};
use super::truth::{Known, Truth};
use super::world::World;
use crate::domain::ids::{EventRef, IncidentId};
use crate::domain::incident::IncidentView;
use crate::domain::mute::MutedBy;
use crate::domain::severity::Severity;
use crate::domain::time::{Span, Timestamp};
use crate::wording::lang::Text;

/// The truth of incidents that people corrected or confirmed.
const CORRECTED: &str = "corrected";
/// Incidents and events listed of each kind; more are only counted.
const LISTED_MAX: usize = 200;
/// Bars of a chart.
const BUCKETS: i64 = 48;
const WEEK: Span = Span::hours(7 * 24);

/// What was run.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Run {
    pub name: String,
    pub rules: String,
    pub model: String,
}

/// One run in figures.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Figures {
    pub alerts: u64,
    pub incidents: u64,
    pub held: u64,
    pub muted: u64,
    /// 1 − incidents / events.
    pub compression: f64,
    pub root_changes: u64,
    pub messages: u64,
    /// Messages per week of the stream's own time.
    pub messages_per_week: f64,
    /// Messages by which somebody is told of an incident for the first time, or that it is back; the rest is news and ends.
    #[serde(default)]
    pub pages: u64,
    #[serde(default)]
    pub pages_per_week: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scores: Option<Scores>,
}

/// How alike the two are.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Agreement {
    pub ari: f64,
    pub ami: f64,
    /// Incidents of the same events, root and severity.
    pub same: usize,
    /// Incidents of the same events whose root is another one.
    pub other_root: usize,
}

/// An incident in short.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Shown {
    pub id: String,
    pub title: String,
    pub severity: Severity,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root: Option<String>,
    pub events: usize,
    pub opened_at: String,
    /// Asks why an event that makes the difference is where it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// An incident that is there in both, and what of it is otherwise.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Changed {
    pub before: Shown,
    pub after: Shown,
    pub events_added: usize,
    pub events_lost: usize,
}

/// An alert that only one of the two mutes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MutedOnce {
    pub event: String,
    /// Which of the two runs mutes it: 0 the first, 1 the second.
    pub by_run: usize,
    pub by: MutedBy,
    pub why: String,
}

/// Counts over the stream's time, for a chart: the first run's and the second's.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Course {
    pub from: String,
    pub step_secs: i64,
    pub incidents: [Vec<u64>; 2],
    pub messages: [Vec<u64>; 2],
}

/// The comparison.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Report {
    pub runs: [Run; 2],
    pub from: String,
    pub to: String,
    pub events: u64,
    pub figures: [Figures; 2],
    pub agreement: Agreement,
    /// Where the truth comes from: a folder, or `corrected`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub truth: Option<String>,
    /// How many incidents it names.
    #[serde(default)]
    pub truth_incidents: usize,
    pub verdicts: BTreeMap<String, [u64; 2]>,
    pub messages: BTreeMap<String, [u64; 2]>,
    pub changed: Vec<Changed>,
    /// Only in the first run, only in the second.
    pub gone: Vec<Shown>,
    pub fresh: Vec<Shown>,
    pub muted_once: Vec<MutedOnce>,
    /// How many there are of each, listed or not: changed, gone, fresh.
    #[serde(default)]
    pub incidents: [usize; 3],
    /// What the lists have no room for.
    pub not_listed: usize,
    pub muted_once_events: u64,
    /// The same by the run that mutes them.
    #[serde(default)]
    pub muted_once_by: [u64; 2],
    pub course: Course,
}

/// What both runs were fed, and how to ask about it.
pub struct Stream<'a> {
    pub from: Timestamp,
    pub to: Timestamp,
    /// A link or a command that tells why an event is where it is.
    pub why: &'a dyn Fn(EventRef) -> String,
    pub truth: Option<&'a Labelled>,
}

/// Truth by which both are scored; it names events as the stream does.
pub struct Labelled {
    /// Where it comes from.
    pub from: String,
    pub truth: Truth,
    /// It speaks of some incidents only: what shares no event with them is not judged.
    pub is_partial: bool,
}

impl Labelled {
    /// The truth of a folder.
    pub fn of(folder: &Path, truth: Truth) -> Self {
        Self { from: folder.display().to_string(), truth, is_partial: false }
    }

    /// Incidents that people corrected or confirmed; nothing when there are none.
    pub fn corrected(incidents: Vec<TrueIncident>) -> Option<Self> {
        let known = incidents.into_iter().map(|truth| Known { truth, ..Known::default() }).collect::<Vec<_>>();
        let truth = Truth { incidents: known, ..Truth::default() };
        let from = CORRECTED.to_owned();
        (!truth.incidents.is_empty()).then_some(Self { from, truth, is_partial: true })
    }

    /// What it says of the events that the worlds have: what only set the scene was told of by neither. Nothing when that is
    /// of none.
    pub fn within(self, worlds: [&World; 2]) -> Option<Self> {
        let fates = worlds.into_iter().flat_map(|world| &world.fates);
        let truth = self.truth.only(&fates.map(|fate| fate.event.to_string()).collect());
        (!truth.incidents.is_empty()).then_some(Self { truth, ..self })
    }

    fn scores(&self, told: Vec<ToldIncident>) -> Scores {
        let truth = self.truth.incidents();
        let known: BTreeSet<&String> = truth.iter().flat_map(|incident| &incident.events).collect();
        let mut told = self.truth.judged(told);
        told.retain(|one| !self.is_partial || one.events.iter().any(|event| known.contains(event)));
        score(&truth, &told)
    }
}

/// Compares two worlds that were fed the same.
pub fn compare(runs: [Run; 2], worlds: [&World; 2], stream: &Stream<'_>) -> Report {
    let sides = worlds.map(|world| Side { world, standing: world.standing() });
    let [before, after] = worlds;
    let mut report = Report {
        runs,
        from: stream.from.to_string(),
        to: stream.to.to_string(),
        events: before.fates.len().max(after.fates.len()) as u64,
        truth: stream.truth.map(|labelled| labelled.from.clone()),
        truth_incidents: stream.truth.map_or(0, |labelled| labelled.truth.incidents.len()),
        figures: [figures(&sides[0], stream), figures(&sides[1], stream)],
        ..Report::default()
    };
    for (side, world) in worlds.into_iter().enumerate() {
        for (word, count) in &world.verdicts {
            report.verdicts.entry((*word).to_owned()).or_default()[side] = *count;
        }
        for (receiver, count) in &world.messages {
            report.messages.entry(receiver.clone()).or_default()[side] = *count;
        }
    }
    let labels = labels(before, after);
    report.agreement.ari = adjusted_rand(&labels);
    report.agreement.ami = adjusted_mutual_information(&labels);
    report.differing(&sides, stream);
    report.mutes(before, after, stream);
    report.course = course(&sides, stream);
    report
}

/// A world, and the incidents that stand in it, with their events.
struct Side<'a> {
    world: &'a World,
    standing: BTreeMap<IncidentId, BTreeSet<EventRef>>,
}

fn figures(side: &Side<'_>, stream: &Stream<'_>) -> Figures {
    let world = side.world;
    let told = world.told(&side.standing);
    let events = world.fates.len().max(1) as f64;
    let messages: u64 = world.messages.values().sum();
    // Of less than an hour nobody knows what a week would be: it counts as one.
    let weeks = stream.to.since(stream.from).max(Span::hours(1)).0 as f64 / WEEK.0 as f64;
    Figures {
        alerts: world.alerts.len() as u64,
        incidents: side.standing.len() as u64,
        held: world.held(),
        muted: world.fates.iter().filter(|fate| fate.muted.is_some()).count() as u64,
        compression: 1.0 - side.standing.len() as f64 / events,
        root_changes: world.root_changes,
        messages,
        messages_per_week: messages as f64 / weeks,
        pages: world.pages,
        pages_per_week: world.pages as f64 / weeks,
        scores: stream.truth.map(|labelled| labelled.scores(told)),
    }
}

/// For each event the incident that it is in on either side; without one it is alone.
fn labels(before: &World, after: &World) -> Vec<(u64, u64)> {
    let home = |world: &World| -> BTreeMap<EventRef, u64> {
        let in_incident = |alert| world.incident_of(alert).map(|incident| incident.0);
        world.fates.iter().filter_map(|fate| Some((fate.event, in_incident(fate.alert?)?))).collect()
    };
    let (left, right) = (home(before), home(after));
    let all: BTreeSet<&EventRef> = left.keys().chain(right.keys()).collect();
    // No incident has a number as high as these.
    let alone = |at: usize| u64::MAX - at as u64;
    let label = |home: &BTreeMap<EventRef, u64>, event: &EventRef, at| home.get(event).copied().unwrap_or(alone(at));
    all.into_iter().enumerate().map(|(at, event)| (label(&left, event, at), label(&right, event, at))).collect()
}

fn shown(incident: &IncidentView, events: usize, why: Option<String>) -> Shown {
    Shown {
        id: incident.id.to_string(),
        title: incident.title.to_string(),
        severity: incident.severity,
        root: incident.candidates.first().map(|candidate| candidate.ci.id.to_string()),
        events,
        opened_at: incident.opened_at.to_string(),
        why,
    }
}

impl Report {
    /// Where the truth comes from, and how much of it there is.
    pub fn told_truth(&self) -> Option<Text> {
        let from = self.truth.as_deref()?;
        let rooted = self.figures[0].scores.map_or(0, |scores| scores.rooted);
        let (zh, en) = match from {
            CORRECTED => ("人工纠正或确认过的故障", "incidents that people corrected or confirmed"),
            folder => (folder, folder),
        };
        let count = self.truth_incidents;
        Some(Text::new(
            format!("真值:{zh}({count} 个故障,{rooted} 个有根因)"),
            format!("truth: {en} ({count} incidents, {rooted} with a root)"),
        ))
    }

    fn differing(&mut self, sides: &[Side<'_>; 2], stream: &Stream<'_>) {
        let [before, after] = sides;
        let (old, new) = (&before.standing, &after.standing);
        let pairs = paired(old, new);
        for (left, right) in &pairs {
            let (events, others) = (&old[left], &new[right]);
            let differs = events.symmetric_difference(others).next().or(events.first());
            let why = differs.map(|event| (stream.why)(*event));
            let changed = Changed {
                before: shown(&before.world.incidents[left], events.len(), why.clone()),
                after: shown(&after.world.incidents[right], others.len(), why),
                events_added: others.difference(events).count(),
                events_lost: events.difference(others).count(),
            };
            let other_root = changed.before.root != changed.after.root;
            self.agreement.other_root += usize::from(other_root && changed.events_added + changed.events_lost == 0);
            if changed.is_any() {
                self.changed.push(changed);
            } else {
                self.agreement.same += 1;
            }
        }
        let (left, right) = pairs.into_iter().unzip();
        self.gone = before.without(&left, stream);
        self.fresh = after.without(&right, stream);
        self.incidents = [self.changed.len(), self.gone.len(), self.fresh.len()];
        self.changed.sort_by_key(|c| std::cmp::Reverse(c.events_added + c.events_lost));
        for list in [&mut self.gone, &mut self.fresh] {
            list.sort_by_key(|shown| std::cmp::Reverse(shown.events));
            self.not_listed += list.len().saturating_sub(LISTED_MAX);
            list.truncate(LISTED_MAX);
        }
        self.not_listed += self.changed.len().saturating_sub(LISTED_MAX);
        self.changed.truncate(LISTED_MAX);
    }

    fn mutes(&mut self, before: &World, after: &World, stream: &Stream<'_>) {
        let muted = |world: &World| -> BTreeMap<EventRef, MutedBy> {
            world.fates.iter().filter_map(|fate| Some((fate.event, fate.muted.clone()?))).collect()
        };
        let sides = [muted(before), muted(after)];
        for by_run in 0..2 {
            for (event, by) in &sides[by_run] {
                if sides[1 - by_run].contains_key(event) {
                    continue;
                }
                self.muted_once_events += 1;
                self.muted_once_by[by_run] += 1;
                if self.muted_once.len() < LISTED_MAX {
                    let why = (stream.why)(*event);
                    self.muted_once.push(MutedOnce { event: event.to_string(), by_run, by: by.clone(), why });
                }
            }
        }
    }

    /// Puts an address in front of the links that are paths.
    pub fn link_to(&mut self, base: &str) {
        let changed = self.changed.iter_mut().flat_map(|one| [&mut one.before, &mut one.after]);
        let shown = changed.chain(&mut self.gone).chain(&mut self.fresh).filter_map(|shown| shown.why.as_mut());
        for why in shown.chain(self.muted_once.iter_mut().map(|one| &mut one.why)) {
            if why.starts_with('/') {
                why.insert_str(0, base);
            }
        }
    }

    /// Whether anything is otherwise.
    pub fn is_any(&self) -> bool {
        !(self.changed.is_empty() && self.gone.is_empty() && self.fresh.is_empty())
            || self.verdicts.values().any(|[a, b]| a != b)
            || self.messages.values().any(|[a, b]| a != b)
    }
}

impl Side<'_> {
    /// The incidents that stand and are not among these.
    fn without(&self, paired: &BTreeSet<IncidentId>, stream: &Stream<'_>) -> Vec<Shown> {
        let alone = self.standing.iter().filter(|(id, _)| !paired.contains(id));
        let first = |events: &BTreeSet<EventRef>| events.first().map(|event| (stream.why)(*event));
        alone.map(|(id, events)| shown(&self.world.incidents[id], events.len(), first(events))).collect()
    }
}

impl Changed {
    fn is_any(&self) -> bool {
        let key = |shown: &Shown| (shown.severity, shown.root.clone());
        self.events_added + self.events_lost > 0 || key(&self.before) != key(&self.after)
    }
}

/// Pairs incidents that share the most events, each once.
fn paired(
    old: &BTreeMap<IncidentId, BTreeSet<EventRef>>,
    new: &BTreeMap<IncidentId, BTreeSet<EventRef>>,
) -> BTreeSet<(IncidentId, IncidentId)> {
    let home: BTreeMap<EventRef, IncidentId> =
        old.iter().flat_map(|(id, events)| events.iter().map(|event| (*event, *id))).collect();
    let mut shared: BTreeMap<(IncidentId, IncidentId), usize> = BTreeMap::new();
    for (id, events) in new {
        for left in events.iter().filter_map(|event| home.get(event)) {
            *shared.entry((*left, *id)).or_default() += 1;
        }
    }
    let mut order: Vec<((IncidentId, IncidentId), usize)> = shared.into_iter().collect();
    order.sort_by_key(|(pair, count)| (std::cmp::Reverse(*count), *pair));
    let (mut taken_old, mut taken_new) = (BTreeSet::new(), BTreeSet::new());
    let mut pairs = BTreeSet::new();
    for ((left, right), _) in order {
        if !taken_old.contains(&left) && !taken_new.contains(&right) {
            taken_old.insert(left);
            taken_new.insert(right);
            pairs.insert((left, right));
        }
    }
    pairs
}

fn course(sides: &[Side<'_>; 2], stream: &Stream<'_>) -> Course {
    let span = stream.to.since(stream.from).0.max(1);
    let step = (span / BUCKETS + 1).max(1000);
    let bucket = |at: Timestamp| (at.since(stream.from).0 / step).clamp(0, BUCKETS - 1) as usize;
    let counted = |times: Vec<Timestamp>| {
        let mut counts = vec![0; BUCKETS as usize];
        times.into_iter().for_each(|at| counts[bucket(at)] += 1);
        counts
    };
    let opened = |side: &Side<'_>| counted(side.standing.keys().map(|id| side.world.incidents[id].opened_at).collect());
    Course {
        from: stream.from.to_string(),
        step_secs: step / 1000,
        incidents: [opened(&sides[0]), opened(&sides[1])],
        messages: [&sides[0], &sides[1]].map(|side| counted(side.world.told_at.clone())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::alert::{AlertState, AlertView};
    use crate::domain::ids::AlertId;
    use crate::lab::world::Fate;

    #[test]
    fn truth_of_what_only_set_the_scene_is_judged_by_nobody() {
        let at = |seq| EventRef { seq, index: 0 };
        let incident = |seqs: &[u64]| TrueIncident {
            events: seqs.iter().map(|seq| at(*seq).to_string()).collect(),
            root_ci: "ci".into(),
        };
        let mut world = World::default();
        world.fates.extend([5, 6].map(|seq| Fate { event: at(seq), alert: None, muted: None }));
        let within = |incidents: &[&[u64]]| {
            let all = incidents.iter().map(|seqs| incident(seqs)).collect();
            Labelled::corrected(all)?.within([&world, &world])
        };
        assert!(within(&[&[1, 2], &[3]]).is_none());
        let kept = within(&[&[1, 2], &[3, 5, 6]]).expect("one is of that time");
        assert!(kept.is_partial);
        let kept = kept.truth.incidents();
        assert_eq!(kept.len(), 1);
        assert_eq!(kept[0].events, incident(&[5, 6]).events);
    }

    #[test]
    fn what_is_not_listed_is_counted_all_the_same() {
        let incident = |n: u64| IncidentView::new(IncidentId(n), "t".into(), "x", Timestamp(0));
        let many = LISTED_MAX as u64 + 7;
        let mut world = World::default();
        for n in 1..=many {
            let (event, alert) = (EventRef { seq: n, index: 0 }, AlertId(n));
            world.fates.push(Fate { event, alert: Some(alert), muted: None });
            world.incidents.insert(IncidentId(n), incident(n).into());
            world.alerts.insert(alert, alert_in(alert, IncidentId(n)).into());
        }
        let why = |_: EventRef| String::new();
        let stream = Stream { from: Timestamp(0), to: Timestamp(1), why: &why, truth: None };
        let report = compare([Run::default(), Run::default()], [&World::default(), &world], &stream);
        assert_eq!((report.incidents, report.fresh.len()), ([0, 0, many as usize], LISTED_MAX));
        assert_eq!(report.not_listed, 7);
    }

    fn alert_in(id: AlertId, incident: IncidentId) -> AlertView {
        let (at, severity, state) = (Timestamp(0), Severity::Major, AlertState::Firing);
        let view = serde_json::json!({"id": id, "tenant": "t", "source": "s", "name": "x", "severity": severity, "state": state,
            "object": "x", "first_seen": at, "last_seen": at, "starts_at": at, "count": 1, "incident": incident});
        serde_json::from_value(view).expect("an alert")
    }
}
