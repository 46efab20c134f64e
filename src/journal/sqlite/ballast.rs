//! A file that only takes up space, and is given up when the disk is full: what was accepted can then still be
//! decided, sent and trimmed while new input is refused.

use std::io::Write;
use std::path::PathBuf;

use crate::private;

/// Written at a time.
const PIECE_BYTES: usize = 1024 * 1024;

/// The file and its size.
#[derive(Debug)]
pub struct Ballast {
    path: PathBuf,
    bytes: u64,
}

impl Ballast {
    /// Describes a ballast of `bytes`; nothing is written yet. With 0 bytes there is none.
    pub fn new(path: PathBuf, bytes: u64) -> Self {
        Self { path, bytes }
    }

    /// Takes the space up, unless it is held already. A quarter more has to be free, or the disk would be full again
    /// at once. On failure nothing of it stays.
    ///
    /// # Errors
    /// When there is not enough space, or the system refuses.
    pub fn take_up(&self) -> std::io::Result<()> {
        if std::fs::metadata(&self.path).map_or(0, |file| file.len()) == self.bytes {
            return Ok(());
        }
        let filled = self.fill();
        if filled.is_err() {
            self.give_up();
        }
        filled
    }

    fn fill(&self) -> std::io::Result<()> {
        let mut file = private::file(&self.path)?;
        file.set_len(0)?;
        // Not zeros: some file systems would keep them without using space.
        let piece = vec![0xA5; PIECE_BYTES];
        let mut left = self.bytes + self.bytes / 4;
        while left > 0 {
            let n = left.min(PIECE_BYTES as u64) as usize;
            file.write_all(&piece[..n])?;
            left -= n as u64;
        }
        file.set_len(self.bytes)?;
        file.sync_all()
    }

    /// Gives the space back to the file system.
    pub fn give_up(&self) {
        // Not there is as good as removed, and otherwise there is nothing else left to try.
        let _ = std::fs::remove_file(&self.path);
    }
}
