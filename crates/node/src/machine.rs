//! The replicated state machine: applies the log's entries to the state, in order.
//!
//! What it leaves to others: consensus and files (`quorate_raft`), running a batch's requests
//! ([`crate::execution`]), what a command does (`quorate_commands`), who waits for replies ([`crate::pipeline`]).
//!
//! Invariants:
//! - The state is a pure function of the log (P5): this file reads no clock, no randomness and no setting
//!   of this node. Replies are computed on every node alike, and kept only on the batch's origin.
//! - A batch takes effect exactly once ([`crate::origins`]).
//! - The write lock is held for one entry at a time; replies are sent after it is released.
//!
//! Called by: the apply task (`apply`, `capture`, `install`); readers take the read lock for moments.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use bytes::Bytes;
use parking_lot::{Mutex, RwLock};
use quorate_commands::{EventClass, Events, Service, State, StateDecoder, StateEncoder, Waiter};
use quorate_keyspace::{Millis, Rng, Seed};
use quorate_raft::{Capture, Committed, Fault, LogId, Members, NodeId, Payload, StateMachine};
use quorate_resp::Reply;
use tokio::sync::{Notify, watch};

use crate::batch::{Data, Stamp};
use crate::brief;
use crate::desk::{Desk, Serving};
use crate::divergence::Divergence;
use crate::execution::{BatchEntry, Here, last_version, run_batch};
use crate::messages::Effect;
use crate::origins::{Admission, Origins};
use crate::pipeline::Pipeline;
use crate::reclaim::Reclaimer;
use crate::rules;
use crate::session::Front;

/// Due keys that one entry removes at most; the rest follows with the next entries. They do not exist
/// logically from the moment they are due.
const EXPIRED_PER_ENTRY_MAX: usize = 512;
/// Sets the chance of evictions apart from that of the batch's commands.
const EVICTION_SEED: u64 = 0x6576_6963_7469_6f6e;
/// And that of waiters that are served by what happens besides commands.
const WAITERS_SEED: u64 = 0x7761_6974_6572_7321;
/// The first block of a snapshot: format of the machine's own part.
pub(crate) const HEAD_FORMAT: u8 = 1;

/// Everything that is replicated.
#[derive(Debug)]
pub(crate) struct Replicated {
    pub(crate) state: State,
    pub(crate) origins: Origins,
    /// The highest id that each node number ever had.
    pub(crate) highest_ids: BTreeMap<u32, NodeId>,
    /// Whether the first stamp has seeded the maps.
    seeded: bool,
}

impl Replicated {
    fn new() -> Replicated {
        Replicated {
            state: State::new(Seed([0; 16])),
            origins: Origins::default(),
            highest_ids: BTreeMap::new(),
            seeded: false,
        }
    }
}

/// This node's copy of the replicated state, shared by the apply task and all readers.
pub(crate) struct Replica {
    replicated: RwLock<Replicated>,
    applied: watch::Sender<u64>,
    /// The members after the last applied entry.
    members: Mutex<BTreeSet<NodeId>>,
    clock: AtomicI64,
    next_expiry: AtomicI64,
    next_deadline: AtomicI64,
    /// An earlier deadline than all others has come.
    deadline_moved: Notify,
    writes: AtomicU64,
    expired: AtomicU64,
    evicted: AtomicU64,
    out_of_memory: AtomicBool,
    has_more_to_evict: AtomicBool,
}

impl Replica {
    pub(crate) fn new() -> Arc<Replica> {
        Arc::new(Replica {
            replicated: RwLock::new(Replicated::new()),
            applied: watch::Sender::new(0),
            members: Mutex::default(),
            clock: AtomicI64::new(0),
            next_expiry: AtomicI64::new(i64::MAX),
            next_deadline: AtomicI64::new(i64::MAX),
            deadline_moved: Notify::new(),
            writes: AtomicU64::new(0),
            expired: AtomicU64::new(0),
            evicted: AtomicU64::new(0),
            out_of_memory: AtomicBool::new(false),
            has_more_to_evict: AtomicBool::new(false),
        })
    }

