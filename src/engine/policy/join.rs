//! Several rule files to one policy: lists are joined, names looked up, what must be there is checked.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Policy;
use super::expiry::Written;
use super::index::Index;
use super::kinds::{PromoteRule, Route};
use super::lasting::Lasting;
use super::matching::Match;
use super::place::{LineColumn, RuleError, RuleFile, RuleName};
use super::read::{self, Sections};
use super::rule::{Rule, Rules};
use crate::domain::ids::RuleId;
use crate::domain::mute::MuteEffect;
use crate::domain::time::Timestamp;
use crate::engine::calendar::Calendar;
use crate::engine::fields;
use crate::engine::oncall::ladder::Until;
use crate::engine::oncall::names::{OnCallRules, Wrong, policy_of};
use crate::engine::schedule::Schedule;

/// The most files of one set, and rules of one set.
const FILES_MAX: usize = 200;
const RULES_MAX: usize = 10_000;
/// The most different windows of dedup rules: each remembers event ids of its own.
const WINDOWS_MAX: usize = 8;
/// The most trust.
const TRUST_MAX: u8 = 9;

/// Compiles a set of rules.
pub fn join(version: u64, files: &[RuleFile]) -> Result<Policy, Vec<RuleError>> {
    let mut files: Vec<&RuleFile> = files.iter().filter(|file| !file.is_test()).collect();
    files.sort_by(|a, b| a.name.cmp(&b.name));
    let mut joining = Joining { files: files.iter().map(|f| f.name.clone()).collect(), ..Joining::default() };
    if let Some(first) = files.get(FILES_MAX) {
        let (file, at) = (first.name.clone(), LineColumn::default());
        let what = format!("more than {FILES_MAX} rule files");
        return Err(vec![RuleError { file, at, what, remedy: "join some".into() }]);
    }
    for (number, file) in files.iter().enumerate() {
        let sections = read::read(file, &mut joining.errors);
        joining.add(number, sections);
    }
    joining.resolve_schedules();
    joining.check_routes();
    joining.check_windows();
    joining.check_on_call();
    if joining.seen.len() > RULES_MAX {
        joining.error(0, LineColumn::default(), format!("more than {RULES_MAX} rules"), "remove some");
    }
    if joining.errors.is_empty() {
        return Ok(joining.into_policy(version));
    }
    joining.errors.sort();
    joining.errors.dedup();
    Err(joining.errors)
}

#[derive(Default)]
struct Joining {
    files: Vec<String>,
    errors: Vec<RuleError>,
    seen: BTreeMap<RuleId, RuleName>,
    calendars: BTreeMap<Box<str>, Arc<Calendar>>,
    all: Sections,
    on_call: OnCallRules,
}

impl Joining {
    fn error(&mut self, file: usize, at: LineColumn, what: String, remedy: &str) {
        let file = self.files.get(file).cloned().unwrap_or_default();
        self.errors.push(RuleError { file, at, what, remedy: remedy.into() });
    }

