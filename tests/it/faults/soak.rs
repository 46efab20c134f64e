//! A storm over a whole cluster while a nemesis does whatever it likes (row 10): three nats-servers, redis-server, three
//! instances, a receiver. Short in CI; `just soak HOURS` goes on for hours, `just headline` until a million events.
//!
//! `HEADWATER_SEED` repeats the order of faults. Afterwards everything is counted from outside: what was accepted is in the
//! journal and decided once, as one alone decides it; all show the same; a notice comes again only under its key.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use headwater::domain::time::Timestamp;
use headwater::engine::input::Input;
use headwater::engine::memory::OWN_SOURCE;
use headwater::journal::Journal as _;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};

use crate::nats::cluster::{Instance, TENANTS, is_what_one_alone_decides, journal, settled, show_the_same};
use crate::nats::front::{get, until};
use crate::nats::proxy::Proxy;
use crate::nats::server::{Program, Server, cluster};
use crate::receiver::{Receiver, SECRET, Seen};
use crate::redis::server::Redis;
use crate::running::number;
use crate::served::{Answer, Request};

/// Events of one request.
const PACKED: u64 = 100;
/// Objects that the events of a tenant are about.
const OBJECTS: u64 = 400;
/// How long a sender waits for one answer.
const ANSWER_MAX: Duration = Duration::from_secs(15);

/// What the nemesis can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    KillDoor,
    KillOwner,
    KillNats,
    KillRedis,
    StopInstance,
    StopNats,
    CutLine,
    DeadLine,
    SlowLine,
}

impl Fault {
    const KILLS: [Self; 4] = [Self::KillDoor, Self::KillOwner, Self::KillNats, Self::KillRedis];
    const ALL: [Self; 9] = [
        Self::KillDoor,
        Self::KillOwner,
        Self::KillNats,
        Self::KillRedis,
        Self::StopInstance,
        Self::StopNats,
        Self::CutLine,
        Self::DeadLine,
        Self::SlowLine,
    ];
}

/// The cluster. The first instance is the door; the others decide and send.
struct World {
    servers: Vec<Server>,
    redis: Redis,
    lines: Vec<Proxy>,
    instances: Vec<Instance>,
}

fn body(tenant: &str, from: u64) -> String {
    let event = |n: u64| {
        let status = if (n / OBJECTS).is_multiple_of(2) { "firing" } else { "resolved" };
        json!({ "id": format!("{tenant}-{n}"), "name": "Down", "severity": if n.is_multiple_of(50) { "critical" } else { "minor" },
                "title": "down", "status": status, "object": { "name": format!("object-{}", n % OBJECTS) },
                "starts_at": Timestamp(1_780_272_000_000 + n as i64).to_string() })
    };
    json!((from..from + PACKED).map(event).collect::<Vec<_>>()).to_string()
}

impl World {
    fn start(receiver: &Receiver) -> Option<Self> {
        let servers = cluster(&Program::Recent.path()?, "one.conf".as_ref());
        let redis = Redis::start(&[])?;
        let (mut lines, mut instances) = (Vec::new(), Vec::new());
        for (n, name) in ["door", "mill", "mine"].iter().enumerate() {
            // Each has lines of its own to all servers; the first server of each is another one.
            let own: Vec<Proxy> = (0..3).map(|k| Proxy::start(servers[(n + k) % 3].port())).collect();
            let urls: Vec<String> = own.iter().map(Proxy::url).collect();
            let roles = if n == 0 { "intake, api" } else { "intake, engine, delivery, api" };
            let more = format!(
                "  roles: [{roles}]\nredis: {{ urls: [\"{}\"] }}\nreceivers:\n- {{ id: default, url: {}, secret: {SECRET}, \
                 allow_private: true, rate: 100000 }}\ndelivery: {{ retry_first: 1s, retry_max: 1s }}\n",
                redis.url(),
                receiver.url()
            );
            instances.push(Instance::by(name, &urls, &more).start());
            lines.extend(own);
        }
        settled(&instances);
        Some(Self { servers, redis, lines, instances })
    }

