//! Turns a snapshot into blocks, one at a time, without ever holding more than one.
//!
//! Between blocks it remembers the last key written and looks for its successor: a capture never
//! changes. A value that does not fit is written piece by piece.

use super::{
    BLOCK_BYTES_MAX, BYTES, DATABASE, END, ENTRY, EXPIRES, HEADER, INTEGER, MAGIC, MORE, PACKED, RAW,
    RECORD_BYTES_MIN, REMOVALS, TABLE, VERSION, push_varint,
};
use crate::hash::Contents;
use crate::{Blob, CowMap, DATABASES, Entry, Snapshot, StringValue, Value, packed};

/// Writes a [`Snapshot`] as blocks. An iterator of blocks, for who needs no buffer of their own.
#[derive(Debug)]
pub struct Encoder {
    snapshot: Snapshot,
    stage: Stage,
    /// The last entry begun.
    last: Option<(u64, Blob)>,
    partial: Option<Partial>,
    keys: u64,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    Header,
    Database(usize),
    Removals(usize),
    Entries(usize),
    End,
    Done,
}

impl Snapshot {
    /// The snapshot as blocks; the bytes are a function of contents alone.
    pub fn encode(self) -> Encoder {
        Encoder { snapshot: self, stage: Stage::Header, last: None, partial: None, keys: 0 }
    }
}

impl Encoder {
    /// Replaces the buffer's contents with the next block, of at most 64 KiB; false after the last.
    pub fn next_block(&mut self, out: &mut Vec<u8>) -> bool {
        out.clear();
        while out.len() + RECORD_BYTES_MIN <= BLOCK_BYTES_MAX {
            match self.stage {
                Stage::Header => {
                    out.push(HEADER);
                    out.extend_from_slice(MAGIC);
                    out.extend_from_slice(&VERSION.to_le_bytes());
                    out.extend_from_slice(&self.snapshot.seed.0);
                    out.push(DATABASES as u8);
                    self.stage = Stage::Database(0);
                }
                Stage::Database(index) => self.database(index, out),
                Stage::Removals(index) => {
                    if !self.removals(index, out) {
                        return true;
                    }
                    self.stage = Stage::Entries(index);
                }
                Stage::Entries(index) => {
                    if self.partial.is_some() {
                        self.more(out);
                    } else if !self.entries(index, out) {
                        self.stage = Stage::Database(index + 1);
                        self.last = None;
                    }
                }
                Stage::End => {
                    out.push(END);
                    out.extend_from_slice(&self.keys.to_le_bytes());
                    self.stage = Stage::Done;
                }
                Stage::Done => return !out.is_empty(),
            }
        }
        true
    }

    /// How many keys were begun so far, for progress.
    pub fn keys(&self) -> u64 {
        self.keys
    }

    fn database(&mut self, index: usize, out: &mut Vec<u8>) {
        let Some((map, removals)) = self.snapshot.dbs.get(index) else {
            self.stage = Stage::End;
            return;
        };
        let floor = removals.floor();
        if map.is_empty() && floor.0 == 0 && removals.above_floor().next().is_none() {
            self.stage = Stage::Database(index + 1);
            return;
        }
        out.push(DATABASE);
        out.push(index as u8);
        out.extend_from_slice(&floor.0.to_le_bytes());
        self.stage = Stage::Removals(index);
    }

    /// False where the block has no room for them.
    fn removals(&self, index: usize, out: &mut Vec<u8>) -> bool {
        let (_, removals) = &self.snapshot.dbs[index];
        let count = removals.above_floor().count();
        if out.len() + 3 + 10 * count > BLOCK_BYTES_MAX {
            return false;
        }
        if count > 0 {
            out.push(REMOVALS);
            out.extend_from_slice(&(count as u16).to_le_bytes());
            for (slot, version) in removals.above_floor() {
                out.extend_from_slice(&(slot as u16).to_le_bytes());
                out.extend_from_slice(&version.0.to_le_bytes());
            }
        }
        true
    }

    /// Writes entries until the block is full (true) or there are no more (false).
    fn entries(&mut self, index: usize, out: &mut Vec<u8>) -> bool {
        let (map, _) = &self.snapshot.dbs[index];
        let mut pairs = successors(map, self.last.as_ref());
        while let Some((hash, key, entry)) = pairs.next_hashed() {
            self.keys += 1;
            let value_bytes = value_bytes(entry.value());
            entry_head(key, entry, value_bytes, out);
            let room = BLOCK_BYTES_MAX - out.len();
            if (key.len() as u64 + value_bytes) > room as u64 {
                let mut partial = Partial::new(key.clone(), entry.value().clone());
                partial.write(out);
                self.partial = Some(partial);
            } else {
                out.extend_from_slice(key);
                whole_value(entry.value(), out);
            }
            if self.partial.is_some() || out.len() + RECORD_BYTES_MIN > BLOCK_BYTES_MAX {
                self.last = Some((hash, key.clone()));
                return true;
            }
        }
        false
    }

    fn more(&mut self, out: &mut Vec<u8>) {
        // A block that ended with a piece is full: this is the first record of the next.
        let Some(partial) = &mut self.partial else { return };
        out.push(MORE);
        if partial.write(out) {
            self.partial = None;
        }
    }
}

