//! How values are kept: `OBJECT` and its subcommands.

use quorate_keyspace::{Entry, StringValue, Value};
use quorate_resp::Reply;

use crate::eviction::access_clock;
use crate::{Args, Error, Read};

/// `OBJECT ENCODING key`
pub(crate) fn object_encoding(read: &Read<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    match read.get(&args[2]) {
        Some(entry) => reply.bulk(entry.value().encoding_name().as_bytes()),
        None => reply.null(),
    }
    Ok(())
}

/// `OBJECT REFCOUNT key`
pub(crate) fn object_refcount(read: &Read<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    match read.get(&args[2]) {
        Some(entry) => reply.integer(reference_count(read, entry)),
        None => reply.null(),
    }
    Ok(())
}

/// `OBJECT IDLETIME key`
///
/// A read counts as a use once the log tells of it: see [`crate::eviction`].
pub(crate) fn object_idletime(read: &Read<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let Some(entry) = read.get(&args[2]) else {
        reply.null();
        return Ok(());
    };
    if evicts_by(read, "lfu") {
        return Err(Error::text(
            "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when switching \
             between policies at runtime LRU and LFU data will take some time to adjust.",
        ));
    }
    let clock = access_clock(&read.state.settings, read.now);
    reply.integer(clock.idle_seconds(entry.accessed()).into());
    Ok(())
}

/// `OBJECT FREQ key`
pub(crate) fn object_freq(read: &Read<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let Some(entry) = read.get(&args[2]) else {
        reply.null();
        return Ok(());
    };
    if !evicts_by(read, "lfu") {
        return Err(Error::text(
            "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when \
             switching between policies at runtime LRU and LFU data will take some time to adjust.",
        ));
    }
    let clock = access_clock(&read.state.settings, read.now);
    reply.integer(clock.counter(entry.accessed()).into());
    Ok(())
}

/// `OBJECT HELP`
pub(crate) fn object_help(_: &Read<'_>, _: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    const LINES: &[&str] = &[
        "OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "ENCODING <key>",
        "    Return the kind of internal representation used in order to store the value",
        "    associated with a <key>.",
        "FREQ <key>",
        "    Return the access frequency index of the <key>. The returned integer is",
        "    proportional to the logarithm of the recent access frequency of the key.",
        "IDLETIME <key>",
        "    Return the idle time of the <key>, that is the approximated number of",
        "    seconds elapsed since the last access to the key.",
        "REFCOUNT <key>",
        "    Return the number of references of the value associated with the specified",
        "    <key>.",
        "HELP",
        "    Prints this help.",
    ];
    reply.array(LINES.len());
    for line in LINES {
        reply.simple(line);
    }
    Ok(())
}

/// Redis shares the integers below 10000 and gives them the largest count that there is, unless it needs an
/// access time per value.
fn reference_count(read: &Read<'_>, entry: &Entry) -> i64 {
    const SHARED: std::ops::Range<i64> = 0..10_000;
    const SHARED_COUNT: i64 = i32::MAX as i64;
    let settings = &read.state.settings;
    let by_access = settings.maxmemory() != 0 && (evicts_by(read, "lru") || evicts_by(read, "lfu"));
    match entry.value() {
        Value::String(StringValue::Int(number)) if SHARED.contains(number) && !by_access => SHARED_COUNT,
        _ => 1,
    }
}

/// True if the eviction policy goes by `access`, `lru` or `lfu`.
fn evicts_by(read: &Read<'_>, access: &str) -> bool {
    read.state.settings.maxmemory_policy().ends_with(access)
}
