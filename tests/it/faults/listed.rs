//! The table of faults in `docs/reliability.md`: every row of the catalogue that concerns us, each with tests that are there.

use std::collections::{BTreeMap, BTreeSet};

use regex::Regex;

use crate::conformance::{places, tests};
use crate::storms::project;

/// Rows that must be there.
fn wanted() -> Vec<u32> {
    (1..=36).chain(41..=43).chain(45..=48).chain([50, 65, 66, 67, 72]).collect()
}

#[test]
fn every_fault_of_the_catalogue_has_its_tests() {
    let page = std::fs::read_to_string(project().join("docs/reliability.md")).unwrap();
    let known = tests();
    let (mut rows, mut wrong): (BTreeMap<u32, u32>, Vec<String>) = Default::default();
    for line in page.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let Some(row) = cells.get(1).and_then(|cell| cell.parse::<u32>().ok()) else { continue };
        *rows.entry(row).or_default() += 1;
        let named: Vec<&str> = cells[4].split('`').skip(1).step_by(2).collect();
        match cells[3].split([':', ' ', ';', ',']).next() {
            Some("held") if !named.is_empty() => {}
            Some("not") if cells[3].len() > "not ours: ".len() => {}
            _ => wrong.push(format!("row {row}: neither held by a test nor a reason")),
        }
        wrong.extend(
            named.iter().filter(|name| !known.contains(**name)).map(|name| format!("row {row}: no test {name}")),
        );
    }
    wrong
        .extend(wanted().into_iter().filter(|row| rows.get(row) != Some(&1)).map(|row| format!("row {row}: not once")));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_chaos_run_has_every_row() {
    let page = std::fs::read_to_string(project().join("docs/reliability.md")).unwrap();
    let recipes = std::fs::read_to_string(project().join("justfile")).unwrap();
    let (_, chaos) = recipes.split_once("\nchaos:\n").unwrap();
    let filter = Regex::new(chaos.split_once("test(/").unwrap().1.split_once("/)").unwrap().0).unwrap();
    let is_row = |line: &&str| line.split('|').nth(1).is_some_and(|cell| cell.trim().parse::<u32>().is_ok());
    let rows = page.lines().filter(is_row);
    let named: BTreeSet<&str> = rows.flat_map(|line| line.split('`').skip(1).step_by(2)).collect();
    let known = places();
    let run: BTreeSet<&str> =
        known.iter().filter(|(_, place)| filter.is_match(place)).map(|(name, _)| name.as_str()).collect();
    // Settings are written in capitals, rows and figures have fewer words.
    let is_test = |name: &&&str| name.starts_with(char::is_lowercase) && name.matches('_').count() >= 2;
    let left_out: Vec<&&str> = named.iter().filter(is_test).filter(|name| !run.contains(**name)).collect();
    assert!(left_out.is_empty(), "`just chaos` leaves out {left_out:?}");
}
