//! When rare is rare enough to be told: a bar that rises with each alarm of a series and sinks again, and a pause after each.
//!
//! A series that alarms often has to show more to alarm again; that keeps the number of false alarms per series alike,
//! however it moves.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The height of what is not told.
pub(super) const ECHO: f32 = 0.99;

/// The numbers of a bar: what a model of metrics is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Numbers {
    /// Digits of rarity that are told.
    pub told_from: f32,
    /// How much each alarm raises the bar.
    pub rise: f32,
    /// Readings after which a third of that is left.
    pub sinks_in: f32,
    /// Readings after an alarm in which only what is so many times as rare is told again.
    pub pause: u16,
    pub again: f32,
}

impl Default for Numbers {
    fn default() -> Self {
        Self { told_from: 1.75, rise: 0.4, sinks_in: 2000.0, pause: 100, again: 2.0 }
    }
}

impl Numbers {
    /// What is wrong with them; empty when they can be used.
    pub fn wrong(&self) -> Vec<String> {
        let Self { told_from, rise, sinks_in, pause, again } = *self;
        let ranges = [
            ("told_from", told_from, 0.5, 10.0),
            ("rise", rise, 0.0, 10.0),
            ("sinks_in", sinks_in, 10.0, 1e6),
            ("pause", f32::from(pause), 0.0, 10_000.0),
            ("again", again, 1.0, 100.0),
        ];
        let is_wrong = |(_, value, low, high): &(&str, f32, f32, f32)| !(*low..=*high).contains(value);
        let say = |(name, value, low, high)| format!("bar.{name}: {value} is not between {low} and {high}");
        ranges.into_iter().filter(is_wrong).map(say).collect()
    }
}

/// The bar of one series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bar {
    raised: f32,
    peak: f32,
    since: u16,
}

impl Default for Bar {
    fn default() -> Self {
        Self { raised: 0.0, peak: 0.0, since: u16::MAX }
    }
}

impl Bar {
    /// A reading passes: the bar sinks a little.
    pub fn pass(&mut self, numbers: &Numbers) {
        self.raised -= self.raised / numbers.sinks_in;
        self.since = self.since.saturating_add(1);
    }

    /// The digits of rarity at which it stands.
    pub fn stands_at(&self, numbers: &Numbers) -> f32 {
        numbers.told_from + numbers.rise * self.raised
    }

    /// How far above the bar this is, 1 being just as high; below 1 it is not told, nor is what follows an alarm without
    /// being much rarer.
    pub fn height(&self, rarity: f32, numbers: &Numbers) -> f32 {
        let height = rarity / self.stands_at(numbers);
        let is_echo = self.since < numbers.pause && rarity < self.peak * numbers.again;
        if is_echo { height.min(ECHO) } else { height }
    }

    /// It was told.
    pub fn told(&mut self, rarity: f32, numbers: &Numbers) {
        if self.since >= numbers.pause {
            self.raised += 1.0;
        }
        (self.peak, self.since) = (rarity, 0);
    }

    /// Writes it for [`Bar::read`].
    pub fn write(&self, out: &mut super::state::Writer<'_>) {
        out.f32(self.raised);
        out.f32(self.peak);
        out.u16(self.since);
    }

    /// Reads what [`Bar::write`] wrote.
    pub fn read(from: &mut super::state::Reader<'_>) -> Option<Self> {
        Some(Self { raised: from.finite()?, peak: from.finite()?, since: from.u16()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_alarm_raises_the_bar_and_an_echo_is_not_told() {
        let (mut bar, numbers) = (Bar::default(), Numbers::default());
        let told = |bar: &Bar, rarity: f32| bar.height(rarity, &numbers) >= 1.0;
        assert!(told(&bar, 1.8) && !told(&bar, 1.7));
        bar.told(1.8, &numbers);
        bar.pass(&numbers);
        assert!(!told(&bar, 3.0) && told(&bar, 4.0));
        (0..100).for_each(|_| bar.pass(&numbers));
        assert!(!told(&bar, 1.8) && told(&bar, 2.2));
        (0..20_000).for_each(|_| bar.pass(&numbers));
        assert!(told(&bar, 1.8));
        let odd = Numbers { told_from: f32::NAN, sinks_in: 0.0, ..numbers };
        assert_eq!((numbers.wrong().len(), odd.wrong().len()), (0, 2));
    }
}
