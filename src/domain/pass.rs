//! Passes: signed words with which somebody who was told of an incident may act on it, without signing in.
//!
//! A pass names tenant, incident, who acts and by which way they were told, and when it ends; what it allows is done once
//! each, which the journal sees to. Codes and marks are the same for systems that carry a few characters only.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::ids::{IncidentId, TenantId};
use super::seal::{hmac_sha256, same};
use super::time::{Span, Timestamp};

/// The shortest key.
pub const KEY_BYTES_MIN: usize = 32;
/// Bytes of the signature of a pass, of a mark, and digits of a code.
const SIGN_BYTES: usize = 16;
const MARK_BYTES: usize = 9;
const CODE_DIGITS: u32 = 4;
/// The longest pass that is looked at, in characters.
const TEXT_CHARS_MAX: usize = 600;
/// Between the fields of a pass: no name holds it.
const BETWEEN: char = '\u{1f}';

/// What somebody may act on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pass {
    pub tenant: TenantId,
    pub incident: IncidentId,
    /// Who acts: the person who was told, or the receiver where a room was.
    pub actor: Box<str>,
    /// The receiver by which they were told.
    pub via: Box<str>,
    pub ends: Timestamp,
}

/// Why a pass is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PassError {
    #[error("this is no pass of ours, or it was changed")]
    Forged,
    #[error("the time of this pass is over")]
    Over,
}

