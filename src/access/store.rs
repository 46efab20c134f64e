//! Credentials in memory: proves tokens, follows changes of the file within seconds, remembers when each was used.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use arc_swap::ArcSwap;

use super::file::{self, AccessError, Deed, Done, Mark, Record};
use super::token::{Token, TokenHash, id};
use crate::domain::access::{Credential, Role};
use crate::domain::ci::Area;
use crate::domain::ids::{OrgId, TenantId};
use crate::domain::time::{Span, Timestamp};

/// How often the file is looked at: a revoked token dies within this time everywhere.
const LOOK_EVERY: Span = Span::secs(2);
/// The longest name, in characters.
const NAME_CHARS_MAX: usize = 64;

/// A credential to be made.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Letters, digits, `.`, `_` and `-`. Several credentials may share a name: that is how keys are rotated.
    pub name: String,
    pub role: Role,
    pub tenant: TenantId,
    pub orgs: Option<BTreeSet<OrgId>>,
    pub areas: Option<BTreeSet<Area>>,
    pub expires_at: Option<Timestamp>,
}

/// All credentials of one file.
pub struct Tokens {
    path: PathBuf,
    loaded: ArcSwap<Loaded>,
    /// When the file was last looked at, by the clock of the callers.
    looked_at: AtomicI64,
}

#[derive(Default)]
struct Loaded {
    mark: Option<Mark>,
    by_id: BTreeMap<Box<str>, Arc<Entry>>,
}

struct Entry {
    record: Record,
    hash: TokenHash,
    credential: Arc<Credential>,
    used_at: AtomicI64,
}

impl Tokens {
    /// Reads the file; one that is not there yet has no credentials.
    pub fn open(path: &Path) -> Result<Self, AccessError> {
        let tokens = Self { path: path.into(), loaded: ArcSwap::default(), looked_at: AtomicI64::new(0) };
        tokens.load()?;
        Ok(tokens)
    }

    /// Who bears this token, unless it is unknown, revoked or expired. Compares in constant time.
    pub fn verify(&self, token: &str, now: Timestamp) -> Option<Arc<Credential>> {
        self.look(now);
        let (hash, id) = (TokenHash::of(token), id(token)?);
        if !self.loaded.load().by_id.contains_key(id) {
            // Perhaps it was made a moment ago: who has just got a token can use it at once.
            self.follow();
        }
        let loaded = self.loaded.load();
        let entry = loaded.by_id.get(id)?;
        if !(entry.hash.is(&hash) && entry.is_alive(now)) {
            return None;
        }
        entry.used_at.fetch_max(now.0, Ordering::Relaxed);
        Some(Arc::clone(&entry.credential))
    }

    /// The credential with this id, unless it is revoked or expired: for who has proven it before.
    pub fn proven(&self, id: &str, now: Timestamp) -> Option<Arc<Credential>> {
        self.look(now);
        let loaded = self.loaded.load();
        let entry = loaded.by_id.get(id).filter(|entry| entry.is_alive(now))?;
        entry.used_at.fetch_max(now.0, Ordering::Relaxed);
        Some(Arc::clone(&entry.credential))
    }

    /// A seal over a text that only those can make who know the credential; none when it is revoked or expired.
    pub fn seal(&self, id: &str, text: &str, now: Timestamp) -> Option<String> {
        self.look(now);
        let loaded = self.loaded.load();
        loaded.by_id.get(id).filter(|entry| entry.is_alive(now)).map(|entry| entry.hash.seal(text))
    }

    /// Makes a credential and keeps its hash. The token is in the answer and nowhere else.
    pub fn create(&self, wanted: Wanted, now: Timestamp) -> Result<Token, AccessError> {
        self.keep(Token::random(), wanted, now, Vec::new())
    }

    /// The same on the command line, by whom the system says it is: a running service notes it.
    pub fn create_here(&self, wanted: Wanted, by: &str, now: Timestamp) -> Result<Token, AccessError> {
        self.keep(Token::random(), wanted, now, made(by, now))
    }

    /// Makes a credential for a source that takes no token longer than 32 characters.
    pub fn create_key(&self, wanted: Wanted, by: &str, now: Timestamp) -> Result<Token, AccessError> {
        if wanted.role != Role::Source {
            return Err(AccessError::Refused("a short key is for the role source only".into()));
        }
        self.keep(Token::random_key(), wanted, now, made(by, now))
    }

