//! The stages obey the rules: events and rules in short text, verdicts and who muted in short text. Every case is
//! played twice, the second time frozen and thawed before each line: nothing may differ.
//!
//! A line is `[06-01] 09:00[:00] <what> -> <what follows>`; times are Asia/Shanghai. What may be: an event
//! (`source name object severity key=value…`, with `ok` for a resolution), `tick`, `silence <id> field=value… for=1h`,
//! `expire <id>`, `rules <n>`, `state <ci> <state>`, `add <ci> <name>`. What follows: the verdict and by whom, then alerts that become
//! muted, free, flapping or calm, then incidents that open.

use std::collections::BTreeMap;
use std::sync::Arc;

use headwater::domain::alert::AlertView;
use headwater::domain::event::{Event, Status};
use headwater::domain::ids::{AlertId, SourceId};
use headwater::domain::incident::TimelineKind;
use headwater::domain::matcher::{Matcher, MatcherText, Matchers};
use headwater::domain::mute::{MuteEffect, MutedBy, Silence};
use headwater::domain::severity::Severity;
use headwater::domain::spans;
use headwater::domain::time::{Span, Timestamp};
use headwater::domain::topology::Topology;
use headwater::engine::effect::Effect;
use headwater::engine::input::{Batch, Command, Digest, Input, Order};
use headwater::engine::policy::Policy;
use headwater::engine::policy::place::RuleFile;
use headwater::engine::tuning::Tuning;
use headwater::engine::verdict::{Decision, Verdict};
use headwater::engine::{Engine, Loaded};
use headwater::lab::built_in::read_topology;

use crate::storms::{bytes, tenant};

mod adjusting;
mod counting;
mod expiry;
mod identity;
mod inhibition;
mod muting;
mod schedules;
mod storm;

const ESTATE: &str = "
cis:
- {id: rack-1, class: rack, site: dc-a}
- {id: rack-2, class: rack, site: dc-b}
- {id: server-1, class: server, name: web 1, site: dc-a, owner_team: compute, org: finance, criticality: 1, keys: [10.0.0.1]}
- {id: server-2, class: server, name: web 2, site: dc-b, keys: [10.0.0.2]}
- {id: vm-1, class: vm, name: twin, keys: [10.0.1.1]}
- {id: vm-2, class: vm, name: twin, keys: [10.0.1.2]}
- {id: app-1, class: application, name: tax}
relations:
- {from: rack-1, type: contains, to: server-1}
- {from: rack-2, type: contains, to: server-2}
- {from: server-1, type: hosts, to: vm-1}
- {from: server-2, type: hosts, to: vm-2}
- {from: vm-1, type: hosts, to: app-1}
";

const FALLBACK: &str = "\nroutes:\n- {id: fallback, receivers: [default]}\n";

/// One world that is played: its engine, and what is known of its alerts.
struct World {
    engine: Engine,
    /// The texts that a story names by number, and what was put, by version less one.
    rules: Vec<String>,
    policies: Vec<Arc<Policy>>,
    topology: Arc<Topology>,
    state: BTreeMap<String, String>,
    added: String,
    version: u64,
    day: String,
    alerts: BTreeMap<AlertId, AlertView>,
    told: Vec<Effect>,
}

fn compiled(version: u64, rules: &str) -> Arc<Policy> {
    let with_route = if rules.contains("routes:") { rules.to_owned() } else { format!("{rules}{FALLBACK}") };
    let file = RuleFile { name: "rules.yaml".into(), text: with_route };
    let policy = Policy::compile(version, &[file]);
    Arc::new(policy.unwrap_or_else(|errors| panic!("{errors:?}\n{rules}")))
}

fn estate(state: &BTreeMap<String, String>, added: &str, version: u64) -> Arc<Topology> {
    let text = ESTATE.replace("relations:", &format!("{added}relations:"));
    let text: String = text
        .lines()
        .map(|line| {
            let ci = state.iter().find(|(ci, _)| line.contains(&format!("{{id: {ci},")));
            ci.map_or(line.to_owned(), |(_, state)| line.replace('}', &format!(", state: {state}}}"))) + "\n"
        })
        .collect();
    read_topology("estate.yaml", text.as_bytes(), None, version).expect("an estate")
}

