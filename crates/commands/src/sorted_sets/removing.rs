//! Removing ranges of members.

use std::ops::Range;

use quorate_keyspace::SortedSetValue;
use quorate_resp::Reply;

use super::bounds::{NameRange, ScoreRange};
use super::range::index_range;
use crate::{Args, Error, Write};

/// `ZREMRANGEBYRANK key start stop`
pub(crate) fn zremrangebyrank(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let (first, last) = (args.integer(2)?, args.integer(3)?);
    remove(write, &args[1], |set| index_range(first, last, set.len()), "zremrangebyrank", reply)
}

/// `ZREMRANGEBYSCORE key min max`
pub(crate) fn zremrangebyscore(
    write: &mut Write<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), Error> {
    let range = ScoreRange::parse(&args[2], &args[3])?;
    remove(write, &args[1], |set| range.ranks(set), "zremrangebyscore", reply)
}

/// `ZREMRANGEBYLEX key min max`
pub(crate) fn zremrangebylex(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let range = NameRange::parse(args.at(2), args.at(3))?;
    remove(write, &args[1], |set| range.ranks(set, false), "zremrangebylex", reply)
}

fn remove(
    write: &mut Write<'_>,
    key: &[u8],
    ranks: impl FnOnce(&SortedSetValue) -> Range<usize>,
    event: &'static str,
    reply: &mut Reply,
) -> Result<(), Error> {
    let ranks = write.sorted_set(key)?.map_or(0..0, ranks);
    let removed = ranks.len();
    if removed > 0 {
        write.remove_ranks(key, ranks, event);
    }
    reply.integer(removed as i64);
    Ok(())
}
