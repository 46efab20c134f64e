//! Snappy's block format, as Prometheus packs what it writes to others: literals, and copies of what came before.

/// Unpacks a block that is at most `bytes_max` long then; `None` when it is no such block, or longer.
pub fn unpack(block: &[u8], bytes_max: usize) -> Option<Vec<u8>> {
    let (length, mut rest) = length(block)?;
    if length > bytes_max {
        return None;
    }
    let mut out = Vec::with_capacity(length);
    while let Some((tag, after)) = rest.split_first() {
        rest = match tag & 3 {
            0 => literal(&mut out, *tag, after)?,
            1 => {
                let (low, after) = after.split_first()?;
                copy(&mut out, usize::from(tag >> 5) << 8 | usize::from(*low), usize::from(tag >> 2 & 7) + 4)?;
                after
            }
            kind => {
                let (offset, after) = number(after, if kind == 2 { 2 } else { 4 })?;
                copy(&mut out, offset, usize::from(tag >> 2) + 1)?;
                after
            }
        };
        if out.len() > length {
            return None;
        }
    }
    (out.len() == length).then_some(out)
}

/// The length of what is packed, seven bits a byte.
fn length(block: &[u8]) -> Option<(usize, &[u8])> {
    let mut length = 0u64;
    for (n, byte) in block.iter().take(5).enumerate() {
        length |= u64::from(byte & 0x7f) << (7 * n);
        if byte & 0x80 == 0 {
            return Some((usize::try_from(length).ok()?, &block[n + 1..]));
        }
    }
    None
}

fn number(bytes: &[u8], width: usize) -> Option<(usize, &[u8])> {
    let (own, rest) = bytes.split_at_checked(width)?;
    Some((own.iter().rev().fold(0, |number, byte| number << 8 | usize::from(*byte)), rest))
}

fn literal<'b>(out: &mut Vec<u8>, tag: u8, after: &'b [u8]) -> Option<&'b [u8]> {
    let (less_one, after) = match usize::from(tag >> 2) {
        short @ ..=59 => (short, after),
        long => number(after, long - 59)?,
    };
    let (own, rest) = after.split_at_checked(less_one + 1)?;
    out.extend_from_slice(own);
    Some(rest)
}

/// Copies so many bytes from so far back; they may reach into what is just being copied.
fn copy(out: &mut Vec<u8>, offset: usize, count: usize) -> Option<()> {
    let from = out.len().checked_sub(offset).filter(|_| offset > 0)?;
    for at in from..from + count {
        out.push(out[at]);
    }
    Some(())
}

/// Packs by literals alone: what any reader unpacks.
pub fn pack(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + bytes.len() / 50 + 8);
    let mut length = bytes.len();
    while length >= 0x80 {
        out.push(length as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
    for some in bytes.chunks(60) {
        out.push((some.len() as u8 - 1) << 2);
        out.extend_from_slice(some);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_and_copies_are_unpacked() {
        let text = b"a run of text that is a run of text ".repeat(20);
        assert_eq!(unpack(&pack(&text), 10_000).unwrap(), text);
        assert_eq!(unpack(&pack(b""), 10).unwrap(), b"");
        // "abcd", then nine bytes from four back, then two bytes from 13 back.
        let block = [15, 3 << 2, b'a', b'b', b'c', b'd', (9 - 4) << 2 | 1, 4, (2 - 1) << 2 | 2, 13, 0];
        assert_eq!(unpack(&block, 100).unwrap(), b"abcdabcdabcdaab");
        // A long literal says its length in a byte of its own.
        let long = [&[70, 60 << 2, 69][..], &[b'x'; 70]].concat();
        assert_eq!(unpack(&long, 100).unwrap(), [b'x'; 70]);
    }

    #[test]
    fn what_is_no_block_is_refused_and_what_is_too_long() {
        let whole = pack(&b"some text of several words".repeat(4));
        assert_eq!(unpack(&whole, 103), None, "longer than allowed");
        (0..whole.len()).for_each(|end| assert_eq!(unpack(&whole[..end], 1000), None, "{end}"));
        for bad in
            [&[][..], &[0xff; 6], &[5, 1, 9], &[4, 3 << 2, b'a'], &[4, 2, 0, 0], &[1, 63 << 2, 255, 255, 255, 255]]
        {
            assert_eq!(unpack(bad, 1000), None, "{bad:?}");
        }
        let mut state = 7u32;
        for _ in 0..20_000 {
            let mut next = || {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as u8
            };
            let noise: Vec<u8> = (0..24).map(|_| next()).collect();
            let _ = unpack(&noise, 4096);
        }
    }
}
