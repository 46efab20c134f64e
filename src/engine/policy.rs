//! The rules, compiled: what an analyst may change without a program. Immutable; another set replaces it whole.
//!
//! Rules are text files (`rules/`, syntax in `rules/README.md`). The journal keeps the text; every replay compiles
//! it again, so compiling depends on nothing but the text.

pub mod actions;
pub mod asking;
pub mod closing;
pub mod enriching;
pub mod expiry;
pub mod expression;
pub mod index;
mod join;
pub mod kinds;
pub mod lasting;
pub mod levels;
pub mod lint;
pub mod matching;
pub mod patterns;
pub mod place;
pub mod priorities;
pub mod read;
pub mod rule;
pub mod runbooks;
pub mod settings;
mod sheet;
pub mod template;
mod variables;

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use actions::ActionRule;
use closing::MajorRule;
use enriching::EnrichRule;
use expiry::{Expiry, ListedRule, Written};
use index::Index;
use kinds::{
    AdjustRule, DedupRule, GroupRule, InhibitRule, KeyPeriod, MaintenanceWindow, MuteRule, Noise, PromoteRule, Repute,
    Route,
};
use lasting::Lasting;
use levels::ServiceLevel;
use patterns::PatternRule;
use place::{Lint, RuleError, RuleFile, RuleName};
use priorities::Priorities;
use rule::{Rule, RuleHits, Rules};
use runbooks::Runbook;
use settings::Settings;

use super::oncall::names::{OnCallRules, policy_of};
use super::schedule::Schedule;
use crate::domain::event::Event;
use crate::domain::ids::{ReceiverId, RuleId, SourceId};
use crate::domain::matcher::Fields;
use crate::domain::severity::Severity;
use crate::domain::time::{Span, Timestamp};

/// How far a source may keep alerts of others quiet when `trust` does not name it.
const TRUST_DEFAULT: u8 = 5;

/// The rules that are compiled in, for who has none of their own.
const DEFAULT_FILES: &[(&str, &str)] = &[
    ("00-defaults.yaml", include_str!("../../rules/00-defaults.yaml")),
    ("routes.yaml", include_str!("../../rules/routes.yaml")),
    ("tests/defaults.test.yaml", include_str!("../../rules/tests/defaults.test.yaml")),
];

/// A compiled set of rules.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    pub version: u64,
    pub settings: Settings,
    pub priorities: Priorities,
    pub dedup: Rules<DedupRule>,
    pub enrich: Rules<EnrichRule>,
    pub adjust: Rules<AdjustRule>,
    pub mute: Rules<MuteRule>,
    pub maintenance: Rules<MaintenanceWindow>,
    pub group: Rules<GroupRule>,
    pub promote: Rules<PromoteRule>,
    pub routes: Rules<Route>,
    /// Some route tells incidents apart by what changes with every alert.
    pub routes_by_extent: bool,
    pub runbooks: Rules<Runbook>,
    pub levels: Rules<ServiceLevel>,
    pub majors: Rules<MajorRule>,
    pub actions: Rules<ActionRule>,
    pub on_call: Arc<OnCallRules>,
    pub inhibit: Vec<InhibitRule>,
    /// Rule 2n is the source side of `inhibit[n]`, rule 2n + 1 its target side.
    pub inhibit_index: Index,
    pub correlate: Vec<PatternRule>,
    /// Rules and conditions in the order of `correlate_index`.
    pub correlate_steps: Vec<(usize, usize)>,
    pub correlate_index: Index,
    pub key_periods: Vec<KeyPeriod>,
    /// Longer fields of events that alerts keep.
    pub lasting: Lasting,
    /// Some rule drops events.
    pub drops: bool,
    trust: BTreeMap<SourceId, u8>,
    files: Vec<String>,
    /// The whole set, where rules expire.
    written: Option<Arc<Written>>,
    /// Rules that expired up to then are not in it.
    settled: Timestamp,
}

/// Which labels are identity, by rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity<'a> {
    pub rule: &'a RuleId,
    pub labels: &'a [Box<str>],
    pub window: Option<Span>,
}

impl Policy {
    /// Compiles a set of rules. The order of `files` does not matter; they are read by name.
    ///
    /// # Errors
    /// Every error of every file, in the order of files and lines.
    pub fn compile(version: u64, files: &[RuleFile]) -> Result<Self, Vec<RuleError>> {
        join::join(version, files)
    }

    /// The rules that are compiled in.
    pub fn default_rules() -> Arc<Self> {
        static DEFAULT: LazyLock<Arc<Policy>> = LazyLock::new(|| {
            Arc::new(Policy::compile(0, &Policy::default_files()).expect("the built-in rules are tested"))
        });
        DEFAULT.clone()
    }

    /// The text of the rules that are compiled in.
    pub fn default_files() -> Vec<RuleFile> {
        DEFAULT_FILES.iter().map(|(name, text)| RuleFile { name: (*name).into(), text: (*text).into() }).collect()
    }

