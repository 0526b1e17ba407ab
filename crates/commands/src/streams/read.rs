//! `XREAD` and `XREADGROUP`.

use std::ops::Range;

use quorate_keyspace::{Millis, StreamEntries, StreamId};
use quorate_resp::{Deferred, Protocol, Reply, Request};

use super::{id, no_group, write_entry, write_id};
use crate::blocking::Kind;
use crate::{Args, Command, Error, Group, Read, Write};

/// What stands before the keys, and where those are.
struct Options<'a> {
    count: usize,
    no_ack: bool,
    group: Option<(&'a [u8], &'a [u8])>,
    keys: &'a [&'a [u8]],
    ids: &'a [&'a [u8]],
    /// How long to wait; 0 is forever.
    block_millis: Option<i64>,
    /// Where the keys begin.
    keys_at: usize,
}

impl<'a> Options<'a> {
    fn parse(args: Args<'a>, name: &str) -> Result<Options<'a>, Error> {
        let groups = name == "xreadgroup";
        let mut options = Options {
            count: 0,
            no_ack: false,
            group: None,
            keys: &[],
            ids: &[],
            block_millis: None,
            keys_at: 0,
        };
        let mut i = 1;
        loop {
            let more = args.len().saturating_sub(i + 1);
            if more == 0 && !(i < args.len() && args.is(i, "NOACK")) {
                // The streams are last and must be there.
                return Err(Error::Syntax);
            }
            if args.is(i, "BLOCK") {
                i += 1;
                let timeout = args
                    .integer(i)
                    .map_err(|_| Error::text("ERR timeout is not an integer or out of range"))?;
                if timeout < 0 {
                    return Err(Error::text("ERR timeout is negative"));
                }
                options.block_millis = Some(timeout);
            } else if args.is(i, "COUNT") {
                i += 1;
                options.count = usize::try_from(args.integer(i)?).unwrap_or(0);
            } else if args.is(i, "STREAMS") {
                let streams = args.from(i + 1);
                if !streams.len().is_multiple_of(2) {
                    let last = if groups { '>' } else { '$' };
                    return Err(Error::text(format!(
                        "ERR Unbalanced '{name}' list of streams: for each stream key an ID or '{last}' must be \
                         specified."
                    )));
                }
                options.keys_at = i + 1;
                (options.keys, options.ids) = streams.split_at(streams.len() / 2);
                break;
            } else if args.is(i, "GROUP") && more >= 2 {
                if !groups {
                    return Err(only_groups("GROUP"));
                }
                options.group = Some((args.at(i + 1), args.at(i + 2)));
                i += 2;
            } else if args.is(i, "NOACK") {
                if !groups {
                    return Err(only_groups("NOACK"));
                }
                options.no_ack = true;
            } else {
                return Err(Error::Syntax);
            }
            i += 1;
        }
        if groups && options.group.is_none() {
            return Err(Error::text("ERR Missing GROUP option for XREADGROUP"));
        }
        Ok(options)
    }

    /// How many entries of one stream at most.
    fn count_max(&self) -> usize {
        if self.count == 0 { usize::MAX } else { self.count }
    }
}

fn only_groups(option: &str) -> Error {
    Error::text(format!("ERR The {option} option is only supported by XREADGROUP. You called XREAD instead."))
}

/// The streams of a reply, of which there may be none.
struct Streams {
    place: Deferred,
    count: usize,
}

impl Streams {
    fn begin(reply: &Reply) -> Streams {
        Streams { place: reply.deferred(), count: 0 }
    }

    /// The head of one stream; its entries must follow.
    fn add(&mut self, key: &[u8], reply: &mut Reply) {
        self.count += 1;
        if reply.protocol() == Protocol::Resp2 {
            reply.array(2);
        }
        reply.bulk(key);
    }

    fn is_empty(&self) -> bool {
        self.count == 0
    }

    fn finish(self, reply: &mut Reply) {
        match (self.count, reply.protocol()) {
            (0, _) => reply.null_array(),
            (count, Protocol::Resp2) => reply.finish_array(self.place, count),
            (count, Protocol::Resp3) => reply.finish_map(self.place, count),
        }
    }
}

/// `XREAD [COUNT count] [BLOCK milliseconds] STREAMS key [key ...] id [id ...]`
pub(crate) fn xread(read: &Read<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let options = Options::parse(args, "xread")?;
    let mut wanted = Vec::with_capacity(options.keys.len());
    for (key, id) in options.keys.iter().zip(options.ids) {
        let stream = read.stream(key)?;
        let after = match *id {
            b"$" => stream.map_or(StreamId::MIN, |stream| stream.entries().last_id()),
            b">" => {
                return Err(Error::text(
                    "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> \
                     option.",
                ));
            }
            text => id::strict(text, 0)?,
        };
        wanted.push((key, stream, after));
    }
    let mut streams = Streams::begin(reply);
    for (key, stream, after) in wanted {
        let Some(entries) = stream.map(|stream| stream.entries()) else { continue };
        let Some(start) = after.next().filter(|start| entries.top_id().is_some_and(|top| top >= *start))
        else {
            continue;
        };
        streams.add(key, reply);
        let place = reply.deferred();
        let mut written = 0;
        for entry in entries.range(start, StreamId::MAX).take(options.count_max()) {
            write_entry(&entry, reply);
            written += 1;
        }
        reply.finish_array(place, written);
    }
    streams.finish(reply);
    Ok(())
}

/// How long a read waits, and for which keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadWait {
    /// Milliseconds; 0 is forever.
    pub timeout_millis: u64,
    /// Which arguments are the keys.
    pub keys: Range<usize>,
}