    /// Looks at the state. Keep it short: apply waits.
    pub(crate) fn read<R>(&self, look: impl FnOnce(&Replicated) -> R) -> R {
        look(&self.replicated.read())
    }

    /// The last applied log index.
    pub(crate) fn applied(&self) -> u64 {
        *self.applied.borrow()
    }

    /// Whether a node is a member after some applied entry, and the index of one: with `true` the entry is no
    /// earlier than the one that made it a member, with `false` no later than what was looked at.
    pub(crate) fn membership_of(&self, node: NodeId) -> (bool, u64) {
        let before = self.applied();
        let is_member = self.members.lock().contains(&node);
        // The members of an entry are there before its index is.
        (is_member, if is_member { self.applied() } else { before })
    }

    /// The agreed time of the last applied entry.
    pub(crate) fn clock(&self) -> Millis {
        Millis(self.clock.load(Ordering::Acquire))
    }

    /// When the next key is due; the end of time if none is.
    pub(crate) fn next_expiry(&self) -> Millis {
        Millis(self.next_expiry.load(Ordering::Relaxed))
    }

    /// When the first waiter gives up; the end of time if none does.
    pub(crate) fn next_deadline(&self) -> Millis {
        Millis(self.next_deadline.load(Ordering::Relaxed))
    }

    /// Resolves when a waiter has come that gives up before all others.
    pub(crate) async fn deadline_moved(&self) {
        self.deadline_moved.notified().await;
    }

    fn note_deadline(&self, next: Option<Millis>) {
        let next = next.map_or(i64::MAX, |next| next.0);
        if next < self.next_deadline.swap(next, Ordering::Relaxed) {
            self.deadline_moved.notify_one();
        }
    }

    /// Write commands applied since the start, for metrics.
    pub(crate) fn writes(&self) -> u64 {
        self.writes.load(Ordering::Relaxed)
    }

    /// Expired keys removed since the start, for metrics.
    pub(crate) fn expired(&self) -> u64 {
        self.expired.load(Ordering::Relaxed)
    }

    /// Keys evicted since the start, for metrics.
    pub(crate) fn evicted(&self) -> u64 {
        self.evicted.load(Ordering::Relaxed)
    }

    /// Whether the data exceeds the memory limit and the next entry goes on with evicting.
    pub(crate) fn has_more_to_evict(&self) -> bool {
        self.has_more_to_evict.load(Ordering::Relaxed)
    }

    /// Whether the data exceeds the memory limit and nothing can be evicted: no command that adds data is to be
    /// proposed.
    pub(crate) fn out_of_memory(&self) -> bool {
        self.out_of_memory.load(Ordering::Relaxed)
    }

    /// Waits until this index has been applied.
    pub(crate) async fn wait_applied(&self, index: u64) {
        if self.applied() >= index {
            return;
        }
        let mut applied = self.applied.subscribe();
        // The sender lives in `self`, so the wait cannot fail.
        let _ = applied.wait_for(|applied| *applied >= index).await;
    }
}

/// The side of the replica that the apply task drives.
pub(crate) struct Machine {
    replica: Arc<Replica>,
    pipeline: Arc<Pipeline>,
    front: Arc<Front>,
    desk: Arc<Desk>,
    reclaimer: Reclaimer,
    divergence: Arc<Divergence>,
    /// Replies of other nodes' batches go here, that is nowhere.
    discard: Reply,
}

impl Machine {
    pub(crate) fn new(
        replica: Arc<Replica>,
        pipeline: Arc<Pipeline>,
        front: Arc<Front>,
        desk: Arc<Desk>,
        reclaimer: Reclaimer,
        divergence: Arc<Divergence>,
    ) -> Machine {
        Machine { replica, pipeline, front, desk, reclaimer, divergence, discard: Reply::discarding() }
    }

    fn deliver(&self, effects: Vec<Effect>) {
        self.front.post.deliver(effects, || self.front.tunables().output_limits);
    }

