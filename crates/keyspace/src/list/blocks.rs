//! A sequence of listpacks, counted, so that an index is found in logarithmic time.
//!
//! What is pushed at an end goes into the block there until that is full; a full block in the middle
//! is divided where something is inserted, and small neighbours are merged then, as Redis' quicklist
//! does. Where blocks begin and end is part of the replicated state: it tells when a list is small
//! enough to be one listpack, so snapshots keep it.

use std::sync::Arc;

use super::{End, ListBackIter, ListIter, ListLimit};
use crate::cow_tree::{CowTree, TreeItem};
use crate::listpack::{Listpack, ListpackIter};
use crate::{Item, packed};

/// A listpack that snapshots share.
#[derive(Clone, Debug)]
pub(crate) struct Block(Arc<Listpack>);

impl Block {
    pub(crate) fn new(pack: Listpack) -> Block {
        Block(Arc::new(pack))
    }

    pub(crate) fn pack(&self) -> &Listpack {
        &self.0
    }
}

impl TreeItem for Block {
    fn weight(&self) -> usize {
        self.0.len()
    }
}

/// Blocks, none of them empty, with what they amount to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Blocks {
    tree: CowTree<Block>,
    data_bytes: usize,
    /// The blocks' length in a snapshot.
    encoded_bytes: usize,
}

/// A block's allocations and its place in the tree.
const BLOCK_BYTES: usize = 72;
/// Redis' guess of what an entry takes beside its text.
const ENTRY_BYTES_GUESS: usize = 8;

impl Blocks {
    pub(super) fn from_pack(pack: Listpack) -> Blocks {
        let mut blocks = Blocks::default();
        if !pack.is_empty() {
            blocks.push_block(pack);
        }
        blocks
    }

    /// How many elements.
    pub(super) fn len(&self) -> usize {
        self.tree.weight()
    }

    /// How many blocks.
    pub(super) fn blocks(&self) -> usize {
        self.tree.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.tree.is_empty()
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.data_bytes + BLOCK_BYTES * self.tree.len()
    }

    pub(crate) fn encoded_bytes(&self) -> usize {
        self.encoded_bytes
    }

    pub(crate) fn tree(&self) -> &CowTree<Block> {
        &self.tree
    }

    /// Adds a block that is not empty.
    pub(crate) fn push_block(&mut self, pack: Listpack) {
        self.put(self.tree.len(), pack);
    }

    /// The only block, if there is one alone.
    pub(super) fn lone(&self) -> Option<&Listpack> {
        if self.tree.len() == 1 { self.pack(0) } else { None }
    }