impl Iterator for Encoder {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        let mut block = Vec::with_capacity(BLOCK_BYTES_MAX);
        self.next_block(&mut block).then_some(block)
    }
}

/// A value's type in a snapshot.
pub(crate) fn value_type(value: &Value) -> u8 {
    match value {
        Value::String(StringValue::Int(_)) => INTEGER,
        Value::String(StringValue::Bytes(_)) => BYTES,
        Value::String(StringValue::Raw(_)) => RAW,
        Value::Hash(hash) => match hash.contents() {
            Contents::Packed(_) => PACKED,
            Contents::Table(..) => TABLE,
        },
    }
}

fn entry_head(key: &Blob, entry: &Entry, value_bytes: u64, out: &mut Vec<u8>) {
    out.push(ENTRY);
    let tag = value_type(entry.value());
    match entry.expires() {
        Some(at) => {
            out.push(tag | EXPIRES);
            out.extend_from_slice(&at.0.to_le_bytes());
        }
        None => out.push(tag),
    }
    push_varint(out, entry.version().0);
    push_varint(out, key.len() as u64);
    push_varint(out, value_bytes);
}

fn value_bytes(value: &Value) -> u64 {
    match flat(value) {
        Flat::Number(bytes) => bytes.len() as u64,
        Flat::Bytes(bytes) => bytes.len() as u64,
        Flat::Table(_, encoded_bytes) => encoded_bytes as u64,
    }
}

/// A value as the format sees it: bytes at hand, or pairs of a table with their length in all.
enum Flat<'a> {
    Number([u8; 8]),
    Bytes(&'a [u8]),
    Table(&'a CowMap<Blob>, usize),
}

fn flat(value: &Value) -> Flat<'_> {
    match value {
        Value::String(StringValue::Int(number)) => Flat::Number(number.to_le_bytes()),
        Value::String(StringValue::Bytes(blob)) => Flat::Bytes(blob),
        Value::String(StringValue::Raw(buffer)) => Flat::Bytes(buffer),
        Value::Hash(hash) => match hash.contents() {
            Contents::Packed(data) => Flat::Bytes(data),
            Contents::Table(map, encoded_bytes) => Flat::Table(map, encoded_bytes),
        },
    }
}

fn whole_value(value: &Value, out: &mut Vec<u8>) {
    match flat(value) {
        Flat::Number(bytes) => out.extend_from_slice(&bytes),
        Flat::Bytes(bytes) => out.extend_from_slice(bytes),
        Flat::Table(map, _) => {
            for (field, value) in map {
                packed::push(out, field);
                packed::push(out, value);
            }
        }
    }
}

/// The pairs after this one.
fn successors<'a, V: Clone>(map: &'a CowMap<V>, last: Option<&(u64, Blob)>) -> crate::Iter<'a, V> {
    let Some((last_hash, last_key)) = last else { return map.iter_from(0) };
    let mut pairs = map.iter_from(*last_hash);
    loop {
        let here = pairs.clone();
        match pairs.next_hashed() {
            Some((hash, key, _)) if (hash, key) <= (*last_hash, last_key) => {}
            _ => return here,
        }
    }
}

/// An entry that takes more than one block.
#[derive(Debug)]
struct Partial {
    key: Blob,
    value: Value,
    key_written: usize,
    /// Bytes of a value that lies in one piece.
    value_written: usize,
    /// The last pair of a table that was put into `pending`.
    last: Option<(u64, Blob)>,
    /// A pair of a table, and how much of it is written.
    pending: Vec<u8>,
    pending_written: usize,
}

impl Partial {
    fn new(key: Blob, value: Value) -> Partial {
        Partial {
            key,
            value,
            key_written: 0,
            value_written: 0,
            last: None,
            pending: Vec::new(),
            pending_written: 0,
        }
    }

    /// Fills the block; true once everything is written.
    fn write(&mut self, out: &mut Vec<u8>) -> bool {
        if !copy(&self.key, &mut self.key_written, out) {
            return false;
        }
        match flat(&self.value) {
            Flat::Number(bytes) => copy(&bytes, &mut self.value_written, out),
            Flat::Bytes(bytes) => copy(bytes, &mut self.value_written, out),
            Flat::Table(map, _) => {
                let mut pairs = successors(map, self.last.as_ref());
                loop {
                    if !copy(&self.pending, &mut self.pending_written, out) {
                        return false;
                    }
                    let Some((hash, field, value)) = pairs.next_hashed() else { return true };
                    self.pending.clear();
                    self.pending_written = 0;
                    packed::push(&mut self.pending, field);
                    packed::push(&mut self.pending, value);
                    self.last = Some((hash, field.clone()));
                }
            }
        }
    }
}

/// Copies what is not yet written, as far as the block has room; true once all is.
fn copy(bytes: &[u8], written: &mut usize, out: &mut Vec<u8>) -> bool {
    let end = bytes.len().min(*written + (BLOCK_BYTES_MAX - out.len()));
    out.extend_from_slice(&bytes[*written..end]);
    *written = end;
    end == bytes.len()
}
