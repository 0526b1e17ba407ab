//! Who listens on this node, and the sending of messages to them.
//!
//! For: subscriptions of this node's connections, by name and by connection. Leaves to others: order and locking (the
//! post), counts over the cluster (the replicated state).
//! Invariants: both tables say the same; a connection whose mailbox is closed is entered nowhere. What the log counts
//! for this node, and what it is owed, make together what is here.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use quorate_commands::{Event, EventClasses, Message, SubscriptionKind, glob};
use quorate_keyspace::Changes;
use quorate_resp::{Protocol, Reply};

use super::{Effect, Tracking};
use crate::session::{Client, OutputLimits};

/// The connections that listen to a name, by id.
type Listeners = BTreeMap<u64, Arc<Client>>;

/// This node's subscriptions.
#[derive(Default)]
pub(crate) struct Hub {
    names: [HashMap<Bytes, Listeners>; 3],
    clients: HashMap<u64, [BTreeSet<Bytes>; 3]>,
    /// What is to be added to the counts in the log.
    owed: BTreeMap<(SubscriptionKind, Bytes), i64>,
    /// The counts in the log may differ from what is here.
    is_doubtful: bool,
    /// The client whose work the next changes are, where it matters.
    author: Option<u64>,
}

/// A message in both protocols, made when the first listener needs it.
struct Encoded<'a> {
    parts: &'a [&'a [u8]],
    forms: [Option<Bytes>; 2],
}

impl Hub {
    /// Enters subscriptions of a connection or takes them out, as it has told the log, and says so to it.
    pub(crate) fn change(
        &mut self,
        client: &Arc<Client>,
        kind: SubscriptionKind,
        added: bool,
        names: Vec<Bytes>,
        answer: Bytes,
        limits: &OutputLimits,
    ) {
        if client.is_deaf() {
            // It has gone since: what the log has just counted is to be taken back.
            return if added {
                self.owe(names.into_iter().map(|name| (kind, name, -1)).collect())
            };
        }
        for name in names {
            if added {
                self.names[kind.place()]
                    .entry(name.clone())
                    .or_default()
                    .insert(client.id, Arc::clone(client));
                self.clients.entry(client.id).or_default()[kind.place()].insert(name);
            } else {
                self.unlink(client.id, kind, &name);
                if let Some(own) = self.clients.get_mut(&client.id) {
                    own[kind.place()].remove(&name);
                }
            }
        }
        let own = self.clients.get(&client.id);
        client.show_subscriptions(own.map_or([0; 3], |own| own.each_ref().map(BTreeSet::len)));
        // Who is disconnected for what it leaves unread is told nothing any more.
        let _sent = client.send(answer, limits);
    }

    /// Whether any subscription of a connection is such a one.
    pub(super) fn any_subscription(
        &self,
        client: u64,
        mut fits: impl FnMut(SubscriptionKind, &[u8]) -> bool,
    ) -> bool {
        let Some(own) = self.clients.get(&client) else { return false };
        SubscriptionKind::ALL
            .into_iter()
            .zip(own)
            .any(|(kind, names)| names.iter().any(|name| fits(kind, name)))
    }

    /// Forgets a connection.
    pub(super) fn leave(&mut self, client: u64) {
        let Some(own) = self.clients.remove(&client) else { return };
        for (kind, names) in SubscriptionKind::ALL.into_iter().zip(own) {
            for name in names {
                self.unlink(client, kind, &name);
                self.owe(vec![(kind, name, -1)]);
            }
        }
    }

    fn unlink(&mut self, client: u64, kind: SubscriptionKind, name: &Bytes) {
        let names = &mut self.names[kind.place()];
        if let Some(listeners) = names.get_mut(name) {
            listeners.remove(&client);
            if listeners.is_empty() {
                names.remove(name);
            }
        }
    }

    pub(super) fn take(&mut self, effect: Effect, tracking: &Tracking, limits: &OutputLimits) {
        match effect {
            Effect::Message(message) => self.send(&message, limits),
            Effect::Event(event, to) => self.announce(&event, to, limits),
            Effect::Changed(changes) => tracking.changed(&changes, self.author, limits),
            Effect::Author(author) => self.author = author,
            Effect::Hub(change) => change(self, limits),
            Effect::Counted(counted) => self.compare(counted),
            Effect::Doubt => self.is_doubtful = true,
            Effect::Gap => {
                self.cut();
                tracking.changed(&Changes { all: true, keys: Vec::new() }, None, limits);
                self.is_doubtful = true;
            }
        }
    }

