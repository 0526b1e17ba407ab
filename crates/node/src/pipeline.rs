//! The origin's side of the path of a write: groups wait here, become batches, and get their replies.
//!
//! ```text
//! write(group) ─► waiting ─seal─► open: 5 6 7 ─send─► leader (this node or another)
//!                                  ▲   │
//!        resend from the lowest ───┘   └─► apply(5): replies of all its groups
//! ```
//!
//! While a batch is in flight the next one fills, so a single client waits for nothing and a busy node
//! amortises everything. A second one goes out beside it when it has become about as large, so that clients which are
//! halved into two batches are not served in turns; with none in flight the next one is held a moment for the clients
//! that come back ([`crate::gathering`]). An open batch is resent, under its number, to whoever leads, until this node has
//! applied it; the replicated table of origins lets it through once ([`crate::origins`]).
//!
//! What it leaves to others: stamps and proposals ([`crate::leader`]), execution ([`crate::machine`]).
//!
//! Invariants: sequence numbers are given when a batch is sealed, which happens only when there is a
//! leader to send it to; so what still waits has never entered a log and may be refused, and what is open
//! may take effect at any time and is never refused (P4). Batches close in the order of their numbers.
//! All queues are bounded by [`Limits`] (P7).
//!
//! Called by: connection tasks (`write`), the apply task (`applied`, `overtaken`), its own driver task
//! (leader changes, timeouts, resends). `pump` runs on whichever of them has a reason to send.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use quorate_commands::{Command, User};
use quorate_keyspace::DbIndex;
use quorate_resp::Request;
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use crate::batch::{BatchBuilder, Origin};
use crate::brief::reads_take_long;
use crate::gathering::Gathering;
use crate::group::{Failure, Group, Seat, Slot, Style};
use crate::messages::Action;
use crate::session::Client;
use crate::transaction::Transaction;

/// Bounds of the origin's queues.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Batches sent and not yet applied here.
    pub batches_in_flight_max: usize,
    /// A batch of this many bytes is sealed beside any number in flight.
    pub batch_bytes_eager: usize,
    /// No batch grows beyond this, but for a single larger group.
    pub batch_bytes_max: usize,
    /// No batch holds more groups than this.
    pub batch_groups_max: usize,
    /// Bytes of requests that wait to be sealed; beyond it a connection waits with its group in hand.
    pub waiting_bytes_max: usize,
    /// How long a request waits for a leader before it is refused, and how long an open one waits for its
    /// outcome before its connection is closed.
    pub hold: Duration,
    /// An open batch that nothing has been heard of for this long is sent again.
    pub resend_after: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            batches_in_flight_max: 4,
            batch_bytes_eager: 16 << 10,
            batch_bytes_max: 1 << 20,
            batch_groups_max: 4096,
            waiting_bytes_max: 256 << 20,
            hold: Duration::from_secs(10),
            resend_after: Duration::from_secs(2),
        }
    }
}

/// Batches in flight beside which no other is sealed unless it is large.
const SECOND_IN_FLIGHT: usize = 2;
/// A batch is sealed beside one in flight when it has this part of that one's groups, in percent,
const SECOND_PERCENT: usize = 80;
/// and at least this many, below which a batch of its own costs more than it brings.
const SECOND_GROUPS_MIN: usize = 8;

/// The reply to a request that never entered the log for want of a leader. Clients retry it.
pub(crate) const NO_LEADER: &str =
    "CLUSTERDOWN No leader could be reached in time; the command was not executed";
/// The reply to a request that could not even be queued.
pub(crate) const OVERLOADED: &str = "CLUSTERDOWN Too many requests wait; the command was not executed";
/// The reply while the node stops.
pub(crate) const STOPPING: &str = "CLUSTERDOWN The node is stopping; the command was not executed";

/// Where a batch goes: the leader, by whatever way reaches it. Sending never blocks.
pub(crate) trait Carrier: Send {
    /// Sends a sealed batch; batches arrive in the order in which they were sent. `false`: the way is
    /// closed, and the driver looks for another.
    fn send(&mut self, data: Bytes) -> bool;
}

