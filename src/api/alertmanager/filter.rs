//! Alertmanager's matchers as text: `alertname="Down"`, `instance=~"db-.*"`.

use regex::Regex;

use crate::api::problem::ApiError;
use crate::domain::matcher::{Matcher, MatcherText, Op};

/// How a label is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sign {
    Equal,
    NotEqual,
    Like,
    Unlike,
}

/// One comparison.
pub struct Filter {
    pub label: String,
    sign: Sign,
    value: String,
    regex: Option<Regex>,
}

impl Filter {
    /// Reads `label<sign>value`; quotes around the value may be missing.
    pub fn parse(text: &str) -> Result<Self, ApiError> {
        let bad = |why: &str| ApiError::Bad(format!("filter {text:?}: {why}; write it like alertname=\"Down\""));
        let text = text.trim().trim_start_matches('{').trim_end_matches('}').trim();
        let at = text.find(['=', '!']).ok_or_else(|| bad("there is no =, !=, =~ or !~"))?;
        let (label, rest) = text.split_at(at);
        let signs = [("=~", Sign::Like), ("!~", Sign::Unlike), ("!=", Sign::NotEqual), ("=", Sign::Equal)];
        let found = signs.into_iter().find_map(|(sign, kind)| Some((kind, rest.strip_prefix(sign)?)));
        let (sign, value) = found.ok_or_else(|| bad("there is no =, !=, =~ or !~"))?;
        let value = value.trim();
        let value = match value.strip_prefix('"').and_then(|value| value.strip_suffix('"')) {
            Some(quoted) => quoted.replace("\\\"", "\"").replace("\\\\", "\\"),
            None => value.to_owned(),
        };
        let label = label.trim().to_owned();
        if label.is_empty() {
            return Err(bad("the label is missing"));
        }
        let regex = match sign {
            Sign::Like | Sign::Unlike => Some(whole(&value).map_err(|error| bad(&error))?),
            Sign::Equal | Sign::NotEqual => None,
        };
        Ok(Self { label, sign, value, regex })
    }

    /// Whether a label's value passes; a label that is not there has the empty text.
    pub fn takes(&self, value: &str) -> bool {
        let is_like = self.regex.as_ref().is_some_and(|regex| regex.is_match(value));
        match self.sign {
            Sign::Equal => value == self.value,
            Sign::NotEqual => value != self.value,
            Sign::Like => is_like,
            Sign::Unlike => !is_like,
        }
    }
}

/// A regular expression over the whole value, within the bounds of our own matchers.
pub fn whole(pattern: &str) -> Result<Regex, String> {
    let text = MatcherText { field: "x".into(), op: Op::Regex, value: pattern.into(), not: false };
    Matcher::try_from(text).map_err(|error| error.to_string())?;
    Regex::new(&format!(r"\A(?:{pattern})\z")).map_err(|error| error.to_string())
}

/// Reads all filters of a query.
pub fn read(texts: &[String]) -> Result<Vec<Filter>, ApiError> {
    texts.iter().map(|text| Filter::parse(text)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_read_as_amtool_writes_them() {
        let check = |text: &str, value: &str, takes| {
            let filter = Filter::parse(text).expect("a filter");
            assert_eq!((filter.label.as_str(), filter.takes(value)), ("a", takes), "{text} on {value}");
        };
        check("a=\"x\"", "x", true);
        check("a=x", "x", true);
        check("a!=\"x\"", "x", false);
        check("a=~\"x|y.*\"", "yes", true);
        check("a=~\"x\"", "xx", false);
        check("a!~\"x\"", "xx", true);
        check("{a=\"\"}", "", true);
        check("a=\"q\\\"q\"", "q\"q", true);
        for bad in ["", "a", "=x", "a=~\"(\""] {
            assert!(Filter::parse(bad).is_err(), "{bad}");
        }
    }
}
