//! The list type: a listpack while it is small, a sequence of listpacks once it is not.
//!
//! It leaves to others where in time blocks are freed: what a range takes away comes back.

mod blocks;
#[cfg(test)]
mod tests;

pub(crate) use blocks::{Block, Blocks};

use crate::cow_tree::TreeIter;
use crate::listpack::{Listpack, ListpackIter};
use crate::{Blob, Item, slots};

/// A list. It begins as a listpack, becomes a sequence of them when it outgrows the limit of one, and
/// a listpack again when it has shrunk to half of that.
#[derive(Clone, Debug)]
pub struct ListValue {
    repr: Repr,
}

#[derive(Clone, Debug)]
enum Repr {
    Packed(Listpack),
    Blocks(Blocks),
}

/// What a snapshot and a digest see of a list.
pub(crate) enum ListContents<'a> {
    Packed(&'a [u8]),
    Blocks(&'a Blocks),
}

/// Either end of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The first element's.
    Head,
    /// The last element's.
    Tail,
}

/// How large a listpack may be: the setting `list-max-listpack-size`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListLimit {
    /// So many bytes, Redis' header included.
    Bytes(usize),
    /// So many elements, as long as they are no more bytes than is sane.
    Elements(usize),
}

/// What -1 to -5 stand for.
const BYTE_CLASSES: [usize; 5] = [4 << 10, 8 << 10, 16 << 10, 32 << 10, 64 << 10];
/// Bytes beyond which no number of elements keeps a list compact.
const COUNTED_BYTES_MAX: usize = 8 << 10;

impl ListLimit {
    /// The limit that the setting's number stands for.
    pub fn from_setting(number: i64) -> ListLimit {
        match usize::try_from(number) {
            Ok(elements) => ListLimit::Elements(elements.max(1)),
            Err(_) => {
                let class = usize::try_from(number.unsigned_abs() - 1).unwrap_or(usize::MAX);
                ListLimit::Bytes(BYTE_CLASSES[class.min(BYTE_CLASSES.len() - 1)])
            }
        }
    }

    fn is_exceeded(self, bytes: usize, len: usize) -> bool {
        match self {
            ListLimit::Bytes(max) => bytes > max,
            ListLimit::Elements(max) => bytes > COUNTED_BYTES_MAX || len > max,
        }
    }

    fn is_half_exceeded(self, bytes: usize, len: usize) -> bool {
        match self {
            ListLimit::Bytes(max) => bytes > max / 2,
            ListLimit::Elements(max) => len > max / 2,
        }
    }
}

impl Default for ListLimit {
    fn default() -> ListLimit {
        ListLimit::from_setting(-2)
    }
}

/// What `OBJECT ENCODING` says of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListEncoding {
    /// One listpack.
    Listpack,
    /// A sequence of them.
    Quicklist,
}

impl ListEncoding {
    /// Redis' name of it.
    pub fn name(self) -> &'static str {
        match self {
            ListEncoding::Listpack => "listpack",
            ListEncoding::Quicklist => "quicklist",
        }
    }
}

impl ListValue {
    /// An empty list. A keyspace holds none: whoever empties a list removes its key.
    pub fn new() -> ListValue {
        ListValue { repr: Repr::Packed(Listpack::default()) }
    }

