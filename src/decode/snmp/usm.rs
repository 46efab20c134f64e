//! Users of SNMP version 3 (RFC 3414, RFC 3826, RFC 7860): who has sent a trap is proven by a key that only they know, and what is
//! encrypted is opened. Traps are sent under the sender's own engine, so its clock is its own; informs under ours (`authority`).

use aes::Aes128;
use aes::cipher::{BlockCipherEncrypt as _, KeyInit as _};
use hmac::{Hmac, Mac as _};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};
use subtle::ConstantTimeEq as _;

use super::SnmpError;
use super::authority::{AUTH, Authority, Clock, OUT_OF_TIME, PRIVACY, REPORTABLE, Reply, UNKNOWN_ENGINE};
use super::ber::Ber;
use crate::domain::time::Timestamp;

/// How messages are proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    Md5,
    Sha1,
    Sha224,
    Sha256,
    Sha384,
    Sha512,
}

/// A user with the keys that are made of their passwords.
pub struct User {
    name: String,
    proof: Option<(Proof, Vec<u8>)>,
    privacy: Option<Vec<u8>>,
}

/// All users.
#[derive(Default)]
pub struct Users(Vec<User>);

/// A user's keys at one engine.
pub(super) struct Keys {
    pub proof: Option<(Proof, Vec<u8>)>,
    pub privacy: Option<Vec<u8>>,
}

/// The passwords of a user, as somebody configured them.
pub struct Passwords<'p> {
    pub proof: Option<(Proof, &'p str)>,
    /// AES-128; needs a proof.
    pub privacy: Option<&'p str>,
}

impl User {
    /// Makes the keys. This takes a few milliseconds: passwords are hashed at length on purpose.
    ///
    /// # Errors
    /// When a password is shorter than eight characters, or privacy stands alone.
    pub fn new(name: &str, passwords: &Passwords<'_>) -> Result<Self, &'static str> {
        let long_enough = |password: &str| password.len() >= 8;
        let (proof, privacy) = (passwords.proof, passwords.privacy);
        if !proof.is_none_or(|(_, password)| long_enough(password)) || !privacy.is_none_or(long_enough) {
            return Err("passwords have at least eight characters");
        }
        if privacy.is_some() && proof.is_none() {
            return Err("privacy needs a password for authentication, too");
        }
        let key = |kind: Proof, password: &str| kind.stretched(password.as_bytes());
        Ok(Self {
            name: name.to_owned(),
            proof: proof.map(|(kind, password)| (kind, key(kind, password))),
            privacy: proof.zip(privacy).map(|((kind, _), password)| key(kind, password)),
        })
    }
}

impl User {
    /// Its name.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The keys with which it speaks to an engine.
    pub(super) fn keys(&self, engine: &[u8]) -> Keys {
        let localized = |kind: Proof, key: &Vec<u8>| kind.localized(key, engine);
        let kind = self.proof.as_ref().map(|(kind, _)| *kind);
        Keys {
            proof: self.proof.as_ref().map(|(kind, key)| (*kind, localized(*kind, key))),
            privacy: kind.zip(self.privacy.as_ref()).map(|(kind, key)| localized(kind, key)),
        }
    }
}

impl Proof {
    fn hash(self, parts: &[&[u8]]) -> Vec<u8> {
        fn of<D: Digest>(parts: &[&[u8]]) -> Vec<u8> {
            parts.iter().fold(D::new(), |hash, part| hash.chain_update(part)).finalize().to_vec()
        }
        match self {
            Self::Md5 => of::<Md5>(parts),
            Self::Sha1 => of::<Sha1>(parts),
            Self::Sha224 => of::<Sha224>(parts),
            Self::Sha256 => of::<Sha256>(parts),
            Self::Sha384 => of::<Sha384>(parts),
            Self::Sha512 => of::<Sha512>(parts),
        }
    }

    /// A megabyte of the password, repeated, hashed.
    fn stretched(self, password: &[u8]) -> Vec<u8> {
        let megabyte: Vec<u8> = password.iter().copied().cycle().take(1024 * 1024).collect();
        self.hash(&[&megabyte])
    }

    fn localized(self, key: &[u8], engine: &[u8]) -> Vec<u8> {
        self.hash(&[key, engine, key])
    }

