//! A run of entries in one listpack, laid out byte for byte as Redis does.
//!
//! ```text
//! block := live deleted fields field* 0 entry*          the fields are those of the first entry
//! entry := flags ms seq ( value* | fields ( field value )* ) elements
//! ```
//!
//! `ms` and `seq` are differences to the block's id. Flag 2 says that the fields are the block's and left
//! out, flag 1 that the entry was deleted. `elements` counts those before it in the entry.
//!
//! Invariants: a block has a live entry, and its ids grow; [`Block::load`] checks bytes from elsewhere whole,
//! so that all else may rely on them.

use std::sync::Arc;

use super::StreamId;
use crate::TreeItem;
use crate::redis_listpack::{self as listpack, Walk};

const DELETED: i64 = 1;
const SAME_FIELDS: i64 = 2;

/// Some entries of a stream.
#[derive(Clone, Debug)]
pub(super) struct Block {
    /// That of the entry that was the first.
    pub(super) id: StreamId,
    data: Arc<Vec<u8>>,
    live: u32,
}

impl TreeItem for Block {
    fn weight(&self) -> usize {
        self.live as usize
    }
}

/// An entry of a stream.
#[derive(Clone, Copy, Debug)]
pub struct StreamEntry<'a> {
    id: StreamId,
    deleted: bool,
    /// Where the flags are.
    at: usize,
    len: usize,
    /// The block's fields, where the entry has them.
    fields: Option<Walk<'a>>,
    body: Walk<'a>,
}

impl<'a> StreamEntry<'a> {
    /// Its id.
    pub fn id(&self) -> StreamId {
        self.id
    }

    /// How many fields.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no field.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Visits fields and values in the order in which they were given.
    pub fn for_each(&self, mut visit: impl FnMut(&[u8], &[u8])) {
        let (mut fields, mut body) = (self.fields, self.body);
        for _ in 0..self.len {
            let field = fields.as_mut().map_or_else(|| body.next(), Iterator::next);
            let (Some(field), Some(value)) = (field, body.next()) else { return };
            field.with_text(|field| value.with_text(|value| visit(field, value)));
        }
    }
}

impl Block {
    /// A block of one entry. `pairs` are fields and values in turn.
    pub(super) fn new(id: StreamId, pairs: &[&[u8]]) -> Block {
        let mut pack = listpack::new();
        listpack::push_integer(&mut pack, 1);
        listpack::push_integer(&mut pack, 0);
        listpack::push_integer(&mut pack, (pairs.len() / 2) as i64);
        pairs.iter().step_by(2).for_each(|field| listpack::push_bytes(&mut pack, field));
        listpack::push_integer(&mut pack, 0);
        push_entry(&mut pack, (0, 0), pairs, true);
        Block { id, data: Arc::new(pack), live: 1 }
    }

    /// The block of these bytes, whatever they are; nothing where they are none, or hold no live entry.
    pub(super) fn load(id: StreamId, data: Vec<u8>) -> Option<Block> {
        let mut block = Block { id, data: Arc::new(data), live: 0 };
        let mut walk = listpack::elements(&block.data)?;
        let (live, deleted) = (walk.integer()?, walk.integer()?);
        block.live = u32::try_from(live).ok().filter(|live| *live > 0)?;
        let mut entries = block.try_entries()?;
        let (mut seen_live, mut seen_deleted, mut last) = (0, 0, None);
        for entry in entries.by_ref() {
            // An id that is less than the block's wraps around and is not greater than the one before.
            if entry.id < id || last.is_some_and(|last| last >= entry.id) {
                return None;
            }
            last = Some(entry.id);
            if entry.deleted {
                seen_deleted += 1;
            } else {
                seen_live += 1;
            }
        }
        (entries.rest.is_done() && seen_live == live && seen_deleted == deleted).then_some(block)
    }

    /// The listpack.
    pub(super) fn data(&self) -> &[u8] {
        &self.data
    }

    /// How many entries are not deleted.
    pub(super) fn live(&self) -> usize {
        self.live as usize
    }

    /// How many entries there are, deleted or not.
    pub(super) fn all(&self) -> usize {
        self.live() + self.deleted() as usize
    }

    /// Adds an entry, whose id is greater than the others'.
    pub(super) fn push(&mut self, id: StreamId, pairs: &[&[u8]]) {
        let same = self.has_fields(pairs);
        let (ms, seq) = (id.ms - self.id.ms, id.seq.wrapping_sub(self.id.seq));
        self.set_counts(self.live + 1, self.deleted());
        push_entry(Arc::make_mut(&mut self.data), (ms, seq), pairs, same);
    }

    /// Gives back the room for more entries.
    pub(super) fn close(&mut self) {
        // Where a snapshot shares the block, the copy for this would cost more than it saves.
        if let Some(data) = Arc::get_mut(&mut self.data) {
            data.shrink_to_fit();
        }
    }

    /// Deletes an entry, unless it is the last one alive; true if it was live and is gone.
    pub(super) fn delete(&mut self, id: StreamId) -> bool {
        let found = self.entries().find(|entry| entry.id == id).filter(|entry| !entry.deleted);
        let Some(at) = found.map(|entry| entry.at).filter(|_| self.live > 1) else { return false };
        self.mark(&[at]);
        true
    }

    /// Deletes live entries from the front while `more` says so, but never the last; how many.
    pub(super) fn delete_front(&mut self, mut more: impl FnMut(StreamId) -> bool) -> usize {
        let spare = self.live() - 1;
        let live = self.entries().filter(|entry| !entry.deleted);
        let marked: Vec<usize> =
            live.take_while(|entry| more(entry.id)).map(|entry| entry.at).take(spare).collect();
        self.mark(&marked);
        marked.len()
    }

