//! The commands that a script calls.
//!
//! For: finding them, refusing what a script may not do, running them in the script's own context.
//! Leaves to others: replies as Lua sees them (`quorate-script`). Invariant: no answer depends on the node.

use bytes::{Bytes, BytesMut};
use quorate_keyspace::DbIndex;
use quorate_resp::{Protocol, Reply, Value};
use quorate_script::{Host, LogLevel};

use crate::{Args, Command, Error, Flag, Read, Route, SessionCommand, Write, resolve};

/// A script that may write.
pub(super) struct Writing<'w, 'a> {
    write: &'w mut Write<'a>,
    read_only: bool,
    reply: Reply,
}

impl<'w, 'a> Writing<'w, 'a> {
    pub(super) fn new(write: &'w mut Write<'a>, read_only: bool) -> Writing<'w, 'a> {
        Writing { write, read_only, reply: Reply::new(Protocol::Resp2) }
    }
}

/// A script that only reads.
pub(super) struct Reading<'a> {
    read: Read<'a>,
    reply: Reply,
}

impl<'a> Reading<'a> {
    pub(super) fn new(read: Read<'a>) -> Reading<'a> {
        Reading { read, reply: Reply::new(Protocol::Resp2) }
    }
}

impl Host for Writing<'_, '_> {
    fn call(&mut self, args: &[Vec<u8>], resp3: bool) -> Value {
        let Writing { write, read_only, reply } = self;
        answer(reply, args, resp3, |args, reply| {
            let command = callable(args, *read_only)?;
            match command.route {
                Route::Session(kind) => {
                    let now = write.now.0;
                    of_the_session(kind, command, args, now, &mut write.db, reply)
                }
                _ => write.run(command, args, reply),
            }
        })
    }

    fn may_call(&mut self, args: &[Vec<u8>]) -> Option<bool> {
        exists(args)
    }

    fn log(&mut self, _: LogLevel, _: &[u8]) {
        // Nodes have no log that a command could write to: each would write the line.
    }

    fn seed(&mut self) -> u64 {
        self.write.rng.next_u64()
    }
}

impl Host for Reading<'_> {
    fn call(&mut self, args: &[Vec<u8>], resp3: bool) -> Value {
        let Reading { read, reply } = self;
        answer(reply, args, resp3, |args, reply| {
            let command = callable(args, true)?;
            match command.route {
                Route::Session(kind) => of_the_session(kind, command, args, read.now.0, &mut read.db, reply),
                Route::Read(run) => {
                    read.seed = read.rng().next_u64();
                    run(read, args, reply)
                }
                _ => Err(Error::text("ERR Write commands are not allowed from read-only scripts.")),
            }
        })
    }

    fn may_call(&mut self, args: &[Vec<u8>]) -> Option<bool> {
        exists(args)
    }

    fn log(&mut self, _: LogLevel, _: &[u8]) {}

    fn seed(&mut self) -> u64 {
        self.read.seed
    }
}

/// Runs a command into `reply` and reads it back.
fn answer(
    reply: &mut Reply,
    args: &[Vec<u8>],
    resp3: bool,
    run: impl FnOnce(Args<'_>, &mut Reply) -> Result<(), Error>,
) -> Value {
    reply.set_protocol(if resp3 { Protocol::Resp3 } else { Protocol::Resp2 });
    let slices: Vec<&[u8]> = args.iter().map(Vec::as_slice).collect();
    if let Err(error) = run(Args::new(&slices), reply) {
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

/// The command that a script asks for, if a script may ask for it.
fn callable(args: Args<'_>, read_only: bool) -> Result<&'static Command, Error> {
    let command = resolve(args).map_err(|error| match error {
        Error::WrongArity(_) => Error::text("ERR Wrong number of args calling Redis command from script"),
        Error::UnknownCommand { .. } | Error::UnknownSubcommand { .. } => {
            Error::text("ERR Unknown Redis command called from script")
        }
        other => other,
    })?;
    if command.flags.has(Flag::NoScript) {
        return Err(Error::text("ERR This Redis command is not allowed from script"));
    }
    if read_only && (command.flags.has(Flag::Write) || command.flags.has(Flag::MayReplicate)) {
        return Err(Error::text("ERR Write commands are not allowed from read-only scripts."));
    }
    Ok(command)
}

/// The few commands of a connection that make sense in a script.
fn of_the_session(
    kind: SessionCommand,
    command: &Command,
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
        _ => {
            let name = command.full_name();
            return Err(Error::text(format!("ERR command '{name}' is not supported in scripts by Quorate")));
        }
    }
    Ok(())
}

/// Whether there is such a command; the one user that there is may run them all.
fn exists(args: &[Vec<u8>]) -> Option<bool> {
    let slices: Vec<&[u8]> = args.iter().map(Vec::as_slice).collect();
    match resolve(Args::new(&slices)) {
        Err(Error::UnknownCommand { .. } | Error::UnknownSubcommand { .. }) => None,
        _ => Some(true),
    }
}
