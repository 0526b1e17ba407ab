//! Requests that wait, and what ends their wait on this node.
//!
//! For: `BLPOP` and its kin, which wait in the log; `XREAD BLOCK`, which waits here; `CLIENT UNBLOCK`.
//! Leaves to others: the waiters and their order (`quorate_commands`), the table of those who sit here ([`crate::desk`]).
//!
//! Invariants: a request that may wait is executed alone, once the replies to all before it have been taken. A session
//! that goes away while it waits ends its wait in the log as well; what it was given before that is lost with it, as it
//! is on its way through any socket.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::time::{Duration, Instant};

use bytes::Bytes;
use quorate_commands::{Answering, Args, Command, Error, Flag, Read, Route, SessionCommand, Ticket, Unblock};
use quorate_keyspace::Millis;
use quorate_resp::Request;
use tokio::sync::oneshot;

use super::answering::Asked;
use super::backend::Backend;
use super::execute::{Step, read_one};
use super::registry::Client;
use super::{Flow, Session, replies};
use crate::group::{Failure, Group, Seat, Slot, Style, Wake};

/// The reply to a client whose wait somebody has ended.
pub(super) const UNBLOCKED: &str = "UNBLOCKED client unblocked via CLIENT UNBLOCK";

/// Longer waits than this are as good as endless.
const TIMEOUT_MAX: Duration = Duration::from_secs(100 * 365 * 86_400);

/// Whether a request is one that may wait: most can do nothing else, those on streams have to be asked for it.
pub(super) fn may_wait(command: &Command, request: &Request) -> bool {
    if !command.flags.has(Flag::Blocking) {
        return false;
    }
    match command.route {
        Route::Session(kind) => matches!(kind, SessionCommand::Wait | SessionCommand::Waitaof),
        Route::Write(_) | Route::Read(_) => {
            let args: Vec<&[u8]> = request.args().collect();
            quorate_commands::asks_to_wait(command, Args::new(&args))
        }
        Route::Container | Route::Unsupported => false,
    }
}

/// A wait in the log, from before the request is in it until it is over.
struct Sitting<B: Backend> {
    backend: Arc<B>,
    ticket: Arc<AtomicU64>,
    wake: Option<oneshot::Receiver<Wake>>,
}

impl<B: Backend> Drop for Sitting<B> {
    fn drop(&mut self) {
        // First the end of the channel, then the ticket: the apply task does it the other way round.
        self.wake = None;
        let ticket = self.ticket.swap(0, SeqCst);
        if ticket != 0 {
            self.backend.abandon(Ticket(ticket));
        }
    }
}

/// A wait that this node alone knows of.
pub(super) struct Parked<'a> {
    client: &'a Client,
    unblocked: oneshot::Receiver<Unblock>,
}

impl<'a> Parked<'a> {
    pub(super) fn new(client: &'a Client) -> Parked<'a> {
        let (unblock, unblocked) = oneshot::channel();
        *client.unblock.lock() = Some(unblock);
        client.set_blocked(true);
        Parked { client, unblocked }
    }

    /// Resolves when another client ends the wait.
    pub(super) async fn unblocked(&mut self) -> Unblock {
        match (&mut self.unblocked).await {
            Ok(how) => how,
            // It is in the registry for as long as this is.
            Err(_) => std::future::pending().await,
        }
    }
}

impl Drop for Parked<'_> {
    fn drop(&mut self) {
        self.client.set_blocked(false);
        *self.client.unblock.lock() = None;
    }
}

