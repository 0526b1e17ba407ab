//! Streams: their blocks are Redis' own, and are passed on as they are.
//!
//! ```text
//! stream   := count ( id:string(16) listpack:string )* length last:id
//!             [ first:id max_deleted:id added ]2 count group*
//! group    := name:string last:id [ read ]2 count ( id:16 delivered:i64 deliveries )* count consumer*
//! consumer := name:string seen:i64 [ active:i64 ]3 count ( id:16 )*
//! id       := ms seq                                        both as lengths, but for those of 16 bytes
//! ```
//!
//! Numbers are lengths where nothing else is said; `[ ]2` is in types 19 and 21, `[ ]3` in type 21 only.

use std::collections::BTreeMap;

use quorate_keyspace::{Consumer, Group, Millis, StreamBuilder, StreamEntries, StreamId, StreamValue};

use super::kind::{STREAM, STREAM_3};
use super::save::{length, string};
use super::{Error, Reader};

/// `entries_read` of a group that has lost count.
const UNKNOWN: u64 = u64::MAX;

const DAMAGED: Error = Error::Damaged("a stream");

/// Reads a stream of one of its types.
pub(super) fn load(kind: u8, reader: &mut Reader<'_>) -> Result<StreamValue, Error> {
    let mut builder = StreamBuilder::new();
    for _ in 0..reader.length()? {
        let id = reader.string()?;
        let id = <[u8; 16]>::try_from(&*id).map_err(|_| DAMAGED)?;
        let data = reader.string()?.into_owned();
        builder.block(StreamId::from_bytes(id), data).ok_or(DAMAGED)?;
    }
    let len = reader.length()?;
    let last_id = id(reader)?;
    let (mut max_deleted_id, mut added) = (StreamId::MIN, len);
    if kind != STREAM {
        let _first_id = id(reader)?;
        max_deleted_id = id(reader)?;
        added = reader.length()?;
    }
    builder.ids(last_id, max_deleted_id, added);
    let mut stream = builder.finish().filter(|stream| stream.entries().len() as u64 == len).ok_or(DAMAGED)?;
    for _ in 0..reader.length()? {
        let group = group(kind, reader, stream.entries())?;
        if !stream.add_group(group) {
            return Err(Error::Damaged("a stream with a group twice"));
        }
    }
    Ok(stream)
}

fn id(reader: &mut Reader<'_>) -> Result<StreamId, Error> {
    Ok(StreamId::new(reader.length()?, reader.length()?))
}

fn group(kind: u8, reader: &mut Reader<'_>, entries: &StreamEntries) -> Result<Group, Error> {
    let name = reader.string()?;
    let last_id = id(reader)?;
    let read = match kind {
        STREAM => entries.added_up_to(last_id),
        _ => Some(reader.length()?).filter(|read| *read != UNKNOWN),
    };
    let mut group = Group::new(&name, last_id, read);
    let mut unowned = BTreeMap::new();
    for _ in 0..reader.length()? {
        let id = StreamId::from_bytes(reader.array()?);
        let pending = (Millis(reader.millis()?), reader.length()?);
        if unowned.insert(id, pending).is_some() {
            return Err(DAMAGED);
        }
    }
    for _ in 0..reader.length()? {
        let name = reader.string()?;
        let seen = Millis(reader.millis()?);
        // Older versions kept one time for both.
        let active = if kind == STREAM_3 { reader.millis()? } else { seen.0 };
        let consumer = Consumer::new(&name, seen, (active != -1).then_some(Millis(active)));
        if !group.add_consumer(consumer) {
            return Err(Error::Damaged("a stream with a consumer twice"));
        }
        for _ in 0..reader.length()? {
            let id = StreamId::from_bytes(reader.array()?);
            let (delivered, deliveries) = unowned.remove(&id).ok_or(DAMAGED)?;
            group.assign(id, &name, delivered, deliveries);
        }
    }
    if unowned.is_empty() { Ok(group) } else { Err(DAMAGED) }
}

/// Appends a stream as type 19, which knows one time of a consumer only.
pub(super) fn save(stream: &StreamValue, out: &mut Vec<u8>) {
    let entries = stream.entries();
    length(entries.blocks() as u64, out);
    for (id, data) in entries.packed_blocks() {
        length(16, out);
        out.extend(id.to_bytes());
        length(data.len() as u64, out);
        out.extend_from_slice(data);
    }
    length(entries.len() as u64, out);
    for id in [entries.last_id(), entries.first_id(), entries.max_deleted_id()] {
        save_id(id, out);
    }
    length(entries.added(), out);
    length(stream.groups().len() as u64, out);
    for group in stream.groups() {
        save_group(group, out);
    }
}

fn save_id(id: StreamId, out: &mut Vec<u8>) {
    length(id.ms, out);
    length(id.seq, out);
}

fn save_group(group: &Group, out: &mut Vec<u8>) {
    string(group.name(), out);
    save_id(group.last_id(), out);
    length(group.entries_read().unwrap_or(UNKNOWN), out);
    length(group.pending_len() as u64, out);
    for pending in group.pending_from(StreamId::MIN) {
        out.extend(pending.id.to_bytes());
        out.extend(pending.delivered.0.to_le_bytes());
        length(pending.deliveries, out);
    }
    length(group.consumers().len() as u64, out);
    for consumer in group.consumers() {
        string(consumer.name(), out);
        out.extend(consumer.seen().0.to_le_bytes());
        length(consumer.pending_len() as u64, out);
        for id in consumer.pending_from(StreamId::MIN) {
            out.extend(id.to_bytes());
        }
    }
}
