//! All integration tests in one binary: one link.

mod accuracy;
mod corpus;
mod decode;
mod intake;
mod replay;
mod severity;
mod storms;
mod tidy;
