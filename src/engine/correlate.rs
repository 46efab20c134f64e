//! Correlate: each alert picks the ONE best explanation among recent alerts upstream, or stands alone.
//!
//! Parent links form a forest; a tree is (or may become) an incident. Links are looked at again as evidence
//! comes, so a late cause takes its effects over and two faults stay two. Nothing is merged transitively.

use super::alert::{Alert, Bond, Inferred};
use super::cell::Cell;
use super::fixed::{Milli, ln, ln_ratio};
use super::learn::TypeStats;
use super::logit::Weighed;
use super::silent::Suspicion;
use super::slab::Place;
use super::upstream::Up;
use crate::domain::incident::{Evidence, EvidenceTerm};
use crate::domain::severity::Severity;
use crate::domain::time::{Span, Timestamp};

/// Links followed before a tree counts as endless.
const DEPTH_MAX: usize = 200;
/// Dependents looked at when learning what an alert type causes.
const DEPENDENTS_MAX: usize = 64;
/// CIs upstream looked at when learning whether an alert type is a symptom.
const LEARN_UPSTREAM_MAX: usize = 40;

/// What it costs that an anomaly of one aspect explains one of another.
const UNLIKE_ANOMALY: Milli = -8000;

/// A possible parent.
#[derive(Clone, Copy, Debug)]
pub struct Link {
    pub parent: Place,
    pub score: Milli,
}

/// The terms of a link: what `why` shows.
#[derive(Clone, Copy, Debug, Default)]
pub struct Terms {
    pub path: Milli,
    pub hops: u8,
    pub delay_fit: Milli,
    pub delay: Span,
    pub cause: Milli,
    pub symptom: Milli,
    /// How well the cause's anomaly score fits that of its effect.
    pub anomaly: Milli,
    /// CIs one of which is the cause's next effect, where the CMDB lacks that relation (1: which one is presumed); else 0.
    pub among: u32,
}

/// An explanation that holds.
#[derive(Clone, Copy, Debug)]
pub struct Explained {
    pub link: Link,
    /// Along the topology; a link to the alert's like has none.
    pub terms: Option<Terms>,
    /// What a learned question said of it.
    pub weighed: Option<Weighed>,
}

impl Explained {
    /// How likely it is: by the learned answer, else by the terms.
    pub fn score(&self) -> Milli {
        self.weighed.map_or(self.link.score, |weighed| weighed.score)
    }

    /// The terms as evidence; `background` is what they have to beat. Kin are not explained along the topology.
    pub fn evidence(&self, background: Milli) -> Vec<Evidence> {
        self.terms.map_or_else(Vec::new, |terms| terms.evidence(background))
    }
}

impl Terms {
    /// How well the cause explains the effect, all taken together.
    pub const fn score(&self) -> Milli {
        self.path + self.delay_fit + self.cause + self.symptom + self.anomaly
    }
}

/// The alert that is to be explained.
#[derive(Clone, Copy, Debug)]
pub struct Unexplained {
    pub place: Place,
    pub onset: Timestamp,
    /// How far its begin may be wrong.
    pub uncertain: Span,
    /// Log-probability that its type is the effect of something.
    pub symptom: Milli,
}

/// Why an alert is no possible cause of another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoLink {
    /// It is background noise, or muted.
    CannotCause,
    /// It hangs on the other one.
    ItsEffect,
    /// It began after the other one.
    Later(Span),
    TooLate {
        delay: Span,
        most: Span,
    },
    /// The delay is too far from what the relation takes.
    DelayUnfit {
        delay: Span,
        typical: Span,
    },
}

