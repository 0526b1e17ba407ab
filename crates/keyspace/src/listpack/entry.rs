//! One entry of a listpack: ours, and Redis' with its header ([`crate::redis_listpack`]).
//!
//! ```text
//! entry  := head content back
//!   0xxxxxxx                     a number, 0 to 127
//!   10llllll bytes               up to 63 bytes
//!   110xxxxx x                   a number of 13 bits, high byte first
//!   1110llll l bytes             up to 4095 bytes, high byte of the length first
//!   11110000 u32 bytes           more bytes
//!   11110001 i16, 11110010 i24, 11110011 i32, 11110100 i64
//! back   := length of head and content in groups of seven bits, to be read from the end: the last
//!           byte has the lowest bits, and bit 7 says that there is a byte before it
//! ```
//!
//! Numbers of fixed width are little-endian. Canonical texts of `i64` are numbers, in the shortest
//! form that holds them; all else is bytes.

use crate::Item;

const STRING_6_BITS: u8 = 0x80;
const INT_13_BITS: u8 = 0xc0;
const STRING_12_BITS: u8 = 0xe0;
const STRING_32_BITS: u8 = 0xf0;
const INT_16_BITS: u8 = 0xf1;
const INT_24_BITS: u8 = 0xf2;
const INT_32_BITS: u8 = 0xf3;
const INT_64_BITS: u8 = 0xf4;

/// Where the content of an entry lies and how it is read.
struct Head {
    kind: Kind,
    /// Of the head.
    head_bytes: usize,
    content_bytes: usize,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Int7,
    Int13,
    /// Little-endian, as wide as the content.
    Int,
    Bytes,
}

impl Head {
    fn bytes(&self) -> usize {
        self.head_bytes + self.content_bytes
    }

    /// `None` where these bytes begin no entry; the content need not be there.
    fn read(data: &[u8]) -> Option<Head> {
        let head = |kind, head_bytes, content_bytes| Some(Head { kind, head_bytes, content_bytes });
        let first = *data.first()?;
        match first {
            0..=0x7f => head(Kind::Int7, 1, 0),
            0x80..=0xbf => head(Kind::Bytes, 1, usize::from(first & 0x3f)),
            0xc0..=0xdf => head(Kind::Int13, 1, 1),
            0xe0..=0xef => head(Kind::Bytes, 2, usize::from(first & 0x0f) << 8 | usize::from(*data.get(1)?)),
            STRING_32_BITS => {
                let len = data.get(1..)?.first_chunk::<4>()?;
                head(Kind::Bytes, 5, usize::try_from(u32::from_le_bytes(*len)).ok()?)
            }
            INT_16_BITS => head(Kind::Int, 1, 2),
            INT_24_BITS => head(Kind::Int, 1, 3),
            INT_32_BITS => head(Kind::Int, 1, 4),
            INT_64_BITS => head(Kind::Int, 1, 8),
            _ => None,
        }
    }

    fn item<'a>(&self, data: &'a [u8]) -> Item<'a> {
        let content = &data[self.head_bytes..self.bytes()];
        match self.kind {
            Kind::Int7 => Item::Int(i64::from(data[0])),
            Kind::Int13 => {
                let bits = i64::from(data[0] & 0x1f) << 8 | i64::from(content[0]);
                Item::Int(if bits >= 1 << 12 { bits - (1 << 13) } else { bits })
            }
            Kind::Int => {
                let negative = content.last().is_some_and(|byte| byte & 0x80 != 0);
                let mut wide = [if negative { 0xff } else { 0 }; 8];
                wide[..content.len()].copy_from_slice(content);
                Item::Int(i64::from_le_bytes(wide))
            }
            Kind::Bytes => Item::Bytes(content),
        }
    }
}

/// The first entry of bytes that need not be entries, and its length; `None` where it is not whole, or does not end in
/// its length.
pub(crate) fn read(data: &[u8]) -> Option<(Item<'_>, usize)> {
    let head = Head::read(data)?;
    let bytes = head.bytes();
    let len = bytes.checked_add(back_bytes(bytes))?;
    // What reads backwards relies on the length behind the content.
    is_back_len(data.get(bytes..len)?, bytes).then(|| (head.item(data), len))
}

/// The element that whole entries begin with.
pub(super) fn item(data: &[u8]) -> Item<'_> {
    Head::read(data).expect("a listpack holds whole entries").item(data)
}

