//! Pairs of byte strings in one allocation, in order of insertion: a small hash.
//!
//! ```text
//! pair  := field value
//! field := length (LEB128, at most 5 bytes) bytes
//! value := length (LEB128, at most 5 bytes) bytes
//! ```
//!
//! The same bytes are the hash's payload in a snapshot, so loading one checks every length.

use crate::slots;

/// A list of pairs; look-ups walk it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Packed {
    data: Vec<u8>,
    pairs: u32,
}

/// Where one pair lies in the data.
struct Place {
    start: usize,
    value_start: usize,
    end: usize,
}

impl Packed {
    pub(crate) fn len(&self) -> usize {
        self.pairs as usize
    }

    pub(crate) fn data(&self) -> &[u8] {
        &self.data
    }

    /// The list of bytes that are whole pairs.
    pub(crate) fn of(data: Vec<u8>) -> Packed {
        let pairs = PackedIter::new(&data).count();
        Packed { data, pairs: u32::try_from(pairs).expect("pairs are counted before they are kept") }
    }

    pub(crate) fn into_data(self) -> Vec<u8> {
        self.data
    }

    /// These bytes as a list, where they are whole pairs and at least one. That no field is there
    /// twice is not checked: it would cost more than reading the rest of a snapshot.
    pub(crate) fn from_data(data: Vec<u8>) -> Option<Packed> {
        let mut pairs = PackedIter::new(&data);
        let count = pairs.by_ref().count();
        if count == 0 || !pairs.rest.is_empty() {
            return None;
        }
        let pairs = u32::try_from(count).ok()?;
        Some(Packed { data, pairs })
    }

    /// Sets a field; true where it is new. A new one goes to the end, an old one keeps its place.
    pub(crate) fn insert(&mut self, field: &[u8], value: &[u8]) -> bool {
        match self.place(field) {
            Some(place) => {
                let value = encode(value);
                self.data.splice(place.value_start..place.end, value);
                false
            }
            None => {
                slots::reserve(&mut self.data, encoded_bytes(field.len()) + encoded_bytes(value.len()));
                push(&mut self.data, field);
                push(&mut self.data, value);
                self.pairs += 1;
                true
            }
        }
    }

    pub(crate) fn remove(&mut self, field: &[u8]) -> bool {
        let Some(place) = self.place(field) else { return false };
        self.data.drain(place.start..place.end);
        self.pairs -= 1;
        slots::give_back(&mut self.data);
        true
    }

    pub(crate) fn iter(&self) -> PackedIter<'_> {
        PackedIter::new(&self.data)
    }

    fn place(&self, field: &[u8]) -> Option<Place> {
        let total = self.data.len();
        let mut pairs = self.iter();
        loop {
            let start = total - pairs.rest.len();
            let found = pairs.take_one()?;
            let value_start = total - pairs.rest.len();
            pairs.take_one()?;
            if found == field {
                return Some(Place { start, value_start, end: total - pairs.rest.len() });
            }
        }
    }
}

/// Longest length prefix.
const LENGTH_BYTES_MAX: usize = 5;

/// The pairs in order. Also reads bytes that did not come from here: it ends at the first length
/// that does not fit.
#[derive(Clone, Debug)]
pub(crate) struct PackedIter<'a> {
    rest: &'a [u8],
}

impl<'a> PackedIter<'a> {
    pub(crate) fn new(data: &'a [u8]) -> PackedIter<'a> {
        PackedIter { rest: data }
    }

    fn take_one(&mut self) -> Option<&'a [u8]> {
        let (bytes, rest) = split_one(self.rest)?;
        self.rest = rest;
        Some(bytes)
    }
}

impl<'a> Iterator for PackedIter<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        Some((self.take_one()?, self.take_one()?))
    }
}

/// Appends one length and its bytes.
///
/// # Panics
/// If there are 4 GiB or more; requests are limited far below.
pub(crate) fn push(out: &mut Vec<u8>, bytes: &[u8]) {
    let mut len = u32::try_from(bytes.len()).expect("an argument is shorter than 4 GiB");
    while len >= 0x80 {
        out.push(len as u8 | 0x80);
        len >>= 7;
    }
    out.push(len as u8);
    out.extend_from_slice(bytes);
}

/// How many bytes `push` appends for bytes of this length.
pub(crate) fn encoded_bytes(len: usize) -> usize {
    let bits = usize::BITS - (len | 1).leading_zeros();
    bits.div_ceil(7) as usize + len
}

/// One length and its bytes off the front; `None` where they are not all there, or no length.
pub(crate) fn split_one(data: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut len = 0u64;
    for (i, &byte) in data.iter().enumerate().take(LENGTH_BYTES_MAX) {
        len |= u64::from(byte & 0x7f) << (7 * i);
        if byte & 0x80 == 0 {
            let len = usize::try_from(len).ok()?;
            return data[i + 1..].split_at_checked(len);
        }
    }
    None
}

fn encode(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + LENGTH_BYTES_MAX);
    push(&mut out, bytes);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_keep_their_order() {
        let mut packed = Packed::default();
        assert!(packed.insert(b"b", b"1"));
        assert!(packed.insert(b"a", &[b'x'; 300]));
        assert!(packed.insert(b"", b""));
        assert!(!packed.insert(b"b", &[b'y'; 200]));
        let fields: Vec<&[u8]> = packed.iter().map(|(field, _)| field).collect();
        assert_eq!(fields, [&b"b"[..], b"a", b""]);
        assert_eq!(packed.iter().next(), Some((&b"b"[..], &[b'y'; 200][..])));
        assert!(packed.remove(b"a"));
        assert!(!packed.remove(b"a"));
        assert_eq!((packed.len(), packed.iter().nth(1)), (2, Some((&b""[..], &b""[..]))));
        assert_eq!(Packed::of(packed.data.clone()).len(), 2);
    }
}
