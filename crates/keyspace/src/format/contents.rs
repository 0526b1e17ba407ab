//! What a value is to the format: bytes that lie in one piece, or pieces one after the other.
//!
//! A walk can begin after any piece, so that whoever writes a large value, a block at a time, keeps
//! a [`Place`] between blocks and no iterator. The same pieces make the digest.

use crate::cow_map::Iter;
use crate::cow_tree::{CowTree, TreeItem, TreeIter};
use crate::hash::HashContents;
use crate::list::{Block, ListContents};
use crate::set::SetContents;
use crate::sorted_set::{Scored, SortedSetContents, push_scored};
use crate::stream::{StreamPlace, StreamWalk};
use crate::{Blob, CowMap, StringValue, Value, packed};

use super::{
    BYTES, INTEGER, LIST_BLOCKS, LIST_PACKED, PACKED, PACKED_SCORES, RAW, SCORE_TREE, SET_INTS, SET_PACKED,
    SET_TABLE, STREAM, TABLE,
};

/// What a snapshot and a digest see of a value.
pub(crate) enum Contents<'a> {
    /// A number.
    Number([u8; 8]),
    /// Bytes in one piece.
    Bytes(&'a [u8]),
    /// Pieces, and their length in all.
    Pieces(Walk<'a>, usize),
}

/// Between two pieces of a value.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    /// Before the first.
    Start,
    /// After this key of a map.
    After(u64, Blob),
    /// Before this index of a sequence.
    At(usize),
    /// Before this piece of a stream.
    Stream(StreamPlace),
}

