//! Lines of logs, as sources send them. They are counted ahead of the journal and never enter it.

use super::event::ObjectRef;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// What wrote it; without a key it is the source itself.
    pub object: ObjectRef,
    /// The program; empty when nobody said it.
    pub program: Box<str>,
    /// Without time and level where the sender keeps them apart.
    pub text: Box<str>,
}
