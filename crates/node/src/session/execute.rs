//! From requests to replies: what is executed together, and in which order.
//!
//! Requests are taken in order and kept as *pending* for as long as they can go together:
//!
//! ```text
//!   GET GET GET │ SET GET PING INCR │ INFO
//!   one barrier │ one group         │ executed once everything before it is
//! ```
//!
//! Leading reads share one barrier and are evaluated here; from the first write on, writes and reads are one
//! group. A transaction goes along as one write or one read. Commands of the session that do not look at data take their place among the pending as a ready
//! reply; the others wait for what precedes them.
//!
//! Invariant: `pending` holds reads and ready replies only, or at least one write (`pending_writes`).

use std::collections::VecDeque;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use bytes::Bytes;
use quorate_commands::{Answering, Args, Command, Error, Flag, Read, Route, SessionCommand, State};
use quorate_keyspace::{DbIndex, Millis};
use quorate_resp::{Reply, Request};
use smallvec::SmallVec;

use super::admit::is_exec;
use super::answering::Asked;
use super::backend::Backend;
use super::blocking::may_wait;
use super::outcome::TransactionStats;
use super::stats::StatsIndex;
use super::subscribe::is_answered_by_mail;
use super::{Flow, Front, Session, Silence, replies};
use crate::group::{Failure, Group, Slot, Style};

/// Most requests that are executed together.
pub const GROUP_REQUESTS_MAX: usize = 1024;

/// Bytes of requests beyond which no more are executed together with them.
pub const GROUP_BYTES_MAX: usize = 1024 * 1024;

/// Bytes of replies beyond which they are written before more requests are executed.
pub const OUTPUT_BYTES_PAUSE: usize = 1024 * 1024;

/// Most reads that follow a write into its group. Their replies are made at apply and wait together.
pub const GROUP_READS_MAX: usize = 128;

/// How long reads of one connection may hold up apply before they give way.
const READ_SLICE: Duration = Duration::from_micros(200);

/// From this size on, a group's replies are passed on rather than copied behind the others.
const PIECE_BYTES_MIN: usize = 16 * 1024;

/// Requests with at most so many arguments need no allocation to be looked at.
type ArgList<'a> = SmallVec<[&'a [u8]; 16]>;

/// What became of a request.
pub(super) enum Step {
    /// It is answered or pending.
    Taken,
    /// There was no room to execute what precedes it; it is to be taken again.
    Again(Request),
    /// The connection is to be closed.
    Close,
}

impl<B: Backend> Session<B> {
    /// Executes requests in order, and adds their replies to the output.
    ///
    /// Returns [`Flow::More`] before all are executed if much output has gathered. The future may be dropped,
    /// but the session must be dropped with it then.
    pub async fn execute(&mut self, requests: &mut VecDeque<Request>) -> Flow {
        self.client.set_executing(true);
        self.refresh();
        self.now = Instant::now();
        self.hear();
        let mut flow = self.execute_some(requests).await;
        self.client.set_executing(false);
        if self.client.is_revoked() {
            flow = Flow::Close;
        }
        if flow == Flow::Close {
            self.client.closing.store(true, Relaxed);
            requests.clear();
        }
        flow
    }

    /// Whoever is told of changes hears of all that this node has applied before it asks again: a write that anybody
    /// has been answered comes before the replies that follow.
    fn hear(&mut self) {
        let post = &self.backend.front().post;
        let listens = self.tracking.is_some() || self.subscriber.is_some();
        if listens && self.pending.is_empty() && post.has_work() {
            while post.work(&self.tunables.output_limits) {}
            self.take_mail();
        }
    }

