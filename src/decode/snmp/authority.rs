//! Our own engine (RFC 3414, 3 and 4). Informs of version 3 are sent under the receiver's name and time: a sender asks for both first,
//! and what was recorded and is sent again later is out of time.

use sha2::{Digest as _, Sha256};

use super::ber;
use super::usm::{User, begin, masked};
use crate::domain::time::Timestamp;

/// Bits of a message's flags.
pub const AUTH: u8 = 1;
pub const PRIVACY: u8 = 2;
pub const REPORTABLE: u8 = 4;

/// usmStatsNotInTimeWindows.0 and usmStatsUnknownEngineIDs.0.
pub const OUT_OF_TIME: &[u8] = &[0x2b, 6, 1, 6, 3, 15, 1, 1, 2, 0];
pub const UNKNOWN_ENGINE: &[u8] = &[0x2b, 6, 1, 6, 3, 15, 1, 1, 4, 0];
const REPORT: u8 = 0xA8;
const COUNTER: u8 = 0x41;
/// The largest message that is taken.
const BYTES_MAX: i64 = 65_507;
/// So far a sender's idea of our time may be off.
const WINDOW_SECS: u64 = 150;
/// 2020-01-01: minutes since then number the starts, so that each has a higher number than the one before without a file that keeps it.
const EPOCH: Timestamp = Timestamp(1_577_836_800_000);
/// A name that somebody has made up (5) under the number for examples (RFC 5612): we have none of our own.
const NAME_BEGINS: [u8; 5] = [0x80, 0x00, 0x7e, 0xd9, 0x05];

/// An engine that informs are sent to.
#[derive(Clone, Debug)]
pub struct Authority {
    name: Vec<u8>,
    started: Timestamp,
}

/// The number of the start, and seconds since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    pub boots: i64,
    pub time: i64,
}

impl Authority {
    /// An engine of its own for each listener of each machine: `about` names them.
    pub fn new(about: &str, started: Timestamp) -> Self {
        let hash = Sha256::digest(about.as_bytes());
        Self { name: [NAME_BEGINS.as_slice(), &hash[..12]].concat(), started }
    }

    /// Its name.
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// Its time.
    pub fn clock(&self, now: Timestamp) -> Clock {
        let boots = self.started.since(EPOCH).as_secs() / 60;
        Clock { boots: boots.clamp(1, i64::from(i32::MAX)), time: now.since(self.started).as_secs().max(0) }
    }

    /// Whether a message was made lately.
    pub fn is_in_time(&self, said: Clock, now: Timestamp) -> bool {
        let ours = self.clock(now);
        said.boots == ours.boots && said.time.abs_diff(ours.time) <= WINDOW_SECS
    }

    /// What a sender learns our name or our time from; `what` is the reason why it is told.
    pub fn report(&self, reply: &Reply<'_>, what: &[u8]) -> Vec<u8> {
        // How often that happened is asked for by nobody.
        let pair = [ber::value(0x06, what), ber::value(COUNTER, &[1])].concat();
        let variables = ber::value(0x30, &ber::value(0x30, &pair));
        let pdu = [ber::number(0), ber::number(0), ber::number(0), variables].concat();
        reply.write(self, (&self.name, b""), &ber::value(REPORT, &pdu))
    }
}

/// An answer to a message, sealed as that was.
pub struct Reply<'m> {
    /// The message's own number.
    pub id: i64,
    pub flags: u8,
    pub name: &'m str,
    /// Whose keys it is sealed with; none: it is not.
    pub user: Option<&'m User>,
    pub clock: Clock,
    /// Tells the encryption of this message from that of any other.
    pub salt: [u8; 8],
}

impl<'m> Reply<'m> {
    /// To the message of this number and user that has come in this packet.
    pub fn to((id, name): (i64, &'m str), packet: &[u8], clock: Clock) -> Self {
        let mut salt = [0; 8];
        salt.copy_from_slice(&Sha256::digest(packet)[..8]);
        Self { id, flags: 0, name, user: None, clock, salt }
    }

    /// The whole message with this content, about this engine and context: those of the message that it answers.
    pub fn write(&self, authority: &Authority, (engine, context): (&[u8], &[u8]), pdu: &[u8]) -> Vec<u8> {
        let keys = self.user.map(|user| user.keys(authority.name()));
        let scoped = [ber::value(0x04, engine), ber::value(0x04, context), pdu.to_vec()].concat();
        let scoped = ber::value(0x30, &scoped);
        let privacy = keys.as_ref().and_then(|keys| keys.privacy.as_deref()).filter(|_| self.flags & PRIVACY != 0);
        let sealed = privacy.map(|key| {
            let closed = begin(self.clock, &self.salt).and_then(|begin| masked(key, begin, &scoped));
            closed.expect("the key and the salt are long enough, and the clock is ours")
        });
        let (content, salt) = match &sealed {
            Some(sealed) => (ber::value(0x04, sealed), self.salt.as_slice()),
            None => (scoped, [].as_slice()),
        };
        let proof = keys.as_ref().and_then(|keys| keys.proof.as_ref()).filter(|_| self.flags & AUTH != 0);
        let blank = vec![0; proof.map_or(0, |(kind, _)| kind.sent_bytes())];
        let salt = ber::value(0x04, salt);
        let header = [ber::number(self.id), ber::number(BYTES_MAX), ber::value(0x04, &[self.flags]), ber::number(3)];
        let name = ber::value(0x04, self.name.as_bytes());
        let clock = [ber::number(self.clock.boots), ber::number(self.clock.time)].concat();
        let security = [ber::value(0x04, authority.name()), clock, name, ber::value(0x04, &blank), salt.clone()];
        let security = ber::value(0x04, &ber::value(0x30, &security.concat()));
        let parts = [ber::number(3), ber::value(0x30, &header.concat()), security, content.clone()];
        let mut whole = ber::value(0x30, &parts.concat());
        if let Some((kind, key)) = proof {
            let at = whole.len() - content.len() - salt.len() - blank.len();
            let seal = kind.seal(key, &whole);
            whole[at..at + blank.len()].copy_from_slice(&seal[..blank.len()]);
        }
        whole
    }
}

#[cfg(test)]
mod tests {
    use super::super::usm::{Passwords, Proof, Users};
    use super::super::{INFORM, Senders, SnmpError, TRAP_OID, read};
    use super::*;

