//! The frame of an RDB file, as a writer of one makes it piece by piece.
//!
//! ```text
//! file := head note* function* ( database key* )* end      see `quorate-migrate` for the bytes of each
//! ```
//!
//! Everything is appended to a buffer; whoever empties it keeps the checksum of what has gone ([`super::crc64_after`]).

use quorate_keyspace::{DbIndex, Millis, Value};

use super::save::{self, length, string};
use super::{VERSION, crc64_after};

const FUNCTION: u8 = 0xf5;
const AUX: u8 = 0xfa;
const RESIZE: u8 = 0xfb;
const EXPIRES_MILLIS: u8 = 0xfc;
const DATABASE: u8 = 0xfe;
const END: u8 = 0xff;

/// Begins a file of the version that Redis 7.0 reads.
pub fn head(out: &mut Vec<u8>) {
    out.extend(format!("REDIS{VERSION:04}").as_bytes());
}

/// A note about the file.
pub fn note(name: &str, value: &str, out: &mut Vec<u8>) {
    out.push(AUX);
    string(name.as_bytes(), out);
    string(value.as_bytes(), out);
}

/// A library of functions.
pub fn function(code: &[u8], out: &mut Vec<u8>) {
    out.push(FUNCTION);
    string(code, out);
}

/// The keys of a database follow, about so many.
pub fn database(db: DbIndex, keys: usize, out: &mut Vec<u8>) {
    out.push(DATABASE);
    length(db.as_u8().into(), out);
    out.push(RESIZE);
    length(keys as u64, out);
    // How many of them expire is a hint for the size of a table, and not kept here.
    length(0, out);
}

/// A key.
pub fn key(key: &[u8], value: &Value, expires: Option<Millis>, out: &mut Vec<u8>) {
    if let Some(expires) = expires {
        out.push(EXPIRES_MILLIS);
        out.extend(expires.0.to_le_bytes());
    }
    out.push(save::kind(value));
    string(key, out);
    save::body(value, out);
}

/// Ends the file, of which what went before the buffer has this checksum.
pub fn end(checksum: u64, out: &mut Vec<u8>) {
    out.push(END);
    let checksum = crc64_after(checksum, out);
    out.extend(checksum.to_le_bytes());
}
