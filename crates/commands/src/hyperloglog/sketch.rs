//! A HyperLogLog's string.
//!
//! ```text
//! sketch    := "HYLL" encoding:u8 0 0 0 count:u64 registers      little-endian
//! encoding  := 0 dense, 1 sparse
//! count     := the estimate, or anything with the highest bit set if it is not known
//! ```
//!
//! There are 16384 registers. Each holds the longest run of zero bits, plus one, of the hashes that fell to it.

use super::estimate::{Histogram, LONGEST_MAX, REGISTERS, observe};
use super::{dense, sparse};
use crate::Error;

const MAGIC: &[u8; 4] = b"HYLL";
pub(super) const HEADER_BYTES: usize = 16;
const ENCODING_AT: usize = 4;
/// The most significant byte of the count.
const COUNT_TOP_AT: usize = 15;
const COUNT_UNKNOWN: u8 = 0x80;

/// How the registers are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    /// Six bits each.
    Dense,
    /// In runs.
    Sparse,
}

/// A string that is a HyperLogLog as far as its header and length tell.
#[derive(Debug, Clone)]
pub(super) struct Sketch<B> {
    bytes: B,
    encoding: Encoding,
}

/// What is said of registers that make no sense.
pub(super) fn corrupted() -> Error {
    Error::text("INVALIDOBJ Corrupted HLL object detected")
}

impl<B: AsRef<[u8]>> Sketch<B> {
    /// These bytes as a sketch, if they are one.
    pub(super) fn of(bytes: B) -> Option<Sketch<B>> {
        let header = bytes.as_ref().get(..HEADER_BYTES)?;
        let encoding = match header[ENCODING_AT] {
            0 if bytes.as_ref().len() == HEADER_BYTES + dense::BYTES => Encoding::Dense,
            1 => Encoding::Sparse,
            _ => return None,
        };
        header.starts_with(MAGIC).then_some(Sketch { bytes, encoding })
    }

    pub(super) fn encoding(&self) -> Encoding {
        self.encoding
    }

    pub(super) fn into_bytes(self) -> B {
        self.bytes
    }

    pub(super) fn to_owned(&self) -> Sketch<Vec<u8>> {
        Sketch { bytes: self.bytes.as_ref().to_vec(), encoding: self.encoding }
    }

    /// What is behind the header.
    pub(super) fn body(&self) -> &[u8] {
        &self.bytes.as_ref()[HEADER_BYTES..]
    }

    /// Whether an element would change a dense sketch.
    pub(super) fn is_news(&self, element: &[u8]) -> bool {
        let (index, longest) = observe(element);
        dense::get(self.body(), index) < longest
    }

    /// The estimate that is in the header, or that of the registers.
    pub(super) fn count(&self) -> Result<u64, Error> {
        let header = self.bytes.as_ref();
        if header[COUNT_TOP_AT] & COUNT_UNKNOWN == 0 {
            let mut count = [0; 8];
            count.copy_from_slice(&header[HEADER_BYTES - 8..HEADER_BYTES]);
            return Ok(u64::from_le_bytes(count));
        }
        let mut histogram = Histogram::default();
        self.runs(|length, longest| histogram.add(length, longest))?;
        Ok(histogram.count())
    }

    /// Visits all registers in order, as runs of one value.
    pub(super) fn runs(&self, mut visit: impl FnMut(usize, u8)) -> Result<(), Error> {
        match self.encoding {
            Encoding::Dense => {
                (0..REGISTERS).for_each(|index| visit(1, dense::get(self.body(), index)));
                Ok(())
            }
            Encoding::Sparse => sparse::runs(self.body(), visit),
        }
    }
}

impl Sketch<Vec<u8>> {
    /// No elements, sparse.
    pub(super) fn new() -> Sketch<Vec<u8>> {
        let mut bytes = MAGIC.to_vec();
        bytes.push(1);
        bytes.resize(HEADER_BYTES, 0);
        bytes.extend_from_slice(&sparse::EMPTY);
        Sketch { bytes, encoding: Encoding::Sparse }
    }

    /// Adds an element; whether a register changed. A sparse sketch that would become longer than this becomes dense.
    pub(super) fn add(&mut self, element: &[u8], sparse_bytes_max: usize) -> Result<bool, Error> {
        let (index, longest) = observe(element);
        self.raise(index, longest, sparse_bytes_max)
    }

    /// Raises a register to a value; whether it was lower.
    pub(super) fn raise(
        &mut self,
        index: usize,
        longest: u8,
        sparse_bytes_max: usize,
    ) -> Result<bool, Error> {
        if self.encoding == Encoding::Sparse {
            match sparse::raise(&mut self.bytes, index, longest, sparse_bytes_max)? {
                sparse::Raised::No => return Ok(false),
                sparse::Raised::Yes => return Ok(true),
                sparse::Raised::TooLong => self.make_dense()?,
            }
        }
        let body = &mut self.bytes[HEADER_BYTES..];
        let news = dense::get(body, index) < longest;
        if news {
            dense::set(body, index, longest);
        }
        Ok(news)
    }

    pub(super) fn make_dense(&mut self) -> Result<(), Error> {
        if self.encoding == Encoding::Dense {
            return Ok(());
        }
        let mut bytes = self.bytes[..HEADER_BYTES].to_vec();
        bytes[ENCODING_AT] = 0;
        bytes.resize(HEADER_BYTES + dense::BYTES, 0);
        let mut index = 0;
        sparse::runs(self.body(), |length, longest| {
            if longest > 0 {
                (index..index + length).for_each(|at| dense::set(&mut bytes[HEADER_BYTES..], at, longest));
            }
            index += length;
        })?;
        *self = Sketch { bytes, encoding: Encoding::Dense };
        Ok(())
    }

    /// Notes that the count in the header is that of other registers.
    pub(super) fn forget_count(&mut self) {
        self.bytes[COUNT_TOP_AT] |= COUNT_UNKNOWN;
    }
}

/// Registers of several sketches together: the highest value of each.
pub(super) struct Registers(Box<[u8; REGISTERS]>);

impl Default for Registers {
    fn default() -> Registers {
        Registers(Box::new([0; REGISTERS]))
    }
}

impl Registers {
    pub(super) fn merge<B: AsRef<[u8]>>(&mut self, sketch: &Sketch<B>) -> Result<(), Error> {
        let mut index = 0;
        sketch.runs(|length, longest| {
            for register in &mut self.0[index..index + length] {
                *register = longest.max(*register);
            }
            index += length;
        })
    }

    pub(super) fn count(&self) -> u64 {
        let mut histogram = Histogram::default();
        self.0.iter().for_each(|longest| histogram.add(1, *longest));
        histogram.count()
    }

    /// The registers that are not zero, with their places.
    pub(super) fn set(&self) -> impl Iterator<Item = (usize, u8)> {
        self.0.iter().copied().enumerate().filter(|(_, longest)| *longest > 0)
    }
}

const _: () = assert!(LONGEST_MAX < 64, "six bits hold every value");
