//! What a stranger's bytes can reach, one function each. The fuzz targets call these with libFuzzer's inputs; the
//! test suite calls them with the same corpora, changed a little (`tests/it/strangers.rs`).
//!
//! An entry panics when it finds a bug. Whatever is refused is no bug.

use std::sync::{Arc, OnceLock};

use headwater::decode::formats::Formats;
use headwater::decode::limits::Limits;
use headwater::decode::mapping::{Mapping, Shape};
use headwater::decode::severity::SeverityMap;
use headwater::decode::snmp::usm;
use headwater::decode::{
    Body, BodyError, Context, Decoded, again, alertmanager, alertmanager_webhook, cloudevents, lines, mail, native,
    otlp, points, remote_write, sketch, snmp, syslog,
};
use headwater::domain::event::ObjectRef;
use headwater::domain::ids::{SourceId, TenantId};
use headwater::domain::matcher::Matchers;
use headwater::domain::reject::DeadLetter;
use headwater::domain::time::Timestamp;
use headwater::domain::topology::Topology;
use headwater::engine::Engine;
use headwater::engine::policy::Policy;
use headwater::engine::policy::place::RuleFile;
use headwater::engine::tuning::Tuning;
use headwater::journal::body;
use headwater::lab::built_in::{read_topology, shipped_mapping};
use headwater::outbox;

/// What is done with one input.
pub type Entry = fn(&[u8]);

/// All entries, by the names of their fuzz targets.
pub const ENTRIES: &[(&str, Entry)] = &[
    ("decode_native", decode_native),
    ("decode_cloudevents", decode_cloudevents),
    ("decode_alertmanager", decode_alertmanager),
    ("decode_mapping", decode_mapping),
    ("decode_form", decode_form),
    ("decode_syslog", decode_syslog),
    ("decode_snmp", decode_snmp),
    ("decode_otlp", decode_otlp),
    ("decode_mail", decode_mail),
    ("decode_points", decode_points),
    ("decode_lines", decode_lines),
    ("decode_remote_write", decode_remote_write),
    ("sketch_mapping", sketch_mapping),
    ("parse_formats", parse_formats),
    ("parse_rules", parse_rules),
    ("parse_matchers", parse_matchers),
    ("load_topology", load_topology),
    ("read_journal", read_journal),
    ("read_outbox", read_outbox),
    ("read_snapshot", read_snapshot),
];

/// Runs one entry on one input.
pub fn run(name: &str, bytes: &[u8]) {
    let (_, entry) = ENTRIES.iter().find(|(known, _)| *known == name).expect("every target is in the list");
    entry(bytes);
}

/// Our own JSON.
fn decode_native(bytes: &[u8]) {
    decoder(bytes, |body, context, _| native::decode(body, context));
}

/// CloudEvents: structured, batched, and the body of the binary mode.
fn decode_cloudevents(bytes: &[u8]) {
    decoder(bytes, |body, context, _| cloudevents::decode(body, context));
    let attributes = [("specversion", "1.0"), ("id", "1"), ("source", "/s"), ("type", "headwater.event.raised.v1")];
    decoder(bytes, |body, context, _| cloudevents::decode_binary(&attributes, body, context));
}

/// Alertmanager's API and its webhook.
fn decode_alertmanager(bytes: &[u8]) {
    decoder(bytes, |body, context, formats| alertmanager::decode(body, context, &formats.alertmanager));
    decoder(bytes, |body, context, formats| alertmanager_webhook::decode(body, context, &formats.alertmanager));
}

/// Every built-in mapping, on one value and on lines.
fn decode_mapping(bytes: &[u8]) {
    for mapping in formats().mappings() {
        for shape in [Shape::Json, Shape::Lines] {
            decoder(bytes, |body, context, _| mapping.decode(body, shape, context));
        }
    }
}

/// Forms and query strings, and every mapping that may come as one.
fn decode_form(bytes: &[u8]) {
    for mapping in formats().mappings() {
        decoder(bytes, |body, context, _| mapping.decode(body, Shape::Form, context));
    }
}

/// What a protocol's reader made is read by its mapping; whatever came, it is JSON.
fn protocol(mapping: &str, json: &str, shape: Shape) {
    assert!(!json.contains('\n'), "one line");
    serde_json::from_str::<serde_json::Value>(json).expect("a protocol's reader writes JSON");
    let mapping = formats().mapping(mapping).expect("it is built in");
    decoder(json.as_bytes(), |body, context, _| mapping.decode(body, shape, context));
}

