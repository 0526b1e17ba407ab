//! Messages: what happens at apply and connections of this node are to be told of.
//!
//! ```text
//!  apply ──► effects ──► queue ──► hub: who listens? ──► mailboxes of connections
//!            (in the order of the log)      └─ counts that the log is owed ──► report ──► the log
//! ```
//!
//! For: `PUBLISH`, keyspace notifications, invalidations for clients' caches, and who is to be told on this node. Leaves to others: the counts of the whole
//! cluster (`quorate_commands`, in the replicated state), sessions and what they answer (`session::subscribe`),
//! mailboxes (`session::mailbox`). See `docs/decisions/0013-subscriptions-are-counted-in-the-log.md`.
//!
//! Invariants:
//! - Effects take place in the order in which apply made them: a subscriber gets what was sent after its
//!   subscription in the log, and nothing of before.
//! - Apply never waits for subscribers: it leaves its effects in the queue, and looks after them itself only where
//!   more than [`QUEUE_MAX`] wait.
//!
//! Called by: the apply task (`deliver`), the courier (`work`), sessions (their own subscriptions).

mod hub;
mod monitors;
pub(crate) mod report;
mod tracking;

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use quorate_commands::{Event, EventClasses, Message, Notice, SubscriptionKind};
use quorate_keyspace::Changes;
use tokio::sync::Notify;

pub(crate) use self::hub::Hub;
use self::monitors::Monitors;
pub(crate) use self::tracking::{Tracker, Tracking};
use crate::session::{ClientRegistry, OutputLimits};

/// Effects that wait before apply looks after them itself.
const QUEUE_MAX: usize = 64 * 1024;

/// Effects that the courier looks after before it lets other tasks run.
const ROUND: usize = 256;

/// A change of the hub.
pub(crate) type HubChange = Box<dyn FnOnce(&mut Hub, &OutputLimits) + Send>;

/// What an [`Action`] does.
type Run = Box<dyn FnOnce(&mut Vec<Effect>) + Send + Sync>;

/// What apply leaves to be done on this node alone.
pub(crate) enum Effect {
    /// A client has sent a message.
    Message(Message),
    /// A key was changed; its subscribers are told on these channels.
    Event(Event, EventClasses),
    /// Keys were changed.
    Changed(Changes),
    /// What follows is the work of this client, which may not want to be told of it.
    Author(Option<u64>),
    /// The hub is changed, at this place among the notices.
    Hub(HubChange),
    /// What the log has this node's subscriptions down as.
    Counted(Vec<(SubscriptionKind, Bytes, i64)>),
    /// What the log counts for this node may differ from what there is.
    Doubt,
    /// Entries were skipped, so messages may have been missed.
    Gap,
}

impl Effect {
    /// The effect of a notice while these classes of events are wanted.
    pub(crate) fn of(notice: Notice, wanted: EventClasses) -> Effect {
        match notice {
            Notice::Message(message) => Effect::Message(message),
            Notice::Event(event) => Effect::Event(event, wanted),
        }
    }
}

/// What is to be done at apply, at a request's place, on the node that took the request.
pub(crate) struct Action(Run);

impl Action {
    pub(crate) fn new(run: impl FnOnce(&mut Vec<Effect>) + Send + Sync + 'static) -> Action {
        Action(Box::new(run))
    }

    pub(crate) fn run(self, effects: &mut Vec<Effect>) {
        (self.0)(effects);
    }
}

impl fmt::Debug for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Action")
    }
}

/// A node's effects under way, and its listeners.
#[derive(Default)]
pub(crate) struct Post {
    /// Which clients keep which keys.
    pub(crate) tracking: Tracking,
    /// Who watches commands.
    pub(crate) monitors: Monitors,
    queue: Mutex<VecDeque<Effect>>,
    hub: Mutex<Hub>,
    /// Connections that are subscribed or about to be.
    listeners: AtomicUsize,
    arrived: Notify,
    owes: Notify,
    /// The log's counts may differ from what there is.
    is_doubtful: AtomicBool,
}