    pub(super) fn get(&self, index: usize) -> Option<Item<'_>> {
        let (at, rest) = self.tree.find_weight(index)?;
        self.pack(at)?.get(rest)
    }

    pub(super) fn iter_from(&self, index: usize) -> ListIter<'_> {
        let Some((at, rest)) = self.tree.find_weight(index) else {
            return ListIter { items: ListpackIter::default(), blocks: None };
        };
        let mut blocks = self.tree.range(at..self.tree.len());
        let items = blocks.next().map(|block| block.pack().iter_from(rest)).unwrap_or_default();
        ListIter { items, blocks: Some(blocks) }
    }

    pub(super) fn iter_back_from(&self, index: usize) -> ListBackIter<'_> {
        let Some((at, rest)) = self.tree.find_weight(index) else {
            return ListBackIter { items: ListpackIter::default(), blocks: Some(self.tree.iter()) };
        };
        let mut blocks = self.tree.range(0..at + 1);
        let items = blocks.next_back().map(|block| block.pack().iter_to(rest)).unwrap_or_default();
        ListBackIter { items, blocks: Some(blocks) }
    }

    /// Puts an element before the one of this index, or at the end.
    pub(super) fn insert(&mut self, index: usize, element: &[u8], limit: ListLimit) {
        // Between two blocks it goes to the end of the first.
        let (at, rest) = match index.checked_sub(1).and_then(|before| self.tree.find_weight(before)) {
            Some((at, rest)) => (at, rest + 1),
            None => (0, 0),
        };
        let Some(pack) = self.pack(at) else {
            return self.put(0, pack_of(element));
        };
        let len = pack.len();
        if has_room(pack, element, limit) {
            self.edit(at, |pack| pack.insert(rest, element));
        } else if rest == len {
            match self.pack(at + 1) {
                Some(next) if has_room(next, element, limit) => {
                    self.edit(at + 1, |next| next.insert(0, element));
                }
                _ => self.put(at + 1, pack_of(element)),
            }
        } else if rest == 0 {
            self.put(0, pack_of(element));
        } else {
            let upper = self.edit(at, |pack| {
                let upper = pack.split_off(rest);
                pack.push_back(element);
                upper
            });
            self.put(at + 1, upper);
            self.merge_around(at + 1, limit);
        }
    }

    /// Puts another element in the place of the one of this index, which is there.
    pub(super) fn replace(&mut self, index: usize, element: &[u8], limit: ListLimit) {
        let (at, rest) = self.tree.find_weight(index).expect("only an element that is there is replaced");
        let (bytes, len) = self.edit(at, |pack| {
            pack.replace(rest, element);
            (pack.redis_bytes(), pack.len())
        });
        if len == 1 || !limit.is_exceeded(bytes, len) {
            return;
        }
        // It has become too large: a block for what is before it, for it, and for what is behind it.
        let upper = self.edit(at, |pack| pack.split_off(rest + 1));
        if !upper.is_empty() {
            self.put(at + 1, upper);
        }
        if rest > 0 {
            let own = self.edit(at, |pack| pack.split_off(rest));
            self.put(at + 1, own);
        }
    }

    /// Removes the elements from `start` up to `end`; returns whole blocks that went.
    pub(super) fn remove_range(&mut self, start: usize, end: usize) -> Option<Blocks> {
        assert!(start <= end && end <= self.len(), "only elements that are there are removed");
        if start == end {
            return None;
        }
        let place = |index| self.tree.find_weight(index).expect("the element is there");
        let (first, before) = place(start);
        let (last, kept) = place(end - 1);
        let kept = kept + 1;
        if first == last {
            self.cut(first, before, kept);
            return None;
        }
        // From the back, so that indexes stay what they are.
        self.cut(last, 0, kept);
        let to = self.pack(first).map_or(0, Listpack::len);
        let whole_from = first + usize::from(before > 0);
        let removed = self.tree.drain(whole_from..last);
        let mut removed_blocks = Blocks { tree: removed, data_bytes: 0, encoded_bytes: 0 };
        let packs = removed_blocks.tree.iter().map(|block| block.pack().data().len());
        let (data_bytes, encoded_bytes) = packs
            .fold((0, 0), |(data, encoded), bytes| (data + bytes, encoded + packed::encoded_bytes(bytes)));
        (removed_blocks.data_bytes, removed_blocks.encoded_bytes) = (data_bytes, encoded_bytes);
        self.data_bytes -= data_bytes;
        self.encoded_bytes -= encoded_bytes;
        if before > 0 {
            self.cut(first, before, to);
        }
        (!removed_blocks.is_empty()).then_some(removed_blocks)
    }

    /// Removes the first `max` elements that equal this one as seen from an end; how many they were.
    pub(super) fn remove_equal(&mut self, wanted: Item<'_>, from: End, max: usize) -> usize {
        let mut left = max;
        let mut hit = Vec::new();
        let mut look = |(at, block): (usize, &Block)| {
            if left > 0 {
                let found = block.pack().iter().filter(|item| *item == wanted).take(left).count();
                if found > 0 {
                    hit.push((at, found));
                }
                left -= found;
            }
            left > 0
        };
        let mut numbered = self.tree.iter().enumerate();
        match from {
            End::Head => while numbered.next().is_some_and(&mut look) {},
            End::Tail => while numbered.next_back().is_some_and(&mut look) {},
        }
        // From the back, so that indexes stay what they are.
        hit.sort_unstable_by(|a, b| b.cmp(a));
        for (at, found) in hit {
            let is_empty = self.edit(at, |pack| {
                remove_equal(pack, wanted, from, found);
                pack.is_empty()
            });
            if is_empty {
                self.take(at);
            }
        }
        max - left
    }

    /// Removes the elements of a block from `start` up to `end`, and the block with the last.
    fn cut(&mut self, at: usize, start: usize, end: usize) {
        if start == 0 && self.pack(at).is_some_and(|pack| pack.len() == end) {
            self.take(at);
        } else {
            self.edit(at, |pack| pack.remove_range(start, end));
        }
    }

    /// Merges a block and those about it as far as they fit into one.
    fn merge_around(&mut self, at: usize, limit: ListLimit) {
        let from = at.saturating_sub(2);
        let mut lower = from;
        let mut pairs_left = 4;
        while pairs_left > 0 && lower + 1 < self.tree.len() {
            let (Some(a), Some(b)) = (self.pack(lower), self.pack(lower + 1)) else { return };
            if limit.is_exceeded(a.redis_bytes() + b.data().len(), a.len() + b.len()) {
                lower += 1;
            } else {
                let upper = self.take(lower + 1);
                self.edit(lower, |pack| pack.append(&upper));
            }
            pairs_left -= 1;
        }
    }

    fn pack(&self, at: usize) -> Option<&Listpack> {
        self.tree.get(at).map(Block::pack)
    }

    /// Puts a block before the one of this index, or at the end.
    fn put(&mut self, at: usize, pack: Listpack) {
        self.count(&pack);
        self.tree.insert(at, Block::new(pack));
    }

    /// Takes a block out.
    fn take(&mut self, at: usize) -> Listpack {
        let block = self.tree.remove(at).expect("only a block that is there is taken");
        self.discount(block.pack());
        Arc::unwrap_or_clone(block.0)
    }

    /// Changes a block.
    fn edit<R>(&mut self, at: usize, change: impl FnOnce(&mut Listpack) -> R) -> R {
        let mut before = 0;
        let mut after = 0;
        let result = self.tree.update(at, |block| {
            let pack = Arc::make_mut(&mut block.0);
            before = pack.data().len();
            let result = change(pack);
            after = pack.data().len();
            result
        });
        self.data_bytes = self.data_bytes - before + after;
        self.encoded_bytes =
            self.encoded_bytes - packed::encoded_bytes(before) + packed::encoded_bytes(after);
        result.expect("only a block that is there is changed")
    }

    fn count(&mut self, pack: &Listpack) {
        self.data_bytes += pack.data().len();
        self.encoded_bytes += packed::encoded_bytes(pack.data().len());
    }

    fn discount(&mut self, pack: &Listpack) {
        self.data_bytes -= pack.data().len();
        self.encoded_bytes -= packed::encoded_bytes(pack.data().len());
    }
}

/// Removes the first `max` elements that equal this one as seen from an end; how many they were.
pub(super) fn remove_equal(pack: &mut Listpack, wanted: Item<'_>, from: End, max: usize) -> usize {
    let found = pack.iter().filter(|item| *item == wanted).count();
    let removed = found.min(max);
    if removed == 0 {
        return 0;
    }
    let first = match from {
        End::Head => 0,
        End::Tail => found - removed,
    };
    let mut seen = 0;
    pack.retain(|item| {
        if item != wanted {
            return true;
        }
        seen += 1;
        !(first..first + removed).contains(&(seen - 1))
    });
    removed
}

/// Whether a block may take another element.
fn has_room(pack: &Listpack, element: &[u8], limit: ListLimit) -> bool {
    !limit.is_exceeded(pack.redis_bytes() + element.len() + ENTRY_BYTES_GUESS, pack.len() + 1)
}

fn pack_of(element: &[u8]) -> Listpack {
    let mut pack = Listpack::default();
    pack.push_back(element);
    pack
}
