//! What is shown of a series of metric points: what was usual, what came, and what was told.

use super::event::ObjectRef;
use super::ids::SourceId;
use super::label::Labels;
use super::point::Aspect;
use super::time::Timestamp;

/// A series as it is now.
#[derive(Clone, Debug, PartialEq)]
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
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    pub at: Timestamp,
    pub value: f64,
    /// What was expected, and how far readings usually are from it.
    pub expected: f64,
    pub spread: f64,
    /// The anomaly score, per mille.
    pub score: u16,
    /// Whether the series was unusual then.
    pub is_unusual: bool,
}

/// A series and its last readings, oldest first.
#[derive(Clone, Debug, PartialEq)]
pub struct SeriesChart {
    pub series: SeriesView,
    pub samples: Vec<Sample>,
    /// Names of the alerts that it may raise.
    pub raises: Vec<&'static str>,
}

/// Which series are asked for; what is empty does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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