    fn keep(&self, token: Token, wanted: Wanted, now: Timestamp, to_note: Vec<Deed>) -> Result<Token, AccessError> {
        check_name(&wanted.name)?;
        let record = Record {
            id: token.id().into(),
            name: wanted.name.into(),
            role: wanted.role,
            tenant: wanted.tenant,
            orgs: wanted.orgs,
            areas: wanted.areas,
            sha256: token.hash().to_hex().into(),
            created_at: now,
            expires_at: wanted.expires_at,
            revoked_at: None,
            last_used_at: None,
            to_note,
        };
        file::edit(&self.path, |records| {
            records.push(record);
            Ok(())
        })?;
        self.load()?;
        Ok(token)
    }

    /// Ends a credential by its id; it stays in the list. Ending it again changes nothing.
    pub fn revoke(&self, id: &str, now: Timestamp) -> Result<(), AccessError> {
        self.end(id, None, now)
    }

    /// The same on the command line, by whom the system says it is: a running service notes it.
    pub fn revoke_here(&self, id: &str, by: &str, now: Timestamp) -> Result<(), AccessError> {
        self.end(id, Some(Deed { what: Done::Ended, by: by.into(), at: now }), now)
    }

    fn end(&self, id: &str, deed: Option<Deed>, now: Timestamp) -> Result<(), AccessError> {
        file::edit(&self.path, |records| {
            let record = records.iter_mut().find(|record| *record.id == *id);
            let record = record.ok_or_else(|| AccessError::Refused(format!("there is no credential {id:?}")))?;
            if record.revoked_at.is_none() {
                record.revoked_at = Some(now);
                record.to_note.extend(deed);
            }
            Ok(())
        })?;
        self.load()
    }

    /// What was done on the command line and is not noted yet.
    pub fn to_note(&self, now: Timestamp) -> Vec<Record> {
        self.look(now);
        let loaded = self.loaded.load();
        let waiting = loaded.by_id.values().filter(|entry| !entry.record.to_note.is_empty());
        waiting.map(|entry| entry.record.clone()).collect()
    }

    /// It is noted now; what was done since waits.
    pub fn noted(&self, record: &Record) -> Result<(), AccessError> {
        file::edit(&self.path, |records| {
            if let Some(kept) = records.iter_mut().find(|kept| kept.id == record.id) {
                kept.to_note.retain(|deed| !record.to_note.contains(deed));
            }
            Ok(())
        })?;
        self.load()
    }

    /// All credentials by id, with the last use that is known here.
    pub fn list(&self) -> Vec<Record> {
        let loaded = self.loaded.load();
        loaded.by_id.values().map(|entry| Record { last_used_at: entry.last_used(), ..entry.record.clone() }).collect()
    }

    /// Whether there is any live credential: without one nobody can get in.
    pub fn is_empty(&self, now: Timestamp) -> bool {
        !self.loaded.load().by_id.values().any(|entry| entry.is_alive(now))
    }

    /// Writes down when the credentials were last used. Call it now and then, and before stopping.
    pub fn save_uses(&self) -> Result<(), AccessError> {
        let loaded = self.loaded.load();
        let news = |record: &Record| {
            let used = loaded.by_id.get(&record.id)?.last_used();
            (used > record.last_used_at).then_some(used)
        };
        if !loaded.by_id.values().any(|entry| news(&entry.record).is_some()) {
            return Ok(());
        }
        file::edit(&self.path, |records| {
            for record in records {
                record.last_used_at = news(record).unwrap_or(record.last_used_at);
            }
            Ok(())
        })?;
        self.load()
    }

    /// Reads the file again when it has changed. A file that cannot be read leaves things as they are and is logged.
    fn look(&self, now: Timestamp) {
        let looked_at = self.looked_at.load(Ordering::Relaxed);
        // A clock that was set back must not stop us from looking.
        let due = now.0 >= looked_at.saturating_add(LOOK_EVERY.0) || now.0 < looked_at;
        let mine =
            due && self.looked_at.compare_exchange(looked_at, now.0, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if mine {
            self.follow();
        }
    }

    fn follow(&self) {
        let changed = file::mark(&self.path).is_ok_and(|mark| mark != self.loaded.load().mark);
        if changed && let Err(error) = self.load() {
            tracing::error!(%error, "credentials not read again, the old ones stay");
        }
    }

    fn load(&self) -> Result<(), AccessError> {
        let (records, mark) = file::read(&self.path)?;
        let before = self.loaded.load();
        let mut by_id = BTreeMap::new();
        for record in records {
            let hash = TokenHash::parse(&record.sha256).ok_or_else(|| AccessError::Unreadable {
                path: self.path.clone(),
                cause: format!("sha256 of {} is not 64 hex digits", record.id),
            })?;
            let used = before.by_id.get(&record.id).and_then(|entry| entry.last_used()).max(record.last_used_at);
            let credential = Credential {
                id: record.id.clone(),
                tenant: record.tenant.clone(),
                name: record.name.clone(),
                role: record.role,
                orgs: record.orgs.clone(),
                areas: record.areas.clone(),
            };
            let used_at = AtomicI64::new(used.map_or(0, |at| at.0));
            let entry = Entry { hash, credential: Arc::new(credential), used_at, record };
            by_id.insert(entry.record.id.clone(), Arc::new(entry));
        }
        self.loaded.store(Arc::new(Loaded { mark, by_id }));
        Ok(())
    }
}

impl Entry {
    fn is_alive(&self, now: Timestamp) -> bool {
        self.record.revoked_at.is_none() && self.record.expires_at.is_none_or(|end| now < end)
    }

