//! Every route, with the roles it is open to. The router, the OpenAPI document and the tests of access are
//! made from this one table; what is not in it does not exist.

use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::response::IntoResponse;
use axum::{Json, Router};
use tower_http::CompressionLevel;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{NotForContentType, Predicate as _, SizeAbove};
use utoipa::OpenApi;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};
use utoipa_axum::routes;

use super::access::{Open, Role, authenticate, guard};
use super::alertmanager::alerts as alertmanager_alerts;
use super::alertmanager::silences as alertmanager_silences;
use super::alertmanager::status as alertmanager_status;
use super::held_back;
use super::notice_preview;
use super::post_mortems;
use super::problem::ApiError;
use super::shift_reports;
use super::state::Api;
use super::{
    alerts, audit, calendars, ci_graph, dead_letters, doors, ending, estate, export, feed, feedback, graph, health,
    incidents, knowledge, metric_model, notices, numbers, oncall, orders, reach, reports, rule_latency, rule_tests,
    rules, series, session, shield, silences, similar, sources, stats, strangers, suggestions, tokens, topology,
    topology_versions, trial, trials, views, vocabulary, why, why_not, window_proposals, windows,
};

/// Everyone who reads.
const READ: Open = Open::To(&[Role::Viewer, Role::Operator, Role::Analyst, Role::Admin]);
/// Those who handle incidents.
const HANDLE: Open = Open::To(&[Role::Operator, Role::Analyst, Role::Admin]);

/// Those who decide how incidents are made.
const ANALYSE: Open = Open::To(&[Role::Analyst, Role::Admin]);

/// Those who say who may what.
const ADMINISTER: Open = Open::To(&[Role::Admin]);

/// Answered by every instance, whatever its roles.
const VITALS: [&str; 3] = ["/livez", "/readyz", METRICS];

/// The largest body of a route that says nothing else, bytes.
const BODY_BYTES_MAX: usize = 1024 * 1024;
/// A post-mortem is longer than an order.
const POST_MORTEM_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Shorter answers are not packed, bytes.
const PACKED_FROM_BYTES: u64 = 1024;
/// The path that may be open on a loopback address.
const METRICS: &str = "/metrics";

/// One line of the table.
pub struct Entry {
    pub open: Open,
    pub body_bytes_max: usize,
    pub route: UtoipaMethodRouter<Arc<Api>>,
}

