//! What few alerts have: one pointer for all of it, and nothing behind it for most alerts.

use std::ops::Deref;

use super::bonds::Ruled;
use super::flap::Flaps;
use super::inhibit::Sides;
use super::lease::Lease;

/// What few alerts have. Reads as its parts, which are all missing with most alerts.
#[derive(Clone, Debug, Default)]
pub struct Rare(Option<Box<Parts>>);

/// The parts, each missing with most alerts that have another one.
#[derive(Clone, Debug, Default)]
pub struct Parts {
    /// Its changes of state; none for an alert that never changed.
    pub flaps: Option<Box<Flaps>>,
    /// The sides of inhibition rules on which it stands while it fires.
    pub sides: Option<Box<Sides>>,
    /// What rules have made of it.
    pub ruled: Option<Box<Ruled>>,
    /// How long it fires without another word.
    pub lease: Option<Lease>,
}

static NONE: Parts = Parts { flaps: None, sides: None, ruled: None, lease: None };

impl Rare {
    /// These parts, and no room when there is none.
    pub fn of(parts: Parts) -> Self {
        let Parts { flaps, sides, ruled, lease } = &parts;
        let is_any = flaps.is_some() || sides.is_some() || ruled.is_some() || lease.is_some();
        Self(is_any.then(|| Box::new(parts)))
    }

    /// The parts for change, when there is any.
    pub fn found(&mut self) -> Option<&mut Parts> {
        self.0.as_deref_mut()
    }

    /// The parts for change; makes room for them.
    pub fn make(&mut self) -> &mut Parts {
        self.0.get_or_insert_default()
    }

    /// All parts.
    pub fn parts(self) -> Parts {
        self.0.map(|parts| *parts).unwrap_or_default()
    }
}

impl Deref for Rare {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        self.0.as_deref().unwrap_or(&NONE)
    }
}
