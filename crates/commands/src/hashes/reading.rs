//! Reading fields and values.

use quorate_keyspace::HashValue;
use quorate_resp::Reply;

use crate::{Args, Error, Read};

/// `HGET key field`
pub(crate) fn hget(read: &Read<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    write_field(read.hash(&args[1])?, &args[2], reply);
    Ok(())
}

/// `HMGET key field [field ...]`
pub(crate) fn hmget(read: &Read<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let hash = read.hash(&args[1])?;
    let fields = args.from(2);
    reply.array(fields.len());
    for field in fields {
        write_field(hash, field, reply);
    }
    Ok(())
}

/// `HEXISTS key field`
pub(crate) fn hexists(read: &Read<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let hash = read.hash(&args[1])?;
    let found = hash.is_some_and(|hash| hash.contains(&args[2]));
    reply.integer(i64::from(found));
    Ok(())
}

/// `HLEN key`
pub(crate) fn hlen(read: &Read<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let fields = read.hash(&args[1])?.map_or(0, HashValue::len);
    reply.integer(fields as i64);
    Ok(())
}

/// `HSTRLEN key field`
pub(crate) fn hstrlen(read: &Read<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let hash = read.hash(&args[1])?;
    let bytes = hash.and_then(|hash| hash.get(&args[2])).map_or(0, <[u8]>::len);
    reply.integer(bytes as i64);
    Ok(())
}

/// `HGETALL key`
pub(crate) fn hgetall(read: &Read<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let Some(hash) = read.hash(&args[1])? else {
        reply.map(0);
        return Ok(());
    };
    reply.map(hash.len());
    for (field, value) in hash.iter() {
        reply.bulk(field);
        reply.bulk(value);
    }
    Ok(())
}

/// `HKEYS key`
pub(crate) fn hkeys(read: &Read<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let Some(hash) = read.hash(&args[1])? else {
        reply.array(0);
        return Ok(());
    };
    reply.array(hash.len());
    for (field, _) in hash.iter() {
        reply.bulk(field);
    }
    Ok(())
}

/// `HVALS key`
pub(crate) fn hvals(read: &Read<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let Some(hash) = read.hash(&args[1])? else {
        reply.array(0);
        return Ok(());
    };
    reply.array(hash.len());
    for (_, value) in hash.iter() {
        reply.bulk(value);
    }
    Ok(())
}

/// Writes the value of a field, or null.
fn write_field(hash: Option<&HashValue>, field: &[u8], reply: &mut Reply) {
    match hash.and_then(|hash| hash.get(field)) {
        Some(value) => reply.bulk(value),
        None => reply.null(),
    }
}
