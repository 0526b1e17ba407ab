//! Redis' listpack: elements, each a byte string or an integer, in one run of bytes.
//!
//! Streams keep their entries in it, byte for byte as Redis does, so that they become full at the
//! same entry and move in and out without being encoded anew.
//!
//! ```text
//! listpack := total_bytes:u32le elements:u16le element* 0xFF       elements 0xFFFF: not known
//! ```
//!
//! The elements are those of our own listpacks, see `listpack::entry`.
//!
//! Reading never trusts the bytes: what is damaged ends the walk.

use crate::Item;
use crate::listpack::entry;

/// Length and count before the elements.
const HEADER_BYTES: usize = 6;
/// The elements are not counted beyond this.
const UNCOUNTED: u16 = u16::MAX;
const END: u8 = 0xff;

/// An empty listpack.
pub fn new() -> Vec<u8> {
    vec![HEADER_BYTES as u8 + 1, 0, 0, 0, 0, 0, END]
}

/// Adds a number at the end.
pub fn push_integer(pack: &mut Vec<u8>, number: i64) {
    append(pack, |pack| entry::push_number(pack, number));
}

/// Adds bytes at the end; as a number where they are the canonical text of one.
///
/// # Panics
/// If there are 4 GiB or more; requests are limited far below.
pub fn push_bytes(pack: &mut Vec<u8>, bytes: &[u8]) {
    append(pack, |pack| entry::push(pack, bytes));
}

/// Puts another number in the place of the element that begins at `at`.
///
/// # Panics
/// If no element begins there.
pub(crate) fn replace_integer(pack: &mut Vec<u8>, at: usize, number: i64) {
    let mut walk = Walk { bytes: pack, at };
    walk.next().expect("an element begins here");
    let end = walk.at;
    let mut element = Vec::with_capacity(10);
    entry::push_number(&mut element, number);
    if element.len() == end - at {
        pack[at..end].copy_from_slice(&element);
    } else {
        pack.splice(at..end, element);
        write_total(pack);
    }
}

/// Takes away the elements from `at` on, where one begins.
pub(crate) fn truncate(pack: &mut Vec<u8>, at: usize) {
    pack.truncate(at);
    pack.push(END);
    write_total(pack);
    let elements = Walk { bytes: pack, at: HEADER_BYTES }.count();
    let elements = u16::try_from(elements).unwrap_or(UNCOUNTED);
    pack[4..HEADER_BYTES].copy_from_slice(&elements.to_le_bytes());
}

/// Where the first element begins, if there is one.
pub(crate) const fn first() -> usize {
    HEADER_BYTES
}

/// The elements of a listpack; nothing where its length is not that of the bytes, or it has no end.
pub fn elements(bytes: &[u8]) -> Option<Walk<'_>> {
    let (total, rest) = bytes.split_first_chunk::<4>()?;
    let whole =
        u32::from_le_bytes(*total) as usize == bytes.len() && rest.len() >= 3 && bytes.last() == Some(&END);
    whole.then_some(Walk { bytes, at: HEADER_BYTES })
}

/// A walk over elements.
#[derive(Clone, Copy, Debug)]
pub struct Walk<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Walk<'a> {
    /// A walk that begins at a known place.
    pub(crate) fn from(bytes: &'a [u8], at: usize) -> Walk<'a> {
        Walk { bytes, at }
    }

    /// Where the next element begins.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// Whether everything up to the end was read.
    pub fn is_done(&self) -> bool {
        self.at + 1 == self.bytes.len()
    }

    /// The next element, which must be a number.
    pub(crate) fn integer(&mut self) -> Option<i64> {
        match self.next()? {
            Item::Int(number) => Some(number),
            Item::Bytes(_) => None,
        }
    }
}

impl<'a> Iterator for Walk<'a> {
    type Item = Item<'a>;

    fn next(&mut self) -> Option<Item<'a>> {
        let rest = self.bytes.get(self.at..self.bytes.len().checked_sub(1)?)?;
        let (element, len) = entry::read(rest)?;
        self.at += len;
        Some(element)
    }
}

fn append(pack: &mut Vec<u8>, encode: impl FnOnce(&mut Vec<u8>)) {
    let removed = pack.pop();
    debug_assert_eq!(removed, Some(END));
    encode(pack);
    pack.push(END);
    write_total(pack);
    let elements = u16::from_le_bytes([pack[4], pack[5]]);
    if elements != UNCOUNTED {
        pack[4..HEADER_BYTES].copy_from_slice(&(elements + 1).to_le_bytes());
    }
}

fn write_total(pack: &mut [u8]) {
    let total = u32::try_from(pack.len()).expect("a listpack is shorter than 4 GiB");
    pack[..4].copy_from_slice(&total.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_width_is_read_back() {
        let mut numbers = vec![i64::MIN, i64::MAX];
        for bits in 0..63 {
            let power = 1i64 << bits;
            numbers.extend([power - 1, power, power + 1, -power - 1, -power, 1 - power]);
        }
        let strings: Vec<Vec<u8>> =
            [0usize, 1, 62, 63, 64, 125, 126, 127, 4094, 4095, 4096, 16380, 70_000, 2_100_000]
                .iter()
                .map(|len| vec![b'x'; *len])
                .collect();
        let mut pack = new();
        for number in &numbers {
            push_bytes(&mut pack, number.to_string().as_bytes());
        }
        for string in &strings {
            push_bytes(&mut pack, string);
        }
        let mut walk = elements(&pack).expect("whole");
        for number in &numbers {
            assert_eq!(walk.next(), Some(Item::Int(*number)));
        }
        for string in &strings {
            assert_eq!(walk.next(), Some(Item::Bytes(string)));
        }
        assert!(walk.is_done() && walk.next().is_none());
        assert_eq!(usize::from(u16::from_le_bytes([pack[4], pack[5]])), numbers.len() + strings.len());
    }

    #[test]
    fn the_bytes_are_those_of_redis() {
        let mut pack = new();
        push_bytes(&mut pack, b"hello");
        push_bytes(&mut pack, b"1024");
        push_integer(&mut pack, -1);
        assert_eq!(pack, b"\x14\0\0\0\x03\0\x85hello\x06\xc4\0\x02\xdf\xff\x02\xff");
        replace_integer(&mut pack, 13, 100_000);
        assert_eq!(pack, b"\x16\0\0\0\x03\0\x85hello\x06\xf2\xa0\x86\x01\x04\xdf\xff\x02\xff");
        replace_integer(&mut pack, 13, 5);
        assert_eq!(pack, b"\x13\0\0\0\x03\0\x85hello\x06\x05\x01\xdf\xff\x02\xff");
    }

    #[test]
    fn what_is_cut_or_changed_ends_the_walk() {
        let mut pack = new();
        for bytes in [&b"hello"[..], b"1", b"70000", &[b'y'; 300], b"-5"] {
            push_bytes(&mut pack, bytes);
        }
        for at in 0..pack.len() {
            for byte in 0..=255 {
                let mut damaged = pack.clone();
                damaged[at] = byte;
                if let Some(walk) = elements(&damaged) {
                    assert!(walk.count() <= pack.len());
                }
            }
            assert!(elements(&pack[..at]).is_none(), "cut at {at}");
        }
    }
}
