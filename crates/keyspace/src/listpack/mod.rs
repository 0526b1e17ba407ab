//! Elements in one allocation, in order, walked from either end: a small set, a small list, and a
//! node of a long list.
//!
//! The entries are those of Redis' listpack, byte for byte, so that they take the same memory and
//! the limits in bytes (`list-max-listpack-size`) mean the same; its header and end mark are left
//! out. See [`entry`].
//!
//! It leaves limits to its owners. Invariant: the data are whole entries, each in its shortest form.

pub(crate) mod entry;
#[cfg(test)]
mod tests;

use crate::{Item, slots};

/// A list of elements; look-ups walk it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Listpack {
    data: Vec<u8>,
    len: u32,
}

impl Listpack {
    pub(crate) fn len(&self) -> usize {
        self.len as usize
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The entries' bytes.
    pub(crate) fn data(&self) -> &[u8] {
        &self.data
    }

    /// How long Redis' listpack of these elements is.
    pub(crate) fn redis_bytes(&self) -> usize {
        REDIS_FRAME_BYTES + self.data.len()
    }

    /// The list of bytes that are whole entries.
    pub(crate) fn of(data: Vec<u8>) -> Listpack {
        let len = ListpackIter::new(&data).count();
        Listpack { data, len: u32::try_from(len).expect("elements are counted before they are kept") }
    }

    pub(crate) fn into_data(self) -> Vec<u8> {
        self.data
    }

    /// These bytes as a list, where they are whole entries and at least one.
    pub(crate) fn from_data(data: Vec<u8>) -> Option<Listpack> {
        let mut rest = &data[..];
        let mut len = 0;
        while !rest.is_empty() {
            rest = rest.get(entry::checked_len(rest)?..)?;
            len += 1;
        }
        (len > 0).then_some(Listpack { data, len })
    }

    pub(crate) fn iter(&self) -> ListpackIter<'_> {
        ListpackIter::new(&self.data)
    }

