//! What a command runs in, and the two ways to run one.
//!
//! For: the views [`Read`] and [`Write`] that command functions take, and [`read`]/[`write`], which the node
//! calls for each request. Leaves to others: finding the command ([`crate::resolve`]), the memory limit and
//! permissions (both decided by the node before a command gets here).
//! Invariants: an error reply is written here and nowhere else; a failed command leaves no other trace.
//! Called by: the apply task (`write`), connection tasks (`read`).

use std::sync::atomic::{AtomicU64, Ordering};

use quorate_keyspace::{Db, DbIndex, Entry, EntryMut, Millis, Rng, StringValue, Value, Version};
use quorate_resp::Reply;

use crate::blocking::{Seat, Ticket, Waiting};
use crate::{Answering, Args, Command, Error, EventClass, Events, Flag, Route, State, User};

/// What a reading command sees.
#[derive(Debug, Clone, Copy)]
pub struct Read<'a> {
    /// The replicated state.
    pub state: &'a State,
    /// The connection's database.
    pub db: DbIndex,
    /// Agreed time of the read; at or after the state's clock.
    pub now: Millis,
    /// Seeds the choice of commands that answer at random.
    pub seed: u64,
    /// The node that answers, if one does.
    pub node: Option<&'a dyn Answering>,
    /// Where look-ups of keys are counted, if anywhere.
    pub lookups: Option<&'a Lookups>,
    /// Who asks, where that matters: a user who may not do everything, of a command that
    /// [asks for its user](Command::asks_user).
    pub user: Option<&'a User>,
}

/// How often reading commands looked for a key: `keyspace_hits` and `keyspace_misses` of `INFO`.
#[derive(Debug, Default)]
pub struct Lookups {
    /// Keys that were there.
    pub hits: AtomicU64,
    /// Keys that were not.
    pub misses: AtomicU64,
}

/// What a writing command sees.
#[derive(Debug)]
pub struct Write<'a> {
    /// The replicated state.
    pub state: &'a mut State,
    /// The connection's database.
    pub db: DbIndex,
    /// Agreed time of the batch.
    pub now: Millis,
    /// Log position of the batch, stamped on what changes.
    pub version: Version,
    /// The batch's random numbers.
    pub rng: &'a mut Rng,
    /// Collects keyspace notifications.
    pub events: &'a mut Events,
    /// Whether the command may wait, and whether it does.
    pub(crate) waiting: Waiting,
    /// The node that answers, if this one does: nothing of it may reach the state.
    pub node: Option<&'a dyn Answering>,
    /// Who asks, where that matters: see [`Read::user`].
    pub user: Option<&'a User>,
}

/// What the log entry and the connection add to a request.
#[derive(Debug)]
pub struct WriteContext<'a> {
    /// The connection's database.
    pub db: DbIndex,
    /// Agreed time of the batch.
    pub now: Millis,
    /// Log position of the batch.
    pub version: Version,
    /// The batch's random numbers.
    pub rng: &'a mut Rng,
    /// Collects keyspace notifications.
    pub events: &'a mut Events,
    /// The node that answers, if this one does: see [`Write::node`].
    pub node: Option<&'a dyn Answering>,
    /// Who asks, where that matters: see [`Read::user`].
    pub user: Option<&'a User>,
}

/// Runs a reading command and writes its reply, an error included.
///
/// A command of another route is refused with an error.
pub fn read(context: &Read<'_>, command: &Command, args: Args<'_>, reply: &mut Reply) {
    let result = match command.route {
        Route::Read(run) => run(context, args, reply),
        _ => Err(not_here(command)),
    };
    if let Err(error) = result {
        reply.error(&error.to_string());
    }
}

/// Runs a writing command, or a reading one at this point of the log, and writes its reply, an error included.
///
/// A command of another route is refused with an error.
pub fn write(
    state: &mut State,
    context: WriteContext<'_>,
    command: &Command,
    args: Args<'_>,
    reply: &mut Reply,
) {
    let waits = write_or_wait(state, context, None, command, args, reply);
    assert!(waits.is_none(), "a command waits only where it may");
}