    pub(super) fn seal(self, key: &[u8], message: &[u8]) -> Vec<u8> {
        macro_rules! sealed {
            ($hash:ty) => {{
                let mut mac = <Hmac<$hash> as hmac::KeyInit>::new_from_slice(key).expect("a key of any length will do");
                mac.update(message);
                mac.finalize().into_bytes().to_vec()
            }};
        }
        match self {
            Self::Md5 => sealed!(Md5),
            Self::Sha1 => sealed!(Sha1),
            Self::Sha224 => sealed!(Sha224),
            Self::Sha256 => sealed!(Sha256),
            Self::Sha384 => sealed!(Sha384),
            Self::Sha512 => sealed!(Sha512),
        }
    }

    /// How much of the seal is sent.
    pub(super) const fn sent_bytes(self) -> usize {
        match self {
            Self::Md5 | Self::Sha1 => 12,
            Self::Sha224 => 16,
            Self::Sha256 => 24,
            Self::Sha384 => 32,
            Self::Sha512 => 48,
        }
    }
}

impl Users {
    /// Collects users.
    pub fn of(users: Vec<User>) -> Self {
        Self(users)
    }

    /// Proves and opens a message of which the version has been read.
    pub(super) fn open(&self, packet: &[u8], mut message: Ber<'_>, here: Here<'_>) -> Result<Opened<'_>, SnmpError> {
        let envelope = Envelope::read(&mut message)?;
        let refused = |why| SnmpError::User { user: envelope.name.clone(), why };
        let is_ours = here.authority.is_some_and(|authority| authority.name() == envelope.engine);
        if let Some(authority) = here.authority.filter(|_| !is_ours && envelope.flags & REPORTABLE != 0) {
            let reply = Reply::to((envelope.id, &envelope.name), packet, authority.clock(here.now));
            return Ok(Opened::Asked(authority.report(&reply, UNKNOWN_ENGINE)));
        }
        let known = self.0.iter().find(|user| user.name == envelope.name);
        let user = known.ok_or_else(|| refused("is not configured"))?;
        let keys = user.keys(envelope.engine);
        match (&keys.proof, envelope.flags & AUTH != 0) {
            (Some((kind, key)), true) => {
                if !proves(*kind, key, packet, envelope.seal) {
                    return Err(refused("the authentication password is another one"));
                }
            }
            (Some(_), false) => return Err(refused("must send with authentication")),
            (None, true) => return Err(refused("has no authentication password here")),
            (None, false) => {}
        }
        let is_proven = keys.proof.is_some();
        if let Some(authority) = here.authority.filter(|_| is_ours && is_proven)
            && !authority.is_in_time(envelope.clock, here.now)
        {
            let reply = Reply::to((envelope.id, &envelope.name), packet, authority.clock(here.now));
            let reply = Reply { flags: AUTH, user: Some(user), ..reply };
            return Ok(Opened::Asked(authority.report(&reply, OUT_OF_TIME)));
        }
        let scoped = match (&keys.privacy, envelope.flags & PRIVACY != 0) {
            (Some(key), true) => {
                let (begin, sealed) = (begin(envelope.clock, envelope.salt), message.octets()?);
                let opened = begin.and_then(|begin| unmasked(key, begin, sealed));
                opened.ok_or_else(|| refused("it cannot be decrypted"))?
            }
            (Some(_), false) => return Err(refused("must send with privacy")),
            (None, true) => return Err(refused("has no privacy password here")),
            (None, false) => super::ber::value(0x30, message.tagged(0x30)?),
        };
        let flags = envelope.flags & (AUTH | PRIVACY);
        Ok(Opened::Message { scoped, id: envelope.id, flags, user, is_ours })
    }
}

/// Where and when a message is read.
#[derive(Clone, Copy)]
pub struct Here<'a> {
    /// Our engine; none: no informs of version 3 are taken.
    pub authority: Option<&'a Authority>,
    pub now: Timestamp,
}

/// What a message was.
pub(super) enum Opened<'u> {
    Message {
        scoped: Vec<u8>,
        id: i64,
        flags: u8,
        user: &'u User,
        /// It was sent to our engine.
        is_ours: bool,
    },
    /// The sender wants to know our name or our time: the answer.
    Asked(Vec<u8>),
}

