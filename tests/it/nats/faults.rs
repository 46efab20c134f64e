//! Servers that die or fall silent, and people who delete things.

use std::time::{Duration, Instant};

use headwater::domain::time::Timestamp;
use headwater::journal::snapshot::Snapshots;
use headwater::journal::{AppendError, Follow, Journal, Of, ReadError};
use headwater::outbox::{CommitError, Outbox};

use super::conformance::{Opened, Servers};
use super::promises::{Site, batch, decided, snapshot};
use super::proxy::Proxy;
use super::server::{PATIENCE, Program};

/// Appends until it is confirmed, as a sender does; returns how many attempts were answered with "not sure".
fn append(site: &Servers, opened: &Opened, n: u64) -> u64 {
    let (mut unsure, until) = (0, Instant::now() + PATIENCE);
    loop {
        match site.wait(opened.journal.append(0, batch(n))) {
            Ok(_) => return unsure,
            Err(AppendError::Unsure { .. }) => unsure += 1,
            Err(AppendError::TryLater { .. } | AppendError::Full { .. }) => {}
            Err(error @ (AppendError::Unfit { .. } | AppendError::Halted { .. })) => panic!("{error}"),
        }
        assert!(Instant::now() < until, "record {n} was not taken");
    }
}

/// Whether each of `1..=count` was read, in order of its first appearance, and nothing else.
fn all_there(site: &Opened, count: u64, unsure: u64) {
    let records = site.journal.read_after(0, usize::MAX).unwrap();
    let mut numbers: Vec<u64> = records
        .iter()
        .map(|record| {
            let headwater::engine::input::Input::Batch(batch) = &*record.input else { panic!("{record:?}") };
            batch.events[0].name.strip_prefix("event ").unwrap().parse().unwrap()
        })
        .collect();
    let stored = numbers.len() as u64;
    numbers.dedup();
    assert!(numbers.iter().copied().eq(1..=count), "{numbers:?}");
    assert!(stored <= count + unsure, "{stored} stored, {count} sent, {unsure} unsure");
}

#[test]
fn a_killed_server_loses_nothing_that_it_confirmed_and_followers_go_on() {
    let Some(mut site) = Servers::one(Program::Recent) else { return };
    let opened = site.open_store();
    let mut follower = opened.journal.follow(Of::Partition(0), 0);
    let mut unsure = 0;
    for n in 1..=200 {
        unsure += append(&site, &opened, n);
        if n % 40 == 0 {
            site.servers[0].kill();
            site.servers[0].run();
        }
    }
    all_there(&opened, 200, unsure);
    let (mut seen, until) = (Vec::new(), Instant::now() + PATIENCE);
    let end = opened.journal.read_after(0, usize::MAX).unwrap().last().unwrap().seq;
    while follower.seen() < end {
        assert!(Instant::now() < until, "the follower stands at {} of {end}", follower.seen());
        // While the server is away it is told so.
        seen.extend(follower.next(Duration::from_millis(200)).unwrap_or_default().into_iter().map(|record| record.seq));
    }
    assert!(seen.iter().copied().eq(1..=end), "each record once");
}

#[test]
fn a_cluster_that_loses_its_leader_goes_on() {
    let Some(mut site) = Servers::three(Program::Recent) else { return };
    let opened = site.open_store();
    let head = site.wait(opened.outbox.claim(0)).unwrap();
    let mut unsure = (1..=20).map(|n| append(&site, &opened, n)).sum();
    let info = site.wait(async {
        let mut stream = opened.journal.nats().jetstream.get_stream("HW_OUTBOX").await.unwrap();
        stream.info().await.unwrap().clone()
    });
    let leader = info.cluster.unwrap().leader.unwrap();
    let at = site.servers.iter().position(|server| server.name() == leader).unwrap();
    site.servers[at].kill();
    unsure += (21..=40).map(|n| append(&site, &opened, n)).sum::<u64>();
    let until = Instant::now() + PATIENCE;
    let records: Vec<u64> = loop {
        match opened.journal.read_partition(0, 0, usize::MAX) {
            Ok(records) => break records.iter().map(|record| record.seq).collect(),
            // The streams choose their leaders one by one.
            Err(error @ ReadError::Failed { .. }) => assert!(Instant::now() < until, "{error}"),
            Err(error) => panic!("{error}"),
        }
    };
    let mut head = head;
    for seq in &records {
        head = loop {
            match site.wait(opened.outbox.commit(0, head.seq, vec![decided(*seq, 10)])) {
                Ok(head) => break head,
                Err(CommitError::TryLater { .. }) => assert!(Instant::now() < until, "record {seq} is not committed"),
                Err(error) => panic!("{error}"),
            }
        };
    }
    site.servers[at].run();
    all_there(&opened, 40, unsure);
    let decided = opened.outbox.read_after(0, usize::MAX).unwrap();
    assert!(decided.iter().map(|record| record.journal_seq).eq(records), "each record is decided once");
}

