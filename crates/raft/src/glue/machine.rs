//! openraft's state machine over the node's, and snapshots of it.
//!
//! The machine is not durable: at start openraft installs the latest snapshot through here and applies what the log
//! knows to be committed. A capture is taken on the apply path in O(1) and written by another task. A snapshot is
//! finished in the store (synced, renamed, folder synced) before openraft hears of it, so a purge never comes too early.

use std::{io, sync::Arc};

use futures_util::{Stream, StreamExt};
use openraft::{
    EntryPayload, OptionalSend, RaftSnapshotBuilder, Snapshot,
    storage::{EntryResponder, RaftStateMachine},
};
use parking_lot::Mutex;
use quorate_storage::{ErrorKind, Executor, SnapshotInfo, SnapshotReader, SnapshotStore};

use tokio::runtime::{Handle, RuntimeFlavor};

use super::{Shared, blocking};
use crate::{
    Capture, Committed, Fault, Members, Payload, StateMachine,
    types::{self, Data, OEntry, OLogId, OSnapshotMeta, OStoredMembership, TypeConfig},
    wire::membership,
};

/// Entries that the machine is given at once.
const CHUNK_ENTRIES_MAX: usize = 1024;

/// A finished snapshot, open for reading. Without one where openraft must be given something that it then ignores.
pub(crate) struct SnapshotFile(pub(crate) Option<SnapshotReader>);

pub(crate) type OSnapshot = Snapshot<types::OLeaderId, u64, crate::NodeInfo, SnapshotFile>;

/// What openraft applies to.
pub(crate) struct MachineStore {
    shared: Arc<Shared>,
    machine: Arc<Mutex<dyn StateMachine>>,
    applied: Option<OLogId>,
    membership: OStoredMembership,
    /// Always, but for openraft's own suite, which applies entries with gaps.
    pub(crate) refuses_gaps: bool,
}

impl MachineStore {
    pub(crate) fn new(shared: Arc<Shared>, machine: impl StateMachine) -> Self {
        Self {
            shared,
            machine: Arc::new(Mutex::new(machine)),
            applied: None,
            membership: OStoredMembership::default(),
            refuses_gaps: true,
        }
    }

    /// Whether the runtime can go on with other tasks on another thread while this one is busy.
    fn may_hand_over(&self) -> bool {
        self.shared.executor == Executor::Thread
            && Handle::current().runtime_flavor() == RuntimeFlavor::MultiThread
    }

    #[cfg(test)]
    pub(crate) fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.shared)
    }

    /// # Errors
    /// If the entry does not follow the last applied one: skipping any would make this state another than its peers'.
    fn committed(&mut self, entry: OEntry) -> Result<Committed, Fault> {
        let id = types::log_id(&entry.log_id);
        if let Some(applied) =
            self.applied.filter(|applied| self.refuses_gaps && applied.index + 1 != id.index)
        {
            return Err(Fault::new(format!("entry {id} cannot be applied after {applied}")));
        }
        self.applied = Some(entry.log_id);
        let payload = match entry.payload {
            EntryPayload::Blank => Payload::Blank,
            EntryPayload::Normal(Data(bytes)) => Payload::Data(bytes),
            EntryPayload::Membership(membership) => {
                let members = types::members(&membership);
                self.membership = OStoredMembership::new(Some(entry.log_id), membership);
                Payload::Members(members)
            }
        };
        Ok(Committed { id, payload })
    }

    /// Keeps the reason for the metrics, and wraps it for openraft.
    fn fault(&self, fault: Fault) -> io::Error {
        self.shared.fault(fault.to_string());
        io::Error::other(fault)
    }

    fn builder(&mut self) -> SnapshotBuilder {
        let capture = self.applied.is_some().then(|| self.machine.lock().capture());
        SnapshotBuilder {
            shared: Arc::clone(&self.shared),
            capture: Mutex::new(capture),
            last: self.applied,
            membership: self.membership.clone(),
        }
    }
}

