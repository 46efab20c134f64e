//! Help, completions and man pages.

use super::headwater;

/// Every command, also the nested ones, as `--help` lists them.
fn commands(path: &[String], found: &mut Vec<Vec<String>>) {
    let help = headwater(&[path, &["--help".to_owned()]].concat());
    assert_eq!(help.code, 0, "{path:?}");
    let listed = help.out.split("Commands:").nth(1).unwrap_or_default().split("Options:").next().unwrap_or_default();
    for line in listed.lines() {
        let name: String = line.strip_prefix("  ").unwrap_or_default().chars().take_while(|c| *c != ' ').collect();
        if !name.is_empty() && name != "help" {
            let path = [path, &[name]].concat();
            found.push(path.clone());
            commands(&path, found);
        }
    }
}

#[test]
fn every_command_teaches_with_an_example() {
    let mut found = Vec::new();
    commands(&[], &mut found);
    assert!(found.len() > 10, "{found:?}");
    for path in &found {
        let help = headwater(&[path.as_slice(), &["--help".to_owned()]].concat()).out;
        let is_group = help.contains("Commands:");
        let example = format!("headwater {}", path.join(" "));
        let taught = help.lines().filter(|line| line.trim_start().starts_with(&example)).count();
        assert!(is_group || taught > 0 && help.contains("Example"), "{path:?} has no example:\n{help}");
    }
}

#[test]
fn completions_and_man_pages_are_written() {
    for shell in ["bash", "zsh", "fish"] {
        headwater(&["completions", shell]).does(&["backtest"]);
    }
    headwater(&["completions", "tcsh"]).refuses(&["invalid value 'tcsh'", "possible values"]);
    headwater(&["man"]).does(&[".TH headwater"]);
    let folder = tempfile::tempdir().unwrap();
    headwater(&["man", "--to", folder.path().to_str().unwrap()]).does(&[]);
    let page = std::fs::read_to_string(folder.path().join("headwater-token-create.1")).unwrap();
    assert!(page.contains("viewer, operator, analyst, admin or source"), "{page}");
}
