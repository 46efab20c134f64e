//! What `docs/conformance.md` names is there: every requirement once, every test by its name.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::storms::project;

/// Requirements that the page must speak of: area and highest number, from 1 without gaps unless listed singly.
const WHOLE: &[(&str, u32)] = &[("A6", 7), ("B1", 8), ("B6", 6), ("C1", 6), ("C2", 6), ("C3", 5), ("C4", 4), ("C5", 5)];
const SINGLE: &[&str] = &[
    "A1-1", "A1-3", "A1-5", "A4-1", "A4-4", "A4-5", "A4-6", "A5-01", "A5-02", "A5-03", "A5-04", "A5-05", "A5-06",
    "A5-07", "A5-08", "A5-09", "A5-10", "A5-11", "A5-12", "A5-13", "A5-14", "A5-15", "A5-16", "A5-17", "A5-21",
    "A5-22", "A5-26", "B3-3", "B3-4", "B3-5", "B8-1", "B8-4", "B10-1", "B10-2", "B10-3", "B10-5", "B10-6", "D2-1",
    "D2-2", "D2-4",
];

fn page() -> String {
    std::fs::read_to_string(project().join("docs/conformance.md")).unwrap()
}

fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, files);
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            files.push(path);
        }
    }
}

fn word(text: &str) -> &str {
    &text[..text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len())]
}

/// Functions behind `#[test]`, and the lines of the macros that make tests: a name and what it is about.
pub fn tests() -> BTreeSet<String> {
    places().into_iter().map(|(name, _)| name).collect()
}

/// The same, each with the path of its module as the tests' runner writes it.
pub fn places() -> BTreeSet<(String, String)> {
    let mut files = Vec::new();
    for folder in ["src", "tests/it"] {
        rust_files(&project().join(folder), &mut files);
    }
    let mut names = BTreeSet::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let module = module(&file);
        let named = |name: &str| (name.to_owned(), format!("{module}::{name}"));
        let mut marked = false;
        for line in text.lines().map(str::trim) {
            marked |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
            if let Some(rest) = line.strip_prefix("fn ").or_else(|| line.strip_prefix("async fn "))
                && std::mem::take(&mut marked)
            {
                names.insert(named(word(rest)));
            }
            let (name, rest) = line.split_at(word(line).len());
            let about = rest.strip_prefix(' ').unwrap_or("");
            if name.contains('_') && about.starts_with(|c: char| c == '"' || c.is_ascii_digit()) {
                names.insert(named(name));
            }
        }
        // Properties stand in a macro of their own.
        if let Some((_, properties)) = text.split_once("proptest! {") {
            names.extend(properties.split("fn ").skip(1).map(|rest| named(word(rest))));
        }
    }
    names
}

fn module(file: &Path) -> String {
    let path = file.strip_prefix(project()).unwrap().with_extension("");
    let path = path.strip_prefix("tests/it").or_else(|_| path.strip_prefix("src")).unwrap();
    let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).filter(|part| part != "mod").collect();
    parts.join("::")
}

#[test]
fn every_test_that_the_page_names_is_there() {
    let known = tests();
    assert!(known.len() > 200, "only {} tests found", known.len());
    let mut missing = Vec::new();
    for (number, line) in page().lines().enumerate() {
        for quoted in line.split('`').skip(1).step_by(2) {
            for name in quoted.split([' ', ':', ',']).filter(|name| name.matches('_').count() >= 2) {
                if !known.contains(name) && !name.contains(['/', '.', '-', '…']) {
                    missing.push(format!("docs/conformance.md:{}: there is no test {name}", number + 1));
                }
            }
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

#[test]
fn every_requirement_of_the_main_job_stands_on_the_page_once() {
    let mut rows: BTreeMap<String, u32> = BTreeMap::new();
    let page = page();
    for line in page.lines().filter(|line| line.starts_with("| ")) {
        let id = line.split('|').nth(1).unwrap_or("").trim();
        *rows.entry(id.to_owned()).or_default() += 1;
    }
    let whole = WHOLE.iter().flat_map(|(area, most)| (1..=*most).map(move |n| format!("{area}-{n}")));
    let wanted: Vec<String> = whole.chain(SINGLE.iter().map(|id| (*id).to_owned())).collect();
    let wrong: Vec<&String> = wanted.iter().filter(|id| rows.get(*id) != Some(&1)).collect();
    assert!(wrong.is_empty(), "not exactly once in the table: {wrong:?}");
}
