//! Connecting, and staying connected.

use std::time::Duration;

use async_nats::jetstream::{self, Context};
use async_nats::{Client, ConnectOptions, Event, ServerAddr};

use super::settings::Settings;
use super::{NatsError, server};
use crate::servers::{is_loopback, secret};

/// How long a server may take to answer a request.
pub const ANSWER_TIME_MAX: Duration = Duration::from_secs(5);
/// How often the connection is tried; two missed answers end it.
const PING_EVERY: Duration = Duration::from_secs(5);
/// The longest pause between two attempts to connect again.
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// A connection to a cluster whose version was checked.
#[derive(Clone, Debug)]
pub struct Nats {
    /// Streams and consumers.
    pub jetstream: Context,
    /// Plain messages.
    pub client: Client,
}

/// Connects; from then on the client comes back by itself.
///
/// # Errors
/// When no server answers, a secret cannot be read, or the server's version is refused.
pub async fn connect(settings: &Settings) -> Result<Nats, NatsError> {
    // The first one who comes installs it; the outcome says only who that was.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let options = prove(options(settings), settings)
        .await
        .map_err(|why| NatsError::refused("nats", why, "correct the section `nats`"))?;
    let addresses = settings.urls.iter().map(|url| url.parse::<ServerAddr>());
    let addresses: Vec<ServerAddr> = addresses.collect::<Result<_, _>>().map_err(NatsError::away)?;
    let client = options.connect(addresses).await.map_err(NatsError::away)?;
    for warning in server::check(&client.server_info())? {
        tracing::warn!("{warning}");
    }
    let jetstream = jetstream::new(client.clone());
    Ok(Nats { jetstream, client })
}

fn options(settings: &Settings) -> ConnectOptions {
    let is_remote = settings.urls.iter().filter_map(|url| url.parse::<ServerAddr>().ok());
    let is_remote = is_remote.into_iter().any(|address| !is_loopback(address.host()));
    let mut options = ConnectOptions::new()
        .name("headwater")
        .ping_interval(PING_EVERY)
        .connection_timeout(ANSWER_TIME_MAX)
        .request_timeout(Some(ANSWER_TIME_MAX))
        .subscription_capacity(16 * 1024)
        .max_reconnects(None)
        .reconnect_delay_callback(|attempt| {
            Duration::from_millis(50).saturating_mul(1 << attempt.min(8) as u32).min(PAUSE_MAX)
        })
        .require_tls(settings.ca_file.is_some() || (is_remote && !settings.allow_plaintext))
        .event_callback(|event| async move {
            match event {
                Event::Connected => tracing::info!("connected to NATS"),
                Event::Disconnected => tracing::warn!("the connection to NATS is lost, connecting again"),
                Event::SlowConsumer(_) => tracing::warn!("NATS messages came faster than they were read"),
                Event::LameDuckMode | Event::Draining | Event::Closed => tracing::info!(%event, "NATS says"),
                Event::ServerError(_) | Event::ClientError(_) => tracing::warn!(%event, "NATS says"),
            }
        });
    if let Some(path) = &settings.ca_file {
        options = options.add_root_certificates(path.clone());
    }
    if let (Some(certificate), Some(key)) = (&settings.client_certificate_file, &settings.client_key_file) {
        options = options.add_client_certificate(certificate.clone(), key.clone());
    }
    options
}

async fn prove(options: ConnectOptions, settings: &Settings) -> Result<ConnectOptions, String> {
    if let Some(path) = &settings.credentials_file {
        let text = secret(path)?;
        let told = |error| format!("{} is no credentials file: {error}", path.display());
        return options.credentials(&text).map_err(told);
    }
    if let Some(path) = &settings.nkey_file {
        return Ok(options.nkey(secret(path)?));
    }
    if let (Some(user), Some(path)) = (&settings.user, &settings.password_file) {
        return Ok(options.user_and_password(user.clone(), secret(path)?));
    }
    Ok(options)
}
