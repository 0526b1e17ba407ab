//! The commands of the hash group.
//!
//! For: every hash command of Redis 7.2. Leaves to others: the two encodings and when one becomes the other
//! (`quorate-keyspace`); their limits are settings.
//! Invariants: all checks come before the first change (see the crate's head); a hash without fields does not
//! exist; a command that changes no field leaves the key's version as it was.

pub(crate) mod arithmetic;
pub(crate) mod random;
pub(crate) mod reading;
pub(crate) mod walk;
pub(crate) mod writing;

use quorate_keyspace::{Entry, HashLimits, HashValue};

use crate::{Error, Read, Write};

/// The hash of an entry, or the wrong type.
fn as_hash(entry: &Entry) -> Result<&HashValue, Error> {
    entry.value().as_hash().ok_or(Error::WrongType)
}

impl<'a> Read<'a> {
    /// The hash at a key, if there is one.
    fn hash(&self, key: &[u8]) -> Result<Option<&'a HashValue>, Error> {
        self.get(key).map(as_hash).transpose()
    }
}

impl Write<'_> {
    /// The hash at a key, if there is one.
    fn hash(&self, key: &[u8]) -> Result<Option<&HashValue>, Error> {
        self.get(key).map(as_hash).transpose()
    }

    /// When a hash leaves the compact encoding.
    fn hash_limits(&self) -> HashLimits {
        let settings = &self.state.settings;
        HashLimits {
            entries_max: settings.hash_max_listpack_entries(),
            value_bytes_max: settings.hash_max_listpack_value(),
        }
    }
}
