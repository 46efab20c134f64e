//! Receiving a body: sizes, room for it, speed and compression, all before it is parsed.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::BodyDataStream;
use axum::http::{HeaderMap, header};
use flate2::read::MultiGzDecoder;
use futures::StreamExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};

use super::refusal::Refusal;
use super::settings::Settings;
use crate::domain::ids::{SourceId, TenantId};

/// Bodies below this size may be compressed as well as they can.
const RATIO_FREE_BYTES: usize = 64 * 1024;

/// The header, of a request or of a message on NATS, whose events are only a test; its value is the sender's own word for it.
pub const TEST: &str = "headwater-test";

/// The longest word of a test, in characters.
const TEST_CHARS_MAX: usize = 64;

/// The word of a test; none for empty text.
pub fn test_word(text: &str) -> Option<Box<str>> {
    let word: String = text.trim().chars().take(TEST_CHARS_MAX).collect();
    (!word.is_empty()).then(|| word.into())
}

/// How long the rest of a refused body is read for.
const LEFTOVER_TIME_MAX: Duration = Duration::from_secs(2);

/// What a request says about its body.
#[derive(Clone, Debug)]
pub struct Announced {
    /// The media type without parameters, in lower case; empty when there is none.
    pub media: String,
    pub charset: Option<String>,
    /// The word of whoever tries the way here.
    pub test: Option<Box<str>>,
    packing: Packing,
    length: Option<usize>,
}

/// How a body is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Packing {
    Plain,
    Gzip,
    /// Snappy's block format.
    Snappy,
}

impl Announced {
    /// Reads the headers and refuses what would not be taken anyway.
    pub fn read(headers: &HeaderMap, settings: &Settings) -> Result<Self, Refusal> {
        let header_bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
        if header_bytes > settings.header_bytes_max {
            return Err(Refusal::HeadersTooLarge(settings.header_bytes_max));
        }
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("");
        let packing = match text(header::CONTENT_ENCODING).trim().to_ascii_lowercase().as_str() {
            "" | "identity" => Packing::Plain,
            "gzip" | "x-gzip" => Packing::Gzip,
            "snappy" => Packing::Snappy,
            _ => return Err(Refusal::MediaType("only gzip (and snappy, in blocks) is taken as content encoding")),
        };
        let mut parts = text(header::CONTENT_TYPE).split(';');
        let media = parts.next().unwrap_or("").trim().to_ascii_lowercase();
        let charset = parts.filter_map(|part| part.trim().split_once('=')).find_map(|(key, value)| {
            key.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches('"').to_owned())
        });
        let length = text(header::CONTENT_LENGTH).parse().ok();
        let test = headers.get(TEST).and_then(|word| test_word(word.to_str().ok()?));
        if length.is_some_and(|length| length > settings.batch_bytes_max) {
            return Err(too_large(settings));
        }
        Ok(Self { media, charset, test, packing, length })
    }

    /// The most memory that the body can take.
    fn bytes_max(&self, settings: &Settings) -> usize {
        match (self.length, self.packing) {
            (Some(length), Packing::Plain) => length,
            (Some(length), Packing::Gzip | Packing::Snappy) => {
                (length + unpacked_max(length, settings)).min(2 * settings.batch_bytes_max)
            }
            (None, _) => settings.batch_bytes_max,
        }
    }
}

/// Room for the bodies that are in flight.
pub struct Room {
    kib: Arc<Semaphore>,
    kib_all: usize,
    /// What each source holds of it.
    shares: Arc<Shares>,
}

type Whose = (TenantId, SourceId);
type Shares = Mutex<BTreeMap<Whose, usize>>;

/// A place in the room; it is given back when it is dropped.
pub struct Place {
    _permit: OwnedSemaphorePermit,
    kib: usize,
    whose: Whose,
    shares: Arc<Shares>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(share) = shares.get_mut(&self.whose) {
            *share = share.saturating_sub(self.kib);
            if *share == 0 {
                shares.remove(&self.whose);
            }
        }
    }
}

impl Room {
    /// Makes room for so many bytes.
    pub fn new(settings: &Settings) -> Self {
        let kib_all = (settings.in_flight_bytes_max / 1024).clamp(1, Semaphore::MAX_PERMITS);
        Self { kib: Arc::new(Semaphore::new(kib_all)), kib_all, shares: Arc::default() }
    }

