//! Serving those who wait, and ending their wait otherwise.
//!
//! For: what the apply task does with waiters around a batch's requests. Leaves to others: what a command takes (its
//! own function), delivering the replies ([`Desk`]).
//!
//! Invariants: a waiter ends once, with one reply or with none. What serving one makes ready is served as well before
//! [`Service::serve`] returns: `BLMOVE` may feed another waiter.

use std::sync::Arc;

use bytes::Bytes;
use quorate_keyspace::{DbIndex, Millis, Rng, Value, Version};
use quorate_resp::{Protocol, Reply};

use super::{Kind, Ticket, Waiter, Waiting};
use crate::{Args, Events, State, Write};

/// Where the clients of this node wait for their replies.
pub trait Desk {
    /// The protocol of the client that waits under this ticket; nothing if it is another node's, or gone.
    fn protocol(&self, ticket: Ticket) -> Option<Protocol>;

    /// A key that somebody waits for has changed.
    fn changed(&mut self, db: DbIndex, key: &Arc<[u8]>);

    /// A wait is over.
    fn ended(&mut self, ticket: Ticket, waiter: &Waiter, ending: Ending);
}

/// How a wait ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// With this reply; empty where nobody waits for it on this node.
    Reply(Bytes),
    /// Without one: nothing was taken, and the client, if there still is one, may wait anew.
    Lost,
}

/// Why somebody ends a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unblock {
    /// As if its time were up.
    Timeout,
    /// With an error.
    Error,
    /// The client is gone.
    Gone,
}

impl Unblock {
    /// All, in the order of their numbers in a batch.
    pub const ALL: [Unblock; 3] = [Unblock::Timeout, Unblock::Error, Unblock::Gone];
}

/// Serves waiters at one point of the log.
#[derive(Debug)]
pub struct Service<'a, D> {
    /// The replicated state.
    pub state: &'a mut State,
    /// Log position stamped on what changes.
    pub version: Version,
    /// The batch's random numbers.
    pub rng: &'a mut Rng,
    /// Collects keyspace notifications.
    pub events: &'a mut Events,
    /// Where the replies go.
    pub desk: &'a mut D,
}

impl<D: Desk> Service<'_, D> {
    /// Serves everybody who waits for a key that has changed. To be called after each request, a whole transaction or
    /// script being one.
    pub fn serve(&mut self) {
        loop {
            let mut served = false;
            for db in DbIndex::all() {
                if self.state.keyspace.db(db).has_changed() {
                    served = true;
                    for key in self.state.keyspace.db_mut(db).take_changed() {
                        self.desk.changed(db, &key);
                        self.serve_key(db, &key);
                    }
                }
            }
            if !served {
                return;
            }
        }
    }

    fn serve_key(&mut self, db: DbIndex, key: &Arc<[u8]>) {
        for kind in Kind::ALL {
            let mut after = Ticket(0);
            while let Some(ticket) = self.state.waiters.next(db, key, kind, after) {
                if !self.is_for(db, key, kind) {
                    break;
                }
                self.run_again(ticket);
                after = ticket;
            }
        }
    }

    /// Whether what is at a key now concerns those who wait for this kind of thing.
    fn is_for(&self, db: DbIndex, key: &[u8], kind: Kind) -> bool {
        let entry = self.state.keyspace.db(db).get(key, self.state.clock);
        match (kind, entry.map(quorate_keyspace::Entry::value)) {
            // They are told when their stream is gone.
            (Kind::Group, _) => true,
            (Kind::List, Some(value)) => matches!(value, Value::List(_)),
            (Kind::SortedSet, Some(value)) => matches!(value, Value::SortedSet(_)),
            (Kind::List | Kind::SortedSet, None) => false,
        }
    }

    fn run_again(&mut self, ticket: Ticket) {
        let waiter = Arc::clone(self.state.waiters.get(ticket).expect("it was just found"));
        let mut reply = self.reply(ticket);
        let args: Vec<&[u8]> = waiter.request.args().collect();
        let args = Args::new(&args);
        let Ok(command) = crate::resolve(args) else {
            unreachable!("it was run before, or the snapshot's decoder has checked it")
        };
        let Service { state, version, rng, events, .. } = self;
        let now = state.clock;
        let waiting = Waiting::Again(ticket);
        let (db, version) = (waiter.db, *version);
        let mut write = Write { state, db, now, version, rng, events, waiting, node: None, user: None };
        if let Err(error) = write.run(command, args, &mut reply) {
            reply.error(&error.to_string());
        }
        if !matches!(write.waiting, Waiting::Does(_)) {
            self.end(ticket, Ending::Reply(reply.take()));
        }
    }

    /// Ends the waits whose time is up.
    pub fn time_out(&mut self, now: Millis) {
        while let Some(ticket) = self.state.waiters.overdue(now) {
            self.unblock(ticket, Unblock::Timeout);
        }
    }

    /// Ends a wait; false if it was over before.
    pub fn unblock(&mut self, ticket: Ticket, how: Unblock) -> bool {
        let mut reply = self.reply(ticket);
        match how {
            Unblock::Timeout => reply.null_array(),
            Unblock::Error => reply.error("UNBLOCKED client unblocked via CLIENT UNBLOCK"),
            Unblock::Gone => return self.end(ticket, Ending::Lost),
        }
        self.end(ticket, Ending::Reply(reply.take()))
    }

    /// Ends the waits of nodes, or lives of nodes, that are no more.
    pub fn dismiss(&mut self, is_gone: impl Fn(&Waiter) -> bool) {
        let gone: Vec<Ticket> = self
            .state
            .waiters
            .iter()
            .filter(|(_, waiter)| is_gone(waiter))
            .map(|(ticket, _)| ticket)
            .collect();
        for ticket in gone {
            self.end(ticket, Ending::Lost);
        }
    }

    fn end(&mut self, ticket: Ticket, ending: Ending) -> bool {
        let State { waiters, keyspace, .. } = &mut *self.state;
        let Some(waiter) = waiters.remove(keyspace, ticket) else { return false };
        self.desk.ended(ticket, &waiter, ending);
        true
    }

    fn reply(&self, ticket: Ticket) -> Reply {
        self.desk.protocol(ticket).map_or_else(Reply::discarding, Reply::new)
    }
}
