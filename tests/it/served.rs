//! The real program, `headwater serve`, as a process of its own, and a plain HTTP client that may also misbehave.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

/// How long a test waits for a state before it gives up.
const PATIENCE: Duration = Duration::from_secs(60);

/// The program's file.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_headwater");

/// A running server with a folder of its own.
pub struct Served {
    child: Child,
    said: Mutex<Receiver<String>>,
    pub address: SocketAddr,
    pub folder: TempDir,
}

impl Served {
    /// Starts one on any free port and waits until it listens. Its admin token is made first.
    pub fn start(arguments: &[&str]) -> (Self, String) {
        let folder = tempfile::tempdir().unwrap();
        let token = token(folder.path(), "admin", "boss");
        (Self::launch(folder, arguments, &[]), token)
    }

    /// Kills it and starts another one on the same folder.
    pub fn again(self, arguments: &[&str]) -> Self {
        self.stop().start(arguments)
    }

    /// Kills it; its folder stays.
    pub fn stop(mut self) -> Stopped {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        Stopped { folder: std::mem::replace(&mut self.folder, tempfile::tempdir().unwrap()) }
    }

    fn launch(folder: TempDir, arguments: &[&str], variables: &[(&str, PathBuf)]) -> Self {
        let mut child = Command::new(PROGRAM)
            .args(["serve", "--listen", "127.0.0.1:0", "--durability", "process", "--data"])
            .arg(folder.path())
            .args(arguments)
            .env("RUST_LOG", "headwater=info,warn")
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (sender, said) = channel();
        std::thread::spawn(move || stderr.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let mut heard = Vec::new();
        let address = loop {
            let line = said.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("no address, but: {}", heard.join("\n")));
            if let Some(address) = address_in(&line) {
                break address;
            }
            heard.push(line);
        };
        Self { child, said: Mutex::new(said), address, folder }
    }

    /// Sends a request and reads the answer.
    pub fn send(&self, request: &Request<'_>) -> Answer {
        let mut stream = self.connect();
        let sent = stream.write_all(&request.bytes());
        let answer = Answer::read(&mut stream);
        answer.unwrap_or_else(|| panic!("no answer to {} {} (sent: {sent:?})", request.method, request.path))
    }

    /// A connection of one's own.
    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }

    /// Memory in use, MiB.
    pub fn rss_mib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.split_whitespace().next().unwrap().parse::<u64>().unwrap() / 1024
    }

    /// All metrics by name and labels, as they are written.
    pub fn metrics(&self, token: &str) -> BTreeMap<String, f64> {
        let answer = self.send(&Request::get("/metrics", token));
        assert_eq!(answer.status, 200, "{}", answer.text());
        let text = answer.text();
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        lines.filter_map(|line| line.rsplit_once(' ')).map(|(key, n)| (key.to_owned(), n.parse().unwrap())).collect()
    }

    /// Waits until the program has applied what it accepted, so many events and dead letters in all; returns both
    /// sides of the law of conservation.
    pub fn conservation(&self, token: &str, accepted: u64) -> Value {
        let until = std::time::Instant::now() + PATIENCE;
        loop {
            let answer = self.send(&Request::get("/api/v1/conservation", token));
            assert_eq!(answer.status, 200, "{}", answer.text());
            let body: Value = serde_json::from_slice(&answer.body).unwrap();
            let is_applied = body["pending"] == 0 && body["accepted"].as_u64() >= Some(accepted);
            if is_applied || std::time::Instant::now() > until {
                return body;
            }
            std::thread::yield_now();
        }
    }

    /// What the program has said since the last time.
    pub fn said(&self) -> Vec<String> {
        self.said.lock().unwrap().try_iter().collect()
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it still runs.
    pub fn is_alive(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }
}

/// The folder of a program that does not run.
pub struct Stopped {
    folder: TempDir,
}

impl Stopped {
    /// A folder that is there already.
    pub fn at(folder: TempDir) -> Self {
        Self { folder }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Starts a program on it.
    pub fn start(self, arguments: &[&str]) -> Served {
        self.start_with(arguments, &[])
    }

    /// Starts a program on it with more variables.
    pub fn start_with(self, arguments: &[&str], variables: &[(&str, PathBuf)]) -> Served {
        Served::launch(self.folder, arguments, variables)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // It may have ended by itself; its parent waits for it either way.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("the program at {} said:\n{}", self.address, self.said().join("\n"));
        }
    }
}

