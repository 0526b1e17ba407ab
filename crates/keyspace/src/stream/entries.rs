//! A stream's entries: blocks in the order of their ids, and what is remembered of those that are gone.

use super::block::{Block, StreamEntry};
use super::{StreamId, StreamLimits};
use crate::CowTree;

/// The entries of a stream. A clone is cheap and keeps what it holds.
#[derive(Clone, Debug, Default)]
pub struct StreamEntries {
    pub(super) blocks: CowTree<Block>,
    /// Sum of the blocks' bytes.
    pub(super) data_bytes: usize,
    pub(super) first_id: StreamId,
    pub(super) last_id: StreamId,
    pub(super) max_deleted_id: StreamId,
    pub(super) added: u64,
}

impl StreamEntries {
    /// How many entries.
    pub fn len(&self) -> usize {
        self.blocks.weight()
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many blocks they lie in.
    pub fn blocks(&self) -> usize {
        self.blocks.len()
    }

    /// The first entry's id, 0-0 where there is none.
    pub fn first_id(&self) -> StreamId {
        self.first_id
    }

    /// The last id that was given out, or set.
    pub fn last_id(&self) -> StreamId {
        self.last_id
    }

    /// The largest id that was deleted by name, 0-0 where none was.
    pub fn max_deleted_id(&self) -> StreamId {
        self.max_deleted_id
    }

    /// How many entries were ever added.
    pub fn added(&self) -> u64 {
        self.added
    }

    /// The largest id of an entry that is there.
    pub fn top_id(&self) -> Option<StreamId> {
        self.blocks.last().map(Block::last_live)
    }

    /// The entry of this id.
    pub fn get(&self, id: StreamId) -> Option<StreamEntry<'_>> {
        let block = self.blocks.get(self.block_of(id))?;
        block.entries().find(|entry| entry.id() == id).filter(|entry| !entry.is_deleted())
    }

