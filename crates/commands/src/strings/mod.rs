//! The commands of the string group.
//!
//! For: every string command of Redis 7.2. Leaves to others: bitmaps and HyperLogLog, which live in strings too.
//! Invariant: all checks come before the first change; see the crate's head.

pub(crate) mod increment;
pub(crate) mod plain;
pub(crate) mod set;

use quorate_keyspace::StringValue;
use quorate_resp::Reply;

/// Writes a stored string as a bulk string.
pub(crate) fn write_string(string: &StringValue, reply: &mut Reply) {
    match string {
        StringValue::Int(number) => reply.bulk_integer(*number),
        StringValue::Bytes(bytes) => reply.bulk(bytes),
    }
}
