//! The promises of journal, outbox and snapshots, the same for every store: one file, one NATS server, three of them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use headwater::domain::event::{Event, MetricRef};
use headwater::domain::ids::{SourceId, TenantId};
use headwater::domain::time::Timestamp;
use headwater::engine::effect::Effect;
use headwater::engine::input::{Batch, Input};
use headwater::journal::jetstream::{JetStreamStore, OpenOptions};
use headwater::journal::packed::Pieces;
use headwater::journal::snapshot::{Snapshot, Snapshots};
use headwater::journal::sqlite::Store;
use headwater::journal::{AppendError, Durability, Follow, Journal, Of, Record, sqlite};
use headwater::nats::connect::connect;
use headwater::outbox::jetstream::JetStreamOutbox;
use headwater::outbox::sqlite::SqliteOutbox;
use headwater::outbox::{CommitError, Decided, Outbox, OutboxHead};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::server::{PATIENCE, Program, Server, cluster, settings};

const QUIET: Duration = Duration::from_millis(300);

/// Where a store is, and how it is opened.
pub trait Site {
    type Journal: Journal + Snapshots + Clone + 'static;
    type Outbox: Outbox + Clone + 'static;

    /// Opens it, as a program does that was started again after `before` ended.
    fn open(&mut self, before: Option<Opened<Self>>) -> Opened<Self>
    where
        Self: Sized;

    /// Opens it although somebody else has it and does not know.
    fn take_over(&mut self) -> Opened<Self>
    where
        Self: Sized;

    /// Runs something that needs a runtime.
    fn wait<T>(&self, future: impl Future<Output = T>) -> T;
}

/// An open store.
pub struct Opened<S: Site> {
    pub journal: S::Journal,
    pub outbox: S::Outbox,
}

struct OneFile {
    folder: TempDir,
    runtime: Runtime,
}

impl OneFile {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), runtime: Runtime::new().unwrap() }
    }
}

impl Site for OneFile {
    type Journal = Store;
    type Outbox = SqliteOutbox;

    fn open(&mut self, before: Option<Opened<Self>>) -> Opened<Self> {
        drop(before);
        let options = sqlite::OpenOptions {
            durability: Durability::Process,
            ballast_bytes: 0,
            ..sqlite::OpenOptions::new(headwater::clock::machine())
        };
        let journal = Store::open(self.folder.path(), options).unwrap();
        Opened { outbox: SqliteOutbox::new(journal.clone()), journal }
    }

    fn take_over(&mut self) -> Opened<Self> {
        std::fs::remove_file(self.folder.path().join("headwater.lock")).unwrap();
        self.open(None)
    }

    fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }
}

/// NATS servers.
pub struct Servers {
    pub servers: Vec<Server>,
    pub runtime: Runtime,
    opened: u32,
}

impl Servers {
    pub fn new(servers: Vec<Server>) -> Self {
        Self { servers, runtime: Runtime::new().unwrap(), opened: 0 }
    }

    pub fn one(program: Program) -> Option<Self> {
        Some(Self::new(vec![Server::start(&program.path()?, "one.conf".as_ref())]))
    }

    pub fn three(program: Program) -> Option<Self> {
        Some(Self::new(cluster(&program.path()?, "one.conf".as_ref())))
    }

