//! A value of any type, and the entry that a key maps to.

use std::sync::Arc;

use crate::{HashValue, ListValue, Millis, SetValue, SortedSetValue, StreamValue, StringValue, Version};

/// A value. Types that come later are variants here; every one clones in constant time:
/// what is large is shared, what is small copied.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Value {
    /// A string.
    String(StringValue),
    /// A hash; never empty inside a keyspace.
    Hash(HashValue),
    /// A set; never empty inside a keyspace.
    Set(SetValue),
    /// A list; never empty inside a keyspace.
    List(Arc<ListValue>),
    /// A sorted set; never empty inside a keyspace.
    SortedSet(SortedSetValue),
    /// A stream; it may be empty.
    Stream(Arc<StreamValue>),
}

// Every key of the keyspace pays for these.
const _: () = assert!(size_of::<Value>() == 24);
const _: () = assert!(size_of::<Entry>() <= 48);

impl Value {
    /// A string of these bytes, as SET stores it.
    pub fn string(bytes: &[u8]) -> Value {
        Value::String(StringValue::new(bytes))
    }

    /// A string that holds a number.
    pub fn integer(number: i64) -> Value {
        Value::String(StringValue::Int(number))
    }

    /// A hash.
    pub fn hash(hash: HashValue) -> Value {
        Value::Hash(hash)
    }

    /// A set.
    pub fn set(set: SetValue) -> Value {
        Value::Set(set)
    }

    /// A list.
    pub fn list(list: ListValue) -> Value {
        Value::List(Arc::new(list))
    }

    /// A sorted set.
    pub fn sorted_set(set: SortedSetValue) -> Value {
        Value::SortedSet(set)
    }

    /// A stream.
    pub fn stream(stream: StreamValue) -> Value {
        Value::Stream(Arc::new(stream))
    }

    /// Redis' name of the type (TYPE, SCAN TYPE).
    pub fn type_name(&self) -> &'static str {
        match self {
            Value::String(_) => "string",
            Value::Hash(_) => "hash",
            Value::Set(_) => "set",
            Value::List(_) => "list",
            Value::SortedSet(_) => "zset",
            Value::Stream(_) => "stream",
        }
    }

    /// Redis' name of the encoding (OBJECT ENCODING).
    pub fn encoding_name(&self) -> &'static str {
        match self {
            Value::String(string) => string.encoding().name(),
            Value::Hash(hash) => hash.encoding().name(),
            Value::Set(set) => set.encoding().name(),
            Value::List(list) => list.encoding().name(),
            Value::SortedSet(set) => set.encoding().name(),
            Value::Stream(_) => "stream",
        }
    }

    /// The string, where this is one.
    pub fn as_string(&self) -> Option<&StringValue> {
        match self {
            Value::String(string) => Some(string),
            _ => None,
        }
    }

    /// The string for changes, where this is one.
    pub fn as_string_mut(&mut self) -> Option<&mut StringValue> {
        match self {
            Value::String(string) => Some(string),
            _ => None,
        }
    }

    /// The hash, where this is one.
    pub fn as_hash(&self) -> Option<&HashValue> {
        match self {
            Value::Hash(hash) => Some(hash),
            _ => None,
        }
    }

    /// The hash for changes, where this is one.
    pub fn as_hash_mut(&mut self) -> Option<&mut HashValue> {
        match self {
            Value::Hash(hash) => Some(hash),
            _ => None,
        }
    }

    /// The set, where this is one.
    pub fn as_set(&self) -> Option<&SetValue> {
        match self {
            Value::Set(set) => Some(set),
            _ => None,
        }
    }

    /// The set for changes, where this is one.
    pub fn as_set_mut(&mut self) -> Option<&mut SetValue> {
        match self {
            Value::Set(set) => Some(set),
            _ => None,
        }
    }

    /// The list, where this is one.
    pub fn as_list(&self) -> Option<&ListValue> {
        match self {
            Value::List(list) => Some(list),
            _ => None,
        }
    }

    /// The list for changes, where this is one. Unshares it from a snapshot.
    pub fn as_list_mut(&mut self) -> Option<&mut ListValue> {
        match self {
            Value::List(list) => Some(Arc::make_mut(list)),
            _ => None,
        }
    }

    /// The sorted set, where this is one.
    pub fn as_sorted_set(&self) -> Option<&SortedSetValue> {
        match self {
            Value::SortedSet(set) => Some(set),
            _ => None,
        }
    }

    /// The stream, where this is one.
    pub fn as_stream(&self) -> Option<&StreamValue> {
        match self {
            Value::Stream(stream) => Some(stream),
            _ => None,
        }
    }

    /// The sorted set for changes, where this is one.
    pub fn as_sorted_set_mut(&mut self) -> Option<&mut SortedSetValue> {
        match self {
            Value::SortedSet(set) => Some(set),
            _ => None,
        }
    }

    /// The stream for changes, where this is one. Unshares it from a snapshot.
    pub fn as_stream_mut(&mut self) -> Option<&mut StreamValue> {
        match self {
            Value::Stream(stream) => Some(Arc::make_mut(stream)),
            _ => None,
        }
    }

    /// Bytes of heap behind the value: an estimate that depends on content and encoding alone.
    pub fn heap_bytes(&self) -> usize {
        match self {
            Value::String(string) => string.heap_bytes(),
            Value::Hash(hash) => hash.heap_bytes(),
            Value::Set(set) => set.heap_bytes(),
            Value::List(list) => list.heap_bytes(),
            Value::SortedSet(set) => set.heap_bytes(),
            Value::Stream(stream) => stream.heap_bytes(),
        }
    }

    /// Whether freeing the value may take longer than apply should wait.
    pub(crate) fn is_heavy(&self) -> bool {
        match self {
            Value::String(string) => string.heap_bytes() > HEAVY_BYTES_MIN,
            Value::Hash(hash) => hash.len() > HEAVY_ELEMENTS_MIN,
            Value::Set(set) => set.scattered_len() > HEAVY_ELEMENTS_MIN,
            Value::List(list) => list.scattered_len() > HEAVY_ELEMENTS_MIN,
            Value::SortedSet(set) => set.len() > HEAVY_ELEMENTS_MIN,
            Value::Stream(stream) => stream.parts() > HEAVY_ELEMENTS_MIN,
        }
    }
}

