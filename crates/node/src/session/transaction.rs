//! `MULTI EXEC DISCARD WATCH UNWATCH`: what a connection remembers until it runs a transaction.
//!
//! ```text
//! WATCH ─► versions of keys ─┐
//! MULTI ─► queue ────────────┴─ EXEC ─┬─ data alone ─────► a slot among the pending
//!                                     └─ others as well ─► alone: data first, then the session's own commands
//! ```
//!
//! For: the queue, the watched keys, and the reply of `EXEC` where the session itself answers a part of it.
//! Leaves to others: whether the watched keys have changed, and running what is about data ([`crate::transaction`]).
//!
//! Invariants:
//! - Nothing of a queue takes effect before `EXEC`; a refused or discarded queue never does. `EXEC`, `DISCARD`,
//!   `RESET` and the end of the connection forget queue and watched keys.
//! - Commands of the session (`PING`, `CLIENT SETNAME`, `INFO` …) run after those about data, if these ran; `SELECT`
//!   and `HELLO` hold for what is queued behind them all the same.
//! - What is remembered is bounded by [`TRANSACTION_BYTES_MAX`].

use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use bytes::Bytes;
use quorate_commands::{Answering, Args, Command, Error, Read, Route, SessionCommand};
use quorate_keyspace::{DbIndex, Millis, Version};
use quorate_resp::{Protocol, Reply, Request, parse_i64};

use super::answering::Asked;
use super::backend::Backend;
use super::execute::{Step, needs_barrier};
use super::stats::StatsIndex;
use super::{Flow, Session, replies};
use crate::group::{Failure, Group, Queued, Slot, Style, Transaction, Watched};

/// Bytes of commands and watched keys that one transaction may hold. It travels between nodes in one message.
pub const TRANSACTION_BYTES_MAX: usize = 32 * 1024 * 1024;

/// What a queued command or a watched key takes beyond its own bytes.
const ENTRY_BYTES: usize = 64;

const NESTED: &str = "ERR MULTI calls can not be nested";
const WATCH_INSIDE: &str = "ERR WATCH inside MULTI is not allowed";
const EXEC_WITHOUT: &str = "ERR EXEC without MULTI";
const DISCARD_WITHOUT: &str = "ERR DISCARD without MULTI";
const ABORTED: &str = "EXECABORT Transaction discarded because of previous errors.";
const TOO_LARGE: &str = "ERR The transaction's commands and watched keys are too large together";

/// What a connection remembers for its next `EXEC`.
#[derive(Debug, Default)]
pub(super) struct Multi {
    open: bool,
    /// A command could not be queued: `EXEC` runs nothing.
    refused: bool,
    queue: Vec<(&'static Command, Request)>,
    watched: BTreeMap<(DbIndex, Bytes), Version>,
    bytes: usize,
    /// The session answers its own part of a transaction.
    running: bool,
}

/// A command of a transaction that the session answers itself, or a gap for the next reply about data.
enum Part {
    Own {
        kind: SessionCommand,
        stats: StatsIndex,
        request: Request,
    },
    Data(StatsIndex),
    /// Its user may not run it any more.
    Denied(StatsIndex, Error),
}

impl Multi {
    /// Whether commands are queued now.
    pub(super) fn is_open(&self) -> bool {
        self.open
    }

    /// Whether a transaction is being answered: its commands must not wait.
    pub(super) fn is_running(&self) -> bool {
        self.running
    }

    /// The commands that are queued.
    pub(super) fn queued(&self) -> impl Iterator<Item = (&'static Command, &Request)> {
        self.queue.iter().map(|(command, request)| (*command, request))
    }

    /// Whether any queued command is such a one.
    pub(super) fn has(&self, fits: impl Fn(&Command) -> bool) -> bool {
        self.queue.iter().any(|(command, _)| fits(command))
    }

    /// Whether the session itself has to answer a part of the queue.
    pub(super) fn needs_session(&self) -> bool {
        self.has(|command| matches!(command.route, Route::Session(_)))
    }

    /// A command could not be queued.
    pub(super) fn refuse(&mut self) {
        if self.open {
            self.refused = true;
            self.queue = Vec::new();
        }
    }

    fn grow(&mut self, bytes: usize) -> Result<(), Error> {
        let bytes = self.bytes.saturating_add(bytes + ENTRY_BYTES);
        if bytes > TRANSACTION_BYTES_MAX {
            return Err(Error::text(TOO_LARGE));
        }
        self.bytes = bytes;
        Ok(())
    }
}

impl<B: Backend> Session<B> {
    pub(super) fn multi(&mut self) -> Result<(), Error> {
        if self.multi.open {
            return Err(Error::text(NESTED));
        }
        self.multi.open = true;
        self.note_queue();
        self.reply.ok();
        Ok(())
    }

    pub(super) fn discard_on_request(&mut self) -> Result<(), Error> {
        if !self.multi.open {
            return Err(Error::text(DISCARD_WITHOUT));
        }
        self.discard();
        self.reply.ok();
        Ok(())
    }