    fn last_used(&self) -> Option<Timestamp> {
        let used_at = self.used_at.load(Ordering::Relaxed);
        (used_at > 0).then_some(Timestamp(used_at))
    }
}

fn made(by: &str, at: Timestamp) -> Vec<Deed> {
    vec![Deed { what: Done::Made, by: by.into(), at }]
}

fn check_name(name: &str) -> Result<(), AccessError> {
    let length = name.chars().count();
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-');
    if (1..=NAME_CHARS_MAX).contains(&length) && name.chars().all(plain) {
        return Ok(());
    }
    Err(AccessError::Refused(format!(
        "name {name:?}: use 1 to {NAME_CHARS_MAX} letters, digits, dots, underscores and hyphens"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(name: &str, expires_at: Option<Timestamp>) -> Wanted {
        Wanted {
            name: name.into(),
            role: Role::Source,
            tenant: TenantId::from("city"),
            orgs: None,
            areas: None,
            expires_at,
        }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp(seconds * 1000)
    }

    #[test]
    fn a_token_lives_from_its_making_to_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let tokens = Tokens::open(&folder.path().join("tokens.json")).unwrap();
        assert!(tokens.is_empty(at(1)));
        let lasting = tokens.create(wanted("bms", None), at(1)).unwrap();
        let short = tokens.create(wanted("bms", Some(at(100))), at(1)).unwrap();
        let name = |token: &Token, now| tokens.verify(token.reveal(), now).map(|credential| credential.name.clone());
        assert_eq!(name(&lasting, at(2)).as_deref(), Some("bms"));
        assert_eq!(name(&short, at(99)).as_deref(), Some("bms"));
        assert_eq!(name(&short, at(100)), None);
        assert_eq!(name(&Token::random(), at(2)), None);
        tokens.revoke(lasting.id(), at(3)).unwrap();
        assert_eq!(name(&lasting, at(3)), None);
        assert!(tokens.revoke("nobody", at(3)).is_err() && tokens.is_empty(at(100)));
    }

    #[test]
    fn another_process_is_followed_within_seconds() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens.json");
        let (service, command) = (Tokens::open(&path).unwrap(), Tokens::open(&path).unwrap());
        let token = command.create(wanted("bms", None), at(1)).unwrap();
        assert!(service.verify(token.reveal(), at(10)).is_some());
        command.revoke(token.id(), at(10)).unwrap();
        assert!(service.verify(token.reveal(), at(11)).is_some(), "not looked at yet");
        assert!(service.verify(token.reveal(), at(12)).is_none());
        service.save_uses().unwrap();
        let kept = Tokens::open(&path).unwrap().list();
        assert_eq!((kept.len(), kept[0].last_used_at, kept[0].revoked_at), (1, Some(at(11)), Some(at(10))));
    }

    #[test]
    fn the_file_holds_no_token_and_is_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens.json");
        let token = Tokens::open(&path).unwrap().create(wanted("bms", None), at(1)).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let secret = &token.reveal()[16..];
        assert!(!text.contains(secret) && !text.contains(&secret[..64]));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
            let error = Tokens::open(&path).err().expect("refused").to_string();
            assert!(error.contains("chmod 600"), "{error}");
        }
    }

    #[test]
    fn a_broken_file_changes_nothing_while_running_and_stops_a_start() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens.json");
        let tokens = Tokens::open(&path).unwrap();
        let token = tokens.create(wanted("bms", None), at(1)).unwrap();
        std::fs::write(&path, "{").unwrap();
        assert!(tokens.verify(token.reveal(), at(10)).is_some());
        assert!(Tokens::open(&path).is_err());
    }

    #[test]
    fn names_are_plain() {
        let check = |name: &str, good| assert_eq!(check_name(name).is_ok(), good, "{name}");
        check("bms-1.east", true);
        check("机房", true);
        check("", false);
        check("a b", false);
        check("a/b", false);
        check(&"x".repeat(65), false);
    }
}
