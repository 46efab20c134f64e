//! The live feed: every committed change, in order, resumable by the id of the last one seen.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;

use super::scope::Scope;
use crate::domain::ci::Area;
use crate::domain::ids::{AlertId, IncidentId, OrgId, TenantId};
use crate::domain::incident::{IncidentView, TimelineEntry};
use crate::domain::mute::Silence;

/// Changes kept for readers that come back.
const RING_MAX: usize = 8_192;
/// Changes a connected reader may lag behind before it is told to reload.
const LAG_MAX: usize = 4_096;

/// A change's place: outbox sequence, then its index among that record's changes. Written `<seq>.<index>`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FeedId {
    pub seq: u64,
    pub index: u32,
}

impl FeedId {
    /// Reads what `Display` writes; a bare sequence means all of its changes.
    pub fn parse(text: &str) -> Option<Self> {
        let (seq, index) = text.split_once('.').map_or((text, None), |(seq, index)| (seq, Some(index)));
        Some(Self { seq: seq.parse().ok()?, index: index.map_or(Some(u32::MAX), |i| i.parse().ok())? })
    }
}

impl fmt::Display for FeedId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.seq, self.index)
    }
}

/// What changed.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    Incident {
        incident: Arc<IncidentView>,
        joined: Vec<AlertId>,
        left: Vec<AlertId>,
    },
    Timeline {
        incident: IncidentId,
        entry: TimelineEntry,
    },
    Silence {
        silence: Box<Silence>,
    },
    /// The end of the command with this journal sequence; shown to its actor only.
    Command {
        journal_seq: u64,
        actor: Box<str>,
        refused: Option<Box<str>>,
    },
}

/// Where an incident belongs, which says who may see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Belonging {
    pub orgs: Vec<OrgId>,
    pub area: Option<Area>,
}

impl Belonging {
    /// Where this one does.
    pub fn of(view: &IncidentView) -> Self {
        Self { orgs: view.orgs.clone(), area: view.area }
    }
}

/// One change with its place and who may see it.
#[derive(Clone, Debug, PartialEq)]
pub struct FeedItem {
    pub id: FeedId,
    pub tenant: TenantId,
    /// Where its incident belongs now, and where it belonged before this change, so that a row can go away.
    pub seen_as: Vec<Belonging>,
    pub change: Change,
}

impl FeedItem {
    /// Whether this caller may see the change.
    pub fn is_for(&self, scope: &Scope, caller: &str) -> bool {
        if self.tenant != scope.tenant {
            return false;
        }
        match &self.change {
            Change::Incident { .. } | Change::Timeline { .. } => {
                self.seen_as.iter().any(|one| scope.sees(&one.orgs, one.area))
            }
            Change::Silence { silence } => scope.sees_silence(silence),
            Change::Command { actor, .. } => actor.as_ref() == caller,
        }
    }
}

/// What a reader starts with.
pub struct Subscription {
    /// Changes after the id it named, oldest first.
    pub missed: Vec<Arc<FeedItem>>,
    /// The named id is not in the ring any more: reload everything.
    pub resync: bool,
    /// The newest change at the moment of subscription.
    pub head: FeedId,
    pub changes: broadcast::Receiver<Arc<FeedItem>>,
}

struct Ring {
    items: VecDeque<Arc<FeedItem>>,
    /// Changes up to here are not in the ring.
    floor: FeedId,
    head: FeedId,
}

/// The feed's writer side and ring.
pub struct Feed {
    ring: Mutex<Ring>,
    /// None when the program stops: readers end, and come back to the next start.
    sender: Mutex<Option<broadcast::Sender<Arc<FeedItem>>>>,
}

impl Default for Feed {
    fn default() -> Self {
        let ring = Ring { items: VecDeque::new(), floor: FeedId::default(), head: FeedId::default() };
        Self { ring: Mutex::new(ring), sender: Mutex::new(Some(broadcast::channel(LAG_MAX).0)) }
    }
}

impl Feed {
    /// Ends all readers, also those that come later: the program stops.
    pub fn end(&self) {
        *self.sender() = None;
    }

    fn sender(&self) -> MutexGuard<'_, Option<broadcast::Sender<Arc<FeedItem>>>> {
        self.sender.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The newest change.
    pub fn head(&self) -> FeedId {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner).head
    }

    /// Starts after a restart: what came before this change cannot be resumed.
    pub fn start_after(&self, id: FeedId) {
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        ring.items.clear();
        (ring.floor, ring.head) = (id, id);
    }

    /// Publishes one change; its index is given here.
    pub fn publish(&self, seq: u64, tenant: TenantId, seen_as: Vec<Belonging>, change: Change) {
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        let index = if ring.head.seq == seq { ring.head.index.wrapping_add(1) } else { 0 };
        let item = Arc::new(FeedItem { id: FeedId { seq, index }, tenant, seen_as, change });
        ring.head = item.id;
        if ring.items.len() == RING_MAX
            && let Some(oldest) = ring.items.pop_front()
        {
            ring.floor = oldest.id;
        }
        ring.items.push_back(item.clone());
        // Nobody listening is not an error. Sent under the lock, so that nobody sees it twice or never.
        if let Some(sender) = &*self.sender() {
            let _ = sender.send(item);
        }
    }

    /// Starts reading after `last` (from now on when it is not given).
    pub fn subscribe(&self, last: Option<FeedId>) -> Subscription {
        let ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        let changes = self.sender().as_ref().map_or_else(|| broadcast::channel(1).1, broadcast::Sender::subscribe);
        let head = ring.head;
        let Some(last) = last else {
            return Subscription { missed: Vec::new(), resync: false, head, changes };
        };
        let whole_head = FeedId { seq: head.seq, index: u32::MAX };
        if last < ring.floor || last > whole_head {
            return Subscription { missed: Vec::new(), resync: true, head, changes };
        }
        let missed = ring.items.iter().filter(|item| item.id > last).cloned().collect();
        Subscription { missed, resync: false, head, changes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn publish(feed: &Feed, seq: u64) {
        let change = Change::Command { journal_seq: seq, actor: "li".into(), refused: None };
        feed.publish(seq, "t".into(), Vec::new(), change);
    }

    fn seen(feed: &Feed, last: &str) -> String {
        let sub = feed.subscribe(FeedId::parse(last));
        if sub.resync {
            return "resync".into();
        }
        sub.missed.iter().map(|i| i.id.to_string()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_reader_that_comes_back_gets_what_it_missed_or_is_told_to_reload() {
        let feed = Feed::default();
        feed.start_after(FeedId { seq: 6, index: u32::MAX });
        for seq in [7, 7, 9] {
            publish(&feed, seq);
        }
        assert_eq!(seen(&feed, "6"), "7.0 7.1 9.0");
        assert_eq!(seen(&feed, "7.0"), "7.1 9.0");
        assert_eq!(seen(&feed, "9.0"), "");
        assert_eq!(seen(&feed, "5.0"), "resync");
        assert_eq!(seen(&feed, "12.0"), "resync");
        for seq in 10..10 + RING_MAX as u64 {
            publish(&feed, seq);
        }
        assert_eq!(seen(&feed, "7.1"), "resync");
        assert_eq!(seen(&feed, "9.0").split(' ').count(), RING_MAX);
    }
}
