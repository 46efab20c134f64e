//! SMS over SMPP 3.4, which message centres of operators and most aggregators speak: bind as a transmitter, submit, unbind.
//!
//! Document: "Short Message Peer to Peer Protocol Specification v3.4" (smpp.org): a `system_id` has at most 15 characters, a
//! password 8, an address 20. A message has 140 bytes on the air; what is longer goes in parts, each with a header of six bytes
//! (3GPP TS 23.040, 9.2.3.24.1). Data coding 0 is the centre's own alphabet, nearly everywhere GSM 03.38 (3GPP TS 23.038, 6.2.1), of
//! which the letters of ASCII are used; everything else is UCS-2 (8). A yes is `ESME_ROK` to each part. Receipts are asked for when
//! somebody listens to them (`receipts`). Each number has its own answer, so a receiver is one number: of several some could have the message.

use std::fmt::Display;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::{FutureExt as _, SinkExt as _, StreamExt as _};
use rusmpp::pdus::{BindTransmitter, SubmitSm};
use rusmpp::types::{COctetString, OctetString};
use rusmpp::values::{DataCoding, EsmClass, InterfaceVersion, Npi, RegisteredDelivery, Ton};
use rusmpp::{Command, CommandId, CommandStatus, Pdu};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use schemars::JsonSchema;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::codec::Framed;
use tokio_util::either::Either;

use self::frames::Frames;
use super::fields::Fields;
use super::pieces::address;
use super::{Attempt, Channel, Ground, Manner, Secret};
use crate::delivery::egress::Egress;
use crate::delivery::fate::{Listening, Tell};
use crate::delivery::http::SetupError;
use crate::delivery::settings::Settings as Patience;
use crate::engine::effect::Notice;

/// Messages a minute, unless the receiver says otherwise: each is a bind of its own, and who binds too often is locked out.
pub const PER_MINUTE: u32 = 60;

/// Bytes of a message on the air, and of the header of a part.
const BYTES_MAX: usize = 140;
const HEADER_BYTES: usize = 6;
/// Letters of seven bits in a message, and in a part beside its header.
const SEPTETS_MAX: usize = 160;
const SEPTETS_OF_PART: usize = 153;
/// Characters of a text: at most 16 parts, of signs that are two units each.
const CHARS_MAX: usize = 500;
/// The bit that says that a message begins with a header; no other of `esm_class` is wanted.
const HAS_HEADER: u8 = 0x40;
/// The centre is left alone for so long when it has too much to do.
const BUSY: Duration = Duration::from_secs(30);

mod frames;
mod receipts;

/// How the connection is protected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Security {
    /// TLS from the first byte. Port 3550.
    #[default]
    Tls,
    /// No protection: only inside of a network of one's own. Port 2775.
    None,
}

/// What texts are written in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Alphabet {
    /// GSM 03.38 where it has all letters of a text, else UCS-2.
    #[default]
    Gsm,
    /// Always UCS-2: for centres whose own alphabet is another one.
    Ucs2,
}

/// SMS to one number.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The message centre's name.
    pub server: String,
    #[serde(default)]
    pub port: Option<u16>,
    #[serde(default)]
    pub security: Security,
    /// Certificates (PEM) of who signs the centre's; without them those of the system.
    #[serde(default)]
    pub ca: Option<String>,
    pub system_id: String,
    pub password: Secret,
    #[serde(default)]
    pub system_type: String,
    /// Who it comes from: a number, or a name of letters and digits; empty: what the centre puts there.
    #[serde(default)]
    pub from: String,
    /// A number with its country, as in `+8613800000000`, or as the centre wants it.
    #[serde(default)]
    pub to: String,
    #[serde(default)]
    pub alphabet: Alphabet,
    #[serde(default = "chars_max")]
    pub chars_max: usize,
    /// No names of machines, addresses or services.
    #[serde(default)]
    pub nameless: bool,
    /// A second connection stands, bound as a receiver, on which the centre says what became of each message.
    #[serde(default)]
    pub receipts: bool,
    /// Receipts count that are not marked as such (`esm_class`), for centres that mark none: whoever writes to the number can then write one.
    #[serde(default)]
    pub unmarked_receipts: bool,
}

