//! Mail over SMTP: a text and the same in HTML. All messages about one incident are one thread.
//!
//! The name of the server is looked up and checked as those of other receivers are, and the connection goes to a checked
//! address. A message keeps its `Message-ID` however often it is tried, so a mailbox that drops repeats shows one.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use lettre::message::header::ContentType;
use lettre::message::{Mailbox, MultiPart, SinglePart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};
use schemars::JsonSchema;
use serde::Deserialize;

use super::pieces::address;
use super::{Channel, Colour, Ground, Manner, Secret, fit, one_or_more};
use crate::delivery::Attempt;
use crate::delivery::egress::Egress;
use crate::delivery::http::SetupError;
use crate::delivery::lines::Lines;
use crate::delivery::receipt;
use crate::domain::written::OneOrMore;
use crate::engine::effect::Notice;
use crate::wording::markup::html;

/// How the connection is protected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Security {
    /// STARTTLS, or nothing is sent. Port 587.
    #[default]
    Starttls,
    /// TLS from the first byte. Port 465.
    Tls,
    /// No protection: only inside of a network of one's own. Port 25.
    None,
}

/// A mail server, and who is told.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The mail server's name.
    pub server: String,
    #[serde(default)]
    pub port: Option<u16>,
    #[serde(default)]
    pub security: Security,
    #[serde(default)]
    pub user: Option<String>,
    #[serde(default)]
    pub password: Option<Secret>,
    /// As in `Headwater <noc@example.org>`.
    pub from: String,
    #[serde(default, deserialize_with = "one_or_more")]
    #[schemars(with = "OneOrMore<String>")]
    pub to: Vec<String>,
}

/// A mailbox or several.
pub struct Mail {
    server: String,
    port: u16,
    security: Security,
    credentials: Option<Credentials>,
    from: Mailbox,
    to: Vec<Mailbox>,
    egress: Arc<Egress>,
    manner: Manner,
    timeout: Duration,
}

fn mailbox(setting: &'static str, text: &str) -> Result<Mailbox, SetupError> {
    text.parse().map_err(|_| SetupError::setting(setting, format!("{text:?} is no mail address")))
}

impl Settings {
    /// # Errors
    /// When an address is none, or the credentials are half there.
    pub fn ready(self, ground: &Ground) -> Result<Arc<dyn Channel>, SetupError> {
        let to: Vec<Mailbox> = self.to.iter().map(|to| mailbox("to", to)).collect::<Result<_, _>>()?;
        if to.is_empty() {
            return Err(SetupError::setting("to", "write one mail address or a list of them"));
        }
        let credentials = match (self.user, self.password) {
            (Some(_), Some(_)) if self.security == Security::None => {
                return Err(SetupError::setting("security", "a password goes only over a protected connection"));
            }
            (Some(user), Some(password)) => Some(Credentials::new(user, password.text().trim().to_owned())),
            (None, None) => None,
            (Some(_), None) => return Err(SetupError::setting("password", "it is missing beside `user`")),
            (None, Some(_)) => return Err(SetupError::setting("user", "it is missing beside `password`")),
        };
        let port = self.port.unwrap_or(match self.security {
            Security::Starttls => 587,
            Security::Tls => 465,
            Security::None => 25,
        });
        if let Ok(ip) = self.server.parse() {
            ground.egress.check(ip, port)?;
        }
        Ok(Arc::new(Mail {
            from: mailbox("from", &self.from)?,
            server: self.server,
            port,
            security: self.security,
            credentials,
            to,
            egress: Arc::clone(&ground.egress),
            manner: ground.manner.clone(),
            timeout: ground.timeout,
        }))
    }
}

impl Mail {
    fn message(&self, notice: &Notice) -> Result<Message, String> {
        let lines = Lines::of(notice, &self.manner.style());
        let host = self.from.email.domain();
        let incident = &notice.incident;
        let thread = format!("<{}.{}@{host}>", incident.id, fit_id(incident.tenant.as_str()));
        let mut message = Message::builder()
            .from(self.from.clone())
            .subject(subject(&lines.title))
            .message_id(Some(format!("<{}@{host}>", fit_id(&notice.key))))
            .references(thread.clone())
            .in_reply_to(thread)
            .user_agent("Headwater".into());
        for to in &self.to {
            message = message.to(to.clone());
        }
        let plain = SinglePart::builder().header(ContentType::TEXT_PLAIN).body(lines.text());
        let html = SinglePart::builder().header(ContentType::TEXT_HTML).body(self.html(&lines, Colour::of(notice)));
        let parts = MultiPart::alternative().singlepart(plain).singlepart(html);
        message.multipart(parts).map_err(|error| error.to_string())
    }

