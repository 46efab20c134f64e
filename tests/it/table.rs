//! Short stories for the engine as text: what comes in, by which rules, and what is told.
//!
//! A line is `minutes:seconds`, then one of
//! `OBJECT NAME SEVERITY [label=value …]` (`source=…`, `key=…`, `starts=` and `until=minutes:seconds` are the event's own), `OBJECT NAME resolved`, `OBJECT NAME change`, `ack N`, `unack N`, `close N [cause=… solution=…]`, `conclude N …`,
//! `major N`, `no-major N`, `review N draft|published`, `reopen N`,
//! `snooze N minutes:seconds`, `severity N SEVERITY`, `merge N M`, `move ALERT N`, `split N ALERT …`, `silence OBJECT minutes:seconds`,
//! `gave-up RECEIVER N`, `approve N`, `deny N`, `report N ACTION RESULT [TEXT]`, `answer N ACTION EXECUTOR RESULT`,
//! `lost N ACTION EXECUTOR`, `tell-held [RECEIVER]`, `ticket N RECEIVER`, `source SOURCE KEY ack|unack|TEXT`, `rules NAME`, `end`. N is an incident's number in the order of opening.

use std::sync::Arc;

use headwater::domain::action::{ActionReport, ActionResult};
use headwater::domain::ending::{Findings, Review};
use headwater::domain::event::{Event, Status};
use headwater::domain::ids::{AlertId, IncidentId};
use headwater::domain::incident::TimelineKind;
use headwater::domain::mute::Silence;
use headwater::domain::severity::Severity;
use headwater::domain::time::{Span, Timestamp};
use headwater::domain::topology::Topology;
use headwater::engine::effect::{Effect, Notice};
use headwater::engine::input::{AlertDeed, Batch, Command, Delivered, DeliveryOutcome, Digest, Input, Order};
use headwater::engine::policy::Policy;
use headwater::engine::policy::place::RuleFile;
use headwater::engine::tuning::Tuning;
use headwater::engine::verdict::Verdict;
use headwater::engine::{Engine, Loaded};
use headwater::lab::built_in::read_topology;
use serde_json::json;

use crate::storms::{bytes, tenant};

/// 2026-06-01T00:00:00Z, a Monday; 08:00 in Shanghai.
const BEGIN: Timestamp = Timestamp(1_780_272_000_000);

/// The route of stories that have none of their own.
const FALLBACK: &str = "routes: [{ id: fallback, receivers: [team] }]";

/// The rules and the estate of a story.
#[derive(Clone, Default)]
pub struct Table {
    rules: Vec<(String, Arc<Policy>)>,
    topology: Option<Arc<Topology>>,
}

/// Compiles a story's rules.
pub fn policy(version: u64, rules: &str) -> Arc<Policy> {
    let mut files = vec![RuleFile { name: "story.yaml".into(), text: rules.into() }];
    if !rules.lines().any(|line| line.starts_with("routes:")) {
        files.push(RuleFile { name: "routes.yaml".into(), text: FALLBACK.into() });
    }
    Arc::new(Policy::compile(version, &files).unwrap_or_else(|errors| panic!("{errors:#?}")))
}

/// A story by these rules.
pub fn by(rules: &str) -> Table {
    Table { rules: vec![(String::new(), policy(1, rules))], topology: None }
}

impl Table {
    /// Another set of rules that the story can turn to.
    pub fn or(mut self, name: &str, rules: &str) -> Self {
        let version = self.rules.len() as u64 + 1;
        self.rules.push((name.into(), policy(version, rules)));
        self
    }

    /// The estate in which it happens.
    pub fn on(mut self, topology: &str) -> Self {
        self.topology = Some(read_topology("topology.yaml", topology.as_bytes(), None, 1).unwrap());
        self
    }

    /// Plays the story straight through, and again with a restart before each line: both must tell the same.
    pub fn play(&self, story: &str) -> Vec<Effect> {
        let calm = self.run(story, false);
        assert!(bytes(&calm) == bytes(&self.run(story, true)), "restarts change what is told");
        calm
    }

    /// What people are told, one message a line.
    pub fn tells(&self, story: &str, expected: &str) {
        self.shows(story, expected, &told(&self.play(story)));
    }

    /// Which alerts end in which incidents, one incident a line.
    pub fn groups(&self, story: &str, expected: &str) {
        self.shows(story, expected, &grouped(&self.play(story)));
    }

    /// How the events end, one a line, with the reason of what is held.
    pub fn verdicts(&self, story: &str, expected: &str) {
        let verdicts = self.play(story).into_iter().filter_map(|effect| match effect {
            Effect::Verdict { verdict: Verdict::Held { why, .. }, .. } => Some(format!("held ({why:?})")),
            Effect::Verdict { verdict, .. } => Some(verdict.word().to_owned()),
            _ => None,
        });
        self.shows(story, expected, &verdicts.collect::<Vec<_>>());
    }

