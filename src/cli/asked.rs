//! Asking a running server over its API.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, Url};
use serde_json::Value;

use super::lab_arguments::ServerArguments;

/// Where the token is when no file is named.
const TOKEN: &str = "HEADWATER_TOKEN";
/// How long an answer may take: putting rules in force waits until they are decided.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(60);

/// A server, and who asks it.
pub struct Server {
    base: String,
    token: String,
    client: Client,
    calls: tokio::runtime::Runtime,
}

impl Server {
    /// Sets it up; nothing is asked yet.
    ///
    /// # Errors
    /// When there is no token, the address is none, or TLS is not available.
    pub fn of(arguments: &ServerArguments) -> Result<Self> {
        // Whoever came first has installed the same one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let base = arguments.server.trim_end_matches('/').to_owned();
        let url = Url::parse(&base).with_context(|| format!("--server {base:?}; write http(s)://host:port"))?;
        let mut builder = Client::builder().redirect(Policy::none()).timeout(ANSWER_TIME_MAX);
        if url.scheme() == "http" {
            // Without TLS no certificates of the system are needed, and it may have none.
            builder = builder.tls_certs_only([]);
        }
        let client = builder.build().context("set up a connection; install the system's CA certificates")?;
        let token = match &arguments.token_file {
            Some(path) => std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?,
            None => std::env::var(TOKEN).with_context(|| {
                format!("no token: set {TOKEN} or name --token-file; `headwater token create` makes one")
            })?,
        };
        // The file may hold what `token create` printed.
        let token = token.split_whitespace().last().unwrap_or_default().to_owned();
        let calls = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Self { base, token, client, calls })
    }

    /// The address, without a slash at its end.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Posts a body to a path in another one's name; gives the status and what was answered.
    ///
    /// # Errors
    /// When nobody answers.
    pub fn post(&self, path: &str, token: &str, headers: &[(&str, &str)], body: &[u8]) -> Result<(u16, String)> {
        let url = format!("{}{path}", self.base);
        let request = self.client.post(&url).bearer_auth(token).body(body.to_vec());
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let answered = self.calls.block_on(async {
            let answer = request.send().await?;
            Ok::<_, reqwest::Error>((answer.status().as_u16(), answer.text().await?))
        });
        answered.map_err(reqwest::Error::without_url).with_context(|| format!("POST {url}"))
    }

    /// Asks for a path below `/api/v1`.
    ///
    /// # Errors
    /// When nobody answers, or the answer is no; with what the server said.
    pub fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value> {
        let what = format!("{method} {}/api/v1{path}", self.base);
        let mut request = self.client.request(method, format!("{}/api/v1{path}", self.base)).bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.json(body);
        }
        let answered = self.calls.block_on(async {
            let answer = request.send().await?;
            Ok::<_, reqwest::Error>((answer.status(), answer.text().await?))
        });
        let (status, text) = answered.map_err(reqwest::Error::without_url).with_context(|| what.clone())?;
        let value: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
        if status.is_success() {
            return Ok(value);
        }
        let mut lines = vec![value["detail"].as_str().unwrap_or("no answer of ours; is it a headwater server?")];
        lines.extend(value["errors"].as_array().into_iter().flatten().filter_map(Value::as_str));
        bail!("{what}: {}: {}", status.as_u16(), lines.join("\n"))
    }
}