    fn apply_data(&mut self, id: LogId, data: &Bytes) -> Result<(), Fault> {
        let data = Data::decode(data).map_err(|error| Fault::new(format!("entry {}: {error}", id.index)))?;
        let desk = Arc::clone(&self.desk);
        let mut serving = Serving::new(&desk);
        let mut outbox = Vec::new();
        let mut result = Ok(0);
        let mut replicated = self.replica.replicated.write();
        let (stamp, is_check) = (data.stamp(), matches!(data, Data::Check(_)));
        let before_bytes = self.begin(&mut replicated, id, stamp, &mut serving);
        match data {
            Data::Tick(_) | Data::Check(_) => {}
            Data::Silence(_, silent) => {
                let is_silent = |waiter: &Waiter| {
                    waiter.node == silent.node.0 && waiter.incarnation <= silent.incarnation
                };
                self.service(&mut replicated.state, id, stamp, &mut serving, |service| {
                    service.dismiss(is_silent)
                });
            }
            Data::Batch { origin, sequence, requests, .. } => {
                let is_own = origin == self.pipeline.origin();
                match replicated.origins.admit(origin, sequence) {
                    Admission::Next => {
                        if sequence == 1 {
                            // Whoever was connected to the node before its start is not any more.
                            replicated.state.subscriptions.forget(origin.node.0);
                            // Whoever waited on an earlier life of this node is gone.
                            let is_gone = |waiter: &Waiter| {
                                waiter.node == origin.node.0 && waiter.incarnation < origin.incarnation
                            };
                            let state = &mut replicated.state;
                            self.service(state, id, stamp, &mut serving, |service| service.dismiss(is_gone));
                        }
                        let groups = if is_own { self.pipeline.applied(sequence) } else { Vec::new() };
                        let entry = BatchEntry { index: id.index, stamp, origin, is_own, requests, groups };
                        let here = Here {
                            node: self.pipeline.origin().node,
                            front: &self.front,
                            has_listeners: self.front.post.has_listeners(),
                            has_trackers: self.front.post.tracking.is_on(),
                        };
                        result = run_batch(
                            &mut replicated.state,
                            entry,
                            &here,
                            &mut serving,
                            &mut outbox,
                            &mut self.discard,
                        );
                    }
                    Admission::Gap if is_own => self.pipeline.resend(),
                    Admission::Gap | Admission::Repeat | Admission::Stale => {}
                }
            }
        }
        self.finish(&mut replicated, id, stamp, before_bytes, &mut serving);
        if is_check {
            self.divergence.begin(id.index, replicated.state.capture(), self.reclaimer.is_inline());
        }
        drop(replicated);
        let executed = result.map_err(|error| Fault::new(format!("entry {}: {error}", id.index)))?;
        self.replica.writes.fetch_add(executed, Ordering::Relaxed);
        self.deliver(std::mem::take(&mut serving.effects));
        for (waiting, replies) in outbox {
            // A connection that is gone does not need its replies.
            let _gone = waiting.send(Ok(replies));
        }
        serving.finish();
        Ok(())
    }

    /// Begins an entry: time moves, and those whose time is up wait no longer. Returns what the data takes.
    fn begin(
        &self,
        replicated: &mut Replicated,
        id: LogId,
        stamp: Stamp,
        serving: &mut Serving<'_>,
    ) -> usize {
        if !replicated.seeded {
            // The first stamp of all seeds the maps, which are still empty.
            let mut rng = Rng::from_u64(stamp.seed);
            let mut seed = [0; 16];
            seed[..8].copy_from_slice(&rng.next_u64().to_le_bytes());
            seed[8..].copy_from_slice(&rng.next_u64().to_le_bytes());
            replicated.state = State::new(Seed(seed));
            replicated.seeded = true;
        }
        replicated.state.begin(stamp.time);
        // With the lock held: whoever has read a key before has been entered before.
        replicated.state.keyspace.note_changes(self.front.post.tracking.is_on());
        replicated.state.keyspace.follow_changes(self.front.followers.is_on());
        let before_bytes = replicated.state.used_bytes();
        self.desk.readers().take_over(&mut replicated.state.keyspace);
        let now = replicated.state.clock;
        if replicated.state.waiters.next_deadline().is_some_and(|next| next <= now) {
            self.service(&mut replicated.state, id, stamp, serving, |service| service.time_out(now));
        }
        before_bytes
    }

