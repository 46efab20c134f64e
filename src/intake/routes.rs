//! The routes, and the one way that every delivery takes.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body as HttpBody, BodyDataStream};
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;

use super::body::{Announced, Place, discard, receive, unpack};
use super::counters::Origins;
use super::format::{Format, Sender, Undecoded};
use super::gate::{IN_QUERY, Proven, admit, source};
use super::points::metrics;
use super::receipt::Receipt;
use super::refusal::Refusal;
use super::registry::Delivered;
use super::sink::Accepted;
use super::{Intake, deeds, foreign, heartbeats, lines, signed, writes};
use crate::access::strangers::UsedUp;
use crate::decode::mapping::Shape;
use crate::decode::{Body, BodyError, Decoded};
use crate::domain::ids::SourceId;
use crate::engine::input::{Batch, Command};

/// Larger bodies are decoded apart from the threads that serve connections.
const INLINE_BYTES_MAX: usize = 256 * 1024;

/// The media type of forms.
pub(super) const FORM: &str = "application/x-www-form-urlencoded";

/// The paths of all routes below; each takes POST.
pub const PATHS: [&str; 9] = [
    "/api/v1/events",
    "/api/v1/cloudevents",
    "/api/v2/alerts",
    "/api/v1/sources/{source}/alertmanager",
    "/api/v1/ingest/{mapping}",
    "/api/v1/metrics",
    writes::PATH,
    lines::PATHS[0],
    lines::PATHS[1],
];

/// All routes of intake.
pub fn routes(intake: Arc<Intake>) -> Router {
    let ways = [
        post(events),
        post(cloudevents_),
        post(alerts),
        post(webhook),
        post(ingest).get(ingest),
        post(metrics),
        post(writes::write),
        post(lines::logs),
        post(lines::push),
    ];
    let routes = PATHS.into_iter().zip(ways);
    let routes = routes.fold(Router::new(), |router, (path, way)| router.route(path, way));
    let routes = routes.route(signed::PATH, post(signed::ingest));
    routes.merge(foreign::routes()).merge(heartbeats::routes()).with_state(intake)
}

/// A request whose sender is known.
pub(super) struct Delivery {
    format: Format,
    pub sender: Sender,
    pub announced: Announced,
}

async fn events(State(intake): State<Arc<Intake>>, request: Request) -> Response {
    let receipt = deliver(&intake, request, None, |announced, _| {
        json_media(announced)?;
        Ok(Format::Native)
    });
    answer(&intake, receipt.await.and_then(Receipt::into_answer))
}

async fn cloudevents_(State(intake): State<Arc<Intake>>, request: Request) -> Response {
    let receipt = deliver(&intake, request, None, cloudevents_format);
    answer(&intake, receipt.await.and_then(Receipt::into_answer))
}

async fn alerts(State(intake): State<Arc<Intake>>, request: Request) -> Response {
    let receipt = deliver(&intake, request, None, |announced, _| {
        json_media(announced)?;
        Ok(Format::Alertmanager)
    });
    answer(&intake, receipt.await.and_then(Receipt::into_alertmanager_answer))
}

async fn webhook(State(intake): State<Arc<Intake>>, Path(source): Path<String>, request: Request) -> Response {
    let receipt = deliver(&intake, request, Some(&source), |announced, _| {
        json_media(announced)?;
        Ok(Format::AlertmanagerWebhook)
    });
    answer(&intake, receipt.await.and_then(Receipt::into_answer))
}

async fn ingest(State(intake): State<Arc<Intake>>, Path(mapping): Path<String>, request: Request) -> Response {
    let request = if request.method() == Method::GET { query_as_form(request) } else { request };
    let receipt = deliver(&intake, request, None, |announced, _| ingest_format(&intake, mapping, announced));
    answer(&intake, receipt.await.and_then(Receipt::into_answer))
}

/// By the name in the address: a decoder of its own, or a mapping in the shape that the media type tells.
pub(super) fn ingest_format(intake: &Intake, name: String, announced: &Announced) -> Result<Format, Refusal> {
    if let Some(format) = Format::named(&name) {
        json_media(announced)?;
        return Ok(format);
    }
    if intake.formats.load().mapping(&name).is_none() {
        return Err(Refusal::NotFound);
    }
    let shape = match announced.media.as_str() {
        "application/x-ndjson" | "application/ndjson" | "application/jsonl" | "application/x-jsonlines" => Shape::Lines,
        FORM => Shape::Form,
        _ => {
            json_media(announced)?;
            Shape::Json
        }
    };
    Ok(Format::Mapping(name, shape))
}

