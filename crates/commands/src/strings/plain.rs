//! Reading one whole string, and what goes with it: removing the key, changing its expiry.

use quorate_resp::Reply;

use super::write_string;
use crate::expiry::{self, Unit};
use crate::{Args, Error, EventClass, Read, Write};

/// `GET key`
pub(crate) fn get(read: &Read<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    match read.string(&args[1])? {
        Some(string) => write_string(string, reply),
        None => reply.null(),
    }
    Ok(())
}

/// `GETDEL key`
pub(crate) fn getdel(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let key = &args[1];
    let Some(string) = write.string(key)? else {
        reply.null();
        return Ok(());
    };
    write_string(string, reply);
    write.remove(key);
    write.notify(EventClass::Generic, "del", key);
    Ok(())
}

/// What `GETEX` does to the expiry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change<'a> {
    Nothing,
    Persist,
    At(Unit, &'a [u8]),
}

/// `GETEX key [EX s|PX ms|EXAT s|PXAT ms|PERSIST]`
pub(crate) fn getex(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let change = getex_options(args)?;
    let key = &args[1];
    let Some(string) = write.string(key)? else {
        reply.null();
        return Ok(());
    };
    let expires = match change {
        Change::At(unit, time) => Some(expiry::absolute(time, unit, write.now, "getex")?),
        _ => None,
    };
    write_string(string, reply);
    match (change, expires) {
        (Change::At(unit, _), Some(time)) if unit.absolute && time <= write.now => {
            write.remove(key);
            write.notify(EventClass::Generic, "del", key);
        }
        (_, Some(time)) => {
            write.set_expiry(key, Some(time));
            write.notify(EventClass::Generic, "expire", key);
        }
        (Change::Persist, None) => {
            if write.get(key).is_some_and(|entry| entry.expires().is_some()) {
                write.set_expiry(key, None);
                write.notify(EventClass::Generic, "persist", key);
            }
        }
        (_, None) => {}
    }
    Ok(())
}

fn getex_options(args: Args<'_>) -> Result<Change<'_>, Error> {
    let mut change = Change::Nothing;
    let mut i = 2;
    while i < args.len() {
        if args.is(i, "PERSIST") && matches!(change, Change::Nothing | Change::Persist) {
            change = Change::Persist;
        } else if let (Some(unit), Some(time)) = (Unit::from_option(&args[i]), args.get(i + 1)) {
            // The same unit twice is accepted and the last one counts, as in Redis.
            match change {
                Change::Persist => return Err(Error::Syntax),
                Change::At(other, _) if other != unit => return Err(Error::Syntax),
                _ => change = Change::At(unit, time),
            }
            i += 1;
        } else {
            return Err(Error::Syntax);
        }
        i += 1;
    }
    Ok(change)
}