    /// The rule that says how long an alert is held before it becomes an incident of its own. None: it waits for
    /// other evidence.
    pub fn promotion(&self, fields: &dyn Fields, repute: Repute, hits: &mut RuleHits) -> Option<&PromoteRule> {
        let mut rules = self.promote.candidates(fields);
        let meant = |rule: &PromoteRule| repute == Repute::Plain || rule.noise == Noise::Same;
        let rule = rules.find(|rule| meant(rule) && rule.applies(fields, hits))?;
        hits.hit(&rule.id.id);
        Some(rule)
    }

    /// Which labels are identity for this event; `None` when no rule says so.
    pub fn identity(&self, event: &Event, hits: &mut RuleHits) -> Option<Identity<'_>> {
        let rule = self.dedup.first(event, hits)?;
        Some(Identity { rule: &rule.id.id, labels: &rule.labels, window: rule.window })
    }

    /// The severity that a rule gives, and the rule.
    pub fn adjusted(
        &self,
        severity: Severity,
        fields: &dyn Fields,
        hits: &mut RuleHits,
    ) -> Option<(Severity, &RuleId)> {
        let rule = self.adjust.first(fields, hits)?;
        Some((rule.severity.of(severity), &rule.id.id))
    }

    /// The key period (重保) that holds at `at`.
    pub fn key_period(&self, at: Timestamp) -> Option<&RuleId> {
        self.key_periods.iter().find(|period| period.schedule.open_until(at).is_some()).map(|period| &period.id.id)
    }

    /// The storm threshold that an incident has crossed by growing from `before` to `after` alerts.
    pub fn storm_crossed(&self, before: u32, after: u32) -> Option<u32> {
        self.settings.storm.iter().copied().rfind(|count| before < *count && *count <= after)
    }

    /// How far a source may keep alerts of others quiet.
    pub fn trust(&self, source: &str) -> u8 {
        self.trust.iter().find(|(id, _)| id.as_str() == source).map_or(TRUST_DEFAULT, |(_, trust)| *trust)
    }

    /// The schedules of mute rules and maintenance windows.
    pub fn mute_schedules(&self) -> impl Iterator<Item = (&RuleId, &Schedule)> {
        let mute = self.mute.all().iter().filter_map(|rule| Some((&rule.id.id, rule.during.as_ref()?)));
        mute.chain(self.maintenance.all().iter().map(|window| (&window.id.id, &window.schedule)))
    }

    /// All receivers that routes and on-call name, each once, in order.
    pub fn receivers(&self) -> Vec<&ReceiverId> {
        let routes = self.routes.all().iter().flat_map(|route| &route.receivers);
        let called = self.levels.all().iter().flat_map(|level| &level.escalate);
        let called = called.chain(self.majors.all().iter().flat_map(|rule| &rule.receivers));
        let called = called.chain(self.actions.all().iter().flat_map(|action| &action.escalate));
        let executors = self.actions.all().iter().map(|action| &action.executor);
        let named = routes.chain(called).filter(|receiver| policy_of(receiver).is_none());
        let mut receivers: Vec<&ReceiverId> = named.chain(executors).chain(self.on_call.receivers()).collect();
        receivers.sort();
        receivers.dedup();
        receivers
    }

    /// All rules that hold, in the order of the stages.
    pub fn rules(&self) -> Vec<ListedRule<'_>> {
        fn of<T: Rule>(rules: &Rules<T>) -> impl Iterator<Item = ListedRule<'_>> {
            rules.all().iter().map(|rule| listed(T::SECTION, rule.name(), rule.owner(), rule.expires()))
        }
        of(&self.dedup)
            .chain(of(&self.enrich))
            .chain(of(&self.adjust))
            .chain(of(&self.mute))
            .chain(of(&self.maintenance))
            .chain(self.inhibit.iter().map(|rule| listed("inhibit", &rule.id, &rule.owner, rule.expires)))
            .chain(of(&self.group))
            .chain(self.correlate.iter().map(|rule| listed("correlate", &rule.id, &rule.owner, rule.expires)))
            .chain(of(&self.promote))
            .chain(self.key_periods.iter().map(|one| listed("key_periods", &one.id, &one.owner, one.expires)))
            .chain(of(&self.routes))
            .chain(of(&self.runbooks))
            .chain(of(&self.levels))
            .chain(of(&self.majors))
            .chain(of(&self.actions))
            .collect()
    }

    /// What is allowed but probably not meant, as of a moment, in the order of files and lines.
    pub fn lint(&self, now: Timestamp) -> Vec<Lint> {
        lint::lint(self, now)
    }

    /// The name of the file in which a rule stands.
    pub fn file_of(&self, name: &RuleName) -> &str {
        self.files.get(name.file).map_or("", String::as_str)
    }
}

const fn listed<'a>(
    section: &'static str,
    name: &'a RuleName,
    owner: &'a str,
    expires: Option<Expiry>,
) -> ListedRule<'a> {
    ListedRule { section, name, owner, expires }
}
