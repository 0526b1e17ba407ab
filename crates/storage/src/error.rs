//! What can go wrong on the way to the disk and back, as one type.
//!
//! The text of an error is for people; code reacts to [`Error::kind`], of which there is one per reaction.

use std::io;

/// Everything that the storage crate can fail with.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused an operation on a file.
    #[error("cannot {action} {path}: {source}")]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// The file, relative to the data directory.
        path: String,
        /// The operating system's answer.
        source: io::Error,
    },
    /// There is no room. Nothing was written, and the call may succeed once there is room.
    #[error("no room on the disk for {what} ({needed_bytes} bytes needed)")]
    DiskFull {
        /// What did not fit.
        what: &'static str,
        /// How much room it asked for.
        needed_bytes: u64,
    },
    /// An earlier write or sync failed, so what is on disk is unknown until a restart reads it.
    #[error("the log is poisoned by an earlier failure: {reason}")]
    Poisoned {
        /// The first failure.
        reason: String,
    },
    /// Stored bytes are not what was written.
    #[error("{file} is damaged at byte {offset}: {reason}")]
    Corrupt {
        /// The file, relative to the data directory. For a log segment, its name holds the segment's number.
        file: String,
        /// Where the damage was noticed.
        offset: u64,
        /// What is wrong.
        reason: String,
    },
    /// A file was written by a version that this one cannot read.
    #[error("{file} has format version {found}, and this program reads up to {supported}")]
    Version {
        /// The file, relative to the data directory.
        file: String,
        /// Its version.
        found: u32,
        /// The newest one we read.
        supported: u32,
    },
    /// Another process uses the data directory.
    #[error("the data directory is in use{}", .holder.map(|pid| format!(" by process {pid}")).unwrap_or_default())]
    Locked {
        /// The holder's process id, where it can be read.
        holder: Option<u32>,
    },
    /// The data directory belongs to another node or cluster than the one configured.
    #[error("the data directory belongs to {found}, not to {expected}")]
    Identity {
        /// What the caller asked for.
        expected: String,
        /// What the directory holds.
        found: String,
    },
    /// Entries were appended that do not follow the log's last one.
    #[error("entry {found} cannot be appended, the next index is {expected}")]
    NotContiguous {
        /// The index that would have followed.
        expected: u64,
        /// The index that came.
        found: u64,
    },
    /// One item is larger than the format can hold.
    #[error("{what} of {bytes} bytes is larger than {bytes_max}")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// Its size.
        bytes: u64,
        /// The limit.
        bytes_max: u64,
    },
    /// The log was closed.
    #[error("the log is closed")]
    Closed,
    /// A name that the caller asked for is not there.
    #[error("there is no {0}")]
    NotFound(String),
    /// This combination is not offered.
    #[error("not supported: {0}")]
    Unsupported(&'static str),
    /// The embedded database of the ledger failed.
    #[error("ledger database: {0}")]
    Sled(#[from] sled::Error),
}

/// How to react to an [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Refuse writes, keep reading, try again when there is room.
    DiskFull,
    /// The caller's mistake: nothing was changed.
    Misuse,
    /// The start must be refused until someone repairs the set-up.
    Setup,
    /// Stored bytes are damaged: do not vote, reinstall this node.
    Corrupt,
    /// Stop the process; a restart finds out what is on disk.
    Fault,
}

impl Error {
    /// The reaction that this error asks for.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::DiskFull { .. } => ErrorKind::DiskFull,
            Self::NotContiguous { .. } | Self::TooLarge { .. } | Self::Closed | Self::NotFound(_) => {
                ErrorKind::Misuse
            }
            Self::Locked { .. } | Self::Identity { .. } | Self::Unsupported(_) | Self::Version { .. } => {
                ErrorKind::Setup
            }
            Self::Corrupt { .. } => ErrorKind::Corrupt,
            Self::Io { .. } | Self::Poisoned { .. } | Self::Sled(_) => ErrorKind::Fault,
        }
    }

    pub(crate) fn io(action: &'static str, path: impl Into<String>, source: io::Error) -> Self {
        if source.kind() == io::ErrorKind::StorageFull || source.kind() == io::ErrorKind::QuotaExceeded {
            return Self::DiskFull { what: action, needed_bytes: 0 };
        }
        Self::Io { action, path: path.into(), source }
    }

    pub(crate) fn corrupt(file: impl Into<String>, offset: u64, reason: impl Into<String>) -> Self {
        Self::Corrupt { file: file.into(), offset, reason: reason.into() }
    }
}