impl fmt::Debug for Post {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Post").field("listeners", &self.listeners).finish_non_exhaustive()
    }
}

impl Post {
    pub(crate) fn new(clients: Arc<ClientRegistry>) -> Post {
        Post { tracking: Tracking::new(clients), ..Post::default() }
    }

    /// Whether any connection here is to be told of messages. Set before a subscription enters the log.
    pub(crate) fn has_listeners(&self) -> bool {
        self.listeners.load(Ordering::Acquire) > 0
    }

    /// A connection is about to subscribe for the first time.
    pub(crate) fn enter(&self) {
        self.listeners.fetch_add(1, Ordering::AcqRel);
    }

    /// A connection that has entered is gone, or is subscribed to nothing any more.
    pub(crate) fn leave(&self, client: u64) {
        let owes = {
            let mut hub = self.hub.lock();
            hub.leave(client);
            hub.owes()
        };
        self.listeners.fetch_sub(1, Ordering::AcqRel);
        if owes {
            self.owes.notify_one();
        }
    }

    /// Whether any subscription of a connection is such a one.
    pub(crate) fn any_subscription(
        &self,
        client: u64,
        fits: impl FnMut(SubscriptionKind, &[u8]) -> bool,
    ) -> bool {
        self.hub.lock().any_subscription(client, fits)
    }

    /// Takes over what apply has left. Never waits for anybody to read.
    pub(crate) fn deliver(&self, effects: Vec<Effect>, limits: impl FnOnce() -> OutputLimits) {
        if effects.is_empty() {
            return;
        }
        let waiting = {
            let mut queue = self.queue.lock();
            queue.extend(effects);
            queue.len()
        };
        if waiting > QUEUE_MAX {
            let limits = limits();
            while self.work(&limits) {}
        } else {
            self.arrived.notify_one();
        }
    }

    /// Waits until there may be work.
    pub(crate) async fn arrived(&self) {
        self.arrived.notified().await;
    }

    /// Whether effects wait.
    pub(crate) fn has_work(&self) -> bool {
        !self.queue.lock().is_empty()
    }

    /// Looks after some effects, in order, whoever calls; whether there are more.
    pub(crate) fn work(&self, limits: &OutputLimits) -> bool {
        let mut hub = self.hub.lock();
        for _ in 0..ROUND {
            // Whoever holds the hub takes the next effect, so that the order is kept.
            let Some(effect) = self.queue.lock().pop_front() else { break };
            hub.take(effect, &self.tracking, limits);
        }
        let (owes, doubtful) = (hub.owes(), hub.take_doubt());
        drop(hub);
        if doubtful {
            self.doubt();
        } else if owes {
            self.owes.notify_one();
        }
        !self.queue.lock().is_empty()
    }

    /// What the log is told of next: changes of counts, as they are to be added.
    pub(crate) fn take_owed(&self, max: usize) -> Vec<(SubscriptionKind, Bytes, i64)> {
        self.hub.lock().take_owed(max)
    }

    /// The log could not be told.
    pub(crate) fn give_back(&self, owed: Vec<(SubscriptionKind, Bytes, i64)>) {
        self.hub.lock().owe(owed);
    }

    /// Nobody knows whether the log has been told of some change.
    pub(crate) fn doubt(&self) {
        self.is_doubtful.store(true, Ordering::Release);
        self.owes.notify_one();
    }

    /// Whether the log is to be asked what it has; once.
    pub(crate) fn take_doubt(&self) -> bool {
        self.is_doubtful.swap(false, Ordering::AcqRel)
    }

    /// Waits until nothing is left to be done.
    pub(crate) async fn settled(&self) {
        loop {
            {
                // Who has taken the last effect holds the hub until it is done.
                let _hub = self.hub.lock();
                if self.queue.lock().is_empty() {
                    return;
                }
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Waits until the log may have to be told something.
    pub(crate) async fn owes(&self) {
        self.owes.notified().await;
    }
}
