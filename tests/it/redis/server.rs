//! redis-server processes, ended by their id.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;

use crate::nats::server::free_port;
use crate::running::{PATIENCE, Running};

/// The server's program; `None` when it is not installed and need not be.
pub fn program() -> Option<PathBuf> {
    let path =
        ["/usr/bin/redis-server", "/usr/local/bin/redis-server"].map(PathBuf::from).into_iter().find(|p| p.exists());
    if path.is_none() {
        assert!(std::env::var_os("HEADWATER_ALL_TOOLS").is_none(), "redis-server is not there");
        eprintln!("SKIPPED: no redis-server; tests/run.sh installs it");
    }
    path
}

/// A running server with a folder of its own, and nothing on disk unless asked.
pub struct Redis {
    program: PathBuf,
    file: Option<PathBuf>,
    arguments: Vec<String>,
    password: Option<(String, String)>,
    pub port: u16,
    pub running: Running,
}

impl Redis {
    /// Starts one; more arguments as on its command line.
    pub fn start(arguments: &[&str]) -> Option<Self> {
        let mut redis = Self::at(free_port(), arguments)?;
        redis.run();
        Some(redis)
    }

    /// One that does not run yet.
    pub fn at(port: u16, arguments: &[&str]) -> Option<Self> {
        let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        Some(Self { program: program()?, file: None, arguments, password: None, port, running: Running::none() })
    }

    /// Who the test is for it.
    pub fn known_as(mut self, user: &str, password: &str) -> Self {
        self.password = Some((user.to_owned(), password.to_owned()));
        self
    }

    /// With a file that says all of it, and arguments behind that.
    pub fn with_file(mut self, file: PathBuf, arguments: &[&str]) -> Self {
        self.arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        self.file = Some(file);
        self
    }

    /// What follows a word of its command line.
    pub fn argument(&self, name: &str) -> String {
        let at = self.arguments.iter().position(|argument| argument == name).unwrap();
        self.arguments[at + 1].clone()
    }

    /// Starts it (again, with nothing in it), and waits until it answers.
    pub fn run(&mut self) {
        let mut command = Command::new(&self.program);
        match &self.file {
            Some(file) => command.arg(file),
            None => command
                .args(["--port", &self.port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
                .args(["--dir", self.running.folder().to_str().unwrap()]),
        };
        let port = self.port;
        self.running.start(command.args(&self.arguments), || TcpStream::connect(("127.0.0.1", port)).is_ok());
    }

    /// Ends it as a crash does.
    pub fn kill(&mut self) {
        self.running.kill();
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Says something to it, and gives its answer.
    pub fn say(&self, words: &[&str]) -> Said {
        let (user, password) = self.password.clone().unwrap_or_default();
        self.say_as(&user, &password, words)
    }

    /// The same as somebody else; as nobody when there is no name.
    pub fn say_as(&self, user: &str, password: &str, words: &[&str]) -> Said {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut heard = BufReader::new(stream.try_clone().unwrap());
        if !user.is_empty() {
            stream.write_all(&packed(&["AUTH", user, password])).unwrap();
            assert_eq!(Said::read(&mut heard), Said::Text("OK".into()));
        }
        stream.write_all(&packed(words)).unwrap();
        Said::read(&mut heard)
    }

    /// A text, when there is one under the key.
    pub fn text(&self, key: &str) -> Option<String> {
        match self.say(&["GET", key]) {
            Said::Text(text) => Some(text),
            Said::Nothing | Said::Wrong(_) => None,
            other => panic!("{key}: {other:?}"),
        }
    }

    /// The members of a sorted set, worst first.
    pub fn members(&self, key: &str) -> Vec<String> {
        match self.say(&["ZREVRANGE", key, "0", "-1"]) {
            Said::Many(many) => many.into_iter().map(|said| said.text()).collect(),
            Said::Wrong(_) => Vec::new(),
            other => panic!("{key}: {other:?}"),
        }
    }

    /// All keys.
    pub fn keys(&self) -> Vec<String> {
        let Said::Many(many) = self.say(&["KEYS", "*"]) else { panic!("KEYS") };
        many.into_iter().map(|said| said.text()).collect()
    }
}

/// An answer of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    Text(String),
    Number(i64),
    Nothing,
    Wrong(String),
    Many(Vec<Said>),
}

impl Said {
    pub fn text(self) -> String {
        match self {
            Self::Text(text) => text,
            other => panic!("{other:?}"),
        }
    }

    fn read(heard: &mut BufReader<TcpStream>) -> Self {
        let mut line = String::new();
        heard.read_line(&mut line).unwrap();
        let (kind, rest) = line.trim_end().split_at(1);
        match kind {
            "+" => Self::Text(rest.to_owned()),
            "-" => Self::Wrong(rest.to_owned()),
            ":" => Self::Number(rest.parse().unwrap()),
            "$" if rest == "-1" => Self::Nothing,
            "$" => {
                let mut bytes = vec![0; rest.parse::<usize>().unwrap() + 2];
                heard.read_exact(&mut bytes).unwrap();
                Self::Text(String::from_utf8_lossy(&bytes[..bytes.len() - 2]).into_owned())
            }
            "*" if rest == "-1" => Self::Nothing,
            "*" => Self::Many((0..rest.parse().unwrap()).map(|_| Self::read(heard)).collect()),
            other => panic!("{other:?} {line:?}"),
        }
    }
}

fn packed(words: &[&str]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend(format!("${}\r\n{word}\r\n", word.len()).into_bytes());
    }
    bytes
}