    /// Does one thing, lets it last, and makes it good again. Instances that were killed come back with it.
    fn suffer(&mut self, fault: Fault, dice: &mut SmallRng) {
        let pause = Duration::from_millis(dice.gen_range(200..4_000));
        let engine = 1 + dice.gen_range(0..2_usize);
        match fault {
            Fault::KillDoor => self.kill(0, pause),
            Fault::KillOwner => self.kill(engine, pause),
            Fault::KillNats => {
                let server = &mut self.servers[dice.gen_range(0..3)];
                server.kill();
                std::thread::sleep(pause);
                server.run();
            }
            Fault::KillRedis => {
                self.redis.kill();
                std::thread::sleep(pause);
                self.redis.run();
            }
            Fault::StopInstance => {
                let one = &self.instances[dice.gen_range(0..3)];
                one.signal("-STOP");
                std::thread::sleep(2 * pause);
                one.signal("-CONT");
            }
            Fault::StopNats => {
                let server = &self.servers[dice.gen_range(0..3)];
                server.signal("-STOP");
                std::thread::sleep(pause);
                server.signal("-CONT");
            }
            Fault::CutLine => (0..5).for_each(|_| self.lines[dice.gen_range(0..9)].cut()),
            Fault::DeadLine => {
                let first = 3 * dice.gen_range(0..3);
                self.lines[first..first + 3].iter().for_each(Proxy::block);
                std::thread::sleep(2 * pause);
                self.lines[first..first + 3].iter().for_each(|line| {
                    line.release();
                    line.cut();
                });
            }
            Fault::SlowLine => {
                self.lines.iter().for_each(|line| line.slow(300));
                std::thread::sleep(pause);
                self.lines.iter().for_each(|line| line.slow(0));
            }
        }
    }

    fn kill(&mut self, at: usize, pause: Duration) {
        self.instances[at].kill();
        std::thread::sleep(pause);
        let back = self.instances.remove(at).start();
        self.instances.insert(at, back);
    }

    /// Whether all that was accepted of every tenant is decided, as some instance that runs says.
    fn is_decided(&self, accepted: u64) -> bool {
        self.instances.iter().any(|one| {
            TENANTS.iter().all(|tenant| {
                let answer = one
                    .served
                    .as_ref()
                    .and_then(|served| asked(served.address, &Request::get("/api/v1/conservation", one.admin(tenant))));
                let account: Option<Value> = answer.and_then(|answer| serde_json::from_slice(&answer.body).ok());
                account.is_some_and(|it| it["pending"] == 0 && it["accepted"].as_u64() >= Some(accepted))
            })
        })
    }
}

/// Asks an instance that may be dead, stopped or deaf.
fn asked(address: SocketAddr, request: &Request<'_>) -> Option<Answer> {
    use std::io::Write as _;
    let mut stream = std::net::TcpStream::connect_timeout(&address, ANSWER_MAX).ok()?;
    stream.set_read_timeout(Some(ANSWER_MAX)).ok()?;
    stream.write_all(&request.bytes()).ok()?;
    Answer::read(&mut stream)
}

/// Where the door was told to listen, and with which credentials: senders go on while instances change.
struct Doors {
    /// Addresses and tokens of a tenant's sources, by instance.
    doors: std::sync::RwLock<Vec<(SocketAddr, BTreeMap<&'static str, String>)>>,
}

impl Doors {
    fn of(instances: &[Instance]) -> Self {
        let doors = Self { doors: std::sync::RwLock::default() };
        doors.look(instances);
        doors
    }

    fn look(&self, instances: &[Instance]) {
        let of = |one: &Instance| {
            let tokens = TENANTS.map(|tenant| (tenant, one.source(tenant).to_owned()));
            (one.served().address, tokens.into())
        };
        *self.doors.write().unwrap() = instances.iter().map(of).collect();
    }

