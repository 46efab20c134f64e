//! Connections: takes them, gives each a short time to say what it wants, and lets them finish at a stop.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::{Extension, Router};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower::Layer as _;

use crate::access::strangers::Peer;

/// How long a connection may take to send the head of a request, also between two requests.
const HEAD_TIME_MAX: Duration = Duration::from_secs(10);
/// All the headers of a request, the longest that are read at all.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Connections at the same time; more wait to be accepted.
const CONNECTIONS_MAX: usize = 8192;
/// How long nothing is accepted when the system is out of file descriptors.
const BREATH: Duration = Duration::from_millis(100);

/// Serves until `stop` ends, then until the open requests are answered. Speaks HTTP/1.1.
pub async fn serve(listener: TcpListener, app: Router, stop: impl Future<Output = ()>) {
    let (room, connections) = (Arc::new(Semaphore::new(CONNECTIONS_MAX)), GracefulShutdown::new());
    let mut builder = Builder::new(TokioExecutor::new()).http1_only();
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIME_MAX).max_buf_size(HEAD_BYTES_MAX);
    let mut stop = pin!(stop);
    loop {
        let (stream, peer, place) = tokio::select! {
            biased;
            () = &mut stop => break,
            accepted = accept(&listener, &room) => accepted,
        };
        let service = TowerToHyperService::new(Extension(Peer(peer.ip())).layer(app.clone()));
        let connection = connections.watch(builder.serve_connection(TokioIo::new(stream), service).into_owned());
        tokio::spawn(async move {
            // A client that breaks off or talks nonsense is no event of ours: what it sent was counted, if anything.
            let _ = connection.await;
            drop(place);
        });
    }
    drop(listener);
    connections.shutdown().await;
}

/// The next connection, where it comes from, and its place among those that are open.
async fn accept(listener: &TcpListener, room: &Arc<Semaphore>) -> (TcpStream, SocketAddr, OwnedSemaphorePermit) {
    let place = Arc::clone(room).acquire_owned().await.expect("the room is never closed");
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                // Answers are small: waiting for more to send would only delay them.
                let _ = stream.set_nodelay(true);
                return (stream, peer, place);
            }
            Err(error) => {
                tracing::warn!(%error, "connection not accepted, trying again");
                tokio::time::sleep(BREATH).await;
            }
        }
    }
}