impl RaftStateMachine<TypeConfig> for MachineStore {
    type SnapshotData = SnapshotFile;
    type SnapshotBuilder = SnapshotBuilder;

    async fn applied_state(&mut self) -> Result<(Option<OLogId>, OStoredMembership), io::Error> {
        Ok((self.applied, self.membership.clone()))
    }

    async fn apply<Strm>(&mut self, entries: Strm) -> Result<(), io::Error>
    where
        Strm: Stream<Item = Result<EntryResponder<TypeConfig>, io::Error>> + Unpin + OptionalSend,
    {
        let mut chunks = entries.ready_chunks(CHUNK_ENTRIES_MAX);
        while let Some(chunk) = chunks.next().await {
            let mut committed = Vec::with_capacity(chunk.len());
            let mut responders = Vec::new();
            for item in chunk {
                let (entry, responder) = item.inspect_err(|error| self.shared.fault(error.to_string()))?;
                committed.push(self.committed(entry).map_err(|fault| self.fault(fault))?);
                responders.extend(responder);
            }
            self.shared.note_committed(committed.last().map(|entry| entry.id));
            let applied = {
                let mut machine = self.machine.lock();
                if self.may_hand_over() && machine.takes_long(&committed) {
                    tokio::task::block_in_place(|| machine.apply(committed))
                } else {
                    machine.apply(committed)
                }
            };
            applied.map_err(|fault| self.fault(fault))?;
            for responder in responders {
                responder.send(());
            }
        }
        Ok(())
    }

    async fn try_create_snapshot_builder(&mut self, _force: bool) -> Option<Self::SnapshotBuilder> {
        Some(self.builder())
    }

    async fn get_snapshot_builder(&mut self) -> Self::SnapshotBuilder {
        self.builder()
    }

    async fn install_snapshot(
        &mut self,
        meta: &OSnapshotMeta,
        snapshot: SnapshotFile,
    ) -> Result<(), io::Error> {
        let (Some(last), Some(reader)) = (meta.last_log_id, snapshot.0) else {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the snapshot to install is empty"));
        };
        let members = types::members(meta.last_membership.membership());
        let machine = Arc::clone(&self.machine);
        let store = self.shared.snapshots.clone();
        let install = move || {
            adopt(&store, &reader).map_err(Fault::new)?;
            install(&machine, types::log_id(&last), &members, reader)
        };
        blocking(self.shared.executor, install).await.map_err(|fault| self.fault(fault))?;
        self.applied = Some(last);
        self.membership = meta.last_membership.clone();
        tracing::info!(%last, "a snapshot is installed");
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<OSnapshot>, io::Error> {
        let reader = self.shared.snapshots.latest().map_err(io::Error::other)?;
        reader.map(open_snapshot).transpose()
    }
}

/// What a copy reads at once.
const COPY_BYTES: usize = 1 << 20;

/// Makes the snapshot one of this node's own, durably, before anything is changed. It is one already when it came through
/// the peer protocol.
fn adopt(store: &SnapshotStore, reader: &SnapshotReader) -> Result<(), quorate_storage::Error> {
    let info = reader.info();
    if store.list().iter().any(|known| known.id == info.id) {
        return Ok(());
    }
    let mut receiver = store.receive(&info.id, info.file_bytes)?;
    while receiver.offset() < info.file_bytes {
        let offset = receiver.offset();
        receiver.write_at(offset, &reader.read_at(offset, COPY_BYTES)?)?;
    }
    receiver.finish().map(drop)
}

fn install(
    machine: &Mutex<dyn StateMachine>,
    last: quorate_storage::LogId,
    members: &Members,
    mut reader: SnapshotReader,
) -> Result<(), Fault> {
    let mut failed = None;
    let mut blocks = std::iter::from_fn(|| match reader.next_block() {
        Ok(block) => block.map(Ok),
        Err(error) => {
            failed = Some(error.to_string());
            Some(Err(Fault::new(error)))
        }
    })
    .fuse();
    machine.lock().install(last, members, &mut blocks)?;
    // A machine that ignores a failed read, or does not read to the end, must not be taken for complete.
    let rest = blocks.next().is_some();
    match failed {
        Some(reason) => Err(Fault::new(reason)),
        None if rest => Err(Fault::new("the state machine did not read the whole snapshot")),
        None => Ok(()),
    }
}

/// The snapshot as openraft knows it.
pub(crate) fn open_snapshot(reader: SnapshotReader) -> Result<OSnapshot, io::Error> {
    let meta = meta_of(reader.info())?;
    Ok(Snapshot { meta, snapshot: SnapshotFile(Some(reader)) })
}

fn meta_of(info: &SnapshotInfo) -> Result<OSnapshotMeta, io::Error> {
    let (log_id, members) = membership::decode_stored(&info.manifest.membership).map_err(io::Error::other)?;
    let membership = types::o_membership(&members).map_err(io::Error::other)?;
    Ok(OSnapshotMeta {
        last_log_id: info.manifest.last_log_id.map(types::o_log_id),
        last_membership: OStoredMembership::new(log_id.map(types::o_log_id), membership),
    })
}

/// Writes one capture to the store.
pub(crate) struct SnapshotBuilder {
    shared: Arc<Shared>,
    /// The lock only makes it `Sync`, which openraft asks for.
    capture: Mutex<Option<Box<dyn Capture>>>,
    last: Option<OLogId>,
    membership: OStoredMembership,
}

impl RaftSnapshotBuilder<TypeConfig> for SnapshotBuilder {
    type SnapshotData = SnapshotFile;

