//! Views of the board that people keep: filters under a name, for oneself or for everybody. They are in a file of the data
//! folder; where several instances share a journal, on its servers, and each has a copy in its file.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use serde::{Deserialize, Serialize};

use crate::domain::ids::TenantId;
use crate::private;

/// The file's name in the data folder.
pub const VIEWS_FILE: &str = "board-views.json";
/// The version of the file's format.
const FORMAT: u32 = 1;
/// A larger file is not ours, in bytes.
const BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Views that one person keeps, and those of a tenant that everybody sees.
const OWN_MAX: usize = 50;
const SHARED_MAX: usize = 200;

/// One view as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kept {
    pub tenant: TenantId,
    /// Who keeps it: the name of the credential.
    pub owner: Box<str>,
    pub name: String,
    /// The board's address behind the question mark.
    pub query: String,
    /// Everybody of the tenant sees it.
    pub shared: bool,
}

impl Kept {
    fn is_same(&self, other: &Self) -> bool {
        self.tenant == other.tenant && self.owner == other.owner && self.name == other.name
    }
}

/// Why a view is not kept.
#[derive(Debug, thiserror::Error)]
pub enum ViewError {
    #[error("you keep {OWN_MAX} views: drop one")]
    TooMany,
    #[error("{SHARED_MAX} views are shared: drop one")]
    TooManyShared,
    #[error("views cannot be written")]
    Io(#[from] io::Error),
    #[error("the servers with the views: {0}")]
    Away(String),
}

/// What all instances share: one text, the newest one. Its calls block.
pub trait Board: Send + Sync {
    /// The text and its number; none when nobody has kept anything.
    ///
    /// # Errors
    /// Why it cannot be read.
    fn read(&self) -> Result<Option<(u64, Vec<u8>)>, String>;
    /// Puts a text in the place of the one with this number (0: none); `false`: somebody else was quicker.
    ///
    /// # Errors
    /// Why it cannot be written.
    fn replace(&self, behind: u64, text: Vec<u8>) -> Result<bool, String>;
}

/// How often a change is tried again when somebody else was quicker.
const TRIES: usize = 20;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    format: u32,
    views: Vec<Kept>,
}

/// All views. Without a file they end with the program.
#[derive(Default)]
pub struct Views {
    file: Option<PathBuf>,
    board: Option<Arc<dyn Board>>,
    kept: Mutex<Vec<Kept>>,
}

impl Views {
    /// Reads the views of a data folder; a file that is not there has none.
    ///
    /// # Errors
    /// When it cannot be read, or is none of ours.
    pub fn open(data: &Path) -> io::Result<Self> {
        let file = data.join(VIEWS_FILE);
        let kept = Mutex::new(read(&file)?);
        Ok(Self { file: Some(file), board: None, kept })
    }

    /// The same with others: what stands on the board counts. While it has nothing, what this instance had before does.
    ///
    /// # Errors
    /// As `open`.
    pub fn shared(data: &Path, board: Arc<dyn Board>) -> io::Result<Self> {
        Ok(Self { board: Some(board), ..Self::open(data)? })
    }