/// Three parts of 67 characters, as SMS in Chinese are counted.
const fn chars_max() -> usize {
    201
}

struct Smpp {
    settings: Settings,
    port: u16,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    egress: Arc<Egress>,
    manner: Manner,
    timeout: Duration,
}

impl Settings {
    /// # Errors
    /// When a setting is longer than the protocol takes, the number is none, or the address is refused.
    pub fn ready(self, ground: &Ground) -> Result<Arc<dyn Channel>, SetupError> {
        let is_short = |text: &str, most: usize| text.len() <= most && text.bytes().all(|byte| byte.is_ascii_graphic());
        let wrong = |setting, why: &str| Err(SetupError::setting(setting, why));
        if self.system_id.is_empty() || !is_short(&self.system_id, 15) {
            return wrong("system_id", "write 1 to 15 letters, digits or signs");
        }
        if !is_short(self.password.text(), 8) {
            return wrong("password", "SMPP takes 8 letters, digits or signs at most");
        }
        if !is_short(&self.system_type, 12) {
            return wrong("system_type", "write 12 letters, digits or signs at most");
        }
        if !is_short(&self.from, 20) || (!self.from.is_empty() && !is_number(&self.from) && self.from.len() > 11) {
            return wrong("from", "write a number, or a name of 11 letters and digits at most");
        }
        if !is_number(&self.to) {
            return wrong("to", "write one number with its country, as in \"+8613800000000\"");
        }
        if !(1..=CHARS_MAX).contains(&self.chars_max) {
            return wrong("chars_max", "write 1 to 500");
        }
        let port = self.port.unwrap_or(if self.security == Security::Tls { 3550 } else { 2775 });
        if let Ok(ip) = self.server.parse() {
            ground.egress.check(ip, port)?;
        }
        let tls = match self.security {
            Security::Tls => {
                let name = ServerName::try_from(self.server.clone());
                let name = name.map_err(|_| SetupError::setting("server", "write a name or an address"))?;
                Some((tls(self.ca.as_deref())?, name))
            }
            Security::None => None,
        };
        let (egress, manner, timeout) = (Arc::clone(&ground.egress), ground.manner.clone(), ground.timeout);
        Ok(Arc::new(Smpp { settings: self, port, tls, egress, manner, timeout }))
    }
}

fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or(text);
    (3..=20).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// TLS with the certificates that are trusted.
