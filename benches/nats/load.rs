//! Alerts as messages, and how they are published.

use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use headwater::clock::machine;
use headwater::nats::connect::Nats;

/// Messages that are published before the first confirmation is read.
const IN_FLIGHT: usize = 1024;

/// Alert `n`: about 500 bytes, none like another.
fn alert(n: usize) -> String {
    let (host, rule) = (n % 4000, n / 4000);
    format!(
        r#"{{"id":"e-{n}","status":"firing","severity":"major","name":"HighRequestLatency{rule}","title":"Request latency of app-{host} is high","description":"The 99th percentile has been above two seconds for more than five minutes","object":{{"name":"app-{host}","ip":"10.0.{}.{}"}},"labels":{{"job":"node","cluster":"gov-cloud-a","namespace":"pay","zone":"zone-1","replica":"r-0"}},"annotations":{{"runbook":"RB-17"}},"starts_at":"2026-01-05T00:00:03.914Z"}}"#,
        host / 250,
        host % 250
    )
}

/// The critical event `n` of an object of its own, as of now: an incident at once.
pub fn probe(n: usize) -> Bytes {
    let now = machine()();
    let event = format!(
        r#"{{"id":"p-{n}","status":"firing","severity":"critical","name":"probe-{n}-x","title":"probe-{n}-x","object":{{"name":"probe-{n}-x"}},"starts_at":"{now}"}}"#
    );
    event.into()
}

/// Alerts from number `from` on, so many to a message.
pub fn messages(batch: usize, from: usize, alerts: usize) -> Vec<Bytes> {
    let message = |first: usize| {
        let all: Vec<String> = (first..(first + batch).min(from + alerts)).map(alert).collect();
        Bytes::from(format!("[{}]", all.join(",")))
    };
    (from..from + alerts).step_by(batch).map(message).collect()
}

/// Publishes to the subjects in turn, until each message is confirmed.
pub async fn publish(nats: Nats, subjects: Vec<String>, messages: Vec<Bytes>) {
    let mut waiting = FuturesUnordered::new();
    for (message, subject) in messages.into_iter().zip(subjects.iter().cycle()) {
        if waiting.len() >= IN_FLIGHT {
            let confirmed: Option<Result<_, async_nats::jetstream::context::PublishError>> = waiting.next().await;
            confirmed.expect("something waits").expect("confirmed");
        }
        let sent = nats.jetstream.publish(subject.clone(), message).await.expect("sent");
        waiting.push(sent.into_future());
    }
    while let Some(confirmed) = waiting.next().await {
        confirmed.expect("confirmed");
    }
}
