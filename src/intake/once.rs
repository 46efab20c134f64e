//! Signed deliveries are taken once: by this instance, and by all that share Redis. While Redis is away, and behind a
//! restart without it, a copy within its five minutes is taken again and is a repeat of the same events.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use super::registry::Key;
use crate::domain::seal::hmac_sha256;
use crate::domain::time::{Span, Timestamp};
use crate::shared::Shared;
use crate::shared::once::{Delivery, take, was_taken};

/// Deliveries of one source that are remembered; the oldest go first.
const REMEMBERED_MAX: usize = 20_000;
/// So long they are remembered. A signed time that far back is refused anyway.
const REMEMBERED: Span = Span::mins(15);

/// Deliveries that were taken, so that nobody sends them again.
#[derive(Default)]
pub struct Once {
    by_source: Mutex<BTreeMap<Key, Known>>,
    shared: OnceLock<Arc<Shared>>,
}

#[derive(Default)]
struct Known {
    by_id: BTreeMap<String, State>,
    by_time: BTreeSet<(Timestamp, String)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    InHand,
    Taken,
}

/// What is to be done with a delivery.
pub enum Turn<'a> {
    /// It is taken now; what is not `kept` may come again.
    Take(InHand<'a>),
    Repeated,
    /// A copy is being taken this moment.
    InHand,
}

/// A delivery that is being taken. Dropped without `kept` it was not.
pub struct InHand<'a> {
    once: &'a Once,
    key: Key,
    id: String,
    since: Timestamp,
    delivery: Delivery,
}

impl Once {
    /// From now on what other instances have taken counts, too.
    pub fn share(&self, shared: Arc<Shared>) {
        // Whoever comes second has the same one.
        let _ = self.shared.set(shared);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Key, Known>> {
        self.by_source.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a delivery is to be taken. `secret` is the one that it is signed with.
    pub async fn turn(&self, key: &Key, id: &str, secret: &str, now: Timestamp) -> Turn<'_> {
        match self.lock().entry(key.clone()).or_default().reserve(id, now) {
            Some(State::Taken) => return Turn::Repeated,
            Some(State::InHand) => return Turn::InHand,
            None => {}
        }
        let seal = |about: &[u8]| hex::encode(hmac_sha256(secret.as_bytes(), &[about, id.as_bytes()]));
        let (tenant, source) = (key.0.to_string(), key.1.to_string());
        let delivery = Delivery { tenant, source, name: seal(b"name "), seal: seal(b"taken ") };
        let hand = InHand { once: self, key: key.clone(), id: id.to_owned(), since: now, delivery };
        if let Some(shared) = self.shared.get()
            && was_taken(shared, &hand.delivery).await == Ok(true)
        {
            hand.set(State::Taken);
            return Turn::Repeated;
        }
        Turn::Take(hand)
    }
}

impl Known {
    /// Notes a delivery; what was known of it before.
    fn reserve(&mut self, id: &str, now: Timestamp) -> Option<State> {
        while let Some((at, id)) = self.by_time.first().cloned() {
            if now.since(at) <= REMEMBERED && self.by_id.len() < REMEMBERED_MAX {
                break;
            }
            self.by_id.remove(&id);
            self.by_time.remove(&(at, id));
        }
        if let Some(state) = self.by_id.get(id) {
            return Some(*state);
        }
        self.by_id.insert(id.to_owned(), State::InHand);
        self.by_time.insert((now, id.to_owned()));
        None
    }
}

impl InHand<'_> {
    fn set(&self, state: State) {
        if let Some(known) = self.once.lock().get_mut(&self.key).and_then(|known| known.by_id.get_mut(&self.id)) {
            *known = state;
        }
    }

    /// It is kept: a copy is not taken again, at no instance.
    pub async fn kept(self) {
        self.set(State::Taken);
        if let Some(shared) = self.once.shared.get() {
            // While it is away each instance knows its own.
            let _ = take(shared, &self.delivery, REMEMBERED).await;
        }
    }
}

impl Drop for InHand<'_> {
    fn drop(&mut self) {
        let mut all = self.once.lock();
        let Some(known) = all.get_mut(&self.key) else { return };
        if known.by_id.get(&self.id) == Some(&State::InHand) {
            known.by_id.remove(&self.id);
            known.by_time.remove(&(self.since, self.id.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T0: Timestamp = Timestamp(1_767_571_200_000);

    async fn word(once: &Once, key: &Key, id: &str, now: Timestamp) -> &'static str {
        match once.turn(key, id, "secret", now).await {
            Turn::Take(hand) => {
                hand.kept().await;
                "taken"
            }
            Turn::Repeated => "repeated",
            Turn::InHand => "in hand",
        }
    }

    #[tokio::test]
    async fn what_was_taken_is_known_until_its_time_is_over() {
        let (once, key): (Once, Key) = (Once::default(), ("city".into(), "bms".into()));
        assert_eq!(word(&once, &key, "1", T0).await, "taken");
        assert_eq!(word(&once, &key, "1", T0.plus(Span::mins(15))).await, "repeated");
        assert_eq!(word(&once, &("city".into(), "ups".into()), "1", T0).await, "taken", "another source's is another");
        assert_eq!(word(&once, &key, "1", T0.plus(Span::mins(16))).await, "taken");
    }

    #[tokio::test]
    async fn a_copy_waits_for_the_first_and_comes_again_when_that_was_not_kept() {
        let (once, key): (Once, Key) = (Once::default(), ("city".into(), "bms".into()));
        let Turn::Take(first) = once.turn(&key, "1", "secret", T0).await else { panic!("it is new") };
        assert_eq!(word(&once, &key, "1", T0).await, "in hand");
        drop(first);
        assert_eq!(word(&once, &key, "1", T0).await, "taken");
        assert_eq!(word(&once, &key, "1", T0).await, "repeated");
    }

    #[tokio::test]
    async fn a_busy_source_takes_no_other_s_room() {
        let (once, key): (Once, Key) = (Once::default(), ("city".into(), "bms".into()));
        word(&once, &("city".into(), "ups".into()), "1", T0).await;
        for n in 0..=REMEMBERED_MAX {
            word(&once, &key, &n.to_string(), T0).await;
        }
        assert_eq!(word(&once, &("city".into(), "ups".into()), "1", T0).await, "repeated");
        assert_eq!(word(&once, &key, &REMEMBERED_MAX.to_string(), T0).await, "repeated");
        assert_eq!(word(&once, &key, "0", T0).await, "taken", "the oldest went first");
    }
}
