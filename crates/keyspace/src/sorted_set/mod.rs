//! The sorted set type: a packed list of scored members while it is small, a tree and a table once
//! it is not.
//!
//! Both forms are ordered by (score, member), where -0 and 0 are one score. A member has a *rank*,
//! its place in this order; ranges of scores, names and ranks are all ranges of ranks, found with
//! [`SortedSetValue::partition_point`]. The tree and the table share the bytes of long members.

mod packed_scores;
#[cfg(test)]
mod tests;

use std::cmp::Ordering;
use std::iter::Rev;
use std::ops::Range;
use std::sync::Arc;

use crate::blob::OWN_BYTES_MAX;
use crate::cow_tree::{CowTree, TreeItem, TreeIter};
use crate::{Blob, CowMap, Seed, slots};
use packed_scores::{PackedScores, PackedScoresIter};
pub(crate) use packed_scores::{push_scored, split_scored};

/// A sorted set. It begins packed, becomes a tree when it passes a limit, and never goes back.
/// A clone takes constant time.
#[derive(Clone, Debug)]
pub struct SortedSetValue {
    repr: Repr,
}

#[derive(Clone, Debug)]
enum Repr {
    /// Members of few bytes, in an allocation that a clone copies; see [`OWN_BYTES_MAX`].
    Small(Box<[u8]>),
    Shared(Arc<Shared>),
}

/// What clones share until it is changed.
#[derive(Clone, Debug)]
enum Shared {
    /// More bytes than a small set has.
    Packed(PackedScores),
    Tree(Box<Tree>),
}

/// A sorted set to read.
enum View<'a> {
    Packed(PackedScoresIter<'a>),
    Tree(&'a Tree),
}

/// Scored members in order, and the score of each, with what they amount to.
#[derive(Clone, Debug)]
struct Tree {
    order: CowTree<Scored>,
    scores: CowMap<f64>,
    heap_bytes: usize,
    /// The members' and scores' length in a snapshot.
    encoded_bytes: usize,
}

/// A member with its score, which is no NaN.
#[derive(Clone, Debug)]
pub(crate) struct Scored {
    pub(crate) score: f64,
    pub(crate) member: Blob,
}

impl TreeItem for Scored {}

/// What a snapshot and a digest see of a sorted set.
pub(crate) enum SortedSetContents<'a> {
    Packed(&'a [u8]),
    /// The scored members and their length in a snapshot.
    Tree(&'a CowTree<Scored>, usize),
}

/// Limits of the packed form: the settings `zset-max-listpack-entries` and `-value`.
#[derive(Clone, Copy, Debug)]
pub struct SortedSetLimits {
    /// Most members that stay packed.
    pub entries_max: usize,
    /// Longest member, in bytes, that stays packed.
    pub value_bytes_max: usize,
}

impl Default for SortedSetLimits {
    fn default() -> SortedSetLimits {
        SortedSetLimits { entries_max: 128, value_bytes_max: 64 }
    }
}

/// What `OBJECT ENCODING` says of a sorted set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SortedSetEncoding {
    /// Packed.
    Listpack,
    /// A tree and a table; Redis has a skip list where the tree is.
    Skiplist,
}

impl SortedSetEncoding {
    /// Redis' name of it.
    pub fn name(self) -> &'static str {
        match self {
            SortedSetEncoding::Listpack => "listpack",
            SortedSetEncoding::Skiplist => "skiplist",
        }
    }
}

impl SortedSetValue {
    /// An empty sorted set. A keyspace holds none: whoever empties one removes its key.
    pub fn new() -> SortedSetValue {
        SortedSetValue { repr: Repr::Small(Box::default()) }
    }

    /// How many members.
    pub fn len(&self) -> usize {
        match &self.repr {
            Repr::Small(data) => PackedScoresIter::new(data).count(),
            Repr::Shared(shared) => match &**shared {
                Shared::Packed(packed) => packed.len(),
                Shared::Tree(tree) => tree.order.len(),
            },
        }
    }

