//! The mailbox of a connection: bytes that are not the reply to a request.
//!
//! ```text
//!  apply, courier, another session ──► Client::send ──► mailbox ──► behind the replies made so far ──► socket
//! ```
//!
//! For: handing pushes and messages to a connection at any time, from any task. Leaves to others: what is in
//! them (`crate::messages`), writing them (`quorate-server`), and replies, which never go this way.
//!
//! Invariants:
//! - Mail leaves in the order in which it came, in whole pieces, and only behind every reply that was made before
//!   the mail was taken. So a client that is told that a key has changed has read the older value before.
//! - What waits is bounded: by `client-output-buffer-limit` of the client's class together with its unwritten
//!   replies, and by [`MAIL_BYTES_MAX`] in any case. Who exceeds it is disconnected.
//! - A connection without mail holds an empty list and costs one atomic load per round of its task.
//!
//! Called by: whoever has mail (`send`), the connection's own task (the rest).

use std::future::poll_fn;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::task::Poll;

use bytes::Bytes;
use futures_util::task::AtomicWaker;
use parking_lot::Mutex;
use quorate_commands::settings::OutputLimit;

use super::backend::Backend;
use super::registry::{Class, Client};
use super::{REPLY_ROOM_BYTES_MAX, Session};

/// Bytes of mail that wait for one connection at most, whatever the settings say.
pub const MAIL_BYTES_MAX: usize = 256 * 1024 * 1024;

/// Bytes of unwritten replies that count against no client's own limit: Redis does not count what fits its
/// client's own buffer, so that no limit is too low for a status.
pub const OUTPUT_BYTES_UNCOUNTED: usize = 16 * 1024;

/// Beyond this size a piece is passed on rather than copied behind others.
const PIECE_BYTES_MIN: usize = 4096;

/// What waits for a connection besides its replies.
#[derive(Debug, Default)]
pub(super) struct Mailbox {
    queue: Mutex<Queue>,
    bytes: AtomicUsize,
    waker: AtomicWaker,
}

#[derive(Debug, Default)]
struct Queue {
    pieces: Vec<Bytes>,
    /// The connection is gone, or has been told to go: nothing is kept any more.
    closed: bool,
}

impl Mailbox {
    /// Bytes that wait.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.load(Relaxed)
    }

    /// Pieces that wait.
    pub(super) fn pieces(&self) -> usize {
        self.queue.lock().pieces.len()
    }

    /// Whether nothing is kept any more.
    pub(super) fn is_closed(&self) -> bool {
        self.queue.lock().closed
    }

    /// Throws away what waits, and whatever still comes.
    pub(super) fn close(&self) {
        let mut queue = self.queue.lock();
        queue.closed = true;
        let pieces = std::mem::take(&mut queue.pieces);
        self.bytes.store(0, Relaxed);
        drop(queue);
        drop(pieces);
    }

    /// Adds a piece; gives the bytes that wait then, or nothing if nobody will take them.
    fn push(&self, piece: Bytes) -> Option<usize> {
        let mut queue = self.queue.lock();
        if queue.closed {
            return None;
        }
        let bytes = self.bytes.load(Relaxed) + piece.len();
        queue.pieces.push(piece);
        self.bytes.store(bytes, Release);
        Some(bytes)
    }

    fn take(&self) -> Vec<Bytes> {
        let mut queue = self.queue.lock();
        self.bytes.store(0, Relaxed);
        std::mem::take(&mut queue.pieces)
    }
}

/// The limits on what a client may leave unread, by its class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutputLimits([OutputLimit; 3]);

impl OutputLimits {
    pub(super) fn new(limits: [OutputLimit; 3]) -> OutputLimits {
        OutputLimits(limits)
    }

    /// The limit for a client as it is now.
    pub fn of(&self, client: &Client) -> OutputLimit {
        self.0[match client.class() {
            Class::Normal => 0,
            Class::Pubsub => 2,
        }]
    }

    /// Whether so many bytes are too many at once.
    pub fn are_exceeded(&self, client: &Client, bytes: usize) -> bool {
        let hard = usize::try_from(self.of(client).hard_bytes).unwrap_or(0);
        hard > 0 && bytes.saturating_sub(OUTPUT_BYTES_UNCOUNTED) > hard
    }
}

