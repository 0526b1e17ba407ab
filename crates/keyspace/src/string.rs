//! The string type: an integer, immutable short bytes, or a growable buffer.

use std::borrow::Cow;
use std::sync::Arc;

use crate::{Blob, slots};

/// Longest string that Redis embeds beside its object header (`OBJ_ENCODING_EMBSTR_SIZE_LIMIT`).
const EMBSTR_BYTES_MAX: usize = 44;
/// Longest text of an `i64`; what is longer is never an integer.
const INTEGER_BYTES_MAX: usize = 20;
/// Up to here a growing buffer doubles; beyond, it grows by a quarter.
const DOUBLING_BYTES_MAX: usize = 1024 * 1024;

/// A string value. Which variant a value has is part of the replicated state, because
/// `OBJECT ENCODING` shows it; snapshots keep it.
#[derive(Clone, Debug)]
pub enum StringValue {
    /// The canonical text of this number.
    Int(i64),
    /// Bytes as they were set.
    Bytes(Blob),
    /// Bytes that were changed in place: always "raw" to Redis, whatever their length.
    Raw(Arc<Vec<u8>>),
}

/// What `OBJECT ENCODING` says of a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StringEncoding {
    /// A number.
    Int,
    /// At most 44 bytes, never changed in place.
    Embstr,
    /// Anything else.
    Raw,
}

impl StringEncoding {
    /// Redis' name of it.
    pub fn name(self) -> &'static str {
        match self {
            StringEncoding::Int => "int",
            StringEncoding::Embstr => "embstr",
            StringEncoding::Raw => "raw",
        }
    }
}

impl StringValue {
    /// A value of these bytes, as SET stores it: a number where the bytes are one's canonical text.
    pub fn new(bytes: &[u8]) -> StringValue {
        match canonical_integer(bytes) {
            Some(number) => StringValue::Int(number),
            None => StringValue::Bytes(Blob::new(bytes)),
        }
    }

    /// The content: borrowed, or up to 20 bytes of text rendered from a number.
    pub fn bytes(&self) -> Cow<'_, [u8]> {
        match self {
            StringValue::Int(number) => Cow::Owned(itoa::Buffer::new().format(*number).as_bytes().to_vec()),
            StringValue::Bytes(blob) => Cow::Borrowed(blob),
            StringValue::Raw(buffer) => Cow::Borrowed(buffer),
        }
    }

    /// Calls `f` with the content, without any allocation.
    pub fn with_bytes<T>(&self, f: impl FnOnce(&[u8]) -> T) -> T {
        match self {
            StringValue::Int(number) => f(itoa::Buffer::new().format(*number).as_bytes()),
            StringValue::Bytes(blob) => f(blob),
            StringValue::Raw(buffer) => f(buffer),
        }
    }

    /// Length of the content in bytes (STRLEN).
    pub fn len(&self) -> usize {
        match self {
            StringValue::Int(number) => itoa::Buffer::new().format(*number).len(),
            StringValue::Bytes(blob) => blob.len(),
            StringValue::Raw(buffer) => buffer.len(),
        }
    }

    /// Whether the content is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number, where the content is the canonical text of one.
    pub fn integer(&self) -> Option<i64> {
        match self {
            StringValue::Int(number) => Some(*number),
            StringValue::Bytes(blob) => canonical_integer(blob),
            StringValue::Raw(buffer) => canonical_integer(buffer),
        }
    }

    /// What `OBJECT ENCODING` says.
    pub fn encoding(&self) -> StringEncoding {
        match self {
            StringValue::Int(_) => StringEncoding::Int,
            StringValue::Bytes(blob) if blob.len() <= EMBSTR_BYTES_MAX => StringEncoding::Embstr,
            StringValue::Bytes(_) | StringValue::Raw(_) => StringEncoding::Raw,
        }
    }

    /// Adds bytes at the end, in amortised time of their number; returns the new length.
    /// The caller has checked the length limit.
    pub fn append(&mut self, bytes: &[u8]) -> usize {
        let buffer = self.make_raw();
        reserve(buffer, bytes.len());
        buffer.extend_from_slice(bytes);
        buffer.len()
    }

    /// Overwrites from `offset`, filling a gap with zero bytes; returns the new length (SETRANGE).
    /// The caller has checked the length limit.
    pub fn set_range(&mut self, offset: usize, bytes: &[u8]) -> usize {
        let end = offset + bytes.len();
        let buffer = self.make_raw();
        grow_to(buffer, end);
        buffer[offset..end].copy_from_slice(bytes);
        buffer.len()
    }

    /// Sets one bit, the first of a byte being the most significant; returns the old one (SETBIT).
    /// The caller has checked the length limit.
    pub fn set_bit(&mut self, offset: u64, on: bool) -> bool {
        let at = (offset / 8) as usize;
        let mask = 0x80u8 >> (offset % 8);
        let buffer = self.make_raw();
        grow_to(buffer, at + 1);
        let old = buffer[at] & mask != 0;
        if on {
            buffer[at] |= mask;
        } else {
            buffer[at] &= !mask;
        }
        old
    }

    /// The content for changes in place; the encoding is "raw" from here on. Copies the content
    /// once where a snapshot still shares it.
    pub fn make_raw(&mut self) -> &mut Vec<u8> {
        if !matches!(self, StringValue::Raw(_)) {
            let old = std::mem::replace(self, StringValue::Int(0));
            *self = StringValue::Raw(match old {
                StringValue::Int(number) => Arc::new(itoa::Buffer::new().format(number).as_bytes().to_vec()),
                StringValue::Bytes(blob) => blob.into_buffer(),
                StringValue::Raw(buffer) => buffer,
            });
        }
        match self {
            StringValue::Raw(buffer) => Arc::make_mut(buffer),
            StringValue::Int(_) | StringValue::Bytes(_) => unreachable!("made raw above"),
        }
    }

    /// Bytes of heap behind the value; a function of content and encoding, not of spare capacity.
    pub(crate) fn heap_bytes(&self) -> usize {
        match self {
            StringValue::Int(_) => 0,
            StringValue::Bytes(blob) => Blob::heap_bytes(blob.len()),
            StringValue::Raw(buffer) => 48 + slots::class_bytes(buffer.len()),
        }
    }
}

