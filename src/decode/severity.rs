//! Severity maps: what each source's words mean on our scale. Data, never code: the same word is the top level at
//! one source and the third at another.

use std::collections::BTreeMap;

use regex::Regex;
use schemars::JsonSchema;
use serde::Deserialize;

use super::formats::{FormatError, read_yaml};
use crate::domain::severity::Severity;

/// The words of one kind of source.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SeverityMap {
    /// What mappings and people call this map.
    pub name: String,
    /// One sentence for people.
    #[serde(default)]
    pub about: String,
    /// The sources whose events it is for, `*` and `?` allowed; empty: only where a mapping names it.
    #[serde(default)]
    sources: Vec<String>,
    /// Word or number as the source writes it → our severity. Case does not count.
    words: BTreeMap<String, Severity>,
    #[serde(skip)]
    sources_regex: Vec<Regex>,
}

impl SeverityMap {
    /// Reads one YAML file; `place` is named in errors.
    pub fn parse(place: &str, yaml: &str) -> Result<Self, FormatError> {
        let mut map: Self = read_yaml(place, yaml)?;
        map.words = map.words.into_iter().map(|(word, severity)| (folded(&word), severity)).collect();
        map.sources_regex = map.sources.iter().map(|pattern| glob(pattern)).collect::<Result<_, _>>().map_err(
            |error: regex::Error| FormatError::Value {
                place: place.into(),
                field: "sources".into(),
                cause: error.to_string(),
            },
        )?;
        Ok(map)
    }

    /// A map from words written in a mapping.
    pub fn of_words(words: BTreeMap<String, Severity>) -> Self {
        let words = words.into_iter().map(|(word, severity)| (folded(&word), severity)).collect();
        Self { words, ..Self::default() }
    }

    /// What the word means, or `None` when the map does not know it.
    pub fn get(&self, word: &str) -> Option<Severity> {
        self.words.get(word).copied().or_else(|| self.words.get(&folded(word)).copied())
    }
}

fn folded(word: &str) -> String {
    word.trim().to_lowercase()
}

fn glob(pattern: &str) -> Result<Regex, regex::Error> {
    let pattern = regex::escape(pattern).replace(r"\*", ".*").replace(r"\?", ".");
    Regex::new(&format!(r"\A(?s:{pattern})\z"))
}

/// By which map a word is read.
#[derive(Clone, Copy, Debug)]
pub enum Words<'a> {
    /// Our own words; what is none of them, by the source's own map.
    Ours,
    /// This map and no other.
    By(&'a SeverityMap),
    /// The source's own map, or else this one, or else our own words.
    BySource(Option<&'a SeverityMap>),
}

/// All severity maps, by name.
#[derive(Clone, Debug, Default)]
pub struct SeverityMaps(BTreeMap<String, SeverityMap>);

impl SeverityMaps {
    /// Collects maps; of two with one name the later wins, so that a site can replace a built-in one.
    pub fn of(maps: impl IntoIterator<Item = SeverityMap>) -> Self {
        Self(maps.into_iter().map(|map| (map.name.clone(), map)).collect())
    }

    /// The map of this name.
    pub fn named(&self, name: &str) -> Option<&SeverityMap> {
        self.0.get(name)
    }

    /// The first map, in the order of names, that is meant for this source.
    pub fn for_source(&self, source: &str) -> Option<&SeverityMap> {
        self.0.values().find(|map| map.sources_regex.iter().any(|regex| regex.is_match(source)))
    }

    /// The names of all maps, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

/// OpenTelemetry's severity number on our scale. Numbers below WARN cannot be judged.
pub fn from_otel_number(number: u8) -> Severity {
    match number {
        19.. => Severity::Critical,
        18 => Severity::Major,
        17 => Severity::Minor,
        13..=16 => Severity::Warning,
        0..=12 => Severity::Indeterminate,
    }
}