/// What stands around the content.
struct Envelope<'m> {
    id: i64,
    flags: u8,
    engine: &'m [u8],
    clock: Clock,
    name: String,
    seal: &'m [u8],
    salt: &'m [u8],
}

impl<'m> Envelope<'m> {
    fn read(message: &mut Ber<'m>) -> Result<Self, SnmpError> {
        let mut header = message.sequence()?;
        let id = header.integer()?;
        header.integer()?;
        let flags = header.octets()?.first().copied().unwrap_or_default();
        if header.integer()? != 3 {
            return Err(SnmpError::Malformed("the security model is not that of users".into()));
        }
        let mut security = Ber::new(message.octets()?).sequence()?;
        let engine = security.octets()?;
        let clock = Clock { boots: security.integer()?, time: security.integer()? };
        let name = String::from_utf8_lossy(security.octets()?).into_owned();
        Ok(Self { id, flags, engine, clock, name, seal: security.octets()?, salt: security.octets()? })
    }
}

/// Whether the seal is that of the packet, in which it stands as zeros.
fn proves(kind: Proof, key: &[u8], packet: &[u8], seal: &[u8]) -> bool {
    let at = (seal.as_ptr() as usize).wrapping_sub(packet.as_ptr() as usize);
    if seal.len() != kind.sent_bytes() || at.checked_add(seal.len()).is_none_or(|end| end > packet.len()) {
        return false;
    }
    let mut blank = packet.to_vec();
    blank[at..at + seal.len()].fill(0);
    kind.seal(key, &blank)[..seal.len()].ct_eq(seal).into()
}

/// What AES-128 in CFB mode begins with: the engine's clock and the message's salt; none when they are not of the right size.
pub(super) fn begin(clock: Clock, salt: &[u8]) -> Option<[u8; 16]> {
    let mut begin = [0u8; 16];
    begin[..4].copy_from_slice(&u32::try_from(clock.boots).ok()?.to_be_bytes());
    begin[4..8].copy_from_slice(&u32::try_from(clock.time).ok()?.to_be_bytes());
    begin[8..].copy_from_slice(salt.get(..8)?);
    Some(begin)
}

/// Closes a text so.
pub(super) fn masked(key: &[u8], begin: [u8; 16], plain: &[u8]) -> Option<Vec<u8>> {
    cfb(key, begin, plain, |out, _| out)
}

/// Opens it.
fn unmasked(key: &[u8], begin: [u8; 16], sealed: &[u8]) -> Option<Vec<u8>> {
    cfb(key, begin, sealed, |_, sealed| sealed)
}

/// Both ways are the same but for what goes into the next block: always the closed text.
fn cfb(
    key: &[u8],
    mut before: [u8; 16],
    text: &[u8],
    closed: impl for<'a> Fn(&'a [u8], &'a [u8]) -> &'a [u8],
) -> Option<Vec<u8>> {
    let cipher = Aes128::new_from_slice(key.get(..16)?).ok()?;
    let mut all = Vec::with_capacity(text.len());
    for chunk in text.chunks(16) {
        let mut block = before.into();
        cipher.encrypt_block(&mut block);
        let out: Vec<u8> = chunk.iter().zip(block.iter()).map(|(byte, mask)| byte ^ mask).collect();
        before[..chunk.len()].copy_from_slice(closed(&out, chunk));
        all.extend(out);
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of RFC 3414, A.3.
    #[test]
    fn keys_are_those_of_the_standard() {
        let engine = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];
        let key = |kind: Proof| hex::encode(kind.localized(&kind.stretched(b"maplesyrup"), &engine));
        assert_eq!(key(Proof::Md5), "526f5eed9fcce26f8964c2930787d82b");
        assert_eq!(key(Proof::Sha1), "6695febc9288e36282235fc7151f128497b38f3f");
    }

    #[test]
    fn passwords_are_looked_at() {
        let user = |proof, privacy| User::new("u", &Passwords { proof, privacy }).map(drop);
        assert_eq!(user(Some((Proof::Sha1, "short")), None), Err("passwords have at least eight characters"));
        assert!(user(None, Some("long enough")).is_err());
        assert_eq!(user(Some((Proof::Sha1, "long enough")), Some("long enough")), Ok(()));
    }
}
