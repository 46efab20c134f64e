//! When rare is rare enough to be told: a bar that rises with each alarm of a series and sinks again, and a pause after each.
//!
//! A series that alarms often has to show more to alarm again; that keeps the number of false alarms per series alike,
//! however it moves.

/// Digits of rarity that are told.
pub const TOLD_FROM: f32 = 1.75;
/// How much each alarm raises the bar, and readings after which a third of that is left.
const RISE: f32 = 0.4;
const SINKS_IN: f32 = 2000.0;
/// Readings after an alarm in which only what is twice as rare is told again.
const PAUSE: u16 = 100;
const AGAIN: f32 = 2.0;
/// The height of what is not told.
pub(super) const ECHO: f32 = 0.99;

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
    pub fn pass(&mut self) {
        self.raised -= self.raised / SINKS_IN;
        self.since = self.since.saturating_add(1);
    }

    /// How far above the bar this is, 1 being just as high; below 1 it is not told, nor is what follows an alarm without
    /// being much rarer.
    pub fn height(&self, rarity: f32) -> f32 {
        let height = rarity / (TOLD_FROM + RISE * self.raised);
        let is_echo = self.since < PAUSE && rarity < self.peak * AGAIN;
        if is_echo { height.min(ECHO) } else { height }
    }

    /// It was told.
    pub fn told(&mut self, rarity: f32) {
        if self.since >= PAUSE {
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

/// The anomaly score of a height, per mille: 500 is just told, 1000 is never reached.
pub fn per_mille(height: f32) -> i64 {
    let height = f64::from(height.clamp(0.0, 1e6));
    (1000.0 * height / (height + 1.0)).round() as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_alarm_raises_the_bar_and_an_echo_is_not_told() {
        let mut bar = Bar::default();
        assert!(bar.height(1.8) >= 1.0 && bar.height(1.7) < 1.0);
        bar.told(1.8);
        bar.pass();
        assert!(bar.height(3.0) < 1.0 && bar.height(4.0) >= 1.0);
        (0..100).for_each(|_| bar.pass());
        assert!(bar.height(1.8) < 1.0 && bar.height(2.2) >= 1.0);
        (0..20_000).for_each(|_| bar.pass());
        assert!(bar.height(1.8) >= 1.0);
        assert_eq!([0.0, 1.0, 3.0].map(per_mille), [0, 500, 750]);
    }
}
