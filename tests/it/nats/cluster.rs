//! Several instances on one journal: real programs, a real nats-server, real deaths.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use flate2::read::GzDecoder;
use headwater::access::store::{Tokens, Wanted};
use headwater::domain::access::Role;
use headwater::domain::ids::TenantId;
use headwater::domain::partition::partition_of;
use headwater::domain::time::Timestamp;
use headwater::engine::input::Input;
use headwater::engine::passing::OVERDUE_MAX;
use headwater::engine::tuning::Tuning;
use headwater::engine::{Engine, Loaded};
use headwater::journal::jetstream::{JetStreamStore, OpenOptions};
use headwater::journal::{Durability, Journal as _};
use headwater::nats::connect::connect;
use headwater::outbox::Outbox as _;
use headwater::outbox::jetstream::JetStreamOutbox;
use headwater::pipeline::cmdb_text;
use headwater::serve::TOKENS_FILE;
use serde_json::Value;

use super::front::{get, until};
use super::server::{Program, Server, settings};
use crate::receiver::{Receiver, SECRET};
use crate::served::{Request, Served, Stopped};
use crate::storms;

/// Tenants that do not share a partition.
pub const TENANTS: [&str; 4] = ["north", "south", "east", "west"];

/// One instance: a folder, a name, tokens for each tenant, and the program while it runs.
pub struct Instance {
    pub name: String,
    pub served: Option<Served>,
    pub stopped: Option<Stopped>,
    tokens: BTreeMap<&'static str, (String, String)>,
    config: String,
}

pub fn lines(storm: &str) -> Vec<String> {
    let file = std::fs::File::open(storms::folder(storm).join("alerts.jsonl.gz")).unwrap();
    std::io::read_to_string(GzDecoder::new(file)).unwrap().lines().map(str::to_owned).collect()
}

impl Instance {
    fn new(name: &str, server: &Server, more: &str) -> Self {
        Self::by(name, &[server.url()], more)
    }

    /// One that reaches the servers by these addresses; three addresses are three servers.
    pub fn by(name: &str, urls: &[String], more: &str) -> Self {
        Self::with_copies(name, urls, if urls.len() == 3 { 3 } else { 1 }, more)
    }

    /// One that reaches servers with so many copies of everything by these addresses.
    pub fn with_copies(name: &str, urls: &[String], copies: u8, more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // Not by the command line: a program notes what is done there, and here it is seen whose turn a tenant's first record is.
        let store = Tokens::open(&folder.path().join(TOKENS_FILE)).unwrap();
        let tokens = TENANTS.map(|tenant| {
            let of = |role: Role| {
                let (name, tenant) = (format!("{tenant}-{role}"), TenantId::from(tenant));
                let wanted = Wanted { name, role, tenant, orgs: None, areas: None, expires_at: None };
                store.create(wanted, Timestamp(0)).unwrap().reveal().to_owned()
            };
            (tenant, (of(Role::Admin), of(Role::Source)))
        });
        let config = folder.path().join("headwater.yaml");
        let text = format!(
            "data: .\ndurability: process\nnats:\n  urls: [{}]\n  replicas: {copies}\n  intake: false\n  publish: false\ncluster:\n  \
             on: true\n  instance: {name}\n{more}",
            urls.join(", ")
        );
        std::fs::write(&config, text).unwrap();
        Self {
            name: name.to_owned(),
            served: None,
            config: config.to_str().unwrap().to_owned(),
            stopped: Some(Stopped::at(folder)),
            tokens: tokens.into(),
        }
    }

    pub fn start(self) -> Self {
        self.start_with(&[])
    }

    /// Starts it again.
    pub fn run(&mut self) {
        self.run_with(&[]);
    }

    fn run_with(&mut self, variables: &[(&str, PathBuf)]) {
        self.served = Some(self.stopped.take().unwrap().start_with(&["--config", &self.config], variables));
    }

    /// Starts it with more variables.
    pub fn start_with(mut self, variables: &[(&str, PathBuf)]) -> Self {
        self.run_with(variables);
        self
    }

