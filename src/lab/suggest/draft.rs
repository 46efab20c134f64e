//! Suggestions as rules: drafts in the rules' own YAML, and what each of them would have changed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::{Result, anyhow};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::super::backtest::{AFTERMATH, one_event, primed};
use super::heed::{self, Heed};
use super::history::{History, Kind};
use super::noise;
use super::pairs::Pair;
use crate::domain::event::Event;
use crate::domain::ids::{AlertId, IncidentId, RuleId, TenantId};
use crate::domain::incident::IncidentState;
use crate::domain::severity::Severity;
use crate::domain::time::{Span, Timestamp};
use crate::domain::topology::Topology;
use crate::engine::Loaded;
use crate::engine::effect::Effect;
use crate::engine::input::{Digest, Input};
use crate::engine::policy::Policy;
use crate::engine::policy::place::RuleFile;
use crate::engine::tuning::Tuning;

/// Drafts made: the surest of each reason, in turn, so that no reason leaves the others without room.
const DRAFTS_MAX: usize = 20;
/// How long a draft that keeps something quiet is in force: then somebody looks again.
const QUIET_FOR: Span = Span::hours(90 * 24);
/// A pair is joined by a rule when this share of it is at one place; otherwise the topology does that already.
const SAME_PLACE_LEAST: f64 = 0.5;
/// … and this share of the effect's episodes comes of the cause.
const JOINED_SHARE_LEAST: f64 = 0.2;
/// An effect that nearly always comes of its cause, at its place, need not be told beside it.
const ALWAYS_SHARE: f64 = 0.9;
/// Times a type fires again per episode from which on it is flapping, and the least number of episodes.
const AGAIN_LEAST: f64 = 8.0;
const EPISODES_LEAST: u64 = 10;
/// In front of the name of a draft's file, so that it sorts before those of other files: the first rule that applies counts.
const FILE_FIRST: &str = "00-0-";
/// Digits of its digest in a draft's id.
const DIGITS: usize = 12;

/// What a rule is suggested for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// One type causes the other, at one place.
    Causes,
    /// It nearly always comes with its cause.
    AlwaysWith,
    /// It keeps coming and going.
    Flapping,
    /// Nothing else ever happens around it.
    Noise,
    /// Its incidents were never acknowledged by anybody.
    Unheeded,
}

impl Reason {
    /// Its word, as it is stored and told.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Causes => "causes",
            Self::AlwaysWith => "always_with",
            Self::Flapping => "flapping",
            Self::Noise => "noise",
            Self::Unheeded => "unheeded",
        }
    }
}

/// A rule without the words around it.
struct Rule<'a> {
    reason: Reason,
    /// The alert types that it is about.
    of: &'a [&'a Kind],
    because: (String, String),
}

impl Rule<'_> {
    /// The draft, its text made with its id and its note.
    fn draft(self, yaml: impl FnOnce(&str, &str) -> String) -> Draft {
        let mut sha = Sha256::new();
        let types = self.of.iter().flat_map(|kind| [&*kind.source, &*kind.name]);
        for part in [self.reason.word()].into_iter().chain(types) {
            sha.update((part.len() as u64).to_be_bytes());
            sha.update(part);
        }
        let id = format!("suggested-{}", &hex::encode(sha.finalize())[..DIGITS]);
        let (because_zh, because_en) = self.because;
        let file = format!("{FILE_FIRST}{id}.yaml");
        // JSON's strings are YAML's.
        let note = serde_json::Value::from(format!("{because_en} / {because_zh}")).to_string();
        Draft { yaml: yaml(&id, &note), file, reason: self.reason, because_zh, because_en, trial: None, id }
    }
}

impl Draft {
    /// Whether the rules name it already: it is in force, or somebody keeps it there as a remark.
    pub fn is_in(&self, rules: &[RuleFile]) -> bool {
        rules.iter().any(|file| file.text.contains(&self.id))
    }
}

/// A rule that somebody may want, as text to copy into a set of rules.
#[derive(Clone, Debug, Serialize)]
pub struct Draft {
    /// Says what it is about: the same reason and alert types have the same id at any time.
    pub id: String,
    /// The file of the rules that is its own.
    pub file: String,
    pub reason: Reason,
    pub because_zh: String,
    pub because_en: String,
    pub yaml: String,
    /// What the recorded stream would have become with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trial: Option<Trial>,
}