/// As [`write`](fn@write); a command that finds nothing to take and can wait (`BLPOP`) leaves a waiter instead of a reply, where
/// there is a seat for it. Gives the waiter's ticket then.
///
/// Afterwards, whoever waits for what the command has changed is to be served: [`crate::Service::serve`].
pub fn write_or_wait(
    state: &mut State,
    context: WriteContext<'_>,
    seat: Option<Seat>,
    command: &Command,
    args: Args<'_>,
    reply: &mut Reply,
) -> Option<Ticket> {
    let WriteContext { db, now, version, rng, events, node, user } = context;
    if let Route::Read(run) = command.route {
        // The settings of one node are for replies alone: they do not reach what runs on every node.
        let read = Read { state, db, now, seed: rng.next_u64(), node, lookups: None, user };
        if let Err(error) = run(&read, args, reply) {
            reply.error(&error.to_string());
        }
        return None;
    }
    // A script is no command that waits, and so are the commands in it not.
    let waiting = match seat {
        Some(seat) if command.flags.has(Flag::Blocking) => Waiting::May(seat),
        _ => Waiting::Never,
    };
    let mut write = Write { state, db, now, version, rng, events, waiting, node, user };
    if let Err(error) = write.run(command, args, reply) {
        reply.error(&error.to_string());
    }
    match write.waiting {
        Waiting::Does(ticket) => Some(ticket),
        Waiting::Never | Waiting::May(_) | Waiting::Again(_) => None,
    }
}

/// Session commands run on the node; reaching here with one is the caller's mistake, answered all the same.
fn not_here(command: &Command) -> Error {
    Error::Unsupported(command.full_name())
}

impl<'a> Read<'a> {
    /// The connection's database.
    pub fn db(&self) -> &'a Db {
        self.state.keyspace.db(self.db)
    }

    /// The entry of a live key.
    pub fn get(&self, key: &[u8]) -> Option<&'a Entry> {
        let found = self.db().get(key, self.now);
        if let Some(lookups) = self.lookups {
            let counter = if found.is_some() { &lookups.hits } else { &lookups.misses };
            counter.fetch_add(1, Ordering::Relaxed);
        }
        found
    }

    /// The string at a key, if there is one.
    pub fn string(&self, key: &[u8]) -> Result<Option<&'a StringValue>, Error> {
        self.get(key).map(as_string).transpose()
    }

    /// A random generator of this read's own.
    pub fn rng(&self) -> Rng {
        Rng::from_u64(self.seed)
    }
}

