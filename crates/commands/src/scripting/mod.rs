//! Scripts and functions: `EVAL`, `FCALL`, and the commands that load and list them.
//!
//! For: arguments, who may run what, and Redis' errors. Leaves to others: Lua (`quorate-script`), what is loaded
//! (`state::scripts`). Invariants: what a script does follows from the log; one that is ended, by its own error or by its
//! budget, keeps what it had written, as in Redis, on every node alike.

mod cache;
mod caller;
mod dump;
mod libraries;
mod tally;

pub(crate) use self::cache::{debug, exists, flush, kill, load};
pub(crate) use self::dump::write as dump_libraries;
pub(crate) use self::libraries::{
    delete, dump, flush as flush_functions, list, load as load_functions, restore, stats,
};

use std::sync::Arc;

use quorate_resp::Reply;
use quorate_script::{Call, Flag, Flags, Limits};

use self::caller::{Reading, Writing};
use crate::state::scripts::Script;
use crate::{Args, Error, Read, Write};

/// `EVAL script numkeys [key …] [arg …]`
pub(crate) fn eval(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let (keys, rest) = keys_and_arguments(args)?;
    let sha = quorate_script::sha1_hex(&args[1]);
    let script = match write.state.scripts.script(&sha) {
        Some(script) => script,
        None => cache::keep(write.state, &sha, &args[1])?,
    };
    run_writing(write, &sha, &script, keys, rest, reply)
}

/// `EVALSHA sha1 numkeys [key …] [arg …]`
pub(crate) fn evalsha(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let (keys, rest) = keys_and_arguments(args)?;
    let sha = digest(&args[1])?;
    let script = write.state.scripts.script(&sha).ok_or_else(no_script)?;
    run_writing(write, &sha, &script, keys, rest, reply)
}

/// `EVAL_RO script numkeys [key …] [arg …]`
pub(crate) fn eval_ro(read: &Read<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let (keys, rest) = keys_and_arguments(args)?;
    let sha = quorate_script::sha1_hex(&args[1]);
    let script = match read.state.scripts.script(&sha) {
        Some(script) => script,
        // A read leaves no trace: the script is not kept.
        None => Arc::new(cache::compiled(&sha, &args[1])?),
    };
    run_reading(read, &sha, &script, keys, rest, reply)
}

/// `EVALSHA_RO sha1 numkeys [key …] [arg …]`
pub(crate) fn evalsha_ro(read: &Read<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let (keys, rest) = keys_and_arguments(args)?;
    let sha = digest(&args[1])?;
    let script = read.state.scripts.script(&sha).ok_or_else(no_script)?;
    run_reading(read, &sha, &script, keys, rest, reply)
}

/// `FCALL function numkeys [key …] [arg …]`
pub(crate) fn fcall(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let (library, name, flags) = function(&write.state.scripts, args)?;
    let (keys, args) = function_arguments(args)?;
    let call = Call { sha: &library.sha, code: &library.library.code, keys, args, limits: Limits::RUN };
    let (db, start) = (write.db, reply.len());
    let mut host = Writing::new(write, Some(flags))?;
    quorate_script::call_function(call, &name, &mut host, reply);
    host.finish(&reply.as_bytes()[start..]);
    write.db = db;
    Ok(())
}

/// `FCALL_RO function numkeys [key …] [arg …]`
pub(crate) fn fcall_ro(read: &Read<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let (library, name, flags) = function(&read.state.scripts, args)?;
    let (keys, args) = function_arguments(args)?;
    must_only_read(Some(flags))?;
    let call = Call { sha: &library.sha, code: &library.library.code, keys, args, limits: Limits::RUN };
    let (mut host, start) = (Reading::new(*read), reply.len());
    quorate_script::call_function(call, &name, &mut host, reply);
    host.finish(&reply.as_bytes()[start..]);
    Ok(())
}

fn run_writing(
    write: &mut Write<'_>,
    sha: &str,
    script: &Script,
    keys: &[&[u8]],
    args: &[&[u8]],
    reply: &mut Reply,
) -> Result<(), Error> {
    let call = Call { sha, code: &script.code, keys, args, limits: Limits::RUN };
    let (db, start) = (write.db, reply.len());
    let mut host = Writing::new(write, script.flags)?;
    quorate_script::eval(call, &mut host, reply);
    host.finish(&reply.as_bytes()[start..]);
    write.db = db;
    Ok(())
}

fn run_reading(
    read: &Read<'_>,
    sha: &str,
    script: &Script,
    keys: &[&[u8]],
    args: &[&[u8]],
    reply: &mut Reply,
) -> Result<(), Error> {
    if script.flags.is_some() {
        must_only_read(script.flags)?;
    }
    let call = Call { sha, code: &script.code, keys, args, limits: Limits::RUN };
    let (mut host, start) = (Reading::new(*read), reply.len());
    quorate_script::eval(call, &mut host, reply);
    host.finish(&reply.as_bytes()[start..]);
    Ok(())
}

fn must_only_read(flags: Option<Flags>) -> Result<(), Error> {
    if flags.is_some_and(|flags| flags.has(Flag::NoWrites)) {
        return Ok(());
    }
    Err(Error::text("ERR Can not execute a script with write flag using *_ro command."))
}

/// The keys of a script's call, and its other arguments.
type KeysAndArguments<'a> = (&'a [&'a [u8]], &'a [&'a [u8]]);

/// Keys and arguments of a request, as argument 2 counts the keys.
fn keys_and_arguments<'a>(args: Args<'a>) -> Result<KeysAndArguments<'a>, Error> {
    split(args, args.integer(2)?)
}

fn function_arguments<'a>(args: Args<'a>) -> Result<KeysAndArguments<'a>, Error> {
    split(args, args.integer(2).map_err(|_| Error::text("ERR Bad number of keys provided"))?)
}

fn split<'a>(args: Args<'a>, keys: i64) -> Result<KeysAndArguments<'a>, Error> {
    let rest = args.from(3);
    match usize::try_from(keys) {
        Ok(keys) => rest
            .split_at_checked(keys)
            .ok_or_else(|| Error::text("ERR Number of keys can't be greater than number of args")),
        Err(_) => Err(Error::text("ERR Number of keys can't be negative")),
    }
}

/// A digest as given, in lower case.
fn digest(given: &[u8]) -> Result<String, Error> {
    let text = std::str::from_utf8(given).ok().filter(|text| text.len() == 40);
    text.map(str::to_ascii_lowercase).ok_or_else(no_script)
}

fn no_script() -> Error {
    Error::text("NOSCRIPT No matching script. Please use EVAL.")
}

type Found = (Arc<crate::state::scripts::Loaded>, String, Flags);

fn function(scripts: &crate::state::scripts::Scripts, args: Args<'_>) -> Result<Found, Error> {
    let found = scripts.function(&args[1]);
    let (library, function) = found.ok_or_else(|| Error::text("ERR Function not found"))?;
    let (name, flags) = (function.name.clone(), function.flags);
    Ok((library.clone(), name, flags))
}
