//! Learned questions: yes or no by a sum of weighted features, all of it in integers.
//!
//! What a question looks at is named here; its weights stand in the model file and are fitted in `lab`. A question that
//! a model does not answer is decided by the numbers of `tuning` alone.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use schemars::JsonSchema;
use serde::Deserialize;

use super::fixed::Milli;

/// The most features that a question has.
pub const FEATURES_MAX: usize = 28;
/// The largest weight, per mille, and the largest constant.
const WEIGHT_MAX: i64 = 1_000_000;

/// What can be learned to be decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Question {
    /// Is the best explanation along the topology the right one?
    Link,
    /// Does an alert without an explanation belong to what happens to its like right now?
    Kin,
    /// The same, where the CMDB does not know the object: by time, type, source and labels alone.
    Stranger,
    /// Is a group of alerts an incident?
    Tell,
    /// Is a lone alert an incident?
    Lone,
}

impl Question {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Link, Self::Kin, Self::Stranger, Self::Tell, Self::Lone];

    /// Its name in model files.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Link => "link",
            Self::Kin => "kin",
            Self::Stranger => "stranger",
            Self::Tell => "tell",
            Self::Lone => "lone",
        }
    }

    /// What its parts are called as evidence: the constant, then each feature.
    pub fn labels(self) -> &'static [Box<str>] {
        &LABELS[&self]
    }

    /// What it looks at, in order. Logarithms are milli-nats, flags 0 or 1000, shares per mille.
    pub const fn features(self) -> &'static [&'static str] {
        match self {
            Self::Link => &[
                "margin",
                "path",
                "one_hop",
                "far",
                "same_ci",
                "delay_fit",
                "cause",
                "symptom",
                "background",
                "unknown_relation",
                "silent_cause",
                "told",
                "both_told",
                "size",
                "noisy_cause",
                "noisy_effect",
                "severe",
                "alike",
                "below",
                "since_root",
                "root_prior",
                "own_cause",
                "siblings",
                "episodes",
                "here_too",
                "rival",
            ],
            Self::Kin | Self::Stranger => &[
                "alike",
                "share",
                "class",
                "hit",
                "near",
                "since_root",
                "before_root",
                "size",
                "told",
                "background",
                "symptom",
                "cause",
                "severe",
                "below",
                "site",
                "labels",
                "rivals",
                "noisy",
                "root_prior",
                "like_root",
                "together",
                "together_share",
            ],
            Self::Tell => &[
                "alerts",
                "cis",
                "severe",
                "severe_quiet",
                "worst",
                "lasted",
                "age",
                "kinds",
                "symptom",
                "cause",
                "noisy",
                "root_prior",
                "silent_cause",
                "noisy_share",
                "like_told",
                "like_held",
                "unmapped",
            ],
            Self::Lone => &[
                "symptom",
                "cause",
                "background",
                "noisy",
                "root_prior",
                "critical",
                "age",
                "like_told",
                "like_held",
                "class_told",
                "episodes",
                "unmapped",
                "alone_share",
            ],
        }
    }
}

/// `<question>.constant` and `<question>.<feature>` of each, as evidence names them.
static LABELS: LazyLock<BTreeMap<Question, Vec<Box<str>>>> = LazyLock::new(|| {
    let labels = |question: Question| {
        let names = std::iter::once(&"constant").chain(question.features());
        names.map(|name| format!("{}.{name}", question.word()).into()).collect()
    };
    Question::ALL.into_iter().map(|question| (question, labels(question))).collect()
});

/// What a question saw, in the order of its features.
pub type Features = [i64; FEATURES_MAX];

/// A constant and a weight per feature. The answer is yes when the sum is above 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logit {
    pub constant: Milli,
    /// Per mille, in the order of the features.
    pub weights: [i64; FEATURES_MAX],
}

impl Logit {
    /// What each feature adds.
    pub fn parts(&self, features: &Features) -> [Milli; FEATURES_MAX] {
        std::array::from_fn(|at| self.weights[at] * features[at] / 1000)
    }

    /// The log-odds of yes.
    pub fn score(&self, features: &Features) -> Milli {
        self.constant + self.parts(features).iter().sum::<Milli>()
    }
}

/// A question's numbers as a model file has them.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LogitText {
    constant: Milli,
    weights: BTreeMap<Box<str>, i64>,
}

/// The questions that a model answers.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(try_from = "BTreeMap<Question, LogitText>")]
#[schemars(with = "BTreeMap<Question, LogitText>")]
pub struct Answers(BTreeMap<Question, Logit>);

impl Answers {
    /// How a question is answered.
    pub fn get(&self, question: Question) -> Option<&Logit> {
        self.0.get(&question)
    }

    /// Whether it answers none.
    pub fn are_none(&self) -> bool {
        self.0.is_empty()
    }

    /// Answers a question so from here on.
    pub fn set(&mut self, question: Question, logit: Option<Logit>) {
        match logit {
            Some(logit) => drop(self.0.insert(question, logit)),
            None => drop(self.0.remove(&question)),
        }
    }
}

impl TryFrom<BTreeMap<Question, LogitText>> for Answers {
    type Error = String;

    fn try_from(texts: BTreeMap<Question, LogitText>) -> Result<Self, String> {
        let mut answers = Self::default();
        for (question, text) in texts {
            let word = question.word();
            let names = question.features();
            if let Some(stranger) = text.weights.keys().find(|name| !names.contains(&name.as_ref())) {
                return Err(format!("learned.{word}.weights: {stranger} is no feature of it; train the model again"));
            }
            let mut weights = [0; FEATURES_MAX];
            for (at, name) in names.iter().enumerate() {
                let weight = text.weights.get(*name).copied();
                // What a model does not know of adds nothing: it decides as it did when it was made.
                weights[at] = weight.unwrap_or_default();
            }
            let large = |number: &i64| number.abs() > WEIGHT_MAX;
            if large(&text.constant) || weights.iter().any(large) {
                return Err(format!("learned.{word}: a number is beyond {WEIGHT_MAX}; train the model again"));
            }
            answers.0.insert(question, Logit { constant: text.constant, weights });
        }
        Ok(answers)
    }
}

/// What a question saw and what came of it: shown by `why`.
#[derive(Clone, Copy, Debug)]
pub struct Weighed {
    pub question: Question,
    pub features: Features,
    pub score: Milli,
}

/// A flag as a feature.
pub const fn flag(is: bool) -> i64 {
    if is { 1000 } else { 0 }
}
