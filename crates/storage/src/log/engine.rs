//! The seam between the log's front and its format on disk.
//!
//! An engine stores groups of records and gives entries back. Order, memory, callbacks and poisoning are the front's.

use std::{ops::Range, sync::Arc};

use super::{Executor, LogEngineKind, LogOptions, segments::Segments, sled_engine::SledEngine, view::View};
use crate::{
    disk::Disk,
    error::Error,
    id::{Entry, LogId, Vote},
};

/// One change of the log, as an engine stores it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Record {
    /// One more entry at the end.
    Entry(Entry),
    /// The vote.
    Vote(Vote),
    /// The committed position.
    Committed(LogId),
    /// The entries after this position are gone.
    Truncate(Option<LogId>),
    /// The entries up to this position are gone.
    Purge(LogId),
}

/// A durable store of records. One thread writes; readers are elsewhere.
pub(crate) trait LogEngine: Send {
    /// Makes the records durable before it returns, all or none of them after a crash.
    ///
    /// # Errors
    /// [`Error::DiskFull`]: nothing was written and the engine is as before.
    /// With any other error the state on disk is unknown, and the caller must not write again.
    fn write(&mut self, group: &[&Record]) -> Result<(), Error>;
    /// The reading side.
    fn reader(&self) -> Arc<dyn LogReader>;
}

/// Gives entries back, from any thread, while the engine writes.
pub(crate) trait LogReader: Send + Sync {
    /// Entries of `range`, at least one unless it is empty, ending early at `bytes_max`. All are durable and in the log;
    /// those that are purged meanwhile may be missing from the front.
    fn read(&self, range: Range<u64>, bytes_max: usize) -> Result<Vec<Entry>, Error>;
}

/// What an engine found when it opened.
#[derive(Debug, Default)]
pub(crate) struct Recovery {
    pub(crate) view: View,
    pub(crate) vote: Option<Vote>,
    pub(crate) committed: Option<LogId>,
    pub(crate) torn_bytes: u64,
    pub(crate) segments: u64,
    pub(crate) is_new: bool,
}

/// Opens the engine of `kind`.
pub(crate) fn open(
    disk: &Arc<dyn Disk>,
    options: &LogOptions,
    kind: LogEngineKind,
    executor: Executor,
) -> Result<(Box<dyn LogEngine>, Recovery), Error> {
    match kind {
        LogEngineKind::Segments => {
            let (engine, recovery) = Segments::open(disk, options, executor)?;
            Ok((Box::new(engine), recovery))
        }
        LogEngineKind::Sled => {
            let folder = disk.folder().ok_or(Error::Unsupported("the sled engine on a simulated disk"))?;
            let (engine, recovery) = SledEngine::open(folder)?;
            Ok((Box::new(engine), recovery))
        }
    }
}
