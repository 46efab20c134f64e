//! Requests that are refused for want of a valid credential: what one address sends too many of is told to wait.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::problem::ApiError;
use super::state::Api;
use crate::access::strangers::{Peer, UsedUp};

/// Where the addresses stand that a request came by.
const FORWARDED: &str = "x-forwarded-for";

/// The layer around API and intake. Credentials are looked at inside of it: who has a valid one is answered, whatever others
/// of the same address do. What comes by another way than a connection (NATS has permissions of its own) is not counted.
pub async fn limit(State(api): State<Arc<Api>>, mut request: Request, next: Next) -> Response {
    let Some(peer) = request.extensions().get::<Peer>().copied() else { return next.run(request).await };
    let forwarded = request.headers().get_all(FORWARDED).iter().filter_map(|value| value.to_str().ok());
    let client = api.strangers.client(peer, forwarded);
    if api.strangers.has_used_up(client) {
        request.extensions_mut().insert(UsedUp);
    }
    let answer = next.run(request).await;
    if answer.status() != StatusCode::UNAUTHORIZED {
        return answer;
    }
    match api.strangers.count(client) {
        None => answer,
        Some(wait) => {
            let wait_secs = u32::try_from(wait.as_secs().saturating_add(1)).unwrap_or(u32::MAX);
            ApiError::Strange { wait_secs }.into_response()
        }
    }
}
