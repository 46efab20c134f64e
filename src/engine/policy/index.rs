//! Which rules can apply to an event at all: by the exact source or name that they ask for.

use std::collections::BTreeMap;

use crate::domain::matcher::{Fields, Matcher, Matchers, Op};

/// Rule numbers by what they ask for. A rule that asks for neither is always looked at.
#[derive(Clone, Debug, Default)]
pub struct Index {
    by_name: BTreeMap<Box<str>, Vec<u32>>,
    by_source: BTreeMap<Box<str>, Vec<u32>>,
    always: Vec<u32>,
}

/// The texts of which the field must be one, when the group says so.
fn exact<'a>(group: &'a [Matcher], field: &str) -> Option<Vec<&'a str>> {
    let matcher = group.iter().map(Matcher::text).find(|m| m.field == field && !m.not && !m.value.is_empty())?;
    match matcher.op {
        Op::Is => Some(vec![&matcher.value]),
        Op::In => Some(matcher.value.split('|').collect()),
        Op::Regex | Op::Glob | Op::Cidr | Op::Ge | Op::Gt | Op::Le | Op::Lt => None,
    }
}

impl Index {
    /// An index over rules in their order.
    pub fn of<'a>(rules: impl Iterator<Item = &'a Matchers>) -> Self {
        let mut index = Self::default();
        for (number, Matchers(groups)) in rules.enumerate() {
            index.add(number as u32, groups);
        }
        index
    }

    fn add(&mut self, number: u32, groups: &[Vec<Matcher>]) {
        let indexable = |group: &Vec<Matcher>| exact(group, "name").is_some() || exact(group, "source").is_some();
        if groups.is_empty() || !groups.iter().all(indexable) {
            self.always.push(number);
            return;
        }
        for group in groups {
            let (map, texts) = match exact(group, "name") {
                Some(names) => (&mut self.by_name, names),
                None => (&mut self.by_source, exact(group, "source").unwrap_or_default()),
            };
            for text in texts {
                let numbers = map.entry(text.into()).or_default();
                if numbers.last() != Some(&number) {
                    numbers.push(number);
                }
            }
        }
    }

    /// The numbers of the rules worth looking at, in order.
    pub fn candidates<'a>(&'a self, fields: &dyn Fields) -> Candidates<'a> {
        let of = |map: &'a BTreeMap<Box<str>, Vec<u32>>, field: &str| -> &'a [u32] {
            if map.is_empty() {
                return &[];
            }
            fields.field(field).and_then(|text| map.get(text.as_ref())).map_or(&[], Vec::as_slice)
        };
        Candidates([of(&self.by_name, "name"), of(&self.by_source, "source"), &self.always])
    }
}

/// Three sorted lists, merged.
#[derive(Clone, Debug)]
pub struct Candidates<'a>([&'a [u32]; 3]);

impl Iterator for Candidates<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        let next = *self.0.iter().filter_map(|list| list.first()).min()?;
        for list in &mut self.0 {
            if list.first() == Some(&next) {
                *list = &list[1..];
            }
        }
        Some(next as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::super::matching::Match;
    use super::*;
    use crate::domain::event::Event;
    use crate::domain::time::Timestamp;

    #[test]
    fn only_rules_that_can_apply_are_looked_at() {
        let rules: Vec<Match> = [
            "{source: a}",
            "{name: link, severity: major}",
            "{severity: major}",
            "[{source: a}, {name: link}]",
            "[{source: a}, {severity: major}]",
            "{source: [a, b]}",
            "{source: '!= a'}",
        ]
        .iter()
        .map(|yaml| serde_saphyr::from_str(yaml).unwrap())
        .collect();
        let index = Index::of(rules.iter().map(|m| &m.0));
        let check = |source: &str, name: &str, want: &[usize]| {
            let event = Event::new("t".into(), source.into(), name, Timestamp(0));
            assert_eq!(index.candidates(&event).collect::<Vec<_>>(), want, "{source} {name}");
        };
        check("a", "link", &[0, 1, 2, 3, 4, 5, 6]);
        check("a", "x", &[0, 2, 3, 4, 5, 6]);
        check("b", "link", &[1, 2, 3, 4, 5, 6]);
        check("c", "x", &[2, 4, 6]);
    }
}
