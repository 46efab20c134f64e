//! What a token looks like: `hw_<id>_<secret><check>`.
//!
//! The id (12 hex digits) finds the record, the secret is 256 random bits, and the check (CRC-32 of all before it)
//! lets scanners and people recognise a token, and refuses a mistyped one without a look into the file. Only the
//! SHA-256 of the whole token is ever kept.
//!
//! Some senders take no token longer than 32 characters (`routing_key`, `access_token`). For them there are keys: 32 hex digits
//! of which the first 12 find the record and the other 80 bits are secret.

use std::fmt;

use flate2::Crc;
use rand::RngCore;
use rand::rngs::OsRng;
use sha2::{Digest, Sha256};

use crate::domain::seal::{hmac_sha256, same};

const PREFIX: &str = "hw_";
const ID_BYTES: usize = 6;
const SECRET_BYTES: usize = 32;
const CHECK_CHARS: usize = 8;
/// The length of every key.
const KEY_CHARS: usize = 32;
/// The length of every token.
const CHARS: usize = PREFIX.len() + 2 * ID_BYTES + 1 + 2 * SECRET_BYTES + CHECK_CHARS;

/// A token in the open: shown once, when it is made. Prints as `***`.
pub struct Token(String);

impl Token {
    /// Makes a token from the system's randomness.
    pub fn random() -> Self {
        let mut bytes = [0; ID_BYTES + SECRET_BYTES];
        OsRng.fill_bytes(&mut bytes);
        let (id, secret) = bytes.split_at(ID_BYTES);
        let body = format!("{PREFIX}{}_{}", hex::encode(id), hex::encode(secret));
        let check = check(&body);
        Self(body + &check)
    }

    /// Makes a key for senders that take nothing longer.
    pub fn random_key() -> Self {
        let mut bytes = [0; KEY_CHARS / 2];
        OsRng.fill_bytes(&mut bytes);
        Self(hex::encode(bytes))
    }

    /// The id within it.
    pub fn id(&self) -> &str {
        id(&self.0).expect("a token is made well-formed")
    }

    /// Its hash, which is what the file keeps.
    pub fn hash(&self) -> TokenHash {
        TokenHash::of(&self.0)
    }

    /// The text, to be shown to whoever asked for it and to nobody else.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(***)")
    }
}

/// The id of a well-formed token; `None` for anything else.
pub fn id(token: &str) -> Option<&str> {
    let hex = |text: &str| text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if token.len() == KEY_CHARS && hex(token) {
        return Some(&token[..2 * ID_BYTES]);
    }
    if token.len() != CHARS || !token.is_ascii() {
        return None;
    }
    let (body, have) = token.split_at(CHARS - CHECK_CHARS);
    let (id, secret) = body.strip_prefix(PREFIX)?.split_once('_')?;
    let whole = id.len() == 2 * ID_BYTES && hex(id) && hex(secret);
    (whole && check(body) == have).then_some(id)
}

fn check(body: &str) -> String {
    let mut crc = Crc::new();
    crc.update(body.as_bytes());
    format!("{:08x}", crc.sum())
}

/// The SHA-256 of a token.
#[derive(Clone, Debug)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// Hashes a token as it was sent.
    pub fn of(token: &str) -> Self {
        Self(Sha256::digest(token.as_bytes()).into())
    }

    /// Reads 64 hex digits.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).ok()?;
        Some(Self(bytes))
    }

    /// Writes 64 hex digits.
    pub fn to_hex(&self) -> String {
        hex::encode(self.0)
    }

    /// What only those can make who keep this hash, in hex.
    pub fn seal(&self, text: &str) -> String {
        hex::encode(hmac_sha256(&self.0, &[text.as_bytes()]))
    }

    /// Compares in constant time.
    pub fn is(&self, other: &Self) -> bool {
        same(self.0, other.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_told_from_anything_else() {
        let token = Token::random();
        assert_eq!(id(token.reveal()), Some(token.id()));
        assert!(!format!("{token:?}").contains(token.id()));
        for at in 0..CHARS {
            let mut other = token.reveal().to_owned().into_bytes();
            other[at] = if other[at] == b'0' { b'1' } else { b'0' };
            assert_eq!(id(std::str::from_utf8(&other).unwrap()), None, "changed at {at}");
        }
        for other in ["", "hw_", &token.reveal()[..CHARS - 1], &format!("{}0", token.reveal()), &"é".repeat(44)] {
            assert_eq!(id(other), None, "{other}");
        }
    }

    #[test]
    fn a_key_has_an_id_and_no_more_than_32_characters() {
        let key = Token::random_key();
        assert_eq!((key.reveal().len(), id(key.reveal())), (KEY_CHARS, Some(key.id())));
        assert_eq!(id(&key.reveal().to_uppercase().replace(|c: char| c.is_ascii_digit(), "G")), None);
    }

    #[test]
    fn two_tokens_differ_and_so_do_their_hashes() {
        let (a, b) = (Token::random(), Token::random());
        assert!(a.id() != b.id() && !a.hash().is(&b.hash()) && a.hash().is(&TokenHash::of(a.reveal())));
        assert!(TokenHash::parse(&a.hash().to_hex()).unwrap().is(&a.hash()));
        assert!(TokenHash::parse("abc").is_none());
    }
}
