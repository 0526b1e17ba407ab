//! A map that clones in constant time, never stalls, and iterates in hash order.
//!
//! A trie over the 64-bit hash of the key: nodes of 64 slots (six bits a level) above buckets of at
//! most 64 pairs, all behind `Arc`s. A clone shares the root; a write after it copies one node per
//! level and one bucket, and a bucket that overflows is divided by the next bit of the hash, so no
//! write ever rehashes the map. See `docs/decisions/0003-copy-on-write-keyspace.md`.
//!
//! ```text
//! root ─► node ─┬─► bucket      slots 0..32 share one bucket
//!               ├─► bucket      slots 32..48
//!               └─► node ─► …   slot 48 was full and got a level of its own
//! ```
//!
//! It leaves the choice of seed to its owner, and the freeing of many entries as well.
//!
//! Invariants:
//! - Iteration is ordered by (hash, key): a function of contents and seed, never of history.
//! - `get` hashes once and allocates nothing.
//! - Buckets stay small: only keys that share their first 60 bits of hash may exceed the bound.
//! - Memory goes back: small neighbours merge, and a node of few entries becomes a bucket.

mod bucket;
mod iter;
mod node;
#[cfg(test)]
mod tests;

use crate::{Blob, Seed};
pub use iter::Iter;
use node::{Child, MapKey};

/// A map from bytes to `V`, ordered by (hash, key).
#[derive(Clone)]
pub struct CowMap<V> {
    seed: Seed,
    root: Option<Child<V>>,
}

/// Bits of hash in a scan cursor. Few enough for clients that keep numbers as doubles.
const CURSOR_BITS: u32 = 48;

impl<V: Clone> CowMap<V> {
    /// An empty map that hashes under this seed.
    pub fn new(seed: Seed) -> CowMap<V> {
        CowMap { seed, root: None }
    }

    /// The seed under which keys are hashed.
    pub fn seed(&self) -> Seed {
        self.seed
    }

    /// How many keys.
    pub fn len(&self) -> usize {
        self.root.as_ref().map_or(0, Child::len)
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.root.is_none()
    }

    /// The value of a key.
    pub fn get(&self, key: &[u8]) -> Option<&V> {
        self.get_hashed(self.seed.hash(key), key).map(|(_, value)| value)
    }

    /// The stored key and its value.
    pub fn get_key_value(&self, key: &[u8]) -> Option<(&Blob, &V)> {
        self.get_hashed(self.seed.hash(key), key)
    }

    /// The value of a key for changes.
    pub fn get_mut(&mut self, key: &[u8]) -> Option<&mut V> {
        self.get_mut_hashed(self.seed.hash(key), key)
    }

    /// Sets the value of a key; returns the old one.
    pub fn insert(&mut self, key: &[u8], value: V) -> Option<V> {
        self.insert_hashed(self.seed.hash(key), key, value)
    }

    /// Sets the value of a key that lies elsewhere too, whose bytes are shared; returns the old one.
    pub(crate) fn insert_shared(&mut self, key: &Blob, value: V) -> Option<V> {
        self.insert_hashed(self.seed.hash(key), key, value)
    }

    /// Removes a key; returns its value.
    pub fn remove(&mut self, key: &[u8]) -> Option<V> {
        self.remove_hashed(self.seed.hash(key), key)
    }

    /// The pair of this rank in iteration order, in the time of a look-up: a uniform rank samples
    /// uniformly.
    pub fn nth(&self, rank: usize) -> Option<(&Blob, &V)> {
        self.root.as_ref()?.nth(rank)
    }

    /// Every pair, ordered by (hash, key): a function of contents and seed alone.
    pub fn iter(&self) -> Iter<'_, V> {
        self.iter_from(0)
    }

    /// Visits at least `count` pairs from a cursor on, if there are as many; returns the next
    /// cursor, 0 at the end.
    ///
    /// A cursor is the first 48 bits of the next hash to visit, so it is valid on every clone and
    /// after any change; a key that is there from the first call to the last is visited once. Keys
    /// that share these bits are visited together.
    pub fn scan(&self, cursor: u64, count: usize, mut visit: impl FnMut(&Blob, &V)) -> u64 {
        let shift = u64::BITS - CURSOR_BITS;
        if cursor >> CURSOR_BITS != 0 {
            return 0;
        }
        let mut pairs = self.iter_from(cursor << shift);
        let mut last = None;
        let mut visited = 0;
        while let Some((hash, key, value)) = pairs.next_hashed() {
            let next_cursor = hash >> shift;
            if visited >= count.max(1) && last != Some(next_cursor) {
                return next_cursor;
            }
            last = Some(next_cursor);
            visited += 1;
            visit(key, value);
        }
        0
    }

    /// The pairs whose hash is at least this.
    pub(crate) fn iter_from(&self, hash: u64) -> Iter<'_, V> {
        Iter::new(self.root.as_ref(), hash)
    }

    /// The pairs after this one, which need not be there any more.
    pub(crate) fn iter_after(&self, last_hash: u64, last_key: &Blob) -> Iter<'_, V> {
        let mut pairs = self.iter_from(last_hash);
        loop {
            let here = pairs.clone();
            match pairs.next_hashed() {
                Some((hash, key, _)) if (hash, key) <= (last_hash, last_key) => {}
                _ => return here,
            }
        }
    }

    pub(crate) fn get_hashed(&self, hash: u64, key: &[u8]) -> Option<(&Blob, &V)> {
        self.root.as_ref()?.get(hash, key)
    }

    pub(crate) fn get_mut_hashed(&mut self, hash: u64, key: &[u8]) -> Option<&mut V> {
        // A miss must not copy what a snapshot shares.
        self.get_hashed(hash, key)?;
        self.root.as_mut()?.get_mut(hash, key)
    }

    pub(crate) fn insert_hashed<K: MapKey>(&mut self, hash: u64, key: K, value: V) -> Option<V> {
        let root = self.root.get_or_insert_with(Child::empty);
        let old = root.insert(0, 0, hash, key, value);
        if old.is_none() {
            root.grow_root();
        }
        old
    }

    pub(crate) fn remove_hashed(&mut self, hash: u64, key: &[u8]) -> Option<V> {
        // A miss must not copy what a snapshot shares.
        self.get_hashed(hash, key)?;
        let root = self.root.as_mut()?;
        let old = root.remove(0, 0, hash, key);
        if root.len() == 0 {
            self.root = None;
        }
        old
    }
}

impl<V: Clone + std::fmt::Debug> std::fmt::Debug for CowMap<V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<'a, V: Clone> IntoIterator for &'a CowMap<V> {
    type Item = (&'a Blob, &'a V);
    type IntoIter = Iter<'a, V>;

    fn into_iter(self) -> Iter<'a, V> {
        self.iter()
    }
}
