//! Callbacks: buttons that were pressed in a chat, texts that were answered, keys of a phone. The system's signature is
//! checked first; a code is believed from its own person only, and few wrong ones are listened to.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use super::deed::Deed;
use super::words::{help, outcome, which};
use super::{Acting, Outcome, actor, ticket};
use crate::delivery::ears::{self, Call, Deaf, Ear, Heard, Place, Reply, Said, Tongue, Who};
use crate::domain::ids::{IncidentId, PersonId, ReceiverId, TenantId};
use crate::domain::time::{Span, Timestamp};
use crate::engine::input::{Command, Order};

/// Wrong codes of one person in `WITHIN`; further ones are not looked at.
const GUESSES_MAX: usize = 5;
const WITHIN: Span = Span::mins(10);
/// Digits of a code.
const CODE_DIGITS: usize = 4;

/// Wrong codes lately.
#[derive(Default)]
pub struct Guesses(Mutex<BTreeMap<PersonId, Vec<Timestamp>>>);

impl Guesses {
    fn are_too_many(&self, person: &PersonId, now: Timestamp) -> bool {
        let mut all = self.0.lock().expect("nobody panics while holding it");
        all.retain(|_, at| at.last().is_some_and(|last| now.since(*last) < WITHIN));
        all.get(person).is_some_and(|at| at.iter().filter(|at| now.since(**at) < WITHIN).count() >= GUESSES_MAX)
    }

    fn note(&self, person: &PersonId, now: Timestamp) {
        self.0.lock().expect("nobody panics while holding it").entry(person.clone()).or_default().push(now);
    }
}

/// Takes a request.
pub async fn take(
    State(acting): State<Arc<Acting>>,
    Path(receiver): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let receiver = ReceiverId::from(receiver.as_str());
    let Some(ear) = acting.desk.ear(&receiver) else { return StatusCode::NOT_FOUND.into_response() };
    let query = pairs(&query.unwrap_or_default());
    let call = Call { headers: &headers, query: &query, body: &body, now: acting.desk.now() };
    match ear.hear(&call) {
        Ok(Heard::Several(all)) => {
            for one in all {
                // Each is its own: the gateway is thanked for all of them.
                take_one(&acting, &receiver, &ear, one).await;
            }
            StatusCode::OK.into_response()
        }
        Ok(heard) => take_one(&acting, &receiver, &ear, heard).await,
        Err(error) => {
            tracing::warn!(receiver = %receiver, %error, "a callback is not believed");
            let status = match error {
                Deaf::Unsigned | Deaf::Old => StatusCode::UNAUTHORIZED,
                Deaf::Strange(_) => StatusCode::BAD_REQUEST,
            };
            (status, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], error.to_string()).into_response()
        }
    }
}

/// What one press, text or change of a ticket does.
async fn take_one(acting: &Acting, receiver: &ReceiverId, ear: &Ear, heard: Heard) -> Response {
    match heard {
        Heard::Greeting(reply) => told(reply),
        Heard::Nothing | Heard::Several(_) => thanked(ear),
        Heard::Pressed { by, word, mark } => {
            let Pressed { text, shown, told } = pressed(acting, receiver, ear, &by, &word, &mark).await;
            reply(acting, receiver, &by, &told);
            answer(acting, ear, &Said { to: &by, text: &text, shown })
        }
        Heard::Said { by, text } => {
            let text = said(acting, receiver, ear, &by, &text).await;
            reply(acting, receiver, &by, &text);
            answer(acting, ear, &Said { to: &by, text: &text, shown: None })
        }
        Heard::Ticket { ticket, deed, proof } => match acting.desk.vouches(receiver, &proof).await {
            Ok(true) => match ticket::take(&*acting.desk, receiver, &ticket, deed).await {
                Outcome::Later => StatusCode::SERVICE_UNAVAILABLE.into_response(),
                Outcome::Done | Outcome::Again | Outcome::Refused(_) | Outcome::Waits => thanked(ear),
            },
            Ok(false) => {
                tracing::warn!(receiver = %receiver, "a callback is not believed: the system does not know its token");
                StatusCode::UNAUTHORIZED.into_response()
            }
            Err(why) => {
                tracing::warn!(receiver = %receiver, why, "a callback cannot be verified now");
                StatusCode::SERVICE_UNAVAILABLE.into_response()
            }
        },
    }
}

/// Answers apart where the system wants that; its request does not wait for it.
fn reply(acting: &Acting, receiver: &ReceiverId, by: &Who, text: &str) {
    if let Place::Apart(to) = &by.at
        && !text.is_empty()
    {
        tokio::spawn(acting.desk.reply(receiver, to, text));
    }
}