    /// Whether there is no member.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The score of a member.
    pub fn score(&self, member: &[u8]) -> Option<f64> {
        match self.view() {
            View::Packed(members) => members.find_place(member).map(|place| place.score),
            View::Tree(tree) => tree.scores.get(member).copied(),
        }
    }

    /// How many members come before this one, if it is there.
    pub fn rank(&self, member: &[u8]) -> Option<usize> {
        match self.view() {
            View::Packed(members) => members.find_place(member).map(|place| place.rank),
            View::Tree(tree) => {
                let score = *tree.scores.get(member)?;
                Some(tree.position(score, member))
            }
        }
    }

    /// The member of a rank and its score.
    pub fn get(&self, rank: usize) -> Option<(&[u8], f64)> {
        match self.view() {
            View::Packed(mut members) => members.nth(rank),
            View::Tree(tree) => tree.order.get(rank).map(pair),
        }
    }

    /// Sets the score of a member; returns the old one. `seed` is the keyspace's
    /// ([`crate::Keyspace::seed`]).
    ///
    /// # Panics
    /// If the score is not a number.
    pub fn insert(&mut self, member: &[u8], score: f64, limits: SortedSetLimits, seed: Seed) -> Option<f64> {
        assert!(!score.is_nan(), "a score is a number");
        self.change(|set| {
            if let Shared::Packed(packed) = set {
                let found = packed.find(member);
                let fits = packed.len() < limits.entries_max && member.len() <= limits.value_bytes_max;
                if found.is_some() || fits {
                    return packed.set(found, member, score);
                }
            }
            // Redis, too, looks before a new member is added, and never at one that is there.
            set.make_tree(seed).insert(member, score)
        })
    }

    /// Removes a member; returns its score.
    pub fn remove(&mut self, member: &[u8]) -> Option<f64> {
        self.change(|set| match set {
            Shared::Packed(packed) => packed.remove(member),
            Shared::Tree(tree) => tree.remove(member),
        })
    }

    /// Removes the members of a range of ranks, which must be there.
    pub fn remove_range(&mut self, ranks: Range<usize>) {
        self.change(|set| match set {
            Shared::Packed(packed) => packed.remove_range(ranks),
            Shared::Tree(tree) => tree.remove_range(ranks),
        });
    }

    /// How many members at the front satisfy the predicate, which those do that come first.
    pub fn partition_point(&self, mut predicate: impl FnMut(&[u8], f64) -> bool) -> usize {
        match self.view() {
            View::Packed(members) => members.take_while(|(member, score)| predicate(member, *score)).count(),
            View::Tree(tree) => tree.order.partition_point(|scored| predicate(&scored.member, scored.score)),
        }
    }

