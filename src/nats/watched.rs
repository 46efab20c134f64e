//! Streams in use are looked at again and again: somebody may change or fill them while the program runs.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use super::NatsError;
use super::connect::Nats;
use super::streams::{Wanted, info};

/// From which share of its bytes on a stream counts as filling up.
const FULL_PERCENT: u64 = 80;

/// The streams that a connection uses.
#[derive(Clone, Debug, Default)]
pub struct InUse(Arc<Mutex<Vec<Wanted>>>);

/// What is wrong with streams in use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trouble {
    /// A stream is gone, or has settings with which messages could be lost: which, and the remedy.
    pub unsafe_settings: Option<String>,
    /// A stream or its account has little room left: how little.
    pub fills_up: Option<String>,
}

impl InUse {
    /// Notes a stream that was found right.
    pub fn note(&self, wanted: &Wanted) {
        let mut all = self.0.lock().expect("nobody panics while holding it");
        all.retain(|one| one.name != wanted.name);
        all.push(wanted.clone());
    }

    fn all(&self) -> Vec<Wanted> {
        self.0.lock().expect("nobody panics while holding it").clone()
    }
}

/// Looks at every stream in use, each `every`, until the future is dropped; `tell` hears what is wrong. While the servers
/// are away, nothing is told.
pub async fn watch(nats: &Nats, every: Duration, tell: impl Fn(Trouble)) {
    loop {
        tokio::time::sleep(every).await;
        match look(nats).await {
            Ok(trouble) => tell(trouble),
            Err(error) => tracing::debug!(%error, "the streams in use could not be looked at"),
        }
    }
}

async fn look(nats: &Nats) -> Result<Trouble, NatsError> {
    let mut trouble = Trouble::default();
    for wanted in nats.in_use.all() {
        let name = &wanted.name;
        let Some(found) = info(nats, name, &json!({})).await? else {
            let gone = format!("stream {name} is gone; restart the program, which makes it anew or says what was lost");
            trouble.unsafe_settings.get_or_insert(gone);
            continue;
        };
        let faults = wanted.faults(&found["config"]);
        if let Some(fault) = faults.first() {
            trouble.unsafe_settings.get_or_insert(fault.to_string());
        }
        let most = &found["config"]["max_bytes"];
        let is_evicting = found["config"]["discard"] != "new";
        if let Some(share) = share(&found["state"]["bytes"], most).filter(|_| !is_evicting) {
            trouble
                .fills_up
                .get_or_insert(format!("stream {name} has {share} % of its max_bytes; raise it, or read faster"));
        }
    }
    let account: Value = nats.jetstream.request("INFO", &json!({})).await.map_err(NatsError::away)?;
    if let Some(share) = share(&account["storage"], &account["limits"]["max_storage"]) {
        let full = format!("the account's streams have {share} % of max_storage; raise it, or keep less");
        trouble.fills_up.get_or_insert(full);
    }
    Ok(trouble)
}

/// How many of a hundred are used, when that is too many and there is a limit.
fn share(used: &Value, most: &Value) -> Option<u64> {
    let most = most.as_u64().filter(|most| *most > 0)?;
    let share = used.as_u64()?.saturating_mul(100) / most;
    Some(share).filter(|share| *share >= FULL_PERCENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_has_a_limit_fills_up() {
        let of = |used: i64, most: i64| share(&json!(used), &json!(most));
        assert_eq!((of(79, 100), of(80, 100), of(205, 100)), (None, Some(80), Some(205)));
        assert_eq!((of(1 << 40, -1), of(1 << 40, 0)), (None, None), "no limit");
    }
}
