//! Cases: sources that send several kinds of bodies to one address.

use regex::Regex;
use schemars::JsonSchema;
use serde::Deserialize;

use super::event::{EventSpec, Wrong};
use crate::decode::path::{Path, Place};
use crate::decode::value::regex;

/// How bodies of one kind are read, or that they are no events.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Case {
    /// All of them must hold.
    when: Vec<Test>,
    /// They are no events; says what they are.
    skip: Option<String>,
    event: Option<EventSpec>,
}

/// One look at a body. Without `is` and `match`: there is a value that is not empty.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Test {
    path: Path,
    /// One of these texts; case does not count.
    #[serde(default)]
    is: OneOf,
    /// A regular expression that is found in the text.
    r#match: Option<String>,
    /// The look must fail.
    #[serde(default)]
    not: bool,
    #[serde(skip)]
    pattern: Option<Regex>,
}

#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(untagged)]
enum OneOf {
    #[default]
    Anything,
    One(String),
    Several(Vec<String>),
}

impl Case {
    /// Checks and completes it.
    pub fn ready(&mut self) -> Result<(), Wrong> {
        if self.when.is_empty() {
            return Err((".when".into(), "give at least one test; what fits everything is `event`".into()));
        }
        for test in &mut self.when {
            test.pattern =
                test.r#match.as_deref().map(regex).transpose().map_err(|cause| (".when.match".into(), cause))?;
        }
        match (&self.skip, &mut self.event) {
            (None, Some(event)) => event.ready().map_err(|(field, cause)| (format!(".event{field}"), cause)),
            (Some(_), None) => Ok(()),
            _ => Err((String::new(), "give either event or skip".into())),
        }
    }

    /// Whether a body is of this kind.
    pub fn fits(&self, place: Place<'_, '_>) -> bool {
        self.when.iter().all(|test| test.holds(place) != test.not)
    }

    /// How it is read; `None` when it is left out.
    pub fn event(&self) -> Option<&EventSpec> {
        self.event.as_ref()
    }
}

impl Test {
    fn holds(&self, place: Place<'_, '_>) -> bool {
        let node = self.path.find(place);
        // What is only asked for is not written out.
        if self.pattern.is_none() && matches!(self.is, OneOf::Anything) {
            return node.is_some_and(|node| !node.is_empty());
        }
        let text = node.and_then(|node| node.text()).unwrap_or_default();
        let is_one = match &self.is {
            OneOf::Anything => !text.is_empty(),
            OneOf::One(one) => one.eq_ignore_ascii_case(&text),
            OneOf::Several(several) => several.iter().any(|one| one.eq_ignore_ascii_case(&text)),
        };
        is_one && self.pattern.as_ref().is_none_or(|pattern| pattern.is_match(&text))
    }
}
