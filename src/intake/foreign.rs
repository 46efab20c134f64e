//! Doors as other systems have them: what can send to PagerDuty, Opsgenie, FlashDuty, CloudAlert or a chat's robot can send
//! here, with another address and our token where it had theirs. Each door answers as its model does.

use std::borrow::Cow;
use std::sync::Arc;

use axum::body::Body as HttpBody;
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use rand::RngCore;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Intake;
use super::body::{Announced, receive, unpack};
use super::format::Format;
use super::gate::offered;
use super::receipt::Receipt;
use super::refusal::Refusal;
use super::routes::{FORM, answer, deliver};
use crate::decode::limits::Limits;
use crate::decode::mapping::Shape;
use crate::decode::{Body, form, otlp};
use crate::domain::ids::{SourceId, TenantId};

/// The largest body that is looked at before its sender is known: the token stands in it.
const UNKNOWN_BYTES_MAX: usize = 512 * 1024;

/// The paths of all routes below; each takes POST.
pub const PATHS: [&str; 11] = [
    "/v1/logs",
    "/v2/enqueue",
    "/v2/change/enqueue",
    "/v2/alerts",
    "/v2/alerts/{alias}/{action}",
    "/services/{a}/{b}/{token}",
    "/robot/send",
    "/cgi-bin/webhook/send",
    "/open-apis/bot/v2/hook/{token}",
    "/event/push/alert/standard",
    "/alert/api/event",
];

/// All routes.
pub fn routes() -> Router<Arc<Intake>> {
    let ways = [
        post(otlp_logs),
        post(enqueue),
        post(enqueue),
        post(opsgenie_create),
        post(opsgenie_change),
        post(slack),
        post(dingtalk_or_wecom),
        post(dingtalk_or_wecom),
        post(feishu),
        post(flashduty),
        post(cloud_alert),
    ];
    PATHS.into_iter().zip(ways).fold(Router::new(), |router, (path, way)| router.route(path, way))
}

/// A body, and where it came from.
struct Read {
    request: axum::http::request::Parts,
    bytes: Vec<u8>,
    charset: Option<String>,
    media: String,
    /// Its sender was proven.
    is_known: bool,
}

/// A body that is an object, and where it came from.
struct Opened {
    request: axum::http::request::Parts,
    members: Map<String, Value>,
}

/// Reads a body. Its sender is proven before, unless the token stands in the body.
async fn read(intake: &Intake, request: Request, in_path: Option<&str>) -> Result<Read, Refusal> {
    let (parts, body) = request.into_parts();
    let token = offered(&parts.headers, &parts.uri).or(in_path.map(Cow::Borrowed));
    // Whoever does not say yet who it is shares one place with all such.
    let mut whose = (TenantId::from(""), SourceId::from(""));
    if let Some(token) = &token {
        let known = intake.gate.bearer(token, (intake.now)()).ok_or(Refusal::Unauthorized)?;
        whose = (known.tenant.clone(), SourceId::from(&*known.name));
    }
    let announced = Announced::read(&parts.headers, &intake.settings)?;
    let mut settings = intake.settings.clone();
    if token.is_none() {
        settings.batch_bytes_max = UNKNOWN_BYTES_MAX.min(settings.batch_bytes_max);
    }
    let is_known = token.is_some();
    let _room = intake.room.take((&whose.0, &whose.1), &announced, &settings)?;
    let bytes = receive(&mut body.into_data_stream(), &announced, &settings).await?;
    let bytes = unpack(bytes, &announced, &settings)?;
    Ok(Read { request: parts, bytes, charset: announced.charset, media: announced.media, is_known })
}

