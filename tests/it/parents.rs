//! Domains and their parents: incidents of cities become events of their province, are correlated there, and end there when
//! they end at home. Real programs, also when they are killed.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};

use crate::nats::front::{get, until};
use crate::nats::server::{Program, Server};
use crate::served::{Request, Served, Stopped, token_of};

const CITIES: [&str; 3] = ["city-a", "city-b", "city-c"];
const PARENTS: &str = "parents: { city-a: province, city-b: province, city-c: province }\n";
const RULES: &str = "routes:\n- { id: up, match: { severity: critical }, receivers: [parent], continue: true }\n\
                     - { id: rest, receivers: [default] }\n";

/// Cities with a route to their parent, a province that knows how they hang together, and who may ask.
struct World {
    served: Served,
    config: String,
    province: String,
}

fn put(served: &Served, token: &str, path: &str, body: &Value) {
    let body = body.to_string();
    let mut request = Request::post(path, token, body.as_bytes());
    request.method = "PUT";
    let answer = served.send(&request);
    assert_eq!(answer.status, 202, "{path}: {}", answer.text());
}

fn admin(folder: &Path, tenant: &str) -> String {
    token_of(folder, "admin", &format!("{tenant}-admin"), tenant)
}

impl World {
    fn start(more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let province = admin(folder.path(), "province");
        let cities = CITIES.map(|city| admin(folder.path(), city));
        let config = folder.path().join("headwater.yaml");
        std::fs::write(&config, format!("{PARENTS}delivery: {{ retry_first: 1s, retry_max: 1s }}\n{more}")).unwrap();
        let config = config.to_str().unwrap().to_owned();
        let served = Stopped::at(folder).start(&["--config", &config]);
        for city in &cities {
            let mut files = get(&served, city, "/api/v1/rules/versions/0")["files"].clone();
            files["routes.yaml"] = RULES.into();
            // An incident has recovered when it was quiet for so long.
            let settings = files["00-defaults.yaml"].as_str().unwrap().replace("observation: 5m", "observation: 1s");
            files["00-defaults.yaml"] = settings.into();
            put(&served, city, "/api/v1/rules", &json!({ "files": files }));
        }
        // The trunk feeds all three cities.
        let cis: Vec<Value> =
            ["trunk"].iter().chain(&CITIES).map(|ci| json!({ "id": ci, "class": "router" })).collect();
        let needs = |city: &&str| json!({ "from": "trunk", "type": "uplinks", "to": city });
        let relations: Vec<Value> = CITIES.iter().map(needs).collect();
        put(&served, &province, "/api/v1/topology", &json!({ "cis": cis, "relations": relations }));
        Self { served, config, province }
    }

    fn city(&self, n: usize) -> String {
        admin(self.served.folder.path(), CITIES[n])
    }

    fn send(&self, n: usize, id: &str, status: &str) {
        let now = headwater::clock::machine()();
        let event = json!({ "id": id, "name": "CoreDown", "severity": "critical", "title": "the core is down",
                            "status": status, "object": { "name": format!("core-{n}") }, "starts_at": now.to_string() });
        let body = event.to_string();
        let answer = self.served.send(&Request::post("/api/v1/events", &self.city(n), body.as_bytes()));
        assert_eq!(answer.status, 202, "{}", answer.text());
    }

    fn kill(self) -> Self {
        let Self { served, config, province } = self;
        let served = served.again(&["--config", &config]);
        Self { served, config, province }
    }

    fn alerts(&self) -> Vec<Value> {
        get(&self.served, &self.province, "/api/v1/alerts?limit=50")["items"].as_array().unwrap().clone()
    }

    fn until_firing(&self, firing: usize) -> Vec<Value> {
        until("the province has heard", || {
            let alerts = self.alerts();
            (alerts.iter().filter(|alert| alert["state"] == "firing").count() == firing).then_some(alerts)
        })
    }
}

#[test]
fn incidents_of_cities_are_correlated_in_their_province_and_end_with_them() {
    let mut world = World::start("");
    for n in 0..3 {
        world.send(n, &format!("down-{n}"), "firing");
        // At any moment: between the decision in the city, the event in the province and its result in the city.
        world = world.kill();
    }
    let alerts = world.until_firing(3);
    let domains: BTreeSet<&str> = alerts.iter().map(|alert| alert["labels"]["domain"].as_str().unwrap()).collect();
    assert_eq!(domains, BTreeSet::from(CITIES), "{alerts:?}");
    assert_eq!(alerts.len(), 3, "one alert for each incident: {alerts:?}");
    // One fault of the province: what all three need.
    let incident = until("one incident has all three", || {
        let incidents = get(&world.served, &world.province, "/api/v1/incidents?limit=50");
        let open = incidents["items"].as_array().unwrap().iter().find(|one| one["alert_count"] == 3)?.clone();
        Some(open)
    });
    let id = incident["id"].as_str().unwrap();
    let whole = get(&world.served, &world.province, &format!("/api/v1/incidents/{id}"));
    assert_eq!(whole["candidates"][0]["ci"]["id"], "trunk", "{whole}");
    // Why tells whose incident it was.
    let alert = alerts[0]["id"].as_str().unwrap();
    let why = until("the history has it", || {
        let answer = world.served.send(&Request::get(&format!("/api/v1/alerts/{alert}/why"), &world.province));
        (answer.status == 200).then(|| answer.text())
    });
    assert!(why.contains("city-"), "{why}");
    for n in 0..3 {
        world.send(n, &format!("up-{n}"), "resolved");
        world = world.kill();
    }
    world.until_firing(0);
    let account = get(&world.served, &world.province, "/api/v1/conservation");
    assert_eq!(account["balanced"], true, "{account}");
    // However often it was killed: each message of an incident is applied once.
    let applied = account["applied"]["total"].as_u64().unwrap();
    assert_eq!(applied, 6, "three began and three ended: {account}");
    until("all are told", || {
        let pending = |n| get(&world.served, &world.city(n), "/api/v1/receivers")["pending"] == 0;
        (0..3).all(pending).then_some(())
    });
}

#[test]
fn a_domain_that_is_its_own_ancestor_is_refused_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("headwater.yaml");
    std::fs::write(&file, "parents: { a: b, b: a }\n").unwrap();
    let checked = crate::cli::headwater(&["check", "--config", file.to_str().unwrap()]);
    checked.refuses(&["headwater.yaml:1", "`parents` leads from a back to a", "take one of them out"]);
    std::fs::write(&file, "receivers:\n- { id: parent, url: https://example.org, secret: x }\n").unwrap();
    crate::cli::headwater(&["check", "--config", file.to_str().unwrap()]).refuses(&["is the parent domain"]);
}

#[test]
fn what_an_instance_of_a_cluster_sends_up_arrives_once_although_it_is_killed() {
    let Some(path) = Program::Recent.path() else { return };
    let server = Server::start(&path, "one.conf".as_ref());
    let more = format!(
        "nats: {{ urls: [{}], intake: false, publish: false }}\ncluster: {{ on: true, instance: a }}\ndurability: process\n",
        server.url()
    );
    let mut world = World::start(&more);
    for round in 0..4 {
        world.send(0, &format!("e{round}"), if round % 2 == 0 { "firing" } else { "resolved" });
        world = world.kill();
        world.until_firing(1 - round % 2);
    }
    let alerts = world.alerts();
    assert!(alerts.iter().all(|alert| alert["labels"]["domain"] == "city-a"), "{alerts:?}");
    let account = get(&world.served, &world.province, "/api/v1/conservation");
    assert_eq!(account["balanced"], true, "{account}");
}
