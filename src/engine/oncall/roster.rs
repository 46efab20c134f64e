//! Roster (值班表): who has duty at a moment. Layers, each with its rotation and its hours; overrides stand before all.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono_tz::Tz;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

use super::Override;
use super::rotation::{Every, Rotation, Turn};
use crate::domain::ids::PersonId;
use crate::domain::time::{Span, Timestamp};
use crate::domain::written::OneOrMore;
use crate::engine::calendar::{Calendar, Edge, ZONE_DEFAULT, local};
use crate::engine::policy::place::RuleName;
use crate::engine::schedule::{Moment, Schedule};

/// Shifts that one preview lists.
pub const SHIFTS_MAX: usize = 5_000;
/// Layers of a roster, and people of a layer.
const LAYERS_MAX: usize = 20;
const PEOPLE_MAX: usize = 200;
/// A window that is kept whole is shorter.
const WHOLE_MAX: Span = Span::hours(24);

/// Who has duty when.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Roster {
    pub id: RuleName,
    #[serde(default)]
    pub note: String,
    /// Who answers for it.
    #[serde(default)]
    pub owner: String,
    #[serde(default = "zone_default", deserialize_with = "zone")]
    #[schemars(with = "String")]
    pub zone: Tz,
    /// A later layer goes before an earlier one where it has somebody.
    #[serde(deserialize_with = "layers")]
    #[schemars(length(min = 1, max = LAYERS_MAX))]
    pub layers: Vec<Layer>,
    #[serde(default)]
    pub overrides: Vec<Planned>,
    /// It is meant to have hours without anybody: no gap is told.
    #[serde(default)]
    pub gaps_allowed: bool,
}

/// People who take turns.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Layer {
    #[serde(default)]
    pub name: Box<str>,
    /// In the order of their turns; several in one turn as a list.
    #[serde(deserialize_with = "turns")]
    #[schemars(with = "Vec<OneOrMore<PersonId>>")]
    pub people: Vec<Vec<PersonId>>,
    /// The first handover.
    pub starts: Moment,
    #[serde(default)]
    pub ends: Option<Moment>,
    #[serde(default = "weekly")]
    pub every: Every,
    /// For turns of workdays or holidays.
    #[serde(default)]
    pub calendar: Option<Box<str>>,
    #[serde(skip)]
    days: Option<Arc<Calendar>>,
    /// Only in these hours.
    #[serde(default)]
    pub during: Option<Schedule>,
}

/// An override that stands in the rules.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Planned {
    pub from: Moment,
    pub to: Moment,
    pub person: PersonId,
    #[serde(default)]
    pub of: Option<PersonId>,
    #[serde(default)]
    pub note: String,
}

/// Who has duty at a moment, and by what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Duty {
    pub people: Vec<PersonId>,
    /// Whose turn comes next.
    pub backup: Vec<PersonId>,
    /// The layer's name.
    pub layer: Box<str>,
    /// An override says so.
    pub is_override: bool,
}

/// A while in which the same people have duty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shift {
    pub from: Timestamp,
    pub to: Timestamp,
    pub duty: Duty,
}

fn zone_default() -> Tz {
    ZONE_DEFAULT
}

const fn weekly() -> Every {
    Every::Days(7)
}

fn zone<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Tz, D::Error> {
    let name = String::deserialize(deserializer)?;
    let unknown = || serde::de::Error::custom(format!("{name:?} is no time zone; write for example Asia/Shanghai"));
    name.parse().map_err(|_| unknown())
}

fn layers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Layer>, D::Error> {
    let layers = Vec::<Layer>::deserialize(deserializer)?;
    if (1..=LAYERS_MAX).contains(&layers.len()) {
        return Ok(layers);
    }
    Err(serde::de::Error::custom(format!("a roster has 1 to {LAYERS_MAX} layers; correct the list")))
}

fn turns<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Vec<PersonId>>, D::Error> {
    let written = Vec::<OneOrMore<PersonId>>::deserialize(deserializer)?;
    let turns: Vec<Vec<PersonId>> = written.into_iter().map(OneOrMore::list).collect();
    if turns.is_empty() || turns.len() > PEOPLE_MAX || turns.iter().any(Vec::is_empty) {
        return Err(serde::de::Error::custom(format!("a layer has 1 to {PEOPLE_MAX} people; name them")));
    }
    Ok(turns)
}

impl Layer {
    fn rotation(&self, zone: Tz) -> Rotation<'_> {
        let starts = match self.starts {
            Moment::Local(starts) => starts,
            Moment::Fixed(at) => local(zone, at).naive_local(),
        };
        Rotation { zone, starts, every: self.every, calendar: self.days.as_deref() }
    }

    /// The turn at a moment with what its hours leave of it.
    fn turn(&self, zone: Tz, at: Timestamp) -> Option<Turn> {
        if self.ends.is_some_and(|ends| ends.at(zone, Edge::End) <= at) {
            return None;
        }
        let rotation = self.rotation(zone);
        let Some(during) = &self.during else { return rotation.at(at) };
        let (from, to) = during.window_at(at)?;
        let day = |at: Timestamp| local(zone, at).date_naive();
        let is_overnight = to.since(from) < WHOLE_MAX && day(from) != day(Timestamp(to.0 - 1));
        if is_overnight {
            // A night belongs to who has its begin.
            return rotation.at(from).map(|turn| Turn { number: turn.number, from, to });
        }
        let turn = rotation.at(at)?;
        Some(Turn { number: turn.number, from: turn.from.max(from), to: turn.to.min(to) })
    }

    /// When it may have somebody else next.
    fn next_change(&self, zone: Tz, at: Timestamp) -> Option<Timestamp> {
        let ends = self.ends.map(|ends| ends.at(zone, Edge::End)).filter(|ends| *ends > at);
        let own = match self.turn(zone, at) {
            Some(turn) => Some(turn.to),
            None => {
                let opens = self.during.as_ref().and_then(|during| during.next_change(at));
                let begins = self.rotation(zone).next_begin(at);
                let turn = self.rotation(zone).at(at).map(|turn| turn.to);
                [opens, begins, turn].into_iter().flatten().filter(|next| *next > at).min()
            }
        };
        [own, ends].into_iter().flatten().min()
    }

    fn people(&self, number: i64) -> &[PersonId] {
        let turn = number.rem_euclid(self.people.len() as i64);
        &self.people[turn as usize]
    }
}

