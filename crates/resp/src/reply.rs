//! Replies, written in the protocol version that the client has asked for.
//!
//! ```text
//!            RESP2                          RESP3
//! null       $-1                            _
//! map(n)     *2n, keys and values in turn   %n
//! set(n)     *n                             ~n
//! push(n)    *n                             >n
//! double     bulk string                    ,1.5
//! boolean    :1 or :0                       #t or #f
//! verbatim   bulk string                    =15 CR LF txt:...
//! ```
//!
//! Left to others: what is replied (`commands`), when it is sent, and the limit on what waits unsent (`server`).
//!
//! Invariants: nothing but whole elements is ever in the buffer; a line never contains a line end of its own.
//! A discarding reply holds no memory and does no work: apply uses it for batches of other nodes.

use bytes::{BufMut, Bytes, BytesMut};

use crate::error::ProtocolError;
use crate::number::{format_double, format_integer};
use crate::request::{put_header, put_number};

/// The version of the protocol that a client speaks; `HELLO` changes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Protocol {
    /// What a connection starts with.
    #[default]
    Resp2,
    /// With maps, sets, doubles, nulls and push messages.
    Resp3,
}

/// A buffer that replies are written to.
#[derive(Debug)]
pub struct Reply {
    out: BytesMut,
    protocol: Protocol,
    discarding: bool,
}

/// Where a header goes whose count is known later.
#[derive(Debug)]
#[must_use = "without its header the reply is broken: give it to one of Reply's finish functions"]
pub struct Deferred {
    at: usize,
}

impl Reply {
    /// An empty reply.
    pub fn new(protocol: Protocol) -> Self {
        Self { out: BytesMut::new(), protocol, discarding: false }
    }

    /// A reply that nobody reads: every call is a no-op and its length stays 0.
    pub fn discarding() -> Self {
        Self { out: BytesMut::new(), protocol: Protocol::Resp2, discarding: true }
    }

    /// True if nothing is written, so that costly work for a reply alone can be left out.
    #[inline]
    pub fn is_discarding(&self) -> bool {
        self.discarding
    }

    /// The version that is written.
    #[inline]
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Changes the version from here on.
    pub fn set_protocol(&mut self, protocol: Protocol) {
        self.protocol = protocol;
    }

    /// `+OK`
    #[inline]
    pub fn ok(&mut self) {
        self.raw(b"+OK\r\n");
    }

    /// A simple string; line ends in it become spaces.
    pub fn simple(&mut self, text: &str) {
        self.simple_bytes(text.as_bytes());
    }

    /// As [`Reply::simple`], for texts that need not be UTF-8.
    pub fn simple_bytes(&mut self, text: &[u8]) {
        self.line(b'+', text);
    }

    /// An error: its code, a space and the text, as in `ERR syntax error`, without `-`. Line ends become spaces,
    /// those around the text vanish.
    pub fn error(&mut self, text: &str) {
        self.error_bytes(text.as_bytes());
    }

    /// As [`Reply::error`], for texts that repeat a client's bytes.
    pub fn error_bytes(&mut self, text: &[u8]) {
        let mut text = text;
        while let [b'\r' | b'\n', inner @ ..] | [inner @ .., b'\r' | b'\n'] = text {
            text = inner;
        }
        self.line(b'-', text);
    }

    /// The error that precedes the closing of a broken stream.
    pub fn protocol_error(&mut self, error: &ProtocolError) {
        let (head, got, tail) = error.parts();
        let got = got.as_slice();
        let text = [b"ERR ".as_slice(), head.as_bytes(), got, tail.as_bytes()];
        self.error_bytes(&text.concat());
    }

    /// An integer.
    #[inline]
    pub fn integer(&mut self, value: i64) {
        self.number(b':', value);
    }

    /// A length or count as an integer.
    #[inline]
    pub fn count(&mut self, value: usize) {
        self.integer(i64::try_from(value).unwrap_or(i64::MAX));
    }

    /// A bulk string.
    #[inline]
    pub fn bulk(&mut self, bytes: &[u8]) {
        if !self.discarding {
            // One growth instead of three: 24 bytes hold the header and both line ends.
            self.out.reserve(bytes.len().saturating_add(24));
            put_header(&mut self.out, b'$', bytes.len());
            self.out.put_slice(bytes);
            self.out.put_slice(b"\r\n");
        }
    }

    /// A bulk string that is an integer in decimal.
    pub fn bulk_integer(&mut self, value: i64) {
        self.bulk(&format_integer(value));
    }

    /// A bulk string that is a double, in both versions.
    pub fn bulk_double(&mut self, value: f64) {
        self.bulk(&format_double(value));
    }

    /// A bulk string or null.
    pub fn bulk_or_null(&mut self, bytes: Option<&[u8]>) {
        match bytes {
            Some(bytes) => self.bulk(bytes),
            None => self.null(),
        }
    }

    /// Null where a value is expected.
    #[inline]
    pub fn null(&mut self) {
        self.by_version(b"$-1\r\n", b"_\r\n");
    }

    /// Null where an array is expected, which differs in RESP2.
    pub fn null_array(&mut self) {
        self.by_version(b"*-1\r\n", b"_\r\n");
    }

    /// The header of an array; `count` elements must follow.
    #[inline]
    pub fn array(&mut self, count: usize) {
        self.header(b'*', count);
    }

    /// The header of a map; `count` pairs must follow, keys and values in turn.
    pub fn map(&mut self, count: usize) {
        match self.protocol {
            Protocol::Resp2 => self.header(b'*', count.saturating_mul(2)),
            Protocol::Resp3 => self.header(b'%', count),
        }
    }

    /// The header of a set; `count` elements must follow.
    pub fn set(&mut self, count: usize) {
        self.header(self.kind(b'~'), count);
    }

