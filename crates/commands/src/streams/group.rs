//! `XGROUP`.

use quorate_keyspace::{Group, StreamId, StreamValue, Value};
use quorate_resp::Reply;

use super::id;
use crate::{Args, Error, EventClass, Read, Write};

/// The options behind the id.
struct Options {
    create_stream: bool,
    entries_read: Option<u64>,
}

impl Options {
    fn parse(args: Args<'_>, name: &str) -> Result<Options, Error> {
        let mut options = Options { create_stream: false, entries_read: None };
        let mut i = 5;
        while i < args.len() {
            if name == "CREATE" && args.is(i, "MKSTREAM") {
                options.create_stream = true;
                i += 1;
            } else if args.is(i, "ENTRIESREAD") && i + 1 < args.len() {
                options.entries_read = match args.integer(i + 1)? {
                    -1 => None,
                    number => Some(
                        u64::try_from(number)
                            .map_err(|_| Error::text("ERR value for ENTRIESREAD must be positive or -1"))?,
                    ),
                };
                i += 2;
            } else {
                return Err(wrong_arguments(args));
            }
        }
        Ok(options)
    }
}

fn wrong_arguments(args: Args<'_>) -> Error {
    let sub = String::from_utf8_lossy(&args[1]);
    Error::text(format!("ERR unknown subcommand or wrong number of arguments for '{sub}'. Try XGROUP HELP."))
}

fn no_stream() -> Error {
    Error::text(
        "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM \
         option to create an empty stream automatically.",
    )
}

pub(super) fn no_group_of_key(group: &[u8], key: &[u8]) -> Error {
    let (group, key) = (String::from_utf8_lossy(group), String::from_utf8_lossy(key));
    Error::text(format!("NOGROUP No such consumer group '{group}' for key name '{key}'"))
}

/// The group that a subcommand changes.
fn group_at<'a>(write: &'a Write<'_>, key: &[u8], name: &[u8]) -> Result<&'a Group, Error> {
    let stream = write.stream(key)?.ok_or_else(no_stream)?;
    stream.group(name).ok_or_else(|| no_group_of_key(name, key))
}

/// `XGROUP CREATE key group id|$ [MKSTREAM] [ENTRIESREAD entries-read]`
pub(crate) fn create(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let options = Options::parse(args, "CREATE")?;
    let (key, name) = (&args[2], &args[3]);
    let stream = write.stream(key)?;
    if stream.is_none() && !options.create_stream {
        return Err(no_stream());
    }
    // Each option once: no more arguments than that.
    if args.len() > 8 {
        return Err(wrong_arguments(args));
    }
    let last_id = match args.at(4) {
        b"$" => stream.map_or(StreamId::MIN, |stream| stream.entries().last_id()),
        text => id::strict(text, 0)?,
    };
    if stream.is_some_and(|stream| stream.group(name).is_some()) {
        return Err(Error::text("BUSYGROUP Consumer Group name already exists"));
    }
    let group = Group::new(name, last_id, options.entries_read);
    write.edit_or_create_stream(key, |stream| stream.add_group(group));
    write.notify(EventClass::Stream, "xgroup-create", key);
    reply.ok();
    Ok(())
}

/// `XGROUP SETID key group id|$ [ENTRIESREAD entries-read]`
pub(crate) fn setid(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let options = Options::parse(args, "SETID")?;
    let (key, name) = (&args[2], &args[3]);
    group_at(write, key, name)?;
    if args.len() > 7 {
        return Err(wrong_arguments(args));
    }
    let last_id = match args.at(4) {
        b"$" => write.stream(key)?.map_or(StreamId::MIN, |stream| stream.entries().last_id()),
        text => id::any(text, 0)?,
    };
    write.edit_group(key, name, |_, group| group.set_position(last_id, options.entries_read));
    write.notify(EventClass::Stream, "xgroup-setid", key);
    reply.ok();
    Ok(())
}

/// `XGROUP DESTROY key group`
pub(crate) fn destroy(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let (key, name) = (&args[2], &args[3]);
    let stream = write.stream(key)?.ok_or_else(no_stream)?;
    if stream.group(name).is_none() {
        reply.integer(0);
        return Ok(());
    }
    let mut entry = write.get_mut(key).expect("the stream was found");
    let group = entry.value_mut().as_stream_mut().expect("the type was checked").remove_group(name);
    entry.discard(Value::stream(StreamValue::of_rest(None, group)));
    drop(entry);
    write.notify(EventClass::Stream, "xgroup-destroy", key);
    reply.integer(1);
    Ok(())
}

/// `XGROUP CREATECONSUMER key group consumer`
pub(crate) fn createconsumer(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let (key, name, consumer) = (&args[2], &args[3], &args[4]);
    let exists = group_at(write, key, name)?.consumer(consumer).is_some();
    let created = !exists && write.ensure_consumer(key, name, consumer);
    reply.integer(created.into());
    Ok(())
}

/// `XGROUP DELCONSUMER key group consumer`
pub(crate) fn delconsumer(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let (key, name, consumer) = (&args[2], &args[3], &args[4]);
    if group_at(write, key, name)?.consumer(consumer).is_none() {
        reply.integer(0);
        return Ok(());
    }
    let pending = write.edit_group(key, name, |_, group| group.remove_consumer(consumer));
    write.notify(EventClass::Stream, "xgroup-delconsumer", key);
    reply.count(pending.unwrap_or(0));
    Ok(())
}

/// `XGROUP HELP`
pub(crate) fn help(_: &Read<'_>, _: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    const LINES: &[&str] = &[
        "XGROUP <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "CREATE <key> <groupname> <id|$> [option]",
        "    Create a new consumer group. Options are:",
        "    * MKSTREAM",
        "      Create the empty stream if it does not exist.",
        "    * ENTRIESREAD entries_read",
        "      Set the group's entries_read counter (internal use).",
        "CREATECONSUMER <key> <groupname> <consumer>",
        "    Create a new consumer in the specified group.",
        "DELCONSUMER <key> <groupname> <consumer>",
        "    Remove the specified consumer.",
        "DESTROY <key> <groupname>",
        "    Remove the specified group.",
        "SETID <key> <groupname> <id|$> [ENTRIESREAD entries_read]",
        "    Set the current group ID and entries_read counter.",
        "HELP",
        "    Prints this help.",
    ];
    reply.array(LINES.len());
    LINES.iter().for_each(|line| reply.simple(line));
    Ok(())
}
