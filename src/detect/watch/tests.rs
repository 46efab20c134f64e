//! What is told of series, and what is not.

use super::*;
use crate::domain::event::{ANOMALY, Status};
use crate::domain::series::SeriesQuery;

fn point(object: &str, name: &str, minute: i64, value: f64) -> Point {
    Point {
        name: name.into(),
        object: ObjectRef { name: Some(object.into()), ..ObjectRef::default() },
        labels: Labels::of([("zone", "a")]),
        value,
        at: Timestamp(1_700_000_000_000 + minute * 60_000),
        unit: None,
        aspect: None,
        measure: None,
        worse: None,
        is_counter: false,
    }
}

fn told(watch: &mut Watch) -> Vec<String> {
    let of = |event: Event| {
        format!("{:?} {} {} {}", event.status, event.name, event.object.label(), event.severity.as_str())
    };
    watch.told().into_iter().map(of).collect()
}

/// Minutes of two latencies of `web`, as they are from minute to minute.
fn feed(watch: &mut Watch, minutes: std::ops::Range<i64>, p50: f64, p99: f64) {
    let (tenant, source) = ("t".into(), "s".into());
    for minute in minutes {
        let wave = (minute % 5) as f64 / 50.0;
        for (name, level) in [("latency_p50", p50), ("latency_p99", p99)] {
            let point = point("web", name, minute, level * (1.0 + wave));
            assert_ne!(watch.take(&tenant, &source, &point, point.at), Taken::Refused);
        }
    }
}

#[test]
fn an_anomaly_is_told_when_it_begins_grows_and_ends() {
    let mut watch = Watch::new(Limits::of(10));
    feed(&mut watch, 0..60, 10.0, 30.0);
    assert_eq!(told(&mut watch), Vec::<String>::new());
    feed(&mut watch, 60..70, 10.0, 60.0);
    let begun = watch.told();
    assert_eq!((begun.len(), begun[0].status, begun[0].starts_at), (1, Status::Firing, point("", "", 59, 0.0).at));
    assert!(begun[0].anomaly_score() > Some(300) && begun[0].annotations.get(ANOMALY).unwrap().contains("baseline"));
    feed(&mut watch, 70..80, 500.0, 900.0);
    let grown = told(&mut watch);
    assert!(grown.len() == 1 && grown[0].ends_with("web critical"), "both series are one alert: {grown:?}");
    feed(&mut watch, 80..90, 10.0, 30.0);
    assert_eq!(told(&mut watch), ["Resolved latency-unusual web critical"]);
}

#[test]
fn the_event_and_the_chart_have_one_score() {
    let mut watch = Watch::new(Limits::of(10));
    feed(&mut watch, 0..60, 10.0, 30.0);
    let query = SeriesQuery { limit: 10, only_unusual: true, ..SeriesQuery::default() };
    for minute in 60..70 {
        feed(&mut watch, minute..minute + 1, 10.0, 90.0);
        let Some(event) = watch.told().pop() else { continue };
        let (page, _) = watch.shown(&"t".into(), &query);
        let sample = page[0].last.unwrap();
        assert_eq!(event.anomaly_score(), Some(sample.score), "{event:?}");
        let told: serde_json::Value = serde_json::from_str(event.annotations.get(ANOMALY).unwrap()).unwrap();
        assert_eq!(told["of"][sample.by.as_str()], sample.score, "the larger of its parts: {told}");
        assert!(sample.score >= score::LEAST && told["of"].as_object().unwrap().len() == 2, "{told}");
        return;
    }
    panic!("nothing was told");
}

#[test]
fn the_same_readings_have_the_same_ids() {
    let ids = || {
        let mut watch = Watch::new(Limits::of(10));
        feed(&mut watch, 0..60, 10.0, 30.0);
        feed(&mut watch, 60..70, 100.0, 300.0);
        feed(&mut watch, 70..80, 10.0, 30.0);
        watch.told().into_iter().map(|event| event.id).collect::<BTreeSet<_>>()
    };
    assert!(ids().len() >= 2);
    assert_eq!(ids(), ids());
}

