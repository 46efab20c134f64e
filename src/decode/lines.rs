//! Log lines: plain text, JSON per line, a JSON array, or what is pushed to Loki. A bad line takes no neighbour along.

use serde_json::Value;

use super::limits::{Limits, cut_bytes, cut_identity};
use super::reader::{open, short};
use super::{Body, BodyError};
use crate::domain::event::ObjectRef;
use crate::domain::line::LogLine;
use crate::domain::reject::Reject;

/// This decoder's name in dead letters.
pub const DECODER: &str = "log";
/// Lines of one body.
pub const LINES_MAX: usize = 20_000;
/// Bytes of a line that count; the rest is cut.
const LINE_BYTES_MAX: usize = 4096;

/// Members that hold a line, what wrote it, and its program, as collectors name them; the first that is there counts.
const TEXTS: [&str; 6] = ["message", "msg", "line", "log", "body", "MESSAGE"];
const OBJECTS: [&str; 11] = [
    "object",
    "host",
    "hostname",
    "host.name",
    "instance",
    "pod",
    "k8s.pod.name",
    "node",
    "node_name",
    "agent.hostname",
    "_HOSTNAME",
];
const PROGRAMS: [&str; 11] = [
    "program",
    "service",
    "service.name",
    "service_name",
    "app",
    "appname",
    "job",
    "container",
    "logger",
    "SYSLOG_IDENTIFIER",
    "filename",
];

/// What was read of a body.
#[derive(Debug, Default, PartialEq)]
pub struct Lines {
    pub lines: Vec<LogLine>,
    /// Places in the body, from 0, and why those are no lines.
    pub refused: Vec<(usize, Reject)>,
}

/// How a body is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Every line as it is, also one that is JSON.
    Text,
    /// One JSON value per line, an array, or Loki's streams.
    Json,
}

/// Decodes a body. `said` is what wrote lines that do not say it themselves.
///
/// # Errors
/// When it has too many lines, or is no JSON although it says so.
pub fn decode(body: Body<'_>, shape: Shape, said: &ObjectRef, limits: &Limits) -> Result<Lines, BodyError> {
    let opened = open(body, limits.depth);
    let mut out = Lines::default();
    match shape {
        Shape::Text => {
            for line in opened.text.lines().filter(|line| !line.trim().is_empty()) {
                out.add(line, said.clone(), "", limits)?;
            }
        }
        Shape::Json if opened.deep => {
            return Err(BodyError::Unreadable(format!("nested deeper than {}: flatten it", limits.depth)));
        }
        Shape::Json => match serde_json::from_str::<Value>(opened.text.trim()) {
            Ok(Value::Array(values)) => {
                values.iter().enumerate().try_for_each(|(n, value)| out.read(n, value, said, limits))?;
            }
            Ok(whole) if whole.get("streams").is_some() => out.streams(&whole["streams"], said, limits)?,
            Ok(one) => out.read(0, &one, said, limits)?,
            // Several values: one a line.
            Err(_) => out.each(&opened.text, said, limits)?,
        },
    }
    Ok(out)
}

impl Lines {
    fn each(&mut self, text: &str, said: &ObjectRef, limits: &Limits) -> Result<(), BodyError> {
        let lines = text.lines().filter(|line| !line.trim().is_empty());
        for (n, line) in lines.enumerate() {
            match serde_json::from_str::<Value>(line) {
                Ok(value) => self.read(n, &value, said, limits)?,
                Err(error) => self.refuse(n, &format!("no JSON: {error}; send plain lines as text/plain"))?,
            }
        }
        if self.lines.is_empty() && !self.refused.is_empty() {
            return Err(BodyError::Unreadable(format!("line 0: {}", self.refused[0].1.detail())));
        }
        Ok(())
    }

    /// One value: a line, or an object with one.
    fn read(&mut self, n: usize, value: &Value, said: &ObjectRef, limits: &Limits) -> Result<(), BodyError> {
        if let Some(text) = value.as_str() {
            return self.add(text, said.clone(), "", limits);
        }
        let Some(text) = first(value, &TEXTS) else {
            return self.refuse(n, &format!("it has no line: give one of {}", TEXTS.join(", ")));
        };
        let object = first(value, &OBJECTS).map_or_else(|| said.clone(), named);
        self.add(text, object, first(value, &PROGRAMS).unwrap_or_default(), limits)
    }

    /// `[{"stream": {"host": …}, "values": [["<ns>", "<line>"], …]}, …]`
    fn streams(&mut self, streams: &Value, said: &ObjectRef, limits: &Limits) -> Result<(), BodyError> {
        for (n, stream) in streams.as_array().into_iter().flatten().enumerate() {
            let labels = &stream["stream"];
            let object = first(labels, &OBJECTS).map_or_else(|| said.clone(), named);
            let program = first(labels, &PROGRAMS).unwrap_or_default();
            let Some(values) = stream["values"].as_array() else {
                self.refuse(n, "the stream has no values: [[\"<nanoseconds>\", \"<line>\"], …]")?;
                continue;
            };
            for value in values {
                match value.get(1).and_then(Value::as_str) {
                    Some(text) => self.add(text, object.clone(), program, limits)?,
                    None => self.refuse(n, "a value is not [\"<nanoseconds>\", \"<line>\"]")?,
                }
            }
        }
        Ok(())
    }

