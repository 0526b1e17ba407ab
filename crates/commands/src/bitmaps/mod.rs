//! The commands of the bitmap group.
//!
//! For: strings as arrays of bits and of integers of any width. Leaves to others: the string itself and how it grows
//! (`quorate-keyspace`). Invariants: bit 0 is the most significant bit of byte 0; bits beyond the end are 0 to whoever
//! reads; a command that changes no bit leaves the key's version as it was.

pub(crate) mod combine;
pub(crate) mod count;
pub(crate) mod field;
pub(crate) mod single;

use crate::args::parse_integer;
use crate::{Error, State};

/// Reads the place of a bit, which must be in a string that the setting allows.
fn bit_offset(state: &State, text: &[u8]) -> Result<u64, Error> {
    checked_offset(state, parse_integer(text))
}

/// As [`bit_offset`]; after `#`, in units of `width` bits.
fn field_offset(state: &State, text: &[u8], width: u32) -> Result<u64, Error> {
    let offset = match text {
        [b'#', units @ ..] => parse_integer(units).and_then(|units| units.checked_mul(i64::from(width))),
        text => parse_integer(text),
    };
    checked_offset(state, offset)
}

fn checked_offset(state: &State, offset: Option<i64>) -> Result<u64, Error> {
    let bytes_max = u64::try_from(state.settings.proto_max_bulk_len()).unwrap_or(u64::MAX);
    offset
        .and_then(|offset| u64::try_from(offset).ok())
        .filter(|offset| offset / 8 < bytes_max)
        .ok_or(Error::text("ERR bit offset is not an integer or out of range"))
}

/// Whether a bit is set.
fn bit_at(bytes: &[u8], offset: u64) -> bool {
    let byte = usize::try_from(offset / 8).ok().and_then(|at| bytes.get(at)).copied().unwrap_or(0);
    byte & 0x80 >> (offset % 8) != 0
}
