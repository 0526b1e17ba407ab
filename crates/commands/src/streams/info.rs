//! `XINFO`.

use quorate_keyspace::{Consumer, Group, StreamId, StreamValue};
use quorate_resp::Reply;

use super::group::no_group_of_key;
use super::range::write_first;
use super::{write_entry, write_id};
use crate::{Args, Error, Read};

/// How much of each list `FULL` shows, if it does not say.
const COUNT_DEFAULT: usize = 10;

/// `XINFO STREAM key [FULL [COUNT count]]`
pub(crate) fn stream(read: &Read<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let stream = read.stream(&args[2])?.ok_or(Error::NoSuchKey)?;
    let full = match args.len() {
        3 => None,
        4 if args.is(3, "FULL") => Some(COUNT_DEFAULT),
        6 if args.is(3, "FULL") && args.is(4, "COUNT") => {
            Some(usize::try_from(args.integer(5)?).unwrap_or(COUNT_DEFAULT))
        }
        _ => {
            let sub = String::from_utf8_lossy(&args[1]);
            return Err(Error::text(format!(
                "ERR unknown subcommand or wrong number of arguments for '{sub}'. Try XINFO HELP."
            )));
        }
    };
    reply.map(if full.is_some() { 9 } else { 10 });
    write_head(stream, reply);
    match full {
        None => {
            reply.bulk(b"groups");
            reply.count(stream.groups().len());
            let mut all = stream.entries().range(StreamId::MIN, StreamId::MAX);
            let ends = [(&b"first-entry"[..], all.clone().next()), (b"last-entry", all.next_from_behind())];
            for (name, entry) in ends {
                reply.bulk(name);
                match entry {
                    Some(entry) => write_entry(&entry, reply),
                    None => reply.null(),
                }
            }
        }
        Some(count) => {
            reply.bulk(b"entries");
            write_first(stream, count, reply);
            reply.bulk(b"groups");
            reply.array(stream.groups().len());
            for group in stream.groups() {
                write_full_group(stream, group, if count == 0 { usize::MAX } else { count }, reply);
            }
        }
    }
    Ok(())
}

fn write_head(stream: &StreamValue, reply: &mut Reply) {
    let entries = stream.entries();
    let counts = [
        ("length", entries.len()),
        ("radix-tree-keys", entries.blocks()),
        // Redis' tree has a root, and a node for each block at least.
        ("radix-tree-nodes", entries.blocks() + 1),
    ];
    for (name, count) in counts {
        reply.bulk(name.as_bytes());
        reply.count(count);
    }
    reply.bulk(b"last-generated-id");
    write_id(entries.last_id(), reply);
    reply.bulk(b"max-deleted-entry-id");
    write_id(entries.max_deleted_id(), reply);
    reply.bulk(b"entries-added");
    reply.integer(entries.added() as i64);
    reply.bulk(b"recorded-first-entry-id");
    write_id(entries.first_id(), reply);
}

/// Writes how far a group has read, as three pairs.
fn write_position(stream: &StreamValue, group: &Group, reply: &mut Reply) {
    reply.bulk(b"last-delivered-id");
    write_id(group.last_id(), reply);
    let numbers = [
        ("entries-read", group.entries_read().map(|read| read as i64)),
        ("lag", group.lag(stream.entries())),
    ];
    for (name, number) in numbers {
        reply.bulk(name.as_bytes());
        match number {
            Some(number) => reply.integer(number),
            None => reply.null(),
        }
    }
}

fn write_full_group(stream: &StreamValue, group: &Group, count_max: usize, reply: &mut Reply) {
    reply.map(7);
    reply.bulk(b"name");
    reply.bulk(group.name());
    write_position(stream, group, reply);
    reply.bulk(b"pel-count");
    reply.count(group.pending_len());
    reply.bulk(b"pending");
    reply.array(group.pending_len().min(count_max));
    for pending in group.pending_from(StreamId::MIN).take(count_max) {
        reply.array(4);
        write_id(pending.id, reply);
        reply.bulk(&pending.consumer);
        reply.integer(pending.delivered.0);
        reply.integer(pending.deliveries as i64);
    }
    reply.bulk(b"consumers");
    reply.array(group.consumers().len());
    for consumer in group.consumers() {
        write_full_consumer(group, consumer, count_max, reply);
    }
}

fn write_full_consumer(group: &Group, consumer: &Consumer, count_max: usize, reply: &mut Reply) {
    reply.map(5);
    reply.bulk(b"name");
    reply.bulk(consumer.name());
    reply.bulk(b"seen-time");
    reply.integer(consumer.seen().0);
    reply.bulk(b"active-time");
    reply.integer(consumer.active().map_or(-1, |active| active.0));
    reply.bulk(b"pel-count");
    reply.count(consumer.pending_len());
    reply.bulk(b"pending");
    reply.array(consumer.pending_len().min(count_max));
    for pending in consumer.pending_from(StreamId::MIN).take(count_max).filter_map(|id| group.pending(id)) {
        reply.array(3);
        write_id(pending.id, reply);
        reply.integer(pending.delivered.0);
        reply.integer(pending.deliveries as i64);
    }
}

/// `XINFO GROUPS key`
pub(crate) fn groups(read: &Read<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let stream = read.stream(&args[2])?.ok_or(Error::NoSuchKey)?;
    reply.array(stream.groups().len());
    for group in stream.groups() {
        reply.map(6);
        reply.bulk(b"name");
        reply.bulk(group.name());
        reply.bulk(b"consumers");
        reply.count(group.consumers().len());
        reply.bulk(b"pending");
        reply.count(group.pending_len());
        write_position(stream, group, reply);
    }
    Ok(())
}

/// `XINFO CONSUMERS key group`
pub(crate) fn consumers(read: &Read<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let (key, name) = (&args[2], &args[3]);
    let stream = read.stream(key)?.ok_or(Error::NoSuchKey)?;
    let group = stream.group(name).ok_or_else(|| no_group_of_key(name, key))?;
    reply.array(group.consumers().len());
    for consumer in group.consumers() {
        reply.map(4);
        reply.bulk(b"name");
        reply.bulk(consumer.name());
        reply.bulk(b"pending");
        reply.count(consumer.pending_len());
        reply.bulk(b"idle");
        reply.integer(read.now.since(consumer.seen()).max(0));
        reply.bulk(b"inactive");
        reply.integer(consumer.active().map_or(-1, |active| read.now.since(active).max(0)));
    }
    Ok(())
}

/// `XINFO HELP`
pub(crate) fn help(_: &Read<'_>, _: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    const LINES: &[&str] = &[
        "XINFO <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "CONSUMERS <key> <groupname>",
        "    Show consumers of <groupname>.",
        "GROUPS <key>",
        "    Show the stream consumer groups.",
        "STREAM <key> [FULL [COUNT <count>]",
        "    Show information about the stream.",
        "HELP",
        "    Prints this help.",
    ];
    reply.array(LINES.len());
    LINES.iter().for_each(|line| reply.simple(line));
    Ok(())
}
