//! The live feed: in order, resumable, scoped.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::Body;
use futures::StreamExt;
use tokio::time::timeout;

use super::fixture::{Bench, T0, request, steps};
use crate::domain::ci::Area;
use crate::domain::time::Span;

/// The feed's text until it has been quiet for a moment.
async fn read(bench: &Bench, token: &str, query: &str, last: Option<&str>) -> String {
    let mut request = request("GET", token, &format!("/api/v1/feed{query}"), None);
    if let Some(last) = last {
        request.headers_mut().insert("last-event-id", last.parse().unwrap());
    }
    let response = bench.send(request).await;
    assert_eq!(response.status(), 200);
    drain(response.into_body()).await
}

async fn drain(body: Body) -> String {
    let mut stream = body.into_data_stream();
    let mut text = String::new();
    while let Ok(Some(Ok(bytes))) = timeout(Duration::from_millis(600), stream.next()).await {
        text.push_str(std::str::from_utf8(&bytes).unwrap());
    }
    text
}

fn id(event: &str) -> Option<&str> {
    event.lines().find_map(|line| line.strip_prefix("id: "))
}

/// The ids of changes; a pulse is none.
fn ids(text: &str) -> String {
    let changes = text.split("\n\n").filter(|event| !event.contains("event: pulse"));
    changes.filter_map(id).collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn a_reader_that_comes_back_misses_nothing() {
    let bench = Bench::stocked();
    assert_eq!(ids(&read(&bench, "viewer", "?after=0", None).await), "1.0 1.1 2.0 2.1");
    assert_eq!(ids(&read(&bench, "viewer", "?after=0", Some("1.0")).await), "1.1 2.0 2.1");
    let resync = read(&bench, "viewer", "", Some("99.0")).await;
    assert!(resync.contains("event: resync"), "{resync}");
    assert!(resync.contains("event: pulse"), "{resync}");
}

#[tokio::test]
async fn a_reader_that_has_heard_only_a_pulse_misses_nothing() {
    let bench = Bench::empty(T0);
    let steps = steps();
    bench.api.live.apply(&steps[0]);
    let heard = read(&bench, "viewer", "", None).await;
    assert_eq!(ids(&heard), "");
    bench.api.live.apply(&steps[1]);
    let last = heard.split("\n\n").find_map(id).unwrap();
    assert_eq!(ids(&read(&bench, "viewer", "", Some(last)).await), "2.0 2.1");
}

#[tokio::test]
async fn a_pulse_says_since_when_what_was_taken_waits_to_be_decided() {
    let bench = Bench::empty(T0);
    let steps = steps();
    assert!(!read(&bench, "viewer", "", None).await.contains("waits_since"), "nothing waits");
    bench.api.live.accept(1, &"a".into(), 2, T0);
    bench.api.live.accept(2, &"a".into(), 1, T0.plus(Span::mins(1)));
    let waiting =
        async || read(&bench, "viewer", "", None).await.contains("\"waits_since\":\"2026-01-05T00:01:00.000Z\"");
    assert!(read(&bench, "viewer", "", None).await.contains("\"waits_since\":\"2026-01-05T00:00:00.000Z\""));
    bench.api.live.apply(&steps[0]);
    assert!(waiting().await, "the oldest that is left");
    bench.api.live.apply(&steps[1]);
    assert!(!read(&bench, "viewer", "", None).await.contains("waits_since"));
}

#[tokio::test]
async fn foreign_changes_are_not_told() {
    let bench = Bench::stocked();
    assert_eq!(ids(&read(&bench, "viewer-tax", "?after=0", None).await), "1.0 1.1");
    assert_eq!(ids(&read(&bench, "other", "?after=0", None).await), "");
}

#[tokio::test]
async fn of_many_versions_the_newest_is_sent() {
    let bench = Bench::stocked();
    let mut first = steps().remove(0);
    for n in 10..20 {
        (first.journal_seq, first.outbox_seq) = (n, n);
        bench.api.live.apply(&first);
    }
    let text = read(&bench, "viewer", "?after=9", None).await;
    assert_eq!(text.matches("event: incident").count(), 1, "{text}");
    assert!(ids(&text).contains("19.0"), "{text}");
}

#[tokio::test]
async fn an_incident_that_leaves_the_scope_is_told_as_gone() {
    let bench = Bench::stocked();
    let mut step = steps().remove(0);
    (step.journal_seq, step.outbox_seq) = (10, 10);
    Arc::make_mut(&mut step.effects).retain(|effect| matches!(effect, crate::engine::effect::Effect::Incident { .. }));
    for effect in Arc::make_mut(&mut step.effects) {
        if let crate::engine::effect::Effect::Incident { incident, .. } = effect {
            let moved = Arc::make_mut(incident);
            (moved.orgs, moved.area) = (vec!["civil".into()], Some(Area::Security));
        }
    }
    bench.api.live.apply(&step);
    for token in ["viewer-tax", "viewer-facility"] {
        let text = read(&bench, token, "?after=9", None).await;
        assert!(text.contains(r#"{"id":"i0-1","gone":true"#), "{token}: {text}");
    }
    for token in ["viewer-support", "viewer-health"] {
        assert!(!read(&bench, token, "?after=9", None).await.contains("i0-1"), "{token} never saw it");
    }
    assert!(read(&bench, "viewer-security", "?after=9", None).await.contains(r#""area":"security""#));
}

#[tokio::test]
async fn a_feed_does_not_keep_a_session_alive_and_ends_with_it() {
    let bench = Bench::stocked();
    let mut sign_in = request("POST", "", "/api/v1/session", Some(r#"{"token":"viewer"}"#));
    sign_in.headers_mut().insert("origin", "http://hw".parse().unwrap());
    let answer = bench.ask(sign_in).await;
    let cookie = answer.headers["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    let with = |path: &str, header: (&'static str, &str)| {
        let mut request = request("GET", "", path, None);
        request.headers_mut().insert("cookie", cookie.parse().unwrap());
        request.headers_mut().insert(header.0, header.1.parse().unwrap());
        request
    };
    let pass = |span: Span| bench.hand.fetch_add(span.0, Ordering::SeqCst);
    let event_stream = ("accept", "text/event-stream");
    let mut feed = bench.send(with("/api/v1/feed", event_stream)).await.into_body().into_data_stream();
    pass(Span::mins(20));
    // Neither the feed nor what a page asks for by itself is a use of the session; a person's request is.
    assert_eq!(bench.send(with("/api/v1/feed", event_stream)).await.status(), 200);
    assert_eq!(bench.send(with("/api/v1/overview", ("x-headwater-background", "1"))).await.status(), 200);
    assert_eq!(bench.send(with("/api/v1/overview", ("accept", "*/*"))).await.status(), 200);
    pass(Span::mins(20));
    assert_eq!(bench.send(with("/api/v1/overview", ("x-headwater-background", "1"))).await.status(), 200);
    pass(Span::mins(11));
    let ended = async { while feed.next().await.is_some() {} };
    timeout(Duration::from_secs(20), ended).await.expect("the feed ends with its session");
    assert_eq!(bench.send(with("/api/v1/overview", ("accept", "*/*"))).await.status(), 401);
}
