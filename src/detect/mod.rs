//! The senses: series of readings (metrics, counts of log lines, latencies of traces) become anomaly events, ahead of the
//! journal.
//!
//! [`baseline`] knows what is usual for a series, [`anomaly`] says how unusual a window of it is and writes the event.
//! Nothing here keeps a clock: whoever reads the series says what belongs to the past and what is looked at.

pub mod anomaly;
pub mod bar;
pub mod baseline;
pub mod fan_out;
pub mod joint;
pub mod log;
pub mod pattern;
pub mod season;
pub mod series;
pub mod shape;
pub mod state;
pub mod stream;
pub mod tail;
pub mod watch;