fn pairs(query: &str) -> Vec<(String, String)> {
    let url = reqwest::Url::parse(&format!("form:?{query}"));
    let read = |url: reqwest::Url| url.query_pairs().map(|(k, v)| (k.into_owned(), v.into_owned())).collect();
    url.map(read).unwrap_or_default()
}

fn told(reply: Reply) -> Response {
    let (kind, text) = match reply {
        Reply::Json(text) => ("application/json", text),
        Reply::Plain(text) => ("text/plain; charset=utf-8", text),
        Reply::Xml(text) => ("text/xml; charset=utf-8", text),
    };
    ([(header::CONTENT_TYPE, kind)], text).into_response()
}

fn answer(acting: &Acting, ear: &Ear, said: &Said<'_>) -> Response {
    ear.answer(said, acting.desk.now()).map_or_else(|| StatusCode::OK.into_response(), told)
}

/// The answer to a system that wants none but to know that it was heard.
fn thanked(ear: &Ear) -> Response {
    match &ear.tongue {
        Tongue::Ticket(desk, _) => ears::ticket::thanks(*desk).map_or_else(|| StatusCode::OK.into_response(), told),
        Tongue::Slack(_)
        | Tongue::Telegram(_)
        | Tongue::Dingtalk(_)
        | Tongue::DingtalkCard(_)
        | Tongue::Feishu { .. }
        | Tongue::Wecom { .. }
        | Tongue::Phone(_) => StatusCode::OK.into_response(),
    }
}

/// What became of a pressed button.
struct Pressed {
    text: String,
    /// What stands in the message's place.
    shown: Option<Value>,
    /// The same for others: who did it stands before.
    told: String,
}

impl From<String> for Pressed {
    fn from(text: String) -> Self {
        Self { told: text.clone(), text, shown: None }
    }
}

async fn pressed(acting: &Acting, receiver: &ReceiverId, ear: &Ear, by: &Who, word: &str, mark: &str) -> Pressed {
    let person = acting.desk.person_at(receiver, &by.id);
    let lang = person.as_ref().and_then(|person| acting.desk.language(person)).unwrap_or(ear.lang);
    let seal = acting.desk.seal();
    if let Tongue::Phone(_) = ear.tongue {
        // A call: the key names the message that was read out.
        return answered_call(acting, receiver, ear, by, word, mark).await.into();
    }
    let Some((tenant, incident)) = seal.read_mark(mark, receiver.as_str()) else {
        return help().of(lang).to_owned().into();
    };
    let Some(deed) = Deed::of_word(word) else { return help().of(lang).to_owned().into() };
    let (actor, via) = (actor(&*acting.desk, receiver, by), receiver.as_str().into());
    // One button, pressed twice by one person within its message, is one deed.
    let id = format!("{}-{}", seal.name(mark), deed.word()).into();
    let ended = carry_out(
        acting,
        &tenant,
        incident,
        &deed,
        Command { tenant: tenant.clone(), actor, id, via, order: none(incident) },
    )
    .await;
    let text = outcome(&deed, &ended).of(lang).to_owned();
    let who = match &person {
        Some(person) => called(acting, &tenant, person),
        None if by.name.is_empty() => by.id.clone(),
        None => by.name.clone(),
    };
    let told = format!("{who} · {incident} {text}");
    let said = format!("{who} · {text}");
    let shown = acting.desk.shown(receiver, (&tenant, incident), &said, lang);
    Pressed { text, shown, told }
}

/// What people call a person.
fn called(acting: &Acting, tenant: &TenantId, person: &PersonId) -> String {
    let known = acting.desk.people(tenant).into_iter().find(|(id, _)| id == person);
    known.map_or_else(|| person.to_string(), |(_, name)| name)
}

/// A placeholder until the order is known; never sent.
const fn none(incident: IncidentId) -> Order {
    Order::Wake { incident }
}

async fn carry_out(acting: &Acting, tenant: &TenantId, incident: IncidentId, deed: &Deed, command: Command) -> Outcome {
    let view = acting.desk.incident(tenant, incident);
    match deed.order(incident, view.as_ref(), acting.desk.now()) {
        Some(order) => acting.desk.order(Command { order, ..command }).await,
        None => Outcome::Refused("no root cause is known".into()),
    }
}

