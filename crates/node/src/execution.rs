//! Runs a batch's requests on the state: each once, in order, on every node alike.
//!
//! On the batch's origin the places of its groups are walked along with the requests: there the replies are kept, and
//! reads that follow writes are evaluated. Other nodes throw the replies away and never see those reads.
//!
//! What it leaves to others: which batches take effect ([`crate::machine`], [`crate::origins`]), what a command does
//! (`quorate_commands`).
//!
//! Invariants: the state, the random numbers and the versions follow from the batch alone, never from the places;
//! a transaction's requests run all or none, at one version. The clock that is read here times the requests of this
//! node's clients for its slow log, and nothing else.
//!
//! Called by: the apply task, with the write lock held.

use std::sync::Arc;
use std::time::Instant;

use quorate_commands::{Answering, Args, Command, Events, Read, Service, State, Ticket, User, WriteContext};
use quorate_keyspace::{DbIndex, Millis, Rng, Version};
use quorate_raft::NodeId;
use quorate_resp::{Protocol, Reply};

use crate::batch::{BatchItem, BatchRequest, DecodeError, Origin, RequestArgs, Requests, Stamp, WatchedKey};
use crate::desk::Serving;
use crate::group::{Failure, Seat, Style};
use crate::messages::{Effect, report};
use crate::pipeline::{Place, Sealed};
use crate::session::answering::Asked;
use crate::session::{Front, Tunables};
use crate::transaction::{Transaction, is_unchanged};

/// A version is the log index and, below it, the request's position in the batch: every request has its
/// own, so that a watched key shows a change within the same batch.
const POSITION_BITS: u32 = 20;

/// Replies that are ready to go, once the lock is released.
pub(crate) type Outbox = Vec<(tokio::sync::oneshot::Sender<Result<bytes::Bytes, Failure>>, bytes::Bytes)>;

/// The version of what is done at the end of an entry, after its requests.
pub(crate) fn last_version(index: u64) -> Version {
    Version((index << POSITION_BITS) | ((1 << POSITION_BITS) - 1))
}

/// A batch that passed, and on its origin the groups that wait for its replies.
pub(crate) struct BatchEntry<'a> {
    pub(crate) index: u64,
    pub(crate) stamp: Stamp,
    /// Who sent it.
    pub(crate) origin: Origin,
    /// Whether that is this life of this node.
    pub(crate) is_own: bool,
    pub(crate) requests: Requests<'a>,
    pub(crate) groups: Vec<Sealed>,
}

/// The node that runs a batch: what of it shows in replies and effects, but never in the state.
pub(crate) struct Here<'a> {
    pub(crate) node: NodeId,
    pub(crate) front: &'a Front,
    /// Whether any connection is to be told of messages.
    pub(crate) has_listeners: bool,
    /// Whether any connection is to be told of changed keys.
    pub(crate) has_trackers: bool,
}

/// Runs a batch; gives the number of write commands.
///
/// # Errors
/// The entry's bytes are no batch: a fault, as the log's checksums held.
pub(crate) fn run_batch(
    state: &mut State,
    entry: BatchEntry<'_>,
    here: &Here<'_>,
    serving: &mut Serving<'_>,
    outbox: &mut Outbox,
    discard: &mut Reply,
) -> Result<u64, DecodeError> {
    let BatchEntry { index, stamp, origin, is_own, mut requests, groups } = entry;
    // A replicated setting: a class that is wanted changes when expired keys go physically.
    let mut events = Events::new(state.settings.events());
    events.set_wants_messages(here.has_listeners);
    let mut run = Run {
        state,
        rng: Rng::from_u64(stamp.seed),
        version: Version(index << POSITION_BITS),
        events,
        executed: 0,
        asked: Asked::new(here.front, None),
        slow: (!groups.is_empty()).then(|| Watch::new(here.front)),
        origin,
        is_own,
        serving,
        here,
        caller: None,
        // The seed of reads is this node's alone: a read's choice is nobody else's business.
        read_seed: stamp.seed ^ index,
    };
    for group in groups {
        run.asked.client = group.client;
        let mut reply = Reply::new(Protocol::Resp2);
        for place in group.places {
            run.place(place, &mut requests, &mut reply, discard)?;
        }
        if here.has_trackers {
            run.collect();
            run.serving.effects.push(Effect::Author(None));
        }
        outbox.push((group.reply, reply.take()));
    }
    run.asked.client = None;
    for item in requests {
        match item? {
            BatchItem::Request(request) => {
                run.wait(&request, None, None, None, discard);
            }
            BatchItem::Anew { deadline, request } => {
                run.wait(&request, Some(deadline), None, None, discard);
            }
            BatchItem::Unblock { ticket, how } => {
                run.service().unblock(ticket, how);
            }
            BatchItem::Internal(args) => run.internal(&args),
            BatchItem::Transaction { watched, requests } => {
                run.begin_transaction();
                if run.is_unchanged(&watched) {
                    requests.iter().for_each(|request| run.write(request, None, discard));
                }
                run.serve();
            }
        }
    }
    run.collect();
    Ok(run.executed)
}

