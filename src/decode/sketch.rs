//! A mapping to start from, made of one sample. What was guessed says so; whoever knows the source puts it right.

use std::fmt::Write as _;

use super::json::Node;
use super::text;
use super::times::TimeFormat;

/// The deepest level that is looked at.
const DEPTH_MAX: usize = 6;
/// Fields that are looked at.
const FIELDS_MAX: usize = 500;

/// A text or number of the sample, and where it stands.
struct Field {
    path: String,
    /// The last name of the path, in lower case, without what only separates words.
    word: String,
    depth: usize,
    value: String,
}

/// What a field is called in most formats, the best name first.
const NAMES: [&str; 12] = [
    "alertname",
    "rulename",
    "alarmname",
    "checkname",
    "strategyname",
    "policyname",
    "conditionname",
    "metricname",
    "event",
    "rule",
    "check",
    "name",
];
const TITLES: [&str; 9] =
    ["title", "summary", "subject", "headline", "message", "msg", "shortdescription", "text", "content"];
const DESCRIPTIONS: [&str; 8] = ["description", "detail", "details", "body", "output", "message", "content", "text"];
const SEVERITIES: [&str; 8] =
    ["severity", "perceivedseverity", "level", "priority", "alarmlevel", "urgency", "criticality", "importance"];
const STATUSES: [&str; 9] =
    ["status", "state", "alarmstatus", "alertstatus", "eventstatus", "eventtype", "action", "condition", "transition"];
const OBJECTS: [&str; 14] = [
    "hostname",
    "host",
    "node",
    "instance",
    "resourcename",
    "resource",
    "entityname",
    "entity",
    "device",
    "target",
    "objectname",
    "servername",
    "service",
    "ip",
];
const ADDRESSES: [&str; 5] = ["ip", "hostip", "ipaddress", "address", "privateip"];
const STARTS: [&str; 12] = [
    "startsat",
    "starttime",
    "startedat",
    "firstseen",
    "raisedat",
    "occurtime",
    "triggertime",
    "alarmtime",
    "eventtime",
    "timestamp",
    "time",
    "date",
];
const ENDS: [&str; 6] = ["endsat", "endtime", "endedat", "recoverytime", "clearedat", "resolvedat"];
const IDS: [&str; 6] = ["eventid", "alertid", "alarmid", "messageid", "uuid", "id"];
const KEYS: [&str; 6] = ["fingerprint", "dedupkey", "alertkey", "incidentkey", "hash", "correlationid"];
const LABELS: [&str; 5] = ["labels", "tags", "dimensions", "attributes", "fields"];
/// Members that hold several events.
const LISTS: [&str; 8] = ["alerts", "events", "records", "items", "data", "alarms", "problems", "notifications"];
/// Words that say that it is over.
const OVER: &str = "resolved, ok, recovered, closed, cleared, normal, up, 恢复";

/// Writes a mapping for a sample: one JSON value, or several lines of which the first is taken.
///
/// # Errors
/// When the sample is no JSON object, array of objects or line of them.
pub fn sketch(name: &str, sample: &str) -> Result<String, String> {
    let wrong = |why: &str| format!("the sample {why}: give one body as the source sends it, as JSON");
    if text::scan(sample).depth > 64 {
        return Err(wrong("is nested too deeply"));
    }
    let first_line = sample.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let top = serde_json::from_str::<Node<'_>>(sample).or_else(|_| serde_json::from_str::<Node<'_>>(first_line));
    let top = top.map_err(|error| wrong(&format!("cannot be read ({error})")))?;
    let (events, event) = match &top {
        Node::Array(items) => (None, items.first().ok_or_else(|| wrong("is an empty array"))?),
        Node::Object(members) => match list_in(members) {
            Some((name, first)) => (Some(name), first),
            None => (None, &top),
        },
        _ => return Err(wrong("is neither an object nor an array")),
    };
    if !matches!(event, Node::Object(_)) {
        return Err(wrong("has no object that could be an event"));
    }
    let mut fields = Vec::new();
    collect(event, "", 0, &mut fields);
    Ok(write(name, events.as_deref(), event, &fields))
}

