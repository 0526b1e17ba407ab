//! Walking the trie in order of (hash, key), from any hash on.

use smallvec::SmallVec;

use super::bucket::Bucket;
use super::node::{Child, Node};
use crate::Blob;

/// The pairs of a [`super::CowMap`], ordered by (hash, key).
pub struct Iter<'a, V> {
    /// Nodes above the bucket, each with the next child to visit. A million keys need three.
    above: SmallVec<[(&'a Node<V>, usize); 4]>,
    bucket: Option<&'a Bucket<V>>,
    /// Next pair of the bucket.
    index: usize,
}

impl<'a, V> Iter<'a, V> {
    pub(super) fn new(root: Option<&'a Child<V>>, hash: u64) -> Iter<'a, V> {
        let mut iter = Iter { above: SmallVec::new(), bucket: None, index: 0 };
        let mut next = root;
        while let Some(child) = next.take() {
            match child {
                Child::Bucket(_, bucket) => {
                    iter.index = bucket.lower_bound(hash);
                    iter.bucket = Some(bucket);
                }
                Child::Node(_, node) => {
                    let index = node.index(iter.above.len() as u32, hash);
                    iter.above.push((node, index + 1));
                    next = node.children().get(index);
                }
            }
        }
        iter
    }

    /// The next pair with its hash.
    pub(crate) fn next_hashed(&mut self) -> Option<(u64, &'a Blob, &'a V)> {
        loop {
            if let Some(pair) = self.bucket?.at(self.index) {
                self.index += 1;
                return Some(pair);
            }
            self.bucket = None;
            self.index = 0;
            while let Some((node, at)) = self.above.last_mut() {
                match node.children().get(*at) {
                    Some(Child::Bucket(_, bucket)) => {
                        *at += 1;
                        self.bucket = Some(bucket);
                        break;
                    }
                    Some(Child::Node(_, below)) => {
                        *at += 1;
                        self.above.push((below, 0));
                    }
                    None => {
                        self.above.pop();
                    }
                }
            }
        }
    }
}

impl<'a, V> Iterator for Iter<'a, V> {
    type Item = (&'a Blob, &'a V);

    fn next(&mut self) -> Option<Self::Item> {
        self.next_hashed().map(|(_, key, value)| (key, value))
    }
}

impl<V> Clone for Iter<'_, V> {
    fn clone(&self) -> Self {
        Iter { above: self.above.clone(), bucket: self.bucket, index: self.index }
    }
}

impl<V> std::fmt::Debug for Iter<'_, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Iter").field("depth", &self.above.len()).field("index", &self.index).finish()
    }
}