    fn html(&self, lines: &Lines, colour: Colour) -> String {
        let colour = match colour {
            Colour::Red => "#b42318",
            Colour::Orange => "#b54708",
            Colour::Yellow => "#854a0e",
            Colour::Blue => "#175cd3",
            Colour::Green => "#067647",
        };
        let title = html(&lines.title);
        let rest: String = lines.rest().map(|line| format!("<p style=\"margin:0 0 6px\">{}</p>", html(line))).collect();
        let link = lines.url.as_ref().map(|url| {
            let url = html(url);
            format!("<p style=\"margin:16px 0 0\"><a href=\"{url}\">{}</a></p>", self.manner.lang.open())
        });
        format!(
            "<!doctype html><html><body style=\"font:15px/1.5 -apple-system,'Segoe UI','PingFang SC','Microsoft YaHei',\
             sans-serif;color:#101828\"><h2 style=\"font-size:18px;margin:0 0 12px;color:{colour}\">{title}</h2>{rest}{}\
             </body></html>",
            link.unwrap_or_default()
        )
    }

    async fn post(&self, notice: &Notice) -> Attempt {
        let message = match self.message(notice) {
            Ok(message) => message,
            Err(why) => return Attempt::Refused { why },
        };
        let address = match address(&self.egress, &self.server, self.port).await {
            Ok(address) => address,
            Err(attempt) => return attempt,
        };
        let tls = match (self.security, TlsParameters::new(self.server.clone())) {
            (Security::None, _) => Tls::None,
            (Security::Starttls, Ok(tls)) => Tls::Required(tls),
            (Security::Tls, Ok(tls)) => Tls::Wrapper(tls),
            (_, Err(error)) => return Attempt::LockedOut { why: format!("TLS: {error}") },
        };
        let mut transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(address.ip().to_string())
            .port(self.port)
            .hello_name(ClientId::Domain(self.from.email.domain().to_owned()))
            .timeout(Some(self.timeout))
            .tls(tls);
        if let Some(credentials) = &self.credentials {
            transport = transport.credentials(credentials.clone());
        }
        match transport.build::<Tokio1Executor>().send(message).await {
            // It names the message under which it has queued it.
            Ok(answer) => Attempt::Noted {
                said: receipt::words(&format!("{} {}", answer.code(), answer.message().collect::<Vec<_>>().join(" "))),
            },
            Err(error) => judge(&error),
        }
    }
}

/// What a failure means: a code that begins with 5 is a no, of the credentials when it is 530 to 538.
fn judge(error: &lettre::transport::smtp::Error) -> Attempt {
    use std::error::Error as _;
    let mut why = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        why = format!("{why}: {inner}");
        cause = inner.source();
    }
    let code = error.status().map(u16::from);
    match code {
        Some(530..=538) => Attempt::LockedOut { why },
        _ if error.is_tls() => Attempt::LockedOut { why },
        _ if error.is_permanent() || error.is_client() => Attempt::Refused { why },
        _ => Attempt::TryLater { why, wait: None },
    }
}

/// A subject is one line; mail readers show its beginning.
fn subject(title: &str) -> String {
    let one_line: String = title.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    fit::chars(&one_line, 200)
}

/// A key as the left side of a message's id can hold it.
fn fit_id(key: &str) -> String {
    let plain = |letter: char| if letter.is_ascii_alphanumeric() || "-_.".contains(letter) { letter } else { '_' };
    key.chars().map(plain).collect()
}

impl Channel for Mail {
    fn preview(&self, notice: &Notice) -> Result<String, String> {
        let lines = Lines::of(notice, &self.manner.style());
        let to: Vec<String> = self.to.iter().map(|to| to.to_string()).collect();
        Ok(format!(
            "From: {}\nTo: {}\nSubject: {}\n\n{}",
            self.from,
            to.join(", "),
            subject(&lines.title),
            lines.text()
        ))
    }

    fn name(&self) -> &'static str {
        "mail"
    }

    fn send<'a>(&'a self, notice: &'a Notice) -> BoxFuture<'a, Attempt> {
        Box::pin(async move {
            // Its own time-out is one for the connection: a server that is silent afterwards would be waited for.
            let ended = tokio::time::timeout(self.timeout, self.post(notice)).await;
            ended.unwrap_or_else(|_| Attempt::TryLater { why: "no answer in time".to_owned(), wait: None })
        })
    }
}
