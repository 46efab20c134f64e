//! What is pressed on cards of a DingTalk app.
//!
//! Documents: open.dingtalk.com, "注册卡片回调地址" and "事件回调": the header `x-ddpaas-signature` is the base64 of HMAC-SHA256
//! with the `apiSecret` as key over `x-ddpaas-signature-timestamp` (milliseconds). The body is not signed: what is believed of it
//! carries a mark of ours. `content` is a JSON **text**; the button's parameters stand in `cardPrivateData.params`. The answer
//! changes the card.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Call, Deaf, Heard, Reply, Who, same};
use crate::domain::seal::hmac_sha256;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    #[serde(default)]
    r#type: String,
    #[serde(default)]
    user_id: String,
    #[serde(default)]
    content: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Content {
    card_private_data: Private,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Private {
    params: Params,
}

/// What the template's buttons are set to send.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Params {
    word: String,
    mark: String,
}

fn signature(secret: &str, at: &str) -> String {
    BASE64_STANDARD.encode(hmac_sha256(secret.as_bytes(), &[at.as_bytes()]))
}

/// Reads a request.
///
/// # Errors
/// When it is not believed or not understood.
pub fn hear(secret: &str, call: &Call<'_>) -> Result<Heard, Deaf> {
    let at = call.header("x-ddpaas-signature-timestamp")?;
    if !same(signature(secret, at), call.header("x-ddpaas-signature")?) {
        return Err(Deaf::Unsigned);
    }
    let ms: i64 = at.parse().map_err(|_| Deaf::Unsigned)?;
    call.is_fresh(ms.div_euclid(1000))?;
    let event: Event = super::parsed(call.body)?;
    if event.r#type != "actionCallback" {
        return Ok(Heard::Nothing);
    }
    let content: Content = super::parsed(event.content.as_bytes())?;
    let Params { word, mark } = content.card_private_data.params;
    if word.is_empty() || mark.is_empty() {
        return Ok(Heard::Nothing);
    }
    Ok(Heard::Pressed { by: Who { name: event.user_id.clone(), id: event.user_id, ..Who::default() }, word, mark })
}

/// Changes the card for everybody who sees it.
pub fn answer(values: Option<Value>) -> Reply {
    let Some(values) = values else { return Reply::Json("{}".into()) };
    let by_key = json!({ "updateCardDataByKey": true, "updatePrivateDataByKey": true });
    Reply::Json(json!({ "cardUpdateOptions": by_key, "cardData": { "cardParamMap": values } }).to_string())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderMap;

    use super::*;
    use crate::domain::time::Timestamp;

    #[test]
    fn what_is_signed_now_is_believed_and_nothing_else() {
        // As `openssl dgst -sha256 -hmac card-secret -binary | base64` signs the moment.
        let signed = "nR2bBbKzXJY/9jh6S3GAVl7SAAChYr7io5ODVfIT6r0=";
        let at = "1700000000000";
        let body = br#"{"type":"actionCallback","outTrackId":"x","corpId":"ding1","userId":"li",
            "content":"{\"cardPrivateData\":{\"actionIds\":[\"1\"],\"params\":{\"word\":\"ack\",\"mark\":\"m\"}}}"}"#;
        let hear = |signed: &str, at: &str, body: &[u8], now: i64| {
            let mut headers = HeaderMap::new();
            headers.insert("x-ddpaas-signature", signed.parse().unwrap());
            headers.insert("x-ddpaas-signature-timestamp", at.parse().unwrap());
            super::hear("card-secret", &Call { headers: &headers, query: &[], body, now: Timestamp(now) })
        };
        let li = Who { id: "li".into(), name: "li".into(), ..Who::default() };
        let pressed = Heard::Pressed { by: li, word: "ack".into(), mark: "m".into() };
        assert_eq!(hear(signed, at, body, 1_700_000_000_000), Ok(pressed));
        assert_eq!(hear(signed, at, body, 1_700_000_301_000), Err(Deaf::Old));
        assert_eq!(hear(signed, "1700000000001", body, 1_700_000_000_000), Err(Deaf::Unsigned));
        assert_eq!(hear(&signed.to_lowercase(), at, body, 1_700_000_000_000), Err(Deaf::Unsigned));
        assert_eq!(hear(signed, at, br#"{"type":"other"}"#, 1_700_000_000_000), Ok(Heard::Nothing));
        assert!(matches!(hear(signed, at, b"[", 1_700_000_000_000), Err(Deaf::Strange(_))));
    }
}