impl<B: Backend> Session<B> {
    /// Executes a request that takes its turn among all who wait in the cluster.
    pub(super) async fn wait_for_turn(
        &mut self,
        command: &'static Command,
        request: Request,
        style: Style,
    ) -> Step {
        let started = Instant::now();
        let index = self.stats_index(command);
        let (mut deadline, mut has_waited) = (None, false);
        let (reply, shown) = loop {
            let (wake, woken) = oneshot::channel();
            let ticket = Arc::clone(&self.client.ticket);
            let mut sitting = Sitting {
                backend: Arc::clone(&self.backend),
                ticket: Arc::clone(&ticket),
                wake: Some(woken),
            };
            // A copy: who waits for long must not hold the buffer that the request came in.
            let copy = Request::from_args(request.args());
            let slot = Slot::Wait {
                db: self.db,
                command,
                request: copy,
                style,
                seat: Seat { deadline, ticket, wake },
            };
            match self.backend.write(Group::of(self.client.handle(), vec![slot])).await {
                Ok(reply) if !reply.is_empty() => break (reply, true),
                Ok(_) => has_waited = true,
                Err(Failure::Refused(text)) => return self.refused(command, style, &text),
                Err(Failure::Unknown) => return Step::Close,
            }
            match self.woken(&mut sitting).await {
                Some(Wake::Reply(reply)) => break (reply, true),
                // Nobody will see it, so nobody has to know what it was.
                None if style.silent => break (Bytes::new(), false),
                Some(Wake::Lost { deadline: until }) => deadline = Some(until),
                Some(Wake::Unknown) | None => return Step::Close,
            }
        };
        let front = self.backend.front();
        if has_waited {
            // It has run in no time, or else it would not have waited.
            let args: Vec<&[u8]> = request.args().collect();
            front.note_if_slow(&self.tunables, &self.client, command, Duration::ZERO, &args);
        }
        let stats = &front.stats;
        let error = replies::error_text(&reply);
        stats.called(index, started.elapsed(), error.is_some());
        if let Some(text) = error {
            stats.error(text);
        }
        if shown {
            self.reply.raw(&reply);
        }
        Step::Taken
    }

    /// Answers that nothing was done, and counts it.
    fn refused(&mut self, command: &'static Command, style: Style, text: &str) -> Step {
        let stats = &self.backend.front().stats;
        stats.rejected(command);
        stats.error(text.as_bytes());
        self.ready(style.silent, |reply| reply.error(text));
        Step::Taken
    }

    /// Waits for the end of a wait; nothing if there is none, or nobody to tell of it.
    async fn woken(&mut self, sitting: &mut Sitting<B>) -> Option<Wake> {
        let woken = sitting.wake.as_mut()?;
        match woken.try_recv() {
            Ok(wake) => return Some(wake),
            Err(oneshot::error::TryRecvError::Closed) => return None,
            Err(oneshot::error::TryRecvError::Empty) => {}
        }
        if self.client.input_ended.load(Relaxed) {
            return Some(Wake::Unknown);
        }
        self.client.set_blocked(true);
        let wake = woken.await.ok();
        self.client.set_blocked(false);
        wake
    }

    /// Executes a read that waits until there is something to read.
    pub(super) async fn wait_for_entries(
        &mut self,
        command: &'static Command,
        request: &Request,
        style: Style,
    ) -> Step {
        let now = match self.backend.barrier(self.read_mode).await {
            Ok(now) => now,
            Err(Failure::Refused(text)) => return self.refused(command, style, &text),
            Err(Failure::Unknown) => return Step::Close,
        };
        let start = self.reply.len();
        let tracked = self.keys_to_track(command, request);
        let args: Vec<&[u8]> = request.args().collect();
        let wait = quorate_commands::read_wait(Args::new(&args));
        let keys = wait.as_ref().map_or(&[][..], |wait| &args[wait.keys.clone()]);
        // Known before the first look: see `desk::readers`.
        let reader = self.backend.wait_for(self.db, keys.iter().copied());
        let settled = self.backend.with_state(|state| {
            let (db, now, seed) = (self.db, now.max(state.clock), self.seed);
            let read = Read { state, db, now, seed, node: None, lookups: None, user: None };
            quorate_commands::settle_ids(&read, Args::new(&args))
        });
        let request = settled.as_ref().unwrap_or(request);
        if self.try_read(command, request, style, now, &tracked) == Look::Nothing
            && let Some(wait) = wait
        {
            if self.client.input_ended.load(Relaxed) {
                return Step::Close;
            }
            let client = self.client.handle();
            let mut parked = Parked::new(&client);
            let timeout = Duration::from_millis(wait.timeout_millis).min(TIMEOUT_MAX);
            let timeout = if timeout.is_zero() { TIMEOUT_MAX } else { timeout };
            let until = tokio::time::Instant::now() + timeout;
            loop {
                let ended = tokio::select! {
                    () = reader.changed() => None,
                    () = tokio::time::sleep_until(until) => Some(Unblock::Timeout),
                    how = parked.unblocked() => Some(how),
                };
                if self.backend.is_stopping() {
                    return Step::Close;
                }
                self.reply.set_protocol(style.protocol);
                match ended {
                    None if self.try_read(command, request, style, Millis(0), &tracked)
                        == Look::Something =>
                    {
                        break;
                    }
                    None => self.reply.truncate(start),
                    Some(Unblock::Error) => break self.reply.error(UNBLOCKED),
                    Some(Unblock::Timeout | Unblock::Gone) => break self.reply.null_array(),
                }
            }
        }
        if style.silent {
            self.reply.truncate(start);
        }
        Step::Taken
    }

