//! The console's modules without a browser: what they import is there, what they say is in both languages, what they
//! call exists, and (where node is) they parse.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::process::{Command, Stdio};

use headwater::api::routes::openapi;

use crate::storms::project;

/// Modules of our own by their path under `web/`.
fn modules() -> BTreeMap<String, String> {
    let web = project().join("web");
    let folders = [web.clone(), web.join("pages")];
    let files = folders.iter().flat_map(|folder| std::fs::read_dir(folder).unwrap()).map(|entry| entry.unwrap().path());
    files
        .filter(|path| path.extension().is_some_and(|kind| kind == "js"))
        .map(|path| {
            let name = path.strip_prefix(&web).unwrap().display().to_string();
            (name, std::fs::read_to_string(path).unwrap())
        })
        .collect()
}

fn words(language: &str) -> BTreeMap<String, String> {
    let file = project().join(format!("web/i18n/{language}.json"));
    serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
}

/// The text between `before` and the next `"`, for each time that `before` comes.
fn quoted<'a>(text: &'a str, before: &str) -> Vec<&'a str> {
    text.split(before).skip(1).filter_map(|rest| rest.split('"').next()).collect()
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Names that a module gives away.
fn exports(text: &str) -> BTreeSet<&str> {
    let after = |keyword: &str| {
        let parts = text.split(keyword).skip(1);
        parts.filter_map(|rest| rest.split(|c| !is_name(c)).next()).collect::<Vec<_>>()
    };
    ["export const ", "export function ", "export async function ", "export class "]
        .into_iter()
        .flat_map(after)
        .collect()
}

