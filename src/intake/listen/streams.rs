//! Connections. Syslog over TCP and TLS (RFC 6587, RFC 5425): messages end with a line, or say their length first.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::keeper::Lines;
use super::settings::{Kind, Ready};
use super::{Heard, smtp};
use crate::decode::syslog::{self, Arrival, BYTES_MAX};

/// Connections at a time; more wait to be accepted.
const CONNECTIONS_MAX: usize = 1024;
/// How long a handshake may take.
pub const HANDSHAKE_MAX: Duration = Duration::from_secs(10);
/// The pause when no connection can be accepted.
const PAUSE: Duration = Duration::from_millis(100);

/// Listens until the future is dropped.
pub async fn listen(socket: TcpListener, ready: Arc<Ready>, lines: Lines) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    loop {
        let place = room.clone().acquire_owned().await.expect("the semaphore is never closed");
        while connections.try_join_next().is_some() {}
        match socket.accept().await {
            Ok((stream, peer)) if ready.allows(peer.ip()) => {
                let name = peer.ip().to_canonical().to_string();
                let (ready, lines) = (ready.clone(), lines.clone());
                connections.spawn(async move {
                    if let Err(error) = serve(stream, &name, &ready, &lines).await {
                        tracing::debug!(%error, peer = name, source.id = %ready.source, "a connection ended");
                    }
                    drop(place);
                });
            }
            Ok((_, peer)) => {
                lines.heard(Heard::Refused);
                tracing::warn!(peer = %peer.ip(), source.id = %ready.source, "a connection is not taken: it is in none of the networks of `allow`");
            }
            Err(error) => {
                tracing::warn!(%error, source.id = %ready.source, "no connection accepted, trying again");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

async fn serve(stream: TcpStream, peer: &str, ready: &Arc<Ready>, lines: &Lines) -> io::Result<()> {
    if ready.kind == Kind::Smtp {
        return smtp::serve(stream, ready, lines).await;
    }
    match &ready.tls {
        None => read(BufReader::new(stream), peer, ready, lines).await,
        Some(tls) => {
            let accepting = TlsAcceptor::from(tls.clone()).accept(stream);
            let stream = timeout(HANDSHAKE_MAX, accepting).await.map_err(io::Error::other)??;
            read(BufReader::new(stream), peer, ready, lines).await
        }
    }
}

async fn read(mut stream: impl AsyncBufRead + Unpin, peer: &str, ready: &Ready, lines: &Lines) -> io::Result<()> {
    let mut message = Vec::new();
    while next(&mut stream, &mut message).await? {
        if message.is_empty() {
            continue;
        }
        let arrival = Arrival { peer, received_at: (lines.intake.now)(), zone: ready.zone };
        lines.hand_over(syslog::to_json(&message, &arrival)).await;
    }
    Ok(())
}

/// Reads one message; `false` at the end of the stream.
async fn next(stream: &mut (impl AsyncBufRead + Unpin), message: &mut Vec<u8>) -> io::Result<bool> {
    message.clear();
    let Some(first) = stream.fill_buf().await?.first().copied() else { return Ok(false) };
    if first.is_ascii_digit() && first != b'0' {
        return counted(stream, message).await.map(|()| true);
    }
    // A longer line is cut there, and its rest is a message of its own.
    let mut line = stream.take(BYTES_MAX as u64);
    line.read_until(b'\n', message).await?;
    while message.last().is_some_and(|last| matches!(last, b'\n' | b'\r' | b'\0')) {
        message.pop();
    }
    Ok(true)
}

/// A message that says its length first.
async fn counted(stream: &mut (impl AsyncRead + Unpin), message: &mut Vec<u8>) -> io::Result<()> {
    let bad = |what| io::Error::new(io::ErrorKind::InvalidData, what);
    let mut length = 0usize;
    loop {
        match stream.read_u8().await? {
            digit @ b'0'..=b'9' if length <= BYTES_MAX => length = length * 10 + usize::from(digit - b'0'),
            b' ' => break,
            _ => return Err(bad("a message begins with a digit, but not with its length")),
        }
    }
    if length > BYTES_MAX {
        return Err(bad("a message is longer than 64 KiB"));
    }
    message.resize(length, 0);
    stream.read_exact(message).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn messages_are_told_apart_both_ways() {
        let text = b"<11>a b\r\n8 <11>c\nd \n12 <11>e f g hi<11>end";
        let mut stream = BufReader::new(&text[..]);
        let (mut message, mut told) = (Vec::new(), Vec::new());
        while next(&mut stream, &mut message).await.unwrap() {
            told.push(String::from_utf8(message.clone()).unwrap());
        }
        assert_eq!(told, ["<11>a b", "<11>c\nd ", "", "<11>e f g hi", "<11>end"]);
        let mut bad = BufReader::new(&b"99999999 <11>"[..]);
        assert!(next(&mut bad, &mut message).await.is_err());
    }
}
