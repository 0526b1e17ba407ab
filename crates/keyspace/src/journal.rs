//! Which keys a stretch of the log has changed, where this node wants to know.
//!
//! For: clients that keep what they read, and replicas that follow. Leaves to others: telling them. Invariants: nothing of it is in a snapshot or
//! in what a reply follows from; off, it costs a look at a flag for each change.

/// Keys that are noted one by one; of more, only that there were many.
const KEYS_MAX: usize = 4096;

/// What has changed since somebody last asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Any key may have changed.
    pub all: bool,
    /// These have, otherwise; some may stand here more than once.
    pub keys: Vec<Box<[u8]>>,
}

/// The notes of one database, for two who want to know, each in its own time.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    is_on: bool,
    changes: Changes,
    is_followed: bool,
    followed: Changes,
}

impl Changes {
    /// Whether nothing has changed.
    pub fn is_empty(&self) -> bool {
        !self.all && self.keys.is_empty()
    }

    pub(crate) fn add(&mut self, mut other: Changes) {
        self.all |= other.all;
        self.keys.append(&mut other.keys);
        self.bound();
    }

    fn bound(&mut self) {
        if self.all || self.keys.len() > KEYS_MAX {
            self.all = true;
            self.keys = Vec::new();
        }
    }
}

impl Journal {
    /// Begins to note changes, or ends it and forgets what was noted.
    pub(crate) fn set(&mut self, on: bool) {
        self.is_on = on;
        self.changes = Changes::default();
    }

    /// As [`Journal::set`], for those who follow.
    pub(crate) fn set_followed(&mut self, on: bool) {
        self.is_followed = on;
        self.followed = Changes::default();
    }

    #[inline]
    pub(crate) fn note(&mut self, key: &[u8]) {
        if self.is_on && !self.changes.all {
            self.changes.keys.push(key.into());
            self.changes.bound();
        }
        // Taken after every entry, so that the entry bounds it.
        if self.is_followed && !self.followed.all {
            self.followed.keys.push(key.into());
        }
    }

    pub(crate) fn note_all(&mut self) {
        if self.is_on {
            self.changes.all = true;
            self.changes.bound();
        }
        if self.is_followed {
            self.followed = Changes { all: true, keys: Vec::new() };
        }
    }

    pub(crate) fn take_followed(&mut self) -> Changes {
        std::mem::take(&mut self.followed)
    }

    pub(crate) fn take(&mut self) -> Changes {
        std::mem::take(&mut self.changes)
    }
}

#[cfg(test)]
mod tests {
    use crate::{DbIndex, Keyspace, Millis, Seed, Value, Version};

    #[test]
    fn those_who_follow_are_told_apart_and_by_database() {
        let mut keyspace = Keyspace::new(Seed([1; 16]));
        let (db, now, version) = (DbIndex::ZERO, Millis(10), Version(1));
        let other = DbIndex::new(3).expect("there is");
        keyspace.follow_changes(true);
        keyspace.db_mut(db).set(b"a", Value::integer(1), None, version);
        keyspace.db_mut(other).set(b"b", Value::integer(1), None, version);
        assert!(keyspace.take_changes().is_empty());
        let followed = keyspace.take_followed();
        assert_eq!(followed.iter().map(|(db, _)| *db).collect::<Vec<_>>(), [db, other]);
        assert_eq!(followed[1].1.keys, [b"b"[..].into()]);
        assert!(keyspace.take_followed().is_empty());
        keyspace.db_mut(other).flush(now, version);
        assert!(keyspace.take_followed().iter().all(|(db, changes)| *db == other && changes.all));
        keyspace.follow_changes(false);
        keyspace.flush_all(now, version);
        assert!(keyspace.take_followed().is_empty());
    }

    #[test]
    fn what_changes_is_noted_while_somebody_wants_to_know() {
        let mut keyspace = Keyspace::new(Seed([1; 16]));
        let mut change = |on: bool, work: &dyn Fn(&mut Keyspace)| {
            keyspace.note_changes(on);
            work(&mut keyspace);
            keyspace.take_changes()
        };
        let (db, now, version) = (DbIndex::ZERO, Millis(10), Version(1));
        let set = |key: &'static [u8], expires: Option<i64>| {
            move |all: &mut Keyspace| {
                all.db_mut(db).set(key, Value::integer(1), expires.map(Millis), version);
            }
        };
        assert!(change(false, &set(b"a", None)).is_empty());
        assert_eq!(change(true, &set(b"a", None)).keys, [b"a"[..].into()]);
        assert_eq!(change(true, &set(b"b", Some(20))).keys, [b"b"[..].into()]);
        assert_eq!(
            change(true, &|all| drop(all.db_mut(db).get_mut(b"a", now, version))).keys,
            [b"a"[..].into()]
        );
        assert!(change(true, &|all| drop(all.db_mut(db).get_mut(b"x", now, version))).is_empty());
        assert!(change(true, &|all| drop(all.db_mut(db).remove(b"x", now, version))).is_empty());
        assert_eq!(change(true, &|all| drop(all.expire_slice(Millis(20), 9))).keys, [b"b"[..].into()]);
        let renamed = change(true, &|all| {
            all.db_mut(db).rename(b"a", b"c", now, version);
        });
        assert_eq!(renamed.keys, [b"a"[..].into(), b"c"[..].into()]);
        assert!(
            change(true, &|all| {
                all.flush_all(now, version);
            })
            .all
        );
        let many = |all: &mut Keyspace| {
            for key in 0..super::KEYS_MAX + 1 {
                all.db_mut(db).set(key.to_string().as_bytes(), Value::integer(1), None, version);
            }
        };
        let many = change(true, &many);
        assert!(many.all && many.keys.is_empty());
        assert!(change(true, &|all| all.swap(db, DbIndex::new(1).expect("there is"), now, version)).all);
    }
}
