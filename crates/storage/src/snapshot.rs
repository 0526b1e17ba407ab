//! Snapshots of the state machine as files: written in blocks, finished atomically, streamed by offset.

use std::sync::Arc;

use bytes::Bytes;

use crate::{disk::Disk, error::Error, id::LogId};

/// Names a snapshot within a cluster; made by the node that built it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SnapshotId(String);

impl SnapshotId {
    /// Checks a name that came from a peer.
    pub fn parse(_name: &str) -> Result<Self, Error> {
        Err(Error::Unsupported("snapshots"))
    }
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
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
    _disk: Arc<dyn Disk>,
}

impl SnapshotStore {
    /// Opens the folder `snapshots`.
    pub fn open(disk: Arc<dyn Disk>) -> Result<Self, Error> {
        Ok(Self { _disk: disk })
    }
    /// Starts writing a snapshot under a temporary name.
    pub fn create(&self) -> Result<SnapshotWriter, Error> {
        Err(Error::Unsupported("snapshots"))
    }
    /// All finished snapshots, newest first.
    #[must_use]
    pub fn list(&self) -> Vec<SnapshotInfo> {
        Vec::new()
    }
    /// The newest finished snapshot.
    pub fn latest(&self) -> Result<Option<SnapshotReader>, Error> {
        Err(Error::Unsupported("snapshots"))
    }
    /// A snapshot by name.
    pub fn open_snapshot(&self, _id: &SnapshotId) -> Result<SnapshotReader, Error> {
        Err(Error::Unsupported("snapshots"))
    }
    /// Removes all but the newest `keep`; returns the names removed.
    pub fn delete_older(&self, _keep: usize) -> Result<Vec<SnapshotId>, Error> {
        Err(Error::Unsupported("snapshots"))
    }
    /// Starts, or takes up again, receiving the file of a peer's snapshot, `total_bytes` long.
    pub fn receive(&self, _id: &SnapshotId, _total_bytes: u64) -> Result<SnapshotReceiver, Error> {
        Err(Error::Unsupported("snapshots"))
    }
}

/// A snapshot being written. Dropped unfinished, it leaves nothing.
pub struct SnapshotWriter {}

impl SnapshotWriter {
    /// Adds a block of at most [`BLOCK_BYTES_MAX`] bytes.
    pub fn write_block(&mut self, _block: &[u8]) -> Result<(), Error> {
        Err(Error::Unsupported("snapshots"))
    }
    /// Bytes of the blocks so far.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        0
    }
    /// Makes the snapshot durable and then visible.
    pub fn finish(
        self,
        _last: Option<LogId>,
        _membership: Bytes,
        _now_ms: u64,
    ) -> Result<SnapshotInfo, Error> {
        Err(Error::Unsupported("snapshots"))
    }
}

/// A block may hold this many bytes.
pub const BLOCK_BYTES_MAX: usize = 16 << 20;

/// An open snapshot; it stays readable when it is deleted meanwhile.
pub struct SnapshotReader {}

impl SnapshotReader {
    /// Name, manifest and length.
    #[must_use]
    pub fn info(&self) -> &SnapshotInfo {
        unreachable!("no reader can be made yet")
    }
    /// Bytes of the file at `offset`, for streaming; shorter at the end, empty beyond it.
    pub fn read_at(&self, _offset: u64, _bytes_max: usize) -> Result<Bytes, Error> {
        Err(Error::Unsupported("snapshots"))
    }
    /// The next block in order, verified; `None` after the last.
    pub fn next_block(&mut self) -> Result<Option<Bytes>, Error> {
        Err(Error::Unsupported("snapshots"))
    }
    /// Reads everything and checks every checksum.
    pub fn verify(&self) -> Result<(), Error> {
        Err(Error::Unsupported("snapshots"))
    }
}

/// A peer's snapshot on its way in. Dropped unfinished, it stays, to be taken up again by the same name.
pub struct SnapshotReceiver {}

impl SnapshotReceiver {
    /// The offset at which the next bytes are expected.
    #[must_use]
    pub fn offset(&self) -> u64 {
        0
    }
    /// Takes bytes at `offset`, which must be [`Self::offset`] or before it (a repeat); returns the next offset.
    pub fn write_at(&mut self, _offset: u64, _bytes: &[u8]) -> Result<u64, Error> {
        Err(Error::Unsupported("snapshots"))
    }
    /// Verifies everything, makes it durable, then visible. A damaged one is removed.
    pub fn finish(self) -> Result<SnapshotInfo, Error> {
        Err(Error::Unsupported("snapshots"))
    }
    /// Gives up and removes what was received.
    pub fn abort(self) -> Result<(), Error> {
        Err(Error::Unsupported("snapshots"))
    }
}
