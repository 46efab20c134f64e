//! Bad input over real HTTP against the real program: the right status, a reason, a counter that moves, nothing lost,
//! the process alive and its memory bounded.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::net::Shutdown;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use headwater::decode::formats::Formats;
use headwater::decode::limits::Limits;
use headwater::decode::mapping::Shape;
use headwater::decode::{Body, BodyError, Context, alertmanager, alertmanager_webhook, cloudevents, native};
use headwater::domain::ids::{SourceId, TenantId};
use serde_json::json;

use crate::decode::{inputs, shape_of};
use crate::served::{Answer, Request, Served, token};

const EVENT: &str = r#"{"name":"A","severity":"major","object":{"name":"x"},"starts_at":"2026-01-05T00:00:00Z"}"#;

/// More than this is no longer bounded, MiB: all bodies in flight may have 256.
const RSS_MIB_MAX: u64 = 640;

/// What came of a request, counted as `/metrics` counts it.
type Counts = BTreeMap<String, f64>;

fn count(counts: &mut Counts, key: &str, n: usize) {
    if n > 0 {
        *counts.entry(key.to_owned()).or_default() += n as f64;
    }
}

/// Intake's counters, without those that are still zero.
fn counters(served: &Served, admin: &str) -> Counts {
    let all = served.metrics(admin);
    all.into_iter().filter(|(key, n)| key.starts_with("headwater_intake_") && *n > 0.0).collect()
}

fn moved(before: &Counts, after: &Counts) -> Counts {
    let kinds = ["events_accepted", "events_dead_lettered", "requests_refused", "requests{"];
    let told = after.iter().filter(|(key, _)| kinds.iter().any(|kind| key.contains(&format!("intake_{kind}"))));
    told.map(|(key, n)| (key.clone(), n - before.get(key).unwrap_or(&0.0))).filter(|(_, n)| *n > 0.0).collect()
}

fn refused(word: &str) -> String {
    format!("headwater_intake_requests_refused{{word=\"{word}\"}}")
}

fn accepted() -> String {
    "headwater_intake_events_accepted{word=\"all\"}".into()
}

/// One way in: its path, its media type, and the decoder behind it.
struct Route {
    path: &'static str,
    media: &'static str,
    format: &'static str,
}

const ROUTES: [Route; 8] = [
    Route { path: "/api/v1/events", media: "application/json", format: "native" },
    Route { path: "/api/v1/cloudevents", media: "application/cloudevents+json", format: "cloudevents" },
    Route { path: "/api/v2/alerts", media: "application/json", format: "alertmanager" },
    Route { path: "/api/v1/sources/bms/alertmanager", media: "application/json", format: "alertmanager_webhook" },
    Route { path: "/api/v1/ingest/zabbix", media: "application/json", format: "zabbix" },
    Route { path: "/api/v1/ingest/nightingale", media: "application/json", format: "nightingale" },
    Route { path: "/api/v1/ingest/flashduty", media: "application/json", format: "flashduty" },
    Route { path: "/api/v1/ingest/stormgen", media: "application/json", format: "stormgen" },
];

/// Status, problem code, events kept, and dead letters by reason, as the decoder alone says.
struct Due {
    status: u16,
    code: &'static str,
    kept: usize,
    dead: Vec<&'static str>,
}

fn due(route: &Route, shape: Shape, bytes: &[u8]) -> Due {
    let formats = Formats::built_in();
    let (tenant, source) = (TenantId::from("default"), SourceId::from("bms"));
    let received_at = Some(headwater::clock::machine()());
    let (severities, limits) = (&formats.severities, &Limits::MODEL);
    let context = Context { tenant: &tenant, source: &source, received_at, severities, limits };
    let body = Body::from(bytes);
    let decoded = match route.format {
        "native" => native::decode(body, &context),
        "cloudevents" => cloudevents::decode(body, &context),
        "alertmanager" => alertmanager::decode(body, &context, &formats.alertmanager),
        "alertmanager_webhook" => alertmanager_webhook::decode(body, &context, &formats.alertmanager),
        mapping => formats.mapping(mapping).unwrap().decode(body, shape, &context),
    };
    let of = |status, code, kept, dead| Due { status, code, kept, dead };
    match decoded {
        Err(BodyError::Unreadable(_)) => of(400, "unreadable", 0, Vec::new()),
        Err(BodyError::TooManyEvents { .. }) => of(413, "too_large", 0, Vec::new()),
        Ok(decoded) => {
            let dead: Vec<&str> = decoded.rejected.iter().map(|rejected| rejected.letter.why.word()).collect();
            let alerts = route.format == "alertmanager";
            let (status, code) = match (decoded.events.len(), dead.len()) {
                (_, 0) if alerts => (200, ""),
                (_, _) if alerts => (400, "some_rejected"),
                (0, 1..) => (422, "all_rejected"),
                (_, _) => (202, ""),
            };
            of(status, code, decoded.events.len(), dead)
        }
    }
}

