//! Headwater (溯源): from alert storms to incidents with their root cause.
//!
//! The journey of one alert: a source posts it (`intake`), a decoder reads it (`decode`), the journal keeps it
//! (`journal`: from here it counts as accepted), the engine decides (`engine::Engine::step`: dedup → enrich → mute →
//! correlate → root cause → lifecycle → route), one outbox record commits the decision (`outbox`), then it is
//! delivered (`delivery`) and shown (`projection`, `api`, `console`). Analysts run the same engine in `lab`.

// What is held to the same promises here and in tests of real servers names this crate as those do.
#[cfg(test)]
extern crate self as headwater;

pub mod access;
pub mod acting;
pub mod api;
pub mod cli;
pub mod clock;
pub mod config;
pub mod connections;
pub mod console;
pub mod decode;
pub mod delivery;
pub mod demo;
pub mod detect;
pub mod domain;
pub mod engine;
pub mod folders;
pub mod intake;
pub mod journal;
pub mod lab;
pub mod migrate;
pub mod nats;
pub mod outbox;
pub mod pipeline;
pub mod private;
pub mod projection;
pub mod reload;
pub mod replay;
pub mod schemas;
pub mod serve;
pub mod servers;
pub mod shared;
pub mod telemetry;
pub mod vitals;
pub mod wording;
