//! Connecting, and staying connected.

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::{self, Context};
use async_nats::{Client, ConnectOptions, Event, ServerAddr};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinSet;

use super::settings::Settings;
use super::watched::InUse;
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
    /// Streams that were found right.
    pub in_use: InUse,
    /// Whoever looks at each server that the client comes back to, for as long as the connection is used.
    _checking: Arc<JoinSet<()>>,
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
    let (events, seen) = unbounded_channel();
    let options = options.event_callback(move |event| {
        tell(&event);
        // Nobody listens any more once the connection is given up.
        let _ = events.send(event);
        std::future::ready(())
    });
    let client = options.connect(addresses).await.map_err(NatsError::away)?;
    for warning in server::check(&client.server_info())? {
        tracing::warn!("{warning}");
    }
    let mut checking = JoinSet::new();
    checking.spawn(check_again(client.clone(), seen));
    let jetstream = jetstream::new(client.clone());
    Ok(Nats { jetstream, client, in_use: InUse::default(), _checking: Arc::new(checking) })
}

fn tell(event: &Event) {
    match event {
        Event::Connected => tracing::info!("connected to NATS"),
        Event::Disconnected => tracing::warn!("the connection to NATS is lost, connecting again"),
        Event::SlowConsumer(_) => tracing::warn!("NATS messages came faster than they were read"),
        Event::LameDuckMode | Event::Draining | Event::Closed => tracing::info!(%event, "NATS says"),
        Event::ServerError(_) | Event::ClientError(_) => tracing::warn!(%event, "NATS says"),
    }
}

/// Checks whatever server the client comes back to: meanwhile somebody may have put another version in its place. One
/// that must not be used is left for the next one, or tried again until it is another.
async fn check_again(client: Client, mut events: UnboundedReceiver<Event>) {
    let mut said = String::new();
    while let Some(event) = events.recv().await {
        // The event comes before what the server says of itself; what was flushed comes behind.
        if event != Event::Connected || client.flush().await.is_err() {
            continue;
        }
        let Err(error) = server::check(&client.server_info()) else { continue };
        let why = error.to_string();
        if said != why {
            tracing::error!(error = why, "the server that NATS came back with is not used");
            said = why;
        }
        if let Err(error) = client.force_reconnect().await {
            tracing::warn!(%error, "the connection has ended");
        }
    }
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
        .require_tls(settings.ca_file.is_some() || (is_remote && !settings.allow_plaintext));
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

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::sync::oneshot::channel;

    use super::*;

    /// A server of some version, until the client leaves.
    async fn serve(mut stream: TcpStream, version: &str) {
        let (read, mut write) = stream.split();
        let info = serde_json::json!({ "server_id": "x", "version": version, "proto": 1, "headers": true, "jetstream": true,
            "max_payload": 1_048_576 });
        write.write_all(format!("INFO {info}\r\n").as_bytes()).await.unwrap();
        let mut lines = BufReader::new(read).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            if line.starts_with("PING") && write.write_all(b"PONG\r\n").await.is_err() {
                return;
            }
        }
    }

    #[tokio::test]
    async fn a_server_that_comes_back_in_a_bad_version_is_left() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let urls = vec![format!("nats://{}", listener.local_addr().unwrap())];
        let ((cut, is_cut), (told, heard)) = (channel::<()>(), channel::<()>());
        let serving = tokio::spawn(async move {
            let (first, _) = listener.accept().await.unwrap();
            tokio::select! {
                () = serve(first, "2.12.7") => {}
                _ = is_cut => {}
            }
            let (second, _) = listener.accept().await.unwrap();
            serve(second, "2.10.21").await;
            let (third, _) = listener.accept().await.unwrap();
            told.send(()).unwrap();
            serve(third, "2.12.7").await;
        });
        let nats = connect(&Settings { urls, ..Settings::default() }).await.unwrap();
        cut.send(()).unwrap();
        tokio::time::timeout(Duration::from_secs(30), heard).await.unwrap().unwrap();
        drop(nats);
        serving.await.unwrap();
    }
}
