//! Why bytes are not a keyspace.

/// What [`crate::Decoder`] found wrong. The bytes passed their checksums before they came here, so
/// this is damage in memory, or a newer format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not a snapshot at all.
    #[error("not a keyspace snapshot")]
    Magic,
    /// A version that this build does not read.
    #[error("keyspace snapshot of version {0}, which this build does not read")]
    Version(u16),
    /// A record or value of a kind that this build does not know.
    #[error("unknown {what} {tag:#04x} in a keyspace snapshot")]
    Unknown {
        /// What was to be read.
        what: &'static str,
        /// Its tag.
        tag: u8,
    },
    /// A block ended inside this.
    #[error("keyspace snapshot cut off in {0}")]
    Truncated(&'static str),
    /// Something that no keyspace encodes.
    #[error("damaged keyspace snapshot: {0}")]
    Damaged(&'static str),
}
