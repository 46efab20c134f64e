//! What was learned, as the bytes of a file: a head that says what it is, entries and their number, a digest over all of it.

use sha2::{Digest as _, Sha256};

use super::state::{Reader, Writer};

/// The first bytes: what it is, and the version of its layout.
pub type Head = [u8; 12];

const DIGEST: usize = 32;

/// Why bytes were not taken; nothing of them is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unread {
    #[error("it is nothing of this kind, or not of this program's version")]
    Head,
    #[error("its digest is another: it was cut off or changed")]
    Digest,
    #[error("entry {0} cannot be read")]
    Entry(usize),
}

/// The bytes of so many entries, which `write` appends.
pub fn sealed(head: &Head, entries: usize, write: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
    let mut bytes = head.to_vec();
    let mut out = Writer(&mut bytes);
    out.u32(entries as u32);
    write(&mut out);
    let digest = Sha256::digest(&bytes);
    bytes.extend(&digest[..]);
    bytes
}

/// Reads the entries one after the other.
///
/// # Errors
/// When the bytes have another head, are not whole, or `read` cannot read an entry.
pub fn opened<T>(
    head: &Head,
    bytes: &[u8],
    mut read: impl FnMut(&mut Reader<'_>) -> Option<T>,
) -> Result<Vec<T>, Unread> {
    let Some(rest) = bytes.strip_prefix(head) else { return Err(Unread::Head) };
    let Some((body, digest)) = rest.split_last_chunk::<DIGEST>() else { return Err(Unread::Digest) };
    if Sha256::new().chain_update(head).chain_update(body).finalize()[..] != digest[..] {
        return Err(Unread::Digest);
    }
    let mut from = Reader(body);
    let count = from.u32().ok_or(Unread::Digest)? as usize;
    (0..count).map(|number| read(&mut from).ok_or(Unread::Entry(number))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &Head = b"hw-things\0\0\x01";

    #[test]
    fn the_bytes_are_those_of_the_first_version() {
        let bytes = sealed(OWN, 2, |out| ["one", "two"].into_iter().for_each(|text| out.text(text)));
        let digest = "38492f79ac9f6c7008d62d0dcb0447d4726dfb64c827666e9837a2fd5cfd0e4e";
        assert_eq!(hex::encode(&bytes), format!("68772d7468696e67730000010200000003006f6e65030074776f{digest}"));
        let texts = |from: &mut Reader<'_>| from.text().map(str::to_owned);
        assert_eq!(opened(OWN, &bytes, texts).unwrap(), ["one", "two"]);
        assert_eq!(opened(b"hw-others\0\0\x01", &bytes, texts), Err(Unread::Head));
        assert_eq!(opened(OWN, &bytes, |from| from.i64()), Err(Unread::Entry(1)));
        (0..bytes.len()).for_each(|end| assert!(opened(OWN, &bytes[..end], texts).is_err(), "cut at {end}"));
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(opened(OWN, &flipped, texts).is_err(), "bit {bit}");
        }
    }
}