#[test]
fn too_many_series_are_refused_and_silent_ones_make_room() {
    let mut watch = Watch::new(Limits::of(2));
    feed(&mut watch, 0..60, 10.0, 30.0);
    feed(&mut watch, 60..70, 10.0, 300.0);
    assert!(told(&mut watch).len() == 1);
    let more = point("db", "latency_p99", 70, 1.0);
    let (tenant, source) = ("t".into(), "s".into());
    assert_eq!((watch.take(&tenant, &source, &more, more.at), watch.series()), (Taken::Refused, 2));
    let later = point("db", "latency_p99", 1000, 1.0);
    watch.sweep(later.at, Span::hours(6));
    assert_eq!(told(&mut watch), ["Resolved latency-unusual web critical"], "nobody else would tell its end");
    assert_eq!((watch.take(&tenant, &source, &later, later.at), watch.series()), (Taken::Learned, 1));
}

#[test]
fn the_end_of_an_alert_from_before_is_told_once() {
    let mut watch = Watch::new(Limits::of(10));
    let (whose, now) = (|| ("t".into(), "s".into()), point("", "", 0, 0.0).at);
    watch.stood_before(whose(), ("latency-unusual", "web"), now);
    watch.stood_before(whose(), ("LinkDown", "web"), now);
    feed(&mut watch, 0..60, 10.0, 30.0);
    assert_eq!(told(&mut watch), ["Resolved latency-unusual web minor"]);
    // What its own series show stands by them, and is told once.
    feed(&mut watch, 60..70, 10.0, 300.0);
    watch.stood_before(whose(), ("latency-unusual", "web"), now);
    feed(&mut watch, 70..90, 10.0, 30.0);
    assert_eq!(told(&mut watch), ["Firing latency-unusual web critical", "Resolved latency-unusual web critical"]);
}

#[test]
fn an_alert_from_before_that_its_series_show_anew_is_ended_once() {
    let mut watch = Watch::new(Limits::of(10));
    let (tenant, source) = ("t".into(), SourceId::from("s"));
    for minute in 0..90 {
        let level = if (60..70).contains(&minute) { 300.0 } else { 10.0 };
        if minute == 61 {
            watch.stood_before(("t".into(), "s".into()), ("latency-unusual", "db"), point("", "", minute, 0.0).at);
        }
        let point = point("db", "latency_p99", minute, level + (minute % 5) as f64 / 5.0);
        watch.take(&tenant, &source, &point, point.at);
    }
    assert_eq!(told(&mut watch), ["Firing latency-unusual db critical", "Resolved latency-unusual db critical"]);
}

#[test]
fn an_alert_from_before_whose_series_do_not_come_ends_when_they_would_be_forgotten() {
    let mut watch = Watch::new(Limits::of(10));
    let at = |minute: i64| point("", "", minute, 0.0).at;
    for (alert, object) in [("no-data", "db"), ("together-unusual", "web")] {
        watch.stood_before(("t".into(), "s".into()), (alert, object), at(0));
        watch.stood_before(("t".into(), "other".into()), (alert, object), at(0));
    }
    watch.forget(|_, source| source.as_str() == "other");
    watch.sweep(at(359), Span::hours(6));
    assert_eq!(told(&mut watch), Vec::<String>::new());
    watch.sweep(at(361), Span::hours(6));
    assert_eq!(told(&mut watch), ["Resolved no-data db minor", "Resolved together-unusual web minor"]);
    watch.sweep(at(400), Span::hours(6));
    assert_eq!(told(&mut watch), Vec::<String>::new());
}

#[test]
fn only_what_is_given_away_is_forgotten() {
    let mut watch = Watch::new(Limits::of(10));
    for source in ["s", "r"] {
        for minute in 0..30 {
            let point = point("web", "latency", minute, 10.0 + (minute % 3) as f64);
            watch.take(&"t".into(), &source.into(), &point, point.at);
        }
    }
    watch.forget(|tenant, source| tenant.as_str() == "t" && source.as_str() == "r");
    let (left, _) = watch.shown(&"t".into(), &SeriesQuery { limit: 10, ..SeriesQuery::default() });
    assert_eq!(left.iter().map(|one| (one.source.as_str(), one.readings)).collect::<Vec<_>>(), [("s", 30)]);
    assert_eq!(watch.series(), 1);
}

