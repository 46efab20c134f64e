//! Log lines: the templates that they are written by, and how often each is.

pub mod templates;
pub mod words;
