//! Everything of Quorate that touches a data file: the Raft log, snapshots, the node's identity and its ledger.
//!
//! It knows bytes, positions and durability; what they mean is the consensus layer's and the state machine's.
//! Invariants: what was reported as durable survives a power cut; damage is reported, never skipped; no stored byte,
//! however damaged, makes the process panic; one process at a time has a data directory open.
//!
//! A node opens its [`DataDir`] and uses its parts; tests hand in [`disk::sim::SimDisk`] instead of a folder.

#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)
)]

mod codec;
mod crc;
mod data_dir;
pub mod disk;
mod durable_sled;
mod error;
mod id;
mod identity;
mod ledger;
mod log;
mod rejoin;
mod snapshot;

pub use data_dir::{DataDir, DataDirOptions};
pub use disk::{Disk, File, RealDisk};
pub use error::{Error, ErrorKind};
pub use id::{ENTRY_OVERHEAD_BYTES, Entry, EntryKind, LeaderId, LogId, NodeId, Vote};
pub use identity::Identity;
pub use ledger::{AUDIT_LINES_MAX, Ledger, LedgerVerdict};
pub use log::FORMAT_VERSION as LOG_FORMAT_VERSION;
pub use log::{
    Done, Executor, Log, LogEngineKind, LogMetrics, LogOptions, LogState, Recovered, SyncHistogram, WhenFull,
};
pub use snapshot::FORMAT_VERSION as SNAPSHOT_FORMAT_VERSION;
pub use snapshot::{
    BLOCK_BYTES_MAX, Manifest, SnapshotId, SnapshotInfo, SnapshotReader, SnapshotReceiver, SnapshotStore,
    SnapshotWriter,
};
