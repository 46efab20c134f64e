//! Files and folders for their owner's eyes only: alerts name machines, people and weak places.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::path::Path;

/// How a file is opened for writing that is made for its owner only when it is not there; what it holds stays.
pub fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Opens a file for reading and writing, made for its owner only when it is not there.
///
/// # Errors
/// When the system refuses.
pub fn file(path: &Path) -> io::Result<File> {
    options().read(true).open(path)
}

/// Makes a folder, with those it is in, for its owner only. One that is there stays as it is.
///
/// # Errors
/// When the system refuses.
pub fn folder(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Makes a folder for its owner only, which must not be there: whoever made it could look into it.
///
/// # Errors
/// When it is there, or the system refuses.
pub fn folder_of_ours(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Makes the file of a database, which SQLite then opens: what it keeps beside the file has the file's mode. An
/// older one, and what is beside it, is closed to others.
///
/// # Errors
/// When the system refuses.
pub fn database(path: &Path) -> io::Result<()> {
    file(path)?;
    for ending in ["", "-wal", "-shm"] {
        let mut path = path.as_os_str().to_owned();
        path.push(ending);
        close_to_others(Path::new(&path))?;
    }
    Ok(())
}

#[cfg(unix)]
fn close_to_others(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    match fs::metadata(path) {
        Ok(meta) if meta.permissions().mode() & 0o077 == 0 => Ok(()),
        Ok(_) => fs::set_permissions(path, fs::Permissions::from_mode(0o600)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(not(unix))]
fn close_to_others(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn others_see_nothing_also_of_what_an_older_version_made() {
        let outer = tempfile::tempdir().unwrap();
        let inner = outer.path().join("a/b");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        folder(&inner).unwrap();
        folder(&inner).unwrap();
        assert_eq!((mode(&inner), mode(&outer.path().join("a"))), (0o700, 0o700));
        assert!(folder_of_ours(&inner).is_err(), "it is there");
        for name in ["old", "old-wal"] {
            fs::write(inner.join(name), "kept").unwrap();
            fs::set_permissions(inner.join(name), fs::Permissions::from_mode(0o644)).unwrap();
        }
        for name in ["old", "made"] {
            database(&inner.join(name)).unwrap();
        }
        assert_eq!(["old", "old-wal", "made"].map(|name| mode(&inner.join(name))), [0o600; 3]);
        assert_eq!(fs::read_to_string(inner.join("old")).unwrap(), "kept");
    }
}
