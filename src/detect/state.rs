//! Bytes of what is known of series: fixed layouts, little endian. Nothing is read past the end, and nothing odd is taken.

/// Appends numbers.
pub struct Writer<'a>(pub &'a mut Vec<u8>);

impl Writer<'_> {
    /// A byte.
    pub fn u8(&mut self, value: u8) {
        self.0.push(value);
    }

    /// Two bytes.
    pub fn u16(&mut self, value: u16) {
        self.0.extend(value.to_le_bytes());
    }

    /// Four bytes.
    pub fn u32(&mut self, value: u32) {
        self.0.extend(value.to_le_bytes());
    }

    /// Eight bytes.
    pub fn i64(&mut self, value: i64) {
        self.0.extend(value.to_le_bytes());
    }

    /// A number of four bytes.
    pub fn f32(&mut self, value: f32) {
        self.0.extend(value.to_le_bytes());
    }

    /// A text of at most 65,535 bytes; what is longer is cut at a character.
    pub fn text(&mut self, text: &str) {
        let mut end = text.len().min(usize::from(u16::MAX));
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        self.u16(end as u16);
        self.0.extend(&text.as_bytes()[..end]);
    }
}

/// Takes numbers from the front; `None` when there are not enough bytes.
pub struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (front, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(front)
    }

    /// A byte.
    pub fn u8(&mut self) -> Option<u8> {
        self.bytes(1).map(|bytes| bytes[0])
    }

    /// Two bytes.
    pub fn u16(&mut self) -> Option<u16> {
        self.bytes(2)?.try_into().ok().map(u16::from_le_bytes)
    }

    /// Four bytes.
    pub fn u32(&mut self) -> Option<u32> {
        self.bytes(4)?.try_into().ok().map(u32::from_le_bytes)
    }

    /// Eight bytes.
    pub fn i64(&mut self) -> Option<i64> {
        self.bytes(8)?.try_into().ok().map(i64::from_le_bytes)
    }

    /// A number of four bytes, whatever it is.
    pub fn f32(&mut self) -> Option<f32> {
        self.bytes(4)?.try_into().ok().map(f32::from_le_bytes)
    }

    /// A finite number of four bytes.
    pub fn finite(&mut self) -> Option<f32> {
        self.f32().filter(|value| value.is_finite())
    }

    /// A text.
    pub fn text(&mut self) -> Option<&'a str> {
        let length = usize::from(self.u16()?);
        std::str::from_utf8(self.bytes(length)?).ok()
    }
}
