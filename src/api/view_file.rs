//! Views of the board that people keep, in a file of the data folder: filters under a name, for oneself or for everybody.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

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
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    format: u32,
    views: Vec<Kept>,
}

/// All views of this instance. Without a file they end with the program.
#[derive(Default)]
pub struct Views {
    file: Option<PathBuf>,
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
        Ok(Self { file: Some(file), kept })
    }

    /// What somebody sees: their own views, and those that are shared.
    pub fn seen(&self, tenant: &TenantId, who: &str) -> Vec<Kept> {
        let kept = self.kept.lock().expect("nobody panics while holding it");
        kept.iter().filter(|view| view.tenant == *tenant && (view.shared || *view.owner == *who)).cloned().collect()
    }

    /// Keeps a view; one of the same name and owner is replaced.
    ///
    /// # Errors
    /// When there are too many, or it cannot be written: then nothing is changed.
    pub fn keep(&self, view: Kept) -> Result<(), ViewError> {
        self.change(|views| {
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

    fn change(&self, edit: impl FnOnce(&mut Vec<Kept>) -> Result<(), ViewError>) -> Result<(), ViewError> {
        let mut kept = self.kept.lock().expect("nobody panics while holding it");
        let mut views = kept.clone();
        edit(&mut views)?;
        views.sort_by(|a, b| (&a.tenant, &a.owner, &a.name).cmp(&(&b.tenant, &b.owner, &b.name)));
        if let Some(file) = &self.file {
            write(file, &views)?;
        }
        *kept = views;
        Ok(())
    }
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
    let Content { format, views } =
        serde_json::from_slice(&fs::read(file)?).map_err(|error| wrong(format!("{error}; mend it or move it away")))?;
    if format != FORMAT {
        return Err(wrong(format!("format {format}: this program reads {FORMAT}")));
    }
    Ok(views)
}

/// Replaces the file whole.
fn write(file: &Path, views: &[Kept]) -> io::Result<()> {
    let beside = file.with_extension("next");
    let content = Content { format: FORMAT, views: views.to_vec() };
    let text = serde_json::to_vec_pretty(&content).expect("views are plain data");
    let mut next = private::options().truncate(true).open(&beside)?;
    next.write_all(&text)?;
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