    /// Stops it as an operator does.
    pub fn leave(&mut self) {
        self.signal("-TERM");
        let mut served = self.served.take().unwrap();
        until("it has left", || (!served.is_alive()).then_some(()));
        self.stopped = Some(served.stop());
    }

    pub fn kill(&mut self) {
        self.stopped = Some(self.served.take().unwrap().stop());
    }

    pub fn served(&self) -> &Served {
        self.served.as_ref().unwrap()
    }

    pub fn source(&self, tenant: &str) -> &str {
        &self.tokens[tenant].1
    }

    pub fn admin(&self, tenant: &str) -> &str {
        &self.tokens[tenant].0
    }

    /// A number that the program tells of itself.
    pub fn number(&self, name: &str) -> f64 {
        self.served().metrics(self.admin(TENANTS[0]))[name]
    }

    pub fn signal(&self, name: &str) {
        let pid = self.served().pid().to_string();
        assert!(std::process::Command::new("kill").args([name, &pid]).status().unwrap().success());
    }

    /// Sends lines of a storm for a tenant; whether they were accepted.
    pub fn send(&self, tenant: &str, lines: &[String]) -> bool {
        let body = lines.join("\n");
        let request = Request::post_as(
            "/api/v1/ingest/stormgen",
            &self.tokens[tenant].1,
            "application/x-ndjson",
            body.as_bytes(),
        );
        let answer = self.served().send(&request);
        assert!([202, 503].contains(&answer.status), "{}: {}", answer.status, answer.text());
        answer.status == 202
    }

    pub fn put_topology(&self, tenant: &str) {
        let packed = std::fs::File::open(storms::folder("hard").join("cmdb.json.gz")).unwrap();
        let text = std::io::read_to_string(GzDecoder::new(packed)).unwrap();
        let mut request = Request::post("/api/v1/topology", self.admin(tenant), text.as_bytes());
        request.method = "PUT";
        let answer = self.served().send(&request);
        assert_eq!(answer.status, 202, "{}", answer.text());
    }

    /// What this instance shows of a tenant: the account, and every incident in full.
    pub fn shown(&self, tenant: &str) -> (Value, BTreeMap<String, Value>) {
        let token = self.admin(tenant);
        let account = get(self.served(), token, "/api/v1/conservation");
        let mut incidents = BTreeMap::new();
        let mut path = "/api/v1/incidents?limit=200".to_owned();
        loop {
            let page = get(self.served(), token, &path);
            for incident in page["items"].as_array().unwrap() {
                let id = incident["id"].as_str().unwrap().to_owned();
                let whole = get(self.served(), token, &format!("/api/v1/incidents/{id}"));
                incidents.insert(id, whole);
            }
            match page["next"].as_str() {
                Some(next) => path = format!("/api/v1/incidents?limit=200&cursor={next}"),
                None => return (account, incidents),
            }
        }
    }
}

fn running(server: &Server, names: &[&str]) -> Vec<Instance> {
    let instances: Vec<Instance> = names.iter().map(|name| Instance::new(name, server, "").start()).collect();
    settled(&instances);
    instances
}

/// Waits until all partitions that are used are decided, each by one.
pub fn settled(instances: &[Instance]) {
    let count = instances.iter().filter(|one| one.served.is_some()).count() as f64;
    until("all know of all", || {
        let alive = instances.iter().filter(|one| one.served.is_some());
        alive.map(|one| one.number("headwater_instances")).all(|n| n == count).then_some(())
    });
}

/// Waits until all instances that run show the same of a tenant, to the last word; time goes on meanwhile.
pub fn show_the_same(instances: &[Instance], tenant: &str) {
    until("all show the same", || {
        let mut shown = instances.iter().filter(|one| one.served.is_some()).map(|one| one.shown(tenant));
        let first = shown.next().unwrap();
        assert!(!first.1.is_empty());
        shown.all(|other| other == first).then_some(())
    });
}

