//! Messages to a DingTalk robot of an app: whoever calls it by name in the group.
//!
//! Documents: open.dingtalk.com, "机器人接收消息": the headers `timestamp` (milliseconds, not older than an hour) and
//! `sign` = base64(HMAC-SHA256(appSecret, timestamp + "\n" + appSecret)). We believe five minutes. The answer may be a message.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;

use super::{Call, Deaf, Heard, Who, parsed, same};
use crate::domain::seal::hmac_sha256;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Message {
    #[serde(default)]
    sender_staff_id: String,
    #[serde(default)]
    sender_id: String,
    #[serde(default)]
    sender_nick: String,
    #[serde(default)]
    text: Text,
}

#[derive(Default, Deserialize)]
struct Text {
    #[serde(default)]
    content: String,
}

/// Reads a request.
///
/// # Errors
/// When it is not believed or not understood.
pub fn hear(secret: &str, call: &Call<'_>) -> Result<Heard, Deaf> {
    let at = call.header("timestamp")?;
    let ms: i64 = at.parse().map_err(|_| Deaf::Unsigned)?;
    call.is_fresh(ms.div_euclid(1000))?;
    let signed = hmac_sha256(secret.as_bytes(), &[at.as_bytes(), b"\n", secret.as_bytes()]);
    if !same(BASE64_STANDARD.encode(signed), call.header("sign")?) {
        return Err(Deaf::Unsigned);
    }
    let message: Message = parsed(call.body)?;
    let id = if message.sender_staff_id.is_empty() { message.sender_id } else { message.sender_staff_id };
    let text = message.text.content.trim().to_owned();
    if text.is_empty() {
        return Ok(Heard::Nothing);
    }
    Ok(Heard::Said { by: Who { id, name: message.sender_nick, ..Who::default() }, text })
}
