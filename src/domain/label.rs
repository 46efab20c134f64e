//! Labels: what a source says of an event beside its fields. Shared, not copied, on the way from event to alert to view.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Labels in the order of their keys. A clone shares them; whoever changes shared ones gets a copy of their own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Labels(Arc<BTreeMap<Box<str>, Box<str>>>);

impl Labels {
    /// Whether there is none.
    pub fn are_none(&self) -> bool {
        self.0.is_empty()
    }
}

impl Deref for Labels {
    type Target = BTreeMap<Box<str>, Box<str>>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl DerefMut for Labels {
    fn deref_mut(&mut self) -> &mut Self::Target {
        Arc::make_mut(&mut self.0)
    }
}

impl From<BTreeMap<Box<str>, Box<str>>> for Labels {
    fn from(labels: BTreeMap<Box<str>, Box<str>>) -> Self {
        Self(Arc::new(labels))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_shared_until_they_are_changed() {
        let mut first = Labels::default();
        first.insert("room".into(), "r1".into());
        let mut second = first.clone();
        assert!(Arc::ptr_eq(&first.0, &second.0));
        second.insert("room".into(), "r2".into());
        assert_eq!((first["room"].as_ref(), second["room"].as_ref()), ("r1", "r2"));
    }
}