    /// The members of a range of ranks, in order. What lies beyond the end is left out.
    pub fn range(&self, ranks: Range<usize>) -> SortedSetIter<'_> {
        SortedSetIter(match self.view() {
            // Gathered, because lengths lead forward only.
            View::Packed(members) => {
                let found: Vec<_> = members.skip(ranks.start).take(ranks.len()).collect();
                IterRepr::Packed(found.into_iter())
            }
            View::Tree(tree) => IterRepr::Tree(tree.order.range(ranks)),
        })
    }

    /// The members of a range of ranks, last first.
    pub fn range_backwards(&self, ranks: Range<usize>) -> Rev<SortedSetIter<'_>> {
        self.range(ranks).rev()
    }

    /// Every member in order, with its score.
    pub fn iter(&self) -> SortedSetIter<'_> {
        self.range(0..self.len())
    }

    /// Visits about `count` members from a cursor on; returns the next cursor, 0 at the end. A
    /// packed set is visited whole, as in Redis. See [`CowMap::scan`].
    pub fn scan(&self, cursor: u64, count: usize, mut visit: impl FnMut(&[u8], f64)) -> u64 {
        match self.view() {
            View::Packed(members) => {
                members.for_each(|(member, score)| visit(member, score));
                0
            }
            View::Tree(tree) => tree.scores.scan(cursor, count, |member, score| visit(member, *score)),
        }
    }

    /// What `OBJECT ENCODING` says.
    pub fn encoding(&self) -> SortedSetEncoding {
        match self.view() {
            View::Packed(_) => SortedSetEncoding::Listpack,
            View::Tree(_) => SortedSetEncoding::Skiplist,
        }
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        match &self.repr {
            Repr::Small(data) => slots::class_bytes(data.len()),
            Repr::Shared(shared) => {
                HEAD_BYTES
                    + match &**shared {
                        Shared::Packed(packed) => slots::class_bytes(packed.data().len()),
                        Shared::Tree(tree) => TREE_BYTES + tree.heap_bytes,
                    }
            }
        }
    }

    pub(crate) fn contents(&self) -> SortedSetContents<'_> {
        match &self.repr {
            Repr::Small(data) => SortedSetContents::Packed(data),
            Repr::Shared(shared) => match &**shared {
                Shared::Packed(packed) => SortedSetContents::Packed(packed.data()),
                Shared::Tree(tree) => SortedSetContents::Tree(&tree.order, tree.encoded_bytes),
            },
        }
    }

    /// A packed set of these bytes; `None` where they are no scored members in order, or none.
    pub(crate) fn from_packed(data: Vec<u8>) -> Option<SortedSetValue> {
        Some(SortedSetValue { repr: Repr::of(Shared::Packed(PackedScores::from_data(data)?)) })
    }

    /// An empty set that is a tree already; add to it with [`SortedSetValue::push_last`].
    pub(crate) fn new_tree(seed: Seed) -> SortedSetValue {
        SortedSetValue { repr: Repr::of(Shared::Tree(Box::new(Tree::new(seed)))) }
    }

    /// Adds a member behind all others; false, and nothing is done, where it does not belong there.
    pub(crate) fn push_last(&mut self, member: &[u8], score: f64) -> bool {
        let Repr::Shared(shared) = &mut self.repr else { return false };
        let Shared::Tree(tree) = Arc::make_mut(shared) else { return false };
        if score.is_nan() || tree.scores.get(member).is_some() {
            return false;
        }
        let in_order = match tree.order.last() {
            Some(last) => compare((last.score, &last.member), (score, member)) == Ordering::Less,
            None => true,
        };
        if in_order {
            tree.insert(member, score);
        }
        in_order
    }

    fn view(&self) -> View<'_> {
        match &self.repr {
            Repr::Small(data) => View::Packed(PackedScoresIter::new(data)),
            Repr::Shared(shared) => match &**shared {
                Shared::Packed(packed) => View::Packed(packed.iter()),
                Shared::Tree(tree) => View::Tree(tree),
            },
        }
    }

    /// Changes the set, unshared from its clones, and keeps it in the form that it then has.
    fn change<T>(&mut self, change: impl FnOnce(&mut Shared) -> T) -> T {
        match &mut self.repr {
            Repr::Small(data) => {
                let mut set = Shared::Packed(PackedScores::of(std::mem::take(data).into_vec()));
                let result = change(&mut set);
                self.repr = Repr::of(set);
                result
            }
            Repr::Shared(shared) => {
                let set = Arc::make_mut(shared);
                let result = change(set);
                if set.is_small() {
                    self.repr = Repr::of(std::mem::replace(set, Shared::Packed(PackedScores::default())));
                }
                result
            }
        }
    }
}

impl Repr {
    fn of(set: Shared) -> Repr {
        match set {
            Shared::Packed(packed) if packed.data().len() <= OWN_BYTES_MAX => {
                Repr::Small(packed.into_data().into_boxed_slice())
            }
            set => Repr::Shared(Arc::new(set)),
        }
    }
}

impl Shared {
    fn is_small(&self) -> bool {
        matches!(self, Shared::Packed(packed) if packed.data().len() <= OWN_BYTES_MAX)
    }

    /// Makes a tree of it, if it is none.
    fn make_tree(&mut self, seed: Seed) -> &mut Tree {
        if let Shared::Packed(packed) = self {
            let mut tree = Tree::new(seed);
            packed.iter().for_each(|(member, score)| {
                tree.insert(member, score);
            });
            *self = Shared::Tree(Box::new(tree));
        }
        let Shared::Tree(tree) = self else { unreachable!("it was just made") };
        tree
    }
}

