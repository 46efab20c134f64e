//! What every answer carries: security headers, a request id, and errors as problem documents.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use rand::RngCore;

use super::problem::{ApiError, Problem};
use super::state::Api;

/// Scripts, styles, pictures and calls from our own host, nothing else and nothing inline.
pub const CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                       font-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'";

/// The outermost layer.
pub async fn shield(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    let mut bytes = [0u8; 8];
    rand::rngs::OsRng.fill_bytes(&mut bytes);
    let id = hex::encode(bytes);
    let response = with_request_id(next.run(request).await, &id);
    with_headers(response, &id, api.settings.secure_cookies)
}

fn with_request_id(mut response: Response, id: &str) -> Response {
    let problem = response.extensions_mut().remove::<Problem>();
    let Some(mut problem) = problem else { return plain_errors_become_problems(response, id) };
    problem.instance = format!("urn:headwater:request:{id}");
    let body = serde_json::to_vec(&problem).expect("a problem is plain text and numbers");
    let (mut parts, _) = response.into_parts();
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(body))
}

/// Errors made by the framework (no such method, body too large) look like ours.
fn plain_errors_become_problems(response: Response, id: &str) -> Response {
    let error = match response.status() {
        StatusCode::METHOD_NOT_ALLOWED => ApiError::MethodNotAllowed,
        StatusCode::PAYLOAD_TOO_LARGE => ApiError::TooLarge,
        _ => return response,
    };
    with_request_id(error.into_response(), id)
}

fn with_headers(mut response: Response, id: &str, https: bool) -> Response {
    let headers = response.headers_mut();
    let mut fixed = |name: &'static str, value: &'static str| {
        headers.insert(name, HeaderValue::from_static(value));
    };
    fixed("content-security-policy", CSP);
    fixed("x-content-type-options", "nosniff");
    fixed("x-frame-options", "DENY");
    fixed("referrer-policy", "no-referrer");
    fixed("cross-origin-opener-policy", "same-origin");
    fixed("cross-origin-resource-policy", "same-origin");
    fixed("permissions-policy", "camera=(), geolocation=(), microphone=()");
    if https {
        fixed("strict-transport-security", "max-age=31536000");
    }
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    headers.insert("x-request-id", HeaderValue::from_str(id).expect("the id is hexadecimal"));
    response
}
