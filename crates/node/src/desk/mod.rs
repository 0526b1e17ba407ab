//! Where the connections of this node wait.
//!
//! ```text
//!  session ─ Seat ─► batch ─► apply ─┬─ answered at once: the seat goes unused
//!                                    └─ a waiter: the seat is taken ─► apply ─► Wake::Reply, Lost, Unknown
//!  session gone ─► abandon ─► a batch that ends the wait
//! ```
//!
//! A waiter is replicated ([`quorate_commands::Waiters`]); the connection behind it is known to its own node alone. This
//! is that node's table of them, and of connections that wait for a stream to read it here ([`readers`]).
//!
//! What it leaves to others: when a wait ends (the log), what the client is told of it (`session::blocking`).
//!
//! Invariants: a seat that was taken is woken once. A waiter of this life of the node without a seat is abandoned: an
//! entry that ends its wait is sent until it has been applied, whatever happens to leaders meanwhile. Nothing here is
//! replicated, and nothing that is replicated depends on it.
//!
//! Called by: connection tasks, the apply task, and its own task.

mod readers;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use quorate_commands::{Ending, Ticket, Unblock, Waiter, Waiters};
use quorate_keyspace::{DbIndex, Keyspace, Millis};
use quorate_resp::Protocol;
use tokio::sync::{Notify, oneshot};

pub use self::readers::Reader;
use self::readers::Readers;
use crate::batch::Origin;
use crate::group::{Group, Slot, Style};
use crate::messages::Effect;
use crate::pipeline::Pipeline;

/// Waits that one group ends at most.
const ABANDONED_PER_GROUP_MAX: usize = 1024;
/// The pause before abandoned waits are ended anew, where there was no leader.
const PAUSE: Duration = Duration::from_millis(100);

/// The place of a connection that may wait.
#[derive(Debug)]
pub struct Seat {
    /// Until when, where that is settled because it waited before; the outer nothing: the request says.
    pub deadline: Option<Option<Millis>>,
    /// Set while the connection waits; 0 else.
    pub ticket: Arc<AtomicU64>,
    /// Tells of the end of the wait. Dropped without a word where the request did not have to wait.
    pub wake: oneshot::Sender<Wake>,
}

/// How a wait ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wake {
    /// With this reply.
    Reply(Bytes),
    /// The cluster took this node for dead. Nothing was taken for the client, which may wait anew until this deadline.
    Lost {
        /// The deadline, if there is one.
        deadline: Option<Millis>,
    },
    /// Nobody knows: the reply was in entries that this node has never seen, or the node stops.
    Unknown,
}

/// Wakes to be sent once the state is unlocked.
pub(crate) type Wakes = Vec<(oneshot::Sender<Wake>, Wake)>;

/// The waiting connections of a node.
#[derive(Debug, Default)]
pub(crate) struct Desk {
    inner: Mutex<Inner>,
    readers: Arc<Readers>,
    /// Somebody was abandoned.
    work: Notify,
    /// The node stops: nobody sits down any more.
    closing: AtomicBool,
}

#[derive(Debug, Default)]
struct Inner {
    taken: BTreeMap<Ticket, Taken>,
    abandoned: Vec<Ticket>,
}

#[derive(Debug)]
struct Taken {
    style: Style,
    ticket: Arc<AtomicU64>,
    wake: oneshot::Sender<Wake>,
}

impl Desk {
    /// Ends the wait of a connection that is gone, as soon as that can be.
    pub(crate) fn abandon(&self, ticket: Ticket) {
        self.inner.lock().abandoned.push(ticket);
        self.work.notify_one();
    }

    /// A request waits: its connection sits down. Whoever waits without one is abandoned.
    pub(crate) fn take(&self, ticket: Ticket, seat: Option<(Seat, Style)>) {
        let Some((seat, style)) = seat else { return self.abandon(ticket) };
        let Seat { ticket: shown, wake, .. } = seat;
        if self.closing.load(Ordering::Acquire) {
            let _gone = wake.send(Wake::Unknown);
            return self.abandon(ticket);
        }
        // Whoever leaves first drops its end and then looks at the ticket; so one of the two sees the other.
        shown.store(ticket.0, Ordering::SeqCst);
        if wake.is_closed() {
            self.abandon(ticket);
        }
        self.inner.lock().taken.insert(ticket, Taken { style, ticket: shown, wake });
    }

    /// The readers among the connections.
    pub(crate) fn readers(&self) -> &Arc<Readers> {
        &self.readers
    }