impl World {
    fn new(rules: &[&str]) -> Self {
        let mut world = Self {
            engine: Engine::empty(0, Arc::new(Tuning::default())),
            rules: rules.iter().map(|text| (*text).to_owned()).collect(),
            policies: Vec::new(),
            topology: estate(&BTreeMap::new(), "", 1),
            state: BTreeMap::new(),
            added: String::new(),
            version: 1,
            day: "06-01".into(),
            alerts: BTreeMap::new(),
            told: Vec::new(),
        };
        let start = Timestamp::parse("2025-12-31T00:00:00+08:00").unwrap();
        world.take_topology(start);
        world.take_rules(start, 1);
        world
    }

    fn take_topology(&mut self, at: Timestamp) -> Vec<Effect> {
        let digest = Digest(self.version.to_string().into());
        let input = Input::Topology { tenant: tenant(), version: self.version, digest, author: "".into() };
        self.engine.step(at, &input, Loaded::Topology(self.topology.clone()))
    }

    fn take_rules(&mut self, at: Timestamp, number: usize) -> Vec<Effect> {
        let version = self.policies.len() as u64 + 1;
        let policy = compiled(version, &self.rules[number - 1]);
        self.policies.push(policy.clone());
        let digest = Digest(version.to_string().into());
        let input = Input::Policy { tenant: tenant(), version, digest, author: "li.na".into(), reason: "".into() };
        self.engine.step(at, &input, Loaded::Policy(policy))
    }

    fn restart(&mut self) {
        let (topology, policies) = (self.topology.clone(), self.policies.clone());
        let frozen = self.engine.freeze();
        self.engine = Engine::thaw(
            &frozen,
            Arc::new(Tuning::default()),
            |_, _| Some(topology.clone()),
            |version, _| policies.get(version as usize - 1).cloned(),
        )
        .expect("a snapshot can be read");
        assert!(self.engine.freeze() == frozen, "a snapshot of a snapshot is another one");
    }

    /// Plays a line; returns what followed.
    fn play(&mut self, line: &str) -> String {
        let mut words: Vec<&str> = line.split_whitespace().collect();
        if words[0].len() == 5 && words[0].as_bytes()[2] == b'-' {
            self.day = words.remove(0).into();
        }
        let at = moment(&self.day, words.remove(0));
        let command = |order| {
            Input::Command(Command { tenant: tenant(), actor: "li.na".into(), id: "".into(), via: "".into(), order })
        };
        let effects = match words[..] {
            ["tick"] => self.engine.step(at, &Input::Tick, Loaded::Nothing),
            ["silence", id, ..] => {
                let input = command(Order::Silence { silence: silence(at, id, &words[2..]) });
                self.engine.step(at, &input, Loaded::Nothing)
            }
            ["expire", id] => self.engine.step(at, &command(Order::ExpireSilence { id: id.into() }), Loaded::Nothing),
            ["rules", number] => self.take_rules(at, number.parse().unwrap()),
            ["state", ci, state] => {
                self.version += 1;
                self.state.insert(ci.into(), state.into());
                self.topology = estate(&self.state, &self.added, self.version);
                self.take_topology(at)
            }
            ["add", ci, name] => {
                self.version += 1;
                self.added.push_str(&format!("- {{id: {ci}, class: server, name: {name}}}\n"));
                self.topology = estate(&self.state, &self.added, self.version);
                self.take_topology(at)
            }
            _ => {
                let batch = Batch {
                    tenant: tenant(),
                    events: vec![event(&self.day, at, &words)],
                    rejected: Vec::new(),
                    replay_of: None,
                };
                self.engine.step(at, &Input::Batch(batch), Loaded::Nothing)
            }
        };
        let followed = self.told_of(&effects);
        self.told.extend(effects);
        followed
    }