#[test]
fn what_a_module_imports_is_there() {
    let modules = modules();
    assert!(modules.len() > 15);
    let mut wrong = Vec::new();
    for (name, text) in &modules {
        for line in text.lines().filter(|line| line.starts_with("import ")) {
            let path = quoted(line, "from \"").first().copied().unwrap_or_default();
            let target = match (name.starts_with("pages/"), path.strip_prefix("../")) {
                (true, Some(up)) => up.to_owned(),
                (true, None) => format!("pages/{}", path.trim_start_matches("./")),
                (false, _) => path.trim_start_matches("./").to_owned(),
            };
            if !project().join("web").join(&target).exists() {
                wrong.push(format!("{name}: there is no {path}"));
            }
            let Some(known) = modules.get(&target) else { continue };
            let names = line.split(['{', '}']).nth(1).unwrap_or_default();
            let missing = names.split(',').map(str::trim).filter(|n| !n.is_empty() && !exports(known).contains(n));
            wrong.extend(missing.map(|n| format!("{name}: {path} has no {n}")));
            let used = |n: &&str| text.matches(*n).count() < 2;
            let idle = names.split(',').map(str::trim).filter(|n| !n.is_empty()).filter(used);
            wrong.extend(idle.map(|n| format!("{name}: {n} is imported and not used")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_page_that_is_loaded_later_is_there() {
    let modules = modules();
    let app = &modules["app.js"];
    let pages: Vec<(&str, &str)> = app
        .split("import(\"./")
        .skip(1)
        .filter_map(|rest| Some((rest.split('"').next()?, rest.split('"').nth(2)?)))
        .collect();
    assert!(pages.len() > 15, "{pages:?}");
    for (path, name) in pages {
        assert!(modules.get(path).is_some_and(|text| exports(text).contains(name)), "{path} gives no page {name}");
    }
    let later: Vec<&String> =
        modules.keys().filter(|name| name.starts_with("pages/") && !app.contains(&***name)).collect();
    assert!(later.is_empty(), "pages that nobody loads: {later:?}");
}

#[test]
fn every_word_is_in_both_languages_and_used() {
    let (zh, en) = (words("zh"), words("en"));
    assert!(zh.keys().eq(en.keys()), "the languages have different keys");
    let all: String = modules().into_values().collect();
    let missing: Vec<&str> = quoted(&all, " t(\"")
        .into_iter()
        .chain(quoted(&all, "${t(\""))
        .chain(quoted(&all, "(t(\""))
        .filter(|key| !en.contains_key(*key))
        .collect();
    assert!(missing.is_empty(), "words without a translation: {missing:?}");
    // A key that is put together in the code has its beginning there.
    let beginnings: BTreeSet<&str> = all
        .split('`')
        .filter_map(|part| part.split_once("${").map(|(start, _)| start))
        .filter(|s| s.ends_with('.'))
        .collect();
    let named =
        |key: &&String| all.contains(&format!("\"{key}\"")) || beginnings.iter().any(|start| key.starts_with(start));
    // One of something may have a word of its own, which nobody asks for by name.
    let asked = |key: &&String| key.strip_suffix(".one").is_some_and(|many| en.contains_key(many)) || named(key);
    let idle: Vec<&String> = en.keys().filter(|key| !asked(key)).collect();
    assert!(idle.is_empty(), "words that nothing says: {idle:?}");
    let holes = |text: &str| {
        let names = text.split('{').skip(1).filter_map(|rest| rest.split_once('}').map(|(name, _)| name.to_owned()));
        names.collect::<BTreeSet<_>>()
    };
    let uneven: Vec<&String> =
        en.iter().filter(|(key, text)| holes(text) != holes(&zh[*key])).map(|(key, _)| key).collect();
    assert!(uneven.is_empty(), "words with other values in the other language: {uneven:?}");
}

#[test]
fn every_section_of_the_rules_has_a_word() {
    let mut files = vec![project().join("src/engine/policy.rs")];
    files.extend(std::fs::read_dir(project().join("src/engine/policy")).unwrap().map(|entry| entry.unwrap().path()));
    let texts = files.iter().filter(|path| path.is_file()).map(|path| std::fs::read_to_string(path).unwrap());
    let all: String = texts.collect();
    // `rule!(Route, "routes", …)` and `listed("inhibit", …)`.
    let rules = all.split("\nrule!(").skip(1).filter_map(|rest| rest.split('"').nth(1));
    let sections: BTreeSet<&str> = rules.chain(quoted(&all, "listed(\"")).collect();
    assert!(sections.contains("service_levels") && sections.contains("key_periods"), "{sections:?}");
    for language in ["zh", "en"] {
        let words = words(language);
        let missing: Vec<_> =
            sections.iter().filter(|one| !words.contains_key(&format!("rules.section.{one}"))).collect();
        assert!(missing.is_empty(), "{language}: sections of rules without a word: {missing:?}");
    }
}

#[test]
fn every_call_exists() {
    let document = serde_json::to_value(openapi()).unwrap();
    let known: Vec<Vec<String>> = document["paths"]
        .as_object()
        .unwrap()
        .keys()
        .map(|path| path.split('/').map(str::to_owned).collect())
        .collect();
    let mut wrong = Vec::new();
    let mut calls = 0;
    for (name, text) in modules() {
        for part in text.split("/api/v1/").skip(1) {
            // An expression inside the path is one part of it; what follows `?` are fields.
            let mut path = String::new();
            let mut depth = 0;
            for c in part.chars() {
                match c {
                    '{' => depth += 1,
                    '}' => {
                        depth -= 1;
                        path.push('*');
                    }
                    '"' | '`' | '?' | ' ' if depth == 0 => break,
                    '$' => {}
                    c if depth == 0 => path.push(c),
                    _ => {}
                }
            }
            let parts: Vec<&str> = ["", "api", "v1"].into_iter().chain(path.split('/')).collect();
            let fits = |route: &Vec<String>| {
                route.len() == parts.len()
                    && route.iter().zip(&parts).all(|(route, part)| {
                        route == part
                            || (route.starts_with('{') && part.contains('*'))
                            || (part.contains('*') && !route.starts_with('{'))
                    })
            };
            calls += 1;
            if !known.iter().any(fits) {
                wrong.push(format!("{name}: there is no /api/v1/{path}"));
            }
        }
    }
    assert!(calls > 10 && wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn modules_parse_where_node_is() {
    if Command::new("node").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_err() {
        // The browser's tests load every module anyway.
        return;
    }
    for (name, text) in modules() {
        let mut node = Command::new("node")
            .args(["--input-type=module", "--check", "-"])
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        node.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        let end = node.wait_with_output().unwrap();
        assert!(end.status.success(), "{name}: {}", String::from_utf8_lossy(&end.stderr));
    }
}
