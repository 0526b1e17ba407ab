//! The leaf of the trie: a few dozen pairs, sorted by (hash, key).
//!
//! The hashes lie apart from the pairs, so that a look-up reads one or two cache lines of them and
//! then the one pair. They are kept whole: dividing and scanning never hash a key again.

use std::cmp::Ordering;

use crate::Blob;

/// Most pairs in a bucket, unless their hashes cannot be told apart.
pub(super) const LEN_MAX: usize = 64;
/// Neighbours with fewer pairs in all become one. Half of `LEN_MAX`, so that a bucket is not
/// divided and merged in turn.
pub(super) const MERGED_LEN_MAX: usize = 32;
/// Room that is added when a bucket is full: tight, as there are very many.
const SPARE_LEN: usize = 4;

#[derive(Clone)]
pub(super) struct Bucket<V> {
    hashes: Vec<u64>,
    pairs: Vec<(Blob, V)>,
}

impl<V> Bucket<V> {
    pub(super) fn new() -> Bucket<V> {
        Bucket { hashes: Vec::new(), pairs: Vec::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.hashes.len()
    }

    pub(super) fn at(&self, index: usize) -> Option<(u64, &Blob, &V)> {
        let (key, value) = self.pairs.get(index)?;
        Some((self.hashes[index], key, value))
    }

    pub(super) fn value_mut(&mut self, index: usize) -> &mut V {
        &mut self.pairs[index].1
    }

    /// The first index whose hash is not below this one.
    pub(super) fn lower_bound(&self, hash: u64) -> usize {
        self.hashes.partition_point(|&h| h < hash)
    }

    /// Where the key is, or where it belongs. `consumed` is how many bits of the hash all pairs of
    /// the bucket share: the rest of a hash tells about where among the others it is.
    pub(super) fn find(&self, consumed: u32, hash: u64, key: &[u8]) -> Result<usize, usize> {
        let len = self.hashes.len();
        let rest = hash << consumed;
        let mut index = ((u128::from(rest) * len as u128) >> 64) as usize;
        while index > 0 && self.hashes[index - 1] >= hash {
            index -= 1;
        }
        while index < len {
            match self.hashes[index].cmp(&hash) {
                Ordering::Less => {}
                Ordering::Equal => match self.pairs[index].0.as_bytes().cmp(key) {
                    Ordering::Less => {}
                    Ordering::Equal => return Ok(index),
                    Ordering::Greater => return Err(index),
                },
                Ordering::Greater => return Err(index),
            }
            index += 1;
        }
        Err(len)
    }

    pub(super) fn insert_at(&mut self, index: usize, hash: u64, key: Blob, value: V) {
        if self.hashes.len() == self.hashes.capacity() {
            self.hashes.reserve_exact(SPARE_LEN);
        }
        if self.pairs.len() == self.pairs.capacity() {
            self.pairs.reserve_exact(SPARE_LEN);
        }
        self.hashes.insert(index, hash);
        self.pairs.insert(index, (key, value));
    }

    pub(super) fn remove_at(&mut self, index: usize) -> V {
        self.hashes.remove(index);
        let (_, value) = self.pairs.remove(index);
        if self.pairs.capacity() > 2 * self.pairs.len() + SPARE_LEN {
            self.shrink();
        }
        value
    }

    /// Takes away the pairs whose hash is at least this.
    pub(super) fn split_off(&mut self, hash: u64) -> Bucket<V> {
        let index = self.lower_bound(hash);
        let upper = Bucket { hashes: self.hashes.split_off(index), pairs: self.pairs.split_off(index) };
        self.shrink();
        upper
    }

    /// Adds the pairs of a bucket whose hashes are all greater.
    pub(super) fn append(&mut self, mut upper: Bucket<V>) {
        self.hashes.reserve_exact(upper.len());
        self.pairs.reserve_exact(upper.len());
        self.hashes.append(&mut upper.hashes);
        self.pairs.append(&mut upper.pairs);
    }

    fn shrink(&mut self) {
        self.hashes.shrink_to_fit();
        self.pairs.shrink_to_fit();
    }
}