    fn told_of(&mut self, effects: &[Effect]) -> String {
        let mut told = Vec::new();
        for effect in effects {
            match effect {
                Effect::Verdict { verdict, .. } => told.insert(0, words_of(verdict)),
                Effect::Alert { alert } => {
                    let name = format!("{}@{}", alert.name, alert.object);
                    let before = self.alerts.insert(alert.id, alert.as_ref().clone());
                    let by = |alert: &AlertView| alert.muted_by.iter().map(who).collect::<Vec<_>>().join(" + ");
                    let (was, is) = (before.as_ref().map(by).unwrap_or_default(), by(alert));
                    if was != is {
                        told.push(if is.is_empty() { format!("{name} free") } else { format!("{name} by {is}") });
                    }
                    if before.is_some_and(|b| b.flapping) != alert.flapping {
                        told.push(format!("{name} {}", if alert.flapping { "flaps" } else { "calm" }));
                    }
                }
                Effect::Timeline { entry, .. } if entry.kind == TimelineKind::Opened => told.push("incident".into()),
                Effect::CommandDone { refused: Some(why), .. } => told.push(format!("refused: {why}")),
                Effect::Incident { .. }
                | Effect::Timeline { .. }
                | Effect::Notify { .. }
                | Effect::Silence { .. }
                | Effect::CommandDone { refused: None, .. } => {}
            }
        }
        told.join("; ")
    }

    /// What people were told: kind and title, in order.
    fn notices(&self) -> Vec<String> {
        let notice = |effect: &Effect| match effect {
            Effect::Notify { notice } => Some(format!("{} {}", notice.kind.as_str(), notice.incident.title)),
            _ => None,
        };
        self.told.iter().filter_map(notice).collect()
    }

    /// When the incidents opened, in order.
    fn incidents_opened_at(&self) -> Vec<Timestamp> {
        let opened = |effect: &Effect| match effect {
            Effect::Timeline { entry, .. } if entry.kind == TimelineKind::Opened => Some(entry.at),
            _ => None,
        };
        self.told.iter().filter_map(opened).collect()
    }

    /// The decision record of the newest event that has one.
    fn decision(&self) -> Decision {
        let of = |effect: &Effect| match effect {
            Effect::Verdict { verdict, .. } => match verdict {
                Verdict::Muted { decision, .. }
                | Verdict::Joined { decision, .. }
                | Verdict::Opened { decision, .. }
                | Verdict::Held { decision, .. } => Some(decision.as_ref().clone()),
                Verdict::Duplicate { .. } | Verdict::Resolved { .. } | Verdict::Rejected { .. } => None,
            },
            _ => None,
        };
        self.told.iter().rev().find_map(of).expect("an event with a decision")
    }
}

fn moment(day: &str, time: &str) -> Timestamp {
    let seconds = if time.len() == 5 { ":00" } else { "" };
    Timestamp::parse(&format!("2026-{day}T{time}{seconds}+08:00")).unwrap_or_else(|| panic!("{day} {time}"))
}

fn who(by: &MutedBy) -> String {
    match by {
        MutedBy::Silence { id } => format!("silence {id}"),
        MutedBy::Maintenance { id } => format!("window {id}"),
        MutedBy::CiState => "ci state".into(),
        MutedBy::Inhibition { rule, source } => format!("{rule}({source})"),
        MutedBy::Flapping => "flapping".into(),
        MutedBy::Rule { rule } => format!("rule {rule}"),
    }
}

fn words_of(verdict: &Verdict) -> String {
    let word = |value: &dyn erased::Word| value.word();
    match verdict {
        Verdict::Duplicate { why, .. } => format!("duplicate {}", word(why)),
        Verdict::Muted { alert: Some(_), by, .. } => format!("muted {}", who(by)),
        Verdict::Muted { alert: None, by, .. } => format!("dropped {}", who(by)),
        Verdict::Held { why, .. } => format!("held {}", word(why)),
        Verdict::Joined { .. } | Verdict::Opened { .. } | Verdict::Resolved { .. } | Verdict::Rejected { .. } => {
            verdict.word().into()
        }
    }
}

/// The wire word of one of our enums.
mod erased {
    pub trait Word {
        fn word(&self) -> String;
    }

