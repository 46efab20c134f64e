//! A webhook receiver that notes what it is sent.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use headwater::delivery::settings::ReceiverSettings;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// The secret of the published test vectors.
pub const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// One request.
#[derive(Clone, Debug)]
pub struct Seen {
    pub key: String,
    pub timestamp: String,
    pub signature: String,
    pub text: String,
    pub body: Value,
    pub at: Instant,
}

impl Seen {
    pub fn incident(&self) -> &str {
        self.body["data"]["incident"]["id"].as_str().unwrap()
    }

    pub fn version(&self) -> u64 {
        self.body["data"]["incident"]["version"].as_u64().unwrap()
    }
}

/// Answers by the number of the request, from 0.
type Answer = Arc<dyn Fn(usize) -> (Duration, StatusCode) + Send + Sync>;

/// The running receiver.
#[derive(Clone)]
pub struct Receiver {
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    answer: Answer,
}

impl Receiver {
    /// One that takes everything.
    pub async fn willing() -> Self {
        Self::start(|_| (Duration::ZERO, StatusCode::NO_CONTENT)).await
    }

    /// One that answers as told, after a pause.
    pub async fn start(answer: impl Fn(usize) -> (Duration, StatusCode) + Send + Sync + 'static) -> Self {
        Self::listening(SocketAddr::from(([127, 0, 0, 1], 0)), Arc::new(answer)).await
    }

    /// One that takes everything, at this address.
    pub async fn at(address: SocketAddr) -> Self {
        Self::listening(address, Arc::new(|_| (Duration::ZERO, StatusCode::NO_CONTENT))).await
    }

    async fn listening(address: SocketAddr, answer: Answer) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let receiver = Self { address: listener.local_addr().unwrap(), seen: Arc::default(), answer };
        let app = Router::new().route("/hook", post(receive)).with_state(receiver.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        receiver
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    /// The configuration that names this receiver.
    pub fn settings(&self, id: &str) -> ReceiverSettings {
        let settings = json!({ "id": id, "url": self.url(), "secret": SECRET, "allow_private": true });
        serde_json::from_value(settings).unwrap()
    }

    /// Waits until it has been sent something that fits.
    pub async fn wait_for(&self, what: &str, fits: impl Fn(&[Seen]) -> bool) {
        wait_until(what, || fits(&self.seen.lock().unwrap())).await;
    }
}

/// Waits for a state; says which one when it does not come within a minute.
pub async fn wait_until(what: &str, holds: impl Fn() -> bool) {
    let since = Instant::now();
    while !holds() {
        assert!(since.elapsed() < Duration::from_secs(60), "after a minute still not: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn receive(State(receiver): State<Receiver>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let header = |name: &str| headers[name].to_str().unwrap().to_owned();
    let n = {
        let mut seen = receiver.seen.lock().unwrap();
        seen.push(Seen {
            key: header("webhook-id"),
            timestamp: header("webhook-timestamp"),
            signature: header("webhook-signature"),
            text: String::from_utf8(body.to_vec()).unwrap(),
            body: serde_json::from_slice(&body).unwrap(),
            at: Instant::now(),
        });
        seen.len() - 1
    };
    let (pause, status) = (receiver.answer)(n);
    tokio::time::sleep(pause).await;
    status
}
