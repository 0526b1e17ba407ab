//! Consumer groups: who was given which entry, and has not confirmed it yet.
//!
//! Invariants: an entry is pending for one consumer of a group at most, which is in the group; both know of it.

use std::sync::Arc;

use super::{StreamEntries, StreamId};
use crate::{Blob, CowTree, Millis, TreeItem};

/// A consumer group of a stream. Its clone is cheap.
#[derive(Clone, Debug)]
pub struct Group {
    name: Blob,
    state: Arc<State>,
}

#[derive(Clone, Debug)]
struct State {
    last_id: StreamId,
    entries_read: Option<u64>,
    /// By id.
    pending: CowTree<Pending>,
    /// By name.
    consumers: CowTree<Consumer>,
}

/// An entry that was given to a consumer and not confirmed.
#[derive(Clone, Debug)]
pub struct Pending {
    /// The entry, which may be gone from the stream.
    pub id: StreamId,
    /// Who has it.
    pub consumer: Blob,
    /// When it was last given out.
    pub delivered: Millis,
    /// How often it was given out.
    pub deliveries: u64,
}

/// One who reads on behalf of a group.
#[derive(Clone, Debug)]
pub struct Consumer {
    name: Blob,
    seen: Millis,
    active: Option<Millis>,
    /// The ids of what is pending, in order.
    pending: CowTree<StreamId>,
}

impl TreeItem for Pending {}

impl TreeItem for StreamId {}

impl TreeItem for Consumer {
    /// Bytes of memory.
    fn weight(&self) -> usize {
        CONSUMER_BYTES + Blob::shared_heap_bytes(self.name.len()) + OWNED_BYTES * self.pending.len()
    }
}

impl TreeItem for Group {
    /// Bytes of memory.
    fn weight(&self) -> usize {
        GROUP_BYTES
            + Blob::shared_heap_bytes(self.name.len())
            + self.state.consumers.weight()
            + PENDING_BYTES * self.state.pending.len()
    }
}

/// A group and its share of the tree.
const GROUP_BYTES: usize = 160;
/// A consumer in its tree.
const CONSUMER_BYTES: usize = 88;
/// A pending entry in the group's tree, which is mostly filled from behind.
const PENDING_BYTES: usize = 52;
/// A pending entry in its consumer's tree.
const OWNED_BYTES: usize = 18;

impl Consumer {
    /// A consumer that was made, or last asked for something, at this time.
    pub fn new(name: &[u8], seen: Millis, active: Option<Millis>) -> Consumer {
        Consumer { name: Blob::shared(name), seen, active, pending: CowTree::new() }
    }

    /// Its name.
    pub fn name(&self) -> &Blob {
        &self.name
    }

    /// When it last asked for something.
    pub fn seen(&self) -> Millis {
        self.seen
    }

    /// When it last was given something, if ever.
    pub fn active(&self) -> Option<Millis> {
        self.active
    }

    /// How many entries are pending for it.
    pub fn pending_len(&self) -> usize {
        self.pending.len()
    }

    /// The entries pending for it, from an id on.
    pub fn pending_from(&self, id: StreamId) -> impl Iterator<Item = StreamId> + '_ {
        self.pending.range(place(&self.pending, id)..self.pending.len()).copied()
    }
}

impl Group {
    /// A group without consumers that has read up to an id.
    pub fn new(name: &[u8], last_id: StreamId, entries_read: Option<u64>) -> Group {
        let state = State { last_id, entries_read, pending: CowTree::new(), consumers: CowTree::new() };
        Group { name: Blob::shared(name), state: Arc::new(state) }
    }

    /// Its name.
    pub fn name(&self) -> &Blob {
        &self.name
    }

    /// The last entry that was given out.
    pub fn last_id(&self) -> StreamId {
        self.state.last_id
    }

    /// How many entries of the stream were ever added up to the last given out, where that is known.
    pub fn entries_read(&self) -> Option<u64> {
        self.state.entries_read
    }

    /// How many entries are still to be given out, where that can be told.
    pub fn lag(&self, entries: &StreamEntries) -> Option<i64> {
        let State { last_id, entries_read, .. } = &*self.state;
        let read = match entries_read {
            _ if entries.added() == 0 => 0,
            Some(read) if !entries.has_deleted_from(*last_id) => *read,
            _ => entries.added_up_to(*last_id)?,
        };
        Some(entries.added().wrapping_sub(read) as i64)
    }

    /// How many entries are pending.
    pub fn pending_len(&self) -> usize {
        self.state.pending.len()
    }

    /// The pending entry of an id.
    pub fn pending(&self, id: StreamId) -> Option<&Pending> {
        self.state.pending.get(self.pending_place(id)).filter(|pending| pending.id == id)
    }

    /// The pending entries from an id on.
    pub fn pending_from(&self, id: StreamId) -> impl Iterator<Item = &Pending> {
        self.state.pending.range(self.pending_place(id)..self.state.pending.len())
    }

    /// The last pending entry.
    pub fn last_pending(&self) -> Option<&Pending> {
        self.state.pending.last()
    }

