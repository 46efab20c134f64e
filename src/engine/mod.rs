//! The verbs: what happens to an event. Pure: no clock, no dice, no I/O, no hash-map iteration.

pub mod effect;
pub mod input;
pub mod verdict;
