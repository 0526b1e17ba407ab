//! Setting and clearing the expiry of keys.
//!
//! A relative time becomes absolute here, by the agreed time of the batch.

use quorate_keyspace::Millis;
use quorate_resp::Reply;

use crate::{Args, Error, EventClass, Write};

/// `EXPIRE key seconds [NX|XX] [GT|LT]`
pub(crate) fn expire(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let base = write.now;
    set_expiry(write, args, reply, "expire", Time { base, unit_millis: 1000 })
}

/// `PEXPIRE key milliseconds [NX|XX] [GT|LT]`
pub(crate) fn pexpire(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let base = write.now;
    set_expiry(write, args, reply, "pexpire", Time { base, unit_millis: 1 })
}

/// `EXPIREAT key unix-time-seconds [NX|XX] [GT|LT]`
pub(crate) fn expireat(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    set_expiry(write, args, reply, "expireat", Time { base: Millis(0), unit_millis: 1000 })
}

/// `PEXPIREAT key unix-time-milliseconds [NX|XX] [GT|LT]`
pub(crate) fn pexpireat(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    set_expiry(write, args, reply, "pexpireat", Time { base: Millis(0), unit_millis: 1 })
}

/// `PERSIST key`
pub(crate) fn persist(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let key = &args[1];
    let has_expiry = write.get(key).is_some_and(|entry| entry.expires().is_some());
    if has_expiry {
        write.set_expiry(key, None);
        write.notify(EventClass::Generic, "persist", key);
    }
    reply.integer(i64::from(has_expiry));
    Ok(())
}

/// How a command's time argument is meant.
struct Time {
    base: Millis,
    unit_millis: i64,
}

impl Time {
    /// The absolute expiry, which may lie in the past, or nothing if it does not fit.
    fn absolute(&self, time: i64) -> Option<Millis> {
        let millis = time.checked_mul(self.unit_millis)?;
        Some(Millis(millis.checked_add(self.base.0)?))
    }
}

/// On what condition the expiry is set.
#[derive(Debug, Default)]
struct Condition {
    nx: bool,
    xx: bool,
    gt: bool,
    lt: bool,
}

impl Condition {
    fn parse(args: Args<'_>) -> Result<Condition, Error> {
        let mut condition = Condition::default();
        for i in 3..args.len() {
            let flag = if args.is(i, "NX") {
                &mut condition.nx
            } else if args.is(i, "XX") {
                &mut condition.xx
            } else if args.is(i, "GT") {
                &mut condition.gt
            } else if args.is(i, "LT") {
                &mut condition.lt
            } else {
                return Err(unsupported_option(&args[i]));
            };
            *flag = true;
        }
        if condition.nx && (condition.xx || condition.gt || condition.lt) {
            return Err(Error::text("ERR NX and XX, GT or LT options at the same time are not compatible"));
        }
        if condition.gt && condition.lt {
            return Err(Error::text("ERR GT and LT options at the same time are not compatible"));
        }
        Ok(condition)
    }

    /// True if a key with the expiry `current` may get the expiry `new`. No expiry counts as never.
    fn is_met(&self, current: Option<Millis>, new: Millis) -> bool {
        !(self.nx && current.is_some()
            || self.xx && current.is_none()
            || self.gt && current.is_none_or(|current| new <= current)
            || self.lt && current.is_some_and(|current| new >= current))
    }
}

fn unsupported_option(option: &[u8]) -> Error {
    // As C prints it: up to a NUL; and an error reply is one line.
    let printed = option.split(|byte| *byte == 0).next().unwrap_or_default();
    let printed = String::from_utf8_lossy(printed);
    let text = format!("Unsupported option {printed}");
    Error::text(format!("ERR {}", text.trim_matches(['\r', '\n']).replace(['\r', '\n'], " ")))
}

fn set_expiry(
    write: &mut Write<'_>,
    args: Args<'_>,
    reply: &mut Reply,
    name: &'static str,
    time: Time,
) -> Result<(), Error> {
    let condition = Condition::parse(args)?;
    let expires = time.absolute(args.integer(2)?).ok_or(Error::InvalidExpire(name))?;
    let key = &args[1];
    let met = write.get(key).is_some_and(|entry| condition.is_met(entry.expires(), expires));
    if met && expires <= write.now {
        write.remove(key);
        write.notify(EventClass::Generic, "del", key);
    } else if met {
        write.set_expiry(key, Some(expires));
        write.notify(EventClass::Generic, "expire", key);
    }
    reply.integer(i64::from(met));
    Ok(())
}