    /// The elements from an index on.
    pub(crate) fn iter_from(&self, index: usize) -> ListpackIter<'_> {
        ListpackIter { rest: &self.data[self.offset(index)..] }
    }

    /// The elements before an index.
    pub(crate) fn iter_to(&self, index: usize) -> ListpackIter<'_> {
        ListpackIter { rest: &self.data[..self.offset(index)] }
    }

    pub(crate) fn get(&self, index: usize) -> Option<Item<'_>> {
        if index >= self.len() {
            return None;
        }
        self.iter_from(index).next()
    }

    /// The index of the first element with this text.
    pub(crate) fn position(&self, text: &[u8]) -> Option<usize> {
        self.iter().position_of(text)
    }

    pub(crate) fn push_back(&mut self, text: &[u8]) {
        self.make_room(entry::encoded_bytes(text));
        entry::push(&mut self.data, text);
        self.len += 1;
    }

    /// Puts an element before the one of this index, or at the end.
    pub(crate) fn insert(&mut self, index: usize, text: &[u8]) {
        let offset = self.offset(index);
        if offset == self.data.len() {
            return self.push_back(text);
        }
        self.replace_bytes(offset, offset, text);
        self.len += 1;
    }

    /// Puts another element in the place of the one of this index.
    ///
    /// # Panics
    /// If there is none.
    pub(crate) fn replace(&mut self, index: usize, text: &[u8]) {
        let (start, end) = self.bounds(index);
        self.replace_bytes(start, end, text);
    }

    /// Removes the element of this index.
    ///
    /// # Panics
    /// If there is none.
    pub(crate) fn remove(&mut self, index: usize) {
        self.remove_range(index, index + 1);
    }

    /// Removes the elements from `start` up to `end`.
    ///
    /// # Panics
    /// If there are not as many.
    pub(crate) fn remove_range(&mut self, start: usize, end: usize) {
        assert!(start <= end && end <= self.len(), "only elements that are there are removed");
        let offsets = self.offset(start)..self.offset(end);
        self.data.drain(offsets);
        self.len -= (end - start) as u32;
        self.give_back();
    }

    /// Keeps the elements for which this is true.
    pub(crate) fn retain(&mut self, mut keep: impl FnMut(Item<'_>) -> bool) {
        let mut kept = Vec::with_capacity(self.data.len());
        let mut len = 0;
        let mut rest = self.iter();
        loop {
            let before = rest.rest;
            let Some(item) = rest.next() else { break };
            if keep(item) {
                kept.extend_from_slice(&before[..before.len() - rest.rest.len()]);
                len += 1;
            }
        }
        *self = Listpack { data: kept, len };
        self.give_back();
    }

    /// Takes away the elements from this index on.
    pub(crate) fn split_off(&mut self, index: usize) -> Listpack {
        let offset = self.offset(index);
        let index = index.min(self.len());
        let upper = Listpack { data: self.data.split_off(offset), len: self.len - index as u32 };
        self.len = index as u32;
        self.data.shrink_to_fit();
        upper
    }

    /// Adds the elements of another list at the end.
    pub(crate) fn append(&mut self, other: &Listpack) {
        self.data.reserve_exact(other.data.len());
        self.data.extend_from_slice(&other.data);
        self.len += other.len;
    }

    /// Where the element of this index begins, or the end; walks from the nearer side.
    fn offset(&self, index: usize) -> usize {
        let len = self.len();
        if index >= len {
            return self.data.len();
        }
        let mut items = self.iter();
        if index <= len / 2 {
            (0..index).for_each(|_| items.skip_front());
            self.data.len() - items.rest.len()
        } else {
            (index..len).for_each(|_| items.skip_back());
            items.rest.len()
        }
    }

    fn bounds(&self, index: usize) -> (usize, usize) {
        assert!(index < self.len(), "only an element that is there has a place");
        let start = self.offset(index);
        (start, start + entry::len(&self.data[start..]))
    }

    fn replace_bytes(&mut self, start: usize, end: usize, text: &[u8]) {
        let mut encoded = Vec::with_capacity(entry::encoded_bytes(text));
        entry::push(&mut encoded, text);
        self.make_room(encoded.len());
        self.data.splice(start..end, encoded);
        self.give_back();
    }

    /// Small lists are many: no more room than the allocator gives anyway.
    fn make_room(&mut self, bytes: usize) {
        if self.data.capacity() - self.data.len() < bytes {
            self.data.reserve_exact(slots::class_bytes(self.data.len() + bytes) - self.data.len());
        }
    }

    fn give_back(&mut self) {
        slots::give_back(&mut self.data);
    }
}

/// Header and end mark of Redis' listpack.
const REDIS_FRAME_BYTES: usize = 7;

/// The elements in order, from both ends.
#[derive(Clone, Debug, Default)]
pub(crate) struct ListpackIter<'a> {
    /// Whole entries.
    rest: &'a [u8],
}

impl<'a> ListpackIter<'a> {
    /// The elements of whole entries.
    pub(crate) fn new(data: &'a [u8]) -> ListpackIter<'a> {
        ListpackIter { rest: data }
    }

    fn skip_front(&mut self) {
        self.rest = &self.rest[entry::len(self.rest)..];
    }

    fn skip_back(&mut self) {
        self.rest = &self.rest[..self.rest.len() - entry::len_before(self.rest)];
    }

    /// How many elements come before the first with this text.
    pub(crate) fn position_of(mut self, text: &[u8]) -> Option<usize> {
        let wanted = Item::new(text);
        self.position(|item| item == wanted)
    }
}

impl<'a> Iterator for ListpackIter<'a> {
    type Item = Item<'a>;

    fn next(&mut self) -> Option<Item<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        let item = entry::item(self.rest);
        self.skip_front();
        Some(item)
    }
}

impl<'a> DoubleEndedIterator for ListpackIter<'a> {
    fn next_back(&mut self) -> Option<Item<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        let start = self.rest.len() - entry::len_before(self.rest);
        let item = entry::item(&self.rest[start..]);
        self.rest = &self.rest[..start];
        Some(item)
    }
}
