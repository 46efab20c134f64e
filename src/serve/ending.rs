//! How the program is told to end: SIGTERM or Ctrl-C, each seen by all who wait.

use anyhow::{Context as _, Result};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Turns true when the end has been told.
pub type Ending = watch::Receiver<bool>;

/// Listens for SIGTERM and Ctrl-C from now on.
///
/// # Errors
/// When the system does not let it listen.
pub fn listen() -> Result<Ending> {
    let mut terminate = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("listen for Ctrl-C")?;
    let (told, ending) = watch::channel(false);
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        told.send_replace(true);
    });
    Ok(ending)
}

/// Waits for it.
pub async fn told(mut ending: Ending) {
    // The sender lives until it has sent.
    let _ = ending.wait_for(|told| *told).await;
}
