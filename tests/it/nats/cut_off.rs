//! Several instances whose servers die or whose line is dead, and what goes through any of them.

use std::time::Instant;

use serde_json::{Value, json};

use super::cluster::{
    Instance, TENANTS, all_the_same, decided, is_what_one_alone_decides, lines, settled, show_the_same,
};
use super::front::{get, until};
use super::proxy::Proxy;
use super::server::{Program, Server, cluster};
use crate::served::{Answer, Request};

/// Sends until it is accepted; how often it was refused before.
pub fn send(one: &Instance, tenant: &str, lines: &[String]) -> usize {
    let mut refused = 0;
    until("it is accepted", || {
        let accepted = one.send(tenant, lines);
        refused += usize::from(!accepted);
        accepted.then_some(())
    });
    refused
}

#[test]
fn three_servers_and_three_instances_lose_one_of_each_and_lose_nothing() {
    let Some(path) = Program::Recent.path() else { return };
    let mut servers = cluster(&path, "one.conf".as_ref());
    let urls: Vec<String> = servers.iter().map(Server::url).collect();
    let mut instances: Vec<Instance> =
        ["a", "b", "c"].iter().map(|name| Instance::by(name, &urls, "").start()).collect();
    settled(&instances);
    TENANTS.iter().for_each(|tenant| instances[0].put_topology(tenant));
    let lines = lines("hard");
    let mut accepted = 0;
    for (round, part) in lines[..600].chunks(200).enumerate() {
        for (n, chunk) in part.chunks(50).enumerate() {
            match n {
                1 => servers[round].kill(),
                2 => instances[(round + 1) % 3].kill(),
                _ => {}
            }
            let alive: Vec<&Instance> = instances.iter().filter(|one| one.served.is_some()).collect();
            for tenant in TENANTS {
                send(alive[n % alive.len()], tenant, chunk);
            }
            accepted += chunk.len() as u64;
        }
        let since = Instant::now();
        let survivor = instances.iter().find(|one| one.served.is_some()).unwrap();
        for tenant in TENANTS {
            // What was sent again after no answer came is told as a repeat.
            assert!(decided(survivor, tenant, accepted)["accepted"].as_u64() >= Some(accepted));
        }
        eprintln!("without one server and one instance: decided after {:?}", since.elapsed());
        servers[round].run();
        let victim = (round + 1) % 3;
        instances[victim].run();
        settled(&instances);
    }
    for tenant in TENANTS {
        show_the_same(&instances, tenant);
    }
    for one in &instances {
        assert_eq!(one.number("headwater_decisions_diverged_total"), 0.0, "{}", one.name);
    }
    drop(instances);
    assert!(is_what_one_alone_decides(urls) >= 4 * 13);
}

#[test]
fn an_instance_whose_line_is_dead_is_taken_over_and_comes_back() {
    let Some(path) = Program::Recent.path() else { return };
    let server = Server::start(&path, "one.conf".as_ref());
    let proxy = Proxy::start(server.port());
    let by_proxy = vec![proxy.url()];
    let instances = [Instance::by("near", &[server.url()], "").start(), Instance::by("far", &by_proxy, "").start()];
    let [near, far] = &instances;
    settled(&instances);
    TENANTS.iter().for_each(|tenant| near.put_topology(tenant));
    let lines = lines("hard");
    TENANTS.iter().for_each(|tenant| assert!(far.send(tenant, &lines[..100])));
    instances.iter().for_each(|one| drop(decided(one, TENANTS[0], 100)));
    assert!(far.number("headwater_partitions_decided") > 0.0, "each has its share");
    proxy.hold();
    TENANTS.iter().for_each(|tenant| assert!(near.send(tenant, &lines[100..200])));
    for tenant in TENANTS {
        decided(near, tenant, 200);
    }
    assert_eq!(near.number("headwater_partitions_decided"), TENANTS.len() as f64);
    let ready = far.served().send(&Request::get("/readyz", far.admin(TENANTS[0])));
    assert!(ready.text().contains("do not hear of this one"), "{}", ready.text());
    assert_eq!(ready.status, 503, "a load balancer leaves it out");
    assert_eq!(far.number("headwater_partitions_decided"), 0.0);
    proxy.release();
    settled(&instances);
    until("it is ready again", || {
        (far.served().send(&Request::get("/readyz", far.admin(TENANTS[0]))).status == 200).then_some(())
    });
    for tenant in TENANTS {
        send(far, tenant, &lines[200..300]);
    }
    assert!(all_the_same(instances.into(), vec![server.url()], 300) >= 4 * 4);
}

