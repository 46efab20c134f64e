//! A folder of rules: `*.yaml` at its top. What stands in its subfolders (mappings, severity maps, tests) is no rule,
//! and `alertmanager.yaml` says how a source's labels are read.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow, bail};

use crate::engine::policy::Policy;
use crate::engine::policy::place::{RuleFile, TESTS};

/// The one file at the top of a rules folder that holds no rules.
pub const ALERTMANAGER: &str = "alertmanager.yaml";
/// The largest file that is looked at, in bytes. The compiler's own limit is lower and tells the place.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// The rule files of a folder, by name.
///
/// # Errors
/// When the folder or a file cannot be read, or holds no rule file.
pub fn read(folder: &Path) -> Result<Vec<RuleFile>> {
    let paths = yaml_files(folder)?;
    let mut files = Vec::new();
    for path in paths {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name != ALERTMANAGER {
            files.push(RuleFile { name: name.to_owned(), text: text(&path)? });
        }
    }
    if files.is_empty() {
        bail!("{}: no rule file (*.yaml) in it; name the right folder, or copy the shipped rules/", folder.display());
    }
    Ok(files)
}

/// The rule files of a folder, and those in its subfolder of tests: as they are put in force, so that everybody can play them.
///
/// # Errors
/// When a folder or a file cannot be read, or there is no rule file.
pub fn read_with_tests(folder: &Path) -> Result<Vec<RuleFile>> {
    let mut files = read(folder)?;
    let tests = folder.join(TESTS);
    if tests.is_dir() {
        for path in yaml_files(&tests)? {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            files.push(RuleFile { name: format!("{TESTS}{name}"), text: text(&path)? });
        }
    }
    Ok(files)
}

/// The rules of a folder, compiled; every error with its place on a line of its own.
///
/// # Errors
/// When the folder cannot be read or the set is refused.
pub fn compile(folder: &Path, version: u64) -> Result<Arc<Policy>> {
    let compiled = Policy::compile(version, &read(folder)?).map_err(|errors| {
        let lines: Vec<String> = errors.iter().map(|error| format!("{}/{error}", folder.display())).collect();
        anyhow!(lines.join("\n"))
    });
    Ok(Arc::new(compiled?))
}

/// The YAML files at the top of a folder, in the order of their names.
///
/// # Errors
/// When the folder cannot be read.
pub fn yaml_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("read the folder {}", folder.display()))?;
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.with_context(|| format!("read the folder {}", folder.display()))?.path();
        let is_hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        let is_yaml = path.extension().is_some_and(|e| e == "yaml" || e == "yml");
        if is_yaml && !is_hidden && path.is_file() {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// A file's text.
///
/// # Errors
/// When it cannot be read, is far too large, or is no UTF-8.
pub fn text(path: &Path) -> Result<String> {
    let size = std::fs::metadata(path).with_context(|| format!("read {}", path.display()))?.len();
    if size > FILE_BYTES_MAX {
        bail!("{}: larger than {FILE_BYTES_MAX} bytes; split it", path.display());
    }
    let bytes = std::fs::read(path).with_context(|| format!("read {}", path.display()))?;
    String::from_utf8(bytes).map_err(|error| {
        let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        anyhow!("{}:{line}:1: is not UTF-8; save it as UTF-8", path.display())
    })
}
