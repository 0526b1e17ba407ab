//! Requests out of a client's byte stream.
//!
//! ```text
//! *2 CR LF  $3 CR LF  GET CR LF  $3 CR LF  key CR LF        an array of bulk strings
//! GET key CR LF                                             or an inline line, see `inline`
//! ```
//!
//! Left to others: reading bytes into the buffer, closing the connection after an error, and the total over all
//! connections (`server`).
//!
//! Invariants:
//! - Between two calls the owner of the buffer only appends to it.
//! - `position` bytes of the buffer belong to the request under way and are never looked at again; nothing is
//!   taken out of the buffer before the request is whole, so its arguments lie in one piece.
//! - A request is refused by where its bytes are, never by how they happened to arrive.
//! - What is reserved ahead of arrival is at most [`RESERVE_BYTES_MIN`] or what has already arrived.
//!
//! As in Redis: the byte behind CR and the two behind an argument are skipped unread; a NUL hides the line end
//! behind it; empty lines, `*0` and negative counts are no request and are skipped.

use bytes::{Buf, BytesMut};
use memchr::memchr2;

use crate::error::ProtocolError;
use crate::inline;
use crate::number::parse_i64;
use crate::request::{ArgRanges, Request, offset};

/// The most arguments that a client may send before it has authenticated.
pub const UNAUTHENTICATED_ARGS_MAX: usize = 10;

/// The longest argument in bytes that a client may send before it has authenticated.
pub const UNAUTHENTICATED_BULK_BYTES_MAX: usize = 16 * 1024;

/// Room made for an announced argument ahead of its arrival; beyond it the buffer grows with what has arrived.
const RESERVE_BYTES_MIN: usize = 1024 * 1024;

/// What a request may be at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of an inline request, and of each line that counts arguments or bytes.
    pub inline_bytes_max: usize,
    /// Bytes of one argument; Redis' `proto-max-bulk-len`.
    pub bulk_bytes_max: usize,
    /// Arguments of one request.
    pub args_max: usize,
    /// Bytes of one request, below 4 GiB; Redis' `client-query-buffer-limit`.
    pub request_bytes_max: usize,
    /// The client still has to authenticate: [`UNAUTHENTICATED_ARGS_MAX`] and [`UNAUTHENTICATED_BULK_BYTES_MAX`]
    /// hold as well. Decode and execute one request at a time meanwhile, as the next may follow an `AUTH`.
    pub unauthenticated: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            inline_bytes_max: 64 * 1024,
            bulk_bytes_max: 512 * 1024 * 1024,
            args_max: 1024 * 1024,
            request_bytes_max: 1024 * 1024 * 1024,
            unauthenticated: false,
        }
    }
}

/// Takes requests out of a buffer that bytes are appended to; remembers where it stopped.
///
/// One decoder belongs to one stream. After an error every further call gives the same error.
#[derive(Debug)]
pub struct Decoder {
    limits: Limits,
    /// Bytes of the buffer that the request under way has taken.
    position: usize,
    /// Bytes from `position` on that are known to hold no line end.
    scanned: usize,
    args: ArgRanges,
    args_left: usize,
    /// Length of the argument that is arriving, once its header has been read.
    bulk: Option<usize>,
}

impl Decoder {
    /// A decoder at the start of a stream.
    pub fn new(limits: Limits) -> Self {
        Self { limits, position: 0, scanned: 0, args: ArgRanges::new(), args_left: 0, bulk: None }
    }

    /// The limits in force.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Changes the limits, for instance after authentication. They hold from the next header on.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Bytes of an announced argument that have not arrived, a hint for how much to read at once.
    pub fn bytes_missing(&self, buf: &BytesMut) -> usize {
        let end = self.bulk.map_or(0, |length| self.position.saturating_add(length).saturating_add(2));
        end.saturating_sub(buf.len())
    }

