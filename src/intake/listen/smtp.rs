//! E-mail in, for devices that can send nothing else: a small SMTP server that takes messages for configured recipients. A message is
//! answered "250" only when its event is durable. With a certificate it offers STARTTLS (RFC 3207), or speaks TLS from the first byte on.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::either::Either;

use super::Heard;
use super::keeper::{Lines, keep};
use super::settings::{Protocol, Ready};
use super::streams::HANDSHAKE_MAX;
use crate::decode::mail;

/// The longest line of a command.
const LINE_BYTES_MAX: usize = 2048;
/// The longest message.
const MESSAGE_BYTES_MAX: usize = 1024 * 1024;
/// So long somebody may say nothing, or not listen.
const PAUSE_MAX: Duration = Duration::from_secs(120);
/// Messages in one connection.
const MESSAGES_MAX: usize = 100;

/// What was said of a message so far.
#[derive(Default)]
struct Envelope {
    from: Option<String>,
    to: Option<String>,
}

/// How a talk went on.
enum Turn {
    Ended,
    /// The sender wants to go on in TLS.
    Tls,
}

/// A connection, in TLS or not.
type Stream = Either<TcpStream, TlsStream<TcpStream>>;

/// Talks with one sender until it ends.
pub async fn serve(stream: TcpStream, ready: &Arc<Ready>, lines: &Lines) -> io::Result<()> {
    let stream = if ready.protocol == Protocol::Tls { sealed(stream, ready).await? } else { Either::Left(stream) };
    let mut talk = Talk { stream: BufReader::new(stream), ready, lines, messages: 0 };
    talk.say("220 headwater ESMTP").await?;
    while matches!(talk.go_on().await?, Turn::Tls) {
        // Whoever sits in between could put commands there that then seem to come from the sender.
        if !talk.stream.buffer().is_empty() {
            return talk.say("503 5.5.1 nothing may come between STARTTLS and its answer").await;
        }
        talk.say("220 2.0.0 go ahead").await?;
        let Either::Left(plain) = talk.stream.into_inner() else { return Err(io::ErrorKind::Unsupported.into()) };
        talk = Talk { stream: BufReader::new(sealed(plain, ready).await?), ..talk };
    }
    talk.stream.shutdown().await
}

/// The connection after a handshake.
async fn sealed(stream: TcpStream, ready: &Ready) -> io::Result<Stream> {
    let tls = ready.tls.clone().ok_or(io::ErrorKind::Unsupported)?;
    let accepting = TlsAcceptor::from(tls).accept(stream);
    Ok(Either::Right(timeout(HANDSHAKE_MAX, accepting).await.map_err(io::Error::other)??))
}

/// What stands between angle brackets.
fn address(rest: &str) -> String {
    let inside = rest.split_once('<').and_then(|(_, inside)| inside.split_once('>'));
    inside.map_or("", |(address, _)| address).trim().to_owned()
}

struct Talk<'t> {
    stream: BufReader<Stream>,
    ready: &'t Arc<Ready>,
    lines: &'t Lines,
    /// Messages so far.
    messages: usize,
}

impl Talk<'_> {
    /// Takes messages until the sender ends, or wants to go on in TLS; what was said of a message before is then forgotten.
    async fn go_on(&mut self) -> io::Result<Turn> {
        let mut envelope = Envelope::default();
        while let Some(line) = self.line().await? {
            let (word, rest) = line.split_at_checked(4).unwrap_or((&line, ""));
            match word.to_ascii_uppercase().as_str() {
                "EHLO" => {
                    let extensions = self.extensions();
                    self.say(&extensions).await?;
                }
                "HELO" => self.say("250 headwater").await?,
                "STAR" if self.offers_tls() && rest.eq_ignore_ascii_case("TTLS") => return Ok(Turn::Tls),
                "MAIL" | "RCPT" | "DATA" if self.ready.is_tls_asked && !self.is_sealed() => {
                    self.say("530 5.7.0 must issue a STARTTLS command first").await?;
                }
                "MAIL" => {
                    envelope = Envelope { from: Some(address(rest)), to: None };
                    self.say("250 OK").await?;
                }
                "RCPT" if envelope.from.is_some() => self.recipient(&mut envelope, address(rest)).await?,
                "DATA" if envelope.to.is_some() => {
                    self.say("354 end with a dot on a line of its own").await?;
                    let answer = self.message(std::mem::take(&mut envelope)).await?;
                    self.say(answer).await?;
                    self.messages += 1;
                    if self.messages == MESSAGES_MAX {
                        self.say("421 4.7.0 enough messages for one connection, come again").await?;
                        return Ok(Turn::Ended);
                    }
                }
                "RCPT" | "DATA" => self.say("503 5.5.1 first MAIL FROM, then RCPT TO").await?,
                "RSET" => {
                    envelope = Envelope::default();
                    self.say("250 OK").await?;
                }
                "NOOP" => self.say("250 OK").await?,
                "QUIT" => {
                    self.say("221 bye").await?;
                    return Ok(Turn::Ended);
                }
                _ => self.say("502 5.5.2 unknown command").await?,
            }
        }
        Ok(Turn::Ended)
    }

    /// Whether it is in TLS.
    fn is_sealed(&self) -> bool {
        matches!(self.stream.get_ref(), Either::Right(_))
    }

    /// Whether TLS can be begun, and has not been.
    fn offers_tls(&self) -> bool {
        self.ready.tls.is_some() && !self.is_sealed()
    }

    fn extensions(&self) -> String {
        let tls = if self.offers_tls() { "250-STARTTLS\r\n" } else { "" };
        format!("250-headwater\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n{tls}250 SIZE {MESSAGE_BYTES_MAX}")
    }

    async fn recipient(&mut self, envelope: &mut Envelope, to: String) -> io::Result<()> {
        if self.ready.recipients.iter().any(|known| known.eq_ignore_ascii_case(&to)) {
            envelope.to.get_or_insert(to);
            return self.say("250 OK").await;
        }
        self.lines.heard(Heard::Refused);
        self.say("550 5.1.1 no such recipient here: see `recipients` of the listener").await
    }

    async fn say(&mut self, text: &str) -> io::Result<()> {
        let text = format!("{text}\r\n");
        let saying = async {
            self.stream.write_all(text.as_bytes()).await?;
            self.stream.flush().await
        };
        timeout(PAUSE_MAX, saying).await.map_err(io::Error::other)?
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