/// Waits until an instance shows so many accepted events of a tenant, all of them decided.
pub fn decided(instance: &Instance, tenant: &str, accepted: u64) -> Value {
    let account = instance.served().conservation(instance.admin(tenant), accepted);
    assert_eq!(account["pending"], 0, "{}: {account}\n{}", instance.name, instance.served().said().join("\n"));
    assert_eq!(account["balanced"], true, "{account}");
    account
}

/// The instances' journal, for an onlooker, and what it lives on.
pub fn journal(urls: Vec<String>) -> (tokio::runtime::Runtime, JetStreamStore) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let options = OpenOptions {
        prefix: "hw".into(),
        replicas: settings(urls.clone()).replicas,
        durability: Durability::Process,
        monitor_urls: Vec::new(),
    };
    let nats = runtime.block_on(connect(&settings(urls))).unwrap();
    // Servers that have just come back answer for some streams and not yet for others.
    let open = || runtime.block_on(JetStreamStore::open(nats.clone(), &options)).ok();
    let store = until("an onlooker opens the journal", open);
    (runtime, store)
}

/// Decides the whole journal again, alone and without a pause, and compares each decision with the outbox.
pub fn is_what_one_alone_decides(urls: Vec<String>) -> usize {
    let (_runtime, store) = journal(urls);
    let decisions = JetStreamOutbox::new(store.clone(), "onlooker").read_after(0, usize::MAX).unwrap();
    let mut by_record: BTreeMap<u64, _> = BTreeMap::new();
    for decision in decisions {
        let seq = decision.journal_seq;
        assert!(by_record.insert(seq, decision).is_none(), "record {seq} was decided twice");
    }
    let file = std::fs::File::open(storms::folder("hard").join("cmdb.json.gz")).unwrap();
    let topology = std::io::read_to_string(GzDecoder::new(file)).unwrap();
    let tuning = std::sync::Arc::new(Tuning::default());
    let mut engines: BTreeMap<u16, Engine> = BTreeMap::new();
    let records = store.read_after(0, usize::MAX).unwrap();
    let mut compared = 0;
    for record in records {
        let loaded = match &*record.input {
            Input::Topology { version, .. } => {
                Loaded::Topology(cmdb_text::compile(topology.as_bytes(), *version).unwrap())
            }
            _ => Loaded::Nothing,
        };
        let empty = || Engine::empty(record.partition, tuning.clone()).paced(OVERDUE_MAX);
        let engine = engines.entry(record.partition).or_insert_with(empty);
        let effects = engine.step(record.stamp, &record.input, loaded);
        let Some(decision) = by_record.get(&record.seq) else { continue };
        decision.verify(&effects).unwrap();
        compared += 1;
    }
    assert!(compared > 0, "nothing was decided");
    compared
}

/// Waits until all instances show the same of every tenant, at least so many events and all of them decided; ends them, and
/// compares what they decided with one alone.
pub fn all_the_same(instances: Vec<Instance>, urls: Vec<String>, accepted: u64) -> usize {
    settled(&instances);
    for tenant in TENANTS {
        instances.iter().for_each(|one| drop(decided(one, tenant, accepted)));
        show_the_same(&instances, tenant);
    }
    for one in &instances {
        assert_eq!(one.number("headwater_decisions_diverged_total"), 0.0, "{}", one.name);
    }
    drop(instances);
    is_what_one_alone_decides(urls)
}

#[test]
fn three_instances_decide_as_one_and_show_the_same() {
    they_decide_as_one(Program::Recent);
}

#[test]
fn three_instances_on_the_oldest_server_decide_as_one() {
    they_decide_as_one(Program::Floor);
}

