//! kill -9 at the moments that matter (rows 1 to 7): a line that stops at a certain word holds the program there.

use std::io::Write as _;
use std::time::Duration;

use axum::http::StatusCode;

use crate::nats::cluster::{Instance, TENANTS, decided, is_what_one_alone_decides, lines, settled, show_the_same};
use crate::nats::front::{get, until};
use crate::nats::proxy::{Proxy, Trap};
use crate::nats::server::{Program, Server};
use crate::program::{Program as Running, Setup, client};
use crate::receiver::{Receiver, SECRET, wait_until};
use crate::served::{Answer, Request};

/// Two instances on one server, of which `far` is reached by a line that can be held.
struct Pair {
    server: Server,
    proxy: Proxy,
    near: Instance,
    far: Instance,
}

impl Pair {
    fn start() -> Option<Self> {
        let server = Server::start(&Program::Recent.path()?, "one.conf".as_ref());
        let proxy = Proxy::start(server.port());
        let by_proxy = vec![proxy.url()];
        let near = Instance::by("near", &[server.url()], "").start();
        let far = Instance::by("far", &by_proxy, "").start();
        let both = [near, far];
        settled(&both);
        let [near, far] = both;
        TENANTS.iter().for_each(|tenant| near.put_topology(tenant));
        until("each has its share", || (far.number("headwater_partitions_decided") > 0.0).then_some(()));
        Some(Self { server, proxy, near, far })
    }

    /// Waits until what `near` shows of every tenant has so many events, all decided; nothing was decided otherwise or
    /// twice.
    fn ends_with(mut self, accepted: u64) {
        // What is held in the line died with it.
        self.proxy.cut();
        self.proxy.release();
        self.far.run();
        let both = [self.near, self.far];
        settled(&both);
        let mut ends = Vec::new();
        for tenant in TENANTS {
            both.iter().for_each(|one| drop(decided(one, tenant, accepted)));
            show_the_same(&both, tenant);
            let account = get(both[0].served(), both[0].admin(tenant), "/api/v1/conservation");
            assert_eq!(account["accepted"], accepted, "{account}");
            ends.push((account["applied"].clone(), account["duplicate"].clone()));
        }
        assert!(ends.iter().all(|end| *end == ends[0]), "the same events end alike, whoever died: {ends:?}");
        for one in &both {
            assert_eq!(one.number("headwater_decisions_diverged_total"), 0.0, "{}", one.name);
        }
        drop(both);
        is_what_one_alone_decides(vec![self.server.url()]);
    }
}

/// An instance takes a request in, and is killed when the record is or is not yet with the server: nobody was told that
/// it was accepted, and the sender's second attempt elsewhere makes it so once.
fn dies_at_the_door(trap: Trap, repeated: usize) {
    let Some(mut pair) = Pair::start() else { return };
    let lines = lines("hard");
    TENANTS.iter().for_each(|tenant| assert!(pair.near.send(tenant, &lines[..20])));
    TENANTS.iter().for_each(|tenant| drop(decided(&pair.far, tenant, 20)));
    pair.proxy.set("PUB hw.journal.", trap);
    let tenant = TENANTS[0];
    let body = lines[20..30].join("\n");
    let request =
        Request::post_as("/api/v1/ingest/stormgen", pair.far.source(tenant), "application/x-ndjson", body.as_bytes());
    let mut stream = pair.far.served().connect();
    stream.write_all(&request.bytes()).unwrap();
    until("it is on its way to the journal", || pair.proxy.is_sprung().then_some(()));
    if trap == Trap::After {
        let stored = || get(pair.near.served(), pair.near.admin(tenant), "/api/v1/conservation")["accepted"] == 30;
        until("it is in the journal", || stored().then_some(()));
    }
    pair.far.kill();
    assert!(Answer::read(&mut stream).is_none(), "it was answered");
    TENANTS.iter().for_each(|tenant| assert!(pair.near.send(tenant, &lines[20..30])));
    TENANTS[1..].iter().for_each(|tenant| assert!(pair.near.send(tenant, &lines[20..20 + repeated])));
    pair.ends_with(30 + repeated as u64);
}

#[test]
fn an_instance_that_dies_before_the_journal_has_it_promised_nothing() {
    dies_at_the_door(Trap::Before, 0);
}