    /// The header of a message that answers no request; `count` elements must follow.
    pub fn push(&mut self, count: usize) {
        self.header(self.kind(b'>'), count);
    }

    /// The header of attributes to the reply that follows. True if `count` pairs and then that reply must be
    /// written; false in RESP2, which has none, and then only the reply.
    #[must_use = "the pairs must be written only if this is true"]
    pub fn attribute(&mut self, count: usize) -> bool {
        let written = self.protocol == Protocol::Resp3;
        if written {
            self.header(b'|', count);
        }
        written
    }

    /// A double.
    pub fn double(&mut self, value: f64) {
        match self.protocol {
            Protocol::Resp2 => self.bulk_double(value),
            Protocol::Resp3 => self.line(b',', &format_double(value)),
        }
    }

    /// A boolean.
    pub fn boolean(&mut self, value: bool) {
        if value {
            self.by_version(b":1\r\n", b"#t\r\n");
        } else {
            self.by_version(b":0\r\n", b"#f\r\n");
        }
    }

    /// An integer of any size, given in decimal.
    pub fn big_number(&mut self, digits: &str) {
        self.big_number_bytes(digits.as_bytes());
    }

    pub(crate) fn big_number_bytes(&mut self, digits: &[u8]) {
        match self.protocol {
            Protocol::Resp2 => self.bulk(digits),
            Protocol::Resp3 => self.line(b'(', digits),
        }
    }

    /// A text for people, with a format of three characters such as `txt`.
    ///
    /// # Panics
    /// If the format has not three bytes, as clients would misread the text.
    pub fn verbatim(&mut self, format: &str, text: &[u8]) {
        let format: Result<[u8; 3], _> = format.as_bytes().try_into();
        match format {
            Ok(format) => self.verbatim_bytes(format, text),
            Err(_) => panic!("a verbatim format has three bytes"),
        }
    }

    pub(crate) fn verbatim_bytes(&mut self, format: [u8; 3], text: &[u8]) {
        if self.protocol == Protocol::Resp2 {
            return self.bulk(text);
        }
        if !self.discarding {
            self.out.reserve(text.len().saturating_add(28));
            put_header(&mut self.out, b'=', text.len().saturating_add(4));
            self.out.put_slice(&format);
            self.out.put_u8(b':');
            self.out.put_slice(text);
            self.out.put_slice(b"\r\n");
        }
    }

    /// Bytes that are already whole elements.
    #[inline]
    pub fn raw(&mut self, bytes: &[u8]) {
        if !self.discarding {
            self.out.put_slice(bytes);
        }
    }

    /// Marks the place of a header whose count is not yet known; write the elements, then call a finish function.
    ///
    /// Finishing moves what was written in between, so where the count is known, write the header first.
    /// Places inside each other are finished from the inside out.
    pub fn deferred(&self) -> Deferred {
        Deferred { at: self.out.len() }
    }

    /// Puts an array's header in its place.
    pub fn finish_array(&mut self, place: Deferred, count: usize) {
        self.finish(place, |reply| reply.array(count));
    }

    /// Puts a map's header in its place.
    pub fn finish_map(&mut self, place: Deferred, count: usize) {
        self.finish(place, |reply| reply.map(count));
    }

    /// Puts a set's header in its place.
    pub fn finish_set(&mut self, place: Deferred, count: usize) {
        self.finish(place, |reply| reply.set(count));
    }

    /// Bytes written and not yet taken.
    #[inline]
    pub fn len(&self) -> usize {
        self.out.len()
    }

    /// True if nothing is written.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.out.is_empty()
    }

    /// What is written and not yet taken.
    pub fn as_bytes(&self) -> &[u8] {
        &self.out
    }

    /// Drops what was written after the first `len` bytes, an earlier [`Reply::len`].
    pub fn truncate(&mut self, len: usize) {
        self.out.truncate(len);
    }

    /// Takes what is written and leaves the reply empty.
    pub fn take(&mut self) -> Bytes {
        self.out.split().freeze()
    }

    fn finish(&mut self, place: Deferred, header: impl FnOnce(&mut Self)) {
        if self.discarding {
            return;
        }
        let end = self.out.len();
        header(self);
        let header_bytes = self.out.len() - end;
        if let Some(tail) = self.out.get_mut(place.at..) {
            tail.rotate_right(header_bytes);
        }
    }

    /// An aggregate's type byte; RESP2 knows arrays only.
    fn kind(&self, resp3: u8) -> u8 {
        match self.protocol {
            Protocol::Resp2 => b'*',
            Protocol::Resp3 => resp3,
        }
    }

    #[inline]
    fn by_version(&mut self, resp2: &[u8], resp3: &[u8]) {
        match self.protocol {
            Protocol::Resp2 => self.raw(resp2),
            Protocol::Resp3 => self.raw(resp3),
        }
    }

    #[inline]
    fn header(&mut self, kind: u8, count: usize) {
        if !self.discarding {
            put_header(&mut self.out, kind, count);
        }
    }

    #[inline]
    fn number(&mut self, kind: u8, value: i64) {
        if !self.discarding {
            put_number(&mut self.out, kind, value < 0, value.unsigned_abs());
        }
    }

    fn line(&mut self, kind: u8, text: &[u8]) {
        if self.discarding {
            return;
        }
        self.out.reserve(text.len().saturating_add(3));
        self.out.put_u8(kind);
        let mut parts = text.split(|byte| matches!(byte, b'\r' | b'\n'));
        self.out.put_slice(parts.next().unwrap_or_default());
        for part in parts {
            self.out.put_u8(b' ');
            self.out.put_slice(part);
        }
        self.out.put_slice(b"\r\n");
    }
}
