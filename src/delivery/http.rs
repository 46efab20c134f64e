//! One HTTP request to a receiver: through the guard of addresses, without redirects, with a bounded answer; and what
//! its status says.

use std::error::Error;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, Response, StatusCode, Url};

use super::egress::{Egress, EgressError, Guard};
use super::schedule::retry_after;
use super::{Attempt, Clock};

const CONNECT_MAX: Duration = Duration::from_secs(3);

/// What is read of an answer; the rest is not waited for.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// What is kept of an answer, in characters.
const QUOTE_CHARS_MAX: usize = 200;

/// Why a receiver cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The target is refused.
    #[error("url: {0}")]
    Target(#[from] EgressError),
    /// TLS is not available: usually the system has no CA certificates.
    #[error("HTTP client; for https, install the system's CA certificates (package ca-certificates)")]
    Client(#[source] reqwest::Error),
    /// A setting of this kind of receiver is wrong.
    #[error("{setting}: {why}")]
    Setting {
        /// Which one.
        setting: &'static str,
        /// What is wrong with it, and what to write.
        why: String,
    },
}

impl SetupError {
    /// A wrong setting.
    pub fn setting(setting: &'static str, why: impl Into<String>) -> Self {
        Self::Setting { setting, why: why.into() }
    }
}

/// One request.
#[derive(Clone, Debug)]
pub struct Call {
    pub method: Method,
    pub url: Url,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Call {
    /// A POST of a JSON text.
    pub fn json(url: Url, body: &serde_json::Value) -> Self {
        Self::post(url, "application/json; charset=utf-8", body.to_string().into_bytes())
    }

    /// A POST.
    pub fn post(url: Url, content_type: &'static str, body: Vec<u8>) -> Self {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(content_type))]);
        Self { method: Method::POST, url, headers, body }
    }

    /// Adds a header. A value that no header can hold is left out.
    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        if let Ok(mut value) = HeaderValue::from_str(value) {
            value.set_sensitive(name == "authorization");
            self.headers.insert(HeaderName::from_static(name), value);
        }
        self
    }
}

/// Host and port as the header `host` has them.
pub fn host(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// What a receiver answered, bounded.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub body: Bytes,
    /// What it wants to be waited for.
    pub wait: Option<Duration>,
}

impl Answer {
    /// Status and the beginning of the text, for the log.
    pub fn why(&self) -> String {
        let quoted: String = String::from_utf8_lossy(&self.body)
            .chars()
            .take(QUOTE_CHARS_MAX)
            .map(|letter| if letter.is_control() { ' ' } else { letter })
            .collect();
        let quoted = quoted.trim();
        if quoted.is_empty() { self.status.to_string() } else { format!("{}: {quoted}", self.status) }
    }

    /// Its JSON; nothing when it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// It says yes, but not in the words of the system that was asked: something stands between, or it is down.
    pub fn strange(&self) -> Attempt {
        Attempt::TryLater { why: format!("not the answer of such a system: {}", self.why()), wait: None }
    }

    /// What the status alone says.
    pub fn judge(&self) -> Attempt {
        let (why, wait) = (self.why(), self.wait);
        match self.status {
            status if status.is_success() => Attempt::Accepted,
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Attempt::LockedOut { why },
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS => {
                Attempt::TryLater { why, wait }
            }
            status if status.is_server_error() => Attempt::TryLater { why, wait },
            status if status.is_redirection() => {
                Attempt::Refused { why: format!("{status}: redirects are not followed; configure the final address") }
            }
            _ => Attempt::Refused { why },
        }
    }
}

/// The way to one address.
pub struct Line {
    client: Client,
    clock: Clock,
}

impl Line {
    /// A way to this address. A TLS provider has to be installed before. `timeout` is one attempt, from the first
    /// packet to the last byte of the answer.
    ///
    /// # Errors
    /// When no client can be made.
    pub fn new(url: &Url, timeout: Duration, egress: &Arc<Egress>, clock: Clock) -> Result<Self, SetupError> {
        let port = url.port_or_known_default().expect("http and https have a port");
        let mut builder = Client::builder()
            .redirect(Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT_MAX)
            .timeout(timeout)
            .user_agent(concat!("headwater/", env!("CARGO_PKG_VERSION")))
            .dns_resolver(Guard { egress: Arc::clone(egress), port });
        if url.scheme() == "http" {
            // Without TLS no certificates of the system are needed, and it may have none.
            builder = builder.tls_certs_only([]);
        }
        Ok(Self { client: builder.build().map_err(SetupError::Client)?, clock })
    }

    /// Tries once.
    ///
    /// # Errors
    /// What to do next when there is no answer.
    pub async fn send(&self, call: Call) -> Result<Answer, Attempt> {
        let request = self.client.request(call.method, call.url).headers(call.headers).body(call.body);
        let answer = request.send().await.map_err(|error| failure(&error))?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let asked = headers.get(RETRY_AFTER).and_then(|text| text.to_str().ok());
        let wait = asked.and_then(|text| retry_after(text, (self.clock)()));
        Ok(Answer { status, body: beginning(answer).await, wait })
    }
}

/// Reads a bounded part of the answer.
async fn beginning(mut answer: Response) -> Bytes {
    let mut text = Vec::new();
    // An answer that breaks off after its status is an answer.
    while text.len() < ANSWER_BYTES_MAX
        && let Ok(Some(piece)) = answer.chunk().await
    {
        text.extend_from_slice(&piece);
    }
    text.into()
}

/// Sorts failures without an answer. The URL is left out of the text: it may hold a secret.
fn failure(error: &reqwest::Error) -> Attempt {
    let mut why = if error.is_timeout() { "no answer in time" } else { "no connection" }.to_owned();
    let mut cause = error.source();
    let mut is_lock_out = false;
    while let Some(inner) = cause {
        is_lock_out |= locks_out(inner);
        // Writing to a string cannot fail.
        let _ = write!(why, ": {inner}");
        cause = inner.source();
    }
    if is_lock_out { Attempt::LockedOut { why } } else { Attempt::TryLater { why, wait: None } }
}

/// Whether a cause is one that trying again does not cure: a refused address, or TLS.
fn locks_out(cause: &(dyn Error + 'static)) -> bool {
    if cause.is::<EgressError>() || cause.is::<rustls::Error>() {
        return true;
    }
    // An I/O error hides what it was made from, also from `source`.
    let hidden = cause.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    hidden.is_some_and(|hidden| locks_out(hidden))
}