#[test]
fn an_instance_that_dies_before_its_answer_makes_a_repeat_and_no_second_event() {
    dies_at_the_door(Trap::After, 10);
}

/// The one whose turn it is has read records and decided them; it is killed before or after its decisions are with the
/// server. The other one goes on behind what is there.
fn dies_at_its_commit(trap: Trap) {
    let Some(mut pair) = Pair::start() else { return };
    let lines = lines("hard");
    TENANTS.iter().for_each(|tenant| assert!(pair.near.send(tenant, &lines[..50])));
    TENANTS.iter().for_each(|tenant| drop(decided(&pair.far, tenant, 50)));
    pair.proxy.set("PUB hw.outbox.", trap);
    TENANTS.iter().for_each(|tenant| assert!(pair.near.send(tenant, &lines[50..100])));
    until("it commits", || pair.proxy.is_sprung().then_some(()));
    pair.far.kill();
    for tenant in TENANTS {
        decided(&pair.near, tenant, 100);
    }
    pair.ends_with(100);
}

#[test]
fn an_owner_that_dies_before_its_commit_has_decided_nothing() {
    dies_at_its_commit(Trap::Before);
}

#[test]
fn an_owner_that_dies_before_it_hears_of_its_commit_has_decided() {
    dies_at_its_commit(Trap::After);
}

fn told_at(url: &str) -> String {
    format!(
        "receivers:\n  - {{ id: default, url: {url}, secret: {SECRET}, allow_private: true }}\n\
         delivery: {{ retry_first: 1s, retry_max: 1s }}\n"
    )
}

async fn raise(setup: &Setup, client: &reqwest::Client) {
    let at = headwater::domain::time::Timestamp(headwater::clock::machine()().0);
    let event = serde_json::json!({ "id": "e1", "name": "CoreDown", "severity": "critical", "title": "the core is down",
                                    "object": { "name": "core-1" }, "starts_at": at.to_string() });
    assert_eq!(setup.post(client, "/api/v1/events", &event).await.0, 202);
}

async fn starts(setup: &Setup, client: &reqwest::Client) -> Running {
    let mut program = setup.start(&["--durability", "process"]);
    program.answers(client).await;
    program
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_notice_that_was_committed_and_not_sent_is_sent_once_by_the_next() {
    let root = tempfile::tempdir().unwrap();
    let receiver = Receiver::willing().await;
    let proxy = Proxy::start(receiver.address.port());
    let setup = Setup::new(root.path(), &told_at(&format!("http://127.0.0.1:{}/hook", proxy.port)));
    let client = client();
    let program = starts(&setup, &client).await;
    proxy.hold_requests();
    raise(&setup, &client).await;
    wait_until("it is on its way to the receiver", || proxy.sent() > 0).await;
    program.kill();
    proxy.cut();
    assert!(receiver.seen().is_empty());
    proxy.release();
    let program = starts(&setup, &client).await;
    receiver.wait_for("the notice", |seen| !seen.is_empty()).await;
    setup.none_is_pending(&client).await;
    program.stop();
    assert_eq!(receiver.seen().len(), 1, "{:?}", receiver.seen());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_notice_that_was_taken_and_not_on_record_comes_again_under_its_key() {
    let root = tempfile::tempdir().unwrap();
    // It takes the first one, and is long about saying so.
    let pause = |n| if n == 0 { Duration::from_secs(50) } else { Duration::ZERO };
    let receiver = Receiver::start(move |n| (pause(n), StatusCode::NO_CONTENT)).await;
    let setup = Setup::new(root.path(), &told_at(&receiver.url()));
    let client = client();
    let program = starts(&setup, &client).await;
    raise(&setup, &client).await;
    receiver.wait_for("the notice", |seen| seen.len() == 1).await;
    program.kill();
    let program = starts(&setup, &client).await;
    receiver.wait_for("the notice again", |seen| seen.len() == 2).await;
    setup.none_is_pending(&client).await;
    program.stop();
    let seen = receiver.seen();
    assert_eq!(seen.len(), 2, "one repeat for one crash");
    assert_eq!((&seen[0].key, &seen[0].text), (&seen[1].key, &seen[1].text));
}
