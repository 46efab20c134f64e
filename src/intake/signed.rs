//! Bodies that are signed instead of sent with a token: Standard Webhooks (id, time and body under HMAC-SHA256) and the signatures of
//! GitHub and of those who do as it does. What is signed with its time is taken once, however often it comes.

use std::sync::Arc;

use axum::Json;
use axum::body::Body as HttpBody;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::Intake;
use super::body::{Announced, receive};
use super::gate::Proven;
use super::once::Turn;
use super::receipt::Receipt;
use super::refusal::Refusal;
use super::routes::{answer, deliver, ingest_format};
use crate::domain::access::{Credential, Role};
use crate::domain::ids::SourceId;
use crate::domain::seal::{hmac_sha256, same};
use crate::domain::time::{Span, Timestamp};

/// The path; it takes POST.
pub const PATH: &str = "/api/v1/sources/{source}/ingest/{mapping}";

/// So far a signed time may be from ours.
const AWAY_MAX: Span = Span::mins(5);
/// Takes a signed body.
pub async fn ingest(
    State(intake): State<Arc<Intake>>,
    Path((source, mapping)): Path<(String, String)>,
    request: Request,
) -> Response {
    answer(&intake, take(&intake, &SourceId::from(source), mapping, request).await)
}

async fn take(intake: &Arc<Intake>, source: &SourceId, mapping: String, request: Request) -> Result<Response, Refusal> {
    let now = (intake.now)();
    let (mut parts, body) = request.into_parts();
    let (kept, secret) = intake.registry.signing(source, now).ok_or(Refusal::Unauthorized)?;
    let announced = Announced::read(&parts.headers, &intake.settings)?;
    let whose = kept.key();
    let _room = intake.room.take((&whose.0, &whose.1), &announced, &intake.settings)?;
    let bytes = receive(&mut body.into_data_stream(), &announced, &intake.settings).await?;
    let id = prove(&secret, &parts.headers, &bytes, now)?;
    let hand = match &id {
        None => None,
        Some(id) => match intake.once.turn(&kept.key(), id, &secret, now).await {
            Turn::Take(hand) => Some(hand),
            Turn::InHand => return Err(Refusal::Busy { wait_secs: intake.settings.retry_after_secs }),
            Turn::Repeated => {
                let nothing = json!({"accepted": 0, "rejected": [], "event_refs": [], "repeated": true});
                return Ok((StatusCode::ACCEPTED, Json(nothing)).into_response());
            }
        },
    };
    let credential = Credential {
        id: format!("signed:{source}").into(),
        tenant: kept.tenant.clone(),
        name: source.as_str().into(),
        role: Role::Source,
        orgs: None,
        areas: None,
    };
    parts.extensions.insert(Proven(Arc::new(credential)));
    let request = Request::from_parts(parts, HttpBody::from(bytes));
    let receipt = deliver(intake, request, None, |announced, _| ingest_format(intake, mapping, announced)).await?;
    if let Some(hand) = hand {
        hand.kept().await;
    }
    Receipt::into_answer(receipt)
}

/// Whether the body is signed with the secret; gives the delivery's id where there is one that is signed, too.
fn prove(secret: &str, headers: &HeaderMap, body: &[u8], now: Timestamp) -> Result<Option<String>, Refusal> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let (Some(id), Some(time), Some(signatures)) =
        (text("webhook-id"), text("webhook-timestamp"), text("webhook-signature"))
    {
        let sent = time
            .parse::<i64>()
            .ok()
            .and_then(|secs| secs.checked_mul(1000))
            .map(Timestamp)
            .ok_or(Refusal::Unauthorized)?;
        if now.since(sent) > AWAY_MAX || sent.since(now) > AWAY_MAX {
            return Err(Refusal::BadSignature("its time is more than five minutes from ours: set the sender's clock"));
        }
        let key = match secret.strip_prefix("whsec_") {
            Some(encoded) => STANDARD.decode(encoded).unwrap_or_else(|_| secret.as_bytes().to_vec()),
            None => secret.as_bytes().to_vec(),
        };
        let want = STANDARD.encode(hmac_sha256(&key, &[id.as_bytes(), b".", time.as_bytes(), b".", body]));
        let given = signatures.split(' ').filter_map(|one| one.strip_prefix("v1,"));
        let is_good = given.into_iter().any(|one| same(one, &want));
        return if is_good { Ok(Some(id.to_owned())) } else { Err(Refusal::BadSignature("it is not the body's")) };
    }
    let given =
        text("x-hub-signature-256").or_else(|| text("sentry-hook-signature")).or_else(|| text("x-signature-256"));
    let given = given.ok_or(Refusal::Unauthorized)?;
    let want = hex::encode(hmac_sha256(secret.as_bytes(), &[body]));
    let given = given.trim_start_matches("sha256=").to_ascii_lowercase();
    if same(&given, &want) { Ok(None) } else { Err(Refusal::BadSignature("it is not the body's")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn signatures_are_proven_as_their_standards_say() {
        // The example of the Standard Webhooks specification.
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let body = br#"{"test": 2432232314}"#;
        let sent = Timestamp(1_614_265_330_000);
        let good = [
            ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
            ("webhook-timestamp", "1614265330"),
            ("webhook-signature", "v1,AAAA v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
        ];
        assert_eq!(prove(secret, &headers(&good), body, sent), Ok(Some("msg_p5jXN8AQM9LWM0D4loKWxJek".into())));
        let bad = |body: &[u8], now| prove(secret, &headers(&good), body, now).unwrap_err();
        assert!(matches!(bad(b"{}", sent), Refusal::BadSignature(_)));
        assert!(bad(body, sent.plus(Span::mins(6))).to_string().contains("clock"));
        // GitHub's example.
        let hub = [("x-hub-signature-256", "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17")];
        assert_eq!(prove("It's a Secret to Everybody", &headers(&hub), b"Hello, World!", sent), Ok(None));
        assert_eq!(prove("s", &headers(&[]), b"", sent), Err(Refusal::Unauthorized));
    }
}
