//! Whole databases.

use quorate_resp::Reply;

use super::{db_index, int};
use crate::{Args, Error, EventClass, Read, Write};

/// Expired keys that SWAPDB removes first. Beyond them WATCH may take a missing key for one that has come or gone.
const SWAPPED_DUE_MAX: usize = 512;

/// `DBSIZE`
pub(crate) fn dbsize(read: &Read<'_>, _: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    reply.integer(read.db().len() as i64);
    Ok(())
}

/// `FLUSHDB [ASYNC|SYNC]`
pub(crate) fn flushdb(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    check_flush_options(args)?;
    let (now, version) = (write.now, write.version);
    write.db_mut().flush(now, version);
    reply.ok();
    Ok(())
}

/// `FLUSHALL [ASYNC|SYNC]`
pub(crate) fn flushall(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    check_flush_options(args)?;
    write.state.keyspace.flush_all(write.now, write.version);
    reply.ok();
    Ok(())
}

/// `SWAPDB index1 index2`
pub(crate) fn swapdb(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let first = int(args, 1).map_err(|_| Error::text("ERR invalid first DB index"))?;
    let second = int(args, 2).map_err(|_| Error::text("ERR invalid second DB index"))?;
    let (first, second) = (db_index(first)?, db_index(second)?);
    if first != second {
        for gone in write.state.keyspace.expire_slice(write.now, SWAPPED_DUE_MAX) {
            write.events.notify(EventClass::Expired, "expired", gone.db, &gone.key);
        }
        write.state.keyspace.swap(first, second, write.now, write.version);
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
