//! Text packed for the disk. Records repeat themselves from event to event: LZ4 makes a record of many events five to
//! twenty times shorter, and whatever digests, writes, copies or archives it afterwards has as much less to do.

use std::borrow::Cow;
use std::cell::RefCell;

/// The first byte of plain text: how records were kept before.
pub const PLAIN: u8 = 1;
/// The first byte of packed text: behind it the text's length (four bytes, little end first), then an LZ4 block.
pub const PACKED: u8 = 2;

/// A block of LZ4 stands for at most so many times its own length.
const RATIO_MAX: usize = 255;

/// What a thread keeps of its room from one text to the next.
const ROOM_BYTES_MAX: usize = 2 * 1024 * 1024;

thread_local! {
    /// Room for a text and for its packed form. Records come one after the other: fresh room for each would have to be
    /// cleared by the system first, which takes longer than packing.
    static ROOM: RefCell<(Vec<u8>, Vec<u8>)> = const { RefCell::new((Vec::new(), Vec::new())) };
}

/// Packs a text.
pub fn pack(text: &[u8]) -> Vec<u8> {
    ROOM.with_borrow_mut(|(_, room)| pack_into(text, room))
}

/// Packs what `write` writes.
///
/// # Errors
/// What `write` reports.
pub fn pack_written<E>(write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>) -> Result<Vec<u8>, E> {
    ROOM.with_borrow_mut(|(text, room)| {
        text.clear();
        write(text)?;
        let body = pack_into(text, room);
        if text.capacity() > ROOM_BYTES_MAX {
            *text = Vec::new();
        }
        Ok(body)
    })
}

fn pack_into(text: &[u8], room: &mut Vec<u8>) -> Vec<u8> {
    let length = u32::try_from(text.len()).expect("a text is shorter than 4 GiB");
    let bytes_max = lz4_flex::block::get_maximum_output_size(text.len());
    if room.len() < bytes_max {
        room.resize(bytes_max, 0);
    }
    let packed = lz4_flex::block::compress_into(text, room).expect("there is room for the worst text");
    let mut body = Vec::with_capacity(5 + packed);
    body.push(PACKED);
    body.extend_from_slice(&length.to_le_bytes());
    body.extend_from_slice(&room[..packed]);
    if room.len() > ROOM_BYTES_MAX {
        *room = Vec::new();
    }
    body
}

/// Reads what `pack` wrote, or plain text behind its first byte.
///
/// # Errors
/// A sentence without a subject that says what is wrong.
pub fn unpack(body: &[u8]) -> Result<Cow<'_, [u8]>, String> {
    match parts(body)? {
        Parts::Plain(text) => Ok(Cow::Borrowed(text)),
        Parts::Packed { length, block } => {
            let mut text = vec![0; length];
            unpack_into(block, &mut text)?;
            Ok(Cow::Owned(text))
        }
    }
}

/// As `unpack`, for a text that is only looked at: in the thread's room.
///
/// # Errors
/// A sentence without a subject that says what is wrong.
pub fn with_text<T>(body: &[u8], look: impl FnOnce(&[u8]) -> T) -> Result<T, String> {
    let (length, block) = match parts(body)? {
        Parts::Plain(text) => return Ok(look(text)),
        Parts::Packed { length, block } => (length, block),
    };
    ROOM.with_borrow_mut(|(room, _)| {
        if room.len() < length {
            room.resize(length, 0);
        }
        unpack_into(block, &mut room[..length])?;
        let seen = look(&room[..length]);
        if room.len() > ROOM_BYTES_MAX {
            *room = Vec::new();
        }
        Ok(seen)
    })
}

enum Parts<'b> {
    Plain(&'b [u8]),
    Packed { length: usize, block: &'b [u8] },
}

fn parts(body: &[u8]) -> Result<Parts<'_>, String> {
    match body.split_first() {
        Some((&PLAIN, text)) => Ok(Parts::Plain(text)),
        Some((&PACKED, rest)) => {
            let (length, block) = rest.split_first_chunk::<4>().ok_or("is cut")?;
            let length = u32::from_le_bytes(*length) as usize;
            // Nothing is reserved for a length that cannot be.
            if length / RATIO_MAX > block.len() {
                return Err(format!("says that {} bytes stand for {length}", block.len()));
            }
            Ok(Parts::Packed { length, block })
        }
        Some((format, _)) => {
            Err(format!("has format {format}, this program reads up to {PACKED}: use a newer program"))
        }
        None => Err("is empty".to_owned()),
    }
}

fn unpack_into(block: &[u8], text: &mut [u8]) -> Result<(), String> {
    let length = text.len();
    let found = lz4_flex::block::decompress_into(block, text).map_err(|error| format!("is unreadable: {error}"))?;
    if found != length {
        return Err(format!("has {found} bytes of text, not {length}"));
    }
    Ok(())
}

/// Text of a piece of a long text.
const PIECE_BYTES: usize = 512 * 1024;

/// A long text in packed pieces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pieces(pub Vec<Vec<u8>>);

