//! Pairs of texts packed into one: each text behind its length, so that many short texts take one piece of memory.

/// Bits of a length in one byte; the bit above says that more follow. Such a byte is a character of its own.
const BITS: u32 = 6;
const MORE: u8 = 1 << BITS;

/// Adds a text behind its length.
pub fn push(packed: &mut String, text: &str) {
    let mut len = text.len();
    while len >> BITS > 0 {
        packed.push(char::from(MORE | (len as u8 & (MORE - 1))));
        len >>= BITS;
    }
    packed.push(char::from(len as u8));
    packed.push_str(text);
}

/// How many bytes a text takes in a packed one.
pub const fn packed_len(text: &str) -> usize {
    let mut bytes = text.len() + 1;
    let mut len = text.len() >> BITS;
    while len > 0 {
        bytes += 1;
        len >>= BITS;
    }
    bytes
}

/// The pairs of a packed text, in the order in which they were added.
#[derive(Clone, Debug)]
pub struct Pairs<'a>(&'a str);

impl<'a> Pairs<'a> {
    /// The pairs of `packed`, which [`push`] has made.
    pub const fn of(packed: &'a str) -> Self {
        Self(packed)
    }

    fn text(&mut self) -> Option<&'a str> {
        let bytes = self.0.as_bytes();
        let (mut len, mut at) = (0, 0);
        loop {
            let byte = *bytes.get(at)?;
            len |= usize::from(byte & (MORE - 1)) << (BITS * at as u32);
            at += 1;
            if byte & MORE == 0 {
                break;
            }
        }
        let (text, rest) = self.0[at..].split_at(len);
        self.0 = rest;
        Some(text)
    }
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        Some((self.text()?, self.text()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_all_lengths_come_back() {
        let long = "长".repeat(100_000);
        let texts = ["", "a", &"b".repeat(63), &"c".repeat(64), &"d".repeat(4096), &long];
        let mut packed = String::new();
        for text in texts {
            let before = packed.len();
            push(&mut packed, text);
            assert_eq!(packed.len() - before, packed_len(text));
        }
        let back: Vec<&str> = Pairs::of(&packed).flat_map(|(key, value)| [key, value]).collect();
        assert_eq!(back, texts);
    }
}