/// How long the first of whole entries is.
pub(super) fn len(data: &[u8]) -> usize {
    let bytes = Head::read(data).expect("a listpack holds whole entries").bytes();
    bytes + back_bytes(bytes)
}

/// How long the last of whole entries is.
pub(super) fn len_before(data: &[u8]) -> usize {
    let mut bytes = 0;
    for (i, &byte) in data.iter().rev().enumerate() {
        bytes |= usize::from(byte & 0x7f) << (7 * i);
        if byte & 0x80 == 0 {
            return bytes + i + 1;
        }
    }
    panic!("a listpack holds whole entries");
}

/// How long the first entry is, where it is whole and in its shortest form.
pub(super) fn checked_len(data: &[u8]) -> Option<usize> {
    let bytes = Head::read(data)?.bytes();
    let len = bytes.checked_add(back_bytes(bytes))?;
    let found = data.get(..len)?;
    // What is read is written again: a number that could be shorter, or bytes that spell one, would
    // be found by no look-up.
    let mut shortest = Vec::with_capacity(len);
    push(&mut shortest, item(found).text(&mut itoa::Buffer::new()));
    (shortest == found).then_some(len)
}

/// How many bytes [`push`] appends for this text.
pub(super) fn encoded_bytes(text: &[u8]) -> usize {
    let bytes = match Item::new(text) {
        Item::Int(0..=127) => 1,
        Item::Int(-4096..=4095) => 2,
        Item::Int(-0x8000..=0x7fff) => 3,
        Item::Int(-0x80_0000..=0x7f_ffff) => 4,
        Item::Int(-0x8000_0000..=0x7fff_ffff) => 5,
        Item::Int(_) => 9,
        Item::Bytes(bytes) => match bytes.len() {
            len @ 0..=63 => 1 + len,
            len @ 64..=4095 => 2 + len,
            len => 5 + len,
        },
    };
    bytes + back_bytes(bytes)
}

/// Appends the entry of this text.
///
/// # Panics
/// If it has 4 GiB or more; requests are limited far below.
pub(crate) fn push(out: &mut Vec<u8>, text: &[u8]) {
    let start = out.len();
    match Item::new(text) {
        Item::Int(number) => push_integer(out, number),
        Item::Bytes(bytes) => push_bytes(out, bytes),
    }
    push_back_len(out, out.len() - start);
}

/// Appends the entry of this number.
pub(crate) fn push_number(out: &mut Vec<u8>, number: i64) {
    let start = out.len();
    push_integer(out, number);
    push_back_len(out, out.len() - start);
}

fn push_integer(out: &mut Vec<u8>, number: i64) {
    let wide = number.to_le_bytes();
    match number {
        0..=127 => out.push(wide[0]),
        -4096..=4095 => out.extend_from_slice(&[INT_13_BITS | wide[1] & 0x1f, wide[0]]),
        -0x8000..=0x7fff => push_wide(out, INT_16_BITS, &wide[..2]),
        -0x80_0000..=0x7f_ffff => push_wide(out, INT_24_BITS, &wide[..3]),
        -0x8000_0000..=0x7fff_ffff => push_wide(out, INT_32_BITS, &wide[..4]),
        _ => push_wide(out, INT_64_BITS, &wide),
    }
}

fn push_wide(out: &mut Vec<u8>, head: u8, bytes: &[u8]) {
    out.push(head);
    out.extend_from_slice(bytes);
}

fn push_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    let len = u32::try_from(bytes.len()).expect("an argument is shorter than 4 GiB");
    let wide = len.to_le_bytes();
    match len {
        0..=63 => out.push(STRING_6_BITS | wide[0]),
        64..=4095 => out.extend_from_slice(&[STRING_12_BITS | wide[1], wide[0]]),
        _ => push_wide(out, STRING_32_BITS, &wide),
    }
    out.extend_from_slice(bytes);
}

/// How many bytes the length at the back takes. Redis' bounds, which it also reads by.
fn back_bytes(len: usize) -> usize {
    match len {
        0..=127 => 1,
        128..=16_382 => 2,
        16_383..=2_097_150 => 3,
        2_097_151..=268_435_454 => 4,
        _ => 5,
    }
}

fn push_back_len(out: &mut Vec<u8>, len: usize) {
    let bytes = back_bytes(len);
    for i in (0..bytes).rev() {
        let group = (len >> (7 * i)) as u8 & 0x7f;
        let more_before = if i + 1 < bytes { 0x80 } else { 0 };
        out.push(group | more_before);
    }
}

fn is_back_len(bytes: &[u8], len: usize) -> bool {
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
