//! Texts with fields in them: `{site} {labels.port} down`. `{{` and `}}` are braces.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::domain::matcher::Fields;
use crate::engine::fields;

/// The longest template, and the longest text made from one, in characters.
const TEMPLATE_CHARS_MAX: usize = 1024;
const TEXT_CHARS_MAX: usize = 2048;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(Box<str>),
    Field(Box<str>),
}

/// A text with places for fields.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String")]
pub struct Template(Vec<Part>);

impl TryFrom<String> for Template {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text.chars().count() > TEMPLATE_CHARS_MAX {
            return Err(format!("the template is longer than {TEMPLATE_CHARS_MAX} characters; shorten it"));
        }
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text.as_str();
        while let Some(at) = rest.find(['{', '}']) {
            plain.push_str(&rest[..at]);
            let brace = &rest[at..=at];
            rest = &rest[at + 1..];
            if let Some(after) = rest.strip_prefix(brace) {
                plain.push_str(brace);
                rest = after;
                continue;
            }
            let field = (brace == "{").then(|| rest.split_once('}')).flatten();
            let Some((field, after)) = field else {
                return Err(format!("{text:?} has a brace without its partner; write {{field}}, or {{{{ for a brace"));
            };
            if !fields::is_known(field) {
                return Err(format!(
                    "unknown field {field:?} in a template; known: {}, labels.*",
                    fields::NAMES.join(", ")
                ));
            }
            if !plain.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut plain).into()));
            }
            parts.push(Part::Field(field.into()));
            rest = after;
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            parts.push(Part::Text(plain.into()));
        }
        Ok(Self(parts))
    }
}

impl Template {
    /// The text for these fields; a missing field is empty. At most 2048 characters.
    pub fn render(&self, fields: &dyn Fields) -> String {
        let mut text = String::new();
        for part in &self.0 {
            match part {
                Part::Text(plain) => text.push_str(plain),
                Part::Field(name) => text.push_str(&fields.field(name).unwrap_or_default()),
            }
        }
        match text.char_indices().nth(TEXT_CHARS_MAX) {
            Some((end, _)) => text[..end].to_owned(),
            None => text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::Event;
    use crate::domain::time::Timestamp;

    #[test]
    fn fields_are_put_in_and_braces_stay_data() {
        let mut event = Event::new("t".into(), "s".into(), "n", Timestamp(0));
        event.title = "{name}{{7*7}}".into();
        let check = |template: &str, text: &str| {
            let template = Template::try_from(template.to_owned()).unwrap();
            assert_eq!(template.render(&event), text);
        };
        check("{source}/{name}", "s/n");
        check("{labels.none}!", "!");
        check("{{name}}", "{name}");
        check("{title}", "{name}{{7*7}}");
        check("", "");
        for wrong in ["{name", "name}", "{nome}", "{}", "{labels.}"] {
            assert!(Template::try_from(wrong.to_owned()).is_err(), "{wrong}");
        }
    }
}
