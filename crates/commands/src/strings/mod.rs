//! The commands of the string group.
//!
//! For: every string command of Redis 7.2. Leaves to others: bitmaps and HyperLogLog, which live in strings too.
//! Invariant: all checks come before the first change; see the crate's head.

pub(crate) mod increment;
pub(crate) mod lcs;
pub(crate) mod many;
pub(crate) mod plain;
pub(crate) mod range;
pub(crate) mod set;

use quorate_keyspace::StringValue;
use quorate_resp::Reply;

use crate::{Error, State};

/// Writes a stored string as a bulk string.
pub(crate) fn write_string(string: &StringValue, reply: &mut Reply) {
    string.with_bytes(|bytes| reply.bulk(bytes));
}

/// Refuses a string that would become longer than the setting allows.
pub(crate) fn check_length(state: &State, len: usize, added: usize) -> Result<(), Error> {
    match len.checked_add(added) {
        Some(total) if total <= state.settings.proto_max_bulk_len() => Ok(()),
        _ => Err(Error::StringTooLong),
    }
}
