//! Versus: two policies or models on the same stream. What comes out otherwise, how alike the two are, and where there
//! is truth, which of them is nearer to it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;

use super::clusters::{adjusted_mutual_information, adjusted_rand};
use super::score::{Scores, ToldIncident, TrueIncident, score};
use super::world::World;
use crate::domain::ids::{EventRef, IncidentId};
use crate::domain::incident::IncidentView;
use crate::domain::time::{Span, Timestamp};

/// Incidents and events listed of each kind; more are only counted.
const LISTED_MAX: usize = 200;
/// Bars of a chart.
const BUCKETS: i64 = 48;
const WEEK: Span = Span::hours(7 * 24);

/// What was run.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Run {
    pub name: String,
    pub rules: String,
    pub model: String,
}

/// One run in figures.
#[derive(Clone, Debug, Default, Serialize)]
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
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scores: Option<Scores>,
}

/// How alike the two are.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Agreement {
    pub ari: f64,
    pub ami: f64,
    /// Incidents of the same events, root and severity.
    pub same: usize,
    /// Incidents of the same events whose root is another one.
    pub other_root: usize,
}

/// An incident in short.
#[derive(Clone, Debug, Serialize)]
pub struct Shown {
    pub id: String,
    pub title: String,
    pub severity: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root: Option<String>,
    pub events: usize,
    pub opened_at: String,
    /// Asks why an event that makes the difference is where it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// An incident that is there in both, and what of it is otherwise.
#[derive(Clone, Debug, Serialize)]
pub struct Changed {
    pub before: Shown,
    pub after: Shown,
    pub events_added: usize,
    pub events_lost: usize,
}

/// An alert that only one of the two mutes.
#[derive(Clone, Debug, Serialize)]
pub struct MutedOnce {
    pub event: String,
    /// Which of the two runs mutes it: 0 the first, 1 the second.
    pub by_run: usize,
    pub by: crate::domain::mute::MutedBy,
    pub why: String,
}

/// Counts over the stream's time, for a chart: the first run's and the second's.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Course {
    pub from: String,
    pub step_secs: i64,
    pub incidents: [Vec<u64>; 2],
    pub messages: [Vec<u64>; 2],
}

/// The comparison.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    pub runs: [Run; 2],
    pub from: String,
    pub to: String,
    pub events: u64,
    pub figures: [Figures; 2],
    pub agreement: Agreement,
    /// Where the truth comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub truth: Option<String>,
    pub verdicts: BTreeMap<&'static str, [u64; 2]>,
    pub messages: BTreeMap<String, [u64; 2]>,
    pub changed: Vec<Changed>,
    /// Only in the first run, only in the second.
    pub gone: Vec<Shown>,
    pub fresh: Vec<Shown>,
    pub muted_once: Vec<MutedOnce>,
    /// What the lists have no room for.
    pub not_listed: usize,
    pub muted_once_events: u64,
    pub course: Course,
}

/// What both runs were fed, and how to ask about it.
pub struct Stream<'a> {
    pub from: Timestamp,
    pub to: Timestamp,
    /// A link or a command that tells why an event is where it is.
    pub why: &'a dyn Fn(EventRef) -> String,
    pub truth: Option<(&'a str, &'a [TrueIncident])>,
    /// The truth speaks of some incidents only: what shares no event with them is not judged.
    pub is_partial: bool,
}

/// Compares two worlds that were fed the same.
pub fn compare(runs: [Run; 2], worlds: [&World; 2], stream: &Stream<'_>) -> Report {
    let [before, after] = worlds;
    let mut report = Report {
        runs,
        from: stream.from.to_string(),
        to: stream.to.to_string(),
        events: before.fates.len().max(after.fates.len()) as u64,
        truth: stream.truth.map(|(name, _)| name.to_owned()),
        figures: worlds.map(|world| figures(world, stream)),
        ..Report::default()
    };
    for (side, world) in worlds.into_iter().enumerate() {
        for (word, count) in &world.verdicts {
            report.verdicts.entry(word).or_default()[side] = *count;
        }
        for (receiver, count) in &world.messages {
            report.messages.entry(receiver.clone()).or_default()[side] = *count;
        }
    }
    let labels = labels(before, after);
    report.agreement.ari = adjusted_rand(&labels);
    report.agreement.ami = adjusted_mutual_information(&labels);
    report.differing(before, after, stream);
    report.mutes(before, after, stream);
    report.course = course(worlds, stream);
    report
}

