//! Reading entries by their ids.

use quorate_keyspace::StreamValue;
use quorate_resp::Reply;

use super::{id, write_entry};
use crate::{Args, Error, Read};

/// `XLEN key`
pub(crate) fn xlen(read: &Read<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    reply.count(read.stream(&args[1])?.map_or(0, |stream| stream.entries().len()));
    Ok(())
}

/// `XRANGE key start end [COUNT count]`
pub(crate) fn xrange(read: &Read<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    range(read, args, reply, false)
}

/// `XREVRANGE key end start [COUNT count]`
pub(crate) fn xrevrange(read: &Read<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    range(read, args, reply, true)
}

fn range(read: &Read<'_>, args: Args<'_>, reply: &mut Reply, backwards: bool) -> Result<(), Error> {
    let (start, end) = if backwards { (&args[3], &args[2]) } else { (&args[2], &args[3]) };
    let (start, end) = (id::start(start)?, id::end(end)?);
    let mut count = None;
    let mut i = 4;
    while i < args.len() {
        if !args.is(i, "COUNT") || i + 1 >= args.len() {
            return Err(Error::Syntax);
        }
        // A negative count is none at all, and its reply a null.
        count = Some(usize::try_from(args.integer(i + 1)?).unwrap_or(0));
        i += 2;
    }
    let Some(stream) = read.stream(&args[1])? else {
        reply.array(0);
        return Ok(());
    };
    if count == Some(0) {
        reply.null_array();
        return Ok(());
    }
    let mut entries = stream.entries().range(start, end);
    let place = reply.deferred();
    let mut written = 0;
    while count.is_none_or(|count| written < count) {
        let entry = if backwards { entries.next_from_behind() } else { entries.next() };
        let Some(entry) = entry else { break };
        write_entry(&entry, reply);
        written += 1;
    }
    reply.finish_array(place, written);
    Ok(())
}

/// Writes the first entries of a stream, as many as `count` or all; 0: all.
pub(super) fn write_first(stream: &StreamValue, count: usize, reply: &mut Reply) {
    let all = stream.entries().range(quorate_keyspace::StreamId::MIN, quorate_keyspace::StreamId::MAX);
    let place = reply.deferred();
    let mut written = 0;
    for entry in all.take(if count == 0 { usize::MAX } else { count }) {
        write_entry(&entry, reply);
        written += 1;
    }
    reply.finish_array(place, written);
}