fn they_decide_as_one(program: Program) {
    let Some(path) = program.path() else { return };
    let server = Server::start(&path, "one.conf".as_ref());
    let partitions: BTreeSet<u16> = TENANTS.iter().map(|tenant| partition_of(&TenantId::from(*tenant))).collect();
    assert_eq!(partitions.len(), TENANTS.len());
    let instances = running(&server, &["a", "b", "c"]);
    for (n, tenant) in TENANTS.iter().enumerate() {
        instances[n % 3].put_topology(tenant);
    }
    let lines = lines("hard");
    for (n, chunk) in lines[..1_600].chunks(50).enumerate() {
        for (m, tenant) in TENANTS.iter().enumerate() {
            assert!(instances[(n + m) % 3].send(tenant, chunk));
        }
    }
    for tenant in TENANTS {
        instances.iter().for_each(|one| drop(decided(one, tenant, 1_600)));
        show_the_same(&instances, tenant);
    }
    let turns: f64 = instances.iter().map(|one| one.number("headwater_partitions_decided")).sum();
    assert_eq!(turns, TENANTS.len() as f64, "each partition is decided by one");
    drop(instances);
    let compared = is_what_one_alone_decides(vec![server.url()]);
    assert!(compared >= 4 * 33, "{compared}");
}

/// Tells a storm while one instance after the other is killed and comes back; whatever was accepted is decided once, and
/// receivers are told with the same keys.
#[test]
fn whoever_is_killed_the_others_go_on_and_nothing_is_lost() {
    let Some(path) = Program::Recent.path() else { return };
    let server = Server::start(&path, "one.conf".as_ref());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let receiver = runtime.block_on(Receiver::willing());
    let more =
        format!("receivers:\n  - {{ id: default, url: {}, secret: {SECRET}, allow_private: true }}\n", receiver.url());
    let mut instances: Vec<Instance> =
        ["a", "b", "c"].iter().map(|name| Instance::new(name, &server, &more).start()).collect();
    settled(&instances);
    TENANTS.iter().for_each(|tenant| instances[0].put_topology(tenant));
    let lines = lines("hard");
    let mut accepted = 0;
    let mut takeovers = Vec::new();
    for (round, part) in lines[..1_200].chunks(200).enumerate() {
        let victim = round % 3;
        for (n, chunk) in part.chunks(25).enumerate() {
            if n == 3 {
                instances[victim].kill();
            }
            let alive: Vec<&Instance> = instances.iter().filter(|one| one.served.is_some()).collect();
            for tenant in TENANTS {
                assert!(alive[n % alive.len()].send(tenant, chunk), "nobody but the victim refuses");
            }
            accepted += chunk.len() as u64;
        }
        let since = Instant::now();
        let survivor = instances.iter().find(|one| one.served.is_some()).unwrap();
        for tenant in TENANTS {
            let account = decided(survivor, tenant, accepted);
            assert_eq!(account["accepted"], accepted, "{tenant}: {account}");
        }
        takeovers.push(since.elapsed());
        instances[victim].run();
        settled(&instances);
    }
    takeovers.sort_unstable();
    eprintln!("six kills: everything was decided again after {takeovers:?}");
    assert!(*takeovers.last().unwrap() < Duration::from_secs(10), "{takeovers:?}");
    for tenant in TENANTS {
        instances.iter().for_each(|one| drop(decided(one, tenant, accepted)));
        show_the_same(&instances, tenant);
    }
    for one in &instances {
        assert_eq!(one.number("headwater_decisions_diverged_total"), 0.0, "{}", one.name);
        until("all notices have ended", || {
            let open = TENANTS.iter().map(|tenant| get(one.served(), one.admin(tenant), "/api/v1/receivers"));
            open.map(|list| list["pending"].as_u64().unwrap()).all(|pending| pending == 0).then_some(())
        });
    }
    // The same key has the same words, however often it came; nobody is told of an older version behind a newer one.
    let mut words: BTreeMap<String, String> = BTreeMap::new();
    let mut newest: BTreeMap<String, u64> = BTreeMap::new();
    let mut again = 0;
    for seen in receiver.seen() {
        match words.insert(seen.key.clone(), seen.text.clone()) {
            Some(before) => {
                assert_eq!(before, seen.text, "{}", seen.key);
                again += 1;
            }
            None => {
                let before = newest.insert(seen.incident().to_owned(), seen.version()).unwrap_or(0);
                assert!(seen.version() >= before, "{}: {} behind {before}", seen.incident(), seen.version());
            }
        }
    }
    eprintln!("{} notices, {again} of them once more", words.len());
    assert!(words.len() > 20, "{}", words.len());
    drop(instances);
    let compared = is_what_one_alone_decides(vec![server.url()]);
    assert!(compared >= 4 * 48, "{compared}");
}

