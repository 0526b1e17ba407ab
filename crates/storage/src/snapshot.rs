//! Snapshots of the state machine as files: written in blocks, finished atomically, streamed by offset.
//!
//! What the blocks mean is the state machine's. A snapshot is one immutable file; a peer receives the same bytes.
//!
//! ```text
//! write:    snapshots/N.tmp  ─► blocks, manifest, trailer, sync ──────────┐
//! receive:  ID.part ◄─ bytes by offset ─► every checksum verified, sync ──┴─► rename ID.snap ─► folder sync
//! ```
//!
//! Invariants:
//! - a file `*.snap` is whole and durable; what a crash interrupts is a `*.tmp` (removed at open) or a `*.part` (kept, and
//!   taken up again at the end of its last whole block);
//! - the name holds position and checksums, so the same name means the same bytes on every node;
//! - a deleted snapshot stays readable for those who have it open.
//!
//! Snapshot tasks call it; every call blocks. The bytes are in [`format`].

use std::{
    io::IoSlice,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use bytes::Bytes;
use parking_lot::Mutex;

use crate::{disk::Disk, error::Error, id::LogId};

mod format;
mod reader;
mod receiver;
mod writer;

pub use self::{
    format::BLOCK_BYTES_MAX, format::FORMAT_VERSION, reader::SnapshotReader, receiver::SnapshotReceiver,
    writer::SnapshotWriter,
};

const FOLDER: &str = "snapshots";
/// Names of snapshots are not longer than this.
const NAME_BYTES_MAX: usize = 80;

/// Names a snapshot within a cluster: position, then checksums of what it holds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SnapshotId(String);

impl SnapshotId {
    /// Checks a name that came from a peer.
    ///
    /// # Errors
    /// [`Error::NotFound`] for a name that no snapshot can have.
    pub fn parse(name: &str) -> Result<Self, Error> {
        let is_fine = |byte: u8| byte == b'-' || byte.is_ascii_digit() || byte.is_ascii_lowercase();
        if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.bytes().all(is_fine) {
            return Err(Error::NotFound(format!("snapshot of the name {name:?}")));
        }
        Ok(Self(name.to_owned()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn path(&self) -> String {
        format!("{FOLDER}/{}.snap", self.0)
    }

    fn part_path(&self) -> String {
        format!("{FOLDER}/{}.part", self.0)
    }
}

impl std::fmt::Display for SnapshotId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a snapshot holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// Format version of the file.
    pub format: u32,
    /// Oldest format version whose reader understands it.
    pub min_reader: u32,
    /// The last entry that the state includes.
    pub last_log_id: Option<LogId>,
    /// The membership at that entry, opaque to storage.
    pub membership: Bytes,
    /// Number of blocks.
    pub blocks: u64,
    /// Bytes of all blocks together.
    pub bytes: u64,
    /// CRC-32C over the bytes of all blocks.
    pub crc: u32,
    /// When it was finished, in milliseconds since the Unix epoch by the agreed time.
    pub created_ms: u64,
}

/// A finished snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotInfo {
    /// Its name.
    pub id: SnapshotId,
    /// What it holds.
    pub manifest: Manifest,
    /// Length of the file: what a peer must receive.
    pub file_bytes: u64,
}

/// All snapshots of a node. A cheap handle; any thread.
#[derive(Clone)]
pub struct SnapshotStore {
    shared: Arc<Shared>,
}

struct Shared {
    disk: Arc<dyn Disk>,
    /// Newest first.
    finished: Mutex<Vec<SnapshotInfo>>,
    next_temporary: AtomicU64,
}

impl std::fmt::Debug for SnapshotStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SnapshotStore")
            .field("finished", &self.shared.finished.lock())
            .finish_non_exhaustive()
    }
}

