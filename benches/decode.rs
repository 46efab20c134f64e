//! How long decoding takes per event, by format, in batches of 64 where the format has them. `cargo bench --bench decode`.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use headwater::decode::formats::Formats;
use headwater::decode::limits::Limits;
use headwater::decode::mapping::Shape;
use headwater::decode::{Body, Context, Decoded, alertmanager, alertmanager_webhook, cloudevents, native};
use headwater::domain::ids::{SourceId, TenantId};
use headwater::domain::time::Timestamp;

const EVENTS: usize = 64;

/// An alert of about 512 bytes, as rule evaluators send it.
fn alert(n: usize) -> String {
    format!(
        r#"{{"labels":{{"alertname":"HighRequestLatency","severity":"critical","instance":"10.0.{}.{}:9100","job":"node","cluster":"gov-cloud-a","namespace":"pay","zone":"zone-1","replica":"r-0"}},"annotations":{{"summary":"Request latency of 10.0.0.{n} is high","description":"The 99th percentile has been above two seconds for more than five minutes"}},"startsAt":"2026-01-05T00:00:03.914Z","endsAt":"2026-01-05T00:04:03.914Z","generatorURL":"http://prom-0.example:9090/graph?g0.expr=latency"}}"#,
        n / 250,
        n % 250
    )
}

fn event(n: usize) -> String {
    format!(
        r#"{{"id":"e-{n}","status":"firing","severity":"major","name":"HighRequestLatency","title":"10.0.0.{n} 响应时间过长","object":{{"name":"app-{n}","ip":"10.0.0.{n}"}},"labels":{{"cluster":"gov-cloud-a","zone":"zone-1"}},"starts_at":"2026-01-05T00:00:03.914Z"}}"#
    )
}

fn line(n: usize) -> String {
    format!(
        r#"{{"alert_id":"a{n:09}","source":"apm","name":"GC pause long","severity":"warning","entity":"app-{n}","summary":"app-{n}: GC pause 33 ms","labels":{{"job":"apm","type":"application","site":"site-00000"}},"status":"firing","starts_at":"2026-01-05T00:39:52.649Z","received_at":"2026-01-05T00:39:53.876Z"}}"#
    )
}

/// A format's name, a body of it that fires, and how it is written.
type Golden = (String, String, Shape);

/// Every format with a golden file that fires.
fn by_golden() -> Vec<Golden> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("tests/golden/decode").expect("golden files") {
        let folder = entry.expect("a folder").path();
        let name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        for (file, shape) in [("firing.json", Shape::Json), ("firing.form", Shape::Form)] {
            if let Ok(golden) = std::fs::read_to_string(folder.join(file)) {
                found.push((name.clone(), golden, shape));
            }
        }
    }
    found.sort_by(|one, other| one.0.cmp(&other.0));
    assert!(found.len() > 50, "{}", found.len());
    found
}

/// Many of a body's events as an array where the format has such a thing, else the body itself.
fn many((name, golden, shape): &Golden, decode: impl Fn(&str, Shape) -> Decoded) -> String {
    let array = (*shape == Shape::Json).then(|| {
        let one: serde_json::Value = serde_json::from_str(golden).expect("JSON");
        let one = one.as_array().and_then(|items| items.first()).unwrap_or(&one).to_string();
        batch(|_| one.clone())
    });
    let text = array.into_iter().chain([golden.clone()]).find(|text| !decode(text, *shape).events.is_empty());
    text.unwrap_or_else(|| panic!("{name}: the golden body that fires has no event"))
}

fn batch(one: impl Fn(usize) -> String) -> String {
    format!("[{}]", (0..EVENTS).map(one).collect::<Vec<_>>().join(","))
}

fn decoders(criterion: &mut Criterion) {
    let formats = Formats::built_in();
    let (tenant, source) = (TenantId::from("city"), SourceId::from("s1"));
    let context = Context {
        tenant: &tenant,
        source: &source,
        received_at: Timestamp::parse("2026-01-05T00:01:00Z"),
        severities: &formats.severities,
        limits: &Limits::MODEL,
    };
    let cloud = |n: usize| {
        let data = event(n);
        format!(r#"{{"specversion":"1.0","id":"{n}","source":"/s","type":"headwater.event.raised.v1","data":{data}}}"#)
    };
    let mapping = formats.mapping("stormgen").expect("built in");
    let (alerts, events, clouds, array) = (batch(alert), batch(event), batch(cloud), batch(line));
    let lines = (0..EVENTS).map(line).collect::<Vec<_>>().join("\n");
    fn body(text: &str) -> Body<'_> {
        Body { bytes: text.as_bytes(), charset: None }
    }
    let mut group = criterion.benchmark_group("decode");
    let mut run = |name: &str, text: &str, decode: &dyn Fn(&str) -> Decoded| {
        let events = decode(text).events.len();
        assert!(events > 0, "{name}");
        group.throughput(Throughput::Elements(events as u64));
        group.bench_function(BenchmarkId::new(name, text.len() / events), |b| b.iter(|| decode(black_box(text))));
    };
    run("alertmanager", &alerts, &|text| {
        alertmanager::decode(body(text), &context, &formats.alertmanager).expect("readable")
    });
    let webhooks = format!(r#"{{"version":"4","status":"firing","alerts":{alerts}}}"#);
    run("alertmanager_webhook", &webhooks, &|text| {
        alertmanager_webhook::decode(body(text), &context, &formats.alertmanager).expect("readable")
    });
    run("native", &events, &|text| native::decode(body(text), &context).expect("readable"));
    run("cloudevents", &clouds, &|text| cloudevents::decode(body(text), &context).expect("readable"));
    run("mapping_json", &array, &|text| mapping.decode(body(text), Shape::Json, &context).expect("readable"));
    run("mapping_lines", &lines, &|text| mapping.decode(body(text), Shape::Lines, &context).expect("readable"));
    for golden in by_golden() {
        let mapping = formats.mapping(&golden.0).unwrap_or_else(|| panic!("{}: no mapping of this name", golden.0));
        let decode = |text: &str, shape| mapping.decode(body(text), shape, &context).unwrap_or_default();
        run(&golden.0, &many(&golden, decode), &|text| decode(text, golden.2));
    }
    group.finish();
}

criterion_group!(benches, decoders);
criterion_main!(benches);
