//! What is shown of a series of metric points: what was usual, what came, and what was told.

use serde::{Deserialize, Serialize};

use super::event::ObjectRef;
use super::ids::SourceId;
use super::label::Labels;
use super::point::Aspect;
use super::time::Timestamp;

/// A series as it is now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SeriesView {
    /// Its name in addresses: the same for as long as object, name and labels are.
    pub id: Box<str>,
    pub source: SourceId,
    pub object: ObjectRef,
    pub name: Box<str>,
    pub labels: Labels,
    pub aspect: Aspect,
    /// How many readings are known.
    pub readings: u32,
    pub last: Option<Sample>,
    /// Which alerts it stands for at present, by their names.
    pub unusual: Vec<Box<str>>,
    /// When it came last, by our clock.
    pub heard_at: Timestamp,
}

/// A reading, and what was expected.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    pub at: Timestamp,
    pub value: f64,
    /// What was expected, and how far readings usually are from it.
    pub expected: f64,
    pub spread: f64,
    /// The anomaly score, per mille, as an event has it; and who says it.
    pub score: u16,
    pub by: Opinion,
    /// Whether the series was unusual then.
    pub is_unusual: bool,
    /// Whether a level that stayed is what is usual from this reading on.
    #[serde(default)]
    pub has_settled: bool,
}

/// Who says how unusual a reading is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Opinion {
    /// The last hours: how far from their level.
    #[default]
    Hours,
    /// The pattern: how rare for this series.
    Pattern,
}

impl Opinion {
    /// As the API writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hours => "hours",
            Self::Pattern => "pattern",
        }
    }
}

/// A series and its last readings, oldest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SeriesChart {
    pub series: SeriesView,
    pub samples: Vec<Sample>,
    /// Names of the alerts that it may raise.
    pub raises: Vec<Box<str>>,
}

/// Which series are asked for; what is empty does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeriesQuery {
    pub source: Option<SourceId>,
    /// Part of the object's or the metric's name, in any case.
    pub text: String,
    /// Only those of these objects, as a source calls them.
    pub objects: Vec<String>,
    /// Only those that are unusual.
    pub only_unusual: bool,
    /// How many are passed over, and how many are given at most.
    pub offset: usize,
    pub limit: usize,
}

/// What came of a metric model that is tried beside the one that is valid.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TrialOfSeries {
    pub from: Option<Timestamp>,
    pub until: Timestamp,
    /// Readings that both judged, and how many days of one series they are.
    pub readings: u64,
    pub series_days: f64,
    /// How often both told something at about the same time, and only one of them.
    pub both: u64,
    pub only_valid: u64,
    pub only_tried: u64,
    /// Where they differed, newest first.
    pub latest: Vec<Difference>,
}

impl TrialOfSeries {
    /// The same with what came of it on another instance, which judges other series.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.from = self.from.into_iter().chain(other.from).min();
        self.until = self.until.max(other.until);
        self.readings += other.readings;
        self.series_days += other.series_days;
        self.both += other.both;
        self.only_valid += other.only_valid;
        self.only_tried += other.only_tried;
        let most = self.latest.len().max(other.latest.len());
        self.latest.extend(other.latest);
        self.latest.sort_by_key(|one| std::cmp::Reverse(one.at));
        self.latest.truncate(most);
        self
    }
}

/// One of two models: the one that is valid, and the one that is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    Valid,
    Tried,
}

impl Side {
    /// As the API writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Tried => "tried",
        }
    }
}

/// A reading that one of two models told and the other one did not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// The series' id, and its names.
    pub series: Box<str>,
    pub object: Box<str>,
    pub name: Box<str>,
    pub at: Timestamp,
    pub value: f64,
    pub expected: f64,
    pub valid_score: u16,
    pub tried_score: u16,
    pub told_by: Side,
}

/// How the metric model of a tenant is doing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ModelHealth {
    /// The version that series are judged by, as its text says; none: by the last hours alone.
    pub version: Option<u32>,
    pub digest: String,
    /// Why it is worse than it should be.
    pub degraded: Vec<String>,
    /// When the series ended that it was made from; none: not from series of one's own.
    pub trained_until: Option<Timestamp>,
    pub is_stale: bool,
    /// Readings of the last day that were judged.
    pub readings: u64,
    /// How many of them were how rare, from usual to rare.
    pub scores: Vec<ScoreShare>,
    /// How far the two are apart; none: too few readings, or nothing to compare with.
    pub drift: Option<f64>,
    pub has_drifted: bool,
}

/// Readings of one rarity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScoreShare {
    /// Digits of rarity up to here; none: more than all before.
    pub below: Option<f32>,
    /// Per ten thousand of the last day's, and of those from which the model was made.
    pub seen: u32,
    pub made_from: Option<u32>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_of_a_trial_on_two_instances_is_added_up() {
        let difference = |at: i64| Difference {
            series: "s".into(),
            object: "o".into(),
            name: "n".into(),
            at: Timestamp(at),
            value: 1.0,
            expected: 0.5,
            valid_score: 1,
            tried_score: 2,
            told_by: Side::Tried,
        };
        let of = |from: i64, only_tried: u64, latest: &[i64]| TrialOfSeries {
            from: Some(Timestamp(from)),
            until: Timestamp(from + 100),
            readings: 10,
            series_days: 0.5,
            both: 1,
            only_valid: 2,
            only_tried,
            latest: latest.iter().map(|at| difference(*at)).collect(),
        };
        let sum = of(50, 3, &[90, 70]).and(of(20, 4, &[80]));
        assert_eq!((sum.from, sum.until), (Some(Timestamp(20)), Timestamp(150)));
        assert_eq!((sum.readings, sum.both, sum.only_valid, sum.only_tried), (20, 2, 4, 7));
        assert_eq!(sum.latest.iter().map(|one| one.at.0).collect::<Vec<_>>(), [90, 80]);
        let nothing = TrialOfSeries::default();
        assert_eq!(nothing.clone().and(of(50, 3, &[90])), of(50, 3, &[90]));
        // As instances tell each other.
        let text = serde_json::to_string(&of(50, 3, &[90])).unwrap();
        assert_eq!(serde_json::from_str::<TrialOfSeries>(&text).unwrap(), of(50, 3, &[90]));
    }
}