    /// Forgets the queue and the watched keys.
    pub(super) fn discard(&mut self) {
        self.multi = Multi::default();
        self.note_queue();
    }

    pub(super) fn unwatch(&mut self) -> Result<(), Error> {
        // Within a transaction it would come too late to change anything.
        if !self.multi.running {
            self.multi.watched.clear();
            self.multi.bytes = 0;
            self.note_queue();
        }
        self.reply.ok();
        Ok(())
    }

    pub(super) async fn watch(&mut self, args: Args<'_>) -> Result<(), Error> {
        if self.multi.open {
            return Err(Error::text(WATCH_INSIDE));
        }
        let now = match self.backend.barrier(self.read_mode).await {
            Ok(now) => now,
            Err(Failure::Refused(text)) => return Err(Error::text(text)),
            Err(Failure::Unknown) => return Err(Error::text("CLUSTERDOWN The cluster is down")),
        };
        let Session { backend, multi, db, .. } = self;
        let result = backend.with_state(|state| {
            for key in args.from(1) {
                let place = (*db, Bytes::copy_from_slice(key));
                // A key that is watched already keeps its older version.
                if !multi.watched.contains_key(&place) {
                    multi.grow(key.len())?;
                    let version = state.keyspace.db(*db).key_version(key, now.max(state.clock));
                    multi.watched.insert(place, version);
                }
            }
            Ok(())
        });
        self.note_queue();
        result.map(|()| self.reply.ok())
    }

    /// Queues a command of an open transaction.
    pub(super) fn queue(&mut self, command: &'static Command, request: &Request, silent: bool) {
        if !self.multi.refused {
            let bytes = request.args().map(|arg| arg.len() + size_of::<u32>()).sum();
            if let Err(error) = self.multi.grow(bytes) {
                let args: Vec<&[u8]> = request.args().collect();
                return self.reject(Args::new(&args), &error, silent);
            }
            // A copy: what is kept must not hold the buffer that it came in.
            self.multi.queue.push((command, Request::from_args(request.args())));
            self.note_queue();
        }
        self.ready(silent, |reply| reply.simple("QUEUED"));
    }

    /// Runs the queue, or has it run with what is pending.
    pub(super) async fn exec(&mut self, command: &'static Command, request: Request, style: Style) -> Step {
        let refusal = match (self.multi.open, self.multi.refused) {
            (false, _) => Some(EXEC_WITHOUT),
            (true, true) => Some(ABORTED),
            (true, false) => None,
        };
        if let Some(text) = refusal {
            let front = self.backend.front();
            front.stats.error(text.as_bytes());
            front.stats.called(front.stats.index(command), Duration::ZERO, true);
            if self.multi.open {
                self.discard();
            }
            self.ready(style.silent, |reply| reply.error(text));
            return Step::Taken;
        }
        drop(request);
        let multi = std::mem::take(&mut self.multi);
        self.note_queue();
        let (transaction, parts) = self.transaction(command, multi, style);
        self.note_tracked(transaction.commands.iter().map(|queued| (queued.command, &queued.request)));
        if transaction.commands.len() < parts.len() {
            return match self.execute_alone(transaction, parts).await {
                Flow::Close => Step::Close,
                Flow::Continue | Flow::More => Step::Taken,
            };
        }
        if transaction.writes() {
            self.pending_writes = true;
            self.pending_settings |= transaction.changes_settings();
        } else {
            self.pending_reads += transaction.commands.len();
        }
        self.pending_bytes += transaction.bytes();
        self.pending.push(Slot::Transaction(Box::new(transaction)));
        Step::Taken
    }

    /// The part of a queue that is about data, and the order of all.
    fn transaction(&self, command: &'static Command, multi: Multi, style: Style) -> (Transaction, Vec<Part>) {
        let stats = &self.backend.front().stats;
        let (mut db, mut protocol) = (self.db, style.protocol);
        let elements = multi.queue.len();
        let (mut commands, mut parts) = (Vec::new(), Vec::new());
        let mut asks_user = false;
        for (command, request) in multi.queue {
            let stats = stats.index(command);
            if self.restricted {
                let args: Vec<&[u8]> = request.args().collect();
                // What he may do can have changed since it was queued.
                if let Err(error) = self.check_queued(command, Args::new(&args)) {
                    parts.push(Part::Denied(stats, error));
                    continue;
                }
            }
            asks_user |= command.asks_user;
            match command.route {
                Route::Session(kind) => {
                    if kind == SessionCommand::Select {
                        db = parse_i64(request.arg(1)).and_then(DbIndex::new).unwrap_or(db);
                    } else if kind == SessionCommand::Hello {
                        protocol = chosen_protocol(&request).unwrap_or(protocol);
                    }
                    parts.push(Part::Own { kind, stats, request });
                }
                _ => {
                    parts.push(Part::Data(stats));
                    commands.push(Queued { db, command, request, protocol });
                }
            }
        }
        let watched = multi.watched.into_iter().map(|((db, key), version)| Watched { db, key, version });
        let caller = asks_user.then(|| self.caller_of_transaction()).flatten();
        (Transaction { command, watched: watched.collect(), commands, elements, style, caller }, parts)
    }

