//! All integration tests in one binary: one link.

mod accuracy;
mod corpus;
mod decode;
mod replay;
mod severity;
mod storms;
mod tidy;