/// The one who decides a tenant's partition, as the figures tell while only this tenant has any.
fn owner(instances: &[Instance]) -> usize {
    until("somebody decides", || instances.iter().position(|one| one.number("headwater_partitions_decided") == 1.0))
}

#[test]
fn one_that_was_paused_finds_that_another_one_has_taken_over() {
    let Some(path) = Program::Recent.path() else { return };
    let server = Server::start(&path, "one.conf".as_ref());
    let mut instances = running(&server, &["a", "b"]);
    let tenant = TENANTS[0];
    instances[0].put_topology(tenant);
    let lines = lines("hard");
    assert!(instances[0].send(tenant, &lines[..50]));
    let paused = owner(&instances);
    let other = 1 - paused;
    decided(&instances[other], tenant, 50);
    instances[paused].signal("-STOP");
    assert!(instances[other].send(tenant, &lines[50..100]));
    decided(&instances[other], tenant, 100);
    instances[paused].signal("-CONT");
    // At once, while it still believes that it is its turn.
    assert!(instances[paused].send(tenant, &lines[100..150]));
    for one in &instances {
        decided(one, tenant, 150);
        assert_eq!(one.number("headwater_decisions_diverged_total"), 0.0, "{}", one.name);
    }
    settled(&instances);
    show_the_same(&instances, tenant);
    // A planned stop hands over at once: nobody waits until silence is noticed.
    let leaving = owner(&instances);
    let staying = 1 - leaving;
    let since = Instant::now();
    instances[leaving].signal("-TERM");
    until("the other one has taken over", || {
        (instances[staying].number("headwater_partitions_decided") == 1.0).then_some(())
    });
    let took = since.elapsed();
    eprintln!("handed over in {took:?}");
    let said = || instances.iter().map(|one| one.served().said().join("\n")).collect::<Vec<_>>().join("\n\n");
    assert!(took < Duration::from_secs(3), "{took:?}: {}", said());
    instances.truncate(0);
    assert!(is_what_one_alone_decides(vec![server.url()]) >= 3);
}

#[test]
fn each_instance_does_what_its_roles_say() {
    let Some(path) = Program::Recent.path() else { return };
    let server = Server::start(&path, "one.conf".as_ref());
    let of = |name: &str, roles: &str| Instance::new(name, &server, &format!("  roles: [{roles}]\n")).start();
    let instances = [of("desk", "api"), of("door", "intake"), of("mill", "engine, delivery")];
    let tenant = TENANTS[0];
    let (desk, door, mill) = (&instances[0], &instances[1], &instances[2]);
    settled(&instances);
    desk.put_topology(tenant);
    let lines = lines("hard");
    assert!(door.send(tenant, &lines[..200]));
    let account = decided(desk, tenant, 200);
    assert_eq!(account["accepted"], 200, "{account}");
    assert!(!desk.shown(tenant).1.is_empty());
    let status = |one: &Instance, request: Request<'_>| one.served().send(&request).status;
    let event = lines[0].as_bytes();
    let source = |one: &Instance| one.tokens[tenant].1.clone();
    let post =
        |one: &Instance| Request::post_as("/api/v1/ingest/stormgen", &source(one), "application/x-ndjson", event);
    assert_eq!([status(desk, post(desk)), status(mill, post(mill))], [404, 404], "events come in by the door only");
    for one in [door, mill] {
        assert_eq!(status(one, Request::get("/api/v1/incidents", one.admin(tenant))), 404, "{}", one.name);
        assert_eq!(status(one, Request::get("/readyz", one.admin(tenant))), 200, "{}", one.name);
    }
    let turns = [desk, door, mill].map(|one| one.number("headwater_partitions_decided"));
    assert_eq!(turns, [0.0, 0.0, 1.0]);
}

