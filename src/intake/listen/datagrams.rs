//! Datagrams: syslog over UDP (RFC 5426) and SNMP traps.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::UdpSocket;

use super::Heard;
use super::keeper::Lines;
use super::settings::{Kind, Ready};
use crate::decode::snmp::{self, SnmpError};
use crate::decode::syslog::{self, Arrival};

/// Listens until the future is dropped.
pub async fn listen(socket: UdpSocket, ready: Arc<Ready>, lines: Lines) {
    let mut buffer = vec![0; 64 * 1024];
    let mut said = String::new();
    loop {
        let (length, peer) = match socket.recv_from(&mut buffer).await {
            Ok(received) => received,
            Err(error) => {
                // Of an answer that could not be delivered; nothing was received.
                tracing::debug!(%error, source.id = %ready.source, "nothing received");
                continue;
            }
        };
        if !ready.allows(peer.ip()) {
            lines.heard(Heard::Refused);
            say(&mut said, &ready, peer, "it is in none of the networks of `allow`");
            continue;
        }
        let name = peer.ip().to_canonical().to_string();
        match ready.kind {
            Kind::Syslog => {
                let arrival = Arrival { peer: &name, received_at: (lines.intake.now)(), zone: ready.zone };
                lines.offer(syslog::to_json(&buffer[..length], &arrival));
            }
            // Mail comes over connections only.
            Kind::Smtp => {}
            Kind::Snmp => match snmp::read(&buffer[..length], &name, &ready.senders, (lines.intake.now)()) {
                Ok(packet) => {
                    if let Some(trap) = packet.json {
                        lines.offer(trap);
                    }
                    if let Some(response) = packet.response
                        && let Err(error) = socket.send_to(&response, peer).await
                    {
                        tracing::debug!(%error, %peer, "an inform is not answered; it comes again");
                    }
                }
                Err(error) => {
                    let is_stranger = !matches!(error, SnmpError::Malformed(_));
                    lines.heard(if is_stranger { Heard::Refused } else { Heard::Malformed });
                    say(&mut said, &ready, peer, &error.to_string());
                }
            },
        }
    }
}

/// Logs why a sender is not heard, unless that was said last.
fn say(said: &mut String, ready: &Ready, peer: SocketAddr, why: &str) {
    let told = format!("{} {why}", peer.ip());
    if told != *said {
        tracing::warn!(peer = %peer.ip(), why, source.id = %ready.source, "a message is not taken");
        *said = told;
    }
}
