//! What only the leader does: it stamps batches, proposes them, and keeps time moving.
//!
//! Every node runs this task; it is awake on the one that leads. Batches come in one bounded queue, from
//! this node's own pipeline and from the forward streams of the others, and are proposed in that order.
//!
//! What it leaves to others: numbering and resending ([`crate::pipeline`]), consensus (`quorate_raft`).
//!
//! Invariants: nothing is stamped before this node has applied every entry of earlier terms, because only
//! then is the floor of its clock known ([`crate::clock`]); a refused batch is reported to its sender,
//! which sends it again, so nothing is ever dropped in silence.
//!
//! Called by: its own task, and the barrier service for the barrier's time.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use parking_lot::Mutex;
use quorate_keyspace::Millis;
use quorate_raft::{Raft, Refused};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::batch::{self, Stamp};
use crate::clock::{LeaderClock, SharedClock};
use crate::machine::Replica;

/// Batches that may wait for the leader task.
const INBOX_BATCHES: usize = 1024;
/// An idle leader proposes a tick this often, so that time moves. Less than [`crate::clock::GRANT`].
const TICK: Duration = Duration::from_millis(250);
/// While keys or waiters are due, or keys are to be evicted, it does so this often, so that they go physically as well.
const BUSY_TICK: Duration = Duration::from_millis(25);
/// The leader has every node compute a digest of its state this often.
const CHECK: Duration = Duration::from_secs(600);
/// How long a new leader waits for its own term's first entry, and for samples of other clocks.
const TAKEOVER_MAX: Duration = Duration::from_secs(2);

/// A sealed batch on its way into the log.
pub(crate) struct Proposal {
    /// The entry's data, stamp still empty.
    pub(crate) data: BytesMut,
    /// Told at most once, if the leader did not take it or lost it.
    pub(crate) refused: Box<dyn FnOnce(Refused) + Send>,
}

/// The leader's desk.
pub(crate) struct Leader {
    inbox: mpsc::Sender<Proposal>,
    clock: Arc<SharedClock>,
    time: Mutex<Option<TermClock>>,
}

struct TermClock {
    term: u64,
    clock: LeaderClock,
}

impl Leader {
    pub(crate) fn new(clock: Arc<SharedClock>) -> (Arc<Leader>, mpsc::Receiver<Proposal>) {
        let (inbox, proposals) = mpsc::channel(INBOX_BATCHES);
        (Arc::new(Leader { inbox, clock, time: Mutex::new(None) }), proposals)
    }

    /// Queues a batch, or refuses it at once.
    pub(crate) fn propose(&self, proposal: Proposal) {
        if let Err(error) = self.inbox.try_send(proposal) {
            let (mpsc::error::TrySendError::Full(proposal) | mpsc::error::TrySendError::Closed(proposal)) =
                error;
            (proposal.refused)(Refused::Retry("too many batches wait"));
        }
    }

    /// The time that goes with a read barrier, or `None` while this node is no ready leader of `term`.
    pub(crate) fn barrier_time(&self, term: u64, applied: Millis) -> Option<Millis> {
        let mut time = self.time.lock();
        let time = time.as_mut().filter(|time| time.term == term)?;
        Some(time.clock.barrier(self.clock.now(), applied))
    }

    fn stamp(&self, term: u64, seed: u64) -> Option<Stamp> {
        let mut time = self.time.lock();
        let time = time.as_mut().filter(|time| time.term == term)?;
        Some(Stamp { time: time.clock.stamp(self.clock.now()), seed })
    }