/// Sends the whole corpus to one route; returns what must have been counted.
fn corpus_to(served: &Served, token: &str, route: &Route) -> Counts {
    let mut counts = Counts::new();
    for input in inputs(Path::new("tests/corpus")) {
        let bytes = fs::read(&input).unwrap();
        let lines = route.path.contains("/ingest/") && shape_of(&input) == Shape::Lines;
        let (shape, media) = if lines { (Shape::Lines, "application/x-ndjson") } else { (Shape::Json, route.media) };
        let due = due(route, shape, &bytes);
        let answer = served.send(&Request::post_as(route.path, token, media, &bytes));
        let place = format!("{} to {}: {}", input.display(), route.path, answer.text());
        assert_eq!(answer.status, due.status, "{place}");
        if !due.code.is_empty() {
            assert_eq!(answer.problem(), due.code, "{place}");
        }
        count(&mut counts, "headwater_intake_requests{word=\"all\"}", 1);
        count(&mut counts, &accepted(), due.kept);
        for word in due.dead {
            count(&mut counts, &format!("headwater_intake_events_dead_lettered{{word=\"{word}\"}}"), 1);
        }
        if ["unreadable", "too_large"].contains(&due.code) {
            count(&mut counts, &refused(due.code), 1);
        }
    }
    counts
}

#[test]
fn the_whole_corpus_on_every_route_is_answered_counted_and_kept() {
    let (served, admin) = Served::start(&[]);
    // That much is rejected would come in as events of its own.
    let calm = [
        ("HEADWATER__VITALS__REJECTED_PERCENT_MAX", "100".into()),
        ("HEADWATER__VITALS__DEAD_LETTERS_HOUR_MAX", "1000000".into()),
    ];
    let mut served = served.stop().start_with(&[], &calm);
    let source = token(served.folder.path(), "source", "bms");
    let mut kept = 0.0;
    for route in &ROUTES {
        let before = counters(&served, &admin);
        let due = corpus_to(&served, &source, route);
        let told = moved(&before, &counters(&served, &admin));
        assert_eq!(told, due, "{}: the counters", route.path);
        kept += due.iter().filter(|(key, _)| key.contains("_events_")).map(|(_, n)| n).sum::<f64>();
    }
    let sides = served.conservation(&admin, kept as u64);
    assert_eq!(sides["balanced"], true, "{sides}");
    assert_eq!(sides["accepted"].as_f64(), Some(kept), "{sides}");
    assert!(served.is_alive() && served.rss_mib() < RSS_MIB_MAX, "{} MiB", served.rss_mib());
    let said = served.said();
    assert!(!said.iter().any(|line| line.contains("panic")), "{}", said.join("\n"));
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::best());
    packer.write_all(bytes).unwrap();
    packer.finish().unwrap()
}

/// A body in an attack, with what is answered: status and the problem's code.
type Attack = (&'static str, Vec<(&'static str, String)>, Vec<u8>, u16, &'static str);

