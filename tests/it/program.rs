//! The real program as a child: started, asked over HTTP, stopped or killed.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use reqwest::{Client, StatusCode};
use serde_json::Value;

/// How the program is started.
#[derive(Clone, Debug)]
pub struct Setup {
    pub data: PathBuf,
    pub config: PathBuf,
    pub port: u16,
    pub token: String,
}

/// A running program.
pub struct Program {
    child: Child,
    setup: Setup,
}

impl Setup {
    /// Makes a folder's credentials, and chooses a port.
    pub fn new(root: &Path, config: &str) -> Self {
        let (data, path) = (root.join("data"), root.join("headwater.yaml"));
        std::fs::write(&path, config).unwrap();
        let token = token(&data, "admin", "boss");
        Self { data, config: path, port: free_port(), token }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// Starts the program; it may not listen yet.
    pub fn start(&self, more: &[&str]) -> Program {
        self.start_with(more, &[])
    }

    /// Starts the program with more variables.
    pub fn start_with(&self, more: &[&str], variables: &[(&str, PathBuf)]) -> Program {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.data.join("log")).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_headwater"))
            .arg("serve")
            .arg("--config")
            .arg(&self.config)
            .arg("--data")
            .arg(&self.data)
            .args(["--listen", &format!("127.0.0.1:{}", self.port)])
            .args(more)
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        Program { child, setup: self.clone() }
    }

    /// What the program has logged so far.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(self.data.join("log")).unwrap()).into_owned()
    }

    /// Asks the API.
    pub async fn get(&self, client: &Client, path: &str) -> Option<Value> {
        let request = client.get(self.url(path)).bearer_auth(&self.token).timeout(Duration::from_secs(20));
        let answer = request.send().await.ok()?;
        if answer.status() != StatusCode::OK {
            return None;
        }
        answer.json().await.ok()
    }
}

impl Setup {
    /// Asks again and again until the answer fits; gives that one. Says what was awaited when it does not come.
    pub async fn until(&self, client: &Client, path: &str, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let since = Instant::now();
        loop {
            let told = self.get(client, path).await.expect("it answers");
            if fits(&told) {
                return told;
            }
            assert!(since.elapsed() < Duration::from_secs(60), "waited in vain: {what}: {told}\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Waits until everybody is told of everything.
    pub async fn none_is_pending(&self, client: &Client) {
        self.until(client, "/api/v1/receivers", "all notices have ended", |told| told["pending"] == 0).await;
    }

    /// Waits until so many events are accepted, and all of them decided; gives the account.
    pub async fn all_decided(&self, client: &Client, accepted: u64) -> Value {
        let fits = |told: &Value| told["accepted"].as_u64() >= Some(accepted) && told["pending"] == 0;
        self.until(client, "/api/v1/conservation", "everything is decided", fits).await
    }

    /// Posts to the API as JSON; the answer's status and body.
    pub async fn post(&self, client: &Client, path: &str, body: &Value) -> (u16, Value) {
        let request = client.post(self.url(path)).bearer_auth(&self.token).json(body);
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap_or_default())
    }
}

impl Program {
    /// Waits until it answers.
    pub async fn answers(&mut self, client: &Client) {
        let since = Instant::now();
        while self.setup.get(client, "/api/v1/conservation").await.is_none() {
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none(), "it ended: {ended:?}\n{}", self.setup.log());
            assert!(since.elapsed() < Duration::from_secs(60), "it does not answer\n{}", self.setup.log());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// kill -9.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM; gives how long it took.
    pub fn stop(mut self) -> Duration {
        let since = Instant::now();
        let told = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(told.success());
        let ended = self.child.wait().unwrap();
        assert!(ended.success(), "{ended:?}\n{}", self.setup.log());
        since.elapsed()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // A test that fails leaves no process behind; one that was stopped or killed has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Makes a credential.
pub fn token(data: &Path, role: &str, name: &str) -> String {
    made(data, &["--role", role, "--name", name])
}

/// Makes the key of a source that can only send a short one.
pub fn short_token(data: &Path, name: &str) -> String {
    made(data, &["--role", "source", "--name", name, "--short"])
}

fn made(data: &Path, more: &[&str]) -> String {
    let data = data.display().to_string();
    let made = crate::cli::headwater(&[&["token", "create", "--data", &data], more].concat());
    made.does(&[]);
    made.out.split_whitespace().last().unwrap().to_owned()
}

/// A port that nobody listens on, outside the range that connections are given from.
pub fn free_port() -> u16 {
    let free = |port: &u16| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok();
    (0..1_000).map(|_| 15_000 + rand::random::<u16>() % 15_000).find(free).expect("one of a thousand ports is free")
}

/// A client for tests.
pub fn client() -> Client {
    // Whoever came first has installed the same one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().no_proxy().tls_certs_only([]).build().unwrap()
}
