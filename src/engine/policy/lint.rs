//! Rules that are allowed but probably not meant: unreachable, duplicate, contradictory, risky, over.

use super::Policy;
use super::enriching::EnrichRule;
use super::expiry::{Expiry, ListedRule};
use super::kinds::{InhibitRule, MaintenanceWindow, MuteRule};
use super::matching::Match;
use super::place::{Lint, LintKind, RuleName};
use super::rule::{Rule, Rules};
use crate::domain::matcher::{Matcher, MatcherText, Op};
use crate::domain::mute::MuteEffect;
use crate::domain::severity::Severity;
use crate::domain::time::{Span, Timestamp};
use crate::engine::schedule::Schedule;

/// How long before a rule expires that is told.
const EXPIRES_WITHIN: Span = Span::hours(14 * 24);

/// All lints as of a moment, in the order of files and lines.
pub fn lint(policy: &Policy, now: Timestamp) -> Vec<Lint> {
    let mut lints = Vec::new();
    let mut tell = |kind, name: &RuleName, what: String| {
        let file = policy.file_of(name).to_owned();
        lints.push(Lint { kind, file, at: name.at, rule: name.id.clone(), what });
    };
    section(&policy.dedup, &mut tell);
    section(&policy.enrich, &mut tell);
    section(&policy.adjust, &mut tell);
    section(&policy.mute, &mut tell);
    section(&policy.maintenance, &mut tell);
    section(&policy.group, &mut tell);
    section(&policy.promote, &mut tell);
    section(&policy.routes, &mut tell);
    section(&policy.runbooks, &mut tell);
    section(&policy.levels, &mut tell);
    section(&policy.majors, &mut tell);
    section(&policy.actions, &mut tell);
    twins(policy.mute.all(), |rule| &rule.id, two_mutes, &mut tell);
    twins(policy.maintenance.all(), |window| &window.id, two_windows, &mut tell);
    twins(policy.enrich.all(), |rule| &rule.id, two_enrichments, &mut tell);
    twins(&policy.inhibit, |rule| &rule.id, two_inhibitions, &mut tell);
    for (number, rule) in policy.inhibit.iter().enumerate() {
        inhibition(rule, &mut tell);
        let turned = |b: &&InhibitRule| b.source == rule.target && b.target == rule.source && b.equal == rule.equal;
        if let Some(other) = policy.inhibit[..number].iter().find(turned) {
            let what = format!("says the opposite of {}: each side mutes the other; keep one", other.id.id);
            tell(LintKind::Contradictory, &rule.id, what);
        }
    }
    for (name, schedule) in schedules(policy) {
        if schedule.is_over(now) {
            tell(LintKind::Over, name, "its time is over, it never holds again; remove it or give it another".into());
        }
    }
    for rule in &policy.correlate {
        for condition in &rule.conditions {
            impossible(&rule.id, &condition.matches, &mut tell);
        }
    }
    for rule in policy.rules() {
        expiry(rule, now, &mut tell);
    }
    lints.sort();
    lints
}

/// Tells of a rule that has expired, or will soon.
fn expiry(rule: ListedRule<'_>, now: Timestamp, tell: &mut Tell<'_>) {
    let Some(Expiry(at)) = rule.expires else { return };
    let whose = if rule.owner.is_empty() { String::new() } else { format!(" ({})", rule.owner) };
    if at <= now {
        let what = format!("expired at {at}, does not hold any more{whose}; remove it or set another `expires`");
        tell(LintKind::Expired, rule.name, what);
    } else if at.since(now) <= EXPIRES_WITHIN {
        let what = format!("expires at {at}{whose}; set another `expires` if it is still needed");
        tell(LintKind::Expires, rule.name, what);
    }
}

