//! SNMP traps of versions 1, 2c and 3, and informs of versions 2c and 3, as the JSON object that the mapping `snmp-trap` reads. No MIB
//! is needed: names of objects stay numbers, and each variable stands under its whole number and under that of its column.

use serde_json::{Map, Value};

use super::text;
use crate::domain::time::Timestamp;
use authority::{Authority, Reply};
use ber::{Bad, Ber, oid_text};
use usm::{Here, Opened, Users};

pub mod authority;
mod ber;
pub mod usm;

const TRAP_V1: u8 = 0xA4;
const INFORM: u8 = 0xA6;
const TRAP_V2: u8 = 0xA7;
const RESPONSE: u8 = 0xA2;
const SYS_UP_TIME: &str = "1.3.6.1.2.1.1.3.0";
const TRAP_OID: &str = "1.3.6.1.6.3.1.1.4.1.0";
const TRAP_ENTERPRISE: &str = "1.3.6.1.6.3.1.1.4.3.0";
/// Where the six generic traps stand.
const GENERIC: &str = "1.3.6.1.6.3.1.1.5";
/// Variables in one trap.
const VARIABLES_MAX: usize = 256;

/// Who may send: communities of versions 1 and 2c, users of version 3.
#[derive(Default)]
pub struct Senders {
    pub communities: Vec<String>,
    pub users: Users,
    /// The engine to which informs of version 3 are sent; none: they are not taken.
    pub authority: Option<Authority>,
}

/// A packet that was read.
#[derive(Debug, PartialEq, Eq)]
pub struct Packet {
    /// The trap: one JSON text without line breaks. None: the sender has only asked who we are.
    pub json: Option<String>,
    /// What the sender waits for.
    pub response: Option<Vec<u8>>,
}

/// Why a packet is no trap for us.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SnmpError {
    #[error("not an SNMP trap: {0}")]
    Malformed(String),
    #[error("the community is none of those configured")]
    Community,
    #[error("user {user:?} of version 3: {why}")]
    User { user: String, why: &'static str },
}

impl From<Bad> for SnmpError {
    fn from(Bad(what): Bad) -> Self {
        Self::Malformed(what.to_owned())
    }
}

/// Reads a packet.
///
/// # Errors
/// When it is no trap, or nobody configured has sent it.
pub fn read(packet: &[u8], peer: &str, senders: &Senders, now: Timestamp) -> Result<Packet, SnmpError> {
    let mut message = Ber::new(packet).sequence()?;
    match message.integer()? {
        version @ (0 | 1) => {
            let community = message.octets()?;
            if !senders.communities.iter().any(|known| known.as_bytes() == community) {
                return Err(SnmpError::Community);
            }
            let word = if version == 0 { "v1" } else { "v2c" };
            let (tag, pdu) = message.next()?;
            let response = (tag == INFORM && version == 1).then(|| answer(community, pdu));
            let mut told = Told::new(peer, word);
            told.pdu(tag, pdu)?;
            Ok(Packet { json: Some(told.json()), response })
        }
        3 => third((packet, message), Told::new(peer, "v3"), senders, now),
        _ => Err(SnmpError::Malformed("the version is none of 1, 2c and 3".into())),
    }
}

