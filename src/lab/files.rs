//! Reading recorded files: plain or gzip.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use flate2::read::MultiGzDecoder;

/// The first bytes of a packed file.
const PACKED: [u8; 2] = [0x1f, 0x8b];

/// Opens a file; a packed one (gzip) is unpacked on the way, whatever it is called.
///
/// # Errors
/// When the file cannot be opened, or its name says that it is packed and it is not.
pub fn open(path: &Path) -> Result<Box<dyn BufRead>> {
    let file = File::open(path).with_context(|| format!("open {}", path.display()))?;
    let mut plain = BufReader::with_capacity(1 << 18, file);
    let is_packed = plain.fill_buf().with_context(|| format!("read {}", path.display()))?.starts_with(&PACKED);
    if is_packed {
        return Ok(Box::new(BufReader::with_capacity(1 << 18, MultiGzDecoder::new(plain))));
    }
    ensure!(
        path.extension().is_none_or(|e| e != "gz"),
        "{}: its name ends in .gz, but it is not packed with gzip; pack it, or take the ending off its name",
        path.display()
    );
    Ok(Box::new(plain))
}

/// Reads a whole file; a packed one is unpacked on the way.
///
/// # Errors
/// When the file cannot be read.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path)?.read_to_end(&mut bytes).with_context(|| unreadable(path))?;
    Ok(bytes)
}

/// What is said of a file that ends in the middle, or is damaged.
pub fn unreadable(path: &Path) -> String {
    format!("read {} (cut off or damaged? copy it again)", path.display())
}