    fn send(&self, tenant: &str, at: usize, body: &str) -> bool {
        let (address, token) = {
            let doors = self.doors.read().unwrap();
            let (address, tokens) = &doors[at % doors.len()];
            (*address, tokens[tenant].clone())
        };
        let request = Request::post("/api/v1/events", &token, body.as_bytes());
        asked(address, &request).is_some_and(|answer| answer.status == 202)
    }
}

/// One sender for each tenant: each request until it is accepted, as far as it is allowed.
fn storm(doors: &Doors, allowed: &AtomicU64, accepted: &[AtomicU64; 4], ends: &AtomicBool) {
    std::thread::scope(|threads| {
        for (n, tenant) in TENANTS.iter().enumerate() {
            threads.spawn(move || {
                let mut tries = n;
                while !ends.load(Ordering::SeqCst) {
                    let from = accepted[n].load(Ordering::SeqCst);
                    if from >= allowed.load(Ordering::SeqCst) {
                        std::thread::sleep(Duration::from_millis(2));
                        continue;
                    }
                    if doors.send(tenant, tries, &body(tenant, from)) {
                        accepted[n].fetch_add(PACKED, Ordering::SeqCst);
                    } else {
                        tries += 1;
                        std::thread::sleep(Duration::from_millis(50));
                    }
                }
            });
        }
    });
}

/// Ends the senders, also when the test fails.
struct Until<'a>(&'a AtomicBool);

impl Drop for Until<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// What came of it.
#[derive(Default)]
struct Report {
    faults: BTreeMap<Fault, u64>,
    takeovers: Vec<Duration>,
}

impl Report {
    fn kills(&self) -> u64 {
        Fault::KILLS.iter().filter_map(|fault| self.faults.get(fault)).sum()
    }

    fn tell(&mut self) {
        self.takeovers.sort_unstable();
        let at = |percent: usize| self.takeovers.get(self.takeovers.len() * percent / 100).copied().unwrap_or_default();
        eprintln!(
            "{} kills of {:?}; all was decided again after p50 {:?}, p99 {:?}, at most {:?}",
            self.kills(),
            self.faults,
            at(50),
            at(99),
            self.takeovers.last().copied().unwrap_or_default()
        );
    }
}

#[test]
fn a_nemesis_over_a_whole_cluster_loses_nothing_and_repeats_only_by_key() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let receiver = runtime.block_on(Receiver::willing());
    let seed = number("HEADWATER_SEED", rand::random());
    eprintln!("HEADWATER_SEED={seed}");
    let mut dice = SmallRng::seed_from_u64(seed);
    let Some(mut world) = World::start(&receiver) else { return };
    let (seconds, events) = (number("HEADWATER_SOAK_SECONDS", 30), number("HEADWATER_SOAK_EVENTS", 0));
    let each_round = number("HEADWATER_SOAK_ROUND", 1_000) / TENANTS.len() as u64 / PACKED * PACKED;
    let kinds: &[Fault] = if number("HEADWATER_SOAK_KILLS_ONLY", 0) > 0 { &Fault::KILLS } else { &Fault::ALL };
    let (allowed, ends) = (AtomicU64::new(0), AtomicBool::new(false));
    let accepted: [AtomicU64; 4] = Default::default();
    let doors = Doors::of(&world.instances);
    let mut report = Report::default();
    let began = Instant::now();
    std::thread::scope(|threads| {
        let _until = Until(&ends);
        threads.spawn(|| storm(&doors, &allowed, &accepted, &ends));
        let total = || TENANTS.len() as u64 * allowed.load(Ordering::SeqCst);
        while began.elapsed() < Duration::from_secs(seconds) || total() < events {
            let round = report.faults.values().sum::<u64>() as usize;
            // Kills of every kind by turns; what else there is, by chance.
            let fault = if kinds.len() == 4 { kinds[round % 4] } else { kinds[dice.gen_range(0..kinds.len())] };
            let target = allowed.fetch_add(each_round, Ordering::SeqCst) + each_round;
            std::thread::sleep(Duration::from_millis(dice.gen_range(0..300)));
            let since = Instant::now();
            world.suffer(fault, &mut dice);
            doors.look(&world.instances);
            *report.faults.entry(fault).or_default() += 1;
            until("everything is accepted", || {
                accepted.iter().all(|n| n.load(Ordering::SeqCst) >= target).then_some(())
            });
            until("everything is decided", || world.is_decided(target).then_some(()));
            report.takeovers.push(since.elapsed());
        }
    });
    let accepted: Vec<u64> = accepted.iter().map(|n| n.load(Ordering::SeqCst)).collect();
    eprintln!("{} events accepted within {:?}", accepted.iter().sum::<u64>(), began.elapsed());
    report.tell();
    judge(world, &accepted, &receiver);
}

