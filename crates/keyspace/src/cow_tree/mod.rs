//! A sequence that clones in constant time: what lists, ordered sets and streams stand on.
//!
//! A B+tree by position, with nodes of at most 64 items or children behind `Arc`s, and all leaves
//! at one depth. A clone shares the root; a write after it copies one node per level. Every inner
//! node knows how many items are below each child, and what they weigh: a list of packed blocks
//! counts the elements in its blocks this way.
//!
//! ```text
//! root ─► inner ─┬─ 3000 items ─► inner ─┬─ 64 items ─► leaf
//!                └─ 2100 items ─► …      └─ 41 items ─► leaf
//! ```
//!
//! It leaves the order of the items to its owner ([`CowTree::partition_point`] searches in it), and
//! the freeing of many items as well.
//!
//! Invariants:
//! - The sequence alone is visible, never the shape of the tree, which depends on history.
//! - No node has more than 64 items or children; after a removal a node with few of them has
//!   neighbours with many, or none.
//! - A clone of `T` must be cheap: the first write to a leaf after a clone of the tree clones all
//!   of its items. Who stores much in one item puts it behind an `Arc`.

mod iter;
mod node;
mod splice;
#[cfg(test)]
mod tests;

use std::ops::Range;

pub use iter::TreeIter;
use node::{Child, Node};

/// What a [`CowTree`] holds.
pub trait TreeItem: Clone {
    /// What the item counts for in [`CowTree::weight`]. A function of the item alone.
    fn weight(&self) -> usize {
        1
    }
}

/// A sequence with logarithmic access by position; see the module's head.
#[derive(Clone)]
pub struct CowTree<T> {
    root: Option<Child<T>>,
}

impl<T: TreeItem> CowTree<T> {
    /// Nothing.
    pub const fn new() -> CowTree<T> {
        CowTree { root: None }
    }

    /// How many items.
    pub fn len(&self) -> usize {
        self.root.as_ref().map_or(0, Child::len)
    }

    /// Whether there is no item.
    pub fn is_empty(&self) -> bool {
        self.root.is_none()
    }

    /// What all items weigh together, in constant time.
    pub fn weight(&self) -> usize {
        self.root.as_ref().map_or(0, Child::weight)
    }

    /// The item at an index.
    pub fn get(&self, index: usize) -> Option<&T> {
        let (leaf, at) = self.leaf_at(index)?;
        leaf.get(at)
    }

    /// The first item.
    pub fn first(&self) -> Option<&T> {
        self.root.as_ref().map(Child::first)
    }

    /// The last item.
    pub fn last(&self) -> Option<&T> {
        self.get(self.len().checked_sub(1)?)
    }

    /// The item at an index for changes that leave its weight as it is; see [`CowTree::update`].
    pub fn get_mut(&mut self, index: usize) -> Option<&mut T> {
        // A miss must not copy what a snapshot shares.
        if index >= self.len() {
            return None;
        }
        self.root.as_mut().map(|root| root.get_mut(index))
    }

    /// Changes the item at an index, its weight as well; `None` where there is none.
    pub fn update<R>(&mut self, index: usize, change: impl FnOnce(&mut T) -> R) -> Option<R> {
        if index >= self.len() {
            return None;
        }
        self.root.as_mut().map(|root| root.update(index, change).0)
    }

    /// Inserts an item before the one at this index, or at the end.
    ///
    /// # Panics
    /// If the index is beyond the end.
    pub fn insert(&mut self, index: usize, item: T) {
        assert!(index <= self.len(), "an item is inserted at {index} of {}", self.len());
        match &mut self.root {
            None => self.root = Some(Child::new(Node::Leaf(vec![item]))),
            Some(root) => {
                if let Some(sibling) = root.insert(index, item) {
                    root.raise(sibling);
                }
            }
        }
    }

    /// Adds an item before the first.
    pub fn push_front(&mut self, item: T) {
        self.insert(0, item);
    }

    /// Adds an item after the last.
    pub fn push_back(&mut self, item: T) {
        self.insert(self.len(), item);
    }

    /// Removes the item at an index, if there is one.
    pub fn remove(&mut self, index: usize) -> Option<T> {
        if index >= self.len() {
            return None;
        }
        let item = self.root.as_mut()?.remove(index);
        self.trim();
        Some(item)
    }

