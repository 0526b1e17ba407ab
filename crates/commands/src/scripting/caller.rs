//! The commands that a script calls.
//!
//! For: finding them, refusing what a script may not do, running them in the script's own context.
//! Leaves to others: replies as Lua sees them (`quorate-script`), what the answering node is told (`tally`).
//! Invariant: no answer depends on the node.

use bytes::{Bytes, BytesMut};
use quorate_keyspace::DbIndex;
use quorate_resp::{Protocol, Reply, Value};
use quorate_script::{Flag as ScriptFlag, Flags, Host, LogLevel};

use super::tally::Tally;
use crate::{
    Args, Command, Denied, Error, Flag, Group, Read, Route, SessionCommand, User, Write, asks_to_wait,
    lookup, resolve,
};

/// What a script may do besides reading, by what it declares and by the memory limit when it begins.
#[derive(Debug, Clone, Copy)]
struct Rules {
    writes: bool,
    /// Until its first write: then the rest follows, whatever it takes.
    may_add: bool,
}

/// A script that may write.
pub(super) struct Writing<'w, 'a> {
    write: &'w mut Write<'a>,
    rules: Rules,
    tally: Tally<'a>,
    reply: Reply,
}

impl<'w, 'a> Writing<'w, 'a> {
    /// # Errors
    /// The memory limit is reached, and the script declares itself, but not that it may run all the same.
    pub(super) fn new(write: &'w mut Write<'a>, declared: Option<Flags>) -> Result<Writing<'w, 'a>, Error> {
        let has = |flag| declared.is_some_and(|flags| flags.has(flag));
        let writes = !has(ScriptFlag::NoWrites);
        let may_add = has(ScriptFlag::AllowOom) || !write.state.is_full();
        if declared.is_some() && writes && !may_add {
            return Err(Error::text(OUT_OF_MEMORY));
        }
        let tally = Tally::new(write.node);
        Ok(Writing { write, rules: Rules { writes, may_add }, tally, reply: Reply::new(Protocol::Resp2) })
    }

    /// The run is over; this is the reply of its script.
    pub(super) fn finish(self, reply: &[u8]) {
        self.tally.finish(reply);
    }
}

/// A script that only reads.
pub(super) struct Reading<'a> {
    read: Read<'a>,
    tally: Tally<'a>,
    reply: Reply,
}

impl<'a> Reading<'a> {
    pub(super) fn new(read: Read<'a>) -> Reading<'a> {
        Reading { read, tally: Tally::new(read.node), reply: Reply::new(Protocol::Resp2) }
    }

    /// The run is over; this is the reply of its script.
    pub(super) fn finish(self, reply: &[u8]) {
        self.tally.finish(reply);
    }
}

impl Host for Writing<'_, '_> {
    fn call(&mut self, args: &[Vec<u8>], resp3: bool) -> Value {
        let slices: Vec<&[u8]> = args.iter().map(Vec::as_slice).collect();
        let args = Args::new(&slices);
        let Writing { write, rules, tally, reply } = self;
        let command = match callable(args, *rules) {
            Ok(command) => command,
            Err((command, error)) => return tally.refused(command, &error),
        };
        if let Err(denied) = permitted(write.user, command, args) {
            return tally.denied(write.user, denied, command, args);
        }
        rules.may_add |= command.flags.has(Flag::Write);
        tally.called(write.db, command, args, || {
            answer(reply, resp3, |reply| match command.route {
                Route::Session(kind) => {
                    let now = write.now.0;
                    of_the_session(kind, args, now, &mut write.db, reply)
                }
                _ => write.run(command, args, reply),
            })
        })
    }

    fn may_call(&mut self, args: &[Vec<u8>]) -> Option<bool> {
        may_call(self.write.user, args)
    }

    fn log(&mut self, level: LogLevel, line: &[u8]) {
        self.tally.log(level, line);
    }

    fn seed(&mut self) -> u64 {
        self.write.rng.next_u64()
    }
}

impl Host for Reading<'_> {
    fn call(&mut self, args: &[Vec<u8>], resp3: bool) -> Value {
        let slices: Vec<&[u8]> = args.iter().map(Vec::as_slice).collect();
        let args = Args::new(&slices);
        let Reading { read, tally, reply } = self;
        let command = match callable(args, Rules { writes: false, may_add: true }) {
            Ok(command) => command,
            Err((command, error)) => return tally.refused(command, &error),
        };
        if let Err(denied) = permitted(read.user, command, args) {
            return tally.denied(read.user, denied, command, args);
        }
        tally.called(read.db, command, args, || {
            answer(reply, resp3, |reply| match command.route {
                Route::Session(kind) => of_the_session(kind, args, read.now.0, &mut read.db, reply),
                Route::Read(run) => {
                    read.seed = read.rng().next_u64();
                    run(read, args, reply)
                }
                _ => Err(Error::text(READ_ONLY)),
            })
        })
    }

    fn may_call(&mut self, args: &[Vec<u8>]) -> Option<bool> {
        may_call(self.read.user, args)
    }

