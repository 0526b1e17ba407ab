//! A node's data directory as a whole: lock, identity, log, snapshots, ledger, opened in this order.
//!
//! ```text
//! lock          held while a process has the directory open; names its process id
//! identity      who this node is
//! log/          segments of the Raft log (or log-sled/)
//! snapshots/    snapshots of the state machine
//! ledger/       the second memory
//! ```
//!
//! A node opens it once at start. Invariant: nothing of it is read or written before the lock is held.

use std::{io, sync::Arc};

use crate::{
    disk::{Disk, LockGuard},
    error::Error,
    id::NodeId,
    identity::Identity,
    ledger::{Ledger, LedgerVerdict},
    log::{Executor, Log, LogEngineKind, LogOptions, Recovered},
    snapshot::SnapshotStore,
};

const LOCK_PATH: &str = "lock";

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

impl DataDirOptions {
    /// What production uses, for `node_id`.
    #[must_use]
    pub fn new(node_id: NodeId) -> Self {
        Self {
            node_id,
            log: LogOptions::default(),
            engine: LogEngineKind::default(),
            executor: Executor::default(),
            ledger: true,
        }
    }
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
    /// Whether this node may vote with what it found.
    pub verdict: LedgerVerdict,
    disk: Arc<dyn Disk>,
    // Last, so that it is given back after everything else is closed.
    _lock: Box<dyn LockGuard>,
}

impl std::fmt::Debug for DataDir {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DataDir")
            .field("identity", &self.identity)
            .field("recovered", &self.recovered)
            .field("verdict", &self.verdict)
            .finish_non_exhaustive()
    }
}

impl DataDir {
    /// Takes the lock, raises the incarnation, recovers everything.
    ///
    /// # Errors
    /// [`Error::Locked`] if another process has it open, [`Error::Identity`] if it belongs to another node,
    /// [`Error::Corrupt`] if identity or log are damaged.
    pub fn open(disk: Arc<dyn Disk>, options: DataDirOptions) -> Result<Self, Error> {
        let lock = take_lock(disk.as_ref())?;
        let mut identity = Identity::open(disk.as_ref(), options.node_id)?;
        let (log, recovered) = Log::open(Arc::clone(&disk), options.log, options.engine, options.executor)?;
        let snapshots = SnapshotStore::open(Arc::clone(&disk))?;
        let (ledger, opened) = match disk.folder().filter(|_| options.ledger) {
            Some(folder) => Ledger::open(folder),
            None => (Ledger::off(), None),
        };
        let verdict = match ledger.check(&recovered)? {
            LedgerVerdict::Fine => missing_snapshot(&recovered, &snapshots)
                .or(opened.filter(|_| !recovered.is_new).map(LedgerVerdict::Rebuilt))
                .unwrap_or(LedgerVerdict::Fine),
            verdict => verdict,
        };
        // An identity file that went back must not give an incarnation twice: sequences would look like repeats.
        let remembered = ledger.identity()?.map_or(0, |identity| identity.incarnation);
        if remembered >= identity.incarnation {
            identity.incarnation = remembered.saturating_add(1);
            identity.save(disk.as_ref())?;
        }
        ledger.record_identity(&identity)?;
        Ok(Self { identity, log, recovered, snapshots, ledger, verdict, disk, _lock: lock })
    }

    /// Makes the cluster's id durable, once it is formed or joined. The same id again is fine.
    ///
    /// # Errors
    /// [`Error::Identity`] if the directory belongs to another cluster.
    pub fn set_cluster_id(&mut self, cluster_id: u128) -> Result<(), Error> {
        match self.identity.cluster_id {
            Some(found) if found == cluster_id => return Ok(()),
            Some(found) => {
                let (expected, found) =
                    (format!("cluster {cluster_id:032x}"), format!("cluster {found:032x}"));
                return Err(Error::Identity { expected, found });
            }
            None => {}
        }
        let identity = Identity { cluster_id: Some(cluster_id), ..self.identity };
        identity.save(self.disk.as_ref())?;
        self.identity = identity;
        self.ledger.record_identity(&identity)
    }
}

fn take_lock(disk: &dyn Disk) -> Result<Box<dyn LockGuard>, Error> {
    disk.lock(LOCK_PATH, format!("{}\n", std::process::id()).as_bytes()).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => Error::Locked { holder: error.to_string().parse().ok() },
        _ => Error::io("lock", LOCK_PATH, error),
    })
}

/// Entries are purged only once a snapshot holds them: without it, they are lost to this node.
fn missing_snapshot(recovered: &Recovered, snapshots: &SnapshotStore) -> Option<LedgerVerdict> {
    let purged = recovered.state.purged?;
    let snapshot = snapshots.list().first().and_then(|info| info.manifest.last_log_id);
    let is_covered = snapshot.is_some_and(|snapshot| snapshot.index >= purged.index);
    (!is_covered).then_some(LedgerVerdict::SnapshotLost { purged, snapshot })
}