fn figures(world: &World, stream: &Stream<'_>) -> Figures {
    let told = world.told();
    let events = world.fates.len().max(1) as f64;
    let messages: u64 = world.messages.values().sum();
    // Of less than an hour nobody knows what a week would be: it counts as one.
    let weeks = stream.to.since(stream.from).max(Span::hours(1)).0 as f64 / WEEK.0 as f64;
    Figures {
        alerts: world.alerts.len() as u64,
        incidents: told.len() as u64,
        held: world.held(),
        muted: world.fates.iter().filter(|fate| fate.muted.is_some()).count() as u64,
        compression: 1.0 - told.len() as f64 / events,
        root_changes: world.root_changes,
        messages,
        messages_per_week: messages as f64 / weeks,
        scores: stream.truth.map(|(_, truth)| score(truth, &judged(&told, truth, stream.is_partial))),
    }
}

/// The told incidents that the truth can judge.
fn judged(told: &[ToldIncident], truth: &[TrueIncident], is_partial: bool) -> Vec<ToldIncident> {
    let known: BTreeSet<&String> = truth.iter().flat_map(|incident| &incident.events).collect();
    let speaks_of = |one: &&ToldIncident| !is_partial || one.events.iter().any(|event| known.contains(event));
    told.iter().filter(speaks_of).cloned().collect()
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
        severity: incident.severity.as_str(),
        root: incident.candidates.first().map(|candidate| candidate.ci.id.to_string()),
        events,
        opened_at: incident.opened_at.to_string(),
        why,
    }
}