/// The member that holds an array of objects.
fn list_in<'n, 'a>(members: &'n [(std::borrow::Cow<'a, str>, Node<'a>)]) -> Option<(String, &'n Node<'a>)> {
    let first_object = |node: &'n Node<'a>| match node {
        Node::Array(items) => items.first().filter(|item| matches!(item, Node::Object(_))),
        _ => None,
    };
    let named = |wanted: &str| members.iter().find(|(key, _)| key.eq_ignore_ascii_case(wanted));
    LISTS.iter().find_map(|wanted| {
        let (key, node) = named(wanted)?;
        Some((step("", key), first_object(node)?))
    })
}

/// A path one step on.
fn step(path: &str, key: &str) -> String {
    let plain = !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-'));
    match (path, plain) {
        ("", true) => key.to_owned(),
        (_, true) => format!("{path}.{key}"),
        (_, false) => format!("{path}[\"{}\"]", key.replace('"', "")),
    }
}

fn collect(node: &Node<'_>, path: &str, depth: usize, fields: &mut Vec<Field>) {
    let Node::Object(members) = node else { return };
    for (key, value) in members {
        if fields.len() == FIELDS_MAX || key.contains('"') {
            return;
        }
        let path = step(path, key);
        match value {
            Node::Object(_) if depth < DEPTH_MAX => collect(value, &path, depth + 1, fields),
            Node::Array(_) | Node::Object(_) | Node::Null => {}
            _ => {
                let word = key.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
                fields.push(Field { path, word, depth, value: value.text().unwrap_or_default().into_owned() });
            }
        }
    }
}

/// The field that is called most like it: the best name first, then the one nearest to the top.
fn find<'f>(fields: &'f [Field], names: &[&str], fits: impl Fn(&Field) -> bool) -> Option<&'f Field> {
    let of = |name: &str| {
        fields
            .iter()
            .filter(|field| field.word == name && !field.value.is_empty() && fits(field))
            .min_by_key(|field| field.depth)
    };
    names.iter().find_map(|name| of(name))
}

/// A mapping that is being written.
struct Draft<'f> {
    out: String,
    fields: &'f [Field],
}

fn write(name: &str, events: Option<&str>, event: &Node<'_>, fields: &[Field]) -> String {
    let out = format!("mapping: {name}\nabout: Sketched from one sample; lines with `?` are guesses.\n\n");
    let mut draft = Draft { out, fields };
    if let Some(events) = events {
        draft.line(&format!("events: {events}"));
    }
    draft.line("event:");
    let status = draft.find(&STATUSES, |field| field.value.chars().count() <= 32);
    draft.identity(name, status);
    draft.severity();
    draft.status(status);
    draft.times();
    draft.object();
    if let Some(copy) = labels(event) {
        draft.line(&format!("  labels: {{ copy: [{copy}] }}"));
    }
    draft.ending();
    draft.out
}

impl<'f> Draft<'f> {
    fn line(&mut self, text: &str) {
        self.out.push_str(text);
        self.out.push('\n');
    }

