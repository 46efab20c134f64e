//! Standard Webhooks: who sent it, when, and that nobody changed it.

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use crate::domain::seal::hmac_sha256;

/// Shortest and longest key: 24 to 64 bytes.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// Keys in use at a time: the current one and the one before.
const KEYS_MAX: usize = 2;

/// Keys that sign. Prints as `***`.
#[derive(Clone)]
pub struct Secrets(Vec<Vec<u8>>);

/// Why a secret is not usable. Does not repeat it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// Not in the expected form.
    #[error("a webhook secret is written whsec_ and then base64; make one with: openssl rand -base64 32")]
    Form,
    /// Too short or too long.
    #[error("a webhook secret has 24 to 64 bytes; make one with: openssl rand -base64 32")]
    Length,
    /// Too few or too many.
    #[error("a webhook has one secret, or two while they are exchanged")]
    Number,
}

impl Secrets {
    /// Reads secrets written `whsec_<base64>`; signatures are made with each, in this order.
    ///
    /// # Errors
    /// When one is not usable, or there are none or more than two.
    pub fn parse<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, SecretError> {
        let parse = |text: &str| {
            let text = text.trim().strip_prefix("whsec_").ok_or(SecretError::Form)?;
            let key = BASE64_STANDARD.decode(text).map_err(|_| SecretError::Form)?;
            if KEY_BYTES.contains(&key.len()) { Ok(key) } else { Err(SecretError::Length) }
        };
        let keys: Vec<_> = texts.into_iter().map(parse).collect::<Result<_, _>>()?;
        if (1..=KEYS_MAX).contains(&keys.len()) { Ok(Self(keys)) } else { Err(SecretError::Number) }
    }

    /// The header `webhook-signature`: one signature per secret.
    pub fn sign(&self, id: &str, at_secs: i64, body: &[u8]) -> String {
        let signatures: Vec<String> = self.0.iter().map(|key| sign(key, id, at_secs, body)).collect();
        signatures.join(" ")
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

fn sign(key: &[u8], id: &str, at_secs: i64, body: &[u8]) -> String {
    let head = format!("{id}.{at_secs}.");
    format!("v1,{}", BASE64_STANDARD.encode(hmac_sha256(key, &[head.as_bytes(), body])))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    /// The test vector of the Standard Webhooks libraries.
    #[test]
    fn signs_as_others_do() {
        let secrets = Secrets::parse([SECRET]).unwrap();
        let signature = secrets.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        let both = Secrets::parse([SECRET, SECRET]).unwrap();
        let twice = both.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(twice, format!("{signature} {signature}"));
    }

    #[test]
    fn weak_secrets_are_refused_and_none_is_printed() {
        let check = |text: &str, error| assert_eq!(Secrets::parse([text]).unwrap_err(), error);
        check("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", SecretError::Form);
        check("whsec_not base64", SecretError::Form);
        check("whsec_c2hvcnQ=", SecretError::Length);
        assert_eq!(Secrets::parse([]).unwrap_err(), SecretError::Number);
        assert_eq!(format!("{:?}", Secrets::parse([SECRET]).unwrap()), "***");
    }
}
