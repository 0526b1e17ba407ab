//! Makes a stream of parts that come from elsewhere, and checks each.

use super::block::Block;
use super::{Group, StreamEntries, StreamId, StreamValue};

/// A stream in the making: blocks and groups in their order, and the ids once.
#[derive(Debug, Default)]
pub struct StreamBuilder {
    stream: StreamValue,
}

impl StreamBuilder {
    /// A stream without anything.
    pub fn new() -> StreamBuilder {
        StreamBuilder::default()
    }

    /// Adds a block, a listpack of entries as Redis packs them. `None`: the bytes are none, or out of order.
    pub fn block(&mut self, id: StreamId, data: Vec<u8>) -> Option<()> {
        let entries = &mut self.stream.entries;
        let mut block = Block::load(id, data)?;
        // Redis may have added the next id after one that was deleted at the end and came back.
        if let Some(before) = entries.blocks.len().checked_sub(1)
            && entries.blocks.get(before).is_some_and(|block| block.last_id() >= id)
        {
            entries.change(before, Block::cut_deleted_tail);
        }
        if entries.top_id().is_some_and(|top| top >= id) {
            return None;
        }
        block.close();
        entries.data_bytes += block.data().len();
        entries.blocks.push_back(block);
        Some(())
    }

    /// Sets the last id, the largest that was deleted, and how many entries were ever added.
    pub fn ids(&mut self, last_id: StreamId, max_deleted_id: StreamId, added: u64) {
        self.stream.entries =
            StreamEntries { last_id, max_deleted_id, added, ..std::mem::take(&mut self.stream.entries) };
    }

    /// Adds a group. `None`: there is one of its name.
    pub fn group(&mut self, group: Group) -> Option<()> {
        self.stream.add_group(group).then_some(())
    }

    /// The stream. `None`: an entry's id is greater than the last.
    pub fn finish(mut self) -> Option<StreamValue> {
        let entries = &mut self.stream.entries;
        if let Some(last) = entries.blocks.len().checked_sub(1)
            && entries.blocks.get(last).is_some_and(|block| block.last_id() > entries.last_id)
        {
            entries.change(last, Block::cut_deleted_tail);
        }
        if entries.top_id().is_some_and(|top| top > entries.last_id) {
            return None;
        }
        entries.find_first();
        Some(self.stream)
    }
}
