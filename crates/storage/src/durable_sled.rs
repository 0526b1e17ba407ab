//! sled, made durable: the one place that opens and commits to a sled database.
//!
//! sled 0.34's `flush` reaches neither the device nor the file system's metadata on Linux (`sync_file_range` alone), and
//! values above some kilobytes go to files that it never syncs. Measured with power cuts, it loses everything in most of
//! them. What survived every cut, and is done here:
//!
//! 1. no background flusher, no compression;
//! 2. after opening: sync `conf`, `db`, `blobs/`, the folder and its parent;
//! 3. commit = apply the batch, `flush`, then `fdatasync` through a handle of our own on `db`;
//! 4. values of at most [`VALUE_BYTES_MAX`] bytes, larger ones split over keys, so that no blob file is made;
//! 5. a sentinel key: a damaged database may open *empty and without an error*, and may also panic; both are caught.
//!
//! Who uses it must be able to lose it all the same. Panics are caught, which needs `panic = "unwind"`.

use std::{
    fs, io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::{Duration, Instant},
};

use crate::error::Error;

/// Larger values would end up in blob files, which sled never syncs.
pub(crate) const VALUE_BYTES_MAX: usize = 4000;
const CACHE_BYTES: u64 = 8 << 20;
const LOCK_WAIT_MAX: Duration = Duration::from_secs(5);
const SENTINEL_KEY: &[u8] = b"\0sentinel";
const SENTINEL_VALUE: &[u8] = b"quorate sled store 1";

/// How a database was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// There was none; it was made.
    New,
    /// It was there, with its sentinel.
    Existing,
}

/// A key and its value.
pub(crate) type Pair = (Vec<u8>, Vec<u8>);

/// An open database. Every commit is durable when it returns.
#[derive(Debug)]
pub(crate) struct DurableSled {
    db: sled::Db,
    folder: PathBuf,
    /// Our own handle of sled's `db` file, for the syncs that sled leaves out.
    file: fs::File,
    syncs: AtomicU64,
}

/// Changes to be committed together.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    batch: sled::Batch,
    is_empty: bool,
}

impl Changes {
    pub(crate) fn new() -> Self {
        Self { batch: sled::Batch::default(), is_empty: true }
    }

    /// Sets a key; the value must have at most [`VALUE_BYTES_MAX`] bytes.
    pub(crate) fn set(&mut self, key: &[u8], value: &[u8]) {
        debug_assert!(value.len() <= VALUE_BYTES_MAX);
        self.batch.insert(key, value);
        self.is_empty = false;
    }

    /// Sets a value of any size, split over keys `key` + number of the piece (2 bytes, big-endian).
    pub(crate) fn set_split(&mut self, key: &[u8], value: &[u8]) {
        let pieces = value.chunks(VALUE_BYTES_MAX).chain(value.is_empty().then_some(value));
        for (number, piece) in pieces.enumerate() {
            let mut key = key.to_vec();
            key.extend_from_slice(&(number as u32).to_be_bytes());
            self.set(&key, piece);
        }
    }

    pub(crate) fn remove(&mut self, key: &[u8]) {
        self.batch.remove(key);
        self.is_empty = false;
    }
}

impl DurableSled {
    /// Opens the database in `folder`, or makes one.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if it does not open, panics, or lost its content.
    pub(crate) fn open(folder: &Path) -> Result<(Self, Found), Error> {
        let name = folder.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let existed = folder.join("db").exists();
        let config = sled::Config::default()
            .path(folder)
            .mode(sled::Mode::HighThroughput)
            .cache_capacity(CACHE_BYTES)
            .flush_every_ms(None);
        let db =
            open_unlocked(&config).map_err(|error| Error::corrupt(name.as_str(), 0, error.to_string()))?;
        let io = |error| Error::io("open", name.as_str(), error);
        let file = fs::OpenOptions::new().read(true).write(true).open(folder.join("db")).map_err(io)?;
        sync_tree(folder).map_err(|error| Error::io("sync", name.as_str(), error))?;
        let store = Self { db, folder: folder.to_owned(), file, syncs: AtomicU64::new(0) };
        let sentinel = store.get(SENTINEL_KEY)?;
        match (existed, sentinel.as_deref() == Some(SENTINEL_VALUE)) {
            (_, true) => Ok((store, Found::Existing)),
            (true, false) if !store.is_empty()? => {
                Err(Error::corrupt(name, 0, "the database lost its sentinel"))
            }
            // A crash before the first commit leaves a database without content; one that had content had a sentinel.
            (true, false) if store.db.was_recovered() => {
                Err(Error::corrupt(name, 0, "the database lost its content"))
            }
            (_, false) => {
                let mut changes = Changes::new();
                changes.set(SENTINEL_KEY, SENTINEL_VALUE);
                store.commit(changes)?;
                sync_tree(folder).map_err(|error| Error::io("sync", name.as_str(), error))?;
                Ok((store, Found::New))
            }
        }
    }