    /// The next whole request, taken out of `buf`; none until more bytes have been appended.
    ///
    /// # Errors
    /// The stream is broken or over a limit: answer with the error and close.
    #[inline]
    pub fn decode(&mut self, buf: &mut BytesMut) -> Result<Option<Request>, ProtocolError> {
        while self.args_left == 0 {
            match buf.first() {
                None => return Ok(None),
                Some(b'*') => {
                    if !self.begin(buf)? {
                        return Ok(None);
                    }
                }
                Some(_) => match self.inline(buf)? {
                    Line::Partial => return Ok(None),
                    Line::Blank => {}
                    Line::Request(request) => return Ok(Some(request)),
                },
            }
        }
        self.arguments(buf)
    }

    /// Reads the count of arguments; false while its line is not whole. Counts of zero and less are skipped.
    fn begin(&mut self, buf: &mut BytesMut) -> Result<bool, ProtocolError> {
        let (count, end) = match quick_header(buf.get(1..)) {
            Some((count, bytes)) => (Ok(count), bytes + 1),
            None => {
                let Some(end) = self.line_end(buf, b'\r', ProtocolError::ArgsCountTooBig)? else {
                    return Ok(false);
                };
                // The byte behind CR belongs to the line.
                let Some(next) = end.checked_add(2).filter(|&next| next <= buf.len()) else {
                    return Ok(false);
                };
                let count = buf.get(1..end).and_then(parse_i64).ok_or(ProtocolError::ArgsCountInvalid)?;
                (usize::try_from(count).or(if count < 0 { Ok(0) } else { Err(()) }), next)
            }
        };
        let count = count
            .ok()
            .filter(|&count| count <= self.limits.args_max)
            .ok_or(ProtocolError::ArgsCountInvalid)?;
        if self.limits.unauthenticated && count > UNAUTHENTICATED_ARGS_MAX {
            return Err(ProtocolError::ArgsUnauthenticated);
        }
        self.scanned = 0;
        if count == 0 {
            buf.advance(end);
        } else {
            self.position = end;
            self.args_left = count;
        }
        Ok(true)
    }

    /// Reads arguments until the request is whole.
    #[inline]
    fn arguments(&mut self, buf: &mut BytesMut) -> Result<Option<Request>, ProtocolError> {
        while self.args_left > 0 {
            let length = match self.bulk {
                Some(length) => length,
                None => match self.bulk_header(buf)? {
                    Some(length) => length,
                    None => return Ok(None),
                },
            };
            // The limit on the request keeps these sums small.
            let end = self.position + length;
            if buf.len() < end + 2 {
                self.bulk = Some(length);
                self.reserve(buf, end + 2);
                return Ok(None);
            }
            self.args.push(offset(self.position)?..offset(end)?);
            self.bulk = None;
            self.position = end + 2;
            self.args_left -= 1;
        }
        let frame = buf.split_to(self.position).freeze();
        self.position = 0;
        Ok(Some(Request::new(frame, std::mem::take(&mut self.args))))
    }

    /// Reads the length of the next argument; none while its line is not whole.
    #[inline]
    fn bulk_header(&mut self, buf: &BytesMut) -> Result<Option<usize>, ProtocolError> {
        let rest = buf.get(self.position..).unwrap_or_default();
        let (length, bytes) = match rest.split_first() {
            Some((b'$', digits)) if let Some((length, bytes)) = quick_header(Some(digits)) => {
                (length, bytes + 1)
            }
            _ => match self.bulk_header_slow(rest)? {
                Some(header) => header,
                None => return Ok(None),
            },
        };
        if length > self.limits.bulk_bytes_max {
            return Err(ProtocolError::BulkLengthInvalid);
        }
        if self.limits.unauthenticated && length > UNAUTHENTICATED_BULK_BYTES_MAX {
            return Err(ProtocolError::BulkUnauthenticated);
        }
        let start = self.position + bytes;
        let end = start.checked_add(length).and_then(|end| end.checked_add(2));
        if end.is_none_or(|end| end > self.request_bytes_max()) {
            return Err(ProtocolError::RequestTooBig);
        }
        self.scanned = 0;
        self.position = start;
        Ok(Some(length))
    }

