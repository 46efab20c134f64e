//! The words people read, in Chinese and English: labels of wire words, evidence as sentences. Shared by all edges.

pub mod lang;
pub mod sentences;
pub mod words;