    async fn execute_some(&mut self, requests: &mut VecDeque<Request>) -> Flow {
        if self.reading_at.is_some() {
            let flow = self.flush().await;
            if flow != Flow::Continue {
                return flow;
            }
        }
        while let Some(request) = requests.pop_front() {
            match self.step(request).await {
                Step::Taken => {}
                Step::Again(request) => {
                    requests.push_front(request);
                    return Flow::More;
                }
                Step::Close => return Flow::Close,
            }
            let full = self.pending.len() >= GROUP_REQUESTS_MAX
                || self.pending_bytes >= GROUP_BYTES_MAX
                || self.pending_writes && self.pending_reads >= GROUP_READS_MAX;
            // What changes settings or users may change what the next request may do.
            if full || self.pending_settings {
                let flow = self.flush().await;
                if flow != Flow::Continue {
                    return flow;
                }
            }
            if self.client.is_revoked() {
                return Flow::Close;
            }
            if self.output_bytes() >= OUTPUT_BYTES_PAUSE && !requests.is_empty() {
                let flow = self.flush().await;
                return if flow == Flow::Continue { Flow::More } else { flow };
            }
        }
        self.flush().await
    }

    /// Takes one request: keeps it as pending, or answers it.
    async fn step(&mut self, request: Request) -> Step {
        let args: ArgList<'_> = request.args().collect();
        let command = match self.admit(Args::new(&args)) {
            Ok(command) => command,
            Err(Some(error)) => {
                let silent = self.take_silence();
                self.reject(Args::new(&args), &error, silent);
                return Step::Taken;
            }
            Err(None) => return Step::Close,
        };
        drop(args);
        let stats = self.stats_index(command);
        self.client.touch(self.now, stats);
        let may_write = |command: &Command| command.is_write() || command.flags.has(Flag::MayReplicate);
        let writes = may_write(command) || is_exec(command) && self.multi.has(may_write);
        let held = self.backend.front().pause.holds(writes);
        let queued = self.multi.is_open() && !runs_in_multi(command);
        let waits = !queued && may_wait(command, &request);
        if held || waits || !queued && self.must_wait_for_pending(command) {
            match self.flush().await {
                Flow::Continue => {}
                Flow::More => return Step::Again(request),
                Flow::Close => return Step::Close,
            }
        }
        if waits && self.output_bytes() > 0 {
            // Replies to what precedes it must not wait as well.
            return Step::Again(request);
        }
        if held {
            self.client.set_blocked(true);
            self.backend.front().pause.wait(writes).await;
            self.client.set_blocked(false);
        }
        let silent = self.take_silence();
        if queued {
            self.queue(command, &request, silent);
            return Step::Taken;
        }
        let style = self.style(silent);
        // A change of database is shown with the new one, once it is made.
        let selects = matches!(command.route, Route::Session(SessionCommand::Select));
        if !selects {
            self.show_to_monitors(command, &request);
        }
        match command.route {
            Route::Session(SessionCommand::Exec) => self.exec(command, request, style).await,
            Route::Write(_) if waits => self.wait_for_turn(command, request, style).await,
            Route::Read(_) if waits => self.wait_for_entries(command, &request, style).await,
            Route::Read(_) => {
                self.note_tracked(std::iter::once((command, &request)));
                self.pending_reads += 1;
                self.pending_bytes += request.frame_bytes();
                let caller = self.caller(command);
                self.pending.push(Slot::Read { db: self.db, command, request, style, caller });
                Step::Taken
            }
            Route::Write(_) => {
                self.note_tracked(std::iter::once((command, &request)));
                self.pending_writes = true;
                self.pending_settings |= command.flags.has(Flag::Admin);
                self.pending_bytes += request.frame_bytes();
                let caller = self.caller(command);
                self.pending.push(Slot::Write { db: self.db, command, request, style, caller });
                Step::Taken
            }
            Route::Session(kind) => {
                let flow = self.session_command(kind, stats, &request, silent).await;
                if selects {
                    self.show_to_monitors(command, &request);
                }
                match flow {
                    Flow::Close => Step::Close,
                    Flow::Continue | Flow::More => Step::Taken,
                }
            }
            Route::Container | Route::Unsupported => {
                let error = Error::Unsupported(command.full_name());
                let args: ArgList<'_> = request.args().collect();
                self.reject(Args::new(&args), &error, silent);
                Step::Taken
            }
        }
    }