/// Values with more elements are freed on another thread.
const HEAVY_ELEMENTS_MIN: usize = 64;
/// Strings with more bytes are freed on another thread.
const HEAVY_BYTES_MIN: usize = 1024 * 1024;

/// Stands for "never expires". No key is ever stored with this expiry: it is in the past.
const NEVER: i64 = i64::MIN;

/// What a key maps to.
#[derive(Clone, Debug)]
pub struct Entry {
    value: Value,
    /// Milliseconds since the Unix epoch, or [`NEVER`].
    expires: i64,
    version: Version,
    /// See [`crate::AccessClock`].
    accessed: u32,
}

impl Entry {
    pub(crate) fn new(value: Value, expires: Option<Millis>, version: Version, accessed: u32) -> Entry {
        let mut entry = Entry { value, expires: NEVER, version, accessed };
        entry.set_expires(expires);
        entry
    }

    /// The value.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// The value for changes. To put another in its place use [`crate::EntryMut::replace`], which
    /// frees what is large elsewhere.
    pub fn value_mut(&mut self) -> &mut Value {
        &mut self.value
    }

    /// The value alone.
    pub fn into_value(self) -> Value {
        self.value
    }

    /// When the key expires, if ever.
    pub fn expires(&self) -> Option<Millis> {
        (self.expires != NEVER).then_some(Millis(self.expires))
    }

    /// The version of the last change.
    pub fn version(&self) -> Version {
        self.version
    }

    /// When the key was used, or how often: see [`crate::AccessClock`].
    pub fn accessed(&self) -> u32 {
        self.accessed
    }

    /// Sets when the key was used, or how often.
    pub fn set_accessed(&mut self, accessed: u32) {
        self.accessed = accessed;
    }

    /// Whether the key no longer exists at this time.
    pub fn is_expired(&self, now: Millis) -> bool {
        self.expires != NEVER && self.expires <= now.0
    }

    pub(crate) fn set_expires(&mut self, expires: Option<Millis>) {
        self.expires = expires.map_or(NEVER, |at| at.0);
    }

    pub(crate) fn set_version(&mut self, version: Version) {
        self.version = version;
    }

    /// The entry's share of [`crate::Keyspace::memory_bytes`] under a key of this length (MEMORY USAGE).
    pub fn accounted_bytes(&self, key_bytes: usize) -> usize {
        let expiry = if self.expires == NEVER { 0 } else { EXPIRY_BYTES };
        ENTRY_BYTES + crate::Blob::heap_bytes(key_bytes) + self.value.heap_bytes() + expiry
    }
}

/// Blob, entry and hash in a bucket, with the bucket's spare room and its share of the directory,
/// as measured by the keyspace bench at a million keys.
const ENTRY_BYTES: usize = 89;
/// A place in the index of expiries.
const EXPIRY_BYTES: usize = 40;
