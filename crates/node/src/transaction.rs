//! A transaction between `EXEC` and its reply: commands that are executed together, or not at all.
//!
//! Writes of a transaction are one request of a batch, with the versions that its watched keys must still have; its
//! reads are evaluated by the origin alone, in their places. A transaction without writes never enters a log.
//!
//! What it leaves to others: what a connection remembers until `EXEC` ([`crate::session`]), the bytes
//! ([`crate::batch`]), when it runs ([`crate::execution`], or the session behind a barrier).
//!
//! Invariant: whether the watched keys have changed depends on the state at one point of the log alone, so that
//! every node decides alike.
//!
//! Called by: connection tasks, the apply task.

use std::sync::Arc;

use bytes::Bytes;
use quorate_commands::{Args, Command, Flag, Read, State, User};
use quorate_keyspace::{DbIndex, Millis, Version};
use quorate_resp::{Protocol, Reply, Request};

use crate::batch::{RequestArgs, WatchedKey};
use crate::group::Style;

/// Commands that are executed at one point of the log, with nothing in between.
#[derive(Debug)]
pub struct Transaction {
    /// The row of `EXEC`.
    pub command: &'static Command,
    /// Keys that must be as they were when they were watched.
    pub watched: Vec<Watched>,
    /// The commands on data, in order.
    pub commands: Vec<Queued>,
    /// Elements of the reply: of `commands`, and of those that the session answers itself.
    pub elements: usize,
    /// How the reply is written.
    pub style: Style,
    /// Who asks, where a command has to know.
    pub caller: Option<Arc<User>>,
}

/// A watched key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watched {
    /// Its database.
    pub db: DbIndex,
    /// Its name.
    pub key: Bytes,
    /// What [`quorate_keyspace::Db::key_version`] said of it.
    pub version: Version,
}

/// A command of a transaction.
#[derive(Debug)]
pub struct Queued {
    /// The database that is selected at this point.
    pub db: DbIndex,
    /// Its row of the table.
    pub command: &'static Command,
    /// The arguments as sent.
    pub request: Request,
    /// The protocol of its reply.
    pub protocol: Protocol,
}

impl Transaction {
    /// Whether it has to go through the log.
    pub fn writes(&self) -> bool {
        self.commands.iter().any(|queued| queued.command.is_write())
    }

    /// The user as a command has to know him.
    pub(crate) fn user_of(&self, queued: &Queued) -> Option<&User> {
        self.caller.as_deref().filter(|_| queued.command.asks_user)
    }

    /// Whether it may change settings.
    pub(crate) fn changes_settings(&self) -> bool {
        self.commands.iter().any(|queued| queued.command.is_write() && queued.command.flags.has(Flag::Admin))
    }

    /// Bytes that it keeps, roughly.
    pub(crate) fn bytes(&self) -> usize {
        let keys: usize = self.watched.iter().map(|watched| watched.key.len() + 16).sum();
        let requests: usize = self.commands.iter().map(|queued| queued.request.frame_bytes() + 64).sum();
        keys + requests + 32
    }

    /// The watched keys, as a batch has them.
    pub(crate) fn watched(&self) -> impl Iterator<Item = WatchedKey<'_>> {
        self.watched.iter().map(|watched| (watched.db, watched.version, watched.key.as_ref()))
    }

    /// Writes the reply: nothing has run where a watched key has changed; else what `run` writes for each command.
    pub(crate) fn answer(
        &self,
        unchanged: bool,
        reply: &mut Reply,
        mut run: impl FnMut(&Queued, Args<'_>, &mut Reply),
    ) {
        let start = reply.len();
        reply.set_protocol(self.style.protocol);
        if unchanged {
            reply.array(self.elements);
            for queued in &self.commands {
                let args: RequestArgs<'_> = queued.request.args().collect();
                reply.set_protocol(queued.protocol);
                run(queued, Args::new(&args), reply);
            }
        } else {
            reply.null_array();
        }
        if self.style.silent {
            reply.truncate(start);
        }
    }

    /// Evaluates a transaction without writes; `noted` sees what was read.
    pub(crate) fn read(
        &self,
        read: Read<'_>,
        reply: &mut Reply,
        mut noted: impl FnMut(&Read<'_>, &Command, Args<'_>),
    ) {
        let unchanged = is_unchanged(read.state, read.now, self.watched());
        self.answer(unchanged, reply, |queued, args, reply| {
            let read = Read { db: queued.db, user: self.user_of(queued), ..read };
            quorate_commands::read(&read, queued.command, args, reply);
            noted(&read, queued.command, args);
        });
    }
}

/// Whether watched keys are as they were.
pub(crate) fn is_unchanged<'a>(
    state: &State,
    now: Millis,
    mut watched: impl Iterator<Item = WatchedKey<'a>>,
) -> bool {
    watched.all(|(db, version, key)| state.keyspace.db(db).key_version(key, now) == version)
}
