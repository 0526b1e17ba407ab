//! A backend of one node without log, disk or peers: the state machine alone, in memory.
//!
//! For: tests of sessions and listeners, and measuring what a connection costs without replication.
//! Leaves to others: everything that makes data safe. Nothing of it outlives the process.
//! Invariant: groups are applied one after the other, as from a log with one group to an entry.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use bytes::Bytes;
use parking_lot::{Mutex, RwLock};
use quorate_commands::{
    Answering, Args, Command, Events, Service, Settings, State, Ticket, Unblock, User, WriteContext,
    write_or_wait,
};
use quorate_keyspace::{DbIndex, Millis, Rng, Seed, Version};
use quorate_raft::NodeId;
use quorate_resp::{Protocol, Reply};
use tokio::sync::Notify;

use super::answering::Asked;
use super::backend::{Admission, Backend, NodeFacts, ReadMode};
use super::front::Front;
use super::server::unix_time;
use crate::batch::Origin;
use crate::desk::{Desk, Reader, Serving};
use crate::group::{Failure, Group, Slot, Style};
use crate::messages::{Effect, report};
use crate::transaction::is_unchanged;

/// Who sends its groups.
const ORIGIN: Origin = Origin { node: NodeId(1), incarnation: 1 };

/// One node, in memory.
pub struct Solo {
    state: RwLock<State>,
    desk: Desk,
    front: Front,
    applied: AtomicU64,
    barriers: AtomicU64,
    groups: AtomicU64,
    stopped: AtomicBool,
    admission: Mutex<Admission>,
    failures: Mutex<VecDeque<Failure>>,
    held: AtomicBool,
    released: Notify,
    facts: Mutex<NodeFacts>,
}

impl fmt::Debug for Solo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Solo").field("applied", &self.applied).finish_non_exhaustive()
    }
}

impl Default for Solo {
    fn default() -> Solo {
        Solo::new(Settings::default())
    }
}

impl Solo {
    /// A node with these settings of its own.
    pub fn new(node_settings: Settings) -> Solo {
        Solo {
            state: RwLock::new(State::new(Seed([7; 16]))),
            desk: Desk::default(),
            front: Front::new(node_settings),
            applied: AtomicU64::new(0),
            barriers: AtomicU64::new(0),
            groups: AtomicU64::new(0),
            stopped: AtomicBool::new(false),
            admission: Mutex::default(),
            failures: Mutex::default(),
            held: AtomicBool::new(false),
            released: Notify::new(),
            facts: Mutex::new(NodeFacts { node: 1, ..NodeFacts::default() }),
        }
    }

    /// Barriers and groups so far.
    pub fn rounds(&self) -> (u64, u64) {
        (self.barriers.load(Relaxed), self.groups.load(Relaxed))
    }

    /// Lets the next barrier or group fail; several calls queue up.
    pub fn fail_next(&self, failure: Failure) {
        self.failures.lock().push_back(failure);
    }

    /// Holds up groups until [`Solo::release`].
    pub fn hold(&self) {
        self.held.store(true, Relaxed);
    }

    /// Lets held groups go on.
    pub fn release(&self) {
        self.held.store(false, Relaxed);
        self.released.notify_waiters();
    }

    /// Changes whether requests are taken.
    pub fn set_admission(&self, admission: Admission) {
        *self.admission.lock() = admission;
    }

    /// Changes what the node tells of itself.
    pub fn set_facts(&self, facts: NodeFacts) {
        *self.facts.lock() = facts;
    }

    /// Lets time pass for those who wait, as a cluster's leader does by itself.
    pub fn tick(&self) {
        self.apply(Vec::new().into());
    }

