//! One database: keys with values, expiries and versions.
//!
//! Look-ups take `now`: a key whose expiry is not after it does not exist, though it is still
//! stored and counted until a write finds it or [`crate::Keyspace::expire_slice`] reaches it.
//! Both happen at apply, so that what is stored is the same on every node.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use crate::journal::Journal;
use crate::keyspace::Garbage;
use crate::removals::{Removals, SLOTS};
use crate::waited::Waited;
use crate::{AccessClock, Blob, CowMap, CowTree, Entry, Millis, Rng, Seed, TreeItem, Value, Version};

/// The keys of a database.
pub type Keys = CowMap<Entry>;

impl TreeItem for (Millis, Blob) {}

/// One database.
#[derive(Debug)]
pub struct Db {
    pub(crate) map: Keys,
    /// Every key with an expiry, in order of expiry. Derived from `map`, so snapshots leave it out.
    expiries: CowTree<(Millis, Blob)>,
    pub(crate) removals: Removals,
    /// Keys that clients wait for. Derived from those who wait, so snapshots leave it out.
    waited: Waited,
    /// Sum of the entries' accounted bytes.
    accounted_bytes: usize,
    garbage: Vec<Garbage>,
    access: AccessClock,
    pub(crate) journal: Journal,
}

impl Db {
    pub(crate) fn new(seed: Seed) -> Db {
        Db {
            map: CowMap::new(seed),
            expiries: CowTree::new(),
            removals: Removals::default(),
            waited: Waited::default(),
            accounted_bytes: 0,
            garbage: Vec::new(),
            access: AccessClock::default(),
            journal: Journal::default(),
        }
    }

    pub(crate) fn set_access_clock(&mut self, clock: AccessClock) {
        self.access = clock;
    }

    /// How uses of keys are noted and read.
    pub fn access_clock(&self) -> AccessClock {
        self.access
    }

    /// The entry of a key that exists at `now`.
    pub fn get(&self, key: &[u8], now: Millis) -> Option<&Entry> {
        self.map.get(key).filter(|entry| !entry.is_expired(now))
    }

    /// The entry of a key that is stored, whether expired or not.
    pub fn stored(&self, key: &[u8]) -> Option<&Entry> {
        self.map.get(key)
    }

    /// Whether the key exists at `now`.
    pub fn contains(&self, key: &[u8], now: Millis) -> bool {
        self.get(key, now).is_some()
    }

