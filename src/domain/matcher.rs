//! Matchers: the language in which people say which events they mean.
//!
//! A matcher compares one field. Inside a group all must hold (AND); between groups one is enough (OR);
//! `not` turns a matcher round. A missing field is the empty text, as in Alertmanager.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use regex::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};

/// The largest compiled regular expression (memory, bytes).
const REGEX_BYTES_MAX: usize = 256 * 1024;

/// How a field is compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Op {
    /// Equal text.
    #[default]
    Is,
    /// One of several texts, separated by `|`.
    In,
    /// Regular expression over the whole field (linear time).
    Regex,
    /// `*` and `?`.
    Glob,
    /// The field is an IP address inside this network, for example `10.0.0.0/8`.
    Cidr,
    /// Numbers or severities: at least / more than / at most / less than.
    Ge,
    Gt,
    Le,
    Lt,
}

/// One comparison as written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MatcherText {
    /// `severity`, `source`, `name`, `title`, `status`, `class`, `ci`, `area`, `org`, `site`, … or `labels.<key>`.
    pub field: String,
    #[serde(default)]
    pub op: Op,
    pub value: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub not: bool,
}

impl fmt::Display for MatcherText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = match (self.op, self.not) {
            (Op::Is, false) => "=",
            (Op::Is, true) => "!=",
            (Op::In, false) => "in",
            (Op::In, true) => "not in",
            (Op::Regex, false) => "~",
            (Op::Regex, true) => "!~",
            (Op::Glob, false) => "like",
            (Op::Glob, true) => "not like",
            (Op::Cidr, false) => "within",
            (Op::Cidr, true) => "not within",
            (Op::Ge, false) | (Op::Lt, true) => ">=",
            (Op::Gt, false) | (Op::Le, true) => ">",
            (Op::Le, false) | (Op::Gt, true) => "<=",
            (Op::Lt, false) | (Op::Ge, true) => "<",
        };
        write!(f, "{} {sign} {:?}", self.field, self.value)
    }
}

/// Why a matcher cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MatcherError {
    #[error("field {field:?}: {value:?} is not a regular expression: {cause}")]
    Regex { field: String, value: String, cause: String },
    #[error("field {field:?}: {value:?} is not a network such as 10.0.0.0/8")]
    Cidr { field: String, value: String },
    #[error("field {field:?}: {value:?} is neither a number nor a severity")]
    Number { field: String, value: String },
    #[error("a matcher without a field")]
    NoField,
}

#[derive(Clone, Debug)]
enum Test {
    Is(Box<str>),
    In(Vec<Box<str>>),
    Regex(Arc<Regex>),
    Cidr(IpAddr, u8),
    Number(Op, f64),
}

/// One comparison, ready to use.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "MatcherText", into = "MatcherText")]
pub struct Matcher {
    text: MatcherText,
    test: Test,
}

impl PartialEq for Matcher {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

/// Something whose fields can be compared. `Sync`, because expressions borrow it.
pub trait Fields: Sync {
    /// The field's text; `None` when it has none.
    fn field(&self, name: &str) -> Option<std::borrow::Cow<'_, str>>;
}

impl Matcher {
    /// The field that is compared.
    pub fn field(&self) -> &str {
        &self.text.field
    }

    /// The matcher as written.
    pub fn text(&self) -> &MatcherText {
        &self.text
    }

    /// Whether the comparison holds for these fields.
    pub fn matches(&self, fields: &dyn Fields) -> bool {
        let value = fields.field(&self.text.field).unwrap_or_default();
        let holds = match &self.test {
            Test::Is(want) => value == want.as_ref(),
            Test::In(wants) => wants.iter().any(|want| value == want.as_ref()),
            Test::Regex(regex) => regex.is_match(&value),
            Test::Cidr(net, bits) => value.parse::<IpAddr>().is_ok_and(|ip| in_network(ip, *net, *bits)),
            Test::Number(op, want) => number(&value).is_some_and(|have| compare(*op, have, *want)),
        };
        holds != self.text.not
    }
}

impl TryFrom<MatcherText> for Matcher {
    type Error = MatcherError;