    fn add(&mut self, file: usize, mut sections: Sections) {
        let start = LineColumn { line: 1, column: 1 };
        if sections.settings.is_some() && self.all.settings.is_some() {
            self.error(file, start, "`settings` stands in an earlier file, too".into(), "keep one of them");
        }
        if sections.priority.is_some() && self.all.priority.is_some() {
            self.error(file, start, "`priority` stands in an earlier file, too".into(), "keep one of them");
        }
        if let Some(settings) = sections.settings.as_ref().filter(|set| set.retention < set.reopen_gap) {
            let (kept, gap) = (settings.retention.as_secs(), settings.reopen_gap.as_secs());
            let what =
                format!("retention {kept}s is shorter than reopen_gap {gap}s: nothing could be reopened so late");
            self.error(file, start, what, "make retention at least as long");
        }
        self.all.settings = sections.settings.take().or(self.all.settings.take());
        self.all.priority = sections.priority.take().or(self.all.priority.take());
        for (name, calendar) in std::mem::take(&mut sections.calendars) {
            if self.calendars.insert(name.clone(), Arc::new(calendar)).is_some() {
                self.error(file, start, format!("calendar {name:?} stands in an earlier file, too"), "rename one");
            }
        }
        for (source, trust) in std::mem::take(&mut sections.trust) {
            if trust > TRUST_MAX {
                self.error(file, start, format!("trust of {source} is {trust}"), "write 0 to 9");
            }
            self.all.trust.insert(source, trust);
        }
        self.named(file, &mut sections.dedup, Rule::name_mut);
        self.all.dedup.append(&mut sections.dedup);
        self.named(file, &mut sections.enrich, Rule::name_mut);
        self.all.enrich.append(&mut sections.enrich);
        self.named(file, &mut sections.adjust, Rule::name_mut);
        self.all.adjust.append(&mut sections.adjust);
        self.named(file, &mut sections.mute, Rule::name_mut);
        self.all.mute.append(&mut sections.mute);
        self.named(file, &mut sections.maintenance, Rule::name_mut);
        self.all.maintenance.append(&mut sections.maintenance);
        self.named(file, &mut sections.inhibit, |rule| &mut rule.id);
        self.all.inhibit.append(&mut sections.inhibit);
        self.named(file, &mut sections.group, Rule::name_mut);
        self.all.group.append(&mut sections.group);
        self.named(file, &mut sections.correlate, |rule| &mut rule.id);
        self.all.correlate.append(&mut sections.correlate);
        self.named(file, &mut sections.promote, Rule::name_mut);
        self.all.promote.append(&mut sections.promote);
        self.named(file, &mut sections.key_periods, |period| &mut period.id);
        self.all.key_periods.append(&mut sections.key_periods);
        self.all.routes_cut |= sections.routes_cut;
        self.named(file, &mut sections.routes, Rule::name_mut);
        self.all.routes.append(&mut sections.routes);
        self.named(file, &mut sections.runbooks, Rule::name_mut);
        self.all.runbooks.append(&mut sections.runbooks);
        self.named(file, &mut sections.service_levels, Rule::name_mut);
        self.all.service_levels.append(&mut sections.service_levels);
        self.named(file, &mut sections.major_incidents, Rule::name_mut);
        self.all.major_incidents.append(&mut sections.major_incidents);
        self.named(file, &mut sections.actions, Rule::name_mut);
        self.all.actions.append(&mut sections.actions);
        self.add_on_call(file, sections);
    }

    /// People, teams, plans, rosters and policies: each kind has names of its own.
    fn add_on_call(&mut self, file: usize, mut sections: Sections) {
        sections.people.iter_mut().for_each(|one| one.id.file = file);
        sections.teams.iter_mut().for_each(|one| one.id.file = file);
        sections.contact_plans.iter_mut().for_each(|one| one.id.file = file);
        sections.rosters.iter_mut().for_each(|one| one.id.file = file);
        sections.escalations.iter_mut().for_each(|one| one.id.file = file);
        let rules = &mut self.on_call;
        rules.people.append(&mut sections.people);
        rules.teams.append(&mut sections.teams);
        rules.plans.append(&mut sections.contact_plans);
        rules.rosters.append(&mut sections.rosters);
        rules.escalations.append(&mut sections.escalations);
    }

    fn check_on_call(&mut self) {
        let mut wrong = self.on_call.resolve(&self.calendars);
        let routes = self.all.routes.iter();
        let routes = routes.map(|route| (&route.id, &route.receivers));
        let levels = self.all.service_levels.iter().map(|level| (&level.id, &level.escalate));
        let actions = self.all.actions.iter().map(|action| (&action.id, &action.escalate));
        let majors = self.all.major_incidents.iter().map(|rule| (&rule.id, &rule.receivers));
        let lists = routes.chain(levels).chain(majors).chain(actions);
        let named = lists.flat_map(|(name, list)| list.iter().filter_map(move |r| Some((name, policy_of(r)?))));
        wrong.extend(self.on_call.check(named));
        wrong.extend(self.check_care());
        for Wrong { name, what, remedy } in wrong {
            self.error(name.file, name.at, what, remedy);
        }
    }