/// A request that has all it says in its address, as the same request with a form. The token is no part of it.
fn query_as_form(request: Request) -> Request {
    let (mut parts, _) = request.into_parts();
    let query = parts.uri.query().unwrap_or_default();
    let is_token = |pair: &&str| pair.split_once('=').is_some_and(|(key, _)| IN_QUERY.contains(&key));
    let form: Vec<&str> = query.split('&').filter(|pair| !is_token(pair)).collect();
    let form = form.join("&");
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(FORM));
    Request::from_parts(parts, HttpBody::from(form))
}

pub(super) fn answer(intake: &Intake, outcome: Result<Response, Refusal>) -> Response {
    outcome.unwrap_or_else(|refusal| {
        intake.counters.refused(&refusal);
        refusal.into_response()
    })
}

/// JSON under any name, or unnamed.
pub(super) fn json_media(announced: &Announced) -> Result<(), Refusal> {
    let media = announced.media.as_str();
    match media {
        "" | "text/plain" | "text/json" | "application/json" => Ok(()),
        _ if media.ends_with("+json") => Ok(()),
        _ => Err(Refusal::MediaType("send the body as application/json")),
    }
}

fn cloudevents_format(announced: &Announced, headers: &HeaderMap) -> Result<Format, Refusal> {
    match announced.media.as_str() {
        "application/cloudevents+json" | "application/cloudevents-batch+json" => return Ok(Format::CloudEvents),
        other if other.starts_with("application/cloudevents") => {
            return Err(Refusal::MediaType("of CloudEvents only the JSON format is taken"));
        }
        _ if headers.contains_key("ce-specversion") => {}
        _ => {
            return Err(Refusal::MediaType(
                "send application/cloudevents+json, application/cloudevents-batch+json, or ce-* headers",
            ));
        }
    }
    json_media(announced)?;
    let attributes = headers.iter().filter_map(|(name, value)| {
        Some((name.as_str().strip_prefix("ce-")?.to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
    });
    Ok(Format::CloudEventsBinary(attributes.collect()))
}

/// The one way in. The room that a body takes is given back when its events are durable.
pub(super) async fn deliver(
    intake: &Arc<Intake>,
    request: Request,
    in_path: Option<&str>,
    format: impl FnOnce(&Announced, &HeaderMap) -> Result<Format, Refusal>,
) -> Result<Receipt, Refusal> {
    let (delivery, bytes, _room) = receive_whole(intake, request, in_path, format).await?;
    let (delivery, decoded) = decode_apart(intake, delivery, bytes).await?;
    keep(intake, delivery, decoded).await
}

/// A request's body, when it may come in. One that may not is read and forgotten, so that its sender hears why.
pub(super) async fn receive_whole(
    intake: &Intake,
    request: Request,
    in_path: Option<&str>,
    format: impl FnOnce(&Announced, &HeaderMap) -> Result<Format, Refusal>,
) -> Result<(Delivery, Vec<u8>, Place), Refusal> {
    intake.counters.request();
    let (parts, body) = request.into_parts();
    let mut body = body.into_data_stream();
    let head = Head { headers: &parts.headers, uri: &parts.uri, proven: parts.extensions.get::<Proven>().cloned() };
    let arrived = arrive(intake, head, &mut body, in_path, format).await;
    if let Err(refusal) = &arrived {
        // Whoever waits to be asked for the body has not sent it, and who comes too often without a credential is not waited for.
        let is_stranger = matches!(refusal, Refusal::Unauthorized) && parts.extensions.get::<UsedUp>().is_some();
        let is_coming = !parts.headers.contains_key(header::EXPECT);
        if is_coming && !is_stranger && !matches!(refusal, Refusal::Slow | Refusal::Torn) {
            discard(&mut body, &intake.settings).await;
        }
    }
    arrived
}

/// What a request says before its body.
struct Head<'r> {
    headers: &'r HeaderMap,
    uri: &'r Uri,
    /// The credential, when its sender was proven before.
    proven: Option<Proven>,
}

/// Everything that can be refused before a body is looked into, and the body.
async fn arrive(
    intake: &Intake,
    Head { headers, uri, proven }: Head<'_>,
    body: &mut BodyDataStream,
    in_path: Option<&str>,
    format: impl FnOnce(&Announced, &HeaderMap) -> Result<Format, Refusal>,
) -> Result<(Delivery, Vec<u8>, Place), Refusal> {
    let received_at = (intake.now)();
    let credential = match proven {
        Some(Proven(credential)) => credential,
        None => admit(&*intake.gate, headers, uri, received_at)?,
    };
    let source = source(&credential, in_path)?;
    intake.enabled(&credential.tenant, &source, received_at)?;
    let announced = Announced::read(headers, &intake.settings)?;
    let format = format(&announced, headers)?;
    let own = intake.registry.rate(&credential.tenant, &source);
    intake.rates.request(&credential.tenant, &source, own).await?;
    let room = intake.room.take((&credential.tenant, &source), &announced, &intake.settings)?;
    let bytes = receive(body, &announced, &intake.settings).await?;
    intake.counters.body(bytes.len());
    let tenant = credential.tenant.clone();
    Ok((Delivery { format, sender: Sender { tenant, source, received_at }, announced }, bytes, room))
}

/// Decodes here, or elsewhere when it takes long.
async fn decode_apart(
    intake: &Arc<Intake>,
    delivery: Delivery,
    bytes: Vec<u8>,
) -> Result<(Delivery, Decoded), Refusal> {
    if bytes.len() <= INLINE_BYTES_MAX {
        let decoded = decode(intake, &delivery, bytes)?;
        return Ok((delivery, decoded));
    }
    let intake = Arc::clone(intake);
    let apart = tokio::task::spawn_blocking(move || {
        let decoded = decode(&intake, &delivery, bytes)?;
        Ok((delivery, decoded))
    });
    apart.await.expect("decoders do not panic")
}

fn decode(intake: &Intake, delivery: &Delivery, bytes: Vec<u8>) -> Result<Decoded, Refusal> {
    let settings = &intake.settings;
    let bytes = unpack(bytes, &delivery.announced, settings)?;
    let body = Body { bytes: &bytes, charset: delivery.announced.charset.as_deref() };
    let mut decoded = intake.decode(&delivery.format, &delivery.sender, body).map_err(|error| match error {
        Undecoded::NoMapping(_) => Refusal::NotFound,
        Undecoded::Body(BodyError::Unreadable(detail)) => Refusal::Unreadable(detail),
        Undecoded::Body(error @ BodyError::TooManyEvents { .. }) => Refusal::TooLarge(error.to_string()),
    })?;
    decoded.events.iter_mut().for_each(|event| event.test = delivery.announced.test.clone());
    if delivery.announced.test.is_some() {
        // Nothing comes of a test.
        decoded.orders.clear();
    }
    let Sender { tenant, source, received_at } = &delivery.sender;
    let seen = Delivered { at: *received_at, format: delivery.format.decoder(), body: &bytes, decoded: &decoded };
    intake.registry.saw(tenant, source, &seen);
    if bytes.len() > settings.single_bytes_max && decoded.events.len() + decoded.rejected.len() <= 1 {
        return Err(Refusal::TooLarge(format!("one event is larger than {} bytes", settings.single_bytes_max)));
    }
    Ok(decoded)
}

/// Hands the events to the journal, and the orders behind them, and waits until they are durable.
async fn keep(intake: &Intake, delivery: Delivery, decoded: Decoded) -> Result<Receipt, Refusal> {
    let Decoded { events, rejected, orders, counts } = decoded;
    let (count, ordered) = (events.len(), orders.len());
    let Sender { tenant, source, .. } = delivery.sender;
    let commands = deeds::commands((&tenant, &source), "", orders);
    let own = intake.registry.rate(&tenant, &source);
    // An order is an append of its own: it costs no less than an event.
    intake.rates.events((&tenant, &source), own, count + commands.len()).await?;
    if count + rejected.len() == 0 {
        intake.counters.kept(&Origins::default(), &[], &counts);
        give(intake, &source, commands).await?;
        return Ok(Receipt { left_out: counts.left_out, orders: ordered, ..Receipt::default() });
    }
    let origins = Origins::of(&events);
    let letters = rejected.iter().map(|rejected| rejected.letter.clone()).collect();
    let batch = Batch { tenant, events, rejected: letters, replay_of: None };
    let kept: Accepted = intake.sink.accept(batch).await.map_err(|error| intake.not_kept(&source, error))?;
    intake.counters.kept(&origins, &rejected, &counts);
    give(intake, &source, commands).await?;
    Ok(Receipt { left_out: counts.left_out, orders: ordered, ..Receipt::new(count, &rejected, kept) })
}

async fn give(intake: &Intake, source: &SourceId, commands: Vec<Command>) -> Result<(), Refusal> {
    for command in commands {
        intake.sink.order(command).await.map_err(|error| intake.not_kept(source, error))?;
    }
    Ok(())
}
