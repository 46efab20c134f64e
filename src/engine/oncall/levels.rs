//! Service levels at work: sets an incident's clocks, warns before they run out and tells when they have.

use super::care::Care;
use crate::domain::incident::{IncidentState, IncidentView, TimelineKind};
use crate::domain::level::{LevelClock, LevelKind};
use crate::domain::time::{Span, Timestamp};
use crate::engine::cell::Cell;
use crate::engine::effect::Change;
use crate::engine::policy::levels::ServiceLevel;
use crate::engine::slab::Place;

impl Cell {
    /// Lets the clocks of an incident follow what it has become.
    pub fn keep_levels(&mut self, care: &mut Care, group: Place, view: &IncidentView) {
        if self.policy.levels.is_empty() && care.levels.is_empty() {
            return;
        }
        match view.state {
            IncidentState::Abnormal => {
                self.set_levels(care, group, view);
                self.pause_levels(care, view);
                if care.paused.is_none() {
                    self.judge_levels(care, group, view);
                }
            }
            // Whether it is over is not known yet: nothing is missed by waiting.
            IncidentState::Recovering | IncidentState::Merged => {}
            IncidentState::Recovered | IncidentState::Closed => {
                let incident = self.groups[group].incident.as_ref();
                let over = incident.and_then(|i| i.quiet_since).unwrap_or(self.now);
                for clock in care.levels.iter_mut().filter(|clock| clock.met_at.is_none()) {
                    clock.met_at = Some(over);
                }
                (care.levels_for, care.paused) = (None, None);
            }
        }
    }

    /// Looks the limits up, when the incident is another than it was: begun anew, more or less severe, under other rules.
    fn set_levels(&mut self, care: &mut Care, group: Place, view: &IncidentView) {
        let asked = (view.severity, view.priority, self.policy.version);
        if care.levels_for == Some(asked) {
            return;
        }
        let is_anew = care.levels_for.is_none();
        care.levels_for = Some(asked);
        let policy = self.policy.clone();
        let mut hits = std::mem::take(&mut self.hits);
        let rule = policy.levels.first(&self.incident_fields(group, view), &mut hits);
        self.hits = hits;
        let before = std::mem::take(&mut care.levels);
        let (Some(rule), since) = (rule, care.since.unwrap_or(self.now)) else { return };
        care.levels = rule.limits().map(|(kind, limit)| clock(rule, kind, limit, since)).collect();
        if is_anew {
            return;
        }
        // What has been met or missed stays so under another limit.
        for clock in &mut care.levels {
            if let Some(old) = before.iter().find(|old| old.kind == clock.kind) {
                (clock.met_at, clock.breached_at) = (old.met_at, old.breached_at);
                clock.is_near = old.is_near && old.due <= clock.due;
            }
        }
    }

    /// While the incident is snoozed its clocks stand still; after it what they lost is added.
    fn pause_levels(&self, care: &mut Care, view: &IncidentView) {
        if view.snoozed_until.is_some() {
            care.paused.get_or_insert(self.now);
            return;
        }
        let Some(paused) = care.paused.take() else { return };
        for clock in care.levels.iter_mut().filter(|clock| clock.met_at.is_none() && clock.breached_at.is_none()) {
            let hours = self.level(&clock.rule).and_then(|level| level.hours.as_ref());
            let lost = hours.map_or_else(|| self.now.since(paused), |hours| hours.open_between(paused, self.now));
            let later = |at: Timestamp| hours.and_then(|hours| hours.after(at, lost)).unwrap_or_else(|| at.plus(lost));
            (clock.near, clock.due) = (later(clock.near), later(clock.due));
        }
    }

    fn judge_levels(&mut self, care: &mut Care, group: Place, view: &IncidentView) {
        let now = self.now;
        for place in 0..care.levels.len() {
            let clock = &mut care.levels[place];
            if clock.kind == LevelKind::Acknowledge {
                clock.met_at = view.acknowledged_at;
            }
            if clock.met_at.is_some() || clock.breached_at.is_some() {
                continue;
            }
            let said = format!("{} {}", clock.kind.as_str(), clock.rule);
            if clock.due <= now {
                (clock.breached_at, clock.is_near) = (Some(now), true);
                let rule = clock.rule.clone();
                self.note(view.id, "headwater", TimelineKind::LevelBreached, said);
                let escalate = self.level(&rule).map(|level| level.escalate.clone()).unwrap_or_default();
                self.tell_news(group, Change::LevelBreached, escalate.into_iter().map(|one| (one, rule.clone())));
            } else if clock.near <= now && !clock.is_near {
                clock.is_near = true;
                self.note(view.id, "headwater", TimelineKind::LevelNear, said);
                self.tell_news(group, Change::LevelNear, std::iter::empty());
            }
        }
    }

    fn level(&self, rule: &crate::domain::ids::RuleId) -> Option<&ServiceLevel> {
        self.policy.levels.all().iter().find(|level| level.id.id == *rule)
    }
}

/// A clock from a moment on. Where its hours never come again it runs through.
fn clock(rule: &ServiceLevel, kind: LevelKind, limit: Span, since: Timestamp) -> LevelClock {
    let after = |span: Span| {
        let within = rule.hours.as_ref().and_then(|hours| hours.after(since, span));
        within.unwrap_or_else(|| since.plus(span))
    };
    let near = Span(limit.0 / 100 * i64::from(rule.warn));
    let (near, due) = (after(near), after(limit));
    let rule = rule.id.id.clone();
    LevelClock { kind, rule, limit, since, near, due, is_near: false, met_at: None, breached_at: None }
}