#[test]
fn an_object_that_is_not_heard_of_is_told_and_a_source_as_a_whole() {
    let mut watch = Watch::new(Limits::of(10));
    let (tenant, source) = ("t".into(), SourceId::from("probe"));
    let minute = |watch: &mut Watch, objects: &[&str], minute: i64| {
        for object in objects {
            let point = point(object, "latency", minute, 10.0 + (minute % 3) as f64);
            watch.take(&tenant, &source, &point, point.at);
        }
        watch.sweep(point("", "", minute, 0.0).at, Span::hours(6));
    };
    (0..60).for_each(|n| minute(&mut watch, &["web", "db"], n));
    assert_eq!(told(&mut watch), Vec::<String>::new());
    (60..75).for_each(|n| minute(&mut watch, &["web"], n));
    assert_eq!(told(&mut watch), ["Firing no-data db minor"]);
    (75..77).for_each(|n| minute(&mut watch, &["web", "db"], n));
    assert_eq!(told(&mut watch), ["Resolved no-data db minor"]);
    (77..95).for_each(|n| minute(&mut watch, &[], n));
    assert_eq!(told(&mut watch), ["Firing no-data probe minor"], "one word for all of them");
    minute(&mut watch, &["db"], 95);
    let still = ["Resolved no-data probe minor", "Firing no-data web minor"];
    assert_eq!(told(&mut watch), still, "the other one is still not heard of");
}

#[test]
fn a_series_that_stands_still_is_told_until_it_moves() {
    let mut watch = Watch::new(Limits::of(10));
    let (tenant, source) = ("t".into(), "s".into());
    for minute in 0..260 {
        let value = if (150..200).contains(&minute) { 17.0 } else { 15.0 + (minute * 31 % 50) as f64 / 10.0 };
        let point = point("db", "connections", minute, value);
        watch.take(&tenant, &source, &point, point.at);
    }
    assert_eq!(told(&mut watch), ["Firing flatline db warning", "Resolved flatline db warning"]);
}

#[test]
fn what_was_learned_is_kept_and_nothing_odd_is_taken() {
    let mut watch = Watch::new(Limits::of(10));
    feed(&mut watch, 0..200, 10.0, 30.0);
    let bytes = watch.keep();
    let now = point("", "", 200, 0.0).at;
    let mut again = Watch::new(Limits::of(10));
    assert_eq!(again.recall(&bytes, now), Ok(2));
    feed(&mut again, 200..210, 10.0, 300.0);
    assert_eq!(told(&mut again).len(), 1, "it knows at once what is usual");
    for end in (0..bytes.len()).step_by(1024).chain([bytes.len() - 1]) {
        assert!(Watch::new(Limits::of(10)).recall(&bytes[..end], now).is_err());
    }
    let mut flipped = bytes.clone();
    for at in (0..bytes.len()).step_by(bytes.len() / 1000 + 1) {
        flipped[at] ^= 1 << (at % 8);
        assert!(Watch::new(Limits::of(10)).recall(&flipped, now).is_err(), "at {at}");
        flipped[at] = bytes[at];
    }
}

#[test]
fn series_are_shown_with_their_readings() {
    let mut watch = Watch::new(Limits::of(10));
    feed(&mut watch, 0..60, 10.0, 30.0);
    feed(&mut watch, 60..70, 10.0, 300.0);
    let tenant = "t".into();
    let (all, total) = watch.shown(&tenant, &SeriesQuery { limit: 10, ..SeriesQuery::default() });
    assert_eq!((all.len(), total), (2, 2));
    let unusual = SeriesQuery { limit: 10, only_unusual: true, text: "P99".into(), ..SeriesQuery::default() };
    let (unusual, _) = watch.shown(&tenant, &unusual);
    assert_eq!(unusual.iter().map(|one| &*one.unusual[0]).collect::<Vec<_>>(), ["latency-unusual"]);
    let chart = watch.chart(&tenant, &unusual[0].id).unwrap();
    assert_eq!((chart.samples.len(), chart.samples.last().unwrap().is_unusual), (70, true));
    assert!(watch.chart(&tenant, "00").is_none() && watch.chart(&"other".into(), &unusual[0].id).is_none());
}

