//! A program between whose system calls and the kernel something stands (`shim.c`): it writes down what changes on the disk
//! and when that was made to last, fails syncs, and moves the wall clock.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use rand::Rng;
use rand::rngs::SmallRng;
use tempfile::TempDir;

/// What a disk writes at once, or not at all.
const SECTOR: usize = 512;

/// The library, and the files by which a test speaks to it.
pub struct Shim {
    library: PathBuf,
    folder: TempDir,
    watched: PathBuf,
}

impl Shim {
    /// Compiles it; it watches a folder.
    pub fn over(watched: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let library = folder.path().join("shim.so");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/faults/shim.c");
        let made = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .arg(&library)
            .arg(source)
            .args(["-ldl", "-lpthread"])
            .output()
            .expect("a C compiler, which the program's own build needs, too");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        std::fs::create_dir_all(watched).unwrap();
        Self { library, folder, watched: watched.canonicalize().unwrap() }
    }

    /// What a program is started with.
    pub fn environment(&self) -> Vec<(&'static str, PathBuf)> {
        vec![
            ("LD_PRELOAD", self.library.clone()),
            ("SHIM_FOLDER", self.watched.clone()),
            ("SHIM_LOG", self.log()),
            ("SHIM_CLOCK", self.folder.path().join("clock")),
            ("SHIM_EIO", self.folder.path().join("eio")),
        ]
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    /// Bytes written down so far.
    pub fn noted(&self) -> u64 {
        std::fs::metadata(self.log()).map_or(0, |state| state.len())
    }

    /// Moves the wall clock away from the machine's, for whoever runs and for whoever is started.
    pub fn move_clock(&self, millis: i64) {
        let (path, written) = (self.folder.path().join("clock"), self.folder.path().join("clock.new"));
        std::fs::write(&written, millis.to_string()).unwrap();
        std::fs::rename(written, path).unwrap();
    }

    /// From now on nothing is made to last, and the caller is told so.
    pub fn fail_syncs(&self) {
        std::fs::write(self.folder.path().join("eio"), "").unwrap();
    }

    /// The disk is well again.
    pub fn heal(&self) {
        std::fs::remove_file(self.folder.path().join("eio")).unwrap();
    }

    /// Everything that was written down.
    pub fn operations(&self) -> Vec<Operation> {
        let bytes = std::fs::read(self.log()).unwrap();
        let (mut rest, mut operations) = (&bytes[..], Vec::new());
        while !rest.is_empty() {
            let kind = rest[0];
            let named = usize::from(u16::from_ne_bytes([rest[1], rest[2]]));
            let number = |at: usize| u64::from_ne_bytes(rest[at..at + 8].try_into().unwrap());
            let place = String::from_utf8(rest[3..3 + named].to_vec()).unwrap();
            let (offset, length) = (number(3 + named) as usize, number(11 + named) as usize);
            let from = 19 + named;
            let content = rest[from..from + length].to_vec();
            rest = &rest[from + length..];
            let change = match kind {
                b'W' => Change::Write { offset, bytes: content },
                b'T' => Change::Cut { length: offset },
                b'B' => Change::SyncBegins,
                b'S' => Change::SyncEnds,
                b'U' => Change::Remove,
                b'R' => Change::Rename { to: String::from_utf8(content).unwrap() },
                other => panic!("{other}: not written by the shim"),
            };
            operations.push(Operation { place, change, end: (bytes.len() - rest.len()) as u64 });
        }
        operations
    }
}

/// One change to a file, in the order in which they happened.
pub struct Operation {
    place: String,
    change: Change,
    /// The log's length with it.
    pub end: u64,
}

enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    Cut { length: usize },
    SyncBegins,
    SyncEnds,
    Remove,
    Rename { to: String },
}

/// A file: what lasts, and what was changed since.
#[derive(Clone, Default)]
struct File<'a> {
    lasting: Vec<u8>,
    loose: Vec<&'a Change>,
    /// How many of the loose ones a sync that is under way takes along.
    begun: usize,
}

/// A disk that forgets what was not synced.
#[derive(Clone, Default)]
pub struct Disk<'a> {
    files: BTreeMap<&'a str, File<'a>>,
}

impl<'a> Disk<'a> {
    /// The next change happens. Names are made to last at once: the program syncs folders where it matters.
    pub fn change(&mut self, operation: &'a Operation) {
        let file = self.files.entry(&operation.place).or_default();
        match &operation.change {
            change @ (Change::Write { .. } | Change::Cut { .. }) => file.loose.push(change),
            Change::SyncBegins => file.begun = file.loose.len(),
            Change::SyncEnds => {
                let begun = std::mem::take(&mut file.begun).min(file.loose.len());
                for change in file.loose.drain(..begun) {
                    apply(&mut file.lasting, change, |_| true);
                }
            }
            Change::Remove => drop(self.files.remove(operation.place.as_str())),
            Change::Rename { to } => {
                let moved = self.files.remove(operation.place.as_str()).unwrap_or_default();
                self.files.insert(to, moved);
            }
        }
    }

    /// The power goes: of what was not made to last, the dice say what is there, and which sectors of it.
    pub fn lose_power(&self, dice: &mut SmallRng, to: &Path) {
        let kept = [0.0, 0.5, 0.9, 1.0][dice.gen_range(0..4)];
        for (place, file) in &self.files {
            let mut bytes = file.lasting.clone();
            for change in &file.loose {
                let is_torn = dice.gen_bool(0.3);
                if dice.gen_bool(kept) {
                    apply(&mut bytes, change, |_| true);
                } else if is_torn {
                    apply(&mut bytes, change, |_| dice.gen_bool(0.5));
                }
            }
            let path = to.join(place);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
    }
}

/// Applies a change, as far as its sectors are there.
fn apply(to: &mut Vec<u8>, change: &Change, mut is_there: impl FnMut(usize) -> bool) {
    match change {
        Change::Write { offset, bytes } => {
            let end = offset + bytes.len();
            if to.len() < end {
                to.resize(end, 0);
            }
            let mut at = *offset;
            while at < end {
                let next = ((at / SECTOR + 1) * SECTOR).min(end);
                if is_there(at / SECTOR) {
                    to[at..next].copy_from_slice(&bytes[at - offset..next - offset]);
                }
                at = next;
            }
        }
        Change::Cut { length } => {
            if is_there(0) {
                to.resize(*length, 0);
            }
        }
        Change::SyncBegins | Change::SyncEnds | Change::Remove | Change::Rename { .. } => {}
    }
}
