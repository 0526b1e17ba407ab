//! Redis' listpack: elements, each a byte string or an integer, in one run of bytes.
//!
//! Streams keep their entries in it, byte for byte as Redis does, so that they become full at the
//! same entry and move in and out without being encoded anew.
//!
//! ```text
//! listpack := total_bytes:u32le elements:u16le element* 0xFF       elements 0xFFFF: not known
//! element  := encoding bytes… back_length
//! ```
//!
//! | encoding | what follows |
//! |---|---|
//! | `0xxxxxxx` | nothing: an integer of 7 bits |
//! | `10xxxxxx` | as many bytes as 6 bits say |
//! | `110xxxxx` | a byte: an integer of 13 bits |
//! | `1110xxxx` | a byte of length, with 4 bits above it, and as many bytes |
//! | `11110000` | length:u32le, and as many bytes |
//! | `11110001` to `0100` | an integer of 16, 24, 32 or 64 bits, little-endian |
//!
//! `back_length` is the element's length without it, in groups of 7 bits, the most significant
//! first; all but the first have bit 7 set, so that it can be read from behind.
//!
//! Reading never trusts the bytes: what is damaged ends the walk.

/// An element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element<'a> {
    /// A number, which stands for its canonical text.
    Integer(i64),
    /// Any bytes.
    Bytes(&'a [u8]),
}

impl Element<'_> {
    /// The number, where it is one.
    pub fn integer(self) -> Option<i64> {
        match self {
            Element::Integer(number) => Some(number),
            Element::Bytes(_) => None,
        }
    }

    /// Calls `f` with the element as bytes, without any allocation.
    pub fn with_bytes<T>(self, f: impl FnOnce(&[u8]) -> T) -> T {
        match self {
            Element::Integer(number) => f(itoa::Buffer::new().format(number).as_bytes()),
            Element::Bytes(bytes) => f(bytes),
        }
    }
}

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
    append(pack, |pack| encode_integer(pack, number));
}

/// Adds bytes at the end; as a number where they are the canonical text of one.
///
/// # Panics
/// If there are 4 GiB or more; requests are limited far below.
pub fn push_bytes(pack: &mut Vec<u8>, bytes: &[u8]) {
    match crate::string::canonical_integer(bytes) {
        Some(number) => push_integer(pack, number),
        None => append(pack, |pack| encode_bytes(pack, bytes)),
    }
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
    encode_integer(&mut element, number);
    push_back_length(&mut element, 0);
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
        self.next()?.integer()
    }

    fn read(&self) -> Option<(Element<'a>, usize)> {
        let rest = self.bytes.get(self.at..self.bytes.len().checked_sub(1)?)?;
        let (&encoding, rest) = rest.split_first()?;
        let number = |value: i64, len: usize| Some((Element::Integer(value), 1 + len));
        let string = |head: usize, len: usize| {
            let bytes = rest.get(head..)?.get(..len)?;
            Some((Element::Bytes(bytes), 1 + head + len))
        };
        match encoding {
            0..=0x7f => number(i64::from(encoding), 0),
            0x80..=0xbf => string(0, usize::from(encoding & 0x3f)),
            0xc0..=0xdf => {
                let value = i64::from(encoding & 0x1f) << 8 | i64::from(*rest.first()?);
                number(if value >= 1 << 12 { value - (1 << 13) } else { value }, 1)
            }
            0xe0..=0xef => string(1, usize::from(encoding & 0x0f) << 8 | usize::from(*rest.first()?)),
            0xf0 => string(4, u32::from_le_bytes(*rest.first_chunk()?) as usize),
            0xf1 => number(i16::from_le_bytes(*rest.first_chunk()?).into(), 2),
            0xf2 => {
                let [a, b, c] = *rest.first_chunk()?;
                number(i64::from(i32::from_le_bytes([0, a, b, c]) >> 8), 3)
            }
            0xf3 => number(i32::from_le_bytes(*rest.first_chunk()?).into(), 4),
            0xf4 => number(i64::from_le_bytes(*rest.first_chunk()?), 8),
            _ => None,
        }
    }
}

impl<'a> Iterator for Walk<'a> {
    type Item = Element<'a>;

    fn next(&mut self) -> Option<Element<'a>> {
        let (element, len) = self.read()?;
        let end = self.at + len + back_length_bytes(len);
        // What reads backwards relies on the length behind the element.
        let back = self.bytes.get(self.at + len..end)?;
        if end >= self.bytes.len() || !is_back_length(back, len) {
            return None;
        }
        self.at = end;
        Some(element)
    }
}

fn append(pack: &mut Vec<u8>, encode: impl FnOnce(&mut Vec<u8>)) {
    let removed = pack.pop();
    debug_assert_eq!(removed, Some(END));
    let start = pack.len();
    encode(pack);
    push_back_length(pack, start);
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

fn encode_integer(out: &mut Vec<u8>, number: i64) {
    match number {
        0..=127 => out.push(number as u8),
        -4096..=4095 => {
            let [high, low] = (number as u16 & 0x1fff).to_be_bytes();
            out.extend([0xc0 | high, low]);
        }
        -0x8000..=0x7fff => {
            out.push(0xf1);
            out.extend((number as i16).to_le_bytes());
        }
        -0x80_0000..=0x7f_ffff => {
            out.push(0xf2);
            out.extend(&(number as i32).to_le_bytes()[..3]);
        }
        -0x8000_0000..=0x7fff_ffff => {
            out.push(0xf3);
            out.extend((number as i32).to_le_bytes());
        }
        _ => {
            out.push(0xf4);
            out.extend(number.to_le_bytes());
        }
    }
}

fn encode_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    match bytes.len() {
        len @ 0..=63 => out.push(0x80 | len as u8),
        len @ 64..=4095 => out.extend([0xe0 | (len >> 8) as u8, len as u8]),
        len => {
            let len = u32::try_from(len).expect("an argument is shorter than 4 GiB");
            out.push(0xf0);
            out.extend(len.to_le_bytes());
        }
    }
    out.extend_from_slice(bytes);
}

/// How many bytes tell the length of an element from behind.
fn back_length_bytes(len: usize) -> usize {
    // The bounds are Redis', which wastes a byte on some lengths.
    match len {
        0..=127 => 1,
        128..=16382 => 2,
        16383..=2_097_150 => 3,
        2_097_151..=268_435_454 => 4,
        _ => 5,
    }
}

/// Appends the length of the element that begins at `start`.
fn push_back_length(out: &mut Vec<u8>, start: usize) {
    let len = out.len() - start;
    let groups = back_length_bytes(len);
    for group in (0..groups).rev() {
        let bits = (len >> (7 * group)) as u8 & 0x7f;
        out.push(if group == groups - 1 { bits } else { bits | 0x80 });
    }
}

fn is_back_length(bytes: &[u8], len: usize) -> bool {
    let (mut read, mut followed) = (0usize, false);
    for &byte in bytes {
        if (byte & 0x80 != 0) != followed {
            return false;
        }
        read = read << 7 | usize::from(byte & 0x7f);
        followed = true;
    }
    read == len
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
            assert_eq!(walk.next(), Some(Element::Integer(*number)));
        }
        for string in &strings {
            assert_eq!(walk.next(), Some(Element::Bytes(string)));
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
