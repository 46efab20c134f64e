//! The nouns: what every other part of Headwater talks about. Imports nothing of ours.

pub mod access;
pub mod alert;
pub mod ci;
pub mod event;
pub mod ids;
pub mod incident;
pub mod label;
pub mod matcher;
pub mod mute;
pub mod reject;
pub mod severity;
pub mod time;
pub mod topology;