    /// The header of an argument that is not of the plain form, not whole, or wrong.
    #[cold]
    fn bulk_header_slow(&mut self, rest: &[u8]) -> Result<Option<(usize, usize)>, ProtocolError> {
        let Some(end) = self.line_end(rest, b'\r', ProtocolError::BulkLengthTooBig)? else { return Ok(None) };
        let Some(next) = end.checked_add(2).filter(|&next| next <= rest.len()) else { return Ok(None) };
        if let Some(&got) = rest.first()
            && got != b'$'
        {
            return Err(ProtocolError::BulkExpected { got });
        }
        let length = rest.get(1..end).and_then(parse_i64).and_then(|length| usize::try_from(length).ok());
        length.map(|length| Some((length, next))).ok_or(ProtocolError::BulkLengthInvalid)
    }

    fn inline(&mut self, buf: &mut BytesMut) -> Result<Line, ProtocolError> {
        let Some(end) = self.line_end(buf, b'\n', ProtocolError::InlineTooBig)? else {
            return Ok(Line::Partial);
        };
        let line = buf.get(..end).unwrap_or_default();
        let (frame, args) = inline::split(line.strip_suffix(b"\r").unwrap_or(line))?;
        self.scanned = 0;
        buf.advance(end + 1);
        Ok(if args.is_empty() { Line::Blank } else { Line::Request(Request::new(frame, args)) })
    }

    /// Where in `rest` the line under way ends; none while it has not arrived, `too_big` beyond the limit.
    fn line_end(
        &mut self,
        rest: &[u8],
        mark: u8,
        too_big: ProtocolError,
    ) -> Result<Option<usize>, ProtocolError> {
        let limit = self.limits.inline_bytes_max;
        let unseen = rest.get(self.scanned..).unwrap_or_default();
        let found = memchr2(mark, 0, unseen).map(|at| self.scanned + at);
        // A NUL ends the text for Redis, so that no line end is ever found behind it: stay in front of it.
        let nul = found.is_some_and(|at| rest.get(at) == Some(&0));
        self.scanned = found.unwrap_or(rest.len());
        match found {
            Some(at) if at > limit => Err(too_big),
            Some(at) if !nul => Ok(Some(at)),
            _ if rest.len() > limit => Err(too_big),
            _ => Ok(None),
        }
    }

    /// Makes room for an argument that ends at `end`, without trusting the announcement.
    fn reserve(&self, buf: &mut BytesMut, end: usize) {
        let missing = end.saturating_sub(buf.len());
        let ahead = missing.min(buf.len().max(RESERVE_BYTES_MIN));
        if buf.capacity().saturating_sub(buf.len()) < missing.min(RESERVE_BYTES_MIN) {
            buf.reserve(ahead);
        }
    }

    /// Below 4 GiB, so that positions in a request are 32 bits wide.
    fn request_bytes_max(&self) -> usize {
        self.limits.request_bytes_max.min(usize::try_from(u32::MAX).unwrap_or(usize::MAX))
    }
}

enum Line {
    Partial,
    Blank,
    Request(Request),
}

/// The common header: up to nine digits, CR and one more byte, all there. Gives the number and the bytes behind it.
/// Everything else, right or wrong, is for the slow path, which knows the rules.
#[inline]
fn quick_header(rest: Option<&[u8]>) -> Option<(usize, usize)> {
    let rest = rest?;
    let mut value = 0_usize;
    for (bytes, &byte) in rest.iter().take(10).enumerate() {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            let plain = byte == b'\r' && (bytes == 1 || (bytes > 1 && rest.first() != Some(&b'0')));
            return (plain && rest.len() >= bytes + 2).then_some((value, bytes + 2));
        }
        value = value * 10 + usize::from(digit);
    }
    None
}
