//! Writes snapshots beside the engine, which only makes their bytes and goes on.

use std::thread::JoinHandle;

use anyhow::{Context as _, Result, anyhow};

use super::log::AnyLog;
use crate::journal::snapshot::Snapshot;

/// One snapshot at a time is on its way to the file.
#[derive(Default)]
pub struct Scribe {
    writing: Option<JoinHandle<Result<()>>>,
}

impl Scribe {
    /// Whether the last snapshot is in the file.
    pub fn is_free(&self) -> bool {
        self.writing.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Takes a snapshot, once the one before is in the file. One that could not be written is told in the log: the
    /// older ones stay, and the next one is tried as usual.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn take(&mut self, snapshot: Snapshot, log: &AnyLog) -> Result<()> {
        if let Err(error) = self.finish() {
            tracing::error!(error = format!("{error:#}"), "a snapshot was not written, the older ones stay");
        }
        let log = log.clone();
        let write = move || Ok(log.put_snapshot(snapshot)?);
        self.writing = Some(std::thread::Builder::new().name("snapshot".into()).spawn(write)?);
        Ok(())
    }

    /// Waits until the last snapshot is in the file.
    ///
    /// # Errors
    /// When it could not be written.
    pub fn finish(&mut self) -> Result<()> {
        let Some(writing) = self.writing.take() else { return Ok(()) };
        writing.join().map_err(|_| anyhow!("the thread that writes snapshots panicked"))?.context("write a snapshot")
    }
}
