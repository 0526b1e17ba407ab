//! Arithmetic on fields.

use quorate_resp::Reply;

use crate::args::parse_integer;
use crate::long_double::LongDouble;
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

/// `HINCRBYFLOAT key field increment`
pub(crate) fn hincrbyfloat(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let increment = LongDouble::parse(&args[3]).ok_or(Error::NotFloat)?;
    if !increment.is_finite() {
        return Err(Error::text("ERR value is NaN or Infinity"));
    }
    let (key, field) = (&args[1], &args[2]);
    let old = match write.hash(key)?.and_then(|hash| hash.get(field)) {
        Some(value) => LongDouble::parse(value).ok_or(Error::text("ERR hash value is not a float"))?,
        None => LongDouble::from(0),
    };
    let new = old.add(increment);
    if !new.is_finite() {
        return Err(Error::NotFinite);
    }
    let text = new.to_text();
    write.set_fields(key, [(field, text.as_bytes())].into_iter())?;
    write.notify(EventClass::Hash, "hincrbyfloat", key);
    reply.bulk(text.as_bytes());
    Ok(())
}
