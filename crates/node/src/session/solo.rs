//! A backend of one node without log, disk or peers: the state machine alone, in memory.
//!
//! For: tests of sessions and listeners, and measuring what a connection costs without replication.
//! Leaves to others: everything that makes data safe. Nothing of it outlives the process.
//! Invariant: groups are applied one after the other, as from a log with one group to an entry.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use bytes::Bytes;
use parking_lot::{Mutex, RwLock};
use quorate_commands::{Answering, Args, Events, Settings, State, WriteContext};
use quorate_keyspace::{Millis, Rng, Seed, Version};
use quorate_raft::NodeId;
use quorate_resp::{Protocol, Reply};
use tokio::sync::Notify;

use super::backend::{Admission, Backend, NodeFacts, ReadMode};
use super::front::Front;
use super::server::unix_time;
use crate::batch::Origin;
use crate::group::{Failure, Group, Slot};
use crate::messages::{Effect, report};
use crate::transaction::is_unchanged;

/// One node, in memory.
pub struct Solo {
    state: RwLock<State>,
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
        state.settings.set(&pairs).expect("the caller gives valid settings");
        self.front.refresh(&state.settings);
    }

    fn failure(&self) -> Option<Failure> {
        self.failures.lock().pop_front()
    }

    fn apply(&self, group: Group) -> Bytes {
        let mut state = self.state.write();
        let now = Millis(i64::try_from(unix_time().as_millis()).unwrap_or(i64::MAX)).max(state.clock);
        state.begin(now);
        state.keyspace.note_changes(self.front.post.tracking.is_on());
        let mut rng = Rng::from_u64(self.applied.load(Relaxed));
        let mut events = Events::new(state.settings.events());
        events.set_wants_messages(true);
        let mut effects = Vec::new();
        let origin = Origin { node: NodeId(1), incarnation: 1 };
        let owed = self.front.post.take_owed(usize::MAX);
        for (kind, name, by) in owed {
            state.subscriptions.change(kind, &name, origin.node.0, by);
        }
        let mut replies = Reply::new(Protocol::Resp2);
        for slot in group {
            let wanted = state.settings.events();
            effects.extend(events.take().into_iter().map(|notice| Effect::of(notice, wanted)));
            effects.push(Effect::Changed(state.keyspace.take_changes()));
            let (db, command, request, style) = match slot {
                Slot::Transaction(transaction) => {
                    let unchanged = is_unchanged(&state, now, transaction.watched());
                    let version = Version(self.applied.fetch_add(1, Relaxed) + 1);
                    transaction.answer(unchanged, &mut replies, |queued, args, reply| {
                        let (rng, events) = (&mut rng, &mut events);
                        let node = Some(&self.front as &dyn Answering);
                        let context = WriteContext { db: queued.db, now, version, rng, events, node };
                        quorate_commands::write(&mut state, context, queued.command, args, reply);
                    });
                    continue;
                }
                Slot::Ready(bytes) => {
                    replies.raw(&bytes);
                    continue;
                }
                Slot::Internal(request) => {
                    let args: Vec<_> = request.args().collect();
                    report::apply(&mut state, origin, origin.node, &args, &mut effects);
                    continue;
                }
                Slot::Act(act) => {
                    act.0.run(&mut effects);
                    continue;
                }
                Slot::Read { db, command, request, style } | Slot::Write { db, command, request, style } => {
                    (db, command, request, style)
                }
            };
            let context = WriteContext {
                db,
                now,
                version: Version(self.applied.fetch_add(1, Relaxed) + 1),
                rng: &mut rng,
                events: &mut events,
                node: Some(&self.front),
            };
            let args: Vec<_> = request.args().collect();
            let start = replies.len();
            replies.set_protocol(style.protocol);
            quorate_commands::write(&mut state, context, command, Args::new(&args), &mut replies);
            if style.silent {
                replies.truncate(start);
            }
        }
        let wanted = state.settings.events();
        effects.extend(events.take().into_iter().map(|notice| Effect::of(notice, wanted)));
        effects.extend([Effect::Changed(state.keyspace.take_changes()), Effect::Author(None)]);
        drop(state.keyspace.take_garbage());
        drop(state);
        let limits = self.front.tunables().output_limits;
        self.front.post.deliver(effects, || limits);
        while self.front.post.work(&limits) {}
        replies.take()
    }
}

fn writes(slot: &Slot) -> bool {
    match slot {
        Slot::Write { .. } | Slot::Internal(_) => true,
        Slot::Transaction(transaction) => transaction.writes(),
        Slot::Read { .. } | Slot::Act(_) | Slot::Ready(_) => false,
    }
}

impl Backend for Solo {
    async fn write(&self, group: Group) -> Result<Bytes, Failure> {
        assert!(group.iter().any(writes), "a group holds a write");
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

    async fn barrier(&self, _: ReadMode) -> Result<Millis, Failure> {
        self.barriers.fetch_add(1, Relaxed);
        match self.failure() {
            Some(failure) => Err(failure),
            None => Ok(Millis(i64::try_from(unix_time().as_millis()).unwrap_or(i64::MAX))),
        }
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