impl Client {
    /// Hands bytes to the connection, which writes them behind the replies that it has made so far. Never waits.
    ///
    /// A client that leaves more unread than it may is disconnected; then, and when the connection is gone, the
    /// bytes are dropped. True unless so.
    pub fn send(&self, mail: Bytes, limits: &OutputLimits) -> bool {
        if mail.is_empty() {
            return true;
        }
        let Some(waiting) = self.mailbox.push(mail) else { return false };
        let bytes = waiting + self.output_bytes.load(Relaxed);
        if waiting > MAIL_BYTES_MAX || limits.are_exceeded(self, bytes) {
            tracing::warn!(client = %self.origin.addr, bytes, "closed: beyond client-output-buffer-limit");
            self.over_limit.store(true, Relaxed);
            self.mailbox.close();
            self.kill();
            return false;
        }
        self.mailbox.waker.wake();
        true
    }

    /// Takes no mail any more: the connection is about to end, and what comes now would be lost unnoticed.
    pub fn go_deaf(&self) {
        self.mailbox.close();
    }

    /// Whether mail waits.
    pub fn has_mail(&self) -> bool {
        self.mailbox.bytes.load(Acquire) > 0
    }

    /// Resolves when mail waits. To be awaited by the connection's own task alone.
    pub async fn mail(&self) {
        poll_fn(|context| {
            if self.has_mail() {
                return Poll::Ready(());
            }
            self.mailbox.waker.register(context.waker());
            // What came before the waker was there has woken nobody.
            if self.has_mail() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

impl<B: Backend> Session<B> {
    /// Puts the mail that waits behind the replies made so far. Not to be called with requests under way.
    pub fn take_mail(&mut self) {
        if !self.client.has_mail() {
            return;
        }
        for piece in self.client.mailbox.take() {
            if piece.len() >= PIECE_BYTES_MIN {
                self.finish_piece();
                self.output.push(piece);
                continue;
            }
            self.reply.raw(&piece);
            if self.reply.len() >= REPLY_ROOM_BYTES_MAX / 2 {
                self.finish_piece();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::{ClientOrigin, ClientRegistry};
    use super::*;

    const NONE: OutputLimits =
        OutputLimits([OutputLimit { hard_bytes: 0, soft_bytes: 0, soft_seconds: 0 }; 3]);

    #[tokio::test]
    async fn mail_wakes_its_connection_and_keeps_its_order() {
        let registry = Arc::new(ClientRegistry::default());
        let client = registry.register(ClientOrigin::default());
        let sender = client.handle();
        let sent = tokio::spawn(async move {
            (0..100_u8).all(|i| sender.send(Bytes::from(vec![i; usize::from(i)]), &NONE))
        });
        let mut got = Vec::new();
        while got.len() < 99 {
            client.mail().await;
            got.extend(client.mailbox.take());
        }
        assert!(sent.await.expect("it ends"));
        let expected: Vec<_> = (1..100_u8).map(|i| Bytes::from(vec![i; usize::from(i)])).collect();
        assert_eq!(got, expected, "an empty piece is none");
        assert!(!client.has_mail());
    }

    #[test]
    fn who_leaves_too_much_unread_is_disconnected() {
        let registry = Arc::new(ClientRegistry::default());
        let client = registry.register(ClientOrigin::default());
        let mut limits = NONE;
        limits.0[0].hard_bytes = 1000;
        let piece = Bytes::from(vec![b'x'; OUTPUT_BYTES_UNCOUNTED]);
        assert!(client.send(piece.clone(), &limits));
        assert!(!client.is_killed());
        client.output_bytes.store(990, Relaxed);
        assert!(client.send(Bytes::from_static(b"0123456789"), &limits), "as much as is allowed");
        assert!(!client.send(Bytes::from_static(b"x"), &limits));
        assert!(client.is_killed());
        assert!(!client.has_mail(), "what nobody will read is not kept");
        assert!(!client.send(piece, &NONE), "nor is what comes later");
    }

    #[test]
    fn a_connection_that_is_gone_keeps_no_mail() {
        let registry = Arc::new(ClientRegistry::default());
        let registration = registry.register(ClientOrigin::default());
        let client = registration.handle();
        assert!(client.send(Bytes::from_static(b"x"), &NONE));
        drop(registration);
        assert!(!client.send(Bytes::from_static(b"x"), &NONE));
        assert_eq!(client.mailbox.pieces(), 0);
    }
}