impl Report {
    fn differing(&mut self, before: &World, after: &World, stream: &Stream<'_>) {
        let (old, new) = (before.standing(), after.standing());
        let pairs = paired(&old, &new);
        for (left, right) in &pairs {
            let (events, others) = (&old[left], &new[right]);
            let differs = events.symmetric_difference(others).next().or(events.first());
            let why = differs.map(|event| (stream.why)(*event));
            let changed = Changed {
                before: shown(&before.incidents[left], events.len(), why.clone()),
                after: shown(&after.incidents[right], others.len(), why),
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
        let first = |events: &BTreeSet<EventRef>| events.first().map(|event| (stream.why)(*event));
        let gone = old.iter().filter(|(id, _)| pairs.iter().all(|pair| pair.0 != **id));
        self.gone = gone.map(|(id, events)| shown(&before.incidents[id], events.len(), first(events))).collect();
        let fresh = new.iter().filter(|(id, _)| pairs.iter().all(|pair| pair.1 != **id));
        self.fresh = fresh.map(|(id, events)| shown(&after.incidents[id], events.len(), first(events))).collect();
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
        let muted = |world: &World| -> BTreeMap<EventRef, crate::domain::mute::MutedBy> {
            world.fates.iter().filter_map(|fate| Some((fate.event, fate.muted.clone()?))).collect()
        };
        let sides = [muted(before), muted(after)];
        for by_run in 0..2 {
            for (event, by) in &sides[by_run] {
                if sides[1 - by_run].contains_key(event) {
                    continue;
                }
                self.muted_once_events += 1;
                if self.muted_once.len() < LISTED_MAX {
                    let why = (stream.why)(*event);
                    self.muted_once.push(MutedOnce { event: event.to_string(), by_run, by: by.clone(), why });
                }
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

fn course(worlds: [&World; 2], stream: &Stream<'_>) -> Course {
    let span = stream.to.since(stream.from).0.max(1);
    let step = (span / BUCKETS + 1).max(1000);
    let bucket = |at: Timestamp| (at.since(stream.from).0 / step).clamp(0, BUCKETS - 1) as usize;
    let counted = |times: Vec<Timestamp>| {
        let mut counts = vec![0; BUCKETS as usize];
        times.into_iter().for_each(|at| counts[bucket(at)] += 1);
        counts
    };
    let opened = |world: &World| world.standing().keys().map(|id| world.incidents[id].opened_at).collect::<Vec<_>>();
    Course {
        from: stream.from.to_string(),
        step_secs: step / 1000,
        incidents: worlds.map(|world| counted(opened(world))),
        messages: worlds.map(|world| counted(world.told_at.clone())),
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let root = self.root.as_deref().unwrap_or("?");
        let (at, severity) = (&self.opened_at, self.severity);
        write!(f, "{at} {severity:<8} {} {} (root {root}, {} events)", self.id, self.title, self.events)
    }
}

/// A line of the table: its name, and where its number is.
type Count = (&'static str, fn(&Figures) -> u64);
type Share = (&'static str, fn(&Figures) -> Option<f64>);

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [old, new] = &self.figures;
        writeln!(f, "{} events from {} to {}", self.events, self.from, self.to)?;
        for (mark, run) in ["a", "b"].into_iter().zip(&self.runs) {
            writeln!(f, "{mark}: {} (rules {}, model {})", run.name, run.rules, run.model)?;
        }
        writeln!(f, "{:<22}{:>12}{:>12}", "", "a", "b")?;
        let mut line = |name: &str, a: String, b: String| writeln!(f, "{name:<22}{a:>12}{b:>12}");
        let counts: [Count; 6] = [
            ("alerts", |x| x.alerts),
            ("incidents", |x| x.incidents),
            ("held alerts", |x| x.held),
            ("muted events", |x| x.muted),
            ("root changes", |x| x.root_changes),
            ("messages", |x| x.messages),
        ];
        for (name, of) in counts {
            line(name, of(old).to_string(), of(new).to_string())?;
        }
        let shares: [Share; 9] = [
            ("messages per week", |x| Some(x.messages_per_week)),
            ("compression", |x| Some(x.compression)),
            ("pair F1", |x| x.scores.map(|s| s.pair_f1)),
            ("precision", |x| x.scores.map(|s| s.precision)),
            ("recall", |x| x.scores.map(|s| s.found)),
            ("F1", |x| x.scores.map(|s| s.f1())),
            ("AC@1", |x| x.scores.map(|s| s.root_top1)),
            ("AC@3", |x| x.scores.map(|s| s.root_top3)),
            ("AC@5", |x| x.scores.map(|s| s.root_top5)),
        ];
        for (name, of) in shares {
            if let (Some(a), Some(b)) = (of(old), of(new)) {
                line(name, format!("{a:.3}"), format!("{b:.3}"))?;
            }
        }
        self.lists(f)
    }
}

impl Report {
    fn lists(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (same, agreement) = (self.agreement.same, &self.agreement);
        let (changed, gone, fresh) = (self.changed.len(), self.gone.len(), self.fresh.len());
        writeln!(f, "ARI {:.3}, AMI {:.3} between the two", agreement.ari, agreement.ami)?;
        writeln!(f, "incidents: {same} same, {changed} changed, {gone} only in a, {fresh} only in b")?;
        for changed in &self.changed {
            writeln!(f, "~ {}", changed.before)?;
            writeln!(f, "  {} (+{} −{} events)", changed.after, changed.events_added, changed.events_lost)?;
        }
        for gone in &self.gone {
            writeln!(f, "- {gone}")?;
        }
        for fresh in &self.fresh {
            writeln!(f, "+ {fresh}")?;
        }
        if self.not_listed > 0 {
            writeln!(f, "… and {} more", self.not_listed)?;
        }
        if self.muted_once_events > 0 {
            let of = |run: usize| self.muted_once.iter().filter(|one| one.by_run == run).count();
            let events = self.muted_once_events;
            writeln!(f, "{events} events muted by only one (of those listed: {} by a, {} by b)", of(0), of(1))?;
        }
        for (word, [old, new]) in self.verdicts.iter().filter(|(_, [old, new])| old != new) {
            writeln!(f, "verdict {word}: {old} -> {new}")?;
        }
        for (receiver, [old, new]) in self.messages.iter().filter(|(_, [old, new])| old != new) {
            writeln!(f, "messages to {receiver}: {old} -> {new}")?;
        }
        Ok(())
    }
}
