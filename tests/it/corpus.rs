//! Bad input: every decoder gives every body of the corpus its reason, and nothing panics.

#![expect(clippy::unwrap_used, reason = "in tests a panic is the message")]

use std::fs;
use std::path::Path;

use headwater::decode::formats::Formats;
use headwater::decode::mapping::{Mapping, Shape};
use headwater::decode::severity::SeverityMap;
use headwater::decode::{BodyError, Decoded};
use headwater::domain::reject::Reject;
use headwater::wording::letters;
use proptest::prelude::*;

use crate::decode::{FORMATS, decode, expect, inputs, shape_of};

const CORPUS: &str = "tests/corpus";

/// One line: what became of the body.
fn summary(decoded: &Result<Decoded, BodyError>) -> String {
    let decoded = match decoded {
        Ok(decoded) => decoded,
        Err(error) => return format!("unreadable: {error}"),
    };
    let mut text = format!("{} taken", decoded.events.len());
    for event in &decoded.events {
        let cut = if event.truncated { ", cut" } else { "" };
        text +=
            &format!("\n    taken {:?} at {}{cut}", event.name.chars().take(40).collect::<String>(), event.starts_at);
    }
    for rejected in &decoded.rejected {
        text += &format!("\n    {} {}: {}", rejected.index, rejected.letter.why.word(), rejected.letter.why.detail());
    }
    let counts = format!("{:?}", decoded.counts);
    let counts = counts.trim_start_matches("Counts { ").trim_end_matches(" }").split(", ");
    let counts: Vec<&str> = counts.filter(|count| !count.ends_with(": 0")).collect();
    if !counts.is_empty() {
        text += &format!("\n    counted {}", counts.join(", "));
    }
    text
}

#[test]
fn why_a_body_is_refused_is_said_in_chinese_too() {
    let mut said = 0;
    for entry in fs::read_dir(CORPUS).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "expected") {
            continue;
        }
        for line in fs::read_to_string(&path).unwrap().lines() {
            let refused = ["malformed: ", "too_large: ", "bad_time: ", "unreadable: "];
            let Some(why) = refused.iter().find_map(|word| Some(line.split_once(word)?.1)) else { continue };
            let text = letters::detail(&Reject::Malformed(why.into()));
            assert!(
                text.zh != text.en,
                "{}: nobody has put it into Chinese (src/wording/letters.rs): {why}",
                path.display()
            );
            said += 1;
        }
    }
    assert!(said > 200, "{said}");
}

/// What must hold whatever came in.
pub fn check_bounds(decoded: &Result<Decoded, BodyError>) {
    let Ok(decoded) = decoded else { return };
    for event in &decoded.events {
        assert!(!event.name.is_empty());
        assert!(event.name.chars().count() <= 255 && event.title.chars().count() <= 512);
        assert!(event.description.chars().count() <= 2048 && event.labels.count() <= 50);
        assert!(event.dedup_key.as_ref().is_none_or(|key| key.chars().count() <= 255));
        let pairs = event.labels.iter().all(|(key, value)| key.chars().count() <= 128 && value.chars().count() <= 2048);
        assert!(pairs && !serde_json::to_string(event).unwrap().contains("\\u0000"));
        assert!((0..=253_402_300_799_999).contains(&event.starts_at.0));
        assert!(event.metric.as_ref().is_none_or(|metric| metric.value.is_none_or(f64::is_finite)));
        let json = serde_json::to_string(event).unwrap();
        assert_eq!(&serde_json::from_str::<headwater::domain::event::Event>(&json).unwrap(), event);
    }
    for rejected in &decoded.rejected {
        assert!(rejected.letter.raw.len() <= 64 * 1024 && rejected.letter.why.detail().chars().count() <= 301);
    }
    let mut places: Vec<usize> = decoded.rejected.iter().map(|rejected| rejected.index).collect();
    places.dedup();
    assert_eq!(places.len(), decoded.rejected.len());
    let items = decoded.events.len() + decoded.rejected.len() + decoded.orders.len();
    let seen = items + decoded.counts.left_out as usize;
    assert!(places.iter().all(|place| *place < seen));
}

#[test]
fn every_bad_body_has_its_reason() {
    let formats = Formats::built_in();
    for input in inputs(Path::new(CORPUS)) {
        let bytes = fs::read(&input).unwrap();
        let mut lines = String::new();
        for format in FORMATS {
            let decoded = decode(&formats, format, shape_of(&input), &bytes);
            check_bounds(&decoded);
            lines += &format!("{format}: {}\n", summary(&decoded));
        }
        expect(&input, &lines);
    }
}

