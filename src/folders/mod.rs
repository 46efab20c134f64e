//! Folders of text that people write, read from disk: rules, formats of sources, models.

pub mod formats;
pub mod metric;
pub mod models;
pub mod rules;