    fn shows(&self, story: &str, expected: &str, got: &[String]) {
        let expected: Vec<&str> = expected.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        assert_eq!(*got, expected, "\n{story}\nis told as\n{}\n", got.join("\n"));
    }

    fn run(&self, story: &str, restarts: bool) -> Vec<Effect> {
        let mut engine = Engine::empty(0, Arc::new(Tuning::default()));
        let mut effects = Vec::new();
        if let Some(topology) = &self.topology {
            let input = Input::Topology { tenant: tenant(), version: 1, digest: Digest("".into()), author: "".into() };
            effects.extend(engine.step(BEGIN, &input, Loaded::Topology(topology.clone())));
        }
        let (input, loaded) = self.turn_to("");
        effects.extend(engine.step(BEGIN, &input, loaded));
        for line in story.lines().map(str::trim).filter(|line| !line.is_empty()) {
            if restarts {
                engine = self.restart(&engine);
            }
            let (time, rest) = line.split_once(' ').unwrap_or_else(|| panic!("{line:?}: a time, then what happens"));
            let at = BEGIN.plus(span(time));
            let (input, loaded) = match rest.strip_prefix("rules").map(str::trim) {
                Some(name) => self.turn_to(name),
                None => (read(at, rest), Loaded::Nothing),
            };
            effects.extend(engine.step(at, &input, loaded));
        }
        effects
    }

    fn turn_to(&self, name: &str) -> (Input, Loaded) {
        let (_, policy) = self.rules.iter().find(|(n, _)| n == name).unwrap_or_else(|| panic!("no rules {name:?}"));
        let digest = Digest(name.into());
        let input = Input::Policy {
            tenant: tenant(),
            version: policy.version,
            digest,
            author: "wang.li".into(),
            reason: "".into(),
        };
        (input, Loaded::Policy(policy.clone()))
    }

    fn restart(&self, engine: &Engine) -> Engine {
        let rules = |_, digest: &Digest| self.rules.iter().find(|(n, _)| **n == *digest.0).map(|(_, p)| p.clone());
        Engine::thaw(&engine.freeze(), Arc::new(Tuning::default()), |_, _| self.topology.clone(), rules).unwrap()
    }
}

/// `minutes:seconds`; both may be large.
fn span(text: &str) -> Span {
    let (minutes, seconds) = text.split_once(':').unwrap_or_else(|| panic!("{text:?}: write minutes:seconds"));
    Span(Span::mins(minutes.parse().unwrap()).0 + (seconds.parse::<f64>().unwrap() * 1000.0) as i64)
}

/// Minutes and seconds since the beginning.
pub fn clock(at: Timestamp) -> String {
    let secs = at.since(BEGIN).as_secs();
    format!("{:02}:{:02}", secs / 60, secs % 60)
}

fn incident(number: &str) -> IncidentId {
    IncidentId(number.parse().unwrap_or_else(|_| panic!("{number:?} is no incident's number")))
}

fn alert(number: &str) -> AlertId {
    AlertId(number.parse().unwrap_or_else(|_| panic!("{number:?} is no alert's number")))
}