/// Commits while every answer is held back: the commit is there, and the owner must find that out.
fn an_answer_that_is_lost(site: Option<Servers>, bytes: usize) {
    let Some(mut site) = site else { return };
    let writer = site.open_store();
    let seqs: Vec<u64> = (1..=3).map(|n| site.wait(writer.journal.append(0, batch(n))).unwrap().seq).collect();
    let leader = site.servers.first().unwrap().port();
    let proxy = Proxy::start(leader);
    let owner = site.open_by(vec![proxy.url()]);
    let head = site.wait(owner.outbox.claim(0)).unwrap();
    let head = site.wait(owner.outbox.commit(0, head.seq, vec![decided(seqs[0], 0)])).unwrap();
    proxy.hold();
    let until = Instant::now() + PATIENCE;
    let committed = std::thread::scope(|threads| {
        let committing = threads.spawn(|| site.wait(owner.outbox.commit(0, head.seq, vec![decided(seqs[1], bytes)])));
        while writer.outbox.head(0).unwrap().seq == head.seq {
            assert!(Instant::now() < until, "it was not committed");
        }
        // The owner has waited in vain and asks for the head; pings are shorter than that.
        let sent = proxy.sent();
        while proxy.sent() < sent + 60 {
            assert!(Instant::now() < until, "it does not ask");
        }
        proxy.release();
        committing.join().unwrap()
    });
    let committed = committed.unwrap();
    assert_eq!(committed.journal_seq, seqs[1]);
    let last = site.wait(owner.outbox.commit(0, committed.seq, vec![decided(seqs[2], 0)])).unwrap();
    assert_eq!(writer.outbox.head(0).unwrap(), last);
    let decided = writer.outbox.read_after(0, usize::MAX).unwrap();
    assert!(decided.iter().map(|record| record.journal_seq).eq(seqs), "each record is decided once");
}

#[test]
fn a_lost_answer_of_one_server_is_found_out() {
    an_answer_that_is_lost(Servers::one(Program::Recent), 0);
}

#[test]
fn a_lost_answer_within_a_commit_of_several_messages_is_found_out() {
    an_answer_that_is_lost(Servers::one(Program::Recent), 2_500_000);
}

#[test]
fn a_lost_answer_of_the_oldest_server_is_found_out() {
    an_answer_that_is_lost(Servers::one(Program::Floor), 0);
}

#[test]
fn a_lost_answer_of_three_servers_is_found_out() {
    an_answer_that_is_lost(Servers::three(Program::Recent), 0);
}

