//! The names and values that a log and a snapshot speak of: ids, votes, entries.
//!
//! They are storage's own types: what reaches a disk must not change shape because a consensus library did.
//! What a payload means is left to the reader above. All of them are plain values, copied or cheaply cloned.

use std::fmt;

use bytes::Bytes;

/// A member of the cluster, unique for its life time; a node that lost its disk keeps it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u64);

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Who led: a term and the node that was voted for in it. Ordered by term, then node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeaderId {
    /// Raft term.
    pub term: u64,
    /// The candidate or leader of that term.
    pub node: u64,
}

/// The name of one log entry. Ordered by leader, then index, as Raft orders logs by recency (§5.4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogId {
    /// The leader that proposed the entry.
    pub leader: LeaderId,
    /// Its position in the log, from 0.
    pub index: u64,
}

impl LogId {
    /// The log id of `index` proposed by `node` in `term`.
    #[must_use]
    pub const fn new(term: u64, node: u64, index: u64) -> Self {
        Self { leader: LeaderId { term, node }, index }
    }
}

impl fmt::Display for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "T{}-N{}.{}", self.leader.term, self.leader.node, self.index)
    }
}

/// Raft's hard state. Ordered by leader; of two equal leaders the committed one (granted by a quorum) is greater.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Vote {
    /// The candidate voted for, and its term.
    pub leader: LeaderId,
    /// Whether a quorum is known to have granted it, so that it is the leader of the term.
    pub committed: bool,
}

/// What an entry is for. Stored as one byte; bytes without a name here are kept as they are and are the reader's to judge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum EntryKind {
    /// A new leader's empty entry.
    Blank = 0,
    /// A batch of client requests.
    Batch = 1,
    /// A change of the membership.
    Membership = 2,
}

impl EntryKind {
    /// The kind that a stored byte stands for, if this version knows it.
    #[must_use]
    pub const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            0 => Some(Self::Blank),
            1 => Some(Self::Batch),
            2 => Some(Self::Membership),
            _ => None,
        }
    }
}

impl From<EntryKind> for u8 {
    fn from(kind: EntryKind) -> Self {
        kind as Self
    }
}

/// One entry of the log. Cloning it shares the payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub id: LogId,
    /// An [`EntryKind`], or a later version's byte.
    pub kind: u8,
    /// Opaque to storage.
    pub payload: Bytes,
}

impl Entry {
    /// What the entry counts for in every limit on bytes: its payload and what surrounds it on disk.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.payload.len().saturating_add(ENTRY_OVERHEAD_BYTES)
    }
}

/// Bytes that one entry takes beside its payload: record header and entry header.
pub const ENTRY_OVERHEAD_BYTES: usize = 56;
