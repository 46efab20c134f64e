//! How somebody is reached: what may be known of an address without being able to use it.

/// How somebody is reached by a receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    /// What the address is for: `mobile`, `mail`, or the receiver.
    pub key: Box<str>,
    pub masked: String,
    /// What may be kept of it; empty: nothing signs here.
    pub print: Box<str>,
    /// The code that shows that it is the person's, and the one before, which is good still.
    pub codes: [String; 2],
    /// It has to be shown before it is used.
    pub is_asked: bool,
}
