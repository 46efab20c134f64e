//! What is made of a glance: how high it stands above a series' own bar, and whether that is told now.

use super::bar::{Bar, ECHO, Numbers};
use super::pattern::Glance;
use super::state::{Reader, Writer};
use super::stream::Trigger;

/// By what a judge goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rule {
    pub trigger: Trigger,
    /// The height from which on a rare reading is told, in bars that no alarm has raised.
    pub height_from: f32,
    pub numbers: Numbers,
}

/// What a judge says of a reading.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Word {
    /// How high above the bar, 1 being just as high.
    pub height: f32,
    /// Whether it is to be told now.
    pub tells: bool,
}

/// A bar, and how the last readings stood to it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Judge {
    bar: Bar,
    hits: u8,
}

impl Judge {
    /// Judges a reading. `counts` says whether it can matter: enough is known of its series, and somebody minds it.
    pub fn take(&mut self, glance: &Glance, rule: &Rule, counts: bool) -> Word {
        let Rule { trigger, height_from, numbers } = rule;
        self.bar.pass(numbers);
        let height = self.bar.height(glance.rarity, numbers);
        let hits = counts && height >= 1.0 && glance.rarity >= height_from * numbers.told_from;
        self.hits = self.hits << 1 | u8::from(hits);
        let tells = hits && trigger.is_met(self.hits);
        if tells {
            self.bar.told(glance.rarity, numbers);
            self.hits = 0;
        }
        Word { height: if hits { height } else { height.min(ECHO) }, tells }
    }

    /// Whether a reading is above the bar, as raised as it is, also soon after an alarm.
    pub fn is_rare(&self, glance: &Glance, rule: &Rule) -> bool {
        glance.rarity >= self.bar.stands_at(&rule.numbers)
    }

    /// Another opinion has told this reading.
    pub fn is_told(&mut self, rarity: f32, numbers: &Numbers) {
        self.bar.told(rarity, numbers);
        self.hits = 0;
    }

    /// Writes it for [`Judge::read`].
    pub fn write(&self, out: &mut Writer<'_>) {
        self.bar.write(out);
        out.u8(self.hits);
    }

    /// Reads what [`Judge::write`] wrote.
    pub fn read(from: &mut Reader<'_>) -> Option<Self> {
        Some(Self { bar: Bar::read(from)?, hits: from.u8()? })
    }
}
