//! Alerts over HTTP until they are applied: this program, and Prometheus Alertmanager beside it when it is installed
//! (Debian: `apt-get install prometheus-alertmanager`). The same load, by the same client, turn by turn.
//!
//! `cargo bench --bench intake`, or `cargo bench --bench intake -- 64` for one batch size. Further words: `once` for one
//! round, `alone` for this program with durability `process` and Alertmanager's bodies only, for a look with `perf`,
//! `beside` for that with and without a trial beside it.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use headwater::engine::tuning::BUILT_IN;
use headwater::lab::estate::{Scale, sample_estate};
use tempfile::TempDir;

/// Alerts in a request, how many are sent in all, and over how many connections.
const LOADS: [(usize, usize, usize); 3] = [(1, 24_000, 64), (64, 128_000, 8), (1000, 200_000, 8)];
/// Times that everything is measured; the middle one is told.
const ROUNDS: usize = 3;
/// The kernel's ticks per second of processor time.
const TICKS: f64 = 100.0;
/// How long a started program or the last alert is waited for.
const PATIENCE: Duration = Duration::from_secs(120);

/// Who takes the alerts.
#[derive(Clone, Copy, PartialEq)]
enum Taker {
    /// With a durability.
    Headwater(&'static str),
    /// With durability `process`, and another model beside what is valid.
    Beside,
    Alertmanager,
}

impl Taker {
    fn name(self) -> String {
        match self {
            Self::Headwater(durability) => format!("headwater, {durability}"),
            Self::Beside => "headwater, process, a trial beside".into(),
            Self::Alertmanager => "Alertmanager".into(),
        }
    }
}

/// How alerts are written.
#[derive(Clone, Copy, PartialEq)]
enum Body {
    Alertmanager,
    Native,
}

impl Body {
    const fn path(self) -> &'static str {
        match self {
            Self::Alertmanager => "/api/v2/alerts",
            Self::Native => "/api/v1/events",
        }
    }

    /// Alert `n`: about 500 bytes, none like another.
    fn alert(self, n: usize) -> String {
        let (host, rule) = (n % 4000, n / 4000);
        let ip = format!("10.{}.{}.{}", host / 62_500, host / 250 % 250, host % 250);
        match self {
            Self::Alertmanager => format!(
                r#"{{"labels":{{"alertname":"HighRequestLatency{rule}","severity":"major","instance":"{ip}:9100","job":"node","cluster":"gov-cloud-a","namespace":"pay","zone":"zone-1","replica":"r-0"}},"annotations":{{"summary":"Request latency of {ip} is high","description":"The 99th percentile has been above two seconds for more than five minutes"}},"startsAt":"2026-01-05T00:00:03.914Z","generatorURL":"http://prom-0.example:9090/graph?g0.expr=latency"}}"#
            ),
            Self::Native => format!(
                r#"{{"id":"e-{n}","status":"firing","severity":"major","name":"HighRequestLatency{rule}","title":"Request latency of {ip} is high","description":"The 99th percentile has been above two seconds for more than five minutes","object":{{"name":"app-{host}","ip":"{ip}"}},"labels":{{"job":"node","cluster":"gov-cloud-a","namespace":"pay","zone":"zone-1","replica":"r-0"}},"annotations":{{"runbook":"RB-17"}},"starts_at":"2026-01-05T00:00:03.914Z"}}"#
            ),
        }
    }

    /// All requests of a load, ready to be written.
    fn requests(self, batch: usize, alerts: usize, token: &str) -> Vec<Vec<u8>> {
        let numbers: Vec<usize> = (0..alerts).collect();
        let request = |numbers: &[usize]| {
            let body: Vec<String> = numbers.iter().map(|n| self.alert(*n)).collect();
            let body = format!("[{}]", body.join(","));
            let (path, length) = (self.path(), body.len());
            format!(
                "POST {path} HTTP/1.1\r\nhost: h\r\nauthorization: Bearer {token}\r\n\
                 content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
            )
            .into_bytes()
        };
        numbers.chunks(batch).map(request).collect()
    }
}