fn entry(open: Open, route: UtoipaMethodRouter<Arc<Api>>) -> Entry {
    large(open, BODY_BYTES_MAX, route)
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
        entry(READ,    routes!(incidents::timeline)),
        entry(READ,    routes!(graph::graph)),
        entry(READ,    routes!(similar::similar)),
        entry(READ,    routes!(vocabulary::vocabulary)),
        entry(READ,    routes!(views::list)),
        entry(READ,    routes!(views::keep)),
        entry(READ,    routes!(views::drop_one)),
        entry(READ,    routes!(why::incident)),
        entry(HANDLE,  routes!(orders::order)),
        entry(READ,    routes!(ending::closing)),
        entry(READ,    routes!(orders::command)),
        entry(READ,    routes!(alerts::list)),
        entry(READ,    routes!(alerts::held)),
        entry(READ,    routes!(alerts::one)),
        entry(READ,    routes!(why::alert)),
        entry(READ,    routes!(why::events)),
        entry(READ,    routes!(why::event)),
        entry(READ,    routes!(why_not::why_not)),
        entry(READ,    routes!(feedback::list)),
        entry(HANDLE,  routes!(feedback::say)),
        entry(ANALYSE, routes!(feedback::revoke)),
        entry(READ,    routes!(silences::list)),
        entry(HANDLE,  routes!(silences::make)),
        entry(HANDLE,  routes!(silences::expire)),
        entry(READ,    routes!(windows::list)),
        entry(HANDLE,  routes!(windows::make)),
        entry(HANDLE,  routes!(windows::preview)),
        entry(HANDLE,  routes!(windows::expire)),
        entry(READ,    routes!(window_proposals::list)),
        entry(HANDLE,  routes!(window_proposals::approve)),
        entry(HANDLE,  routes!(window_proposals::refuse)),
        entry(READ,    routes!(rules::current)),
        large(ANALYSE, rules::TEXT_BYTES_MAX, routes!(rules::replace)),
        entry(READ,    routes!(rules::versions)),
        entry(READ,    routes!(rules::version)),
        large(ANALYSE, rules::TEXT_BYTES_MAX, routes!(rules::check)),
        large(ANALYSE, rules::TEXT_BYTES_MAX, routes!(trial::dry_run)),
        large(ANALYSE, rules::TEXT_BYTES_MAX, routes!(rule_tests::test)),
        entry(ANALYSE, routes!(rule_latency::latency)),
        entry(ANALYSE, routes!(rules::roll_back)),
        large(ANALYSE, rules::TEXT_BYTES_MAX, routes!(trials::cost)),
        entry(READ,    routes!(trials::models)),
        entry(READ,    routes!(trials::model_text)),
        large(ANALYSE, rules::TEXT_BYTES_MAX, routes!(trials::put_model)),
        entry(ANALYSE, routes!(trials::roll_back_model)),
        entry(READ,    routes!(metric_model::health)),
        entry(ANALYSE, routes!(metric_model::retrain)),
        entry(READ,    routes!(trials::shadow)),
        large(ANALYSE, rules::TEXT_BYTES_MAX, routes!(trials::put_shadow)),
        entry(ANALYSE, routes!(trials::end_shadow)),
        entry(ANALYSE, routes!(trials::activate)),
        entry(ANALYSE, routes!(trials::roll_back)),
        entry(ANALYSE, routes!(suggestions::suggestions)),
        entry(READ,    routes!(topology::summary)),
        large(ANALYSE, topology::TEXT_BYTES_MAX, routes!(topology::replace)),
        entry(READ,    routes!(topology::quality)),
        entry(READ,    routes!(estate::health)),
        entry(READ,    routes!(topology_versions::versions)),
        entry(READ,    routes!(topology_versions::diff)),
        entry(READ,    routes!(topology::cis)),
        entry(READ,    routes!(ci_graph::graph)),
        entry(READ,    routes!(topology::one)),
        entry(READ,    routes!(topology::impact)),
        entry(READ,    routes!(topology::causes)),
        entry(READ,    routes!(dead_letters::list)),
        entry(READ,    routes!(dead_letters::one)),
        entry(ANALYSE, routes!(dead_letters::replay)),
        entry(ANALYSE, routes!(dead_letters::replay_many)),
        entry(READ,    routes!(numbers::overview)),
        entry(READ,    routes!(numbers::conservation)),
        entry(READ,    routes!(stats::stats)),
        entry(READ,    routes!(stats::csv)),
        entry(READ,    routes!(reports::report)),
        entry(READ,    routes!(reports::csv)),
        entry(READ,    routes!(export::export)),
        entry(READ,    routes!(series::list)),
        entry(READ,    routes!(series::one)),
        entry(ANALYSE, routes!(audit::list)),
        entry(READ,    routes!(oncall::who)),
        entry(READ,    routes!(oncall::shifts)),
        entry(READ,    routes!(oncall::ical)),
        entry(READ,    routes!(calendars::link)),
        entry(HANDLE,  routes!(calendars::revoke)),
        entry(Open::Public, routes!(calendars::read)),
        entry(READ,    routes!(oncall::policies)),
        entry(READ,    routes!(oncall::overrides)),
        entry(READ,    routes!(reach::ways)),
        entry(HANDLE,  routes!(reach::test)),
        entry(HANDLE,  routes!(reach::verify)),
        entry(HANDLE,  routes!(oncall::make)),
        entry(HANDLE,  routes!(oncall::end)),
        entry(ADMINISTER, routes!(tokens::list)),
        entry(ADMINISTER, routes!(tokens::make)),
        entry(ADMINISTER, routes!(tokens::revoke)),
        entry(READ,    routes!(post_mortems::read)),
        large(HANDLE,  POST_MORTEM_BYTES_MAX, routes!(post_mortems::keep)),
        entry(READ,    routes!(post_mortems::versions)),
        entry(READ,    routes!(post_mortems::list)),
        entry(READ,    routes!(knowledge::list)),
        large(ANALYSE, knowledge::FILE_BYTES_MAX, routes!(knowledge::bring)),
        entry(READ,    routes!(knowledge::export)),
        entry(ANALYSE, routes!(knowledge::remove)),
        entry(READ,    routes!(shift_reports::handover)),
        entry(READ,    routes!(notices::of_incident)),
        entry(READ,    routes!(notices::log)),
        entry(READ,    routes!(notices::receivers)),
        entry(READ,    routes!(notices::undelivered)),
        entry(HANDLE,  routes!(notices::resend)),
        entry(HANDLE,  routes!(notice_preview::preview)),
        entry(READ,    routes!(held_back::list)),
        entry(HANDLE,  routes!(held_back::tell)),
        entry(READ,    routes!(feed::feed)),
        entry(READ,    routes!(alertmanager_alerts::alerts)),
        entry(READ,    routes!(alertmanager_alerts::groups)),
        entry(READ,    routes!(alertmanager_silences::list)),
        entry(READ,    routes!(alertmanager_silences::one)),
        entry(HANDLE,  routes!(alertmanager_silences::make)),
        entry(HANDLE,  routes!(alertmanager_silences::expire)),
        entry(READ,    routes!(alertmanager_status::status)),
        entry(READ,    routes!(alertmanager_status::receivers)),
        entry(Open::Public, routes!(alertmanager_status::healthy)),
        entry(Open::Public, routes!(alertmanager_status::ready)),
        entry(READ,    routes!(sources::list)),
        entry(ADMINISTER, routes!(sources::put)),
        entry(ADMINISTER, routes!(sources::remove)),
        entry(ANALYSE, routes!(sources::payloads)),
        entry(ANALYSE, routes!(sources::preview)),
        entry(ANALYSE, routes!(sources::sketch)),
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

/// The OpenAPI 3.1 document of the table and of intake's doors.
pub fn openapi() -> serde_json::Value {
    let routers = table().into_iter().map(|entry| entry.route);
    let routes = routers.fold(OpenApiRouter::with_openapi(Document::openapi()), OpenApiRouter::routes);
    let mut document = serde_json::to_value(routes.into_openapi()).expect("the document is plain text and numbers");
    doors::add(&mut document);
    document
}

/// Whoever asks for it gets answers packed: a board of thousands is a tenth of its size then. What is short is sent as it
/// is, and the feed is not held back.
fn compression() -> CompressionLayer<impl tower_http::compression::predicate::Predicate> {
    let packed = SizeAbove::new(PACKED_FROM_BYTES).and(NotForContentType::SSE).and(NotForContentType::IMAGES);
    CompressionLayer::new().quality(CompressionLevel::Fastest).compress_when(packed)
}

/// The whole API. `others` (intake, console pages) share its headers and request ids, not its access rules.
pub fn router(api: Arc<Api>, others: Router) -> Router {
    let mut routes = OpenApiRouter::<Arc<Api>>::new();
    for Entry { open, body_bytes_max, route: (schemas, paths, methods) } in table() {
        if api.settings.vitals_only && !paths.paths.keys().any(|path| VITALS.contains(&path.as_str())) {
            continue;
        }
        // Prometheus on the same machine needs no credential; everyone else does.
        let is_open = api.settings.open_metrics && paths.paths.contains_key(METRICS);
        let open = if is_open { Open::Public } else { open };
        let methods = methods.layer(DefaultBodyLimit::max(body_bytes_max)).route_layer(from_fn_with_state(open, guard));
        routes = routes.routes((schemas, paths, methods));
    }
    let (routes, _) = routes.split_for_parts();
    let document = Arc::new(openapi());
    let document = move || async move { Json((*document).clone()) };
    let own = routes
        .route("/api/v1/openapi.json", axum::routing::get(document).route_layer(from_fn_with_state(READ, guard)))
        .layer(from_fn_with_state(api.clone(), authenticate))
        .with_state(api.clone());
    own.merge(others)
        .fallback(|| async { ApiError::NotFound("page") })
        .layer(CatchPanicLayer::custom(|_| ApiError::Internal.into_response()))
        .layer(from_fn_with_state(api.clone(), strangers::limit))
        .layer(from_fn_with_state(api, shield::shield))
        .layer(compression())
}
