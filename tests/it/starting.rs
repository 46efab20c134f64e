//! A start reads what was stored of state and views, and only the records behind it; what it shows is what was shown.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use headwater::domain::ids::TenantId;
use headwater::domain::partition::partition_of;
use headwater::domain::time::Timestamp;
use headwater::engine::input::Input;
use headwater::engine::passing::OVERDUE_MAX;
use headwater::journal::digest::ChainHash;
use headwater::pipeline::health::Start;
use headwater::pipeline::shown::VIEW_FORMAT;
use headwater::pipeline::{Pace, Pipeline};
use headwater::projection::tenant::TenantView;
use serde_json::{Value, json};

use crate::cuts::{Running, UNDISTURBED, copy};
use crate::story::{BEGIN, Story, TENANTS};

/// Often, so that a story has many snapshots.
const PACE: Pace =
    Pace { snapshot_every: 40, remade_records_max: 200_000, overdue_max: OVERDUE_MAX, archive_every: UNDISTURBED };

/// Everything that the views hold, in words that can be compared.
fn shown(pipeline: &Pipeline) -> Value {
    let live = pipeline.live.read();
    let tenants: BTreeMap<&TenantId, &TenantView> = live.tenants().collect();
    let rulings: Vec<_> = TENANTS.map(|tenant| pipeline.rulings().ruled(&TenantId::from(tenant))).into();
    json!({
        "tenants": serde_json::to_value(tenants).unwrap(),
        "at": [live.journal_seq, live.outbox_seq],
        "stamp": live.stamp.0,
        "notices": serde_json::to_value(pipeline.courier.lock().of(|_| true)).unwrap(),
        "rulings": serde_json::to_value(rulings).unwrap(),
        "topologies": TENANTS.map(|tenant| pipeline.topology(&TenantId::from(tenant)).version()),
    })
}

fn differs(one: &Value, other: &Value) -> Option<String> {
    let (one, other) = (one.as_object()?, other.as_object()?);
    let key = one.keys().chain(other.keys()).find(|key| one.get(*key) != other.get(*key))?;
    let (one, other) = (one.get(key).unwrap_or(&Value::Null), other.get(key).unwrap_or(&Value::Null));
    if let Some(deeper) = differs(one, other) {
        return Some(format!("{key}.{deeper}"));
    }
    let cut = |value: &Value| value.to_string().chars().take(600).collect::<String>();
    Some(format!("{key}: {} or {}", cut(one), cut(other)))
}

fn check(before: &Value, after: &Value, when: &str) {
    assert!(before == after, "{when}: {}", differs(before, after).unwrap_or_default());
}

/// A folder in which a story was told, and where it is now.
struct Told {
    root: tempfile::TempDir,
    folder: std::path::PathBuf,
    clock: Arc<AtomicI64>,
    copies: u32,
}

impl Told {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("0");
        Self { root, folder, clock: Arc::new(AtomicI64::new(BEGIN.0)), copies: 0 }
    }

    fn start(&self, pace: Pace) -> Running {
        Running::paced(&self.folder, self.clock.clone(), pace)
    }

    /// Goes on with the files as they are now, as if the program were killed.
    fn kill(&mut self, running: Running) {
        self.copies += 1;
        let image = self.root.path().join(self.copies.to_string());
        copy(&self.folder, &image);
        running.pipeline.stop();
        self.folder = image;
    }

    fn views(&self) -> std::path::PathBuf {
        self.folder.join("views")
    }
}

/// Lets everything come that is due now, so that nothing changes until the clock goes on.
fn settle(running: &Running) {
    for tenant in TENANTS {
        let partition = partition_of(&TenantId::from(tenant));
        let seq = running.pipeline.log.append_blocking(partition, Input::Tick).unwrap().seq;
        while !running.pipeline.has_applied(partition, seq) {
            std::thread::yield_now();
        }
    }
}

fn keep_texts(running: &Running, story: &Story) {
    for text in story.shelf.texts.values() {
        futures::executor::block_on(running.pipeline.log.put_text(text.clone().into_bytes())).unwrap();
    }
}

fn first_view(folder: &Path) -> std::path::PathBuf {
    let mut views: Vec<_> = std::fs::read_dir(folder).unwrap().map(|view| view.unwrap().path()).collect();
    views.sort();
    views.remove(0)
}