/// Reads a body that is a JSON object, or a form.
async fn open(intake: &Intake, request: Request, in_path: Option<&str>) -> Result<Opened, Refusal> {
    let Read { request, bytes, charset, media, is_known } = read(intake, request, in_path).await?;
    let body = Body { bytes: &bytes, charset: charset.as_deref() };
    let text = if media == FORM {
        form::to_json(body, &Limits::MODEL).map_err(Refusal::Unreadable)?
    } else {
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let members = serde_json::from_str(&text).map_err(|error| match is_known {
        // Nobody in particular is told how to write it.
        false => Refusal::Unauthorized,
        true => Refusal::Unreadable(format!("the body must be a JSON object: {error}")),
    })?;
    Ok(Opened { request, members })
}

impl Opened {
    /// The text of a member, which is taken out: tokens are not kept with events.
    fn take(&mut self, name: &str) -> Option<String> {
        match self.members.remove(name) {
            Some(Value::String(text)) if !text.is_empty() => Some(text),
            _ => None,
        }
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.members.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
    }

    /// Delivers it through a mapping, with this token where the request has none of its own.
    async fn deliver(self, intake: &Arc<Intake>, mapping: &str, token: Option<String>) -> Result<Receipt, Refusal> {
        let Self { request, members } = self;
        deliver_as(intake, request, mapping, token, Value::Object(members).to_string()).await
    }
}

/// Delivers JSON through a mapping in a request's name.
async fn deliver_as(
    intake: &Arc<Intake>,
    mut parts: axum::http::request::Parts,
    mapping: &str,
    token: Option<String>,
    body: String,
) -> Result<Receipt, Refusal> {
    sign(&mut parts, token)?;
    parts.method = Method::POST;
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    for gone in [header::CONTENT_LENGTH, header::CONTENT_ENCODING, header::EXPECT, header::TRANSFER_ENCODING] {
        parts.headers.remove(gone);
    }
    let request = Request::from_parts(parts, HttpBody::from(body));
    let format = Format::Mapping(mapping.to_owned(), Shape::Json);
    let receipt = deliver(intake, request, None, |_, _| Ok(format)).await?;
    if receipt.accepted == 0 && !receipt.rejected.is_empty() {
        return Err(Refusal::AllRejected(receipt.rejected));
    }
    Ok(receipt)
}

/// Puts the token into the head of a request that has none there.
fn sign(parts: &mut axum::http::request::Parts, token: Option<String>) -> Result<(), Refusal> {
    let known = offered(&parts.headers, &parts.uri).map(Cow::into_owned);
    let token = known.or(token).ok_or(Refusal::Unauthorized)?;
    let bearer = HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| Refusal::Unauthorized)?;
    parts.headers.insert(header::AUTHORIZATION, bearer);
    Ok(())
}

fn random_id() -> String {
    let mut bytes = [0; 16];
    rand::rngs::OsRng.fill_bytes(&mut bytes);
    hex::encode(bytes)
}

/// PagerDuty's Events API v2: the token is the routing key. An acknowledgement is an order for the alert's incident.
async fn enqueue(State(intake): State<Arc<Intake>>, request: Request) -> Response {
    let outcome = async {
        let mut opened = open(&intake, request, None).await?;
        let routing_key = opened.take("routing_key").or_else(|| opened.take("service_key"));
        let known = opened.text("dedup_key").map(str::to_owned);
        if opened.text("event_action") == Some("acknowledge") {
            let missing = "'dedup_key' is missing or blank: an acknowledgement names what it is of";
            let key = known.ok_or_else(|| Refusal::Unreadable(missing.into()))?;
            opened.deliver(&intake, "pagerduty", routing_key).await?;
            return Ok(key);
        }
        // A trigger without a key is an alert of its own, and its sender is told the key to end it by.
        let dedup_key = known.unwrap_or_else(random_id);
        if opened.text("event_action").is_some() {
            opened.members.insert("dedup_key".into(), dedup_key.clone().into());
        }
        opened.deliver(&intake, "pagerduty", routing_key).await?;
        Ok(dedup_key)
    };
    let errors: Vec<String> = match outcome.await {
        Ok(dedup_key) => {
            let told = json!({"status": "success", "message": "Event processed", "dedup_key": dedup_key});
            return (StatusCode::ACCEPTED, Json(told)).into_response();
        }
        Err(Refusal::AllRejected(rejected)) => {
            intake.counters.refused(&Refusal::AllRejected(rejected.clone()));
            rejected.into_iter().map(|rejected| rejected.detail).collect()
        }
        Err(Refusal::Unreadable(why)) => {
            intake.counters.refused(&Refusal::Unreadable(why.clone()));
            vec![why]
        }
        Err(refusal) => return answer(&intake, Err(refusal)),
    };
    let told = json!({"status": "invalid event", "message": "Event object is invalid", "errors": errors});
    (StatusCode::BAD_REQUEST, Json(told)).into_response()
}

/// Opsgenie: an alert is created. The token is the API key.
async fn opsgenie_create(State(intake): State<Arc<Intake>>, request: Request) -> Response {
    opsgenie(&intake, request, "create", None).await
}

/// How the alert is named in the address.
#[derive(Default, Deserialize)]
struct IdentifierType {
    #[serde(rename = "identifierType")]
    kind: Option<String>,
}

/// Opsgenie: something is done to an alert. Its end is an event; what people have done with it is an order for its incident.
async fn opsgenie_change(
    State(intake): State<Arc<Intake>>,
    Path((alias, action)): Path<(String, String)>,
    Query(identifier): Query<IdentifierType>,
    request: Request,
) -> Response {
    let is_alias = identifier.kind.as_deref() == Some("alias");
    opsgenie(&intake, request, &action, Some(Named { alias, is_alias })).await
}

/// The alert that an address names.
struct Named {
    alias: String,
    is_alias: bool,
}

