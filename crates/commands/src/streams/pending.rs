//! What was given out and is not confirmed: `XACK` and `XPENDING`.

use quorate_keyspace::{Group, Pending, StreamId};
use quorate_resp::Reply;

use super::{id, no_group, write_id};
use crate::{Args, Error, Read, Write};

/// `XACK key group id [id ...]`
pub(crate) fn xack(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let (key, name) = (&args[1], &args[2]);
    let Some(group) = write.stream(key)?.and_then(|stream| stream.group(name)) else {
        reply.integer(0);
        return Ok(());
    };
    let mut ids = Vec::with_capacity(args.len() - 3);
    for text in args.from(3) {
        ids.push(id::strict(text, 0)?);
    }
    ids.retain(|id| group.pending(*id).is_some());
    let mut confirmed = 0;
    if !ids.is_empty() {
        confirmed =
            write.edit_group(key, name, |_, group| ids.iter().filter(|id| group.confirm(**id)).count());
    }
    reply.count(confirmed);
    Ok(())
}

/// What the long form asks for.
struct Query<'a> {
    min_idle: i64,
    start: StreamId,
    end: StreamId,
    count: usize,
    consumer: Option<&'a [u8]>,
}

impl<'a> Query<'a> {
    fn parse(args: Args<'a>) -> Result<Option<Query<'a>>, Error> {
        if args.len() == 3 {
            return Ok(None);
        }
        if !(6..=9).contains(&args.len()) {
            return Err(Error::Syntax);
        }
        let (mut min_idle, mut i) = (0, 3);
        if args.is(3, "IDLE") {
            min_idle = args.integer(4)?;
            if args.len() < 8 {
                return Err(Error::Syntax);
            }
            i = 5;
        }
        let count = usize::try_from(args.integer(i + 2)?).unwrap_or(0);
        let (start, end) = (id::start(&args[i])?, id::end(&args[i + 1])?);
        Ok(Some(Query { min_idle, start, end, count, consumer: args.get(i + 3) }))
    }
}

/// `XPENDING key group [[IDLE min-idle-time] start end count [consumer]]`
pub(crate) fn xpending(read: &Read<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let query = Query::parse(args)?;
    let (key, name) = (&args[1], &args[2]);
    let group =
        read.stream(key)?.and_then(|stream| stream.group(name)).ok_or_else(|| no_group(key, name, ""))?;
    match query {
        None => write_summary(group, reply),
        Some(query) => write_pending(read, group, &query, reply),
    }
    Ok(())
}

fn write_summary(group: &Group, reply: &mut Reply) {
    reply.array(4);
    reply.count(group.pending_len());
    let (Some(first), Some(last)) = (group.pending_from(StreamId::MIN).next(), group.last_pending()) else {
        reply.null();
        reply.null();
        reply.null_array();
        return;
    };
    write_id(first.id, reply);
    write_id(last.id, reply);
    let place = reply.deferred();
    let mut written = 0;
    for consumer in group.consumers().filter(|consumer| consumer.pending_len() > 0) {
        reply.array(2);
        reply.bulk(consumer.name());
        reply.bulk_integer(consumer.pending_len() as i64);
        written += 1;
    }
    reply.finish_array(place, written);
}

fn write_pending(read: &Read<'_>, group: &Group, query: &Query<'_>, reply: &mut Reply) {
    let place = reply.deferred();
    let mut written = 0;
    let mut write = |pending: &Pending| {
        let idle = read.now.since(pending.delivered);
        if query.min_idle == 0 || idle >= query.min_idle {
            reply.array(4);
            write_id(pending.id, reply);
            reply.bulk(&pending.consumer);
            reply.integer(idle.max(0));
            reply.integer(pending.deliveries as i64);
            written += 1;
        }
        written < query.count
    };
    if query.count > 0 {
        let within = |id: &StreamId| *id <= query.end;
        match query.consumer {
            None => {
                let mut pending = group.pending_from(query.start).take_while(|pending| within(&pending.id));
                while pending.next().is_some_and(&mut write) {}
            }
            Some(name) => {
                let ids = group.consumer(name).map(|consumer| consumer.pending_from(query.start));
                let mut pending =
                    ids.into_iter().flatten().take_while(within).filter_map(|id| group.pending(id));
                while pending.next().is_some_and(&mut write) {}
            }
        }
    }
    reply.finish_array(place, written);
}