    /// Whether a client has stopped the node.
    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Relaxed)
    }

    /// Changes cluster settings.
    ///
    /// # Panics
    /// They are refused.
    pub fn configure(&self, pairs: &[(&str, &str)]) {
        let pairs: Vec<_> = pairs.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
        let mut state = self.state.write();
        state.configure(&pairs).expect("the caller gives valid settings");
        self.front.refresh(&state);
    }

    fn failure(&self) -> Option<Failure> {
        self.failures.lock().pop_front()
    }

    fn apply(&self, group: Group) -> Bytes {
        let mut state = self.state.write();
        self.desk.readers().take_over(&mut state.keyspace);
        let now = Millis(i64::try_from(unix_time().as_millis()).unwrap_or(i64::MAX)).max(state.clock);
        state.begin(now);
        state.keyspace.note_changes(self.front.post.tracking.is_on());
        for (kind, name, by) in self.front.post.take_owed(usize::MAX) {
            state.subscriptions.change(kind, &name, ORIGIN.node.0, by);
        }
        let state_events = state.settings.events();
        let mut step = Step {
            state: &mut state,
            rng: Rng::from_u64(self.applied.load(Relaxed)),
            events: Events::new(state_events),
            serving: Serving::new(&self.desk),
            asked: Asked::new(&self.front, group.client),
        };
        step.events.set_wants_messages(true);
        step.service(self.version()).time_out(now);
        let mut replies = Reply::new(Protocol::Resp2);
        for slot in group.slots {
            self.slot(&mut step, slot, &mut replies);
            step.service(self.version()).serve();
            step.collect();
        }
        let Step { mut serving, .. } = step;
        serving.effects.push(Effect::Author(None));
        let effects = std::mem::take(&mut serving.effects);
        drop(state.keyspace.take_garbage());
        self.front.refresh(&state);
        drop(state);
        let limits = self.front.tunables().output_limits;
        self.front.post.deliver(effects, || limits);
        while self.front.post.work(&limits) {}
        serving.finish();
        replies.take()
    }

    fn version(&self) -> Version {
        Version(self.applied.fetch_add(1, Relaxed) + 1)
    }

    fn slot(&self, step: &mut Step<'_, '_>, slot: Slot, replies: &mut Reply) {
        let (db, command, request, style, seat, caller) = match slot {
            Slot::Transaction(transaction) => {
                let unchanged = is_unchanged(step.state, step.state.clock, transaction.watched());
                let version = self.version();
                transaction.answer(unchanged, replies, |queued, args, reply| {
                    let caller = transaction.caller.as_deref().filter(|_| queued.command.asks_user);
                    step.run(queued.db, version, (None, caller), (queued.command, args), reply);
                });
                return;
            }
            Slot::Ready(bytes) => return replies.raw(&bytes),
            Slot::Internal(request) => {
                let args: Vec<_> = request.args().collect();
                return report::apply(step.state, ORIGIN, ORIGIN.node, &args, &mut step.serving.effects);
            }
            Slot::Act(act) => return act.0.run(&mut step.serving.effects),
            Slot::Unblock { ticket, how, style } => {
                let ended = step.service(self.version()).unblock(ticket, how);
                if !style.silent {
                    replies.integer(i64::from(ended));
                }
                return;
            }
            Slot::Read { db, command, request, style, caller }
            | Slot::Write { db, command, request, style, caller } => {
                (db, command, request, style, None, caller)
            }
            Slot::Wait { db, command, request, style, seat } => {
                (db, command, request, style, Some(seat), None)
            }
        };
        let args: Vec<_> = request.args().collect();
        let start = replies.len();
        replies.set_protocol(style.protocol);
        let place = seat.as_ref().map(|seat| quorate_commands::Seat {
            node: 1,
            incarnation: 1,
            deadline: seat.deadline,
        });
        let version = self.version();
        let who = (place, caller.as_deref());
        let ticket = step.run(db, version, who, (command, Args::new(&args)), replies);
        if style.silent {
            replies.truncate(start);
        }
        if let Some(ticket) = ticket {
            self.desk.take(ticket, seat.map(|seat| (seat, style)));
        }
    }
}

/// A group being applied.
struct Step<'a, 'd> {
    state: &'a mut State,
    rng: Rng,
    events: Events,
    serving: Serving<'d>,
    asked: Asked<'a>,
}