#[test]
fn rules_and_orders_are_given_at_one_instance_and_hold_at_all() {
    let Some(path) = Program::Recent.path() else { return };
    let server = Server::start(&path, "one.conf".as_ref());
    let instances = ["a", "b"].map(|name| Instance::by(name, &[server.url()], "").start());
    let [a, b] = &instances;
    settled(&instances);
    let tenant = TENANTS[0];
    b.put_topology(tenant);
    let ask = |one: &Instance, method: &str, path: &str, body: &Value| -> Answer {
        let body = body.to_string();
        let mut request = Request::post(path, one.admin(tenant), body.as_bytes());
        request.method = method;
        one.served().send(&request)
    };
    let mut files = get(a.served(), a.admin(tenant), "/api/v1/rules/versions/0")["files"].clone();
    files["mine.yaml"] = "mute:\n  - id: mine\n    match: { name: FanNoise }\n".into();
    let put = ask(b, "PUT", "/api/v1/rules", &json!({ "files": files }));
    assert_eq!(put.status, 202, "{}", put.text());
    for one in &instances {
        until("the rules hold", || {
            let known = get(one.served(), one.admin(tenant), "/api/v1/rules");
            (known["version"] == 1 && known.to_string().contains("mine.yaml")).then_some(())
        });
        until("the version is listed", || {
            let versions = get(one.served(), one.admin(tenant), "/api/v1/rules/versions");
            (versions["items"].as_array().unwrap().len() == 2).then_some(())
        });
    }
    // Two people change the same version at two instances at one moment: one of them is told.
    let mut raced = Vec::new();
    for round in 0..5 {
        let etag = format!("\"{}\"", round + 1);
        let change = |one: &Instance| {
            let mut files = files.clone();
            let text = format!("mute:\n  - id: of-{}-{round}\n    match: {{ name: Fan }}\n", one.name);
            files["mine.yaml"] = text.into();
            let body = json!({ "files": files }).to_string();
            let mut request = Request::post("/api/v1/rules", one.admin(tenant), body.as_bytes());
            request.method = "PUT";
            request.headers.push(("if-match", etag.clone()));
            one.served().send(&request).status
        };
        let statuses = std::thread::scope(|scope| {
            let (first, second) = (scope.spawn(|| change(a)), scope.spawn(|| change(b)));
            [first.join().unwrap(), second.join().unwrap()]
        });
        let mut sorted = statuses;
        sorted.sort_unstable();
        assert_eq!(sorted, [202, 412], "round {round}");
        raced.push(statuses);
        until("both know the next version", || {
            let known = |one: &Instance| get(one.served(), one.admin(tenant), "/api/v1/rules")["version"].clone();
            (known(a) == round + 2 && known(b) == round + 2).then_some(())
        });
    }
    eprintln!("who was faster: {raced:?}");
    assert!(a.send(tenant, &lines("hard")[..400]));
    decided(b, tenant, 400);
    let (_, shown) = b.shown(tenant);
    let id = shown.keys().next().unwrap().clone();
    let order = ask(b, "POST", &format!("/api/v1/incidents/{id}/acknowledge"), &json!({}));
    assert_eq!(order.status, 202, "{}", order.text());
    let told: Value = serde_json::from_slice(&order.body).unwrap();
    let seq = told["seq"].as_u64().unwrap();
    for one in &instances {
        until("the order was carried out", || {
            let incident = get(one.served(), one.admin(tenant), &format!("/api/v1/incidents/{id}"));
            (incident["progress"] == "processing").then_some(())
        });
    }
    assert_eq!(get(b.served(), b.admin(tenant), &format!("/api/v1/commands/{seq}"))["state"], "done");
    show_the_same(&instances, tenant);
}
