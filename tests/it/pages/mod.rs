//! The pages of `docs/sources` and the scripts of `deploy/sources`, followed to the letter: what stands in a block there is run as it
//! stands, but for names of hosts, ports and files, with the tools that it is for.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use reqwest::Client;
use serde_json::Value;

use crate::program::{Program, Setup, client, free_port, token};
use crate::storms::project;

mod alertmanager;
mod bodies;
mod devices;
mod readme;
mod scripts;

/// The blocks of a page, each with its language, in their order.
fn blocks(page: &str) -> Vec<(String, String)> {
    let text = fs::read_to_string(project().join("docs/sources").join(page)).unwrap();
    let parts: Vec<&str> = text.split("```").collect();
    let block = |part: &&str| {
        let (language, block) = part.split_once('\n').unwrap();
        (language.to_owned(), block.to_owned())
    };
    parts.iter().skip(1).step_by(2).map(block).collect()
}

/// The only block of a page in this language that has this in it.
fn block(page: &str, language: &str, having: &str) -> String {
    let fits = |(known, text): &(String, String)| known == language && text.contains(having);
    let mut found: Vec<String> = blocks(page).into_iter().filter(fits).map(|(_, text)| text).collect();
    assert_eq!(found.len(), 1, "{page}: blocks of {language:?} with {having:?}");
    found.remove(0)
}

/// Writes other names in place of those of a page; each must stand there.
fn with(text: &str, names: &[(&str, &str)]) -> String {
    names.iter().fold(text.to_owned(), |text, (name, ours)| {
        assert!(text.contains(name), "{name:?} is not in {text}");
        text.replace(name, ours)
    })
}

/// The program as a page's configuration starts it, and who asks it.
struct Followed {
    setup: Setup,
    program: Program,
    client: Client,
}

impl Followed {
    async fn start(folder: &Path, config: &str) -> Self {
        let setup = Setup::new(folder, config);
        let client = client();
        let mut program = setup.start(&[]);
        program.answers(&client).await;
        Self { setup, program, client }
    }

    /// The program by the configuration block of a page.
    async fn by_page(folder: &Path, page: &str, names: &[(&str, &str)]) -> Self {
        Self::start(folder, &with(&block(page, "yaml", "# headwater.yaml"), names)).await
    }

    /// A token of a source of this name.
    fn source(&self, name: &str) -> String {
        token(&self.setup.data, "source", name)
    }

    /// Waits for an alert of this source that fits.
    async fn alert(&self, source: &str, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let is_it = |one: &&Value| one["source"] == source && fits(one);
        let some = |told: &Value| told["items"].as_array().is_some_and(|items| items.iter().any(|one| is_it(&one)));
        let told = self.setup.until(&self.client, "/api/v1/alerts", &format!("{source}: {what}"), some).await;
        told["items"].as_array().unwrap().iter().find(is_it).unwrap().clone()
    }

    /// Waits for an alert of this source in this state.
    async fn in_state(&self, source: &str, state: &str) -> Value {
        self.alert(source, state, |one| one["state"] == state).await
    }

    fn stop(self) {
        self.program.stop();
    }
}

/// Runs a block of a page as a shell would, in a folder; gives what it printed.
fn shell(folder: &Path, text: &str, variables: &[(&str, &str)]) -> String {
    let path = format!(
        "{}:{}",
        Path::new(env!("CARGO_BIN_EXE_headwater")).parent().unwrap().display(),
        std::env::var("PATH").unwrap()
    );
    let done = Command::new("sh")
        .args(["-eu", "-c", text])
        .current_dir(folder)
        .env("PATH", path)
        .env("HOME", folder)
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let (out, error) = (String::from_utf8_lossy(&done.stdout).into_owned(), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success(), "{text}\n{out}\n{error}");
    out
}
