//! Every route, with the roles it is open to. The router, the OpenAPI document and the tests of access are
//! made from this one table; what is not in it does not exist.

use std::sync::Arc;

use axum::middleware::from_fn_with_state;
use axum::response::IntoResponse;
use axum::{Json, Router};
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::OpenApi;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};
use utoipa_axum::routes;

use super::access::{Open, Role, authenticate, guard};
use super::problem::ApiError;
use super::state::Api;
use super::{feed, graph, incidents, numbers, orders, session, shield, vocabulary};

/// Everyone who reads.
const READ: Open = Open::To(&[Role::Viewer, Role::Operator, Role::Analyst, Role::Admin]);
/// Those who handle incidents.
const HANDLE: Open = Open::To(&[Role::Operator, Role::Analyst, Role::Admin]);

/// One line of the table.
pub struct Entry {
    pub open: Open,
    pub route: UtoipaMethodRouter<Arc<Api>>,
}

fn entry(open: Open, route: UtoipaMethodRouter<Arc<Api>>) -> Entry {
    Entry { open, route }
}

/// The table.
#[rustfmt::skip]
pub fn table() -> Vec<Entry> {
    vec![
        entry(READ,   routes!(incidents::list)),
        entry(READ,   routes!(incidents::one)),
        entry(READ,   routes!(incidents::members)),
        entry(READ,   routes!(graph::graph)),
        entry(READ,   routes!(vocabulary::vocabulary)),
        entry(HANDLE, routes!(orders::order)),
        entry(READ,   routes!(orders::command)),
        entry(READ,   routes!(incidents::alerts)),
        entry(READ,   routes!(incidents::held)),
        entry(READ,   routes!(incidents::alert)),
        entry(READ,   routes!(numbers::overview)),
        entry(READ,   routes!(numbers::conservation)),
        entry(READ,   routes!(feed::feed)),
        entry(Open::Public, routes!(session::sign_in)),
        entry(READ,   routes!(session::me)),
        entry(READ,   routes!(session::sign_out)),
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
    for Entry { open, route: (schemas, paths, methods) } in table() {
        routes = routes.routes((schemas, paths, methods.route_layer(from_fn_with_state(open, guard))));
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
