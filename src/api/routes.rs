//! Every route, with the roles it is open to. The router, the OpenAPI document and the tests of access are
//! made from this one table; what is not in it does not exist.

use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::response::IntoResponse;
use axum::{Json, Router};
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::OpenApi;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};
use utoipa_axum::routes;

use super::access::{Open, authenticate, guard};
use super::problem::ApiError;
use super::state::Api;
use super::{
    alerts, dead_letters, export, feed, graph, health, incidents, numbers, orders, rules, session, shield, silences,
    stats, topology, why,
};
use crate::domain::access::Role;

/// Everyone who reads.
const READ: Open = Open::To(&[Role::Viewer, Role::Operator, Role::Analyst, Role::Admin]);
/// Those who handle incidents.
const HANDLE: Open = Open::To(&[Role::Operator, Role::Analyst, Role::Admin]);
/// Those who decide how incidents are made.
const ANALYSE: Open = Open::To(&[Role::Analyst, Role::Admin]);
/// Those who own the installation.
const OWN: Open = Open::To(&[Role::Admin]);

/// The largest body of a route that says nothing else, bytes.
const BODY_BYTES_MAX: usize = 1024 * 1024;

/// One line of the table.
pub struct Entry {
    pub open: Open,
    pub body_bytes_max: usize,
    pub route: UtoipaMethodRouter<Arc<Api>>,
}

fn entry(open: Open, route: UtoipaMethodRouter<Arc<Api>>) -> Entry {
    Entry { open, body_bytes_max: BODY_BYTES_MAX, route }
}

fn large(open: Open, body_bytes_max: usize, route: UtoipaMethodRouter<Arc<Api>>) -> Entry {
    Entry { open, body_bytes_max, route }
}

/// The table.
#[rustfmt::skip]
pub fn table() -> Vec<Entry> {
    vec![
        entry(READ,    routes!(incidents::list)),
        entry(READ,    routes!(incidents::one)),
        entry(READ,    routes!(incidents::members)),
        entry(READ,    routes!(graph::graph)),
        entry(HANDLE,  routes!(orders::order)),
        entry(READ,    routes!(orders::command)),
        entry(READ,    routes!(alerts::list)),
        entry(READ,    routes!(alerts::held)),
        entry(READ,    routes!(alerts::one)),
        entry(READ,    routes!(why::alert)),
        entry(READ,    routes!(why::event)),
        entry(READ,    routes!(silences::list)),
        entry(HANDLE,  routes!(silences::make)),
        entry(HANDLE,  routes!(silences::expire)),
        entry(READ,    routes!(rules::windows)),
        entry(READ,    routes!(rules::current)),
        entry(ANALYSE, routes!(rules::dry_run)),
        large(ANALYSE, rules::TEXT_BYTES_MAX, routes!(rules::replace)),
        entry(READ,    routes!(topology::page)),
        large(OWN,     topology::TEXT_BYTES_MAX, routes!(topology::replace)),
        entry(READ,    routes!(topology::one)),
        entry(READ,    routes!(topology::impact)),
        entry(READ,    routes!(topology::causes)),
        entry(READ,    routes!(dead_letters::list)),
        entry(ANALYSE, routes!(dead_letters::replay)),
        entry(READ,    routes!(numbers::overview)),
        entry(READ,    routes!(numbers::conservation)),
        entry(READ,    routes!(stats::stats)),
        entry(READ,    routes!(export::export)),
        entry(READ,    routes!(feed::feed)),
        entry(Open::Public, routes!(session::sign_in)),
        entry(READ,    routes!(session::me)),
        entry(READ,    routes!(session::sign_out)),
        entry(Open::Public, routes!(health::livez)),
        entry(Open::Public, routes!(health::readyz)),
        entry(READ,    routes!(health::metrics)),
    ]
}

#[derive(OpenApi)]
#[openapi(info(
    title = "Headwater",
    description = "From alert storms to incidents with their root cause. Authenticate with `Authorization: Bearer <token>`."
))]
struct Document;

/// The OpenAPI 3.1 document of the table.
pub fn openapi() -> utoipa::openapi::OpenApi {
    let routers = table().into_iter().map(|entry| entry.route);
    routers.fold(OpenApiRouter::with_openapi(Document::openapi()), OpenApiRouter::routes).into_openapi()
}

/// The whole API. `others` (intake, console pages) share its headers and request ids, not its access rules.
pub fn router(api: Arc<Api>, others: Router) -> Router {
    let mut routes = OpenApiRouter::<Arc<Api>>::new();
    for Entry { open, body_bytes_max, route: (schemas, paths, methods) } in table() {
        // Prometheus on the same machine needs no credential; everyone else does.
        let open = if api.settings.open_metrics && paths.paths.contains_key("/metrics") { Open::Public } else { open };
        let methods = methods.layer(DefaultBodyLimit::max(body_bytes_max)).route_layer(from_fn_with_state(open, guard));
        routes = routes.routes((schemas, paths, methods));
    }
    let (routes, _) = routes.split_for_parts();
    let document = Arc::new(openapi());
    let document = move || async move { Json((*document).clone()) };
    let own = routes
        .route("/openapi.json", axum::routing::get(document).route_layer(from_fn_with_state(READ, guard)))
        .layer(from_fn_with_state(api.clone(), authenticate))
        .with_state(api.clone());
    own.merge(others)
        .fallback(|| async { ApiError::NotFound("page") })
        .layer(CatchPanicLayer::custom(|_| ApiError::Internal.into_response()))
        .layer(from_fn_with_state(api, shield::shield))
}
