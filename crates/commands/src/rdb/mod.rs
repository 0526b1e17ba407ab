//! Values in Redis' own format: what `DUMP` writes and `RESTORE` reads, and what an RDB file holds for each key.
//!
//! For: reading every encoding of values that Redis 2.8 to 7.2 has written, and writing what Redis 7.0 and later read.
//! Leaves to others: reading the frame of an RDB file (databases, expiries, its own header), and modules' values, which are
//! refused. Called by: the commands; an importer of files can use [`Reader`] and [`load`] alike.
//!
//! ```text
//! payload := type:u8 value version:u16le crc64:u64le      the checksum of all before it
//! ```
//!
//! | type | value | since |
//! |---|---|---|
//! | 0 | string | 1.0 |
//! | 1, 2 | list, set: count and elements | 1.0 |
//! | 3, 5 | sorted set: count, member and score in turn, as text or as a double | 1.2, 4.0 |
//! | 10, 14, 18 | list: ziplist in a string; ziplists; listpacks and single elements | 2.0, 3.2, 7.0 |
//! | 11, 20 | set in a string: intset, listpack | 2.2, 7.2 |
//! | 12, 17 | sorted set in a string: ziplist, listpack | 2.4, 7.0 |
//! | 4 | hash: count, field and value in turn | 2.0 |
//! | 9, 13, 16 | hash in a string: zipmap, ziplist, listpack | 2.2, 2.6, 7.0 |
//! | 15, 19, 21 | stream, see `rdb/streams.rs` | 5.0, 7.0, 7.2 |
//!
//! Invariants: bytes are never trusted and never make a panic; nothing is allocated by an announced length alone.
//! What is written is of version 10, that of Redis 7.0, and not compressed.

mod crc64;
pub mod file;
pub mod kind;
mod load;
mod lzf;
mod packed;
mod read;
mod save;
mod streams;

use quorate_keyspace::{Seed, Value};

pub use self::crc64::{crc64, crc64_after};
pub use self::load::{load, visit};
pub use self::lzf::decompress;
pub use self::read::Reader;
pub(crate) use self::save::string as write_string;
use crate::Settings;

/// The newest version of values that is read, that of Redis 7.2.
pub const VERSION_MAX: u16 = 11;
/// The version that is written, that of Redis 7.0.
const VERSION: u16 = 10;

/// Why bytes are no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A payload of a newer version, or with another checksum.
    #[error("payload version or checksum are wrong")]
    Payload,
    /// They end too soon.
    #[error("the value is cut off")]
    Truncated,
    /// Something that Redis does not write.
    #[error("{0} is damaged")]
    Damaged(&'static str),
    /// A type that is not read: a module's, or one that does not exist.
    #[error("values of type {0} are not read")]
    Type(u8),
}

/// What decides how a value is kept once it is read.
#[derive(Debug, Clone, Copy)]
pub struct Shape<'a> {
    /// The keyspace's seed.
    pub seed: Seed,
    /// The limits of compact forms.
    pub settings: &'a Settings,
}

/// The payload of a value, as `DUMP` replies it.
pub fn dump(value: &Value) -> Vec<u8> {
    let mut payload = Vec::new();
    save::value(value, &mut payload);
    seal(payload)
}

/// A payload with version and checksum behind it.
pub(crate) fn seal(mut payload: Vec<u8>) -> Vec<u8> {
    payload.extend(VERSION.to_le_bytes());
    let checksum = crc64(&payload);
    payload.extend(checksum.to_le_bytes());
    payload
}

/// The value of a payload, as `RESTORE` is given it.
pub fn restore(payload: &[u8], shape: Shape<'_>) -> Result<Value, Error> {
    let mut reader = Reader::new(checked(payload).ok_or(Error::Payload)?);
    let kind = reader.byte()?;
    load(kind, &mut reader, shape)
}

/// What stands before version and checksum, if both are right.
pub(crate) fn checked(payload: &[u8]) -> Option<&[u8]> {
    let (rest, checksum) = payload.split_last_chunk::<8>()?;
    let (value, version) = rest.split_last_chunk::<2>()?;
    let matches = u64::from_le_bytes(*checksum) == crc64(rest);
    (u16::from_le_bytes(*version) <= VERSION_MAX && matches).then_some(value)
}

#[cfg(test)]
mod tests;
