//! Reading the expiry of keys.

use quorate_resp::Reply;

use crate::{Args, Error, Read};

/// `TTL key`
pub(crate) fn ttl(read: &Read<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    reply.integer(expiry(read, args, true).map_or_else(|none| none, seconds));
    Ok(())
}

/// `PTTL key`
pub(crate) fn pttl(read: &Read<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    reply.integer(expiry(read, args, true).unwrap_or_else(|none| none));
    Ok(())
}

/// `EXPIRETIME key`
pub(crate) fn expiretime(read: &Read<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    reply.integer(expiry(read, args, false).map_or_else(|none| none, seconds));
    Ok(())
}

/// `PEXPIRETIME key`
pub(crate) fn pexpiretime(read: &Read<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    reply.integer(expiry(read, args, false).unwrap_or_else(|none| none));
    Ok(())
}

/// The key's expiry in milliseconds, relative to now or absolute; else what is replied instead.
fn expiry(read: &Read<'_>, args: Args<'_>, relative: bool) -> Result<i64, i64> {
    const NO_KEY: i64 = -2;
    const NO_EXPIRY: i64 = -1;
    let entry = read.get(&args[1]).ok_or(NO_KEY)?;
    let expires = entry.expires().ok_or(NO_EXPIRY)?;
    Ok(if relative { expires.since(read.now) } else { expires.0 })
}

/// Rounded to the nearest second, as Redis does.
fn seconds(millis: i64) -> i64 {
    millis.saturating_add(500) / 1000
}
