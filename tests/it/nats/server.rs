//! nats-server processes, ended by their id.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU16, Ordering};

use headwater::nats::settings::Settings;
use serde_json::Value;

pub use crate::running::PATIENCE;
use crate::running::Running;
use crate::storms::project;

/// Which server program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// Debian's, the oldest that is supported.
    Floor,
    /// A present one.
    Recent,
}

impl Program {
    /// Its file; `None` when it is not installed and need not be.
    pub fn path(self) -> Option<PathBuf> {
        let path = match self {
            Self::Floor => {
                ["/usr/sbin/nats-server", "/usr/bin/nats-server"].map(PathBuf::from).into_iter().find(|p| p.exists())
            }
            Self::Recent => Some(project().join("target/test-venv/bin/nats-server")).filter(|path| path.exists()),
        };
        if path.is_none() {
            assert!(std::env::var_os("HEADWATER_ALL_TOOLS").is_none(), "{self:?}: nats-server is not there");
            eprintln!("SKIPPED: no nats-server ({self:?}); tests/run.sh installs it");
        }
        path
    }
}

/// A port that is free now, where no other program takes one by itself.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = std::process::id().wrapping_mul(97);
    loop {
        let n = u32::from(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = 15_000 + (start.wrapping_add(n) % 15_000) as u16;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// How a server is started.
#[derive(Clone, Debug)]
struct Plan {
    program: PathBuf,
    conf: PathBuf,
    name: String,
    port: u16,
    monitor_port: u16,
    more: Vec<String>,
    /// Where it keeps everything; else in its own folder.
    disk: Option<PathBuf>,
}

/// A running server with a folder of its own.
pub struct Server {
    plan: Plan,
    running: Running,
}

impl Server {
    /// Starts one from a file in `deploy/nats`, or one of its own.
    pub fn start(program: &Path, conf: &Path) -> Self {
        Self::with(program, conf, "n1", free_port(), Vec::new())
    }

    /// Starts one at a port that was agreed before.
    pub fn at(program: &Path, conf: &Path, port: u16) -> Self {
        Self::with(program, conf, "n1", port, Vec::new())
    }

    /// Starts one that keeps everything in a folder of somebody else's.
    pub fn on_disk(program: &Path, conf: &Path, disk: &Path) -> Self {
        Self::keeping(program, conf, ("n1", free_port()), Vec::new(), Some(disk.to_owned()))
    }

    /// Starts one of this name at this port, with more arguments.
    pub fn with(program: &Path, conf: &Path, name: &str, port: u16, more: Vec<String>) -> Self {
        Self::keeping(program, conf, (name, port), more, None)
    }

    fn keeping(
        program: &Path,
        conf: &Path,
        (name, port): (&str, u16),
        more: Vec<String>,
        disk: Option<PathBuf>,
    ) -> Self {
        let conf = if conf.is_absolute() { conf.to_owned() } else { project().join("deploy/nats").join(conf) };
        let (program, name) = (program.to_owned(), name.into());
        let plan = Plan { program, conf, name, port, monitor_port: free_port(), more, disk };
        let mut server = Self { plan, running: Running::none() };
        server.run();
        server
    }

    /// Starts it (again), and waits until it answers.
    pub fn run(&mut self) {
        let Plan { program, conf, name, port, monitor_port, more, disk } = &self.plan;
        let store = disk.as_deref().unwrap_or(self.running.folder()).join("store");
        let mut command = Command::new(program);
        command
            .arg("-c")
            .arg(conf)
            .args(more)
            .env("HEADWATER_NATS_NAME", name)
            .env("HEADWATER_NATS_HOST", "127.0.0.1")
            .env("HEADWATER_NATS_PORT", port.to_string())
            .env("HEADWATER_NATS_MONITOR_PORT", monitor_port.to_string())
            .env("HEADWATER_NATS_STORE", store);
        let greets = || {
            let Ok(mut stream) = TcpStream::connect(("127.0.0.1", *port)) else { return false };
            let mut start = [0; 4];
            stream.read_exact(&mut start).is_ok() && &start == b"INFO"
        };
        self.running.start(&mut command, greets);
    }

    /// Ends it as a crash does.
    pub fn kill(&mut self) {
        self.running.kill();
    }

    /// Sends it a signal.
    pub fn signal(&self, name: &str) {
        self.running.signal(name);
    }

    /// Ends it as an operator does.
    pub fn stop(&mut self) {
        self.running.stop();
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.plan.port
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.plan.name
    }

    /// Where it hears other servers, when it was started by `routed`.
    pub fn way(&self) -> &str {
        &self.plan.more[3]
    }

    /// Where clients connect.
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.plan.port)
    }

    /// Where it tells about itself.
    pub fn monitor_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.plan.monitor_port)
    }

    /// The names of the servers that it is connected to.
    pub fn neighbours(&self) -> BTreeSet<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.plan.monitor_port)).unwrap();
        stream.write_all(b"GET /routez HTTP/1.0\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let told: Value = serde_json::from_str(text.split_once("\r\n\r\n").unwrap().1).unwrap();
        told["routes"].as_array().unwrap().iter().map(|route| route["remote_name"].as_str().unwrap().into()).collect()
    }
}

/// Three servers that keep three copies.
pub fn cluster(program: &Path, conf: &Path) -> Vec<Server> {
    let ways: Vec<String> = (0..3).map(|_| format!("nats://127.0.0.1:{}", free_port())).collect();
    let names = ["n1", "n2", "n3"];
    names.iter().zip(&ways).map(|(name, own)| routed(program, conf, name, own, &ways)).collect()
}

/// A server that hears others at `own` and looks for them at `ways`.
pub fn routed(program: &Path, conf: &Path, name: &str, own: &str, ways: &[String]) -> Server {
    let more = ["--cluster_name", "headwater", "--cluster", own, "--routes", &ways.join(",")];
    Server::with(program, conf, name, free_port(), more.map(str::to_owned).to_vec())
}

/// Settings that lead to servers.
pub fn settings(urls: Vec<String>) -> Settings {
    let replicas = if urls.len() >= 3 { 3 } else { 1 };
    Settings { urls, replicas, intake_bytes_max: 1 << 30, publish_days: 7, ..Settings::default() }
}
