//! What stores and lines do to several instances (rows 13, 16, 17, 19 and 28): no answer is a promise that is not kept.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::cli::full_disk::Small;
use crate::nats::cluster::{Instance, TENANTS, all_the_same, decided, lines, settled};
use crate::nats::cut_off::send;
use crate::nats::front::{all_decided, until};
use crate::nats::proxy::Proxy;
use crate::nats::server::{Program, Server, cluster, free_port};
use crate::served::Request;

/// Sends once; how it was refused, if it was.
fn refusal(one: &Instance, tenant: &str, lines: &[String]) -> Option<(u16, Option<String>)> {
    let body = lines.join("\n");
    let request =
        Request::post_as("/api/v1/ingest/stormgen", one.source(tenant), "application/x-ndjson", body.as_bytes());
    let answer = one.served().send(&request);
    (answer.status != 202).then(|| (answer.status, answer.headers.get("retry-after").cloned()))
}

#[test]
fn while_nats_is_stopped_senders_are_told_to_wait_and_then_all_goes_on() {
    let Some(path) = Program::Recent.path() else { return };
    let mut server = Server::start(&path, "one.conf".as_ref());
    let instances = ["a", "b"].map(|name| Instance::by(name, &[server.url()], "").start());
    settled(&instances);
    TENANTS.iter().for_each(|tenant| instances[0].put_topology(tenant));
    let lines = lines("hard");
    TENANTS.iter().for_each(|tenant| assert!(instances[1].send(tenant, &lines[..50])));
    server.stop();
    let refused = until("a refusal", || refusal(&instances[0], TENANTS[0], &lines[50..60]));
    assert_eq!(refused.0, 503);
    assert!(refused.1.is_some_and(|wait| wait.parse::<u64>().is_ok_and(|secs| secs > 0)), "no Retry-After");
    server.run();
    let since = Instant::now();
    for tenant in TENANTS {
        send(&instances[0], tenant, &lines[50..100]);
    }
    eprintln!("accepted again {:?} after the server was there", since.elapsed());
    assert!(since.elapsed() < Duration::from_secs(10), "{:?}", since.elapsed());
    all_the_same(instances.into(), vec![server.url()], 100);
}

#[test]
fn without_a_majority_of_servers_nothing_is_accepted_and_nothing_is_lost() {
    let Some(path) = Program::Recent.path() else { return };
    let mut servers = cluster(&path, "one.conf".as_ref());
    let urls: Vec<String> = servers.iter().map(Server::url).collect();
    let instances = ["a", "b"].map(|name| Instance::by(name, &urls, "").start());
    settled(&instances);
    TENANTS.iter().for_each(|tenant| instances[0].put_topology(tenant));
    let lines = lines("hard");
    for tenant in TENANTS {
        send(&instances[1], tenant, &lines[..50]);
    }
    servers[1..].iter_mut().for_each(Server::kill);
    let refused = until("a refusal", || refusal(&instances[0], TENANTS[0], &lines[50..60]));
    assert_eq!(refused.0, 503);
    until("both know that nothing is decided", || {
        instances.iter().all(|one| one.number("headwater_partitions_decided") == 0.0).then_some(())
    });
    let is_out = |one: &Instance| one.served().send(&Request::get("/readyz", one.admin(TENANTS[0]))).status == 503;
    until("both are out of service", || instances.iter().all(is_out).then_some(()));
    assert!(refusal(&instances[1], TENANTS[1], &lines[50..60]).is_some(), "one server of three is no majority");
    servers[1..].iter_mut().for_each(Server::run);
    for tenant in TENANTS {
        send(&instances[0], tenant, &lines[50..100]);
    }
    until("both are back in service", || instances.iter().all(|one| !is_out(one)).then_some(()));
    all_the_same(instances.into(), urls, 100);
}

/// Three servers that reach each other by lines which can be held: from each to each other one.
struct Routed {
    servers: Vec<Server>,
    /// Lines by which the first one reaches others and is reached.
    of_first: Vec<Proxy>,
    _rest: Vec<Proxy>,
}

fn routed(path: &Path) -> Routed {
    let ports: Vec<u16> = (0..3).map(|_| free_port()).collect();
    let (mut servers, mut of_first, mut rest) = (Vec::new(), Vec::new(), Vec::new());
    for (n, port) in ports.iter().enumerate() {
        let lines: Vec<Proxy> = (0..3).filter(|other| *other != n).map(|other| Proxy::start(ports[other])).collect();
        let routes: Vec<String> = lines.iter().map(Proxy::url).collect();
        for (line, other) in lines.into_iter().zip((0..3).filter(|other| *other != n)) {
            if n == 0 || other == 0 { of_first.push(line) } else { rest.push(line) }
        }
        // Nobody is told of an address by which a server could be reached directly.
        let own = format!("nats://127.0.0.1:{port}");
        let more = ["--cluster_name", "headwater", "--cluster", &own, "--routes", &routes.join(","), "--no_advertise"];
        let mut more: Vec<String> = more.iter().map(|word| (*word).to_owned()).collect();
        more.extend(["--cluster_advertise".to_owned(), "127.0.0.1:1".to_owned()]);
        servers.push(Server::with(path, "one.conf".as_ref(), &format!("n{}", n + 1), free_port(), more));
    }
    Routed { servers, of_first, _rest: rest }
}

