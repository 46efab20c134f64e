//! The part of BER that SNMP uses.

/// What is wrong with bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bad(pub &'static str);

const SHORT: Bad = Bad("it ends too early");

/// Values one after the other.
#[derive(Clone, Copy)]
pub struct Ber<'b> {
    rest: &'b [u8],
}

impl<'b> Ber<'b> {
    pub fn new(bytes: &'b [u8]) -> Self {
        Self { rest: bytes }
    }

    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next value: its tag and its content.
    pub fn next(&mut self) -> Result<(u8, &'b [u8]), Bad> {
        let [tag, first, rest @ ..] = self.rest else { return Err(SHORT) };
        let (length, rest) = match first {
            0..=0x7f => (usize::from(*first), rest),
            0x81..=0x84 => {
                let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f)).ok_or(SHORT)?;
                (digits.iter().fold(0usize, |length, digit| (length << 8) | usize::from(*digit)), rest)
            }
            _ => return Err(Bad("a length is not written as SNMP writes it")),
        };
        let (content, rest) = rest.split_at_checked(length).ok_or(SHORT)?;
        self.rest = rest;
        Ok((*tag, content))
    }

    /// The content of the next value, which must have this tag.
    pub fn tagged(&mut self, wanted: u8) -> Result<&'b [u8], Bad> {
        match self.next()? {
            (tag, content) if tag == wanted => Ok(content),
            _ => Err(Bad("a value is of another type than is due there")),
        }
    }

    pub fn sequence(&mut self) -> Result<Self, Bad> {
        self.tagged(0x30).map(Self::new)
    }

    pub fn octets(&mut self) -> Result<&'b [u8], Bad> {
        self.tagged(0x04)
    }

    pub fn integer(&mut self) -> Result<i64, Bad> {
        signed(self.tagged(0x02)?)
    }

    pub fn unsigned(&mut self, tag: u8) -> Result<u64, Bad> {
        unsigned(self.tagged(tag)?)
    }
}

/// A number with a sign.
pub fn signed(bytes: &[u8]) -> Result<i64, Bad> {
    if bytes.is_empty() || bytes.len() > 8 {
        return Err(Bad("a number has no byte, or more than eight"));
    }
    let sign = if bytes[0] & 0x80 == 0 { 0 } else { -1 };
    Ok(bytes.iter().fold(sign, |number: i64, byte| (number << 8) | i64::from(*byte)))
}

/// A number without a sign; some agents leave the leading zero away.
pub fn unsigned(bytes: &[u8]) -> Result<u64, Bad> {
    let digits = if bytes.len() == 9 && bytes[0] == 0 { &bytes[1..] } else { bytes };
    if digits.is_empty() || digits.len() > 8 {
        return Err(Bad("a number has no byte, or more than eight"));
    }
    Ok(digits.iter().fold(0, |number: u64, byte| (number << 8) | u64::from(*byte)))
}

/// An object identifier with dots.
pub fn oid_text(bytes: &[u8]) -> Result<String, Bad> {
    let [first, rest @ ..] = bytes else { return Err(Bad("an object identifier is empty")) };
    if bytes.len() > 256 {
        return Err(Bad("an object identifier is longer than 256 bytes"));
    }
    let top = (first / 40).min(2);
    let mut text = format!("{top}.{}", first - top * 40);
    let mut arc: u64 = 0;
    for byte in rest {
        if arc >> 57 != 0 {
            return Err(Bad("an object identifier has a number of more than 64 bits"));
        }
        arc = (arc << 7) | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            text.push('.');
            text.push_str(&arc.to_string());
            arc = 0;
        }
    }
    if rest.last().is_some_and(|last| last & 0x80 != 0) {
        return Err(SHORT);
    }
    Ok(text)
}

/// One value.
pub fn value(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    write(&mut bytes, tag, content);
    bytes
}

/// One number, in as few bytes as it needs.
pub fn number(number: i64) -> Vec<u8> {
    let bytes = number.to_be_bytes();
    let is_spare =
        |at: &usize| (bytes[*at] == 0 && bytes[at + 1] < 0x80) || (bytes[*at] == 0xff && bytes[at + 1] >= 0x80);
    let spare = (0..7).take_while(is_spare).count();
    value(0x02, &bytes[spare..])
}

/// Writes one value.
pub fn write(into: &mut Vec<u8>, tag: u8, content: &[u8]) {
    into.push(tag);
    match content.len() {
        length @ 0..=0x7f => into.push(length as u8),
        length => {
            let digits = (length as u32).to_be_bytes();
            let skipped = digits.iter().take_while(|digit| **digit == 0).count();
            into.push(0x80 | (digits.len() - skipped) as u8);
            into.extend_from_slice(&digits[skipped..]);
        }
    }
    into.extend_from_slice(content);
}
