//! The promises of a log, the same for every kind: one file, one NATS server, three of them, the simulated one.
//!
//! The tests of this crate run them on the file and on the simulated log; those of `tests/it`, which take this file in,
//! on real servers.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::{Duration, Instant};

use headwater::domain::event::{Event, MetricRef};
use headwater::domain::ids::{SourceId, TenantId};
use headwater::domain::time::Timestamp;
use headwater::engine::effect::Effect;
use headwater::engine::input::{Batch, Input};
use headwater::journal::packed::Pieces;
use headwater::journal::snapshot::Snapshot;
use headwater::journal::{AppendError, Follow, Record};
use headwater::outbox::{CommitError, Decided, OutboxHead, OutboxRecord};
use headwater::pipeline::log::{AnyLog, Log};

/// How long something may take that comes for certain.
const PATIENCE: Duration = Duration::from_secs(60);
const QUIET: Duration = Duration::from_millis(300);
/// Writers at the same time.
const WRITERS: u64 = 40;

/// Where a log is, and how it is opened.
pub trait Site: Sync {
    /// Opens it, as a program does that was started again after `before` ended.
    fn open(&mut self, before: Option<AnyLog>) -> AnyLog;

    /// Opens it although somebody else has it and does not know.
    fn take_over(&mut self) -> AnyLog;

    /// The time by the log's own clock, with which records are stamped.
    fn now(&self) -> Timestamp;

