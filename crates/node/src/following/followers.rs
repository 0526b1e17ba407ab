//! Stock replicas: who follows this node, and which keys have changed since each was last told.
//!
//! For: the notes. Leaves to others: what a follower is told ([`super::feed`]).
//! Invariants: a follower notes keys, not bytes, so a slow one costs no more than the names of what has changed; who has
//! more than [`KEYS_MAX`] of them is told of the whole database. Without followers an entry costs one atomic load.
//! Called by: the apply task with the state locked for writing (`note`), a feed with it locked for reading (the rest), so
//! what is noted and what the state holds belong together.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use parking_lot::Mutex;
use quorate_keyspace::{Changes, DbIndex};
use tokio::sync::Notify;

/// Changed keys of a database that are noted one by one.
const KEYS_MAX: usize = 1 << 20;

/// The replicas of a node.
#[derive(Debug, Default)]
pub(crate) struct Followers {
    count: AtomicUsize,
    next_id: AtomicU64,
    all: Mutex<BTreeMap<u64, Arc<Notes>>>,
}

/// What one of them has not yet been told.
#[derive(Debug, Default)]
struct Notes {
    dbs: Mutex<BTreeMap<DbIndex, Changed>>,
    arrived: Notify,
}

/// The changes of one database.
#[derive(Debug, Default)]
pub(crate) struct Changed {
    /// Any key may have changed.
    pub(crate) all: bool,
    /// These have, otherwise.
    pub(crate) keys: BTreeSet<Box<[u8]>>,
}

/// A replica's place among the followers; its end is the end of that.
#[derive(Debug)]
pub(super) struct Following {
    id: u64,
    followers: Arc<Followers>,
    notes: Arc<Notes>,
}

impl Followers {
    /// Whether anybody wants to know.
    pub(crate) fn is_on(&self) -> bool {
        self.count.load(Ordering::Acquire) > 0
    }

    /// Notes what an entry has changed.
    pub(crate) fn note(&self, changes: &[(DbIndex, Changes)]) {
        for notes in self.all.lock().values() {
            let mut dbs = notes.dbs.lock();
            for (db, changes) in changes {
                let changed = dbs.entry(*db).or_default();
                changed.all |= changes.all || changed.keys.len() + changes.keys.len() > KEYS_MAX;
                if changed.all {
                    changed.keys = BTreeSet::new();
                } else {
                    changed.keys.extend(changes.keys.iter().cloned());
                }
            }
            drop(dbs);
            notes.arrived.notify_one();
        }
    }

    /// Notes that everything may have changed.
    pub(crate) fn note_all(&self) {
        let all: Vec<_> = DbIndex::all().map(|db| (db, Changes { all: true, keys: Vec::new() })).collect();
        self.note(&all);
    }

    /// Begins to note for one more.
    pub(super) fn enter(self: &Arc<Followers>) -> Following {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let notes = Arc::<Notes>::default();
        let mut all = self.all.lock();
        all.insert(id, Arc::clone(&notes));
        self.count.store(all.len(), Ordering::Release);
        Following { id, followers: Arc::clone(self), notes }
    }
}

impl Following {
    /// Takes the notes.
    pub(super) fn take(&self) -> BTreeMap<DbIndex, Changed> {
        std::mem::take(&mut *self.notes.dbs.lock())
    }

    /// Resolves when an entry has been applied since it was last asked.
    pub(super) async fn arrived(&self) {
        self.notes.arrived.notified().await;
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        let mut all = self.followers.all.lock();
        all.remove(&self.id);
        self.followers.count.store(all.len(), Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_follower_is_told_once_and_many_keys_are_all() {
        let followers = Arc::<Followers>::default();
        assert!(!followers.is_on());
        let (a, b) = (followers.enter(), followers.enter());
        let keys = |names: &[&str]| Changes {
            all: false,
            keys: names.iter().map(|name| name.as_bytes().into()).collect(),
        };
        followers.note(&[(DbIndex::ZERO, keys(&["x", "y", "x"]))]);
        assert_eq!(a.take()[&DbIndex::ZERO].keys.len(), 2);
        assert!(a.take().is_empty());
        followers.note(&[(DbIndex::ZERO, keys(&["z"]))]);
        assert_eq!((a.take()[&DbIndex::ZERO].keys.len(), b.take()[&DbIndex::ZERO].keys.len()), (1, 3));
        let many: Vec<String> = (0..=KEYS_MAX).map(|i| i.to_string()).collect();
        followers.note(&[(DbIndex::ZERO, keys(&many.iter().map(String::as_str).collect::<Vec<_>>()))]);
        let taken = a.take();
        assert!(taken[&DbIndex::ZERO].all && taken[&DbIndex::ZERO].keys.is_empty());
        drop((a, b));
        assert!(!followers.is_on());
    }
}
