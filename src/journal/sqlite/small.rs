//! Small writes that need no type of their own: a closure and its answer.

use rusqlite::Connection;

use super::append::Reply;
use super::fail::SqlResult;
use super::schema::Heads;
use super::writer::{Need, Setback, Task};

/// What is written.
type Write = Box<dyn FnMut(&Connection, &mut Heads) -> SqlResult<()> + Send>;

/// A write on its way to the file.
pub struct Small {
    bytes: usize,
    need: Need,
    write: Write,
    reply: Option<Reply<Result<(), Setback>>>,
}

impl Small {
    /// Describes a write of about `bytes`. It may run again after a rollback.
    pub fn new(
        bytes: usize,
        need: Need,
        write: impl FnMut(&Connection, &mut Heads) -> SqlResult<()> + Send + 'static,
    ) -> Self {
        Self { bytes, need, write: Box::new(write), reply: None }
    }

    /// Says who is told when it is durable.
    #[must_use]
    pub fn answering(mut self, reply: Reply<Result<(), Setback>>) -> Self {
        self.reply = Some(reply);
        self
    }
}

impl Task for Small {
    fn weight(&self) -> usize {
        self.bytes
    }

    fn need(&self) -> Need {
        self.need
    }

    fn apply(&mut self, file: &Connection, heads: &mut Heads) -> SqlResult<()> {
        (self.write)(file, heads)
    }

    fn settle(self: Box<Self>, outcome: Result<(), Setback>) {
        if let Some(reply) = self.reply {
            reply(outcome);
        }
    }
}
