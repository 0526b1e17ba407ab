//! One bit.

use quorate_keyspace::StringValue;
use quorate_resp::Reply;

use super::{bit_at, bit_offset};
use crate::{Args, Error, EventClass, Read, Write};

/// `GETBIT key offset`
pub(crate) fn getbit(read: &Read<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let offset = bit_offset(read.state, &args[2])?;
    let string = read.string(&args[1])?;
    let set = string.is_some_and(|string| string.with_bytes(|bytes| bit_at(bytes, offset)));
    reply.integer(set.into());
    Ok(())
}

/// `SETBIT key offset value`
pub(crate) fn setbit(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let offset = bit_offset(write.state, &args[2])?;
    let on = match args.integer(3) {
        Ok(0) => false,
        Ok(1) => true,
        _ => return Err(Error::text("ERR bit is not an integer or out of range")),
    };
    let key = &args[1];
    let string = write.string(key)?;
    let in_range = string.map_or(0, StringValue::len) as u64 > offset / 8;
    let old = string.is_some_and(|string| string.with_bytes(|bytes| bit_at(bytes, offset)));
    if !in_range || old != on {
        write.edit_string(key, |string| string.set_bit(offset, on));
        write.notify(EventClass::String, "setbit", key);
    } else {
        write.mark_raw(key);
    }
    reply.integer(old.into());
    Ok(())
}
