//! Everything about formats that is data: severity maps, mappings, the rules for Alertmanager's labels. A default
//! set is compiled in; a site adds or replaces files.

use std::collections::BTreeMap;

use super::mapping::Mapping;
use super::severity::{SeverityMap, SeverityMaps};

/// Why a file cannot be used: names the file, the place within it and the remedy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    #[error("{place}: {cause}")]
    Yaml { place: String, cause: String },
    #[error("{place}: {field}: {cause}")]
    Value { place: String, field: String, cause: String },
}

impl FormatError {
    pub(super) fn yaml(place: &str, cause: &dyn std::fmt::Display) -> Self {
        Self::Yaml { place: place.into(), cause: cause.to_string() }
    }
}

/// A file's name, for messages, and its text.
pub type File<'a> = (&'a str, &'a str);

macro_rules! rules {
    ($($path:literal),* $(,)?) => {
        &[$(($path, include_str!(concat!("../../", $path)))),*]
    };
}

const SEVERITIES: &[File<'static>] = rules![];

const MAPPINGS: &[File<'static>] = rules!["rules/mappings/stormgen.yaml"];

/// All formats of one version of the rules.
#[derive(Clone, Debug, Default)]
pub struct Formats {
    pub severities: SeverityMaps,
    mappings: BTreeMap<String, Mapping>,
}

impl Formats {
    /// What is compiled in.
    pub fn built_in() -> Self {
        Self::with(&[], &[]).expect("the built-in formats are tested")
    }

    /// The built-in formats and a site's own files; a site's map or mapping replaces the built-in one of its name.
    pub fn with(severities: &[File<'_>], mappings: &[File<'_>]) -> Result<Self, Vec<FormatError>> {
        let mut errors = Vec::new();
        let mut maps = Vec::new();
        for (place, yaml) in SEVERITIES.iter().chain(severities) {
            SeverityMap::parse(place, yaml).map_or_else(|error| errors.push(error), |map| maps.push(map));
        }
        let mut formats = Self { severities: SeverityMaps::of(maps), mappings: BTreeMap::new() };
        for (place, yaml) in MAPPINGS.iter().chain(mappings) {
            match Mapping::parse(place, yaml).and_then(|mapping| formats.known_map(place, mapping)) {
                Ok(mapping) => drop(formats.mappings.insert(mapping.mapping.clone(), mapping)),
                Err(error) => errors.push(error),
            }
        }
        if errors.is_empty() { Ok(formats) } else { Err(errors) }
    }

    fn known_map(&self, place: &str, mapping: Mapping) -> Result<Mapping, FormatError> {
        let unknown = mapping.severity_map().filter(|name| self.severities.named(name).is_none());
        match unknown {
            None => Ok(mapping),
            Some(name) => Err(FormatError::Value {
                place: place.into(),
                field: "event.severity.uses".into(),
                cause: format!(
                    "there is no severity map {name:?}; there are {}",
                    self.severities.names().collect::<Vec<_>>().join(", ")
                ),
            }),
        }
    }

    /// The mapping of this name.
    pub fn mapping(&self, name: &str) -> Option<&Mapping> {
        self.mappings.get(name)
    }

    /// All mappings, by name.
    pub fn mappings(&self) -> impl Iterator<Item = &Mapping> {
        self.mappings.values()
    }
}
