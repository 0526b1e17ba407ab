//! Taking elements, or waiting for them.
//!
//! Each command runs as its counterpart that does not wait; where that finds nothing, the request becomes a waiter.

use std::ops::Range;

use quorate_keyspace::End;
use quorate_resp::Reply;

use super::end;
use super::moving::move_element;
use super::popping::Pops;
use crate::blocking::{Kind, seconds};
use crate::{Args, Error, Write};

/// `BLPOP key [key ...] timeout`
pub(crate) fn blpop(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    pop(write, args, End::Head, reply)
}

/// `BRPOP key [key ...] timeout`
pub(crate) fn brpop(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    pop(write, args, End::Tail, reply)
}

/// `BLMPOP timeout numkeys key [key ...] LEFT|RIGHT [COUNT count]`
pub(crate) fn blmpop(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let Pops { keys, end, count } = Pops::parse(args, 2)?;
    let timeout_millis = seconds(args, 1)?;
    if !write.pop_first_list(&args.as_slice()[keys.clone()], end, count, reply)?
        && !write.wait(Kind::List, args, keys, timeout_millis)
    {
        reply.null_array();
    }
    Ok(())
}

/// `BLMOVE source destination LEFT|RIGHT LEFT|RIGHT timeout`
pub(crate) fn blmove(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let (from, to) = (end(args, 3)?, end(args, 4)?);
    let timeout_millis = seconds(args, 5)?;
    move_or_wait(write, args, (from, to), timeout_millis, reply)
}

/// `BRPOPLPUSH source destination timeout`
pub(crate) fn brpoplpush(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let timeout_millis = seconds(args, 3)?;
    move_or_wait(write, args, (End::Tail, End::Head), timeout_millis, reply)
}

fn pop(write: &mut Write<'_>, args: Args<'_>, end: End, reply: &mut Reply) -> Result<(), Error> {
    let timeout_at = args.len() - 1;
    let timeout_millis = seconds(args, timeout_at)?;
    let keys: Range<usize> = 1..timeout_at;
    for key in &args.as_slice()[keys.clone()] {
        if write.list(key)?.is_some() {
            reply.array(2);
            reply.bulk(key);
            reply.bulk(&write.pop_element(key, end));
            return Ok(());
        }
    }
    if !write.wait(Kind::List, args, keys, timeout_millis) {
        reply.null_array();
    }
    Ok(())
}

fn move_or_wait(
    write: &mut Write<'_>,
    args: Args<'_>,
    (from, to): (End, End),
    timeout_millis: i64,
    reply: &mut Reply,
) -> Result<(), Error> {
    if write.list(&args[1])?.is_none() && write.wait(Kind::List, args, 1..2, timeout_millis) {
        return Ok(());
    }
    move_element(write, (&args[1], from), (&args[2], to), reply)
}
