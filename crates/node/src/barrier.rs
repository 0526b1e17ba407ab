//! Read barriers: how a read on any node is linearizable (section 3 of the design, Raft thesis 6.4).
//!
//! A read that begins now must see every write that was acknowledged before now. So the node asks the
//! leader for its commit index, the leader makes sure with a quorum that it still leads, and the node
//! waits until it has applied that far. One barrier at a time is under way; all reads that arrive in the
//! meantime share the next one, because that one begins after they arrived.
//!
//! The answer carries the agreed time, so that a key seen expired anywhere is expired everywhere after.
//!
//! Invariant: a waiter is only ever released by a barrier that began after the waiter arrived.
//!
//! Called by: connection tasks (`wait`), its own task (`run`), the peer service on the leader (`answer`).

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use quorate_keyspace::Millis;
use quorate_raft::{NodeId, Raft, Refused, Support};
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::gathering::Gathering;
use crate::group::Failure;
use crate::leader::Leader;
use crate::machine::Replica;
use crate::peers::Peers;
use crate::pipeline::{NO_LEADER, STOPPING};

/// One try of a barrier waits this long for the leader's answer.
const TRY_MAX: Duration = Duration::from_millis(1500);
/// The pause after a try that failed, if the leadership does not change before.
const PAUSE: Duration = Duration::from_millis(10);

/// What a leader answers: apply this far, and read at this time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Barrier {
    /// The log index to have applied.
    pub(crate) index: u64,
    /// The agreed time.
    pub(crate) time: Millis,
}

impl Barrier {
    /// 16 bytes: index, time, little-endian.
    pub(crate) fn encode(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.index.to_le_bytes());
        bytes[8..].copy_from_slice(&self.time.0.to_le_bytes());
        bytes
    }

    /// Reads what [`encode`](Barrier::encode) wrote.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Barrier> {
        let (index, time) = bytes.split_first_chunk::<8>()?;
        let time = <[u8; 8]>::try_from(time).ok()?;
        Some(Barrier { index: u64::from_le_bytes(*index), time: Millis(i64::from_le_bytes(time)) })
    }
}

type Waiter = (Instant, oneshot::Sender<Result<Millis, Failure>>);

/// This node's read barriers.
pub(crate) struct Barriers {
    queue: Mutex<Queue>,
    wake: Notify,
    hold: Duration,
}

#[derive(Default)]
struct Queue {
    waiting: Vec<Waiter>,
    gathering: Gathering,
    /// A barrier is under way: whoever comes waits for its end in any case.
    busy: bool,
}

impl Queue {
    /// Whether the next barrier should begin now.
    fn is_ready(&self, now: Instant) -> bool {
        !self.busy && !self.waiting.is_empty() && !self.gathering.holds(self.waiting.len(), now)
    }
}

impl Barriers {
    pub(crate) fn new(hold: Duration) -> Arc<Barriers> {
        Arc::new(Barriers { queue: Mutex::default(), wake: Notify::new(), hold })
    }

    /// Waits for a barrier that begins after this call; returns the time to read at.
    ///
    /// # Errors
    /// No leader confirmed itself in time; the read is not answered from stale state.
    pub(crate) async fn wait(&self) -> Result<Millis, Failure> {
        let (released, waiter) = oneshot::channel();
        let wakes = {
            let mut queue = self.queue.lock();
            let now = Instant::now();
            queue.gathering.arrived(now);
            queue.waiting.push((now, released));
            // The first one so that the window's end is seen, the last one so that nobody waits for it.
            queue.is_ready(now) || !queue.busy && queue.waiting.len() == 1
        };
        if wakes {
            self.wake.notify_one();
        }
        waiter.await.unwrap_or_else(|_| Err(Failure::Refused(STOPPING.into())))
    }

