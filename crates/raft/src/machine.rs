//! The seam to the replicated state: what the node implements, and what it is given.

use bytes::Bytes;
use quorate_storage::LogId;

use crate::Members;

/// The replicated state machine, implemented by the node.
///
/// Called by one task at a time, never concurrently with itself. Its state must be a pure function of what it was given.
/// It is not durable by itself: after a restart it gets the latest snapshot by `install`, then the entries after it.
pub trait StateMachine: Send + 'static {
    /// Whether `apply` may take so long with these that heartbeats would wait: it is then called on a thread where nothing
    /// else waits, at the price of a wake-up.
    fn takes_long(&self, entries: &[Committed]) -> bool {
        let _ = entries;
        true
    }

    /// Applies committed entries in log order: a chunk of those that are ready. The indexes have no gaps.
    ///
    /// # Errors
    /// An `Err` is a fault: nothing is applied any more and Raft stops on this node.
    fn apply(&mut self, entries: Vec<Committed>) -> Result<(), Fault>;

    /// The state as it is now, to be written by another thread while `apply` goes on. Called on the apply path, so it
    /// must be O(1).
    fn capture(&mut self) -> Box<dyn Capture>;

    /// Replaces all state by a verified snapshot. The blocks come in order, as the capture gave them.
    ///
    /// # Errors
    /// As for `apply`. The state may be anything afterwards.
    fn install(
        &mut self,
        last: LogId,
        members: &Members,
        blocks: &mut dyn Iterator<Item = Result<Bytes, Fault>>,
    ) -> Result<(), Fault>;
}

/// A captured state on its way to the disk. Dropped when written, or when writing failed.
pub trait Capture: Send {
    /// The next block, of at most 16 MiB; `None` at the end. May compute for long: it does not run on the apply path.
    fn next_block(&mut self) -> Option<Bytes>;

    /// The agreed time of the state, in milliseconds since the Unix epoch; goes into the manifest.
    fn agreed_ms(&self) -> u64 {
        0
    }
}

/// A committed entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// Its place in the log.
    pub id: LogId,
    /// What it carries.
    pub payload: Payload,
}

/// What an entry carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// Nothing: a new leader's first entry.
    Blank,
    /// The membership that holds from here on.
    Members(Members),
    /// Proposed bytes, shared with the log and the network.
    Data(Bytes),
}

/// A broken invariant, damage, or an I/O error inside the state machine. It stops the node.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Fault(#[source] Box<dyn std::error::Error + Send + Sync>);

impl Fault {
    /// A fault with its cause, or a text.
    pub fn new(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(cause.into())
    }
}
