//! The dead man's switch: an address outside is asked every minute while all is well.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use reqwest::redirect::Policy;
use reqwest::{Client, Url};

use super::Vitals;

/// Between two requests, and how long one may take.
const EVERY: Duration = Duration::from_secs(60);
const TOTAL_MAX: Duration = Duration::from_secs(10);

/// An address of the configuration, and a client for it.
///
/// # Errors
/// When the address is none, or TLS is not available.
pub(super) fn client(key: &str, url: &str) -> Result<(Url, Client)> {
    // Whoever came first has installed the same one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let url = Url::parse(url).with_context(|| format!("{key} {url:?}; write http(s)://host/path"))?;
    let mut builder = Client::builder().redirect(Policy::none()).timeout(TOTAL_MAX);
    if url.scheme() == "http" {
        // Without TLS no certificates of the system are needed, and it may have none.
        builder = builder.tls_certs_only([]);
    }
    let client =
        builder.build().with_context(|| format!("a client for {key}; install the system's CA certificates"))?;
    Ok((url, client))
}

/// The task that asks.
pub struct Heartbeat {
    url: Url,
    client: Client,
    vitals: Arc<Vitals>,
}

impl Heartbeat {
    /// Sets it up.
    ///
    /// # Errors
    /// When the address is none, or TLS is not available.
    pub fn new(url: &str, vitals: Arc<Vitals>) -> Result<Self> {
        let (url, client) = client("vitals.heartbeat_url", url)?;
        Ok(Self { url, client, vitals })
    }

    /// Asks at once and then every minute, for as long as the program runs. While the engine stands still or decides
    /// nothing of what waits, or the other instances do not hear of this one, it is silent: then the outside has to
    /// notice.
    pub async fn run(self) {
        loop {
            if self.vitals.is_alive() {
                match self.client.get(self.url.clone()).send().await {
                    Ok(answer) if answer.status().is_success() => {}
                    Ok(answer) => tracing::warn!(status = %answer.status(), "the heartbeat was not taken"),
                    Err(error) => tracing::warn!(error = %error.without_url(), "the heartbeat was not taken"),
                }
            }
            tokio::time::sleep(EVERY).await;
        }
    }
}