fn attacks() -> Vec<Attack> {
    let deep = |n: usize| ["[".repeat(n), "]".repeat(n)].concat().into_bytes();
    let none = Vec::new;
    let zip = || vec![("content-encoding", "gzip".to_owned())];
    let of = |name: &'static str, value: &str| vec![(name, value.to_owned())];
    let flood: String = (0..50_000).map(|i| format!(r#""k{i}":"v","#)).collect();
    let flood = format!(r#"{{"name":"A","object":{{"name":"x"}},"starts_at":0,"labels":{{{flood}"z":"v"}}}}"#);
    let past = EVENT.replace("2026-01-05", "1969-12-31");
    let future = EVENT.replace("2026-01-05", "9999-12-31");
    let chinese = encoding_rs::GB18030.encode(&EVENT.replace("\"A\"", "\"交换机断开\"")).0.into_owned();
    vec![
        ("a million opened arrays", none(), "[".repeat(1_000_000).into_bytes(), 400, "unreadable"),
        ("a million nested arrays", none(), deep(1_000_000), 413, "too_large"),
        ("a hundred thousand nested arrays", none(), deep(100_000), 422, "all_rejected"),
        ("a million opened objects", none(), "{\"a\":".repeat(1_000_000).into_bytes(), 400, "unreadable"),
        ("more than 8 MiB", none(), vec![b' '; (8 << 20) + 1], 413, "too_large"),
        ("one event of 2 MiB", none(), EVENT.replace('A', &"A".repeat(2 << 20)).into_bytes(), 413, "too_large"),
        (
            "5,001 events",
            none(),
            format!("[{}{EVENT}]", format!("{EVENT},").repeat(5000)).into_bytes(),
            413,
            "too_large",
        ),
        ("50,000 labels", none(), flood.into_bytes(), 202, ""),
        ("a bomb: 256 MiB in gzip", zip(), gzip(&vec![b' '; 256 << 20]), 413, "too_large"),
        ("gzip in gzip", zip(), gzip(&gzip(EVENT.as_bytes())), 400, "unreadable"),
        ("half a gzip", zip(), gzip(EVENT.as_bytes())[..40].to_vec(), 400, "unreadable"),
        ("gzip in name only", zip(), EVENT.into(), 400, "unreadable"),
        ("brotli", of("content-encoding", "br"), EVENT.into(), 415, "media_type"),
        ("two codings", of("content-encoding", "gzip, gzip"), gzip(EVENT.as_bytes()), 415, "media_type"),
        ("a header of 17 KiB", of("x-long", &"x".repeat(17 << 10)), EVENT.into(), 431, "headers_too_large"),
        ("before 1970", none(), past.into_bytes(), 422, "all_rejected"),
        ("the year 9999", none(), future.into_bytes(), 422, "all_rejected"),
        ("1e400 as a number", none(), EVENT.replace("\"2026-01-05T00:00:00Z\"", "1e400").into(), 422, "all_rejected"),
        ("NaN", none(), EVENT.replace("\"2026-01-05T00:00:00Z\"", "NaN").into(), 400, "unreadable"),
        ("GB18030 as announced", of("content-type", "application/json; charset=gb18030"), chinese.clone(), 202, ""),
        ("GB18030 unannounced", none(), chinese, 202, ""),
        (
            "invalid UTF-8",
            none(),
            [&EVENT.as_bytes()[..9], b"\xff\xfe\xc0\xaf", &EVENT.as_bytes()[9..]].concat(),
            202,
            "",
        ),
        ("a form", of("content-type", "application/x-www-form-urlencoded"), EVENT.into(), 415, "media_type"),
        ("XML", of("content-type", "application/xml"), b"<a/>".to_vec(), 415, "media_type"),
        ("several parts", of("content-type", "multipart/form-data; boundary=x"), EVENT.into(), 415, "media_type"),
        ("a token of somebody else", of("authorization", "Bearer hw_0000"), EVENT.into(), 401, "unauthorized"),
        ("a token that is no text", of("authorization", "Bearer \u{1F5DD}"), EVENT.into(), 401, "unauthorized"),
    ]
}

fn attack(served: &Served, token: &str, attack: &Attack) -> Answer {
    let (_, headers, body, ..) = attack;
    let mut request = Request::post("/api/v1/events", token, body);
    request.headers.retain(|(name, _)| headers.iter().all(|(other, _)| other != name));
    request.headers.extend(headers.iter().cloned());
    served.send(&request)
}

#[test]
fn each_attack_on_a_body_is_answered_with_its_reason_and_counted() {
    let (mut served, admin) = Served::start(&[]);
    let source = token(served.folder.path(), "source", "bms");
    for one in attacks() {
        let before = counters(&served, &admin);
        let answer = attack(&served, &source, &one);
        let (name, _, _, status, code) = one;
        assert_eq!(answer.status, status, "{name}: {}", answer.text());
        let told = moved(&before, &counters(&served, &admin));
        if code.is_empty() {
            assert_eq!(told.get(&accepted()), Some(&1.0), "{name}: {told:?}");
            continue;
        }
        assert_eq!(answer.problem(), code, "{name}");
        let dead = told.keys().any(|key| key.contains("dead_lettered"));
        assert!(dead || told.get(&refused(code)) == Some(&1.0), "{name} is not counted: {told:?}");
        assert!(served.is_alive() && served.rss_mib() < RSS_MIB_MAX, "{name}: {} MiB", served.rss_mib());
    }
    assert_eq!(served.conservation(&admin, 1)["balanced"], true);
}

#[test]
fn what_is_no_http_is_refused_before_it_reaches_anything() {
    let (mut served, admin) = Served::start(&[]);
    let source = token(served.folder.path(), "source", "bms");
    let head = format!("POST /api/v1/events HTTP/1.1\r\nhost: h\r\nauthorization: Bearer {source}\r\n");
    let chunk = format!("{:x}\r\n{EVENT}\r\n0\r\n\r\n", EVENT.len());
    let many: String = (0..500).map(|n| format!("x-{n}: y\r\n")).collect();
    let payloads: Vec<(&str, Vec<u8>)> = vec![
        ("two lengths", format!("{head}content-length: 5\r\ncontent-length: 6\r\n\r\n[]   ").into()),
        ("a negative length", format!("{head}content-length: -1\r\n\r\n").into()),
        ("a length without end", format!("{head}content-length: 99999999999999999999999\r\n\r\n").into()),
        ("a folded header", format!("{head}x: a\r\n b\r\ncontent-length: 2\r\n\r\n[]").into()),
        ("a blank before the colon", format!("{head}content-length : 2\r\n\r\n[]").into()),
        ("an unknown coding", format!("{head}transfer-encoding: cow\r\n\r\n{chunk}").into()),
        ("a chunk of no size", format!("{head}transfer-encoding: chunked\r\n\r\nxyz\r\n{EVENT}").into()),
        ("500 headers", format!("{head}{many}content-length: 2\r\n\r\n[]").into()),
        ("a header of a megabyte", format!("{head}x: {}\r\n\r\n", "y".repeat(1 << 20)).into()),
        ("an old version", b"POST /api/v1/events HTTP/9.9\r\n\r\n".to_vec()),
        ("a TLS greeting", vec![0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]),
        ("noise", (0..4096u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect()),
    ];
    let accepted_before = counters(&served, &admin).get(&accepted()).copied().unwrap_or(0.0);
    for (name, payload) in payloads {
        let mut stream = served.connect();
        // The other side may have closed already: that is an answer too.
        let _ = stream.write_all(&payload);
        let _ = stream.shutdown(Shutdown::Write);
        let answer = Answer::read(&mut stream);
        let refused = answer.as_ref().is_none_or(|answer| (400..=505).contains(&answer.status));
        assert!(refused, "{name}: {answer:?}");
        assert!(served.is_alive(), "{name}");
    }
    let both =
        format!("{head}content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n{chunk}GET /smuggled HTTP/1.1\r\n\r\n");
    let mut stream = served.connect();
    let _ = stream.write_all(both.as_bytes());
    let _ = stream.shutdown(Shutdown::Write);
    let answer = Answer::read(&mut stream);
    assert!(answer.is_none_or(|answer| [400, 202].contains(&answer.status)), "length and chunks");
    let taken = counters(&served, &admin).get(&accepted()).copied().unwrap_or(0.0) - accepted_before;
    assert!(taken <= 1.0, "{taken} events were smuggled in");
    assert_eq!(served.send(&Request::post("/api/v1/events", &source, EVENT.as_bytes())).status, 202);
}

#[test]
fn other_paths_and_methods_do_not_lead_in() {
    let (served, admin) = Served::start(&[]);
    let (source, viewer) = (token(served.folder.path(), "source", "bms"), token(served.folder.path(), "viewer", "li"));
    for path in ["/api/v1/ingest/nobody", "/api/v1/ingest/..%2f..%2fetc%2fpasswd", "/api/v1/ingest/%00"] {
        let answer = served.send(&Request::post(path, &source, EVENT.as_bytes()));
        assert_eq!((answer.status, answer.problem().as_str()), (404, "not_found"), "{path}");
    }
    let other = Request::post("/api/v1/sources/ups/alertmanager", &source, b"{}");
    assert_eq!(served.send(&other).status, 404);
    for route in &ROUTES {
        let answer = served.send(&Request::post_as(route.path, &viewer, route.media, EVENT.as_bytes()));
        assert_eq!((answer.status, answer.problem().as_str()), (403, "forbidden"), "{}", route.path);
        let mut bare = Request::post_as(route.path, "", route.media, EVENT.as_bytes());
        bare.headers.retain(|(name, _)| *name != "authorization");
        let answer = served.send(&bare);
        assert_eq!((answer.status, answer.problem().as_str()), (401, "unauthorized"), "{}", route.path);
        for method in ["GET", "PUT", "DELETE", "PATCH"] {
            let mut request = Request::get(route.path, &source);
            request.method = method;
            // Events are listed under the same path, for those who read.
            let status = served.send(&request).status;
            // What a mapping reads may stand in the address; here nothing does.
            let empty = method == "GET" && route.path.starts_with("/api/v1/ingest/");
            assert!([403, 405].contains(&status) || (empty && status == 400), "{status} to {method} {}", route.path);
        }
    }
    assert_eq!(served.conservation(&admin, 0)["accepted"], 0);
}

#[test]
fn a_second_event_with_the_same_id_and_another_body_is_kept_apart_and_counted() {
    let (served, admin) = Served::start(&[]);
    let source = token(served.folder.path(), "source", "bms");
    let event = |name: &str| json!({"id": "1", "name": name, "object": {"name": "x"}, "starts_at": 1_767_571_200});
    for name in ["A", "B", "A"] {
        let body = event(name).to_string();
        assert_eq!(served.send(&Request::post("/api/v1/events", &source, body.as_bytes())).status, 202);
    }
    let sides = served.conservation(&admin, 3);
    assert_eq!((&sides["accepted"], &sides["duplicate"], &sides["balanced"]), (&json!(3), &json!(2), &json!(true)));
}

#[test]
fn torn_and_slow_bodies_are_given_up_and_others_do_not_wait() {
    let (mut served, admin) = Served::start(&[]);
    let source = token(served.folder.path(), "source", "bms");
    let request = Request::post("/api/v1/events", &source, EVENT.as_bytes()).bytes();
    let mut torn = served.connect();
    torn.write_all(&request[..request.len() - 10]).unwrap();
    drop(torn);
    let mut dripping: Vec<_> = (0..200).map(|_| served.connect()).collect();
    for stream in &mut dripping {
        stream.write_all(&request[..request.len() - 10]).unwrap();
    }
    let answer = served.send(&Request::post("/api/v1/events", &source, EVENT.as_bytes()));
    assert_eq!(answer.status, 202, "{}", answer.text());
    for mut stream in dripping {
        let answer = Answer::read(&mut stream).expect("a slow body is answered");
        assert_eq!((answer.status, answer.problem().as_str()), (408, "slow"));
    }
    let told = counters(&served, &admin);
    assert_eq!((told.get(&refused("torn")), told.get(&refused("slow"))), (Some(&1.0), Some(&200.0)), "{told:?}");
    assert!(served.is_alive());
}

#[test]
fn heads_that_never_end_are_given_up() {
    let (mut served, admin) = Served::start(&[]);
    let mut dripping: Vec<_> = (0..500).map(|_| served.connect()).collect();
    for (n, stream) in dripping.iter_mut().enumerate() {
        stream.write_all(&b"POST /api/v1/events HTTP/1.1\r\nhost: h\r\nx: y"[..n % 40]).unwrap();
    }
    assert_eq!(served.send(&Request::get("/api/v1/overview", &admin)).status, 200);
    for mut stream in dripping {
        assert!(Answer::read(&mut stream).is_none_or(|answer| answer.status == 408));
    }
    assert!(served.is_alive());
}

#[test]
fn forty_large_bodies_at_once_find_room_or_are_told_to_wait() {
    let (served, admin) = Served::start(&[]);
    let source = token(served.folder.path(), "source", "bms");
    let mut body = format!("[{}{EVENT}]", format!("{EVENT},").repeat(4999)).into_bytes();
    body.resize(8 << 20, b' ');
    let taken = std::thread::scope(|scope| {
        let send = || served.send(&Request::post("/api/v1/events", &source, &body));
        let threads: Vec<_> = (0..40).map(|_| scope.spawn(send)).collect();
        let answers = threads.into_iter().map(|thread| thread.join().unwrap());
        let judged = answers.map(|answer| match answer.status {
            202 => 5000,
            503 => {
                assert_eq!(answer.problem(), "busy");
                assert!(answer.headers.contains_key("retry-after"));
                0
            }
            other => panic!("{other}: {}", answer.text()),
        });
        judged.sum::<u64>()
    });
    assert!(served.rss_mib() < RSS_MIB_MAX, "{} MiB", served.rss_mib());
    assert!(taken >= 5000, "nothing was taken");
    let sides = served.conservation(&admin, taken);
    assert_eq!((sides["accepted"].as_u64(), &sides["balanced"]), (Some(taken), &json!(true)), "{sides}");
}
