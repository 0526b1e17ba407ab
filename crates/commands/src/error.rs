//! Command errors: deterministic replies, with Redis' texts.
//!
//! For: one typed variant per reaction of Redis; `Display` is the whole reply line without the `-`.
//! Leaves to others: writing it to the client ([`crate::write`], [`crate::read`]).

use std::borrow::Cow;

/// Why a command failed. Its text begins with the RESP error code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "each variant's text says it")]
pub enum Error {
    #[error("ERR wrong number of arguments for '{0}' command")]
    WrongArity(Cow<'static, str>),
    /// A name that Redis does not have; the arguments are quoted and cut as Redis does.
    #[error("ERR unknown command '{name}', with args beginning with: {args}")]
    UnknownCommand { name: String, args: String },
    #[error("ERR unknown subcommand '{sub}'. Try {container} HELP.")]
    UnknownSubcommand { sub: String, container: String },
    /// Redis has it, Quorate not yet.
    #[error("ERR command '{0}' is not supported by Quorate yet")]
    Unsupported(String),
    #[error("ERR syntax error")]
    Syntax,
    #[error("WRONGTYPE Operation against a key holding the wrong kind of value")]
    WrongType,
    #[error("ERR value is not an integer or out of range")]
    NotInteger,
    #[error("ERR value is not a valid float")]
    NotFloat,
    #[error("ERR value is out of range")]
    OutOfRange,
    #[error("ERR value is out of range, must be positive")]
    NotPositive,
    #[error("ERR index out of range")]
    IndexOutOfRange,
    #[error("ERR no such key")]
    NoSuchKey,
    #[error("ERR invalid expire time in '{0}' command")]
    InvalidExpire(&'static str),
    #[error("ERR string exceeds maximum allowed size (proto-max-bulk-len)")]
    StringTooLong,
    #[error("ERR offset is out of range")]
    OffsetOutOfRange,
    #[error("ERR increment or decrement would overflow")]
    IncrementOverflow,
    #[error("ERR decrement would overflow")]
    DecrementOverflow,
    #[error("ERR increment would produce NaN or Infinity")]
    NotFinite,
    #[error("ERR DB index is out of range")]
    DbOutOfRange,
    #[error("ERR invalid DB index")]
    InvalidDb,
    #[error("ERR invalid cursor")]
    InvalidCursor,
    /// Any other text, with its code in front.
    #[error("{0}")]
    Text(Cow<'static, str>),
}

impl Error {
    /// An error with this whole text, code included.
    pub fn text(text: impl Into<Cow<'static, str>>) -> Error {
        Error::Text(text.into())
    }

    /// The RESP error code, the first word of the text.
    pub fn code(&self) -> Cow<'_, str> {
        match self {
            Error::WrongType => Cow::Borrowed("WRONGTYPE"),
            Error::Text(text) => Cow::Borrowed(text.split(' ').next().unwrap_or_default()),
            _ => Cow::Borrowed("ERR"),
        }
    }
}