    fn add(&mut self, text: &str, object: ObjectRef, program: &str, limits: &Limits) -> Result<(), BodyError> {
        self.has_room()?;
        let program = cut_identity(program, limits.identity_chars).map_or_else(|| program.into(), Into::into);
        self.lines.push(LogLine { object, program, text: cut_bytes(text.trim(), LINE_BYTES_MAX).into() });
        Ok(())
    }

    fn refuse(&mut self, n: usize, why: &str) -> Result<(), BodyError> {
        self.has_room()?;
        self.refused.push((n, short(Reject::Malformed(why.to_owned()))));
        Ok(())
    }

    fn has_room(&self) -> Result<(), BodyError> {
        if self.lines.len() + self.refused.len() >= LINES_MAX {
            return Err(BodyError::TooManyEvents { events_max: LINES_MAX });
        }
        Ok(())
    }
}

/// The first of these members that is a text; a dot leads into a member of that name, too.
fn first<'v>(value: &'v Value, names: &[&str]) -> Option<&'v str> {
    let at = |name: &&str| {
        let inside = || name.split('.').try_fold(value, |value, step| value.get(step));
        value.get(*name).or_else(inside).and_then(Value::as_str).filter(|text| !text.is_empty())
    };
    names.iter().find_map(at)
}

fn named(name: &str) -> ObjectRef {
    ObjectRef { name: Some(name.chars().take(255).collect()), ..ObjectRef::default() }
}

/// Lines as a body that `decode` reads.
pub fn encode(lines: &[LogLine]) -> Vec<u8> {
    let mut out = Vec::new();
    for line in lines {
        let value = serde_json::json!({ "message": line.text, "program": line.program, "object": line.object.label() });
        out.extend(value.to_string().into_bytes());
        out.push(b'\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each line as `object/program: text`, then why others are none.
    fn told(text: &str, shape: Shape) -> Result<String, BodyError> {
        let read = decode(Body::from(text.as_bytes()), shape, &named("me"), &Limits::MODEL)?;
        let lines = read.lines.iter().map(|one| format!("{}/{}: {}", one.object.label(), one.program, one.text));
        let refused = read.refused.iter().map(|(n, why)| format!("{n}? {}", why.detail()));
        Ok(lines.chain(refused).collect::<Vec<_>>().join("\n"))
    }

    #[test]
    fn lines_come_as_text_as_json_and_as_loki_pushes_them() {
        assert_eq!(told("one\r\n\n  two \n", Shape::Text).unwrap(), "me/: one\nme/: two");
        let json = r#"{"message":"disk full","host":{"name":"db-1"},"service":"postgres"}"#;
        assert_eq!(told(json, Shape::Json).unwrap(), "db-1/postgres: disk full");
        let several = format!("{json}\n{{\"log\":\"up\",\"host.name\":\"a\",\"level\":\"info\"}}\n{{\"x\":1}}\nodd\n");
        let said = told(&several, Shape::Json).unwrap();
        assert!(said.starts_with("db-1/postgres: disk full\na/: up\n2? it has no line"), "{said}");
        assert!(said.contains("3? no JSON") && said.contains("text/plain"), "{said}");
        assert_eq!(told(&format!("[{json},\"bare\"]"), Shape::Json).unwrap(), "db-1/postgres: disk full\nme/: bare");
        let loki = r#"{"streams":[{"stream":{"host":"w","job":"nginx"},"values":[["1","GET /"],["2","POST /"]]},{"stream":{}}]}"#;
        let said = told(loki, Shape::Json).unwrap();
        assert!(said.starts_with("w/nginx: GET /\nw/nginx: POST /\n1? the stream has no values"), "{said}");
        assert!(told("nothing of it", Shape::Json).is_err() && told(&"[".repeat(100), Shape::Json).is_err());
        assert!(matches!(told(&"x\n".repeat(LINES_MAX + 1), Shape::Text), Err(BodyError::TooManyEvents { .. })));
    }

    #[test]
    fn what_is_written_is_read_again() {
        let line = LogLine { object: named("a"), program: "sshd".into(), text: "连接 \"x\" failed".into() };
        let bytes = encode(&[line.clone(), line.clone()]);
        let read = decode(Body::from(&bytes[..]), Shape::Json, &named("me"), &Limits::MODEL).unwrap();
        assert_eq!(read.lines, [line.clone(), line]);
        let long = told(&"长".repeat(3000), Shape::Text).unwrap();
        assert_eq!(long.len(), "me/: ".len() + 4095, "cut between two characters");
    }
}
