//! Events per second of the decoders: 64 events in one body, as a busy source sends them.

use std::fmt::Write as _;
use std::hint::black_box;
use std::io::BufRead as _;
use std::path::Path;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use headwater::decode::formats::Formats;
use headwater::decode::limits::Limits;
use headwater::decode::mapping::Shape;
use headwater::decode::{Body, Context, alertmanager, native};
use headwater::domain::ids::{SourceId, TenantId};
use headwater::domain::time::Timestamp;
use headwater::lab::files;

const EVENTS: usize = 64;
/// 2026-01-05 in UTC: after the start of each event below.
const RECEIVED: Timestamp = Timestamp(1_767_602_400_000);

fn native_body() -> String {
    let mut events = Vec::new();
    for n in 0..EVENTS {
        events.push(format!(
            r#"{{"id":"e{n}","name":"disk-full","severity":"major","status":"firing","title":"磁盘使用率超过 95%",
            "object":{{"ci_id":"srv-{n}","ip":"10.1.2.{n}"}},"starts_at":"2026-01-05T08:{:02}:00Z",
            "labels":{{"mount":"/var","site":"dc-a","team":"cloud","rule":"r-{n}"}}}}"#,
            n % 60
        ));
    }
    format!("[{}]", events.join(","))
}

fn alertmanager_body() -> String {
    let mut text = String::from("[");
    for n in 0..EVENTS {
        let comma = if n == 0 { "" } else { "," };
        let _ = write!(
            text,
            r#"{comma}{{"labels":{{"alertname":"NodeFilesystemAlmostOutOfSpace","severity":"warning","instance":"10.1.2.{n}:9100",
            "job":"node","device":"/dev/vda1","mountpoint":"/var","cluster":"east","replica":"prom-1"}},
            "annotations":{{"summary":"Filesystem has less than 5% space left.","description":"/dev/vda1 at 10.1.2.{n}:9100 has 4.2% left."}},
            "startsAt":"2026-01-05T08:{:02}:00.000Z","endsAt":"0001-01-01T00:00:00Z","generatorURL":"http://prometheus/graph?g0={n}"}}"#,
            n % 60
        );
    }
    text + "]"
}

fn storm_lines() -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/storms/hard/alerts.jsonl.gz");
    let mut lines = files::open(&path).expect("the storm is there");
    let mut text = Vec::new();
    for _ in 0..EVENTS {
        lines.read_until(b'\n', &mut text).expect("readable");
    }
    text
}

fn decoders(c: &mut Criterion) {
    let formats = Formats::built_in();
    let (tenant, source, limits) = (TenantId::from("city"), SourceId::from("prometheus"), Limits::default());
    let severities = &formats.severities;
    let context =
        Context { tenant: &tenant, source: &source, received_at: Some(RECEIVED), severities, limits: &limits };
    let recorded = Context { received_at: None, ..context };
    let mapping = formats.mapping("stormgen").expect("built in");
    let (own, prometheus, lines) = (native_body(), alertmanager_body(), storm_lines());
    let whole = |decoded: &headwater::decode::Decoded| {
        assert_eq!((decoded.events.len(), decoded.rejected.len()), (EVENTS, 0));
    };
    whole(&native::decode(Body::from(own.as_bytes()), &context).expect("readable"));
    let rules = &formats.alertmanager;
    whole(&alertmanager::decode(Body::from(prometheus.as_bytes()), &context, rules).expect("readable"));
    whole(&mapping.decode(Body::from(lines.as_slice()), Shape::Lines, &recorded).expect("readable"));

    let mut group = c.benchmark_group("decode");
    group.throughput(Throughput::Elements(EVENTS as u64));
    group.bench_function("native", |b| b.iter(|| native::decode(Body::from(black_box(own.as_bytes())), &context)));
    group.bench_function("Alertmanager v2", |b| {
        b.iter(|| alertmanager::decode(Body::from(black_box(prometheus.as_bytes())), &context, rules));
    });
    group.bench_function("mapping, lines", |b| {
        b.iter(|| mapping.decode(Body::from(black_box(lines.as_slice())), Shape::Lines, &recorded));
    });
    group.finish();
}

fn short() -> Criterion {
    Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
}

criterion_group! { name = benches; config = short(); targets = decoders }
criterion_main!(benches);
