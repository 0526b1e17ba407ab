//! Arithmetic on fields.

use quorate_resp::Reply;

use crate::args::parse_integer;
use crate::{Args, Error, EventClass, Write};

/// `HINCRBY key field increment`
pub(crate) fn hincrby(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let increment = args.integer(3)?;
    let (key, field) = (&args[1], &args[2]);
    let old = match write.hash(key)?.and_then(|hash| hash.get(field)) {
        Some(value) => parse_integer(value).ok_or(Error::text("ERR hash value is not an integer"))?,
        None => 0,
    };
    let new = old.checked_add(increment).ok_or(Error::IncrementOverflow)?;
    let mut digits = itoa::Buffer::new();
    write.set_fields(key, [(field, digits.format(new).as_bytes())].into_iter())?;
    write.notify(EventClass::Hash, "hincrby", key);
    reply.integer(new);
    Ok(())
}