    /// Runs something that needs a runtime.
    fn wait<T>(&self, future: impl Future<Output = T>) -> T;
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

/// A state of a certain size.
pub fn snapshot(partition: u16, journal_seq: u64, bytes: u64) -> Snapshot {
    let body: Vec<u8> = (0..bytes).map(|byte| ((byte + journal_seq) % 251) as u8).collect();
    let body = Pieces(body.chunks(500_000).map(<[u8]>::to_vec).collect());
    Snapshot { partition, journal_seq, outbox_seq: journal_seq, format: 1, body }
}

/// Holds a log to every promise, in turn.
pub fn all_promises<S: Site>(mut site: S) {
    let log = site.open(None);
    let log = what_is_appended_is_read(&mut site, log);
    followers_miss_nothing(&site, &log);
    let log = decisions_are_chained(&mut site, log);
    snapshots_are_kept_by_two(&*log);
    let log = texts_are_kept_under_their_digest(&mut site, log);
    a_former_owner_is_refused(&mut site, log);
}

fn what_is_appended_is_read<S: Site>(site: &mut S, log: AnyLog) -> AnyLog {
    assert_eq!(log.records_after(0, usize::MAX).unwrap(), []);
    assert_eq!(log.record(1).unwrap(), None);
    let started = site.now();
    let appended = site.wait(async {
        let appends = (1..=120).map(|n| log.append((n % 3) as u16, batch(n)));
        futures::future::join_all(appends).await
    });
    let mut appended: Vec<u64> = appended.into_iter().map(|one| one.unwrap().seq).collect();
    appended.sort_unstable();
    let all = all_of(&*log, 4096);
    assert_eq!(seqs(&all), appended, "every record once, in order");
    let mut inputs: Vec<String> = all.iter().map(|record| format!("{:?}", record.input)).collect();
    inputs.sort();
    let mut sent: Vec<String> = (1..=120).map(|n| format!("{:?}", batch(n))).collect();
    sent.sort();
    assert_eq!(inputs, sent);
    let near = |stamp: Timestamp| stamp.since(started).as_secs().abs() < 60;
    assert!(all.iter().all(|record| near(record.stamp)) && all.is_sorted_by_key(|record| record.stamp));
    for partition in 0..3 {
        let same: Vec<u64> = all.iter().filter(|one| one.partition == partition).map(|one| one.seq).collect();
        assert_eq!(of_partition(&*log, partition), same);
    }
    assert_eq!(log.next_of(9, 0).unwrap(), None);
    assert_eq!(log.records_after(0, 1).unwrap(), all[..1], "at least one, and no more than asked for");
    assert_eq!(log.records_after(all[119].seq, usize::MAX).unwrap(), []);
    assert_eq!(log.record(all[60].seq).unwrap().as_ref(), Some(&all[60]));
    assert_eq!((log.oldest().unwrap(), log.is_full(), log.halted()), (0, false, None));
    let Input::Batch(mut unfit) = batch(1) else { unreachable!() };
    unfit.events[0].metric = Some(MetricRef { value: Some(f64::INFINITY), ..MetricRef::default() });
    let refused = site.wait(log.append(0, Input::Batch(unfit))).unwrap_err();
    assert!(matches!(refused, AppendError::Unfit { .. }), "{refused}");
    let log = site.open(Some(log));
    assert_eq!(all_of(&*log, usize::MAX), all, "also after a restart");
    log
}

fn followers_miss_nothing<S: Site>(site: &S, log: &AnyLog) {
    let before = seqs(&all_of(&**log, usize::MAX));
    let mut follower = log.follow(before[59]);
    assert!(seqs_of(&next_of(&mut follower, 60)) == before[60..]);
    let each = 600 / WRITERS;
    let appended: Vec<u64> = std::thread::scope(|threads| {
        let write = |writer: u64| {
            let numbers = writer * each..(writer + 1) * each;
            numbers.map(|n| log.append_blocking((n % 3) as u16, batch(n)).unwrap().seq).collect::<Vec<u64>>()
        };
        let writers: Vec<_> = (0..WRITERS).map(|writer| threads.spawn(move || write(writer))).collect();
        let seen = seqs_of(&next_of(&mut follower, 600));
        let mut appended: Vec<u64> = writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect();
        appended.sort_unstable();
        assert_eq!(seen, appended, "each record once, in order, while others write");
        appended
    });
    assert_eq!(follower.seen(), *appended.last().unwrap());
    assert!(follower.next(QUIET).unwrap().is_empty());
    // An answer that nobody waits for is still an append.
    let late = site.wait(log.append(0, batch(1))).unwrap().seq;
    assert_eq!(seqs_of(&next_of(&mut follower, 1)), [late]);
}

fn decisions_are_chained<S: Site>(site: &mut S, log: AnyLog) -> AnyLog {
    let (records, other) = (of_partition(&*log, 1), log.next_of(2, 0).unwrap().unwrap());
    let commit = |head: OutboxHead, decided| log.commit(1, head.seq, decided);
    let start = log.claim(1).unwrap();
    assert_eq!(start.journal_seq, 0);
    let first = commit(start, vec![decided(records[0], 0)]).unwrap();
    assert_eq!(first.journal_seq, records[0]);
    fenced(commit(start, vec![decided(records[1], 0)])); // somebody else's view
    fenced(commit(OutboxHead { seq: first.seq + 7, ..first }, vec![decided(records[1], 0)])); // a record that is not there
    // A file never lets go of a partition; elsewhere it is claimed again after a refusal.
    let again = log.claim(1).unwrap();
    assert_eq!((again.journal_seq, again.hash), (first.journal_seq, first.hash));
    fenced(commit(again, vec![decided(records[0], 0)])); // decided already
    let again = log.claim(1).unwrap();
    fenced(commit(again, vec![decided(records[2], 0), decided(records[1], 0)])); // not in order
    let again = log.claim(1).unwrap();
    let several = records[1..6].iter().map(|seq| decided(*seq, 100)).collect();
    let second = commit(again, several).unwrap();
    // More than a server takes in one message.
    let large = vec![decided(records[6], 1_500_000), decided(records[7], 900_000)];
    let last = commit(second, large).unwrap();
    let there = log.claim(2).unwrap();
    log.commit(2, there.seq, vec![decided(other, 0)]).unwrap();
    assert_eq!(log.head(1).unwrap().hash, last.hash);
    let written = chain_of(&*log, 1);
    assert!(written.iter().map(|one| one.0).eq(records[..8].iter().copied()));
    let followed = next_of(&mut log.follow_decisions(0), 9);
    assert!(followed.windows(2).all(|pair| pair[0].seq <= pair[1].seq));
    let third = followed.iter().find(|record| record.journal_seq == records[6]).unwrap();
    assert_eq!(third.effects, decided(records[6], 1_500_000).effects);
    third.verify(&third.effects).unwrap();
    third.verify(&decided(records[6], 3).effects).unwrap_err();
    let log = site.open(Some(log));
    assert_eq!(log.head(1).unwrap().hash, last.hash);
    assert_eq!(log.head(1).unwrap().journal_seq, records[7]);
    assert_eq!(log.head(40).unwrap().seq, 0);
    assert_eq!(chain_of(&*log, 1), written);
    // Whoever has written it may know it without reading; whoever opens it reads the same.
    assert_eq!(next_of(&mut log.follow_decisions(0), 9), followed);
    log
}

fn snapshots_are_kept_by_two(log: &dyn Log) {
    assert_eq!(log.latest_snapshot(3).unwrap(), None);
    for n in 1..=4 {
        log.put_snapshot(snapshot(3, n, 1_300_000 + n)).unwrap();
        assert_eq!(log.latest_snapshot(3).unwrap(), Some(snapshot(3, n, 1_300_000 + n)));
    }
    log.put_snapshot(snapshot(4, 9, 0)).unwrap();
    assert_eq!(log.latest_snapshot(4).unwrap(), Some(snapshot(4, 9, 0)));
    assert_eq!(log.latest_snapshot(3).unwrap().unwrap().journal_seq, 4);
    assert_eq!(log.kept_snapshots().unwrap(), [(3, vec![3, 4]), (4, vec![9])].into());
}

fn texts_are_kept_under_their_digest<S: Site>(site: &mut S, log: AnyLog) -> AnyLog {
    let text: Vec<u8> = (0..2_000_000_u32).map(|byte| (byte % 241) as u8).collect();
    let digest = site.wait(log.put_text(text.clone())).unwrap();
    assert_eq!(site.wait(log.put_text(text.clone())).unwrap(), digest, "the same again is the same");
    let other = site.wait(log.put_text(Vec::new())).unwrap();
    let log = site.open(Some(log));
    assert_eq!(log.text(&digest).unwrap(), Some(text));
    assert_eq!(log.text(&other).unwrap(), Some(Vec::new()));
    assert_eq!(log.text(&headwater::journal::digest::digest_of(b"never kept")).unwrap(), None);
    log
}

fn a_former_owner_is_refused<S: Site>(site: &mut S, former: AnyLog) {
    let records = of_partition(&*former, 1);
    let head = former.claim(1).unwrap();
    let head = former.commit(1, head.seq, vec![decided(records[8], 0)]).unwrap();
    let next = site.take_over();
    let claimed = next.claim(1).unwrap();
    let (there, known) = ((claimed.journal_seq, claimed.hash), (head.journal_seq, head.hash));
    assert_eq!(there, known, "nothing that was committed is lost");
    fenced(former.commit(1, head.seq, vec![decided(records[9], 0)]));
    let last = next.commit(1, claimed.seq, vec![decided(records[9], 1)]).unwrap();
    let refused = former.commit(1, last.seq, vec![decided(records[10], 0)]);
    assert!(refused.is_err(), "a former owner stays one");
    assert_eq!(next.head(1).unwrap().hash, last.hash);
    let chain = chain_of(&*next, 1);
    assert!(chain.iter().map(|one| one.0).eq(records[..10].iter().copied()), "each record is decided once");
}

fn seqs(records: &[Record]) -> Vec<u64> {
    records.iter().map(|record| record.seq).collect()
}

fn seqs_of(records: &[Arc<Record>]) -> Vec<u64> {
    records.iter().map(|record| record.seq).collect()
}

/// Reads to the end, so many bytes at a time.
fn all_of(log: &dyn Log, bytes_max: usize) -> Vec<Record> {
    let mut all: Vec<Record> = Vec::new();
    loop {
        let more = log.records_after(all.last().map_or(0, |last| last.seq), bytes_max).unwrap();
        if more.is_empty() {
            return all;
        }
        all.extend(more);
    }
}

/// The places of a partition's records, found one behind the other.
fn of_partition(log: &dyn Log, partition: u16) -> Vec<u64> {
    let next = |after: &u64| log.next_of(partition, *after).unwrap();
    std::iter::successors(next(&0), next).collect()
}

/// The next records of a follower, at least so many.
fn next_of<R>(follower: &mut Box<dyn Follow<R>>, count: usize) -> Vec<Arc<R>> {
    let (mut all, until) = (Vec::new(), Instant::now() + PATIENCE);
    while all.len() < count {
        assert!(Instant::now() < until, "{} of {count} records came", all.len());
        all.extend(follower.next(QUIET).unwrap());
    }
    all
}

fn fenced<T: Debug>(outcome: Result<T, CommitError>) {
    assert!(matches!(outcome, Err(CommitError::Fenced { .. })), "{outcome:?}");
}

/// Journal sequence and hash of every decision of a partition; checks that each follows the one before.
fn chain_of(log: &dyn Log, partition: u16) -> Vec<(u64, String)> {
    let (mut all, mut after): (Vec<OutboxRecord>, u64) = (Vec::new(), 0);
    loop {
        let more = log.decisions_after(after, 100_000).unwrap();
        let Some(last) = more.last() else { break };
        after = last.seq;
        all.extend(more.into_iter().filter(|record| record.partition == partition));
    }
    assert!(all.windows(2).all(|pair| pair[1].prev_hash == pair[0].hash));
    all.iter().map(|record| (record.journal_seq, record.hash.to_string())).collect()
}
