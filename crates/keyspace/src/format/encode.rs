//! Turns a snapshot into blocks, one at a time, without ever holding more than one.
//!
//! Between blocks it remembers the last key written and looks for its successor: a capture never
//! changes. A value that does not fit is written piece by piece.

use super::{
    ACCESSED, BLOCK_BYTES_MAX, Contents, DATABASE, END, ENTRY, EXPIRES, HEADER, MAGIC, MORE, Place,
    RECORD_BYTES_MIN, REMOVALS, SWAPPED, VERSION, push_varint,
};
use crate::{Blob, DATABASES, Entry, Snapshot, Value};

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
        if map.is_empty() && removals.is_empty() {
            self.stage = Stage::Database(index + 1);
            return;
        }
        out.push(DATABASE);
        out.push(index as u8);
        out.extend_from_slice(&removals.floor().0.to_le_bytes());
        if removals.swapped().0 > 0 {
            out.push(SWAPPED);
            out.extend_from_slice(&removals.swapped().0.to_le_bytes());
        }
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
        let mut pairs = match &self.last {
            Some((hash, key)) => map.iter_after(*hash, key),
            None => map.iter(),
        };
        while let Some((hash, key, entry)) = pairs.next_hashed() {
            self.keys += 1;
            let value_bytes = entry.value().encoded_bytes();
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

fn entry_head(key: &Blob, entry: &Entry, value_bytes: u64, out: &mut Vec<u8>) {
    out.push(ENTRY);
    let mut tag = entry.value().format_type();
    if entry.expires().is_some() {
        tag |= EXPIRES;
    }
    if entry.accessed() != 0 {
        tag |= ACCESSED;
    }
    out.push(tag);
    if let Some(at) = entry.expires() {
        out.extend_from_slice(&at.0.to_le_bytes());
    }
    if entry.accessed() != 0 {
        out.extend_from_slice(&entry.accessed().to_le_bytes());
    }
    push_varint(out, entry.version().0);
    push_varint(out, key.len() as u64);
    push_varint(out, value_bytes);
}

fn whole_value(value: &Value, out: &mut Vec<u8>) {
    match value.contents(&Place::Start) {
        Contents::Number(bytes) => out.extend_from_slice(&bytes),
        Contents::Bytes(bytes) => out.extend_from_slice(bytes),
        Contents::Pieces(mut walk, _) => while walk.next_piece(out) {},
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
    /// Of a value in pieces: where those begin that are neither written nor pending.
    place: Place,
    /// A piece, and how much of it is written.
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
            place: Place::Start,
            pending: Vec::new(),
            pending_written: 0,
        }
    }

    /// Fills the block; true once everything is written.
    fn write(&mut self, out: &mut Vec<u8>) -> bool {
        if !copy(&self.key, &mut self.key_written, out) {
            return false;
        }
        match self.value.contents(&self.place) {
            Contents::Number(bytes) => copy(&bytes, &mut self.value_written, out),
            Contents::Bytes(bytes) => copy(bytes, &mut self.value_written, out),
            Contents::Pieces(mut walk, _) => loop {
                if !copy(&self.pending, &mut self.pending_written, out) {
                    if let Some(place) = walk.place() {
                        self.place = place;
                    }
                    return false;
                }
                self.pending.clear();
                self.pending_written = 0;
                if !walk.next_piece(&mut self.pending) {
                    return true;
                }
            },
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
