//! Text packed for the disk. Records repeat themselves from event to event: LZ4 makes a record of many events five to
//! twenty times shorter, and whatever digests, writes, copies or archives it afterwards has as much less to do.

use std::borrow::Cow;

/// The first byte of plain text: how records were kept before.
pub const PLAIN: u8 = 1;
/// The first byte of packed text: behind it the text's length (four bytes, little end first), then an LZ4 block.
pub const PACKED: u8 = 2;

/// A block of LZ4 stands for at most so many times its own length.
const RATIO_MAX: usize = 255;

/// Packs a text.
pub fn pack(text: &[u8]) -> Vec<u8> {
    let length = u32::try_from(text.len()).expect("a text is shorter than 4 GiB");
    let mut body = vec![0; 5 + lz4_flex::block::get_maximum_output_size(text.len())];
    body[0] = PACKED;
    body[1..5].copy_from_slice(&length.to_le_bytes());
    let packed = lz4_flex::block::compress_into(text, &mut body[5..]).expect("there is room for the worst text");
    body.truncate(5 + packed);
    body.shrink_to_fit();
    body
}

/// Reads what `pack` wrote, or plain text behind its first byte.
///
/// # Errors
/// A sentence without a subject that says what is wrong.
pub fn unpack(body: &[u8]) -> Result<Cow<'_, [u8]>, String> {
    match body.split_first() {
        Some((&PLAIN, text)) => Ok(Cow::Borrowed(text)),
        Some((&PACKED, rest)) => {
            let (length, block) = rest.split_first_chunk::<4>().ok_or("is cut")?;
            let length = u32::from_le_bytes(*length) as usize;
            // Nothing is reserved for a length that cannot be.
            if length / RATIO_MAX > block.len() {
                return Err(format!("says that {} bytes stand for {length}", block.len()));
            }
            let text = lz4_flex::block::decompress(block, length).map_err(|error| format!("is unreadable: {error}"))?;
            if text.len() != length {
                return Err(format!("has {} bytes of text, not {length}", text.len()));
            }
            Ok(Cow::Owned(text))
        }
        Some((format, _)) => {
            Err(format!("has format {format}, this program reads up to {PACKED}: use a newer program"))
        }
        None => Err("is empty".to_owned()),
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
    use super::*;

    #[test]
    fn what_is_packed_is_read_back_and_what_is_broken_is_refused() {
        let many = "告警 alert ".repeat(500);
        for text in ["", "x", "告警", many.as_str()] {
            let body = pack(text.as_bytes());
            assert_eq!(unpack(&body).as_deref(), Ok(text.as_bytes()));
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
