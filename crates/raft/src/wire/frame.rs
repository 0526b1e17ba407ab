//! Frames: what every message between peers is wrapped in, once the handshake is done.
//!
//! ```text
//! 0   4  length of the body in bytes, bounded by the receiver
//! 4   1  class: 0 request, 1 answer, 2 error (the body is text), 3 keepalive (no body)
//! 5   1  kind of the request; 0 in answers
//! 6   2  zero
//! 8   8  id: an answer carries its request's
//! 16  4  CRC-32C of bytes 0..16 and the body
//! 20  …  body
//! ```
//!
//! A body is sent from the pieces that it consists of: payloads are not copied together.

use std::{collections::VecDeque, io};

use bytes::{Buf, Bytes, BytesMut};
use crc_fast::{CrcAlgorithm, Digest};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

pub(crate) const HEADER_BYTES: usize = 20;

/// What a receive buffer grows by.
const READ_BYTES: usize = 64 << 10;
/// With less room than this a receive buffer grows: bodies that are still in use keep it from starting over, so a
/// reserve of [`READ_BYTES`] for each read would be an allocation for each message.
const ROOM_BYTES_MIN: usize = 4 << 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Class {
    Request = 0,
    Answer = 1,
    Error = 2,
    Keepalive = 3,
}

impl Class {
    fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            0 => Self::Request,
            1 => Self::Answer,
            2 => Self::Error,
            3 => Self::Keepalive,
            _ => return None,
        })
    }
}

/// A message on its way out.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub(crate) class: Class,
    pub(crate) kind: u8,
    pub(crate) id: u64,
    pub(crate) body: Vec<Bytes>,
}

impl Frame {
    pub(crate) fn new(class: Class, kind: u8, id: u64, body: Bytes) -> Self {
        Self { class, kind, id, body: vec![body] }
    }

    pub(crate) fn keepalive() -> Self {
        Self { class: Class::Keepalive, kind: 0, id: 0, body: Vec::new() }
    }

    pub(crate) fn body_bytes(&self) -> usize {
        self.body.iter().map(Bytes::len).sum()
    }

    fn header(&self) -> [u8; HEADER_BYTES] {
        let mut header = [0; HEADER_BYTES];
        // Senders check the length against their limit, which is far below 4 GiB.
        let length = u32::try_from(self.body_bytes()).expect("bodies are bounded below 4 GiB");
        header[0..4].copy_from_slice(&length.to_le_bytes());
        header[4] = self.class as u8;
        header[5] = self.kind;
        header[8..16].copy_from_slice(&self.id.to_le_bytes());
        let crc = checksum(&header[..16], self.body.iter().map(|part| &part[..]));
        header[16..20].copy_from_slice(&crc.to_le_bytes());
        header
    }
}

/// A message that came in.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Received {
    pub(crate) class: Class,
    pub(crate) kind: u8,
    pub(crate) id: u64,
    pub(crate) body: BytesMut,
}

fn checksum<'a>(header: &[u8], body: impl Iterator<Item = &'a [u8]>) -> u32 {
    let mut digest = Digest::new(CrcAlgorithm::Crc32Iscsi);
    digest.update(header);
    for part in body {
        digest.update(part);
    }
    // A 32-bit checksum in the low half.
    digest.finalize() as u32
}

