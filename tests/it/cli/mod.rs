//! The real program from the command line: what it prints, how it ends, what it says about bad input.

mod backtest;
mod config;
mod dead_letters;
mod demo;
pub mod full_disk;
mod help;
mod importing;
mod metric_model;
mod metrics;
mod model;
mod noted;
mod pipes;
mod private;
mod reload;
mod replay;
mod resend;
mod rule_tests;
pub mod served;
mod shadow;
mod stopping;
mod strangers;
mod taught;
mod tuning;
mod vitals;
mod why_not;

use std::path::Path;
use std::process::{Command, Output};

/// What a run of the program said, and how it ended.
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Ran {
    pub fn of(output: Output) -> Self {
        Self {
            code: output.status.code().expect("it ended by itself"),
            out: String::from_utf8(output.stdout).expect("text"),
            err: String::from_utf8(output.stderr).expect("text"),
        }
    }

    /// Asserts that it failed and that what it said holds all the parts.
    pub fn refuses(&self, parts: &[&str]) {
        assert_ne!(self.code, 0, "it should have failed; it said\n{}{}", self.out, self.err);
        self.says(parts);
    }

    /// Asserts that it did what was asked and that what it said holds all the parts.
    pub fn does(&self, parts: &[&str]) {
        assert_eq!(self.code, 0, "it failed and said\n{}{}", self.out, self.err);
        self.says(parts);
    }

    fn says(&self, parts: &[&str]) {
        for part in parts {
            let told = format!("{}{}", self.out, self.err);
            assert!(told.contains(part), "{part:?} is missing in\n{told}");
        }
    }
}

/// Runs the program to its end.
pub fn headwater<S: AsRef<std::ffi::OsStr>>(arguments: &[S]) -> Ran {
    Ran::of(Command::new(env!("CARGO_BIN_EXE_headwater")).args(arguments).output().expect("it runs"))
}

/// Writes a file below a folder; makes the folders on the way.
pub fn write(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().expect("below a folder")).expect("made");
    std::fs::write(&path, text).expect("written");
    path.display().to_string()
}

/// The path of a file of the project.
pub fn shipped(path: &str) -> String {
    crate::storms::project().join(path).display().to_string()
}