fn read(at: Timestamp, line: &str) -> Input {
    let words: Vec<&str> = line.split_whitespace().collect();
    let order = match words[..] {
        ["end"] => return Input::Tick,
        ["gave-up", receiver, n] => {
            return Input::Delivered(Delivered {
                tenant: tenant(),
                incident: incident(n),
                receiver: receiver.into(),
                key: "".into(),
                outcome: DeliveryOutcome::GaveUp("answered 500".into()),
                attempts: 3,
                person: None,
                ticket: None,
                report: None,
                receipt: None,
            });
        }
        ["answer", n, action, executor, word] => return ended(n, action, executor, Some(result(word))),
        ["lost", n, action, executor] => return ended(n, action, executor, None),
        ["approve", n] => Order::Approve { incident: incident(n), action: "".into() },
        ["deny", n] => Order::Deny { incident: incident(n), action: "".into() },
        ["report", n, action, word, ..] => {
            let report = ActionReport { result: result(word), text: words[4..].join(" ").into() };
            Order::ReportAction { incident: incident(n), action: action.into(), report }
        }
        ["ticket", n, receiver] => Order::Ticket { incident: incident(n), receiver: receiver.into() },
        ["tell-held"] => Order::TellHeld { receiver: None },
        ["tell-held", receiver] => Order::TellHeld { receiver: Some(receiver.into()) },
        ["source", source, key, word] => {
            let deed = match word {
                "ack" => AlertDeed::Acknowledge,
                "unack" => AlertDeed::Unacknowledge,
                text => AlertDeed::Comment { text: text.into() },
            };
            Order::ForAlert { source: source.into(), key: key.into(), deed }
        }
        ["ack", n] => Order::Acknowledge { incident: incident(n) },
        ["unack", n] => Order::Unacknowledge { incident: incident(n) },
        ["close", n, ..] => Order::Close { incident: incident(n), note: "".into(), findings: findings(&words[2..]) },
        ["conclude", n, ..] => {
            Order::Conclude { incident: incident(n), findings: findings(&words[2..]).expect("a finding") }
        }
        ["major", n] => Order::DeclareMajor { incident: incident(n), note: "".into() },
        ["no-major", n] => Order::RevokeMajor { incident: incident(n), note: "".into() },
        ["review", n, word] => {
            let review = if word == "published" { Review::Published } else { Review::Draft };
            Order::Review { incident: incident(n), review, text: word.into() }
        }
        ["reopen", n] => Order::Reopen { incident: incident(n) },
        ["severity", n, word] => {
            let severity = Severity::parse(word).unwrap_or_else(|| panic!("{word:?} is no severity"));
            Order::SetSeverity { incident: incident(n), severity }
        }
        ["snooze", n, until] => Order::Snooze { incident: incident(n), until: BEGIN.plus(span(until)) },
        ["root", n, ci] => Order::SetRoot { incident: incident(n), ci: ci.into() },
        ["no-root", n, ci] => Order::RejectRoot { incident: incident(n), ci: ci.into() },
        ["confirm", n] => Order::ConfirmRoot { incident: incident(n) },
        ["merge", from, into] => Order::Merge { from: incident(from), into: incident(into) },
        ["move", a, into] => Order::Move { alert: alert(a), into: incident(into) },
        ["split", n, ..] => {
            Order::Split { incident: incident(n), alerts: words[2..].iter().map(|a| alert(a)).collect() }
        }
        ["silence", object, until] => Order::Silence { silence: silence(object, at, BEGIN.plus(span(until))) },
        [object, name, severity, ..] => return event(at, object, name, severity, &words[3..]),
        _ => panic!("{line:?} is no line of a story"),
    };
    Input::Command(Command { tenant: tenant(), actor: "wang.li".into(), id: "".into(), via: "".into(), order })
}

/// `cause=… solution=… impact=… category=…`; none: nothing is said.
fn findings(words: &[&str]) -> Option<Box<Findings>> {
    let mut found = Findings::default();
    for word in words {
        match word.split_once('=') {
            Some(("cause", text)) => found.cause = text.into(),
            Some(("solution", text)) => found.solution = text.into(),
            Some(("impact", text)) => found.impact = text.into(),
            Some(("category", text)) => found.category = text.into(),
            _ => panic!("{word:?} is no finding"),
        }
    }
    (!found.are_none()).then(|| Box::new(found))
}

fn result(word: &str) -> ActionResult {
    match word {
        "taken" => ActionResult::Taken,
        "done" => ActionResult::Done,
        "partial" => ActionResult::Partial,
        "failed" => ActionResult::Failed,
        _ => panic!("{word:?} is no result"),
    }
}

/// A request that was delivered and answered at once, or could not be delivered.
fn ended(n: &str, action: &str, executor: &str, result: Option<ActionResult>) -> Input {
    let report = result.map(|result| Box::new(ActionReport { result, text: "".into() }));
    let outcome = match report {
        Some(_) => DeliveryOutcome::Accepted,
        None => DeliveryOutcome::GaveUp("no connection".into()),
    };
    let key = format!("{action}-{executor}-action").into();
    let (receiver, incident) = (executor.into(), incident(n));
    Input::Delivered(Delivered {
        tenant: tenant(),
        incident,
        receiver,
        key,
        outcome,
        attempts: 1,
        person: None,
        ticket: None,
        report,
        receipt: None,
    })
}

fn silence(object: &str, from: Timestamp, to: Timestamp) -> Silence {
    serde_json::from_value(json!({
        "id": object, "matchers": [[{"field": "object", "value": object}]], "created_by": "wang.li",
        "starts_at": from.0, "ends_at": to.0,
    }))
    .unwrap()
}

fn event(at: Timestamp, object: &str, name: &str, severity: &str, labels: &[&str]) -> Input {
    let mut event = Event::new(tenant(), "probe".into(), name, at);
    event.object.name = Some(object.into());
    match severity {
        "resolved" => event.status = Status::Resolved,
        "change" => event.status = Status::Change,
        word => event.severity = Severity::parse(word).unwrap_or_else(|| panic!("{word:?} is no severity")),
    }
    for label in labels {
        let (key, value) = label.split_once('=').unwrap_or_else(|| panic!("{label:?}: write key=value"));
        if key == "source" {
            event.source = value.into();
        } else if key == "key" {
            event.dedup_key = Some(value.into());
        } else if key == "starts" {
            event.starts_at = BEGIN.plus(span(value));
        } else if key == "until" {
            event.expires_at = Some(BEGIN.plus(span(value)));
        } else {
            event.labels.insert(key, value);
        }
    }
    Input::Batch(Batch { tenant: tenant(), events: vec![event], rejected: Vec::new(), replay_of: None })
}

