//! When keys were last removed, for WATCH on keys that do not exist; and when a whole database changed.
//!
//! One version per hash prefix, not per key, so that it is bounded: a removal may abort a
//! transaction that watched another missing key of the same prefix, never the reverse. Replies
//! depend on it, so it is in the snapshot. It belongs to a database's number: where two databases
//! are exchanged, their removals stay.

use std::sync::Arc;

use crate::Version;

/// How many hash prefixes are told apart.
pub(crate) const SLOTS: usize = 4096;

/// Versions of the last removals.
#[derive(Clone, Debug, Default)]
pub(crate) struct Removals {
    /// Every slot is at least this: the last change of the whole database.
    floor: Version,
    /// Every key that exists counts as changed at this version at the earliest.
    swapped: Version,
    /// Allocated with the first removal; shared with snapshots until the next.
    slots: Option<Arc<[Version; SLOTS]>>,
}

impl Removals {
    pub(crate) fn get(&self, hash: u64) -> Version {
        self.slots.as_ref().map_or(self.floor, |slots| slots[slot(hash)].max(self.floor))
    }

    pub(crate) fn floor(&self) -> Version {
        self.floor
    }

    pub(crate) fn swapped(&self) -> Version {
        self.swapped
    }

    /// Notes that every key which exists is another one now.
    pub(crate) fn note_swap(&mut self, version: Version) {
        self.swapped = self.swapped.max(version);
    }

    /// Nothing was ever noted.
    pub(crate) fn is_empty(&self) -> bool {
        self.floor.0 == 0 && self.swapped.0 == 0 && self.above_floor().next().is_none()
    }

    /// Notes a removal. Versions only grow.
    pub(crate) fn note(&mut self, hash: u64, version: Version) {
        self.note_slot(slot(hash), version);
    }

    pub(crate) fn note_slot(&mut self, slot: usize, version: Version) {
        if version <= self.floor {
            return;
        }
        let slots = self.slots.get_or_insert_with(|| Arc::new([Version(0); SLOTS]));
        if slots[slot] < version {
            Arc::make_mut(slots)[slot] = version;
        }
    }

    /// Notes a change of every key.
    pub(crate) fn raise(&mut self, version: Version) {
        if version > self.floor {
            self.floor = version;
            if self.above_floor().next().is_none() {
                self.slots = None;
            }
        }
    }

    /// The slots that say more than the floor, in order.
    pub(crate) fn above_floor(&self) -> impl Iterator<Item = (usize, Version)> {
        self.slots.iter().flat_map(|slots| slots.iter().copied().enumerate()).filter(|(_, v)| *v > self.floor)
    }
}

fn slot(hash: u64) -> usize {
    (hash >> (64 - SLOTS.trailing_zeros())) as usize
}