    /// Removes the first item.
    pub fn pop_front(&mut self) -> Option<T> {
        self.remove(0)
    }

    /// Removes the last item.
    pub fn pop_back(&mut self) -> Option<T> {
        self.remove(self.len().checked_sub(1)?)
    }

    /// Cuts the sequence in two: what is from `at` on is returned. Takes the time of a look-up.
    ///
    /// # Panics
    /// If `at` is beyond the end.
    pub fn split_off(&mut self, at: usize) -> CowTree<T> {
        assert!(at <= self.len(), "a sequence of {} is cut at {at}", self.len());
        if at == 0 {
            return std::mem::take(self);
        }
        if at == self.len() {
            return CowTree::new();
        }
        let mut upper = CowTree { root: self.root.as_mut().map(|root| root.split(at)) };
        self.trim();
        upper.trim();
        upper
    }

    /// Adds another sequence at the end. Takes the time of a look-up.
    pub fn append(&mut self, other: CowTree<T>) {
        self.root = match (self.root.take(), other.root) {
            (Some(lower), Some(upper)) => Some(Child::join(lower, upper)),
            (lower, upper) => lower.or(upper),
        };
        self.trim();
    }

    /// Takes a range out, in the time of a look-up. What is taken may be slow to free.
    ///
    /// # Panics
    /// If the range is not within the sequence.
    pub fn drain(&mut self, range: Range<usize>) -> CowTree<T> {
        assert!(range.start <= range.end, "a range goes forward");
        let upper = self.split_off(range.end);
        let taken = self.split_off(range.start);
        self.append(upper);
        taken
    }

    /// Takes away what is from `len` on, if anything is, and returns it.
    pub fn truncate(&mut self, len: usize) -> CowTree<T> {
        self.split_off(len.min(self.len()))
    }

    /// How many items at the front satisfy the predicate. The items must be such that those that
    /// do come before those that do not.
    pub fn partition_point(&self, predicate: impl FnMut(&T) -> bool) -> usize {
        self.root.as_ref().map_or(0, |root| root.partition_point(predicate))
    }

    /// The item that holds this unit of weight, as its index and the units before within it; `None`
    /// where all weigh no more than that.
    pub fn find_weight(&self, unit: usize) -> Option<(usize, usize)> {
        let root = self.root.as_ref()?;
        (unit < root.weight()).then(|| root.find_weight(unit))
    }

    /// What the items before this index weigh.
    pub fn weight_before(&self, index: usize) -> usize {
        match &self.root {
            Some(root) if index < root.len() => root.weight_before(index),
            _ => self.weight(),
        }
    }

    /// Every item in order, from either end.
    pub fn iter(&self) -> TreeIter<'_, T> {
        self.range(0..self.len())
    }

    /// The items of a range in order, from either end. What lies beyond the end is left out.
    pub fn range(&self, range: Range<usize>) -> TreeIter<'_, T> {
        TreeIter::new(self, range)
    }

    /// The leaf of an index, and where in it the item is.
    fn leaf_at(&self, index: usize) -> Option<(&[T], usize)> {
        self.root.as_ref().filter(|root| index < root.len()).map(|root| root.leaf_at(index))
    }

    /// Takes away what a removal has left above the items.
    fn trim(&mut self) {
        if self.root.as_ref().is_some_and(|root| root.len() == 0) {
            self.root = None;
        }
        while let Some(child) = self.root.as_ref().and_then(Child::lone_child) {
            self.root = Some(child);
        }
    }
}

impl<T> Default for CowTree<T> {
    fn default() -> CowTree<T> {
        CowTree { root: None }
    }
}

impl<T: TreeItem> FromIterator<T> for CowTree<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> CowTree<T> {
        let mut tree = CowTree::new();
        items.into_iter().for_each(|item| tree.push_back(item));
        tree
    }
}

impl<'a, T: TreeItem> IntoIterator for &'a CowTree<T> {
    type Item = &'a T;
    type IntoIter = TreeIter<'a, T>;

    fn into_iter(self) -> TreeIter<'a, T> {
        self.iter()
    }
}

impl<T: TreeItem + std::fmt::Debug> std::fmt::Debug for CowTree<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
