//! What the servers and the bytes allow: publish, store, consume, parse, look the id up, acknowledge.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use async_nats::jetstream::consumer::pull::Config as Pull;
use async_nats::jetstream::stream::Config as Stream;
use bytes::Bytes;
use futures::StreamExt as _;
use headwater::clock::machine;
use headwater::decode::formats::Formats;
use headwater::decode::limits::Limits;
use headwater::decode::{Body, Context, native};
use headwater::domain::ids::{SourceId, TenantId};
use headwater::nats::connect::Nats;

use crate::load::publish;

/// How long it takes from the first message to the last acknowledgement.
pub async fn limit(nats: &Nats, copies: usize, messages: Vec<Bytes>, alerts: usize) -> Duration {
    let (name, subjects) = ("LIMIT".to_owned(), vec!["limit".to_owned()]);
    let config = Stream { name, subjects, num_replicas: copies, ..Stream::default() };
    let stream = nats.jetstream.create_stream(config).await.expect("made");
    let pull = Pull { durable_name: Some("limit".into()), max_ack_pending: 4096, ..Pull::default() };
    let consumer = stream.create_consumer(pull).await.expect("made");
    let mut read = consumer.stream().max_messages_per_batch(256).messages().await.expect("read");
    let formats = Formats::built_in();
    let (tenant, source) = (TenantId::from("default"), SourceId::from("bench"));
    let started = Instant::now();
    let publishing = tokio::spawn(publish(nats.clone(), vec!["limit".to_owned()], messages));
    let mut seen: HashSet<Box<str>> = HashSet::new();
    while seen.len() < alerts {
        let message = read.next().await.expect("a message").expect("a message");
        let context = Context {
            tenant: &tenant,
            source: &source,
            received_at: Some(machine()()),
            severities: &formats.severities,
            limits: &Limits::MODEL,
        };
        let decoded = native::decode(Body::from(&message.payload[..]), &context).expect("readable");
        seen.extend(decoded.events.into_iter().map(|event| event.id));
        message.ack().await.expect("acknowledged");
    }
    let took = started.elapsed();
    publishing.await.expect("published");
    nats.jetstream.delete_stream("LIMIT").await.expect("deleted");
    took
}
