//! Contacts: the addresses of people, in a file beside the configuration. It is read again when it changes, and nothing of
//! it is ever written anywhere: not into the journal, not into logs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::domain::ids::{PersonId, ReceiverId};
use crate::domain::pass::Seal;
use crate::domain::reach::Way;
use crate::domain::severity::Severity;
use crate::domain::time::{Span, Timestamp};
use crate::engine::effect::Addressee;
use crate::wording::lang::Lang;

/// The largest file, in bytes.
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Among a person's addresses: `zh` or `en`.
const LANGUAGE: &str = "language";

/// Digits of the shortest number that is compared as one.
const NUMBER_DIGITS_MIN: usize = 5;

/// One person's addresses: by the name of a receiver, or by what a receiver's kind takes (`mobile`, `mail`).
type Addresses = BTreeMap<Box<str>, String>;

/// What a kind of receiver takes for an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    Mobile,
    Mail,
    /// A name in the system, which stands under the receiver's name.
    Own,
}

impl Takes {
    /// The key in the file.
    pub const fn key(self) -> Option<&'static str> {
        match self {
            Self::Mobile => Some("mobile"),
            Self::Mail => Some("mail"),
            Self::Own => None,
        }
    }
}

/// Which addresses are used for pages: the section `verify_contacts`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "VerifyContacts")]
pub struct Verify {
    /// Only those that the person has shown to be theirs, by a code that was sent there.
    pub required: bool,
    /// Something this severe is sent all the same; none: nothing is.
    pub unless: Option<Severity>,
}

/// The addresses of people.
#[derive(Clone, Default)]
pub struct Contacts {
    file: Option<Arc<(PathBuf, Mutex<Read>)>>,
    verify: Verify,
    seal: Option<Seal>,
}

/// How long a code is the newest.
const CODE_SPAN: Span = Span::mins(10);

/// What was read last.
#[derive(Default)]
struct Read {
    at: Option<SystemTime>,
    people: Arc<BTreeMap<PersonId, Addresses>>,
}

/// What is wrong with the file.
#[derive(Debug, thiserror::Error)]
pub enum ContactsError {
    #[error("contacts: {path} cannot be read: {error}")]
    File { path: PathBuf, error: std::io::Error },
    #[error("contacts: {path} is larger than {FILE_BYTES_MAX} bytes")]
    Large { path: PathBuf },
    /// The text itself is left out: it holds addresses.
    #[error("contacts: {path}:{line}: write `person: {{ mobile: \"13800000000\", mail: a@example.org }}`")]
    Unreadable { path: PathBuf, line: u64 },
}

#[derive(Deserialize, JsonSchema)]
#[serde(transparent)]
struct Text(BTreeMap<PersonId, Addresses>);

/// The JSON Schema of the file.
pub fn form() -> schemars::Schema {
    schemars::schema_for!(Text)
}

fn read(path: &Path) -> Result<(Option<SystemTime>, BTreeMap<PersonId, Addresses>), ContactsError> {
    let failed = |error| ContactsError::File { path: path.to_owned(), error };
    let about = std::fs::metadata(path).map_err(failed)?;
    if about.len() > FILE_BYTES_MAX {
        return Err(ContactsError::Large { path: path.to_owned() });
    }
    let text = std::fs::read_to_string(path).map_err(failed)?;
    if text.trim().is_empty() {
        return Ok((about.modified().ok(), BTreeMap::new()));
    }
    let parsed: Result<Text, serde_saphyr::Error> = serde_saphyr::from_str(&text);
    let Text(people) = parsed.map_err(|error| {
        let line = error.location().map_or(0, |location| location.line());
        ContactsError::Unreadable { path: path.to_owned(), line }
    })?;
    Ok((about.modified().ok(), people))
}

