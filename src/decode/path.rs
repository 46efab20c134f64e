//! Paths into a JSON tree: `a.b[0].c`, `labels["k8s.pod"]`, `tags[key=host].value`, `$.title` (from the top of the body).

use std::fmt;

use super::json::Node;

/// Where a value stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Path {
    /// From the top of the body instead of from the event.
    from_top: bool,
    steps: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Member(Box<str>),
    Item(usize),
    /// The first item of an array of which this member has this text.
    Where(Box<str>, Box<str>),
}

/// Why a text is no path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is not a path at character {at}: write it like a.b[0].c, labels[\"a.b\"], tags[key=host].value or $.title"
)]
pub(super) struct PathError {
    text: String,
    at: usize,
}

/// The body and the event within it.
#[derive(Clone, Copy)]
pub(super) struct Place<'n, 'a> {
    pub top: &'n Node<'a>,
    pub event: &'n Node<'a>,
}

impl Path {
    /// Reads a path. The empty text and `$` are the event and the body themselves.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        let mut path = Self { from_top: false, steps: Vec::new() };
        let mut rest = text.trim();
        if let Some(below) = rest.strip_prefix('$') {
            path.from_top = true;
            rest = below;
        }
        let mut first = !path.from_top;
        while !rest.is_empty() {
            let bad = || PathError { text: text.into(), at: text.len() - rest.len() };
            rest = match rest.strip_prefix('[') {
                Some(inside) => path.bracket(inside).ok_or_else(bad)?,
                None => {
                    let name = if first { Some(rest) } else { rest.strip_prefix('.') }.ok_or_else(bad)?;
                    let end = name.find(['.', '[']).unwrap_or(name.len());
                    if end == 0 {
                        return Err(bad());
                    }
                    path.steps.push(Step::Member(name[..end].into()));
                    &name[end..]
                }
            };
            first = false;
        }
        Ok(path)
    }

    /// Reads what follows an opening bracket and returns what follows the closing one.
    fn bracket<'t>(&mut self, inside: &'t str) -> Option<&'t str> {
        for quote in ['"', '\''] {
            if let Some(name) = inside.strip_prefix(quote) {
                let (name, rest) = name.split_once(quote)?;
                self.steps.push(Step::Member(name.into()));
                return rest.strip_prefix(']');
            }
        }
        let (inside, rest) = inside.split_once(']')?;
        self.steps.push(match inside.split_once('=') {
            Some(("", _)) => return None,
            Some((member, text)) => Step::Where(member.into(), text.into()),
            None => Step::Item(inside.parse().ok()?),
        });
        Some(rest)
    }

    /// The value at this path; `None` where there is none or null.
    pub fn find<'n, 'a>(&self, place: Place<'n, 'a>) -> Option<&'n Node<'a>> {
        let mut node = if self.from_top { place.top } else { place.event };
        for step in &self.steps {
            node = match (step, node) {
                (Step::Member(name), _) => node.member(name)?,
                (Step::Item(index), Node::Array(items)) => items.get(*index)?,
                (Step::Where(member, text), Node::Array(items)) => items
                    .iter()
                    .find(|item| item.member(member).and_then(Node::text).is_some_and(|have| *have == **text))?,
                (Step::Item(_) | Step::Where(..), _) => return None,
            };
        }
        (*node != Node::Null).then_some(node)
    }
}

/// Writes the path so that `parse` reads it again.
impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.from_top { "$" } else { "" })?;
        for (i, step) in self.steps.iter().enumerate() {
            match step {
                Step::Item(index) => write!(f, "[{index}]")?,
                Step::Where(member, text) => write!(f, "[{member}={text}]")?,
                Step::Member(name) if name.contains(['.', '[', ' ', '$']) => write!(f, "[\"{name}\"]")?,
                Step::Member(name) if i == 0 && !self.from_top => f.write_str(name)?,
                Step::Member(name) => write!(f, ".{name}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_finds_its_value() {
        let body = r#"{"a":{"b":[{"c":1},{"c":"two"}]},"k8s.pod":"p","n":null,"告警":{"级别":3}}"#;
        let node: Node<'_> = serde_json::from_str(body).expect("json");
        let event = node.member("a").expect("member");
        let check = |path: &str, want: Option<&str>| {
            let path = Path::parse(path).expect("a path");
            let found = path.find(Place { top: &node, event });
            assert_eq!(found.and_then(Node::text).as_deref(), want, "{path}");
            assert_eq!(Path::parse(&path.to_string()), Ok(path));
        };
        check("b[1].c", Some("two"));
        check("b[0].c", Some("1"));
        check("b[c=two].c", Some("two"));
        check("b[c=1].c", Some("1"));
        check("b[c=three].c", None);
        check("b[2].c", None);
        check("b.c", None);
        check("", Some(r#"{"b":[{"c":1},{"c":"two"}]}"#));
        check("$.n", None);
        check("$['k8s.pod']", Some("p"));
        check("$[\"k8s.pod\"]", Some("p"));
        check("$.告警.级别", Some("3"));
    }

    #[test]
    fn a_bad_path_names_its_place() {
        let check = |path: &str, at| assert_eq!(Path::parse(path), Err(PathError { text: path.into(), at }));
        check("a..b", 1);
        check("a[x]", 1);
        check("a[=x]", 1);
        check("a[1", 1);
        check("a[\"b]", 1);
        check("$a", 1);
        check("a.", 1);
    }
}
