//! Silences: what people mute until a time.

use super::cell::Cell;
use super::deadlines::Due;
use super::effect::Effect;
use super::fields::AlertFields;
use super::input::Order;
use super::policy::index::Index;
use super::slab::Place;
use crate::domain::ids::SilenceId;
use crate::domain::matcher::Fields;
use crate::domain::mute::{MuteEffect, MutedBy};
use crate::domain::time::Timestamp;

/// Silences by what they ask for, so that an alert is compared with few of them. Made again after a restart.
#[derive(Clone, Debug, Default)]
pub struct Silenced {
    order: Vec<SilenceId>,
    index: Index,
    /// Some silence drops events.
    pub drops: bool,
}

impl Silenced {
    /// Silences that may mean something with these fields, in order.
    pub fn candidates(&self, fields: &dyn Fields) -> impl Iterator<Item = &SilenceId> {
        self.index.candidates(fields).map(|number| &self.order[number])
    }
}

impl Cell {
    /// Makes the index of silences again.
    pub fn index_silences(&mut self) {
        self.silenced = Silenced {
            order: self.silences.keys().cloned().collect(),
            index: Index::of(self.silences.values().map(|silence| &silence.matchers)),
            drops: self.silences.values().any(|silence| silence.effect == MuteEffect::Drop),
        };
    }

    /// Carries out an order about silences.
    pub fn change_silence(&mut self, order: &Order) -> Result<(), &'static str> {
        let id = match order {
            Order::Silence { silence } => {
                if silence.ends_at <= self.now || silence.ends_at <= silence.starts_at {
                    return Err("the silence would end before it begins");
                }
                for at in [silence.starts_at, silence.ends_at] {
                    self.deadlines.set(at.max(self.now), Due::Remute);
                }
                self.silences.insert(silence.id.clone(), silence.clone());
                &silence.id
            }
            Order::ExpireSilence { id } => {
                let silence = self.silences.get_mut(id).ok_or("no such silence")?;
                silence.ends_at = self.now;
                id
            }
            _ => return Ok(()),
        };
        let silence = self.silences[id].clone();
        self.moment.effects.push(Effect::Silence { tenant: self.tenant.clone(), silence });
        self.pass_silences(std::slice::from_ref(id));
        Ok(())
    }

    /// A timer: silences begin or end now.
    pub fn silences_due(&mut self, at: Timestamp) {
        let now = self.now;
        let due = self.silences.values().filter(|s| s.starts_at == at || s.ends_at <= now);
        let due: Vec<SilenceId> = due.map(|s| s.id.clone()).collect();
        self.pass_silences(&due);
    }

    /// Looks again at firing alerts that these silences mute, or would mute now; forgets those that are over.
    fn pass_silences(&mut self, changed: &[SilenceId]) {
        let now = self.now;
        let (over, valid): (Vec<&SilenceId>, Vec<&SilenceId>) =
            changed.iter().partition(|id| self.silences.get(id).is_some_and(|s| s.ends_at <= now));
        self.silences.retain(|id, _| !over.contains(&id));
        self.index_silences();
        let concerned: Vec<Place> = (self.firing().into_iter())
            .filter(|place| {
                let alert = &self.alerts[*place];
                let named = |by: &MutedBy| matches!(by, MutedBy::Silence { id } if changed.contains(id));
                let fields = AlertFields::of(alert, &self.topology);
                alert.muted_by.iter().any(named)
                    || (valid.iter().filter_map(|id| self.silences.get(id))).any(|s| s.matchers.matches(&fields))
            })
            .collect();
        for place in concerned {
            self.remute(place);
        }
    }
}
