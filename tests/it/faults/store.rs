//! Snapshots and trimming on JetStream that end half-way (rows 8 and 9), at the very message.

use std::time::Duration;

use headwater::domain::time::Timestamp;
use headwater::journal::snapshot::Snapshots;
use headwater::journal::{Journal, ReadError};
use headwater::outbox::Outbox;

use crate::nats::conformance::{Opened, Servers};
use crate::nats::promises::{Site, batch, decided, snapshot};
use crate::nats::proxy::{Proxy, Trap};
use crate::nats::server::Program;

/// What a crash leaves of something that was under way: it is never looked at again.
fn dies(site: &Servers, proxy: &Proxy, word: &str, work: impl Future<Output = ()>) {
    proxy.set(word, Trap::Before);
    site.wait(async {
        tokio::pin!(work);
        loop {
            let pause = tokio::time::sleep(Duration::from_millis(5));
            tokio::select! {
                () = &mut work => panic!("it came to an end"),
                () = pause => if proxy.is_sprung() { return },
            }
        }
    });
}

fn far(site: &mut Servers, proxy: &Proxy) -> Opened {
    site.open_by(vec![proxy.url()])
}

#[test]
fn a_snapshot_that_ends_half_way_leaves_the_one_before() {
    let Some(mut site) = Servers::one(Program::Recent) else { return };
    let near = site.open_store();
    site.wait(near.journal.append(0, batch(1))).unwrap();
    let first = snapshot(0, 1, 3_000_000);
    site.wait(near.journal.put_snapshot(first.clone())).unwrap();
    // With some of its pieces, and with all of them but not the pointer.
    for word in ["PUB hw.snapshot.", "PUB hw.pointer."] {
        let proxy = Proxy::start(site.servers[0].port());
        let dying = far(&mut site, &proxy);
        dies(&site, &proxy, word, async {
            // What comes of it nobody hears.
            let _ = dying.journal.put_snapshot(snapshot(0, 2, 3_000_000)).await;
        });
        drop(dying);
        let next = site.open_store();
        assert_eq!(next.journal.latest_snapshot(0).unwrap(), Some(first.clone()), "{word}");
    }
    let (second, third) = (snapshot(0, 3, 2_000_000), snapshot(0, 4, 2_000_000));
    site.wait(near.journal.put_snapshot(second)).unwrap();
    site.wait(near.journal.put_snapshot(third.clone())).unwrap();
    assert_eq!(near.journal.latest_snapshot(0).unwrap(), Some(third));
    let left = site.wait(async {
        let mut stream = near.journal.nats().jetstream.get_stream("HW_SNAPSHOTS").await.unwrap();
        stream.info().await.unwrap().state.bytes
    });
    assert!(left < 9_000_000, "pieces of snapshots that were never whole stay: {left} bytes");
}

#[test]
fn a_trim_that_ends_half_way_is_done_again() {
    let Some(mut site) = Servers::one(Program::Recent) else { return };
    let near = site.open_store();
    let seqs: Vec<u64> = (1..=20).map(|n| site.wait(near.journal.append(0, batch(n))).unwrap().seq).collect();
    let mut head = site.wait(near.outbox.claim(0)).unwrap();
    for seq in &seqs {
        head = site.wait(near.outbox.commit(0, head.seq, vec![decided(*seq, 0)])).unwrap();
        if *seq == seqs[9] || *seq == seqs[14] {
            let kept = headwater::journal::snapshot::Snapshot { outbox_seq: head.seq, ..snapshot(0, *seq, 1000) };
            site.wait(near.journal.put_snapshot(kept)).unwrap();
        }
    }
    let now = Timestamp(headwater::clock::machine()().0 + 60_000);
    for word in ["STREAM.PURGE.HW_JOURNAL", "STREAM.PURGE.HW_OUTBOX"] {
        let proxy = Proxy::start(site.servers[0].port());
        let dying = far(&mut site, &proxy);
        dies(&site, &proxy, word, async {
            let _ = dying.outbox.trim(now).await;
        });
        drop(dying);
        let next = site.open_store();
        let records = next.journal.read_partition(0, seqs[9], usize::MAX).unwrap();
        assert_eq!(records.len(), 10, "{word}");
    }
    assert_eq!(site.wait(near.outbox.trim(now)).unwrap().journal_seq, seqs[9]);
    let gone = near.journal.read_after(0, 1);
    assert!(matches!(gone, Err(ReadError::Gone { oldest, .. }) if oldest == seqs[10]), "{gone:?}");
    let next = site.open_store();
    let head = site.wait(next.outbox.claim(0)).unwrap();
    assert_eq!(head.journal_seq, seqs[19]);
    assert_eq!(next.journal.read_partition(0, seqs[9], usize::MAX).unwrap().len(), 10);
}