    /// A list of these elements.
    pub fn from_elements<'a>(elements: impl IntoIterator<Item = &'a [u8]>, limit: ListLimit) -> ListValue {
        let mut blocks = Blocks::default();
        for element in elements {
            blocks.insert(blocks.len(), element, limit);
        }
        match blocks.lone() {
            Some(pack) if !limit.is_exceeded(pack.redis_bytes(), pack.len()) => {
                ListValue { repr: Repr::Packed(pack.clone()) }
            }
            _ => ListValue { repr: Repr::Blocks(blocks) },
        }
    }

    /// How many elements.
    pub fn len(&self) -> usize {
        match &self.repr {
            Repr::Packed(pack) => pack.len(),
            Repr::Blocks(blocks) => blocks.len(),
        }
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The element of this index.
    pub fn get(&self, index: usize) -> Option<Item<'_>> {
        match &self.repr {
            Repr::Packed(pack) => pack.get(index),
            Repr::Blocks(blocks) => blocks.get(index),
        }
    }

    /// The index of the first element with this text.
    pub fn position(&self, element: &[u8]) -> Option<usize> {
        let wanted = Item::new(element);
        self.iter_from(0).position(|item| item == wanted)
    }

    /// Makes a sequence of a listpack that these elements would make too large. Redis decides it for
    /// all elements of a request before it adds the first.
    pub fn expect(&mut self, elements: &[&[u8]], limit: ListLimit) {
        let Repr::Packed(pack) = &mut self.repr else { return };
        let bytes = elements.iter().map(|element| element.len()).sum::<usize>();
        if limit.is_exceeded(pack.redis_bytes() + bytes, pack.len() + elements.len()) {
            self.repr = Repr::Blocks(Blocks::from_pack(std::mem::take(pack)));
        }
    }

    /// Puts an element at an end. Call [`ListValue::expect`] first.
    pub fn push(&mut self, end: End, element: &[u8], limit: ListLimit) {
        match (&mut self.repr, end) {
            (Repr::Packed(pack), End::Head) => pack.insert(0, element),
            (Repr::Packed(pack), End::Tail) => pack.push_back(element),
            (Repr::Blocks(blocks), End::Head) => blocks.insert(0, element, limit),
            (Repr::Blocks(blocks), End::Tail) => blocks.insert(blocks.len(), element, limit),
        }
    }

    /// Removes and returns the element at an end. Call [`ListValue::shrink`] at last.
    pub fn pop(&mut self, end: End) -> Option<Blob> {
        let index = match end {
            End::Head => 0,
            End::Tail => self.len().checked_sub(1)?,
        };
        let element = self.get(index)?.to_blob();
        match &mut self.repr {
            Repr::Packed(pack) => pack.remove(index),
            Repr::Blocks(blocks) => {
                blocks.remove_range(index, index + 1);
            }
        }
        Some(element)
    }

    /// Makes a listpack of a sequence that is one and has shrunk enough.
    pub fn shrink(&mut self, limit: ListLimit) {
        let Repr::Blocks(blocks) = &self.repr else { return };
        let Some(pack) = blocks.lone() else { return };
        if !limit.is_half_exceeded(pack.redis_bytes(), pack.len()) {
            self.repr = Repr::Packed(pack.clone());
        }
    }

    /// Puts an element before the one of this index, or at the end. Call [`ListValue::expect`] first.
    pub fn insert(&mut self, index: usize, element: &[u8], limit: ListLimit) {
        match &mut self.repr {
            Repr::Packed(pack) => pack.insert(index, element),
            Repr::Blocks(blocks) => blocks.insert(index, element, limit),
        }
    }

    /// Puts another element in the place of the one of this index. Call [`ListValue::expect`] first.
    ///
    /// # Panics
    /// If there is none.
    pub fn replace(&mut self, index: usize, element: &[u8], limit: ListLimit) {
        match &mut self.repr {
            Repr::Packed(pack) => pack.replace(index, element),
            Repr::Blocks(blocks) => blocks.replace(index, element, limit),
        }
        self.shrink(limit);
    }

    /// Removes the elements from `start` up to `end`. What comes back is slow to free if they are many;
    /// it is of no other use.
    ///
    /// # Panics
    /// If there are not as many.
    pub fn remove_range(&mut self, start: usize, end: usize, limit: ListLimit) -> Option<ListValue> {
        match &mut self.repr {
            Repr::Packed(pack) => {
                pack.remove_range(start, end);
                None
            }
            Repr::Blocks(blocks) => {
                let removed = blocks.remove_range(start, end);
                self.shrink(limit);
                removed.map(|blocks| ListValue { repr: Repr::Blocks(blocks) })
            }
        }
    }

    /// Removes the first elements with this text as seen from an end, at most `max`; how many they were.
    pub fn remove_equal(&mut self, element: &[u8], from: End, max: usize, limit: ListLimit) -> usize {
        let removed = match &mut self.repr {
            Repr::Packed(pack) => blocks::remove_equal(pack, Item::new(element), from, max),
            Repr::Blocks(blocks) => blocks.remove_equal(Item::new(element), from, max),
        };
        if removed > 0 {
            self.shrink(limit);
        }
        removed
    }

    /// The elements from an index on, in order.
    pub fn iter_from(&self, index: usize) -> ListIter<'_> {
        match &self.repr {
            Repr::Packed(pack) => ListIter { items: pack.iter_from(index), blocks: None },
            Repr::Blocks(blocks) => blocks.iter_from(index),
        }
    }

    /// The elements before an index, the last of them first.
    pub fn iter_back_from(&self, index: usize) -> ListBackIter<'_> {
        match &self.repr {
            Repr::Packed(pack) => ListBackIter { items: pack.iter_to(index), blocks: None },
            Repr::Blocks(blocks) => blocks.iter_back_from(index),
        }
    }

    /// What `OBJECT ENCODING` says.
    pub fn encoding(&self) -> ListEncoding {
        match &self.repr {
            Repr::Packed(_) => ListEncoding::Listpack,
            Repr::Blocks(_) => ListEncoding::Quicklist,
        }
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        HEAD_BYTES
            + match &self.repr {
                Repr::Packed(pack) => slots::class_bytes(pack.data().len()),
                Repr::Blocks(blocks) => blocks.heap_bytes(),
            }
    }

    /// How many allocations hold the elements, about.
    pub(crate) fn scattered_len(&self) -> usize {
        match &self.repr {
            Repr::Packed(_) => 1,
            Repr::Blocks(blocks) => blocks.blocks(),
        }
    }

    pub(crate) fn contents(&self) -> ListContents<'_> {
        match &self.repr {
            Repr::Packed(pack) => ListContents::Packed(pack.data()),
            Repr::Blocks(blocks) => ListContents::Blocks(blocks),
        }
    }

    /// A list of these entries; `None` where they are none.
    pub(crate) fn from_packed(data: Vec<u8>) -> Option<ListValue> {
        Some(ListValue { repr: Repr::Packed(Listpack::from_data(data)?) })
    }

    pub(crate) fn from_blocks(blocks: Blocks) -> ListValue {
        ListValue { repr: Repr::Blocks(blocks) }
    }
}

