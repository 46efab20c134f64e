//! What came of a metric model's trial on all instances together: each judges the series that are its turn, says every ten seconds
//! what came of it so far, and hears what the others say. So they know, too, who has readings to make a model from.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::domain::ids::TenantId;
use crate::domain::series::TrialOfSeries;
use crate::nats::shelf::Shelf;

use super::others::Others;

/// What it is called on the shelf; the instance's name follows.
const BELOW: &str = "trial";
/// How often it is told and heard.
pub const EVERY: Duration = Duration::from_secs(10);

/// Those that started together have said by then what they have.
const HEARD_MIN: u32 = 3;

/// One instance's word.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Word {
    instance: String,
    trials: Vec<Came>,
    /// Readings that it keeps of each tenant.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    readings: BTreeMap<TenantId, u64>,
}

/// What came of one tenant's trial.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Came {
    pub tenant: TenantId,
    /// The journal record of the trial.
    pub seq: u64,
    pub trial: TrialOfSeries,
}

/// The words of all.
pub struct Together {
    shelf: Shelf,
    pub(super) others: Arc<Others>,
    instance: String,
    heard: Mutex<Heard>,
    /// What of ours is on the shelf.
    said: Mutex<Option<Word>>,
}

/// What the others said.
#[derive(Default)]
struct Heard {
    words: Vec<Word>,
    /// How often they were heard.
    times: u32,
}

impl Together {
    /// Under this instance's name.
    pub fn new(shelf: Shelf, others: Arc<Others>) -> Self {
        let instance = others.instance().to_owned();
        Self { shelf, others, instance, heard: Mutex::default(), said: Mutex::default() }
    }

    /// Says what came of it here, and hears the others. What is away is as it was heard last.
    pub async fn exchange(&self, trials: Vec<Came>, readings: BTreeMap<TenantId, u64>) {
        let word = Word { instance: self.instance.clone(), trials, readings };
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let has_nothing = word.trials.is_empty() && word.readings.is_empty();
        if said.as_ref() != Some(&word) && !(said.is_none() && has_nothing) {
            let text = serde_json::to_vec(&word).expect("counts are plain data");
            match self.shelf.put(&format!("{BELOW}.{}", self.instance), None, text).await {
                Ok(_) => *self.said.lock().unwrap_or_else(PoisonError::into_inner) = Some(word),
                Err(error) => tracing::debug!(%error, "what came of a trial is not told to the others"),
            }
        }
        match self.shelf.read_all(BELOW).await {
            Ok(texts) => {
                let words = texts.iter().filter_map(|text| serde_json::from_slice::<Word>(text).ok());
                let words = words.filter(|word| word.instance != self.instance).collect();
                let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
                *heard = Heard { words, times: heard.times.saturating_add(1) };
            }
            Err(error) => tracing::debug!(%error, "what came of a trial elsewhere is as it was heard last"),
        }
    }

    /// What came of a trial here, together with what the others said of the same one.
    pub fn with_others(&self, tenant: &TenantId, seq: u64, here: Option<TrialOfSeries>) -> Option<TrialOfSeries> {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let of_it =
            heard.words.iter().flat_map(|word| &word.trials).filter(|came| came.tenant == *tenant && came.seq == seq);
        let all = here.into_iter().chain(of_it.map(|came| came.trial.clone()));
        all.reduce(TrialOfSeries::and)
    }

    /// Which instance of those that are `alive` makes a tenant's next model: the one that keeps most of its readings. `None` while
    /// the others were hardly heard, or when nobody has any.
    pub fn trainer(&self, tenant: &TenantId, here: u64, alive: &[String]) -> Option<String> {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let of = |word: &Word| (word.readings.get(tenant).copied().unwrap_or(0), word.instance.clone());
        let living = heard.words.iter().filter(|word| alive.contains(&word.instance)).map(of);
        let most = living.chain([(here, self.instance.clone())]).max()?;
        (heard.times >= HEARD_MIN && most.0 > 0).then_some(most.1)
    }

    /// This instance's name.
    pub fn instance(&self) -> &str {
        &self.instance
    }
}