async fn opsgenie(intake: &Arc<Intake>, request: Request, action: &str, named: Option<Named>) -> Response {
    let (id, began) = (random_id(), std::time::Instant::now());
    let outcome = async {
        let mut opened = open(intake, request, None).await?;
        if action == "notes" && opened.text("note").is_none_or(|note| note.trim().is_empty()) {
            return Err(Refusal::Unreadable("note is missing or blank".into()));
        }
        let needs_alias = matches!(action, "close" | "acknowledge" | "unacknowledge" | "notes");
        if needs_alias && named.as_ref().is_some_and(|named| !named.is_alias) {
            return Err(Refusal::Unreadable("alerts are known by alias here: add ?identifierType=alias".into()));
        }
        let alias = named
            .map(|named| named.alias)
            .or_else(|| opened.text("alias").map(str::to_owned))
            .unwrap_or_else(|| id.clone());
        opened.members.insert("alias".into(), alias.into());
        opened.members.insert("action".into(), action.into());
        opened.deliver(intake, "opsgenie", None).await.map(drop)
    };
    let told = outcome.await.map(|()| {
        let took = began.elapsed().as_secs_f64();
        let told = json!({"result": "Request will be processed", "took": took, "requestId": id});
        (StatusCode::ACCEPTED, Json(told)).into_response()
    });
    answer(intake, told)
}

/// Slack's incoming webhook: the token is the last part of the address.
async fn slack(
    State(intake): State<Arc<Intake>>,
    Path((_, _, token)): Path<(String, String, String)>,
    request: Request,
) -> Response {
    let outcome = async { open(&intake, request, Some(&token)).await?.deliver(&intake, "slack", Some(token)).await };
    answer(&intake, outcome.await.map(|_| "ok".into_response()))
}

/// The robots of DingTalk and WeCom: the token is in the query.
async fn dingtalk_or_wecom(State(intake): State<Arc<Intake>>, request: Request) -> Response {
    let outcome = async { open(&intake, request, None).await?.deliver(&intake, "robot", None).await };
    let good = |_| Json(json!({"errcode": 0, "errmsg": "ok"})).into_response();
    answer(&intake, outcome.await.map(good))
}

/// Feishu's robot: the token is the last part of the address.
async fn feishu(State(intake): State<Arc<Intake>>, Path(token): Path<String>, request: Request) -> Response {
    let outcome = async { open(&intake, request, Some(&token)).await?.deliver(&intake, "robot", Some(token)).await };
    let good = |_| Json(json!({"code": 0, "msg": "success", "StatusCode": 0})).into_response();
    answer(&intake, outcome.await.map(good))
}

/// FlashDuty's standard alert events: the token is the integration key in the query.
async fn flashduty(State(intake): State<Arc<Intake>>, request: Request) -> Response {
    let id = random_id();
    let outcome = async { open(&intake, request, None).await?.deliver(&intake, "flashduty", None).await };
    let good = |_| Json(json!({"request_id": id, "data": {}})).into_response();
    answer(&intake, outcome.await.map(good))
}

/// OpenTelemetry's logs over HTTP, protobuf or JSON.
async fn otlp_logs(State(intake): State<Arc<Intake>>, request: Request) -> Response {
    let is_json = request
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|media| media.as_bytes().starts_with(b"application/json"));
    let outcome = async {
        let Read { request: parts, bytes, is_known, .. } = read(&intake, request, None).await?;
        if !is_known {
            return Err(Refusal::Unauthorized);
        }
        let written = if is_json { otlp::from_json(&bytes, Limits::MODEL.depth) } else { otlp::from_protobuf(&bytes) };
        let records = written.map_err(Refusal::Unreadable)?;
        deliver_as(&intake, parts, "otlp-logs", None, records).await
    };
    let told = outcome.await.map(|receipt| {
        // What could not be taken is kept as dead letters: the exporter need not send it again.
        let rejected = receipt.rejected.len();
        if is_json {
            let told = if rejected == 0 {
                json!({})
            } else {
                json!({"partialSuccess": {"rejectedLogRecords": rejected.to_string()}})
            };
            return Json(told).into_response();
        }
        ([(header::CONTENT_TYPE, "application/x-protobuf")], Vec::<u8>::new()).into_response()
    });
    answer(&intake, told)
}

/// CloudAlert's REST API: the token is the app key in the body.
async fn cloud_alert(State(intake): State<Arc<Intake>>, request: Request) -> Response {
    let outcome = async {
        let mut opened = open(&intake, request, None).await?;
        let app = opened.take("app");
        opened.deliver(&intake, "ruixiangyun", app).await
    };
    let good = |_| Json(json!({"result": "success", "message": "event processed"})).into_response();
    answer(&intake, outcome.await.map(good))
}