impl<'d> Step<'_, 'd> {
    fn run(
        &mut self,
        db: DbIndex,
        version: Version,
        (seat, caller): (Option<quorate_commands::Seat>, Option<&User>),
        (command, args): (&Command, Args<'_>),
        reply: &mut Reply,
    ) -> Option<Ticket> {
        let (now, node) = (self.state.clock, Some(&self.asked as &dyn Answering));
        let started = Instant::now();
        let user = caller.map(|user| {
            let known = self.state.users.get(user.name()).cloned();
            known.unwrap_or_else(|| Arc::new(User::gone(user.name())))
        });
        let (rng, events, user) = (&mut self.rng, &mut self.events, user.as_deref());
        let context = WriteContext { db, now, version, rng, events, node, user };
        let ticket = write_or_wait(self.state, context, seat, command, args, reply);
        if let (None, Some(client)) = (ticket, &self.asked.client) {
            let front = self.asked.front;
            front.refresh(self.state);
            front.note_if_slow(&front.tunables(), client, command, started.elapsed(), args.from(0));
        }
        ticket
    }

    /// Moves what was emitted to the effects.
    fn collect(&mut self) {
        let wanted = self.state.settings.events();
        let notices = self.events.take().into_iter().map(|notice| Effect::of(notice, wanted));
        self.serving.effects.extend(notices);
        self.serving.effects.push(Effect::Changed(self.state.keyspace.take_changes()));
    }

    fn service(&mut self, version: Version) -> Service<'_, Serving<'d>> {
        let Step { state, rng, events, serving, .. } = self;
        Service { state, version, rng, events, desk: serving }
    }
}

fn writes(slot: &Slot) -> bool {
    match slot {
        Slot::Write { .. } | Slot::Wait { .. } | Slot::Unblock { .. } | Slot::Internal(_) => true,
        Slot::Transaction(transaction) => transaction.writes(),
        Slot::Read { .. } | Slot::Act(_) | Slot::Ready(_) => false,
    }
}

impl Backend for Solo {
    async fn write(&self, group: Group) -> Result<Bytes, Failure> {
        assert!(group.slots.iter().any(writes), "a group holds a write");
        self.groups.fetch_add(1, Relaxed);
        loop {
            let released = self.released.notified();
            if !self.held.load(Relaxed) {
                break;
            }
            released.await;
        }
        match self.failure() {
            Some(failure) => Err(failure),
            None => Ok(self.apply(group)),
        }
    }

    async fn barrier(&self, mode: ReadMode) -> Result<Millis, Failure> {
        // A local read asks nobody.
        self.barriers.fetch_add(u64::from(mode != ReadMode::Local), Relaxed);
        match self.failure() {
            Some(failure) => Err(failure),
            None => Ok(Millis(i64::try_from(unix_time().as_millis()).unwrap_or(i64::MAX))),
        }
    }

    fn abandon(&self, ticket: Ticket) {
        let style = Style { protocol: Protocol::Resp2, silent: true };
        self.apply(vec![Slot::Unblock { ticket, how: Unblock::Gone, style }].into());
    }

    fn wait_for<'a>(&self, db: DbIndex, keys: impl Iterator<Item = &'a [u8]>) -> Reader {
        self.desk.readers().wait(db, keys)
    }

    fn is_stopping(&self) -> bool {
        self.is_stopped()
    }

    fn with_state<R>(&self, look: impl FnOnce(&State) -> R) -> R {
        look(&self.state.read())
    }

    fn front(&self) -> &Front {
        &self.front
    }

    fn admission(&self) -> Admission {
        *self.admission.lock()
    }

    async fn snapshot(&self) -> Result<(), String> {
        let mut facts = self.facts.lock();
        facts.snapshots += 1;
        facts.snapshot_unix_seconds = unix_time().as_secs();
        Ok(())
    }

    async fn replicas_durable(&self) -> usize {
        self.facts.lock().others().count()
    }

    fn shutdown(&self) {
        self.stopped.store(true, Relaxed);
    }

    fn facts(&self) -> NodeFacts {
        let facts = self.facts.lock().clone();
        NodeFacts { applied: self.applied.load(Relaxed), uptime: self.front.started.elapsed(), ..facts }
    }
}
