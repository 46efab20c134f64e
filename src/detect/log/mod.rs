//! Log lines: the templates that they are written by, and how often each is.

pub mod memory;
pub mod templates;
pub mod watch;
pub mod words;
