//! Lengths, strings and numbers as RDB has them. Nothing in the bytes is trusted.
//!
//! ```text
//! length := 00llllll | 01llllll llllllll | 0x80 u32be | 0x81 u64be
//! string := length bytes… | 0xC0 i8 | 0xC1 i16le | 0xC2 i32le | 0xC3 packed:length whole:length lzf…
//! ```

use std::borrow::Cow;

use super::Error;
use super::lzf::decompress;

/// What is left of a payload.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a>(&'a [u8]);

/// A length, or how a string is kept that has none.
enum Length {
    Of(u64),
    Encoded(u8),
}

const INT8: u8 = 0;
const INT16: u8 = 1;
const INT32: u8 = 2;
const LZF: u8 = 3;

impl<'a> Reader<'a> {
    /// A reader of these bytes.
    pub fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader(bytes)
    }

    /// What was not yet read.
    pub fn rest(&self) -> &'a [u8] {
        self.0
    }

    /// One byte.
    pub fn byte(&mut self) -> Result<u8, Error> {
        self.array().map(|[byte]| byte)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let (array, rest) = self.0.split_first_chunk().ok_or(Error::Truncated)?;
        self.0 = rest;
        Ok(*array)
    }

    fn take(&mut self, len: u64) -> Result<&'a [u8], Error> {
        let len = usize::try_from(len).map_err(|_| Error::Truncated)?;
        let (bytes, rest) = self.0.split_at_checked(len).ok_or(Error::Truncated)?;
        self.0 = rest;
        Ok(bytes)
    }

    fn any_length(&mut self) -> Result<Length, Error> {
        let first = self.byte()?;
        let low = u64::from(first & 0x3f);
        match first >> 6 {
            0 => Ok(Length::Of(low)),
            1 => Ok(Length::Of(low << 8 | u64::from(self.byte()?))),
            2 if first == 0x80 => Ok(Length::Of(u32::from_be_bytes(self.array()?).into())),
            2 if first == 0x81 => Ok(Length::Of(u64::from_be_bytes(self.array()?))),
            3 => Ok(Length::Encoded(first & 0x3f)),
            _ => Err(Error::Damaged("a length")),
        }
    }

    /// A length, a count, or a number kept as one.
    pub fn length(&mut self) -> Result<u64, Error> {
        match self.any_length()? {
            Length::Of(length) => Ok(length),
            Length::Encoded(_) => Err(Error::Damaged("a length")),
        }
    }

    /// A string, however it is kept.
    pub fn string(&mut self) -> Result<Cow<'a, [u8]>, Error> {
        let number = match self.any_length()? {
            Length::Of(length) => return self.take(length).map(Cow::Borrowed),
            Length::Encoded(INT8) => i32::from(i8::from_le_bytes(self.array()?)),
            Length::Encoded(INT16) => i32::from(i16::from_le_bytes(self.array()?)),
            Length::Encoded(INT32) => i32::from_le_bytes(self.array()?),
            Length::Encoded(LZF) => {
                let (packed, whole) = (self.length()?, self.length()?);
                let packed = self.take(packed)?;
                let whole = usize::try_from(whole).map_err(|_| Error::Damaged("a compressed string"))?;
                return decompress(packed, whole)
                    .map(Cow::Owned)
                    .ok_or(Error::Damaged("a compressed string"));
            }
            Length::Encoded(_) => return Err(Error::Damaged("a string")),
        };
        Ok(Cow::Owned(itoa::Buffer::new().format(number).as_bytes().to_vec()))
    }

    /// A double of eight bytes.
    pub fn double(&mut self) -> Result<f64, Error> {
        self.array().map(f64::from_le_bytes)
    }

    /// A double as text, as Redis wrote it before 4.0.
    pub fn text_double(&mut self) -> Result<f64, Error> {
        match self.byte()? {
            255 => Ok(f64::NEG_INFINITY),
            254 => Ok(f64::INFINITY),
            253 => Ok(f64::NAN),
            len => {
                let text = self.take(len.into())?;
                let number = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
                number.ok_or(Error::Damaged("a number"))
            }
        }
    }

    /// A time in milliseconds.
    pub fn millis(&mut self) -> Result<i64, Error> {
        self.array().map(i64::from_le_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_and_strings() {
        let length = |bytes: &[u8]| Reader::new(bytes).length().ok();
        assert_eq!(length(b"\x3f"), Some(63));
        assert_eq!(length(b"\x41\x02"), Some(258));
        assert_eq!(length(b"\x80\x00\x01\x00\x00"), Some(65_536));
        assert_eq!(length(b"\x81\xff\xff\xff\xff\xff\xff\xff\xff"), Some(u64::MAX));
        for damaged in [&b""[..], b"\x41", b"\x80\0\0", b"\x82\0\0\0\0", b"\xc0\0"] {
            assert_eq!(length(damaged), None, "{damaged:?}");
        }
        let string = |bytes: &[u8]| Reader::new(bytes).string().ok().map(Cow::into_owned);
        assert_eq!(string(b"\x02ab"), Some(b"ab".to_vec()));
        assert_eq!(string(b"\xc0\x85"), Some(b"-123".to_vec()));
        assert_eq!(string(b"\xc1\x39\x30"), Some(b"12345".to_vec()));
        assert_eq!(string(b"\xc2\x15\xcd\x5b\x07"), Some(b"123456789".to_vec()));
        assert_eq!(string(b"\xc3\x04\x04\x00x\x20\x00"), Some(b"xxxx".to_vec()));
        for damaged in
            [&b"\x02a"[..], b"\xc4", b"\xc1\0", b"\xc3\x01\x05\x00", b"\x81\xff\xff\xff\xff\xff\xff\xff\xff"]
        {
            assert_eq!(string(damaged), None, "{damaged:?}");
        }
    }
}
