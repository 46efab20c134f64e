//! Callbacks of a WeCom app.
//!
//! Documents: developer.work.weixin.qq.com/document/path/90238 and 90930: `msg_signature` = hex SHA-1 of token, timestamp, nonce
//! and the encrypted text, sorted and joined; AES-256-CBC with base64(EncodingAESKey + "="), IV = its first 16 bytes, PKCS#7 to
//! 32 bytes; inside 16 random bytes, the length in network order, the message, the receive id. A GET with `echostr` proves the
//! address. The event `template_card_event` carries `EventKey` of the button; the answer, within 5 seconds, may be a message
//! (path/90241): `update_template_card` puts another card in its place, `update_button` a word on its buttons.

use std::fmt::Write as _;

use aes::Aes256;
use aes::cipher::block_padding::NoPadding;
use aes::cipher::{BlockModeDecrypt as _, BlockModeEncrypt as _, KeyIvInit as _};
use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::Value;
use sha1::{Digest as _, Sha1};

use super::{Call, Deaf, Heard, Reply, Said, Who, same, strange};
use crate::domain::time::Timestamp;

/// Keys may end in bits that mean nothing.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What the app's page 接收消息 says.
#[derive(Clone, Copy, Debug)]
pub struct Keys<'a> {
    pub token: &'a str,
    pub aes_key: &'a str,
    /// The company's id: whatever is for another one is refused.
    pub corp_id: &'a str,
}

/// The hex SHA-1 over the four texts.
fn signature(token: &str, at: &str, nonce: &str, sealed: &str) -> String {
    let mut parts = [token, at, nonce, sealed];
    parts.sort_unstable();
    hex::encode(Sha1::digest(parts.concat().as_bytes()))
}

/// Reads a request.
///
/// # Errors
/// When it is not believed or not understood.
pub fn hear(keys: Keys<'_>, call: &Call<'_>) -> Result<Heard, Deaf> {
    let param = |name: &str| call.param(name).ok_or(Deaf::Unsigned);
    let (at, nonce, signed) = (param("timestamp")?, param("nonce")?, param("msg_signature")?);
    let echo = call.param("echostr");
    let text = std::str::from_utf8(call.body).map_err(strange)?;
    let sealed = match echo {
        Some(echo) => echo.to_owned(),
        None => element(text, "Encrypt").ok_or_else(|| strange("there is no Encrypt"))?,
    };
    if !same(signature(keys.token, at, nonce, &sealed), signed) {
        return Err(Deaf::Unsigned);
    }
    call.is_fresh(at.parse().map_err(|_| Deaf::Unsigned)?)?;
    let message = opened(keys, &sealed)?;
    if echo.is_some() {
        return Ok(Heard::Greeting(Reply::Plain(message)));
    }
    let by = || {
        let id = element(&message, "FromUserName").unwrap_or_default();
        Who { name: id.clone(), id, ..Who::default() }
    };
    match (element(&message, "MsgType").as_deref(), element(&message, "Event").as_deref()) {
        (Some("event"), Some("template_card_event")) => {
            let key = element(&message, "EventKey").unwrap_or_default();
            let Some((word, mark)) = key.split_once(':') else { return Ok(Heard::Nothing) };
            Ok(Heard::Pressed { by: by(), word: word.to_owned(), mark: mark.to_owned() })
        }
        (Some("text"), _) => {
            let text = element(&message, "Content").unwrap_or_default();
            Ok(if text.is_empty() { Heard::Nothing } else { Heard::Said { by: by(), text } })
        }
        _ => Ok(Heard::Nothing),
    }
}

/// The text of the first element of this name, CDATA or not. These messages are flat and without entities that matter here.
fn element(xml: &str, name: &str) -> Option<String> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    let (inner, _) = rest.split_once(&format!("</{name}>"))?;
    let inner = inner.trim();
    let plain = inner.strip_prefix("<![CDATA[").and_then(|rest| rest.strip_suffix("]]>"));
    Some(plain.unwrap_or(inner).to_owned())
}

/// A card, or a word on its buttons, in place of the one that was pressed; a text to who has written.
pub fn answer(keys: Keys<'_>, said: &Said<'_>, now: Timestamp) -> Option<Reply> {
    let secs = now.0.div_euclid(1000);
    let mut message = String::new();
    let to = &said.to.id;
    // Writing to a string cannot fail.
    let _ = write!(message, "<xml>{}", leaf("ToUserName", to) + &leaf("FromUserName", keys.corp_id));
    let _ = write!(message, "<CreateTime>{secs}</CreateTime>");
    message += &match &said.shown {
        Some(shown) if shown.get("replace_name").is_some() => leaf("MsgType", "update_button") + &xml("button", shown),
        Some(shown) => leaf("MsgType", "update_template_card") + &xml("template_card", shown),
        None => leaf("MsgType", "text") + &leaf("Content", said.text),
    };
    message += "</xml>";
    let random: [u8; 16] = rand::random();
    let sealed = closed(keys, &message, &random)?;
    let (at, nonce) = (secs.to_string(), hex::encode(&random[..8]));
    let signed = signature(keys.token, &at, &nonce, &sealed);
    let outer = leaf("Encrypt", &sealed) + &leaf("MsgSignature", &signed);
    Some(Reply::Xml(format!("<xml>{outer}<TimeStamp>{at}</TimeStamp>{}</xml>", leaf("Nonce", &nonce))))
}

/// An element with a text.
fn leaf(name: &str, text: &str) -> String {
    format!("<{name}><![CDATA[{}]]></{name}>", text.replace("]]>", "]] >"))
}

