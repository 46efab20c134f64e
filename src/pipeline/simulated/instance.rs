//! One instance of the program without its threads: an owner that the schedule calls, what it reads ahead, and its folder.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use rand::Rng;

use super::log::{Shared, SimLog, lock};
use super::world::Planted;
use crate::domain::time::{Span, Timestamp};
use crate::journal::{Follow, ReadError, Record};
use crate::outbox::OutboxRecord;
use crate::pipeline::arrivals::Arrival;
use crate::pipeline::courier::Courier;
use crate::pipeline::lease::{Duty, Lease};
use crate::pipeline::log::AnyLog;
use crate::pipeline::partition::Turn;
use crate::pipeline::{Owner, Pace, shown};
use crate::projection::live::Live;

/// Longer than any seed takes.
const LONG: Duration = Duration::from_secs(36_000);

/// An instance: what is left of it between two lives, and its present life.
pub struct Instance {
    pub number: usize,
    pub folder: tempfile::TempDir,
    /// How far its clock is off.
    pub skew: Span,
    /// Whose turn it thinks it is.
    pub duty: Duty,
    /// Not called before this step of the schedule.
    pub asleep_until: usize,
    pub life: Option<Life>,
}

/// From a start to the end of the process.
pub struct Life {
    pub owner: Owner,
    lease: Arc<Lease>,
    records: Box<dyn Follow<Record>>,
    decisions: Box<dyn Follow<OutboxRecord>>,
    /// Decisions that wait until the records that they are about were read.
    held: Vec<Arc<OutboxRecord>>,
}

/// What is read next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reads {
    Records,
    Decisions,
    Nothing,
}

impl Instance {
    pub fn new(number: usize) -> Self {
        // In memory where there is such a folder: what is lost of it the dice say, not a disk.
        let memory = Path::new("/dev/shm");
        let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
        let folder = folder.expect("a folder for a test can be made");
        Self { number, folder, skew: Span(0), duty: Duty::default(), asleep_until: 0, life: None }
    }

    /// Starts as the program does.
    pub fn start(&mut self, world: &Shared, pace: Pace) -> Result<()> {
        let log: AnyLog = Arc::new(SimLog::open(world, self.number));
        let lease = Arc::new(Lease::for_good());
        lease.assign(self.duty.clone());
        let (of, skew) = (world.clone(), self.skew);
        let clock: crate::clock::Clock = Arc::new(move || lock(&of).now.plus(skew));
        let courier = Arc::new(Courier::new(log.clone(), lease.clone(), None, &clock));
        let mut owner =
            Owner::new(&log, &lease, self.folder.path(), &clock, &Arc::new(Live::default()), &courier, pace);
        owner.rebuild()?;
        let begun = owner.health.start().begun;
        if begun > 0 {
            lock(world).tell("view begun", format_args!("{begun} of {}", self.number));
        }
        settle(&mut owner);
        owner.accept_rest()?;
        owner.take_duty()?;
        let (records, decisions) = (log.follow(owner.read), log.follow_decisions(owner.followed));
        let mut life = Life { owner, lease, records, decisions, held: Vec::new() };
        life.put_off_claims();
        self.life = Some(life);
        Ok(())
    }

    /// Ends without a word. Of its files, some may be lost, cut short, or as they were before.
    pub fn crash(&mut self, world: &Shared) {
        self.life = None;
        let folder = self.folder.path().join(shown::FOLDER);
        for file in files(&folder) {
            let mut world = lock(world);
            let roll = world.dice.gen_range(0..10);
            let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let older = self.folder.path().join("older").join(&name);
            match roll {
                0 => {
                    let _ = fs::remove_file(&file);
                    world.tell("view lost", format_args!("{name} of {}", self.number));
                }
                1 => {
                    let bytes = fs::read(&file).unwrap_or_default();
                    let _ = fs::write(&file, &bytes[..bytes.len() / 2]);
                    world.tell("view torn", format_args!("{name} of {}", self.number));
                }
                2 if older.exists() => {
                    let _ = fs::copy(&older, &file);
                    world.tell("view old", format_args!("{name} of {}", self.number));
                }
                _ => {}
            }
        }
        self.keep_older();
    }

