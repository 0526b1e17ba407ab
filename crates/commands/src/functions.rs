//! Libraries of functions, as far as they exist: there are none yet, so what empties them has nothing to do.
//!
//! For: clients that clean up with `FUNCTION FLUSH`. Leaves to others: everything that would load one.

use quorate_resp::Reply;

use crate::{Args, Error, Write};

/// `FUNCTION FLUSH [ASYNC|SYNC]`
pub(crate) fn flush(_: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    match args.len() {
        2 => {}
        3 if args.is(2, "sync") || args.is(2, "async") => {}
        3 => return Err(Error::text("ERR FUNCTION FLUSH only supports SYNC|ASYNC option")),
        _ => {
            let sub = String::from_utf8_lossy(&args[1]).into_owned();
            return Err(Error::text(format!(
                "ERR unknown subcommand or wrong number of arguments for '{sub}'. Try FUNCTION HELP."
            )));
        }
    }
    reply.ok();
    Ok(())
}