    /// The entry of a key for changes, stamped with `version`. An expired key is removed instead.
    pub fn get_mut(&mut self, key: &[u8], now: Millis, version: Version) -> Option<EntryMut<'_>> {
        self.waited.note(key);
        self.get_mut_unnoticed(key, now, version)
    }

    /// As [`Db::get_mut`], for a change that nobody who waits for the key could be waiting for.
    pub fn get_mut_unnoticed(&mut self, key: &[u8], now: Millis, version: Version) -> Option<EntryMut<'_>> {
        let hash = self.map.seed().hash(key);
        if self.bury_expired(hash, key, now) {
            return None;
        }
        let entry = self.map.get_mut_hashed(hash, key)?;
        self.journal.note(key);
        entry.set_version(version);
        entry.set_accessed(self.access.used(entry.accessed(), chance(hash, version)));
        let before_bytes = entry.accounted_bytes(key.len());
        Some(EntryMut {
            entry,
            key_bytes: key.len(),
            before_bytes,
            accounted_bytes: &mut self.accounted_bytes,
            garbage: &mut self.garbage,
        })
    }

    /// Sets a key whole, with its expiry or without; returns the entry that was stored, which may
    /// have been expired.
    pub fn set(
        &mut self,
        key: &[u8],
        value: Value,
        expires: Option<Millis>,
        version: Version,
    ) -> Option<Entry> {
        let hash = self.map.seed().hash(key);
        let accessed = match (self.access, self.map.get_hashed(hash, key)) {
            // What takes the place of a value goes on with its frequency.
            (AccessClock::Frequency { .. }, Some((_, old))) => {
                self.access.used(old.accessed(), chance(hash, version))
            }
            _ => self.access.created(),
        };
        self.journal.note(key);
        self.put_hashed(hash, key, Entry::new(value, expires, version, accessed))
    }

    /// Stores an entry as it is; returns the one that was stored.
    pub(crate) fn put(&mut self, key: &[u8], entry: Entry) -> Option<Entry> {
        self.put_hashed(self.map.seed().hash(key), key, entry)
    }

    fn put_hashed(&mut self, hash: u64, key: &[u8], entry: Entry) -> Option<Entry> {
        self.waited.note(key);
        let expires = entry.expires();
        self.accounted_bytes += entry.accounted_bytes(key.len());
        let old = self.map.insert_hashed(hash, key, entry);
        if let Some(old) = &old {
            self.accounted_bytes -= old.accounted_bytes(key.len());
            self.note_garbage(old.value());
        }
        self.move_expiry(key, old.as_ref().and_then(Entry::expires), expires);
        old
    }

    /// Notes a use of a key; whether it exists at `now`. The key does not count as changed. `version` stands
    /// for chance.
    pub fn touch(&mut self, key: &[u8], now: Millis, version: Version) -> bool {
        let hash = self.map.seed().hash(key);
        let Some((_, entry)) = self.map.get_hashed(hash, key).filter(|(_, entry)| !entry.is_expired(now))
        else {
            return false;
        };
        let accessed = self.access.used(entry.accessed(), chance(hash, version));
        // Most uses follow another within the clock's unit; a change would copy what a snapshot shares.
        if accessed != entry.accessed()
            && let Some(entry) = self.map.get_mut_hashed(hash, key)
        {
            entry.set_accessed(accessed);
        }
        true
    }

    /// Removes a key; returns its entry where it existed at `now`. A value that is slow to free is
    /// kept for [`crate::Keyspace::take_garbage`] as well.
    pub fn remove(&mut self, key: &[u8], now: Millis, version: Version) -> Option<Entry> {
        let entry = self.take(key, now, version)?;
        self.note_garbage(entry.value());
        Some(entry)
    }

    /// Removes a key whose value lives on under another (RENAME, MOVE).
    pub fn take(&mut self, key: &[u8], now: Millis, version: Version) -> Option<Entry> {
        let hash = self.map.seed().hash(key);
        if self.bury_expired(hash, key, now) {
            return None;
        }
        let entry = self.unlink(hash, key)?;
        self.journal.note(key);
        self.removals.note(hash, version);
        Some(entry)
    }

    /// Removes the key where it is stored but expired at `now`; whether it was. Commands that emit
    /// `expired` events call it before their change.
    pub fn remove_expired(&mut self, key: &[u8], now: Millis) -> bool {
        self.bury_expired(self.map.seed().hash(key), key, now)
    }

    /// Moves a key's value and expiry to another name, replacing what was there. False where the
    /// key does not exist. Moving a key to itself changes its version only.
    pub fn rename(&mut self, from: &[u8], to: &[u8], now: Millis, version: Version) -> bool {
        let Some(entry) = self.take(from, now, version) else { return false };
        let expires = entry.expires();
        self.set(to, entry.into_value(), expires, version);
        true
    }

    /// When a key that exists at `now` expires: the outer `None` where there is no key.
    pub fn expires(&self, key: &[u8], now: Millis) -> Option<Option<Millis>> {
        self.get(key, now).map(Entry::expires)
    }

    /// Gives a key another expiry, or none; false where the key does not exist at `now`. An expiry
    /// in the past is the caller's to turn into a removal.
    pub fn set_expiry(&mut self, key: &[u8], expires: Option<Millis>, now: Millis, version: Version) -> bool {
        let Some(entry) = self.get_mut(key, now, version) else { return false };
        let old = entry.expires();
        entry.entry.set_expires(expires);
        drop(entry);
        self.move_expiry(key, old, expires);
        true
    }

    /// How many keys are stored, the expired ones that are not yet removed included (DBSIZE).
    pub fn len(&self) -> usize {
        self.map.len()
    }

    /// Whether nothing is stored.
    pub fn is_empty(&self) -> bool {
        self.map.is_empty()
    }

    /// How many stored keys have an expiry (INFO keyspace).
    pub fn expiring_len(&self) -> usize {
        self.expiries.len()
    }

    /// Every key that exists at `now`, in hash order.
    pub fn iter(&self, now: Millis) -> impl Iterator<Item = (&Blob, &Entry)> {
        self.map.iter().filter(move |(_, entry)| !entry.is_expired(now))
    }

    /// Visits keys from a cursor on, expired ones left out but counted as work; returns the next
    /// cursor, 0 at the end. See [`CowMap::scan`].
    pub fn scan(&self, cursor: u64, count: usize, now: Millis, mut visit: impl FnMut(&[u8], &Entry)) -> u64 {
        self.map.scan(cursor, count, |key, entry| {
            if !entry.is_expired(now) {
                visit(key, entry);
            }
        })
    }

    /// A uniformly random key among those that exist at `now`.
    pub fn random(&self, rng: &mut Rng, now: Millis) -> Option<&Blob> {
        if self.map.is_empty() {
            return None;
        }
        let mut rank = 0;
        for _ in 0..RANDOM_DRAWS_MAX {
            rank = rng.index(self.map.len());
            let (key, entry) = self.map.nth(rank)?;
            if !entry.is_expired(now) {
                return Some(key);
            }
        }
        // Nearly all are expired: uniform no more, but a key that exists is found.
        let live = |(key, entry): (_, &Entry)| (!entry.is_expired(now)).then_some(key);
        self.map.iter().skip(rank).find_map(live).or_else(|| self.map.iter().find_map(live))
    }

    /// A uniformly random key among those that are stored, expired ones included, for eviction.
    pub fn sample(&self, rng: &mut Rng) -> Option<(&Blob, &Entry)> {
        let len = self.map.len();
        if len == 0 { None } else { self.map.nth(rng.index(len)) }
    }

    /// A uniformly random key among those that have an expiry.
    pub fn sample_expiring(&self, rng: &mut Rng) -> Option<(&Blob, &Entry)> {
        let len = self.expiries.len();
        let (_, key) = if len == 0 { None } else { self.expiries.get(rng.index(len)) }?;
        self.map.get_key_value(key)
    }

    /// What WATCH remembers of a key: it differs from what EXEC finds if the key was changed,
    /// created, removed, or has expired in between. It may differ though nothing happened to this
    /// key, where another key of the same hash prefix was removed.
    pub fn key_version(&self, key: &[u8], now: Millis) -> Version {
        let hash = self.map.seed().hash(key);
        let removed = self.removals.get(hash);
        match self.map.get_hashed(hash, key) {
            // The lowest bit tells a live key from a missing one, so that an expiry is seen though
            // nothing was written.
            Some((_, entry)) if !entry.is_expired(now) => {
                Version(entry.version().max(self.removals.swapped()).0 << 1 | 1)
            }
            // As if it were removed already, so that the physical removal shows nothing.
            Some((_, entry)) => Version(entry.version().max(removed).0 << 1),
            None => Version(removed.0 << 1),
        }
    }

    /// Removes every key; returns how many were stored.
    pub fn flush(&mut self, now: Millis, version: Version) -> usize {
        let len = self.map.len();
        self.journal.note_all();
        self.waited.note_all();
        note_live(&self.map, &mut self.removals, now, version);
        let empty = Keys::new(self.map.seed());
        self.garbage.push(Garbage::Keys(std::mem::replace(&mut self.map, empty)));
        self.garbage.push(Garbage::Expiries(std::mem::take(&mut self.expiries)));
        self.accounted_bytes = 0;
        len
    }

    /// The part of [`crate::Keyspace::memory_bytes`] of this database.
    pub fn memory_bytes(&self) -> usize {
        self.accounted_bytes
    }

    /// Exchanges all keys with another database. Keys that exist in either count as changed in both.
    pub(crate) fn swap_keys(&mut self, other: &mut Db, now: Millis, version: Version) {
        for removals in [&mut self.removals, &mut other.removals] {
            removals.note_swap(version);
        }
        note_live(&self.map, &mut self.removals, now, version);
        note_live(&other.map, &mut self.removals, now, version);
        note_live(&self.map, &mut other.removals, now, version);
        note_live(&other.map, &mut other.removals, now, version);
        std::mem::swap(self, other);
        self.journal.note_all();
        other.journal.note_all();
        std::mem::swap(&mut self.removals, &mut other.removals);
        std::mem::swap(&mut self.waited, &mut other.waited);
        self.waited.note_all();
        other.waited.note_all();
    }

    /// From now on changes of this key are noted, until [`Db::release_key`] was called as often. Gives the key, of
    /// which all who wait share one copy.
    pub fn await_key(&mut self, key: &[u8]) -> Arc<[u8]> {
        self.waited.add(key)
    }

    /// Somebody waits no longer for the key.
    pub fn release_key(&mut self, key: &[u8]) {
        self.waited.remove(key);
    }

    /// How many keys somebody waits for.
    pub fn awaited_len(&self) -> usize {
        self.waited.len()
    }

    /// Whether an awaited key has changed since [`Db::take_changed`].
    pub fn has_changed(&self) -> bool {
        self.waited.has_changed()
    }

    /// The awaited keys that were changed, set or removed since the last call, each once, in the order of their first
    /// change. Where all keys went at once they are in their own order.
    pub fn take_changed(&mut self) -> Vec<Arc<[u8]>> {
        self.waited.take_changed()
    }

    /// The earliest expiry and its key.
    pub fn first_expiry(&self) -> Option<&(Millis, Blob)> {
        self.expiries.first()
    }

    /// Removes the key that expires first.
    pub(crate) fn remove_first_expiry(&mut self) -> Option<Blob> {
        let (at, key) = self.expiries.first()?.clone();
        let buried = self.bury_expired(self.map.seed().hash(&key), &key, at);
        assert!(buried, "the index of expiries names stored keys and when they expire");
        Some(key)
    }

    pub(crate) fn take_garbage(&mut self, into: &mut Vec<Garbage>) {
        into.append(&mut self.garbage);
    }

    /// Removes an entry from map, index and account.
    fn unlink(&mut self, hash: u64, key: &[u8]) -> Option<Entry> {
        let entry = self.map.remove_hashed(hash, key)?;
        self.waited.note(key);
        self.accounted_bytes -= entry.accounted_bytes(key.len());
        self.move_expiry(key, entry.expires(), None);
        Some(entry)
    }

    /// Removes the key where it is stored but expired; whether it was. It was gone before: the
    /// removal is noted with the entry's own version, as `key_version` answered since it expired.
    fn bury_expired(&mut self, hash: u64, key: &[u8], now: Millis) -> bool {
        if !self.map.get_hashed(hash, key).is_some_and(|(_, entry)| entry.is_expired(now)) {
            return false;
        }
        self.journal.note(key);
        let entry = self.unlink(hash, key).expect("the key was just found");
        self.removals.note(hash, entry.version());
        self.note_garbage(entry.value());
        true
    }

    fn move_expiry(&mut self, key: &[u8], old: Option<Millis>, new: Option<Millis>) {
        if old == new {
            return;
        }
        if let Some(old) = old {
            let removed = self.expiries.remove(self.expiry_place(old, key));
            let is_it = removed.is_some_and(|(at, name)| at == old && *name == *key);
            assert!(is_it, "every key with an expiry is in the index");
        }
        if let Some(new) = new {
            let (key, _) = self.map.get_key_value(key).expect("only stored keys get an expiry");
            self.expiries.insert(self.expiry_place(new, key), (new, key.clone()));
        }
    }

    /// Where in the index a key with this expiry is, or belongs.
    fn expiry_place(&self, at: Millis, key: &[u8]) -> usize {
        self.expiries.partition_point(|(other, name)| (*other, &**name) < (at, key))
    }

    /// Keeps a share of a value that is slow to free, so that nobody else drops the last one.
    fn note_garbage(&mut self, value: &Value) {
        if value.is_heavy() {
            self.garbage.push(Garbage::Value(value.clone()));
        }
    }
}