impl Default for ListValue {
    fn default() -> ListValue {
        ListValue::new()
    }
}

/// The shared allocation that holds a list.
const HEAD_BYTES: usize = 48;

/// Elements of a [`ListValue`] in order.
#[derive(Clone, Debug)]
pub struct ListIter<'a> {
    items: ListpackIter<'a>,
    /// Those after the one whose elements are under way.
    blocks: Option<TreeIter<'a, Block>>,
}

impl<'a> Iterator for ListIter<'a> {
    type Item = Item<'a>;

    fn next(&mut self) -> Option<Item<'a>> {
        loop {
            if let Some(item) = self.items.next() {
                return Some(item);
            }
            self.items = self.blocks.as_mut()?.next()?.pack().iter();
        }
    }
}

/// Elements of a [`ListValue`] in reverse order.
#[derive(Clone, Debug)]
pub struct ListBackIter<'a> {
    items: ListpackIter<'a>,
    /// Those before the one whose elements are under way.
    blocks: Option<TreeIter<'a, Block>>,
}

impl<'a> Iterator for ListBackIter<'a> {
    type Item = Item<'a>;

    fn next(&mut self) -> Option<Item<'a>> {
        loop {
            if let Some(item) = self.items.next_back() {
                return Some(item);
            }
            self.items = self.blocks.as_mut()?.next_back()?.pack().iter();
        }
    }
}
