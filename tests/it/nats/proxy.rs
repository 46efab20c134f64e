//! A line between clients and a server that can be cut, slowed down, deaf, dumb, or so at the very word that is feared.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::server::free_port;

/// What happens when a client has said a certain word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trap {
    /// It does not reach the server, and nothing behind it does.
    Before,
    /// It reaches the server, and nothing that the server says comes back.
    After,
}

/// What both directions of all connections look at.
#[derive(Default)]
struct Line {
    to: AtomicU16,
    answers_held: AtomicBool,
    requests_held: AtomicBool,
    delay_ms: AtomicU64,
    sent: AtomicUsize,
    trap: Mutex<Option<(Vec<u8>, Trap)>>,
    streams: Mutex<Vec<TcpStream>>,
}

/// Between clients and a server.
pub struct Proxy {
    pub port: u16,
    line: Arc<Line>,
}

impl Proxy {
    /// Stands before the server at `to`.
    pub fn start(to: u16) -> Self {
        let port = free_port();
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let line = Arc::new(Line { to: AtomicU16::new(to), ..Line::default() });
        let shared = line.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect(("127.0.0.1", shared.to.load(Ordering::SeqCst))) else { continue };
                shared.streams.lock().unwrap().extend([client.try_clone().unwrap(), server.try_clone().unwrap()]);
                let (client_read, server_read) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                let (asking, answering) = (shared.clone(), shared.clone());
                std::thread::spawn(move || asking.carry_requests(client_read, server));
                std::thread::spawn(move || answering.carry_answers(server_read, client));
            }
        });
        Self { port, line }
    }

    /// Where clients of a nats-server behind it connect.
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// From now on it leads to another server.
    pub fn lead_to(&self, port: u16) {
        self.line.to.store(port, Ordering::SeqCst);
        self.cut();
    }

    /// Breaks every connection that stands.
    pub fn cut(&self) {
        for stream in self.line.streams.lock().unwrap().drain(..) {
            // It may be gone already.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Bytes that clients have sent.
    pub fn sent(&self) -> usize {
        self.line.sent.load(Ordering::SeqCst)
    }

    /// Holds the server's words back.
    pub fn hold(&self) {
        self.line.answers_held.store(true, Ordering::SeqCst);
    }

    /// Holds the clients' words back.
    pub fn hold_requests(&self) {
        self.line.requests_held.store(true, Ordering::SeqCst);
    }

    /// Holds back what both say, and breaks what stands: a line without an end.
    pub fn block(&self) {
        self.hold();
        self.hold_requests();
        self.cut();
    }

    /// Everything takes so much longer, half of it by chance.
    pub fn slow(&self, delay_ms: u64) {
        self.line.delay_ms.store(delay_ms, Ordering::SeqCst);
    }

    /// Waits for a client to say this.
    pub fn set(&self, word: &str, trap: Trap) {
        *self.line.trap.lock().unwrap() = Some((word.as_bytes().to_vec(), trap));
    }

    /// Whether what was waited for has been said.
    pub fn is_sprung(&self) -> bool {
        self.line.trap.lock().unwrap().is_none()
    }

    /// Lets everything through again.
    pub fn release(&self) {
        self.line.trap.lock().unwrap().take();
        self.line.answers_held.store(false, Ordering::SeqCst);
        self.line.requests_held.store(false, Ordering::SeqCst);
    }
}

impl Line {
    fn carry_requests(&self, mut from: TcpStream, mut to: TcpStream) {
        let mut bytes = vec![0; 64 * 1024];
        // The end of what was said before: a word may come in two pieces.
        let mut before = Vec::new();
        while let Ok(n) = from.read(&mut bytes) {
            self.sent.fetch_add(n, Ordering::SeqCst);
            self.look(&mut before, &bytes[..n]);
            wait_for(&self.requests_held);
            self.dawdle();
            if n == 0 || to.write_all(&bytes[..n]).is_err() {
                break;
            }
        }
        end(&from, &to);
    }

    fn carry_answers(&self, mut from: TcpStream, mut to: TcpStream) {
        let mut bytes = vec![0; 64 * 1024];
        while let Ok(n) = from.read(&mut bytes) {
            wait_for(&self.answers_held);
            self.dawdle();
            if n == 0 || to.write_all(&bytes[..n]).is_err() {
                break;
            }
        }
        end(&from, &to);
    }

    fn look(&self, before: &mut Vec<u8>, bytes: &[u8]) {
        let mut trap = self.trap.lock().unwrap();
        let Some((word, kind)) = &*trap else { return };
        before.extend_from_slice(bytes);
        if before.windows(word.len()).any(|window| window == word) {
            match kind {
                Trap::Before => self.requests_held.store(true, Ordering::SeqCst),
                Trap::After => self.answers_held.store(true, Ordering::SeqCst),
            }
            *trap = None;
            before.clear();
        } else {
            before.drain(..before.len().saturating_sub(word.len() - 1));
        }
    }

    fn dawdle(&self) {
        let most = self.delay_ms.load(Ordering::SeqCst);
        if most > 0 {
            std::thread::sleep(Duration::from_millis(most / 2 + rand::random::<u64>() % (most / 2 + 1)));
        }
    }
}

fn wait_for(held: &AtomicBool) {
    while held.load(Ordering::SeqCst) {
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn end(from: &TcpStream, to: &TcpStream) {
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}
