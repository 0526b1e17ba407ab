//! The ordered stream of a node's batches to the leader.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{Mutex, mpsc};

use super::{CallError, Link};
use crate::wire::frame::{Class, Frame, Received};

/// The sending side of a forward stream. Clones share the order of the stream.
#[derive(Clone)]
pub struct ForwardSender {
    link: Link,
    /// The number of the next message; held while it is queued, so that numbers and order agree.
    next: Arc<Mutex<u64>>,
}

/// The answers of a forward stream.
pub struct ForwardAnswers {
    answers: mpsc::Receiver<Received>,
    /// Keeps the connection while somebody waits for answers.
    _link: Link,
}

pub(super) fn stream(link: Link, answers: mpsc::Receiver<Received>) -> (ForwardSender, ForwardAnswers) {
    let sender = ForwardSender { link: link.clone(), next: Arc::new(Mutex::new(1)) };
    (sender, ForwardAnswers { answers, _link: link })
}

impl ForwardSender {
    /// Queues a message of two parts, sent one after the other without copying; waits while the queue is full.
    /// Returns the number of the message on this stream, from 1, which its answer carries.
    ///
    /// # Errors
    /// [`CallError::Broken`] once the connection broke: the node resends everything open on a new stream.
    pub async fn send(&self, head: Bytes, tail: Bytes) -> Result<u64, CallError> {
        let mut next = self.next.lock().await;
        let id = *next;
        self.link.send(Frame { class: Class::Request, kind: 0, id, body: vec![head, tail] }).await?;
        *next += 1;
        Ok(id)
    }

    /// Whether the connection broke.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.link.is_broken()
    }

    /// Returns when the connection broke.
    pub async fn broken(&self) {
        self.link.broken().await;
    }
}

impl ForwardAnswers {
    /// The next answer, as the peer gave them: the number of the message, and the answer's bytes.
    /// `None` once the connection broke. Cancelling loses nothing.
    pub async fn next(&mut self) -> Option<(u64, Bytes)> {
        let received = self.answers.recv().await?;
        Some((received.id, received.body.freeze()))
    }
}
