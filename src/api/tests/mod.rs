//! Tests of the API on the real router over made-up effects.

pub mod fixture;
pub mod silent;

mod access;
mod estate;
mod reading;
mod resuming;
