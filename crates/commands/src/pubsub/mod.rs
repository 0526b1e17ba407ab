//! `PUBLISH SPUBLISH` and `PUBSUB`.
//!
//! For: sending messages at their place of the log, and telling who listens. Leaves to others: subscribing, which
//! needs a connection, and bringing messages to subscribers (both the node's).
//! Invariant: replies count the subscribers of the whole cluster at this place of the log.

use bytes::Bytes;
use quorate_resp::Reply;

use crate::state::subscriptions::SubscriptionKind;
use crate::{Args, Error, Read, Write, glob};

pub(crate) fn publish(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let receivers = write.state.subscriptions.receivers(&args[1]);
    send(write, false, args, receivers, reply)
}

pub(crate) fn spublish(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let receivers = write.state.subscriptions.count(SubscriptionKind::Shard, &args[1]);
    send(write, true, args, receivers, reply)
}

fn send(
    write: &mut Write<'_>,
    shard: bool,
    args: Args<'_>,
    receivers: u64,
    reply: &mut Reply,
) -> Result<(), Error> {
    write.events.publish(shard, &args[1], &args[2]);
    reply.integer(i64::try_from(receivers).unwrap_or(i64::MAX));
    Ok(())
}

pub(crate) fn channels(read: &Read<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    names(read, SubscriptionKind::Channel, args, reply)
}

pub(crate) fn shardchannels(read: &Read<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    names(read, SubscriptionKind::Shard, args, reply)
}

fn names(read: &Read<'_>, kind: SubscriptionKind, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    if args.len() > 3 {
        let sub = String::from_utf8_lossy(&args[1]).into_owned();
        return Err(Error::text(format!(
            "ERR unknown subcommand or wrong number of arguments for '{sub}'. Try PUBSUB HELP."
        )));
    }
    let pattern = args.get(2);
    let fits = |name: &&Bytes| pattern.is_none_or(|pattern| glob::matches(pattern, name));
    let found: Vec<&Bytes> = read.state.subscriptions.names(kind).filter(fits).collect();
    reply.array(found.len());
    found.into_iter().for_each(|name| reply.bulk(name));
    Ok(())
}

pub(crate) fn numpat(read: &Read<'_>, _: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    reply.count(read.state.subscriptions.len(SubscriptionKind::Pattern));
    Ok(())
}

pub(crate) fn numsub(read: &Read<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    counts(read, SubscriptionKind::Channel, args, reply)
}

pub(crate) fn shardnumsub(read: &Read<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    counts(read, SubscriptionKind::Shard, args, reply)
}

fn counts(read: &Read<'_>, kind: SubscriptionKind, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let names = args.from(2);
    reply.array(names.len() * 2);
    for name in names {
        reply.bulk(name);
        reply.integer(i64::try_from(read.state.subscriptions.count(kind, name)).unwrap_or(i64::MAX));
    }
    Ok(())
}
