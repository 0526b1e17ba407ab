//! The commands of the sorted-set group.
//!
//! For: every sorted-set command of Redis 7.2. Leaves to others: serving those who wait (`crate::blocking`); the two
//! encodings, the order, and ranks (`quorate-keyspace`); the encodings' limits are settings.
//! Invariants: all checks come before the first change (see the crate's head); a sorted set without members does
//! not exist; a command that changes no member leaves the key's version as it was.

pub(crate) mod blocking;
pub(crate) mod bounds;
pub(crate) mod combining;
mod output;
pub(crate) mod popping;
pub(crate) mod random;
pub(crate) mod range;
pub(crate) mod reading;
pub(crate) mod removing;
pub(crate) mod walk;
pub(crate) mod writing;

use quorate_keyspace::{Entry, SortedSetLimits, SortedSetValue, Value};

use crate::{Error, EventClass, Read, Write};

/// The sorted set of an entry, or the wrong type.
fn as_sorted_set(entry: &Entry) -> Result<&SortedSetValue, Error> {
    entry.value().as_sorted_set().ok_or(Error::WrongType)
}

/// The sorted set of an entry that was found to be one.
fn sorted_set_in(entry: &mut Entry) -> &mut SortedSetValue {
    entry.value_mut().as_sorted_set_mut().expect("the type was checked")
}

impl<'a> Read<'a> {
    /// The sorted set at a key, if there is one.
    pub(crate) fn sorted_set(&self, key: &[u8]) -> Result<Option<&'a SortedSetValue>, Error> {
        self.get(key).map(as_sorted_set).transpose()
    }
}

impl Write<'_> {
    /// The sorted set at a key, if there is one.
    pub(crate) fn sorted_set(&self, key: &[u8]) -> Result<Option<&SortedSetValue>, Error> {
        self.get(key).map(as_sorted_set).transpose()
    }

    /// A sorted set of these members, in the encoding that they ask for.
    pub(crate) fn new_sorted_set<M: AsRef<[u8]>>(
        &self,
        members: impl IntoIterator<Item = (M, f64)>,
    ) -> SortedSetValue {
        let (limits, seed) = (self.sorted_set_limits(), self.state.keyspace.seed());
        let mut set = SortedSetValue::new();
        for (member, score) in members {
            set.insert(member.as_ref(), score, limits, seed);
        }
        set
    }

    /// Stores the result of a command in place of whatever the key holds; an empty one removes the key. Returns
    /// how many members there are.
    pub(crate) fn store_sorted_set(&mut self, key: &[u8], set: SortedSetValue, event: &'static str) -> i64 {
        let members = set.len();
        if members > 0 {
            self.set(key, Value::sorted_set(set), None);
            self.notify(EventClass::SortedSet, event, key);
        } else if self.remove(key).is_some() {
            self.notify(EventClass::Generic, "del", key);
        }
        members as i64
    }

    /// Removes members by rank, and the key with the last one.
    fn remove_ranks(&mut self, key: &[u8], ranks: std::ops::Range<usize>, event: &'static str) {
        let all =
            self.get(key).and_then(|entry| entry.value().as_sorted_set()).map_or(0, SortedSetValue::len);
        if ranks.len() < all {
            let mut entry = self.get_mut(key).expect("the members were found");
            sorted_set_in(&mut entry).remove_range(ranks);
            drop(entry);
            self.notify(EventClass::SortedSet, event, key);
            return;
        }
        self.remove(key);
        self.notify(EventClass::SortedSet, event, key);
        self.notify(EventClass::Generic, "del", key);
    }

    /// When a sorted set leaves the compact encoding.
    fn sorted_set_limits(&self) -> SortedSetLimits {
        let settings = &self.state.settings;
        SortedSetLimits {
            entries_max: settings.zset_max_listpack_entries(),
            value_bytes_max: settings.zset_max_listpack_value(),
        }
    }
}