/// A number as good as random that is the same on every node.
fn chance(hash: u64, version: Version) -> u64 {
    (hash ^ version.0).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32
}

/// Notes the removal of keys that exist, for WATCH on those that come to be missing; of each by itself where there
/// are few, else of all that could be.
fn note_live(map: &CowMap<Entry>, removals: &mut Removals, now: Millis, version: Version) {
    if map.len() > SLOTS {
        return removals.raise(version);
    }
    for (key, entry) in map.iter() {
        // An expired key was gone before.
        let version = if entry.is_expired(now) { entry.version() } else { version };
        removals.note(map.seed().hash(key), version);
    }
}

/// Draws before `random` gives up on uniformity.
const RANDOM_DRAWS_MAX: usize = 100;

/// An entry open for changes; settles the memory account when it goes.
#[derive(Debug)]
pub struct EntryMut<'a> {
    entry: &'a mut Entry,
    key_bytes: usize,
    before_bytes: usize,
    accounted_bytes: &'a mut usize,
    garbage: &'a mut Vec<Garbage>,
}

impl EntryMut<'_> {
    /// Puts another value in the place of the old one; the expiry stays.
    pub fn replace(&mut self, value: Value) {
        let old = std::mem::replace(self.entry.value_mut(), value);
        self.discard(old);
    }

    /// Takes what a change has left over, to be freed elsewhere if that is slow.
    pub fn discard(&mut self, rest: Value) {
        if rest.is_heavy() {
            self.garbage.push(Garbage::Value(rest));
        }
    }
}

impl Deref for EntryMut<'_> {
    type Target = Entry;

    fn deref(&self) -> &Entry {
        self.entry
    }
}

impl DerefMut for EntryMut<'_> {
    fn deref_mut(&mut self) -> &mut Entry {
        self.entry
    }
}

impl Drop for EntryMut<'_> {
    fn drop(&mut self) {
        *self.accounted_bytes -= self.before_bytes;
        *self.accounted_bytes += self.entry.accounted_bytes(self.key_bytes);
    }
}

#[cfg(test)]
mod tests;
