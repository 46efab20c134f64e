//! Credentials: bearer tokens in a file of which only hashes are kept. Shared by intake and API.

pub mod file;
pub mod store;
pub mod strangers;
pub mod token;