    async fn build_snapshot(&mut self) -> Result<OSnapshot, io::Error> {
        let Some(capture) = self.capture.lock().take() else { return Ok(nothing()) };
        let last = self.last.as_ref().map(types::log_id);
        let members = types::members(self.membership.membership());
        let membership =
            membership::encode_stored(self.membership.log_id().as_ref().map(types::log_id), &members);
        let shared = Arc::clone(&self.shared);
        self.shared.figures.lock().is_running = true;
        let write = move || write(&shared, capture, last, membership);
        let written = blocking(self.shared.executor, write).await;
        {
            let mut figures = self.shared.figures.lock();
            figures.is_running = false;
            figures.has_failed = written.is_err();
            figures.written += u64::from(written.is_ok());
        }
        match written {
            Ok(reader) => open_snapshot(reader),
            Err(error) if error.kind() == ErrorKind::DiskFull => {
                // Not a fault: the log still has everything. openraft ignores a snapshot older than it knows.
                tracing::warn!(%error, "there is no room for a snapshot");
                self.shared.snapshot_failed.send_modify(|(count, reason)| {
                    *count += 1;
                    *reason = error.to_string();
                });
                Ok(nothing())
            }
            Err(error) => {
                self.shared.fault(error.to_string());
                Err(io::Error::other(error))
            }
        }
    }
}

fn nothing() -> OSnapshot {
    Snapshot { meta: OSnapshotMeta::default(), snapshot: SnapshotFile(None) }
}

fn write(
    shared: &Shared,
    mut capture: Box<dyn Capture>,
    last: Option<quorate_storage::LogId>,
    membership: Vec<u8>,
) -> Result<SnapshotReader, quorate_storage::Error> {
    let mut writer = shared.snapshots.create()?;
    while let Some(block) = capture.next_block() {
        writer.write_block(&block)?;
    }
    let agreed_ms = capture.agreed_ms();
    // The capture holds memory that the state machine has since replaced.
    drop(capture);
    let info = writer.finish(last, membership.into(), agreed_ms)?;
    let reader = shared.snapshots.open_snapshot(&info.id)?;
    shared.snapshots.delete_older(shared.options.snapshots_kept)?;
    tracing::info!(id = %info.id, bytes = info.file_bytes, "a snapshot is written");
    Ok(reader)
}