    /// Whether a command cannot go together with what is pending.
    fn must_wait_for_pending(&self, command: &Command) -> bool {
        match command.route {
            Route::Session(SessionCommand::Exec) => {
                (self.multi.needs_session() || self.restricted) && !self.pending.is_empty()
                    || self.multi.has(Command::is_write) && !self.pending_writes && self.pending_reads > 0
            }
            // Reads before the first write need no place in the log.
            Route::Write(_) => !self.pending_writes && self.pending_reads > 0,
            Route::Session(kind) => !self.pending.is_empty() && !answered_in_place(kind),
            Route::Read(_) | Route::Container | Route::Unsupported => false,
        }
    }

    /// Whether the request that is taken is to be answered with silence.
    fn take_silence(&mut self) -> bool {
        match self.silence {
            Silence::No => false,
            Silence::Next => {
                self.silence = Silence::No;
                true
            }
            Silence::All => true,
        }
    }

    /// Writes a reply in its place: at once, or behind what is pending.
    pub(super) fn ready(&mut self, silent: bool, write: impl FnOnce(&mut Reply)) {
        if silent {
            return;
        }
        let start = self.reply.len();
        write(&mut self.reply);
        self.queue_reply(start);
    }

    /// Moves what was written from `start` on behind what is pending.
    fn queue_reply(&mut self, start: usize) {
        if !self.pending.is_empty() {
            let bytes = Bytes::copy_from_slice(&self.reply.as_bytes()[start..]);
            self.reply.truncate(start);
            self.pending.push(Slot::Ready(bytes));
        }
    }

    pub(super) async fn session_command(
        &mut self,
        kind: SessionCommand,
        stats: StatsIndex,
        request: &Request,
        silent: bool,
    ) -> Flow {
        let args: ArgList<'_> = request.args().collect();
        let start = self.reply.len();
        let started = Instant::now();
        let result = if answered_in_place(kind) {
            self.answer(kind, Args::new(&args)).map(|()| Flow::Continue)
        } else {
            self.answer_in_turn(kind, Args::new(&args)).await
        };
        let (flow, failed) = match result {
            Ok(flow) => (flow, false),
            Err(error) => {
                self.reply.truncate(start);
                let text = error.to_string();
                self.backend.front().stats.error(text.as_bytes());
                self.reply.error(&text);
                (Flow::Continue, true)
            }
        };
        // What switches replies on or off holds for its own reply as well.
        let switches = matches!(kind, SessionCommand::ClientReply | SessionCommand::Reset) && !failed;
        if if switches { self.silence != Silence::No } else { silent } {
            self.reply.truncate(start);
        }
        self.queue_reply(start);
        if is_answered_by_mail(kind) {
            // Silence is for replies.
            self.take_mail();
        }
        let took = started.elapsed();
        self.backend.front().stats.called(stats, took, failed);
        let args: ArgList<'_> = request.args().collect();
        let command = self.backend.front().stats.command(stats);
        self.backend.front().note_if_slow(&self.tunables, &self.client, command, took, &args);
        flow
    }

    /// Executes everything that is pending, or as much as there is room for replies.
    pub(super) async fn flush(&mut self) -> Flow {
        if self.pending.is_empty() {
            return Flow::Continue;
        }
        let flow = if self.pending_writes { self.flush_group().await } else { self.flush_reads().await };
        if flow == Flow::Continue {
            self.pending.clear();
            self.pending_bytes = 0;
            self.pending_reads = 0;
            self.pending_writes = false;
        }
        flow
    }