#[test]
fn an_instance_on_the_lonely_side_of_a_split_is_taken_over_and_comes_back() {
    let Some(path) = Program::Recent.path() else { return };
    let Routed { servers, of_first, _rest } = routed(&path);
    // Each instance has a server of its own.
    let instances: Vec<Instance> = ["a", "b", "c"]
        .iter()
        .zip(&servers)
        .map(|(name, server)| Instance::with_copies(name, &[server.url()], 3, "").start())
        .collect();
    settled(&instances);
    TENANTS.iter().for_each(|tenant| instances[1].put_topology(tenant));
    let lines = lines("hard");
    for tenant in TENANTS {
        send(&instances[1], tenant, &lines[..50]);
    }
    instances.iter().for_each(|one| drop(decided(one, TENANTS[0], 50)));
    of_first.iter().for_each(Proxy::block);
    let since = Instant::now();
    for tenant in TENANTS {
        send(&instances[1], tenant, &lines[50..100]);
        decided(&instances[2], tenant, 100);
    }
    eprintln!("decided without the lonely one after {:?}", since.elapsed());
    until("the lonely one knows", || (instances[0].number("headwater_partitions_decided") == 0.0).then_some(()));
    assert!(refusal(&instances[0], TENANTS[0], &lines[..10]).is_some(), "a server alone confirms nothing");
    of_first.iter().for_each(|line| {
        line.release();
        line.cut();
    });
    for tenant in TENANTS {
        send(&instances[0], tenant, &lines[100..150]);
    }
    let urls = servers.iter().map(Server::url).collect();
    // What was refused may be stored by a server that answered too late: it is told as a repeat then.
    all_the_same(instances, urls, 150);
}

#[test]
fn a_slow_line_makes_it_slow_and_neither_larger_nor_double() {
    let Some(path) = Program::Recent.path() else { return };
    let server = Server::start(&path, "one.conf".as_ref());
    let proxy = Proxy::start(server.port());
    let by_proxy = vec![proxy.url()];
    let instances = [Instance::by("near", &[server.url()], "").start(), Instance::by("far", &by_proxy, "").start()];
    settled(&instances);
    let [_, far] = &instances;
    TENANTS.iter().for_each(|tenant| far.put_topology(tenant));
    let lines = lines("hard");
    TENANTS.iter().for_each(|tenant| assert!(far.send(tenant, &lines[..50])));
    instances.iter().for_each(|one| drop(decided(one, TENANTS[0], 50)));
    let before = far.served().rss_mib();
    proxy.slow(500);
    for chunk in lines[50..150].chunks(50) {
        for tenant in TENANTS {
            send(far, tenant, chunk);
        }
    }
    for tenant in TENANTS {
        let account = decided(far, tenant, 150);
        assert_eq!(account["accepted"], 150, "nothing was sent twice: {tenant}: {account}");
    }
    let after = far.served().rss_mib();
    eprintln!("{before} MiB before, {after} MiB behind a line of half a second");
    assert!(after < before + 100, "{before} MiB grew to {after}");
    proxy.slow(0);
    all_the_same(instances.into(), vec![server.url()], 150);
}

fn big(n: usize) -> String {
    serde_json::json!({ "id": format!("b{n}"), "name": "Down", "severity": "major", "title": "t",
                        "object": { "name": format!("h{n}") }, "description": noise(n), "starts_at": "2026-05-04T10:00:00Z" })
    .to_string()
}

/// Letters that cannot be packed.
fn noise(n: usize) -> String {
    let mut state = n as u64 + 1;
    let letter = |state: &mut u64| {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b'a' + (*state >> 59) as u8 % 26)
    };
    (0..4_000).map(|_| letter(&mut state)).collect()
}

#[test]
fn a_full_disk_under_nats_server_refuses_and_loses_nothing_that_was_confirmed() {
    let Some(path) = Program::Recent.path() else { return };
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = Small::mounted(&folder.path().join("disk"), 48) else {
        eprintln!("SKIPPED: this user may not mount a tmpfs");
        return;
    };
    let mut server = Server::on_disk(&path, "one.conf".as_ref(), disk.path());
    let instance = Instance::by("a", &[server.url()], "").start();
    let tenant = TENANTS[0];
    let post = |n: usize| {
        let events: Vec<String> = (n * 20..n * 20 + 20).map(big).collect();
        let body = format!("[{}]", events.join(","));
        let request = Request::post("/api/v1/events", instance.source(tenant), body.as_bytes());
        instance.served().send(&request).status
    };
    let mut accepted = 0;
    let mut numbers = 0..;
    while post(numbers.next().unwrap()) == 202 {
        accepted += 20;
        assert!(accepted < 50_000, "the disk is never full");
    }
    eprintln!("{accepted} events were accepted before the disk was full");
    for _ in 0..3 {
        assert_eq!(post(numbers.next().unwrap()), 503);
    }
    let ready = || instance.served().send(&Request::get("/readyz", instance.admin(tenant))).text();
    until("it is told", || (ready().contains("degraded") || ready().contains("journal")).then_some(()));
    let grown = Command::new("mount").args(["-o", "remount,size=400m"]).arg(disk.path()).status().unwrap();
    assert!(grown.success());
    // It does not go on by itself.
    server.kill();
    server.run();
    until("it is accepted again", || (post(numbers.next().unwrap()) == 202).then(|| accepted += 20));
    let account = all_decided(instance.served(), instance.admin(tenant), accepted);
    assert_eq!(account["balanced"], true, "{account}");
    let applied = account["applied"]["total"].as_u64().unwrap();
    assert!(applied >= accepted, "{applied} of {accepted}: {account}");
}
