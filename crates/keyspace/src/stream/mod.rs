//! The stream type: entries in the order of their ids, and groups of consumers that read them.
//!
//! Entries lie in blocks as Redis packs them, blocks and groups in sequences that clone in constant time.

mod block;
mod builder;
mod entries;
mod group;
mod id;
mod pieces;
mod trim;

use crate::CowTree;

pub use block::StreamEntry;
pub use builder::StreamBuilder;
pub use entries::{StreamEntries, StreamRange};
pub use group::{Consumer, Group, Pending};
pub use id::StreamId;
pub(crate) use pieces::{StreamBuild, StreamPlace, StreamWalk};
pub use trim::{Trim, TrimTo, Trimmed};

/// Most bytes of fields and values of one entry.
pub const ENTRY_BYTES_MAX: usize = 1 << 30;

/// A stream; it may be empty.
#[derive(Clone, Debug, Default)]
pub struct StreamValue {
    entries: StreamEntries,
    /// By name.
    groups: CowTree<Group>,
}

/// When a block is full: the settings `stream-node-max-bytes` and `-entries`.
#[derive(Clone, Copy, Debug)]
pub struct StreamLimits {
    /// Bytes from which a block takes no entry; 0: as many as may be.
    pub node_bytes_max: usize,
    /// Most entries of a block, deleted ones included; 0: no limit.
    pub entries_max: usize,
}

/// What a block holds at most, whatever the setting says: the first write after a snapshot was taken copies it.
const NODE_BYTES_MAX: usize = 1024 * 1024;

impl StreamLimits {
    fn bytes_max(self) -> usize {
        if self.node_bytes_max == 0 { NODE_BYTES_MAX } else { self.node_bytes_max.min(NODE_BYTES_MAX) }
    }
}

impl Default for StreamLimits {
    fn default() -> StreamLimits {
        StreamLimits { node_bytes_max: 4096, entries_max: 100 }
    }
}

impl StreamValue {
    /// An empty stream.
    pub fn new() -> StreamValue {
        StreamValue::default()
    }

    /// The entries.
    pub fn entries(&self) -> &StreamEntries {
        &self.entries
    }

    /// The entries, to change them.
    pub fn entries_mut(&mut self) -> &mut StreamEntries {
        &mut self.entries
    }

    /// The groups, by name.
    pub fn groups(&self) -> impl ExactSizeIterator<Item = &Group> {
        self.groups.iter()
    }

    /// The group of a name.
    pub fn group(&self, name: &[u8]) -> Option<&Group> {
        self.groups.get(self.place(name)).filter(|group| **group.name() == *name)
    }

    /// Adds a group; false if there is one of its name.
    pub fn add_group(&mut self, group: Group) -> bool {
        if self.group(group.name()).is_some() {
            return false;
        }
        let at = self.place(group.name());
        self.groups.insert(at, group);
        true
    }

    /// Changes a group, with a view of the entries; nothing where there is no such group.
    pub fn change_group<T>(
        &mut self,
        name: &[u8],
        change: impl FnOnce(&StreamEntries, &mut Group) -> T,
    ) -> Option<T> {
        self.group(name)?;
        let at = self.place(name);
        self.groups.update(at, |group| change(&self.entries, group))
    }

    /// Removes a group.
    pub fn remove_group(&mut self, name: &[u8]) -> Option<Group> {
        self.group(name)?;
        self.groups.remove(self.place(name))
    }

    /// A stream of what was taken from another, to be freed where nobody waits.
    pub fn of_rest(trimmed: Option<Trimmed>, group: Option<Group>) -> StreamValue {
        let blocks = trimmed.map(|trimmed| trimmed.blocks).unwrap_or_default();
        let entries = StreamEntries { blocks, ..StreamEntries::default() };
        StreamValue { entries, groups: group.into_iter().collect() }
    }

    /// How many parts there are to free, about.
    pub(crate) fn parts(&self) -> usize {
        self.entries.blocks() + self.groups.weight() / BYTES_PER_PART
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        HEAD_BYTES + BLOCK_BYTES * self.entries.blocks() + self.entries.data_bytes + self.groups.weight()
    }

    fn place(&self, name: &[u8]) -> usize {
        self.groups.partition_point(|group| **group.name() < *name)
    }
}

/// The shared allocation that holds a stream.
const HEAD_BYTES: usize = 176;
/// A block in its tree, and what its bytes cost beside themselves.
const BLOCK_BYTES: usize = 112;
/// What is freed at once of a group.
const BYTES_PER_PART: usize = 1024;

#[cfg(test)]
mod tests;
