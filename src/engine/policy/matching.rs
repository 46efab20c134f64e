//! Conditions as rule files write them: a map from field to test, or a list of such maps.
//!
//! ```yaml
//! match:
//!   - { source: zabbix, severity: ">= major", labels.env: [prod, stage] }   # all of these …
//!   - { name: "~ Link.*", object.ip: within 10.0.0.0/8 }                   # … or all of these
//! ```

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::domain::matcher::{Matcher, MatcherText, Matchers, Op};
use crate::engine::fields::{self, FieldName};

/// The most groups in one condition, and matchers in one group.
const GROUPS_MAX: usize = 64;
const MATCHERS_MAX: usize = 32;
/// The longest value to compare with, in bytes.
const VALUE_BYTES_MAX: usize = 4096;

/// What a rule applies to. Nothing written: everything.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Match(pub Matchers);

/// One test of one field: the operator and what to compare with, and whether it is turned round.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Test(Vec<(Op, String, bool)>);

/// Words and signs in front of a value. Longer ones first.
const OPERATORS: &[(&str, Op, bool)] = &[
    ("!~", Op::Regex, true),
    ("~", Op::Regex, false),
    ("!=", Op::Is, true),
    (">=", Op::Ge, false),
    ("<=", Op::Le, false),
    (">", Op::Gt, false),
    ("<", Op::Lt, false),
    ("=", Op::Is, false),
    ("not like ", Op::Glob, true),
    ("like ", Op::Glob, false),
    ("not within ", Op::Cidr, true),
    ("within ", Op::Cidr, false),
    ("not in ", Op::In, true),
    ("in ", Op::In, false),
];

impl Test {
    fn read(text: &str) -> Self {
        if let Some((low, high)) = text.strip_prefix("between ").and_then(|rest| rest.split_once(" and ")) {
            return Self(vec![(Op::Ge, low.trim().into(), false), (Op::Le, high.trim().into(), false)]);
        }
        for (sign, op, not) in OPERATORS {
            if let Some(value) = text.strip_prefix(sign) {
                let value = value.trim();
                let value = if *op == Op::In { one_of(value.split(',').map(str::trim)) } else { value.into() };
                return Self(vec![(*op, value, *not)]);
            }
        }
        Self(vec![(Op::Is, text.into(), false)])
    }
}

/// Joins values as `Op::In` takes them.
fn one_of<'a>(values: impl Iterator<Item = &'a str>) -> String {
    values.collect::<Vec<_>>().join("|")
}

impl<'de> Deserialize<'de> for Test {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TestVisitor;
        impl<'de> Visitor<'de> for TestVisitor {
            type Value = Test;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a value, a test such as \">= major\", or a list of values")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Test, E> {
                Ok(Test::read(text))
            }

            fn visit_bool<E: Error>(self, value: bool) -> Result<Test, E> {
                self.visit_str(&value.to_string())
            }

            fn visit_i64<E: Error>(self, value: i64) -> Result<Test, E> {
                self.visit_str(&value.to_string())
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<Test, E> {
                self.visit_str(&value.to_string())
            }

            fn visit_f64<E: Error>(self, value: f64) -> Result<Test, E> {
                self.visit_str(&value.to_string())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Test, A::Error> {
                let mut values: Vec<String> = Vec::new();
                while let Some(value) = list.next_element::<String>()? {
                    if value.contains('|') {
                        return Err(A::Error::custom(format!("{value:?} holds a |; use a regular expression: ~ a|b")));
                    }
                    values.push(value);
                }
                if values.is_empty() {
                    return Err(A::Error::custom("an empty list matches nothing; name at least one value"));
                }
                Ok(Test(vec![(Op::In, one_of(values.iter().map(String::as_str)), false)]))
            }
        }
        deserializer.deserialize_any(TestVisitor)
    }
}

impl JsonSchema for Test {
    fn schema_name() -> Cow<'static, str> {
        "Test".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A value; a test such as `>= major`, `~ Link.*`, `like *-db-*`, `in a, b`, `within 10.0.0.0/8`, \
                `between 1 and 5`, each with `not` or `!` for the opposite; or a list of values.",
            "type": ["string", "number", "boolean", "array"],
            "items": { "type": ["string", "number", "boolean"] },
            "minItems": 1,
        })
    }
}

/// One map: all of its tests must hold.
struct Group(Vec<Matcher>);

fn read_group<'de, A: MapAccess<'de>>(mut map: A) -> Result<Group, A::Error> {
    let mut matchers = Vec::new();
    while let Some(field) = map.next_key::<String>()? {
        if !fields::is_known(&field) {
            return Err(A::Error::custom(unknown_field(&field)));
        }
        let Test(tests) = map.next_value()?;
        for (op, value, not) in tests {
            if value.len() > VALUE_BYTES_MAX {
                return Err(A::Error::custom(format!(
                    "the value for {field} is longer than {VALUE_BYTES_MAX} bytes; shorten it"
                )));
            }
            let text = MatcherText { field: field.clone(), op, value, not };
            matchers.push(Matcher::try_from(text).map_err(|e| A::Error::custom(format!("{e}; {}", remedy(op))))?);
        }
    }
    if matchers.len() > MATCHERS_MAX {
        return Err(A::Error::custom(format!("more than {MATCHERS_MAX} tests in one group; split the rule")));
    }
    // Cheap tests first; the order has no other meaning.
    matchers.sort_by_key(|m| m.text().op == Op::Regex || m.text().op == Op::Glob);
    Ok(Group(matchers))
}

