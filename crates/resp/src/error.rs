//! What can be wrong with bytes from the other side of a connection.
//!
//! The texts of the request side are Redis' own, since clients and its test suite compare them.
//! After any of these errors the stream has no known boundary left: send the text, then close.

use std::fmt;

/// A violation of the protocol or of a limit on it.
///
/// `Display` gives Redis' text without the `ERR` code; [`Reply::protocol_error`](crate::Reply::protocol_error)
/// writes the whole reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProtocolError {
    /// An inline request without a line end within the limit.
    InlineTooBig,
    /// A quote in an inline request that is not closed, or closed in the middle of a word.
    UnbalancedQuotes,
    /// The line that counts the arguments has no end within the limit.
    ArgsCountTooBig,
    /// The number of arguments is no number, or above the limit.
    ArgsCountInvalid,
    /// More arguments than a client may send before it has authenticated.
    ArgsUnauthenticated,
    /// An argument does not start with `$`.
    BulkExpected {
        /// The byte that was there instead.
        got: u8,
    },
    /// The line with an argument's length has no end within the limit.
    BulkLengthTooBig,
    /// An argument's length is no number, negative, or above the limit.
    BulkLengthInvalid,
    /// A longer argument than a client may send before it has authenticated.
    BulkUnauthenticated,
    /// A request above `Limits::request_bytes_max`. Redis closes such a connection without a text.
    RequestTooBig,
    /// A reply starts with a byte that is no RESP type.
    ReplyTypeUnknown {
        /// The byte that was there instead.
        got: u8,
    },
    /// A reply's line or payload is not what its type asks for.
    ReplyMalformed,
    /// A reply nests deeper, is longer, or has more elements than `ValueLimits` allow.
    ReplyTooBig,
}

impl ProtocolError {
    /// The text in two parts around the offending byte, which need not be UTF-8.
    pub(crate) fn parts(&self) -> (&'static str, Option<u8>, &'static str) {
        let text = match *self {
            Self::InlineTooBig => "Protocol error: too big inline request",
            Self::UnbalancedQuotes => "Protocol error: unbalanced quotes in request",
            Self::ArgsCountTooBig => "Protocol error: too big mbulk count string",
            Self::ArgsCountInvalid => "Protocol error: invalid multibulk length",
            Self::ArgsUnauthenticated => "Protocol error: unauthenticated multibulk length",
            Self::BulkExpected { got } => return ("Protocol error: expected '$', got '", Some(got), "'"),
            Self::BulkLengthTooBig => "Protocol error: too big bulk count string",
            Self::BulkLengthInvalid => "Protocol error: invalid bulk length",
            Self::BulkUnauthenticated => "Protocol error: unauthenticated bulk length",
            Self::RequestTooBig => "Protocol error: too big request",
            Self::ReplyTypeUnknown { got } => {
                return ("Protocol error: unknown reply type '", Some(got), "'");
            }
            Self::ReplyMalformed => "Protocol error: malformed reply",
            Self::ReplyTooBig => "Protocol error: too big reply",
        };
        (text, None, "")
    }
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (head, got, tail) = self.parts();
        f.write_str(head)?;
        match got {
            // Redis turns line ends inside an error into spaces, as they would end the reply.
            Some(b'\r' | b'\n') => f.write_str(" ")?,
            Some(byte) => write!(f, "{}", char::from(byte))?,
            None => {}
        }
        f.write_str(tail)
    }
}

impl std::error::Error for ProtocolError {}