/// Syslog in both formats.
fn decode_syslog(bytes: &[u8]) {
    let received_at = Timestamp(1_767_571_260_000);
    let arrival = syslog::Arrival { peer: "10.0.0.9", received_at, zone: chrono_tz::Tz::Asia__Shanghai };
    protocol("syslog", &syslog::to_json(bytes, &arrival), Shape::Lines);
}

/// SNMP traps of all versions.
fn decode_snmp(bytes: &[u8]) {
    static SENDERS: OnceLock<snmp::Senders> = OnceLock::new();
    let senders = SENDERS.get_or_init(|| {
        let plain = usm::Passwords { proof: None, privacy: None };
        let user = usm::User::new("noc", &plain).expect("a user without passwords");
        let authority = Some(snmp::authority::Authority::new("fuzz", Timestamp(1_767_571_000_000)));
        snmp::Senders { communities: vec!["public".into()], users: usm::Users::of(vec![user]), authority }
    });
    if let Ok(packet) = snmp::read(bytes, "10.0.0.9", senders, Timestamp(1_767_571_260_000))
        && let Some(trap) = packet.json
    {
        protocol("snmp-trap", &trap, Shape::Lines);
    }
}

/// OpenTelemetry's logs in protobuf and JSON.
fn decode_otlp(bytes: &[u8]) {
    for json in [otlp::from_protobuf(bytes), otlp::from_json(bytes, Limits::MODEL.depth)].into_iter().flatten() {
        protocol("otlp-logs", &json, Shape::Json);
    }
}

/// Mail.
fn decode_mail(bytes: &[u8]) {
    if let Some(json) = mail::to_json(bytes, "a@b", "c@d") {
        protocol("mail", &json, Shape::Lines);
    }
}

/// Metric points: what was read is written and read again.
fn decode_points(bytes: &[u8]) {
    let received_at = Timestamp(1_767_571_260_000);
    let Ok(read) = points::decode(Body::from(bytes), received_at, &Limits::MODEL) else { return };
    assert!(read.points.iter().all(|point| point.value.is_finite() && !point.name.is_empty()));
    let again = points::decode(Body::from(&points::encode(&read.points)[..]), received_at, &Limits::MODEL);
    assert_eq!(again.map(|again| again.points.len()), Ok(read.points.len()));
}

/// Log lines in both shapes.
fn decode_lines(bytes: &[u8]) {
    for shape in [lines::Shape::Text, lines::Shape::Json] {
        if let Ok(read) = lines::decode(Body::from(bytes), shape, &ObjectRef::default(), &Limits::MODEL) {
            assert!(read.lines.len() + read.refused.len() <= lines::LINES_MAX);
            assert!(read.lines.iter().all(|line| line.text.len() <= 4096));
        }
    }
}

/// What Prometheus writes, unpacked.
fn decode_remote_write(bytes: &[u8]) {
    drop(remote_write::decode(bytes, Timestamp(1_767_571_260_000)));
}

/// A sketch of anything that is JSON is a mapping that can be read.
fn sketch_mapping(bytes: &[u8]) {
    let Ok(sample) = std::str::from_utf8(bytes) else { return };
    if let Ok(yaml) = sketch::sketch("fuzz", sample) {
        let mapping = Mapping::parse("fuzz", &yaml);
        assert!(mapping.is_ok(), "{mapping:?}\n{yaml}");
    }
}

/// Mapping files, severity maps, the rules for Alertmanager's labels. A mapping that can be read is used.
fn parse_formats(bytes: &[u8]) {
    let Ok(yaml) = std::str::from_utf8(bytes) else { return };
    drop(SeverityMap::parse("fuzz", yaml));
    drop(headwater::decode::alertmanager::AlertmanagerRules::parse("fuzz", yaml));
    if let Ok(mapping) = Mapping::parse("fuzz", yaml) {
        let line = br#"{"alert_id":"1","name":"n","entity":"e","labels":{"a":"b"},"starts_at":"2026-01-05T00:00:00Z"}"#;
        decoder(line, |body, context, _| mapping.decode(body, Shape::Json, context));
    }
}