fn unknown_field(field: &str) -> String {
    let near = fields::NAMES.iter().find(|known| known.ends_with(field) || known.starts_with(field));
    let hint = near.map_or_else(|| format!("labels.{field}"), |known| (*known).to_owned());
    format!(
        "unknown field {field:?}; did you mean {hint}? Known: {}, labels.*, annotations.*, object.*",
        fields::NAMES.join(", ")
    )
}

const fn remedy(op: Op) -> &'static str {
    match op {
        Op::Regex => {
            r"write a special character with a backslash, and test it with a sample (whole field, linear time)"
        }
        Op::Glob => "use * and ? only",
        Op::Cidr => "write address/bits",
        Op::Ge | Op::Gt | Op::Le | Op::Lt => "compare with a number or one of warning, minor, major, critical",
        Op::Is | Op::In => "correct the value",
    }
}

impl<'de> Deserialize<'de> for Group {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct GroupVisitor;
        impl<'de> Visitor<'de> for GroupVisitor {
            type Value = Group;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a map from field to test")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Group, A::Error> {
                read_group(map)
            }
        }
        deserializer.deserialize_map(GroupVisitor)
    }
}

impl JsonSchema for Match {
    fn schema_name() -> Cow<'static, str> {
        "Match".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let (field, test) = (generator.subschema_for::<FieldName>(), generator.subschema_for::<Test>());
        let group = json_schema!({
            "type": "object",
            "propertyNames": field,
            "additionalProperties": test,
            "maxProperties": MATCHERS_MAX,
        });
        json_schema!({
            "description": "Fields and tests that must all hold; or a list of such maps of which one must.",
            "anyOf": [group, { "type": "array", "items": group, "maxItems": GROUPS_MAX }],
        })
    }
}

impl<'de> Deserialize<'de> for Match {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MatchVisitor;
        impl<'de> Visitor<'de> for MatchVisitor {
            type Value = Match;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a map from field to test, or a list of such maps")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Match, A::Error> {
                let Group(matchers) = read_group(map)?;
                Ok(Match(Matchers(if matchers.is_empty() { vec![] } else { vec![matchers] })))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Match, A::Error> {
                let mut groups = Vec::new();
                while let Some(Group(matchers)) = list.next_element()? {
                    if groups.len() == GROUPS_MAX {
                        return Err(A::Error::custom(format!("more than {GROUPS_MAX} groups; split the rule")));
                    }
                    groups.push(matchers);
                }
                Ok(Match(Matchers(groups)))
            }
        }
        deserializer.deserialize_any(MatchVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::Event;
    use crate::domain::severity::Severity;
    use crate::domain::time::Timestamp;

    fn event() -> Event {
        let mut event = Event::new("t".into(), "probe".into(), "Link down", Timestamp(0));
        event.severity = Severity::Major;
        event.object.ip = Some("10.1.2.3".into());
        event.labels.insert("env", "prod");
        event.labels.insert("port", "80");
        event
    }

    fn check(yaml: &str, holds: bool) {
        let Match(matchers) = serde_saphyr::from_str(yaml).unwrap_or_else(|e| panic!("{yaml}: {e}"));
        assert_eq!(matchers.matches(&event()), holds, "{yaml}");
    }

    #[test]
    fn tests_read_as_they_are_written() {
        check("{source: probe}", true);
        check("{source: other}", false);
        check("{source: '= probe'}", true);
        check("{source: '!= probe'}", false);
        check("{name: '~ Link.*'}", true);
        check("{name: '!~ Link.*'}", false);
        check("{name: like Link*}", true);
        check("{name: not like Link*}", false);
        check("{severity: '>= major'}", true);
        check("{severity: '> major'}", false);
        check("{severity: between minor and critical}", true);
        check("{severity: between warning and minor}", false);
        check("{labels.env: [prod, stage]}", true);
        check("{labels.env: 'in prod, stage'}", true);
        check("{labels.env: 'not in prod, stage'}", false);
        check("{labels.port: 80}", true);
        check("{object.ip: within 10.0.0.0/8}", true);
        check("{object.ip: not within 10.0.0.0/8}", false);
        check("{labels.none: ''}", true);
        check("[{source: other}, {source: probe, labels.env: prod}]", true);
        check("[{source: other}, {source: probe, labels.env: test}]", false);
        check("[]", true);
        check("{}", true);
    }

    #[test]
    fn a_wrong_test_says_what_to_do() {
        let check = |yaml: &str, says: &str| {
            let error = serde_saphyr::from_str::<Match>(yaml).expect_err(yaml).to_string();
            assert!(error.contains(says), "{yaml}: {error}");
        };
        check("{rack: r1}", "did you mean labels.rack?");
        check("{value: 1}", "did you mean metric.value?");
        check("{name: '~ ('}", "not a regular expression");
        check(r"{name: '~ \w{50}{50}{50}'}", "not a regular expression");
        check("{object.ip: within 10.0.0.0/99}", "write address/bits");
        check("{severity: '>= bad'}", "warning, minor, major, critical");
        check("{labels.env: []}", "empty list");
        check("{labels.env: ['a|b']}", "regular expression");
        check("{name: a, name: b}", "name");
    }
}
