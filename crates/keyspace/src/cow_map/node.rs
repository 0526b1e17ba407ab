//! The inner part of the trie: nodes of 64 slots, and the changes that divide and merge them.
//!
//! Neighbouring slots share a child until it is full. Which ones do is one word: a bit per slot
//! where a child begins. So a node has only as many children as it needs, and doubling the map
//! divides buckets in two instead of in sixty-four.

use std::sync::Arc;

use smallvec::{SmallVec, smallvec};

use super::bucket::{Bucket, LEN_MAX, MERGED_LEN_MAX};
use crate::Blob;

/// Bits of hash that one level consumes.
const LEVEL_BITS: u32 = 6;
const SLOTS: u32 = 1 << LEVEL_BITS;
/// Children that a node keeps without another allocation. A million keys give their lowest nodes
/// four to eight.
const CHILDREN_INLINE: usize = 6;
/// The last level: below it fewer than six bits are left.
const LEVEL_MAX: u32 = u64::BITS / LEVEL_BITS - 1;
/// A node with no more pairs becomes a bucket.
const COLLAPSED_LEN_MAX: usize = 16;

/// A subtree and how many pairs are in it.
#[derive(Clone)]
pub(super) enum Child<V> {
    Bucket(Count, Arc<Bucket<V>>),
    Node(Count, Arc<Node<V>>),
}

// 64 of them are copied for the first write to a node after a capture.
const _: () = assert!(size_of::<Child<u8>>() == 16 && size_of::<Option<Child<u8>>>() == 16);

/// A key to insert: bytes to copy, or a blob to share.
pub(crate) trait MapKey: Copy {
    fn bytes(&self) -> &[u8];
    fn blob(&self) -> Blob;
}

impl MapKey for &[u8] {
    fn bytes(&self) -> &[u8] {
        self
    }

    fn blob(&self) -> Blob {
        Blob::new(self)
    }
}

impl MapKey for &Blob {
    fn bytes(&self) -> &[u8] {
        self.as_bytes()
    }

    fn blob(&self) -> Blob {
        (*self).clone()
    }
}

/// A number of pairs in six bytes, so that it fits beside the tag.
#[derive(Clone, Copy)]
pub(super) struct Count([u8; 6]);

impl Count {
    fn new(len: usize) -> Count {
        let [a, b, c, d, e, f, 0, 0] = (len as u64).to_le_bytes() else {
            panic!("a map holds fewer than 2^48 pairs")
        };
        Count([a, b, c, d, e, f])
    }

    fn get(self) -> usize {
        let [a, b, c, d, e, f] = self.0;
        u64::from_le_bytes([a, b, c, d, e, f, 0, 0]) as usize
    }
}

#[derive(Clone)]
pub(super) struct Node<V> {
    /// Bit `s` is set where a child begins at slot `s`; bit 0 always is.
    starts: u64,
    /// In order of their slots; as many as `starts` has bits. The few children of the lowest nodes
    /// lie beside `starts`, one cache miss less.
    children: SmallVec<[Child<V>; CHILDREN_INLINE]>,
}

/// Which slots a child covers: `width` of them, a power of two, from a multiple of it.
#[derive(Clone, Copy)]
struct Span {
    index: usize,
    start: u32,
    width: u32,
}

impl<V> Node<V> {
    pub(super) fn children(&self) -> &[Child<V>] {
        &self.children
    }

    /// The index of the child that a hash belongs to.
    pub(super) fn index(&self, level: u32, hash: u64) -> usize {
        self.span(slot(level, hash)).index
    }

    fn span(&self, slot: u32) -> Span {
        let below = self.starts & (u64::MAX >> (SLOTS - 1 - slot));
        let start = below.ilog2();
        let above = self.starts & !below;
        let end = if above == 0 { SLOTS } else { above.trailing_zeros() };
        Span { index: below.count_ones() as usize - 1, start, width: end - start }
    }
}

/// The slot of a hash in a node of this level.
fn slot(level: u32, hash: u64) -> u32 {
    ((hash >> shift(level)) & u64::from(SLOTS - 1)) as u32
}

