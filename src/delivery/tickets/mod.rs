//! Tickets: one per incident in each system, updated and closed with it.
//!
//! Nothing is opened before the system was asked for a ticket with our name on it, so an answer that was lost, or a crash
//! between the system's yes and our record of it, makes no second one. What each system's search is worth stands in its file.
//! Where the ticket is comes back with the result and stays with the incident: later notices need no search.

use std::sync::Arc;

use futures::future::BoxFuture;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::{Method, Url};
use serde_json::Value;

use super::channels::{Ground, Manner, fit};
use super::ears::{Moved, TicketDeed, Who};
use super::http::{Answer, Call, Line, SetupError};
use super::lines::Lines;
use super::{Attempt, Channel};
use crate::domain::ids::{IncidentId, ReceiverId, TenantId};
use crate::domain::incident::TicketRef;
use crate::engine::effect::{Notice, NoticeKind};

pub mod github;
pub mod gitlab;
pub mod itsm;
pub mod jira;
pub mod rest;
pub mod servicenow;

/// How our name begins on a ticket.
pub const OURS: &str = "headwater-";
/// The longest comment that is taken, in characters.
const SAID_CHARS_MAX: usize = 4_000;
/// Comments that are asked for at a time: the newest.
pub const COMMENTS: &str = "100";

/// What a system is asked to do, in its own words.
pub trait System: Send + Sync + 'static {
    /// The kind of receiver, for logs and the console.
    fn name(&self) -> &'static str;

    /// The ticket with our name on it.
    fn find<'a>(&'a self, wire: &'a Wire, name: &'a str, notice: &'a Notice) -> Asked<'a, Option<Found>>;

    /// Opens one.
    fn open<'a>(&'a self, wire: &'a Wire, name: &'a str, notice: &'a Notice, text: &'a Words) -> Asked<'a, Found>;

    /// Adds a text to one.
    fn note<'a>(&'a self, wire: &'a Wire, found: &'a Found, text: &'a Words) -> Asked<'a, ()>;

    /// Sets it to open, or closes it. One that is so already is left alone.
    fn set<'a>(&'a self, wire: &'a Wire, found: &'a Found, to: State, text: &'a Words) -> Asked<'a, ()>;

    /// What people have done to it so far: what they have said, the oldest first, and how far they are. Nothing where a system
    /// cannot be asked.
    fn deeds<'a>(&'a self, _: &'a Wire, _: &'a Found) -> Asked<'a, Vec<TicketDeed>> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }

    /// Whether a callback's own proof is the system's, where it has one.
    fn vouches<'a>(&'a self, _: &'a Wire, _: &'a str) -> Asked<'a, bool> {
        Box::pin(std::future::ready(Ok(true)))
    }
}

/// An answer, or what to do without one.
pub type Asked<'a, T> = BoxFuture<'a, Result<T, Attempt>>;

/// What a ticket is set to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Open,
    Closed,
}

/// A ticket in its system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// As the system's API names it.
    pub id: String,
    /// As people name it.
    pub number: String,
    pub url: String,
}

impl From<&TicketRef> for Found {
    fn from(ticket: &TicketRef) -> Self {
        Self { id: ticket.id.to_string(), number: ticket.number.to_string(), url: ticket.url.to_string() }
    }
}

/// What is written into a ticket.
pub struct Words {
    /// Our name on it.
    pub name: String,
    pub title: String,
    /// What changed, the cause, who is affected, since when, what to do, and why.
    pub text: String,
    /// Where the console shows it.
    pub url: Option<String>,
}

impl Words {
    /// Text and link, in at most so many characters.
    pub fn body(&self, chars_max: usize) -> String {
        fit::with_last(&self.text, self.url.as_deref(), chars_max)
    }

    /// The same below the title, and above both our name: so we know what we have said when it comes back.
    pub fn all(&self, chars_max: usize) -> String {
        fit::with_last(&format!("{}\n{}\n{}", self.name, self.title, self.text), self.url.as_deref(), chars_max)
    }
}