impl Terms {
    /// The terms as evidence; `background` is what they have to beat.
    pub fn evidence(&self, background: Milli) -> Vec<Evidence> {
        let of = |term, points: i64, n: i64| Evidence { term, points: points as i32, n, of: 0, about: "".into() };
        let mut evidence = vec![
            of(EvidenceTerm::Path, self.path, self.hops.into()),
            of(EvidenceTerm::DelayFit, self.delay_fit, self.delay.0),
            of(EvidenceTerm::OwnAlert, self.cause, 0),
            of(EvidenceTerm::Coverage, self.symptom, 0),
            of(EvidenceTerm::Noise, -background, 0),
        ];
        if self.anomaly != 0 {
            evidence.push(of(EvidenceTerm::Anomaly, self.anomaly, 0));
        }
        if self.among > 0 {
            evidence.push(of(EvidenceTerm::MissingRelation, 0, self.among.into()));
        }
        evidence
    }
}

/// Log-density per second of a delay, log-normal around `typical` with `slack` added on both sides.
pub(super) fn delay_fit(spread: i64, spread_max: i64, delay: Span, typical: Span, slack: Span) -> Option<Milli> {
    let x = delay.0 + slack.0;
    if x < 500 {
        return None;
    }
    let z = ln_ratio(x as u64, (typical.0 + slack.0).max(1) as u64) * 1000 / spread;
    if z.abs() > spread_max {
        return None;
    }
    // -z²/2 - ln(spread · x in seconds) - ln √(2π)
    Some(-(z * z) / 2000 - (ln((x * spread) as u64) - ln(1_000_000)) - 920)
}

impl Cell {
    /// The statistics of an alert's type; an inferred cause has none.
    pub fn stats(&self, alert: &Alert) -> Option<TypeStats> {
        alert.inferred.is_none().then(|| self.learned.stats(alert.kind))
    }

    pub fn cause_score(&self, alert: &Alert) -> Milli {
        self.cause_score_at(alert, alert.severity)
    }

    /// The same, had the alert this severity.
    pub fn cause_score_at(&self, alert: &Alert, severity: Severity) -> Milli {
        let declared = if alert.declared_symptom { -1500 } else { 0 };
        declared + self.stats(alert).map_or(-3000, |s| s.cause_score(&self.tuning, severity))
    }

    /// Log-probability that an alert of its type is the effect of something.
    pub fn symptom_of(&self, place: Place) -> Milli {
        self.stats(&self.alerts[place]).map_or(0, |s| s.symptom_score())
    }

    /// How likely the alert comes of nothing: log rate of its type on one CI.
    pub fn background(&self, place: Place) -> Milli {
        let alert = &self.alerts[place];
        let Some(stats) = self.stats(alert) else { return self.tuning.background_inferred };
        let observed = self.now.since(self.learned.since.unwrap_or(self.now));
        let population = alert.spot.ci().map_or(1, |ci| self.topology.population(ci));
        stats.background(&self.tuning, observed, population)
    }

    /// What of an alert that began at `onset` decides how well others explain it.
    pub fn unexplained(&self, place: Place, onset: Timestamp) -> Unexplained {
        Unexplained { place, onset, uncertain: self.uncertain(&self.alerts[place]), symptom: self.symptom_of(place) }
    }

    /// How well an alert on the same CI or object explains another.
    pub fn link_here(&self, alert: &Unexplained, other: Place) -> Result<(Link, Terms), NoLink> {
        let (tuning, cause) = (&*self.tuning, &self.alerts[other]);
        let delay = alert.onset.since(self.onset(cause));
        let inferred = cause.inferred.is_some();
        let earlier = inferred || delay.0 > 0 || (delay.0 == 0 && cause.id < self.alerts[alert.place].id);
        if other == alert.place || !earlier {
            return Err(NoLink::Later(delay));
        }
        self.may_cause(cause, alert.place, delay)?;
        let slack = Span(tuning.same_ci_slack.0 + if inferred { 4000 } else { 0 });
        let fit = delay_fit(tuning.spread, tuning.spread_max, delay, tuning.same_ci_delay, slack);
        let fit = fit.ok_or(NoLink::DelayUnfit { delay, typical: tuning.same_ci_delay })?;
        let (cause, symptom) = (self.cause_score(cause) / 2, alert.symptom / 2);
        let path = tuning.same_ci;
        let terms = Terms { path, hops: 0, delay_fit: fit, delay, cause, symptom, anomaly: 0, among: 0 };
        Ok((Link { parent: other, score: terms.score() }, terms))
    }

