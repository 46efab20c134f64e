//! What came of a metric model's trial on all instances together: each judges the series that are its turn, says every ten seconds
//! what came of it so far, and hears what the others say.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::domain::ids::TenantId;
use crate::domain::series::TrialOfSeries;
use crate::nats::shelf::Shelf;

/// What it is called on the shelf; the instance's name follows.
const BELOW: &str = "trial";
/// How often it is told and heard.
pub const EVERY: Duration = Duration::from_secs(10);

/// One instance's word.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Word {
    instance: String,
    trials: Vec<Came>,
}

/// What came of one tenant's trial.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Came {
    pub tenant: TenantId,
    /// The journal record of the trial.
    pub seq: u64,
    pub trial: TrialOfSeries,
}

/// The words of all.
pub struct Together {
    shelf: Shelf,
    instance: String,
    others: Mutex<Vec<Word>>,
    /// Whether there is something of ours on the shelf.
    has_said: Mutex<bool>,
}

impl Together {
    /// Under this instance's name.
    pub fn new(shelf: Shelf, instance: String) -> Self {
        Self { shelf, instance, others: Mutex::default(), has_said: Mutex::default() }
    }

    /// Says what came of it here, and hears the others. What is away is as it was heard last.
    pub async fn exchange(&self, trials: Vec<Came>) {
        let is_new =
            !trials.is_empty() || std::mem::take(&mut *self.has_said.lock().unwrap_or_else(PoisonError::into_inner));
        if is_new {
            *self.has_said.lock().unwrap_or_else(PoisonError::into_inner) = !trials.is_empty();
            let word = Word { instance: self.instance.clone(), trials };
            let text = serde_json::to_vec(&word).expect("counts are plain data");
            if let Err(error) = self.shelf.put(&format!("{BELOW}.{}", self.instance), None, text).await {
                tracing::debug!(%error, "what came of a trial is not told to the others");
            }
        }
        match self.shelf.read_all(BELOW).await {
            Ok(texts) => {
                let words = texts.iter().filter_map(|text| serde_json::from_slice::<Word>(text).ok());
                let others = words.filter(|word| word.instance != self.instance).collect();
                *self.others.lock().unwrap_or_else(PoisonError::into_inner) = others;
            }
            Err(error) => tracing::debug!(%error, "what came of a trial elsewhere is as it was heard last"),
        }
    }

    /// What came of a trial here, together with what the others said of the same one.
    pub fn with_others(&self, tenant: &TenantId, seq: u64, here: Option<TrialOfSeries>) -> Option<TrialOfSeries> {
        let others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        let of_it =
            others.iter().flat_map(|word| &word.trials).filter(|came| came.tenant == *tenant && came.seq == seq);
        let all = here.into_iter().chain(of_it.map(|came| came.trial.clone()));
        all.reduce(TrialOfSeries::and)
    }
}