/// A program that takes alerts.
struct Running {
    child: Child,
    address: SocketAddr,
    token: String,
    _folder: TempDir,
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port")
}

fn start(taker: Taker) -> Running {
    // Beside the build, not in /tmp: that may be memory.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let address = free_address();
    let (mut command, token) = match taker {
        Taker::Headwater(durability) => headwater(folder.path(), address, durability),
        Taker::Beside => headwater(folder.path(), address, "process"),
        Taker::Alertmanager => (alertmanager(folder.path(), address), String::new()),
    };
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let child = quiet.spawn().expect("the program can be started");
    let running = Running { child, address, token, _folder: folder };
    let until = Instant::now() + PATIENCE;
    while TcpStream::connect(address).is_err() {
        assert!(Instant::now() < until, "{} does not listen", taker.name());
        std::thread::yield_now();
    }
    if taker == Taker::Beside {
        try_beside(&running);
    }
    running
}

/// Lets another model run beside the one that is valid.
fn try_beside(running: &Running) {
    let text = BUILT_IN.1.replacen("minor_cis: ", "minor_cis: 1", 1);
    let body = serde_json::json!({ "model": text }).to_string();
    let (token, length) = (&running.token, body.len());
    let request = format!(
        "PUT /api/v1/shadow HTTP/1.1\r\nhost: h\r\nauthorization: Bearer {token}\r\n\
         content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    let (status, body) = Client::connect(running.address).send(request.as_bytes());
    assert_eq!(status, 202, "{}", String::from_utf8_lossy(&body));
    while !is_level(running) {
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Whether what runs beside has decided all that was decided.
fn is_level(running: &Running) -> bool {
    let shadow = asked(running, "/api/v1/shadow");
    assert!(shadow["failure"].is_null(), "{shadow}");
    shadow["running"] == true && shadow["lag"] == 0 && shadow["seq"].as_u64() > Some(0)
}

/// What the API answers.
fn asked(running: &Running, path: &str) -> serde_json::Value {
    let request = format!("GET {path} HTTP/1.1\r\nhost: h\r\nauthorization: Bearer {}\r\n\r\n", running.token);
    let (status, body) = Client::connect(running.address).send(request.as_bytes());
    let answer = serde_json::from_slice(&body).expect("JSON");
    assert_eq!(status, 200, "{answer}");
    answer
}

fn headwater(folder: &Path, address: SocketAddr, durability: &str) -> (Command, String) {
    let program = env!("CARGO_BIN_EXE_headwater");
    let estate = folder.join("estate.json");
    std::fs::write(&estate, sample_estate(Scale::default())).expect("written");
    let data = folder.join("data");
    let mut make = Command::new(program);
    make.args(["token", "create", "--role", "admin", "--name", "bench", "--data"]).arg(&data);
    let told = String::from_utf8(make.output().expect("a token").stdout).expect("text");
    let token = told.split_whitespace().last().expect("the token is the last word").to_owned();
    let mut serve = Command::new(program);
    serve.args(["serve", "--durability", durability, "--listen", &address.to_string(), "--data"]).arg(data);
    serve.arg("--topology").arg(estate);
    (serve, token)
}

fn alertmanager(folder: &Path, address: SocketAddr) -> Command {
    let config = folder.join("alertmanager.yml");
    let text = "route: {receiver: nobody, group_wait: 1h, group_by: [cluster]}\nreceivers: [{name: nobody}]\n";
    std::fs::write(&config, text).expect("written");
    let mut command = Command::new("prometheus-alertmanager");
    command.arg(format!("--config.file={}", config.display()));
    command.arg(format!("--storage.path={}", folder.join("data").display()));
    command.arg(format!("--web.listen-address={address}")).arg("--cluster.listen-address=");
    command
}

/// A connection that sends one request after the other.
struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Client {
    fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("it listens");
        stream.set_nodelay(true).expect("a socket");
        Self { stream, buffer: Vec::new() }
    }

    /// Sends and waits for the answer; gives its status and body.
    fn send(&mut self, request: &[u8]) -> (u16, Vec<u8>) {
        self.stream.write_all(request).expect("sent");
        self.buffer.clear();
        let (mut chunk, mut whole) = ([0; 16 * 1024], None);
        loop {
            if whole.is_none()
                && let Some(end) = self.buffer.windows(4).position(|window| window == b"\r\n\r\n")
            {
                let head = String::from_utf8_lossy(&self.buffer[..end]).to_ascii_lowercase();
                let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
                let length: usize = length.and_then(|n| n.trim().parse().ok()).unwrap_or(0);
                whole = Some((end + 4, end + 4 + length));
            }
            if let Some((from, to)) = whole
                && self.buffer.len() >= to
            {
                let status = String::from_utf8_lossy(&self.buffer[9..12]).parse().expect("a status");
                return (status, self.buffer[from..to].to_vec());
            }
            let count = self.stream.read(&mut chunk).expect("an answer");
            assert!(count > 0, "the connection was closed");
            self.buffer.extend_from_slice(&chunk[..count]);
        }
    }
}

/// Processor time that a process has used, seconds.
fn cpu_seconds(child: &Child) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.id())).expect("it runs");
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
    let ticks = |n: usize| fields[n].parse::<f64>().expect("a number");
    (ticks(11) + ticks(12)) / TICKS
}

