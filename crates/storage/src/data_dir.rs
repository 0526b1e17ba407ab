//! A node's data directory as a whole: lock, identity, log, snapshots, ledger, opened in this order.

use std::sync::Arc;

use crate::{
    disk::{Disk, LockGuard},
    error::Error,
    id::NodeId,
    identity::Identity,
    ledger::{Ledger, LedgerVerdict},
    log::{Executor, Log, LogEngineKind, LogOptions, Recovered},
    snapshot::SnapshotStore,
};

/// How to open a data directory.
#[derive(Clone, Debug)]
pub struct DataDirOptions {
    /// The node that it must belong to; a new directory is made for it.
    pub node_id: NodeId,
    /// The log's sizes and limits.
    pub log: LogOptions,
    /// The log's format.
    pub engine: LogEngineKind,
    /// Who writes the log.
    pub executor: Executor,
    /// Whether to keep the ledger; it is always off on a disk without a real folder.
    pub ledger: bool,
}

/// An open data directory. Keep it while its parts are in use: it holds the lock.
pub struct DataDir {
    /// Who this node is; its incarnation is already durable.
    pub identity: Identity,
    /// The log.
    pub log: Log,
    /// What the log recovered.
    pub recovered: Recovered,
    /// The snapshots.
    pub snapshots: SnapshotStore,
    /// The ledger.
    pub ledger: Ledger,
    /// What the ledger says about the log.
    pub verdict: LedgerVerdict,
    _disk: Arc<dyn Disk>,
    _lock: Box<dyn LockGuard>,
}

impl DataDir {
    /// Takes the lock, raises the incarnation, recovers everything.
    ///
    /// # Errors
    /// [`Error::Locked`] if another process has it open, [`Error::Identity`] if it belongs to another node.
    pub fn open(_disk: Arc<dyn Disk>, _options: DataDirOptions) -> Result<Self, Error> {
        Err(Error::Unsupported("data directories"))
    }

    /// Makes the cluster's id durable, once it is formed or joined. The same id again is fine.
    ///
    /// # Errors
    /// [`Error::Identity`] if the directory belongs to another cluster.
    pub fn set_cluster_id(&mut self, _cluster_id: u128) -> Result<(), Error> {
        Err(Error::Unsupported("data directories"))
    }
}