/// Starts an instance that must not come up; what it says.
fn refused(instance: &mut Instance) -> String {
    let folder = instance.stopped.take().unwrap();
    let output = std::process::Command::new(crate::served::PROGRAM)
        .args(["serve", "--listen", "127.0.0.1:0", "--durability", "process", "--config", &instance.config, "--data"])
        .arg(folder.path())
        .output()
        .unwrap();
    assert!(!output.status.success());
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_name_or_a_folder_that_is_taken_is_refused() {
    let Some(path) = Program::Recent.path() else { return };
    let server = Server::start(&path, "one.conf".as_ref());
    let first = Instance::new("a", &server, "").start();
    let said = refused(&mut Instance::new("a", &server, ""));
    assert!(said.contains("another instance named \"a\" is running"), "{said}");
    assert!(first.number("headwater_instances") == 1.0);
    let mut alone = Instance::new("b", &server, "");
    std::fs::write(alone.stopped.as_ref().unwrap().path().join("headwater.db"), b"").unwrap();
    let said = refused(&mut alone);
    assert!(said.contains("headwater migrate"), "{said}");
}

#[test]
fn an_instance_that_was_alone_moves_to_a_cluster_and_goes_on() {
    let Some(path) = Program::Recent.path() else { return };
    let server = Server::start(&path, "one.conf".as_ref());
    let mut instance = Instance::new("a", &server, "");
    let shared = std::fs::read_to_string(&instance.config).unwrap();
    std::fs::write(&instance.config, shared.replace("on: true", "on: false")).unwrap();
    instance = instance.start();
    let lines = lines("hard");
    let tenants = &TENANTS[..2];
    for tenant in tenants {
        instance.put_topology(tenant);
        lines[..400].chunks(50).for_each(|chunk| assert!(instance.send(tenant, chunk)));
        decided(&instance, tenant, 400);
    }
    let why = |one: &Instance| get(one.served(), one.admin(TENANTS[0]), "/api/v1/events/e3.0/why");
    let told =
        until("the history has it", || Some(why(&instance)).filter(|told| told["events"][0]["verdict"].is_string()));
    let before: Vec<_> = tenants.iter().map(|tenant| instance.shown(tenant).1).collect();
    instance.kill();
    std::fs::write(&instance.config, &shared).unwrap();
    let folder = instance.stopped.as_ref().unwrap().path().display().to_string();
    let moved = crate::cli::headwater(&["migrate", "--config", &instance.config, "--data", &folder]);
    moved.does(&["2 partitions, 1 texts"]);
    let again = crate::cli::headwater(&["migrate", "--config", &instance.config, "--data", &folder]);
    assert!(!again.out.contains("partitions"), "{}", again.out);
    instance = instance.start();
    // A second one that has nothing of its own knows it all, too.
    let instances = [instance, Instance::new("b", &server, "").start()];
    settled(&instances);
    for (tenant, before) in tenants.iter().zip(before) {
        for one in &instances {
            let after = one.shown(tenant).1;
            let roots = |shown: &BTreeMap<String, Value>| {
                let of = |incident: &Value| (incident["title"].clone(), incident["opened_at"].clone());
                shown.iter().map(|(id, incident)| (id.clone(), of(incident))).collect::<BTreeMap<_, _>>()
            };
            assert_eq!(roots(&before), roots(&after), "{}", one.name);
        }
    }
    assert_eq!(why(&instances[0]), told, "what was told before is told still");
    assert!(instances[1].send(TENANTS[0], &lines[400..600]));
    let account = decided(&instances[0], TENANTS[0], 600);
    assert_eq!(account["accepted"], 600, "{account}");
    assert_eq!(instances[0].number("headwater_decisions_diverged_total"), 0.0);
}
