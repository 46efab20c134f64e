//! More than one server: sentinels that name another master, and a cluster.

use std::time::Instant;

use super::faults::{conserved, until_away};
use super::server::{Redis, Said};
use super::view::{post_all, served, until_equal};
use crate::nats::front::until;
use crate::nats::server::{PATIENCE, free_port};

/// A sentinel that watches a master named `main`.
fn sentinel(master: u16) -> Option<Redis> {
    let port = free_port();
    let sentinel = Redis::at(port, &[])?;
    let file = sentinel.running.folder().join("sentinel.conf");
    std::fs::write(
        &file,
        format!(
            "port {port}\nbind 127.0.0.1\nsentinel monitor main 127.0.0.1 {master} 1\n\
             sentinel down-after-milliseconds main 500\nsentinel failover-timeout main 3000\n"
        ),
    )
    .unwrap();
    let mut sentinel = sentinel.with_file(file, &["--sentinel"]);
    sentinel.run();
    Some(sentinel)
}

#[test]
fn when_a_master_dies_the_view_is_at_the_next_one() {
    let Some(mut master) = Redis::start(&[]) else { return };
    let port = master.port.to_string();
    let replica = Redis::start(&["--replicaof", "127.0.0.1", &port]).unwrap();
    until("the replica is there", || {
        let Said::Text(about) = replica.say(&["INFO", "replication"]) else { panic!() };
        about.contains("master_link_status:up").then_some(())
    });
    let sentinel = sentinel(master.port).unwrap();
    until("the sentinel knows both", || {
        let Said::Many(replicas) = sentinel.say(&["SENTINEL", "REPLICAS", "main"]) else { panic!() };
        (!replicas.is_empty()).then_some(())
    });
    let (served, token) = served(&format!("redis+sentinel://127.0.0.1:{}/main", sentinel.port), "");
    post_all(&served, &token, 0..20, "firing");
    until_equal(&master, &served, &token);
    let since = Instant::now();
    master.kill();
    post_all(&served, &token, 20..30, "firing");
    until_away(&served, &token, true);
    post_all(&served, &token, 0..5, "resolved");
    conserved(&served, &token, 35);
    until_equal(&replica, &served, &token);
    eprintln!("the view was at the next master {:?} after the kill", since.elapsed());
    until_away(&served, &token, false);
    conserved(&served, &token, 35);
}

#[test]
fn a_cluster_of_three_has_the_view_and_goes_on_when_it_comes_back() {
    let Some(mut nodes) = cluster() else { return };
    let urls: Vec<String> = nodes.iter().map(Redis::url).collect();
    let (served, token) = served(&urls.join(", "), "");
    post_all(&served, &token, 0..20, "firing");
    let at = until("it is written", || {
        nodes.iter().position(|node| matches!(node.say(&["GET", "headwater:v1:{default}:meta"]), Said::Text(_)))
    });
    until_equal(&nodes[at], &served, &token);
    nodes[at].kill();
    post_all(&served, &token, 20..30, "firing");
    until_away(&served, &token, true);
    conserved(&served, &token, 30);
    nodes[at].run();
    until_away(&served, &token, false);
    until_equal(&nodes[at], &served, &token);
}

fn cluster() -> Option<Vec<Redis>> {
    let mut nodes = Vec::new();
    for _ in 0..3 {
        let bus = free_port().to_string();
        nodes.push(Redis::start(&[
            "--cluster-enabled",
            "yes",
            "--cluster-port",
            &bus,
            "--cluster-node-timeout",
            "2000",
        ])?);
    }
    for (node, range) in nodes.iter().zip([("0", "5460"), ("5461", "10922"), ("10923", "16383")]) {
        let given = node.say(&["CLUSTER", "ADDSLOTSRANGE", range.0, range.1]);
        assert_eq!(given, Said::Text("OK".into()));
    }
    for node in &nodes[1..] {
        let bus = nodes[0].argument("--cluster-port");
        let met = node.say(&["CLUSTER", "MEET", "127.0.0.1", &nodes[0].port.to_string(), &bus]);
        assert_eq!(met, Said::Text("OK".into()));
    }
    let end = Instant::now() + PATIENCE;
    for node in &nodes {
        loop {
            let Said::Text(about) = node.say(&["CLUSTER", "INFO"]) else { panic!() };
            if about.contains("cluster_state:ok") && about.contains("cluster_known_nodes:3") {
                break;
            }
            assert!(Instant::now() < end, "{about}");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }
    Some(nodes)
}
