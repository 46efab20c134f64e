//! The live feed: in order, resumable, scoped.

use std::time::Duration;

use axum::body::Body;
use futures::StreamExt;
use tokio::time::timeout;

use super::fixture::{Bench, request, steps};

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

fn ids(text: &str) -> String {
    text.lines().filter_map(|line| line.strip_prefix("id: ")).collect::<Vec<_>>().join(" ")
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
    step.effects.retain(|effect| matches!(effect, crate::engine::effect::Effect::Incident { .. }));
    for effect in &mut step.effects {
        if let crate::engine::effect::Effect::Incident { incident, .. } = effect {
            incident.orgs = vec!["civil".into()];
        }
    }
    bench.api.live.apply(&step);
    let text = read(&bench, "viewer-tax", "?after=9", None).await;
    assert!(text.contains(r#"{"id":"i0-1","gone":true"#), "{text}");
}
