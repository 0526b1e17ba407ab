//! `SET` and its options, and the older commands that are special cases of it.

use quorate_keyspace::{Entry, Millis, Value};
use quorate_resp::Reply;

use super::write_string;
use crate::expiry::{self, Unit};
use crate::{Args, Error, EventClass, KeyFlag, KeyFlags, Write};

/// When a value is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Condition {
    Always,
    Missing,
    Present,
}

/// What happens to the key's expiry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expiry<'a> {
    Clear,
    Keep,
    At(Unit, &'a [u8]),
}

/// `SET key value [NX|XX] [GET] [EX s|PX ms|EXAT s|PXAT ms|KEEPTTL]`
pub(crate) fn set(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let mut condition = Condition::Always;
    let mut expiry = Expiry::Clear;
    let mut get = false;
    let mut i = 3;
    while i < args.len() {
        if args.is(i, "NX") && condition != Condition::Present {
            condition = Condition::Missing;
        } else if args.is(i, "XX") && condition != Condition::Missing {
            condition = Condition::Present;
        } else if args.is(i, "GET") {
            get = true;
        } else if args.is(i, "KEEPTTL") && matches!(expiry, Expiry::Clear | Expiry::Keep) {
            expiry = Expiry::Keep;
        } else if let (Some(unit), Some(time)) = (Unit::from_option(&args[i]), args.get(i + 1)) {
            // The same unit twice is accepted and the last one counts, as in Redis.
            match expiry {
                Expiry::Keep => return Err(Error::Syntax),
                Expiry::At(other, _) if other != unit => return Err(Error::Syntax),
                _ => expiry = Expiry::At(unit, time),
            }
            i += 1;
        } else {
            return Err(Error::Syntax);
        }
        i += 1;
    }
    let expires = match expiry {
        Expiry::At(unit, time) => Some(expiry::absolute(time, unit, write.now, "set")?),
        _ => None,
    };
    let key = &args[1];
    let old = if get { write.string(key)? } else { None };
    let met = match condition {
        Condition::Always => true,
        Condition::Missing => write.get(key).is_none(),
        Condition::Present => write.get(key).is_some(),
    };
    match (get, met, old) {
        (true, _, Some(old)) => write_string(old, reply),
        (true, _, None) | (false, false, _) => reply.null(),
        (false, true, _) => reply.ok(),
    }
    if met {
        store(write, key, &args[2], expires, expiry == Expiry::Keep);
    }
    Ok(())
}

/// What a `SET` does with its key: it reads it only for `GET`.
pub(crate) fn key_flags(args: Args<'_>) -> KeyFlags {
    if (3..args.len()).any(|i| args.is(i, "GET")) {
        KeyFlags::of(&[KeyFlag::Rw, KeyFlag::Access, KeyFlag::Update])
    } else {
        KeyFlags::of(&[KeyFlag::Ow, KeyFlag::Update])
    }
}

/// `SETNX key value`
pub(crate) fn setnx(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let free = write.get(&args[1]).is_none();
    if free {
        store(write, &args[1], &args[2], None, false);
    }
    reply.integer(free.into());
    Ok(())
}

/// `SETEX key seconds value`
pub(crate) fn setex(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let expires = expiry::absolute(&args[2], Unit::EX, write.now, "setex")?;
    store(write, &args[1], &args[3], Some(expires), false);
    reply.ok();
    Ok(())
}

/// `PSETEX key milliseconds value`
pub(crate) fn psetex(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let expires = expiry::absolute(&args[2], Unit::PX, write.now, "psetex")?;
    store(write, &args[1], &args[3], Some(expires), false);
    reply.ok();
    Ok(())
}

/// `GETSET key value`
pub(crate) fn getset(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    match write.string(&args[1])? {
        Some(old) => write_string(old, reply),
        None => reply.null(),
    }
    store(write, &args[1], &args[2], None, false);
    Ok(())
}

/// Stores a string and emits what Redis emits.
pub(super) fn store(
    write: &mut Write<'_>,
    key: &[u8],
    value: &[u8],
    expires: Option<Millis>,
    keep_expiry: bool,
) {
    let kept = if keep_expiry { write.get(key).and_then(Entry::expires) } else { None };
    write.set(key, Value::string(value), expires.or(kept));
    write.notify(EventClass::String, "set", key);
    if expires.is_some() {
        write.notify(EventClass::Generic, "expire", key);
    }
}
