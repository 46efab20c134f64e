//! How sources' words are read: severity maps, mappings and Alertmanager's labels of a rules folder, and a folder of
//! mappings beside it. They add to the built-in ones; of the same name they replace them.

use std::path::Path;

use super::rules::{ALERTMANAGER, text, yaml_files};
use crate::decode::formats::{File, Files, FormatError, Formats};

/// Reads the formats that belong to a rules folder and a mappings folder; the built-in ones when there are none.
///
/// # Errors
/// Every error of every file, each with its place, one per line.
pub fn read(rules: Option<&Path>, mappings: Option<&Path>) -> Result<Formats, Vec<String>> {
    let mut errors = Vec::new();
    let below = |name: &str| rules.map(|folder| folder.join(name)).filter(|folder| folder.is_dir());
    let severities = texts(below("severity").as_deref(), &mut errors);
    let mut found = texts(below("mappings").as_deref(), &mut errors);
    found.extend(texts(mappings, &mut errors));
    let alertmanager = rules.map(|folder| folder.join(ALERTMANAGER)).filter(|path| path.is_file());
    let alertmanager = alertmanager.into_iter().filter_map(|path| one(&path, &mut errors)).collect::<Vec<_>>();
    let files = Files {
        severities: &borrowed(&severities),
        mappings: &borrowed(&found),
        alertmanager: &borrowed(&alertmanager),
    };
    let formats = Formats::with(&files);
    let all: Vec<&(String, String)> = severities.iter().chain(&found).chain(&alertmanager).collect();
    match formats {
        Ok(formats) if errors.is_empty() => Ok(formats),
        Ok(_) => Err(errors),
        Err(wrong) => {
            errors.extend(wrong.iter().map(|error| placed(error, &all)));
            errors.sort();
            Err(errors)
        }
    }
}

fn texts(folder: Option<&Path>, errors: &mut Vec<String>) -> Vec<(String, String)> {
    let Some(folder) = folder else { return Vec::new() };
    match yaml_files(folder) {
        Ok(paths) => paths.iter().filter_map(|path| one(path, errors)).collect(),
        Err(error) => {
            errors.push(format!("{error:#}; name a folder that can be read"));
            Vec::new()
        }
    }
}

fn one(path: &Path, errors: &mut Vec<String>) -> Option<(String, String)> {
    match text(path) {
        Ok(text) => Some((path.display().to_string(), text)),
        Err(error) => {
            errors.push(format!("{error:#}"));
            None
        }
    }
}

fn borrowed(files: &[(String, String)]) -> Vec<File<'_>> {
    files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect()
}

/// The error with the line of the field that it names.
fn placed(error: &FormatError, files: &[&(String, String)]) -> String {
    match error {
        FormatError::Yaml { .. } => error.to_string(),
        FormatError::Value { place, field, cause } => {
            let text = files.iter().find(|(path, _)| path == place).map_or("", |(_, text)| text);
            format!("{place}:{}:1: {field}: {cause}; see rules/mappings/README.md", line_of(text, field))
        }
    }
}

/// The line of the last part of a dotted path that can be found, from 1.
fn line_of(text: &str, path: &str) -> usize {
    let mut found = 1;
    for part in path.split('.') {
        let is_key = |line: &str| line.trim_start().strip_prefix(part).is_some_and(|rest| rest.starts_with(':'));
        let below = text.lines().enumerate().skip(found - 1).find(|(_, line)| is_key(line));
        match below {
            Some((number, _)) => found = number + 1,
            None => break,
        }
    }
    found
}
