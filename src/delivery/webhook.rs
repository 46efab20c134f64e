//! Webhook: a signed POST after the Standard Webhooks specification.

use std::error::Error;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use chrono_tz::Tz;
use futures::future::BoxFuture;
use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, Response, StatusCode, Url};

use super::egress::{Egress, EgressError, Guard};
use super::message::{Message, Style};
use super::schedule::retry_after;
use super::signature::Secrets;
use super::{Attempt, Channel, Clock};
use crate::engine::effect::Notice;
use crate::wording::lang::Lang;

const CONNECT_MAX: Duration = Duration::from_secs(3);

/// What is read of an answer; the rest is not waited for.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// What is kept of an answer, in characters.
const QUOTE_CHARS_MAX: usize = 200;

/// How a webhook is set up.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where to.
    pub url: String,
    /// What signs: one secret, or two while they are exchanged.
    pub secrets: Secrets,
    /// One attempt, from the first packet to the last byte of the answer.
    pub timeout: Duration,
    /// The language of the text.
    pub lang: Lang,
    /// The zone in which the text tells the time.
    pub time_zone: Tz,
    /// Where the console shows incidents; `{base}/incidents/{id}` is sent along. Empty: no link.
    pub base_url: String,
}

/// A receiver that takes signed POSTs.
pub struct Webhook {
    url: Url,
    settings: Settings,
    client: Client,
    clock: Clock,
}

/// Why a webhook cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The target is refused.
    #[error("url: {0}")]
    Target(#[from] EgressError),
    /// TLS is not available: usually the system has no CA certificates.
    #[error("webhook client; for https, install the system's CA certificates (package ca-certificates)")]
    Client(#[source] reqwest::Error),
}

impl Webhook {
    /// Sets a webhook up. A TLS provider has to be installed before.
    ///
    /// # Errors
    /// When the target is refused, or no client can be made.
    pub fn new(settings: Settings, egress: &Arc<Egress>, clock: Clock) -> Result<Self, SetupError> {
        let url = egress.target(&settings.url)?;
        let port = url.port_or_known_default().expect("http and https have a port");
        let mut builder = Client::builder()
            .redirect(Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT_MAX)
            .timeout(settings.timeout)
            .user_agent(concat!("headwater/", env!("CARGO_PKG_VERSION")))
            .dns_resolver(Guard { egress: Arc::clone(egress), port });
        if url.scheme() == "http" {
            // Without TLS no certificates of the system are needed, and it may have none.
            builder = builder.tls_certs_only([]);
        }
        let client = builder.build().map_err(SetupError::Client)?;
        Ok(Self { url, settings, client, clock })
    }

    fn body(&self, notice: &Notice) -> Vec<u8> {
        let Settings { lang, time_zone, base_url, .. } = &self.settings;
        let base_url = base_url.trim_end_matches('/');
        let style = Style { lang: *lang, time_zone: *time_zone, base_url };
        serde_json::to_vec(&Message::of(notice, &style)).expect("a message has text keys only")
    }

    async fn post(&self, notice: &Notice) -> Attempt {
        let (id, body) = (header_text(&notice.key), self.body(notice));
        let at_secs = (self.clock)().0.div_euclid(1000);
        let request = self
            .client
            .post(self.url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-signature", self.settings.secrets.sign(&id, at_secs, &body))
            .header("webhook-timestamp", at_secs)
            .header("idempotency-key", &id)
            .header("webhook-id", id);
        match request.body(body).send().await {
            Ok(answer) => self.judge(answer).await,
            Err(error) => failure(&error),
        }
    }

    async fn judge(&self, answer: Response) -> Attempt {
        let (status, headers) = (answer.status(), answer.headers().clone());
        let said = quote(answer).await;
        let why = format!("{status}{said}");
        match status {
            _ if status.is_success() => Attempt::Accepted,
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Attempt::LockedOut { why },
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS => {
                Attempt::TryLater { why, wait: self.wait(&headers) }
            }
            _ if status.is_server_error() => Attempt::TryLater { why, wait: self.wait(&headers) },
            _ if status.is_redirection() => {
                Attempt::Refused { why: format!("{status}: redirects are not followed; configure the final address") }
            }
            _ => Attempt::Refused { why },
        }
    }

    fn wait(&self, headers: &HeaderMap) -> Option<Duration> {
        retry_after(headers.get(RETRY_AFTER)?.to_str().ok()?, (self.clock)())
    }
}

impl Channel for Webhook {
    fn name(&self) -> &'static str {
        "webhook"
    }

    fn send<'a>(&'a self, notice: &'a Notice) -> BoxFuture<'a, Attempt> {
        Box::pin(self.post(notice))
    }
}

/// Reads a bounded part of the answer; gives a short quotation for the log.
async fn quote(mut answer: Response) -> String {
    let mut text = Vec::new();
    // An answer that breaks off after its status is an answer.
    while text.len() < ANSWER_BYTES_MAX
        && let Ok(Some(piece)) = answer.chunk().await
    {
        text.extend_from_slice(&piece);
    }
    let quoted: String = String::from_utf8_lossy(&text)
        .chars()
        .take(QUOTE_CHARS_MAX)
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .collect();
    if quoted.trim().is_empty() { String::new() } else { format!(": {}", quoted.trim()) }
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

/// A key as a header can hold it: letters, digits, `-` and `_` as they are, everything else as %XX. The signed text
/// has dots between its parts, so the key has none.
fn header_text(key: &str) -> String {
    let mut text = String::with_capacity(key.len());
    for byte in key.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_".contains(&byte) {
            text.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::header_text;

    #[test]
    fn a_key_fits_into_a_header() {
        assert_eq!(header_text("i7-3-noc_1-opened"), "i7-3-noc_1-opened");
        assert_eq!(header_text("i7-3-值班.a\r\n-opened"), "i7-3-%E5%80%BC%E7%8F%AD%2Ea%0D%0A-opened");
    }
}
