//! Replies out of a server's byte stream.
//!
//! Left to others: which request a reply answers, and what to do with push messages (clients).
//!
//! Invariants:
//! - Every element is taken out of the buffer as it completes and kept on an explicit stack: no byte is looked at
//!   twice and no recursion follows the other side's nesting.
//! - Between two calls the owner of the buffer only appends to it.
//! - Memory grows with what has arrived, never with what is announced.
//!
//! RESP3's streamed strings and aggregates (`$?`, `*?`), which Redis never sends, are refused.

use bytes::{Buf, Bytes, BytesMut};
use memchr::memchr;

use crate::error::ProtocolError;
use crate::number::{parse_f64, parse_i64};
use crate::value::Value;

/// Elements that an aggregate makes room for ahead of their arrival.
const RESERVE_ELEMENTS_MAX: usize = 64;

/// What a reply may be at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ValueLimits {
    /// Bytes of a line: simple strings, errors, numbers, headers.
    pub line_bytes_max: usize,
    /// Bytes of one bulk or verbatim string.
    pub bulk_bytes_max: usize,
    /// Levels of aggregates inside each other.
    pub depth_max: usize,
    /// Elements in one reply, on all levels together.
    pub elements_max: usize,
}

impl Default for ValueLimits {
    fn default() -> Self {
        Self {
            line_bytes_max: 1024 * 1024,
            bulk_bytes_max: 512 * 1024 * 1024,
            depth_max: 128,
            elements_max: 256 * 1024 * 1024,
        }
    }
}

/// Takes replies out of a buffer that bytes are appended to; remembers where it stopped.
///
/// One decoder belongs to one stream, which is at its end after an error.
#[derive(Debug)]
pub struct ValueDecoder {
    limits: ValueLimits,
    /// Aggregates under way, the outermost first.
    open: Vec<Aggregate>,
    /// Elements of the reply under way.
    elements: usize,
    /// Bytes of the buffer that are known to hold no line end.
    scanned: usize,
    /// The string whose header has been read and whose bytes have not all arrived.
    bulk: Option<(Text, usize)>,
}

#[derive(Debug)]
struct Aggregate {
    kind: Kind,
    items: Vec<Value>,
    left: usize,
}

#[derive(Debug)]
enum Kind {
    Array,
    Map,
    Set,
    Push,
    Attribute,
    /// The reply that attributes belong to.
    Subject(Vec<(Value, Value)>),
}

#[derive(Debug, Clone, Copy)]
enum Text {
    Bulk,
    Error,
    Verbatim,
}

/// What a line says; the first byte of a reply gives the type, the rest of the line the number.
enum Header {
    /// The line is the value.
    Line,
    Null,
    Text(Text, usize),
    /// An aggregate with so many elements.
    Open(Kind, usize),
}

impl ValueDecoder {
    /// A decoder at the start of a stream.
    pub fn new(limits: ValueLimits) -> Self {
        Self { limits, open: Vec::new(), elements: 0, scanned: 0, bulk: None }
    }

    /// The next whole reply; none until more bytes have been appended. Parts of it are taken out of `buf` before.
    ///
    /// # Errors
    /// The bytes are no reply, or exceed a limit.
    pub fn decode(&mut self, buf: &mut BytesMut) -> Result<Option<Value>, ProtocolError> {
        loop {
            let Some(value) = self.element(buf)? else { return Ok(None) };
            if let Some(value) = value.and_then(|value| self.close(value)) {
                self.elements = 0;
                return Ok(Some(value));
            }
        }
    }