/// The recorded stream without and with the draft.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Trial {
    pub hits: u64,
    pub incidents: [u64; 2],
    pub notices: [u64; 2],
    /// Alerts in no incident, and those that are muted.
    pub held: [u64; 2],
    pub muted: [u64; 2],
}

impl Trial {
    /// It would have applied, and told people no more than before.
    pub const fn helps(self) -> bool {
        self.hits > 0 && self.incidents[1] <= self.incidents[0] && self.notices[1] <= self.notices[0]
    }
}

/// The drafts that the history, and what people heeded, give reason for and that the rules do not have yet; without trials.
pub fn drafts(history: &History, pairs: &[Pair], heeded: &BTreeMap<Kind, Heed>, rules: &[RuleFile]) -> Vec<Draft> {
    let last = history.episodes.last().map_or(Timestamp(0), |episode| episode.at);
    let until = &last.plus(QUIET_FOR).to_string()[..10];
    let together = pairs.iter().filter(|p| p.same_place >= SAME_PLACE_LEAST && p.share >= JOINED_SHARE_LEAST);
    let mut drafts: Vec<Draft> = Vec::new();
    let mut muted: BTreeSet<usize> = BTreeSet::new();
    for pair in together {
        let (cause, effect) = (&history.kinds[pair.cause], &history.kinds[pair.effect]);
        drafts.push(joined(pair, cause, effect));
        if pair.share >= ALWAYS_SHARE && muted.insert(pair.effect) {
            drafts.push(inhibited(pair, cause, effect, until));
        }
    }
    for (kind, seen) in history.kinds.iter().zip(&history.seen) {
        let again = seen.again as f64 / seen.episodes.max(1) as f64;
        if seen.episodes >= EPISODES_LEAST && again >= AGAIN_LEAST {
            drafts.push(quieted(kind, again, until));
        }
    }
    for (kind, share) in noise::lone(history) {
        drafts.push(held_back(&history.kinds[kind], share, history.seen[kind].episodes));
    }
    let graver =
        |kind: &Kind| history.kinds.iter().zip(&history.seen).any(|(k, s)| k == kind && s.worst >= Severity::Critical);
    for (kind, heed) in heed::unheeded(heeded).into_iter().filter(|(kind, _)| !graver(kind)) {
        drafts.push(unheeded(kind, heed, until));
    }
    drafts.retain(|draft| !draft.is_in(rules));
    in_turn(drafts)
}

/// The first of each reason, then the second of each, as many as there is room for; told in the order they came in.
fn in_turn(drafts: Vec<Draft>) -> Vec<Draft> {
    let mut of_reason: BTreeMap<&str, usize> = BTreeMap::new();
    let mut ranked: Vec<(usize, usize, Draft)> = Vec::with_capacity(drafts.len());
    for (place, draft) in drafts.into_iter().enumerate() {
        let rank = of_reason.entry(draft.reason.word()).or_default();
        ranked.push((*rank, place, draft));
        *rank += 1;
    }
    ranked.sort_by_key(|(rank, place, _)| (*rank, *place));
    ranked.truncate(DRAFTS_MAX);
    ranked.sort_by_key(|(_, place, _)| *place);
    ranked.into_iter().map(|(.., draft)| draft).collect()
}

/// A condition on an alert type. JSON's strings are YAML's, and `=` keeps a name from being read as another test.
fn of(kind: &Kind) -> String {
    let test = |text: &str| serde_json::Value::from(format!("= {text}")).to_string();
    format!("{{ source: {}, name: {} }}", test(&kind.source), test(&kind.name))
}

/// Twice the mean lead, a whole number of half minutes.
fn within(pair: &Pair) -> u64 {
    30 * (2.0 * pair.lead_secs / 30.0).ceil().max(1.0) as u64
}

fn percent(share: f64) -> f64 {
    (share * 1000.0).round() / 10.0
}

fn proof(pair: &Pair, cause: &Kind, effect: &Kind) -> (String, String) {
    let (share, back) = (percent(pair.share), percent(pair.share_back));
    let (cause, effect) = (&cause.name, &effect.name);
    let (lead, lift, episodes) = (pair.lead_secs.round(), pair.lift.round(), pair.episodes.round());
    (
        format!(
            "“{effect}”有 {share}%({episodes} 次)由“{cause}”引起,平均 {lead} 秒后出现,为偶然的 {lift} 倍;反向仅 {back}%"
        ),
        format!(
            "{share} % of {effect:?} ({episodes} times) come of {cause:?}, {lead} s later on average, {lift} times as often \
             as by chance; {back} % the other way round"
        ),
    )
}

