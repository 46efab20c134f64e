//! Telegram's updates for a bot: presses of inline buttons, and texts.
//!
//! Documents: core.telegram.org/bots/api, `setWebhook` (`secret_token` comes back in the header
//! `X-Telegram-Bot-Api-Secret-Token`) and `CallbackQuery` (`data` has 1 to 64 bytes).

use serde::Deserialize;

use super::{Call, Deaf, Heard, Who, parsed, same};

#[derive(Deserialize)]
struct Update {
    callback_query: Option<Query>,
    message: Option<Message>,
}

#[derive(Deserialize)]
struct Query {
    from: User,
    #[serde(default)]
    data: String,
}

#[derive(Deserialize)]
struct Message {
    from: Option<User>,
    #[serde(default)]
    text: String,
}

#[derive(Deserialize)]
struct User {
    id: i64,
    #[serde(default)]
    username: String,
    #[serde(default)]
    first_name: String,
}

impl From<User> for Who {
    fn from(user: User) -> Self {
        let name = if user.username.is_empty() { user.first_name } else { user.username };
        Self { id: user.id.to_string(), name }
    }
}

/// Reads a request. A button's data is a word and a mark: `ack:<mark>`.
///
/// # Errors
/// When it is not believed or not understood.
pub fn hear(secret: &str, call: &Call<'_>) -> Result<Heard, Deaf> {
    if !same(secret, call.header("x-telegram-bot-api-secret-token")?) {
        return Err(Deaf::Unsigned);
    }
    let update: Update = parsed(call.body)?;
    if let Some(query) = update.callback_query {
        let Some((word, mark)) = query.data.split_once(':') else { return Ok(Heard::Nothing) };
        return Ok(Heard::Pressed { word: word.to_owned(), mark: mark.to_owned(), by: query.from.into() });
    }
    Ok(match update.message.and_then(|message| Some((message.from?, message.text))) {
        Some((from, text)) if !text.is_empty() => Heard::Said { by: from.into(), text },
        Some(_) | None => Heard::Nothing,
    })
}
