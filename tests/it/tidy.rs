//! House rules as tests: arrows between folders, file lengths, banned words, purity, names of test data.

use std::path::{Path, PathBuf};

use crate::storms::project;

/// Who may import whom: folder under `src`, then the folders it may name. Everyone may import itself.
const ARROWS: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("decode", &["domain"]),
    ("engine", &["domain"]),
    ("detect", &["domain"]),
    ("nats", &["domain"]),
    // As `nats` does, it knows how to reach a server and nothing of what is kept there.
    ("shared", &["domain"]),
    // Points become events at the door.
    ("intake", &["domain", "decode", "detect", "engine", "access", "journal", "nats", "shared"]),
    ("journal", &["domain", "engine", "nats"]),
    ("outbox", &["domain", "engine", "journal", "nats"]),
    ("wording", &["domain", "engine"]),
    ("delivery", &["domain", "engine", "wording"]),
    ("projection", &["domain", "engine", "journal"]),
    ("access", &["domain"]),
    // Sessions are the one thing of its own that several instances have together.
    ("api", &["domain", "engine", "projection", "access", "wording", "shared"]),
    ("console", &["domain", "access"]),
    // Its reports are read by people: they say in both languages what muted an alert.
    ("lab", &["domain", "decode", "engine", "wording"]),
];

/// Words that say nothing, as parts of names.
const BANNED: &[&str] = &["manager", "handler", "helper", "util", "utils", "misc", "legacy"];

/// What a pure folder must not touch.
const IMPURE: &[&str] =
    &["std::time", "Instant::now", "SystemTime", "Utc::now", "tokio", "rand::", "tracing", "std::fs", ".await"];

const LINES_MAX: usize = 500;

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("readable") {
            let path = entry.expect("readable").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

fn sources() -> Vec<(String, String)> {
    let src = project().join("src");
    rust_files(&src)
        .into_iter()
        .map(|path| {
            let name = path.strip_prefix(&src).expect("below src").display().to_string();
            (name, std::fs::read_to_string(path).expect("text"))
        })
        .collect()
}

/// The part of a file before its tests.
fn program(text: &str) -> &str {
    text.split("#[cfg(test)]").next().unwrap_or(text)
}

#[test]
fn arrows_point_inwards() {
    let mut wrong = Vec::new();
    for (name, text) in sources() {
        let Some((_, allowed)) = ARROWS.iter().find(|(folder, _)| name.starts_with(&format!("{folder}/"))) else {
            continue;
        };
        let own = name.split('/').next().unwrap_or_default();
        for (number, line) in program(&text).lines().enumerate() {
            for part in line.split("crate::").skip(1) {
                let target: String = part.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                let known = ARROWS.iter().any(|(folder, _)| *folder == target);
                if known && target != own && !allowed.contains(&target.as_str()) {
                    wrong.push(format!("src/{name}:{}: {own} must not import {target}", number + 1));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn files_are_short() {
    let long: Vec<String> = sources()
        .into_iter()
        .filter(|(_, text)| text.lines().count() > LINES_MAX)
        .map(|(name, text)| format!("src/{name}: {} lines, at most {LINES_MAX}", text.lines().count()))
        .collect();
    assert!(long.is_empty(), "{}", long.join("\n"));
}

#[test]
fn names_say_something() {
    let mut wrong = Vec::new();
    for (name, text) in sources() {
        for (number, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            let defines = ["fn ", "struct ", "enum ", "trait ", "mod ", "type ", "let "];
            for keyword in defines {
                let Some(rest) = code.split(keyword).nth(1) else { continue };
                let defined: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                let lower = defined.to_lowercase();
                if lower.split('_').any(|part| BANNED.contains(&part)) {
                    wrong.push(format!("src/{name}:{}: {defined}", number + 1));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "names from the list of empty words:\n{}", wrong.join("\n"));
}

#[test]
fn the_inside_is_pure() {
    let mut wrong = Vec::new();
    for (name, text) in sources() {
        if !["domain/", "decode/", "engine/", "detect/"].iter().any(|folder| name.starts_with(folder)) {
            continue;
        }
        for (number, line) in program(&text).lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            if let Some(word) = IMPURE.iter().find(|word| code.contains(**word)) {
                wrong.push(format!("src/{name}:{}: {word}", number + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The program must not know the vocabulary of the storms that it is measured on.
#[test]
fn the_program_knows_no_name_of_the_test_storms() {
    let mut names: Vec<String> = Vec::new();
    for storm in ["medium", "hard"] {
        for event in crate::storms::events(storm, usize::MAX) {
            names.push(event.name.to_string());
        }
    }
    names.sort();
    names.dedup();
    let mut wrong = Vec::new();
    for (name, text) in sources() {
        for known in names.iter().filter(|n| n.len() > 6 && program(&text).contains(n.as_str())) {
            wrong.push(format!("src/{name}: {known}"));
        }
    }
    for (version, folder) in headwater::folders::models::versions(&project().join("models")).expect("readable") {
        let text = std::fs::read_to_string(folder.join("model.yaml")).expect("text");
        for known in names.iter().filter(|n| n.len() > 6 && text.contains(n.as_str())) {
            wrong.push(format!("models/correlation/{version}: {known}"));
        }
    }
    assert!(names.len() > 30 && wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn nothing_is_left_for_later() {
    let words = ["todo!(", "unimplemented!(", "FIXME", "#[ignore"];
    let mut wrong = Vec::new();
    for (name, text) in sources() {
        for word in words.iter().filter(|word| text.contains(**word)) {
            wrong.push(format!("src/{name}: {word}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn links_in_documents_resolve() {
    let mut documents = vec![project().join("README.md")];
    for folder in ["docs", "docs/adr"] {
        if let Ok(entries) = std::fs::read_dir(project().join(folder)) {
            documents.extend(
                entries.map(|e| e.expect("readable").path()).filter(|p| p.extension().is_some_and(|e| e == "md")),
            );
        }
    }
    let mut wrong = Vec::new();
    for document in documents {
        let text = std::fs::read_to_string(&document).expect("readable");
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = link.split('#').next().unwrap_or_default();
            if target.is_empty() || target.contains("://") {
                continue;
            }
            if !document.parent().expect("in a folder").join(target).exists() {
                wrong.push(format!("{}: {link}", document.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