/// A request's place in a sealed group: what is left to do when its batch is applied.
#[derive(Debug)]
pub(crate) enum Place {
    /// The reply of the batch's next request.
    Write { command: &'static Command, style: Style },
    /// The reply of the batch's next request, or that of its waiter later.
    Wait { command: &'static Command, style: Style, seat: Seat },
    /// Whether the batch's next item ended a wait.
    Unblock { style: Style },
    /// Evaluated here, now.
    Read { db: DbIndex, command: &'static Command, request: Request, style: Style, caller: Option<Arc<User>> },
    /// The batch's next request if it writes, else evaluated here.
    Transaction(Box<Transaction>),
    /// The batch's next request, which has no reply.
    Internal,
    /// Done now.
    Act(Action),
    /// Known already.
    Ready(Bytes),
}

/// A sealed group and the connection that waits for it.
#[derive(Debug)]
pub(crate) struct Sealed {
    pub(crate) client: Option<Arc<Client>>,
    pub(crate) places: Vec<Place>,
    pub(crate) reply: oneshot::Sender<Result<Bytes, Failure>>,
}

#[derive(Debug)]
struct Waiting {
    group: Group,
    bytes: usize,
    since: Instant,
    reply: oneshot::Sender<Result<Bytes, Failure>>,
}

#[derive(Debug)]
struct Open {
    sequence: u64,
    data: Bytes,
    groups: Vec<Sealed>,
    sealed: Instant,
}

struct Inner {
    waiting: VecDeque<Waiting>,
    waiting_bytes: usize,
    open: VecDeque<Open>,
    /// How many of `open`, from the front, went over the present carrier.
    sent: usize,
    sequence: u64,
    carrier: Option<Box<dyn Carrier>>,
    /// When anything last moved: an apply of ours, or a fresh start of sending.
    progress: Instant,
    gathering: Gathering,
    /// Groups wait although nothing is in flight: more are expected within the window.
    holding: bool,
    /// Set when the node stops or can take no more writes: new groups are refused with this text.
    refusal: Option<&'static str>,
}

/// Counters for metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Gauges {
    /// Groups that wait to be sealed.
    pub waiting: usize,
    /// Bytes that wait to be sealed.
    pub waiting_bytes: usize,
    /// Batches in flight.
    pub open: usize,
}

/// The origin's queues.
pub(crate) struct Pipeline {
    origin: Origin,
    limits: Limits,
    inner: Mutex<Inner>,
    /// Wakes the driver: the carrier broke, a batch was refused or skipped.
    trouble: Notify,
    /// Wakes connections that wait for room.
    room: Notify,
    /// Wakes whoever looks after groups that are held.
    held: Notify,
}

impl Pipeline {
    pub(crate) fn new(origin: Origin, limits: Limits) -> Arc<Pipeline> {
        let inner = Inner {
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            open: VecDeque::new(),
            sent: 0,
            sequence: 0,
            carrier: None,
            progress: Instant::now(),
            gathering: Gathering::default(),
            holding: false,
            refusal: None,
        };
        Arc::new(Pipeline {
            origin,
            limits,
            inner: Mutex::new(inner),
            trouble: Notify::new(),
            room: Notify::new(),
            held: Notify::new(),
        })
    }

    pub(crate) fn origin(&self) -> Origin {
        self.origin
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(crate) fn gauges(&self) -> Gauges {
        let inner = self.inner.lock();
        Gauges { waiting: inner.waiting.len(), waiting_bytes: inner.waiting_bytes, open: inner.open.len() }
    }

    /// Takes a group, and returns its replies when this node has applied it.
    ///
    /// # Errors
    /// See [`Failure`]: refused means never executed, unknown means that nothing true can be said.
    pub(crate) async fn write(&self, group: Group) -> Result<Bytes, Failure> {
        let bytes: usize = group.slots.iter().map(slot_bytes).sum();
        let since = Instant::now();
        let replies = loop {
            let room = self.room.notified();
            {
                let mut inner = self.inner.lock();
                if let Some(refusal) = inner.refusal {
                    return Err(Failure::Refused(refusal.into()));
                }
                // A lone group larger than the bound still passes when nothing else waits.
                if inner.waiting.is_empty() || inner.waiting_bytes + bytes <= self.limits.waiting_bytes_max {
                    let (reply, replies) = oneshot::channel();
                    inner.waiting.push_back(Waiting { group, bytes, since, reply });
                    inner.waiting_bytes += bytes;
                    let now = Instant::now();
                    inner.gathering.arrived(now);
                    self.pump(&mut inner, now);
                    break replies;
                }
            }
            if tokio::time::timeout_at(since + self.limits.hold, room).await.is_err() {
                return Err(Failure::Refused(OVERLOADED.into()));
            }
        };
        replies.await.unwrap_or(Err(Failure::Unknown))
    }

    /// Seals and sends as much as the bounds allow.
    fn pump(&self, inner: &mut Inner, now: Instant) {
        if inner.carrier.is_none() {
            return;
        }
        while inner.open.len() < self.limits.batches_in_flight_max && self.worth_sealing(inner, now) {
            self.seal(inner, now);
        }
        while inner.sent < inner.open.len() {
            let data = inner.open[inner.sent].data.clone();
            if !inner.carrier.as_mut().is_some_and(|carrier| carrier.send(data)) {
                inner.carrier = None;
                return self.resend();
            }
            inner.sent += 1;
        }
    }

    fn worth_sealing(&self, inner: &mut Inner, now: Instant) -> bool {
        if inner.waiting.is_empty() {
            return false;
        }
        if inner.waiting_bytes >= self.limits.batch_bytes_eager {
            return true;
        }
        if let Some(last) = inner.open.back() {
            // Nearly as many wait as are in flight: those who are in neither are few, so waiting gains nothing.
            let few = SECOND_GROUPS_MIN.max(last.groups.len() * SECOND_PERCENT / 100);
            return inner.open.len() < SECOND_IN_FLIGHT && inner.waiting.len() >= few;
        }
        let holds = inner.gathering.holds(inner.waiting.len(), now);
        if holds && !std::mem::replace(&mut inner.holding, true) {
            self.held.notify_one();
        }
        !holds
    }

    /// Sees to it that no group is held for longer than it should, until dropped.
    pub(crate) async fn release_held(&self) {
        loop {
            self.held.notified().await;
            // A timer of the runtime is coarser than the window; most batches are sealed before it ends.
            let window = self.inner.lock().gathering.window();
            tokio::time::sleep(window).await;
            let mut inner = self.inner.lock();
            if std::mem::take(&mut inner.holding) {
                self.pump(&mut inner, Instant::now());
            }
        }
    }

    fn seal(&self, inner: &mut Inner, now: Instant) {
        inner.holding = false;
        let mut builder =
            BatchBuilder::with_capacity(inner.waiting_bytes.min(self.limits.batch_bytes_max) + 64);
        let mut groups = Vec::with_capacity(inner.waiting.len().min(self.limits.batch_groups_max));
        while let Some(waiting) = inner.waiting.front() {
            let full = builder.bytes() + waiting.bytes > self.limits.batch_bytes_max
                || groups.len() >= self.limits.batch_groups_max;
            if full && !groups.is_empty() {
                break;
            }
            let Some(waiting) = inner.waiting.pop_front() else { break };
            inner.waiting_bytes -= waiting.bytes;
            let Group { client, slots } = waiting.group;
            let places = slots.into_iter().map(|slot| place(slot, &mut builder)).collect();
            groups.push(Sealed { client, places, reply: waiting.reply });
        }
        self.room.notify_waiters();
        inner.sequence += 1;
        if inner.open.is_empty() {
            inner.progress = now;
        }
        let data = builder.seal(self.origin, inner.sequence);
        inner.open.push_back(Open { sequence: inner.sequence, data, groups, sealed: now });
    }

    /// A batch of ours is being applied: its groups, to be answered. The next batch goes out at once.
    pub(crate) fn applied(&self, sequence: u64) -> Vec<Sealed> {
        let mut inner = self.inner.lock();
        let Some(open) = inner.open.pop_front_if(|open| open.sequence == sequence) else { return Vec::new() };
        let now = Instant::now();
        inner.sent = inner.sent.saturating_sub(1);
        inner.progress = now;
        if inner.open.is_empty() {
            inner.gathering.closed(open.sealed, now);
        }
        self.pump(&mut inner, now);
        open.groups
    }

    /// Whether reads that take long are evaluated with a batch of ours.
    pub(crate) fn is_long(&self, sequence: u64) -> bool {
        let inner = self.inner.lock();
        let open = inner.open.iter().find(|open| open.sequence == sequence);
        open.is_some_and(|open| open.groups.iter().any(reads_take_long))
    }

    /// A snapshot brought batches of ours up to `last` to effect: the outcome is known, the replies are not.
    pub(crate) fn overtaken(&self, last: u64) {
        let mut inner = self.inner.lock();
        while let Some(open) = inner.open.pop_front_if(|open| open.sequence <= last) {
            inner.sent = inner.sent.saturating_sub(1);
            fail(open.groups, &Failure::Unknown);
        }
        let now = Instant::now();
        inner.progress = now;
        self.pump(&mut inner, now);
    }

    /// From now on batches go over `carrier`, everything open first.
    pub(crate) fn connect(&self, carrier: Option<Box<dyn Carrier>>) {
        let mut inner = self.inner.lock();
        inner.carrier = carrier;
        inner.sent = 0;
        let now = Instant::now();
        inner.progress = now;
        self.pump(&mut inner, now);
    }

    /// The leader did not take a batch, the way to it broke, or a batch was skipped for an earlier one that
    /// is missing: the driver sends everything open again. Takes no lock, since a carrier may call it.
    pub(crate) fn resend(&self) {
        self.trouble.notify_one();
    }

    /// Whether the driver has to find a carrier.
    pub(crate) fn disconnected(&self) -> bool {
        self.inner.lock().carrier.is_none()
    }

    /// Waits until a carrier breaks or a batch is refused.
    pub(crate) async fn trouble(&self) {
        self.trouble.notified().await;
    }

    /// Refuses new groups with this text, or takes them again.
    pub(crate) fn refuse(&self, refusal: Option<&'static str>) {
        let mut inner = self.inner.lock();
        inner.refusal = refusal;
        if let Some(text) = refusal {
            inner.waiting_bytes = 0;
            for waiting in inner.waiting.drain(..) {
                let _gone = waiting.reply.send(Err(Failure::Refused(text.into())));
            }
            self.room.notify_waiters();
        }
    }

    /// Ends what has waited too long, and has open batches sent again that nothing was heard of.
    pub(crate) fn expire(&self, now: Instant) {
        let mut inner = self.inner.lock();
        while let Some(waiting) =
            inner.waiting.pop_front_if(|waiting| now - waiting.since >= self.limits.hold)
        {
            inner.waiting_bytes -= waiting.bytes;
            let _gone = waiting.reply.send(Err(Failure::Refused(NO_LEADER.into())));
        }
        for open in &mut inner.open {
            if now - open.sealed < self.limits.hold {
                break;
            }
            // The batch itself stays open and is resent: numbers have no gaps. Only nobody waits any more.
            fail(std::mem::take(&mut open.groups), &Failure::Unknown);
        }
        let silent = !inner.open.is_empty() && now - inner.progress >= self.limits.resend_after;
        if silent {
            inner.progress = now;
            self.resend();
        }
        drop(inner);
        self.room.notify_waiters();
    }

    /// Whether nothing waits and nothing is open: a drained node may stop.
    pub(crate) fn idle(&self) -> bool {
        let inner = self.inner.lock();
        inner.waiting.is_empty() && inner.open.is_empty()
    }

    /// The node stops: what waits is refused, what is open is unknown.
    pub(crate) fn close(&self) {
        self.refuse(Some(STOPPING));
        let mut inner = self.inner.lock();
        inner.carrier = None;
        inner.sent = 0;
        for open in inner.open.drain(..) {
            fail(open.groups, &Failure::Unknown);
        }
    }
}

fn fail(groups: Vec<Sealed>, failure: &Failure) {
    for group in groups {
        let _gone = group.reply.send(Err(failure.clone()));
    }
}

fn slot_bytes(slot: &Slot) -> usize {
    match slot {
        Slot::Write { request, .. } | Slot::Wait { request, .. } | Slot::Read { request, .. } => {
            request.frame_bytes() + 64
        }
        Slot::Unblock { .. } => 64,
        Slot::Transaction(transaction) => transaction.bytes(),
        Slot::Internal(request) => request.frame_bytes() + 64,
        Slot::Act(_) => 32,
        Slot::Ready(reply) => reply.len() + 32,
    }
}

/// Writes what goes through the log, and leaves what is to be done when it comes out of it.
pub(crate) fn place(slot: Slot, builder: &mut BatchBuilder) -> Place {
    match slot {
        Slot::Write { db, command, request, style, caller } => {
            let args = (0..request.len()).map(|i| request.arg(i));
            match &caller {
                None => builder.push(db, args),
                Some(caller) => builder.push_as(db, caller.name(), args),
            }
            Place::Write { command, style }
        }
        Slot::Wait { db, command, request, style, seat } => {
            let args = (0..request.len()).map(|i| request.arg(i));
            match seat.deadline {
                None => builder.push(db, args),
                Some(deadline) => builder.push_anew(db, deadline, args),
            }
            Place::Wait { command, style, seat }
        }
        Slot::Unblock { ticket, how, style } => {
            builder.push_unblock(ticket, how);
            Place::Unblock { style }
        }
        Slot::Read { db, command, request, style, caller } => {
            Place::Read { db, command, request, style, caller }
        }
        Slot::Transaction(transaction) => {
            if transaction.writes() {
                let writes: Vec<_> = transaction
                    .commands
                    .iter()
                    .filter(|queued| queued.command.is_write())
                    .map(|queued| {
                        let user = transaction.user_of(queued).map(|user| &user.name()[..]);
                        (queued.db, user, queued.request.args())
                    })
                    .collect();
                builder.push_transaction(&transaction.watched, writes.into_iter());
            }
            Place::Transaction(transaction)
        }
        Slot::Internal(request) => {
            builder.push_internal(request.args());
            Place::Internal
        }
        Slot::Act(act) => Place::Act(act.0),
        Slot::Ready(reply) => Place::Ready(reply),
    }
}

#[cfg(test)]
mod tests;