    /// Runs until `stop`.
    pub(crate) async fn run(
        self: Arc<Leader>,
        raft: Raft,
        replica: Arc<Replica>,
        mut seeds: impl FnMut() -> u64 + Send,
        mut proposals: mpsc::Receiver<Proposal>,
        stop: CancellationToken,
    ) {
        let mut leadership = raft.leadership();
        let mut ticks = tokio::time::interval(BUSY_TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut last_stamp = Instant::now();
        let mut last_check = Instant::now();
        let mut leading: Option<u64> = None;
        let mut batches = Vec::with_capacity(64);
        // The deadline of waiters that a tick was proposed for.
        let mut told = Millis(i64::MAX);
        loop {
            let deadline = replica.next_deadline();
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                // The loop begins anew with this deadline.
                () = replica.deadline_moved() => {}
                () = self.reached(deadline), if leading.is_some() && deadline != told => {
                    told = deadline;
                    if let Some(stamp) = leading.and_then(|term| self.stamp(term, seeds())) {
                        last_stamp = Instant::now();
                        // Where this is lost the next tick does as well.
                        let _refused = raft.propose(batch::tick(stamp), |_| ()).await;
                    }
                }
                changed = leadership.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    let now = *leadership.borrow_and_update();
                    leading = now.leader_is_me.then_some(now.term);
                    *self.time.lock() = None;
                    if let Some(term) = leading {
                        self.take_over(&raft, &replica, term, &stop).await;
                    }
                }
                taken = proposals.recv_many(&mut batches, 64) => {
                    if taken == 0 {
                        return;
                    }
                    last_stamp = Instant::now();
                    for proposal in batches.drain(..) {
                        self.propose_one(&raft, leading, seeds(), proposal).await;
                    }
                }
                _ = ticks.tick() => {
                    let Some(term) = leading else { continue };
                    if self.time.lock().is_none() {
                        self.take_over(&raft, &replica, term, &stop).await;
                    }
                    if last_check.elapsed() >= CHECK
                        && let Some(stamp) = self.stamp(term, seeds())
                    {
                        (last_check, last_stamp) = (Instant::now(), Instant::now());
                        let _refused = raft.propose(batch::check(stamp), |_| ()).await;
                    }
                    let now = self.clock.now();
                    let due = replica.next_expiry().min(replica.next_deadline()) <= now
                        || replica.has_more_to_evict();
                    if last_stamp.elapsed() >= if due { BUSY_TICK } else { TICK }
                        && let Some(stamp) = self.stamp(term, seeds())
                    {
                        last_stamp = Instant::now();
                        // A tick that is refused is not missed: the next leader makes its own.
                        let _refused = raft.propose(batch::tick(stamp), |_| ()).await;
                    }
                }
            }
        }
    }

    /// Waits until the agreed time is at `deadline`.
    async fn reached(&self, deadline: Millis) {
        loop {
            let left = deadline.0.saturating_sub(self.clock.now().0);
            let Some(left) = u64::try_from(left).ok().filter(|left| *left > 0) else { return };
            tokio::time::sleep(Duration::from_millis(left)).await;
        }
    }

    async fn propose_one(&self, raft: &Raft, leading: Option<u64>, seed: u64, proposal: Proposal) {
        let Proposal { mut data, refused } = proposal;
        let Some(stamp) = leading.and_then(|term| self.stamp(term, seed)) else {
            return refused(Refused::Retry("no ready leader"));
        };
        if let Err(error) = batch::stamp(&mut data, stamp) {
            // Only a peer of another version can send this; its batches can never pass here.
            tracing::error!(%error, "a batch cannot be stamped");
            return refused(Refused::Retry("the batch cannot be stamped"));
        }
        if let Err(error) = raft.propose(data.freeze(), refused).await {
            tracing::debug!(%error, "raft takes no proposals");
        }
    }

    /// Makes this node's clock the cluster's for a term. Bounded; tried again at the next tick.
    async fn take_over(&self, raft: &Raft, replica: &Replica, term: u64, stop: &CancellationToken) {
        let others =
            raft.members().voters.iter().flatten().collect::<std::collections::BTreeSet<_>>().len() / 2;
        let caught_up = async {
            let index = raft.read_index().await.ok()?;
            replica.wait_applied(index).await;
            Some(())
        };
        tokio::select! {
            () = stop.cancelled() => {}
            caught_up = tokio::time::timeout(TAKEOVER_MAX, caught_up) => {
                if !matches!(caught_up, Ok(Some(()))) {
                    return;
                }
                if self.clock.sampled() < others {
                    // The ping loop has had this node's whole life to sample; it goes on without.
                    tracing::debug!(term, "taking over with fewer clock samples than a majority");
                }
                let clock = LeaderClock::new(replica.clock());
                *self.time.lock() = Some(TermClock { term, clock });
                tracing::info!(term, "this node leads");
            }
        }
    }
}