impl Tree {
    fn new(seed: Seed) -> Tree {
        Tree { order: CowTree::new(), scores: CowMap::new(seed), heap_bytes: 0, encoded_bytes: 0 }
    }

    /// The rank of a scored member, or the one that it would have.
    fn position(&self, score: f64, member: &[u8]) -> usize {
        self.order
            .partition_point(|other| compare((other.score, &other.member), (score, member)) == Ordering::Less)
    }

    fn insert(&mut self, member: &[u8], score: f64) -> Option<f64> {
        let Some((shared, &old)) = self.scores.get_key_value(member) else {
            let blob = Blob::shared(member);
            self.scores.insert_shared(&blob, score);
            self.order.insert(self.position(score, member), Scored { score, member: blob });
            self.heap_bytes += member_bytes(member.len());
            self.encoded_bytes += packed_scores::encoded_bytes(score, member.len());
            return None;
        };
        if old != score {
            let member = shared.clone();
            self.order.remove(self.position(old, &member)).expect("what has a score has a place");
            self.order.insert(self.position(score, &member), Scored { score, member: member.clone() });
            *self.scores.get_mut(&member).expect("its score was just read") = score;
            self.encoded_bytes -= packed_scores::encoded_bytes(old, member.len());
            self.encoded_bytes += packed_scores::encoded_bytes(score, member.len());
        }
        Some(old)
    }

    fn remove(&mut self, member: &[u8]) -> Option<f64> {
        let score = self.scores.remove(member)?;
        self.order.remove(self.position(score, member)).expect("what has a score has a place");
        self.discount(member, score);
        Some(score)
    }

    fn remove_range(&mut self, ranks: Range<usize>) {
        let taken = self.order.drain(ranks);
        for scored in &taken {
            self.scores.remove(&scored.member).expect("what has a place has a score");
            self.discount(&scored.member, scored.score);
        }
    }

    fn discount(&mut self, member: &[u8], score: f64) {
        self.heap_bytes -= member_bytes(member.len());
        self.encoded_bytes -= packed_scores::encoded_bytes(score, member.len());
    }
}

/// The order of a sorted set.
pub(crate) fn compare((score, member): (f64, &[u8]), (other, name): (f64, &[u8])) -> Ordering {
    score.partial_cmp(&other).expect("a score is a number").then_with(|| member.cmp(name))
}

fn pair(scored: &Scored) -> (&[u8], f64) {
    (&scored.member, scored.score)
}

impl Default for SortedSetValue {
    fn default() -> SortedSetValue {
        SortedSetValue::new()
    }
}

/// The shared allocation that holds a sorted set.
const HEAD_BYTES: usize = 48;
/// The allocation that holds a tree and a table.
const TREE_BYTES: usize = 80;

fn member_bytes(member_bytes: usize) -> usize {
    MEMBER_BYTES + Blob::shared_heap_bytes(member_bytes)
}

/// Member and score in a leaf, and both with their hash in a bucket, with spare room.
const MEMBER_BYTES: usize = 80;

/// The members of a [`SortedSetValue`] with their scores, from either end.
#[derive(Clone, Debug)]
pub struct SortedSetIter<'a>(IterRepr<'a>);

#[derive(Clone, Debug)]
enum IterRepr<'a> {
    Packed(std::vec::IntoIter<(&'a [u8], f64)>),
    Tree(TreeIter<'a, Scored>),
}

impl<'a> Iterator for SortedSetIter<'a> {
    type Item = (&'a [u8], f64);

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            IterRepr::Packed(members) => members.next(),
            IterRepr::Tree(members) => members.next().map(pair),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match &self.0 {
            IterRepr::Packed(members) => members.size_hint(),
            IterRepr::Tree(members) => members.size_hint(),
        }
    }
}

impl DoubleEndedIterator for SortedSetIter<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            IterRepr::Packed(members) => members.next_back(),
            IterRepr::Tree(members) => members.next_back().map(pair),
        }
    }
}

impl ExactSizeIterator for SortedSetIter<'_> {}