/// Messages, and what the timeline says about telling.
pub fn told(effects: &[Effect]) -> Vec<String> {
    let mut lines = Vec::new();
    for effect in effects {
        match effect {
            Effect::Notify { notice } => lines.push(message(notice)),
            Effect::Timeline { incident, entry, .. } => {
                let word = match entry.kind {
                    TimelineKind::WouldNotify => "would tell",
                    TimelineKind::NotifyFailed => "failed",
                    TimelineKind::Storm => "storm",
                    TimelineKind::ActionAsked => "asked",
                    TimelineKind::ActionApproved => "approved",
                    TimelineKind::ActionDenied => "denied",
                    TimelineKind::ActionReported => "reported",
                    TimelineKind::ActionFailed => "action failed",
                    TimelineKind::ActionHeldBack => "held back",
                    TimelineKind::LevelNear => "near",
                    TimelineKind::LevelBreached => "missed",
                    TimelineKind::NoLongerReported => "unheard",
                    TimelineKind::MajorDeclared => "major",
                    TimelineKind::MajorRevoked => "no major",
                    TimelineKind::Concluded => "concluded",
                    TimelineKind::Reviewed => "review",
                    _ => continue,
                };
                lines.push(format!("{} ({word}: {}) {}", clock(entry.at), entry.detail, incident.0));
            }
            Effect::CommandDone { refused: Some(why), .. } => lines.push(format!("refused: {why}")),
            _ => {}
        }
    }
    lines
}

fn message(notice: &Notice) -> String {
    let Notice { receiver, kind, incident, .. } = notice;
    let person = notice.to.as_ref().map_or_else(String::new, |to| format!("-{}", to.person));
    let changes: Vec<String> = notice.changes.iter().map(|c| format!("{c:?}").to_lowercase()).collect();
    let changes = if changes.is_empty() { String::new() } else { format!(" ({})", changes.join(", ")) };
    let digest = notice.digest.as_ref().map_or_else(String::new, |digest| {
        let lines: Vec<String> = digest.lines.iter().map(|l| format!("{} {}", l.incident.0, l.kind.as_str())).collect();
        format!(" of {}: {}", digest.messages, lines.join(", "))
    });
    let storm = notice.digest.as_ref().and_then(|digest| digest.storm);
    let storm = storm.map_or_else(String::new, |storm| {
        format!(" storm of {}{}", storm.incidents, if storm.is_over { ", over" } else { "" })
    });
    let expected = format!("{}-{}-{receiver}-{}{person}", incident.id, incident.version, kind.as_str());
    if let Some(action) = notice.asks() {
        assert_eq!(*notice.key, format!("{}-{receiver}-action", action.id));
        let (run, ci) = (&action.run, &action.ci.id);
        return format!("{} {receiver} is asked for {run} on {ci} ({})", clock(notice.at), action.id);
    }
    assert!(notice.key.starts_with(&expected), "{} {expected}", notice.key);
    assert!(*notice.key == *expected || !storm.is_empty(), "{} {expected}", notice.key);
    let told =
        format!("{} {} {} {}{changes}{storm}{digest}", clock(notice.at), notice.whom(), kind.as_str(), incident.id.0);
    told.trim_end().to_owned()
}

/// Incidents that stand at the end with their alerts, root first: `N ROOT: object/name, …`, and what is held.
pub fn grouped(effects: &[Effect]) -> Vec<String> {
    let mut alerts = std::collections::BTreeMap::new();
    let mut incidents = std::collections::BTreeMap::new();
    for effect in effects {
        match effect {
            Effect::Alert { alert } => {
                alerts.insert(alert.id, alert.as_ref().clone());
            }
            Effect::Incident { incident, .. } => {
                incidents.insert(incident.id, incident.as_ref().clone());
            }
            _ => {}
        }
    }
    let named = |incident: Option<IncidentId>| -> Vec<String> {
        let members = alerts.values().filter(|a| a.incident == incident);
        members.map(|a| format!("{}/{}", a.object, a.name)).collect()
    };
    let mut lines = Vec::new();
    for incident in incidents.values().filter(|i| i.merged_into.is_none()) {
        let root = incident.candidates.first().map_or("-", |c| c.ci.id.as_str());
        lines.push(format!("{} {root}: {}", incident.id.0, named(Some(incident.id)).join(", ")));
    }
    let held = named(None);
    if !held.is_empty() {
        lines.push(format!("held: {}", held.join(", ")));
    }
    lines
}
