//! The demo that is ended in the midst of its storm.

use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

fn start(folder: &Path) -> Child {
    Command::new(env!("CARGO_BIN_EXE_headwater"))
        .args(["demo", "--listen", "127.0.0.1:0"])
        .envs([("TMPDIR", folder.as_os_str()), ("LC_ALL", "en_GB.UTF-8".as_ref())])
        .env_remove("RUST_LOG")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn left(folder: &Path) -> Vec<std::path::PathBuf> {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn a_demo_that_is_interrupted_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let mut demo = start(folder.path());
    let mut lines = BufReader::new(demo.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line.contains("opened")), "it ends without an incident");
    let kept = left(folder.path());
    assert_eq!(kept.len(), 1, "{kept:?}");
    let mode = std::fs::metadata(&kept[0]).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o700, "{kept:?}");
    assert!(!kept[0].to_string_lossy().contains(&demo.id().to_string()), "others can guess the name: {kept:?}");
    let ended = Command::new("kill").args(["-INT", &demo.id().to_string()]).status().unwrap();
    assert!(ended.success());
    let rest: Vec<String> = lines.collect();
    assert!(demo.wait().unwrap().success(), "{rest:?}");
    assert!(rest.iter().any(|line| line.contains("what it kept is removed")), "{rest:?}");
    assert_eq!(left(folder.path()), Vec::<std::path::PathBuf>::new());
    let mut told = String::new();
    demo.stderr.take().unwrap().read_to_string(&mut told).unwrap();
    assert_eq!(told, "", "the terminal is the demo's");
}

#[test]
fn a_demo_whose_reader_goes_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let mut demo = start(folder.path());
    let mut first = String::new();
    BufReader::new(demo.stdout.take().unwrap()).read_line(&mut first).unwrap();
    assert!(first.contains("Sample estate"), "{first}");
    // Its reader is gone with that line.
    assert_eq!(demo.wait().unwrap().code(), Some(141));
    assert_eq!(left(folder.path()), Vec::<std::path::PathBuf>::new());
}