/// `… address=127.0.0.1:15001 …`, with or without colours.
fn address_in(line: &str) -> Option<SocketAddr> {
    if !line.contains("serving") {
        return None;
    }
    let digits = |c: char| c.is_ascii_digit() || c == '.' || c == ':';
    let at = line.find("127.0.0.1:")?;
    line[at..].split(|c| !digits(c)).next()?.parse().ok()
}

/// Makes a token with the program's own command.
pub fn token(folder: &Path, role: &str, name: &str) -> String {
    token_of(folder, role, name, "default")
}

/// Makes a token of some tenant.
pub fn token_of(folder: &Path, role: &str, name: &str, tenant: &str) -> String {
    let output = Command::new(PROGRAM)
        .args(["token", "create", "--role", role, "--name", name, "--tenant", tenant, "--data"])
        .arg(folder)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().split_whitespace().last().unwrap().to_owned()
}

/// A request as it goes over the wire.
pub struct Request<'a> {
    pub method: &'a str,
    pub path: &'a str,
    pub headers: Vec<(&'a str, String)>,
    pub body: &'a [u8],
}

impl<'a> Request<'a> {
    /// A GET with a token.
    pub fn get(path: &'a str, token: &str) -> Self {
        let headers = vec![("authorization", format!("Bearer {token}"))];
        Self { method: "GET", path, headers, body: b"" }
    }

    /// A POST of JSON with a token.
    pub fn post(path: &'a str, token: &str, body: &'a [u8]) -> Self {
        Self::post_as(path, token, "application/json", body)
    }

    /// A POST of some media type with a token.
    pub fn post_as(path: &'a str, token: &str, media: &str, body: &'a [u8]) -> Self {
        let headers = vec![
            ("authorization", format!("Bearer {token}")),
            ("content-type", media.to_owned()),
            ("content-length", body.len().to_string()),
        ];
        Self { method: "POST", path, headers, body }
    }

    /// The request's head and body.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = format!("{} {} HTTP/1.1\r\nhost: headwater\r\nconnection: close\r\n", self.method, self.path);
        for (name, value) in &self.headers {
            bytes += &format!("{name}: {value}\r\n");
        }
        bytes += "\r\n";
        let mut bytes = bytes.into_bytes();
        bytes.extend_from_slice(self.body);
        bytes
    }
}

/// An answer as it came over the wire.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Answer {
    /// Reads until the other side closes; `None` when it says nothing.
    pub fn read(stream: &mut TcpStream) -> Option<Self> {
        let mut bytes = Vec::new();
        // A reset after the answer is an answer: the server does not read what it has refused.
        let _ = stream.read_to_end(&mut bytes);
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let mut lines = head.split("\r\n");
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let header = |line: &str| line.split_once(':').map(|(k, v)| (k.to_ascii_lowercase(), v.trim().to_owned()));
        let headers: BTreeMap<String, String> = lines.filter_map(header).collect();
        let mut body = bytes[end + 4..].to_vec();
        if headers.get("transfer-encoding").is_some_and(|coding| coding == "chunked") {
            body = unchunked(&body);
        }
        Some(Self { status, headers, body })
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The word for programs in a problem document; checks that it is one, with status and reason.
    pub fn problem(&self) -> String {
        assert_eq!(self.headers.get("content-type").map(String::as_str), Some("application/problem+json"), "{self:?}");
        let problem: Value = serde_json::from_slice(&self.body).unwrap();
        assert_eq!(problem["status"], self.status, "{problem}");
        assert!(problem["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "no reason: {problem}");
        problem["code"].as_str().unwrap_or_default().to_owned()
    }
}

fn unchunked(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(end) = rest.windows(2).position(|window| window == b"\r\n") {
        let Ok(size) = usize::from_str_radix(String::from_utf8_lossy(&rest[..end]).trim(), 16) else { break };
        let from = end + 2;
        if size == 0 || rest.len() < from + size {
            break;
        }
        body.extend_from_slice(&rest[from..from + size]);
        rest = &rest[(from + size + 2).min(rest.len())..];
    }
    body
}
