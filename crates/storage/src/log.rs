//! The Raft log: entries, vote and committed position, durable in the order in which they were given.
//!
//! [`Log`] is the front: it keeps the order, the readable tail in memory, and one writer that turns all that is queued
//! into one *group*, one vectored write and one sync. What a group looks like on disk is left to a `LogEngine`:
//! `segments` (the default) or `sled_engine`.
//!
//! ```text
//! append ─┐                       ┌─ engine.write(group): one write, one fdatasync
//! vote ───┼─► queue ─► writer ────┤
//! purge ──┘     │                 └─► done callbacks, in order, on the writer's thread
//!               └─► view and memory tail: readable at once
//! ```
//!
//! Invariants:
//! - `done(Ok)` is called only after the sync that covers the operation returned, in the order of the calls;
//!   so a vote reported as saved implies that every entry appended before it is saved as well;
//! - an entry leaves the memory only when it is durable, so reading never waits for the writer;
//! - after a failed write or sync nothing is written any more: the log is poisoned until a restart recovers it;
//! - a full disk is not such a failure: the appends concerned fail, or wait, and leave no trace.
//!
//! Any thread may call [`Log`]; `append` and its kind do not block. `read` may read the disk.

use std::{ops::Range, sync::Arc};

use crate::{
    disk::Disk,
    error::Error,
    id::{Entry, LogId, Vote},
};

mod engine;
mod front;
mod metrics;
mod segments;
mod sled_engine;
mod view;

pub(crate) use self::engine::{LogEngine, LogReader, Record};
use self::front::Handle;
pub use self::metrics::{LogMetrics, SyncHistogram};
pub use self::segments::FORMAT_VERSION;

/// Limits and sizes of a log.
#[derive(Clone, Debug)]
pub struct LogOptions {
    /// Size of a segment file in bytes; a larger single append gets a segment of its own size.
    pub segment_bytes: u64,
    /// Recent entries that stay readable from memory, in bytes. Entries not yet durable come on top.
    pub recent_bytes_max: usize,
    /// A group takes no further operation once it holds this many bytes.
    pub group_bytes_max: usize,
    /// Purged segments that are kept for reuse instead of being removed.
    pub recycled_segments_max: usize,
    /// What an append does for which there is no room.
    pub when_full: WhenFull,
    /// Seed of the segments' salts; `None` draws one. Set it where runs must replay exactly.
    pub salt_seed: Option<u64>,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self {
            segment_bytes: 64 << 20,
            recent_bytes_max: 64 << 20,
            group_bytes_max: 8 << 20,
            recycled_segments_max: 2,
            when_full: WhenFull::Fail,
            salt_seed: None,
        }
    }
}

/// What an append does for which there is no room on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenFull {
    /// Its `done` gets [`Error::DiskFull`]; it and the appends queued behind it are no longer readable.
    Fail,
    /// It stays readable, and waits until there is room; its `done` is called then. Operations behind it wait as well.
    /// [`LogState::disk_full`] tells the proposer to stop. Ignored by [`Executor::Inline`], which cannot wait.
    Wait,
}

/// Which format the log has on disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogEngineKind {
    /// Segmented write-ahead log: the default.
    #[default]
    Segments,
    /// The sled database; several times slower, experimental, never gives room back. Needs a real folder.
    Sled,
}

/// Who writes and syncs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Executor {
    /// A thread of the log's own. For production.
    #[default]
    Thread,
    /// The caller, before the call returns. For simulation: no threads, the same order of disk operations in each run.
    Inline,
}

/// Called once when an operation is durable or has failed, on the thread that synced.
pub type Done = Box<dyn FnOnce(Result<(), Arc<Error>>) + Send + 'static>;

/// Where the log stands, as the next read would see it (durable or not).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogState {
    /// The last entry, or the purged position if no entry follows it.
    pub last: Option<LogId>,
    /// Everything up to here is no longer in the log.
    pub purged: Option<LogId>,
    /// The saved vote.
    pub vote: Option<Vote>,
    /// The last committed position that was saved.
    pub committed: Option<LogId>,
    /// Bytes of the entries in the log.
    pub bytes: u64,
    /// Bytes of the operations that are not durable yet.
    pub unsynced_bytes: u64,
    /// The last attempt to make room for entries failed; proposals should be refused until it clears.
    pub disk_full: bool,
}

