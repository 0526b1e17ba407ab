//! Why data could not be moved.

use std::io;

/// Why data could not be moved. Its text is for people, and says what to do where there is a choice.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The bytes are no file of Redis, or are damaged.
    #[error("byte {offset}: {what}")]
    Damaged {
        /// Where in the file.
        offset: u64,
        /// What is wrong.
        what: String,
    },
    /// Something that exists and is not read.
    #[error("byte {offset}: {what} cannot be imported")]
    Unsupported {
        /// Where in the file.
        offset: u64,
        /// What it is.
        what: String,
    },
    /// A file or a connection failed.
    #[error("{what}: {source}")]
    Io {
        /// Which, and during what.
        what: String,
        /// Why.
        source: io::Error,
    },
    /// A server answered something that nobody understands.
    #[error("{who} does not speak as a Redis does: {what}")]
    Protocol {
        /// Which server.
        who: String,
        /// What it said.
        what: String,
    },
    /// A server refused.
    #[error("{who} refused {request}: {text}")]
    Refused {
        /// Which server.
        who: String,
        /// The request's name, and the key's where it has one.
        request: String,
        /// The error reply.
        text: String,
    },
    /// A key is there already, and is not to be replaced.
    #[error("{0} is there already; --on-conflict replace overwrites what is there, skip leaves it")]
    Conflict(String),
    /// The target holds data, and the source cannot be laid over it.
    #[error("{0}")]
    NotEmpty(String),
    /// Both sides are not the same in the end.
    #[error("{0}")]
    Differs(String),
    /// An address, or a wish that cannot be met.
    #[error("{0}")]
    Usage(String),
}

impl Error {
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Error {
        let what = what.into();
        move |source| Error::Io { what, source }
    }

    /// Whether a connection broke, so that another one may do.
    pub fn is_broken_connection(&self) -> bool {
        matches!(self, Error::Io { .. })
    }
}

/// Bytes as people can read them, cut where they are long.
pub(crate) fn shown(bytes: &[u8]) -> String {
    const BYTES_MAX: usize = 80;
    let (bytes, cut) = if bytes.len() > BYTES_MAX { (&bytes[..BYTES_MAX], "…") } else { (bytes, "") };
    format!("'{}{cut}'", bytes.escape_ascii())
}
