//! The seed under which every map hashes its keys.

use std::hash::Hasher;

use siphasher::sip::SipHasher13;

/// The hash seed: part of the replicated state, so that all nodes share one order, and secret, so
/// that nobody outside can choose keys that collide.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Seed(pub [u8; 16]);

impl Seed {
    /// SipHash-1-3 of the key's bytes. Part of the snapshot's meaning: it never changes.
    pub fn hash(&self, key: &[u8]) -> u64 {
        let mut hasher = SipHasher13::new_with_key(&self.0);
        // `write`, not `Hash for [u8]`: the latter mixes in the length as a `usize`.
        hasher.write(key);
        hasher.finish()
    }
}

impl std::fmt::Debug for Seed {
    /// Hides the bytes: whoever knows them can flood one bucket.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seed(..)")
    }
}