/// How far right the slot's bits are in a hash.
fn shift(level: u32) -> u32 {
    u64::BITS - LEVEL_BITS * (level + 1)
}

impl<V> Child<V> {
    pub(super) fn empty() -> Child<V> {
        Child::of(Bucket::new())
    }

    fn of(bucket: Bucket<V>) -> Child<V> {
        Child::Bucket(Count::new(bucket.len()), Arc::new(bucket))
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Child::Bucket(count, _) | Child::Node(count, _) => count.get(),
        }
    }

    pub(super) fn get(&self, hash: u64, key: &[u8]) -> Option<(&Blob, &V)> {
        let (mut child, mut level, mut consumed) = (self, 0, 0);
        loop {
            match child {
                Child::Bucket(_, bucket) => {
                    let index = bucket.find(consumed, hash, key).ok()?;
                    return bucket.at(index).map(|(_, key, value)| (key, value));
                }
                Child::Node(_, node) => {
                    let span = node.span(slot(level, hash));
                    consumed = span.consumed(level);
                    level += 1;
                    child = &node.children[span.index];
                }
            }
        }
    }

    pub(super) fn nth(&self, mut rank: usize) -> Option<(&Blob, &V)> {
        let mut child = self;
        loop {
            match child {
                Child::Bucket(_, bucket) => return bucket.at(rank).map(|(_, key, value)| (key, value)),
                Child::Node(_, node) => {
                    child = node.children.iter().find(|child| match rank.checked_sub(child.len()) {
                        Some(rest) => {
                            rank = rest;
                            false
                        }
                        None => true,
                    })?;
                }
            }
        }
    }
}

impl Span {
    /// Bits of hash that all pairs below this child of a node share.
    fn consumed(self, level: u32) -> u32 {
        LEVEL_BITS * (level + 1) - self.width.ilog2()
    }
}

impl<V: Clone> Child<V> {
    pub(super) fn get_mut(&mut self, hash: u64, key: &[u8]) -> Option<&mut V> {
        let (mut child, mut level, mut consumed) = (self, 0, 0);
        loop {
            match child {
                Child::Bucket(_, bucket) => {
                    let index = bucket.find(consumed, hash, key).ok()?;
                    return Some(Arc::make_mut(bucket).value_mut(index));
                }
                Child::Node(_, node) => {
                    let span = node.span(slot(level, hash));
                    consumed = span.consumed(level);
                    level += 1;
                    child = &mut Arc::make_mut(node).children[span.index];
                }
            }
        }
    }

    /// Sets a value; `level` is that of this child if it is a node. A bucket may come out longer
    /// than it should be: its parent divides it.
    pub(super) fn insert<K: MapKey>(
        &mut self,
        level: u32,
        consumed: u32,
        hash: u64,
        key: K,
        value: V,
    ) -> Option<V> {
        match self {
            Child::Bucket(count, bucket) => {
                let bucket = Arc::make_mut(bucket);
                match bucket.find(consumed, hash, key.bytes()) {
                    Ok(index) => Some(std::mem::replace(bucket.value_mut(index), value)),
                    Err(index) => {
                        bucket.insert_at(index, hash, key.blob(), value);
                        *count = Count::new(bucket.len());
                        None
                    }
                }
            }
            Child::Node(count, node) => {
                let node = Arc::make_mut(node);
                let span = node.span(slot(level, hash));
                let child = &mut node.children[span.index];
                let old = child.insert(level + 1, span.consumed(level), hash, key, value);
                if old.is_none() {
                    *count = Count::new(count.get() + 1);
                    node.divide(level, span);
                }
                old
            }
        }
    }

    /// Puts a node above the root's bucket once that is too long.
    pub(super) fn grow_root(&mut self) {
        if self.is_long_bucket() {
            self.deepen(0);
        }
    }