    fn log(&mut self, level: LogLevel, line: &[u8]) {
        self.tally.log(level, line);
    }

    fn seed(&mut self) -> u64 {
        self.read.seed
    }
}

const OUT_OF_MEMORY: &str = "OOM command not allowed when used memory > 'maxmemory'.";
const NOT_IN_SCRIPTS: &str = "ERR This Redis command is not allowed from script";
const READ_ONLY: &str = "ERR Write commands are not allowed from read-only scripts.";

/// Runs a command into `reply` and reads it back.
fn answer(reply: &mut Reply, resp3: bool, run: impl FnOnce(&mut Reply) -> Result<(), Error>) -> Value {
    reply.set_protocol(if resp3 { Protocol::Resp3 } else { Protocol::Resp2 });
    if let Err(error) = run(reply) {
        reply.truncate(0);
        return Value::Error(Bytes::from(error.to_string()));
    }
    let bytes = reply.take();
    let mut bytes = bytes.try_into_mut().unwrap_or_else(|shared| BytesMut::from(&shared[..]));
    match Value::decode(&mut bytes) {
        Ok(Some(value)) => value,
        // A reply beyond the limits of decoding, as of depth; none of our commands writes one.
        _ => Value::Error(Bytes::from_static(b"ERR reply is too large for a script")),
    }
}

/// The command that a script asks for, if a script may ask for it now; else why not, and the command if there is one.
fn callable(args: Args<'_>, rules: Rules) -> Result<&'static Command, (Option<&'static Command>, Error)> {
    let command = resolve(args).map_err(|error| match error {
        Error::WrongArity(_) => {
            let text = "ERR Wrong number of args calling Redis command from script";
            (lookup(&args[0]), Error::text(text))
        }
        Error::UnknownCommand { .. } | Error::UnknownSubcommand { .. } => {
            (None, Error::text("ERR Unknown Redis command called from script"))
        }
        other => (lookup(&args[0]), other),
    })?;
    let refuse = |text: &'static str| Err((Some(command), Error::text(text)));
    if command.flags.has(Flag::NoScript) {
        return refuse(NOT_IN_SCRIPTS);
    }
    // Those that only wait are refused above; readers of streams may be asked to.
    let mut options = args.from(1).iter().take_while(|word| !word.eq_ignore_ascii_case(b"streams"));
    if command.flags.has(Flag::Blocking) && options.any(|word| word.eq_ignore_ascii_case(b"block")) {
        let name = String::from_utf8_lossy(args.at(0));
        let text = format!("ERR {name} command is not allowed with BLOCK option from scripts");
        return Err((Some(command), Error::text(text)));
    }
    if !rules.writes && (command.flags.has(Flag::Write) || command.flags.has(Flag::MayReplicate)) {
        return refuse(READ_ONLY);
    }
    if !rules.may_add && command.flags.has(Flag::DenyOom) {
        return refuse(OUT_OF_MEMORY);
    }
    if command.group == Group::Stream && command.flags.has(Flag::Blocking) && asks_to_wait(command, args) {
        let text = format!("ERR {} command is not allowed with BLOCK option from scripts", command.name);
        return Err((Some(command), Error::text(text)));
    }
    Ok(command)
}

/// The few commands of a connection that make sense in a script.
fn of_the_session(
    kind: SessionCommand,
    args: Args<'_>,
    now: i64,
    db: &mut DbIndex,
    reply: &mut Reply,
) -> Result<(), Error> {
    match kind {
        SessionCommand::Ping if args.len() > 2 => return Err(Error::WrongArity("ping".into())),
        SessionCommand::Ping => match args.get(1) {
            Some(message) => reply.bulk(message),
            None => reply.simple("PONG"),
        },
        SessionCommand::Echo => reply.bulk(&args[1]),
        SessionCommand::Time => {
            reply.array(2);
            reply.bulk_integer(now.div_euclid(1000));
            reply.bulk_integer(now.rem_euclid(1000) * 1000);
        }
        SessionCommand::Select => {
            let index = args.integer(1).map_err(|_| Error::InvalidDb)?;
            *db = DbIndex::new(index).ok_or(Error::DbOutOfRange)?;
            reply.ok();
        }
        // What else there is needs a connection, which a script has not.
        _ => return Err(Error::text(NOT_IN_SCRIPTS)),
    }
    Ok(())
}

/// Whether a script's user may run a command. Nobody to ask about: one who may run everything.
fn permitted(user: Option<&User>, command: &Command, args: Args<'_>) -> Result<(), Denied> {
    user.map_or(Ok(()), |user| user.check(command, args))
}

/// Whether there is such a command, and the script's user may run it.
fn may_call(user: Option<&User>, args: &[Vec<u8>]) -> Option<bool> {
    let slices: Vec<&[u8]> = args.iter().map(Vec::as_slice).collect();
    let args = Args::new(&slices);
    match resolve(args) {
        Err(Error::UnknownCommand { .. } | Error::UnknownSubcommand { .. }) => None,
        Ok(command) => Some(permitted(user, command, args).is_ok()),
        Err(_) => Some(user.is_none()),
    }
}
