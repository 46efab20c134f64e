//! The real program, serving a data folder of its own.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use flate2::read::GzDecoder;
use serde_json::Value;
use tempfile::TempDir;

use super::driver::client;
use crate::storms;

/// Events sent in one request.
const BATCH: usize = 500;

/// A running `headwater serve` on the CMDB of the hard storm.
pub struct Served {
    pub base: String,
    folder: TempDir,
    process: Option<Child>,
    source: String,
    /// A file of settings, where it has some.
    settings: Option<std::path::PathBuf>,
    http: reqwest::Client,
}

impl Served {
    /// Starts it; answers when it serves.
    pub fn start() -> Self {
        Self::start_with("")
    }

    /// Starts it with settings of its own.
    pub fn start_with(settings: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let source = token(folder.path(), "source", "monitors");
        let settings = (!settings.is_empty()).then(|| {
            let file = folder.path().join("headwater.yaml");
            std::fs::write(&file, settings).unwrap();
            file
        });
        let mut served = Self { base: "127.0.0.1:0".into(), folder, process: None, source, settings, http: client() };
        served.up();
        served
    }

    /// Starts it again where it was.
    pub fn up(&mut self) {
        let listen = self.base.trim_start_matches("http://").to_owned();
        let cmdb = storms::folder("hard").join("cmdb.json.gz");
        let mut process = Command::new(env!("CARGO_BIN_EXE_headwater"))
            .args(["serve", "--durability", "process", "--listen", &listen, "--data"])
            .arg(self.folder.path())
            .arg("--topology")
            // As the audit names it: by no place of this machine.
            .arg(cmdb.strip_prefix(storms::project()).unwrap())
            .current_dir(storms::project())
            .args(self.settings.iter().flat_map(|file| [std::ffi::OsStr::new("--config"), file.as_os_str()]))
            .env("NO_COLOR", "1")
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut told = Vec::new();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines().map(Result::unwrap);
        let address = lines.by_ref().find_map(|line| {
            let address = line.contains("serving").then(|| address(&line)).flatten();
            told.push(line);
            address
        });
        let address = address.unwrap_or_else(|| panic!("it does not serve:\n{}", told.join("\n")));
        std::thread::spawn(move || lines.for_each(drop));
        self.base = format!("http://{address}");
        self.process = Some(process);
    }

    /// Ends it at once, as a failing machine would.
    pub fn down(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    /// A new token.
    pub fn token(&self, role: &str, name: &str) -> String {
        token(self.folder.path(), role, name)
    }

    /// Ends the credential with this name.
    pub fn revoke(&self, name: &str) {
        let headwater = |arguments: &[&str]| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_headwater"));
            command
                .args(["token", arguments[0], "--data"])
                .arg(self.folder.path())
                .args(&arguments[1..])
                .output()
                .unwrap()
        };
        let list = String::from_utf8(headwater(&["list", "--json"]).stdout).unwrap();
        let records = list.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let record = records.into_iter().find(|record| record["name"] == name).unwrap();
        assert!(headwater(&["revoke", record["id"].as_str().unwrap()]).status.success());
    }

    /// Sends a part of the hard storm.
    pub async fn storm(&self, events: std::ops::Range<usize>) {
        let file = std::fs::File::open(storms::folder("hard").join("alerts.jsonl.gz")).unwrap();
        let lines = BufReader::new(GzDecoder::new(file)).lines().map(Result::unwrap);
        let lines: Vec<String> = lines.skip(events.start).take(events.len()).collect();
        for batch in lines.chunks(BATCH) {
            self.post("/api/v1/ingest/stormgen", format!("[{}]", batch.join(","))).await;
        }
    }

    /// Sends events of our own format.
    pub async fn events(&self, events: &[Value]) {
        for batch in events.chunks(BATCH) {
            self.post("/api/v1/events", serde_json::to_string(batch).unwrap()).await;
        }
    }

    /// Sends metric points.
    pub async fn points(&self, points: &[Value]) {
        self.post("/api/v1/metrics", serde_json::to_string(points).unwrap()).await;
    }

    async fn post(&self, path: &str, body: String) {
        let request = self.http.post(format!("{}{path}", self.base)).bearer_auth(&self.source);
        let answer = request.header("content-type", "application/json").body(body).send().await.unwrap();
        let status = answer.status();
        assert_eq!(status, 202, "{path}: {}", answer.text().await.unwrap());
    }

    /// Sends something as somebody; the answer.
    pub async fn send(&self, method: reqwest::Method, token: &str, path: &str, body: &Value) -> Value {
        let request = self.http.request(method, format!("{}{path}", self.base)).bearer_auth(token);
        let answer = request.json(body).send().await.unwrap();
        let status = answer.status();
        assert!(status.is_success(), "{path}: {status} {}", answer.text().await.unwrap());
        answer.json().await.unwrap_or_default()
    }

    /// The status of what is answered.
    pub async fn status(&self, method: reqwest::Method, token: &str, path: &str, body: &Value) -> u16 {
        let request = self.http.request(method, format!("{}{path}", self.base)).bearer_auth(token);
        request.json(body).send().await.unwrap().status().as_u16()
    }

    /// The port that it serves on.
    pub fn port(&self) -> u16 {
        self.base.rsplit(':').next().unwrap().parse().unwrap()
    }

    /// Reads a page without a credential.
    pub async fn text(&self, path: &str) -> String {
        self.http.get(format!("{}{path}", self.base)).send().await.unwrap().text().await.unwrap()
    }

    /// Reads text from the API as somebody.
    pub async fn text_as(&self, token: &str, path: &str) -> String {
        let request = self.http.get(format!("{}{path}", self.base)).bearer_auth(token);
        request.send().await.unwrap().text().await.unwrap()
    }

    /// Reads from the API as somebody.
    pub async fn get(&self, token: &str, path: &str) -> Value {
        let request = self.http.get(format!("{}{path}", self.base)).bearer_auth(token);
        request.send().await.unwrap().json().await.unwrap()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.down();
    }
}

/// `127.0.0.1:4711` out of a log line.
fn address(line: &str) -> Option<String> {
    let port: String = line.split_once("127.0.0.1:")?.1.chars().take_while(char::is_ascii_digit).collect();
    (!port.is_empty()).then(|| format!("127.0.0.1:{port}"))
}

fn token(folder: &Path, role: &str, name: &str) -> String {
    let made = Command::new(env!("CARGO_BIN_EXE_headwater"))
        .args(["token", "create", "--role", role, "--name", name, "--data"])
        .arg(folder)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    String::from_utf8(made.stdout).unwrap().split_whitespace().last().unwrap().to_owned()
}
