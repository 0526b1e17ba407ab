//! Arithmetic on strings.

use quorate_keyspace::{Blob, StringValue};
use quorate_resp::Reply;

use crate::long_double::LongDouble;
use crate::{Args, Error, EventClass, Write};

/// `INCR key`
pub(crate) fn incr(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    add(write, &args[1], 1, reply)
}

/// `DECR key`
pub(crate) fn decr(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    add(write, &args[1], -1, reply)
}

/// `INCRBY key increment`
pub(crate) fn incrby(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    add(write, &args[1], args.integer(2)?, reply)
}

/// `DECRBY key decrement`
pub(crate) fn decrby(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    // The smallest integer has no negative.
    let increment = args.integer(2)?.checked_neg().ok_or(Error::DecrementOverflow)?;
    add(write, &args[1], increment, reply)
}

/// `INCRBYFLOAT key increment`
pub(crate) fn incrbyfloat(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let key = &args[1];
    let old = match write.string(key)? {
        None => LongDouble::from(0),
        Some(StringValue::Int(number)) => LongDouble::from(*number),
        Some(string) => string.with_bytes(LongDouble::parse).ok_or(Error::NotFloat)?,
    };
    let new = old.add(LongDouble::parse(&args[2]).ok_or(Error::NotFloat)?);
    if !new.is_finite() {
        return Err(Error::NotFinite);
    }
    let text = new.to_text();
    write.put_string(key, StringValue::Bytes(Blob::new(text.as_bytes())));
    write.notify(EventClass::String, "incrbyfloat", key);
    reply.bulk(text.as_bytes());
    Ok(())
}

/// Adds to the integer at a key; its expiry stays.
fn add(write: &mut Write<'_>, key: &[u8], increment: i64, reply: &mut Reply) -> Result<(), Error> {
    let old = match write.string(key)? {
        None => 0,
        Some(string) => string.integer().ok_or(Error::NotInteger)?,
    };
    let new = old.checked_add(increment).ok_or(Error::IncrementOverflow)?;
    write.put_string(key, StringValue::Int(new));
    write.notify(EventClass::String, "incrby", key);
    reply.integer(new);
    Ok(())
}