fn rss_mib(child: &Child) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("0");
    line.split_whitespace().next().and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) / 1024
}

/// What one load took.
#[derive(Clone, Copy, Debug)]
struct Taken {
    /// Alerts per second, until the last one was applied.
    per_second: f64,
    /// Processor seconds per million alerts = microseconds per alert.
    micros: f64,
    rss_mib: u64,
    /// How long a trial needed then, until it was level.
    lag_secs: f64,
}

/// Sends all requests over some connections and waits until the alerts are applied.
fn drive(running: &Running, taker: Taker, requests: &[Vec<u8>], connections: usize, alerts: usize) -> Taken {
    let (next, before) = (AtomicUsize::new(0), cpu_seconds(&running.child));
    let applied_before = applied(running, taker);
    let began = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..connections {
            scope.spawn(|| {
                let mut client = Client::connect(running.address);
                while let Some(request) = requests.get(next.fetch_add(1, Ordering::Relaxed)) {
                    loop {
                        let (status, body) = client.send(request);
                        match status {
                            200 | 202 => break,
                            503 => std::thread::yield_now(),
                            other => panic!("{other}: {}", String::from_utf8_lossy(&body)),
                        }
                    }
                }
            });
        }
    });
    while taker != Taker::Alertmanager && applied(running, taker) < applied_before + alerts as u64 {
        assert!(began.elapsed() < PATIENCE, "the alerts are not applied");
        std::thread::sleep(Duration::from_millis(2));
    }
    let seconds = began.elapsed().as_secs_f64();
    // What the history and the snapshots still have to do belongs to these alerts, too.
    while taker != Taker::Alertmanager && is_behind(running) {
        assert!(began.elapsed() < PATIENCE, "the history does not follow");
        std::thread::sleep(Duration::from_millis(20));
    }
    while taker == Taker::Beside && !is_level(running) {
        assert!(began.elapsed() < PATIENCE, "the trial does not follow");
        std::thread::sleep(Duration::from_millis(20));
    }
    let lag_secs = if taker == Taker::Beside { began.elapsed().as_secs_f64() - seconds } else { 0.0 };
    let cpu = cpu_seconds(&running.child) - before;
    let rss_mib = rss_mib(&running.child);
    Taken { per_second: alerts as f64 / seconds, micros: cpu * 1e6 / alerts as f64, rss_mib, lag_secs }
}