impl Pieces {
    /// The pieces as one, each behind its length (four bytes, little end first).
    pub fn joined(&self) -> Vec<u8> {
        let mut joined = Vec::with_capacity(self.0.iter().map(|piece| 4 + piece.len()).sum());
        for piece in &self.0 {
            joined.extend_from_slice(&(piece.len() as u32).to_le_bytes());
            joined.extend_from_slice(piece);
        }
        joined
    }

    /// What `joined` made.
    ///
    /// # Errors
    /// A sentence without a subject that says what is wrong.
    pub fn split(mut joined: &[u8]) -> Result<Self, String> {
        let mut pieces = Vec::new();
        while let Some((length, rest)) = joined.split_first_chunk::<4>() {
            let (piece, behind) = rest.split_at_checked(u32::from_le_bytes(*length) as usize).ok_or("is cut")?;
            pieces.push(piece.to_vec());
            joined = behind;
        }
        if joined.is_empty() { Ok(Self(pieces)) } else { Err("is cut".to_owned()) }
    }

    /// How long the text is.
    pub fn text_bytes(&self) -> usize {
        self.0.iter().map(|piece| text_bytes(piece)).sum()
    }

    /// The text. Each piece goes as soon as it is unpacked.
    ///
    /// # Errors
    /// A sentence without a subject that says what is wrong.
    pub fn into_text(self) -> Result<Vec<u8>, String> {
        let mut text = Vec::with_capacity(self.text_bytes());
        for piece in self.0 {
            // Before pieces were packed, they were JSON, which never begins with this byte.
            match piece.first() {
                Some(&PACKED) => text.extend_from_slice(&unpack(&piece)?),
                _ => text.extend_from_slice(&piece),
            }
        }
        Ok(text)
    }
}

/// Packs a long text piece by piece while it is written, so that it is never whole in memory.
#[derive(Default)]
pub struct Packer {
    text: Vec<u8>,
    pieces: Vec<Vec<u8>>,
}

impl Packer {
    fn end_piece(&mut self) {
        self.pieces.push(pack(&self.text));
        self.text.clear();
    }

    /// The pieces of what was written.
    pub fn into_pieces(mut self) -> Pieces {
        if !self.text.is_empty() {
            self.end_piece();
        }
        Pieces(self.pieces)
    }
}

impl std::io::Write for Packer {
    fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
        self.text.extend_from_slice(text);
        if self.text.len() >= PIECE_BYTES {
            self.end_piece();
        }
        Ok(text.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// How long the text is, as the stored form says: what it takes in memory.
pub fn text_bytes(body: &[u8]) -> usize {
    match body {
        [PACKED, a, b, c, d, ..] => u32::from_le_bytes([*a, *b, *c, *d]) as usize,
        plain => plain.len().saturating_sub(1),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_long_text_is_packed_while_it_is_written() {
        let words: Vec<String> = (0..200_000).map(|n| format!("word {n};")).collect();
        let mut packer = Packer::default();
        for word in &words {
            packer.write_all(word.as_bytes()).unwrap();
        }
        let pieces = packer.into_pieces();
        let text = words.concat().into_bytes();
        assert!(pieces.0.len() > 1 && pieces.text_bytes() == text.len());
        let joined = pieces.joined();
        assert_eq!(Pieces::split(&joined), Ok(pieces.clone()));
        assert!(Pieces::split(&joined[..joined.len() - 1]).is_err() && Pieces::split(&joined[..3]).is_err());
        assert_eq!(pieces.into_text(), Ok(text));
        assert_eq!(Packer::default().into_pieces().into_text(), Ok(Vec::new()));
    }

    #[test]
    fn what_is_packed_is_read_back_and_what_is_broken_is_refused() {
        let many = "告警 alert ".repeat(500);
        for text in ["", "x", "告警", many.as_str()] {
            let body = pack(text.as_bytes());
            assert_eq!(unpack(&body).as_deref(), Ok(text.as_bytes()));
            assert_eq!(with_text(&body, <[u8]>::to_vec).as_deref(), Ok(text.as_bytes()));
            assert_eq!(pack_written(|to| to.write_all(text.as_bytes())).unwrap(), body);
            assert!(text.is_empty() || unpack(&body[..body.len() - 1]).is_err(), "cut");
        }
        assert_eq!((text_bytes(&pack(b"12345")), text_bytes(&[PLAIN, b'{'])), (5, 1));
        assert!(pack(many.as_bytes()).len() * 10 < many.len());
        assert_eq!(unpack(&[PLAIN, b'{']).as_deref(), Ok(b"{".as_slice()));
        let check = |body: &[u8], says: &str| assert!(unpack(body).unwrap_err().contains(says), "{body:?}");
        check(&[], "is empty");
        check(&[PACKED, 1, 0], "is cut");
        check(&[PACKED, 0xff, 0xff, 0xff, 0xff, 0x10, b'a'], "stand for 4294967295");
        check(&[PACKED, 9, 0, 0, 0, 0x10, b'a'], "");
        check(&[PACKED + 1, 0], "newer program");
    }
}
