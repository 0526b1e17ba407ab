//! Taking members, or waiting for them; see [`crate::blocking`].

use std::ops::Range;

use quorate_resp::Reply;

use super::popping::{End, Pops, write_popped};
use crate::blocking::{Kind, seconds};
use crate::{Args, Error, Write};

/// `BZPOPMIN key [key ...] timeout`
pub(crate) fn bzpopmin(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    pop(write, args, End::Lowest, reply)
}

/// `BZPOPMAX key [key ...] timeout`
pub(crate) fn bzpopmax(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    pop(write, args, End::Highest, reply)
}

/// `BZMPOP timeout numkeys key [key ...] MIN | MAX [COUNT count]`
pub(crate) fn bzmpop(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let pops = Pops::parse(args, 2)?;
    let timeout_millis = seconds(args, 1)?;
    if !pops.take_first(write, args, reply)? && !write.wait(Kind::SortedSet, args, pops.keys, timeout_millis)
    {
        reply.null_array();
    }
    Ok(())
}

fn pop(write: &mut Write<'_>, args: Args<'_>, end: End, reply: &mut Reply) -> Result<(), Error> {
    let timeout_at = args.len() - 1;
    let timeout_millis = seconds(args, timeout_at)?;
    let keys: Range<usize> = 1..timeout_at;
    for key in &args.as_slice()[keys.clone()] {
        if let Some(set) = write.sorted_set(key)? {
            let ranks = end.ranks(set, 1);
            reply.array(3);
            reply.bulk(key);
            write_popped(set, ranks.clone(), end, false, reply);
            write.remove_ranks(key, ranks, end.event());
            return Ok(());
        }
    }
    if !write.wait(Kind::SortedSet, args, keys, timeout_millis) {
        reply.null_array();
    }
    Ok(())
}