    fn send(&self, message: &Message, limits: &OutputLimits) {
        let Message { shard, channel, payload } = message;
        let (kind, word): (_, &[u8]) = match shard {
            true => (SubscriptionKind::Shard, b"smessage"),
            false => (SubscriptionKind::Channel, b"message"),
        };
        if let Some(listeners) = self.names[kind.place()].get(channel) {
            Encoded::new(&[word, channel, payload]).send(listeners, limits);
        }
        if *shard {
            return;
        }
        for (pattern, listeners) in &self.names[SubscriptionKind::Pattern.place()] {
            if glob::matches(pattern, channel) {
                Encoded::new(&[b"pmessage", pattern, channel, payload]).send(listeners, limits);
            }
        }
    }

    /// Sends a keyspace event to its two channels.
    fn announce(&self, event: &Event, to: EventClasses, limits: &OutputLimits) {
        let Event { name, db, key, .. } = event;
        let db = db.as_u8();
        let name = Bytes::from_static(name.as_bytes());
        if to.to_keyspace() {
            let channel = [format!("__keyspace@{db}__:").as_bytes(), key].concat().into();
            self.send(&Message { shard: false, channel, payload: name.clone() }, limits);
        }
        if to.to_keyevent() {
            let channel = [format!("__keyevent@{db}__:").as_bytes(), &name].concat().into();
            self.send(&Message { shard: false, channel, payload: key.clone() }, limits);
        }
    }

    /// Messages have been missed: their listeners are cut off, which is how they learn of it.
    fn cut(&mut self) {
        let listeners: BTreeMap<_, _> = self.names.iter().flat_map(HashMap::values).flatten().collect();
        if !listeners.is_empty() {
            tracing::warn!(
                clients = listeners.len(),
                "subscribers are cut off: this node has missed messages"
            );
        }
        listeners.values().for_each(|client| client.kill());
    }

    /// The log has these counts for this node at this place: what they lack is owed.
    fn compare(&mut self, counted: Vec<(SubscriptionKind, Bytes, i64)>) {
        self.owed.clear();
        let mut lacking: BTreeMap<(SubscriptionKind, Bytes), i64> = BTreeMap::new();
        for (kind, names) in SubscriptionKind::ALL.into_iter().zip(&self.names) {
            for (name, listeners) in names {
                let count = i64::try_from(listeners.len()).unwrap_or(i64::MAX);
                lacking.insert((kind, name.clone()), count);
            }
        }
        for (kind, name, count) in counted {
            *lacking.entry((kind, name)).or_default() -= count;
        }
        self.owe(lacking.into_iter().map(|((kind, name), count)| (kind, name, count)).collect());
    }

    /// Whether the counts in the log have become doubtful since this was last asked.
    pub(super) fn take_doubt(&mut self) -> bool {
        std::mem::take(&mut self.is_doubtful)
    }

    pub(super) fn owes(&self) -> bool {
        !self.owed.is_empty()
    }

    pub(super) fn owe(&mut self, changes: Vec<(SubscriptionKind, Bytes, i64)>) {
        for (kind, name, by) in changes {
            let key = (kind, name);
            let owed = self.owed.get(&key).copied().unwrap_or(0) + by;
            if owed == 0 {
                self.owed.remove(&key);
            } else {
                self.owed.insert(key, owed);
            }
        }
    }

    pub(super) fn take_owed(&mut self, max: usize) -> Vec<(SubscriptionKind, Bytes, i64)> {
        let mut taken = Vec::new();
        while taken.len() < max
            && let Some(((kind, name), by)) = self.owed.pop_first()
        {
            taken.push((kind, name, by));
        }
        taken
    }
}

impl<'a> Encoded<'a> {
    fn new(parts: &'a [&'a [u8]]) -> Encoded<'a> {
        Encoded { parts, forms: [None, None] }
    }

    fn send(&mut self, listeners: &Listeners, limits: &OutputLimits) {
        for client in listeners.values() {
            // One that is cut off for what it leaves unread, or is gone, leaves the hub by itself.
            let _sent = client.send(self.form(client.protocol()), limits);
        }
    }

    fn form(&mut self, protocol: Protocol) -> Bytes {
        let Encoded { parts, forms } = self;
        let form = &mut forms[usize::from(protocol == Protocol::Resp3)];
        let form = form.get_or_insert_with(|| {
            let mut reply = Reply::new(protocol);
            reply.push(parts.len());
            parts.iter().for_each(|part| reply.bulk(part));
            reply.take()
        });
        form.clone()
    }
}
