//! Doors for devices that speak no HTTP: syslog over UDP, TCP and TLS, SNMP traps, and mail. Nobody signs in there, so each of them
//! says which networks it listens to. What comes in is packed into batches and kept like any other event.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use tokio::net::{TcpListener, UdpSocket};
use tokio::task::JoinSet;

use super::Intake;
use crate::domain::ids::TenantId;
use keeper::Keeper;
use settings::{Kind, ListenerSettings, Protocol, Ready};

mod datagrams;
mod keeper;
pub mod settings;
mod smtp;
mod streams;

/// Listeners that have their address.
pub struct Listeners {
    tasks: JoinSet<()>,
    /// Where they listen, in the order of the settings.
    pub addresses: Vec<SocketAddr>,
}

impl Listeners {
    /// Takes the addresses and begins to listen.
    ///
    /// # Errors
    /// When a setting is wrong or an address cannot be had; says which and what to do.
    pub async fn open(settings: &[ListenerSettings], tenant: &TenantId, intake: &Arc<Intake>) -> Result<Self> {
        let (mut tasks, mut addresses) = (JoinSet::new(), Vec::new());
        for (index, one) in settings.iter().enumerate() {
            let place = || format!("listeners.{index} ({} at {})", one.kind.as_str(), one.address);
            let ready = Arc::new(one.ready(tenant, (intake.now)()).with_context(place)?);
            let keeper = Keeper::new(intake.clone(), ready.clone());
            let taken = || {
                format!(
                    "{}: the address cannot be had; is another program listening there, or is the port below 1024?",
                    place()
                )
            };
            let address = match (one.kind, ready.protocol) {
                (Kind::Snmp, _) | (Kind::Syslog, Protocol::Udp) => {
                    let socket = UdpSocket::bind(one.address).await.with_context(taken)?;
                    let address = socket.local_addr()?;
                    tasks.spawn(datagrams::listen(socket, ready.clone(), keeper.lines()));
                    address
                }
                (Kind::Syslog, Protocol::Tcp | Protocol::Tls) | (Kind::Smtp, _) => {
                    let socket = TcpListener::bind(one.address).await.with_context(taken)?;
                    let address = socket.local_addr()?;
                    tasks.spawn(streams::listen(socket, ready.clone(), keeper.lines()));
                    address
                }
            };
            tasks.spawn(keeper.run());
            tracing::info!(kind = one.kind.as_str(), %address, source.id = %ready.source, "listening");
            addresses.push(address);
        }
        Ok(Self { tasks, addresses })
    }

    /// Listens until the future is dropped.
    pub async fn run(mut self) {
        while let Some(ended) = self.tasks.join_next().await {
            // A listener that broke has met a bug: whoever watches this one says so.
            if let Err(error) = ended
                && error.is_panic()
            {
                std::panic::resume_unwind(error.into_panic());
            }
        }
        std::future::pending::<()>().await;
    }
}

/// What listeners know of each other: nothing. What became of a message is counted by these words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    Taken,
    /// More came than could be kept.
    Dropped,
    /// From a network that is not listened to, or of a sender that is not configured.
    Refused,
    Malformed,
}

impl Heard {
    /// The word in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::Dropped => "dropped",
            Self::Refused => "refused",
            Self::Malformed => "malformed",
        }
    }
}

impl Ready {
    /// Counts a message.
    fn heard(&self, intake: &Intake, heard: Heard) {
        intake.counters.heard(heard);
    }
}
