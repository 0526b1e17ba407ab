//! The commands of the stream group.
//!
//! For: every stream command of Redis 7.2. Leaves to others: entries, groups and how they are packed
//! (`quorate-keyspace`); serving consumers that wait for entries (`crate::blocking`); readers that wait (`XREAD BLOCK`),
//! which is their node's business alone.
//! Invariants: all checks come before the first change (see the crate's head); a stream may be empty; time in ids and
//! groups is the batch's agreed time.

pub(crate) mod add;
pub(crate) mod claim;
pub(crate) mod group;
mod id;
pub(crate) mod info;
pub(crate) mod pending;
pub(crate) mod range;
pub(crate) mod read;
pub(crate) mod removal;

use quorate_keyspace::{
    Consumer, Entry, Group, StreamEntries, StreamEntry, StreamId, StreamLimits, StreamValue, Value,
};
use quorate_resp::Reply;

use crate::{Error, EventClass, Read, Write};

/// The stream of an entry, or the wrong type.
fn as_stream(entry: &Entry) -> Result<&StreamValue, Error> {
    entry.value().as_stream().ok_or(Error::WrongType)
}

impl<'a> Read<'a> {
    /// The stream at a key, if there is one.
    fn stream(&self, key: &[u8]) -> Result<Option<&'a StreamValue>, Error> {
        self.get(key).map(as_stream).transpose()
    }
}

impl Write<'_> {
    /// The stream at a key, if there is one.
    fn stream(&self, key: &[u8]) -> Result<Option<&StreamValue>, Error> {
        self.get(key).map(as_stream).transpose()
    }

    /// Changes the stream at a key, which was found to be one.
    fn edit_stream<T>(&mut self, key: &[u8], edit: impl FnOnce(&mut StreamValue) -> T) -> T {
        let mut entry = self.get_mut(key).expect("the stream was found");
        edit(entry.value_mut().as_stream_mut().expect("the type was checked"))
    }

    /// As [`Write::edit_stream`]; an empty stream is made where there is no key.
    fn edit_or_create_stream<T>(&mut self, key: &[u8], edit: impl FnOnce(&mut StreamValue) -> T) -> T {
        if self.get(key).is_some() {
            return self.edit_stream(key, edit);
        }
        let mut stream = StreamValue::new();
        let result = edit(&mut stream);
        self.set(key, Value::stream(stream), None);
        result
    }

    /// Changes a group, which was found. The key's version stays: as in Redis, reading on behalf of a group does not
    /// make a transaction fail that watches the stream, and gives nobody who waits for it anything to read.
    fn edit_group<T>(
        &mut self,
        key: &[u8],
        name: &[u8],
        edit: impl FnOnce(&StreamEntries, &mut Group) -> T,
    ) -> T {
        let (now, version) = (self.now, self.get(key).expect("the stream was found").version());
        let mut entry = self.db_mut().get_mut_unnoticed(key, now, version).expect("the stream was found");
        let stream = entry.value_mut().as_stream_mut().expect("the type was checked");
        stream.change_group(name, edit).expect("the group was found")
    }

    /// Makes a consumer, if there is none of this name; the caller has found the group.
    fn ensure_consumer(&mut self, key: &[u8], group: &[u8], consumer: &[u8]) -> bool {
        let now = self.now;
        let created =
            self.edit_group(key, group, |_, group| group.add_consumer(Consumer::new(consumer, now, None)));
        if created {
            self.notify(EventClass::Stream, "xgroup-createconsumer", key);
        }
        created
    }

    fn stream_limits(&self) -> StreamLimits {
        let settings = &self.state.settings;
        StreamLimits {
            node_bytes_max: settings.stream_node_max_bytes(),
            entries_max: settings.stream_node_max_entries(),
        }
    }
}

/// The error where a group that a command needs is missing.
fn no_group(key: &[u8], group: &[u8], after: &str) -> Error {
    let (key, group) = (String::from_utf8_lossy(key), String::from_utf8_lossy(group));
    Error::text(format!("NOGROUP No such key '{key}' or consumer group '{group}'{after}"))
}

/// Writes an id.
fn write_id(id: StreamId, reply: &mut Reply) {
    // Two numbers of at most 20 digits.
    let mut text = [0; 41];
    let (mut ms, mut seq) = (itoa::Buffer::new(), itoa::Buffer::new());
    let (ms, seq) = (ms.format(id.ms).as_bytes(), seq.format(id.seq).as_bytes());
    let len = ms.len() + 1 + seq.len();
    text[..ms.len()].copy_from_slice(ms);
    text[ms.len()] = b'-';
    text[ms.len() + 1..len].copy_from_slice(seq);
    reply.bulk(&text[..len]);
}

/// Writes an entry: its id, and its fields and values in turn.
fn write_entry(entry: &StreamEntry<'_>, reply: &mut Reply) {
    if reply.is_discarding() {
        return;
    }
    reply.array(2);
    write_id(entry.id(), reply);
    reply.array(2 * entry.len());
    entry.for_each(|field, value| {
        reply.bulk(field);
        reply.bulk(value);
    });
}
