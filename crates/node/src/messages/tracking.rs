//! Which clients keep which keys, and telling them when one changes (`CLIENT TRACKING`).
//!
//! For: the keys that this node's clients have read, the prefixes that they want to know everything of, and the
//! messages. Leaves to others: which reads count (`session::tracking`), noticing changes (the keyspace's journal, at
//! apply). Invariants:
//! - A key is remembered before it is read, under a lock that apply respects or on the apply task: no change between
//!   the two is missed. What was changed before may be told needlessly.
//! - A client is told of a key once, and again when it has read it again. At most `tracking-table-max-keys` keys are
//!   remembered; whoever kept one that has to go is told so.
//!
//! Called by: sessions (what they read), whoever works off the post's effects (the rest).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use parking_lot::Mutex;
use quorate_keyspace::Changes;
use quorate_resp::{Protocol, Reply};

use crate::session::{Client, ClientRegistry, OutputLimits};

/// Where invalidations go for clients that speak RESP2.
const CHANNEL: &[u8] = b"__redis__:invalidate";

/// Who tracks keys on this node.
#[derive(Debug, Default)]
pub(crate) struct Tracking {
    len: AtomicUsize,
    table: Mutex<Table>,
    clients: Arc<ClientRegistry>,
}

#[derive(Debug, Default)]
struct Table {
    trackers: HashMap<u64, Tracker>,
    /// The keys that clients have read, and which.
    keys: HashMap<Bytes, BTreeSet<u64>>,
    /// Clients by key, all together.
    items: usize,
    prefixes: BTreeMap<Bytes, BTreeSet<u64>>,
}

/// How a client tracks.
#[derive(Debug)]
pub(crate) struct Tracker {
    pub(crate) client: Arc<Client>,
    /// The client that is told instead; 0 for itself.
    pub(crate) redirect: u64,
    /// It is told of all keys with its prefixes, not of those that it has read.
    pub(crate) bcast: bool,
    /// It is not told of what it changes itself.
    pub(crate) noloop: bool,
}

/// What `INFO` tells of tracking.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct TrackingFigures {
    pub(crate) clients: usize,
    pub(crate) keys: usize,
    pub(crate) items: usize,
    pub(crate) prefixes: usize,
}

impl Tracking {
    pub(crate) fn new(clients: Arc<ClientRegistry>) -> Tracking {
        Tracking { clients, ..Tracking::default() }
    }

    /// Whether any client tracks. Asked at apply, with the state locked.
    pub(crate) fn is_on(&self) -> bool {
        self.len.load(Ordering::Acquire) > 0
    }

