//! A map that clones in constant time and iterates in hash order.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use crate::{Blob, Seed};

/// A map from bytes to `V`, ordered by (hash, key).
#[derive(Clone, Debug)]
pub struct CowMap<V> {
    seed: Seed,
    map: Arc<BTreeMap<(u64, Blob), V>>,
}

impl<V: Clone> CowMap<V> {
    /// An empty map that hashes under this seed.
    pub fn new(seed: Seed) -> CowMap<V> {
        CowMap { seed, map: Arc::default() }
    }

    /// The seed under which keys are hashed.
    pub fn seed(&self) -> Seed {
        self.seed
    }

    /// How many keys.
    pub fn len(&self) -> usize {
        self.map.len()
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.map.is_empty()
    }

    /// The value of a key.
    pub fn get(&self, key: &[u8]) -> Option<&V> {
        self.get_key_value(key).map(|(_, value)| value)
    }

    /// The stored key and its value.
    pub fn get_key_value(&self, key: &[u8]) -> Option<(&Blob, &V)> {
        self.map.get_key_value(&self.at(key)).map(|((_, key), value)| (key, value))
    }

    /// The value of a key for changes.
    pub fn get_mut(&mut self, key: &[u8]) -> Option<&mut V> {
        let at = self.at(key);
        Arc::make_mut(&mut self.map).get_mut(&at)
    }

    /// Sets the value of a key; returns the old one.
    pub fn insert(&mut self, key: &[u8], value: V) -> Option<V> {
        let at = self.at(key);
        Arc::make_mut(&mut self.map).insert(at, value)
    }

    /// Removes a key; returns its value.
    pub fn remove(&mut self, key: &[u8]) -> Option<V> {
        let at = self.at(key);
        Arc::make_mut(&mut self.map).remove(&at)
    }

    /// The pair of this rank in iteration order.
    pub fn nth(&self, rank: usize) -> Option<(&Blob, &V)> {
        self.iter().nth(rank)
    }

    /// Every pair, ordered by (hash, key): a function of contents and seed alone.
    pub fn iter(&self) -> Iter<'_, V> {
        Iter(self.map.range(..))
    }

    /// Visits at least `count` pairs from a cursor on, if there are as many; returns the next
    /// cursor, 0 at the end.
    pub fn scan(&self, cursor: u64, count: usize, mut visit: impl FnMut(&Blob, &V)) -> u64 {
        let Some(start) = cursor.checked_mul(1 << 16) else { return 0 };
        let mut last = None;
        let range = (Bound::Included((start, Blob::EMPTY)), Bound::Unbounded);
        for (seen, ((hash, key), value)) in self.map.range(range).enumerate() {
            if seen >= count.max(1) && last != Some(hash >> 16) {
                return hash >> 16;
            }
            last = Some(hash >> 16);
            visit(key, value);
        }
        0
    }

    fn at(&self, key: &[u8]) -> (u64, Blob) {
        (self.seed.hash(key), Blob::new(key))
    }
}

/// The pairs of a [`CowMap`].
#[derive(Clone, Debug)]
pub struct Iter<'a, V>(std::collections::btree_map::Range<'a, (u64, Blob), V>);

impl<'a, V> Iterator for Iter<'a, V> {
    type Item = (&'a Blob, &'a V);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|((_, key), value)| (key, value))
    }
}