impl Contacts {
    /// Reads the file.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn open(path: &Path) -> Result<Self, ContactsError> {
        let (at, people) = read(path)?;
        let last = Mutex::new(Read { at, people: Arc::new(people) });
        Ok(Self { file: Some(Arc::new((path.to_owned(), last))), ..Self::default() })
    }

    /// The same, where people show that addresses are theirs.
    #[must_use]
    pub fn verified(self, verify: Verify, seal: Option<&Seal>) -> Self {
        Self { verify, seal: seal.cloned(), ..self }
    }

    /// How a person is reached by a receiver; none: they have no address for it.
    pub fn way(&self, person: &PersonId, receiver: &ReceiverId, takes: Takes, now: Timestamp) -> Option<Way> {
        let address = self.address(person, receiver, takes)?;
        let key: Box<str> = takes.key().unwrap_or(receiver.as_str()).into();
        let print = self.seal.as_ref().map(|seal| seal.print(&key, &address)).unwrap_or_default();
        let window = now.0.div_euclid(CODE_SPAN.0);
        let code = |window| self.seal.as_ref().map(|seal| seal.proof(&print, window)).unwrap_or_default();
        let codes = [code(window), code(window - 1)];
        Some(Way { key, masked: masked(&address), print, codes, is_asked: self.verify.required })
    }

    /// Whether a page may go to an address of the person's.
    pub fn may_page(&self, to: &Addressee, severity: Severity, key: &str, address: &str) -> bool {
        if !self.verify.required || self.verify.unless.is_some_and(|unless| severity >= unless) {
            return true;
        }
        self.seal.as_ref().is_some_and(|seal| to.verified.contains(&seal.print(key, address)))
    }

    fn people(&self) -> Arc<BTreeMap<PersonId, Addresses>> {
        let Some(file) = &self.file else { return Arc::default() };
        let (path, last) = &**file;
        let mut last = last.lock().expect("nobody panics while holding it");
        let changed = std::fs::metadata(path).and_then(|about| about.modified()).ok();
        if changed != last.at {
            match read(path) {
                Ok((at, people)) => *last = Read { at, people: Arc::new(people) },
                Err(error) => {
                    // Told once per change; the addresses that were known are better than none.
                    last.at = changed;
                    tracing::error!(%error, "contacts are not read again: those that were known hold on");
                }
            }
        }
        last.people.clone()
    }

    /// Where a person is reached by a receiver.
    pub fn address(&self, person: &PersonId, receiver: &ReceiverId, takes: Takes) -> Option<String> {
        let people = self.people();
        let addresses = people.get(person)?;
        let own = addresses.get(receiver.as_str());
        own.or_else(|| addresses.get(takes.key()?)).map(|address| address.trim().to_owned()).filter(|a| !a.is_empty())
    }

    /// In which language a person reads messages; none: as the receiver writes.
    pub fn language(&self, person: &PersonId) -> Option<Lang> {
        let people = self.people();
        serde_json::from_value(people.get(person)?.get(LANGUAGE)?.trim().into()).ok()
    }

    /// Who is reached at this address by a receiver, or from which number somebody answers. An address that two people share
    /// is nobody's.
    pub fn owner_of(&self, receiver: &ReceiverId, address: &str) -> Option<PersonId> {
        let wanted = digits(address);
        let people = self.people();
        let has = |addresses: &Addresses| {
            let own = addresses.get(receiver.as_str()).is_some_and(|own| own.trim() == address);
            own || (wanted.len() >= NUMBER_DIGITS_MIN && addresses.values().any(|known| digits(known) == wanted))
        };
        let mut found = people.iter().filter(|(_, addresses)| has(addresses)).map(|(person, _)| person.clone());
        let first = found.next()?;
        found.next().is_none().then_some(first)
    }
}

/// The digits of a number without the country code of China or an international prefix.
fn digits(number: &str) -> String {
    let all: String = number.chars().filter(char::is_ascii_digit).collect();
    if number.contains(|letter: char| letter.is_alphabetic() || letter == '@') {
        return String::new();
    }
    let national = all.strip_prefix("0086").or_else(|| all.strip_prefix("86")).filter(|rest| rest.len() == 11);
    national.map_or(all.clone(), str::to_owned)
}

/// An address that may be shown: its beginning and end.
pub fn masked(address: &str) -> String {
    let letters: Vec<char> = address.chars().collect();
    match letters.iter().position(|letter| *letter == '@') {
        Some(at) => format!(
            "{}***{}",
            letters[..at.min(1)].iter().collect::<String>(),
            letters[at..].iter().collect::<String>()
        ),
        None if letters.len() >= 8 => {
            let (first, last) = (&letters[..3], &letters[letters.len() - 2..]);
            format!("{}***{}", first.iter().collect::<String>(), last.iter().collect::<String>())
        }
        None => "***".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_found_by_receiver_or_kind_and_a_file_that_changes_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("contacts.yaml");
        std::fs::write(
            &path,
            "li: { mobile: \"+86 138 0000 0000\", mail: li@example.org, room: ou_1 }\nhan: { mobile: \"13900000000\" }",
        )
        .unwrap();
        let contacts = Contacts::open(&path).unwrap();
        let find = |person: &str, receiver: &str, takes| contacts.address(&person.into(), &receiver.into(), takes);
        assert_eq!(find("li", "sms", Takes::Mobile).as_deref(), Some("+86 138 0000 0000"));
        assert_eq!(find("li", "room", Takes::Mobile).as_deref(), Some("ou_1"));
        assert_eq!(find("han", "room", Takes::Own), None);
        assert_eq!(contacts.owner_of(&"sms".into(), "8613800000000"), Some("li".into()));
        assert_eq!(contacts.owner_of(&"sms".into(), "13900000000"), Some("han".into()));
        assert_eq!(contacts.owner_of(&"sms".into(), "li@example.org"), None);
        std::fs::write(&path, "han: { mobile: \"13800000001\" }").unwrap();
        let later = SystemTime::now() + std::time::Duration::from_secs(5);
        std::fs::File::open(&path).unwrap().set_modified(later).unwrap();
        assert_eq!(find("han", "sms", Takes::Mobile).as_deref(), Some("13800000001"));
        assert_eq!(find("li", "sms", Takes::Mobile), None, "who is taken out is not reached any more");
        std::fs::write(&path, "han: [not this]").unwrap();
        std::fs::File::open(&path).unwrap().set_modified(later + std::time::Duration::from_secs(5)).unwrap();
        assert_eq!(find("han", "sms", Takes::Mobile).as_deref(), Some("13800000001"), "a bad file changes nothing");
        let error = Contacts::open(&path).err().unwrap().to_string();
        assert!(error.contains("contacts.yaml:1") && !error.contains("not this"), "{error}");
    }

    #[test]
    fn addresses_are_shown_masked() {
        assert_eq!(masked("13800000000"), "138***00");
        assert_eq!(masked("li.lei@example.org"), "l***@example.org");
        assert_eq!(masked("U123"), "***");
        assert_eq!(masked("@x"), "***@x");
    }
}