    /// A client tracks from now on, or tracks otherwise; these prefixes are added to those that it has.
    pub(crate) fn enter(&self, tracker: Tracker, prefixes: impl IntoIterator<Item = Bytes>) {
        let mut table = self.table.lock();
        let id = tracker.client.id;
        for prefix in prefixes {
            table.prefixes.entry(prefix).or_default().insert(id);
        }
        if table.trackers.insert(id, tracker).is_none() {
            self.len.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// A client tracks no more. Keys that it has read are forgotten when they change.
    pub(crate) fn leave(&self, id: u64) {
        let mut table = self.table.lock();
        if table.trackers.remove(&id).is_none() {
            return;
        }
        table.prefixes.retain(|_, clients| {
            clients.remove(&id);
            !clients.is_empty()
        });
        if self.len.fetch_sub(1, Ordering::AcqRel) == 1 {
            table.keys = HashMap::new();
            table.items = 0;
        }
    }

    /// A client reads these keys.
    pub(crate) fn remember(&self, id: u64, keys: &[Bytes], keys_max: usize, limits: &OutputLimits) {
        let mut table = self.table.lock();
        if !table.trackers.contains_key(&id) {
            return;
        }
        for key in keys {
            if table.keys.entry(key.clone()).or_default().insert(id) {
                table.items += 1;
            }
        }
        table.shrink(keys_max, keys, &self.clients, limits);
    }

    /// Forgets keys beyond as many as may be remembered from now on.
    pub(crate) fn limit(&self, keys_max: usize, limits: &OutputLimits) {
        if self.is_on() {
            self.table.lock().shrink(keys_max, &[], &self.clients, limits);
        }
    }

    /// Tells everybody who wants to know that these keys have changed; `author` did it, if it was a client of this
    /// node that does not want to be told.
    pub(crate) fn changed(&self, changes: &Changes, author: Option<u64>, limits: &OutputLimits) {
        let mut table = self.table.lock();
        if changes.all {
            return table.invalidate_all(&self.clients, limits);
        }
        for key in &changes.keys {
            table.invalidate(key, author, &self.clients, limits);
        }
        table.broadcast(&changes.keys, author, &self.clients, limits);
    }

    /// What `INFO` tells.
    pub(crate) fn figures(&self) -> TrackingFigures {
        let table = self.table.lock();
        TrackingFigures {
            clients: table.trackers.len(),
            keys: table.keys.len(),
            items: table.items,
            prefixes: table.prefixes.len(),
        }
    }
}

impl Table {
    /// Forgets keys beyond so many (0: any number), but for those that have just come.
    fn shrink(&mut self, keys_max: usize, new: &[Bytes], clients: &ClientRegistry, limits: &OutputLimits) {
        let surplus = if keys_max == 0 { 0 } else { self.keys.len().saturating_sub(keys_max) };
        let old = self.keys.keys().filter(|key| !new.contains(key));
        for key in old.take(surplus).cloned().collect::<Vec<_>>() {
            self.invalidate(&key, None, clients, limits);
        }
    }

    fn invalidate(
        &mut self,
        key: &[u8],
        author: Option<u64>,
        clients: &ClientRegistry,
        limits: &OutputLimits,
    ) {
        let Some(readers) = self.keys.remove(key) else { return };
        self.items -= readers.len();
        for id in readers {
            let Some(tracker) = self.trackers.get(&id).filter(|tracker| !tracker.bcast) else { continue };
            if !(tracker.noloop && author == Some(id)) {
                tracker.tell(Some(&[key]), clients, limits);
            }
        }
    }

    fn broadcast(
        &self,
        keys: &[Box<[u8]>],
        author: Option<u64>,
        clients: &ClientRegistry,
        limits: &OutputLimits,
    ) {
        for (prefix, readers) in &self.prefixes {
            let found: BTreeSet<&[u8]> =
                keys.iter().map(|key| &**key).filter(|key| key.starts_with(prefix)).collect();
            if found.is_empty() {
                continue;
            }
            let found: Vec<&[u8]> = found.into_iter().collect();
            for id in readers {
                let Some(tracker) = self.trackers.get(id) else { continue };
                if !(tracker.noloop && author == Some(*id)) {
                    tracker.tell(Some(&found), clients, limits);
                }
            }
        }
    }

    fn invalidate_all(&mut self, clients: &ClientRegistry, limits: &OutputLimits) {
        self.keys = HashMap::new();
        self.items = 0;
        self.trackers.values().for_each(|tracker| tracker.tell(None, clients, limits));
    }
}

impl Tracker {
    /// Says that these keys have changed, or that all may have.
    fn tell(&self, keys: Option<&[&[u8]]>, clients: &ClientRegistry, limits: &OutputLimits) {
        // One that says goodbye is still there for a moment, and hears nothing any more.
        let other = if self.redirect == 0 { None } else { clients.get(self.redirect) };
        let other = other.filter(|other| !other.is_deaf());
        let is_redirected = self.redirect != 0;
        if is_redirected && other.is_none() {
            self.client.set_broken_redirect();
            if self.client.protocol() == Protocol::Resp3 {
                let mut push = Reply::new(Protocol::Resp3);
                push.push(2);
                push.bulk(b"tracking-redir-broken");
                push.integer(i64::try_from(self.redirect).unwrap_or(i64::MAX));
                let _sent = self.client.send(push.take(), limits);
            }
            return;
        }
        let target = other.as_ref().unwrap_or(&self.client);
        let mut message = Reply::new(target.protocol());
        if target.protocol() == Protocol::Resp3 {
            message.push(2);
            message.bulk(b"invalidate");
        } else if is_redirected && target.is_subscribed() {
            message.array(3);
            message.bulk(b"message");
            message.bulk(CHANNEL);
        } else {
            // It cannot be told anything.
            return;
        }
        match keys {
            Some(keys) => {
                message.array(keys.len());
                keys.iter().for_each(|key| message.bulk(key));
            }
            None => message.null(),
        }
        // One that is cut off, or is gone, tracks no more.
        let _sent = target.send(message.take(), limits);
    }
}