    /// Makes the changes durable, all or none.
    pub(crate) fn commit(&self, changes: Changes) -> Result<(), Error> {
        if changes.is_empty {
            return Ok(());
        }
        guard(|| {
            self.db.apply_batch(changes.batch)?;
            self.db.flush()
        })?;
        self.file.sync_data().map_err(|error| Error::io("sync", "db", error))?;
        self.syncs.fetch_add(1, Relaxed);
        Ok(())
    }

    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        Ok(guard(|| self.db.get(key))?.map(|value| value.to_vec()))
    }

    /// All pairs whose key begins with `prefix`, in order.
    pub(crate) fn scan(&self, prefix: &[u8]) -> Result<Vec<Pair>, Error> {
        self.collect(self.db.scan_prefix(prefix))
    }

    /// Pairs from key `start` on and before `end`, in order, until `take` says that it is enough.
    pub(crate) fn for_each(
        &self,
        start: &[u8],
        end: &[u8],
        mut take: impl FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), Error> {
        guard(|| {
            for pair in self.db.range(start..end) {
                let (key, value) = pair?;
                if !take(&key, &value) {
                    break;
                }
            }
            Ok(())
        })
    }

    /// A value that was set with [`Changes::set_split`].
    pub(crate) fn get_split(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        let pieces = self.scan(key)?;
        if pieces.is_empty() {
            return Ok(None);
        }
        Ok(Some(pieces.into_iter().flat_map(|(_, piece)| piece).collect()))
    }

    /// Removes the pieces of a split value with the next commit.
    pub(crate) fn remove_split(&self, key: &[u8], changes: &mut Changes) -> Result<(), Error> {
        for (key, _) in self.scan(key)? {
            changes.remove(&key);
        }
        Ok(())
    }

    /// How often this database was synced.
    #[cfg(test)]
    pub(crate) fn syncs(&self) -> u64 {
        self.syncs.load(Relaxed)
    }

    /// Bytes of the database's file, which never shrinks by itself.
    pub(crate) fn file_bytes(&self) -> Result<u64, Error> {
        Ok(self.file.metadata().map_err(|error| Error::io("measure", "db", error))?.len())
    }

    /// Writes the content into a new database in `folder`, which takes only the room that it needs.
    pub(crate) fn copy_to(&self, folder: &Path) -> Result<(), Error> {
        let (copy, _) = Self::open(folder)?;
        let mut changes = Changes::new();
        for (key, value) in self.scan(b"")? {
            changes.set(&key, &value);
        }
        copy.commit(changes)
    }

    fn is_empty(&self) -> Result<bool, Error> {
        guard(|| Ok(self.db.is_empty()))
    }

    fn collect(&self, pairs: sled::Iter) -> Result<Vec<Pair>, Error> {
        guard(|| pairs.map(|pair| pair.map(|(key, value)| (key.to_vec(), value.to_vec()))).collect())
    }
}

impl Drop for DurableSled {
    fn drop(&mut self) {
        // Nothing is pending; this only tells of a folder that went away.
        if let Err(error) = sync_tree(&self.folder) {
            tracing::debug!(%error, "the database's folder cannot be synced");
        }
    }
}

/// Opens the database. Within one process sled's threads may hold the file's lock for a moment after a database was
/// dropped; other processes are kept away by the lock of the data directory.
fn open_unlocked(config: &sled::Config) -> Result<sled::Db, Error> {
    let deadline = Instant::now() + LOCK_WAIT_MAX;
    loop {
        match guard(|| config.open()) {
            Err(Error::Sled(sled::Error::Io(error)))
                if error.to_string().contains("could not acquire lock") && Instant::now() < deadline =>
            {
                std::thread::sleep(Duration::from_millis(5));
            }
            result => return result,
        }
    }
}

/// Runs a call into sled, and makes its panics errors.
fn guard<T>(call: impl FnOnce() -> Result<T, sled::Error>) -> Result<T, Error> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(result) => Ok(result?),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
            Err(Error::corrupt("sled", 0, format!("the database panicked: {text}")))
        }
    }
}

/// Syncs all files that sled keeps in a folder, the folder and its parent.
fn sync_tree(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            for blob in fs::read_dir(entry.path())? {
                fs::File::open(blob?.path())?.sync_all()?;
            }
        }
        fs::File::open(entry.path())?.sync_all()?;
    }
    fs::File::open(folder)?.sync_all()?;
    match folder.parent() {
        Some(parent) => fs::File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_commit_is_synced_once_and_makes_no_blob() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db");
        let (store, found) = DurableSled::open(&path).unwrap();
        assert_eq!((found, store.syncs()), (Found::New, 1));
        for number in 0..20_u8 {
            let mut changes = Changes::new();
            changes.set_split(&[b'x', number], &vec![number; 150_000]);
            changes.set_split(&[b'y', number], b"");
            store.commit(changes).unwrap();
        }
        assert_eq!(store.syncs(), 21);
        store.commit(Changes::new()).unwrap();
        assert_eq!(store.syncs(), 21, "nothing to commit, nothing to sync");
        drop(store);
        assert_eq!(fs::read_dir(path.join("blobs")).unwrap().count(), 0);
        let (store, found) = DurableSled::open(&path).unwrap();
        assert_eq!(found, Found::Existing);
        assert_eq!(store.get_split(b"x\x07").unwrap().unwrap(), vec![7; 150_000]);
        assert_eq!(store.get_split(b"y\x07").unwrap().unwrap(), b"");
        assert_eq!(store.get_split(b"z").unwrap(), None);
    }

    #[test]
    fn a_database_that_lost_its_content_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db");
        drop(DurableSled::open(&path).unwrap());
        let db = sled::open(&path).unwrap();
        db.remove(SENTINEL_KEY).unwrap();
        db.insert("other", "value").unwrap();
        db.flush().unwrap();
        drop(db);
        assert!(matches!(DurableSled::open(&path), Err(Error::Corrupt { .. })));
    }
}
