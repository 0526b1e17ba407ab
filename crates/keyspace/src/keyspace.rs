//! All databases together: what one state machine holds.

use crate::{
    AccessClock, Blob, Changes, CowTree, DATABASES, Db, DbIndex, Keys, Millis, Seed, Snapshot, Value, Version,
};

/// The sixteen databases. One that is replaced whole (a snapshot was installed) is slow to free:
/// drop it where nobody waits.
#[derive(Debug)]
pub struct Keyspace {
    seed: Seed,
    dbs: Vec<Db>,
    notes_changes: bool,
    is_followed: bool,
}

impl Keyspace {
    /// Empty databases under this hash seed.
    pub fn new(seed: Seed) -> Keyspace {
        Keyspace {
            seed,
            dbs: (0..DATABASES).map(|_| Db::new(seed)).collect(),
            notes_changes: false,
            is_followed: false,
        }
    }

    /// The hash seed.
    pub fn seed(&self) -> Seed {
        self.seed
    }

    /// A database to read.
    pub fn db(&self, index: DbIndex) -> &Db {
        &self.dbs[index.index()]
    }

    /// A database to change.
    pub fn db_mut(&mut self, index: DbIndex) -> &mut Db {
        &mut self.dbs[index.index()]
    }

    /// Says how uses of keys are noted from now on. Not a part of snapshots: it follows from the clock
    /// and the settings, so set it whenever either changes.
    pub fn set_access_clock(&mut self, clock: AccessClock) {
        self.dbs.iter_mut().for_each(|db| db.set_access_clock(clock));
    }

    /// Has changed keys noted from now on, or not; [`Keyspace::take_changes`] tells them. What is stored does not
    /// depend on it.
    pub fn note_changes(&mut self, on: bool) {
        if on != self.notes_changes {
            self.notes_changes = on;
            self.dbs.iter_mut().for_each(|db| db.journal.set(on));
        }
    }

    /// What has changed since this was last asked, of all databases; nothing unless it is noted.
    pub fn take_changes(&mut self) -> Changes {
        let mut changes = Changes::default();
        if self.notes_changes {
            self.dbs.iter_mut().for_each(|db| changes.add(db.journal.take()));
        }
        changes
    }

    /// As [`Keyspace::note_changes`], for those who ask [`Keyspace::take_followed`] after every entry.
    pub fn follow_changes(&mut self, on: bool) {
        if on != self.is_followed {
            self.is_followed = on;
            self.dbs.iter_mut().for_each(|db| db.journal.set_followed(on));
        }
    }

    /// What has changed in which database since this was last asked; nothing unless it is followed.
    pub fn take_followed(&mut self) -> Vec<(DbIndex, Changes)> {
        if !self.is_followed {
            return Vec::new();
        }
        let taken = self.dbs.iter_mut().map(|db| db.journal.take_followed());
        DbIndex::all().zip(taken).filter(|(_, changes)| !changes.is_empty()).collect()
    }

    /// Exchanges two different databases (SWAPDB). Keys that exist in either count as changed in both.
    /// Where an expired key is still stored, a missing one of that name may do so too: remove those first.
    ///
    /// # Panics
    /// They are the same one.
    pub fn swap(&mut self, a: DbIndex, b: DbIndex, now: Millis, version: Version) {
        let [a, b] = self.dbs.get_disjoint_mut([a.index(), b.index()]).expect("two different databases");
        a.swap_keys(b, now, version);
    }

    /// Removes every key of every database; returns how many were stored.
    pub fn flush_all(&mut self, now: Millis, version: Version) -> usize {
        self.dbs.iter_mut().map(|db| db.flush(now, version)).sum()
    }

    /// All that a snapshot holds, as of now, in constant time; it stays as it is while this
    /// keyspace changes. Drop it off the apply task: it may hold the last share of much.
    pub fn capture(&self) -> Snapshot {
        let dbs = self.dbs.iter().map(|db| (db.map.clone(), db.removals.clone())).collect();
        Snapshot { seed: self.seed, dbs }
    }

    /// A checksum of all that is stored; see [`Snapshot::digest`].
    pub fn digest(&self) -> u64 {
        self.capture().digest()
    }

    /// Estimate of the memory in use: a function of contents alone, so it is equal on all nodes.
    pub fn memory_bytes(&self) -> usize {
        self.dbs.iter().map(Db::memory_bytes).sum()
    }

    /// What was removed and is slow to free; drop it on another thread.
    pub fn take_garbage(&mut self) -> Vec<Garbage> {
        let mut garbage = Vec::new();
        self.dbs.iter_mut().for_each(|db| db.take_garbage(&mut garbage));
        garbage
    }

    /// Whether a key that somebody waits for has changed; see [`Db::take_changed`].
    pub fn has_changed(&self) -> bool {
        self.dbs.iter().any(Db::has_changed)
    }

    /// The earliest expiry of any key.
    pub fn next_expiry(&self) -> Option<Millis> {
        self.dbs.iter().filter_map(Db::first_expiry).map(|(at, _)| *at).min()
    }

    /// Removes at most `max` keys that are expired at `now`, ordered by (expiry, database, key);
    /// returns them.
    pub fn expire_slice(&mut self, now: Millis, max: usize) -> Vec<Expired> {
        let mut expired = Vec::new();
        while expired.len() < max {
            let first =
                DbIndex::all().filter_map(|db| self.db(db).first_expiry().map(|(at, _)| (*at, db))).min();
            let Some((at, db)) = first.filter(|(at, _)| *at <= now) else { break };
            let key = self.db_mut(db).remove_first_expiry().expect("its expiry was just read");
            expired.push(Expired { db, key, at });
        }
        expired
    }
}

/// A key that [`Keyspace::expire_slice`] removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expired {
    /// Its database.
    pub db: DbIndex,
    /// The key.
    pub key: Blob,
    /// When it expired.
    pub at: Millis,
}

/// Something removed that is slow to free. Its only use is to be dropped where nobody waits.
#[derive(Debug)]
pub enum Garbage {
    /// A large value.
    Value(Value),
    /// A database's keys.
    Keys(Keys),
    /// A database's index of expiries.
    Expiries(CowTree<(Millis, Blob)>),
}