    async fn flush_reads(&mut self) -> Flow {
        let barrier = match self.reading_at.take() {
            Some(now) => Ok(now),
            None if self.pending.iter().any(needs_barrier) => self.backend.barrier(self.read_mode).await,
            None => Ok(Millis(0)),
        };
        match barrier {
            Ok(now) => loop {
                let done = self.read_slice(now);
                self.pending.drain(..done);
                if self.pending.is_empty() {
                    return Flow::Continue;
                }
                if self.output_bytes() >= OUTPUT_BYTES_PAUSE {
                    self.reading_at = Some(now);
                    return Flow::More;
                }
                tokio::task::yield_now().await;
            },
            Err(Failure::Refused(text)) => {
                let outline = self.outline();
                self.refuse(outline, &text);
                Flow::Continue
            }
            Err(Failure::Unknown) => Flow::Close,
        }
    }

    /// Evaluates pending reads for a bounded time and as long as there is room; gives how many are done.
    fn read_slice(&mut self, now: Millis) -> usize {
        let mut next = 0;
        let Session { backend, pending, reply, seed, tunables, client, .. } = self;
        let front = backend.front();
        let asked = Asked::new(front, Some(client.handle()));
        backend.with_state(|state| {
            let start = Instant::now();
            let mut last = start;
            while let Some(slot) = pending.get_mut(next) {
                next += 1;
                let (db, command, request, style, caller) = match slot {
                    Slot::Read { db, command, request, style, caller } => {
                        (*db, *command, request, *style, caller.as_deref())
                    }
                    Slot::Ready(bytes) => {
                        reply.raw(bytes);
                        continue;
                    }
                    Slot::Transaction(transaction) => {
                        let now = now.max(state.clock);
                        let begin = reply.len();
                        let (node, lookups) = (Some(&asked as &dyn Answering), Some(&front.stats.lookups));
                        let read =
                            Read { state, db: DbIndex::ZERO, now, seed: *seed, node, lookups, user: None };
                        let mut started = last;
                        transaction.read(read, reply, |read, command, args| {
                            front.uses.note(read, command, args);
                            let took = started.elapsed();
                            front.note_if_slow(tunables, client, command, took, args.from(0));
                            started += took;
                        });
                        let parts = TransactionStats::of(&front.stats, transaction);
                        let shown = (!transaction.style.silent).then(|| &reply.as_bytes()[begin..]);
                        parts.count(&front.stats, shown, last.elapsed());
                        last = Instant::now();
                        continue;
                    }
                    Slot::Act(_) => {
                        let done = Slot::Ready(Bytes::new());
                        if let Slot::Act(act) = std::mem::replace(slot, done) {
                            // Reads have no effect but what they remember.
                            act.0.run(&mut Vec::new());
                        }
                        continue;
                    }
                    Slot::Write { .. } | Slot::Wait { .. } | Slot::Unblock { .. } | Slot::Internal(_) => {
                        unreachable!("writes make a group")
                    }
                };
                *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
                let now = now.max(state.clock);
                let (node, lookups) = (Some(&asked as &dyn Answering), Some(&front.stats.lookups));
                let read = Read { state, db, now, seed: *seed, node, lookups, user: caller };
                let failed = read_one(front, &read, command, request, style, reply);
                let end = Instant::now();
                let took = end - last;
                last = end;
                front.stats.called(front.stats.index(command), took, failed);
                if tunables.slow.is_some_and(|slow| took >= slow) {
                    let args: ArgList<'_> = request.args().collect();
                    front.note_if_slow(tunables, client, command, took, &args);
                }
                if last - start > READ_SLICE || reply.len() >= OUTPUT_BYTES_PAUSE {
                    break;
                }
            }
            front.refresh(state);
        });
        next
    }

    async fn flush_group(&mut self) -> Flow {
        let outline = self.outline();
        let group = Group::of(self.client.handle(), std::mem::take(&mut self.pending));
        let settings = std::mem::take(&mut self.pending_settings);
        let start = Instant::now();
        let result = self.backend.write(group).await;
        let flow = match result {
            Ok(bytes) => {
                self.count(&outline, &bytes, start.elapsed());
                if bytes.len() >= PIECE_BYTES_MIN {
                    self.finish_piece();
                    self.output.push(bytes);
                } else {
                    self.reply.raw(&bytes);
                }
                Flow::Continue
            }
            Err(Failure::Refused(text)) => {
                self.refuse(outline, &text);
                Flow::Continue
            }
            Err(Failure::Unknown) => Flow::Close,
        };
        if settings {
            self.take_settings(|_| ());
        }
        flow
    }

