//! Instances that come and go on purpose (rows 37, 65 and 72).

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use headwater::clock::machine;
use headwater::domain::time::{Span, Timestamp};
use rand::Rng;
use serde_json::json;

use super::shim::Shim;
use crate::nats::cluster::{
    Instance, TENANTS, all_the_same, decided, is_what_one_alone_decides, lines, settled, show_the_same,
};
use crate::nats::front::until;
use crate::nats::server::{Program, Server};
use crate::program::{Setup, client};
use crate::receiver::{Receiver, SECRET};
use crate::running::number;
use crate::served::Request;

#[test]
fn instances_that_join_and_leave_hold_nothing_up_for_long() {
    let Some(path) = Program::Recent.path() else { return };
    let server = Server::start(&path, "one.conf".as_ref());
    let mut instances: Vec<Instance> =
        ["a", "b", "c"].iter().map(|name| Instance::by(name, &[server.url()], "").start()).collect();
    settled(&instances);
    TENANTS.iter().for_each(|tenant| instances[0].put_topology(tenant));
    let lines = lines("hard");
    let (mut accepted, mut stalls) = (0, Vec::new());
    let mut send = |instances: &[Instance]| {
        let from = accepted as usize;
        TENANTS.iter().for_each(|tenant| assert!(instances[0].send(tenant, &lines[from..from + 20])));
        accepted += 20;
        let since = Instant::now();
        TENANTS.iter().for_each(|tenant| drop(decided(&instances[0], tenant, accepted)));
        stalls.push(since.elapsed());
    };
    for round in 0..number("HEADWATER_MOVES", 3) {
        let moving = 1 + (round % 2) as usize;
        instances[moving].leave();
        send(&instances);
        instances[moving].run();
        send(&instances);
    }
    stalls.sort_unstable();
    eprintln!("after each of {} moves all was decided within {stalls:?}", stalls.len());
    assert!(*stalls.last().unwrap() < Duration::from_secs(10), "{stalls:?}");
    all_the_same(instances, vec![server.url()], accepted);
}

#[test]
fn instances_whose_clocks_differ_decide_as_one_and_take_over_in_time() {
    let Some(path) = Program::Recent.path() else { return };
    let server = Server::start(&path, "one.conf".as_ref());
    let folder = tempfile::tempdir().unwrap();
    let clocks = [-30_000, 30_000].map(|off| {
        let shim = Shim::over(&folder.path().join(off.to_string()));
        shim.move_clock(off);
        shim
    });
    let mut instances: Vec<Instance> = ["early", "late"]
        .iter()
        .zip(&clocks)
        .map(|(name, clock)| {
            Instance::by(name, &[server.url()], "vitals: { every: 1s }\n").start_with(&clock.environment())
        })
        .collect();
    settled(&instances);
    for (instance, side) in instances.iter().zip(["behind", "before"]) {
        let is_told = |line: &String| line.contains("sign=\"clock-off\"") && line.contains(side);
        until("that its clock is off", || instance.served().said().into_iter().find(is_told));
    }
    TENANTS.iter().for_each(|tenant| instances[0].put_topology(tenant));
    let lines = lines("hard");
    for (n, chunk) in lines[..100].chunks(10).enumerate() {
        TENANTS.iter().for_each(|tenant| assert!(instances[n % 2].send(tenant, chunk)));
    }
    for tenant in TENANTS {
        instances.iter().for_each(|one| drop(decided(one, tenant, 100)));
        show_the_same(&instances, tenant);
    }
    instances[0].kill();
    let since = Instant::now();
    TENANTS.iter().for_each(|tenant| assert!(instances[1].send(tenant, &lines[100..120])));
    TENANTS.iter().for_each(|tenant| drop(decided(&instances[1], tenant, 120)));
    eprintln!("taken over after {:?}", since.elapsed());
    assert!(since.elapsed() < Duration::from_secs(15), "{:?}", since.elapsed());
    assert_eq!(instances[1].number("headwater_decisions_diverged_total"), 0.0);
    drop(instances);
    is_what_one_alone_decides(vec![server.url()]);
}

/// A server cannot be given another clock: instances that are a day behind it see one that is a day ahead.
#[test]
fn a_server_whose_clock_is_a_day_ahead_does_not_move_the_journal_s_time() {
    let Some(path) = Program::Recent.path() else { return };
    let server = Server::start(&path, "one.conf".as_ref());
    let folder = tempfile::tempdir().unwrap();
    let shim = Shim::over(&folder.path().join("data"));
    shim.move_clock(-86_400_000);
    let instance = Instance::by("a", &[server.url()], "").start_with(&shim.environment());
    let tenant = TENANTS[0];
    let now = machine()().minus(Span::hours(24));
    let event = json!({ "id": "e", "name": "CoreDown", "severity": "critical", "title": "down",
                        "object": { "name": "core-1" }, "starts_at": now.to_string() });
    let body = event.to_string();
    let answer = instance.served().send(&Request::post("/api/v1/events", instance.source(tenant), body.as_bytes()));
    assert_eq!(answer.status, 202, "{}", answer.text());
    decided(&instance, tenant, 1);
    let (_, incidents) = instance.shown(tenant);
    let opened = incidents.values().next().unwrap()["opened_at"].as_str().unwrap();
    let off = Timestamp::parse(opened).unwrap().since(now);
    assert!((Span::secs(0)..Span::secs(120)).contains(&off), "it opened {} s later", off.as_secs());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_in_the_middle_of_a_storm_repeats_no_notice() {
    let root = tempfile::tempdir().unwrap();
    let slow = |_| (Duration::from_millis(rand::thread_rng().gen_range(0..40)), axum::http::StatusCode::NO_CONTENT);
    let receiver = Receiver::start(slow).await;
    let config = json!({
        "receivers": [{ "id": "default", "url": receiver.url(), "secret": SECRET, "allow_private": true }],
    });
    let setup = Setup::new(root.path(), &config.to_string());
    let client = client();
    let mut sent = 0_u64;
    for _ in 0..number("HEADWATER_STOPS", 5) {
        let mut program = setup.start(&["--durability", "process"]);
        program.answers(&client).await;
        for n in sent..sent + 30 {
            let event = json!({ "id": format!("e{n}"), "name": "CoreDown", "severity": "critical", "title": "down",
                                "object": { "name": format!("core-{n}") }, "starts_at": "2026-05-04T10:00:00Z" });
            assert_eq!(setup.post(&client, "/api/v1/events", &event).await.0, 202);
        }
        sent += 30;
        let took = program.stop();
        assert!(took < Duration::from_secs(12), "{took:?}");
    }
    let mut program = setup.start(&["--durability", "process"]);
    program.answers(&client).await;
    setup.none_is_pending(&client).await;
    program.stop();
    let seen = receiver.seen();
    let keys: BTreeSet<&str> = seen.iter().map(|seen| seen.key.as_str()).collect();
    assert_eq!(keys.len(), seen.len(), "a stop is no crash: nothing comes twice");
    assert!(seen.len() >= 30, "{}", seen.len());
    assert!(!setup.log().contains("panicked"), "{}", setup.log());
}
