//! The program, serving; what it writes to its log is kept.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::{Ran, headwater, write};

/// How long a state is waited for.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks at a state.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A running `headwater serve`.
pub struct Served {
    process: Child,
    address: String,
    log: Arc<Mutex<Vec<String>>>,
}

/// Something that opens an incident at once.
pub const POWER_LOST: &str =
    r#"{"name":"power-lost","severity":"critical","starts_at":"2026-01-05T00:00:00Z","object":{"name":"pdu"}}"#;

impl Served {
    /// Starts `headwater serve` with these arguments, on a port of its own; returns when it serves.
    pub fn start(arguments: &[&str]) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_headwater"))
            .args(["serve", "--durability", "process", "--listen", "127.0.0.1:0"])
            .args(arguments)
            .env("NO_COLOR", "1")
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let log = Arc::new(Mutex::new(Vec::new()));
        let lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let kept = log.clone();
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(|line| kept.lock().unwrap().push(line)));
        let mut served = Self { process, address: String::new(), log };
        let line = served.wait_for(" serving");
        let address = line.split("address=").nth(1).unwrap_or_else(|| panic!("no address in {line:?}"));
        served.address = address.split_whitespace().next().unwrap().to_owned();
        served
    }

    /// Starts one in a folder whose rules tell the receiver `noc`, at an address, of every incident; with further settings.
    pub fn telling(folder: &Path, noc: &str, settings: &str) -> Self {
        write(folder, "rules/a.yaml", "routes:\n  - { id: all, receivers: [noc] }\n");
        let receiver = format!(
            "receivers:\n  - {{ id: noc, url: 'http://{noc}/', allow_private: true, secret: whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw }}\n"
        );
        let config = write(folder, "hw.yaml", &format!("data: data\nrules: rules\n{receiver}{settings}"));
        Self::start(&["--config", &config])
    }

    /// Its address.
    pub fn base(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Waits until a line of the log holds the text; gives the newest one that does.
    pub fn wait_for(&self, text: &str) -> String {
        self.wait(&format!("{text:?} in the log"), || {
            self.log.lock().unwrap().iter().rev().find(|line| line.contains(text)).cloned()
        })
    }

    /// Waits until there is something.
    pub fn wait<T>(&self, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = look() {
                return found;
            }
            assert!(Instant::now() < end, "waited for {what}:\n{}", self.log.lock().unwrap().join("\n"));
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Lines of the log that hold the text.
    pub fn count(&self, text: &str) -> usize {
        self.log.lock().unwrap().iter().filter(|line| line.contains(text)).count()
    }

    /// Sends a signal to the process.
    pub fn signal(&self, name: &str) {
        let id = self.process.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &id]).status().unwrap().success());
    }

    /// Asks for something; gives status and body.
    pub fn ask(&self, method: &str, path: &str, token: &str, body: &str) -> (u16, String) {
        let answer = self.answer(method, path, token, body);
        let status = answer.split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or_default();
        (status, answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default())
    }

    /// Asks for something without a credential when the token is empty; gives the whole answer.
    pub fn answer(&self, method: &str, path: &str, token: &str, body: &str) -> String {
        let bearer = if token.is_empty() { String::new() } else { format!("Authorization: Bearer {token}\r\n") };
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: {}\r\n{bearer}Connection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// Posts one of our own events and waits until it is decided.
    pub fn send(&self, token: &str, reader: &str, event: &str) {
        let before = self.accounted(reader);
        let (status, body) = self.ask("POST", "/api/v1/events", token, event);
        assert_eq!(status, 202, "{body}");
        self.wait("the decision", || (self.accounted(reader) > before).then_some(()));
    }

    /// Events that have ended in a verdict.
    pub fn accounted(&self, reader: &str) -> u64 {
        let (status, body) = self.ask("GET", "/api/v1/conservation", reader, "");
        assert_eq!(status, 200, "{body}");
        let value: serde_json::Value = serde_json::from_str(&body).unwrap_or_else(|e| panic!("{e}: {body}"));
        value["accounted"].as_u64().unwrap() - value["pending"].as_u64().unwrap()
    }

    /// Opens a feed and waits until it tells something.
    pub fn feed(&self, token: &str) -> TcpStream {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(stream, "GET /api/v1/feed HTTP/1.1\r\nHost: hw\r\nAuthorization: Bearer {token}\r\n\r\n").unwrap();
        let mut heard = Vec::new();
        while !heard.windows(12).any(|part| part == b"event: pulse") {
            let mut bytes = [0; 1024];
            let read = stream.read(&mut bytes).unwrap();
            assert!(read > 0, "the feed ended: {}", String::from_utf8_lossy(&heard));
            heard.extend_from_slice(&bytes[..read]);
        }
        stream
    }

    /// Stops it as a supervisor would.
    pub fn stop(mut self) {
        self.signal("TERM");
        assert!(self.process.wait().unwrap().success());
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Makes a token in a data folder.
pub fn token(data: &Path, role: &str, name: &str) -> String {
    let made: Ran =
        headwater(&["token", "create", "--data", &data.display().to_string(), "--role", role, "--name", name]);
    made.does(&["hw_"]);
    made.out.split_whitespace().last().unwrap().to_owned()
}
