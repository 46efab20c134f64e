//! Appending to the journal in its file, with both durabilities: one record at a time, and many that wait together.

use std::path::Path;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use futures::executor::block_on;
use futures::future::join_all;
use headwater::clock::machine;
use headwater::domain::event::{Event, ObjectRef};
use headwater::domain::ids::{SourceId, TenantId};
use headwater::domain::time::Timestamp;
use headwater::engine::input::{Batch, Input};
use headwater::journal::sqlite::{OpenOptions, Store};
use headwater::journal::{Durability, Journal as _};

/// Events packed into one record.
const PACKED: [usize; 3] = [1, 100, 500];
/// Callers that wait at the same time.
const CALLERS: usize = 64;

fn batch(events: usize) -> Input {
    let tenant = TenantId::from("city");
    let event = |n: usize| {
        let at = Timestamp(1_767_602_400_000 + n as i64);
        let mut event = Event::new(tenant.clone(), SourceId::from("prometheus"), "NodeFilesystemAlmostOutOfSpace", at);
        event.id = format!("4711-{n}").into();
        event.title = format!("10.1.2.{n}: filesystem has less than 5% space left").into();
        event.object = ObjectRef { ip: Some(format!("10.1.2.{n}")), ..ObjectRef::default() };
        for (key, value) in [("job", "node"), ("device", "/dev/vda1"), ("mountpoint", "/var"), ("cluster", "east")] {
            event.labels.insert(key, value);
        }
        event
    };
    Input::Batch(Batch {
        tenant: tenant.clone(),
        events: (0..events).map(event).collect(),
        rejected: Vec::new(),
        replay_of: None,
    })
}

fn open(folder: &Path, durability: Durability) -> Store {
    let mut options = OpenOptions::new(machine());
    (options.durability, options.ballast_bytes) = (durability, 0);
    Store::open(folder, options).expect("a fresh folder")
}

fn append(c: &mut Criterion) {
    for durability in [Durability::Power, Durability::Process] {
        // Beside the build, not in /tmp: that may be memory.
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
        let store = open(folder.path(), durability);
        let mut group = c.benchmark_group(format!("journal, {}", durability.as_str()));
        for events in PACKED {
            let input = batch(events);
            group.throughput(Throughput::Elements(events as u64));
            group.bench_with_input(BenchmarkId::new("one caller, events per record", events), &input, |b, input| {
                b.iter(|| store.append_blocking(0, input.clone()).expect("taken"));
            });
        }
        for events in [1, 100] {
            let input = batch(events);
            group.throughput(Throughput::Elements((CALLERS * events) as u64));
            group.bench_with_input(BenchmarkId::new("64 callers, events per record", events), &input, |b, input| {
                b.iter(|| {
                    let answers = block_on(join_all((0..CALLERS).map(|_| store.append(0, input.clone()))));
                    assert!(answers.iter().all(Result::is_ok));
                });
            });
        }
        group.finish();
    }
}

fn short() -> Criterion {
    Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
}

criterion_group! { name = benches; config = short(); targets = append }
criterion_main!(benches);