    /// How well an alert on a CI upstream explains another.
    pub fn link_from(&self, alert: &Unexplained, other: Place, up: &Up) -> Result<(Link, Terms), NoLink> {
        let (tuning, cause) = (&*self.tuning, &self.alerts[other]);
        let delay = alert.onset.since(self.onset(cause));
        self.may_cause(cause, alert.place, delay)?;
        let slack = Span(tuning.slack.0 + alert.uncertain.0 + self.uncertain(cause).0);
        let fit = delay_fit(up.spread, tuning.spread_max, delay, up.delay, slack);
        let fit = fit.ok_or(NoLink::DelayUnfit { delay, typical: up.delay })?;
        let anomaly = self.fits_anomaly(cause, alert.place);
        let (cause, symptom) = (self.cause_score(cause), alert.symptom);
        let (path, hops, among) = (up.path, up.hops, u32::from(up.presumed));
        let terms = Terms { path, hops, delay_fit: fit, delay, cause, symptom, anomaly, among };
        Ok((Link { parent: other, score: terms.score() }, terms))
    }

    /// A cause that is less unusual than its effect hardly explains it, of two that are more so the stronger one is
    /// likelier, and like explains like: slowness does not fill a processor, and no processor fills another. Nothing where
    /// no detector gave scores.
    fn fits_anomaly(&self, cause: &Alert, effect: Place) -> Milli {
        let effect = &self.alerts[effect];
        let (Some(of_cause), Some(of_effect)) = (cause.anomaly_odds(), effect.anomaly_odds()) else { return 0 };
        let stronger = of_cause - of_effect;
        let alike = cause.kind == effect.kind && !effect.intrinsic;
        let unlike = if alike { 0 } else { UNLIKE_ANOMALY };
        unlike + if stronger < 0 { 2 * stronger } else { stronger / 4 }
    }

    /// Whether an alert can be the cause of another that began `delay` later.
    pub fn may_cause(&self, cause: &Alert, effect: Place, delay: Span) -> Result<(), NoLink> {
        if !cause.can_cause() {
            return Err(NoLink::CannotCause);
        }
        if cause.parent == Some(effect) {
            return Err(NoLink::ItsEffect);
        }
        if delay > self.tuning.horizon {
            return Err(NoLink::TooLate { delay, most: self.tuning.horizon });
        }
        if delay.0 < -self.tuning.early_max.0 {
            return Err(NoLink::Later(delay));
        }
        Ok(())
    }

    /// Whether `place` hangs below `ancestor` (or is it).
    pub fn descends(&self, place: Place, ancestor: Place) -> bool {
        let mut at = Some(place);
        for _ in 0..DEPTH_MAX {
            match at {
                Some(here) if here == ancestor => return true,
                Some(here) => at = self.alerts[here].parent,
                None => return false,
            }
        }
        true
    }

    /// Finds a fresh alert its place: on its best explanation, or as the first or next sign of a silent cause. Says
    /// whether its group may open an incident now.
    pub fn correlate(&mut self, place: Place) -> (Option<Explained>, bool) {
        self.succeed_inferred(place);
        let explained = self.evaluate(place);
        let serious = self.alerts[place].is_serious();
        let suspicion = if serious { self.suspect_silence(place, Inferred::First) } else { Suspicion::None };
        // Alerts like it would open incidents that are absorbed moments later: it waits for its first revision.
        let waits = matches!(suspicion, Suspicion::Weighed);
        (explained, !waits)
    }