    /// Service levels without a limit, or whose policies would stop before they tell anybody; executors that are none.
    fn check_care(&self) -> Vec<Wrong> {
        let mut wrong = Vec::new();
        for level in &self.all.service_levels {
            if level.limits().next().is_none() {
                let (name, what) = (level.id.clone(), format!("service level {} has no limit", level.id.id));
                wrong.push(Wrong { name, what, remedy: "write acknowledge: 15m, resolve: 4h, or both" });
            }
            let stops = |policy: &str| self.on_call.escalation(policy).is_some_and(|rule| rule.until == Until::Ack);
            if level.resolve.is_some()
                && let Some(policy) = level.escalate.iter().filter_map(policy_of).find(|policy| stops(policy))
            {
                let what = format!(
                    "service level {}: policy {policy} tells nobody of an incident that somebody has acknowledged",
                    level.id.id
                );
                wrong.push(Wrong { name: level.id.clone(), what, remedy: "write `until: close` in that policy" });
            }
        }
        for rule in self.all.major_incidents.iter().filter(|rule| rule.by_hand) {
            // Whoever declares one mostly has acknowledged it before.
            let stops = |policy: &&str| self.on_call.escalation(policy).is_some_and(|rule| rule.until == Until::Ack);
            if let Some(policy) = rule.receivers.iter().filter_map(policy_of).find(stops) {
                let what = format!(
                    "major incidents {}: policy {policy} tells nobody of an incident that somebody has acknowledged",
                    rule.id.id
                );
                wrong.push(Wrong { name: rule.id.clone(), what, remedy: "write `until: close` in that policy" });
            }
        }
        for action in self.all.actions.iter().filter(|action| policy_of(&action.executor).is_some()) {
            let what = format!("action {}: {} is no executor", action.id.id, action.executor);
            let remedy = "name a receiver of the configuration, of the kind webhook or nats";
            wrong.push(Wrong { name: action.id.clone(), what, remedy });
        }
        wrong
    }

    /// Notes in which file the rules stand, and that no two have one id.
    fn named<T>(&mut self, file: usize, rules: &mut [T], name: fn(&mut T) -> &mut RuleName) {
        for rule in rules {
            let name = name(rule);
            name.file = file;
            if let Some(first) = self.seen.insert(name.id.clone(), name.clone()) {
                let earlier = format!("{}:{}", self.files[first.file], first.at.line);
                let (at, what) = (name.at, format!("rule id {} is taken by {earlier}", name.id));
                self.error(file, at, what, "rename one of them: ids are unique in the whole set");
            }
        }
    }

    fn resolve_schedules(&mut self) {
        let all = &mut self.all;
        let schedules: Vec<(&RuleName, &mut Schedule)> = (all.mute.iter_mut())
            .filter_map(|rule| Some((&rule.id, rule.during.as_mut()?)))
            .chain(all.maintenance.iter_mut().map(|window| (&window.id, &mut window.schedule)))
            .chain(all.key_periods.iter_mut().map(|period| (&period.id, &mut period.schedule)))
            .chain(all.routes.iter_mut().filter_map(|route| Some((&route.id, route.during.as_mut()?))))
            .chain(all.service_levels.iter_mut().filter_map(|level| Some((&level.id, level.hours.as_mut()?))))
            .chain(all.actions.iter_mut().filter_map(|action| Some((&action.id, action.during.as_mut()?))))
            .collect();
        let mut unknown = Vec::new();
        for (name, schedule) in schedules {
            if let Err(calendar) = schedule.resolve(&self.calendars) {
                unknown.push((name.file, name.at, format!("rule {}: there is no calendar {calendar:?}", name.id)));
            }
        }
        for (file, at, what) in unknown {
            self.error(file, at, what, "define it under `calendars`");
        }
    }

    fn check_routes(&mut self) {
        let silent: Vec<RuleName> = (self.all.routes.iter())
            .filter(|route| route.receivers.is_empty() && !route.observe_only)
            .map(|route| route.id.clone())
            .collect();
        for name in silent {
            let what = format!("route {} has no receiver", name.id);
            self.error(name.file, name.at, what, "name one, or write observe_only: true");
        }
        // A fallback that could not be read is told as that error only.
        if self.all.routes_cut || self.all.routes.iter().any(Route::takes_everything) {
            return;
        }
        let last = self.all.routes.last().map(|route| (route.id.file, route.id.at));
        let (file, at) = last.unwrap_or_default();
        let remedy =
            "add a last route without `match` and `expires`, for example { id: fallback, receivers: [default] }";
        self.error(file, at, "no fallback route: some incidents would reach nobody".into(), remedy);
    }

