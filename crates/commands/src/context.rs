//! What a command runs in, and the two ways to run one.
//!
//! For: the views [`Read`] and [`Write`] that command functions take, and [`read`]/[`write`], which the node
//! calls for each request. Leaves to others: finding the command ([`crate::resolve`]), the memory limit and
//! permissions (both decided by the node before a command gets here).
//! Invariants: an error reply is written here and nowhere else; a failed command leaves no other trace.
//! Called by: the apply task (`write`), connection tasks (`read`).

use quorate_keyspace::{Db, DbIndex, Entry, Millis, Rng, StringValue, Value, Version};
use quorate_resp::Reply;

use crate::{Args, Command, Error, EventClass, Events, Route, Settings, State};

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
    /// The settings of the node that answers; defaults where nobody says.
    pub node: Option<&'a Settings>,
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
    /// The settings of the node that answers, for reading commands in a batch; see [`Read::node`].
    pub node: Option<&'a Settings>,
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
    let WriteContext { db, now, version, rng, events, node } = context;
    let result = match command.route {
        Route::Write(run) => run(&mut Write { state, db, now, version, rng, events }, args, reply),
        Route::Read(run) => run(&Read { state, db, now, seed: rng.next_u64(), node }, args, reply),
        _ => Err(not_here(command)),
    };
    if let Err(error) = result {
        reply.error(&error.to_string());
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
        self.db().get(key, self.now)
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
        Read { state: self.state, db: self.db, now: self.now, seed: 0, node: None }
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
    pub fn get_mut(&mut self, key: &[u8]) -> Option<&mut Entry> {
        let (now, version) = (self.now, self.version);
        self.db_mut().get_mut(key, now, version)
    }

    /// The string at a key, if there is one.
    pub fn string(&self, key: &[u8]) -> Result<Option<&StringValue>, Error> {
        self.get(key).map(as_string).transpose()
    }

    /// Stores a value, in place of whatever was there.
    pub fn set(&mut self, key: &[u8], value: Value, expires: Option<Millis>) {
        let version = self.version;
        self.db_mut().set(key, value, expires, version);
    }

    /// Stores a string in place of another; the expiry of a live key stays.
    pub fn put_string(&mut self, key: &[u8], string: StringValue) {
        match self.get_mut(key) {
            Some(entry) => entry.value = Value::String(string),
            None => self.set(key, Value::String(string), None),
        }
    }

    /// Removes a live key.
    pub fn remove(&mut self, key: &[u8]) -> Option<Entry> {
        let (now, version) = (self.now, self.version);
        self.db_mut().remove(key, now, version)
    }

    /// Notes a keyspace event of the connection's database.
    pub fn notify(&mut self, class: EventClass, name: &'static str, key: &[u8]) {
        self.events.notify(class, name, self.db, key);
    }
}

/// The string of an entry, or the wrong type.
pub(crate) fn as_string(entry: &Entry) -> Result<&StringValue, Error> {
    match &entry.value {
        Value::String(string) => Ok(string),
        _ => Err(Error::WrongType),
    }
}