impl Roster {
    /// Everybody who is named in it.
    pub fn named(&self) -> impl Iterator<Item = &PersonId> {
        let layers = self.layers.iter().flat_map(|layer| layer.people.iter().flatten());
        layers.chain(self.overrides.iter().flat_map(|one| std::iter::once(&one.person).chain(&one.of)))
    }

    /// Looks calendars up.
    ///
    /// # Errors
    /// The name of one that is not there.
    pub fn resolve(&mut self, calendars: &BTreeMap<Box<str>, Arc<Calendar>>) -> Result<(), Box<str>> {
        for layer in &mut self.layers {
            if let Some(name) = &layer.calendar {
                layer.days = Some(calendars.get(name).ok_or_else(|| name.clone())?.clone());
            }
            if let Some(during) = &mut layer.during {
                during.resolve(calendars)?;
            }
        }
        Ok(())
    }

    /// Who has duty at a moment. `made` are overrides that people made; the newest that fits stands first.
    pub fn duty(&self, at: Timestamp, made: &[Override]) -> Duty {
        let planned = self.layered(at);
        let mine = made.iter().rev().filter(|one| *one.roster == *self.id.id.as_str() && one.from <= at && at < one.to);
        let written = self.overrides.iter().rev();
        let written =
            written.filter(|one| one.from.at(self.zone, Edge::Start) <= at && at < one.to.at(self.zone, Edge::End));
        let all = mine.map(|one| (&one.person, &one.of)).chain(written.map(|one| (&one.person, &one.of)));
        let mut duty = planned;
        // Those who are replaced by name first: an override for all of them takes the whole duty.
        for (person, of) in all {
            match of {
                None => {
                    let backup = std::mem::take(&mut duty.backup);
                    let backup = backup.into_iter().filter(|other| other != person).collect();
                    return Duty { people: vec![person.clone()], backup, layer: duty.layer, is_override: true };
                }
                Some(of) if duty.people.contains(of) => {
                    duty.people.iter_mut().filter(|one| *one == of).for_each(|one| *one = person.clone());
                    duty.is_override = true;
                }
                Some(_) => {}
            }
        }
        duty
    }

    fn layered(&self, at: Timestamp) -> Duty {
        let layers = self.layers.iter().rev();
        let found = layers.filter_map(|layer| Some((layer, layer.turn(self.zone, at)?))).next();
        let Some((layer, turn)) = found else { return Duty::default() };
        let people = layer.people(turn.number).to_vec();
        let next = layer.people(turn.number + 1);
        let backup = next.iter().filter(|person| !people.contains(person)).cloned().collect();
        Duty { people, backup, layer: layer.name.clone(), is_override: false }
    }

    /// When somebody else may have duty next.
    pub fn next_change(&self, at: Timestamp, made: &[Override]) -> Option<Timestamp> {
        let layers = self.layers.iter().filter_map(|layer| layer.next_change(self.zone, at));
        let mine = made.iter().filter(|one| *one.roster == *self.id.id.as_str()).flat_map(|one| [one.from, one.to]);
        let written = self.overrides.iter();
        let written = written.flat_map(|one| [one.from.at(self.zone, Edge::Start), one.to.at(self.zone, Edge::End)]);
        layers.chain(mine.chain(written)).filter(|next| *next > at).min()
    }

    /// The shifts of a while, one after the other, those without anybody too; at most `SHIFTS_MAX`.
    pub fn shifts(&self, from: Timestamp, to: Timestamp, made: &[Override]) -> Vec<Shift> {
        let mut shifts: Vec<Shift> = Vec::new();
        let mut at = from;
        while at < to && shifts.len() < SHIFTS_MAX {
            let end = self.next_change(at, made).unwrap_or(to).min(to);
            let duty = self.duty(at, made);
            match shifts.last_mut() {
                Some(last) if last.duty == duty => last.to = end,
                Some(_) | None => shifts.push(Shift { from: at, to: end, duty }),
            }
            at = end;
        }
        shifts
    }

    /// When nobody has duty.
    pub fn gaps(&self, from: Timestamp, to: Timestamp, made: &[Override]) -> Vec<(Timestamp, Timestamp)> {
        if self.gaps_allowed {
            return Vec::new();
        }
        let shifts = self.shifts(from, to, made).into_iter();
        shifts.filter(|shift| shift.duty.people.is_empty()).map(|shift| (shift.from, shift.to)).collect()
    }
}