    /// Forgets the deleted entries behind the last one alive.
    pub(super) fn cut_deleted_tail(&mut self) {
        let (mut forgotten, mut end) = (0, 0);
        let mut entries = self.entries();
        while let Some(entry) = entries.next() {
            forgotten = if entry.deleted { forgotten + 1 } else { 0 };
            if !entry.deleted {
                end = entries.rest.at();
            }
        }
        if forgotten > 0 {
            let deleted = self.deleted() - forgotten;
            listpack::truncate(Arc::make_mut(&mut self.data), end);
            self.set_counts(self.live, deleted);
        }
    }

    /// Every entry, the deleted ones included.
    pub(super) fn entries(&self) -> Entries<'_> {
        self.try_entries().expect("blocks are checked when they are loaded")
    }

    /// The first entry alive.
    pub(super) fn first_live(&self) -> StreamId {
        self.entries().find(|entry| !entry.deleted).expect("a block has a live entry").id
    }

    /// The last entry, alive or not.
    pub(super) fn last_id(&self) -> StreamId {
        self.entries().last().expect("a block has entries").id
    }

    /// The last entry alive.
    pub(super) fn last_live(&self) -> StreamId {
        self.entries().filter(|entry| !entry.deleted).last().expect("a block has a live entry").id
    }

    fn try_entries(&self) -> Option<Entries<'_>> {
        let mut rest = listpack::elements(&self.data)?;
        rest.nth(1)?;
        let fields = usize::try_from(rest.integer()?).ok()?;
        let master = rest;
        if fields > 0 {
            rest.nth(fields - 1)?;
        }
        (rest.integer()? == 0).then_some(Entries { block: self.id, master, fields, rest })
    }

    fn has_fields(&self, pairs: &[&[u8]]) -> bool {
        let Entries { mut master, fields, .. } = self.entries();
        let same = |field: &&[u8]| master.next().is_some_and(|known| known.is(field));
        fields == pairs.len() / 2 && pairs.iter().step_by(2).all(same)
    }

    fn deleted(&self) -> u32 {
        let mut walk = Walk::from(&self.data, listpack::first());
        walk.next();
        let deleted = walk.integer().expect("a block counts its entries");
        u32::try_from(deleted).expect("a block's bytes bound its entries")
    }

    /// Flags entries as deleted, which are live and given in order.
    fn mark(&mut self, places: &[usize]) {
        if places.is_empty() {
            return;
        }
        let data = Arc::make_mut(&mut self.data);
        for &at in places {
            let flags = Walk::from(data, at).integer().expect("an entry begins with its flags");
            // Flags take one byte whatever they are, so that no place moves.
            listpack::replace_integer(data, at, flags | DELETED);
        }
        let count = places.len() as u32;
        self.set_counts(self.live - count, self.deleted() + count);
    }

    fn set_counts(&mut self, live: u32, deleted: u32) {
        let data = Arc::make_mut(&mut self.data);
        listpack::replace_integer(data, listpack::first(), live.into());
        let mut walk = Walk::from(data, listpack::first());
        walk.next();
        let at = walk.at();
        listpack::replace_integer(data, at, deleted.into());
        self.live = live;
    }
}

fn push_entry(pack: &mut Vec<u8>, (ms, seq): (u64, u64), pairs: &[&[u8]], same_fields: bool) {
    listpack::push_integer(pack, if same_fields { SAME_FIELDS } else { 0 });
    // The sign is lost on purpose: what is read is added to the block's id, wrapping around.
    listpack::push_integer(pack, ms as i64);
    listpack::push_integer(pack, seq as i64);
    let fields = (pairs.len() / 2) as i64;
    if same_fields {
        pairs.iter().skip(1).step_by(2).for_each(|value| listpack::push_bytes(pack, value));
        listpack::push_integer(pack, 3 + fields);
    } else {
        listpack::push_integer(pack, fields);
        pairs.iter().for_each(|item| listpack::push_bytes(pack, item));
        listpack::push_integer(pack, 4 + 2 * fields);
    }
}

/// The entries of a block. It ends at the first that is damaged.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entries<'a> {
    block: StreamId,
    master: Walk<'a>,
    fields: usize,
    rest: Walk<'a>,
}

impl<'a> Entries<'a> {
    fn read(
        rest: &mut Walk<'a>,
        block: StreamId,
        master: Walk<'a>,
        fields: usize,
    ) -> Option<StreamEntry<'a>> {
        let at = rest.at();
        let flags = rest.integer().filter(|flags| (0..=SAME_FIELDS | DELETED).contains(flags))?;
        let (ms, seq) = (rest.integer()? as u64, rest.integer()? as u64);
        let id = StreamId::new(block.ms.wrapping_add(ms), block.seq.wrapping_add(seq));
        let same = flags & SAME_FIELDS != 0;
        let len = if same { fields } else { usize::try_from(rest.integer()?).ok()? };
        let body = *rest;
        let (mut passed, elements) = if same {
            (len, len.checked_add(3)?)
        } else {
            let both = len.checked_mul(2)?;
            (both, both.checked_add(4)?)
        };
        while passed > 0 {
            rest.next()?;
            passed -= 1;
        }
        let counted = usize::try_from(rest.integer()?).ok()?;
        let fields = same.then_some(master);
        let entry = StreamEntry { id, deleted: flags & DELETED != 0, at, len, fields, body };
        (counted == elements).then_some(entry)
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = StreamEntry<'a>;

    fn next(&mut self) -> Option<StreamEntry<'a>> {
        let Entries { block, master, fields, rest } = self;
        Entries::read(rest, *block, *master, *fields)
    }
}

impl StreamEntry<'_> {
    /// Whether the entry was deleted.
    pub(super) fn is_deleted(&self) -> bool {
        self.deleted
    }
}
