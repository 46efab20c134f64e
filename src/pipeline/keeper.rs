//! What is stored beside the work: views with each snapshot, and old records in the archive.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::health::Health;
use super::lease::Lease;
use super::log::AnyLog;
use super::shown::{self, Mark, Shown, VIEW_FORMAT, is_of};
use super::{Owner, PATIENCE};
use crate::domain::time::Span;
use crate::journal::sqlite::append::Clock;

impl Owner {
    /// Stores what the views show of a partition, as of its last shown record. Only a copy of it (texts are shared) is made
    /// here; the file is written beside the work.
    pub(super) fn keep_view(&mut self, number: u16) -> Result<()> {
        let place = self.partition(number).shown;
        let (mark, shown) = {
            let live = self.live.read();
            let mine = is_of(number);
            let tenants = live.tenants().filter(|(tenant, _)| mine(tenant));
            let tenants = tenants.map(|(tenant, view)| (tenant.clone(), view.clone())).collect();
            let notices = self.courier.lock().of(is_of(number));
            let shown = Shown { tenants, notices, rulings: self.rulings.of(is_of(number)) };
            let mark = Mark {
                format: VIEW_FORMAT,
                journal_seq: place.journal_seq,
                outbox_seq: place.seq,
                hash: place.hash.to_string(),
                shown_seq: live.outbox_seq,
                stamp: live.stamp,
                told: self.live.feed.head(),
            };
            (mark, shown)
        };
        self.finish_writing();
        let folder = self.folder.join(shown::FOLDER);
        let write = move || {
            if let Err(error) = shown::write(&folder, number, &mark, &shown) {
                tracing::warn!(partition = number, %error, "the view is not stored; the next start reads more");
            }
        };
        self.writing = Some(std::thread::Builder::new().name("views".into()).spawn(write)?);
        Ok(())
    }

    /// Waits for the view that is being written.
    pub(super) fn finish_writing(&mut self) {
        if let Some(writing) = self.writing.take()
            && writing.join().is_err()
        {
            tracing::error!("writing a view panicked");
        }
    }
}

/// Moves records that no start needs to the archive, and drops them there when their time is over.
pub struct Archivist {
    pub log: AnyLog,
    pub lease: Arc<Lease>,
    pub clock: Clock,
    /// How long the archive keeps a record.
    pub kept: Span,
    /// Between two looks.
    pub every: Duration,
    pub health: Arc<Health>,
}

impl Archivist {
    /// Looks now and then until the program stops.
    pub fn run(self) {
        let (mut failing, mut looked) = (false, Instant::now());
        while !self.is_over() {
            if looked.elapsed() < self.every {
                std::thread::sleep(PATIENCE);
                continue;
            }
            match self.look() {
                Ok(()) => failing = false,
                Err(error) if !failing => {
                    failing = true;
                    tracing::error!(error = format!("{error:#}"), "old records stay where they are, trying again");
                }
                Err(_) => {}
            }
            looked = Instant::now();
        }
    }

    fn is_over(&self) -> bool {
        self.health.stop.load(Ordering::SeqCst)
    }

    fn look(&self) -> Result<()> {
        let before = (self.clock)().minus(self.kept);
        while !self.is_over() && self.lease.duty().is_first() && self.log.tidy(before)? {}
        Ok(())
    }
}