fn judge(world: World, accepted: &[u64], receiver: &Receiver) {
    let World { servers, redis, lines, instances } = world;
    settled(&instances);
    for (tenant, accepted) in TENANTS.iter().zip(accepted) {
        for one in &instances {
            until("all is decided and told", || {
                let account = get(one.served(), one.admin(tenant), "/api/v1/conservation");
                let told = get(one.served(), one.admin(tenant), "/api/v1/receivers")["pending"] == 0;
                let done = account["pending"] == 0 && account["accepted"].as_u64() >= Some(*accepted) && told;
                done.then(|| assert_eq!(account["balanced"], true, "{account}"))
            });
        }
        show_the_same(&instances, tenant);
    }
    for one in &instances {
        assert_eq!(one.number("headwater_decisions_diverged_total"), 0.0, "{}", one.name);
    }
    drop(instances);
    drop((lines, redis));
    let urls: Vec<String> = servers.iter().map(Server::url).collect();
    let (kept, again) = in_journal(urls.clone());
    let sent: BTreeSet<String> = TENANTS
        .iter()
        .zip(accepted)
        .flat_map(|(tenant, count)| (0..*count).map(move |n| format!("{tenant}-{n}")))
        .collect();
    let lost: Vec<&String> = sent.difference(&kept).take(10).collect();
    assert!(lost.is_empty(), "accepted and lost, among others: {lost:?}");
    assert!(kept.is_subset(&sent), "there is what nobody was told of");
    let compared = is_what_one_alone_decides(urls);
    let (notices, repeats) = notices(&receiver.seen());
    eprintln!(
        "0 of {} lost, {again} came in twice under their ids; {compared} records decided once and as one alone does; \
         {notices} notices, {repeats} of them once more under their key, none out of order",
        sent.len()
    );
}

/// Ids of all events in the journal, and how many were there more than once.
fn in_journal(urls: Vec<String>) -> (BTreeSet<String>, u64) {
    let (_runtime, store) = journal(urls);
    let (mut kept, mut again) = (BTreeSet::new(), 0);
    for record in store.read_after(0, usize::MAX).unwrap() {
        let Input::Batch(batch) = &*record.input else { continue };
        // The program may have told something of itself.
        for event in batch.events.iter().filter(|event| event.source.as_str() != OWN_SOURCE) {
            again += u64::from(!kept.insert(event.id.to_string()));
        }
    }
    (kept, again)
}

/// How many different notices came, and how many once more; the same key has the same words, and versions grow.
fn notices(seen: &[Seen]) -> (usize, usize) {
    let mut words: BTreeMap<&str, &str> = BTreeMap::new();
    let mut newest: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for one in seen {
        if let Some(before) = words.insert(&one.key, &one.text) {
            assert_eq!(before, one.text, "{}", one.key);
            continue;
        }
        let tenant = one.body["data"]["incident"]["tenant"].as_str().unwrap();
        let before = newest.insert((tenant, one.incident()), one.version()).unwrap_or(0);
        assert!(one.version() >= before, "{}: {} behind {before}", one.incident(), one.version());
    }
    (words.len(), seen.len() - words.len())
}