    /// Housekeeping of every entry: due keys, keys that the memory limit asks for, those who wait for either, and large
    /// dropped values, which another thread frees.
    fn finish(
        &self,
        replicated: &mut Replicated,
        id: LogId,
        stamp: Stamp,
        before_bytes: usize,
        serving: &mut Serving<'_>,
    ) {
        let now = replicated.state.clock;
        let wanted = replicated.state.settings.events();
        let mut events = Events::new(wanted);
        let expired = replicated.state.keyspace.expire_slice(now, EXPIRED_PER_ENTRY_MAX);
        for gone in &expired {
            events.notify(EventClass::Expired, "expired", gone.db, &gone.key);
        }
        self.replica.expired.fetch_add(expired.len() as u64, Ordering::Relaxed);
        let next = replicated.state.keyspace.next_expiry().map_or(i64::MAX, |next| next.0);
        self.replica.next_expiry.store(next, Ordering::Relaxed);
        let evicted = replicated.state.evict(
            before_bytes,
            &mut Rng::from_u64(stamp.seed ^ EVICTION_SEED),
            last_version(id.index),
            &mut events,
        );
        let changes = replicated.state.keyspace.take_changes();
        if !changes.is_empty() {
            serving.effects.push(Effect::Changed(changes));
        }
        if !events.is_empty() && self.front.post.has_listeners() {
            serving.effects.extend(events.take().into_iter().map(|notice| Effect::of(notice, wanted)));
        }
        self.replica.evicted.fetch_add(evicted.keys, Ordering::Relaxed);
        self.replica.out_of_memory.store(evicted.is_full, Ordering::Relaxed);
        self.replica.has_more_to_evict.store(evicted.has_more, Ordering::Relaxed);
        // Whoever is answered from here on, on this node, goes by what this entry has changed.
        self.front.refresh(&replicated.state);
        if replicated.state.keyspace.has_changed() {
            self.service(&mut replicated.state, id, stamp, serving, |service| service.serve());
        }
        self.replica.note_deadline(replicated.state.waiters.next_deadline());
        if self.front.followers.is_on() {
            self.front.followers.note(&replicated.state.keyspace.take_followed());
        }
        self.reclaimer.free(replicated.state.keyspace.take_garbage());
        self.replica.clock.store(now.0, Ordering::Release);
    }

    /// Does something about waiters before or after an entry's requests.
    fn service<R>(
        &self,
        state: &mut State,
        id: LogId,
        stamp: Stamp,
        serving: &mut Serving<'_>,
        act: impl FnOnce(&mut Service<'_, Serving<'_>>) -> R,
    ) -> R {
        let mut events = Events::new(state.settings.events());
        let rng = &mut Rng::from_u64(stamp.seed ^ WAITERS_SEED);
        let version = last_version(id.index);
        let done = act(&mut Service { state, version, rng, events: &mut events, desk: serving });
        if !events.is_empty() && self.front.post.has_listeners() {
            let wanted = state.settings.events();
            serving.effects.extend(events.take().into_iter().map(|notice| Effect::of(notice, wanted)));
        }
        done
    }
}

impl StateMachine for Machine {
    fn takes_long(&self, entries: &[Committed]) -> bool {
        brief::take_long(entries, &self.pipeline)
    }

