//! Which committed notices have not been reported: after a restart they are handed in again, with the same keys.

use std::collections::BTreeMap;

use crate::engine::effect::{Effect, Notice};
use crate::engine::input::{Delivered, Input};

/// Notices without a result, in the order in which they were committed.
#[derive(Clone, Debug, Default)]
pub struct Pending {
    notices: BTreeMap<u64, Notice>,
    places: BTreeMap<Box<str>, u64>,
    next: u64,
}

impl Pending {
    /// Takes in what was committed. Effects and inputs are shown in their own order; a result may be shown before
    /// or after other effects, but not before its notice.
    pub fn effect(&mut self, effect: &Effect) {
        if let Effect::Notify { notice } = effect {
            self.places.entry(notice.key.clone()).or_insert_with(|| {
                self.next += 1;
                self.notices.insert(self.next, Notice::clone(notice));
                self.next
            });
        }
    }

    /// Takes in what the journal holds.
    pub fn input(&mut self, input: &Input) {
        if let Input::Delivered(Delivered { key, .. }) = input
            && let Some(place) = self.places.remove(key)
        {
            self.notices.remove(&place);
        }
    }

    /// What has to be handed in again, in order.
    pub fn into_notices(self) -> impl Iterator<Item = Notice> {
        self.notices.into_values()
    }
}
