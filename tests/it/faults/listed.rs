//! The table of faults in `docs/reliability.md`: every row of the catalogue that concerns us, each with tests that are there.

use std::collections::BTreeMap;

use crate::conformance::tests;
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