/// The pieces of a value from some place on.
pub(crate) enum Walk<'a> {
    Pairs(MapWalk<'a, Blob>),
    Members(MapWalk<'a, ()>),
    Blocks(TreeWalk<'a, Block>),
    Scored(TreeWalk<'a, Scored>),
    Stream(StreamWalk<'a>),
}

/// A walk over a map.
pub(crate) struct MapWalk<'a, V> {
    rest: Iter<'a, V>,
    last: Option<(u64, &'a Blob)>,
}

/// A walk over a sequence.
pub(crate) struct TreeWalk<'a, T> {
    rest: TreeIter<'a, T>,
    /// The next item's index.
    next: usize,
}

impl Value {
    /// The value's type in a snapshot.
    pub(crate) fn format_type(&self) -> u8 {
        match self {
            Value::String(StringValue::Int(_)) => INTEGER,
            Value::String(StringValue::Bytes(_)) => BYTES,
            Value::String(StringValue::Raw(_)) => RAW,
            Value::Hash(hash) => match hash.contents() {
                HashContents::Packed(_) => PACKED,
                HashContents::Table(..) => TABLE,
            },
            Value::Set(set) => match set.contents() {
                SetContents::Ints(_) => SET_INTS,
                SetContents::Packed(_) => SET_PACKED,
                SetContents::Table(..) => SET_TABLE,
            },
            Value::List(list) => match list.contents() {
                ListContents::Packed(_) => LIST_PACKED,
                ListContents::Blocks(_) => LIST_BLOCKS,
            },
            Value::SortedSet(set) => match set.contents() {
                SortedSetContents::Packed(_) => PACKED_SCORES,
                SortedSetContents::Tree(..) => SCORE_TREE,
            },
            Value::Stream(_) => STREAM,
        }
    }

    /// What is in the value, from a place on if it has pieces.
    pub(crate) fn contents(&self, from: &Place) -> Contents<'_> {
        match self {
            Value::String(StringValue::Int(number)) => Contents::Number(number.to_le_bytes()),
            Value::String(StringValue::Bytes(blob)) => Contents::Bytes(blob),
            Value::String(StringValue::Raw(buffer)) => Contents::Bytes(buffer),
            Value::Hash(hash) => match hash.contents() {
                HashContents::Packed(data) => Contents::Bytes(data),
                HashContents::Table(map, encoded_bytes) => {
                    Contents::Pieces(Walk::Pairs(MapWalk::new(map, from)), encoded_bytes)
                }
            },
            Value::Set(set) => match set.contents() {
                SetContents::Ints(data) | SetContents::Packed(data) => Contents::Bytes(data),
                SetContents::Table(map, encoded_bytes) => {
                    Contents::Pieces(Walk::Members(MapWalk::new(map, from)), encoded_bytes)
                }
            },
            Value::List(list) => match list.contents() {
                ListContents::Packed(data) => Contents::Bytes(data),
                ListContents::Blocks(blocks) => {
                    Contents::Pieces(Walk::Blocks(TreeWalk::new(blocks.tree(), from)), blocks.encoded_bytes())
                }
            },
            Value::SortedSet(set) => match set.contents() {
                SortedSetContents::Packed(data) => Contents::Bytes(data),
                SortedSetContents::Tree(order, encoded_bytes) => {
                    Contents::Pieces(Walk::Scored(TreeWalk::new(order, from)), encoded_bytes)
                }
            },
            Value::Stream(stream) => {
                let place = match from {
                    Place::Start => StreamPlace::default(),
                    Place::Stream(place) => *place,
                    _ => unreachable!("a place belongs to one value"),
                };
                let walk = StreamWalk::new(stream, place);
                Contents::Pieces(Walk::Stream(walk), stream.encoded_bytes())
            }
        }
    }

    /// The value's length in a snapshot.
    pub(crate) fn encoded_bytes(&self) -> u64 {
        match self.contents(&Place::Start) {
            Contents::Number(bytes) => bytes.len() as u64,
            Contents::Bytes(bytes) => bytes.len() as u64,
            Contents::Pieces(_, encoded_bytes) => encoded_bytes as u64,
        }
    }
}

impl Walk<'_> {
    /// Appends the next piece; false where there is none.
    pub(crate) fn next_piece(&mut self, out: &mut Vec<u8>) -> bool {
        match self {
            Walk::Pairs(walk) => walk.next_piece(out, |field, value, out| {
                packed::push(out, field);
                packed::push(out, value);
            }),
            Walk::Members(walk) => walk.next_piece(out, |member, (), out| packed::push(out, member)),
            Walk::Blocks(walk) => walk.next_piece(out, |block, out| packed::push(out, block.pack().data())),
            Walk::Scored(walk) => {
                walk.next_piece(out, |scored, out| push_scored(out, &scored.member, scored.score))
            }
            Walk::Stream(walk) => walk.next_piece(out),
        }
    }

    /// Where a walk begins that goes on after the last piece; `None` if there was none.
    pub(crate) fn place(&self) -> Option<Place> {
        match self {
            Walk::Pairs(walk) => walk.place(),
            Walk::Members(walk) => walk.place(),
            Walk::Blocks(walk) => Some(walk.place()),
            Walk::Scored(walk) => Some(walk.place()),
            Walk::Stream(walk) => Some(Place::Stream(walk.place())),
        }
    }
}

impl<'a, V: Clone> MapWalk<'a, V> {
    fn new(map: &'a CowMap<V>, from: &Place) -> MapWalk<'a, V> {
        let rest = match from {
            Place::After(hash, key) => map.iter_after(*hash, key),
            Place::Start => map.iter(),
            _ => unreachable!("a place belongs to one value"),
        };
        MapWalk { rest, last: None }
    }

    fn next_piece(&mut self, out: &mut Vec<u8>, write: impl FnOnce(&Blob, &V, &mut Vec<u8>)) -> bool {
        let Some((hash, key, value)) = self.rest.next_hashed() else { return false };
        self.last = Some((hash, key));
        write(key, value, out);
        true
    }

    fn place(&self) -> Option<Place> {
        self.last.map(|(hash, key)| Place::After(hash, key.clone()))
    }
}

impl<'a, T: TreeItem> TreeWalk<'a, T> {
    fn new(tree: &'a CowTree<T>, from: &Place) -> TreeWalk<'a, T> {
        let next = match from {
            Place::Start => 0,
            Place::At(index) => *index,
            _ => unreachable!("a place belongs to one value"),
        };
        TreeWalk { rest: tree.range(next..tree.len()), next }
    }

    fn next_piece(&mut self, out: &mut Vec<u8>, write: impl FnOnce(&T, &mut Vec<u8>)) -> bool {
        let Some(item) = self.rest.next() else { return false };
        self.next += 1;
        write(item, out);
        true
    }

    fn place(&self) -> Place {
        Place::At(self.next)
    }
}
