//! Layers of settings: the defaults, a file, the environment. The later one wins, key by key; whatever is wrong is
//! told with the layer and the place it stands at, all of it at once.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use figment::error::Kind;
use figment::providers::Env;
use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};
use serde::de::DeserializeOwned;

use super::tree::{Tree, join};
use crate::engine::policy::place::LineColumn;

/// What every variable begins with; `__` stands between section and key.
pub const PREFIX: &str = "HEADWATER__";
/// The most errors that are told at once.
const ERRORS_MAX: usize = 50;

/// What is wrong with the configuration: file and line, or variable; what; and what to do.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConfigError {
    /// `file:line:column` or the variable's name.
    pub place: String,
    pub what: String,
    pub remedy: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.place, self.what, self.remedy)
    }
}

/// Where a layer comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Origin {
    File(PathBuf),
    Environment,
}

/// One layer.
#[derive(Clone, Debug)]
struct Layer {
    origin: Origin,
    dict: Dict,
    places: BTreeMap<String, LineColumn>,
}

impl Provider for &Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(match &self.origin {
            Origin::File(path) => path.display().to_string(),
            Origin::Environment => "environment".to_owned(),
        })
    }

    fn data(&self) -> figment::error::Result<Map<Profile, Dict>> {
        Ok(Profile::Default.collect(self.dict.clone()))
    }
}

/// All layers, the weakest first.
#[derive(Clone, Debug, Default)]
pub struct Layers(Vec<Layer>);

impl Layers {
    /// Adds a YAML text on top; `path` is named in errors.
    ///
    /// # Errors
    /// When the text is no YAML, or no map.
    pub fn file(mut self, path: &Path, text: &str) -> Result<Self, ConfigError> {
        let tree = Tree::read(text).map_err(|(at, what)| ConfigError {
            place: format!("{}:{}:{}", path.display(), at.line, at.column),
            what,
            remedy: "correct it; config/default.yaml shows every setting".into(),
        })?;
        self.0.push(Layer { origin: Origin::File(path.to_owned()), dict: tree.dict, places: tree.places });
        Ok(self)
    }

    /// Adds the variables of the environment that begin with [`PREFIX`].
    ///
    /// # Errors
    /// When they contradict each other.
    pub fn environment(mut self) -> Result<Self, ConfigError> {
        let found = Env::prefixed(PREFIX).split("__").data().map_err(|error| ConfigError {
            place: PREFIX.to_owned(),
            what: error.to_string(),
            remedy: "unset one of the variables".into(),
        })?;
        let dict = found.into_iter().next().map(|(_, dict)| dict).unwrap_or_default();
        self.0.push(Layer { origin: Origin::Environment, dict, places: BTreeMap::new() });
        Ok(self)
    }

    /// Reads the settings. Layers of which something is wrong are looked at again without it, to find the rest.
    ///
    /// # Errors
    /// Everything that is wrong.
    pub fn read<T: DeserializeOwned>(mut self) -> Result<T, Vec<ConfigError>> {
        let mut errors = Vec::new();
        while errors.len() < ERRORS_MAX {
            let merged = self.0.iter().fold(Figment::new(), |figment, layer| figment.merge(layer));
            let error = match merged.extract::<T>() {
                Ok(settings) if errors.is_empty() => return Ok(settings),
                Ok(_) => break,
                Err(error) => error,
            };
            let path = error.path.join(".");
            let told = self.tell(&path, &error.kind);
            let is_removed = self.remove(&path);
            errors.push(told);
            if !is_removed {
                break;
            }
        }
        errors.sort();
        errors.dedup();
        Err(errors)
    }

    /// The folder that a relative path at `key` starts from: that of the file which says it, unless it is the defaults.
    pub fn folder_of(&self, key: &str) -> Option<&Path> {
        let layer = self.0.iter().skip(1).rev().find(|layer| layer.has(key))?;
        match &layer.origin {
            Origin::File(path) => path.parent(),
            Origin::Environment => None,
        }
    }

    /// `file:line:column` or variable of what stands at `key`, as the strongest layer says it.
    pub fn place_of(&self, key: &str) -> String {
        let mut known = key;
        loop {
            if let Some(layer) = self.0.iter().rev().find(|layer| layer.has(known)) {
                return layer.place(known);
            }
            match known.rsplit_once('.') {
                Some((shorter, _)) => known = shorter,
                None => return key.to_owned(),
            }
        }
    }

    fn tell(&self, path: &str, kind: &Kind) -> ConfigError {
        let place = self.place_of(path);
        let key = path.rsplit('.').next().unwrap_or_default();
        let (what, remedy) = match kind {
            Kind::UnknownField(name, known) => {
                let known = known.join(", ");
                (format!("unknown setting `{name}`"), format!("remove it or write one of: {known}"))
            }
            Kind::MissingField(name) => (format!("`{name}` is missing in `{path}`"), "add it".to_owned()),
            Kind::Message(told) => match told.rsplit_once("; ") {
                Some((what, remedy)) => (format!("`{key}`: {what}"), remedy.to_owned()),
                None => (format!("`{key}`: {told}"), "config/default.yaml shows what can be written".to_owned()),
            },
            Kind::UnknownVariant(found, known) => {
                (format!("`{key}`: {found:?} is not known"), format!("write one of: {}", known.join(", ")))
            }
            Kind::InvalidType(found, wanted) => {
                let found = found.to_string().replace('`', "");
                (format!("`{key}`: found {found}, expected {wanted}"), "correct the value, or quote a text".to_owned())
            }
            other => (format!("`{key}`: {other}"), "correct the value".to_owned()),
        };
        ConfigError { place, what, remedy }
    }

    /// Takes what stands at the path (or above it) out of every layer but the defaults.
    fn remove(&mut self, path: &str) -> bool {
        let mut path = path;
        loop {
            let mut removed = false;
            for layer in self.0.iter_mut().skip(1) {
                removed |= !path.is_empty() && take(&mut layer.dict, path);
            }
            if removed {
                return true;
            }
            match path.rsplit_once('.') {
                Some((shorter, _)) => path = shorter,
                None => return false,
            }
        }
    }
}

impl Layer {
    fn has(&self, key: &str) -> bool {
        let mut at: Option<&Value> = None;
        for part in key.split('.') {
            at = match at {
                None => self.dict.get(part),
                Some(Value::Dict(_, dict)) => dict.get(part),
                Some(Value::Array(_, list)) => part.parse::<usize>().ok().and_then(|number| list.get(number)),
                Some(_) => None,
            };
            if at.is_none() {
                return false;
            }
        }
        true
    }

    fn place(&self, key: &str) -> String {
        match &self.origin {
            Origin::File(path) => {
                let at = self.places.get(key).copied().unwrap_or_default();
                format!("{}:{}:{}", path.display(), at.line, at.column)
            }
            Origin::Environment => {
                // A variable may hold a whole list or map.
                let mut name = String::new();
                for part in key.split('.').take_while(|part| part.parse::<usize>().is_err()) {
                    name = join(&name, part);
                }
                format!("{PREFIX}{}", name.to_uppercase().replace('.', "__"))
            }
        }
    }
}

/// Takes out what stands at a path; an item of a list takes the whole list along, so that the others keep their numbers.
fn take(dict: &mut Dict, path: &str) -> bool {
    let Some((first, rest)) = path.split_once('.') else { return dict.remove(path).is_some() };
    match dict.get_mut(first) {
        Some(Value::Dict(_, inner)) => take(inner, rest),
        Some(Value::Array(..)) => dict.remove(first).is_some(),
        _ => false,
    }
}