    /// Removes a pair that is there.
    pub(super) fn remove(&mut self, level: u32, consumed: u32, hash: u64, key: &[u8]) -> Option<V> {
        match self {
            Child::Bucket(count, bucket) => {
                let index = bucket.find(consumed, hash, key).ok()?;
                let bucket = Arc::make_mut(bucket);
                let old = bucket.remove_at(index);
                *count = Count::new(bucket.len());
                Some(old)
            }
            Child::Node(count, shared) => {
                let node = Arc::make_mut(shared);
                let span = node.span(slot(level, hash));
                let old = node.children[span.index].remove(level + 1, span.consumed(level), hash, key)?;
                let len = count.get() - 1;
                *count = Count::new(len);
                node.merge(span);
                let lone_bucket = matches!(&node.children[..], [Child::Bucket(..)]);
                if len <= COLLAPSED_LEN_MAX || lone_bucket {
                    let mut bucket = Bucket::new();
                    std::mem::take(&mut node.children).into_iter().for_each(|child| child.drain(&mut bucket));
                    *self = Child::of(bucket);
                }
                Some(old)
            }
        }
    }

    /// Appends every pair to a bucket, in order.
    fn drain(self, into: &mut Bucket<V>) {
        match self {
            Child::Bucket(_, bucket) => into.append(Arc::unwrap_or_clone(bucket)),
            Child::Node(_, node) => {
                Arc::unwrap_or_clone(node).children.into_iter().for_each(|child| child.drain(into));
            }
        }
    }

    fn is_long_bucket(&self) -> bool {
        matches!(self, Child::Bucket(count, _) if count.get() > LEN_MAX)
    }

    /// Turns a long bucket into a node of this level with the bucket divided.
    fn deepen(&mut self, level: u32) {
        let count = Count::new(self.len());
        let bucket = std::mem::replace(self, Child::empty());
        let mut node = Node { starts: 1, children: smallvec![bucket] };
        node.divide(level, Span { index: 0, start: 0, width: SLOTS });
        *self = Child::Node(count, Arc::new(node));
    }
}

impl<V: Clone> Node<V> {
    /// Divides the bucket of this span, if it is too long, until none is: in halves by the next
    /// bit, or by a level of its own where it has one slot left.
    fn divide(&mut self, level: u32, span: Span) {
        let Span { index, start, width } = span;
        if !self.children[index].is_long_bucket() {
            return;
        }
        if width == 1 {
            if level < LEVEL_MAX {
                self.children[index].deepen(level + 1);
            }
            return;
        }
        let Child::Bucket(count, bucket) = &mut self.children[index] else { return };
        let middle = start + width / 2;
        let (first, ..) = bucket.at(0).expect("a long bucket has pairs");
        let path = first & !(u64::MAX >> (LEVEL_BITS * level));
        let lower = Arc::make_mut(bucket);
        let upper = lower.split_off(path | u64::from(middle) << shift(level));
        *count = Count::new(lower.len());
        self.starts |= 1 << middle;
        if self.children.len() == self.children.capacity() {
            self.children.reserve_exact(self.children.len().div_ceil(4));
        }
        self.children.insert(index + 1, Child::of(upper));
        // With hashes that are not random all pairs may have gone to one side.
        self.divide(level, Span { index: index + 1, start: middle, width: width / 2 });
        self.divide(level, Span { index, start, width: width / 2 });
    }

    /// Merges the bucket of this span with its buddy while both are small.
    fn merge(&mut self, mut span: Span) {
        while span.width < SLOTS {
            let buddy = self.span(span.start ^ span.width);
            if buddy.width != span.width {
                return;
            }
            let lower = span.index.min(buddy.index);
            let [Child::Bucket(a, _), Child::Bucket(b, _)] = &self.children[lower..lower + 2] else { return };
            if a.get() + b.get() > MERGED_LEN_MAX {
                return;
            }
            let upper = self.children.remove(lower + 1);
            let Child::Bucket(count, bucket) = &mut self.children[lower] else { return };
            let bucket = Arc::make_mut(bucket);
            upper.drain(bucket);
            *count = Count::new(bucket.len());
            self.starts &= !(1 << span.start.max(buddy.start));
            span = Span { index: lower, start: span.start.min(buddy.start), width: 2 * span.width };
        }
    }
}
