//! Card callbacks of a Feishu (Lark) app, and what people write to it.
//!
//! Documents: open.feishu.cn, "卡片回传交互", "接收消息" (`im.message.receive_v1`: of a group only what calls the app by name) and "配置 Encrypt Key": with an encrypt key the header `X-Lark-Signature` is the hex
//! SHA-256 (no HMAC) of timestamp + nonce + encrypt key + body, and the body is `{"encrypt": …}`: base64 of 16 bytes IV and
//! AES-256-CBC with the SHA-256 of the key, PKCS#7. `url_verification` is answered with its challenge. The answer, within 3
//! seconds, may bring a `toast` and a `card` in place of the one that was pressed.

use aes::Aes256;
use aes::cipher::block_padding::Pkcs7;
use aes::cipher::{BlockModeDecrypt as _, KeyIvInit as _};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{Call, Deaf, Heard, Place, Reply, Said, Who, same, strange};

/// What an app's settings in the developer console say.
#[derive(Clone, Copy, Debug)]
pub struct Keys<'a> {
    pub verification_token: &'a str,
    pub encrypt_key: Option<&'a str>,
}

/// Reads a request.
///
/// # Errors
/// When it is not believed or not understood.
pub fn hear(keys: Keys<'_>, call: &Call<'_>) -> Result<Heard, Deaf> {
    let outer: Value = super::parsed(call.body)?;
    let event = match (keys.encrypt_key, outer["encrypt"].as_str()) {
        (Some(key), Some(text)) => {
            let event: Value = serde_json::from_slice(&opened(key, text)?).map_err(strange)?;
            // The handshake alone comes without a signature.
            if event["type"] != "url_verification" {
                is_signed(key, call)?;
            }
            event
        }
        (Some(_), None) | (None, Some(_)) => return Err(Deaf::Unsigned),
        (None, None) => outer,
    };
    let token = event["token"].as_str().or_else(|| event.pointer("/header/token")?.as_str()).unwrap_or_default();
    if !same(token, keys.verification_token) {
        return Err(Deaf::Unsigned);
    }
    if event["type"] == "url_verification" {
        return Ok(Heard::Greeting(Reply::Json(json!({ "challenge": event["challenge"] }).to_string())));
    }
    let inner = event.get("event").unwrap_or(&event);
    if let Some(message) = inner.get("message") {
        return Ok(written(message, inner.pointer("/sender/sender_id/open_id").and_then(Value::as_str)));
    }
    let value = &inner["action"]["value"];
    let (Some(word), Some(mark)) = (value["word"].as_str(), value["mark"].as_str()) else { return Ok(Heard::Nothing) };
    let operator = inner.get("operator").unwrap_or(inner);
    let id = operator["open_id"].as_str().unwrap_or_default().to_owned();
    let name = operator["user_id"].as_str().unwrap_or_default().to_owned();
    Ok(Heard::Pressed { by: Who { id, name, ..Who::default() }, word: word.to_owned(), mark: mark.to_owned() })
}

/// A text to the app; whoever is called in it stands there as `@_user_1`.
fn written(message: &Value, from: Option<&str>) -> Heard {
    let content = message["content"].as_str().unwrap_or_default();
    let content: Value = serde_json::from_str(content).unwrap_or_default();
    let text = content["text"].as_str().unwrap_or_default();
    let text = text.split_whitespace().filter(|word| !word.starts_with("@_")).collect::<Vec<_>>().join(" ");
    match (from, message["message_id"].as_str()) {
        (Some(from), Some(id)) if !text.is_empty() => {
            let by = Who { id: from.to_owned(), name: String::new(), at: Place::Apart(id.to_owned()) };
            Heard::Said { by, text }
        }
        _ => Heard::Nothing,
    }
}

/// A word for who has pressed, and the card that stands in its place for everybody. Who has written is answered apart.
pub fn answer(said: &Said<'_>) -> Option<Reply> {
    if said.to.at != Place::Here {
        return None;
    }
    let mut answer = json!({ "toast": { "type": "info", "content": said.text } });
    if let Some(card) = &said.shown {
        answer["card"] = json!({ "type": "raw", "data": card });
    }
    Some(Reply::Json(answer.to_string()))
}

fn is_signed(key: &str, call: &Call<'_>) -> Result<(), Deaf> {
    let (at, nonce) = (call.header("x-lark-request-timestamp")?, call.header("x-lark-request-nonce")?);
    call.is_fresh(at.parse().map_err(|_| Deaf::Unsigned)?)?;
    let sum = Sha256::new().chain_update(at).chain_update(nonce).chain_update(key).chain_update(call.body).finalize();
    if same(hex::encode(sum), call.header("x-lark-signature")?) { Ok(()) } else { Err(Deaf::Unsigned) }
}

fn opened(key: &str, text: &str) -> Result<Vec<u8>, Deaf> {
    let bytes = BASE64_STANDARD.decode(text).map_err(|_| Deaf::Unsigned)?;
    let (iv, sealed) = bytes.split_at_checked(16).ok_or(Deaf::Unsigned)?;
    let key = Sha256::digest(key.as_bytes());
    let cipher = cbc::Decryptor::<Aes256>::new_from_slices(&key, iv).map_err(|_| Deaf::Unsigned)?;
    cipher.decrypt_padded_vec::<Pkcs7>(sealed).map_err(|_| Deaf::Unsigned)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The published example of "Encrypt Key 解密".
    #[test]
    fn the_published_example_is_opened() {
        let text = "P37w+VZImNgPEO1RBhJ6RtKl7n6zymIbEG1pReEzghk=";
        assert_eq!(opened("test key", text).unwrap(), b"hello world");
        assert_eq!(opened("test kez", text), Err(Deaf::Unsigned));
        assert_eq!(opened("test key", "AAAA"), Err(Deaf::Unsigned));
    }
}