    /// Opens a store by way of other addresses than the servers' own.
    pub fn open_by(&mut self, urls: Vec<String>) -> Opened<Self> {
        self.opened += 1;
        let owner = format!("instance-{}", self.opened);
        let settings = settings(urls);
        let replicas = if self.servers.len() == 3 { 3 } else { 1 };
        let options =
            OpenOptions { prefix: "hw".into(), replicas, durability: Durability::Process, monitor_urls: Vec::new() };
        let until = Instant::now() + PATIENCE;
        let journal = self.runtime.block_on(async {
            let nats = connect(&settings).await.unwrap();
            loop {
                // A cluster that has just been started has no leader yet.
                match JetStreamStore::open(nats.clone(), &options).await {
                    Ok(store) => return store,
                    Err(error) => assert!(Instant::now() < until, "{error}"),
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        });
        Opened { outbox: JetStreamOutbox::new(journal.clone(), &owner), journal }
    }
}

impl Site for Servers {
    type Journal = JetStreamStore;
    type Outbox = JetStreamOutbox;

    fn open(&mut self, _: Option<Opened<Self>>) -> Opened<Self> {
        self.open_by(self.servers.iter().map(Server::url).collect())
    }

    fn take_over(&mut self) -> Opened<Self> {
        self.open(None)
    }

    fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }
}

/// A batch of one event.
pub fn batch(n: u64) -> Input {
    let (tenant, source) = (TenantId::from("t"), SourceId::from("s"));
    let event = Event::new(tenant.clone(), source, &format!("event {n}"), Timestamp(n as i64));
    Input::Batch(Batch { tenant, events: vec![event], rejected: Vec::new(), replay_of: None })
}

/// One decision with one effect of a certain length.
pub fn decided(journal_seq: u64, bytes: usize) -> Decided {
    let refused = Some(format!("{journal_seq} {}", "x".repeat(bytes)).into());
    let effect = Effect::CommandDone { tenant: TenantId::from("t"), refused, again: false };
    Decided { journal_seq, effects: Arc::new(vec![effect]) }
}

fn seqs(records: &[Record]) -> Vec<u64> {
    records.iter().map(|record| record.seq).collect()
}

/// Reads to the end, a few at a time.
fn read_all(read: impl Fn(u64) -> Vec<Record>) -> Vec<Record> {
    let mut all: Vec<Record> = Vec::new();
    loop {
        let more = read(all.last().map_or(0, |last| last.seq));
        if more.is_empty() {
            return all;
        }
        all.extend(more);
    }
}

fn next_of<R>(follower: &mut impl Follow<R>, count: usize) -> Vec<Arc<R>> {
    let (mut all, until) = (Vec::new(), Instant::now() + PATIENCE);
    while all.len() < count {
        assert!(Instant::now() < until, "{} of {count} records came", all.len());
        all.extend(follower.next(QUIET).unwrap());
    }
    all
}

fn all_promises<S: Site + Sync>(mut site: S) {
    let opened = site.open(None);
    let opened = what_is_appended_is_read(&mut site, opened);
    followers_miss_nothing(&site, &opened);
    let opened = decisions_are_chained(&mut site, opened);
    snapshots_are_kept_by_two(&site, &opened);
    a_former_owner_is_refused(&mut site, opened);
}

fn what_is_appended_is_read<S: Site>(site: &mut S, opened: Opened<S>) -> Opened<S> {
    let journal = &opened.journal;
    assert_eq!(journal.read_after(0, usize::MAX).unwrap(), []);
    let started = headwater::clock::machine()();
    let appended = site.wait(async {
        let appends = (1..=120).map(|n| journal.append((n % 3) as u16, batch(n)));
        futures::future::join_all(appends).await
    });
    let mut appended: Vec<u64> = appended.into_iter().map(|one| one.unwrap().seq).collect();
    appended.sort_unstable();
    let all = read_all(|after| journal.read_after(after, 4096).unwrap());
    assert_eq!(seqs(&all), appended, "every record once, in order");
    let mut inputs: Vec<String> = all.iter().map(|record| format!("{:?}", record.input)).collect();
    inputs.sort();
    let mut sent: Vec<String> = (1..=120).map(|n| format!("{:?}", batch(n))).collect();
    sent.sort();
    assert_eq!(inputs, sent);
    let near = |stamp: Timestamp| stamp.since(started).as_secs().abs() < 60;
    assert!(all.iter().all(|record| near(record.stamp)) && all.is_sorted_by_key(|record| record.stamp));
    for partition in 0..3 {
        let of_one = read_all(|after| journal.read_partition(partition, after, 2048).unwrap());
        let same: Vec<Record> = all.iter().filter(|record| record.partition == partition).cloned().collect();
        assert_eq!(of_one, same);
    }
    assert_eq!(journal.read_partition(9, 0, usize::MAX).unwrap(), []);
    assert_eq!(journal.read_after(0, 1).unwrap(), all[..1], "at least one, and no more than asked for");
    assert_eq!(journal.read_after(all[119].seq, usize::MAX).unwrap(), []);
    let Input::Batch(mut unfit) = batch(1) else { unreachable!() };
    unfit.events[0].metric = Some(MetricRef { value: Some(f64::INFINITY), ..MetricRef::default() });
    let refused = site.wait(journal.append(0, Input::Batch(unfit))).unwrap_err();
    assert!(matches!(refused, AppendError::Unfit { .. }), "{refused}");
    let opened = site.open(Some(opened));
    assert_eq!(read_all(|after| opened.journal.read_after(after, usize::MAX).unwrap()), all, "also after a restart");
    opened
}

fn followers_miss_nothing<S: Site + Sync>(site: &S, opened: &Opened<S>) {
    let before = seqs(&opened.journal.read_after(0, usize::MAX).unwrap());
    let mut all = opened.journal.follow(Of::All, before[59]);
    let mut one = opened.journal.follow(Of::Partition(2), 0);
    assert!(seqs_of(&next_of(&mut all, 60)) == before[60..]);
    let (journal, count) = (opened.journal.clone(), 600);
    let appended: Vec<u64> = std::thread::scope(|threads| {
        let writer = threads.spawn(|| {
            let appends = (0..count).map(|n| journal.append((n % 3) as u16, batch(n)));
            let outcomes = site.wait(futures::future::join_all(appends));
            outcomes.into_iter().map(|one| one.unwrap().seq).collect()
        });
        let seen = seqs_of(&next_of(&mut all, count as usize));
        let mut appended: Vec<u64> = writer.join().unwrap();
        appended.sort_unstable();
        assert_eq!(seen, appended, "each record once, in order, while others write");
        appended
    });
    assert_eq!(all.seen(), *appended.last().unwrap());
    assert!(all.next(QUIET).unwrap().is_empty());
    let of_one = next_of(&mut one, 40 + 200);
    assert!(of_one.iter().all(|record| record.partition == 2));
}

fn seqs_of(records: &[Arc<Record>]) -> Vec<u64> {
    records.iter().map(|record| record.seq).collect()
}

fn fenced<T: std::fmt::Debug>(outcome: Result<T, CommitError>) {
    assert!(matches!(outcome, Err(CommitError::Fenced { .. })), "{outcome:?}");
}

fn decisions_are_chained<S: Site>(site: &mut S, opened: Opened<S>) -> Opened<S> {
    let records = seqs(&read_all(|after| opened.journal.read_partition(1, after, usize::MAX).unwrap()));
    let other = seqs(&opened.journal.read_partition(2, 0, 1).unwrap());
    let outbox = &opened.outbox;
    let commit = |head: OutboxHead, decided| site.wait(outbox.commit(1, head.seq, decided));
    let start = site.wait(outbox.claim(1)).unwrap();
    assert_eq!(start.journal_seq, 0);
    let first = commit(start, vec![decided(records[0], 0)]).unwrap();
    assert_eq!(first.journal_seq, records[0]);
    fenced(commit(start, vec![decided(records[1], 0)])); // somebody else's view
    fenced(commit(OutboxHead { seq: first.seq + 7, ..first }, vec![decided(records[1], 0)])); // a record that is not there
    // SQLite never lets go of a partition; elsewhere it is claimed again after a refusal.
    let again = site.wait(outbox.claim(1)).unwrap();
    assert_eq!((again.journal_seq, again.hash), (first.journal_seq, first.hash));
    fenced(commit(again, vec![decided(records[0], 0)])); // decided already
    let again = site.wait(outbox.claim(1)).unwrap();
    let several = records[1..6].iter().map(|seq| decided(*seq, 100)).collect();
    let second = commit(again, several).unwrap();
    // More than a server takes in one message.
    let large = vec![decided(records[6], 1_500_000), decided(records[7], 900_000)];
    let last = commit(second, large).unwrap();
    let there = site.wait(outbox.claim(2)).unwrap();
    site.wait(outbox.commit(2, there.seq, vec![decided(other[0], 0)])).unwrap();
    assert_eq!(outbox.head(1).unwrap().hash, last.hash);
    let written = chain_of(outbox, 1);
    assert!(written.iter().map(|one| one.0).eq(records[..8].iter().copied()));
    let follower = next_of(&mut outbox.follow(0), 9);
    assert!(follower.windows(2).all(|pair| pair[0].seq <= pair[1].seq));
    let third = follower.iter().find(|record| record.journal_seq == records[6]).unwrap();
    assert_eq!(third.effects, decided(records[6], 1_500_000).effects);
    third.verify(&third.effects).unwrap();
    third.verify(&decided(records[6], 3).effects).unwrap_err();
    let opened = site.open(Some(opened));
    assert_eq!(opened.outbox.head(1).unwrap().hash, last.hash);
    assert_eq!(opened.outbox.head(1).unwrap().journal_seq, records[7]);
    assert_eq!(opened.outbox.head(40).unwrap().seq, 0);
    assert_eq!(chain_of(&opened.outbox, 1), written);
    opened
}

/// Journal sequence and hash of every decision of a partition; checks that each follows the one before.
fn chain_of(outbox: &impl Outbox, partition: u16) -> Vec<(u64, String)> {
    let (mut all, mut after) = (Vec::new(), 0);
    loop {
        let more = outbox.read_after(after, 100_000).unwrap();
        let Some(last) = more.last() else { break };
        after = last.seq;
        all.extend(more.into_iter().filter(|record| record.partition == partition));
    }
    assert!(all.windows(2).all(|pair| pair[1].prev_hash == pair[0].hash));
    all.iter().map(|record| (record.journal_seq, record.hash.to_string())).collect()
}

/// A state of a certain size.
pub fn snapshot(partition: u16, journal_seq: u64, bytes: u64) -> Snapshot {
    let body: Vec<u8> = (0..bytes).map(|byte| ((byte + journal_seq) % 251) as u8).collect();
    let body = Pieces(body.chunks(500_000).map(<[u8]>::to_vec).collect());
    Snapshot { partition, journal_seq, outbox_seq: journal_seq, format: 1, body }
}

fn snapshots_are_kept_by_two<S: Site>(site: &S, opened: &Opened<S>) {
    let store = &opened.journal;
    assert_eq!(store.latest_snapshot(3).unwrap(), None);
    for n in 1..=4 {
        site.wait(store.put_snapshot(snapshot(3, n, 1_300_000 + n))).unwrap();
        assert_eq!(store.latest_snapshot(3).unwrap(), Some(snapshot(3, n, 1_300_000 + n)));
    }
    site.wait(store.put_snapshot(snapshot(4, 9, 0))).unwrap();
    assert_eq!(store.latest_snapshot(4).unwrap(), Some(snapshot(4, 9, 0)));
    assert_eq!(store.latest_snapshot(3).unwrap().unwrap().journal_seq, 4);
}

fn a_former_owner_is_refused<S: Site>(site: &mut S, former: Opened<S>) {
    let records = seqs(&read_all(|after| former.journal.read_partition(1, after, usize::MAX).unwrap()));
    let head = site.wait(former.outbox.claim(1)).unwrap();
    let head = site.wait(former.outbox.commit(1, head.seq, vec![decided(records[8], 0)])).unwrap();
    let next = site.take_over();
    let claimed = site.wait(next.outbox.claim(1)).unwrap();
    assert_eq!(
        (claimed.journal_seq, claimed.hash),
        (head.journal_seq, head.hash),
        "nothing that was committed is lost"
    );
    fenced(site.wait(former.outbox.commit(1, head.seq, vec![decided(records[9], 0)])));
    let last = site.wait(next.outbox.commit(1, claimed.seq, vec![decided(records[9], 1)])).unwrap();
    let refused = site.wait(former.outbox.commit(1, last.seq, vec![decided(records[10], 0)]));
    assert!(refused.is_err(), "a former owner stays one");
    assert_eq!(next.outbox.head(1).unwrap().hash, last.hash);
    let chain = chain_of(&next.outbox, 1);
    assert!(chain.iter().map(|one| one.0).eq(records[..10].iter().copied()), "each record is decided once");
}

#[test]
fn one_file_keeps_the_promises() {
    all_promises(OneFile::new());
}

#[test]
fn one_server_keeps_the_promises() {
    Servers::one(Program::Recent).into_iter().for_each(all_promises);
}

#[test]
fn the_oldest_server_keeps_the_promises() {
    Servers::one(Program::Floor).into_iter().for_each(all_promises);
}

#[test]
fn three_servers_keep_the_promises() {
    Servers::three(Program::Recent).into_iter().for_each(all_promises);
}

#[test]
fn three_of_the_oldest_servers_keep_the_promises() {
    Servers::three(Program::Floor).into_iter().for_each(all_promises);
}