fn joined(pair: &Pair, cause: &Kind, effect: &Kind) -> Draft {
    let rule = Rule { reason: Reason::Causes, of: &[cause, effect], because: proof(pair, cause, effect) };
    rule.draft(|id, note| {
        format!(
            "correlate:\n  - id: {id}\n    note: {note}\n    type: pair\n    by: [object]\n    of: [{{ as: cause, match: {} }}, {{ match: {} }}]\n    \
             within: {}s\n    effect: {{ join: {{ root: cause }} }}\n",
            of(cause),
            of(effect),
            within(pair)
        )
    })
}

fn inhibited(pair: &Pair, cause: &Kind, effect: &Kind, until: &str) -> Draft {
    let rule = Rule { reason: Reason::AlwaysWith, of: &[cause, effect], because: proof(pair, cause, effect) };
    rule.draft(|id, note| {
        format!(
            "inhibit:\n  - id: {id}\n    note: {note}\n    expires: {until}\n    source: {}\n    target: {}\n    equal: [object]\n    recent: {}s\n",
            of(cause),
            of(effect),
            within(pair)
        )
    })
}

fn quieted(kind: &Kind, again: f64, until: &str) -> Draft {
    let (name, again) = (&kind.name, again.round());
    let because = (
        format!("“{name}”每次出现后平均反复 {again} 次"),
        format!("{name:?} comes back {again} times per episode on average"),
    );
    let rule = Rule { reason: Reason::Flapping, of: &[kind], because };
    rule.draft(|id, note| quiet(kind, (id, note), until))
}

fn held_back(kind: &Kind, share: f64, episodes: u64) -> Draft {
    let (name, share) = (&kind.name, percent(share));
    let because = (
        format!("“{name}”的 {episodes} 次中有 {share}% 前后五分钟内周边没有其他告警"),
        format!("around {share} % of the {episodes} times of {name:?} nothing else happened within five minutes"),
    );
    let rule = Rule { reason: Reason::Noise, of: &[kind], because };
    rule.draft(|id, note| {
        format!("promote:\n  - id: {id}\n    note: {note}\n    match: {}\n    after: never\n", of(kind))
    })
}

fn unheeded(kind: &Kind, heed: Heed, until: &str) -> Draft {
    let (name, incidents) = (&kind.name, heed.incidents);
    let because = (
        format!("“{name}”参与的 {incidents} 个故障无一人认领"),
        format!("of {incidents} incidents that {name:?} was part of, nobody acknowledged one"),
    );
    let rule = Rule { reason: Reason::Unheeded, of: &[kind], because };
    rule.draft(|id, note| quiet(kind, (id, note), until))
}

/// A rule by which a type is seen as ever and tells nobody, for a while.
fn quiet(kind: &Kind, (id, note): (&str, &str), until: &str) -> String {
    let what = of(kind);
    format!("mute:\n  - id: {id}\n    note: {note}\n    expires: {until}\n    match: {what}\n    effect: notice\n")
}

/// What drafts are tried on.
pub struct Ground<'a> {
    pub events: &'a [Event],
    pub topology: Arc<Topology>,
    pub tuning: Arc<Tuning>,
    pub rules: Vec<RuleFile>,
}

/// What a run came to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Told {
    hits: u64,
    incidents: u64,
    notices: u64,
    held: u64,
    muted: u64,
}

impl Ground<'_> {
    /// The stream as the rules are.
    ///
    /// # Errors
    /// When the rules are refused.
    pub fn as_it_is(&self) -> Result<Told> {
        self.run(&self.rules, None)
    }

    /// The stream with a draft, beside what it came to without.
    ///
    /// # Errors
    /// When the rules are refused: a draft that is no rule is a mistake of this program.
    pub fn trial(&self, draft: &Draft, before: Told) -> Result<Trial> {
        let mut rules = self.rules.clone();
        rules.push(RuleFile { name: draft.file.clone(), text: draft.yaml.clone() });
        let after = self.run(&rules, Some(&draft.id))?;
        Ok(Trial {
            hits: after.hits,
            incidents: [before.incidents, after.incidents],
            notices: [before.notices, after.notices],
            held: [before.held, after.held],
            muted: [before.muted, after.muted],
        })
    }

    fn run(&self, rules: &[RuleFile], draft: Option<&str>) -> Result<Told> {
        let policy = Policy::compile(1, rules).map_err(|errors| {
            let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
            anyhow!(lines.join("\n"))
        })?;
        let tenant = TenantId::from("default");
        let mut engine = primed(self.topology.clone(), self.tuning.clone(), &tenant);
        let (digest, author) = (Digest("".into()), "".into());
        let input = Input::Policy { tenant: tenant.clone(), version: 1, digest, author, reason: "".into() };
        engine.step(Timestamp(0), &input, Loaded::Policy(Arc::new(policy)));
        let mut count = Count::default();
        for event in self.events {
            let mut event = event.clone();
            event.tenant = tenant.clone();
            count.fold(&one_event(&mut engine, &tenant, event).1);
        }
        let end = engine.now().plus(AFTERMATH);
        count.fold(&engine.step(end, &Input::Tick, Loaded::Nothing));
        let hits = draft.and_then(|id| engine.rule_hits(&tenant)?.hits.get(&RuleId::from(id)).copied());
        Ok(count.told(hits.unwrap_or(0)))
    }
}