    /// Takes room for a body until the place is dropped; refuses at once when there is none. The last eighth is for sources that
    /// hold less than a quarter: one that storms is refused before it leaves the others nothing.
    pub fn take(
        &self,
        (tenant, source): (&TenantId, &SourceId),
        announced: &Announced,
        settings: &Settings,
    ) -> Result<Place, Refusal> {
        let kib = (announced.bytes_max(settings) / 1024 + 1).min(self.kib_all);
        let asked = u32::try_from(kib).expect("a body is bounded");
        let busy = || Refusal::Busy { wait_secs: settings.retry_after_secs };
        let whose = (tenant.clone(), source.clone());
        let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        let own = shares.get(&whose).copied().unwrap_or_default();
        let is_greedy = own > 0 && own + kib > self.kib_all / 4;
        if is_greedy && self.kib.available_permits() < kib + self.kib_all / 8 {
            return Err(busy());
        }
        let permit = Arc::clone(&self.kib).try_acquire_many_owned(asked).map_err(|_| busy())?;
        shares.insert(whose.clone(), own + kib);
        Ok(Place { _permit: permit, kib, whose, shares: self.shares.clone() })
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
    let bytes_max = unpacked_max(bytes.len(), settings);
    match announced.packing {
        Packing::Plain => return Ok(bytes),
        Packing::Snappy => return unsnapped(&bytes, bytes_max),
        Packing::Gzip => {}
    }
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

/// Unpacks snappy's block format; what the block says its length is gets checked before there is room made for it.
fn unsnapped(block: &[u8], bytes_max: usize) -> Result<Vec<u8>, Refusal> {
    let unreadable = |_| Refusal::Unreadable("the body is not snappy's block format, although it should be".into());
    let length = snap::raw::decompress_len(block).map_err(unreadable)?;
    if length > bytes_max {
        return Err(Refusal::TooLarge(format!("unpacked, the body is larger than {bytes_max} bytes: send several")));
    }
    snap::raw::Decoder::new().decompress_vec(block).map_err(unreadable)
}

fn unpacked_max(packed_bytes: usize, settings: &Settings) -> usize {
    let by_ratio = packed_bytes.saturating_mul(settings.gzip_ratio_max);
    by_ratio.max(RATIO_FREE_BYTES).min(settings.batch_bytes_max)
}

fn too_large(settings: &Settings) -> Refusal {
    Refusal::TooLarge(format!("the body is larger than {} bytes: send several", settings.batch_bytes_max))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_that_storms_leaves_room_for_the_others() {
        let settings = Settings { in_flight_bytes_max: 1024 * 1024, ..Settings::default() };
        let room = Room::new(&settings);
        let body = |kib: usize| Announced {
            media: String::new(),
            charset: None,
            test: None,
            packing: Packing::Plain,
            length: Some(kib * 1024 - 1),
        };
        let (tenant, storm, quiet) = (TenantId::from("t"), SourceId::from("storm"), SourceId::from("quiet"));
        let take = |source: &SourceId, kib: usize| room.take((&tenant, source), &body(kib), &settings);
        let held: Vec<Place> = std::iter::from_fn(|| take(&storm, 16).ok()).collect();
        assert_eq!(held.len() * 16, 1024 - 128, "all but the last eighth, while nobody else is there");
        let others: Vec<Place> = (0..4).map(|_| take(&quiet, 32).unwrap_or_else(|_| panic!("there is room"))).collect();
        assert!(take(&quiet, 1).is_err(), "now it is full");
        drop(others);
        drop(held);
        assert_eq!((room.taken_bytes(), room.shares.lock().unwrap().len()), (0, 0));
        assert!(take(&storm, 1024).is_ok(), "one large body alone is no storm");
    }

    #[test]
    fn snappy_is_unpacked_up_to_the_limit() {
        let text = b"a run of text that is a run of text ".repeat(20);
        let packed = snap::raw::Encoder::new().compress_vec(&text).unwrap();
        // "abcd", then nine bytes from four back, then two bytes from 13 back.
        let copies = [15, 3 << 2, b'a', b'b', b'c', b'd', (9 - 4) << 2 | 1, 4, (2 - 1) << 2 | 2, 13, 0];
        // A long literal says its length in a byte of its own.
        let long = [&[70, 60 << 2, 69][..], &[b'x'; 70]].concat();
        let cases: [(&[u8], &[u8]); 4] =
            [(&packed, &text), (&[0], b""), (&copies, b"abcdabcdabcdaab"), (&long, &[b'x'; 70])];
        for (block, whole) in cases {
            assert_eq!(unsnapped(block, whole.len()).ok().as_deref(), Some(whole));
            let shorter = whole.len().checked_sub(1).map(|bytes_max| unsnapped(block, bytes_max));
            assert!(shorter.is_none_or(|refused| matches!(refused, Err(Refusal::TooLarge(_)))), "longer than allowed");
        }
        (0..packed.len()).for_each(|end| assert!(unsnapped(&packed[..end], 1000).is_err(), "{end}"));
        // Four gigabytes announced by a few bytes.
        assert!(matches!(unsnapped(&[0xff, 0xff, 0xff, 0xff, 0x0f, 0], 1000), Err(Refusal::TooLarge(_))));
        for bad in
            [&[][..], &[0xff; 6], &[5, 1, 9], &[4, 3 << 2, b'a'], &[4, 2, 0, 0], &[1, 63 << 2, 255, 255, 255, 255]]
        {
            assert!(matches!(unsnapped(bad, 1000), Err(Refusal::Unreadable(_))), "{bad:?}");
        }
    }
}