    /// Runs until `stop`.
    pub(crate) async fn run(&self, source: Source, stop: CancellationToken) {
        let mut leadership = source.raft.leadership();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.gathered() => {}
            }
            let began = Instant::now();
            let mut waiters = self.begin();
            while !waiters.is_empty() {
                let attempt = tokio::time::timeout(TRY_MAX, source.barrier());
                let reached = tokio::select! {
                    () = stop.cancelled() => return,
                    reached = attempt => reached.ok().flatten(),
                };
                if let Some(time) = reached {
                    self.queue.lock().gathering.closed(began, Instant::now());
                    for (_, waiter) in waiters.drain(..) {
                        let _gone = waiter.send(Ok(time));
                    }
                    break;
                }
                // The next try also serves those who came meanwhile: it begins after they did.
                waiters.append(&mut self.begin());
                let now = Instant::now();
                let (late, patient): (Vec<_>, Vec<_>) =
                    waiters.into_iter().partition(|(since, _)| now - *since >= self.hold);
                for (_, waiter) in late {
                    let _gone = waiter.send(Err(Failure::Refused(NO_LEADER.into())));
                }
                waiters = patient;
                tokio::select! {
                    () = stop.cancelled() => return,
                    // Once consensus has stopped nothing changes any more, and only the pause is left.
                    Ok(()) = leadership.changed() => {}
                    () = tokio::time::sleep(PAUSE) => {}
                }
            }
            self.queue.lock().busy = false;
        }
    }

    /// Waits until somebody waits and it is worth beginning.
    async fn gathered(&self) {
        loop {
            let window = {
                let queue = self.queue.lock();
                if queue.is_ready(Instant::now()) {
                    return;
                }
                (!queue.waiting.is_empty()).then(|| queue.gathering.window())
            };
            match window {
                Some(window) => drop(tokio::time::timeout(window, self.wake.notified()).await),
                None => self.wake.notified().await,
            }
        }
    }

    /// A barrier begins for all who wait now.
    fn begin(&self) -> Vec<Waiter> {
        let mut queue = self.queue.lock();
        queue.busy = true;
        std::mem::take(&mut queue.waiting)
    }
}

/// Where barriers come from.
#[derive(Clone)]
pub(crate) struct Source {
    pub(crate) raft: Raft,
    pub(crate) leader: Arc<Leader>,
    pub(crate) replica: Arc<Replica>,
    pub(crate) peers: Peers,
    /// Whether this cluster's leaders answer alone during their lease.
    pub(crate) by_lease: bool,
}

impl Source {
    /// One barrier, from whoever leads, applied here.
    async fn barrier(&self) -> Option<Millis> {
        let leadership = *self.raft.leadership().borrow();
        let barrier = if leadership.leader_is_me {
            self.answer(None).await.ok()?
        } else {
            self.peers.read_barrier(leadership.leader?, self.raft.support(), TRY_MAX).await.ok()?
        };
        self.replica.wait_applied(barrier.index).await;
        Some(barrier.time)
    }

    /// The leader's answer to a node that asks for a barrier, and that may have given its support with it.
    ///
    /// # Errors
    /// This node does not lead, or no quorum confirmed it.
    pub(crate) async fn answer(&self, asker: Option<(NodeId, Support)>) -> Result<Barrier, Refused> {
        let term = self.raft.leadership().borrow().term;
        // A lease that is over, or not begun, costs no more than the round that it would have saved.
        let leased = if self.by_lease { self.raft.read_index_by_lease().await.ok() } else { None };
        let index = match leased {
            Some(index) => index,
            None => self.raft.read_index_with(asker).await?,
        };
        // Taken after the index: what was acknowledged before is at or below it. The time is granted on
        // the strength of entries that this leader has applied, so it may be told at once.
        let time = self
            .leader
            .barrier_time(term, self.replica.clock())
            .ok_or(Refused::Retry("the leader's clock is not set"))?;
        Ok(Barrier { index, time })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_barrier_survives_the_wire() {
        let barrier = Barrier { index: 7, time: Millis(-1) };
        assert_eq!(Barrier::decode(&barrier.encode()), Some(barrier));
        assert_eq!(Barrier::decode(&barrier.encode()[..15]), None);
    }
}