    /// Looks at the state as it is, and takes over its settings.
    pub(super) fn take_settings<R>(&mut self, look: impl FnOnce(&State) -> R) -> R {
        let front = self.backend.front();
        let result = self.backend.with_state(|state| {
            front.refresh(state);
            look(state)
        });
        self.refresh();
        result
    }

    /// Most requests of a connection are of the same kind as the one before.
    pub(super) fn stats_index(&mut self, command: &'static Command) -> StatsIndex {
        match self.last_command {
            Some((last, index)) if std::ptr::eq(last, command) => index,
            _ => {
                let index = self.backend.front().stats.index(command);
                self.last_command = Some((command, index));
                index
            }
        }
    }
}

/// Evaluates one read; true if it failed.
pub(super) fn read_one(
    front: &Front,
    read: &Read<'_>,
    command: &'static Command,
    request: &Request,
    style: Style,
    reply: &mut Reply,
) -> bool {
    let args: ArgList<'_> = request.args().collect();
    let start = reply.len();
    reply.set_protocol(style.protocol);
    quorate_commands::read(read, command, Args::new(&args), reply);
    let error = replies::error_text(&reply.as_bytes()[start..]);
    if let Some(text) = error {
        front.stats.error(text);
    }
    let failed = error.is_some();
    if !failed {
        front.uses.note(read, command, Args::new(&args));
    }
    if style.silent {
        reply.truncate(start);
    }
    failed
}

/// Commands that tell of the program and not of data need no barrier: they have Redis' flags for what may run
/// while the data is not there.
pub(super) fn needs_barrier(slot: &Slot) -> bool {
    let about_data = |command: &Command| {
        let flags = command.flags;
        let about_the_program = flags.has(Flag::Loading) && flags.has(Flag::Stale) && !flags.has(Flag::Admin);
        !(about_the_program && command.keys.is_empty() && !flags.has(Flag::Pubsub))
    };
    match slot {
        Slot::Read { command, .. } => about_data(command),
        Slot::Transaction(transaction) => {
            !transaction.watched.is_empty()
                || transaction.commands.iter().any(|queued| about_data(queued.command))
        }
        Slot::Write { .. }
        | Slot::Wait { .. }
        | Slot::Unblock { .. }
        | Slot::Internal(_)
        | Slot::Act(_)
        | Slot::Ready(_) => false,
    }
}

/// Commands that are not queued by an open transaction.
fn runs_in_multi(command: &Command) -> bool {
    use SessionCommand::{Discard, Exec, Multi, Quit, Reset, Watch};
    matches!(command.route, Route::Session(Discard | Exec | Multi | Quit | Reset | Watch))
}

/// Commands whose reply depends on the connection alone: they need not wait for what precedes them.
fn answered_in_place(kind: SessionCommand) -> bool {
    use SessionCommand::{
        AclWhoami, ClientCaching, ClientGetname, ClientGetredir, ClientId, ClientNoEvict, ClientNoTouch,
        ClientReply, ClientSetinfo, ClientSetname, ClientTracking, ClientTrackinginfo, Cluster, Discard,
        Echo, Module, Multi, Ping, Replicaof, Select, Unwatch,
    };
    matches!(
        kind,
        AclWhoami
            | ClientCaching
            | ClientGetname
            | ClientGetredir
            | ClientId
            | ClientNoEvict
            | ClientNoTouch
            | ClientReply
            | ClientSetinfo
            | ClientSetname
            | ClientTracking
            | ClientTrackinginfo
            | Cluster
            | Discard
            | Echo
            | Module
            | Multi
            | Ping
            | Replicaof
            | Select
            | Unwatch
    )
}