impl SnapshotStore {
    /// Opens the folder `snapshots`, and removes what a crash left unfinished. A damaged snapshot is set aside under the
    /// ending `.bad`; whether it is missed is for whoever compares with the log.
    pub fn open(disk: Arc<dyn Disk>) -> Result<Self, Error> {
        let mut finished = Vec::new();
        for name in disk.list(FOLDER).map_err(|error| Error::io("list", FOLDER, error))? {
            let path = format!("{FOLDER}/{name}");
            if name.ends_with(".tmp") {
                disk.remove(&path).map_err(|error| Error::io("remove", path, error))?;
            } else if let Some(id) = name.strip_suffix(".snap") {
                match SnapshotId::parse(id).and_then(|id| reader::load_info(disk.as_ref(), &id)) {
                    Ok(info) => finished.push(info),
                    Err(error @ Error::Corrupt { .. }) => {
                        tracing::error!(%error, "a snapshot is damaged, it is set aside");
                        disk.rename(&path, &format!("{path}.bad"))
                            .map_err(|error| Error::io("rename", path, error))?;
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        finished.sort_by_key(|info| std::cmp::Reverse(sort_key(info)));
        let shared = Shared { disk, finished: Mutex::new(finished), next_temporary: AtomicU64::new(0) };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Starts writing a snapshot under a temporary name.
    pub fn create(&self) -> Result<SnapshotWriter, Error> {
        let number = self.shared.next_temporary.fetch_add(1, Relaxed);
        SnapshotWriter::create(self.clone(), format!("{FOLDER}/{number}.tmp"))
    }

    /// All finished snapshots, newest first.
    #[must_use]
    pub fn list(&self) -> Vec<SnapshotInfo> {
        self.shared.finished.lock().clone()
    }

    /// Opens the newest finished snapshot, if there is one.
    pub fn latest(&self) -> Result<Option<SnapshotReader>, Error> {
        let info = self.shared.finished.lock().first().cloned();
        info.map(|info| SnapshotReader::open(self.shared.disk.as_ref(), info)).transpose()
    }

    /// Opens a snapshot by name.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is none of that name (any more).
    pub fn open_snapshot(&self, id: &SnapshotId) -> Result<SnapshotReader, Error> {
        let info = self.find(id).ok_or_else(|| Error::NotFound(format!("snapshot {id}")))?;
        SnapshotReader::open(self.shared.disk.as_ref(), info)
    }

    /// Removes all but the newest `keep`; returns the names removed.
    pub fn delete_older(&self, keep: usize) -> Result<Vec<SnapshotId>, Error> {
        let mut removed = Vec::new();
        loop {
            let id = {
                let mut finished = self.shared.finished.lock();
                if finished.len() <= keep {
                    break;
                }
                finished.pop().map(|info| info.id)
            };
            let Some(id) = id else { break };
            self.shared.disk.remove(&id.path()).map_err(|error| Error::io("remove", id.path(), error))?;
            removed.push(id);
        }
        if !removed.is_empty() {
            self.sync_folder()?;
        }
        Ok(removed)
    }

    /// Starts, or takes up again, receiving the file of a peer's snapshot, `total_bytes` long. Parts of other snapshots
    /// are removed: only one is received at a time.
    pub fn receive(&self, id: &SnapshotId, total_bytes: u64) -> Result<SnapshotReceiver, Error> {
        for name in self.shared.disk.list(FOLDER).map_err(|error| Error::io("list", FOLDER, error))? {
            if name.strip_suffix(".part").is_some_and(|part| part != id.as_str()) {
                let path = format!("{FOLDER}/{name}");
                self.shared.disk.remove(&path).map_err(|error| Error::io("remove", path, error))?;
            }
        }
        SnapshotReceiver::open(self.clone(), id.clone(), total_bytes)
    }

    fn find(&self, id: &SnapshotId) -> Option<SnapshotInfo> {
        self.shared.finished.lock().iter().find(|info| info.id == *id).cloned()
    }

    fn sync_folder(&self) -> Result<(), Error> {
        self.shared.disk.sync_dir(FOLDER).map_err(|error| Error::io("sync", FOLDER, error))
    }

    /// Gives a whole and synced file its final name, durably, and lists it.
    fn publish(&self, temporary: &str, info: SnapshotInfo) -> Result<SnapshotInfo, Error> {
        let path = info.id.path();
        self.shared.disk.rename(temporary, &path).map_err(|error| Error::io("rename", path, error))?;
        self.sync_folder()?;
        let mut finished = self.shared.finished.lock();
        finished.retain(|known| known.id != info.id);
        finished.push(info.clone());
        finished.sort_by_key(|info| std::cmp::Reverse(sort_key(info)));
        Ok(info)
    }
}

fn sort_key(info: &SnapshotInfo) -> (Option<(u64, LogId)>, u64, SnapshotId) {
    let position = info.manifest.last_log_id.map(|id| (id.index, id));
    (position, info.manifest.created_ms, info.id.clone())
}

fn write_at(file: &dyn crate::disk::File, path: &str, offset: u64, parts: &[&[u8]]) -> Result<u64, Error> {
    let slices: Vec<IoSlice<'_>> = parts.iter().map(|part| IoSlice::new(part)).collect();
    file.write_at(offset, &slices).map_err(|error| Error::io("write", path, error))?;
    Ok(parts.iter().map(|part| part.len() as u64).sum())
}
