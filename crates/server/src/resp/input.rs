//! The bytes that a client has sent and that are not yet requests.
//!
//! For: room to read into, large enough for few reads and given back when it is not needed.
//! Leaves to others: decoding. Invariant: a buffer that has grown shrinks again within [`SHRINK_AFTER`] of its
//! last large use, and one that is idle for [`RELEASE_AFTER`] is given back, as in Redis.

use std::time::{Duration, Instant};

use bytes::BytesMut;

/// Bytes of room for a read; Redis' size.
const READ_BYTES: usize = 16 * 1024;
/// Less room than this is made larger before a read.
const ROOM_BYTES_MIN: usize = 8 * 1024;
/// A buffer beyond this is large.
const LARGE_BYTES: usize = 32 * 1024;
/// How long a large buffer is kept without need.
const SHRINK_AFTER: Duration = Duration::from_millis(500);
/// How long a buffer is kept for an idle client.
const RELEASE_AFTER: Duration = Duration::from_secs(2);

/// The input buffer of a connection.
#[derive(Debug)]
pub(super) struct Input {
    pub(super) bytes: BytesMut,
    /// Bytes that are allocated, those that requests share included.
    allocated: usize,
    /// When the buffer was last read into, and last needed its size.
    used: Instant,
    large_use: Instant,
}

impl Input {
    pub(super) fn new() -> Input {
        let now = Instant::now();
        Input { bytes: BytesMut::new(), allocated: 0, used: now, large_use: now }
    }

    /// The buffer with room for a read.
    pub(super) fn with_room(&mut self) -> &mut BytesMut {
        if self.bytes.capacity() - self.bytes.len() < ROOM_BYTES_MIN {
            self.bytes.reserve(READ_BYTES);
        }
        self.allocated = self.allocated.max(self.bytes.capacity());
        &mut self.bytes
    }

    /// Notes that bytes were read.
    pub(super) fn was_read(&mut self, now: Instant) {
        self.used = now;
        self.allocated = self.allocated.max(self.bytes.capacity());
        if self.bytes.len() > LARGE_BYTES {
            self.large_use = now;
        }
    }

    /// Gives back what is not needed. The part of a request that has arrived stays in the buffer.
    pub(super) fn tidy(&mut self, now: Instant) {
        // Decoding may have made room of its own.
        self.allocated = self.allocated.max(self.bytes.capacity());
        if !self.bytes.is_empty() || self.allocated == 0 {
            return;
        }
        if now.saturating_duration_since(self.used) >= RELEASE_AFTER {
            self.bytes = BytesMut::new();
            self.allocated = 0;
        } else if self.is_large() && now.saturating_duration_since(self.large_use) >= SHRINK_AFTER {
            self.bytes = BytesMut::with_capacity(READ_BYTES);
            self.allocated = READ_BYTES;
        }
    }

    /// Whether the buffer is larger than it usually has to be.
    pub(super) fn is_large(&self) -> bool {
        self.allocated > LARGE_BYTES
    }

    /// Whether it holds memory.
    pub(super) fn is_released(&self) -> bool {
        self.allocated == 0
    }

    /// Bytes that are there, and bytes of room besides.
    pub(super) fn sizes(&self) -> (usize, usize) {
        let len = self.bytes.len();
        (len, self.allocated.max(self.bytes.capacity()).saturating_sub(len))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_shrinks_and_is_released() {
        let start = Instant::now();
        let after = |millis| start + Duration::from_millis(millis);
        let mut input = Input::new();
        assert_eq!(input.sizes(), (0, 0));
        input.with_room();
        assert_eq!(input.sizes(), (0, READ_BYTES));
        input.bytes.extend_from_slice(&vec![0; 100_000]);
        input.was_read(after(0));
        drop(input.bytes.split());
        input.tidy(after(100));
        assert!(input.sizes().1 >= 100_000);
        input.was_read(after(400));
        input.bytes.extend_from_slice(b"part");
        input.tidy(after(600));
        assert!(input.sizes().1 >= 90_000, "part of a request is in it");
        input.bytes.clear();
        input.tidy(after(600));
        assert_eq!(input.sizes(), (0, READ_BYTES));
        input.tidy(after(2300));
        assert_eq!(input.sizes(), (0, READ_BYTES));
        input.tidy(after(2400));
        assert_eq!((input.sizes(), input.is_released()), ((0, 0), true));
    }
}