    /// Runs a transaction that the session answers a part of; nothing is pending.
    async fn execute_alone(&mut self, transaction: Transaction, parts: Vec<Part>) -> Flow {
        let style = transaction.style;
        let exec = self.backend.front().stats.index(transaction.command);
        let settings = transaction.changes_settings();
        let started = Instant::now();
        // The data's replies are wanted even if the client is not: they tell whether the rest is to run.
        let heard = Style { silent: false, ..style };
        let result = self.run(Transaction { style: heard, ..transaction }).await;
        if settings {
            self.take_settings(|_| ());
        }
        let stats = &self.backend.front().stats;
        let replies = match result {
            Ok(replies) => replies,
            Err(Failure::Unknown) => return Flow::Close,
            Err(Failure::Refused(text)) => {
                stats.rejected(stats.command(exec));
                stats.error(text.as_bytes());
                self.ready(style.silent, |reply| reply.error(&text));
                return Flow::Continue;
            }
        };
        let took = started.elapsed();
        stats.called(exec, took, false);
        let start = self.reply.len();
        let flow = match replies::elements(&replies) {
            Some(elements) => {
                self.reply.raw(&replies[..replies.len() - elements.len()]);
                self.join(parts, elements, took).await
            }
            None => {
                self.reply.raw(&replies);
                Flow::Continue
            }
        };
        if style.silent {
            self.reply.truncate(start);
        }
        flow
    }

    /// Writes the elements of a transaction's reply, those of the session's own commands in their places.
    async fn join(&mut self, parts: Vec<Part>, mut replies: &[u8], took: Duration) -> Flow {
        let mut flow = Flow::Continue;
        self.multi.running = true;
        for part in parts {
            match part {
                Part::Data(index) => {
                    let (reply, rest) = replies::split_first(replies).unwrap_or_default();
                    replies = rest;
                    let stats = &self.backend.front().stats;
                    let error = replies::error_text(reply);
                    stats.called(index, took, error.is_some());
                    if let Some(text) = error {
                        stats.error(text);
                    }
                    self.reply.raw(reply);
                }
                Part::Denied(index, error) => {
                    let (stats, text) = (&self.backend.front().stats, error.to_string());
                    stats.rejected(stats.command(index));
                    stats.error(text.as_bytes());
                    self.reply.error(&text);
                }
                Part::Own { kind, stats, request } => {
                    let start = self.reply.len();
                    if self.session_command(kind, stats, &request, false).await == Flow::Close {
                        flow = Flow::Close;
                    }
                    // What turns replies off still has its place in the reply that is being written.
                    if self.reply.len() == start {
                        self.reply.ok();
                    }
                }
            }
        }
        self.multi.running = false;
        flow
    }

    /// Runs the part of a transaction that is about data; its reply.
    async fn run(&mut self, transaction: Transaction) -> Result<Bytes, Failure> {
        // What it has to remember, if anything: nothing else is pending.
        let mut group = std::mem::take(&mut self.pending);
        let slot = Slot::Transaction(Box::new(transaction));
        let asks = needs_barrier(&slot);
        let Slot::Transaction(transaction) = slot else { unreachable!("it was made one above") };
        if transaction.writes() {
            group.push(Slot::Transaction(transaction));
            return self.backend.write(Group::of(self.client.handle(), group)).await;
        }
        let now = if asks { self.backend.barrier(self.read_mode).await? } else { Millis(0) };
        let mut reply = Reply::new(transaction.style.protocol);
        let front = self.backend.front();
        let asked = Asked::new(front, Some(self.client.handle()));
        self.backend.with_state(|state| {
            for slot in group {
                if let Slot::Act(act) = slot {
                    act.0.run(&mut Vec::new());
                }
            }
            let (now, node) = (now.max(state.clock), Some(&asked as &dyn Answering));
            let lookups = Some(&front.stats.lookups);
            let read = Read { state, db: DbIndex::ZERO, now, seed: self.seed, node, lookups, user: None };
            let mut started = Instant::now();
            transaction.read(read, &mut reply, |read, command, args| {
                front.uses.note(read, command, args);
                let took = started.elapsed();
                front.note_if_slow(&self.tunables, &self.client, command, took, args.from(0));
                started += took;
            });
        });
        Ok(reply.take())
    }

    /// Shows others how much is queued.
    fn note_queue(&self) {
        let Multi { open, queue, bytes, .. } = &self.multi;
        let queued = if *open { i64::try_from(queue.len()).unwrap_or(i64::MAX) } else { -1 };
        self.client.queued.store(queued, Relaxed);
        self.client.queued_bytes.store(*bytes, Relaxed);
    }
}

/// The protocol that a `HELLO` without further options switches to.
fn chosen_protocol(hello: &Request) -> Option<Protocol> {
    match (hello.len(), hello.arg(1)) {
        (2, b"2") => Some(Protocol::Resp2),
        (2, b"3") => Some(Protocol::Resp3),
        _ => None,
    }
}