    fn try_from(text: MatcherText) -> Result<Self, MatcherError> {
        if text.field.is_empty() {
            return Err(MatcherError::NoField);
        }
        let named = |cause: &dyn std::fmt::Display| MatcherError::Regex {
            field: text.field.clone(),
            value: text.value.clone(),
            cause: cause.to_string(),
        };
        let regex = |pattern: &str| {
            RegexBuilder::new(&format!(r"\A(?:{pattern})\z")).size_limit(REGEX_BYTES_MAX).build().map(Arc::new)
        };
        let test = match text.op {
            Op::Is => Test::Is(text.value.as_str().into()),
            Op::In => Test::In(text.value.split('|').map(Into::into).collect()),
            Op::Regex => Test::Regex(regex(&text.value).map_err(|e| named(&e))?),
            Op::Glob => {
                let pattern = regex::escape(&text.value).replace(r"\*", ".*").replace(r"\?", ".");
                Test::Regex(regex(&format!("(?s:{pattern})")).map_err(|e| named(&e))?)
            }
            Op::Cidr => {
                let cidr = || MatcherError::Cidr { field: text.field.clone(), value: text.value.clone() };
                let (net, bits) = text.value.split_once('/').ok_or_else(cidr)?;
                let net: IpAddr = net.parse().map_err(|_| cidr())?;
                let bits: u8 = bits.parse().map_err(|_| cidr())?;
                if bits > if net.is_ipv4() { 32 } else { 128 } {
                    return Err(cidr());
                }
                Test::Cidr(net, bits)
            }
            Op::Ge | Op::Gt | Op::Le | Op::Lt => Test::Number(
                text.op,
                number(&text.value)
                    .ok_or_else(|| MatcherError::Number { field: text.field.clone(), value: text.value.clone() })?,
            ),
        };
        Ok(Self { text, test })
    }
}

impl From<Matcher> for MatcherText {
    fn from(matcher: Matcher) -> Self {
        matcher.text
    }
}

/// A number, or a severity word as its rank.
fn number(text: &str) -> Option<f64> {
    super::severity::Severity::parse(text)
        .map(|s| f64::from(s.rank()))
        .or_else(|| text.trim().parse().ok().filter(|n: &f64| n.is_finite()))
}

fn compare(op: Op, have: f64, want: f64) -> bool {
    match op {
        Op::Ge => have >= want,
        Op::Gt => have > want,
        Op::Le => have <= want,
        Op::Lt => have < want,
        Op::Is | Op::In | Op::Regex | Op::Glob | Op::Cidr => false,
    }
}

fn in_network(ip: IpAddr, net: IpAddr, bits: u8) -> bool {
    let bits = u32::from(bits);
    match (ip, net) {
        (IpAddr::V4(ip), IpAddr::V4(net)) => (u32::from(ip) ^ u32::from(net)).checked_shr(32 - bits).unwrap_or(0) == 0,
        (IpAddr::V6(ip), IpAddr::V6(net)) => {
            (u128::from(ip) ^ u128::from(net)).checked_shr(128 - bits).unwrap_or(0) == 0
        }
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
    }
}

/// Groups of matchers: all inside a group, any of the groups. No group at all matches everything.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Matchers(pub Vec<Vec<Matcher>>);

impl Matchers {
    /// Whether some group holds as a whole.
    pub fn matches(&self, fields: &dyn Fields) -> bool {
        self.0.is_empty() || self.0.iter().any(|group| group.iter().all(|m| m.matches(fields)))
    }

    /// The comparison that stands in the way: the first that does not hold, in the group of which most hold.
    pub fn obstacle(&self, fields: &dyn Fields) -> Option<&Matcher> {
        let failing = |group: &Vec<Matcher>| group.iter().filter(|m| !m.matches(fields)).count();
        let nearest = self.0.iter().min_by_key(|group| failing(group))?;
        nearest.iter().find(|m| !m.matches(fields))
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;

    struct One(&'static str);

    impl Fields for One {
        fn field(&self, name: &str) -> Option<Cow<'_, str>> {
            (name == "x").then_some(Cow::Borrowed(self.0))
        }
    }

    fn check(op: Op, value: &str, text: &'static str, holds: bool) {
        let matcher = Matcher::try_from(MatcherText { field: "x".into(), op, value: value.into(), not: false });
        assert_eq!(matcher.expect("valid").matches(&One(text)), holds, "{op:?} {value} on {text}");
    }

    #[test]
    fn each_operator_compares_as_it_says() {
        check(Op::Is, "a", "a", true);
        check(Op::In, "a|b", "b", true);
        check(Op::Regex, "a+", "aaa", true);
        check(Op::Regex, "a", "aaa", false);
        check(Op::Regex, "a|b", "ab", false);
        check(Op::Glob, "db-*-?", "db-main-1", true);
        check(Op::Glob, "db.*", "dbx", false);
        check(Op::Cidr, "10.0.0.0/8", "10.9.1.1", true);
        check(Op::Cidr, "10.0.0.0/8", "11.9.1.1", false);
        check(Op::Cidr, "0.0.0.0/0", "11.9.1.1", true);
        check(Op::Cidr, "fd00::/8", "fd12::1", true);
        check(Op::Ge, "major", "critical", true);
        check(Op::Lt, "10", "9.5", true);
        check(Op::Lt, "10", "n/a", false);
    }

    #[test]
    fn a_bad_matcher_says_what_is_wrong() {
        let bad = |op, value: &str| {
            let text = MatcherText { field: "x".into(), op, value: value.into(), not: false };
            Matcher::try_from(text).expect_err("refused").to_string()
        };
        assert!(bad(Op::Regex, "(").contains("not a regular expression"));
        assert!(bad(Op::Regex, r"\w{50}{50}{50}").contains("not a regular expression"));
        assert!(bad(Op::Cidr, "10.0.0.0/33").contains("not a network"));
        assert!(bad(Op::Ge, "many").contains("neither a number"));
    }
}
