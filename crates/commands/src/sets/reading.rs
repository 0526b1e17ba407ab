//! Reading members.

use quorate_keyspace::SetValue;
use quorate_resp::Reply;

use crate::items::write_item;
use crate::{Args, Error, Read};

/// `SCARD key`
pub(crate) fn scard(read: &Read<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    reply.count(read.set(&args[1])?.map_or(0, SetValue::len));
    Ok(())
}

/// `SISMEMBER key member`
pub(crate) fn sismember(read: &Read<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let found = read.set(&args[1])?.is_some_and(|set| set.contains(&args[2]));
    reply.integer(i64::from(found));
    Ok(())
}

/// `SMISMEMBER key member [member ...]`
pub(crate) fn smismember(read: &Read<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let set = read.set(&args[1])?;
    let members = args.from(2);
    reply.array(members.len());
    for member in members {
        reply.integer(i64::from(set.is_some_and(|set| set.contains(member))));
    }
    Ok(())
}

/// `SMEMBERS key`
pub(crate) fn smembers(read: &Read<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    match read.set(&args[1])? {
        Some(set) => write_set(set, reply),
        None => reply.set(0),
    }
    Ok(())
}

/// Writes all members.
pub(super) fn write_set(set: &SetValue, reply: &mut Reply) {
    reply.set(set.len());
    set.iter().for_each(|member| write_item(member, reply));
}