/// What was found at start.
#[derive(Clone, Debug, Default)]
pub struct Recovered {
    /// The log as recovered.
    pub state: LogState,
    /// Entries in it.
    pub entries: u64,
    /// Bytes of an unfinished last group that were cut; it had never been reported as durable.
    pub torn_bytes: u64,
    /// Files read.
    pub segments: u64,
    /// Whether there was no log before.
    pub is_new: bool,
}

/// A cheap handle to a node's log. The log closes when the last handle is dropped.
#[derive(Clone)]
pub struct Log {
    handle: Arc<Handle>,
}

impl std::fmt::Debug for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Log").field("state", &self.state()).finish_non_exhaustive()
    }
}

impl Log {
    /// Recovers the log on `disk` (folder `log`), or makes a new one, and starts its writer.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if there is damage that a torn last write does not explain; nothing was changed then.
    pub fn open(
        disk: Arc<dyn Disk>,
        options: LogOptions,
        engine: LogEngineKind,
        executor: Executor,
    ) -> Result<(Self, Recovered), Error> {
        let (engine, recovery) = engine::open(&disk, &options, engine, executor)?;
        let (handle, recovered) = Handle::start(engine, recovery, options, executor)?;
        Ok((Self { handle: Arc::new(handle) }, recovered))
    }

    /// Appends entries, which must follow the last one. They are readable when the call returns, and durable when
    /// `done(Ok)` is called. An empty log takes any first index.
    pub fn append(&self, entries: Vec<Entry>, done: impl FnOnce(Result<(), Arc<Error>>) + Send + 'static) {
        self.handle.append(entries, Box::new(done));
    }

    /// Saves the vote, after everything given before. Durable when `done(Ok)` is called.
    pub fn save_vote(&self, vote: Vote, done: impl FnOnce(Result<(), Arc<Error>>) + Send + 'static) {
        self.handle.save_vote(vote, Box::new(done));
    }

    /// Remembers the committed position. Lazy: it rides with the next group and is never synced for itself, so a crash
    /// may bring back an older one.
    pub fn save_committed(&self, committed: LogId) {
        self.handle.save_committed(committed);
    }

    /// Removes the entries after `last`, all of them for `None`. Durable when `done(Ok)` is called.
    pub fn truncate_after(
        &self,
        last: Option<LogId>,
        done: impl FnOnce(Result<(), Arc<Error>>) + Send + 'static,
    ) {
        self.handle.truncate_after(last, Box::new(done));
    }

    /// Gives up the entries up to and including `upto`, which may lie beyond the last one (a snapshot was installed).
    /// Call it only when the snapshot that replaces them is durable. Files are given back some time after `done(Ok)`.
    pub fn purge(&self, upto: LogId, done: impl FnOnce(Result<(), Arc<Error>>) + Send + 'static) {
        self.handle.purge(upto, Box::new(done));
    }

    /// The entries of `range` that the log has, in order, ending early once `bytes_max` is reached (but never before
    /// the first). From memory where possible, else from disk.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if the disk does not give back what was written, and whatever the disk fails with.
    pub fn read(&self, range: Range<u64>, bytes_max: usize) -> Result<Vec<Entry>, Error> {
        self.handle.read(range, bytes_max)
    }

    /// Where the log stands.
    #[must_use]
    pub fn state(&self) -> LogState {
        self.handle.state()
    }

    /// The log id of the entry at `index`, also of the purged position itself. From memory, without reading.
    #[must_use]
    pub fn log_id_at(&self, index: u64) -> Option<LogId> {
        self.handle.log_id_at(index)
    }

    /// Counters and the latency of syncs.
    #[must_use]
    pub fn metrics(&self) -> Arc<LogMetrics> {
        self.handle.metrics()
    }

    /// Writes what is queued and the last committed position, then stops the writer. Later calls fail with
    /// [`Error::Closed`].
    ///
    /// # Errors
    /// [`Error::Poisoned`] if not everything became durable.
    pub fn close(&self) -> Result<(), Error> {
        self.handle.close()
    }
}
