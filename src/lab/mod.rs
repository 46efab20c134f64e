//! The bench: what analysts do with recorded streams, with the same engine as production.

pub mod against;
pub mod backtest;
pub mod built_in;
pub mod choice;
pub mod clusters;
pub mod early;
pub mod estate;
pub mod evaluate;
pub mod figures;
pub mod files;
pub mod history;
pub mod page;
pub mod readings;
pub mod recording;
pub mod rule_tests;
pub mod score;
pub mod seal;
pub mod series;
pub mod storm;
pub mod suggest;
pub mod told;
pub mod train;
pub mod truth;
pub mod versus;
pub mod world;