    const NOW: Timestamp = Timestamp(1_780_272_000_000);

    fn user() -> User {
        let passwords = Passwords { proof: Some((Proof::Sha256, "maplesyrup")), privacy: Some("birchsyrup") };
        User::new("noc", &passwords).unwrap()
    }

    fn senders() -> Senders {
        let authority = Some(Authority::new("here", NOW));
        Senders { users: Users::of(vec![user()]), authority, ..Senders::default() }
    }

    /// An inform as a sender makes it that believes in this engine and this time.
    fn inform(authority: &Authority, clock: Clock, flags: u8) -> Vec<u8> {
        assert_eq!(TRAP_OID, "1.3.6.1.6.3.1.1.4.1.0");
        let oid = [0x2b, 6, 1, 6, 3, 1, 1, 4, 1, 0];
        let pair = [ber::value(0x06, &oid), ber::value(0x06, &[0x2b, 6, 1, 6, 3, 1, 1, 5, 3])].concat();
        let variables = ber::value(0x30, &ber::value(0x30, &pair));
        let pdu = [ber::number(300), ber::number(0), ber::number(0), variables].concat();
        let user = user();
        let sent = Reply { id: 77, flags: flags | REPORTABLE, name: "noc", user: Some(&user), clock, salt: [7; 8] };
        sent.write(authority, (b"its own", b""), &ber::value(INFORM, &pdu))
    }

    fn contains(bytes: &[u8], part: &[u8]) -> bool {
        bytes.windows(part.len()).any(|window| window == part)
    }

    #[test]
    fn a_sender_learns_the_name_and_the_time_and_then_its_inform_is_answered() {
        let (senders, later) = (senders(), Timestamp(NOW.0 + 200_000));
        let authority = senders.authority.as_ref().unwrap();
        let asks = |packet: &[u8]| {
            let read = read(packet, "10.0.0.1", &senders, later).unwrap();
            assert_eq!(read.json, None);
            read.response.unwrap()
        };
        // Who it thinks we are does not matter: it is told who we are, without a seal.
        let told = asks(&inform(&Authority::new("elsewhere", NOW), Clock { boots: 0, time: 0 }, AUTH | PRIVACY));
        assert!(contains(&told, authority.name()) && contains(&told, UNKNOWN_ENGINE));
        let told = asks(&inform(authority, Clock { boots: 0, time: 0 }, AUTH | PRIVACY));
        assert!(contains(&told, OUT_OF_TIME));
        let clock = authority.clock(later);
        assert_eq!(clock.time, 200);
        let packet = inform(authority, Clock { time: clock.time - 100, ..clock }, AUTH | PRIVACY);
        let got = read(&packet, "10.0.0.1", &senders, later).unwrap();
        assert!(got.json.unwrap().contains("1.3.6.1.6.3.1.1.5.3"));
        let answer = got.response.unwrap();
        assert!(!contains(&answer, &[0x2b, 6, 1, 6, 3, 1, 1, 5, 3]), "it is closed as the inform was");
        // The same packet again, later: it was recorded.
        let much_later = Timestamp(later.0 + 60_000);
        assert_eq!(read(&packet, "10.0.0.1", &senders, much_later).unwrap().json, None);
        // A start later, and a user who must prove who he is.
        let restarted = Senders { authority: Some(Authority::new("here", much_later)), ..self::senders() };
        assert_eq!(read(&packet, "10.0.0.1", &restarted, much_later).unwrap().json, None);
        let bare = inform(authority, clock, 0);
        assert!(matches!(read(&bare, "10.0.0.1", &senders, later), Err(SnmpError::User { .. })));
    }

    #[test]
    fn numbers_are_as_short_as_they_can_be() {
        let table: [(i64, &[u8]); 5] =
            [(0, &[0]), (127, &[127]), (128, &[0, 128]), (-1, &[0xff]), (65_507, &[0, 0xff, 0xe3])];
        for (number, bytes) in table {
            assert_eq!(ber::number(number)[2..], *bytes, "{number}");
            assert_eq!(ber::signed(&ber::number(number)[2..]), Ok(number));
        }
        for number in [i64::MIN, i64::MAX, -129, i64::from(i32::MAX)] {
            assert_eq!(ber::signed(&ber::number(number)[2..]), Ok(number));
        }
    }
}
