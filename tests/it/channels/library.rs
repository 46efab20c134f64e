//! A server of the other side by somebody else's library in Python: it prints its port, then what it was given, a line each.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::Value;

use crate::delivery::python;

/// The running server; it ends with its input at the latest.
pub struct Library {
    child: Child,
    said: BufReader<ChildStdout>,
    pub port: u16,
}

impl Library {
    pub fn start(program: &str, arguments: &[String]) -> Option<Self> {
        let mut command = Command::new(python()?);
        command.args(["-c", program]).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        said.read_line(&mut line).unwrap();
        let port =
            line.trim().parse().unwrap_or_else(|_| panic!("no port but {line:?}; tests/run.sh installs what it needs"));
        Some(Self { child, said, port })
    }

    /// What it was given next.
    pub fn message(&mut self) -> Value {
        let mut line = String::new();
        self.said.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }
}

impl Drop for Library {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
