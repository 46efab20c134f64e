//! What Alertmanager says about itself, as far as its clients look at it.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use super::alerts::{AlertmanagerReceiver, RECEIVER};
use crate::api::access::Caller;
use crate::api::problem::{ApiError, Problem};
use crate::api::state::Api;

/// A configuration that says how it is: one route, one receiver. Where incidents go is a matter of our rules.
const CONFIGURATION: &str = "route:\n  receiver: headwater\nreceivers:\n- name: headwater\n";

/// Status in Alertmanager's form.
#[utoipa::path(get, path = "/api/v2/status", tag = "alertmanager",
    responses((status = 200, body = Object), (status = "default", body = Problem)))]
pub async fn status(_: Caller) -> Json<Value> {
    let version = env!("CARGO_PKG_VERSION");
    Json(json!({
        "cluster": {"status": "disabled", "peers": []},
        "config": {"original": CONFIGURATION},
        // By which clients decide what they may ask for.
        "versionInfo": {"version": "0.27.0", "revision": version, "branch": "headwater", "buildUser": "",
                        "buildDate": "", "goVersion": ""},
        "uptime": "1970-01-01T00:00:00.000Z",
    }))
}

/// Receivers in Alertmanager's form.
#[utoipa::path(get, path = "/api/v2/receivers", tag = "alertmanager",
    responses((status = 200, body = Vec<AlertmanagerReceiver>), (status = "default", body = Problem)))]
pub async fn receivers(State(api): State<Arc<Api>>, caller: Caller) -> Json<Vec<AlertmanagerReceiver>> {
    let of_routes = api.notices.receivers(&caller.tenant).items.into_iter().map(|line| line.id);
    let all = std::iter::once(RECEIVER.to_owned()).chain(of_routes);
    Json(all.map(|name| AlertmanagerReceiver { name }).collect())
}

/// The program is alive.
#[utoipa::path(get, path = "/-/healthy", tag = "alertmanager", responses((status = 200, body = String)))]
pub async fn healthy() -> &'static str {
    "OK"
}

/// The program can take alerts.
#[utoipa::path(get, path = "/-/ready", tag = "alertmanager",
    responses((status = 200, body = String), (status = "default", body = Problem)))]
pub async fn ready(State(api): State<Arc<Api>>) -> Result<&'static str, ApiError> {
    if (api.readiness)().is_empty() { Ok("OK") } else { Err(ApiError::TryLater { wait_secs: 5 }) }
}
