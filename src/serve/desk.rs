//! Questions and orders over NATS, as a NATS micro service: each becomes a request to the HTTP API, with the token that
//! the message brings. So role and scope are checked in one place.

use async_nats::service::error::Error as ServiceError;
use async_nats::service::{Request, ServiceExt as _};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{self, StatusCode, header};
use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::select_all;
use serde_json::{Map, Value};
use tower::ServiceExt as _;

use crate::nats::NatsError;
use crate::nats::connect::Nats;

/// The endpoints: `headwater.<name>`.
const ENDPOINTS: [&str; 4] = ["incidents", "incident", "why", "order"];
/// Questions that are answered at a time.
const AT_ONCE: usize = 32;
/// The longest answer; also bounded by what the server takes.
const ANSWER_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Answers until the connection is closed for good.
///
/// # Errors
/// When the service cannot be announced.
pub async fn answer(nats: Nats, app: Router) -> Result<(), NatsError> {
    let announced = nats.client.service_builder().description("Headwater: incidents, why, orders");
    let service = announced.start("headwater", env!("CARGO_PKG_VERSION")).await.map_err(NatsError::away)?;
    let group = service.group("headwater");
    let mut endpoints = Vec::new();
    for name in ENDPOINTS {
        let endpoint = group.endpoint(name).await.map_err(NatsError::away)?;
        endpoints.push(endpoint.map(move |request| (name, request)));
    }
    let bytes_max = nats.client.max_payload().min(ANSWER_BYTES_MAX);
    let answers = select_all(endpoints).for_each_concurrent(AT_ONCE, |(name, request)| {
        let app = app.clone();
        async move {
            let answer = ask(app, name, &request, bytes_max).await;
            if let Err(error) = request.respond(answer).await {
                tracing::debug!(%error, endpoint = name, "an answer over NATS was not sent");
            }
        }
    });
    answers.await;
    Ok(())
}

async fn ask(app: Router, name: &str, request: &Request, bytes_max: usize) -> Result<Bytes, ServiceError> {
    let wrong = |status: String| ServiceError { status, code: 400 };
    let payload = if request.message.payload.is_empty() { b"{}" } else { &request.message.payload[..] };
    let fields: Map<String, Value> =
        serde_json::from_slice(payload).map_err(|error| wrong(format!("send a JSON object: {error}")))?;
    let (method, path, body) = request_of(name, fields).map_err(wrong)?;
    let headers = request.message.headers.as_ref();
    let token = headers.and_then(|headers| headers.get("Authorization")).map(ToString::to_string).unwrap_or_default();
    let asked = http::Request::builder()
        .method(method)
        .uri(path)
        .header(header::AUTHORIZATION, token)
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(body))
        .map_err(|error| wrong(error.to_string()))?;
    let answer = app.oneshot(asked).await.unwrap_or_else(|never| match never {});
    let status = answer.status();
    let too_long = |_| ServiceError { status: "the answer is too long: ask for less".into(), code: 413 };
    let bytes = to_bytes(answer.into_body(), bytes_max).await.map_err(too_long)?;
    if status.is_success() { Ok(bytes) } else { Err(refusal(status, &bytes)) }
}

/// A problem document as the header of a micro service's error: one line.
fn refusal(status: StatusCode, body: &[u8]) -> ServiceError {
    let problem: Value = serde_json::from_slice(body).unwrap_or_default();
    let detail = problem["detail"].as_str().or(status.canonical_reason()).unwrap_or_default();
    ServiceError { status: detail.split_whitespace().collect::<Vec<_>>().join(" "), code: usize::from(status.as_u16()) }
}

/// The request that a question stands for: method, path and body.
fn request_of(name: &str, mut fields: Map<String, Value>) -> Result<(&'static str, String, String), String> {
    let mut take = |key: &str| match fields.remove(key) {
        Some(Value::String(text)) => Some(encoded(&text)),
        _ => None,
    };
    match name {
        "incident" => {
            let id = take("id").ok_or("send {\"id\": …}")?;
            Ok(("GET", format!("/api/v1/incidents/{id}"), String::new()))
        }
        "why" => {
            let of = [("event", "events"), ("alert", "alerts"), ("incident", "incidents")];
            let (kind, id) = of
                .into_iter()
                .find_map(|(key, kind)| Some((kind, take(key)?)))
                .ok_or("send {\"event\": …}, {\"alert\": …} or {\"incident\": …}")?;
            Ok(("GET", format!("/api/v1/{kind}/{id}/why"), String::new()))
        }
        "order" => {
            let (incident, order) = (take("incident"), take("order"));
            let (Some(incident), Some(order)) = (incident, order) else {
                return Err("send {\"incident\": …, \"order\": \"acknowledge\", …}".into());
            };
            Ok(("POST", format!("/api/v1/incidents/{incident}/{order}"), Value::Object(fields).to_string()))
        }
        _ => {
            let query = fields.iter().map(|(key, value)| {
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                format!("{}={}", encoded(key), encoded(&text))
            });
            Ok(("GET", format!("/api/v1/incidents?{}", query.collect::<Vec<_>>().join("&")), String::new()))
        }
    }
}

/// Text as a part of a path or query.
fn encoded(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            safe.push(char::from(byte));
        } else {
            safe += &format!("%{byte:02X}");
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(name: &str, fields: &str) -> String {
        match request_of(name, serde_json::from_str(fields).unwrap()) {
            Ok((method, path, body)) => format!("{method} {path} {body}"),
            Err(error) => error,
        }
    }

    #[test]
    fn questions_become_requests() {
        assert_eq!(
            told("incidents", r#"{"state":"abnormal","limit":5}"#),
            "GET /api/v1/incidents?limit=5&state=abnormal "
        );
        assert_eq!(told("why", r#"{"event":"e12.0"}"#), "GET /api/v1/events/e12.0/why ");
        assert_eq!(told("incident", r#"{"id":"../tokens?x"}"#), "GET /api/v1/incidents/..%2Ftokens%3Fx ");
        assert_eq!(
            told("order", r#"{"incident":"i1","order":"comment","text":"嗯"}"#),
            "POST /api/v1/incidents/i1/comment {\"text\":\"嗯\"}"
        );
        assert!(told("why", "{}").starts_with("send "));
    }
}
