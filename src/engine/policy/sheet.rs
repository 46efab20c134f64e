//! A rule file whose faulty parts are blanked one by one, so that its reader comes to the next fault.

use std::collections::BTreeSet;

use super::place::LineColumn;

/// The lines as they are left, and where something was blanked.
pub struct Sheet<'a> {
    original: Vec<&'a str>,
    lines: Vec<String>,
    /// First lines of items of which something was blanked.
    touched: BTreeSet<usize>,
}

impl<'a> Sheet<'a> {
    /// A file of which nothing is blanked yet.
    pub fn of(text: &'a str) -> Self {
        let original: Vec<&str> = text.lines().collect();
        Self { lines: original.iter().map(|line| (*line).to_owned()).collect(), original, touched: BTreeSet::new() }
    }

    /// What is left.
    pub fn text(&self) -> String {
        self.lines.join("\n")
    }

    /// Whether something of this section was blanked.
    pub fn is_cut(&self, section: &str) -> bool {
        self.touched.iter().any(|line| {
            let head = self.original[self.head(*line)];
            head.strip_prefix(section).is_some_and(|rest| rest.starts_with(':'))
        })
    }

    /// Whether something was blanked in the item in which the place is, or in the one that ends before it: what has
    /// lost its value is told at what comes next.
    pub fn is_touched(&self, at: LineColumn) -> bool {
        let Some(line) = self.line(at) else { return !self.touched.is_empty() };
        let before = (0..line).rev().find(|n| !is_bare(self.original[*n]));
        self.touched.contains(&self.item(line)) || before.is_some_and(|n| self.touched.contains(&self.item(n)))
    }

    /// Blanks what begins at the place: an entry of a collection that is written on one line, else the line and the
    /// deeper ones below it. Says whether there was anything.
    pub fn blank(&mut self, at: LineColumn) -> bool {
        let Some(first) = self.line(at).filter(|n| !self.lines[*n].trim().is_empty()) else { return false };
        let item = self.item(first);
        self.touched.insert(item);
        if let Some(rest) = without_entry(&self.lines[first], at.column as usize) {
            self.lines[first] = rest;
            return true;
        }
        let own = indent(&self.lines[first]);
        let is_below = |line: &&String| line.trim().is_empty() || indent(line) > own;
        let below = self.lines[first + 1..].iter().take_while(is_below).count();
        for line in &mut self.lines[first..=first + below] {
            line.clear();
        }
        self.close(first);
        true
    }

    /// A section of which nothing is left is no section: its name alone would be an error.
    fn close(&mut self, line: usize) {
        let head = self.head(line);
        let mut rest = (head + 1..self.lines.len()).take_while(|n| !self.is_head(*n));
        let is_empty = rest.all(|n| is_bare(&self.lines[n]));
        if is_empty && self.original[head].trim_end().ends_with(':') {
            self.lines[head].clear();
        }
    }

    fn line(&self, at: LineColumn) -> Option<usize> {
        (at.line as usize).checked_sub(1).filter(|n| *n < self.lines.len())
    }

    /// The first line of a section.
    fn is_head(&self, line: usize) -> bool {
        let text = self.original[line];
        !is_bare(text) && indent(text) == 0 && !text.starts_with('-')
    }

    fn head(&self, line: usize) -> usize {
        (0..=line).rev().find(|n| self.is_head(*n)).unwrap_or(0)
    }

    /// The first line of the item of a section that the line is part of.
    fn item(&self, line: usize) -> usize {
        let head = self.head(line);
        let Some(first) = (head + 1..self.original.len()).find(|n| !is_bare(self.original[*n])) else { return head };
        let depth = indent(self.original[first]);
        let begins = |n: &usize| !is_bare(self.original[*n]) && indent(self.original[*n]) <= depth;
        (head..=line).rev().find(begins).unwrap_or(head)
    }
}

/// Nothing, or a comment.
fn is_bare(line: &str) -> bool {
    let text = line.trim_start();
    text.is_empty() || text.starts_with('#')
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// The line without the entry of a flow collection that holds the column (from 1): spaces are in its place, and in
/// that of the comma behind or else before it.
fn without_entry(line: &str, column: usize) -> Option<String> {
    let mut chars: Vec<char> = line.chars().collect();
    let at = column.checked_sub(1).filter(|n| *n < chars.len())?;
    // Where the entry begins in which we are, of each collection that is open.
    let mut begun: Vec<usize> = Vec::new();
    let (mut quote, mut entry, mut end) = (None, None, None);
    for (n, c) in chars.iter().copied().enumerate() {
        if n == at {
            entry = Some((*begun.last()?, begun.len()));
        }
        let is_end = entry.is_some_and(|(_, depth)| depth == begun.len());
        match (quote, c) {
            (Some(open), _) if open == c => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, ',' | '}' | ']') if is_end => {
                end = Some(if c == ',' { n + 1 } else { n });
                break;
            }
            (None, '{' | '[') => begun.push(n + 1),
            (None, '}' | ']') => {
                begun.pop()?;
            }
            (None, ',') => {
                if let Some(last) = begun.last_mut() {
                    *last = n + 1;
                }
            }
            (None, _) => {}
        }
    }
    let ((mut from, _), to) = (entry?, end?);
    if chars[to - 1] != ',' && chars[from - 1] == ',' {
        from -= 1;
    }
    chars[from..to].fill(' ');
    Some(chars.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_of_a_collection_on_one_line_is_blanked_alone() {
        let check = |line: &str, mark: &str, want: &str| {
            let column = line.find(mark).unwrap() + 1;
            let got = without_entry(line, column).map(|rest| rest.split_whitespace().collect::<Vec<_>>().join(" "));
            assert_eq!(got.as_deref(), (!want.is_empty()).then_some(want), "{line:?} at {mark:?}");
        };
        let line = "  - { id: a, match: { x: 1, y: [p, q] }, effect: \"no, thing\" }";
        check(line, "a,", "- { match: { x: 1, y: [p, q] }, effect: \"no, thing\" }");
        check(line, "1,", "- { id: a, match: { y: [p, q] }, effect: \"no, thing\" }");
        check(line, "q]", "- { id: a, match: { x: 1, y: [p ] }, effect: \"no, thing\" }");
        check(line, "[p", "- { id: a, match: { x: 1 }, effect: \"no, thing\" }");
        check(line, "\"no", "- { id: a, match: { x: 1, y: [p, q] } }");
        check(line, "{ id", "");
        check("  effect: nothing", "nothing", "");
    }
}