    /// Looks for the alert's best parent and links or frees it. A person's or a rule's bond stays.
    pub fn evaluate(&mut self, place: Place) -> Option<Explained> {
        // An inferred cause goes with its last effect.
        let alert = self.alerts.get(place)?;
        if alert.chronic || !alert.takes_part() || matches!(alert.bond, Bond::Person | Bond::Rule) {
            return None;
        }
        let onset = self.onset(alert);
        let background = self.background(place);
        let links = self.best_links(place, onset);
        let found = self.accept(place, &links, background);
        // What a CMDB with gaps cannot show may be likelier than a cause that nobody has seen.
        let sure = found.as_ref().is_some_and(|found| self.alerts[found.link.parent].inferred.is_none());
        let across = if sure { None } else { self.link_across_gap(place, onset) };
        let across = across.and_then(|found| self.accept(place, &[found], background));
        let explained = found.into_iter().chain(across).max_by_key(Explained::score);
        let explained = self.or_kin(place, onset, explained);
        match explained {
            Some(Explained { link, terms, .. }) => {
                let margin = if terms.is_some() { link.score - background } else { link.score };
                self.attach(place, link.parent, Bond::Evidence, margin);
            }
            None => {
                if self.alerts[place].parent.is_some() && !matches!(self.alerts[place].bond, Bond::Fold | Bond::Joint) {
                    self.detach(place);
                }
            }
        }
        explained
    }

    /// How much weaker a link may be that saves an incident: between two that are told already, or would be, one root
    /// is likelier than two.
    pub fn saving(&self, place: Place, parent: Place) -> Milli {
        let told = |place: Place| self.incident_of(place).is_some();
        let saves = told(parent) && (self.alerts[place].lasted || told(place));
        if saves { self.tuning.parsimony } else { 0 }
    }

    /// A timer: looks again with what came in since.
    pub fn revise(&mut self, place: Place) {
        let Some(alert) = self.alerts.get(place) else { return };
        match alert.inferred {
            None => {
                self.evaluate(place);
                self.suspect_silence(place, Inferred::First);
                self.doubt_again(place);
                self.consider(self.alerts[place].group);
            }
            Some(_) if alert.children.len() < 2 => {
                let children = self.dissolve(place);
                self.consider_all(&children);
            }
            Some(Inferred::First) => {
                let children = self.dissolve(place);
                for child in &children {
                    self.evaluate(*child);
                }
                self.suspect_together(&children);
                for child in &children {
                    // The first of them may have brought the cause back for all.
                    self.evaluate(*child);
                    self.suspect_silence(*child, Inferred::Again);
                }
                self.consider_all(&children);
            }
            Some(Inferred::Again) => {
                self.evaluate(place);
            }
        }
    }

    fn consider_all(&mut self, places: &[Place]) {
        for place in places {
            if let Some(group) = self.alerts.get(*place).map(|alert| alert.group) {
                self.consider(group);
            }
        }
    }

    /// Takes an inferred cause back: its children, oldest first, stand alone again. Its incident goes on with the
    /// oldest.
    pub fn dissolve(&mut self, place: Place) -> Vec<Place> {
        let mut children = self.alerts[place].children.to_vec();
        children.sort_unstable_by_key(|c| self.alerts[*c].id);
        let group = self.alerts[place].group;
        if self.groups[group].root != place {
            for child in &children {
                self.cut_off(*child);
            }
            // With its last child it went by itself.
            if children.is_empty() {
                self.leave(place);
                self.drop_inferred(place);
            }
            return children;
        }
        for child in children.iter().skip(1) {
            self.cut_off(*child);
        }
        match children.first() {
            Some(heir) => self.succeed(place, *heir),
            None => self.end_empty(group),
        }
        self.drop_inferred(place);
        children
    }

