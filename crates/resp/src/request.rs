//! One request: a client's arguments, and the bytes they lie in.
//!
//! Left to others: finding the request in a stream (`decoder`), its meaning (`commands`).
//!
//! Invariant: every range lies inside the frame, so that an argument can always be taken.
//! A request holds one reference count on its receive buffer and frees it when dropped; whoever keeps a request
//! for long keeps the whole buffer.

use std::ops::Range;

use bytes::{BufMut, Bytes, BytesMut};
use smallvec::SmallVec;

use crate::error::ProtocolError;

pub(crate) type ArgRanges = SmallVec<[Range<u32>; 8]>;

/// The arguments of one client request, the command's name first.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    frame: Bytes,
    args: ArgRanges,
}

impl Request {
    pub(crate) fn new(frame: Bytes, args: ArgRanges) -> Self {
        debug_assert!(args.iter().all(|range| slice(&frame, range).is_some()), "a range leaves its frame");
        Self { frame, args }
    }

    /// A request made in this process, its arguments copied into one frame.
    ///
    /// # Panics
    /// If the arguments together exceed 4 GiB; see [`Request::try_from_args`].
    pub fn from_args<I>(args: I) -> Self
    where
        I: IntoIterator<Item: AsRef<[u8]>>,
    {
        match Self::try_from_args(args) {
            Ok(request) => request,
            Err(error) => panic!("arguments of a request made in this process: {error}"),
        }
    }

    /// As [`Request::from_args`].
    ///
    /// # Errors
    /// [`ProtocolError::RequestTooBig`] if the arguments together exceed 4 GiB.
    pub fn try_from_args<I>(args: I) -> Result<Self, ProtocolError>
    where
        I: IntoIterator<Item: AsRef<[u8]>>,
    {
        let mut frame = BytesMut::new();
        let mut ranges = ArgRanges::new();
        for arg in args {
            let start = offset(frame.len())?;
            let end = offset(frame.len().saturating_add(arg.as_ref().len()))?;
            frame.put_slice(arg.as_ref());
            ranges.push(start..end);
        }
        Ok(Self { frame: frame.freeze(), args: ranges })
    }

    /// The number of arguments, the command's name included.
    #[inline]
    pub fn len(&self) -> usize {
        self.args.len()
    }

    /// True of a request without arguments, which a [`Decoder`](crate::Decoder) never gives.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.args.is_empty()
    }

    /// Argument `i`; empty when there are fewer. Ask [`Request::get`] where that matters.
    #[inline]
    pub fn arg(&self, i: usize) -> &[u8] {
        self.get(i).unwrap_or_default()
    }

    /// Argument `i`, if there are so many.
    #[inline]
    pub fn get(&self, i: usize) -> Option<&[u8]> {
        slice(&self.frame, self.args.get(i)?)
    }

    /// Argument `i` as a share of the frame, for those who outlive the request; empty when there are fewer.
    pub fn arg_bytes(&self, i: usize) -> Bytes {
        self.get(i).map(|arg| self.frame.slice_ref(arg)).unwrap_or_default()
    }

    /// All arguments in order.
    #[inline]
    pub fn args(&self) -> impl ExactSizeIterator<Item = &[u8]> + DoubleEndedIterator + Clone {
        self.args.iter().map(|range| slice(&self.frame, range).unwrap_or_default())
    }

    /// The bytes that this request was sent in and keeps alive, for the accounting of buffers.
    #[inline]
    pub fn frame_bytes(&self) -> usize {
        self.frame.len()
    }
}

impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.args().map(<[u8]>::escape_ascii).map(|arg| arg.to_string())).finish()
    }
}

/// Appends a request as an array of bulk strings, the form that every server takes.
pub fn encode_request<I>(args: I, out: &mut BytesMut)
where
    I: IntoIterator<Item: AsRef<[u8]>, IntoIter: ExactSizeIterator>,
{
    let args = args.into_iter();
    put_header(out, b'*', args.len());
    for arg in args {
        let arg = arg.as_ref();
        out.reserve(arg.len().saturating_add(24));
        put_header(out, b'$', arg.len());
        out.put_slice(arg);
        out.put_slice(b"\r\n");
    }
}

/// Appends a type byte, a count and the line end.
#[inline]
pub(crate) fn put_header(out: &mut BytesMut, kind: u8, count: usize) {
    put_number(out, kind, false, u64::try_from(count).unwrap_or(u64::MAX));
}

/// Appends a type byte, a sign, a number and the line end, in one piece: growing the buffer piece by piece is what
/// costs time here.
#[inline]
pub(crate) fn put_number(out: &mut BytesMut, kind: u8, negative: bool, mut magnitude: u64) {
    // Type, sign, 20 digits and the line end; written from the back, so that no length is needed before.
    let mut text = [0_u8; 24];
    let mut bytes = 0;
    let mut cells = text.iter_mut().rev();
    let mut put = |byte: u8| {
        if let Some(cell) = cells.next() {
            *cell = byte;
            bytes += 1;
        }
    };
    put(b'\n');
    put(b'\r');
    loop {
        put(b'0' + u8::try_from(magnitude % 10).unwrap_or(0));
        magnitude /= 10;
        if magnitude == 0 {
            break;
        }
    }
    if negative {
        put(b'-');
    }
    put(kind);
    out.put_slice(text.get(text.len() - bytes..).unwrap_or_default());
}

/// A position inside a frame.
#[inline]
pub(crate) fn offset(position: usize) -> Result<u32, ProtocolError> {
    u32::try_from(position).map_err(|_| ProtocolError::RequestTooBig)
}

#[inline]
fn slice<'a>(frame: &'a [u8], range: &Range<u32>) -> Option<&'a [u8]> {
    frame.get(usize::try_from(range.start).ok()?..usize::try_from(range.end).ok()?)
}