fn invalid(reason: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

/// Takes a whole frame from the front of `buffer`, or says how many bytes are missing at least.
pub(crate) fn decode(buffer: &mut BytesMut, body_bytes_max: usize) -> io::Result<Result<Received, usize>> {
    let Some(header) = buffer.first_chunk::<HEADER_BYTES>() else {
        return Ok(Err(HEADER_BYTES - buffer.len()));
    };
    let [l0, l1, l2, l3, class, kind, _, _, i0, i1, i2, i3, i4, i5, i6, i7, c0, c1, c2, c3] = *header;
    let length = u32::from_le_bytes([l0, l1, l2, l3]);
    let id = u64::from_le_bytes([i0, i1, i2, i3, i4, i5, i6, i7]);
    let crc = u32::from_le_bytes([c0, c1, c2, c3]);
    let body_bytes = usize::try_from(length).map_err(|_| invalid("frame too long".into()))?;
    if body_bytes > body_bytes_max {
        return Err(invalid(format!("a frame of {body_bytes} bytes is larger than {body_bytes_max}")));
    }
    let class = Class::from_byte(class).ok_or_else(|| invalid(format!("unknown class {class}")))?;
    let missing = (HEADER_BYTES + body_bytes).saturating_sub(buffer.len());
    if missing > 0 {
        return Ok(Err(missing));
    }
    let header = buffer.split_to(HEADER_BYTES);
    let body = buffer.split_to(body_bytes);
    if checksum(&header[..16], std::iter::once(&body[..])) != crc {
        return Err(invalid(format!("frame {id} is damaged")));
    }
    Ok(Ok(Received { class, kind, id, body }))
}

/// Reads frames from a connection.
pub(crate) struct FrameReader<R> {
    reader: R,
    buffer: BytesMut,
    body_bytes_max: usize,
}

impl<R: AsyncRead + Unpin> FrameReader<R> {
    pub(crate) fn new(reader: R, body_bytes_max: usize) -> Self {
        Self { reader, buffer: BytesMut::new(), body_bytes_max }
    }

    /// The next frame; `None` where the peer closed the connection between two. Cancelling loses nothing.
    pub(crate) async fn next(&mut self) -> io::Result<Option<Received>> {
        loop {
            match decode(&mut self.buffer, self.body_bytes_max)? {
                Ok(received) => return Ok(Some(received)),
                Err(missing) => {
                    if self.buffer.capacity() - self.buffer.len() < missing.max(ROOM_BYTES_MIN) {
                        self.buffer.reserve(missing.max(READ_BYTES));
                    }
                }
            }
            if self.reader.read_buf(&mut self.buffer).await? == 0 {
                if self.buffer.is_empty() {
                    return Ok(None);
                }
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

/// Writes frames in order with as few calls as the pieces allow, and flushes. Takes them out of `frames`.
pub(crate) async fn write<W: AsyncWrite + Unpin>(writer: &mut W, frames: &mut Vec<Frame>) -> io::Result<()> {
    let mut parts = Parts::default();
    for frame in frames.drain(..) {
        parts.push(Bytes::copy_from_slice(&frame.header()));
        for part in frame.body {
            parts.push(part);
        }
    }
    writer.write_all_buf(&mut parts).await?;
    writer.flush().await
}

/// Pieces in order, as one buffer.
#[derive(Default)]
struct Parts {
    parts: VecDeque<Bytes>,
    remaining: usize,
}

impl Parts {
    fn push(&mut self, part: Bytes) {
        if !part.is_empty() {
            self.remaining += part.len();
            self.parts.push_back(part);
        }
    }
}

impl Buf for Parts {
    fn remaining(&self) -> usize {
        self.remaining
    }

    fn chunk(&self) -> &[u8] {
        self.parts.front().map_or(&[], |part| &part[..])
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [io::IoSlice<'a>]) -> usize {
        let mut filled = 0;
        for (slice, part) in slices.iter_mut().zip(&self.parts) {
            *slice = io::IoSlice::new(part);
            filled += 1;
        }
        filled
    }

    fn advance(&mut self, mut count: usize) {
        self.remaining -= count;
        while count > 0 {
            let front = self.parts.front_mut().expect("no more is taken than there is");
            if count < front.len() {
                front.advance(count);
                return;
            }
            count -= front.len();
            self.parts.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(frame: &Frame) -> BytesMut {
        let mut bytes = BytesMut::from(&frame.header()[..]);
        frame.body.iter().for_each(|part| bytes.extend_from_slice(part));
        bytes
    }

    #[tokio::test]
    async fn frames_survive_any_cut_of_the_stream() {
        let body = vec![Bytes::from_static(b"head"), Bytes::new(), Bytes::from(vec![7; 100_000])];
        let frame = Frame { class: Class::Request, kind: 9, id: 42, body };
        for step in [1, 19, 20, 21, 4096] {
            let (mut near, far) = tokio::io::duplex(step);
            let mut frames = vec![frame.clone(), Frame::keepalive(), frame.clone()];
            let writing = tokio::spawn(async move { write(&mut near, &mut frames).await });
            let mut reader = FrameReader::new(far, 1 << 20);
            let first = reader.next().await.expect("a whole frame").expect("not the end");
            assert_eq!(
                (first.class, first.kind, first.id, first.body.len()),
                (Class::Request, 9, 42, 100_004)
            );
            assert_eq!(reader.next().await.expect("valid").expect("not the end").class, Class::Keepalive);
            assert_eq!(reader.next().await.expect("valid").expect("not the end"), first);
            assert!(reader.next().await.expect("a clean end").is_none());
            writing.await.expect("no panic").expect("all is written");
        }
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let bytes = sent(&Frame::new(Class::Answer, 0, 7, Bytes::from_static(b"the body")));
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            // A longer length waits for bytes that do not come; all else is an error.
            assert!(!matches!(decode(&mut damaged, 1 << 20), Ok(Ok(_))), "bit {bit}");
        }
    }

    #[test]
    fn a_length_beyond_the_limit_is_refused_before_it_is_waited_for() {
        let frame = Frame::new(Class::Request, 1, 1, Bytes::from(vec![0; 101]));
        assert!(decode(&mut sent(&frame), 100).is_err());
        assert!(matches!(decode(&mut sent(&frame), 101), Ok(Ok(_))));
    }
}