/// A card's JSON as these answers are written: names in capitals without `_`, a list as repeated elements.
fn xml(name: &str, value: &Value) -> String {
    let capital = |word: &str| word[..1].to_ascii_uppercase() + &word[1..];
    let element: String = name.split('_').map(capital).collect();
    match value {
        Value::Array(all) => all.iter().map(|one| xml(name, one)).collect(),
        Value::Object(map) => {
            let inner: String = map.iter().map(|(name, value)| xml(name, value)).collect();
            format!("<{element}>{inner}</{element}>")
        }
        Value::String(text) => leaf(&element, text),
        Value::Number(_) | Value::Bool(_) | Value::Null => format!("<{element}>{value}</{element}>"),
    }
}

/// Encrypts a message, padded to blocks of 32.
fn closed(keys: Keys<'_>, message: &str, random: &[u8; 16]) -> Option<String> {
    let key = LENIENT.decode(keys.aes_key).ok().filter(|key| key.len() == 32)?;
    let length = u32::try_from(message.len()).ok()?.to_be_bytes();
    let mut plain = [random.as_slice(), &length, message.as_bytes(), keys.corp_id.as_bytes()].concat();
    let padding = 32 - plain.len() % 32;
    plain.resize(plain.len() + padding, u8::try_from(padding).ok()?);
    let cipher = cbc::Encryptor::<Aes256>::new_from_slices(&key, &key[..16]).ok()?;
    Some(LENIENT.encode(cipher.encrypt_padded_vec::<NoPadding>(&plain)))
}

fn opened(keys: Keys<'_>, sealed: &str) -> Result<String, Deaf> {
    let key = LENIENT.decode(keys.aes_key).ok().filter(|key| key.len() == 32).ok_or(Deaf::Unsigned)?;
    let bytes = LENIENT.decode(sealed).map_err(|_| Deaf::Unsigned)?;
    let cipher = cbc::Decryptor::<Aes256>::new_from_slices(&key, &key[..16]).map_err(|_| Deaf::Unsigned)?;
    let plain = cipher.decrypt_padded_vec::<NoPadding>(&bytes).map_err(|_| Deaf::Unsigned)?;
    // Padded to blocks of 32: the last byte says by how much.
    let padding = usize::from(*plain.last().ok_or(Deaf::Unsigned)?);
    let end = plain.len().checked_sub(padding).filter(|_| (1..=32).contains(&padding)).ok_or(Deaf::Unsigned)?;
    let inner = plain.get(16..end).ok_or(Deaf::Unsigned)?;
    let (length, rest) = inner.split_first_chunk::<4>().ok_or(Deaf::Unsigned)?;
    let length = u32::from_be_bytes(*length) as usize;
    let (message, receiver) = rest.split_at_checked(length).ok_or(Deaf::Unsigned)?;
    if receiver != keys.corp_id.as_bytes() {
        return Err(Deaf::Unsigned);
    }
    String::from_utf8(message.to_vec()).map_err(strange)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderMap;

    use super::*;
    use crate::domain::time::Timestamp;

    const SEALED: &str = "P9nAzCzyDtyTWESHep1vC5X9xho/qYX3Zpb4yKa9SKld1DsH3Iyt3tP3zNdtp+4RPcs8TgAE7OaBO+FZXvnaqQ==";

    /// The published example: an address is proven.
    #[test]
    fn the_published_example_is_believed_and_opened() {
        assert_eq!(signature("QDG6eK", "1409659589", "263014780", SEALED), "5c45ff5e21c57e6ad56bac8758b79b1d9ac89fd3");
        let keys = Keys {
            token: "QDG6eK",
            aes_key: "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C",
            corp_id: "wx5823bf96d3bd56c7",
        };
        let query = |signed: &str| {
            let pairs =
                [("msg_signature", signed), ("timestamp", "1409659589"), ("nonce", "263014780"), ("echostr", SEALED)];
            pairs.map(|(key, value)| (key.to_owned(), value.to_owned()))
        };
        let hear = |signed: &str, keys: Keys<'_>| {
            let call = Call {
                headers: &HeaderMap::new(),
                query: &query(signed),
                body: b"",
                now: Timestamp(1_409_659_589_000),
            };
            super::hear(keys, &call)
        };
        let signed = "5c45ff5e21c57e6ad56bac8758b79b1d9ac89fd3";
        assert_eq!(hear(signed, keys), Ok(Heard::Greeting(Reply::Plain("1616140317555161061".into()))));
        assert_eq!(hear(&signed.replace('5', "6"), keys), Err(Deaf::Unsigned));
        assert_eq!(hear(signed, Keys { corp_id: "wx1", ..keys }), Err(Deaf::Unsigned), "another company's");
        // What we close, we open, whatever its length.
        for length in 0..70 {
            let message = "牌".repeat(length);
            assert_eq!(opened(keys, &closed(keys, &message, &[7; 16]).unwrap()), Ok(message));
        }
    }

    #[test]
    fn a_card_is_written_as_its_document_has_it() {
        let card = serde_json::json!({ "card_type": "button_interaction", "main_title": { "title": "a]]>b" },
            "button_list": [{ "text": "x", "style": 1, "key": "k" }, { "text": "y", "style": 1, "key": "l" }] });
        let written = xml("template_card", &card);
        let button = |text: &str, key: &str| {
            format!(
                "<ButtonList><Key><![CDATA[{key}]]></Key><Style>1</Style><Text><![CDATA[{text}]]></Text></ButtonList>"
            )
        };
        let expected = format!(
            "<TemplateCard>{}{}<CardType><![CDATA[button_interaction]]></CardType>\
             <MainTitle><Title><![CDATA[a]] >b]]></Title></MainTitle></TemplateCard>",
            button("x", "k"),
            button("y", "l")
        );
        assert_eq!(written, expected);
    }
}
