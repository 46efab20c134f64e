//! The limits of intake. All of them hold before a body is parsed.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::detect::stream::Trigger;
use crate::detect::watch::Limits;

/// How much is taken at once. Texts within an event have limits of their own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "IntakeSettings")]
pub struct Settings {
    /// A body with one event.
    pub single_bytes_max: usize,
    /// A body with several; also the largest body after decompression.
    pub batch_bytes_max: usize,
    /// Events in one body.
    pub events_max: usize,
    /// All names and values of a request's headers together.
    pub header_bytes_max: usize,
    /// Decompressed against compressed size, for bodies of more than 64 KiB.
    pub gzip_ratio_max: usize,
    /// All bodies that are being received or wait for the journal, together. More is answered 503.
    pub in_flight_bytes_max: usize,
    /// The least speed of a body after its first seconds.
    pub body_bytes_per_second_min: u64,
    /// So long a body may pause, and so long it may be slow at first.
    pub body_pause_ms_max: u64,
    /// What a refused sender is told to wait.
    pub retry_after_secs: u64,
    /// Series of metric points that are watched; a point that would begin one more is refused.
    pub series_max: usize,
    /// A series that is silent for so long is forgotten.
    pub series_idle_secs: u32,
    /// Templates of log lines that are learned of each program; further ones count with nothing.
    pub log_templates_max: usize,
    /// What of metric points is told.
    pub anomalies: Anomalies,
    /// Limits of every source that has none of its own; by default none, so that a storm through one source is taken.
    pub rate: Rate,
    /// Limits by source.
    pub rates: BTreeMap<String, Rate>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            single_bytes_max: 1024 * 1024,
            batch_bytes_max: 8 * 1024 * 1024,
            events_max: 5000,
            header_bytes_max: 16 * 1024,
            gzip_ratio_max: 20,
            in_flight_bytes_max: 256 * 1024 * 1024,
            body_bytes_per_second_min: 1024,
            body_pause_ms_max: 5000,
            retry_after_secs: 1,
            series_max: 100_000,
            series_idle_secs: 6 * 3600,
            log_templates_max: 1000,
            anomalies: Anomalies::default(),
            rate: Rate::default(),
            rates: BTreeMap::new(),
        }
    }
}

/// What of metric points is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Anomalies {
    /// So many of the last so many readings must be unusual.
    pub trigger: Trigger,
    /// The anomaly score per mille from which on a rare reading is told; 285 is the bar of the detector, 999 the most.
    pub told_from: u16,
    /// Usual gaps between readings after which an object that is not heard of is told; 0 for never.
    pub silent_gaps: u16,
    /// Folder with metric models, the newest version counts; null: the one that is compiled in.
    pub models: Option<PathBuf>,
    /// Whether the rates of alerts per source are watched, too.
    pub alert_rates: bool,
    /// What scoring a point may cost, microseconds, as a mean over some thousands; beyond it series are judged by the last
    /// hours alone for a minute. 0: anything.
    pub point_us_max: u32,
    /// Series of which readings are kept to make models from, and for how many days.
    pub kept_series: usize,
    pub kept_days: u16,
    /// Days after which a model that was made from one's own series is told to be old; 0: never.
    pub stale_days: u16,
    /// Days from one model that is made and tried by itself to the next; 0: none is.
    pub retrain_days: u16,
    /// False alarms per thousand series and day that a model made by itself may tell.
    pub false_alarms_per_mille: u32,
}

impl Default for Anomalies {
    fn default() -> Self {
        let Limits { trigger, told_from, silent_gaps, .. } = Limits::of(0);
        Self {
            trigger,
            told_from,
            silent_gaps,
            models: None,
            alert_rates: true,
            point_us_max: 500,
            kept_series: 100,
            kept_days: 14,
            stale_days: 180,
            retrain_days: 0,
            false_alarms_per_mille: 20,
        }
    }
}

/// How fast a source may send; what is not set is not limited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Rate {
    pub preset: Option<Preset>,
    pub requests_per_second: Option<NonZeroU32>,
    pub requests_per_minute: Option<NonZeroU32>,
    pub events_per_second: Option<NonZeroU32>,
}

/// Limits that are known from elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Preset {
    /// 100 requests a second and 1000 a minute.
    Flashduty,
}

impl Rate {
    /// The rate with its preset written out; what is set beside the preset wins.
    pub fn resolved(self) -> Self {
        let preset = match self.preset {
            None => Self::default(),
            Some(Preset::Flashduty) => Self {
                requests_per_second: NonZeroU32::new(100),
                requests_per_minute: NonZeroU32::new(1000),
                ..Self::default()
            },
        };
        Self {
            preset: None,
            requests_per_second: self.requests_per_second.or(preset.requests_per_second),
            requests_per_minute: self.requests_per_minute.or(preset.requests_per_minute),
            events_per_second: self.events_per_second.or(preset.events_per_second),
        }
    }
}