    /// The only child of a group's inferred root leads the group.
    fn succeed(&mut self, cause: Place, heir: Place) {
        let group = self.alerts[cause].group;
        let alert = &mut self.alerts[heir];
        (alert.parent, alert.bond, alert.score) = (None, Bond::Evidence, 0);
        self.groups[group].root = heir;
        self.take_out(group, |m| *m == cause);
        self.moment.groups.insert(group);
    }

    /// A timer: the alert's surroundings are known now; what do they say about its type?
    pub fn learn(&mut self, place: Place) {
        let Some(alert) = self.alerts.get(place) else { return };
        if alert.chronic || alert.inferred.is_some() || !alert.takes_part() {
            return;
        }
        let kind = alert.kind;
        let lone = alert.parent.is_none_or(|_| alert.bond == Bond::Fold) && alert.children.is_empty();
        let fertile = self.downstream_sign(place);
        let symptom = self.upstream_sign(place);
        let (now, pause) = (self.now, self.tuning.learn_pause);
        self.learned.count(kind, |stats| {
            stats.total += 1;
            stats.lone += i64::from(lone);
            stats.symptom += symptom;
            if let Some(sign) = fertile.filter(|_| stats.fertile_at.is_none_or(|last| now.since(last) >= pause)) {
                stats.fertile_at = Some(now);
                stats.fertile_of += 1;
                stats.fertile += sign;
            }
        });
    }

    /// Did alerts on direct dependents come after this one (+1) or before it (-1)?
    fn downstream_sign(&self, place: Place) -> Option<i64> {
        let alert = &self.alerts[place];
        let (ci, onset) = (alert.spot.ci()?, self.onset(alert));
        let effects = self.topology.effects(ci);
        let mut balance = 0i64;
        for edge in effects.iter().take(DEPENDENTS_MAX) {
            let reach = 8000 + 6 * self.topology.kind(edge.kind).delay_typ.0;
            if !self.newest.any_since(edge.ci, onset.minus(Span(reach))) {
                continue;
            }
            let window = self.window(onset.minus(Span(reach + 3000)), onset.plus(Span(reach)));
            for other in self.recent_on_ci(edge.ci, window) {
                let other = &self.alerts[other];
                let delay = self.onset(other).since(onset).0;
                if other.inferred.is_none() && !other.chronic && (delay + 3000).abs() <= reach && delay != -3000 {
                    balance += if delay > -3000 { 1 } else { -1 };
                }
            }
        }
        (!effects.is_empty()).then(|| balance.signum())
    }

    /// Did alerts upstream (or here) come before this one (+1) or after it (-1)?
    fn upstream_sign(&mut self, place: Place) -> i64 {
        let alert = &self.alerts[place];
        let (spot, onset) = (alert.spot, self.onset(alert));
        let mut around = Vec::with_capacity(1 + LEARN_UPSTREAM_MAX);
        around.push((spot, Span::secs(4)));
        if let Some(ci) = spot.ci() {
            let (topology, tuning) = (self.topology.clone(), self.tuning.clone());
            let ups = self.upstream.of(&topology, &tuning, ci);
            let near = ups.iter().take(LEARN_UPSTREAM_MAX).filter(|u| u.hops <= 2);
            around.extend(near.map(|u| (super::alert::Spot::Ci(u.ci), u.delay)));
        }
        let mut balance = 0i64;
        for (spot, typical) in around {
            let reach = 8000 + 4 * typical.0;
            if spot.ci().is_some_and(|ci| !self.newest.any_since(ci, onset.minus(Span(reach)))) {
                continue;
            }
            let window = self.window(onset.minus(Span(reach)), onset.plus(Span(reach)));
            for other in self.recent_within(spot, window) {
                let alert = &self.alerts[other];
                let delay = onset.since(self.onset(alert)).0;
                let counts = other != place && alert.inferred.is_none() && !alert.chronic;
                if counts && (500..=reach).contains(&delay.abs()) {
                    balance += delay.signum();
                }
            }
        }
        balance.signum()
    }
}