#[test]
fn trimmed_records_are_gone_on_purpose_and_the_rest_goes_on() {
    let Some(mut site) = Servers::one(Program::Recent) else { return };
    let opened = site.open_store();
    // Partition 2 says one thing at the beginning and is quiet for ever.
    let quiet = site.wait(opened.journal.append(2, batch(0))).unwrap().seq;
    let seqs: Vec<u64> =
        (1..=30).map(|n| site.wait(opened.journal.append(n as u16 % 2, batch(n))).unwrap().seq).collect();
    let of = |partition: usize| seqs.iter().copied().skip(1 - partition).step_by(2).collect::<Vec<u64>>();
    let now = Timestamp(headwater::clock::machine()().0 + 60_000);
    let trim = |opened: &Opened, before| site.wait(opened.outbox.trim(before)).unwrap().journal_seq;
    let claimed = |partition| site.wait(opened.outbox.claim(partition)).unwrap();
    let keep = |partition, journal_seq, outbox_seq| {
        let at = headwater::journal::snapshot::Snapshot { outbox_seq, ..snapshot(partition, journal_seq, 1000) };
        site.wait(opened.journal.put_snapshot(at)).unwrap();
    };
    for partition in [0, 1] {
        let (mut head, mine) = (claimed(partition), of(usize::from(partition)));
        for seq in &mine {
            head = site.wait(opened.outbox.commit(partition, head.seq, vec![decided(*seq, 0)])).unwrap();
            if *seq == mine[4] || *seq == mine[9] {
                assert_eq!(trim(&opened, now), 0, "partitions without two snapshots keep everything");
                keep(partition, *seq, head.seq);
            }
        }
    }
    assert_eq!(trim(&opened, now), 0, "the quiet one has none");
    let head = site.wait(opened.outbox.commit(2, claimed(2).seq, vec![decided(quiet, 0)])).unwrap();
    keep(2, quiet, head.seq);
    keep(2, quiet, head.seq);
    assert_eq!(trim(&opened, Timestamp(0)), 0, "nothing is so old");
    let first = of(0)[4].min(of(1)[4]);
    assert_eq!(trim(&opened, now), first);
    assert_eq!(trim(&opened, now), first, "once more changes nothing");
    assert!(
        matches!(opened.journal.read_after(0, 1), Err(ReadError::Gone { after: 0, oldest }) if oldest == first + 1)
    );
    assert_eq!(opened.journal.read_after(first, 1).unwrap()[0].seq, first + 1);
    assert_eq!(opened.journal.read_partition(0, of(0)[4], usize::MAX).unwrap().len(), 10);
    assert!(matches!(opened.outbox.read_after(0, 1), Err(ReadError::Gone { .. })));
    // The quiet one's last decision stays, and it goes on behind it.
    let next = site.open_store();
    let head = site.wait(next.outbox.claim(2)).unwrap();
    assert_eq!(head.journal_seq, quiet);
    let seq = site.wait(next.journal.append(2, batch(31))).unwrap().seq;
    site.wait(next.outbox.commit(2, head.seq, vec![decided(seq, 0)])).unwrap();
}

#[test]
fn a_log_that_somebody_shortened_or_deleted_is_not_read_on() {
    let Some(mut site) = Servers::one(Program::Recent) else { return };
    let opened = site.open_store();
    let seqs: Vec<u64> = (1..=10).map(|n| site.wait(opened.journal.append(0, batch(n))).unwrap().seq).collect();
    let head = site.wait(opened.outbox.claim(0)).unwrap();
    site.wait(opened.outbox.commit(0, head.seq, vec![decided(seqs[9], 0)])).unwrap();
    let jetstream = opened.journal.nats().jetstream.clone();
    site.wait(async { jetstream.get_stream("HW_JOURNAL").await.unwrap().purge().await.unwrap() });
    let damaged = |outcome: Result<Vec<_>, ReadError>| {
        let error = outcome.unwrap_err();
        assert!(matches!(error, ReadError::Damaged(_)), "{error}");
    };
    damaged(opened.journal.read_partition(0, seqs[4], usize::MAX));
    damaged(opened.journal.follow(Of::Partition(0), seqs[4]).next(Duration::from_millis(10)).map(|_| Vec::new()));
    let refused = site.wait(opened.outbox.claim(0)).unwrap_err();
    assert!(matches!(&refused, CommitError::Halted { why } if why.contains("shorter")), "{refused}");
    site.wait(async { jetstream.delete_stream("HW_JOURNAL").await.unwrap() });
    let next = site.open_store();
    site.wait(next.journal.append(0, batch(1))).unwrap();
    damaged(opened.journal.read_partition(0, 0, usize::MAX));
    assert!(site.wait(next.outbox.claim(0)).is_err());
}

#[test]
fn a_follower_whose_consumer_is_taken_away_goes_on() {
    let Some(mut site) = Servers::one(Program::Recent) else { return };
    let opened = site.open_store();
    let mut follower = opened.journal.follow(Of::Partition(0), 0);
    let jetstream = opened.journal.nats().jetstream.clone();
    let (mut seen, until) = (Vec::new(), Instant::now() + PATIENCE);
    for n in 1..=60 {
        site.wait(opened.journal.append(0, batch(n))).unwrap();
        if n % 20 == 0 {
            site.wait(async {
                let stream = jetstream.get_stream("HW_JOURNAL").await.unwrap();
                let mut names = stream.consumer_names();
                while let Some(name) = futures::StreamExt::next(&mut names).await {
                    stream.delete_consumer(&name.unwrap()).await.unwrap();
                }
            });
        }
        seen.extend(follower.next(Duration::from_millis(10)).unwrap().iter().map(|record| record.seq));
    }
    while seen.len() < 60 {
        assert!(Instant::now() < until, "{} of 60 records came", seen.len());
        seen.extend(follower.next(Duration::from_millis(200)).unwrap().iter().map(|record| record.seq));
    }
    assert!(seen.iter().copied().eq(1..=60), "each record once: {seen:?}");
}