#[test]
fn views_after_a_restart_are_the_views_without_one_wherever_it_is_cut() {
    for seed in [3] {
        let story = Story::seeded(seed, 1);
        let mut told = Told::new();
        let mut running = told.start(PACE);
        keep_texts(&running, &story);
        for (n, step) in story.steps.iter().enumerate() {
            running.apply(step);
            if n % 11 != 0 {
                continue;
            }
            settle(&running);
            let before = shown(&running.pipeline);
            let is_kill = n % 2 == 0;
            if is_kill {
                told.kill(running);
            } else {
                running.pipeline.stop();
                drop(running);
            }
            running = told.start(PACE);
            check(&before, &shown(&running.pipeline), &format!("seed {seed}, cut behind record {n}"));
            let start = running.pipeline.health().start();
            let most = if is_kill { 3 * PACE.snapshot_every } else { 0 };
            assert!(start.records <= most, "seed {seed}, cut behind record {n}: {start:?}");
        }
        assert!(running.pipeline.live.read().journal_seq > 150, "a story has many records");
        running.pipeline.stop();
    }
}

#[test]
fn a_start_reads_only_what_came_behind_the_newest_snapshots() {
    let mut told = Told::new();
    let running = told.start(PACE);
    let append = |running: &Running, tenant: &str, ticks: u64| {
        let partition = partition_of(&TenantId::from(tenant));
        for _ in 0..ticks {
            let seq = running.pipeline.log.append_blocking(partition, Input::Tick).unwrap().seq;
            while !running.pipeline.has_applied(partition, seq) {
                std::thread::yield_now();
            }
        }
    };
    // A tenant that says one thing and is quiet for ever, beside a busy one.
    append(&running, TENANTS[0], 1);
    let mut running = running;
    for records in [30, 300, 1_000] {
        append(&running, TENANTS[1], records);
        told.kill(running);
        running = told.start(PACE);
        let start = running.pipeline.health().start();
        assert!(start.records <= 2 * PACE.snapshot_every, "behind {records} more: {start:?}");
        assert_eq!(running.pipeline.health().diverged.load(std::sync::atomic::Ordering::SeqCst), 0);
    }
    assert_eq!(running.pipeline.live.read().journal_seq, 1_331);
    // What no start needs goes to the archive, also what is before the quiet tenant's only record.
    while running.pipeline.log.tidy(Timestamp(i64::MAX)).unwrap() {}
    assert!(running.pipeline.log.oldest().unwrap() > 1_200, "{}", running.pipeline.log.oldest().unwrap());
    running.pipeline.stop();
    drop(running);
    let running = told.start(PACE);
    assert_eq!(running.pipeline.health().start().records, 0);
    running.pipeline.stop();
}

/// A kill may come between an engine's snapshot and its view.
#[test]
fn a_view_that_is_behind_its_engine_is_stored_at_the_next_stop() {
    let told = Told::new();
    let tick = |running: &Running| {
        let partition = partition_of(&TenantId::from(TENANTS[0]));
        let seq = running.pipeline.log.append_blocking(partition, Input::Tick).unwrap().seq;
        while !running.pipeline.has_applied(partition, seq) {
            std::thread::yield_now();
        }
    };
    let written = [(); 2].map(|()| {
        let running = told.start(PACE);
        (0..4).for_each(|_| tick(&running));
        running.pipeline.stop();
        std::fs::read(first_view(&told.views())).unwrap()
    });
    std::fs::write(first_view(&told.views()), &written[0]).unwrap();
    for records in [4, 0] {
        let running = told.start(PACE);
        assert_eq!(running.pipeline.health().start().records, records);
        running.pipeline.stop();
    }
}

/// Tells a story, spoils the views with `spoil`, and starts again: what is shown before and after.
fn spoiled(pace: Pace, spoil: impl Fn(&Told, &Running)) -> (Value, Value, Start) {
    let story = Story::seeded(5, 2);
    let told = Told::new();
    let running = told.start(PACE);
    keep_texts(&running, &story);
    // The last step only lets time pass; without it, much is still open.
    let steps = story.steps.len() - 1;
    story.steps[..steps].iter().for_each(|step| running.apply(step));
    settle(&running);
    let before = shown(&running.pipeline);
    running.pipeline.stop();
    spoil(&told, &running);
    drop(running);
    let running = told.start(pace);
    let (after, start) = (shown(&running.pipeline), running.pipeline.health().start());
    running.pipeline.stop();
    drop(running);
    // What was made again is stored at once: the next start finds it.
    let running = told.start(pace);
    let next = running.pipeline.health().start();
    assert_eq!((next.remade, next.begun, next.records), (0, 0, 0), "{next:?}");
    check(&after, &shown(&running.pipeline), "the start after");
    running.pipeline.stop();
    (before, after, start)
}

