//! The promises of a log on real servers: one and three, of the recent and of the oldest version.

use std::sync::Arc;
use std::time::{Duration, Instant};

use headwater::domain::time::Timestamp;
use headwater::journal::Durability;
use headwater::journal::jetstream::{JetStreamStore, OpenOptions};
use headwater::nats::connect::connect;
use headwater::outbox::jetstream::JetStreamOutbox;
use headwater::pipeline::log::AnyLog;
use headwater::pipeline::log::shared::SharedLog;
use tokio::runtime::Runtime;

use super::promises::{Site, all_promises};
use super::server::{PATIENCE, Program, Server, cluster, settings};

/// An open store.
pub struct Opened {
    pub journal: JetStreamStore,
    pub outbox: JetStreamOutbox,
}

/// NATS servers.
pub struct Servers {
    pub servers: Vec<Server>,
    pub runtime: Runtime,
    opened: u32,
}

impl Servers {
    pub fn new(servers: Vec<Server>) -> Self {
        Self { servers, runtime: Runtime::new().unwrap(), opened: 0 }
    }

    pub fn one(program: Program) -> Option<Self> {
        Some(Self::new(vec![Server::start(&program.path()?, "one.conf".as_ref())]))
    }

    pub fn three(program: Program) -> Option<Self> {
        Some(Self::new(cluster(&program.path()?, "one.conf".as_ref())))
    }

    /// The name of who has opened it last.
    fn owner(&self) -> String {
        format!("instance-{}", self.opened)
    }

    /// Opens the store, as the next instance does.
    pub fn open_store(&mut self) -> Opened {
        self.open_by(self.servers.iter().map(Server::url).collect())
    }

    /// Opens a store by way of other addresses than the servers' own.
    pub fn open_by(&mut self, urls: Vec<String>) -> Opened {
        self.opened += 1;
        let owner = self.owner();
        let settings = settings(urls);
        let replicas = if self.servers.len() == 3 { 3 } else { 1 };
        let options =
            OpenOptions { prefix: "hw".into(), replicas, durability: Durability::Process, monitor_urls: Vec::new() };
        let until = Instant::now() + PATIENCE;
        let journal = self.runtime.block_on(async {
            let nats = connect(&settings).await.unwrap();
            loop {
                // A cluster that has just been started has no leader yet.
                match JetStreamStore::open(nats.clone(), &options).await {
                    Ok(store) => return store,
                    Err(error) => assert!(Instant::now() < until, "{error}"),
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        });
        Opened { outbox: JetStreamOutbox::new(journal.clone(), &owner), journal }
    }
}

impl Site for Servers {
    fn open(&mut self, _: Option<AnyLog>) -> AnyLog {
        let opened = self.open_store();
        Arc::new(SharedLog::new(opened.journal, &self.owner()))
    }

    fn take_over(&mut self) -> AnyLog {
        self.open(None)
    }

    fn now(&self) -> Timestamp {
        headwater::clock::machine()()
    }

    fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }
}

#[test]
fn one_server_keeps_the_promises() {
    Servers::one(Program::Recent).into_iter().for_each(all_promises);
}

#[test]
fn the_oldest_server_keeps_the_promises() {
    Servers::one(Program::Floor).into_iter().for_each(all_promises);
}

#[test]
fn three_servers_keep_the_promises() {
    Servers::three(Program::Recent).into_iter().for_each(all_promises);
}

#[test]
fn three_of_the_oldest_servers_keep_the_promises() {
    Servers::three(Program::Floor).into_iter().for_each(all_promises);
}