/// Effects, counted.
#[derive(Default)]
struct Count {
    incidents: BTreeSet<IncidentId>,
    alerts: BTreeMap<AlertId, (bool, bool)>,
    notices: u64,
}

impl Count {
    fn fold(&mut self, effects: &[Effect]) {
        for effect in effects {
            match effect {
                Effect::Alert { alert } => {
                    self.alerts.insert(alert.id, (alert.incident.is_some(), !alert.muted_by.is_empty()));
                }
                Effect::Incident { incident, .. } if incident.state == IncidentState::Merged => {
                    self.incidents.remove(&incident.id);
                }
                Effect::Incident { incident, .. } => {
                    self.incidents.insert(incident.id);
                }
                Effect::Notify { .. } => self.notices += 1,
                Effect::Verdict { .. }
                | Effect::Timeline { .. }
                | Effect::Silence { .. }
                | Effect::CommandDone { .. } => {}
            }
        }
    }

    fn told(&self, hits: u64) -> Told {
        let number =
            |which: fn(&(bool, bool)) -> bool| self.alerts.values().filter(|alert| which(alert)).count() as u64;
        Told {
            hits,
            incidents: self.incidents.len() as u64,
            notices: self.notices,
            held: number(|(joined, muted)| !joined && !muted),
            muted: number(|(_, muted)| *muted),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_reason_leaves_the_others_without_room() {
        let kind = |n: usize| Kind { source: "s".into(), name: format!("n{n}").into() };
        let draft =
            |n: usize, reason| Rule { reason, of: &[&kind(n)], because: Default::default() }.draft(|_, _| "".into());
        let many = (0..3 * DRAFTS_MAX).map(|n| draft(n, Reason::Causes));
        let all: Vec<Draft> = many.chain([draft(0, Reason::Flapping), draft(0, Reason::Noise)]).collect();
        let kept = in_turn(all);
        let of = |reason| kept.iter().filter(|draft| draft.reason == reason).count();
        let counts = [Reason::Causes, Reason::Flapping, Reason::Noise].map(of);
        assert_eq!(counts, [DRAFTS_MAX - 2, 1, 1]);
        let ids: BTreeSet<&str> = kept.iter().map(|draft| &*draft.id).collect();
        assert_eq!(ids.len(), DRAFTS_MAX, "one reason and type, one id");
    }

    #[test]
    fn what_nobody_ever_acknowledges_is_to_be_quiet_for_a_while() {
        let kind = |name: &str| Kind { source: "s".into(), name: name.into() };
        let heed = |incidents, acknowledged| Heed { incidents, acknowledged };
        let heeded =
            BTreeMap::from([(kind("fan"), heed(12, 0)), (kind("disk"), heed(12, 1)), (kind("rare"), heed(2, 0))]);
        let found = drafts(&History::default(), &[], &heeded, &[]);
        let [draft] = &found[..] else { panic!("{found:?}") };
        assert_eq!(draft.reason, Reason::Unheeded);
        for part in ["= fan", "note: ", "expires: 1970-04-01", "effect: notice"] {
            assert!(draft.yaml.contains(part), "{part}: {}", draft.yaml);
        }
        let mut rules = Policy::default_files();
        rules.push(RuleFile { name: draft.file.clone(), text: draft.yaml.clone() });
        assert!(Policy::compile(1, &rules).is_ok(), "{}", draft.yaml);
        assert!(drafts(&History::default(), &[], &heeded, &rules).is_empty(), "it is in force already");
    }
}