/// Rule files: all kinds of rules, schedules, expressions, templates. Rules that can be compiled are looked over.
fn parse_rules(bytes: &[u8]) {
    let Ok(yaml) = std::str::from_utf8(bytes) else { return };
    let mut files = Policy::default_files();
    match Policy::compile(1, &[RuleFile { name: "fuzz.yaml".into(), text: yaml.into() }]) {
        Ok(policy) => drop(policy.lint(Timestamp(0))),
        Err(errors) => assert!(!errors.is_empty(), "refused without a reason"),
    }
    files.push(RuleFile { name: "zz-fuzz.yaml".into(), text: yaml.into() });
    drop(Policy::compile(2, &files));
}

/// Matchers, as silences bring them.
fn parse_matchers(bytes: &[u8]) {
    if let Ok(matchers) = serde_json::from_slice::<Matchers>(bytes) {
        let text = serde_json::to_vec(&matchers).expect("matchers can be written");
        let again: Matchers = serde_json::from_slice(&text).expect("what we write we read");
        assert_eq!(matchers, again);
    }
}

/// CMDB files of our own and of other systems, and mapping files for those.
fn load_topology(bytes: &[u8]) {
    drop(read_topology("fuzz", bytes, None, 1));
    if let Ok(topology) = read_topology("fuzz", bytes, Some(shipped_mapping()), 1) {
        walk(&topology);
    }
}

fn walk(topology: &Topology) {
    use headwater::domain::topology::quality::Quality;
    use headwater::domain::topology::reach::Limits;
    drop(Quality::of(topology));
    for ci in topology.all().take(8) {
        let (down, up) = (topology.impact(ci, &Limits::default()), topology.causes_of(ci, &Limits::default()));
        assert!(down.reached.len() <= topology.len() && up.reached.len() <= topology.len());
    }
}

/// The stored form of a journal record.
fn read_journal(bytes: &[u8]) {
    if let Ok(input) = body::decode(bytes)
        && let Ok(stored) = body::encode(&input)
    {
        assert_eq!(body::decode(&stored).as_ref(), Ok(&input), "what is written is read back otherwise");
    }
}

/// The stored form of an outbox record.
fn read_outbox(bytes: &[u8]) {
    if let Ok(effects) = outbox::decode(bytes) {
        let stored = outbox::encode(&effects);
        assert_eq!(outbox::decode(&stored).as_ref(), Ok(&effects), "what is written is read back otherwise");
    }
}

/// The stored form of an engine's state. A state that can be read can be written again.
fn read_snapshot(bytes: &[u8]) {
    let tuning = Arc::new(Tuning::default());
    let engine =
        Engine::thaw(bytes, tuning.clone(), |_, _| Some(Topology::none()), |_, _| Some(Policy::default_rules()));
    if let Ok(engine) = engine {
        let frozen = engine.freeze();
        let again = Engine::thaw(&frozen, tuning, |_, _| Some(Topology::none()), |_, _| Some(Policy::default_rules()));
        assert!(again.expect("what is frozen can be thawed").freeze() == frozen);
    }
}

fn formats() -> &'static Formats {
    static FORMATS: OnceLock<Formats> = OnceLock::new();
    FORMATS.get_or_init(Formats::built_in)
}

fn decoder(bytes: &[u8], decode: impl Fn(Body<'_>, &Context<'_>, &Formats) -> Result<Decoded, BodyError>) {
    let (tenant, source) = (TenantId::from("t"), SourceId::from("s"));
    let context = Context {
        tenant: &tenant,
        source: &source,
        received_at: Some(Timestamp(1_767_571_260_000)),
        severities: &formats().severities,
        limits: &Limits::MODEL,
    };
    let charsets = [None, Some("gb18030")];
    for charset in charsets {
        if let Ok(decoded) = decode(Body { bytes, charset }, &context, formats()) {
            judge(&decoded, &context);
        }
    }
}

/// What must hold of whatever was decoded.
fn judge(decoded: &Decoded, context: &Context<'_>) {
    let items = decoded.events.len() + decoded.rejected.len() + decoded.orders.len();
    assert!(items <= Limits::MODEL.events, "more events than the limit");
    for event in &decoded.events {
        assert!(!event.name.is_empty() && event.labels.count() <= 50);
        let text = serde_json::to_vec(event).expect("an event can be written");
        let again = serde_json::from_slice(&text).expect("what is written can be read");
        assert_eq!(event, &again, "an event is read back otherwise");
    }
    for rejected in &decoded.rejected {
        let letter: &DeadLetter = &rejected.letter;
        assert!(!letter.why.detail().is_empty() && letter.raw.len() <= 64 * 1024);
        drop(again::decode(letter, context, formats()));
    }
}