/// Whether a request of a command that can wait asks for it: those on streams have to.
pub fn asks_to_wait(command: &Command, args: Args<'_>) -> bool {
    let on_streams = command.group == Group::Stream;
    let options = args.as_slice().iter().take_while(|arg| !arg.eq_ignore_ascii_case(b"STREAMS"));
    !on_streams || options.skip(1).any(|arg| arg.eq_ignore_ascii_case(b"BLOCK"))
}

/// How long an `XREAD` waits where it finds nothing; nothing if it does not, or is wrong.
pub fn read_wait(args: Args<'_>) -> Option<ReadWait> {
    let options = Options::parse(args, "xread").ok()?;
    let timeout_millis = u64::try_from(options.block_millis?).ok()?;
    Some(ReadWait { timeout_millis, keys: options.keys_at..options.keys_at + options.keys.len() })
}

/// An `XREAD` with the ids that `$` means by now, if it has any: it asks for what comes after the first look, however
/// often it looks.
pub fn settle_ids(read: &Read<'_>, args: Args<'_>) -> Option<Request> {
    let options = Options::parse(args, "xread").ok().filter(|options| options.ids.contains(&&b"$"[..]))?;
    let (ids_at, mut settled) = (options.keys_at + options.keys.len(), Vec::new());
    for (i, arg) in args.as_slice().iter().enumerate() {
        let id = match i.checked_sub(ids_at) {
            Some(place) if *arg == b"$" => {
                read.stream(options.keys[place]).ok()?.map(|stream| stream.entries().last_id())
            }
            _ => {
                settled.push(arg.to_vec());
                continue;
            }
        };
        let id = id.unwrap_or(StreamId::MIN);
        settled.push(format!("{}-{}", id.ms, id.seq).into_bytes());
    }
    Some(Request::from_args(settled))
}

/// What a consumer asks of one stream.
#[derive(Clone, Copy)]
enum Wanted {
    /// What nobody of the group was given.
    New,
    /// What the consumer itself was given and has not confirmed, from an id on.
    Own(StreamId),
}

/// `XREADGROUP GROUP group consumer [COUNT count] [BLOCK milliseconds] [NOACK] STREAMS key [key ...] id [id ...]`
pub(crate) fn xreadgroup(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let options = Options::parse(args, "xreadgroup")?;
    let (group, consumer) = options.group.expect("its absence is an error");
    let mut wanted = Vec::with_capacity(options.keys.len());
    for (key, id) in options.keys.iter().zip(options.ids) {
        if write.stream(key)?.is_none_or(|stream| stream.group(group).is_none()) {
            return Err(no_group(key, group, " in XREADGROUP with GROUP option"));
        }
        let asked = match *id {
            b"$" => {
                return Err(Error::text(
                    "ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the history of this \
                     consumer by specifying a proper ID, or use the > ID to get new messages. The $ ID would just \
                     return an empty result set.",
                ));
            }
            b">" => Wanted::New,
            text => match id::strict(text, 0)? {
                StreamId::MAX => Wanted::New,
                after => Wanted::Own(after.next().expect("it is not the largest")),
            },
        };
        wanted.push((key, asked));
    }
    let now = write.now;
    let mut streams = Streams::begin(reply);
    for (key, asked) in wanted {
        write.ensure_consumer(key, group, consumer);
        let delivery = Delivery { consumer, now, count_max: options.count_max(), no_ack: options.no_ack };
        write.edit_group(key, group, |entries, group| {
            group.see(consumer, now);
            match asked {
                Wanted::New if entries.top_id().is_some_and(|top| top > group.last_id()) => {
                    streams.add(key, reply);
                    delivery.of_new(entries, group, reply);
                }
                Wanted::New => {}
                Wanted::Own(start) => {
                    streams.add(key, reply);
                    delivery.of_own(start, entries, group, reply);
                }
            }
        });
    }
    // Whoever asks for what a consumer has not confirmed is always answered.
    if streams.is_empty()
        && let Some(millis) = options.block_millis
        && write.wait(Kind::Group, args, options.keys_at..options.keys_at + options.keys.len(), millis)
    {
        return Ok(());
    }
    streams.finish(reply);
    Ok(())
}

/// Entries on their way to a consumer.
struct Delivery<'a> {
    consumer: &'a [u8],
    now: Millis,
    count_max: usize,
    no_ack: bool,
}

impl Delivery<'_> {
    fn of_new(&self, entries: &StreamEntries, group: &mut quorate_keyspace::Group, reply: &mut Reply) {
        let place = reply.deferred();
        let mut written = 0;
        let start = group.last_id().next().unwrap_or(StreamId::MAX);
        for entry in entries.range(start, StreamId::MAX).take(self.count_max) {
            group.advance(entries, entry.id());
            write_entry(&entry, reply);
            written += 1;
            if !self.no_ack {
                group.assign(entry.id(), self.consumer, self.now, 1);
            }
        }
        if written > 0 && !self.no_ack {
            group.activate(self.consumer, self.now);
        }
        reply.finish_array(place, written);
    }

    fn of_own(
        &self,
        start: StreamId,
        entries: &StreamEntries,
        group: &mut quorate_keyspace::Group,
        reply: &mut Reply,
    ) {
        let consumer = group.consumer(self.consumer).expect("it was made, if need be");
        let ids: Vec<StreamId> = consumer.pending_from(start).take(self.count_max).collect();
        reply.array(ids.len());
        for id in ids {
            match entries.get(id) {
                Some(entry) => {
                    write_entry(&entry, reply);
                    group.deliver_again(id, self.now);
                }
                None => {
                    reply.array(2);
                    write_id(id, reply);
                    reply.null_array();
                }
            }
        }
    }
}
