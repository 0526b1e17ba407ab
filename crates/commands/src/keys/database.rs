//! Whole databases.

use quorate_resp::Reply;

use super::{db_index, int};
use crate::{Args, Error, Read, Write};

/// `DBSIZE`
pub(crate) fn dbsize(read: &Read<'_>, _: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    reply.integer(read.db().len() as i64);
    Ok(())
}

/// `FLUSHDB [ASYNC|SYNC]`
pub(crate) fn flushdb(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    check_flush_options(args)?;
    let version = write.version;
    write.db_mut().flush(version);
    reply.ok();
    Ok(())
}

/// `FLUSHALL [ASYNC|SYNC]`
pub(crate) fn flushall(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    check_flush_options(args)?;
    write.state.keyspace.flush_all(write.version);
    reply.ok();
    Ok(())
}

/// `SWAPDB index1 index2`
pub(crate) fn swapdb(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let first = int(args, 1).map_err(|_| Error::text("ERR invalid first DB index"))?;
    let second = int(args, 2).map_err(|_| Error::text("ERR invalid second DB index"))?;
    let (first, second) = (db_index(first)?, db_index(second)?);
    if first != second {
        write.state.keyspace.swap(first, second, write.version);
    }
    reply.ok();
    Ok(())
}

/// Either way of freeing memory may be asked for; what was removed is always freed elsewhere.
fn check_flush_options(args: Args<'_>) -> Result<(), Error> {
    match args.len() {
        1 => Ok(()),
        2 if args.is(1, "ASYNC") || args.is(1, "SYNC") => Ok(()),
        _ => Err(Error::Syntax),
    }
}