    /// The entries from `start` to `end`, both included, from either end.
    pub fn range(&self, start: StreamId, end: StreamId) -> StreamRange<'_> {
        let blocks = if start > end { 0..0 } else { self.block_of(start)..self.blocks_up_to(end) };
        StreamRange { entries: self, start, end, blocks, front: None, back: None }
    }

    /// Adds an entry of fields and values in turn. The caller has seen that the id is greater than the last,
    /// and that the bytes are within [`super::ENTRY_BYTES_MAX`].
    ///
    /// # Panics
    /// If the id is not greater than the last.
    pub fn append(&mut self, id: StreamId, pairs: &[&[u8]], limits: StreamLimits) {
        assert!(id > self.last_id, "ids grow");
        let entry_bytes: usize = pairs.iter().map(|item| item.len()).sum();
        let last = self.blocks.len().checked_sub(1);
        let open = last.filter(|last| {
            let block = self.blocks.get(*last).expect("the last block is there");
            block.data().len() + entry_bytes < limits.bytes_max()
                && (limits.entries_max == 0 || block.all() < limits.entries_max)
        });
        match (open, last) {
            (Some(at), _) => self.change(at, |block| block.push(id, pairs)),
            (None, full) => {
                if let Some(full) = full {
                    self.change(full, Block::close);
                }
                let block = Block::new(id, pairs);
                self.data_bytes += block.data().len();
                self.blocks.push_back(block);
            }
        }
        self.added += 1;
        self.last_id = id;
        if self.len() == 1 {
            self.first_id = id;
        }
    }

    /// Deletes the entry of this id; whether it was there.
    pub fn delete(&mut self, id: StreamId) -> bool {
        if self.get(id).is_none() {
            return false;
        }
        let at = self.block_of(id);
        let gone = self.change(at, |block| block.delete(id));
        if !gone {
            let block = self.blocks.remove(at).expect("the entry's block is there");
            self.data_bytes -= block.data().len();
        }
        self.max_deleted_id = self.max_deleted_id.max(id);
        if self.first_id == id || self.is_empty() {
            self.find_first();
        }
        true
    }

    /// Sets what XSETID sets. The caller has seen that no entry's id is greater than the last one.
    pub fn set_ids(&mut self, last_id: StreamId, added: Option<u64>, max_deleted_id: Option<StreamId>) {
        if last_id < self.last_id && !self.is_empty() {
            // What is added next may have an id that was deleted behind the last entry.
            self.change(self.blocks() - 1, Block::cut_deleted_tail);
        }
        self.last_id = last_id;
        self.added = added.unwrap_or(self.added);
        self.max_deleted_id = max_deleted_id.unwrap_or(self.max_deleted_id);
    }

    /// The blocks: listpacks of entries as Redis packs them, and the id that theirs count from.
    pub fn packed_blocks(&self) -> impl ExactSizeIterator<Item = (StreamId, &[u8])> {
        self.blocks.iter().map(|block| (block.id, block.data()))
    }

    /// Whether an entry from `start` on was deleted by name, as far as is known.
    pub fn has_deleted_from(&self, start: StreamId) -> bool {
        !self.is_empty()
            && self.max_deleted_id != StreamId::MIN
            && self.first_id <= self.max_deleted_id
            && start <= self.max_deleted_id
    }

    /// How many entries were ever added up to this id, where that can be told.
    pub fn added_up_to(&self, id: StreamId) -> Option<u64> {
        if self.added == 0 {
            return Some(0);
        }
        if id == self.last_id || self.is_empty() && id < self.last_id {
            return Some(self.added);
        }
        let unbroken = self.max_deleted_id == StreamId::MIN || self.max_deleted_id < self.first_id;
        if id > self.last_id || !unbroken || id > self.first_id {
            return None;
        }
        let before = self.added.wrapping_sub(self.len() as u64);
        Some(before.wrapping_add(u64::from(id == self.first_id)))
    }

    /// The block that an id belongs to, if it is anywhere.
    fn block_of(&self, id: StreamId) -> usize {
        self.blocks_up_to(id).saturating_sub(1)
    }

    fn blocks_up_to(&self, id: StreamId) -> usize {
        self.blocks.partition_point(|block| block.id <= id)
    }

    /// Changes a block.
    pub(super) fn change<T>(&mut self, at: usize, change: impl FnOnce(&mut Block) -> T) -> T {
        let counted = |block: &mut Block| {
            let before = block.data().len();
            let result = change(block);
            (result, before, block.data().len())
        };
        let (result, before, after) = self.blocks.update(at, counted).expect("the block is there");
        self.data_bytes = self.data_bytes - before + after;
        result
    }

    pub(super) fn find_first(&mut self) {
        self.first_id = self.blocks.first().map_or(StreamId::MIN, Block::first_live);
    }
}

/// The entries of a range of ids, in order.
#[derive(Clone, Debug)]
pub struct StreamRange<'a> {
    entries: &'a StreamEntries,
    start: StreamId,
    end: StreamId,
    /// Those not yet begun.
    blocks: std::ops::Range<usize>,
    front: Option<super::block::Entries<'a>>,
    /// From behind, a block's entries are found from the front first.
    back: Option<Vec<StreamEntry<'a>>>,
}

impl<'a> Iterator for StreamRange<'a> {
    type Item = StreamEntry<'a>;

    fn next(&mut self) -> Option<StreamEntry<'a>> {
        loop {
            if let Some(front) = &mut self.front {
                let (start, end) = (self.start, self.end);
                match front.find(|entry| entry.id() >= start && !entry.is_deleted()) {
                    Some(entry) if entry.id() > end => return None,
                    Some(entry) => return Some(entry),
                    None => self.front = None,
                }
            }
            let block = self.entries.blocks.get(self.blocks.next()?)?;
            self.front = Some(block.entries());
        }
    }
}

impl<'a> StreamRange<'a> {
    /// The last entry that was not yet returned. A range is walked from one end only.
    pub fn next_from_behind(&mut self) -> Option<StreamEntry<'a>> {
        loop {
            if let Some(entry) = self.back.as_mut().and_then(Vec::pop) {
                return Some(entry);
            }
            let block = self.entries.blocks.get(self.blocks.next_back()?)?;
            let within = |entry: &StreamEntry<'_>| {
                !entry.is_deleted() && (self.start..=self.end).contains(&entry.id())
            };
            self.back = Some(block.entries().filter(within).collect());
        }
    }
}
