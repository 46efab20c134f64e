//! The link that `demo` prints: it signs a browser in without a word typed, and works once.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::driver::Browser;
use super::{ROWS, check_quiet};

/// A running demo, what it printed, and where it keeps its files.
struct Demo {
    process: Child,
    link: String,
    _folder: TempDir,
}

impl Demo {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut process = Command::new(env!("CARGO_BIN_EXE_headwater"))
            .args(["demo", "--stay", "--listen", "127.0.0.1:0"])
            .envs([("TMPDIR", folder.path().as_os_str()), ("LC_ALL", "en_GB.UTF-8".as_ref())])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines().map(Result::unwrap);
        let link = lines.by_ref().find_map(|line| {
            let link = line.strip_prefix("console ")?.split_whitespace().next()?;
            Some(link.to_owned())
        });
        std::thread::spawn(move || lines.for_each(drop));
        Self { process, link: link.expect("the demo prints its console's address"), _folder: folder }
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demos_link_signs_one_browser_in_once() {
    let demo = Demo::start();
    let base = demo.link.split("/login").next().unwrap();
    let browser = Browser::open("en-US").await;
    browser.go(&demo.link).await;
    browser.click(".login button[type=submit]").await;
    browser.wait("location.pathname === '/' && document.querySelector('.strip .tile')").await;
    assert_eq!(browser.read("location.hash").await, "", "the word does not stay in the address");
    browser.sees("demo · operator").await;
    browser.wait(&format!("{ROWS} > 0")).await;
    check_quiet(&browser, base).await;
    // This browser is signed in already.
    browser.go(&demo.link).await;
    browser.wait("location.pathname === '/' && document.querySelector('.strip .tile')").await;

    let other = Browser::open("en-US").await;
    other.go(&demo.link).await;
    other.click(".login button[type=submit]").await;
    other.sees("A printed sign-in link works once").await;
    other.go(base).await;
    other.wait("document.querySelector('.login')").await;
    assert_eq!(other.read("document.querySelector('.strip')").await, serde_json::Value::Null);
}
