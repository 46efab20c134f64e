//! Output that nobody reads to its end, and the list of who may come in.

use std::io::Read as _;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::served::token;
use super::{headwater, shipped};

/// What it says on standard error when its reader goes before it has written.
fn unread(arguments: &[&str]) -> (Option<i32>, String) {
    let mut process = Command::new(env!("CARGO_BIN_EXE_headwater"))
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(process.stdout.take());
    let mut told = String::new();
    process.stderr.take().unwrap().read_to_string(&mut told).unwrap();
    (process.wait().unwrap().code(), told)
}

#[test]
fn a_closed_pipe_ends_every_command_quietly() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data").display().to_string();
    token(folder.path().join("data").as_path(), "viewer", "li");
    let rules = shipped("rules");
    let commands: [&[&str]; 8] = [
        &["config"],
        &["topology", "sample"],
        &["completions", "bash"],
        &["man"],
        &["check", "--rules", &rules],
        &["test", &rules],
        &["token", "list", "--data", &data],
        &["model", "list", "--models", &shipped("models")],
    ];
    for arguments in commands {
        let (code, told) = unread(arguments);
        assert_eq!((code, told.as_str()), (Some(141), ""), "{arguments:?}");
    }
}

#[test]
fn credentials_are_listed_without_what_proves_them() {
    let folder = tempfile::tempdir().unwrap();
    let nowhere = folder.path().join("nowhere").display().to_string();
    headwater(&["token", "list", "--data", &nowhere]).refuses(&["no credentials", "token create --data"]);
    let data = folder.path().join("data");
    let made = token(&data, "operator", "li");
    let data = data.display().to_string();
    let listed = headwater(&["token", "list", "--data", &data]);
    listed.does(&["NAME", "LAST USED", "operator", "li", "20"]);
    let lines = headwater(&["token", "list", "--data", &data, "--json"]);
    let one: Value = serde_json::from_str(lines.out.trim()).unwrap();
    assert_eq!((&one["name"], &one["role"]), (&"li".into(), &"operator".into()), "{one}");
    assert!(one["created_at"].as_str().unwrap().ends_with('Z'), "{one}");
    let kept = std::fs::read_to_string(folder.path().join("data/tokens.json")).unwrap();
    let hash = serde_json::from_str::<Value>(&kept).unwrap()["tokens"][0]["sha256"].as_str().unwrap().to_owned();
    for said in [listed.out, lines.out] {
        assert!(!said.contains(&hash) && !said.contains(&made), "{said}");
    }
}