fn tls(ca: Option<&str>) -> Result<TlsConnector, SetupError> {
    let wrong = |error: &dyn Display| SetupError::setting("ca", error.to_string());
    let mut roots = RootCertStore::empty();
    match ca {
        Some(pem) => {
            for one in CertificateDer::pem_slice_iter(pem.as_bytes()) {
                roots.add(one.map_err(|error| wrong(&error))?).map_err(|error| wrong(&error))?;
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    if roots.is_empty() {
        return Err(wrong(&"no certificates: write them, or install the system's (package ca-certificates)"));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| wrong(&error))?;
    Ok(TlsConnector::from(Arc::new(builder.with_root_certificates(roots).with_no_client_auth())))
}

/// A part as it goes on the air.
#[derive(Debug, PartialEq, Eq)]
struct Part {
    coding: DataCoding,
    class: u8,
    bytes: Vec<u8>,
}

/// A letter in GSM 03.38; none where it has no such letter.
fn septets(letter: char) -> Option<Vec<u8>> {
    const ESCAPE: u8 = 0x1b;
    Some(match letter {
        '@' => vec![0x00],
        '$' => vec![0x02],
        '_' => vec![0x11],
        '^' => vec![ESCAPE, 0x14],
        '{' => vec![ESCAPE, 0x28],
        '}' => vec![ESCAPE, 0x29],
        '\\' => vec![ESCAPE, 0x2f],
        '[' => vec![ESCAPE, 0x3c],
        '~' => vec![ESCAPE, 0x3d],
        ']' => vec![ESCAPE, 0x3e],
        '|' => vec![ESCAPE, 0x40],
        // Where a text was cut.
        '…' => b"...".to_vec(),
        '\n' | ' '..='~' if letter != '`' => vec![letter as u8],
        _ => return None,
    })
}

/// A letter in UCS-2, or what came of it: letters beyond it are two units.
fn units(letter: char) -> Vec<u8> {
    letter.encode_utf16(&mut [0; 2]).iter().flat_map(|unit| unit.to_be_bytes()).collect()
}

/// A text in parts, in which no letter is cut; `name` is the same for the same message, so that a telephone takes the parts of a
/// repeat for those that it has.
fn parts(text: &str, alphabet: Alphabet, name: u8) -> Vec<Part> {
    let plain: Option<Vec<_>> = match alphabet {
        Alphabet::Gsm => text.chars().map(septets).collect(),
        Alphabet::Ucs2 => None,
    };
    let (coding, whole, room, letters) = match plain {
        Some(letters) => (DataCoding::McSpecific, SEPTETS_MAX, SEPTETS_OF_PART, letters),
        None => (DataCoding::Ucs2, BYTES_MAX, BYTES_MAX - HEADER_BYTES, text.chars().map(units).collect()),
    };
    if letters.iter().map(Vec::len).sum::<usize>() <= whole {
        return vec![Part { coding, class: 0, bytes: letters.concat() }];
    }
    let mut cut: Vec<Vec<u8>> = Vec::new();
    for letter in letters {
        match cut.last_mut() {
            Some(part) if part.len() + letter.len() <= room => part.extend(letter),
            Some(_) | None => cut.push(letter),
        }
    }
    let count = cut.len() as u8;
    let with_header = |(n, part): (u8, Vec<u8>)| {
        let header = [5, 0, 3, name, count, n];
        Part { coding, class: HAS_HEADER, bytes: [header.as_slice(), &part].concat() }
    };
    (1..).zip(cut).map(with_header).collect()
}

/// What kind of an address it is, and how it is written in a message.
fn kind(address: &str) -> (Ton, Npi, &str) {
    match address.strip_prefix('+') {
        Some(digits) => (Ton::International, Npi::Isdn, digits),
        None if address.is_empty() => (Ton::Unknown, Npi::Unknown, address),
        None if is_number(address) => (Ton::Unknown, Npi::Isdn, address),
        None => (Ton::Alphanumeric, Npi::Unknown, address),
    }
}

fn text<const MIN: usize, const MAX: usize>(text: &str) -> Result<COctetString<MIN, MAX>, Attempt> {
    COctetString::from_string(text.to_owned()).map_err(|error| unfit(&error))
}

fn unfit(error: &dyn Display) -> Attempt {
    Attempt::Refused { why: format!("SMPP does not take it: {error}") }
}

fn unreached(error: &dyn Display) -> Attempt {
    Attempt::TryLater { why: format!("no connection: {error}"), wait: None }
}

impl Smpp {
    fn text(&self, notice: &Notice) -> String {
        Fields::of(notice, &self.manner, self.settings.nameless, self.settings.chars_max).text
    }

    async fn connect(&self, to: SocketAddr) -> Result<Line, Attempt> {
        let plain = TcpStream::connect(to).await.map_err(|error| unreached(&error))?;
        let stream = match &self.tls {
            None => Either::Left(plain),
            Some((tls, name)) => {
                Either::Right(tls.connect(name.clone(), plain).await.map_err(|error| unsealed(&error))?)
            }
        };
        Ok(Line { framed: Framed::new(stream, Frames::default()), sequence: 0 })
    }

    fn bind(&self) -> Result<BindTransmitter, Attempt> {
        let Settings { system_id, password, system_type, .. } = &self.settings;
        let bind = BindTransmitter::builder().system_id(text(system_id)?).password(text(password.text())?);
        Ok(bind.system_type(text(system_type)?).interface_version(InterfaceVersion::Smpp3_4).build())
    }

    fn submit(&self, part: Part) -> Result<SubmitSm, Attempt> {
        let (from, to) = (kind(&self.settings.from), kind(&self.settings.to));
        Ok(SubmitSm::builder()
            .source_addr_ton(from.0)
            .source_addr_npi(from.1)
            .source_addr(text(from.2)?)
            .dest_addr_ton(to.0)
            .dest_addr_npi(to.1)
            .destination_addr(text(to.2)?)
            // The builder's own says that the message acknowledges another one.
            .esm_class(EsmClass::from(part.class))
            .data_coding(part.coding)
            .registered_delivery(RegisteredDelivery::from(u8::from(self.settings.receipts)))
            .short_message(OctetString::from_vec(part.bytes).map_err(|error| unfit(&error))?)
            .build())
    }

    /// Gives what the centre calls the parts.
    async fn try_once(&self, notice: &Notice) -> Result<String, Attempt> {
        let mut line = self.connect(address(&self.egress, &self.settings.server, self.port).await?).await?;
        line.ask(self.bind()?, bound).await?;
        let name = Sha256::digest(notice.key.as_bytes())[0];
        let mut ids: Vec<String> = Vec::new();
        for part in parts(&self.text(notice), self.settings.alphabet, name) {
            let answer = line.ask(self.submit(part)?, submitted).await?;
            if let Some(Pdu::SubmitSmResp(answer)) = answer.pdu() {
                ids.push(answer.message_id().as_str().to_owned());
            }
        }
        // It has all of it: what becomes of the connection does not matter any more.
        let _ = line.ask(Pdu::Unbind, bound).await;
        Ok(ids.join(" "))
    }
}

/// A handshake that failed: trying again does not cure a certificate.
fn unsealed(error: &std::io::Error) -> Attempt {
    if error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>()) {
        return Attempt::LockedOut { why: format!("TLS: {error}; a centre without TLS needs security: none") };
    }
    unreached(error)
}

/// A connection to a centre.
struct Line {
    framed: Framed<Either<TcpStream, TlsStream<TcpStream>>, Frames>,
    sequence: u32,
}

impl Line {
    async fn say(&mut self, sequence: u32, pdu: Pdu) -> Result<(), Attempt> {
        let command = Command::new(CommandStatus::EsmeRok, sequence, pdu);
        self.framed.send(command).await.map_err(|error| unreached(&error))
    }

    /// Sends one thing and waits for what the centre says of it.
    async fn ask(&mut self, pdu: impl Into<Pdu>, judge: Judge) -> Result<Command, Attempt> {
        self.sequence += 1;
        self.say(self.sequence, pdu.into()).await?;
        while let Some(answer) = self.framed.next().await {
            let later = |why: String| Attempt::TryLater { why, wait: None };
            let strange = |why: &dyn Display| later(format!("not the answer of a message centre: {why}"));
            let answer = match answer.map_err(|error| strange(&error))? {
                Ok(answer) => answer,
                Err(unread) if unread.answers(self.sequence) => return Err(strange(&unread.why)),
                Err(unread) => {
                    self.decline(&unread).await?;
                    continue;
                }
            };
            let sequence = answer.sequence_number();
            match answer.id() {
                CommandId::EnquireLink => self.say(sequence, Pdu::EnquireLinkResp).await?,
                CommandId::Unbind => {
                    self.say(sequence, Pdu::UnbindResp).await?;
                    return Err(later("the message centre has ended the session".into()));
                }
                // A no, and it may not know to what.
                CommandId::GenericNack => {
                    judge(answer.status())?;
                    return Err(later("generic_nack without a reason".into()));
                }
                id if id.is_response() && sequence == self.sequence => {
                    return judge(answer.status()).map(|()| answer);
                }
                // What it begins by itself has numbers of its own.
                _ => {}
            }
        }
        Err(unreached(&"the message centre has hung up"))
    }
}

/// What a status means: to a bind, or to a message.
type Judge = fn(CommandStatus) -> Result<(), Attempt>;

/// Whoever is not let in has a wrong account, unless the centre is in trouble.
fn bound(status: CommandStatus) -> Result<(), Attempt> {
    busy(status).unwrap_or_else(|| Err(Attempt::LockedOut { why: why(status) }))
}

fn submitted(status: CommandStatus) -> Result<(), Attempt> {
    busy(status).unwrap_or_else(|| Err(Attempt::Refused { why: why(status) }))
}

/// What means the same to both.
fn busy(status: CommandStatus) -> Option<Result<(), Attempt>> {
    let later = |wait| Some(Err(Attempt::TryLater { why: why(status), wait }));
    match status {
        CommandStatus::EsmeRok => Some(Ok(())),
        CommandStatus::EsmeRthrottled | CommandStatus::EsmeRmsgqful => later(Some(BUSY)),
        CommandStatus::EsmeRsyserr | CommandStatus::EsmeRxTAppn | CommandStatus::EsmeRalybnd => later(None),
        _ => None,
    }
}

fn why(status: CommandStatus) -> String {
    format!("command_status 0x{:08x} ({status:?})", u32::from(status))
}

impl Channel for Smpp {
    fn name(&self) -> &'static str {
        "smpp"
    }

    fn send<'a>(&'a self, notice: &'a Notice) -> BoxFuture<'a, Attempt> {
        Box::pin(async move {
            match timeout(self.timeout, self.try_once(notice)).await {
                Ok(Ok(said)) => Attempt::Noted { said },
                Ok(Err(attempt)) => attempt,
                // It may have the message: then the telephone sees it twice, which is better than never.
                Err(_) => Attempt::TryLater { why: "no answer in time".into(), wait: None },
            }
        })
    }

    fn follow<'a>(&'a self, tell: Tell<'a>, settings: &'a Patience) -> Option<Listening<'a>> {
        self.settings.receipts.then(|| self.listen(tell, settings).boxed())
    }

    fn preview(&self, notice: &Notice) -> Result<String, String> {
        Ok(self.text(notice))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_goes_in_as_many_parts_as_it_needs_and_no_letter_is_cut() {
        let parts = |text: &str| parts(text, Alphabet::Gsm, 7);
        let lengths = |text: &str| parts(text).iter().map(|part| part.bytes.len()).collect::<Vec<_>>();
        assert_eq!(parts("P1 core-1")[0].coding, DataCoding::McSpecific);
        assert_eq!(lengths(&"a".repeat(160)), [160]);
        assert_eq!(lengths(&"a".repeat(161)), [159, 14]);
        assert_eq!(parts("[a_b@c…")[0].bytes, b"\x1b<a\x11b\0c...");
        assert_eq!(parts("`")[0].bytes, [0, b'`']);
        assert_eq!(super::parts("a", Alphabet::Ucs2, 7)[0].bytes, [0, b'a']);
        // A letter of two units at the edge of a part goes into the next one.
        assert_eq!(lengths(&format!("{}[{}", "a".repeat(152), "a".repeat(10))), [158, 18]);
        assert_eq!(lengths(&"字".repeat(70)), [140]);
        let two = parts(&"字".repeat(71));
        assert_eq!((two[0].bytes.len(), two[1].bytes.len()), (140, 14));
        assert_eq!(
            (&two[0].bytes[..6], &two[1].bytes[..6]),
            ([5, 0, 3, 7, 2, 1].as_slice(), [5, 0, 3, 7, 2, 2].as_slice())
        );
        assert_eq!(lengths(&format!("{}{}", "字".repeat(66), "𠮷".repeat(4))), [138, 22]);
        assert_eq!(lengths(&"𠮷".repeat(CHARS_MAX)).len(), 16);
    }

    #[test]
    fn an_address_says_what_it_is() {
        assert_eq!(kind("+8613800000000"), (Ton::International, Npi::Isdn, "8613800000000"));
        assert_eq!(kind("10690000"), (Ton::Unknown, Npi::Isdn, "10690000"));
        assert_eq!(kind("Headwater"), (Ton::Alphanumeric, Npi::Unknown, "Headwater"));
        assert_eq!(kind(""), (Ton::Unknown, Npi::Unknown, ""));
    }
}
