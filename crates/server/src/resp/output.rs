//! The replies that wait to be written, in order.
//!
//! For: writing them with few system calls and without copies. Leaves to others: the bound on them.
//! Invariant: no piece is empty; `bytes` is the sum of what is left of the pieces.

use std::collections::VecDeque;
use std::io::{self, IoSlice};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncWrite, AsyncWriteExt};

/// Pieces that go into one system call.
const PIECES_MAX: usize = 16;

/// The output queue of a connection.
#[derive(Debug, Default)]
pub(super) struct Output {
    pieces: VecDeque<Bytes>,
    bytes: usize,
}

impl Output {
    pub(super) fn push(&mut self, piece: Bytes) {
        if !piece.is_empty() {
            self.bytes += piece.len();
            self.pieces.push_back(piece);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn pieces(&self) -> usize {
        self.pieces.len()
    }

    /// Writes some of it; gives the bytes written. May be dropped at any point without losing its place.
    pub(super) async fn write_some(&mut self, writer: &mut (impl AsyncWrite + Unpin)) -> io::Result<usize> {
        let written = match self.pieces.len() {
            0 => return Ok(0),
            1 => writer.write(&self.pieces[0]).await?,
            _ => {
                let mut slices = [IoSlice::new(&[]); PIECES_MAX];
                for (slice, piece) in slices.iter_mut().zip(&self.pieces) {
                    *slice = IoSlice::new(piece);
                }
                writer.write_vectored(&slices[..self.pieces.len().min(PIECES_MAX)]).await?
            }
        };
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.advance(written);
        Ok(written)
    }

    fn advance(&mut self, mut written: usize) {
        self.bytes -= written;
        while let Some(piece) = self.pieces.front_mut() {
            if piece.len() > written {
                piece.advance(written);
                return;
            }
            written -= piece.len();
            self.pieces.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    #[tokio::test]
    async fn pieces_are_written_in_order_however_little_fits() {
        let (mut near, mut far) = tokio::io::duplex(7);
        let reader = tokio::spawn(async move {
            let mut all = Vec::new();
            far.read_to_end(&mut all).await.map(|_| all)
        });
        let mut output = Output::default();
        let mut expected = Vec::new();
        for i in 0..40_u8 {
            let piece = vec![i; usize::from(i)];
            expected.extend_from_slice(&piece);
            output.push(piece.into());
        }
        assert_eq!(output.bytes(), expected.len());
        while !output.is_empty() {
            output.write_some(&mut near).await.expect("the other end reads");
        }
        drop(near);
        assert_eq!(reader.await.expect("it ends").expect("it reads"), expected);
    }
}