    fn kept(&self) -> MutexGuard<'_, Vec<Kept>> {
        self.kept.lock().expect("nobody panics while holding it")
    }

    /// What somebody sees: their own views, and those that are shared. While the board is away, as they were known last.
    pub fn seen(&self, tenant: &TenantId, who: &str) -> Vec<Kept> {
        let mut kept = self.kept();
        if let Some(board) = &self.board
            && let Ok(Some((_, views))) = on(board).inspect_err(|why| tracing::warn!(why, "views are as last known"))
            && views != *kept
        {
            self.copy(&views);
            *kept = views;
        }
        kept.iter().filter(|view| view.tenant == *tenant && (view.shared || *view.owner == *who)).cloned().collect()
    }

    /// Keeps a view; one of the same name and owner is replaced.
    ///
    /// # Errors
    /// When there are too many, or it cannot be written: then nothing is changed.
    pub fn keep(&self, view: Kept) -> Result<(), ViewError> {
        self.change(|views| {
            let view = view.clone();
            views.retain(|known| !known.is_same(&view));
            let of_tenant = || views.iter().filter(|known| known.tenant == view.tenant);
            if view.shared && of_tenant().filter(|known| known.shared).count() >= SHARED_MAX {
                return Err(ViewError::TooManyShared);
            }
            if of_tenant().filter(|known| known.owner == view.owner).count() >= OWN_MAX {
                return Err(ViewError::TooMany);
            }
            views.push(view);
            Ok(())
        })
    }

    /// Drops a view; `false`: there was none.
    ///
    /// # Errors
    /// When that cannot be written: then it is still there.
    pub fn drop_one(&self, tenant: &TenantId, owner: &str, name: &str) -> Result<bool, ViewError> {
        let mut was_there = false;
        self.change(|views| {
            let before = views.len();
            views.retain(|known| known.tenant != *tenant || *known.owner != *owner || known.name != name);
            was_there = views.len() < before;
            Ok(())
        })?;
        Ok(was_there)
    }

    fn change(&self, mut edit: impl FnMut(&mut Vec<Kept>) -> Result<(), ViewError>) -> Result<(), ViewError> {
        let mut kept = self.kept();
        let mut edited = |mut views: Vec<Kept>| {
            edit(&mut views)?;
            views.sort_by(|a, b| (&a.tenant, &a.owner, &a.name).cmp(&(&b.tenant, &b.owner, &b.name)));
            Ok::<_, ViewError>(views)
        };
        let Some(board) = &self.board else {
            let views = edited(kept.clone())?;
            if let Some(file) = &self.file {
                write(file, &views)?;
            }
            *kept = views;
            return Ok(());
        };
        for _ in 0..TRIES {
            let (behind, known) = on(board).map_err(ViewError::Away)?.unwrap_or_else(|| (0, kept.clone()));
            let views = edited(known)?;
            if board.replace(behind, written(&views)).map_err(ViewError::Away)? {
                self.copy(&views);
                *kept = views;
                return Ok(());
            }
        }
        Err(ViewError::Away("others are always quicker; try again".into()))
    }

    /// A copy for backups, and for the time when this instance is alone again.
    fn copy(&self, views: &[Kept]) {
        if let Some(file) = &self.file
            && let Err(error) = write(file, views)
        {
            tracing::warn!(%error, "the copy of the views is not written");
        }
    }
}

/// What stands on the board.
fn on(board: &Arc<dyn Board>) -> Result<Option<(u64, Vec<Kept>)>, String> {
    let Some((seq, text)) = board.read()? else { return Ok(None) };
    Ok(Some((seq, parsed(&text)?)))
}

/// Reads a text of ours.
fn parsed(text: &[u8]) -> Result<Vec<Kept>, String> {
    let Content { format, views } =
        serde_json::from_slice(text).map_err(|error| format!("{error}; mend it or move it away"))?;
    if format == FORMAT { Ok(views) } else { Err(format!("format {format}: this program reads {FORMAT}")) }
}

fn written(views: &[Kept]) -> Vec<u8> {
    let content = Content { format: FORMAT, views: views.to_vec() };
    serde_json::to_vec_pretty(&content).expect("views are plain data")
}