    /// The consumers, by name.
    pub fn consumers(&self) -> impl ExactSizeIterator<Item = &Consumer> {
        self.state.consumers.iter()
    }

    /// The consumer of a name.
    pub fn consumer(&self, name: &[u8]) -> Option<&Consumer> {
        self.state.consumers.get(self.consumer_place(name)).filter(|consumer| *consumer.name == *name)
    }

    /// Sets up to where the group has read.
    pub fn set_position(&mut self, last_id: StreamId, entries_read: Option<u64>) {
        let state = self.state();
        state.last_id = last_id;
        state.entries_read = entries_read;
    }

    /// Notes that an entry is given out, in the order of their ids.
    pub fn advance(&mut self, entries: &StreamEntries, id: StreamId) {
        if id <= self.last_id() {
            return;
        }
        let read = match self.entries_read() {
            Some(read) if !entries.has_deleted_from(id) => Some(read.wrapping_add(1)),
            read if entries.added() == 0 => read,
            _ => entries.added_up_to(id),
        };
        self.set_position(id, read);
    }

    /// Adds a consumer; false if there is one of this name.
    pub fn add_consumer(&mut self, consumer: Consumer) -> bool {
        if self.consumer(&consumer.name).is_some() {
            return false;
        }
        let at = self.consumer_place(&consumer.name);
        self.state().consumers.insert(at, consumer);
        true
    }

    /// Notes that a consumer, which exists, asked for something.
    pub fn see(&mut self, name: &[u8], now: Millis) {
        self.change_consumer(name, |consumer| consumer.seen = now);
    }

    /// Notes that a consumer, which exists, was given something.
    pub fn activate(&mut self, name: &[u8], now: Millis) {
        self.change_consumer(name, |consumer| consumer.active = Some(now));
    }

    /// Removes a consumer with all that is pending for it; how much that was.
    pub fn remove_consumer(&mut self, name: &[u8]) -> Option<usize> {
        self.consumer(name)?;
        let at = self.consumer_place(name);
        let state = self.state();
        let consumer = state.consumers.remove(at)?;
        for id in &consumer.pending {
            let at = state.pending.partition_point(|pending| pending.id < *id);
            state.pending.remove(at);
        }
        Some(consumer.pending.len())
    }

    /// Makes an entry pending for a consumer, which exists, and for nobody else.
    pub fn assign(&mut self, id: StreamId, consumer: &[u8], delivered: Millis, deliveries: u64) {
        let owner = self.consumer(consumer).expect("the consumer exists").name.clone();
        let before = self.pending(id).map(|pending| pending.consumer.clone());
        let at = self.pending_place(id);
        let pending = Pending { id, consumer: owner, delivered, deliveries };
        match &before {
            Some(_) => *self.state().pending.get_mut(at).expect("it was found here") = pending,
            None => self.state().pending.insert(at, pending),
        }
        if before.as_deref() == Some(consumer) {
            return;
        }
        if let Some(before) = before {
            self.disown(&before, id);
        }
        self.change_consumer(consumer, |consumer| {
            let at = place(&consumer.pending, id);
            consumer.pending.insert(at, id);
        });
    }

    /// Notes that a pending entry was given out once more.
    pub fn deliver_again(&mut self, id: StreamId, now: Millis) {
        if self.pending(id).is_none() {
            return;
        }
        let at = self.pending_place(id);
        if let Some(pending) = self.state().pending.get_mut(at) {
            pending.delivered = now;
            pending.deliveries = pending.deliveries.wrapping_add(1);
        }
    }

    /// Confirms an entry; whether it was pending.
    pub fn confirm(&mut self, id: StreamId) -> bool {
        let Some(consumer) = self.pending(id).map(|pending| pending.consumer.clone()) else { return false };
        let at = self.pending_place(id);
        self.state().pending.remove(at);
        self.disown(&consumer, id);
        true
    }

    fn state(&mut self) -> &mut State {
        Arc::make_mut(&mut self.state)
    }

    fn disown(&mut self, consumer: &[u8], id: StreamId) {
        self.change_consumer(consumer, |consumer| {
            let at = place(&consumer.pending, id);
            let removed = consumer.pending.remove(at);
            assert_eq!(removed, Some(id), "group and consumer agree on what is pending");
        });
    }

    fn change_consumer(&mut self, name: &[u8], change: impl FnOnce(&mut Consumer)) {
        let at = self.consumer_place(name);
        self.state().consumers.update(at, change).expect("the consumer exists");
    }

    fn pending_place(&self, id: StreamId) -> usize {
        self.state.pending.partition_point(|pending| pending.id < id)
    }

    pub(super) fn consumer_place(&self, name: &[u8]) -> usize {
        self.state.consumers.partition_point(|consumer| *consumer.name < *name)
    }

    pub(super) fn consumer_at(&self, at: usize) -> Option<&Consumer> {
        self.state.consumers.get(at)
    }

    pub(super) fn pending_at(&self, at: usize) -> Option<&Pending> {
        self.state.pending.get(at)
    }
}

fn place(ids: &CowTree<StreamId>, id: StreamId) -> usize {
    ids.partition_point(|pending| *pending < id)
}