/// The way to a system, and how it is told who asks.
pub struct Wire {
    line: Arc<Line>,
    base: Url,
    /// Header and value with the credential.
    credential: Option<(&'static str, HeaderValue)>,
}

/// What an answer of a system must be.
const ERRORS_SHOWN: usize = 300;

impl Wire {
    /// A way to a system's address; `credential` is a header and its value.
    ///
    /// # Errors
    /// When the address is refused, or the credential has letters that no header may have.
    pub fn new(base: &str, credential: Option<(&'static str, String)>, ground: &Ground) -> Result<Self, SetupError> {
        let base = ground.target(&format!("{}/", base.trim_end_matches('/')))?;
        let credential = credential
            .map(|(name, value)| {
                let wrong = |_| SetupError::setting("token", "it holds letters that no header may have");
                let mut value = HeaderValue::from_str(&value).map_err(wrong)?;
                value.set_sensitive(true);
                Ok::<_, SetupError>((name, value))
            })
            .transpose()?;
        Ok(Self { line: ground.line(&base)?, base, credential })
    }

    /// Asks; a yes is JSON.
    ///
    /// # Errors
    /// What to do next.
    pub async fn ask(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Value, Attempt> {
        let answer = self.answer(method, path, query, body).await?;
        if !answer.status.is_success() {
            return Err(answer.judge());
        }
        if answer.body.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&answer.body).map_err(|_| answer.strange())
    }

    /// Asks; whatever is answered.
    ///
    /// # Errors
    /// When nothing is.
    pub async fn answer(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Answer, Attempt> {
        let mut url = self.base.join(path.trim_start_matches('/')).expect("a path of ours joins any base");
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let mut call = match body {
            Some(body) => Call::json(url, body),
            None => Call::post(url, "application/json", Vec::new()),
        };
        call.method = method;
        if let Some((name, value)) = &self.credential {
            call.headers.insert(*name, value.clone());
        }
        call.headers.insert("accept", HeaderValue::from_static("application/json"));
        self.line.send(call).await
    }

    /// The address of the system, for links, without a slash at its end.
    pub fn base(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }
}

/// A `Basic` or `Bearer` credential.
pub fn authorization(text: String) -> Option<(&'static str, String)> {
    Some((AUTHORIZATION.as_str(), text))
}

/// Tickets of one system.
pub struct Tickets<S> {
    receiver: ReceiverId,
    system: S,
    wire: Wire,
    manner: Manner,
}

impl<S: System> Tickets<S> {
    /// Sets it up.
    pub fn channel(system: S, wire: Wire, ground: &Ground) -> Arc<dyn Channel> {
        let receiver = ReceiverId::from(&*ground.manner.acts.receiver);
        Arc::new(Self { receiver, system, wire, manner: ground.manner.clone() })
    }

    async fn tell(&self, notice: &Notice) -> Result<TicketRef, Attempt> {
        let name = name_of(notice);
        let words = self.words(notice);
        let known = notice.incident.tickets.iter().find(|ticket| ticket.receiver == self.receiver);
        let known = known.map(Found::from);
        let (found, is_fresh) = match known {
            Some(found) => (found, false),
            None => match self.system.find(&self.wire, &name, notice).await? {
                Some(found) => (found, false),
                None => (self.system.open(&self.wire, &name, notice, &words).await?, true),
            },
        };
        match notice.kind {
            // It was opened before, and the answer was lost: it says all that there is to say.
            NoticeKind::Opened | NoticeKind::Action | NoticeKind::Test => {}
            NoticeKind::Updated | NoticeKind::Reminder | NoticeKind::Digest if is_fresh => {}
            NoticeKind::Updated | NoticeKind::Reminder | NoticeKind::Digest | NoticeKind::Recovered => {
                self.system.note(&self.wire, &found, &words).await?;
            }
            NoticeKind::Reopened => self.system.set(&self.wire, &found, State::Open, &words).await?,
            NoticeKind::Merged if notice.incident.merged_into.is_none() => {
                self.system.note(&self.wire, &found, &words).await?;
            }
            NoticeKind::Closed | NoticeKind::Merged => {
                self.system.set(&self.wire, &found, State::Closed, &words).await?;
            }
        }
        Ok(TicketRef {
            receiver: self.receiver.clone(),
            system: self.system.name().into(),
            id: found.id.into(),
            number: found.number.into(),
            url: found.url.into(),
        })
    }

    fn words(&self, notice: &Notice) -> Words {
        let lines = Lines::of(notice, &self.manner.style());
        let text: Vec<&str> = lines.rest().collect();
        Words { name: name_of(notice), title: one_line(&lines.title), text: text.join("\n"), url: lines.url }
    }
}

impl<S: System> Channel for Tickets<S> {
    fn preview(&self, notice: &Notice) -> Result<String, String> {
        let words = self.words(notice);
        Ok(format!("{}\n{}\n\n{}", name_of(notice), words.title, words.body(usize::MAX)))
    }

    fn name(&self) -> &'static str {
        self.system.name()
    }

    fn vouches<'a>(&'a self, proof: &'a str) -> BoxFuture<'a, Result<bool, String>> {
        let asked = self.system.vouches(&self.wire, proof);
        Box::pin(async move { asked.await.map_err(why) })
    }

    fn deeds<'a>(&'a self, ticket: &'a TicketRef) -> BoxFuture<'a, Result<Vec<TicketDeed>, String>> {
        Box::pin(async move { self.system.deeds(&self.wire, &ticket.into()).await.map_err(why) })
    }

    fn send<'a>(&'a self, notice: &'a Notice) -> BoxFuture<'a, Attempt> {
        Box::pin(async move {
            match self.tell(notice).await {
                Ok(ticket) => Attempt::Filed { ticket: Box::new(ticket) },
                Err(attempt) => attempt,
            }
        })
    }
}

/// Our name on a ticket: letters, digits and `-` only, at most 50 of them where a system has labels.
pub fn name_of(notice: &Notice) -> String {
    name(&notice.incident.tenant, notice.incident.id)
}

/// The same by tenant and incident.
pub fn name(tenant: &TenantId, incident: IncidentId) -> String {
    let plain = |letter: char| if letter.is_ascii_alphanumeric() || letter == '-' { letter } else { '-' };
    let tenant: String = tenant.as_str().chars().take(24).map(plain).collect();
    format!("{OURS}{tenant}-{incident}")
}

/// Why there is no answer.
fn why(attempt: Attempt) -> String {
    match attempt {
        Attempt::TryLater { why, .. } | Attempt::Refused { why } | Attempt::LockedOut { why } => why,
        Attempt::Accepted | Attempt::Noted { .. } | Attempt::Filed { .. } | Attempt::Answered { .. } => String::new(),
    }
}

/// Whether a text in a ticket is a note of ours: they begin with our name on it.
pub fn is_ours(text: &str) -> bool {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    // What makes a note plain text stands around it.
    let first = lines.find(|line| !line.starts_with("```") && *line != "{noformat}");
    first.is_some_and(|line| line.starts_with(OURS) && !line.contains(char::is_whitespace))
}

/// What a comment says: a text, or a document of Jira Cloud as lines.
pub fn plain(body: &Value) -> String {
    match body {
        Value::String(text) => fit::chars(text.trim(), SAID_CHARS_MAX),
        Value::Object(node) if node.contains_key("content") => {
            let parts: Vec<String> = node["content"].as_array().into_iter().flatten().map(plain).collect();
            let between = if node["type"] == "paragraph" { "" } else { "\n" };
            fit::chars(parts.join(between).trim_end(), SAID_CHARS_MAX)
        }
        Value::Object(node) if node.get("type").is_some_and(|kind| kind == "hardBreak") => "\n".to_owned(),
        // Somebody who is called, or a face, has its text among the attributes.
        Value::Object(node) => {
            let text = node.get("text").or_else(|| node.get("attrs")?.get("text"));
            text.and_then(Value::as_str).unwrap_or_default().to_owned()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => String::new(),
    }
}

/// Somebody who works on a ticket, or has ended it.
pub fn who(name: Option<String>) -> Who {
    let name = name.unwrap_or_default();
    Who { id: name.clone(), name, ..Who::default() }
}

/// What somebody has said in a ticket; nothing where it is ours, or empty.
pub fn said(id: Option<String>, by: Option<String>, body: &Value) -> Option<TicketDeed> {
    let text = plain(body);
    let is_theirs = !text.is_empty() && !is_ours(&text);
    is_theirs.then_some(TicketDeed { by: who(by), moved: Moved::Said { id: id?, text }, at: String::new() })
}

/// The same of a comment that has a moment at which it was made and one of its last change.
pub fn kept(comment: &Value, by: &str, (made, changed): (&str, &str)) -> Option<TicketDeed> {
    let (made, changed) = (text(comment, made), text(comment, changed));
    let at = changed.filter(|changed| made.as_ref() != Some(changed)).unwrap_or_default();
    let said = said(text(comment, "/id"), text(comment, by), &comment["body"])?;
    Some(TicketDeed { at, ..said })
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A text of an answer.
pub fn text(value: &Value, pointer: &str) -> Option<String> {
    match value.pointer(pointer)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// A yes that says otherwise than such a system would.
pub fn strange(what: &str, answer: &Value) -> Attempt {
    let shown: String = answer.to_string().chars().take(ERRORS_SHOWN).collect();
    Attempt::TryLater { why: format!("{what} is missing in the answer: {shown}"), wait: None }
}
