//! What people keep at one instance is there at every other one: real programs, a real nats-server.

use serde_json::{Value, json};

use super::cluster::{Instance, TENANTS, settled};
use super::front::{get, until};
use super::server::{Program, Server};
use crate::served::Request;

fn names(instance: &Instance) -> Vec<String> {
    let views = get(instance.served(), instance.admin(TENANTS[0]), "/api/v1/views");
    views["items"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect()
}

fn keep(instance: &Instance, name: &str) -> u16 {
    let view: Value = json!({ "name": name, "query": "severity=critical", "shared": true });
    let body = view.to_string();
    let token = instance.admin(TENANTS[0]);
    let request = Request::post_as("/api/v1/views", token, "application/json", body.as_bytes());
    instance.served().send(&request).status
}

#[test]
fn a_view_is_kept_for_all_instances_and_outlives_them() {
    let Some(path) = Program::Recent.path() else { return };
    let server = Server::start(&path, "one.conf".as_ref());
    let of = |name: &str| Instance::by(name, &[server.url()], "").start();
    let mut instances = [of("mill-1"), of("mill-2")];
    settled(&instances);
    assert_eq!(keep(&instances[0], "one"), 204);
    assert_eq!(names(&instances[1]), ["one"]);
    // Both at once: none is lost.
    std::thread::scope(|threads| {
        for (n, instance) in instances.iter().enumerate() {
            threads.spawn(move || {
                for view in 0..10 {
                    assert_eq!(keep(instance, &format!("{n}-{view}")), 204);
                }
            });
        }
    });
    let mut all: Vec<String> = (0..2).flat_map(|n| (0..10).map(move |view| format!("{n}-{view}"))).collect();
    all.push("one".into());
    for instance in &instances {
        assert_eq!(names(instance), all);
    }
    // Whoever comes back finds what was kept meanwhile.
    instances[0].kill();
    assert_eq!(keep(&instances[1], "two"), 204);
    all.push("two".into());
    instances[0].run();
    until("it sees all views", || (names(&instances[0]) == all).then_some(()));
}
