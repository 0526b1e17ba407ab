//! `SCRIPT` and its subcommands.

use std::sync::Arc;

use quorate_resp::Reply;

use crate::state::scripts::{SCRIPT_BYTES_MAX, Script};
use crate::{Args, Error, Read, State, Write};

/// A script's facts, once it is known to compile.
pub(super) fn compiled(sha: &str, code: &[u8]) -> Result<Script, Error> {
    if code.len() > SCRIPT_BYTES_MAX {
        return Err(Error::text(format!("ERR Script is longer than {SCRIPT_BYTES_MAX} bytes")));
    }
    let flags = quorate_script::script_flags(code).map_err(|why| Error::text(format!("ERR {why}")))?;
    quorate_script::check_script(sha, code)
        .map_err(|why| Error::text(format!("ERR Error compiling script (new function): {why}")))?;
    Ok(Script { code: code.into(), flags })
}

/// Keeps a script for `EVALSHA`.
pub(super) fn keep(state: &mut State, sha: &str, code: &[u8]) -> Result<Arc<Script>, Error> {
    let script = Arc::new(compiled(sha, code)?);
    state.scripts.keep(sha, script.clone());
    Ok(script)
}

/// `SCRIPT LOAD script`
pub(crate) fn load(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let sha = quorate_script::sha1_hex(&args[2]);
    if write.state.scripts.script(&sha).is_none() {
        keep(write.state, &sha, &args[2])?;
    }
    reply.bulk(sha.as_bytes());
    Ok(())
}

/// `SCRIPT EXISTS sha1 [sha1 …]`
pub(crate) fn exists(read: &Read<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let digests = args.from(2);
    reply.array(digests.len());
    for digest in digests {
        let text = String::from_utf8_lossy(digest).to_ascii_lowercase();
        reply.integer(i64::from(read.state.scripts.script(&text).is_some()));
    }
    Ok(())
}

/// `SCRIPT FLUSH [ASYNC|SYNC]`
pub(crate) fn flush(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    if args.len() > 3 || args.len() == 3 && !args.is(2, "sync") && !args.is(2, "async") {
        return Err(Error::text("ERR SCRIPT FLUSH only support SYNC|ASYNC option"));
    }
    write.state.scripts.forget_scripts();
    reply.ok();
    Ok(())
}

/// `SCRIPT KILL`, `FUNCTION KILL`: a script runs within one step of the log, so none is ever seen running.
pub(crate) fn kill(_: &Read<'_>, _: Args<'_>, _: &mut Reply) -> Result<(), Error> {
    Err(Error::text("NOTBUSY No scripts in execution right now."))
}

/// `SCRIPT DEBUG YES|SYNC|NO`
pub(crate) fn debug(_: &Read<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    if args.is(2, "no") {
        reply.ok();
        return Ok(());
    }
    if args.is(2, "yes") || args.is(2, "sync") {
        // A debugger would hold up every node.
        return Err(Error::text("ERR SCRIPT DEBUG is not supported by Quorate"));
    }
    Err(Error::text("ERR Use SCRIPT DEBUG YES/SYNC/NO"))
}