    /// Runs a read once; its reply stays only if it is one. Its client keeps these keys.
    fn try_read(
        &mut self,
        command: &'static Command,
        request: &Request,
        style: Style,
        now: Millis,
        tracked: &[Bytes],
    ) -> Look {
        let Session { backend, client, reply, seed, db, tunables, .. } = self;
        let (start, started) = (reply.len(), Instant::now());
        let front = backend.front();
        let asked = Asked::new(front, Some(client.handle()));
        let is_first = now != Millis(0);
        let failed = backend.with_state(|state| {
            if !tracked.is_empty() {
                let (keys_max, limits) = (tunables.tracked_keys_max, &tunables.output_limits);
                front.post.tracking.remember(client.id, tracked, keys_max, limits);
            }
            let now = now.max(state.clock);
            let node = Some(&asked as &dyn Answering);
            let read = Read {
                state,
                db: *db,
                now,
                seed: *seed,
                node,
                lookups: Some(&front.stats.lookups),
                user: None,
            };
            read_one(front, &read, command, request, Style { silent: false, ..style }, reply)
        });
        let given = &reply.as_bytes()[start..];
        // A key of another type is an error at first; to one who waits it is no more than a key without entries.
        let is_nothing = matches!(given, b"*-1\r\n" | b"_\r\n") || failed && !is_first;
        if is_nothing {
            reply.truncate(start);
            return Look::Nothing;
        }
        front.stats.called(front.stats.index(command), started.elapsed(), failed);
        Look::Something
    }

    /// `CLIENT UNBLOCK id [TIMEOUT|ERROR]`
    pub(super) async fn client_unblock(&mut self, args: Args<'_>) -> Result<Flow, Error> {
        if args.len() > 4 {
            return Err(Error::Syntax);
        }
        let how = match args.len() {
            4 if args.is(3, "ERROR") => Unblock::Error,
            4 if !args.is(3, "TIMEOUT") => {
                return Err(Error::text("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR"));
            }
            _ => Unblock::Timeout,
        };
        let id = args.integer(2)?;
        let client = u64::try_from(id).ok().and_then(|id| self.backend.front().clients.get(id));
        let Some(client) = client else {
            self.reply.integer(0);
            return Ok(Flow::Continue);
        };
        let ticket = client.ticket.load(SeqCst);
        if ticket == 0 {
            let parked = client.unblock.lock().take();
            let ended = parked.is_some_and(|parked| parked.send(how).is_ok());
            self.reply.integer(i64::from(ended));
            return Ok(Flow::Continue);
        }
        let slot = Slot::Unblock { ticket: Ticket(ticket), how, style: self.style(false) };
        match self.backend.write(vec![slot].into()).await {
            Ok(reply) => self.reply.raw(&reply),
            Err(Failure::Refused(text)) => return Err(Error::text(text)),
            Err(Failure::Unknown) => return Ok(Flow::Close),
        }
        Ok(Flow::Continue)
    }
}

/// What a look at streams has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    Something,
    Nothing,
}
