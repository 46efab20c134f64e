//! All integration tests in one binary: one link.

mod accuracy;
mod replay;
mod storms;
mod tidy;
