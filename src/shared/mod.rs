//! What instances share and may lose: a view for other programs, sessions, rates, and
//! what was delivered, in Redis. Redis decides nothing.
//! While it is away everything here says so at once, and each user has a way without it.

mod address;
mod breaker;
mod client;
mod connect;
pub mod once;
pub mod rates;
pub mod sessions;
pub mod settings;
pub mod values;

pub use client::{Away, Counts, Shared};
