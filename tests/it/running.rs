//! A server that a test starts: its process, ended by its id, its folder, and what it wrote.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// How long a test waits for a state before it gives up.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A number from the environment, which makes a test larger; its default when nobody says one.
pub fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

/// One that runs, or has run, with a folder of its own.
pub struct Running {
    child: Option<Child>,
    folder: TempDir,
}

impl Running {
    /// One that does not run yet.
    pub fn none() -> Self {
        Self { child: None, folder: tempfile::tempdir().unwrap() }
    }

    /// What it has for itself.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Starts it (again), and waits until it answers.
    pub fn start(&mut self, command: &mut Command, answers: impl Fn() -> bool) {
        let log = std::fs::File::create(self.folder().join("log")).unwrap();
        let command = command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        self.child = Some(command.spawn().unwrap());
        let until = Instant::now() + PATIENCE;
        while !answers() {
            assert!(Instant::now() < until, "no answer: {}", self.log());
            assert!(self.child.as_mut().unwrap().try_wait().unwrap().is_none(), "it ended: {}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// What it wrote since the last start.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder().join("log")).unwrap_or_default()
    }

    /// Sends it a signal.
    pub fn signal(&self, name: &str) {
        let pid = self.child.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
    }

    /// Ends it as an operator does.
    pub fn stop(&mut self) {
        self.signal("-TERM");
        self.child.take().unwrap().wait().unwrap();
    }

    /// Ends it as a crash does.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}
