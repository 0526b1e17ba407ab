//! Bytes of an RDB file as they come: counted, checksummed, and recorded where a value is passed on as it is.
//!
//! Invariant: no announced length makes it hold more than has arrived and one step of [`STEP_BYTES`].

use std::io::Read;

use quorate_commands::rdb::{crc64_after, decompress};

use crate::Error;

/// How much is read at once, in bytes.
const STEP_BYTES: usize = 64 * 1024;
/// The longest string that is read, in bytes: twice what Redis takes from clients by default.
pub(super) const STRING_BYTES_MAX: u64 = 1 << 30;

/// Ways to keep a string that has no length.
const INT8: u8 = 0;
const INT16: u8 = 1;
const INT32: u8 = 2;
const LZF: u8 = 3;

/// A length, or how a string is kept that has none.
enum Length {
    Of(u64),
    Encoded(u8),
}

/// A source of bytes.
#[derive(Debug)]
pub(super) struct Input<R> {
    inner: R,
    buffer: Vec<u8>,
    at: usize,
    /// Of the next byte.
    offset: u64,
    /// Of all bytes before.
    crc: u64,
    record: Option<Vec<u8>>,
}

impl<R: Read> Input<R> {
    /// Begins with bytes that were read ahead, at the offset of the first of them.
    pub(super) fn new(inner: R, ahead: Vec<u8>, offset: u64) -> Input<R> {
        Input { inner, buffer: ahead, at: 0, offset, crc: 0, record: None }
    }

    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    pub(super) fn crc(&self) -> u64 {
        self.crc
    }

    /// The source, and what was read ahead of it.
    pub(super) fn into_parts(mut self) -> (R, Vec<u8>) {
        let ahead = self.buffer.split_off(self.at);
        (self.inner, ahead)
    }

    /// Begins to keep what is read.
    pub(super) fn record(&mut self) {
        self.record = Some(Vec::new());
    }

    pub(super) fn recorded_bytes(&self) -> usize {
        self.record.as_ref().map_or(0, Vec::len)
    }

    pub(super) fn take_record(&mut self) -> Vec<u8> {
        self.record.take().unwrap_or_default()
    }

    pub(super) fn damaged(&self, what: impl Into<String>) -> Error {
        Error::Damaged { offset: self.offset, what: what.into() }
    }

    /// Whether no more bytes come.
    pub(super) fn is_at_end(&mut self) -> Result<bool, Error> {
        Ok(self.at == self.buffer.len() && !self.fill()?)
    }

    /// Reads on into the buffer, all of which has been used; false at the end.
    fn fill(&mut self) -> Result<bool, Error> {
        self.buffer.resize(STEP_BYTES, 0);
        self.at = 0;
        let read = loop {
            match self.inner.read(&mut self.buffer) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        let read = read
            .inspect_err(|_| self.buffer.clear())
            .map_err(Error::io(format!("reading byte {}", self.offset)))?;
        self.buffer.truncate(read);
        Ok(read > 0)
    }

    /// Takes up to `len` bytes, at least one, and gives them to `with`.
    fn step<T>(&mut self, len: usize, with: impl FnOnce(&[u8]) -> T) -> Result<(usize, T), Error> {
        if self.at == self.buffer.len() && !self.fill()? {
            return Err(self.damaged("the file ends in the middle of something"));
        }
        let end = self.buffer.len().min(self.at.saturating_add(len));
        let bytes = &self.buffer[self.at..end];
        self.crc = crc64_after(self.crc, bytes);
        if let Some(record) = &mut self.record {
            record.extend_from_slice(bytes);
        }
        let (count, result) = (bytes.len(), with(bytes));
        self.at = end;
        self.offset += count as u64;
        Ok((count, result))
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let mut array = [0; N];
        let mut filled = 0;
        while filled < N {
            let (count, ()) =
                self.step(N - filled, |bytes| array[filled..][..bytes.len()].copy_from_slice(bytes))?;
            filled += count;
        }
        Ok(array)
    }

    pub(super) fn byte(&mut self) -> Result<u8, Error> {
        self.array().map(|[byte]| byte)
    }

    pub(super) fn skip(&mut self, mut len: u64) -> Result<(), Error> {
        while len > 0 {
            len -= self.step(usize::try_from(len).unwrap_or(usize::MAX), |_| ())?.0 as u64;
        }
        Ok(())
    }

    fn take(&mut self, len: u64) -> Result<Vec<u8>, Error> {
        if len > STRING_BYTES_MAX {
            return Err(self.damaged(format!("a string of {len} bytes")));
        }
        let mut taken = Vec::new();
        let mut left = len as usize;
        while left > 0 {
            left -= self.step(left, |bytes| taken.extend_from_slice(bytes))?.0;
        }
        Ok(taken)
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
            _ => Err(self.damaged("a length begins with a byte that none begins with")),
        }
    }

    pub(super) fn length(&mut self) -> Result<u64, Error> {
        match self.any_length()? {
            Length::Of(length) => Ok(length),
            Length::Encoded(_) => Err(self.damaged("a length is expected, and a string follows")),
        }
    }

    /// A string, however it is kept.
    pub(super) fn string(&mut self) -> Result<Vec<u8>, Error> {
        let number = match self.any_length()? {
            Length::Of(length) => return self.take(length),
            Length::Encoded(INT8) => i32::from(i8::from_le_bytes(self.array()?)),
            Length::Encoded(INT16) => i32::from(i16::from_le_bytes(self.array()?)),
            Length::Encoded(INT32) => i32::from_le_bytes(self.array()?),
            Length::Encoded(LZF) => {
                let (packed, whole) = (self.length()?, self.length()?);
                let packed = self.take(packed)?;
                let whole = usize::try_from(whole.min(STRING_BYTES_MAX + 1)).unwrap_or(usize::MAX);
                return decompress(&packed, whole)
                    .ok_or_else(|| self.damaged("a compressed string is damaged"));
            }
            Length::Encoded(encoding) => {
                return Err(self.damaged(format!("no string is kept in way {encoding}")));
            }
        };
        Ok(number.to_string().into_bytes())
    }

    /// Goes over a string.
    pub(super) fn skip_string(&mut self) -> Result<(), Error> {
        let len = match self.any_length()? {
            Length::Of(len) => len,
            Length::Encoded(INT8) => 1,
            Length::Encoded(INT16) => 2,
            Length::Encoded(INT32) => 4,
            Length::Encoded(LZF) => {
                let packed = self.length()?;
                self.length()?;
                packed
            }
            Length::Encoded(encoding) => {
                return Err(self.damaged(format!("no string is kept in way {encoding}")));
            }
        };
        if len > STRING_BYTES_MAX {
            return Err(self.damaged(format!("a string of {len} bytes")));
        }
        self.skip(len)
    }

    /// A number as text, as Redis wrote scores before 4.0.
    pub(super) fn text_double(&mut self) -> Result<f64, Error> {
        match self.byte()? {
            255 => Ok(f64::NEG_INFINITY),
            254 => Ok(f64::INFINITY),
            253 => Err(self.damaged("a score is no number")),
            len => {
                let text = self.take(len.into())?;
                let number = std::str::from_utf8(&text).ok().and_then(|text| text.parse().ok());
                number.ok_or_else(|| self.damaged("a score is no number"))
            }
        }
    }
}