    fn apply(&mut self, entries: Vec<Committed>) -> Result<(), Fault> {
        for entry in entries {
            match entry.payload {
                Payload::Blank => {}
                Payload::Members(members) => {
                    let mut replicated = self.replica.replicated.write();
                    for id in members.nodes.keys() {
                        let highest = replicated.highest_ids.entry(rules::number_of(*id)).or_insert(*id);
                        *highest = (*highest).max(*id);
                    }
                    replicated.origins.retain(|node| members.nodes.contains_key(&node));
                    let is_member = |node| members.nodes.contains_key(&NodeId(node));
                    replicated.state.subscriptions.retain(is_member);
                    let desk = Arc::clone(&self.desk);
                    let mut serving = Serving::new(&desk);
                    let is_gone = |waiter: &Waiter| !members.nodes.contains_key(&NodeId(waiter.node));
                    let stamp = Stamp { time: replicated.state.clock, seed: 0 };
                    let state = &mut replicated.state;
                    self.service(state, entry.id, stamp, &mut serving, |service| service.dismiss(is_gone));
                    drop(replicated);
                    self.deliver(std::mem::take(&mut serving.effects));
                    serving.finish();
                    *self.replica.members.lock() = members.nodes.into_keys().collect();
                }
                Payload::Data(data) => self.apply_data(entry.id, &data)?,
            }
            self.replica.applied.send_replace(entry.id.index);
        }
        Ok(())
    }

    fn capture(&mut self) -> Box<dyn Capture> {
        let replicated = self.replica.replicated.read();
        let mut head = vec![HEAD_FORMAT, u8::from(replicated.seeded), 0, 0];
        replicated.origins.encode(&mut head);
        head.extend_from_slice(
            &u32::try_from(replicated.highest_ids.len()).unwrap_or(u32::MAX).to_le_bytes(),
        );
        for id in replicated.highest_ids.values() {
            head.extend_from_slice(&id.0.to_le_bytes());
        }
        Box::new(Captured { head: Some(Bytes::from(head)), state: replicated.state.capture().encode() })
    }

    fn install(
        &mut self,
        last: LogId,
        members: &Members,
        blocks: &mut dyn Iterator<Item = Result<Bytes, Fault>>,
    ) -> Result<(), Fault> {
        let head = blocks.next().ok_or_else(|| Fault::new("the snapshot is empty"))??;
        let damaged = || Fault::new("the head of the snapshot is damaged");
        let mut replicated = decode_head(&head).ok_or_else(damaged)?;
        let mut decoder = StateDecoder::new();
        for block in blocks {
            decoder.push(&block?).map_err(Fault::new)?;
        }
        replicated.state = decoder.finish().map_err(Fault::new)?;
        self.replica.clock.store(replicated.state.clock.0, Ordering::Release);
        self.replica.note_deadline(replicated.state.waiters.next_deadline());
        let own = replicated.origins.last(self.pipeline.origin());
        let old = {
            let mut shared = self.replica.replicated.write();
            let old = std::mem::replace(&mut *shared, replicated);
            let State { waiters, keyspace, .. } = &mut shared.state;
            self.desk.overtaken(self.pipeline.origin(), waiters, keyspace);
            self.front.followers.note_all();
            old
        };
        self.reclaimer.free_state(old.state);
        self.pipeline.overtaken(own);
        self.deliver(vec![Effect::Gap]);
        *self.replica.members.lock() = members.nodes.keys().copied().collect();
        self.replica.applied.send_replace(last.index);
        Ok(())
    }
}

fn decode_head(head: &[u8]) -> Option<Replicated> {
    let (fixed, rest) = head.split_first_chunk::<4>()?;
    if fixed[0] != HEAD_FORMAT {
        return None;
    }
    let (origins, rest) = Origins::decode(rest)?;
    let (count, mut rest) = rest.split_first_chunk::<4>()?;
    let mut highest_ids = BTreeMap::new();
    for _ in 0..u32::from_le_bytes(*count) {
        let (id, after) = rest.split_first_chunk::<8>()?;
        let id = NodeId(u64::from_le_bytes(*id));
        highest_ids.insert(rules::number_of(id), id);
        rest = after;
    }
    Some(Replicated { state: State::new(Seed([0; 16])), origins, highest_ids, seeded: fixed[1] == 1 })
}

/// A snapshot being written: the machine's own head, then the state's blocks.
struct Captured {
    head: Option<Bytes>,
    state: StateEncoder,
}

impl Capture for Captured {
    fn next_block(&mut self) -> Option<Bytes> {
        if let Some(head) = self.head.take() {
            return Some(head);
        }
        let mut block = Vec::new();
        self.state.next_block(&mut block).then(|| block.into())
    }
}