impl Write<'_> {
    /// The same as a reader sees it.
    pub fn as_read(&self) -> Read<'_> {
        Read {
            state: self.state,
            db: self.db,
            now: self.now,
            seed: 0,
            node: None,
            lookups: None,
            user: self.user,
        }
    }

    /// Runs a command as a part of this one, as scripts do: in the same database (`self.db`, which the caller may
    /// change in between), at the same time and version, with the same random numbers, on every node alike.
    ///
    /// # Errors
    /// The command has failed: then it has written nothing to the reply and changed nothing. What ran before it
    /// stays. A command that needs a connection is refused.
    pub fn run(&mut self, command: &Command, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
        match command.route {
            Route::Write(run) => run(self, args, reply),
            Route::Read(run) => {
                let seed = self.rng.next_u64();
                let (state, db, now, user) = (&*self.state, self.db, self.now, self.user);
                run(&Read { state, db, now, seed, node: None, lookups: None, user }, args, reply)
            }
            _ => Err(not_here(command)),
        }
    }

    /// The connection's database.
    pub fn db(&self) -> &Db {
        self.state.keyspace.db(self.db)
    }

    /// The connection's database, to change it.
    pub fn db_mut(&mut self) -> &mut Db {
        self.state.keyspace.db_mut(self.db)
    }

    /// The entry of a live key.
    pub fn get(&self, key: &[u8]) -> Option<&Entry> {
        self.db().get(key, self.now)
    }

    /// The entry of a live key, to change it: it counts as changed from now on.
    pub fn get_mut(&mut self, key: &[u8]) -> Option<EntryMut<'_>> {
        self.announce_expired(key);
        let (now, version) = (self.now, self.version);
        self.db_mut().get_mut(key, now, version)
    }

    /// The string at a key, if there is one.
    pub fn string(&self, key: &[u8]) -> Result<Option<&StringValue>, Error> {
        self.get(key).map(as_string).transpose()
    }

    /// Stores a value, in place of whatever was there.
    pub fn set(&mut self, key: &[u8], value: Value, expires: Option<Millis>) {
        let (now, version) = (self.now, self.version);
        let old = self.db_mut().set(key, value, expires, version);
        let expired = old.as_ref().is_some_and(|old| old.is_expired(now));
        if expired {
            self.notify(EventClass::Expired, "expired", key);
        }
        if expired || old.is_none() {
            self.notify(EventClass::New, "new", key);
        }
    }

    /// Stores a string in place of another; the expiry of a live key stays.
    pub fn put_string(&mut self, key: &[u8], string: StringValue) {
        if let Some(mut entry) = self.get_mut(key) {
            *entry.value_mut() = Value::String(string);
            return;
        }
        self.set(key, Value::String(string), None);
    }

    /// Changes the string at a key in its place, an empty one if the key does not exist.
    ///
    /// # Panics
    /// The key holds another type, which the caller has to have ruled out.
    pub fn edit_string<T>(&mut self, key: &[u8], edit: impl FnOnce(&mut StringValue) -> T) -> T {
        if let Some(mut entry) = self.get_mut(key) {
            let string = entry.value_mut().as_string_mut().expect("the caller has checked the type");
            return edit(string);
        }
        let mut string = StringValue::new(b"");
        let result = edit(&mut string);
        self.set(key, Value::String(string), None);
        result
    }

    /// Makes a string "raw", as one is that was written to although nothing of it changed: that is no change of the
    /// key, whose version stays.
    pub(crate) fn mark_raw(&mut self, key: &[u8]) {
        let Some(version) = self.get(key).map(Entry::version) else { return };
        let now = self.now;
        let Some(mut entry) = self.db_mut().get_mut(key, now, version) else { return };
        if let Some(string @ (StringValue::Int(_) | StringValue::Bytes(_))) =
            entry.value_mut().as_string_mut()
        {
            string.make_raw();
        }
    }

    /// Removes a live key.
    pub fn remove(&mut self, key: &[u8]) -> Option<Entry> {
        self.announce_expired(key);
        let (now, version) = (self.now, self.version);
        self.db_mut().remove(key, now, version)
    }

    /// Removes a key whose last element went.
    pub(crate) fn remove_emptied(&mut self, key: &[u8]) {
        self.remove(key);
        self.notify(EventClass::Generic, "del", key);
    }

    /// Gives a live key another expiry, or none; false if there is no such key.
    pub fn set_expiry(&mut self, key: &[u8], expires: Option<Millis>) -> bool {
        let (now, version) = (self.now, self.version);
        self.db_mut().set_expiry(key, expires, now, version)
    }

    /// Notes a keyspace event of the connection's database.
    #[inline]
    pub fn notify(&mut self, class: EventClass, name: &'static str, key: &[u8]) {
        self.events.notify(class, name, self.db, key);
    }

    /// A key that is about to be touched and has expired goes first, and with its event.
    fn announce_expired(&mut self, key: &[u8]) {
        let now = self.now;
        if self.events.wants(EventClass::Expired) && self.db_mut().remove_expired(key, now) {
            self.notify(EventClass::Expired, "expired", key);
        }
    }
}

/// The string of an entry, or the wrong type.
pub(crate) fn as_string(entry: &Entry) -> Result<&StringValue, Error> {
    entry.value().as_string().ok_or(Error::WrongType)
}
