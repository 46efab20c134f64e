//! CSV files with a header, plain or packed.

use std::path::Path;

use anyhow::{Context as _, Result};
use headwater::lab::files;

/// A read file.
pub struct Table {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// Reads a file; its first line is the header.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = files::read(path)?;
        let text = std::str::from_utf8(&bytes).with_context(|| format!("{} is not UTF-8", path.display()))?;
        let mut rows = records(text.strip_prefix('\u{feff}').unwrap_or(text));
        anyhow::ensure!(!rows.is_empty(), "{} is empty", path.display());
        Ok(Self { header: rows.remove(0), rows })
    }

    pub fn header(&self) -> &[String] {
        &self.header
    }

    pub fn rows(&self) -> &[Vec<String>] {
        &self.rows
    }

    /// The place of a column.
    pub fn column(&self, name: &str) -> Result<usize> {
        let place = self.header.iter().position(|column| column == name);
        place.with_context(|| format!("no column {name:?}; there are {:?}", self.header))
    }
}

/// A number, or `None` where there is none.
pub fn number(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|number: &f64| number.is_finite())
}

/// Splits CSV; a quoted field may hold commas, line ends and doubled quotes.
fn records(text: &str) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut field, mut quoted) = (Vec::new(), Vec::new(), String::new(), false);
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if quoted && letters.peek() == Some(&'"') => {
                letters.next();
                field.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => row.push(std::mem::take(&mut field)),
            '\n' if !quoted => {
                row.push(std::mem::take(&mut field));
                rows.push(std::mem::take(&mut row));
            }
            '\r' if !quoted => {}
            letter => field.push(letter),
        }
    }
    if !field.is_empty() || !row.is_empty() {
        row.push(field);
        rows.push(row);
    }
    rows
}