    fn find(&self, names: &[&str], fits: impl Fn(&Field) -> bool) -> Option<&'f Field> {
        find(self.fields, names, fits)
    }

    fn identity(&mut self, name: &str, status: Option<&Field>) {
        let any = |_: &Field| true;
        match (self.find(&IDS, any), status) {
            // An end mostly carries the id of what it ends; the same id twice would be the same event twice.
            (Some(id), Some(status)) if !id.path.contains(['{', '}']) && !status.path.contains(['{', '}']) => {
                let template = format!("{{{}}}-{{{}}}", id.path, status.path);
                self.line(&format!("  id: {{ template: {} }}", quoted(&template)));
            }
            (Some(id), _) => self.line(&format!("  id: {}", quoted(&id.path))),
            (None, _) => {}
        }
        match self.find(&NAMES, any).or_else(|| self.find(&TITLES, any)) {
            Some(name) => {
                self.line(&format!("  name: {}  # ? the rule or check; {}", quoted(&name.path), shown(&name.value)));
            }
            None => {
                self.line(&format!(
                    "  name: {{ value: {} }}  # ? no field says which rule or check has fired",
                    quoted(name)
                ));
            }
        }
        for (word, names) in [("title", &TITLES[..]), ("description", &DESCRIPTIONS[..])] {
            if let Some(field) = self.find(names, any) {
                self.line(&format!("  {word}: {}", quoted(&field.path)));
            }
        }
    }

    fn severity(&mut self) {
        let Some(field) = self.find(&SEVERITIES, |field| field.value.chars().count() <= 32) else {
            return self.line("  severity: { from: severity, default: major }  # ? no field says how serious it is");
        };
        self.line("  severity:");
        self.line(&format!("    from: {}", quoted(&field.path)));
        let word = quoted(&field.value);
        self.line(&format!(
            "    map: {{ {word}: major }}  # ? every word of the source: critical, major, minor, warning"
        ));
    }

    fn status(&mut self, status: Option<&Field>) {
        let Some(field) = status else {
            let advice = "status: { path: …, map: { ok: resolved }, default: firing }";
            return self.line(&format!("  # ? no field says when it is over: {advice}"));
        };
        let word = field.value.to_lowercase();
        let meant = if OVER.split(", ").any(|over| word == over) { "resolved" } else { "firing" };
        self.line("  status:");
        self.line(&format!("    path: {}", quoted(&field.path)));
        self.line(&format!(
            "    map: {{ {}: {meant} }}  # ? every word: firing, resolved or change",
            quoted(&field.value)
        ));
        self.line("    default: firing");
    }

    fn times(&mut self) {
        for (word, names) in [("starts_at", &STARTS[..]), ("ends_at", &ENDS[..])] {
            let timed = self.fields.iter().filter(|field| names.contains(&field.word.as_str()));
            let timed = timed.into_iter().find_map(|field| Some((field, format_of(&field.value)?)));
            if let Some((field, format)) = timed {
                self.line(&format!("  {word}: {{ from: {}{format} }}", quoted(&field.path)));
            }
        }
    }

    fn object(&mut self) {
        self.line("  object:");
        match self.find(&OBJECTS, |_| true) {
            Some(field) => {
                let (path, value) = (quoted(&field.path), shown(&field.value));
                self.line(&format!("    name: {path}  # ? what it is about, as the CMDB knows it; {value}"));
            }
            None => self.line("    name: { value: unknown }  # ? no field says what it is about"),
        }
        if let Some(field) = self.find(&ADDRESSES, |field| field.value.parse::<std::net::IpAddr>().is_ok()) {
            self.line(&format!("    ip: {}", quoted(&field.path)));
        }
    }

    fn ending(&mut self) {
        let links = self.fields.iter().filter(|field| field.value.starts_with("http")).take(3);
        let links: Vec<String> = links.map(|field| quoted(&field.path)).collect();
        if !links.is_empty() {
            self.line(&format!("  links: [{}]", links.join(", ")));
        }
        if let Some(key) = self.find(&KEYS, |_| true) {
            self.line(&format!("  dedup_key: {}  # ? the same for the alert and its end", quoted(&key.path)));
        }
    }
}

/// Where labels are copied from.
fn labels(event: &Node<'_>) -> Option<String> {
    LABELS.iter().find_map(|name| {
        let from = format!("from: {name}");
        match event.member(name)? {
            Node::Object(_) => Some(format!("{{ {from} }}")),
            Node::Array(items) => match items.first()? {
                Node::Text(text) => {
                    let separator = ["=", ":"].into_iter().find(|separator| text.contains(separator))?;
                    Some(format!("{{ {from}, separator: \"{separator}\" }}"))
                }
                Node::Object(_) => {
                    let item = items.first()?;
                    let key = ["key", "name", "tag"].into_iter().find(|key| item.member(key).is_some())?;
                    item.member("value").map(|_| format!("{{ {from}, key: {key}, value: value }}"))
                }
                _ => None,
            },
            _ => None,
        }
    })
}

