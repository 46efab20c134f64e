//! The real program beside the servers.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use reqwest::Client;
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::sleep;

use crate::servers::{Servers, copy, folder};

/// How long something is waited for.
const PATIENCE: Duration = Duration::from_secs(600);

/// Where the journal is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Journal {
    File,
    Streams,
}

/// How a program is started.
#[derive(Clone)]
pub struct Plan {
    pub journal: Journal,
    pub durability: &'static str,
    /// What happens is told on NATS, too.
    pub publish: bool,
    pub tenants: Vec<String>,
}

impl Plan {
    pub fn new(journal: Journal, durability: &'static str) -> Self {
        Self { journal, durability, publish: false, tenants: vec!["default".into()] }
    }

    /// Where the events of each tenant go.
    pub fn subjects(&self) -> Vec<String> {
        self.tenants.iter().map(|tenant| format!("src.{tenant}.bench.event")).collect()
    }
}

/// One that runs, or has been stopped and can run again.
pub struct Program {
    child: Option<Child>,
    address: SocketAddr,
    folder: TempDir,
    tokens: Vec<String>,
    client: Client,
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Program {
    /// Prepares one; `like` is another instance whose tokens it knows.
    pub fn new(servers: &Servers, plan: &Plan, name: &str, like: Option<&Self>) -> Self {
        let folder = folder();
        let text = format!(
            "durability: {}\nnats:\n  urls: [{}]\n  monitor_urls: [\"{}\"]\n  replicas: {}\n  tenants: [{}]\n  publish: {}\n  \
             intake_bytes_max: 2147483648\ncluster: {{ on: {}, instance: {name} }}\n",
            plan.durability,
            servers.urls().join(", "),
            servers.monitor_urls().join("\", \""),
            servers.copies,
            plan.tenants.join(", "),
            plan.publish,
            plan.journal == Journal::Streams,
        );
        std::fs::write(folder.path().join("headwater.yaml"), text).expect("written");
        let tokens = match like {
            Some(like) => {
                copy("tokens.json", &like.data(), &folder.path().join("data"));
                like.tokens.clone()
            }
            None => plan.tenants.iter().map(|tenant| token(&folder.path().join("data"), tenant)).collect(),
        };
        let address = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port");
        Self { child: None, address, folder, tokens, client: Client::new() }
    }

    /// Prepares one, starts it, and waits until it is ready.
    pub async fn start(servers: &Servers, plan: &Plan) -> Self {
        let mut program = Self::new(servers, plan, "one", None);
        program.run().await;
        program
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Starts it (again), and waits until it is ready and uses NATS.
    pub async fn run(&mut self) {
        let log = std::fs::File::create(self.folder.path().join("log")).expect("a log");
        let child = Command::new(env!("CARGO_BIN_EXE_headwater"))
            .args(["serve", "--listen", &self.address.to_string(), "--config"])
            .arg(self.folder.path().join("headwater.yaml"))
            .arg("--data")
            .arg(self.data())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("the program can be started");
        self.child = Some(child);
        self.until("ready", |log| log.contains("NATS is in use")).await;
        let until = Instant::now() + PATIENCE;
        while self.get("/api/v1/conservation", 0).await.is_none() {
            assert!(Instant::now() < until, "{}", self.log());
            sleep(Duration::from_millis(10)).await;
        }
    }

    async fn until(&self, what: &str, holds: impl Fn(&str) -> bool) {
        let until = Instant::now() + PATIENCE;
        while !holds(&self.log()) {
            assert!(Instant::now() < until, "not {what}: {}", self.log());
            sleep(Duration::from_millis(10)).await;
        }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Ends it as a crash does.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Lets it end by itself.
    pub async fn stop(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        let pid = child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().expect("kill").success());
        while child.try_wait().expect("a child").is_none() {
            sleep(Duration::from_millis(20)).await;
        }
    }

    async fn get(&self, path: &str, tenant: usize) -> Option<Value> {
        let request = self.client.get(format!("http://{}{path}", self.address)).bearer_auth(&self.tokens[tenant]);
        let answer = request.send().await.ok().filter(|answer| answer.status().is_success())?;
        answer.json().await.ok()
    }

    /// Events of a tenant that were accepted, and those of them that wait to be applied.
    pub async fn counts(&self, tenant: usize) -> Option<(u64, u64)> {
        let told = self.get("/api/v1/conservation", tenant).await?;
        Some((told["accepted"].as_u64()?, told["pending"].as_u64()?))
    }

    /// Waits until so many events of all tenants are applied and shown.
    pub async fn applied(&self, events: u64) {
        let until = Instant::now() + PATIENCE;
        loop {
            let (mut accepted, mut pending) = (0, 0);
            for tenant in 0..self.tokens.len() {
                let (of, wait) = self.counts(tenant).await.unwrap_or_default();
                (accepted, pending) = (accepted + of, pending + wait);
            }
            if accepted >= events && pending == 0 {
                return;
            }
            assert!(Instant::now() < until, "{accepted} of {events}, {pending} wait: {}", self.log());
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// Whether it decides what comes for some partition.
    pub async fn decides(&self) -> bool {
        let request = self.client.get(format!("http://{}/metrics", self.address)).bearer_auth(&self.tokens[0]);
        let Ok(answer) = request.send().await else { return false };
        let text = answer.text().await.unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("headwater_partitions_decided "));
        line.is_some_and(|n| n.parse::<f64>().is_ok_and(|n| n > 0.0))
    }
}

fn token(data: &std::path::Path, tenant: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_headwater"))
        .args([
            "token",
            "create",
            "--role",
            "admin",
            "--name",
            &format!("bench-{tenant}"),
            "--tenant",
            tenant,
            "--data",
        ])
        .arg(data)
        .output()
        .expect("a token");
    let told = String::from_utf8(output.stdout).expect("text");
    told.split_whitespace().last().expect("the token is the last word").to_owned()
}