/// Hours of three series of `web` that go together, a reading every five minutes; from `parts` on the second one does not, nor
/// is any of them unusual by itself.
fn feed_together(watch: &mut Watch, steps: std::ops::Range<i64>, parts: std::ops::Range<i64>, width: usize) {
    let (tenant, source) = ("t".into(), "s".into());
    for n in steps {
        let jitter = |k: i64| ((n * 7919 + k * 104_729) % 1009) as f64 / 1009.0 - 0.5;
        let load = 20.0 * ((n * n * 31 % 977) as f64 / 977.0 - 0.5);
        let second = if parts.contains(&n) { -load } else { load };
        let values = [200.0 + load + jitter(1), 300.0 + 2.0 * second + jitter(2), 100.0 + load / 2.0 + jitter(3)];
        for (name, value) in ["memory", "threads", "heap"].into_iter().zip(values).take(width) {
            let point = point("web", name, n * 5, value);
            assert_ne!(watch.take(&tenant, &source, &point, point.at), Taken::Refused);
        }
    }
}

/// Two and a half days, after which the usual day of each is known, and how they go together.
const DAYS: i64 = 720 + 150;

fn of_together(watch: &mut Watch) -> Vec<String> {
    let mut all = told(watch);
    all.retain(|line| line.contains("together"));
    all
}

#[test]
fn series_of_an_object_that_do_not_go_together_any_more_are_an_event() {
    let mut watch = Watch::new(Limits::of(10));
    feed_together(&mut watch, 0..DAYS, 0..0, 3);
    assert_eq!(of_together(&mut watch), Vec::<String>::new());
    feed_together(&mut watch, DAYS..DAYS + 60, DAYS..DAYS + 60, 3);
    feed_together(&mut watch, DAYS + 60..DAYS + 200, 0..0, 3);
    let mut events = watch.told();
    events.retain(|event| &*event.name == "together-unusual");
    let (first, last) = (events.first().expect("it is told"), events.last().expect("it is told"));
    assert!(first.anomaly_score() > Some(0) && first.description.contains("deviations"), "{first:?}");
    assert_eq!((first.status, last.status), (Status::Firing, Status::Resolved), "{events:?}");
}

#[test]
fn an_object_whose_series_vanished_is_judged_without_it() {
    let mut watch = Watch::new(Limits::of(10));
    feed_together(&mut watch, 0..DAYS, 0..0, 3);
    // Six hours later the third one is not waited for any more.
    feed_together(&mut watch, DAYS..DAYS + 80, 0..0, 2);
    watch.sweep(point("", "", (DAYS + 80) * 5, 0.0).at, Span::hours(6));
    assert_eq!((watch.series(), of_together(&mut watch).len()), (2, 0));
    feed_together(&mut watch, DAYS + 80..DAYS + 140, DAYS + 80..DAYS + 140, 2);
    assert!(of_together(&mut watch)[0].starts_with("Firing together-unusual web"));
    // It ends when the other one goes, too; nothing of the object is left then.
    watch.sweep(point("", "", (DAYS + 400) * 5, 0.0).at, Span::hours(6));
    assert!(of_together(&mut watch)[0].starts_with("Resolved together-unusual web"));
    assert_eq!((watch.series(), watch.sources.len()), (0, 0));
}

#[test]
fn how_series_go_together_is_known_after_a_restart() {
    let mut watch = Watch::new(Limits::of(10));
    feed_together(&mut watch, 0..DAYS, 0..0, 3);
    let mut again = Watch::new(Limits::of(10));
    assert_eq!(again.recall(&watch.keep(), point("", "", DAYS * 5, 0.0).at), Ok(3));
    feed_together(&mut again, DAYS..DAYS + 60, DAYS..DAYS + 60, 3);
    assert!(of_together(&mut again)[0].starts_with("Firing together-unusual web"));
    // What found no room is not waited for.
    let mut small = Watch::new(Limits::of(2));
    assert_eq!(small.recall(&watch.keep(), point("", "", DAYS * 5, 0.0).at), Ok(2));
    let together = &small.sources.values().next().unwrap().together;
    assert!(together.values().all(|one| one.column(1).is_some() && one.column(2).is_none()), "{together:?}");
}