    /// What an old disk would have.
    fn keep_older(&self) {
        let older = self.folder.path().join("older");
        let _ = fs::create_dir_all(&older);
        for file in files(&self.folder.path().join(shown::FOLDER)) {
            let _ = fs::copy(&file, older.join(file.file_name().unwrap_or_default()));
        }
    }

    /// Learns whose turn it is; it sees to that when it is called next.
    pub fn assign(&mut self, duty: Duty) {
        self.duty = duty;
        if let Some(life) = &self.life {
            life.lease.assign(self.duty.clone());
        }
    }
}

fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let mut files: Vec<_> = entries.map(|entry| entry.path()).collect();
    files.sort();
    files
}

/// Waits for the threads that write beside the engine's, so that a seed tells the same story each time.
pub fn settle(owner: &mut Owner) {
    owner.finish_writing();
    while !owner.scribe.is_free() {
        std::thread::yield_now();
    }
}

impl Life {
    /// One round of the engine's thread.
    pub fn go_on(&mut self, reads: Reads, ticks: bool, planted: Planted) -> Result<()> {
        let arrival = match reads {
            Reads::Records => self.read_records()?,
            Reads::Decisions => self.read_decisions()?,
            Reads::Nothing => None,
        };
        self.owner.go_on(arrival, ticks)?;
        settle(&mut self.owner);
        if planted == Planted::HastyOwner {
            for partition in self.owner.partitions.values_mut() {
                if let Turn::Soon(head) = partition.turn {
                    partition.turn = Turn::Ours(head);
                }
            }
        }
        self.put_off_claims();
        Ok(())
    }

    fn read_records(&mut self) -> Result<Option<Arrival>> {
        match self.records.next(Duration::ZERO) {
            Ok(records) => Ok((!records.is_empty()).then_some(Arrival::Records(records))),
            Err(ReadError::Failed { .. }) => Ok(None),
            Err(error) => Err(error).context("follow the journal"),
        }
    }

    fn read_decisions(&mut self) -> Result<Option<Arrival>> {
        if !self.owner.log.is_shared() {
            return Ok(None);
        }
        if self.held.is_empty() {
            match self.decisions.next(Duration::ZERO) {
                Ok(decisions) => self.held = decisions,
                Err(ReadError::Failed { .. }) => return Ok(None),
                Err(error) => return Err(error).context("follow the outbox"),
            }
        }
        let about = self.held.iter().map(|decision| decision.journal_seq).max().unwrap_or(0);
        if self.held.is_empty() || about > self.records.seen() {
            return Ok(None);
        }
        Ok(Some(Arrival::Decisions(std::mem::take(&mut self.held))))
    }

    /// Whoever was refused claims again when the schedule says so, not after a time.
    fn put_off_claims(&mut self) {
        for partition in self.owner.partitions.values_mut().filter(|partition| partition.claim_at.is_some()) {
            partition.claim_at = Some(Instant::now() + LONG);
        }
    }

    pub fn claim_again(&mut self) {
        for partition in self.owner.partitions.values_mut() {
            partition.claim_at = None;
        }
    }

    /// Whether it has read and shown everything, and nothing is due.
    pub fn is_settled(&self, records: u64, messages: u64, now: Timestamp) -> bool {
        let has_read = self.records.seen() == records
            && self.held.is_empty()
            && (!self.owner.log.is_shared() || self.decisions.seen() == messages);
        has_read
            && self.owner.partitions.values().all(|partition| {
                partition.waiting.is_empty() && partition.engine.next_due().is_none_or(|due| due > now)
            })
    }
}