/// How a time is written, as the rest of the line; `None`: it is no time.
fn format_of(value: &str) -> Option<String> {
    if let Ok(number) = value.parse::<i64>() {
        return match number {
            100_000_000..100_000_000_000 => Some(", format: s".into()),
            100_000_000_000..100_000_000_000_000 => Some(", format: ms".into()),
            _ => None,
        };
    }
    if TimeFormat::Auto.read(value).is_some() {
        return Some(String::new());
    }
    let local = ["%Y-%m-%d %H:%M:%S", "%Y/%m/%d %H:%M:%S", "%Y.%m.%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M"];
    let fits = |pattern: &&str| TimeFormat::parse(Some(pattern), None).is_ok_and(|format| format.read(value).is_some());
    let pattern = local.into_iter().find(fits)?;
    Some(format!(", format: \"{pattern}\", zone: Asia/Shanghai"))
}

/// As YAML: in quotes, whatever it holds.
fn quoted(text: &str) -> String {
    let json = serde_json::Value::from(text).to_string();
    // JSON may hold them as they are, YAML may not.
    let strange =
        |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}');
    json.chars().fold(String::with_capacity(json.len()), |mut out, c| {
        match strange(c) {
            true => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            false => out.push(c),
        }
        out
    })
}

/// A value for a comment: short, on one line.
fn shown(value: &str) -> String {
    let mut short = String::new();
    for c in value.chars().filter(|c| !c.is_control()).take(40) {
        short.push(c);
    }
    let mut out = String::from("here ");
    write!(out, "{short:?}").expect("a text takes every text");
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::mapping::{Mapping, Shape};
    use crate::decode::severity::SeverityMaps;
    use crate::decode::{Body, Context, Decoded};
    use crate::domain::severity::Severity;
    use crate::domain::time::Timestamp;

    fn decoded(sample: &str) -> Decoded {
        let yaml = sketch("mine", sample).unwrap();
        let mapping = Mapping::parse("mine", &yaml).unwrap_or_else(|error| panic!("{error}\n{yaml}"));
        let severities = SeverityMaps::default();
        let context = Context {
            tenant: &"city".into(),
            source: &"mine".into(),
            received_at: Timestamp::parse("2026-01-05T00:01:00Z"),
            severities: &severities,
            limits: &super::super::limits::Limits::MODEL,
        };
        mapping
            .decode(Body::from(sample.as_bytes()), Shape::Json, &context)
            .unwrap_or_else(|error| panic!("{error}\n{yaml}"))
    }

    #[test]
    fn a_sketch_reads_the_sample_that_it_is_made_of() {
        let sample = r#"{"source": "电力监控", "alarms": [{"alarm_id": "77", "alarm_name": "油温过高", "level": "一级", "state": "告警", "host": {"name": "主变 1", "ip": "10.2.0.9"},
            "hostname": "zb-1", "time": "2026-01-05 08:00:03", "tags": ["area=a", "kind=oil"], "url": "https://scada.example/77"}]}"#;
        let Decoded { events, rejected, .. } = decoded(sample);
        assert!(rejected.is_empty(), "{rejected:?}");
        let event = &events[0];
        assert_eq!((&*event.name, event.severity, event.object.label()), ("油温过高", Severity::Major, "zb-1"));
        assert_eq!((event.object.ip.as_deref(), event.labels.get("kind")), (Some("10.2.0.9"), Some("oil")));
        assert_eq!(event.starts_at, Timestamp::parse("2026-01-05T00:00:03Z").unwrap());
        assert_eq!((&*event.id, &*event.links[0]), ("77-告警", "https://scada.example/77"));
    }

    #[test]
    fn whatever_the_sample_holds_the_sketch_can_be_read() {
        for sample in [
            r#"{"a.b": {"c\"d": 1}, "x": []}"#,
            r#"[{"message": "a: \"b\" # c", "status": "OK"}]"#,
            r#"{"name": "x"}"#,
            "{}",
            "{\"a\":\"b\"}\n{\"a\":\"c\"}",
        ] {
            let yaml = sketch("mine", sample).unwrap();
            Mapping::parse("mine", &yaml).unwrap_or_else(|error| panic!("{error}\n{yaml}"));
        }
        for sample in ["", "17", "[]", "[1]", "{", "<xml/>"] {
            assert!(sketch("mine", sample).unwrap_err().contains("as JSON"), "{sample}");
        }
    }
}
