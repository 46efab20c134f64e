//! Telegram's updates for a bot: presses of inline buttons, and texts.
//!
//! Documents: core.telegram.org/bots/api, `setWebhook` (`secret_token` comes back in the header
//! `X-Telegram-Bot-Api-Secret-Token`), `CallbackQuery` (`data` has 1 to 64 bytes), "Making requests when getting updates": the
//! answer may be a method with its parameters; `answerCallbackQuery` shows up to 200 characters to who has pressed, and until
//! then their button turns; `sendMessage` has up to 4,096.

use serde::Deserialize;
use serde_json::json;

use super::{Call, Deaf, Heard, Place, Reply, Said, Who, parsed, same};
use crate::delivery::channels::fit;

const NOTE_CHARS_MAX: usize = 200;
const TEXT_CHARS_MAX: usize = 4096;

#[derive(Deserialize)]
struct Update {
    callback_query: Option<Query>,
    message: Option<Message>,
}

#[derive(Deserialize)]
struct Query {
    id: String,
    from: User,
    #[serde(default)]
    data: String,
}

#[derive(Deserialize)]
struct Message {
    chat: Chat,
    from: Option<User>,
    #[serde(default)]
    text: String,
}

/// A group has a negative number.
#[derive(Deserialize)]
struct Chat {
    id: i64,
}

#[derive(Deserialize)]
struct User {
    id: i64,
    #[serde(default)]
    username: String,
    #[serde(default)]
    first_name: String,
}

impl User {
    fn at(self, at: Place) -> Who {
        let name = if self.username.is_empty() { self.first_name } else { self.username };
        Who { id: self.id.to_string(), name, at }
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
        let by = query.from.at(Place::Press(query.id));
        return Ok(Heard::Pressed { word: word.to_owned(), mark: mark.to_owned(), by });
    }
    Ok(match update.message.and_then(|message| Some((message.chat.id, message.from?, message.text))) {
        // What people of a group say to each other is not said to us.
        Some((chat, from, text)) if text.starts_with('/') || (chat >= 0 && !text.is_empty()) => {
            Heard::Said { by: from.at(Place::Chat(chat)), text: command(&text) }
        }
        Some(_) | None => Heard::Nothing,
    })
}

/// `/who@headwater_bot now` is said as `who now`.
fn command(text: &str) -> String {
    let Some(rest) = text.strip_prefix('/') else { return text.to_owned() };
    let (first, rest) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let word = first.split_once('@').map_or(first, |(word, _)| word);
    format!("{word} {rest}").trim_end().to_owned()
}

/// A note to who has pressed, a message to who has written.
pub fn answer(said: &Said<'_>) -> Option<Reply> {
    let call = match &said.to.at {
        Place::Press(id) => {
            json!({ "method": "answerCallbackQuery", "callback_query_id": id, "text": fit::chars(said.text, NOTE_CHARS_MAX) })
        }
        Place::Chat(chat) if !said.text.is_empty() => {
            json!({ "method": "sendMessage", "chat_id": chat, "text": fit::chars(said.text, TEXT_CHARS_MAX) })
        }
        Place::Chat(_) | Place::Here | Place::Apart(_) => return None,
    };
    Some(Reply::Json(call.to_string()))
}