/// All schedules, with the rules that have them.
fn schedules(policy: &Policy) -> impl Iterator<Item = (&RuleName, &Schedule)> {
    let mute = policy.mute.all().iter().filter_map(|rule| Some((&rule.id, rule.during.as_ref()?)));
    let routes = policy.routes.all().iter().filter_map(|route| Some((&route.id, route.during.as_ref()?)));
    mute.chain(policy.maintenance.all().iter().map(|window| (&window.id, &window.schedule)))
        .chain(policy.key_periods.iter().map(|period| (&period.id, &period.schedule)))
        .chain(routes)
        .chain(policy.levels.all().iter().filter_map(|level| Some((&level.id, level.hours.as_ref()?))))
        .chain(policy.actions.all().iter().filter_map(|action| Some((&action.id, action.during.as_ref()?))))
}

/// How two rules of a section whose rules all apply stand to each other.
enum Twins {
    /// They apply in different cases, or do different things that go together.
    Apart,
    Same,
    /// The condition is the same, the effect is not.
    Opposed,
}

impl Twins {
    /// With one condition only the effects can differ.
    fn of(is_same_condition: bool, a: MuteEffect, b: MuteEffect) -> Self {
        match (is_same_condition, a == b) {
            (false, _) => Self::Apart,
            (true, true) => Self::Same,
            (true, false) => Self::Opposed,
        }
    }
}

fn twins<T>(rules: &[T], name: fn(&T) -> &RuleName, compare: fn(&T, &T) -> Twins, tell: &mut Tell<'_>) {
    for (number, rule) in rules.iter().enumerate() {
        for before in &rules[..number] {
            let other = &name(before).id;
            match compare(before, rule) {
                Twins::Apart => continue,
                Twins::Same => tell(LintKind::Duplicate, name(rule), format!("says the same as {other}; remove one")),
                Twins::Opposed => {
                    let what = format!("says otherwise than {other} under the same condition; keep one");
                    tell(LintKind::Contradictory, name(rule), what);
                }
            }
            break;
        }
    }
}

fn two_mutes(a: &MuteRule, b: &MuteRule) -> Twins {
    Twins::of(a.matches == b.matches && a.when == b.when && a.during == b.during, a.effect, b.effect)
}

fn two_windows(a: &MaintenanceWindow, b: &MaintenanceWindow) -> Twins {
    let is_same = a.matches == b.matches && a.when == b.when && a.subtree == b.subtree && a.schedule == b.schedule;
    Twins::of(is_same, a.effect, b.effect)
}

fn two_inhibitions(a: &InhibitRule, b: &InhibitRule) -> Twins {
    let is_same = a.source == b.source && a.target == b.target && a.equal == b.equal && a.recent == b.recent;
    Twins::of(is_same, a.effect, b.effect)
}

fn two_enrichments(a: &EnrichRule, b: &EnrichRule) -> Twins {
    let is_same = a.matches == b.matches
        && a.when == b.when
        && a.extract == b.extract
        && a.compose == b.compose
        && a.map == b.map
        && a.delete == b.delete
        && a.overwrite == b.overwrite;
    if is_same { Twins::Same } else { Twins::Apart }
}

type Tell<'a> = dyn FnMut(LintKind, &RuleName, String) + 'a;

fn section<T: Rule + PartialEq>(rules: &Rules<T>, tell: &mut Tell<'_>) {
    for (number, rule) in rules.all().iter().enumerate() {
        impossible(rule.name(), rule.matches(), tell);
        let before = &rules.all()[..number];
        let shadow = before
            .iter()
            .find(|b| T::FIRST_WINS && !b.goes_on() && b.when().is_none() && covers(b.matches(), rule.matches()));
        if let Some(shadow) = shadow {
            let what =
                format!("never applies: {} before it takes everything it matches; put it first", shadow.name().id);
            tell(LintKind::Unreachable, rule.name(), what);
        } else if let Some(twin) =
            before.iter().find(|b| !b.goes_on() && b.matches() == rule.matches() && b.when() == rule.when())
            && T::FIRST_WINS
        {
            let what = format!("has the same condition as {}; join them", twin.name().id);
            tell(LintKind::Duplicate, rule.name(), what);
        }
    }
}

