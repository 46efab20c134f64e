//! nats-server processes from the files in `deploy/nats`.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use async_nats::jetstream::stream::Config;
use headwater::nats::connect::{Nats, connect};
use headwater::nats::settings::Settings;
use tempfile::TempDir;
use tokio::time::sleep;

/// The first port; each server has three.
const PORT: u16 = 28_411;

/// One server, or three that keep three copies.
pub struct Servers {
    children: Vec<Child>,
    pub copies: usize,
    _folder: TempDir,
}

impl Drop for Servers {
    fn drop(&mut self) {
        for child in &mut self.children {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Servers {
    /// Starts as many as there shall be copies; with `power` they sync before they answer.
    pub async fn start(copies: usize, power: bool) -> Self {
        let folder = folder();
        let ours = PathBuf::from("target/test-venv/bin/nats-server");
        let program = if ours.exists() { ours } else { PathBuf::from("nats-server") };
        let conf = if power { "deploy/nats/power.conf" } else { "deploy/nats/one.conf" };
        let routes: Vec<String> = (0..copies).map(|n| format!("nats://127.0.0.1:{}", port(n) + 2)).collect();
        let children = (0..copies).map(|n| {
            let mut command = Command::new(&program);
            command.args(["-c", conf]);
            if copies > 1 {
                command.args(["--cluster_name", "headwater", "--cluster", &routes[n], "--routes", &routes.join(",")]);
            }
            command
                .env("HEADWATER_NATS_NAME", format!("n{n}"))
                .env("HEADWATER_NATS_HOST", "127.0.0.1")
                .env("HEADWATER_NATS_PORT", port(n).to_string())
                .env("HEADWATER_NATS_MONITOR_PORT", (port(n) + 1).to_string())
                .env("HEADWATER_NATS_STORE", folder.path().join(n.to_string()))
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .expect("nats-server can be started")
        });
        let servers = Self { children: children.collect(), copies, _folder: folder };
        let nats = servers.client().await;
        // Streams can be made when a leader is chosen.
        let probe = || Config { name: "PROBE".into(), num_replicas: copies, ..Config::default() };
        while nats.jetstream.create_stream(probe()).await.is_err() {
            sleep(Duration::from_millis(50)).await;
        }
        nats.jetstream.delete_stream("PROBE").await.expect("deleted");
        servers
    }

    pub fn urls(&self) -> Vec<String> {
        (0..self.copies).map(|n| format!("nats://127.0.0.1:{}", port(n))).collect()
    }

    pub fn monitor_urls(&self) -> Vec<String> {
        (0..self.copies).map(|n| format!("http://127.0.0.1:{}", port(n) + 1)).collect()
    }

    /// A connection, when they answer.
    pub async fn client(&self) -> Nats {
        let settings = Settings { urls: self.urls(), replicas: self.copies, ..Settings::default() };
        loop {
            match connect(&settings).await {
                Ok(nats) => return nats,
                Err(_) => sleep(Duration::from_millis(50)).await,
            }
        }
    }
}

const fn port(n: usize) -> u16 {
    PORT + 3 * n as u16
}

/// A folder beside the build, not in /tmp: that may be memory.
pub fn folder() -> TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder")
}

/// The files of a folder, for a program that shall know the same tokens.
pub fn copy(name: &str, from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    std::fs::copy(from.join(name), to.join(name)).expect("copied");
}
