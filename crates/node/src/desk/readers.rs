//! Connections that wait for streams to read them here (`XREAD BLOCK`).
//!
//! Such a wait takes nothing from anybody, so nobody else has to know of it: the connection looks at the state after
//! every change of one of its keys, on its own node.
//!
//! Invariant: a change that is applied after a connection's look wakes it. A connection makes its keys known before it
//! looks; the apply task takes new keys over with the state locked, so before any change that the look has not seen.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use quorate_keyspace::{DbIndex, Keyspace};
use tokio::sync::Notify;

type Key = (DbIndex, Arc<[u8]>);
/// A key and the reader that waits for it.
type Place = (DbIndex, Arc<[u8]>, u64);

/// Who waits for which keys.
#[derive(Debug, Default)]
pub(crate) struct Readers {
    inner: Mutex<Inner>,
    /// Keys came or went since they were last taken over.
    has_news: AtomicBool,
}

#[derive(Debug, Default)]
struct Inner {
    last_id: u64,
    waiting: BTreeMap<Place, Arc<Notify>>,
    /// Keys that the keyspace is to be told of: awaited from now on, or no longer.
    news: Vec<(Key, bool)>,
}

/// A connection that waits for changes of some keys, for as long as it lives.
#[derive(Debug)]
pub struct Reader {
    id: u64,
    keys: Vec<Key>,
    changed: Arc<Notify>,
    readers: Arc<Readers>,
}

impl Reader {
    /// Resolves after a change of one of the keys since the last call, or at once if that was before it.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut inner = self.readers.inner.lock();
        for (db, key) in self.keys.drain(..) {
            inner.waiting.remove(&(db, Arc::clone(&key), self.id));
            inner.news.push(((db, key), false));
        }
        self.readers.has_news.store(true, Ordering::Release);
    }
}

impl Readers {
    /// Waits for changes of these keys from now on.
    pub(crate) fn wait<'a>(self: &Arc<Readers>, db: DbIndex, keys: impl Iterator<Item = &'a [u8]>) -> Reader {
        let changed = Arc::new(Notify::new());
        let mut inner = self.inner.lock();
        inner.last_id += 1;
        let id = inner.last_id;
        let mut own: Vec<Key> = keys.map(|key| (db, Arc::from(key))).collect();
        own.sort_unstable();
        own.dedup();
        for (db, key) in &own {
            inner.waiting.insert((*db, Arc::clone(key), id), Arc::clone(&changed));
            inner.news.push(((*db, Arc::clone(key)), true));
        }
        self.has_news.store(true, Ordering::Release);
        Reader { id, keys: own, changed, readers: Arc::clone(self) }
    }

    /// Tells the keyspace which keys are awaited. The caller has locked it.
    pub(crate) fn take_over(&self, keyspace: &mut Keyspace) {
        if !self.has_news.swap(false, Ordering::AcqRel) {
            return;
        }
        for ((db, key), is_awaited) in std::mem::take(&mut self.inner.lock().news) {
            if is_awaited {
                keyspace.db_mut(db).await_key(&key);
            } else {
                keyspace.db_mut(db).release_key(&key);
            }
        }
    }

    /// A key has changed.
    pub(crate) fn changed(&self, db: DbIndex, key: &Arc<[u8]>) {
        let inner = self.inner.lock();
        let of_key = (db, Arc::clone(key), 0)..=(db, Arc::clone(key), u64::MAX);
        inner.waiting.range(of_key).for_each(|(_, changed)| changed.notify_one());
    }

    /// The keyspace is another one: it knows of nobody, and anything may have changed.
    pub(crate) fn start_anew(&self, keyspace: &mut Keyspace) {
        let mut inner = self.inner.lock();
        inner.news.clear();
        for ((db, key, _), changed) in &inner.waiting {
            keyspace.db_mut(*db).await_key(key);
            changed.notify_one();
        }
    }

    /// Everybody is to look around.
    pub(crate) fn wake_all(&self) {
        self.inner.lock().waiting.values().for_each(|changed| changed.notify_one());
    }
}

#[cfg(test)]
mod tests {
    use quorate_keyspace::{Millis, Seed, Value, Version};

    use super::*;

    #[tokio::test]
    async fn a_change_after_the_look_wakes_the_reader() {
        let readers = Arc::new(Readers::default());
        let mut keyspace = Keyspace::new(Seed([1; 16]));
        let reader = readers.wait(DbIndex::ZERO, [&b"a"[..], b"b", b"a"].into_iter());
        let change = |keyspace: &mut Keyspace, key: &[u8]| {
            readers.take_over(keyspace);
            let db = keyspace.db_mut(DbIndex::ZERO);
            db.set(key, Value::integer(1), None, Version(1));
            db.take_changed().iter().for_each(|key| readers.changed(DbIndex::ZERO, key));
        };
        change(&mut keyspace, b"b");
        reader.changed().await;
        change(&mut keyspace, b"c");
        let again = tokio::time::timeout(std::time::Duration::from_millis(1), reader.changed()).await;
        assert!(again.is_err(), "nobody waits for c");

        let mut other = Keyspace::new(Seed([1; 16]));
        readers.start_anew(&mut other);
        reader.changed().await;
        change(&mut other, b"a");
        reader.changed().await;
        drop(reader);
        readers.take_over(&mut other);
        other.db_mut(DbIndex::ZERO).remove(b"a", Millis(0), Version(2));
        assert!(!other.db(DbIndex::ZERO).has_changed());
    }
}