/// How many events this program has decided; Alertmanager has applied what it has answered.
fn applied(running: &Running, taker: Taker) -> u64 {
    if taker == Taker::Alertmanager {
        return 0;
    }
    let sides = asked(running, "/api/v1/conservation");
    sides["accounted"].as_u64().expect("a number") - sides["pending"].as_u64().expect("a number")
}

/// Whether the history has still to write of what was decided.
fn is_behind(running: &Running) -> bool {
    let request = format!("GET /metrics HTTP/1.1\r\nhost: h\r\nauthorization: Bearer {}\r\n\r\n", running.token);
    let (status, body) = Client::connect(running.address).send(request.as_bytes());
    let text = String::from_utf8_lossy(&body);
    assert_eq!(status, 200, "{text}");
    let number = |name: &str| -> f64 {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|number| number.trim().parse().ok()).unwrap_or_else(|| panic!("{name} is not told"))
    };
    number("headwater_history_seq ") < number("headwater_journal_seq ")
}

fn middle(mut all: Vec<Taken>) -> Taken {
    all.sort_by(|a, b| a.per_second.total_cmp(&b.per_second));
    all[all.len() / 2]
}

/// Takers of one load, turn by turn: fresh alerts, then the same ones again.
fn compare((batch, alerts, connections): (usize, usize, usize), takers: &[(Taker, Body)], rounds: usize) {
    let mut all = vec![(Vec::new(), Vec::new()); takers.len()];
    for _ in 0..rounds {
        for ((taker, body), (fresh, again)) in takers.iter().zip(&mut all) {
            let running = start(*taker);
            let requests = body.requests(batch, alerts, &running.token);
            fresh.push(drive(&running, *taker, &requests, connections, alerts));
            again.push(drive(&running, *taker, &requests, connections, alerts));
        }
    }
    let told: Vec<(Taken, Taken)> = all.into_iter().map(|(fresh, again)| (middle(fresh), middle(again))).collect();
    let peer = takers.iter().position(|(taker, _)| *taker == Taker::Alertmanager).map(|at| told[at]);
    for ((taker, body), (fresh, again)) in takers.iter().zip(&told) {
        let body = if *body == Body::Native { "native" } else { "v2" };
        for (what, taken, peer) in [("new", fresh, peer.map(|p| p.0)), ("again", again, peer.map(|p| p.1))] {
            let ratio = peer.map_or("".into(), |peer| {
                format!("{:.1}× / {:.2}", taken.per_second / peer.per_second, taken.micros / peer.micros)
            });
            let level = if *taker == Taker::Beside { format!("level after {:.1} s", taken.lag_secs) } else { ratio };
            println!(
                "| {batch} | {} | {body} | {what} | {:.0} | {:.1} | {} | {level} |",
                taker.name(),
                taken.per_second,
                taken.micros,
                taken.rss_mib
            );
        }
    }
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let is_said = |word: &str| words.iter().any(|said| said == word);
    let only: Option<usize> = words.iter().find_map(|word| word.parse().ok());
    let rounds = if is_said("once") { 1 } else { ROUNDS };
    let mut takers = vec![
        (Taker::Headwater("process"), Body::Alertmanager),
        (Taker::Headwater("power"), Body::Alertmanager),
        (Taker::Headwater("process"), Body::Native),
    ];
    if is_said("alone") {
        takers.truncate(1);
    } else if is_said("beside") {
        takers.truncate(1);
        takers.push((Taker::Beside, Body::Alertmanager));
    } else if Command::new("prometheus-alertmanager").arg("--version").output().is_ok() {
        takers.insert(0, (Taker::Alertmanager, Body::Alertmanager));
    } else {
        println!("prometheus-alertmanager is not installed: no comparison");
    }
    println!("| batch | | body | alerts | per second | CPU-s per 1 M | RSS MiB | rate and CPU against Alertmanager |");
    println!("|--:|---|---|---|--:|--:|--:|--:|");
    for load in LOADS.into_iter().filter(|(batch, ..)| only.is_none_or(|only| only == *batch)) {
        compare(load, &takers, rounds);
    }
}