fn read(file: &Path) -> io::Result<Vec<Kept>> {
    let wrong = |why: String| io::Error::new(io::ErrorKind::InvalidData, format!("{}: {why}", file.display()));
    let meta = match fs::metadata(file) {
        Ok(meta) => meta,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    if meta.len() > BYTES_MAX {
        return Err(wrong(format!("larger than {BYTES_MAX} bytes; move it away")));
    }
    parsed(&fs::read(file)?).map_err(wrong)
}

/// Replaces the file whole.
fn write(file: &Path, views: &[Kept]) -> io::Result<()> {
    let beside = file.with_extension("next");
    let mut next = private::options().truncate(true).open(&beside)?;
    next.write_all(&written(views))?;
    next.sync_all()?;
    fs::rename(&beside, file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(owner: &str, name: &str, shared: bool) -> Kept {
        Kept { tenant: "t".into(), owner: owner.into(), name: name.into(), query: "severity=critical".into(), shared }
    }

    fn names(views: &Views, who: &str) -> Vec<String> {
        views.seen(&"t".into(), who).into_iter().map(|one| format!("{}/{}", one.owner, one.name)).collect()
    }

    #[test]
    fn views_survive_and_are_seen_by_whom_they_are_meant_for() {
        let folder = tempfile::tempdir().unwrap();
        let views = Views::open(folder.path()).unwrap();
        views.keep(view("li", "mine", false)).unwrap();
        views.keep(view("li", "ours", true)).unwrap();
        views.keep(view("han", "mine", false)).unwrap();
        views.keep(Kept { query: "q=web".into(), ..view("li", "mine", false) }).unwrap();
        let again = Views::open(folder.path()).unwrap();
        assert_eq!(names(&again, "li"), ["li/mine", "li/ours"]);
        assert_eq!(names(&again, "han"), ["han/mine", "li/ours"]);
        assert_eq!(again.seen(&"t".into(), "li")[0].query, "q=web");
        assert!(again.seen(&"other".into(), "li").is_empty());
        assert!(again.drop_one(&"t".into(), "li", "ours").unwrap());
        assert!(!again.drop_one(&"t".into(), "li", "ours").unwrap());
        assert_eq!(names(&Views::open(folder.path()).unwrap(), "han"), ["han/mine"]);
    }

    /// A board in memory, with somebody who is quicker so often, and that can be away.
    #[derive(Default)]
    struct Wood(Mutex<(u64, Option<Vec<u8>>, usize, bool)>);

    impl Board for Wood {
        fn read(&self) -> Result<Option<(u64, Vec<u8>)>, String> {
            let (seq, text, _, is_away) = self.0.lock().unwrap().clone();
            if is_away { Err("away".into()) } else { Ok(text.map(|text| (seq, text))) }
        }

        fn replace(&self, behind: u64, text: Vec<u8>) -> Result<bool, String> {
            let (seq, kept, quicker, _) = &mut *self.0.lock().unwrap();
            if *quicker > 0 {
                (*quicker, *seq) = (*quicker - 1, *seq + 1);
                return Ok(false);
            }
            let fits = behind == if kept.is_some() { *seq } else { 0 };
            if fits {
                (*seq, *kept) = (*seq + 1, Some(text));
            }
            Ok(fits)
        }
    }

    #[test]
    fn instances_share_views_and_none_of_two_changes_is_lost() {
        let (one, two, board) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), Arc::new(Wood::default()));
        // What an instance had alone goes along.
        Views::open(one.path()).unwrap().keep(view("li", "before", false)).unwrap();
        let first = Views::shared(one.path(), board.clone()).unwrap();
        let second = Views::shared(two.path(), board.clone()).unwrap();
        assert_eq!(names(&first, "li"), ["li/before"]);
        first.keep(view("li", "mine", false)).unwrap();
        board.0.lock().unwrap().2 = 3;
        second.keep(view("han", "ours", true)).unwrap();
        for views in [&first, &second] {
            assert_eq!(names(views, "li"), ["han/ours", "li/before", "li/mine"]);
        }
        assert!(first.drop_one(&"t".into(), "han", "ours").unwrap());
        assert_eq!(names(&second, "li"), ["li/before", "li/mine"]);
        // Away: what was known last is shown, nothing is kept, and the file has a copy.
        board.0.lock().unwrap().3 = true;
        assert_eq!(names(&second, "li"), ["li/before", "li/mine"]);
        assert!(matches!(second.keep(view("li", "x", false)), Err(ViewError::Away(_))));
        assert_eq!(names(&Views::open(two.path()).unwrap(), "li"), ["li/before", "li/mine"]);
    }

    #[test]
    fn there_are_not_more_than_somebody_can_look_at() {
        let views = Views::default();
        for n in 0..OWN_MAX {
            views.keep(view("li", &format!("{n}"), false)).unwrap();
        }
        assert!(matches!(views.keep(view("li", "one more", false)), Err(ViewError::TooMany)));
        views.keep(view("li", "0", true)).unwrap();
        views.keep(view("han", "another's", false)).unwrap();
    }

    #[test]
    fn a_file_that_is_none_of_ours_is_told_with_its_place() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(VIEWS_FILE), "{}").unwrap();
        let told = Views::open(folder.path()).err().unwrap().to_string();
        assert!(told.contains(VIEWS_FILE) && told.contains("move it away"), "{told}");
    }
}