/// Times the requests of this node's clients, one after the other.
struct Watch {
    tunables: Arc<Tunables>,
    last: Instant,
}

impl Watch {
    fn new(front: &Front) -> Watch {
        Watch { tunables: front.tunables(), last: Instant::now() }
    }
}

/// What the requests of one batch share.
struct Run<'a, 'd> {
    state: &'a mut State,
    rng: Rng,
    version: Version,
    events: Events,
    executed: u64,
    asked: Asked<'a>,
    slow: Option<Watch>,
    origin: Origin,
    is_own: bool,
    serving: &'a mut Serving<'d>,
    here: &'a Here<'a>,
    /// Who asks what is answered here, where that matters.
    caller: Option<Arc<User>>,
    read_seed: u64,
}

impl<'d> Run<'_, 'd> {
    /// Answers one place of a group, with the batch's next request where it is a write.
    fn place(
        &mut self,
        place: Place,
        requests: &mut Requests<'_>,
        reply: &mut Reply,
        discard: &mut Reply,
    ) -> Result<(), DecodeError> {
        match place {
            Place::Ready(bytes) => reply.raw(&bytes),
            Place::Read { style, .. } if style.silent => {}
            Place::Read { db, command, request, style, caller } => {
                reply.set_protocol(style.protocol);
                let args: RequestArgs<'_> = request.args().collect();
                self.caller = caller;
                self.read(db, command, Args::new(&args), reply);
                self.caller = None;
                self.note_if_slow(command, &args);
            }
            Place::Write { command, style } => {
                let Some(BatchItem::Request(request)) = requests.next().transpose()? else {
                    return Err(requests.malformed());
                };
                reply.set_protocol(style.protocol);
                self.request(&request, Some(command), if style.silent { discard } else { reply });
                self.note_if_slow(command, &request.args);
            }
            Place::Internal => {
                let Some(BatchItem::Internal(args)) = requests.next().transpose()? else {
                    return Err(requests.malformed());
                };
                self.internal(&args);
            }
            Place::Act(action) => {
                self.collect();
                action.run(&mut self.serving.effects);
            }
            Place::Wait { command, style, seat } => {
                let (deadline, request) = match requests.next().transpose()? {
                    Some(BatchItem::Request(request)) => (None, request),
                    Some(BatchItem::Anew { deadline, request }) => (Some(deadline), request),
                    _ => return Err(requests.malformed()),
                };
                reply.set_protocol(style.protocol);
                let reply = if style.silent { discard } else { reply };
                // Who waits is noted when the wait is over.
                if !self.wait(&request, deadline, Some(command), Some((seat, style)), reply) {
                    self.note_if_slow(command, &request.args);
                }
            }
            Place::Unblock { style } => {
                let Some(BatchItem::Unblock { ticket, how }) = requests.next().transpose()? else {
                    return Err(requests.malformed());
                };
                reply.set_protocol(style.protocol);
                let ended = self.service().unblock(ticket, how);
                if !style.silent {
                    reply.integer(i64::from(ended));
                }
            }
            Place::Transaction(mut transaction) if transaction.writes() => {
                let malformed = requests.malformed();
                let Some(BatchItem::Transaction { watched, requests }) = requests.next().transpose()? else {
                    return Err(malformed);
                };
                let writes = transaction.commands.iter().filter(|queued| queued.command.is_write());
                if writes.count() != requests.len() {
                    return Err(malformed);
                }
                self.caller = transaction.caller.take();
                self.transaction(&transaction, &watched, &requests, reply);
                self.caller = None;
            }
            Place::Transaction(transaction) => {
                let mut read = Vec::new();
                transaction.read(self.reading(DbIndex::ZERO), reply, |_, _, _| read.push(Instant::now()));
                for (queued, ended) in transaction.commands.iter().zip(read) {
                    let args: RequestArgs<'_> = queued.request.args().collect();
                    self.note_until(ended, queued.command, &args);
                }
            }
        }
        Ok(())
    }

    /// Moves what requests have emitted to the effects, where the next one is to stand behind it.
    fn collect(&mut self) {
        if self.here.has_trackers {
            let changes = self.state.keyspace.take_changes();
            if !changes.is_empty() {
                self.serving.effects.push(Effect::Changed(changes));
            }
        }
        if self.events.is_empty() {
            return;
        }
        let notices = self.events.take();
        if self.here.has_listeners {
            let wanted = self.state.settings.events();
            self.serving.effects.extend(notices.into_iter().map(|notice| Effect::of(notice, wanted)));
        }
    }

    fn internal(&mut self, args: &[&[u8]]) {
        self.version.0 += 1;
        self.collect();
        report::apply(self.state, self.origin, self.here.node, args, &mut self.serving.effects);
    }

    fn transaction(
        &mut self,
        transaction: &Transaction,
        watched: &[WatchedKey<'_>],
        requests: &[BatchRequest<'_>],
        reply: &mut Reply,
    ) {
        self.begin_transaction();
        let mut requests = requests.iter();
        let unchanged = self.is_unchanged(watched);
        transaction.answer(unchanged, reply, |queued, args, reply| {
            if queued.command.is_write() {
                let request = requests.next().expect("there are as many requests as writes");
                self.write(request, Some(queued.command), reply);
            } else {
                self.read(queued.db, queued.command, args, reply);
            }
            self.note_if_slow(queued.command, args.from(0));
        });
        self.serve();
    }

    /// A transaction has one version: nobody can watch a key in the middle of it.
    fn begin_transaction(&mut self) {
        self.version.0 += 1;
    }

    fn is_unchanged(&self, watched: &[WatchedKey<'_>]) -> bool {
        is_unchanged(self.state, self.state.clock, watched.iter().copied())
    }

    fn reading(&self, db: DbIndex) -> Read<'_> {
        let lookups = Some(&self.here.front.stats.lookups);
        let node = Some(&self.asked as &dyn Answering);
        Read { state: self.state, db, now: self.state.clock, seed: self.read_seed, node, lookups, user: None }
    }

    fn read(&self, db: DbIndex, command: &'static Command, args: Args<'_>, reply: &mut Reply) {
        let user = self.caller.as_deref().filter(|_| command.asks_user);
        quorate_commands::read(&Read { user, ..self.reading(db) }, command, args, reply);
    }

    fn request(&mut self, request: &BatchRequest<'_>, command: Option<&'static Command>, reply: &mut Reply) {
        self.version.0 += 1;
        self.write(request, command, reply);
        self.serve();
    }

    /// Runs a request that may wait, and gives whether it does; `seat` is its connection's, where that is on this
    /// node and still there.
    fn wait(
        &mut self,
        request: &BatchRequest<'_>,
        deadline: Option<Option<Millis>>,
        command: Option<&'static Command>,
        seat: Option<(Seat, Style)>,
        reply: &mut Reply,
    ) -> bool {
        self.version.0 += 1;
        let Origin { node, incarnation } = self.origin;
        let place = quorate_commands::Seat { node: node.0, incarnation, deadline };
        let ticket = self.run_one(request, command, Some(place), reply);
        if let Some(ticket) = ticket
            && self.is_own
        {
            self.serving.desk.take(ticket, seat);
        }
        self.serve();
        ticket.is_some()
    }

    /// Serves those who wait for what the last request has changed.
    fn serve(&mut self) {
        if self.state.keyspace.has_changed() {
            self.service().serve();
        }
    }

    fn service(&mut self) -> Service<'_, Serving<'d>> {
        Service {
            state: self.state,
            version: self.version,
            rng: &mut self.rng,
            events: &mut self.events,
            desk: self.serving,
        }
    }

    /// Looks at how long a request of a client has run that has just ended.
    fn note_if_slow(&mut self, command: &Command, args: &[&[u8]]) {
        self.note_until(Instant::now(), command, args);
    }

    fn note_until(&mut self, ended: Instant, command: &Command, args: &[&[u8]]) {
        if let (Some(watch), Some(client)) = (&mut self.slow, &self.asked.client) {
            let took = ended.saturating_duration_since(std::mem::replace(&mut watch.last, ended));
            if command.parent == Some("config") {
                // It may be the very request that changed what counts as slow, which holds for itself.
                self.here.front.refresh(self.state);
                watch.tunables = self.here.front.tunables();
            }
            self.here.front.note_if_slow(&watch.tunables, client, command, took, args);
        }
    }

    fn write(&mut self, request: &BatchRequest<'_>, command: Option<&'static Command>, reply: &mut Reply) {
        self.run_one(request, command, None, reply);
    }

    fn run_one(
        &mut self,
        request: &BatchRequest<'_>,
        command: Option<&'static Command>,
        seat: Option<quorate_commands::Seat>,
        reply: &mut Reply,
    ) -> Option<Ticket> {
        let args = Args::new(&request.args);
        self.executed += 1;
        let answers = command.is_some();
        let command = match command {
            Some(command) => command,
            // The origin has checked the request against the same table; one that fails here fails on
            // every node alike and changes nothing.
            None => match quorate_commands::resolve(args) {
                Ok(command) => command,
                Err(error) => {
                    reply.error(&error.to_string());
                    return None;
                }
            },
        };
        // As he is here in the log, which is the same on every node. One who is gone may do nothing.
        let user = request.user.map(|name| match self.state.users.get(name) {
            Some(user) => Arc::clone(user),
            None => Arc::new(User::gone(name)),
        });
        let context = WriteContext {
            db: request.db,
            now: self.state.clock,
            version: self.version,
            rng: &mut self.rng,
            events: &mut self.events,
            // Its origin answers it, and knows its command.
            node: answers.then_some(&self.asked as &dyn Answering),
            user: user.as_deref(),
        };
        quorate_commands::write_or_wait(self.state, context, seat, command, args, reply)
    }
}

#[cfg(test)]
mod tests;
