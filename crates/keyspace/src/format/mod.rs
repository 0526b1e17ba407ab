//! The bytes of a keyspace snapshot, version 1.
//!
//! A snapshot is a sequence of blocks of at most 64 KiB; storage frames and checksums each and keeps
//! their order. A block holds whole records, except that an entry which does not fit goes on in the
//! next block. Numbers of fixed width are little-endian; `varint` is LEB128 of at most 10 bytes.
//!
//! ```text
//! snapshot  := header ( database swapped? removals? entry* )* end
//! header    := 0x01 "QKEY" version:u16 seed:[u8;16] databases:u8
//! database  := 0x02 index:u8 floor:u64            in order of index; none for one never used
//! swapped   := 0x07 version:u64                    of the last exchange with another database
//! removals  := 0x03 count:u16 ( slot:u16 version:u64 )*
//! entry     := 0x04 type:u8 [expires:i64] [accessed:u32] version:varint key_bytes:varint value_bytes:varint piece
//! more      := 0x05 piece                          goes on with the entry of the block before
//! end       := 0x06 keys:u64                       of all databases
//! piece     := as much of (key value) as is left of it, or as the block has room for
//! ```
//!
//! Entries are ordered by (hash, key). Bit 7 of `type` says that `expires` is there, in milliseconds
//! since the Unix epoch; bit 6 that `accessed` is, which is 0 otherwise: see `access.rs`. The types and their values:
//!
//! | type | value | bytes |
//! |---|---|---|
//! | 1 | string, a number | `i64` |
//! | 2 | string as it was set | the bytes |
//! | 3 | string that was changed in place | the bytes |
//! | 4 | packed hash, in order of insertion | pairs, see below |
//! | 5 | hash table, ordered by (hash, field) | pairs, see below |
//! | 6 | packed list | listpack entries, see `listpack/entry.rs` |
//! | 7 | list of blocks, none of them empty | blocks, see below |
//! | 8 | set of integers | `width:u8` (2, 4 or 8), then ascending numbers of that width |
//! | 9 | packed set, in order of insertion | listpack entries |
//! | 10 | set table, ordered by (hash, member) | members, see below |
//! | 11 | packed sorted set, ordered by (score, member) | scored members, see below |
//! | 12 | sorted set in a tree, ordered by (score, member) | scored members, see below |
//! | 13 | stream | see `stream::pieces` |
//!
//! `pair := length:varint field length:varint value`, `member := length:varint bytes`, `block :=
//! length:varint entries`, lengths of at most 5 bytes. Types of one kind of value differ in what `OBJECT
//! ENCODING` replies, so they are told apart.
//!
//! `scored := count:u8 score length:varint member`, where `score` is the first `count` bytes of the
//! big-endian double without the zero bytes at its end.

mod contents;
mod decode;
mod encode;
#[cfg(test)]
mod tests;

pub use decode::Decoder;
pub use encode::Encoder;

pub(crate) use contents::{Contents, Place};

/// A block's bound.
const BLOCK_BYTES_MAX: usize = 64 * 1024;
/// A record is begun only where this much room is left: more than any but `removals` needs.
const RECORD_BYTES_MIN: usize = 64;

const MAGIC: &[u8; 4] = b"QKEY";
/// The version of the keyspace in snapshots that this program writes.
pub const VERSION: u16 = 1;

const HEADER: u8 = 0x01;
const DATABASE: u8 = 0x02;
const REMOVALS: u8 = 0x03;
const ENTRY: u8 = 0x04;
const MORE: u8 = 0x05;
const END: u8 = 0x06;
const SWAPPED: u8 = 0x07;

const INTEGER: u8 = 1;
const BYTES: u8 = 2;
const RAW: u8 = 3;
const PACKED: u8 = 4;
const TABLE: u8 = 5;
const LIST_PACKED: u8 = 6;
const LIST_BLOCKS: u8 = 7;
const SET_INTS: u8 = 8;
const SET_PACKED: u8 = 9;
const SET_TABLE: u8 = 10;
const PACKED_SCORES: u8 = 11;
const SCORE_TREE: u8 = 12;
const STREAM: u8 = 13;
const EXPIRES: u8 = 0x80;
const ACCESSED: u8 = 0x40;

const VARINT_BYTES_MAX: usize = 10;

fn push_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}