    /// The next element: none while it is not whole, an inner none if it opened an aggregate.
    fn element(&mut self, buf: &mut BytesMut) -> Result<Option<Option<Value>>, ProtocolError> {
        if let Some((text, length)) = self.bulk {
            return Ok(self.text(buf, text, length)?.map(Some));
        }
        let Some(end) = line_end(buf, self.scanned, self.limits.line_bytes_max)? else {
            self.scanned = buf.len().saturating_sub(1);
            return Ok(None);
        };
        self.elements += 1;
        if self.elements > self.limits.elements_max {
            return Err(ProtocolError::ReplyTooBig);
        }
        self.scanned = 0;
        let header = header(buf.get(..end).unwrap_or_default(), &self.limits)?;
        // Only a line that is a value costs a share of the buffer; the others are skipped.
        let line = if matches!(header, Header::Line) {
            buf.split_to(end).freeze()
        } else {
            buf.advance(end);
            Bytes::new()
        };
        buf.advance(2);
        match header {
            Header::Line => scalar(line).map(|value| Some(Some(value))),
            Header::Null => Ok(Some(Some(Value::Null))),
            Header::Text(text, length) => {
                self.bulk = Some((text, length));
                Ok(self.text(buf, text, length)?.map(Some))
            }
            Header::Open(kind, count) => self.push(kind, count).map(Some),
        }
    }

    /// A string's bytes, once they and their line end are there.
    fn text(
        &mut self,
        buf: &mut BytesMut,
        text: Text,
        length: usize,
    ) -> Result<Option<Value>, ProtocolError> {
        let Some(end) = buf.get(length..length.saturating_add(2)) else { return Ok(None) };
        if end != b"\r\n" {
            return Err(ProtocolError::ReplyMalformed);
        }
        let bytes = buf.split_to(length).freeze();
        buf.advance(2);
        self.bulk = None;
        Ok(Some(match text {
            Text::Bulk => Value::Bulk(bytes),
            Text::Error => Value::Error(bytes),
            Text::Verbatim => match *bytes {
                [a, b, c, b':', ..] => Value::Verbatim { format: [a, b, c], text: bytes.slice(4..) },
                _ => return Err(ProtocolError::ReplyMalformed),
            },
        }))
    }

    /// Opens an aggregate, or gives it whole where it is empty.
    fn push(&mut self, kind: Kind, count: usize) -> Result<Option<Value>, ProtocolError> {
        if count == 0 {
            // Empty attributes say nothing about the reply that follows.
            return Ok(if matches!(kind, Kind::Attribute) { None } else { Some(finish(kind, Vec::new())) });
        }
        if self.open.len() >= self.limits.depth_max {
            return Err(ProtocolError::ReplyTooBig);
        }
        self.open.push(Aggregate {
            kind,
            items: Vec::with_capacity(count.min(RESERVE_ELEMENTS_MAX)),
            left: count,
        });
        Ok(None)
    }

    /// Adds a value to the innermost open aggregate, and that to the next one while they complete.
    fn close(&mut self, mut value: Value) -> Option<Value> {
        loop {
            let Some(inner) = self.open.last_mut() else { return Some(value) };
            inner.items.push(value);
            inner.left -= 1;
            if inner.left > 0 {
                return None;
            }
            let Aggregate { kind, items, .. } = self.open.pop()?;
            if matches!(kind, Kind::Attribute) {
                self.open.push(Aggregate { kind: Kind::Subject(pairs(items)), items: Vec::new(), left: 1 });
                return None;
            }
            value = finish(kind, items);
        }
    }
}

/// True if `buf` starts with a whole reply.
pub(crate) fn whole(buf: &[u8], limits: &ValueLimits) -> Result<bool, ProtocolError> {
    let mut rest = buf;
    let mut wanted = 1_usize;
    while wanted > 0 {
        let Some(end) = line_end(rest, 0, limits.line_bytes_max)? else { return Ok(false) };
        let bytes = match header(rest.get(..end).unwrap_or_default(), limits)? {
            Header::Line | Header::Null => 0,
            Header::Text(_, length) => length.saturating_add(2),
            Header::Open(kind, count) => {
                // Attributes are no element of their own: the reply that they describe is still to come.
                wanted =
                    wanted.saturating_add(count).saturating_add(usize::from(matches!(kind, Kind::Attribute)));
                0
            }
        };
        if wanted > limits.elements_max {
            return Err(ProtocolError::ReplyTooBig);
        }
        let Some(next) = rest.get(end.saturating_add(2).saturating_add(bytes)..) else { return Ok(false) };
        rest = next;
        wanted -= 1;
    }
    Ok(true)
}

