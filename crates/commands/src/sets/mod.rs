//! The commands of the set group.
//!
//! For: every set command of Redis 7.2. Leaves to others: the three encodings and when one becomes another
//! (`quorate-keyspace`); their limits are settings.
//! Invariants: all checks come before the first change (see the crate's head); a set without members does not
//! exist; a command that changes no member leaves the key's version as it was.

pub(crate) mod algebra;
pub(crate) mod random;
pub(crate) mod reading;
pub(crate) mod walk;
pub(crate) mod writing;

use quorate_keyspace::{Entry, SetLimits, SetValue};

use crate::{Error, Read, Write};

/// The set of an entry, or the wrong type.
fn as_set(entry: &Entry) -> Result<&SetValue, Error> {
    entry.value().as_set().ok_or(Error::WrongType)
}

/// The set of an entry that was found to be one.
fn set_in(entry: &mut Entry) -> &mut SetValue {
    entry.value_mut().as_set_mut().expect("the type was checked")
}

impl<'a> Read<'a> {
    /// The set at a key, if there is one.
    fn set(&self, key: &[u8]) -> Result<Option<&'a SetValue>, Error> {
        self.get(key).map(as_set).transpose()
    }
}

impl Write<'_> {
    /// The set at a key, if there is one.
    fn set_at(&self, key: &[u8]) -> Result<Option<&SetValue>, Error> {
        self.get(key).map(as_set).transpose()
    }

    /// When a set leaves a compact encoding.
    fn set_limits(&self) -> SetLimits {
        let settings = &self.state.settings;
        SetLimits {
            ints_max: settings.set_max_intset_entries(),
            entries_max: settings.set_max_listpack_entries(),
            value_bytes_max: settings.set_max_listpack_value(),
        }
    }
}