    impl<T: serde::Serialize> Word for T {
        fn word(&self) -> String {
            serde_json::to_value(self).unwrap().as_str().unwrap_or_default().to_owned()
        }
    }
}

fn silence(at: Timestamp, id: &str, words: &[&str]) -> Silence {
    let (mut matchers, mut lasts, mut effect) = (Vec::new(), Span::hours(1), MuteEffect::Keep);
    for (key, value) in words.iter().map(|word| word.split_once('=').unwrap()) {
        match key {
            "for" => lasts = spans::parse(value).unwrap(),
            "effect" => effect = serde_json::from_value(value.into()).unwrap(),
            field => {
                let text = MatcherText { field: field.into(), op: Default::default(), value: value.into(), not: false };
                matchers.push(Matcher::try_from(text).unwrap());
            }
        }
    }
    Silence {
        id: id.into(),
        matchers: Matchers(vec![matchers]),
        starts_at: at,
        ends_at: at.plus(lasts),
        created_by: "li.na".into(),
        comment: String::new(),
        effect,
    }
}

/// `source name object severity key=value…`; `ok` in place of the severity is a resolution.
fn event(day: &str, at: Timestamp, words: &[&str]) -> Event {
    let [source, name, object, severity] = words[..4] else { panic!("{words:?}") };
    let mut event = Event::new(tenant(), SourceId::from(source), name, at);
    event.object.name = Some(object.replace('_', " "));
    match severity {
        "ok" => (event.status, event.severity) = (Status::Resolved, Severity::Cleared),
        word => event.severity = Severity::parse(word).unwrap_or_else(|| panic!("{word}")),
    }
    for (key, value) in words[4..].iter().map(|word| word.split_once('=').unwrap_or_else(|| panic!("{word}"))) {
        let text = value.replace('_', " ");
        match key {
            "key" => event.dedup_key = Some(value.into()),
            "id" => event.id = value.into(),
            "ip" => event.object.ip = Some(value.into()),
            "ci" => (event.object.ci_id, event.object.name) = (Some(value.into()), None),
            "class" => event.object.class = Some(value.into()),
            "title" => event.title = text.into(),
            "description" => event.description = text.into(),
            "identity" => event.identity = value.into(),
            "starts" => event.starts_at = moment(day, value),
            label => {
                event.labels.insert(label, &text);
            }
        }
    }
    event
}

/// Plays lines and compares what follows each; then again with a restart before each line.
fn check(rules: &str, story: &str) -> World {
    check_all(&[rules], story)
}

fn check_all(rules: &[&str], story: &str) -> World {
    let lines: Vec<&str> = story.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let (mut calm, mut restarted) = (World::new(rules), World::new(rules));
    let mut wrong = Vec::new();
    for line in lines {
        let (given, wanted) = line.split_once("->").unwrap_or((line, ""));
        let followed = calm.play(given);
        restarted.restart();
        restarted.play(given);
        if followed != wanted.trim() {
            wrong.push(format!("{} -> {followed}\n    wanted: {}", given.trim(), wanted.trim()));
        }
    }
    assert!(bytes(&calm.told) == bytes(&restarted.told), "restarts change what is told");
    assert!(calm.engine.freeze() == restarted.engine.freeze(), "restarts change the state");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    calm
}

/// The checks of a decision in words, one a line.
fn shown(decision: &Decision) -> Vec<String> {
    let word = |value: &dyn erased::Word| value.word();
    decision
        .checks
        .iter()
        .map(|check| {
            let rule = check.rule.as_ref().map_or("-", |rule| rule.as_str());
            let numbers: Vec<String> = check.evidence.iter().map(|e| format!(" {}/{}", e.n, e.of)).collect();
            let unmet = check.unmet.as_ref().map(|unmet| format!(" {}", serde_json::to_string(unmet).unwrap()));
            let matched = if check.matched { "yes" } else { "no" };
            let text = format!(
                "{} {rule} {matched} {}{}{}",
                word(&check.stage),
                check.about,
                numbers.concat(),
                unmet.unwrap_or_default()
            );
            text.replace("  ", " ").trim_end().to_owned()
        })
        .collect()
}
