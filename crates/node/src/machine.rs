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
use quorate_commands::{EventClass, Events, State, StateDecoder, StateEncoder};
use quorate_keyspace::{Millis, Rng, Seed};
use quorate_raft::{Capture, Committed, Fault, LogId, Members, NodeId, Payload, StateMachine};
use quorate_resp::Reply;
use tokio::sync::watch;

use crate::batch::{Data, Stamp};
use crate::brief;
use crate::divergence::Divergence;
use crate::execution::{BatchEntry, Here, Left, last_version, run_batch};
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
        reclaimer: Reclaimer,
        divergence: Arc<Divergence>,
    ) -> Machine {
        Machine { replica, pipeline, front, reclaimer, divergence, discard: Reply::discarding() }
    }

    fn deliver(&self, effects: Vec<Effect>) {
        self.front.post.deliver(effects, || self.front.tunables().output_limits);
    }

    fn apply_data(&mut self, id: LogId, data: &Bytes) -> Result<(), Fault> {
        let data = Data::decode(data).map_err(|error| Fault::new(format!("entry {}: {error}", id.index)))?;
        match data {
            Data::Tick(stamp) => {
                let mut effects = Vec::new();
                let mut replicated = self.replica.replicated.write();
                let before_bytes = self.begin(&mut replicated, stamp);
                self.finish(&mut replicated, id, stamp, before_bytes, &mut effects);
                drop(replicated);
                self.deliver(effects);
                Ok(())
            }
            Data::Check(stamp) => {
                let mut effects = Vec::new();
                let mut replicated = self.replica.replicated.write();
                let before_bytes = self.begin(&mut replicated, stamp);
                self.finish(&mut replicated, id, stamp, before_bytes, &mut effects);
                self.divergence.begin(id.index, replicated.state.capture(), self.reclaimer.is_inline());
                drop(replicated);
                self.deliver(effects);
                Ok(())
            }
            Data::Batch { stamp, origin, sequence, requests } => {
                let own = origin == self.pipeline.origin();
                let mut left = Left::default();
                let result = {
                    let mut replicated = self.replica.replicated.write();
                    let before_bytes = self.begin(&mut replicated, stamp);
                    let here = Here {
                        node: self.pipeline.origin().node,
                        front: &self.front,
                        has_listeners: self.front.post.has_listeners(),
                        has_trackers: self.front.post.tracking.is_on(),
                    };
                    let admission = replicated.origins.admit(origin, sequence);
                    if admission == Admission::Next && sequence == 1 {
                        // Whoever was connected to the node before its start is not any more.
                        replicated.state.subscriptions.forget(origin.node.0);
                    }
                    let result = match admission {
                        Admission::Next => {
                            let groups = if own { self.pipeline.applied(sequence) } else { Vec::new() };
                            let entry = BatchEntry { index: id.index, origin, stamp, requests, groups };
                            run_batch(&mut replicated.state, entry, &here, &mut left, &mut self.discard)
                        }
                        Admission::Gap => {
                            if own {
                                self.pipeline.resend();
                            }
                            Ok(0)
                        }
                        Admission::Repeat | Admission::Stale => Ok(0),
                    };
                    self.finish(&mut replicated, id, stamp, before_bytes, &mut left.effects);
                    result
                };
                let executed = result.map_err(|error| Fault::new(format!("entry {}: {error}", id.index)))?;
                self.replica.writes.fetch_add(executed, Ordering::Relaxed);
                self.deliver(left.effects);
                for (waiting, replies) in left.outbox {
                    // A connection that is gone does not need its replies.
                    let _gone = waiting.send(Ok(replies));
                }
                Ok(())
            }
        }
    }

    /// Moves the clock; the first stamp of all seeds the maps, which are still empty. Returns what the data takes.
    fn begin(&self, replicated: &mut Replicated, stamp: Stamp) -> usize {
        if !replicated.seeded {
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
        replicated.state.used_bytes()
    }

    /// Housekeeping of every entry: due keys, keys that the memory limit asks for, and large dropped values, which
    /// another thread frees.
    fn finish(
        &self,
        replicated: &mut Replicated,
        id: LogId,
        stamp: Stamp,
        before_bytes: usize,
        effects: &mut Vec<Effect>,
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
            effects.push(Effect::Changed(changes));
        }
        if !events.is_empty() && self.front.post.has_listeners() {
            effects.extend(events.take().into_iter().map(|notice| Effect::of(notice, wanted)));
        }
        self.replica.evicted.fetch_add(evicted.keys, Ordering::Relaxed);
        self.replica.out_of_memory.store(evicted.is_full, Ordering::Relaxed);
        self.replica.has_more_to_evict.store(evicted.has_more, Ordering::Relaxed);
        self.reclaimer.free(replicated.state.keyspace.take_garbage());
        self.replica.clock.store(now.0, Ordering::Release);
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
                    drop(replicated);
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
        let own = replicated.origins.last(self.pipeline.origin());
        let old = std::mem::replace(&mut *self.replica.replicated.write(), replicated);
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
