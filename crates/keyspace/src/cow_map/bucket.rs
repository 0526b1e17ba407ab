//! The leaf of the trie: a few dozen pairs, sorted by (hash, key).
//!
//! Each pair lies beside its hash. A look-up guesses from the hash where the pair is and walks the
//! few records between, which memory fetches ahead of it; an array of hashes apart from the pairs
//! was a cache miss more. Hashes are kept whole: dividing and scanning never hash a key again.

use std::cmp::Ordering;

use crate::{Blob, slots};

/// Most pairs in a bucket, unless their hashes cannot be told apart.
pub(super) const LEN_MAX: usize = 64;
/// Neighbours with fewer pairs in all become one. Half of `LEN_MAX`, so that a bucket is not
/// divided and merged in turn.
pub(super) const MERGED_LEN_MAX: usize = 32;

#[derive(Clone)]
pub(super) struct Bucket<V> {
    records: Vec<Record<V>>,
}

#[derive(Clone)]
struct Record<V> {
    hash: u64,
    key: Blob,
    value: V,
}

// The price of every key, and of every member of a large set.
const _: () = assert!(size_of::<Record<crate::Entry>>() == 80);
const _: () = assert!(size_of::<Record<()>>() == 32);

impl<V> Bucket<V> {
    pub(super) fn new() -> Bucket<V> {
        Bucket { records: Vec::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    pub(super) fn at(&self, index: usize) -> Option<(u64, &Blob, &V)> {
        self.records.get(index).map(|record| (record.hash, &record.key, &record.value))
    }

    pub(super) fn value_mut(&mut self, index: usize) -> &mut V {
        &mut self.records[index].value
    }

    /// The first index whose hash is not below this one.
    pub(super) fn lower_bound(&self, hash: u64) -> usize {
        self.records.partition_point(|record| record.hash < hash)
    }

    /// Where the key is, or where it belongs. `consumed` is how many bits of the hash all pairs of
    /// the bucket share: the rest of a hash tells about where among the others it is.
    pub(super) fn find(&self, consumed: u32, hash: u64, key: &[u8]) -> Result<usize, usize> {
        let records = &self.records[..];
        let rest = hash << consumed;
        let mut index = ((u128::from(rest) * records.len() as u128) >> 64) as usize;
        while index > 0 && records[index - 1].hash >= hash {
            index -= 1;
        }
        while let Some(record) = records.get(index) {
            match record.hash.cmp(&hash) {
                Ordering::Less => {}
                Ordering::Equal => match record.key.as_bytes().cmp(key) {
                    Ordering::Less => {}
                    Ordering::Equal => return Ok(index),
                    Ordering::Greater => return Err(index),
                },
                Ordering::Greater => return Err(index),
            }
            index += 1;
        }
        Err(index)
    }

    pub(super) fn insert_at(&mut self, index: usize, hash: u64, key: Blob, value: V) {
        if self.records.len() == self.records.capacity() {
            let len = self.records.len();
            self.records.reserve_exact(slots::fitting(len + 1, size_of::<Record<V>>()) - len);
        }
        self.records.insert(index, Record { hash, key, value });
    }

    pub(super) fn remove_at(&mut self, index: usize) -> V {
        let record = self.records.remove(index);
        if self.records.capacity() > 2 * self.records.len() + 4 {
            self.records.shrink_to_fit();
        }
        record.value
    }

    /// Takes away the pairs whose hash is at least this.
    pub(super) fn split_off(&mut self, hash: u64) -> Bucket<V> {
        let upper = self.records.split_off(self.lower_bound(hash));
        self.records.shrink_to_fit();
        Bucket { records: upper }
    }

    /// Adds the pairs of a bucket whose hashes are all greater.
    pub(super) fn append(&mut self, mut upper: Bucket<V>) {
        self.records.reserve_exact(upper.len());
        self.records.append(&mut upper.records);
    }
}
