//! Walking a range from both ends.

use std::ops::Range;

use super::{CowTree, TreeItem};

/// The items of a range of a [`CowTree`], from either end.
pub struct TreeIter<'a, T> {
    tree: &'a CowTree<T>,
    /// What is still to come.
    range: Range<usize>,
    /// From `range.start` on, as far as one leaf goes.
    front: &'a [T],
    /// Up to `range.end`, as far as one leaf goes.
    back: &'a [T],
}

impl<'a, T: TreeItem> TreeIter<'a, T> {
    pub(super) fn new(tree: &'a CowTree<T>, range: Range<usize>) -> TreeIter<'a, T> {
        let end = range.end.min(tree.len());
        TreeIter { tree, range: range.start.min(end)..end, front: &[], back: &[] }
    }
}

impl<'a, T: TreeItem> Iterator for TreeIter<'a, T> {
    type Item = &'a T;

    fn next(&mut self) -> Option<&'a T> {
        if self.range.is_empty() {
            return None;
        }
        if self.front.is_empty() {
            // A descent per leaf, so that the walk needs no stack.
            let (leaf, at) = self.tree.leaf_at(self.range.start)?;
            self.front = &leaf[at..];
        }
        let (item, rest) = self.front.split_first()?;
        self.front = rest;
        self.range.start += 1;
        Some(item)
    }

    fn nth(&mut self, n: usize) -> Option<&'a T> {
        let passed = n.min(self.range.len());
        self.front = self.front.get(passed..).unwrap_or_default();
        self.range.start += passed;
        self.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.range.len(), Some(self.range.len()))
    }
}

impl<'a, T: TreeItem> DoubleEndedIterator for TreeIter<'a, T> {
    fn next_back(&mut self) -> Option<&'a T> {
        if self.range.is_empty() {
            return None;
        }
        if self.back.is_empty() {
            let (leaf, at) = self.tree.leaf_at(self.range.end - 1)?;
            self.back = &leaf[..=at];
        }
        let (item, rest) = self.back.split_last()?;
        self.back = rest;
        self.range.end -= 1;
        Some(item)
    }
}

impl<T: TreeItem> ExactSizeIterator for TreeIter<'_, T> {}

impl<T> Clone for TreeIter<'_, T> {
    fn clone(&self) -> Self {
        TreeIter { tree: self.tree, range: self.range.clone(), front: self.front, back: self.back }
    }
}

impl<T> std::fmt::Debug for TreeIter<'_, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TreeIter").field("range", &self.range).finish_non_exhaustive()
    }
}