/// Reads a message of version 3, which begins behind its version.
fn third(
    (packet, message): (&[u8], Ber<'_>),
    mut told: Told,
    senders: &Senders,
    now: Timestamp,
) -> Result<Packet, SnmpError> {
    let here = Here { authority: senders.authority.as_ref(), now };
    let (scoped, id, flags, user, is_ours) = match senders.users.open(packet, message, here)? {
        Opened::Asked(answer) => return Ok(Packet { json: None, response: Some(answer) }),
        Opened::Message { scoped, id, flags, user, is_ours } => (scoped, id, flags, user, is_ours),
    };
    let mut scoped = Ber::new(&scoped).sequence()?;
    let context = (scoped.octets()?, scoped.octets()?);
    let (tag, pdu) = scoped.next()?;
    told.put("user", user.name());
    told.pdu(tag, pdu)?;
    let authority = senders.authority.as_ref().filter(|_| tag == INFORM && is_ours);
    let response = authority.map(|authority| {
        let clock = authority.clock(now);
        let reply = Reply { flags, user: Some(user), ..Reply::to((id, user.name()), packet, clock) };
        reply.write(authority, context, &ber::value(RESPONSE, pdu))
    });
    Ok(Packet { json: Some(told.json()), response })
}

/// The response to an inform: the same content under another tag.
fn answer(community: &[u8], pdu: &[u8]) -> Vec<u8> {
    let mut inside = vec![0x02, 0x01, 0x01];
    ber::write(&mut inside, 0x04, community);
    ber::write(&mut inside, RESPONSE, pdu);
    let mut whole = Vec::new();
    ber::write(&mut whole, 0x30, &inside);
    whole
}

/// What a trap says.
struct Told {
    members: Map<String, Value>,
    variables: Map<String, Value>,
}

impl Told {
    fn new(peer: &str, version: &str) -> Self {
        let members = [("peer", peer), ("agent", peer), ("version", version)];
        let members = members.map(|(key, value)| (key.to_owned(), value.into())).into_iter().collect();
        Self { members, variables: Map::new() }
    }

    fn put(&mut self, key: &str, value: impl Into<Value>) {
        self.members.insert(key.into(), value.into());
    }

    fn json(self) -> String {
        let Self { mut members, variables } = self;
        members.insert("vars".into(), Value::Object(variables));
        Value::Object(members).to_string()
    }

    fn pdu(&mut self, tag: u8, pdu: &[u8]) -> Result<(), SnmpError> {
        let mut pdu = Ber::new(pdu);
        match tag {
            TRAP_V1 => self.first(&mut pdu),
            TRAP_V2 | INFORM => {
                for _ in 0..3 {
                    pdu.integer()?;
                }
                self.variables(&mut pdu)?;
                if self.members.contains_key("trap") {
                    return Ok(());
                }
                Err(SnmpError::Malformed("it does not say which trap it is (snmpTrapOID.0)".into()))
            }
            _ => Err(SnmpError::Malformed("neither a trap nor an inform".into())),
        }
    }

    /// A trap of version 1, with the number that it has in version 2 (RFC 3584, 3.1).
    fn first(&mut self, pdu: &mut Ber<'_>) -> Result<(), SnmpError> {
        let enterprise = oid_text(pdu.tagged(0x06)?)?;
        let agent = pdu.tagged(0x40)?;
        let (generic, specific) = (pdu.integer()?, pdu.integer()?);
        let ticks = pdu.unsigned(0x43)?;
        if let [a, b, c, d] = agent
            && agent != [0; 4]
        {
            self.put("agent", format!("{a}.{b}.{c}.{d}"));
        }
        let trap = match generic {
            0..=5 => format!("{GENERIC}.{}", generic + 1),
            _ => format!("{enterprise}.0.{specific}"),
        };
        self.put("trap", trap);
        self.put("enterprise", enterprise);
        self.put("uptime_secs", ticks / 100);
        self.variables(pdu)
    }

    fn variables(&mut self, pdu: &mut Ber<'_>) -> Result<(), SnmpError> {
        let mut all = pdu.sequence()?;
        let mut count = 0;
        while !all.is_empty() {
            count += 1;
            if count > VARIABLES_MAX {
                return Err(SnmpError::Malformed(format!("more than {VARIABLES_MAX} variables")));
            }
            let mut pair = all.sequence()?;
            let oid = oid_text(pair.tagged(0x06)?)?;
            let (tag, bytes) = pair.next()?;
            match oid.as_str() {
                SYS_UP_TIME => self.put("uptime_secs", ber::unsigned(bytes)? / 100),
                TRAP_OID => self.put("trap", oid_text(bytes)?),
                TRAP_ENTERPRISE => self.put("enterprise", oid_text(bytes)?),
                _ => {
                    let value = shown(tag, bytes)?;
                    if let Some((column, _)) = oid.rsplit_once('.') {
                        self.variables.insert(column.into(), value.clone());
                    }
                    self.variables.insert(oid, value);
                }
            }
        }
        Ok(())
    }
}

/// A value: numbers as numbers, text as text, bytes that are no text in hex.
fn shown(tag: u8, bytes: &[u8]) -> Result<Value, SnmpError> {
    Ok(match tag {
        0x02 => ber::signed(bytes)?.into(),
        0x41..=0x43 | 0x46 => ber::unsigned(bytes)?.into(),
        0x06 => oid_text(bytes)?.into(),
        0x40 if bytes.len() == 4 => bytes.iter().map(u8::to_string).collect::<Vec<_>>().join(".").into(),
        0x04 => {
            let text = text::read(bytes, None).text;
            let is_text = text.trim_end_matches('\0').chars().all(|c| !c.is_control() || c.is_whitespace());
            if is_text && !text.contains('\u{fffd}') {
                text.trim_end_matches('\0').into()
            } else {
                bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":").into()
            }
        }
        0x05 | 0x80..=0x82 => Value::Null,
        _ => hex::encode(bytes).into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// linkDown of version 2c, community `public`.
    fn link_down() -> Vec<u8> {
        let value = ber::value;
        let pair = |oid: &[u8], tag, content: &[u8]| value(0x30, &[value(0x06, oid), value(tag, content)].concat());
        let variables = [
            pair(&[0x2b, 6, 1, 2, 1, 1, 3, 0], 0x43, &[0x27, 0x10]),
            pair(&[0x2b, 6, 1, 6, 3, 1, 1, 4, 1, 0], 0x06, &[0x2b, 6, 1, 6, 3, 1, 1, 5, 3]),
            pair(&[0x2b, 6, 1, 2, 1, 2, 2, 1, 2, 7], 0x04, b"Gi0/1"),
        ];
        let number = |n: u8| value(0x02, &[n]);
        let pdu = [number(7), number(0), number(0), value(0x30, &variables.concat())].concat();
        value(0x30, &[number(1), value(0x04, b"public"), value(TRAP_V2, &pdu)].concat())
    }

    const NOW: Timestamp = Timestamp(1_780_272_000_000);

    fn senders() -> Senders {
        Senders { communities: vec!["public".into()], ..Senders::default() }
    }

    #[test]
    fn a_trap_is_read_and_its_sender_known() {
        let told: Value =
            serde_json::from_str(&read(&link_down(), "10.0.0.1", &senders(), NOW).unwrap().json.unwrap()).unwrap();
        assert_eq!((&told["trap"], &told["uptime_secs"]), (&Value::from("1.3.6.1.6.3.1.1.5.3"), &Value::from(100)));
        assert_eq!(told["vars"]["1.3.6.1.2.1.2.2.1.2.7"], "Gi0/1");
        assert_eq!(told["vars"]["1.3.6.1.2.1.2.2.1.2"], "Gi0/1", "under its column, too");
        assert_eq!(read(&link_down(), "10.0.0.1", &Senders::default(), NOW), Err(SnmpError::Community));
    }

    #[test]
    fn whatever_is_cut_or_changed_is_refused_or_read_but_never_breaks() {
        let whole = link_down();
        for at in 0..whole.len() {
            let _ = read(&whole[..at], "10.0.0.1", &senders(), NOW);
            for value in [0x00, 0x7f, 0x80, 0xff] {
                let mut other = whole.clone();
                other[at] = value;
                let _ = read(&other, "10.0.0.1", &senders(), NOW);
            }
        }
        assert_eq!(read(b"", "10.0.0.1", &senders(), NOW), Err(SnmpError::Malformed("it ends too early".into())));
        let error = read(b"GET / HTTP/1.1\r\n", "10.0.0.1", &senders(), NOW).unwrap_err().to_string();
        assert!(error.starts_with("not an SNMP trap"), "{error}");
    }

    #[test]
    fn values_are_shown_as_people_read_them() {
        let check = |tag, bytes: &[u8], want: Value| assert_eq!(shown(tag, bytes), Ok(want));
        check(0x02, &[0xff], (-1).into());
        check(0x41, &[0xff, 0xff, 0xff, 0xff], 4_294_967_295_u64.into());
        check(0x46, &[0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], u64::MAX.into());
        check(0x40, &[10, 0, 0, 1], "10.0.0.1".into());
        check(0x06, &[0x2b, 0x06, 0x01, 0x81, 0x00], "1.3.6.1.128".into());
        check(0x04, b"Gi0/1", "Gi0/1".into());
        check(0x04, &encoding_rs::GBK.encode("市电中断，电池供电").0, "市电中断，电池供电".into());
        check(0x04, &[0x00, 0x1b, 0x21, 0x07, 0x00, 0x01], "00:1b:21:07:00:01".into());
        check(0x80, &[], Value::Null);
    }
}
