//! Receiving a body: sizes, room for it, speed and compression, all before it is parsed.

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use axum::body::BodyDataStream;
use axum::http::{HeaderMap, header};
use flate2::read::MultiGzDecoder;
use futures::StreamExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};

use super::refusal::Refusal;
use super::settings::Settings;

/// Bodies below this size may be compressed as well as they can.
const RATIO_FREE_BYTES: usize = 64 * 1024;

/// How long the rest of a refused body is read for.
const LEFTOVER_TIME_MAX: Duration = Duration::from_secs(2);

/// What a request says about its body.
#[derive(Clone, Debug)]
pub struct Announced {
    /// The media type without parameters, in lower case; empty when there is none.
    pub media: String,
    pub charset: Option<String>,
    gzip: bool,
    length: Option<usize>,
}

impl Announced {
    /// Reads the headers and refuses what would not be taken anyway.
    pub fn read(headers: &HeaderMap, settings: &Settings) -> Result<Self, Refusal> {
        let header_bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
        if header_bytes > settings.header_bytes_max {
            return Err(Refusal::HeadersTooLarge(settings.header_bytes_max));
        }
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("");
        let gzip = match text(header::CONTENT_ENCODING).trim().to_ascii_lowercase().as_str() {
            "" | "identity" => false,
            "gzip" | "x-gzip" => true,
            _ => return Err(Refusal::MediaType("only gzip is taken as content encoding")),
        };
        let mut parts = text(header::CONTENT_TYPE).split(';');
        let media = parts.next().unwrap_or("").trim().to_ascii_lowercase();
        let charset = parts.filter_map(|part| part.trim().split_once('=')).find_map(|(key, value)| {
            key.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches('"').to_owned())
        });
        let length = text(header::CONTENT_LENGTH).parse().ok();
        if length.is_some_and(|length| length > settings.batch_bytes_max) {
            return Err(too_large(settings));
        }
        Ok(Self { media, charset, gzip, length })
    }

    /// The most memory that the body can take.
    fn bytes_max(&self, settings: &Settings) -> usize {
        match (self.length, self.gzip) {
            (Some(length), false) => length,
            (Some(length), true) => (length + unpacked_max(length, settings)).min(2 * settings.batch_bytes_max),
            (None, _) => settings.batch_bytes_max,
        }
    }
}

/// Room for the bodies that are in flight.
pub struct Room {
    kib: Arc<Semaphore>,
    kib_all: usize,
}

impl Room {
    /// Makes room for so many bytes.
    pub fn new(settings: &Settings) -> Self {
        let kib_all = (settings.in_flight_bytes_max / 1024).clamp(1, Semaphore::MAX_PERMITS);
        Self { kib: Arc::new(Semaphore::new(kib_all)), kib_all }
    }

    /// Takes room for a body until the permit is dropped; refuses at once when there is none.
    pub fn take(&self, announced: &Announced, settings: &Settings) -> Result<OwnedSemaphorePermit, Refusal> {
        let kib = (announced.bytes_max(settings) / 1024 + 1).min(self.kib_all);
        let kib = u32::try_from(kib).expect("a body is bounded");
        let busy = |_| Refusal::Busy { wait_secs: settings.retry_after_secs };
        Arc::clone(&self.kib).try_acquire_many_owned(kib).map_err(busy)
    }

    /// Bytes in flight, rounded up.
    pub fn taken_bytes(&self) -> usize {
        (self.kib_all - self.kib.available_permits()) * 1024
    }
}

/// Reads the rest of a body that is refused and forgets it. A connection that is closed with something unread is
/// reset, and its sender may never see why.
pub async fn discard(body: &mut BodyDataStream, settings: &Settings) {
    let reading = async {
        let mut left = settings.batch_bytes_max + RATIO_FREE_BYTES;
        while let Some(Ok(chunk)) = body.next().await
            && chunk.len() <= left
        {
            left -= chunk.len();
        }
    };
    // Whoever is slower than this has lost the answer.
    let _ = timeout(LEFTOVER_TIME_MAX, reading).await;
}

/// Receives a body as it was sent.
pub async fn receive(
    stream: &mut BodyDataStream,
    announced: &Announced,
    settings: &Settings,
) -> Result<Vec<u8>, Refusal> {
    let (started, pause_max) = (Instant::now(), Duration::from_millis(settings.body_pause_ms_max));
    let mut bytes = Vec::with_capacity(announced.length.unwrap_or(4096).min(settings.batch_bytes_max));
    loop {
        let chunk = match timeout(pause_max, stream.next()).await {
            Err(_) => return Err(Refusal::Slow),
            Ok(None) => return Ok(bytes),
            Ok(Some(Err(_))) => return Err(Refusal::Torn),
            Ok(Some(Ok(chunk))) => chunk,
        };
        if bytes.len() + chunk.len() > settings.batch_bytes_max {
            return Err(too_large(settings));
        }
        bytes.extend_from_slice(&chunk);
        let elapsed = started.elapsed();
        if elapsed > pause_max && (bytes.len() as u64) < elapsed.as_secs() * settings.body_bytes_per_second_min {
            return Err(Refusal::Slow);
        }
    }
}

/// Decompresses a body if it is compressed; stops at the limits, however much is still to come.
pub fn unpack(bytes: Vec<u8>, announced: &Announced, settings: &Settings) -> Result<Vec<u8>, Refusal> {
    if !announced.gzip {
        return Ok(bytes);
    }
    let bytes_max = unpacked_max(bytes.len(), settings);
    let mut unpacked = Vec::with_capacity(bytes_max.min(4 * bytes.len()));
    let mut unpacker = MultiGzDecoder::new(bytes.as_slice()).take(bytes_max as u64 + 1);
    unpacker
        .read_to_end(&mut unpacked)
        .map_err(|_| Refusal::Unreadable("the body is not gzip, although its content encoding says so".into()))?;
    if unpacked.len() > bytes_max {
        let ratio = settings.gzip_ratio_max;
        return Err(Refusal::TooLarge(format!(
            "decompressed, the body is larger than {bytes_max} bytes (at most {ratio} times its size): send several"
        )));
    }
    Ok(unpacked)
}

fn unpacked_max(packed_bytes: usize, settings: &Settings) -> usize {
    let by_ratio = packed_bytes.saturating_mul(settings.gzip_ratio_max);
    by_ratio.max(RATIO_FREE_BYTES).min(settings.batch_bytes_max)
}

fn too_large(settings: &Settings) -> Refusal {
    Refusal::TooLarge(format!("the body is larger than {} bytes: send several", settings.batch_bytes_max))
}
