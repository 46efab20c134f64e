//! Events that fire, minute by minute: of each source, type of alert and CI. Whoever watches rates takes them when a minute has
//! ended. They are counted once they are decided, so whichever door they came through.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use foldhash::fast::RandomState;

use crate::domain::event::{ANOMALY, Event, Status};
use crate::domain::ids::{CiId, SourceId};
use crate::domain::time::Timestamp;
use crate::engine::memory::OWN_SOURCE;
use crate::engine::verdict::{Repeat, Verdict};

/// Minutes that are kept for whoever takes them.
const MINUTES_MAX: usize = 5;
/// Types, and CIs, of a minute that are counted each by itself.
const KEYS_MAX: usize = 5_000;
const MINUTE_MS: i64 = 60_000;

type Map<K, V> = HashMap<K, V, RandomState>;

/// The events of one minute.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Minute {
    pub sources: Map<SourceId, OfSource>,
    pub cis: Map<CiId, u32>,
}

/// The events of a source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OfSource {
    pub all: u32,
    /// By the alert's name.
    pub names: Map<Arc<str>, u32>,
}

/// The last minutes.
#[derive(Clone, Debug, Default)]
pub struct Fired {
    minutes: BTreeMap<i64, Minute>,
}

/// Whether an event is one more that fires. What came twice is not, nor is a test or what cannot be read; of our own none is: a rate of
/// anomalies would feed itself.
pub fn is_counted(event: &Event, verdict: &Verdict) -> bool {
    let is_new = match verdict {
        Verdict::Duplicate { why, .. } => matches!(why, Repeat::StillFiring),
        Verdict::Rejected { .. } => false,
        Verdict::Muted { .. }
        | Verdict::Joined { .. }
        | Verdict::Opened { .. }
        | Verdict::Held { .. }
        | Verdict::Resolved { .. } => true,
    };
    let is_own = || event.source.as_str() == OWN_SOURCE || event.annotations.get(ANOMALY).is_some();
    is_new && event.test.is_none() && event.status == Status::Firing && !is_own()
}

impl Fired {
    /// Counts an event of the minute of `stamp`.
    pub fn count(&mut self, event: &Event, ci: Option<&CiId>, stamp: Timestamp) {
        let minute = self.minutes.entry(stamp.0.div_euclid(MINUTE_MS)).or_default();
        if let Some(of) = minute.sources.get_mut(&event.source) {
            of.count(&event.name);
        } else if minute.sources.len() < KEYS_MAX {
            minute.sources.entry(event.source.clone()).or_default().count(&event.name);
        }
        if let Some(ci) = ci {
            add(&mut minute.cis, ci);
        }
        while self.minutes.len() > MINUTES_MAX {
            self.minutes.pop_first();
        }
    }

    /// The minutes before this one, counted from 1970; they are not kept any longer.
    pub fn take(&mut self, before: i64) -> BTreeMap<i64, Minute> {
        let later = self.minutes.split_off(&before);
        std::mem::replace(&mut self.minutes, later)
    }
}

impl OfSource {
    fn count(&mut self, name: &Arc<str>) {
        self.all += 1;
        add(&mut self.names, name);
    }
}

fn add<K: Clone + std::hash::Hash + Eq>(counts: &mut Map<K, u32>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count += 1;
    } else if counts.len() < KEYS_MAX {
        counts.insert(key.clone(), 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::AlertId;
    use crate::engine::verdict::Resolution;

    #[test]
    fn what_fires_anew_is_counted_in_its_minute() {
        let at = |minute: i64| Timestamp(minute * MINUTE_MS + 7);
        let mut event = Event::new("t".into(), "zabbix".into(), "LinkDown", at(10));
        let mut fired = Fired::default();
        let ci = CiId::from("sw-1");
        fired.count(&event, Some(&ci), at(10));
        fired.count(&event, None, at(10));
        fired.count(&event, Some(&ci), at(11));
        let minutes = fired.take(11);
        let told: Vec<(i64, u32, u32, u32)> = minutes
            .iter()
            .map(|(at, minute)| {
                let of = &minute.sources[&event.source];
                (*at, of.all, of.names[&event.name], minute.cis[&ci])
            })
            .collect();
        assert_eq!(told, [(10, 2, 2, 1)]);
        (12..40).for_each(|minute| fired.count(&event, None, at(minute)));
        assert_eq!(fired.take(100).len(), MINUTES_MAX);

        let over = Verdict::Resolved { alert: Some(AlertId(1)), why: Resolution::Ended };
        let again = |why| Verdict::Duplicate { alert: None, why };
        assert!(is_counted(&event, &again(Repeat::StillFiring)) && !is_counted(&event, &again(Repeat::SameEvent)));
        event.annotations.insert(ANOMALY, "{}");
        assert!(!is_counted(&event, &again(Repeat::StillFiring)), "our own anomalies would feed themselves");
        event.status = Status::Resolved;
        assert!(!is_counted(&event, &over));
    }
}
