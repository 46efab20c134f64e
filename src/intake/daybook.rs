//! The files of the daybook: one for each day (UTC) of readings of a sample of series, from which models are made. Bounded in
//! days and bytes; nothing of them is needed to judge.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::domain::time::{Span, Timestamp};
use crate::private;

/// Bytes of one day; what comes beyond is left out.
const DAY_BYTES_MAX: u64 = 32 * 1024 * 1024;
const DAY: Span = Span::hours(24);

/// A folder of days.
#[derive(Debug)]
pub struct Daybook {
    folder: PathBuf,
    days_max: u16,
}

impl Daybook {
    /// Of this folder, which is made when something is written.
    pub fn of(folder: &Path, days_max: u16) -> Self {
        Self { folder: folder.to_owned(), days_max }
    }

    /// Adds lines to today's file, and removes days that are too old. Blocks.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn write(&self, lines: &str, now: Timestamp) -> io::Result<()> {
        if lines.is_empty() {
            return Ok(());
        }
        private::folder(&self.folder)?;
        let path = self.folder.join(name(now));
        let written = fs::metadata(&path).map_or(0, |known| known.len());
        if written < DAY_BYTES_MAX {
            let mut file: File = private::options().append(true).open(&path)?;
            file.write_all(lines.as_bytes())?;
        }
        self.drop_old(now)
    }

    fn drop_old(&self, now: Timestamp) -> io::Result<()> {
        let oldest = name(Timestamp(now.0 - DAY.0 * i64::from(self.days_max.max(1) - 1)));
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            let is_day = path.extension().is_some_and(|end| end == "csv");
            if is_day && path.file_name().is_some_and(|known| *known.to_string_lossy() < *oldest) {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }
}

/// `2026-11-27.csv`
fn name(at: Timestamp) -> String {
    let day: String = at.to_string().chars().take(10).collect();
    format!("{day}.csv")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_a_file_and_old_ones_go() {
        let folder = tempfile::tempdir().unwrap();
        let book = Daybook::of(&folder.path().join("readings"), 2);
        let at = |text: &str| Timestamp::parse(text).unwrap();
        for day in ["2026-03-01T10:00:00Z", "2026-03-01T23:00:00Z", "2026-03-02T00:00:00Z", "2026-03-03T00:00:00Z"] {
            book.write(&format!("{day}\n"), at(day)).unwrap();
        }
        let mut names: Vec<String> = fs::read_dir(folder.path().join("readings"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        assert_eq!(names, ["2026-03-02.csv", "2026-03-03.csv"]);
        book.write("more\n", at("2026-03-03T01:00:00Z")).unwrap();
        let text = fs::read_to_string(folder.path().join("readings/2026-03-03.csv")).unwrap();
        assert_eq!(text, "2026-03-03T00:00:00Z\nmore\n");
    }
}
