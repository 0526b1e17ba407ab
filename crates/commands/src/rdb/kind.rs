//! The types of values, as a byte before each tells them.

/// A string.
pub const STRING: u8 = 0;
/// A list: count and elements.
pub const LIST: u8 = 1;
/// A set: count and members.
pub const SET: u8 = 2;
/// A sorted set: count, and pairs of a member and its score as text.
pub const SORTED_SET: u8 = 3;
/// A hash: count, and pairs of field and value.
pub const HASH: u8 = 4;
/// A sorted set: count, and pairs of a member and its score as a double.
pub const SORTED_SET_2: u8 = 5;
/// A hash as a zipmap in a string.
pub const HASH_ZIPMAP: u8 = 9;
/// A list as a ziplist in a string.
pub const LIST_ZIPLIST: u8 = 10;
/// A set as an intset in a string.
pub const SET_INTSET: u8 = 11;
/// A sorted set as a ziplist in a string.
pub const SORTED_SET_ZIPLIST: u8 = 12;
/// A hash as a ziplist in a string.
pub const HASH_ZIPLIST: u8 = 13;
/// A list: count, and ziplists in strings.
pub const LIST_QUICKLIST: u8 = 14;
/// A stream of Redis 5 and 6.
pub const STREAM: u8 = 15;
/// A hash as a listpack in a string.
pub const HASH_LISTPACK: u8 = 16;
/// A sorted set as a listpack in a string.
pub const SORTED_SET_LISTPACK: u8 = 17;
/// A list: count, and nodes that are listpacks or single elements.
pub const LIST_QUICKLIST_2: u8 = 18;
/// A stream of Redis 7.0.
pub const STREAM_2: u8 = 19;
/// A set as a listpack in a string.
pub const SET_LISTPACK: u8 = 20;
/// A stream of Redis 7.2.
pub const STREAM_3: u8 = 21;

/// A node of [`LIST_QUICKLIST_2`] that is one element.
pub const NODE_PLAIN: u64 = 1;
/// A node of [`LIST_QUICKLIST_2`] that is a listpack.
pub const NODE_PACKED: u64 = 2;
