//! The replicated data of Quorate: sixteen databases of keys, values, expiries and versions.
//!
//! It leaves commands, replies and settings to `commands`, the agreed clock and the log to `node`,
//! and files to `storage`; snapshots leave here as blocks of plain bytes.
//!
//! Invariants:
//! - Everything is a pure function of the calls made: no clock, no randomness, no address, and no
//!   iteration order that depends on history. Time, versions and seeds are arguments.
//! - Taking a [`Snapshot`] costs the same however large the data is, and no single write after it
//!   copies more than one small node per level, with what is small in it, and the value that it changes.
//! - A key whose expiry is not after `now` does not exist for any look-up that names `now`.
//!
//! The apply task alone calls what changes a [`Keyspace`]; connection tasks call what reads it; the
//! snapshot thread owns a [`Snapshot`].

mod access;
mod blob;
mod cow_map;
mod cow_tree;
mod db;
mod error;
mod format;
mod hash;
mod ids;
mod item;
mod journal;
mod keyspace;
mod list;
mod listpack;
mod packed;
pub mod redis_listpack;
mod removals;
mod rng;
mod seed;
mod set;
mod slots;
mod snapshot;
mod sorted_set;
mod stream;
mod string;
mod value;
mod waited;

pub use access::AccessClock;
pub use blob::Blob;
pub use cow_map::{CowMap, Iter};
pub use cow_tree::{CowTree, TreeItem, TreeIter};
pub use db::{Db, EntryMut, Keys};
pub use error::Error;
pub use format::VERSION as FORMAT_VERSION;
pub use format::{Decoder, Encoder};
pub use hash::{HashEncoding, HashIter, HashLimits, HashValue};
pub use ids::{DATABASES, DbIndex, Millis, Version};
pub use item::Item;
pub use journal::Changes;
pub use keyspace::{Expired, Garbage, Keyspace};
pub use list::{End, ListBackIter, ListEncoding, ListIter, ListLimit, ListValue};
pub use rng::Rng;
pub use seed::Seed;
pub use set::{SetEncoding, SetIter, SetLimits, SetValue};
pub use snapshot::Snapshot;
pub use sorted_set::{SortedSetEncoding, SortedSetIter, SortedSetLimits, SortedSetValue};
pub use stream::{
    Consumer, ENTRY_BYTES_MAX, Group, Pending, StreamBuilder, StreamEntries, StreamEntry, StreamId,
    StreamLimits, StreamRange, StreamValue, Trim, TrimTo, Trimmed,
};
pub use string::{StringEncoding, StringValue};
pub use value::{Entry, Value};
