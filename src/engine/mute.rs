//! Mute: silences. Muting never blocks a resolution and always names who muted.

use std::borrow::Cow;

use super::alert::Alert;
use super::cell::Cell;
use super::deadlines::Due;
use super::effect::Effect;
use super::input::Order;
use super::slab::Place;
use crate::domain::matcher::Fields;
use crate::domain::mute::MutedBy;
use crate::domain::topology::{CiState, Topology};

/// An alert's fields as matchers see them.
struct AlertFields<'a> {
    alert: &'a Alert,
    topology: &'a Topology,
}

impl Fields for AlertFields<'_> {
    fn field(&self, name: &str) -> Option<Cow<'_, str>> {
        let alert = self.alert;
        if let Some(key) = name.strip_prefix("labels.") {
            return alert.labels.get(key).map(|v| Cow::Borrowed(v.as_ref()));
        }
        let ci = alert.spot.ci();
        match name {
            "source" => Some(Cow::Borrowed(alert.source.as_str())),
            "name" => Some(Cow::Borrowed(&alert.name)),
            "title" => Some(Cow::Borrowed(&alert.title)),
            "severity" => Some(Cow::Borrowed(alert.severity.as_str())),
            "object" => Some(Cow::Borrowed(&alert.object)),
            "ci" => ci.map(|ci| Cow::Owned(self.topology.id(ci).to_string())),
            "class" => ci.map(|ci| Cow::Borrowed(self.topology.class(ci).id.as_ref())),
            "area" => ci.and_then(|ci| self.topology.class(ci).area).map(|a| Cow::Borrowed(a.as_str())),
            "org" => ci.and_then(|ci| self.topology.attributes(ci).org.clone()).map(|o| Cow::Owned(o.to_string())),
            "site" => ci.and_then(|ci| self.topology.attributes(ci).site.clone()).map(|s| Cow::Owned(s.to_string())),
            _ => None,
        }
    }
}

impl Cell {
    /// Mutes a fresh alert when something says so.
    pub fn mute(&mut self, place: Place) -> Option<MutedBy> {
        let by = self.muted_by(place);
        if !by.is_empty() {
            self.moment.alerts.insert(place);
        }
        self.alerts[place].muted_by.clone_from(&by);
        by.into_iter().next()
    }

    fn muted_by(&self, place: Place) -> Vec<MutedBy> {
        let alert = &self.alerts[place];
        let fields = AlertFields { alert, topology: &self.topology };
        let mut by: Vec<MutedBy> = self
            .silences
            .values()
            .filter(|s| s.starts_at <= self.now && self.now < s.ends_at && s.matchers.matches(&fields))
            .map(|s| MutedBy::Silence { id: s.id.clone() })
            .collect();
        if alert.spot.ci().is_some_and(|ci| self.topology.attributes(ci).state == CiState::Maintenance) {
            by.push(MutedBy::CiState);
        }
        by
    }

    /// A silence began, ended or changed: looks at every firing alert again.
    pub fn remute(&mut self) {
        let places: Vec<Place> =
            self.alerts.iter().filter(|(_, a)| a.is_firing() && !a.chronic).map(|(place, _)| place).collect();
        for place in places {
            let before = std::mem::take(&mut self.alerts[place].muted_by);
            let after = self.muted_by(place);
            let changed = before != after;
            let freed = !before.is_empty() && after.is_empty();
            self.alerts[place].muted_by = after;
            if changed {
                self.moment.alerts.insert(place);
            }
            if freed {
                self.evaluate(place);
                self.consider(self.alerts[place].group);
            }
        }
        let now = self.now;
        self.silences.retain(|_, s| s.ends_at > now);
    }

    /// Carries out an order about silences.
    pub fn change_silence(&mut self, order: &Order) -> Result<(), &'static str> {
        match order {
            Order::Silence { silence } => {
                if silence.ends_at <= self.now || silence.ends_at <= silence.starts_at {
                    return Err("the silence would end before it begins");
                }
                for at in [silence.starts_at, silence.ends_at] {
                    self.deadlines.set(at.max(self.now), Due::Remute);
                }
                self.silences.insert(silence.id.clone(), silence.clone());
                let effect = Effect::Silence { tenant: self.tenant.clone(), silence: silence.clone() };
                self.moment.effects.push(effect);
            }
            Order::ExpireSilence { id } => {
                let silence = self.silences.get_mut(id).ok_or("no such silence")?;
                silence.ends_at = self.now;
                let effect = Effect::Silence { tenant: self.tenant.clone(), silence: silence.clone() };
                self.moment.effects.push(effect);
                self.remute();
            }
            _ => {}
        }
        Ok(())
    }
}
