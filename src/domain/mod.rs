//! The nouns: what every other part of Headwater talks about. Imports nothing of ours.

pub mod access;
pub mod action;
pub mod alert;
pub mod ascending;
pub mod ci;
pub mod event;
pub mod few;
pub mod ids;
pub mod incident;
pub mod label;
pub mod level;
pub mod line;
pub mod matcher;
pub mod mute;
pub mod pairs;
pub mod partition;
pub mod pass;
pub mod point;
pub mod reject;
pub mod seal;
pub mod series;
pub mod severity;
pub mod stream;
pub mod text;
pub mod time;
pub mod topology;