/// Signs passes and knows its own. Prints as `***`.
#[derive(Clone)]
pub struct Seal(Arc<[u8]>);

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Seal {
    /// A seal with this key; none when it is too short.
    pub fn of(key: &[u8]) -> Option<Self> {
        (key.len() >= KEY_BYTES_MIN).then(|| Self(key.into()))
    }

    /// `purpose` keeps what is signed for one thing from being taken for another.
    fn sign(&self, purpose: &str, text: &str) -> [u8; 32] {
        hmac_sha256(&self.0, &[purpose.as_bytes(), &[0], text.as_bytes()])
    }

    /// The pass as a text that fits into an address.
    pub fn text(&self, pass: &Pass) -> String {
        self.sealed("pass", pass)
    }

    /// A pass with which an executor reports on an action, which is the actor, and does nothing else.
    pub fn report(&self, pass: &Pass) -> String {
        self.sealed("report", pass)
    }

    fn sealed(&self, purpose: &str, pass: &Pass) -> String {
        let minutes = pass.ends.0.div_euclid(60_000);
        let fields = [pass.tenant.as_str(), &pass.incident.to_string(), &pass.actor, &pass.via, &minutes.to_string()];
        let plain = fields.join(&BETWEEN.to_string());
        let sign = self.sign(purpose, &plain);
        URL_SAFE_NO_PAD.encode([&sign[..SIGN_BYTES], plain.as_bytes()].concat())
    }

    /// Reads a pass.
    ///
    /// # Errors
    /// When it is not one of ours, or its time is over.
    pub fn read(&self, text: &str, now: Timestamp) -> Result<Pass, PassError> {
        self.opened("pass", text, now)
    }

    /// Reads a pass of an executor.
    ///
    /// # Errors
    /// As `read`.
    pub fn read_report(&self, text: &str, now: Timestamp) -> Result<Pass, PassError> {
        self.opened("report", text, now)
    }

    fn opened(&self, purpose: &str, text: &str, now: Timestamp) -> Result<Pass, PassError> {
        if text.len() > TEXT_CHARS_MAX {
            return Err(PassError::Forged);
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| PassError::Forged)?;
        let (sign, plain) = bytes.split_at_checked(SIGN_BYTES).ok_or(PassError::Forged)?;
        let plain = std::str::from_utf8(plain).map_err(|_| PassError::Forged)?;
        if !same(&self.sign(purpose, plain)[..SIGN_BYTES], sign) {
            return Err(PassError::Forged);
        }
        let fields: Vec<&str> = plain.split(BETWEEN).collect();
        let [tenant, incident, actor, via, minutes] = fields[..] else { return Err(PassError::Forged) };
        let incident = IncidentId::parse(incident).ok_or(PassError::Forged)?;
        let minutes: i64 = minutes.parse().map_err(|_| PassError::Forged)?;
        let ends = Timestamp(0).plus(Span::mins(minutes));
        if ends <= now {
            return Err(PassError::Over);
        }
        Ok(Pass { tenant: tenant.into(), incident, actor: actor.into(), via: via.into(), ends })
    }

    /// What makes uses of one pass known as such, in the journal.
    pub fn name(&self, text: &str) -> String {
        hex::encode(&self.sign("name", text)[..12])
    }

    /// What somebody answers from a phone: few digits, which mean something from that person only.
    pub fn code(&self, tenant: &TenantId, incident: IncidentId, person: &str) -> String {
        let text = format!("{tenant}{BETWEEN}{incident}{BETWEEN}{person}");
        let sign = self.sign("code", &text);
        let number = u32::from_be_bytes([sign[0], sign[1], sign[2], sign[3]]);
        format!("{:04}", number % 10u32.pow(CODE_DIGITS))
    }

    /// The secret part of a calendar's address: of a roster, until its links are revoked.
    pub fn feed(&self, tenant: &TenantId, roster: &str, revoked: u32) -> String {
        let plain = [tenant.as_str(), roster, &revoked.to_string()].join(&BETWEEN.to_string());
        URL_SAFE_NO_PAD.encode([&self.sign("feed", &plain)[..SIGN_BYTES], plain.as_bytes()].concat())
    }

    /// Reads one: whose calendar it is, and how often links had been revoked when it was made.
    pub fn read_feed(&self, text: &str) -> Option<(TenantId, String, u32)> {
        let bytes = URL_SAFE_NO_PAD.decode(text.get(..text.len().min(TEXT_CHARS_MAX))?).ok()?;
        let (sign, plain) = bytes.split_at_checked(SIGN_BYTES)?;
        let plain = std::str::from_utf8(plain).ok()?;
        if !same(&self.sign("feed", plain)[..SIGN_BYTES], sign) {
            return None;
        }
        let fields: Vec<&str> = plain.split(BETWEEN).collect();
        let [tenant, roster, revoked] = fields[..] else { return None };
        Some((tenant.into(), roster.to_owned(), revoked.parse().ok()?))
    }

    /// What is kept of an address: the same for the same one, and nobody can be reached with it.
    pub fn print(&self, way: &str, address: &str) -> Box<str> {
        hex::encode(&self.sign("address", &format!("{way}{BETWEEN}{address}"))[..16]).into()
    }

    /// Six digits that show that somebody reads what is sent to an address, good within one window of time.
    pub fn proof(&self, print: &str, window: i64) -> String {
        let sign = self.sign("proof", &format!("{print}{BETWEEN}{window}"));
        let number = u32::from_be_bytes([sign[0], sign[1], sign[2], sign[3]]);
        format!("{:06}", number % 1_000_000)
    }

    /// A short mark for buttons, bound to a receiver: `<tenant>:<incident>:<signature>`.
    pub fn mark(&self, tenant: &TenantId, incident: IncidentId, receiver: &str) -> String {
        let plain = format!("{tenant}:{incident}");
        let sign = self.sign("mark", &format!("{plain}{BETWEEN}{receiver}"));
        format!("{plain}:{}", URL_SAFE_NO_PAD.encode(&sign[..MARK_BYTES]))
    }

    /// Reads a mark.
    pub fn read_mark(&self, text: &str, receiver: &str) -> Option<(TenantId, IncidentId)> {
        let (plain, _) = text.rsplit_once(':')?;
        let (tenant, incident) = plain.rsplit_once(':')?;
        let (tenant, incident) = (TenantId::from(tenant), IncidentId::parse(incident)?);
        let own = self.mark(&tenant, incident, receiver);
        same(own, text).then_some((tenant, incident))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seal() -> Seal {
        Seal::of(&[7; 32]).unwrap()
    }

    fn pass() -> Pass {
        let ends = Timestamp::parse("2026-01-08T08:00:00Z").unwrap();
        Pass { tenant: "gov".into(), incident: IncidentId(12), actor: "李".into(), via: "sms".into(), ends }
    }

    #[test]
    fn a_pass_is_read_until_it_ends_and_by_its_own_seal_only() {
        let text = seal().text(&pass());
        assert!(text.len() < 90, "{text}");
        assert_eq!(seal().read(&text, Timestamp(pass().ends.0 - 1)), Ok(pass()));
        assert_eq!(seal().read(&text, pass().ends), Err(PassError::Over));
        assert_eq!(Seal::of(&[8; 32]).unwrap().read(&text, Timestamp(0)), Err(PassError::Forged));
        assert!(Seal::of(&[7; 31]).is_none());
        // A person's pass reports nothing, and an executor's does nothing else.
        assert_eq!(seal().read_report(&text, Timestamp(0)), Err(PassError::Forged));
        let report = seal().report(&pass());
        assert_eq!(seal().read_report(&report, Timestamp(0)), Ok(pass()));
        assert_eq!(seal().read(&report, Timestamp(0)), Err(PassError::Forged));
    }

    #[test]
    fn no_change_of_a_single_character_is_taken() {
        let text = seal().text(&pass());
        for place in 0..text.len() {
            for other in ['A', 'B', '-', '_', '9'] {
                let mut letters: Vec<char> = text.chars().collect();
                if letters[place] == other {
                    continue;
                }
                letters[place] = other;
                let changed: String = letters.into_iter().collect();
                // The last character may carry bits that mean nothing; then the pass is the same one.
                if let Ok(read) = seal().read(&changed, Timestamp(0)) {
                    assert_eq!(read, pass());
                }
            }
        }
        for text in ["", "A", "====", &"A".repeat(700), &text[1..], &text[..text.len() - 4]] {
            assert_eq!(seal().read(text, Timestamp(0)), Err(PassError::Forged), "{text}");
        }
    }

    #[test]
    fn a_mark_fits_into_a_telegram_button_and_is_bound_to_its_receiver() {
        let mark = seal().mark(&"government-cloud".into(), IncidentId(281_474_976_710_700), "bot");
        assert!(mark.len() <= 60, "{mark}");
        let read = Some(("government-cloud".into(), IncidentId(281_474_976_710_700)));
        assert_eq!(seal().read_mark(&mark, "bot"), read);
        assert_eq!(seal().read_mark(&mark, "other"), None);
        assert_eq!(seal().read_mark(&mark.replace("cloud", "claud"), "bot"), None);
        assert_eq!(seal().read_mark("::", "bot"), None);
    }

    #[test]
    fn a_code_is_one_persons() {
        let code = |person| seal().code(&"t".into(), IncidentId(1), person);
        assert_eq!(code("li").len(), 4);
        assert_ne!(code("li"), code("han"));
    }
}