/// Where the line at the start of `buf` ends; its first `scanned` bytes are known to hold no line end.
fn line_end(buf: &[u8], scanned: usize, limit: usize) -> Result<Option<usize>, ProtocolError> {
    let found = memchr(b'\r', buf.get(scanned..).unwrap_or_default()).map(|at| scanned + at);
    if found.unwrap_or(buf.len()) > limit {
        return Err(ProtocolError::ReplyTooBig);
    }
    let Some(end) = found else { return Ok(None) };
    match buf.get(end + 1) {
        Some(b'\n') => Ok(Some(end)),
        Some(_) => Err(ProtocolError::ReplyMalformed),
        None => Ok(None),
    }
}

fn header(line: &[u8], limits: &ValueLimits) -> Result<Header, ProtocolError> {
    let Some((&kind, number)) = line.split_first() else { return Err(ProtocolError::ReplyMalformed) };
    let aggregate = |kind: Kind, per_entry: usize| {
        let count = length(number)?.checked_mul(per_entry).filter(|&count| count <= limits.elements_max);
        Ok(Header::Open(kind, count.ok_or(ProtocolError::ReplyTooBig)?))
    };
    let text = |text: Text| match length(number)? {
        length if length <= limits.bulk_bytes_max => Ok(Header::Text(text, length)),
        _ => Err(ProtocolError::ReplyTooBig),
    };
    match kind {
        b'+' | b'-' | b':' | b',' | b'#' | b'(' => Ok(Header::Line),
        b'_' if number.is_empty() => Ok(Header::Null),
        b'$' | b'*' if number == b"-1" => Ok(Header::Null),
        b'$' => text(Text::Bulk),
        b'!' => text(Text::Error),
        b'=' => text(Text::Verbatim),
        b'*' => aggregate(Kind::Array, 1),
        b'~' => aggregate(Kind::Set, 1),
        b'>' => aggregate(Kind::Push, 1),
        b'%' => aggregate(Kind::Map, 2),
        b'|' => aggregate(Kind::Attribute, 2),
        b'_' => Err(ProtocolError::ReplyMalformed),
        got => Err(ProtocolError::ReplyTypeUnknown { got }),
    }
}

fn length(number: &[u8]) -> Result<usize, ProtocolError> {
    parse_i64(number).and_then(|number| usize::try_from(number).ok()).ok_or(ProtocolError::ReplyMalformed)
}

/// A value that is one line, its type byte included.
fn scalar(line: Bytes) -> Result<Value, ProtocolError> {
    let kind = line.first().copied();
    let text = line.slice(line.len().min(1)..);
    let value = match kind {
        Some(b'+') => Some(Value::Simple(text)),
        Some(b'-') => Some(Value::Error(text)),
        Some(b'(') => is_big_number(&text).then_some(Value::BigNumber(text)),
        Some(b':') => parse_i64(text.strip_prefix(b"+").unwrap_or(&text)).map(Value::Integer),
        Some(b',') if *text == *b"nan" => Some(Value::Double(f64::NAN)),
        Some(b',') => parse_f64(&text).map(Value::Double),
        Some(b'#') => match *text {
            [b't'] => Some(Value::Boolean(true)),
            [b'f'] => Some(Value::Boolean(false)),
            _ => None,
        },
        _ => None,
    };
    value.ok_or(ProtocolError::ReplyMalformed)
}

fn is_big_number(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"-").or(text.strip_prefix(b"+")).unwrap_or(text);
    !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
}

fn finish(kind: Kind, mut items: Vec<Value>) -> Value {
    match kind {
        Kind::Array => Value::Array(items),
        Kind::Set => Value::Set(items),
        Kind::Push => Value::Push(items),
        Kind::Map | Kind::Attribute => Value::Map(pairs(items)),
        Kind::Subject(attributes) => {
            Value::Attributed { attributes, value: Box::new(items.pop().unwrap_or(Value::Null)) }
        }
    }
}

fn pairs(items: Vec<Value>) -> Vec<(Value, Value)> {
    let mut pairs = Vec::with_capacity(items.len() / 2);
    let mut items = items.into_iter();
    while let (Some(key), Some(value)) = (items.next(), items.next()) {
        pairs.push((key, value));
    }
    pairs
}
