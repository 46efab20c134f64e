//! E-mail in, for devices that can send nothing else: a small SMTP server that takes messages for configured recipients. A message is
//! answered "250" only when its event is durable.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufStream};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::Heard;
use super::keeper::{Lines, keep};
use super::settings::Ready;
use crate::decode::mail;

/// The longest line of a command.
const LINE_BYTES_MAX: usize = 2048;
/// The longest message.
const MESSAGE_BYTES_MAX: usize = 1024 * 1024;
/// So long somebody may say nothing.
const PAUSE_MAX: Duration = Duration::from_secs(120);
/// Messages in one connection.
const MESSAGES_MAX: usize = 100;

/// What was said of a message so far.
#[derive(Default)]
struct Envelope {
    from: Option<String>,
    to: Option<String>,
}

/// Talks with one sender until it ends.
pub async fn serve(stream: TcpStream, ready: &Arc<Ready>, lines: &Lines) -> io::Result<()> {
    let mut talk = Talk { stream: BufStream::new(stream), ready, lines };
    talk.say("220 headwater ESMTP").await?;
    let (mut envelope, mut messages) = (Envelope::default(), 0);
    while let Some(line) = talk.line().await? {
        let (word, rest) = line.split_at_checked(4).unwrap_or((&line, ""));
        match word.to_ascii_uppercase().as_str() {
            "EHLO" => {
                talk.say(&format!("250-headwater\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 SIZE {MESSAGE_BYTES_MAX}"))
                    .await?
            }
            "HELO" => talk.say("250 headwater").await?,
            "MAIL" => {
                envelope = Envelope { from: Some(address(rest)), to: None };
                talk.say("250 OK").await?;
            }
            "RCPT" if envelope.from.is_some() => {
                let to = address(rest);
                if ready.recipients.iter().any(|known| known.eq_ignore_ascii_case(&to)) {
                    envelope.to.get_or_insert(to);
                    talk.say("250 OK").await?;
                } else {
                    lines.heard(Heard::Refused);
                    talk.say("550 5.1.1 no such recipient here: see `recipients` of the listener").await?;
                }
            }
            "DATA" if envelope.to.is_some() => {
                talk.say("354 end with a dot on a line of its own").await?;
                let answer = talk.message(std::mem::take(&mut envelope)).await?;
                talk.say(answer).await?;
                messages += 1;
                if messages == MESSAGES_MAX {
                    return talk.say("421 4.7.0 enough messages for one connection, come again").await;
                }
            }
            "RCPT" | "DATA" => talk.say("503 5.5.1 first MAIL FROM, then RCPT TO").await?,
            "RSET" => {
                envelope = Envelope::default();
                talk.say("250 OK").await?;
            }
            "NOOP" => talk.say("250 OK").await?,
            "QUIT" => return talk.say("221 bye").await,
            _ => talk.say("502 5.5.2 unknown command").await?,
        }
    }
    Ok(())
}

/// What stands between angle brackets.
fn address(rest: &str) -> String {
    let inside = rest.split_once('<').and_then(|(_, inside)| inside.split_once('>'));
    inside.map_or("", |(address, _)| address).trim().to_owned()
}

struct Talk<'t> {
    stream: BufStream<TcpStream>,
    ready: &'t Arc<Ready>,
    lines: &'t Lines,
}

impl Talk<'_> {
    async fn say(&mut self, text: &str) -> io::Result<()> {
        self.stream.write_all(format!("{text}\r\n").as_bytes()).await?;
        self.stream.flush().await
    }

    /// A line without its end; none at the end of the connection.
    async fn raw(&mut self, bytes_max: usize) -> io::Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        let mut stream = (&mut self.stream).take(bytes_max as u64);
        let read = timeout(PAUSE_MAX, stream.read_until(b'\n', &mut line)).await.map_err(io::Error::other)??;
        if read == bytes_max && line.last() != Some(&b'\n') {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a line is too long"));
        }
        Ok((read > 0).then_some(line))
    }

    async fn line(&mut self) -> io::Result<Option<String>> {
        let line = self.raw(LINE_BYTES_MAX).await?;
        Ok(line.map(|line| String::from_utf8_lossy(&line).trim_end().to_owned()))
    }

    /// Reads a message to its end and keeps its event; gives the answer.
    async fn message(&mut self, envelope: Envelope) -> io::Result<&'static str> {
        let mut message = Vec::new();
        let mut is_too_long = false;
        loop {
            let line = self.raw(MESSAGE_BYTES_MAX).await?.ok_or(io::ErrorKind::UnexpectedEof)?;
            if matches!(line.as_slice(), b".\r\n" | b".\n") {
                break;
            }
            // A dot that begins a line was doubled.
            let line = if line.starts_with(b"..") { &line[1..] } else { &line };
            is_too_long |= message.len() + line.len() > MESSAGE_BYTES_MAX;
            if !is_too_long {
                message.extend_from_slice(line);
            }
        }
        if is_too_long {
            self.lines.heard(Heard::Malformed);
            return Ok("552 5.3.4 the message is longer than 1 MiB");
        }
        let (from, to) = (envelope.from.unwrap_or_default(), envelope.to.unwrap_or_default());
        let Some(json) = mail::to_json(&message, &from, &to) else {
            self.lines.heard(Heard::Malformed);
            return Ok("554 5.6.0 this is no message");
        };
        match keep(&self.lines.intake, self.ready, &json).await {
            Ok(()) => {
                self.lines.heard(Heard::Taken);
                Ok("250 2.0.0 kept")
            }
            Err(error) => {
                tracing::warn!(%error, source.id = %self.ready.source, "a message by mail is not kept; it comes again");
                Ok("451 4.3.0 not kept now, send it again")
            }
        }
    }
}
