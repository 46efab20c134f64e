//! Headwater (溯源): from alert storms to incidents with their root cause.

pub mod decode;
pub mod domain;
pub mod engine;