    fn check_windows(&mut self) {
        let mut windows = BTreeSet::new();
        let excess = self.all.dedup.iter().find(|rule| {
            windows.extend(rule.window);
            windows.len() > WINDOWS_MAX
        });
        if let Some((file, at)) = excess.map(|rule| (rule.id.file, rule.id.at)) {
            let what = format!("dedup rules may have at most {WINDOWS_MAX} different windows");
            self.error(file, at, what, "give several rules the same window");
        }
    }

    fn into_policy(self, version: u64) -> Policy {
        let written = Written::of(&self.all);
        let on_call = Arc::new(self.on_call);
        Policy { written, on_call, ..assemble(version, self.all, self.files) }
    }
}

/// Makes a policy of what was read and checked.
pub(super) fn assemble(version: u64, mut all: Sections, files: Vec<String>) -> Policy {
    if all.promote.is_empty() {
        all.promote = built_in_promotion();
    }
    let sides: Vec<&Match> = all.inhibit.iter().flat_map(|rule| [&rule.source, &rule.target]).collect();
    let inhibit_index = Index::of(sides.into_iter().map(|m| &m.0));
    let correlate_steps: Vec<(usize, usize)> = (all.correlate.iter().enumerate())
        .flat_map(|(rule, r)| (0..r.conditions.len()).map(move |condition| (rule, condition)))
        .collect();
    let correlate_index =
        Index::of(correlate_steps.iter().map(|(rule, n)| &all.correlate[*rule].conditions[*n].matches.0));
    let lasting = Lasting::of(&all);
    let effects = all.mute.iter().map(|rule| rule.effect).chain(all.maintenance.iter().map(|window| window.effect));
    let drops = effects.into_iter().any(|effect| effect == MuteEffect::Drop);
    Policy {
        version,
        lasting,
        drops,
        settings: all.settings.unwrap_or_default(),
        priorities: all.priority.unwrap_or_default(),
        dedup: Rules::of(all.dedup),
        enrich: Rules::of(all.enrich),
        adjust: Rules::of(all.adjust),
        mute: Rules::of(all.mute),
        maintenance: Rules::of(all.maintenance),
        group: Rules::of(all.group),
        promote: Rules::of(all.promote),
        routes_by_extent: asks_for_extent(&all.routes),
        routes: Rules::of(all.routes),
        runbooks: Rules::of(all.runbooks),
        levels: Rules::of(all.service_levels),
        majors: Rules::of(all.major_incidents),
        actions: Rules::of(all.actions),
        on_call: Arc::default(),
        inhibit: all.inhibit,
        inhibit_index,
        correlate: all.correlate,
        correlate_steps,
        correlate_index,
        key_periods: all.key_periods,
        trust: all.trust,
        files,
        written: None,
        settled: Timestamp(i64::MIN),
    }
}

/// Whether a route tells incidents apart by what changes with every alert.
fn asks_for_extent(routes: &[Route]) -> bool {
    routes.iter().any(|route| {
        let Match(matchers) = &route.matches;
        let tests = matchers.0.iter().flatten().any(|matcher| fields::EXTENT_NAMES.contains(&matcher.field()));
        let word = |name: &&&str| route.when.as_ref().is_some_and(|when| when.text().contains(**name));
        tests || fields::EXTENT_NAMES.iter().any(|name| word(&name))
    })
}

/// When alerts are promoted by a set that says nothing about it.
fn built_in_promotion() -> Vec<PromoteRule> {
    let mut sections: Vec<Sections> =
        Policy::default_files().iter().map(|file| read::read(file, &mut Vec::new())).collect();
    for rule in sections.iter_mut().flat_map(|s| &mut s.promote) {
        // It stands in no file of the set.
        rule.id.file = usize::MAX;
    }
    sections.into_iter().flat_map(|s| s.promote).collect()
}

impl Route {
    /// Whether it takes every incident at any time and tells somebody.
    pub fn takes_everything(&self) -> bool {
        let Match(matchers) = &self.matches;
        let all = matchers.0.is_empty() || matchers.0.iter().any(Vec::is_empty);
        let always = self.during.is_none() && self.expires.is_none();
        all && always && self.when.is_none() && !self.receivers.is_empty() && !self.observe_only
    }
}