/// Whether the first condition holds wherever the second does, as far as their texts tell.
fn covers(first: &Match, second: &Match) -> bool {
    let wide = &first.0.0;
    let narrow = &second.0.0;
    if wide.is_empty() {
        return true;
    }
    !narrow.is_empty() && narrow.iter().all(|group| wide.iter().any(|w| w.iter().all(|m| implied(m, group))))
}

/// Whether a group of tests includes what the matcher asks.
fn implied(matcher: &Matcher, group: &[Matcher]) -> bool {
    group.iter().any(|g| {
        let (want, have) = (matcher.text(), g.text());
        if want == have {
            return true;
        }
        if want.field != have.field || want.not || have.not {
            return false;
        }
        match (want.op, have.op) {
            (Op::In, Op::Is) => want.value.split('|').any(|value| value == have.value),
            (Op::In, Op::In) => have.value.split('|').all(|h| want.value.split('|').any(|w| w == h)),
            (Op::Ge, Op::Ge | Op::Gt | Op::Is) => at_least(&have.value, &want.value),
            _ => false,
        }
    })
}

fn number(text: &str) -> Option<f64> {
    Severity::parse(text).map(|s| f64::from(s.rank())).or_else(|| text.parse().ok())
}

fn at_least(have: &str, want: &str) -> bool {
    number(have).zip(number(want)).is_some_and(|(have, want)| have >= want)
}

/// Tells when every group of a condition contradicts itself.
fn impossible(name: &RuleName, Match(matchers): &Match, tell: &mut Tell<'_>) {
    if matchers.0.is_empty() || !matchers.0.iter().all(|group| contradiction(group).is_some()) {
        return;
    }
    if let Some((a, b)) = matchers.0.first().and_then(|group| contradiction(group)) {
        let what = format!(
            "never applies: {} cannot be {:?} and {:?} at once",
            a.field(),
            a.text().value.as_str(),
            b.text().value.as_str()
        );
        tell(LintKind::Contradictory, name, what);
    }
}

/// Two tests of a group that cannot both hold.
fn contradiction(group: &[Matcher]) -> Option<(&Matcher, &Matcher)> {
    let clash = |a: &Matcher, b: &Matcher| excludes(a.text(), b.text()) || excludes(b.text(), a.text());
    group.iter().enumerate().find_map(|(n, a)| group[n + 1..].iter().find(|b| clash(a, b)).map(|b| (a, b)))
}

/// Whether two tests of one field cannot both hold.
fn excludes(a: &MatcherText, b: &MatcherText) -> bool {
    if a.field != b.field || a.not {
        return false;
    }
    match (a.op, b.op) {
        (Op::Is, Op::Is) => (a.value != b.value) != b.not,
        (Op::Is, Op::In) => b.value.split('|').any(|value| value == a.value) == b.not,
        (Op::Is, Op::Ge) if !b.not => number(&a.value).zip(number(&b.value)).is_some_and(|(a, b)| a < b),
        (Op::Is, Op::Le) if !b.not => number(&a.value).zip(number(&b.value)).is_some_and(|(a, b)| a > b),
        (Op::Ge, Op::Le) if !b.not => number(&a.value).zip(number(&b.value)).is_some_and(|(a, b)| a > b),
        (Op::Ge | Op::Gt, Op::Lt) | (Op::Gt, Op::Le) if !b.not => {
            number(&a.value).zip(number(&b.value)).is_some_and(|(a, b)| a >= b)
        }
        _ => false,
    }
}

fn inhibition(rule: &InhibitRule, tell: &mut Tell<'_>) {
    impossible(&rule.id, &rule.source, tell);
    impossible(&rule.id, &rule.target, tell);
    let Match(source) = &rule.source;
    if source.0.is_empty() {
        tell(LintKind::Risky, &rule.id, "any alert inhibits its targets; say which ones under `source`".into());
    } else if rule.equal.is_empty() {
        let what = "one source alert inhibits its targets everywhere; name fields under `equal`";
        tell(LintKind::Risky, &rule.id, what.into());
    }
}