    /// A snapshot has brought another state: those who do not wait in it were answered in entries that this node has
    /// not seen, and those who wait in it without a seat are gone.
    pub(crate) fn overtaken(&self, own: Origin, waiters: &Waiters, keyspace: &mut Keyspace) {
        let mut inner = self.inner.lock();
        let gone: Vec<_> = inner.taken.extract_if(.., |ticket, _| waiters.get(*ticket).is_none()).collect();
        for (_, taken) in gone {
            wake(taken, Wake::Unknown);
        }
        let is_own = |waiter: &Waiter| waiter.node == own.node.0 && waiter.incarnation == own.incarnation;
        let unseated =
            waiters.iter().filter(|(ticket, waiter)| is_own(waiter) && !inner.taken.contains_key(ticket));
        let unseated: Vec<_> = unseated.map(|(ticket, _)| ticket).collect();
        inner.abandoned.extend(unseated);
        drop(inner);
        self.work.notify_one();
        self.readers.start_anew(keyspace);
    }

    /// The node stops: everybody is to leave. Their waits are ended while there is time.
    pub(crate) fn dismiss(&self) {
        self.closing.store(true, Ordering::Release);
        let mut inner = self.inner.lock();
        let tickets: Vec<_> = inner.taken.keys().copied().collect();
        inner.abandoned.extend(tickets);
        drop(inner);
        self.work.notify_one();
        self.readers.wake_all();
    }

    /// Whether nobody sits here, and nobody's wait is still to be ended.
    pub(crate) fn is_empty(&self) -> bool {
        let inner = self.inner.lock();
        inner.taken.is_empty() && inner.abandoned.is_empty()
    }

    /// The node has stopped.
    pub(crate) fn close(&self) {
        self.closing.store(true, Ordering::Release);
        for (_, taken) in std::mem::take(&mut self.inner.lock().taken) {
            wake(taken, Wake::Unknown);
        }
        self.readers.wake_all();
    }

    /// Whether the node stops.
    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    /// Ends the waits of those who are gone, until dropped. First of all it says that this life of the node has begun,
    /// which ends the waits of all earlier ones.
    pub(crate) async fn run(&self, pipeline: &Pipeline) {
        let nobody = Ticket(0);
        while pipeline.write(ending(&[nobody])).await.is_err() {
            tokio::time::sleep(PAUSE).await;
        }
        loop {
            let batch: Vec<Ticket> = {
                let mut inner = self.inner.lock();
                let len = inner.abandoned.len().min(ABANDONED_PER_GROUP_MAX);
                inner.abandoned.drain(..len).collect()
            };
            if batch.is_empty() {
                self.work.notified().await;
            } else if pipeline.write(ending(&batch)).await.is_err() {
                // To end a wait twice is harmless.
                self.inner.lock().abandoned.extend(batch);
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

fn wake(taken: Taken, how: Wake) {
    taken.ticket.store(0, Ordering::SeqCst);
    // A connection that is gone needs no word.
    let _gone = taken.wake.send(how);
}

fn ending(tickets: &[Ticket]) -> Group {
    let style = Style { protocol: Protocol::Resp2, silent: true };
    tickets
        .iter()
        .map(|ticket| Slot::Unblock { ticket: *ticket, how: Unblock::Gone, style })
        .collect::<Vec<_>>()
        .into()
}

/// The desk as the apply task uses it during one entry.
pub(crate) struct Serving<'a> {
    pub(crate) desk: &'a Desk,
    pub(crate) wakes: Wakes,
    /// What connections of this node are to be told, in order.
    pub(crate) effects: Vec<Effect>,
}

impl<'a> Serving<'a> {
    pub(crate) fn new(desk: &'a Desk) -> Serving<'a> {
        Serving { desk, wakes: Wakes::new(), effects: Vec::new() }
    }

    /// Sends what has been decided; the state is unlocked by now.
    pub(crate) fn finish(self) {
        for (wake, how) in self.wakes {
            let _gone = wake.send(how);
        }
    }
}

impl quorate_commands::Desk for Serving<'_> {
    fn protocol(&self, ticket: Ticket) -> Option<Protocol> {
        let inner = self.desk.inner.lock();
        inner.taken.get(&ticket).filter(|taken| !taken.wake.is_closed()).map(|taken| taken.style.protocol)
    }

    fn changed(&mut self, db: DbIndex, key: &Arc<[u8]>) {
        self.desk.readers.changed(db, key);
    }

    fn ended(&mut self, ticket: Ticket, waiter: &Waiter, ending: Ending) {
        let Some(taken) = self.desk.inner.lock().taken.remove(&ticket) else { return };
        let how = match ending {
            Ending::Reply(_) if taken.style.silent => Wake::Reply(Bytes::new()),
            Ending::Reply(reply) => Wake::Reply(reply),
            Ending::Lost if self.desk.is_closing() => Wake::Unknown,
            Ending::Lost => Wake::Lost { deadline: waiter.deadline },
        };
        taken.ticket.store(0, Ordering::SeqCst);
        self.wakes.push((taken.wake, how));
    }
}
