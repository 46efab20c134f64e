//! The senses: series of readings (metrics, counts of log lines, latencies of traces) become anomaly events, ahead of the
//! journal.
//!
//! [`baseline`] knows what was usual for a series in the last hours, [`pattern`] what is rare for it at all, [`together`]
//! how the series of one object go with each other; [`watch`] keeps them all and [`anomaly`] writes the events. [`log`]
//! finds the templates of log lines.
//! Nothing here keeps a clock: whoever reads the series says what belongs to the past and what is looked at.

pub mod anomaly;
pub mod bar;
pub mod baseline;
mod before;
mod chart;
pub mod daybook;
pub mod density;
pub mod drift;
pub mod envelope;
pub mod expected;
pub mod fan_out;
pub mod flat;
pub mod joint;
pub mod judge;
pub mod jury;
pub mod log;
pub mod memory;
pub mod pace;
pub mod pattern;
pub mod rates;
mod ring;
pub mod score;
pub mod season;
pub mod series;
pub mod shape;
pub mod shown;
mod shows;
pub mod state;
pub mod stream;
pub mod tail;
pub mod together;
pub mod trial;
pub mod unusual;
pub mod watch;