/// The number whose canonical text these bytes are: no sign `+`, no leading zeros, no `-0`, in
/// the range of `i64` (Redis' `string2ll`).
pub(crate) fn canonical_integer(bytes: &[u8]) -> Option<i64> {
    if bytes.len() > INTEGER_BYTES_MAX {
        return None;
    }
    let (negative, digits) = match bytes {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    match digits {
        [b'0'] if !negative => return Some(0),
        [b'1'..=b'9', ..] => {}
        _ => return None,
    }
    let mut number = 0i64;
    for &digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        // Downwards, because i64::MIN has no positive counterpart.
        number = number.checked_mul(10)?.checked_sub(i64::from(digit - b'0'))?;
    }
    if negative { Some(number) } else { number.checked_neg() }
}

fn grow_to(buffer: &mut Vec<u8>, len: usize) {
    if len > buffer.len() {
        reserve(buffer, len - buffer.len());
        buffer.resize(len, 0);
    }
}

fn reserve(buffer: &mut Vec<u8>, additional: usize) {
    let needed = buffer.len() + additional;
    if buffer.is_empty() {
        // Most strings are set once, whatever the command.
        buffer.reserve_exact(needed);
    } else if needed > buffer.capacity() {
        let spare = if needed <= DOUBLING_BYTES_MAX { needed } else { needed / 4 };
        buffer.reserve_exact(additional + spare);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_canonical_text_is_a_number() {
        for text in ["0", "7", "-1", "10", "9223372036854775807", "-9223372036854775808"] {
            let number: i64 = text.parse().expect("a number");
            assert_eq!(canonical_integer(text.as_bytes()), Some(number), "{text}");
        }
        for text in [
            "",
            "-",
            "+1",
            "-0",
            "00",
            "01",
            " 1",
            "1 ",
            "1.0",
            "9223372036854775808",
            "-9223372036854775809",
            "99999999999999999999",
            "123456789012345678901",
        ] {
            assert_eq!(canonical_integer(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn encodings_as_redis_names_them() {
        let mut value = StringValue::new(b"12");
        assert_eq!(value.encoding().name(), "int");
        assert_eq!(value.append(b"3"), 3);
        assert_eq!((value.encoding().name(), value.integer()), ("raw", Some(123)));
        assert_eq!(StringValue::new(&[b'x'; 44]).encoding().name(), "embstr");
        assert_eq!(StringValue::new(&[b'x'; 45]).encoding().name(), "raw");
    }

    #[test]
    fn ranges_and_bits_fill_gaps_with_zeros() {
        let mut value = StringValue::new(b"ab");
        assert_eq!(value.set_range(4, b"xy"), 6);
        assert_eq!(&*value.bytes(), b"ab\0\0xy");
        assert!(!value.set_bit(7 * 8 + 1, true));
        assert!(value.set_bit(7 * 8 + 1, true));
        assert_eq!(&*value.bytes(), b"ab\0\0xy\0\x40");
        assert!(value.set_bit(7 * 8 + 1, false));
        assert_eq!(value.len(), 8);
    }

    #[test]
    fn a_clone_keeps_its_bytes() {
        let mut value = StringValue::new(&[b'x'; 1000]);
        let before = value.clone();
        value.append(b"y");
        let middle = value.clone();
        value.set_range(0, b"z");
        assert_eq!((before.len(), middle.len(), middle.bytes()[0]), (1000, 1001, b'x'));
    }
}
