//! The words people read, in Chinese and English: labels of wire words, evidence as sentences. Shared by all edges.

pub mod care;
pub mod ical;
pub mod lang;
mod learned;
pub mod letters;
pub mod markup;
pub mod mask;
pub mod rarity;
pub mod reasons;
pub mod report;
pub mod sentences;
pub mod titles;
pub mod verdicts;
pub mod words;
