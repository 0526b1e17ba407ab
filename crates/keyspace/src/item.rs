//! An element as it is stored: its bytes, or the number that they spell.

use std::fmt;

use itoa::Buffer;

use crate::Blob;
use crate::string::canonical_integer;

/// An element of a list, a set or a stream's block. Two items are equal where their texts are.
#[derive(Clone, Copy)]
pub enum Item<'a> {
    /// The canonical text of this number.
    Int(i64),
    /// Any bytes; they may spell a number as well.
    Bytes(&'a [u8]),
}

impl<'a> Item<'a> {
    /// The element of these bytes: a number where they are one's canonical text.
    pub fn new(bytes: &'a [u8]) -> Item<'a> {
        match canonical_integer(bytes) {
            Some(number) => Item::Int(number),
            None => Item::Bytes(bytes),
        }
    }

    /// Its text, rendered into `digits` if need be.
    pub fn text<'b>(self, digits: &'b mut Buffer) -> &'b [u8]
    where
        'a: 'b,
    {
        match self {
            Item::Int(number) => digits.format(number).as_bytes(),
            Item::Bytes(bytes) => bytes,
        }
    }

    /// Calls `f` with its text, without any allocation.
    pub fn with_text<T>(self, f: impl FnOnce(&[u8]) -> T) -> T {
        f(self.text(&mut Buffer::new()))
    }

    /// Its text as a value of its own.
    pub fn to_blob(self) -> Blob {
        Blob::new(self.text(&mut Buffer::new()))
    }

    /// The number that its text spells, if it is one's canonical text.
    pub fn integer(self) -> Option<i64> {
        match self {
            Item::Int(number) => Some(number),
            Item::Bytes(bytes) => canonical_integer(bytes),
        }
    }

    /// Whether this is its text.
    pub fn is(self, text: &[u8]) -> bool {
        self.text(&mut Buffer::new()) == text
    }
}

impl PartialEq for Item<'_> {
    fn eq(&self, other: &Item<'_>) -> bool {
        match (self, other) {
            (Item::Int(a), Item::Int(b)) => a == b,
            (Item::Bytes(a), Item::Bytes(b)) => a == b,
            (Item::Int(number), Item::Bytes(bytes)) | (Item::Bytes(bytes), Item::Int(number)) => {
                canonical_integer(bytes) == Some(*number)
            }
        }
    }
}

impl Eq for Item<'_> {}

impl fmt::Debug for Item<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.text(&mut Buffer::new()).escape_ascii())
    }
}