#[test]
fn a_lost_damaged_or_foreign_view_is_made_again_from_the_records() {
    let (before, after, start) = spoiled(PACE, |told, _| std::fs::remove_dir_all(told.views()).unwrap());
    check(&before, &after, "lost");
    assert_eq!((start.kept, start.remade), (0, 3), "{start:?}");

    let (before, after, start) = spoiled(PACE, |told, _| {
        let view = first_view(&told.views());
        let mut bytes = std::fs::read(&view).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(view, bytes).unwrap();
    });
    check(&before, &after, "damaged");
    assert_eq!((start.kept, start.remade), (2, 1), "{start:?}");

    let (before, after, start) = spoiled(PACE, |told, _| {
        let view = first_view(&told.views());
        let bytes = std::fs::read(&view).unwrap();
        let end = bytes.iter().position(|byte| *byte == b'\n').unwrap();
        let (_, mark) = std::str::from_utf8(&bytes[..end]).unwrap().split_once(' ').unwrap();
        let older = mark.replace(&format!("\"format\":{VIEW_FORMAT}"), &format!("\"format\":{}", VIEW_FORMAT - 1));
        assert_ne!(mark, older);
        let body = &bytes[end + 1..];
        let digest = ChainHash::of(&[&(older.len() as u64).to_be_bytes(), older.as_bytes(), body]);
        std::fs::write(view, [format!("{digest} {older}\n").as_bytes(), body].concat()).unwrap();
    });
    check(&before, &after, "of an older format");
    assert_eq!((start.kept, start.remade), (2, 1), "{start:?}");

    let (before, after, start) = spoiled(PACE, |told, _| {
        let mut views: Vec<_> = std::fs::read_dir(told.views()).unwrap().map(|view| view.unwrap().path()).collect();
        views.sort();
        std::fs::copy(&views[0], &views[1]).unwrap();
    });
    check(&before, &after, "of another partition");
    assert_eq!((start.kept, start.remade), (2, 1), "{start:?}");
}

/// The incidents and alerts that stand, of every tenant.
fn standing(shown: &Value) -> Value {
    let tenants = shown["tenants"].as_object().unwrap();
    let of = |tenant: &Value| {
        let open = |incident: &&Value| !matches!(incident["view"]["state"].as_str(), Some("closed" | "merged"));
        let incidents = tenant["board"].as_array().unwrap().iter().filter(open);
        let incidents: BTreeMap<&str, Value> = incidents
            .map(|i| (i["view"]["title"].as_str().unwrap(), json!([i["view"]["id"], i["members"], i["view"]["state"]])))
            .collect();
        let firing = tenant["alerts"].as_array().unwrap().iter().filter(|row| row["view"]["state"] == "firing");
        let firing: Vec<Value> = firing.map(|row| json!([row["view"]["id"], row["view"]["incident"]])).collect();
        let valid = |silence: &&Value| silence["ends_at"].as_i64() > shown["stamp"].as_i64();
        let silences: Vec<&Value> = tenant["silences"].as_object().unwrap().values().filter(valid).collect();
        json!({ "incidents": incidents, "firing": firing, "silences": silences })
    };
    tenants.iter().map(|(name, tenant)| (name.clone(), of(tenant))).collect::<serde_json::Map<_, _>>().into()
}

#[test]
fn where_records_are_gone_a_lost_view_begins_with_what_stands() {
    let gone = |told: &Told, running: &Running| {
        let log = &running.pipeline.log;
        while log.tidy(Timestamp(i64::MAX)).unwrap() {}
        assert!(log.oldest().unwrap() > 100);
        std::fs::remove_dir_all(told.views()).unwrap();
    };
    let many = |told: &Told, _: &Running| std::fs::remove_dir_all(told.views()).unwrap();
    let impatient = Pace { remade_records_max: 10, ..PACE };
    for (before, after, start) in [spoiled(PACE, gone), spoiled(impatient, many)] {
        assert_eq!((start.kept, start.begun), (0, 3), "{start:?}");
        let (before, after) = (standing(&before), standing(&after));
        assert!(before["city"]["incidents"].as_object().unwrap().len() > 1, "{before}");
        check(&before, &after, "what stands");
    }
}