/// Keys during a call: which message was read out is in the key that we sent along, `<incident>-<version>-…`.
async fn answered_call(acting: &Acting, receiver: &ReceiverId, ear: &Ear, by: &Who, digits: &str, key: &str) -> String {
    let (tenant, lang) = (acting.desk.tenant(), ear.lang);
    let (Some(person), Some(deed)) = (acting.desk.person_at(receiver, &by.id), Deed::of_saying(digits.trim())) else {
        return help().of(lang).to_owned();
    };
    let open = acting.desk.open(&tenant);
    let meant = open.into_iter().find(|incident| key.starts_with(&format!("{incident}-")));
    let Some(incident) = meant else { return help().of(lang).to_owned() };
    let (actor, via, id) = (person.as_str().into(), receiver.as_str().into(), format!("{key}-{}", deed.word()).into());
    let command = Command { tenant: tenant.clone(), actor, id, via, order: none(incident) };
    let ended = carry_out(acting, &tenant, incident, &deed, command).await;
    outcome(&deed, &ended).of(lang).to_owned()
}

/// The words of a text; what is written together, as in `4457认领`, is two.
fn words(text: &str) -> Vec<&str> {
    let is_latin = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
    let mut words = Vec::new();
    for mut rest in text.split_whitespace() {
        while let Some(first) = rest.chars().next() {
            let end = rest.find(|letter| is_latin(letter) != is_latin(first)).unwrap_or(rest.len());
            words.push(&rest[..end]);
            rest = &rest[end..];
        }
    }
    words
}

/// Whether somebody asks who has duty.
fn asks_who(word: &str) -> bool {
    word.contains("值班") || ["who", "oncall", "on-call"].contains(&word.to_lowercase().as_str())
}

/// A text: a word and an incident (in a chat), or a code (from a phone); or the question who has duty.
async fn said(acting: &Acting, receiver: &ReceiverId, ear: &Ear, by: &Who, text: &str) -> String {
    let (tenant, lang, now) = (acting.desk.tenant(), ear.lang, acting.desk.now());
    let words = words(text);
    if words.iter().any(|word| asks_who(word)) {
        return acting.desk.on_duty(&tenant);
    }
    let person = acting.desk.person_at(receiver, &by.id);
    let deed = words.iter().find_map(|word| Deed::of_saying(word));
    let is_code = |word: &&&str| word.len() == CODE_DIGITS && word.bytes().all(|byte| byte.is_ascii_digit());
    let incident = if let Tongue::Phone(_) = ear.tongue {
        // A number that nobody of ours has is not answered: whoever guesses learns nothing.
        let Some(person) = &person else { return String::new() };
        if acting.guesses.are_too_many(person, now) {
            tracing::warn!(person = %person, "too many wrong codes: not listened to for a while");
            return String::new();
        }
        let code = words.iter().find(is_code);
        let seal = acting.desk.seal();
        let means = |id: &IncidentId| code.is_some_and(|code| seal.code(&tenant, *id, person.as_str()) == **code);
        let mut found: Vec<IncidentId> = acting.desk.open(&tenant).into_iter().filter(means).collect();
        if found.is_empty() {
            acting.guesses.note(person, now);
        }
        // Few digits may be those of several incidents: then it is also said which one is meant.
        if found.len() > 1 {
            let named: Vec<IncidentId> = words.iter().filter_map(|word| IncidentId::parse(word)).collect();
            let meant: Vec<IncidentId> = found.iter().copied().filter(|id| named.contains(id)).collect();
            match meant[..] {
                [one] => found = vec![one],
                _ => return which(code.map_or("", |code| code), &found).of(lang).to_owned(),
            }
        }
        found.first().copied()
    } else {
        words.iter().find_map(|word| IncidentId::parse(word)).filter(|id| acting.desk.incident(&tenant, *id).is_some())
    };
    let is_phone = matches!(ear.tongue, Tongue::Phone(_));
    // A code alone says: I have it.
    let deed = deed.or_else(|| is_phone.then_some(Deed::Acknowledge));
    let (Some(incident), Some(deed)) = (incident, deed) else { return help().of(lang).to_owned() };
    let (actor, via) = (actor(&*acting.desk, receiver, by), receiver.as_str().into());
    // Gateways repeat what they were not thanked for in time.
    let id = format!("{}-{}", acting.desk.seal().name(&format!("{incident}{}{}", by.id, now.0 / 600_000)), deed.word())
        .into();
    let command = Command { tenant: tenant.clone(), actor, id, via, order: none(incident) };
    let ended = carry_out(acting, &tenant, incident, &deed, command).await;
    format!("{incident} {}", outcome(&deed, &ended).of(lang))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_together_is_read_apart() {
        assert_eq!(words("4457认领"), ["4457", "认领"]);
        assert_eq!(words(" 认领i0-12 "), ["认领", "i0-12"]);
        assert_eq!(words("不是根因 i0-12"), ["不是根因", "i0-12"]);
        for asked in ["谁值班", "现在谁值班？", "who", "On-Call"] {
            assert!(words(asked).into_iter().any(asks_who), "{asked}");
        }
        assert!(!words("whoever 4457").into_iter().any(asks_who));
    }
}
