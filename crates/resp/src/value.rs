//! A decoded reply, for clients, tests and the embedded API.
//!
//! Left to others: the incremental parser (`value_decoder`).
//! Invariant: nesting is bounded by [`ValueLimits`](crate::ValueLimits), so that dropping or writing a decoded value
//! cannot exhaust the stack.

use bytes::{Bytes, BytesMut};

use crate::error::ProtocolError;
use crate::reply::Reply;
use crate::value_decoder::{ValueDecoder, ValueLimits, whole};

/// One reply of RESP2 or RESP3.
///
/// Strings share the buffer that they arrived in.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// A short status such as `OK`.
    Simple(Bytes),
    /// An error: code, space, text.
    Error(Bytes),
    /// An integer.
    Integer(i64),
    /// A string of bytes.
    Bulk(Bytes),
    /// Any of the three nulls.
    Null,
    /// An array.
    Array(Vec<Value>),
    /// Pairs in the order they were sent.
    Map(Vec<(Value, Value)>),
    /// Elements in the order they were sent.
    Set(Vec<Value>),
    /// A message that answers no request.
    Push(Vec<Value>),
    /// A double.
    Double(f64),
    /// A boolean.
    Boolean(bool),
    /// An integer of any size, in decimal.
    BigNumber(Bytes),
    /// A text for people.
    Verbatim {
        /// Its format, such as `txt`.
        format: [u8; 3],
        /// The text without the format.
        text: Bytes,
    },
    /// A reply and what was said about it.
    Attributed {
        /// The pairs in the order they were sent.
        attributes: Vec<(Value, Value)>,
        /// The reply itself.
        value: Box<Value>,
    },
}

impl Value {
    /// The next whole reply, taken out of `buf`; none, and nothing taken, while it is not whole.
    ///
    /// Starts at the front each time. For large replies over a socket use a [`ValueDecoder`], which does not.
    ///
    /// # Errors
    /// The bytes are no reply, or exceed the default limits.
    pub fn decode(buf: &mut BytesMut) -> Result<Option<Self>, ProtocolError> {
        let limits = ValueLimits::default();
        if whole(buf, &limits)? { ValueDecoder::new(limits).decode(buf) } else { Ok(None) }
    }

    /// Appends this value to a reply, downgraded where the client speaks RESP2.
    pub fn write(&self, reply: &mut Reply) {
        match self {
            Self::Simple(text) => reply.simple_bytes(text),
            Self::Error(text) => reply.error_bytes(text),
            Self::Integer(value) => reply.integer(*value),
            Self::Bulk(bytes) => reply.bulk(bytes),
            Self::Null => reply.null(),
            Self::Array(items) => {
                reply.array(items.len());
                items.iter().for_each(|item| item.write(reply));
            }
            Self::Map(pairs) => {
                reply.map(pairs.len());
                write_pairs(pairs, reply);
            }
            Self::Set(items) => {
                reply.set(items.len());
                items.iter().for_each(|item| item.write(reply));
            }
            Self::Push(items) => {
                reply.push(items.len());
                items.iter().for_each(|item| item.write(reply));
            }
            Self::Double(value) => reply.double(*value),
            Self::Boolean(value) => reply.boolean(*value),
            Self::BigNumber(digits) => reply.big_number_bytes(digits),
            Self::Verbatim { format, text } => reply.verbatim_bytes(*format, text),
            Self::Attributed { attributes, value } => {
                if reply.attribute(attributes.len()) {
                    write_pairs(attributes, reply);
                }
                value.write(reply);
            }
        }
    }

    /// The bytes of a simple, bulk or verbatim string, and of a big number.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Simple(bytes)
            | Self::Bulk(bytes)
            | Self::BigNumber(bytes)
            | Self::Verbatim { text: bytes, .. } => Some(bytes),
            _ => None,
        }
    }

    /// As [`Value::as_bytes`], if they are UTF-8.
    pub fn as_str(&self) -> Option<&str> {
        std::str::from_utf8(self.as_bytes()?).ok()
    }

    /// The integer.
    pub fn as_integer(&self) -> Option<i64> {
        if let Self::Integer(value) = self { Some(*value) } else { None }
    }

    /// The elements of an array, set or push message.
    pub fn as_array(&self) -> Option<&[Value]> {
        match self {
            Self::Array(items) | Self::Set(items) | Self::Push(items) => Some(items),
            _ => None,
        }
    }

    /// The pairs of a map, or none.
    pub fn as_map(&self) -> Option<&[(Value, Value)]> {
        if let Self::Map(pairs) = self { Some(pairs) } else { None }
    }

    /// The text of an error, if it is one.
    pub fn as_error(&self) -> Option<&[u8]> {
        if let Self::Error(text) = self { Some(text) } else { None }
    }

    /// True of null.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// True of a message that answers no request.
    pub fn is_push(&self) -> bool {
        matches!(self, Self::Push(_))
    }
}

fn write_pairs(pairs: &[(Value, Value)], reply: &mut Reply) {
    for (key, value) in pairs {
        key.write(reply);
        value.write(reply);
    }
}