#[test]
fn huge_bodies_are_read_without_recursion_and_up_to_the_limit() {
    let formats = Formats::built_in();
    let event = r#"{"labels":{"alertname":"A"},"name":"A","object":{"name":"x"},"starts_at":1767571203}"#;
    let bodies = [
        "[".repeat(1_000_000),
        "[".repeat(1_000_000) + &"]".repeat(1_000_000),
        "{\"a\":".repeat(1_000_000),
        format!("[{}{}]", "{},".repeat(5000), "{}"),
        format!("[{}{event}]", format!("{event},").repeat(5000)),
        format!(r#"[{{"labels":{{"alertname":"{}"}}}}]"#, "x".repeat(1 << 20)),
        format!(r#"[{{"labels":{{{}"a":"b"}}}}]"#, (0..50_000).map(|i| format!(r#""k{i}":"v","#)).collect::<String>()),
        "\u{FEFF}\0".repeat(100_000),
    ];
    for body in &bodies {
        for format in FORMATS {
            let decoded = decode(&formats, format, Shape::Json, body.as_bytes());
            check_bounds(&decoded);
            let taken = decoded.map_or(0, |decoded| decoded.events.len());
            assert!(taken <= 1, "{format}: {taken} of a body of {} bytes", body.len());
        }
    }
    let full = format!("[{}{event}]", format!("{event},").repeat(4999));
    assert_eq!(decode(&formats, "native", Shape::Json, full.as_bytes()).unwrap().events.len(), 5000);
}

/// A body of the corpus or of the golden files with a few bytes changed, cut, doubled or put elsewhere.
fn mutated() -> impl Strategy<Value = (usize, Vec<u8>)> {
    let mut bodies: Vec<Vec<u8>> = inputs(Path::new(CORPUS)).iter().map(|input| fs::read(input).unwrap()).collect();
    for format in FORMATS {
        let golden = Path::new("tests/golden/decode").join(format);
        bodies.extend(inputs(&golden).iter().map(|input| fs::read(input).unwrap()));
    }
    let change = (any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0..4u8, any::<u8>());
    let body = prop::sample::select(bodies);
    (0..FORMATS.len(), body, prop::collection::vec(change, 1..6)).prop_map(|(format, mut body, changes)| {
        for (a, b, kind, byte) in changes {
            if body.is_empty() {
                break;
            }
            let (a, b) = (a.index(body.len()), b.index(body.len()));
            match kind {
                0 => body[a] = byte,
                1 => body.truncate(a),
                2 => body.insert(a, b"{}[]\",:\\u0e-"[usize::from(byte) % 12]),
                _ => {
                    let piece = body[a.min(b)..a.max(b)].to_vec();
                    body.splice(a..a, piece);
                }
            }
        }
        (format, body)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_mutation_panics_a_decoder((format, body) in mutated()) {
        let formats = formats();
        for shape in [Shape::Json, Shape::Lines] {
            check_bounds(&decode(formats, FORMATS[format], shape, &body));
        }
    }

    #[test]
    fn no_mutation_panics_the_readers_of_rules(at in any::<prop::sample::Index>(), bytes in "[a-z{}\\[\\]:\"'.$ \\n-]{0,8}") {
        for file in ["rules/mappings/zabbix.yaml", "rules/severity/zabbix.yaml", "rules/alertmanager.yaml"] {
            let mut yaml = fs::read_to_string(file).unwrap();
            let at = (0..=at.index(yaml.len())).rev().find(|at| yaml.is_char_boundary(*at)).unwrap();
            yaml.insert_str(at, &bytes);
            let _ = Mapping::parse(file, &yaml);
            let _ = SeverityMap::parse(file, &yaml);
            let _ = headwater::decode::alertmanager::AlertmanagerRules::parse(file, &yaml);
        }
    }
}

fn formats() -> &'static Formats {
    static FORMATS: std::sync::OnceLock<Formats> = std::sync::OnceLock::new();
    FORMATS.get_or_init(Formats::built_in)
}

#[test]
fn a_bad_mapping_names_file_place_and_remedy() {
    let check = |yaml: &str, words: &[&str]| {
        let error = Mapping::parse("x.yaml", yaml).expect_err(yaml).to_string();
        assert!(error.starts_with("x.yaml:") && words.iter().all(|word| error.contains(word)), "{error}");
    };
    let event = "mapping: x\nevent: { name: n, object: { name: o }";
    check("mapping: x\nevent: { name: n, objekt: { name: o } }", &["objekt", "x.yaml:2:"]);
    check("mapping: x\nevent: { name: n, object: {} }", &["event.object", "at least one"]);
    check("mapping: x\nevent: { name: a..b, object: { name: o } }", &["a..b", "not a path"]);
    check(&format!("{event}, title: {{ path: a, value: b }} }}"), &["exactly one of"]);
    check(&format!("{event}, title: {{ template: 'a}}' }} }}"), &["brace"]);
    check(&format!("{event}, title: {{ path: a, match: '(' }} }}"), &["unclosed group"]);
    check(&format!("{event}, starts_at: {{ from: a, format: days }} }}"), &["event.starts_at", "days"]);
    check(&format!("{event}, severity: {{ from: a, map: {{ x: horrible }} }} }}"), &["horrible"]);
    check(&format!("{event}, severity: {{ from: a, map: {{}}, uses: b }} }}"), &["either map or uses"]);
    let files =
        [("x.yaml", "mapping: x\nevent: { name: n, object: { name: o }, severity: { from: s, uses: nobody } }")];
    let files = headwater::decode::formats::Files { mappings: &files, ..Default::default() };
    let errors = Formats::with(&files).expect_err("unknown map");
    assert!(errors[0].to_string().contains("no severity map \"nobody\""), "{errors:?}");
}
